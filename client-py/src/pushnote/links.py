"""The connections of a publisher, one to each endpoint: who hears there, and if nobody does, why."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections import deque

import zmq
from zmq.utils.monitor import recv_monitor_message

from pushnote.errors import NotConfigured
from pushnote.settings import CURVE_SECRET_KEY_FILE, CURVE_SERVER_KEY, MQ_SOCKET

log = logging.getLogger("pushnote")

HEARTBEAT_MS = 5_000
"""From one question whether the other side is there to the next."""

DEAD_AFTER_MS = 15_000
"""How long the answer may take until the connection is made anew."""

DOUBT_S = (HEARTBEAT_MS + DEAD_AFTER_MS) / 1000
"""What was sent so long before a connection broke may not have arrived."""

CONNECT_AGAIN_S = 1.0
"""Until an endpoint is tried again that libzmq has given up, as it does where keys do not fit."""

TELL_AFTER_S = 5.0
"""How long nobody hears at an endpoint until that is logged."""

TELL_PAUSE_S = 60.0
"""From one time that something is logged to the next."""

BACKLOG_MAX = 10_000
"""Messages that wait for an endpoint when another has them already."""

BACKLOG_BYTES_MAX = 8 << 20
"""And their bytes."""

FAILURES = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_CONNECT_RETRIED
)
EVENTS = FAILURES | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED

RIGHT_PORT = "messages go to pushnote-mq --sub, or to the --mq_socket of pushnote-server --single"


class Link:
    """The connection to one endpoint. It belongs to one thread; others only ask how it is.

    What libzmq has when a connection breaks it sends over the next one. As long as there is none it is given nothing.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, curve: tuple[str, str] | None) -> None:
        """Connect.

        :raises NotConfigured: the keys are none.
        :raises zmq.ZMQError: the endpoint is none.
        """
        self.endpoint = endpoint
        self._has_keys = curve is not None
        self._is_connected = False
        self._subscriptions: set[bytes] = set()
        #: Why it is not connected.
        self._fault = f"{endpoint} has not answered yet"
        #: Whether that is because somebody is there and does not want us.
        self._is_refused = False
        #: When to connect again, if libzmq does not.
        self._connects_at = math.inf
        self._sent_at = -math.inf
        #: Whether libzmq may have something that was not sent.
        self.is_in_doubt = False
        #: What others have taken, and this one not yet.
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        #: When it was logged that it misses some.
        self._missed_at = -math.inf
        #: Since when nobody hears, and when that was logged last.
        self._silent_since = time.monotonic()
        self._told_at = -math.inf
        self._is_told = False
        self.socket = context.socket(zmq.XPUB)  # a PUB that hears subscriptions
        self.monitor = self.socket.get_monitor_socket(EVENTS)
        try:
            self.socket.setsockopt(zmq.XPUB_NODROP, 1)
            set_up(self.socket, endpoint, curve)
            self.socket.connect(endpoint)
        except (NotConfigured, zmq.ZMQError):
            self.close(0)
            raise

    @property
    def hears(self) -> bool:
        """Whether somebody is there who has subscribed."""
        return self._is_connected and bool(self._subscriptions)

    @property
    def behind(self) -> int:
        """How many messages wait for it that another has."""
        return len(self._backlog)

    def why(self) -> str:
        """Why messages wait."""
        if self.hears:
            return f"{self.endpoint} takes them too slowly"
        return f"nobody has subscribed at {self.endpoint}: {RIGHT_PORT}" if self._is_connected else self._fault

    def take(self, body: bytes) -> bool:
        """Give libzmq a message, unless others wait before it, or it has no room. Says whether it has it."""
        return not self._backlog and self._give(body)

    def keep(self, body: bytes) -> None:
        """Keep a message that another has taken. When there is no room, the oldest is missed."""
        self._backlog.append(body)
        self._backlog_bytes += len(body)
        while len(self._backlog) > BACKLOG_MAX or self._backlog_bytes > BACKLOG_BYTES_MAX:
            self._backlog_bytes -= len(self._backlog.popleft())
            now = time.monotonic()
            if now >= self._missed_at + TELL_PAUSE_S:
                self._missed_at = now
                log.warning("%s takes messages too slowly, and misses some, which others have", self.endpoint)

    def catch_up(self) -> None:
        """Give libzmq what was kept, as much as it takes."""
        while self._backlog and self._give(self._backlog[0]):
            self._backlog_bytes -= len(self._backlog.popleft())

    def _give(self, body: bytes) -> bool:
        try:
            self.socket.send(body, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def was_given_something(self) -> None:
        """Remember when, for when the connection breaks."""
        self._sent_at = time.monotonic()

    def read_subscription(self) -> None:
        """Read who subscribes, or does no more."""
        with contextlib.suppress(zmq.Again):
            change = self.socket.recv(zmq.NOBLOCK)
            (self._subscriptions.add if change[:1] == b"\x01" else self._subscriptions.discard)(change[1:])

    def read_event(self) -> None:
        """Read what has become of the connection."""
        with contextlib.suppress(zmq.Again):
            event = recv_monitor_message(self.monitor, zmq.NOBLOCK)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._is_connected, self._is_refused, self.is_in_doubt = True, False, False
            elif event == zmq.EVENT_DISCONNECTED:
                self._broke()
            elif event == zmq.EVENT_CONNECT_RETRIED and self._connects_at < math.inf:
                # What follows a break: libzmq has not given it up.
                self._connects_at = math.inf
            else:
                self._fault = failure(event, self.endpoint, MQ_SOCKET, self._has_keys)
                self._is_refused = event != zmq.EVENT_CONNECT_RETRIED

    def _broke(self) -> None:
        now = time.monotonic()
        self._connects_at = now + CONNECT_AGAIN_S
        if self._is_connected:
            self._is_connected, self._fault = False, f"the connection to {self.endpoint} is broken"
            self.is_in_doubt = now - self._sent_at < DOUBT_S
            self._silent_since = now
        elif not self._is_refused:
            self._fault = failure(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, self.endpoint, MQ_SOCKET, self._has_keys)
        # Others have it.
        self._backlog.clear()
        self._backlog_bytes = 0

    def tend(self, waiting: int) -> float:
        """Connect again where libzmq does not, and log when nobody hears, or somebody does again.

        :param waiting: how many messages wait.
        :returns: when to come again, on the monotonic clock.
        """
        now = time.monotonic()
        if self._connects_at <= now:
            self._connects_at = math.inf
            with contextlib.suppress(zmq.ZMQError):
                self.socket.disconnect(self.endpoint)
            self.socket.connect(self.endpoint)
        if self.hears:
            if self._is_told:
                self._is_told = False
                log.warning("%s: somebody is there now", self.endpoint)
            return self._connects_at
        if self._is_told:
            return self._connects_at
        tells_at = max(self._silent_since + TELL_AFTER_S, self._told_at + TELL_PAUSE_S)
        if tells_at > now:
            return min(tells_at, self._connects_at)
        self._is_told, self._told_at = True, now
        log.warning("%s%s", self.why(), f"; {waiting} messages wait" if waiting else "")
        return self._connects_at

    def close(self, linger_ms: int) -> None:
        """End it; what libzmq has may still be sent for so long."""
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(linger_ms)


def failure(event: int, endpoint: str, setting: str, has_keys: bool) -> str:
    """Say what one of :data:`FAILURES` means, and what to do."""
    if event == zmq.EVENT_CONNECT_RETRIED:
        return f"nothing listens at {endpoint}: start pushnote-mq, or pushnote-server --single, there, or correct {setting}"
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return f"{endpoint} refuses our key: its --curve-clients wants the public one of that in {CURVE_SECRET_KEY_FILE}"
    if has_keys:
        return f"{endpoint} has another key than {CURVE_SERVER_KEY} says, or none"
    return f"{endpoint} wants keys ({CURVE_SERVER_KEY}), or is another port: {RIGHT_PORT}"


def set_up(made: zmq.Socket[bytes], endpoint: str, curve: tuple[str, str] | None) -> None:
    """Have a socket for this endpoint notice who is gone, and encrypt.

    :raises NotConfigured: the keys are none.
    """
    made.setsockopt(zmq.LINGER, 0)
    # For such an address alone: a name would be one of IPv6 only, as localhost often is, which has both.
    made.setsockopt(zmq.IPV6, endpoint.startswith("tcp://["))
    made.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    made.setsockopt(zmq.HEARTBEAT_TIMEOUT, DEAD_AFTER_MS)
    if curve is not None:
        server, secret = curve
        try:
            made.curve_serverkey = server.encode()
            made.curve_secretkey = secret.encode()
            made.curve_publickey = zmq.curve_public(secret.encode())
        except (zmq.ZMQError, ValueError) as error:
            raise NotConfigured(f"the keys for CURVE are none, or this pyzmq has no CURVE: {error}") from error
