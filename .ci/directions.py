"""Fails where a package uses one that lies against the direction of ARCHITECTURE.md's code map."""

import json
import subprocess
import sys

# What each package may use of this workspace.
ALLOWED = {
    "pushnote-core": set(),
    "pushnote-net": set(),
    "pushnote-websocket": {"pushnote-net"},
    "pushnote-sockjs-proto": set(),
    "pushnote-zmtp-proto": set(),
    "pushnote-zmtp": {"pushnote-net", "pushnote-zmtp-proto"},
    "pushnote-config": {
        "pushnote-core", "pushnote-net", "pushnote-relay", "pushnote-sockjs", "pushnote-store", "pushnote-webpush", "pushnote-zmtp",
    },
    "pushnote-load": {"pushnote-zmtp-proto"},
    "pushnote-cli": {"pushnote-config", "pushnote-net", "pushnote-zmtp"},
    "pushnote-sockjs": {"pushnote-net", "pushnote-sockjs-proto", "pushnote-websocket"},
    "pushnote-hub": {"pushnote-core"},
    "pushnote-relay": {"pushnote-core", "pushnote-net"},
    "pushnote-store": set(),
    "pushnote-webpush": {"pushnote-net", "pushnote-store"},
    "pushnote-intake": {"pushnote-core", "pushnote-hub", "pushnote-net", "pushnote-zmtp"},
    "pushnote-http": {
        "pushnote", "pushnote-core", "pushnote-hub", "pushnote-intake", "pushnote-net", "pushnote-relay", "pushnote-sockjs", "pushnote-store",
        "pushnote-webpush", "pushnote-websocket", "pushnote-zmtp",
    },
    "pushnote-forwarder": {"pushnote-core", "pushnote-net", "pushnote-zmtp"},
    "pushnote": {"pushnote-core", "pushnote-net", "pushnote-zmtp"},
    "pushnote-mq": {"pushnote-config", "pushnote-forwarder", "pushnote-net", "pushnote-cli", "pushnote-zmtp"},
    "pushnote-server": {"pushnote", "pushnote-config", "pushnote-core", "pushnote-http", "pushnote-net", "pushnote-cli", "pushnote-zmtp"},
    "pushnote-tool": {
        "pushnote", "pushnote-config", "pushnote-core", "pushnote-http", "pushnote-load", "pushnote-cli", "pushnote-mq", "pushnote-server",
        "pushnote-store", "pushnote-webpush", "pushnote-zmtp",
    },
    "pushnote-tests": {"pushnote", "pushnote-core", "pushnote-zmtp"},
}
# Who alone may use these from outside.
ONLY = {
    "warp": {"pushnote-http", "pushnote-sockjs"},
    "clap": {"pushnote-config", "pushnote-cli", "pushnote-tool"},
    "anyhow": {"pushnote-tests"},
}
# Crates without IO and without a clock.
SANS_IO = {"pushnote-core", "pushnote-sockjs-proto", "pushnote-zmtp-proto"}
IO_CRATES = {"tokio", "hyper", "hyper-util", "warp", "socket2", "tracing"}

metadata = json.loads(
    subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], capture_output=True, check=True
    ).stdout
)
packages = {package["name"]: package for package in metadata["packages"]}
faults = [f"{name} is not in the table of .ci/directions.py" for name in packages.keys() - ALLOWED.keys()]
for name, package in packages.items():
    normal = {dep["name"] for dep in package["dependencies"] if dep["kind"] is None}
    faults += [f"{name} may not use {dep}" for dep in (normal & packages.keys()) - ALLOWED.get(name, set())]
    faults += [f"{name} may not use {dep}" for dep in normal & ONLY.keys() if name not in ONLY[dep]]
    if name in SANS_IO:
        faults += [f"{name} is without IO and may not use {dep}" for dep in normal & IO_CRATES]
print("\n".join(faults) or f"{len(packages)} packages, no dependency against the direction")
sys.exit(bool(faults))
