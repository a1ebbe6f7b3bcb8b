"""Publishes by ZeroMQ. A message is queued, and a thread of the publisher's own sends it: nobody who publishes waits.

What is queued before somebody has subscribed waits for that, so the first message of a process is not lost; and what
waits when the program ends is sent then.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import os
import socket
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from pushnote import runtimes
from pushnote.errors import NotConfigured, NotSent, QueueFull, Refused, Unavailable
from pushnote.links import FAILURES, RIGHT_PORT, Link, failure, set_up
from pushnote.message import Message, Receipt, check_size
from pushnote.settings import ACK_SOCKET, MESSAGE_BYTES_MAX_DEFAULT, MQ_SOCKET

log = logging.getLogger("pushnote")

QUEUE_MAX = 10_000
"""Messages that may wait."""

QUEUE_BYTES_MAX = 8 << 20
"""And their bytes."""

FULL_PAUSE_S = 0.005
"""From one try to the next while ZeroMQ's own queue is full."""

TURN_MAX = 1_000
"""Messages that are sent until the connections are looked after again."""

EXIT_TIMEOUT_S = 5.0
"""How long a program that ends waits for what is not sent yet."""

RELOAD_TIMEOUT_S = 0.5
"""And one that Django's ``runserver`` reloads, which serves the old code as long as it waits."""

ZMTP_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
"""How ZeroMQ greets (ZMTP 3.1, greeting)."""

PROBE_TIMEOUT_S = 1.0
"""How long what listens at an address may take to greet."""

RETRY_PAUSE_S = 0.1
"""From one question to the next, when a forwarder has no server yet."""


class ZeroMQ:
    """A publisher for some endpoints: each has every message, and servers that hear several take it once."""

    def __init__(
        self,
        endpoints: Sequence[str],
        ack_endpoints: Sequence[str] = (),
        curve: tuple[str, str] | None = None,
        message_bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._ack_endpoints = tuple(ack_endpoints)
        self._curve = curve
        self._message_bytes_max = message_bytes_max
        # By these servers know a message that comes twice. Those that are acknowledged go another way, so they are counted
        # by themselves.
        self._name = uuid.uuid4().hex
        self._acked_name = uuid.uuid4().hex
        self._acked_numbers = itertools.count()
        self._number = 0
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        # By a signal's handler the thread that holds it may come once more.
        self._lock = threading.RLock()
        self._is_publishing = False
        self._interrupting: deque[Message] = deque()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._wakes: tuple[socket.socket, socket.socket] | None = None
        self._closing = False
        self._exit_deadline = 0.0
        self._links: list[Link] = []

    def publish(self, message: Message) -> Receipt | None:
        """Queue a message. Only one that is followed by a push has a receipt, with the id of that.

        :raises QueueFull: too much waits already.
        :raises NotConfigured: what is at the address is no ZeroMQ.
        :raises ValueError: as :meth:`check` says.
        """
        self.check(message)
        with self._lock:
            if self._closing:
                raise NotSent("the program ends, and takes no more messages")
            if self._is_publishing:
                self._interrupting.append(message)
            else:
                self._is_publishing = True
                try:
                    self._enqueue(message)
                    self._enqueue_interrupting()
                finally:
                    self._is_publishing = False
        self._wake()
        return Receipt(message.push.id) if message.push else None

    def _enqueue(self, message: Message) -> None:
        body = message.envelope(f"{self._name}/{self._number}")
        if len(self._queue) >= QUEUE_MAX or self._queue_bytes + len(body) > QUEUE_BYTES_MAX:
            raise QueueFull(f"{len(self._queue)} messages wait already: {self._why()}")
        self._start()
        self._number += 1
        self._queue.append(body)
        self._queue_bytes += len(body)

    def _enqueue_interrupting(self) -> None:
        while self._interrupting:
            self._enqueue(self._interrupting.popleft())

    def check(self, message: Message) -> None:
        """Look whether servers take it: of what is queued they could tell nobody.

        :raises ValueError: its data is too long.
        """
        check_size(message, self._message_bytes_max)

    def publish_acked(self, message: Message, timeout: float) -> Receipt:
        """Send a message, and wait until servers have it.

        :raises Refused: something is wrong with it.
        :raises Unavailable: nobody has said within ``timeout`` seconds that it is there.
        :raises NotConfigured: nobody who answers is known.
        """
        if not self._ack_endpoints:
            raise NotConfigured(
                "PUSHNOTE_ACK_SOCKET is not set; set it to what pushnote-mq --ack listens on, as in tcp://127.0.0.1:8003"
            )
        for endpoint in self._ack_endpoints:
            check_endpoint(ACK_SOCKET, endpoint)
        body = message.envelope(f"{self._acked_name}/{next(self._acked_numbers)}")
        deadline = time.monotonic() + timeout
        why = "nobody answers"
        while True:
            for endpoint in self._ack_endpoints:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(f"not acknowledged within {timeout:g} s: {why}")
                try:
                    answer = self._ask(endpoint, body, left)
                except Unavailable as error:
                    why = str(error)
                    continue
                # Who is there is asked first.
                self._ack_endpoints = (endpoint, *(other for other in self._ack_endpoints if other != endpoint))
                if "error" not in answer:
                    name = message.push.id if message.push else str(answer["id"])
                    return Receipt(name, servers=answer.get("servers"), of=answer.get("of"))
                if not answer.get("retry"):
                    raise Refused(str(answer["error"]))
                why = str(answer["error"])
            time.sleep(min(RETRY_PAUSE_S, max(0.0, deadline - time.monotonic())))

    def flush(self, timeout: float) -> None:
        """Wait until all that was queued is given to ZeroMQ, which sends it, also when the program ends.

        :raises NotSent: it is not, within ``timeout`` seconds.
        """
        with self._lock:
            if not self._changed.wait_for(self._all_is_sent, timeout):
                raise NotSent(f"after {timeout:g} s, {self._left('still wait')}")

    def _all_is_sent(self) -> bool:
        """Whether somebody who is there has it all; or, where nobody is, libzmq has nothing."""
        if self._queue:
            return False
        hearing = [link for link in self._links if link.hears]
        return not all(link.behind for link in hearing) if hearing else not any(link.is_in_doubt for link in self._links)

    def _left(self, how: str) -> str:
        count = len(self._queue) or min((link.behind for link in self._links if link.hears), default=0)
        return f"{f'{count} messages {how}' if count else 'what was sent last may not have arrived'}: {self._why()}"

    def close(self, timeout: float | None = None) -> None:
        """Send what waits, for up to ``timeout`` seconds, and end. What is lost then is said on standard error."""
        if timeout is None:
            timeout = RELOAD_TIMEOUT_S if os.environ.get("RUN_MAIN") == "true" else EXIT_TIMEOUT_S
        with self._lock, contextlib.suppress(QueueFull, NotConfigured):
            if not self._is_publishing:
                self._enqueue_interrupting()
        with self._lock:
            thread, self._closing = self._thread, True
            self._exit_deadline = time.monotonic() + timeout
        if thread is None:
            return
        self._wake()
        thread.join(timeout + 1)
        with self._lock:
            if not self._all_is_sent():
                print(f"pushnote: {self._left('were not sent')}", file=sys.stderr)

    def _why(self) -> str:
        return "; ".join(link.why() for link in self._links)

    def _start(self) -> None:
        if self._thread is not None:
            return
        runtimes.refuse_where_no_thread_can_be()
        for endpoint in self._endpoints:
            check_endpoint(MQ_SOCKET, endpoint)
            # Whatever answers something else libzmq takes for a peer of old, and says that it has subscribed.
            if _is_another_protocol(endpoint):
                raise NotConfigured(f"what listens at {endpoint} is no ZeroMQ: {RIGHT_PORT}")
        sockets = runtimes.sockets()
        context = sockets.Context()
        links: list[Link] = []
        try:
            for endpoint in self._endpoints:
                links.append(Link(context, endpoint, self._curve))
        except (NotConfigured, zmq.ZMQError) as error:
            for link in links:
                link.close(0)
            context.term()
            if isinstance(error, NotConfigured):
                raise
            raise NotConfigured(f"{MQ_SOCKET}: {', '.join(self._endpoints)}: {error}") from error
        self._links = links
        self._wakes = socket.socketpair()
        for end in self._wakes:
            end.setblocking(False)
        self._thread = threading.Thread(target=self._run, args=(context, sockets.Poller()), name="pushnote", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        if self._wakes is not None:
            # If it is full, the thread is awake anyway.
            with contextlib.suppress(BlockingIOError):
                self._wakes[1].send(b"\0")

    def _run(self, context: zmq.Context[zmq.Socket[bytes]], poller: zmq.Poller) -> None:
        assert self._wakes is not None
        woken = self._wakes[0]
        reading: dict[Any, Callable[[], None]] = {woken.fileno(): lambda: self._read_wakes(woken)}
        for link in self._links:
            reading |= {link.socket: link.read_subscription, link.monitor: link.read_event}
        for readable in reading:
            poller.register(readable, zmq.POLLIN)
        while True:
            again_at = self._send()
            with self._lock:
                waiting, is_done = len(self._queue), self._all_is_sent()
                if is_done:
                    self._changed.notify_all()
            again_at = min(again_at, *(link.tend(waiting) for link in self._links))
            now = time.monotonic()
            if self._closing:
                if is_done or self._exit_deadline <= now:
                    break
                again_at = min(again_at, self._exit_deadline)
            pause = None if again_at == math.inf else max(0, math.ceil((again_at - now) * 1000))
            for readable, _ in poller.poll(pause):
                reading[readable]()
        for link in self._links:
            # Where another has it all, nobody waits for one that is not there.
            is_worth_it = link.hears or len(self._links) == 1
            link.close(max(0, int((self._exit_deadline - time.monotonic()) * 1000)) if is_worth_it else 0)
        context.term()

    def _read_wakes(self, woken: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            woken.recv(4096)

    def _send(self) -> float:
        """Send what waits to all that hear, as long as one of them takes it. Says when to come again, on the monotonic clock."""
        links = [link for link in self._links if link.hears]
        if not links:
            return math.inf
        for link in links:
            link.catch_up()
        sent, full = 0, [link for link in links if link.behind]
        while self._queue and sent < TURN_MAX:
            body = self._queue[0]
            full = [link for link in links if not link.take(body)]
            if len(full) == len(links):
                break
            for link in full:
                link.keep(body)
            with self._lock:
                self._queue.popleft()
                self._queue_bytes -= len(body)
            sent += 1
        if sent:
            for link in links:
                link.was_given_something()
        if sent == TURN_MAX:
            return 0.0
        return time.monotonic() + FULL_PAUSE_S if full else math.inf

    def _ask(self, endpoint: str, body: bytes, timeout: float) -> dict[str, Any]:
        """Ask one forwarder.

        :raises Unavailable: it is not there, or says nothing that is an answer.
        """
        sockets = runtimes.sockets()
        with sockets.Context() as context, context.socket(zmq.REQ) as asking:
            set_up(asking, endpoint, self._curve)
            with contextlib.closing(asking.get_monitor_socket(FAILURES)) as monitor:
                try:
                    asking.connect(endpoint)
                except zmq.ZMQError as error:
                    raise NotConfigured(f"{ACK_SOCKET}: {endpoint}: {error}") from error
                asking.send(body)
                poller = sockets.Poller()
                poller.register(asking, zmq.POLLIN)
                poller.register(monitor, zmq.POLLIN)
                ready = dict(poller.poll(int(timeout * 1000 / len(self._ack_endpoints)) + 1))
                if monitor in ready and asking not in ready:
                    event = recv_monitor_message(monitor)["event"]
                    raise Unavailable(failure(event, endpoint, ACK_SOCKET, has_keys=self._curve is not None))
            with contextlib.suppress(ValueError, zmq.Again):
                answer = json.loads(asking.recv(zmq.NOBLOCK))
                if isinstance(answer, dict):
                    return answer
            raise Unavailable(f"nobody answers at {endpoint}")


def check_endpoint(name: str, endpoint: str) -> None:
    """Look whether an address can be one.

    :raises NotConfigured: it is not.
    """
    scheme, separator, rest = endpoint.partition("://")
    if not separator or scheme not in ("tcp", "ipc", "inproc"):
        raise NotConfigured(f"{name} has the address {endpoint!r}, which begins with neither tcp:// nor http://")
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise NotConfigured(f"{name} has the address {endpoint!r}, which has no port, as in tcp://127.0.0.1:8002")


def _is_another_protocol(endpoint: str) -> bool:
    """Greet what listens at an address as ZeroMQ does, and look whether it greets so, too. Who says nothing may yet."""
    scheme, _, rest = endpoint.partition("://")
    if scheme != "tcp":
        return False
    host, _, port = rest.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_TIMEOUT_S) as probe:
            probe.settimeout(PROBE_TIMEOUT_S)
            probe.sendall(ZMTP_SIGNATURE)
            first = probe.recv(1)
    except OSError:
        return False
    # ZMTP 1.0 begins with the length of a short message.
    return first not in (b"", ZMTP_SIGNATURE[:1], b"\x01")
