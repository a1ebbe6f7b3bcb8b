"""Publishes nowhere: what is published is kept, for a site's own tests to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pushnote.errors import QueueFull
from pushnote.message import Message, Push, Receipt, check_size

ADDRESS = "memory://"
"""What ``PUSHNOTE_MQ_SOCKET`` is then."""

OUTBOX_MAX = 10_000
"""Messages that are kept: where nobody takes any out, it is no test."""


@dataclass(frozen=True)
class Published:
    """A message as it would have been sent."""

    data: Any
    """What pages get, read from its JSON: a date is a text here."""
    users: tuple[str, ...] = ()
    """The ids of users."""
    channels: tuple[str, ...] = ()
    everyone: bool = False
    event: str | None = None
    push: Push | None = None
    recipients: tuple[str, ...] = ()
    """Tokens in the place of ids, where ``PUSHNOTE_TOKENIZER`` makes them."""


outbox: list[Published] = []
"""What was published, the oldest first. ``pushnote.outbox.clear()`` empties it."""


class Memory:
    """A publisher whose messages stay here."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max

    def publish(self, message: Message) -> Receipt | None:
        """Keep a message. Only one that is followed by a push has a receipt.

        :raises QueueFull: there are :data:`OUTBOX_MAX` already.
        :raises ValueError: as :meth:`check` says.
        """
        self.check(message)
        if len(outbox) >= OUTBOX_MAX:
            raise QueueFull(f"pushnote.outbox has {len(outbox)} messages: {ADDRESS} is for tests, which clear it")
        outbox.append(
            Published(
                json.loads(message.data),
                message.users,
                message.channels,
                message.everyone,
                message.event,
                message.push,
                message.recipients,
            )
        )
        return Receipt(message.push.id) if message.push else None

    def publish_acked(self, message: Message, timeout: float) -> Receipt:  # noqa: ARG002 nobody is waited for
        """Keep a message, and say that one server has it, of one. See :meth:`publish`."""
        sent = self.publish(message)
        return Receipt(sent.id if sent else str(len(outbox)), servers=1, of=1)

    def check(self, message: Message) -> None:
        """Look whether servers would take it.

        :raises ValueError: its data is too long.
        """
        check_size(message, self._message_bytes_max)

    def flush(self, timeout: float) -> None:
        """Nothing ever waits here."""

    def close(self) -> None:
        """There is nothing to close."""
