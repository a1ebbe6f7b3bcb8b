"""The servers that are measured: how each is started and where it is loaded."""

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
DEBIAN = CACHE / "debian"
START_TIMEOUT_S = 60
# After a server listens: by then a master has started its workers.
SETTLE_S = 0.5


@dataclass(frozen=True)
class Server:
    """A server and one way to connect to it. Commands are made from a `Place`, addresses from its ports."""

    name: str
    transport: str
    command: Callable[["Place"], list]
    preset: str
    url: str
    publish: str
    environment: dict = None
    threads: bool = False
    # Something is published before anybody connects: a channel without a message is no stream.
    begun: bool = False

    @contextlib.contextmanager
    def running(self, cores):
        """Starts it on these cores; gives the flags with which `pushnote bench` loads it."""
        with tempfile.TemporaryDirectory(prefix="pushnote-bench-") as folder, open(f"{folder}/output", "w+b") as output:
            place = Place(*free_ports(2), Path(folder), len(cores))
            process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, cores)), *map(str, self.command(place))],
                env={**os.environ, **(self.environment or {})},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
            try:
                wait_until_open(place.port, process, output)
                if self.publish.startswith("tcp"):
                    wait_until_open(place.publish_port, process, output)
                time.sleep(SETTLE_S)
                ports = {"port": place.port, "publish_port": place.publish_port}
                if self.begun:
                    urllib.request.urlopen(self.publish.format(**ports), b'"begun"', START_TIMEOUT_S).close()
                flags = ["--preset", self.preset, "--url", self.url.format(**ports), "--publish", self.publish.format(**ports)]
                yield flags + [flag for pid in family(process.pid) for flag in ("--pid", str(pid))]
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@dataclass(frozen=True)
class Place:
    """What a server is given to run."""

    port: int
    publish_port: int
    folder: Path
    cores: int


def family(pid):
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until_open(port, process, output):
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    output.seek(0)
    raise SystemExit(f"{process.args} does not listen on port {port}:\n{output.read().decode(errors='replace')}")


# Publishers POST to /publish/CHANNEL, subscribers poll at /poll/CHANNEL; without a store of their own, so that /streams/CHANNEL
# has the same messages.
LOCATIONS = """
[[server.channels]]
prefix = "bench"
public = true

[[server.locations]]
type = "subscriber"
prefix = "/poll/"
store = ""
create_on_get = true

[[server.locations]]
type = "publisher"
prefix = "/publish/"
store = ""
"""


def pushnote(binaries):
    """pushnote's ways, alone on one process as `--single`."""

    def command(place):
        return [
            binaries / "pushnote-server", "--single", f"--port={place.port}", "--address=127.0.0.1", "--route=/sockjs",
            f"--mq_socket=tcp://127.0.0.1:{place.publish_port}", "--sessions-per-second-max=1000000",
        ]

    def with_locations(place):
        file = place.folder / "pushnote.toml"
        file.write_text(LOCATIONS)
        return [*command(place), f"--config={file}"]

    environment = {"PUSHNOTE_SECRET": secrets.token_urlsafe(32), "PUSHNOTE_LOG": "warn"}
    zmq = "tcp://127.0.0.1:{publish_port}"
    route = "http://127.0.0.1:{port}/sockjs"
    raw = "ws://127.0.0.1:{port}/sockjs/websocket"
    poll, stream, http = (f"http://127.0.0.1:{{port}}/{path}" for path in ("poll/bench", "streams/bench", "publish/bench"))
    return [
        Server("pushnote", "raw WebSocket", command, "raw", raw, zmq, environment, threads=True),
        Server("pushnote", "SockJS websocket", command, "sockjs-websocket", route, zmq, environment, threads=True),
        Server("pushnote", "SSE", command, "sse", "http://127.0.0.1:{port}/events", zmq, environment, threads=True),
        Server("pushnote", "SockJS xhr-streaming", command, "sockjs-xhr-streaming", route, zmq, environment, threads=True),
        Server("pushnote", "long-poll", with_locations, "long-poll", poll, http, environment, threads=True),
        Server(
            "pushnote", "Durable Streams long-poll", with_locations, "durable-streams", stream, http, environment,
            threads=True, begun=True,
        ),
    ]


def nginx(place):
    values = {
        "DIRECTORY": place.folder,
        "MODULE": DEBIAN / "usr/lib/nginx/modules/ngx_nchan_module.so",
        "PORT": place.port,
        "MASTER": "on" if place.cores > 1 else "off",
        "WORKERS": place.cores,
    }
    configuration = (HERE / "peers/nginx.conf").read_text()
    for name, value in values.items():
        configuration = configuration.replace(f"@{name}@", str(value))
    (place.folder / "nginx.conf").write_text(configuration)
    return [DEBIAN / "usr/sbin/nginx", "-p", place.folder, "-c", place.folder / "nginx.conf"]


def peers():
    http = "http://127.0.0.1:{port}/publish"
    route = "http://127.0.0.1:{port}/sockjs"
    zmq = "tcp://127.0.0.1:{publish_port}"

    def node(program):
        return lambda place: ["node", HERE / "peers" / program, place.port]

    def tornado(place):
        return [CACHE / "venv/bin/python", HERE / "peers/sockjs_tornado.py", place.port, place.publish_port]

    libraries = {"LD_LIBRARY_PATH": str(DEBIAN / "usr/lib/x86_64-linux-gnu")}
    subscribe = "ws://127.0.0.1:{port}/subscribe"
    return [
        Server("Nchan", "WebSocket", nginx, "nchan", subscribe, http, libraries, threads=True),
        Server("Nchan", "long-poll", nginx, "long-poll", "http://127.0.0.1:{port}/poll", http, libraries, threads=True),
        Server("Nchan", "SSE", nginx, "sse", "http://127.0.0.1:{port}/events", http, libraries, threads=True),
        Server("sockjs-node", "SockJS websocket", node("sockjs_node.cjs"), "sockjs-websocket", route, http),
        Server("sockjs-node", "SockJS xhr-streaming", node("sockjs_node.cjs"), "sockjs-xhr-streaming", route, http),
        Server("socket.io", "WebSocket", node("socketio.cjs"), "socketio", "ws://127.0.0.1:{port}", http),
        Server("sockjs-tornado + pyzmq", "SockJS websocket", tornado, "sockjs-websocket", route, zmq),
    ]


def versions():
    """What ran, as its own tools say."""

    def said(*command):
        try:
            result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
        except OSError:
            return "missing"
        return (result.stdout + result.stderr).strip()

    def npm(package):
        return said("node", "-p", f"require('{HERE}/peers/node_modules/{package}/package.json').version")

    python = CACHE / "venv/bin/python"
    installed = said(python, "-c", "import importlib.metadata as m; print(*map(m.version, ('pyzmq', 'sockjs-tornado', 'tornado')))")
    pyzmq, sockjs_tornado, tornado = (installed.split() + ["?"] * 3)[:3]
    nchan = next((path.name.split("_")[1] for path in (DEBIAN / "packages").glob("libnginx-mod-nchan_*")), "?")
    return {
        "rustc": said("rustc", "--version").removeprefix("rustc "),
        "nginx": said(DEBIAN / "usr/sbin/nginx", "-v").split("/")[-1],
        "Nchan": nchan.replace("%3a", ":"),
        "Node": said("node", "--version"),
        "sockjs-node": npm("sockjs"),
        "socket.io": npm("socket.io"),
        "Python": said(python, "--version").removeprefix("Python "),
        "sockjs-tornado": sockjs_tornado,
        "Tornado": tornado,
        "pyzmq": pyzmq,
    }
