"""solidwebpush's ``Pusher``, over a server's API: the subscriptions, the keys and the sending are the server's.

The server must send Web Push (``--vapid-subject``), and its API be reachable: ``PUSHNOTE_API`` says where, or
``PUSHNOTE_MQ_SOCKET`` if that is an address for HTTP; the key is ``PUSHNOTE_API_KEY``, with the rights publish, read and manage.
Subscriptions that solidwebpush has stored are taken over by ``pushnote webpush import subscriptors.db`` on the server.
"""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from pushnote import settings
from pushnote.encoding import dumps
from pushnote.errors import NotConfigured, PushnoteError
from pushnote.http import HTTP, is_address

THREADS = 4
GROUP = 0
"""The group of who is in none, as solidwebpush has it."""

log = logging.getLogger("pushnote.webpush")


class SessionIDError(PushnoteError):
    """Nobody has subscribed with this session id."""


#: As solidwebpush writes it.
SesionIDError = SessionIDError


class SubscriptionError(PushnoteError):
    """The subscription is none."""


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
        self._sending: list[Future[None]] = []
        self.setVerbose(verbose)

    def setVerbose(self, value: bool) -> None:
        """Log what is done, to the logger ``pushnote.webpush``."""
        self._level = logging.INFO if value else logging.DEBUG

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

    def getGroupId(self, session_id: Any) -> str | None:
        """Which group a session's browser is in; ``None`` if in none."""
        subscriptions = self._subscriptions(session_id)
        return subscriptions[0]["group"] if subscriptions else None

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
        threads, sending = self._threads, self._sending
        self._threads, self._sending = None, []
        if threads is not None:
            threads.shutdown(wait=True)
        for one in sending:
            one.result()

    def _subscriptions(self, session_id: Any) -> list[dict[str, Any]]:
        path = f"/v1/push/subscriptions?user={quote(str(session_id), safe='')}"
        return list(self._api.ask("GET", path)["subscriptions"])

    def _push(self, audience: dict[str, Any], data: Any, nonblocking: bool) -> None:
        payload = json.dumps(data) if isinstance(data, str) else dumps(data)
        # A request may be sent twice, and the message once.
        head = json.dumps({**audience, "id": uuid.uuid4().hex})
        body = f'{head[:-1]},"payload":{payload}}}'.encode()

        def send() -> None:
            answer = self._api.ask("POST", "/v1/push", body)
            log.log(self._level, "message %s goes to %s browsers", answer["id"], answer["devices"])

        self._do(send, nonblocking)

    def _do(self, work: Callable[[], None], nonblocking: bool) -> None:
        if not nonblocking:
            work()
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "pushnote.webpush")
        self._sending.append(self._threads.submit(work))


def _address() -> str:
    address = settings.setting(settings.API)
    if address is None:
        address = next(filter(is_address, settings.addresses(settings.MQ_SOCKET)), None)
    if address is None:
        raise NotConfigured(f"{settings.API} is not set; it is the address of the server's --api, as in http://127.0.0.1:8081")
    return str(address)


def _subscription(subscription: Any) -> Any:
    if isinstance(subscription, str | bytes | bytearray):
        try:
            subscription = json.loads(subscription)
        except ValueError as error:
            raise SubscriptionError(f"subscription must be a valid JSON str, bytes or bytearray: {error}") from error
    if not isinstance(subscription, dict):
        raise SubscriptionError("subscription must be the object that a browser's PushSubscription is as JSON")
    return subscription
