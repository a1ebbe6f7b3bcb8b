"""The real programs, as processes."""

import contextlib
import itertools
import json
import os
import pathlib
import queue
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from pushnote.message import Message
from pushnote.zeromq import ZeroMQ

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = pathlib.Path(os.environ.get("PUSHNOTE_PROGRAMS", ROOT / "target" / "debug"))
# What tests start as processes of their own finds the package, too.
os.environ["PYTHONPATH"] = str(ROOT / "client-py" / "src")
SECRET = "a secret of the test suite, long enough for any server"


def drawn_ports():
    """What is looked at: no port twice until all were seen, and none that is given to a connection, or to who asks for port 0."""
    first, end = 17_000, 26_000
    with contextlib.suppress(OSError):
        end = min(end, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
    # On a machine that leaves none there, any.
    ports = range(first, end) if end - first >= 1000 else [0]
    begin = random.randrange(len(ports))
    return itertools.cycle([*ports[begin:], *ports[:begin]])


PORTS = drawn_ports()


def free_port():
    while True:
        with contextlib.suppress(OSError), socket.socket() as made:
            made.bind(("127.0.0.1", next(PORTS)))
            return made.getsockname()[1]


class Process:
    """A program that says when it is ready."""

    def __init__(self, name, *arguments, **environment):
        self.running = subprocess.Popen(
            [PROGRAMS / name, *arguments],
            env={**os.environ, "PUSHNOTE_SECRET": SECRET, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.running.stderr:
            self.lines.put(line)

    def says(self, part, seconds=15):
        deadline = time.monotonic() + seconds
        while part not in self.lines.get(timeout=max(0, deadline - time.monotonic())):
            pass

    def kill(self):
        self.running.kill()
        self.running.wait()

    def stop(self):
        self.running.terminate()
        self.running.wait(15)


def reachable(port, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on {port}")


@pytest.fixture
def start():
    """Starts programs, and ends them with the test."""
    started = []

    def start_one(name, *arguments, port=None, **environment):
        started.append(Process(name, *arguments, **environment))
        if port is not None:
            reachable(port)
        return started[-1]

    yield start_one
    for process in started:
        if process.running.poll() is None:
            process.kill()


class Server:
    """A single server, and what a page there gets."""

    def __init__(self, start, **flags):
        self.port, self.mq, self.ack, self.api = free_port(), free_port(), free_port(), free_port()
        self.start = start
        self.flags = flags
        self.run()

    def run(self):
        self.process = self.start(
            "pushnote-server",
            "--single",
            "--address=127.0.0.1",
            f"--port={self.port}",
            f"--mq_socket=tcp://127.0.0.1:{self.mq}",
            f"--ack=tcp://127.0.0.1:{self.ack}",
            '--channels={ prefix = "news", public = true }',
            *(f"--{name.replace('_', '-')}={value}" for name, value in self.flags.items()),
            port=self.port,
        )

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.mq}"

    @property
    def ack_address(self):
        return f"tcp://127.0.0.1:{self.ack}"

    def page(self, token=None):
        return Page(self.port, token)


class Page:
    """Reads event streams: everyone's messages, and a user's."""

    def __init__(self, port, token=None):
        query = f"token={token}" if token else "channel=news"
        self.stream = urllib.request.urlopen(f"http://127.0.0.1:{port}/events?{query}", timeout=20)
        self.messages = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError):
            for line in self.stream:
                if line.startswith(b"data: "):
                    self.messages.put(json.loads(line[6:]))

    def next(self, seconds=15):
        return self.messages.get(timeout=seconds)

    def take(self, count):
        return [self.next() for _ in range(count)]

    def nothing(self, seconds=0.3):
        with pytest.raises(queue.Empty):
            self.messages.get(timeout=seconds)


@pytest.fixture
def server(start):
    return Server(start)


@pytest.fixture
def publish_from(tmp_path):
    """Runs a program of a few lines to its end."""

    def run(text, expected=0, **environment):
        script = tmp_path / "script.py"
        script.write_text(text)
        cleaned = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        done = subprocess.run(
            [sys.executable, script], env={**cleaned, **environment}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == expected, done.stderr
        return done

    return run


def everyone(data):
    return Message(json.dumps(data), everyone=True)


@pytest.fixture
def publisher():
    made = []

    def make(*arguments, **more):
        made.append(ZeroMQ(*arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close(1)
