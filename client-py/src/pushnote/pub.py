"""What publishes: ``from pushnote.pub import notify_all, notify``.

By ZeroMQ a message is queued, and whoever publishes waits for nothing; it leaves the process within a moment, also when
that ends. By HTTP each call waits until the server has the message. Which of the two it is, the setting
``PUSHNOTE_MQ_SOCKET`` says by its scheme.
Everything here may be called from any thread, after a fork, and before there is anybody to hear it.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import multiprocessing.util
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec, cast

from pushnote import settings
from pushnote.encoding import dumps
from pushnote.errors import NotConfigured, NotSent
from pushnote.http import HTTP, is_address
from pushnote.memory import ADDRESS, Memory
from pushnote.message import EVENT_BYTES_MAX, SUBJECTS_MAX, Message, Push, Receipt, check_channel, check_name, texts, user_id
from pushnote.zeromq import ZeroMQ

__all__ = (
    "anotify",
    "anotify_all",
    "anotify_channel",
    "apublish",
    "flush",
    "notify",
    "notify_all",
    "notify_channel",
    "notify_on_commit",
    "publish",
)

Serializer = Callable[[Any], Any]
Publisher = ZeroMQ | HTTP | Memory
P = ParamSpec("P")


def notify_all(data: Any, *, serializer: Serializer | None = None, ack: float | None = None) -> Receipt | None:
    """Send ``data`` to every browser. See :func:`publish`."""
    return publish(data, everyone=True, serializer=serializer, ack=ack)


def notify(
    data: Any,
    users: Iterable[Any] | None = None,
    serializer: Serializer | None = None,
    *,
    push: Push | None = None,
    ack: float | None = None,
) -> Receipt | None:
    """Send ``data`` to all pages of some users: objects with a ``pk``, as Django's are, or ids.

    With an empty list it reaches nobody.

    See :func:`publish`.
    """
    if users is None:
        raise ValueError("notify is for users: give a list of them, which may be empty; notify_all is for everyone")
    return _send(_message(data, users=users, push=push, serializer=serializer), ack)


def notify_channel(channel: str, data: Any, *, serializer: Serializer | None = None, ack: float | None = None) -> Receipt | None:
    """Send ``data`` to all pages that have subscribed to a channel. See :func:`publish`."""
    return publish(data, channels=[channel], serializer=serializer, ack=ack)


def publish(  # noqa: PLR0913 one message, and all that may be said of it
    data: Any,
    *,
    users: Iterable[Any] = (),
    channels: Iterable[str] = (),
    everyone: bool = False,
    event: str | None = None,
    push: Push | None = None,
    serializer: Serializer | None = None,
    ack: float | None = None,
) -> Receipt | None:
    """Send ``data`` to everyone, users and channels in one; each connection gets it once.

    :param data: what JSON has, and times, dates, decimals and UUIDs, which arrive as texts.
    :param event: what kind of message it is, for pages that want to know.
    :param push: what users' browsers are shown by Web Push if no page of theirs shows the message: for users alone.
    :param serializer: turns other values into what JSON has, or raises ``TypeError``.
    :param ack: wait up to so many seconds until servers have it. By ZeroMQ it needs ``PUSHNOTE_ACK_SOCKET``.
    :returns: a receipt by HTTP, with ``ack``, and with ``push``, whose id it has; else ``None``.
    :raises TypeError: ``data`` has no JSON.
    :raises ValueError: a user is nobody, nobody is named, or it is more than servers take.
    :raises pushnote.PushnoteError: it is not sent; see :mod:`pushnote.errors`.
    """
    message = _message(data, users=users, channels=channels, everyone=everyone, event=event, push=push, serializer=serializer)
    if message.is_for_nobody():
        raise ValueError("the message is for nobody: give users, channels, or everyone=True")
    return _send(message, ack)


def _awaitable(call: Callable[P, Receipt | None]) -> Callable[P, Coroutine[Any, Any, Receipt | None]]:
    """The same for asyncio: the loop goes on meanwhile."""
    signature = inspect.signature(call)

    @functools.wraps(call)
    async def awaited(*args: P.args, **more: P.kwargs) -> Receipt | None:
        given = signature.bind(*args, **more)
        users = given.arguments.get("users")
        if users is not None and settings.django_settings() is not None:
            from asgiref.sync import sync_to_async

            # Where Django's database connection is. Any other thread would have one of its own, which nobody looks after.
            given.arguments["users"] = await sync_to_async(_loaded)(users)
        return await asyncio.to_thread(cast("Callable[..., Receipt | None]", call), *given.args, **given.kwargs)

    awaited.__name__ = f"a{call.__name__}"
    awaited.__qualname__ = awaited.__name__
    awaited.__doc__ = f""":func:`{call.__name__}` for asyncio: the loop goes on meanwhile."""
    return awaited


def _loaded(users: Any) -> Any:
    """Have the database asked for users, as for those of a query, or for a request's."""
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        return users  # it is refused
    named = list(users)
    for user in named:
        getattr(user, "pk", None)
    return named


anotify_all = _awaitable(notify_all)
anotify = _awaitable(notify)
anotify_channel = _awaitable(notify_channel)
apublish = _awaitable(publish)


def notify_on_commit(data: Any, users: Iterable[Any] | None = None, *, using: str | None = None, **more: Any) -> None:
    """Send ``data`` when Django's transaction is committed, or at once outside of one: pages that ask for more then find it.

    It is for some ``users``, or for what ``more`` says as :func:`publish` takes it; for everyone if neither does. ``data``
    is read now; a mistake in it raises here, and not in the middle of the commit. What fails then is logged
    (``django.db.backends.base``), and harms nothing else that follows the commit.
    """
    from django.db import transaction

    ack = more.pop("ack", None)
    # An empty list of channels is nobody, as one of users is.
    everyone = users is None and "channels" not in more
    message = _message(data, users=users or (), everyone=more.pop("everyone", everyone), **more)
    _publishers.current().check(message)
    # Robust: the transaction stands, and what else follows it must not be left out.
    transaction.on_commit(lambda: _discard(_send(message, ack)), using=using, robust=True)


def flush(timeout: float = 5.0) -> None:
    """Wait until all that was published is on its way. A program that ends does so by itself.

    :raises pushnote.NotSent: it is not, within ``timeout`` seconds.
    """
    current = _publishers.own()
    if current is not None:
        current.flush(timeout)


def setting_changed(*, setting: str, **_: Any) -> None:
    """Receive Django's signal of tests that override settings."""
    if setting in settings.OF_PUBLISHER:
        _publishers.reconfigure()


def _discard(_: object) -> None:
    """What is called at a commit returns nothing."""


def _message(  # noqa: PLR0913 as publish
    data: Any,
    *,
    users: Iterable[Any] = (),
    channels: Iterable[str] = (),
    everyone: bool = False,
    event: str | None = None,
    push: Push | None = None,
    serializer: Serializer | None = None,
) -> Message:
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        raise TypeError(f"users is a list, not {users!r}: write [{users!r}]")
    if push is not None and not isinstance(push, Push):
        raise TypeError(f"push is a pushnote.Push, not {type(push).__name__}")
    tokenizer = settings.custom_tokenizer()
    named = tuple(users)
    ids = () if tokenizer else tuple(dict.fromkeys(map(user_id, named)))
    recipients = tuple(dict.fromkeys(map(tokenizer, named))) if tokenizer else ()
    rooms = tuple(dict.fromkeys(texts("channels", channels)))
    if len(ids) + len(recipients) + len(rooms) > SUBJECTS_MAX:
        raise ValueError(f"a message names up to {SUBJECTS_MAX} users and channels; send several")
    for room in rooms:
        check_channel(room)
    if event is not None:
        check_name("an event", event, EVENT_BYTES_MAX)
    if push is not None and (everyone or rooms):
        raise ValueError("a push is for users: of channels and everyone nobody knows who is away")
    return Message(dumps(data, serializer), ids, recipients, rooms, everyone, event, push)


def _send(message: Message, ack: float | None) -> Receipt | None:
    publisher = _publishers.current()
    if message.is_for_nobody():
        return None
    return publisher.publish(message) if ack is None else publisher.publish_acked(message, ack)


class _Publishers:
    """The one publisher of this process."""

    def __init__(self) -> None:
        self.made: Publisher | None = None
        #: Whose it is.
        self._pid = os.getpid()
        self._is_over = False
        # By a signal's handler the thread that holds it may come once more.
        self._lock = threading.RLock()
        #: What a parent made. Its sockets are the parent's, and must not be closed here.
        self._inherited: list[object] = []

    def current(self) -> Publisher:
        made = self.own()
        if made is None:
            with self._lock:
                # Now no thread can be started any more, or none that would end.
                if self._is_over:
                    raise NotSent("the program ends, and takes no more messages")
                made = self.made or _configured()
                if self.made is None:
                    self.made = made
                    self._close_with_celery()
                made = self.made
        return made

    def own(self) -> Publisher | None:
        """What this process has made, if it has."""
        # uWSGI tells Python of no fork.
        if self._pid != os.getpid():
            self.forked()
        return self.made

    def forked(self) -> None:
        """A child begins anew: threads and connections are the parent's, and so is what waits."""
        self._inherited.append(self.made)
        self.made = None
        self._lock = threading.RLock()
        self._pid = os.getpid()

    def close(self) -> None:
        """Send what waits, and begin anew when there is more."""
        closing = self._take()
        if closing is not None:
            closing.close()

    def end(self) -> None:
        """Send what waits, and take no more."""
        self._is_over = True
        self.close()

    def reconfigure(self) -> None:
        """Go by other settings from now on; what waits goes by the old ones still, and nobody waits for it."""
        closing = self._take()
        if closing is not None:
            threading.Thread(target=closing.close, daemon=True).start()

    def _take(self) -> Publisher | None:
        self.own()
        with self._lock:
            taken, self.made = self.made, None
        return taken

    def _close_with_celery(self) -> None:
        """The processes of a Celery worker end without atexit, and without what multiprocessing does then."""
        signals: Any = sys.modules.get("celery.signals")
        if signals is not None:
            signals.worker_process_shutdown.connect(lambda **_: self.close(), weak=False, dispatch_uid="pushnote")


def _configured() -> Publisher:
    addresses = settings.addresses(settings.MQ_SOCKET)
    if not addresses:
        raise NotConfigured(
            f"{settings.MQ_SOCKET} is not set, neither in Django's settings nor in the environment: tcp://127.0.0.1:8002 for "
            "pushnote-mq --sub or pushnote-server --single, http://127.0.0.1:8081 for a server's --api"
        )
    http = [address for address in addresses if is_address(address)]
    if addresses == [ADDRESS]:
        return Memory(settings.message_bytes_max())
    if not http:
        return ZeroMQ(addresses, settings.addresses(settings.ACK_SOCKET), settings.curve_keys(), settings.message_bytes_max())
    if len(addresses) > 1:
        raise NotConfigured(f"{settings.MQ_SOCKET} has several addresses, of which one is for HTTP: give that alone")
    return HTTP(http[0], settings.api_key())


_publishers = _Publishers()
atexit.register(_publishers.end)
os.register_at_fork(after_in_child=_publishers.forked)
# Children of multiprocessing end without atexit, and forget at their beginning what is to be done at their end.
multiprocessing.util.register_after_fork(
    _publishers, lambda publishers: multiprocessing.util.Finalize(None, publishers.close, exitpriority=0)
)
