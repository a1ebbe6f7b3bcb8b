"""solidwebpush's ``Pusher``, over a server's API: the subscriptions, the keys and the sending are the server's.

The server must send Web Push (``--vapid-subject``), and its API be reachable: ``PUSHNOTE_API`` says where, or
``PUSHNOTE_MQ_SOCKET`` if that is an address for HTTP; the key is ``PUSHNOTE_API_KEY``, with the rights publish, read and manage.
Subscriptions that solidwebpush has stored are taken over by ``pushnote webpush import subscriptors.db`` on the server.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from pushnote import settings
from pushnote.encoding import dumps
from pushnote.errors import NotConfigured, PushnoteError, Refused
from pushnote.http import HTTP, is_address

THREADS = 4
SUBSCRIPTIONS_MAX = 100
"""Subscriptions that are sent to by one request, as many as a server takes."""

SEND_TIMEOUT_S = 60.0
"""How long such a request may take: a push service has 15 s for an answer, and may be asked twice."""

GROUP = 0
"""The group of who is in none, as solidwebpush has it."""

log = logging.getLogger("pushnote.webpush")


class SessionIDError(PushnoteError):
    """Nobody has subscribed with this session id."""


#: As solidwebpush writes it.
SesionIDError = SessionIDError


class SubscriptionError(PushnoteError):
    """The subscription is none."""


class Withheld(PushnoteError):
    """The server has it, and tells it to nobody."""


@dataclass(frozen=True)
class Outcome:
    """What became of a message for one subscription."""

    outcome: str
    """``accepted``, ``gone``, ``too_large``, ``later``, ``unauthorized``, ``wrong_key`` or ``refused``: docs/web-push.md."""
    status: int | None = None
    """What the push service answered, if it did."""
    reason: str | None = None
    """What it said."""
    retry_after_s: int | None = None
    """For how many seconds it wants to be left alone."""

    @property
    def accepted(self) -> bool:
        """Whether the push service has the message."""
        return self.outcome == "accepted"


class Pusher:
    """Subscribes browsers, and sends to them. The names are solidwebpush's."""

    def __init__(self, db_name: str | None = None, verbose: bool = False) -> None:
        """Ask the server that the settings name.

        :param db_name: solidwebpush's file. It is not read: the server has the subscriptions.
        :raises NotConfigured: no API is set, or no key for it.
        """
        if db_name is not None:
            log.info("%s is not read: the server has the subscriptions, after `pushnote webpush import %s`", db_name, db_name)
        self._api = HTTP(_address(), settings.api_key())
        self._threads: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        #: The first of what was not sent since the last wait.
        self._failed: BaseException | None = None
        self.setVerbose(verbose)

    def setVerbose(self, value: bool) -> None:
        """Log what is done, to the logger ``pushnote.webpush``."""
        self._level = logging.INFO if value else logging.DEBUG

    def getPrivateKey(self) -> NoReturn:
        """Not here: the server signs.

        :raises Withheld: always.
        """
        raise Withheld("the private key stays in the server (vapid.pem in its --data-dir), which signs what is sent")

    getB64PrivateKey = getUrlB64PrivateKey = getPrivateKey

    def getUrlB64PublicKey(self) -> str:
        """The key that pages subscribe with: ``applicationServerKey``."""
        return str(self._api.ask("GET", "/v1/push/key")["key"])

    def getPublicKey(self) -> bytes:
        """The same as its 65 bytes."""
        key = self.getUrlB64PublicKey()
        return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))

    def getB64PublicKey(self) -> str:
        """The same in standard base64."""
        return base64.b64encode(self.getPublicKey()).decode()

    def newSubscription(self, session_id: Any, subscription: Any, group_id: Any = GROUP) -> None:
        """Subscribe a browser. A session may have several; one that was another session's is this one's from now on.

        :raises SubscriptionError: it is no subscription.
        """
        request = {"user": str(session_id), "subscription": _subscription(subscription)}
        if group_id != GROUP:
            request["group"] = str(group_id)
        self._api.ask("POST", "/v1/push/subscriptions", json.dumps(request).encode())

    def removeSubscription(self, session_id: Any) -> None:
        """Remove all browsers of a session; nothing happens if there are none."""
        self._api.ask("DELETE", "/v1/push/subscriptions", json.dumps({"user": str(session_id)}).encode())

    def getIdSession(self, subscription: Any) -> str | None:
        """Which session a browser is of; ``None`` if it has not subscribed.

        :raises SubscriptionError: it is no subscription.
        """
        endpoint = _subscription(subscription).get("endpoint")
        if not isinstance(endpoint, str):
            raise SubscriptionError("the subscription has no endpoint")
        found = self._look(f"endpoint={quote(endpoint, safe='')}")
        return str(found[0]["user"]) if found else None

    def getSubscription(self, session_id: Any) -> NoReturn:
        """Not here: who has an endpoint can have a browser woken. :meth:`notify` sends to a session.

        :raises Withheld: always.
        """
        raise Withheld(f"subscriptions stay in the server; notify({session_id!r}, data) sends to that session's")

    def getGroupId(self, session_id: Any) -> str | None:
        """Which group a session's browser is in; ``None`` if in none."""
        subscriptions = self._subscriptions(session_id)
        return subscriptions[-1]["group"] if subscriptions else None

    def sendNotification(self, subscription: Any, data: Any, nonblocking: bool = False) -> Outcome | None:
        """Send to one browser, which need not have subscribed here, once. What its push service says is answered, and logged
        if it has not taken the message; ``None`` without blocking.

        :raises SubscriptionError: it is no subscription.
        """
        outcomes = self.sendNotificationToAll([subscription], data, nonblocking)
        return outcomes[0] if outcomes else None

    __call__ = sendNotification

    def sendNotificationToAll(
        self,
        subscriptions: Iterable[Any],
        data: Any,
        nonblocking: bool = False,
        processes: int | None = None,  # noqa: ARG002
    ) -> list[Outcome] | None:
        """Send to each of these browsers, as :meth:`sendNotification` does; the outcomes are in their order. Hundreds are better
        subscribed by :meth:`newSubscription`: then the server keeps what is to be sent, and tries again what fails.

        :param processes: not needed: the server sends to many at once.
        :raises SubscriptionError: one of them is none.
        """
        everyone, payload = [_subscription(one) for one in subscriptions], _payload(data)
        parts = [(start, everyone[start : start + SUBSCRIPTIONS_MAX]) for start in range(0, len(everyone), SUBSCRIPTIONS_MAX)]
        if not nonblocking:
            return [outcome for start, part in parts for outcome in self._send(start, part, payload)]
        for start, part in parts:
            self._later(self._send, start, part, payload)
        return None

    def notify(self, session_id: Any, data: Any, nonblocking: bool = False) -> None:
        """Send to all browsers of a session: a text, or data, which arrives as JSON.

        :raises SessionIDError: there are none.
        """
        if not self._subscriptions(session_id):
            raise SessionIDError(f"nobody has subscribed with the session id {session_id!r}")
        self._push({"users": [str(session_id)]}, data, nonblocking)

    def notifyAll(self, data: Any, group_id: Any = None, exceptions: Iterable[Any] = (), nonblocking: bool = False) -> None:
        """Send to all browsers, or to those of a group, but for those of some sessions."""
        audience: dict[str, Any] = {"everyone": True} if group_id is None else {"group": str(group_id)}
        except_ = [str(session_id) for session_id in exceptions]
        self._push({**audience, **({"except": except_} if except_ else {})}, data, nonblocking)

    def wait(self) -> None:
        """Wait until the server has what was sent without blocking. It sends all that by itself.

        :raises PushnoteError: one of them it has not.
        """
        threads, self._threads = self._threads, None
        if threads is not None and self._pid == os.getpid():
            threads.shutdown(wait=True)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _subscriptions(self, session_id: Any) -> list[dict[str, Any]]:
        return self._look(f"user={quote(str(session_id), safe='')}")

    def _look(self, query: str) -> list[dict[str, Any]]:
        return list(self._api.ask("GET", f"/v1/push/subscriptions?{query}")["subscriptions"])

    def _send(self, start: int, subscriptions: list[Any], payload: str) -> list[Outcome]:
        body = _body({"subscriptions": subscriptions}, payload)
        try:
            answer = self._api.ask("POST", "/v1/push", body, SEND_TIMEOUT_S)
        except Refused as refused:
            raise Refused(f"of the subscriptions from number {start} on: {refused}") from refused
        outcomes = [Outcome(**outcome) for outcome in answer["outcomes"]]
        for number, outcome in enumerate(outcomes, start):
            level = self._level if outcome.accepted else logging.WARNING
            log.log(level, "message %s to subscription %s: %s", answer["id"], number, outcome)
        return outcomes

    def _push(self, audience: dict[str, Any], data: Any, nonblocking: bool) -> None:
        body = _body(audience, _payload(data))

        def send() -> None:
            answer = self._api.ask("POST", "/v1/push", body)
            log.log(self._level, "message %s goes to %s browsers", answer["id"], answer["devices"])

        if nonblocking:
            self._later(send)
        else:
            send()

    def _later(self, work: Callable[..., Any], *arguments: Any) -> None:
        # The threads of a parent are not in what it has forked.
        if self._threads is None or self._pid != os.getpid():
            self._threads, self._pid, self._failed = ThreadPoolExecutor(THREADS, "pushnote.webpush"), os.getpid(), None
        self._threads.submit(work, *arguments).add_done_callback(self._sent)

    def _sent(self, one: Future[Any]) -> None:
        error = one.exception()
        if error is not None:
            # Who never waits is told nowhere else.
            log.warning("not sent: %s", error)
            self._failed = self._failed or error


def _payload(data: Any) -> str:
    return json.dumps(data) if isinstance(data, str) else dumps(data)


def _body(audience: dict[str, Any], payload: str) -> bytes:
    # A request may be sent twice: with its id, the message is one.
    head = json.dumps({**audience, "id": uuid.uuid4().hex})
    return f'{head[:-1]},"payload":{payload}}}'.encode()


def _address() -> str:
    address = settings.setting(settings.API)
    if address is None:
        address = next(filter(is_address, settings.addresses(settings.MQ_SOCKET)), None)
    if address is None:
        raise NotConfigured(f"{settings.API} is not set; it is the address of the server's --api, as in http://127.0.0.1:8081")
    return str(address)


def _subscription(subscription: Any) -> dict[str, Any]:
    if isinstance(subscription, str | bytes | bytearray):
        try:
            subscription = json.loads(subscription)
        except ValueError as error:
            raise SubscriptionError(f"subscription must be a valid JSON str, bytes or bytearray: {error}") from error
    if not isinstance(subscription, dict):
        raise SubscriptionError("subscription must be the object that a browser's PushSubscription is as JSON")
    return subscription
