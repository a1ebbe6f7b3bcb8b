"""Publishes to the API of a server. Each message is a request, which is answered when the message is in the server's log."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

import httpcore
import httpx

from pushnote.connections import FAILURES, Connections, Untrusted
from pushnote.errors import NotConfigured, Refused, Unavailable
from pushnote.message import Message, Receipt

log = logging.getLogger("pushnote")

TIMEOUT_S = 5.0
"""How long publishing may take, all tries together."""

DOWN_S = 1.0
"""How long nobody is asked, after nobody was there."""

RETRY_PAUSE_S = 0.1
"""From one try to the next."""

AGAIN = frozenset({502, 503, 504})
"""Statuses with which nothing is wrong with the request."""


class HTTP:
    """Asks the API below an address, with a key."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address.rstrip("/")
        try:
            key.encode("ascii")
            url = httpx.URL(self._address)
            if not url.host or url.port == 0:
                raise ValueError("it names no host")
        except (httpx.InvalidURL, ValueError) as error:
            raise NotConfigured(f"PUSHNOTE_MQ_SOCKET is {address!r}, or the key for it is none: {error}") from error
        self._headers: dict[bytes | str, bytes | str] = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Host": url.netloc.decode("ascii"),
            "User-Agent": "pushnote-python",
        }
        self._connections, self._pid = Connections(), os.getpid()
        #: Until when calls fail at once, on the monotonic clock; ``None`` as long as somebody is there.
        self._down_until: float | None = None
        #: Why nobody was.
        self._down_for = ""

    def publish(self, message: Message) -> Receipt:
        """Publish a message, within :data:`TIMEOUT_S`. See :meth:`publish_acked`."""
        return self.publish_acked(message, TIMEOUT_S)

    def check(self, message: Message) -> None:
        """Look whether it is a message for here.

        :raises NotConfigured: it names users by tokens of your own, which the API does not take.
        """
        if message.recipients:
            raise NotConfigured("PUSHNOTE_TOKENIZER is for ZeroMQ; the API takes users by their ids alone")

    def publish_acked(self, message: Message, timeout: float) -> Receipt:
        """Publish a message. It is tried again, and still published once, as it has an id.

        :raises Refused: something is wrong with it, or with the key.
        :raises Unavailable: it is not known to be published, after ``timeout`` seconds.
        :raises NotConfigured: as :meth:`check` says, or what answers is no server's API.
        """
        self.check(message)
        answer = self.ask("POST", "/v1/publish", message.body(), timeout)
        if not isinstance(answer, dict) or "id" not in answer:
            raise NotConfigured(
                f"what answers at {self._address} is no pushnote-server's --api: it takes a message, and gives no id"
            )
        known = {name: answer.get(name) for name in ("servers", "of", "offset", "connections")}
        return Receipt(str(answer.get("id")), **known)

    def ask(self, method: str, path: str, body: bytes | None = None, timeout: float = TIMEOUT_S) -> Any:
        """Ask the API, again as long as nobody answers, and take its answer's JSON.

        Where nobody was there, calls fail at once for :data:`DOWN_S`; then one tries once, while others still fail.

        :raises Refused: it says what is wrong.
        :raises Unavailable: nobody answers within ``timeout`` seconds, or did a moment ago.
        """
        deadline = time.monotonic() + timeout
        tries_once, why = self._was_down(path, deadline), ""
        while True:
            is_there = False
            try:
                response = self._own().ask(method, self._url(path), self._headers, body, deadline)
            except FAILURES as error:
                # That a last try had no time left says nothing, where another one has failed.
                if not why or not isinstance(error, httpcore.ConnectTimeout):
                    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                # That an answer did not come in a time which was given short says nothing of others.
                is_there = timeout < TIMEOUT_S and not isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout)
                # A certificate is no other one a moment later.
                tries_once |= isinstance(error, Untrusted)
            else:
                self._is_up()
                if 200 <= response.status < 300:
                    return _json(response) if response.content else None
                problem = _json(response)
                detail = problem.get("detail") if isinstance(problem, dict) else _text(response)[:300]
                why = f"{response.status}: {detail or _reason(response)}"
                pending = isinstance(problem, dict) and str(problem.get("type")).endswith(":id_pending")
                # That of a limit that passes says when.
                named = {name.lower() for name, _ in response.headers}
                passes = response.status in AGAIN or b"retry-after" in named
                if not passes and not pending:
                    raise Refused(f"{self._address}{path} answers {why}")
                is_there = True
            is_last = tries_once and not is_there
            if is_last or time.monotonic() + RETRY_PAUSE_S >= deadline:
                if not is_there:
                    self._is_down(why)
                raise Unavailable(f"{self._address}{path}: {why}")
            time.sleep(RETRY_PAUSE_S)

    def _url(self, path: str) -> httpx.URL:
        try:
            return httpx.URL(self._address + path)
        except httpx.InvalidURL as error:
            raise NotConfigured(f"PUSHNOTE_MQ_SOCKET is no address: {error}") from error

    def _was_down(self, path: str, deadline: float) -> bool:
        """Whether nobody was there, and this call is the one that looks: the others fail until it knows."""
        if self._down_until is None:
            return False
        if time.monotonic() < self._down_until:
            raise Unavailable(f"{self._address}{path}: nobody was there a moment ago ({self._down_for})")
        self._down_until = deadline
        return True

    def _is_down(self, why: str) -> None:
        if self._down_until is None:
            log.warning(
                "%s: nobody is there (%s); until somebody is, calls fail at once, but for one in %g s", self._address, why, DOWN_S
            )
        self._down_for, self._down_until = why, time.monotonic() + DOWN_S

    def _is_up(self) -> None:
        if self._down_until is not None:
            self._down_until = None
            log.warning("%s: somebody is there again", self._address)

    def _own(self) -> Connections:
        """The connections of this process: on those of a parent, each would read the other's answers."""
        if self._pid != os.getpid():
            self._connections, self._pid = Connections(), os.getpid()
        return self._connections

    def flush(self, timeout: float) -> None:
        """Nothing ever waits here."""

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    @property
    def address(self) -> str:
        """Where it asks."""
        return self._address


def _json(response: httpcore.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def _text(response: httpcore.Response) -> str:
    return response.content.decode("utf-8", "replace").strip()


def _reason(response: httpcore.Response) -> str:
    """What an HTTP/1 answer says after its status."""
    phrase = response.extensions.get("reason_phrase", b"")
    return phrase.decode("ascii", "replace") if isinstance(phrase, bytes) else ""


def is_address(text: str) -> bool:
    """Whether this is for HTTP, and not for ZeroMQ."""
    return text.lower().startswith(("http://", "https://"))
