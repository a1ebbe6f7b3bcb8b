"""Tokens by which pages prove whose they are."""

from __future__ import annotations

from typing import Any

from pushnote import settings, tokens
from pushnote.message import check_channel, user_id

TIMESTAMPED_SALT = "pushnote.timestamped"
CHANNEL_SALT = "pushnote.channel"


def tokenize(user: Any) -> str:
    """Make a token for a user, with which their pages subscribe: an object with a ``pk``, or an id.

    It is good for as long as the server says (``--token-max-age``, a day). It is signed with Django's ``SECRET_KEY``, or with the
    secret in ``PUSHNOTE_SECRET_FILE`` or ``PUSHNOTE_SECRET``, which the server must have, too.

    :raises ValueError: ``user`` is nobody who is signed in.
    :raises pushnote.NotConfigured: there is no secret.
    """
    return tokens.timestamped(user_id(user), settings.secrets()[0], TIMESTAMPED_SALT)


def tokenize_channel(channel: str) -> str:
    """Make a token with which whoever has it subscribes to a channel.

    :raises ValueError: this is no channel's name.
    :raises pushnote.NotConfigured: there is no secret.
    """
    check_channel(channel)
    return tokens.timestamped(channel, settings.secrets()[0], CHANNEL_SALT)
