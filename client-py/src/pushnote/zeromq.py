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
from collections.abc import Sequence
from typing import Any

import zmq

from pushnote import runtimes
from pushnote.errors import NotConfigured, NotSent, QueueFull, Refused, Unavailable
from pushnote.message import Message, Receipt
from pushnote.settings import ACK_SOCKET, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX_DEFAULT, MQ_SOCKET

log = logging.getLogger("pushnote")

QUEUE_MAX = 10_000
"""Messages that may wait."""

QUEUE_BYTES_MAX = 8 << 20
"""And their bytes."""

HEARTBEAT_MS = 5_000
"""From one question whether the other side is there to the next."""

DEAD_AFTER_MS = 15_000
"""How long the answer may take until the connection is made anew."""

FULL_PAUSE_MS = 5
"""From one try to the next while ZeroMQ's own queue is full."""

EXIT_TIMEOUT_S = 5.0
"""How long a program that ends waits for what is not sent yet."""

RELOAD_TIMEOUT_S = 0.5
"""And one that Django's ``runserver`` reloads, which serves the old code as long as it waits."""

TELL_AFTER_MS = 5_000
"""How long messages wait for somebody who hears them until that is logged."""

ZMTP_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
"""How ZeroMQ greets (ZMTP 3.1, greeting)."""

PROBE_TIMEOUT_S = 1.0
"""How long what listens at an address may take to greet."""

RIGHT_PORT = "messages go to pushnote-mq --sub, or to the --mq_socket of pushnote-server --single"

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
        self._heard = False

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
        size = len(message.data.encode())
        if size > self._message_bytes_max:
            raise ValueError(
                f"the data has {size} bytes as JSON, and servers take {self._message_bytes_max}; {MESSAGE_BYTES_MAX} says so "
                "if theirs take more"
            )

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
                answer = self._ask(endpoint, body, left)
                if answer is None:
                    continue
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
            if not self._changed.wait_for(lambda: not self._queue, timeout):
                raise NotSent(f"after {timeout:g} s, {len(self._queue)} messages still wait: {self._why()}")

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
            lost, why = len(self._queue), self._why()
        if lost:
            print(f"pushnote: {lost} messages were not sent: {why}", file=sys.stderr)

    def _why(self) -> str:
        where = ", ".join(self._endpoints)
        if self._heard:
            return f"{where} takes them too slowly"
        return f"nobody has subscribed at {where}; is pushnote-mq, or pushnote-server --single, there?"

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
        out = context.socket(zmq.XPUB)  # a PUB that hears subscriptions
        try:
            self._set_up(out)
            for endpoint in self._endpoints:
                out.connect(endpoint)
        except (NotConfigured, zmq.ZMQError) as error:
            out.close(0)
            context.term()
            if isinstance(error, NotConfigured):
                raise
            raise NotConfigured(f"{MQ_SOCKET}: {', '.join(self._endpoints)}: {error}") from error
        self._wakes = socket.socketpair()
        for end in self._wakes:
            end.setblocking(False)
        self._thread = threading.Thread(target=self._run, args=(context, out, sockets.Poller()), name="pushnote", daemon=True)
        self._thread.start()

    def _set_up(self, made: zmq.Socket[bytes]) -> None:
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        made.setsockopt(zmq.HEARTBEAT_TIMEOUT, DEAD_AFTER_MS)
        if made.type == zmq.XPUB:
            made.setsockopt(zmq.XPUB_NODROP, 1)
        if self._curve is not None:
            server, secret = self._curve
            try:
                made.curve_serverkey = server.encode()
                made.curve_secretkey = secret.encode()
                made.curve_publickey = zmq.curve_public(secret.encode())
            except (zmq.ZMQError, ValueError) as error:
                raise NotConfigured(f"the keys for CURVE are none, or this pyzmq has no CURVE: {error}") from error

    def _wake(self) -> None:
        if self._wakes is not None:
            # If it is full, the thread is awake anyway.
            with contextlib.suppress(BlockingIOError):
                self._wakes[1].send(b"\0")

    def _run(self, context: zmq.Context[zmq.Socket[bytes]], out: zmq.Socket[bytes], poller: zmq.Poller) -> None:
        assert self._wakes is not None
        woken = self._wakes[0]
        poller.register(out, zmq.POLLIN)
        poller.register(woken.fileno(), zmq.POLLIN)
        subscriptions: set[bytes] = set()
        #: When it is said that messages wait, or infinity if that has been said.
        tell_at: float | None = None
        while True:
            full = subscriptions and not self._send(out)
            with self._lock:
                left = self._exit_deadline - time.monotonic() if self._closing else None
                done = left is not None and (not self._queue or left <= 0)
            if done:
                break
            pause = FULL_PAUSE_MS if full else (max(1, int(left * 1000)) if left is not None else None)
            if subscriptions or not self._queue:
                tell_at = None
            elif tell_at is None:
                tell_at = time.monotonic() + TELL_AFTER_MS / 1000
            elif tell_at <= time.monotonic():
                tell_at = math.inf
                log.warning("%d messages wait: %s", len(self._queue), self._why())
            if left is None and tell_at not in (None, math.inf):
                pause = max(1, int((tell_at - time.monotonic()) * 1000) + 1)
            for ready, _ in poller.poll(pause):
                if ready is out:
                    change = out.recv()
                    (subscriptions.add if change[:1] == b"\x01" else subscriptions.discard)(change[1:])
                    self._heard = bool(subscriptions)
                else:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
        out.close(linger=max(0, int((self._exit_deadline - time.monotonic()) * 1000)))
        context.term()

    def _send(self, out: zmq.Socket[bytes]) -> bool:
        """Send what waits. Says whether that was all."""
        while True:
            with self._lock:
                if not self._queue:
                    return True
                body = self._queue[0]
            try:
                out.send(body, zmq.NOBLOCK)
            except zmq.Again:
                return False
            with self._lock:
                self._queue.popleft()
                self._queue_bytes -= len(body)
                if not self._queue:
                    self._changed.notify_all()

    def _ask(self, endpoint: str, body: bytes, timeout: float) -> dict[str, Any] | None:
        """Ask one forwarder; ``None`` if it says nothing, or nothing that is an answer."""
        with runtimes.sockets().Context() as context, context.socket(zmq.REQ) as asking:
            self._set_up(asking)
            try:
                asking.connect(endpoint)
            except zmq.ZMQError as error:
                raise NotConfigured(f"{ACK_SOCKET}: {endpoint}: {error}") from error
            asking.send(body)
            if not asking.poll(int(timeout * 1000 / len(self._ack_endpoints)) + 1):
                return None
            try:
                answer = json.loads(asking.recv())
            except ValueError:
                return None
            return answer if isinstance(answer, dict) else None


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
