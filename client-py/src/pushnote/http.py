"""Publishes to the API of a server. Each message is a request, which is answered when the message is in the server's log."""

from __future__ import annotations

import os
import time
from typing import Any

import httpx

from pushnote.errors import NotConfigured, Refused, Unavailable
from pushnote.message import Message, Receipt

TIMEOUT_S = 5.0
"""How long publishing may take, all tries together."""

RETRY_PAUSE_S = 0.1
"""From one try to the next."""

AGAIN = frozenset({502, 503, 504})
"""Statuses with which nothing is wrong with the request."""


class HTTP:
    """Asks the API below an address, with a key."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        try:
            self._client, self._pid = self._connect()
            httpx.URL(self._address)
        except (httpx.InvalidURL, ValueError) as error:
            raise NotConfigured(f"PUSHNOTE_MQ_SOCKET is {address!r}, or the key for it is none: {error}") from error

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

        :raises Refused: it says what is wrong.
        :raises Unavailable: nobody answers within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                response = self._own().request(
                    method,
                    self._address + path,
                    content=body,
                    headers={"Content-Type": "application/json"},
                    timeout=max(0.001, deadline - time.monotonic()),
                )
            except httpx.HTTPError as error:
                why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            except httpx.InvalidURL as error:
                raise NotConfigured(f"PUSHNOTE_MQ_SOCKET is no address: {error}") from error
            else:
                if response.is_success:
                    return _json(response) if response.content else None
                problem = _json(response)
                detail = problem.get("detail") if isinstance(problem, dict) else response.text.strip()[:300]
                why = f"{response.status_code}: {detail or response.reason_phrase}"
                pending = isinstance(problem, dict) and str(problem.get("type")).endswith(":id_pending")
                # That of a limit that passes says when.
                passes = response.status_code in AGAIN or "retry-after" in response.headers
                if not passes and not pending:
                    raise Refused(f"{self._address}{path} answers {why}")
            if time.monotonic() + RETRY_PAUSE_S >= deadline:
                raise Unavailable(f"{self._address}{path}: {why}")
            time.sleep(RETRY_PAUSE_S)

    def _connect(self) -> tuple[httpx.Client, int]:
        return httpx.Client(headers=self._headers, trust_env=False), os.getpid()

    def _own(self) -> httpx.Client:
        """The connections of this process: on those of a parent, each would read the other's answers."""
        if self._pid != os.getpid():
            self._client, self._pid = self._connect()
        return self._client

    def flush(self, timeout: float) -> None:
        """Nothing ever waits here."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def address(self) -> str:
        """Where it asks."""
        return self._address


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def is_address(text: str) -> bool:
    """Whether this is for HTTP, and not for ZeroMQ."""
    return text.lower().startswith(("http://", "https://"))
