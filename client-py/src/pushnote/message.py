"""A message, and what is known of one that was sent."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pushnote.settings import MESSAGE_BYTES_MAX

EVENT_BYTES_MAX = 128
"""Longest name of an event, in bytes of UTF-8."""

USER_BYTES_MAX = 128
CHANNEL_BYTES_MAX = 255

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What no name has in it."""

SUBJECTS_MAX = 10_000
"""Users and channels that one message may name, together."""


@dataclass(frozen=True)
class Receipt:
    """Who has taken a message. What the other side does not tell is ``None``."""

    id: str
    #: How many servers have it.
    servers: int | None = None
    #: And how many there are.
    of: int | None = None
    #: Its offset in the log of the server that was asked.
    offset: int | None = None
    #: How many of that server's connections it was for.
    connections: int | None = None


URGENCIES = ("very-low", "low", "normal", "high")

PUSH_BYTES_MAX = 3_000
"""Bytes of what a notification shows."""

PUSH_AFTER_MAX_S = 24 * 60 * 60
PUSH_TTL_MAX_S = 28 * 24 * 60 * 60
PUSH_ID_BYTES_MAX = 128


@dataclass(frozen=True)
class Push:
    """The notification that a user's browsers get of whom no page has shown the message: Web Push."""

    title: str
    body: str = ""
    #: The page that a click opens.
    url: str | None = None
    #: A picture's URL.
    icon: str | None = None
    #: How many seconds a page has to show the message; 10 if it is not said, a day at most.
    after: float | None = None
    #: For how many seconds push services keep it for a browser that is away.
    ttl: float | None = None
    #: ``very-low``, ``low``, ``normal`` or ``high``: what a device that saves power waits with.
    urgency: str | None = None
    #: A later push with the same one takes its place: 1 to 32 letters, digits, ``-`` and ``_``.
    topic: str | None = None
    #: By what ``GET /v1/messages/ID`` and the webhook know the message; one of its own, if it is not said.
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        """Check what servers would refuse, where nobody is told of that.

        :raises TypeError: something is of another type.
        :raises ValueError: something cannot be.
        """
        for name in ("title", "body", "url", "icon", "urgency", "topic", "id"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name in ("title", "body", "id")):
                raise TypeError(f"a push's {name} is a text, not {type(value).__name__}")
        for name, most in (("after", PUSH_AFTER_MAX_S), ("ttl", PUSH_TTL_MAX_S)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TypeError(f"a push's {name} is a number of seconds, not {value!r}")
            if value is not None and not 0 <= value <= most:
                raise ValueError(f"a push's {name} is 0 to {most} seconds, not {value!r}")
        if not self.title:
            raise ValueError("a push has a title")
        if sum(len(text.encode()) for text in (self.title, self.body, self.url or "", self.icon or "")) > PUSH_BYTES_MAX:
            raise ValueError(f"a push's title, body, url and icon have up to {PUSH_BYTES_MAX} bytes together")
        if self.urgency not in (None, *URGENCIES):
            raise ValueError(f"a push's urgency is one of {', '.join(URGENCIES)}, not {self.urgency!r}")
        if self.topic is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", self.topic):
            raise ValueError(f"a push's topic has 1 to 32 letters, digits, - and _, unlike {self.topic!r}")
        if not 1 <= len(self.id.encode()) <= PUSH_ID_BYTES_MAX:
            raise ValueError(f"a push's id has 1 to {PUSH_ID_BYTES_MAX} bytes")

    def fields(self) -> dict[str, Any]:
        """As messages have it."""
        named = {
            "title": self.title,
            "body": self.body,
            "url": self.url,
            "icon": self.icon,
            "after_s": None if self.after is None else round(self.after),
            "ttl_s": None if self.ttl is None else round(self.ttl),
            "urgency": self.urgency,
            "topic": self.topic,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Message:
    """What is sent, checked, its data as JSON already: what is changed afterwards changes nothing here."""

    data: str
    users: tuple[str, ...] = ()
    #: Tokens that stand for users.
    recipients: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    everyone: bool = False
    event: str | None = None
    #: What follows, if no page shows it.
    push: Push | None = None

    def is_for_nobody(self) -> bool:
        """Whether it names nobody, as a list of users may."""
        return not (self.everyone or self.users or self.recipients or self.channels)

    def envelope(self, publication: str) -> bytes:
        """Write it for ZeroMQ."""
        if self.everyone and not (self.channels or self.event or self.users or self.recipients):
            head: dict[str, Any] = {"name": "notify_all"}
        elif self.channels or self.event or self.everyone:
            head = {"name": "publish", **self._audience()}
        else:
            head = {"name": "notify", **self._audience()}
        push = {"push": {**self.push.fields(), "id": self.push.id}} if self.push else {}
        return _object({**head, **push, "publication": publication}, self.data)

    def body(self) -> bytes:
        """Write it for the API, with an id, so that it may be sent twice."""
        push = {"push": self.push.fields()} if self.push else {}
        return _object({**self._audience(), **push, "id": self.push.id if self.push else uuid.uuid4().hex}, self.data)

    def _audience(self) -> dict[str, Any]:
        named = {
            "users": self.users,
            "recipients": self.recipients,
            "channels": self.channels,
            "everyone": self.everyone,
            "event": self.event,
        }
        return {name: value for name, value in named.items() if value}


def _object(fields: dict[str, Any], data: str) -> bytes:
    head = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return f'{head[:-1]},"data":{data}}}'.encode()


def user_id(user: Any) -> str:
    """Name a user: by the primary key of a model's object, or by what is given.

    :raises ValueError: it has none, as anonymous users have not.
    :raises TypeError: it is neither an object with a ``pk`` nor a text or whole number.
    """
    key = getattr(user, "pk", user)
    if isinstance(key, bool) or not isinstance(key, str | int):
        if key is None:
            raise ValueError(f"{user!r} is nobody who is signed in: it has no id")
        if isinstance(user, bytes | float) or not hasattr(user, "pk"):
            raise TypeError(f"a user is an object with a pk, a text or a whole number, not {type(user).__name__}")
        key = str(key)
    name = str(key)
    check_name("a user's id", name, USER_BYTES_MAX)
    return name


def check_name(what: str, name: str, bytes_max: int) -> None:
    """Look whether servers take a name, of whose refusal nobody would be told.

    :raises ValueError: they do not.
    :raises TypeError: it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} is a text, not {type(name).__name__}")
    size = len(name.encode())
    if not 1 <= size <= bytes_max or CONTROL.search(name):
        raise ValueError(f"{what} has 1 to {bytes_max} bytes, without control characters, unlike {name[:40]!r}, which has {size}")


def check_channel(name: str) -> None:
    """Look whether a channel may be called so.

    :raises ValueError: it may not.
    """
    check_name("a channel's name", name, CHANNEL_BYTES_MAX)
    if name.endswith("*"):
        raise ValueError(f"{name!r} is no channel's name: it ends with a *, which stands for several in tokens")


def check_size(message: Message, bytes_max: int) -> None:
    """Look whether servers take so much data.

    :raises ValueError: they do not.
    """
    size = len(message.data.encode())
    if size > bytes_max:
        raise ValueError(
            f"the data has {size} bytes as JSON, and servers take {bytes_max}; {MESSAGE_BYTES_MAX} says so if theirs take more"
        )


def texts(what: str, items: Iterable[Any]) -> tuple[str, ...]:
    """Take several names, and not one text for a list of its letters.

    :raises TypeError: it is one text, or has something else in it.
    """
    if isinstance(items, str | bytes):
        raise TypeError(f"{what} is a list, not {items!r}: write [{items!r}]")
    names = tuple(items)
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{what} has {name!r} in it, which is not the name of one")
    return names
