"""flask-sse's ``send_event``, for pages that listen with ``new EventSource('/stream?channel=sse')``."""

from __future__ import annotations

from typing import Any

from pushnote import settings
from pushnote.pub import publish

DEFAULT_PREFIX = "redis:"


def send_event(event_name: str | None, data: Any, channel: str = "sse") -> None:
    """Send an event to all who read ``/stream`` of a channel: a text as it is, any other value as JSON.

    The server must serve ``/stream`` (``--redis``); what is published in Redis comes to the same pages. It goes the way of all
    messages, not by Redis. ``PUSHNOTE_REDIS_PREFIX`` is the server's ``--redis-prefix``, if that is not the default.

    :raises pushnote.PushnoteError: it is not sent.
    """
    prefix = settings.setting(settings.REDIS_PREFIX) or DEFAULT_PREFIX
    publish(data, channels=[f"{prefix}{channel}"], event=event_name or None)
