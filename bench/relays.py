"""The relays that are measured: how each is started on its core."""

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import CACHE, HERE, free_ports

START_TIMEOUT_S = 20
LISTEN = "0A"


@dataclass(frozen=True)
class Relay:
    """A program that takes the two addresses it listens on: for publishers, for subscribers."""

    name: str
    protocol: str
    command: tuple
    address: str = "tcp://{}"

    @contextlib.contextmanager
    def running(self, core):
        """A process of its own for each measurement, so that peak memory is the measurement's."""
        ports = free_ports(2)
        sub, pub = (f"127.0.0.1:{port}" for port in ports)
        given = {"sub": self.address.format(sub), "pub": self.address.format(pub)}
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *(str(word).format(**given) for word in self.command)],
            env={**os.environ, "PUSHNOTE_LOG": "warn"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        try:
            wait_until_listening(ports, process)
            yield sub, pub, process.pid
        finally:
            process.kill()
            process.wait()


def wait_until_listening(ports, process):
    """Looks instead of connecting: a relay may not survive a peer that hangs up."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = {int(fields[1].split(":")[1], 16) for fields in sockets if fields[3] == LISTEN}
        if listening.issuperset(ports):
            return
        time.sleep(0.01)
    raise SystemExit(f"{process.args} does not listen on ports {ports}")


def all_of(binaries, load):
    """The forwarder between what it should come near to and what it should leave behind."""
    zeromq = CACHE / "zeromq-relay/release/zeromq-relay"
    python = CACHE / "venv/bin/python"
    return [
        Relay("plain TCP", "tcp", (load, "tcp", "{sub}", "{pub}"), address="{}"),
        Relay("pushnote-mq", "zmtp", forwarder(binaries, load)),
        Relay("libzmq", "zmtp", (python, HERE / "peers/zmq_proxy.py", "{sub}", "{pub}")),
        Relay("zeromq crate", "zmtp", (zeromq, "{sub}", "{pub}")),
    ]


def forwarder(binaries, load):
    """The binary that waits for slow subscribers; the library's own when the binary cannot be told to."""
    binary = binaries / "pushnote-mq"
    usage = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    if "--slow-subscriber" in usage:
        return binary, "--sub={sub}", "--pub={pub}", "--slow-subscriber=wait"
    return load, "forwarder", "{sub}", "{pub}"


def versions():
    python = CACHE / "venv/bin/python"
    libzmq = "import zmq; print(f'libzmq {zmq.zmq_version()} by pyzmq {zmq.__version__}')"
    said = subprocess.run([python, "-c", libzmq], capture_output=True, text=True, check=True).stdout.split()
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()
    lock = (HERE / "peers/zeromq-relay/Cargo.lock").read_text()
    zeromq = lock.split('name = "zeromq"\nversion = "')[1].split('"')[0]
    return {"rustc": rustc[1], "libzmq": said[1], "pyzmq": said[4], "zeromq crate": zeromq}
