"""flask-sse's calls, for pages that listen with ``new EventSource('/stream?channel=sse')``.

The server must serve ``/stream`` (``--redis``); what is published in Redis comes to the same pages. It goes the way of all
messages, not by Redis. ``PUSHNOTE_REDIS_PREFIX`` is the server's ``--redis-prefix``, if that is not the default.
"""

from __future__ import annotations

from typing import Any

from pushnote import pub, settings

DEFAULT_PREFIX = "redis:"


def publish(data: Any, type: str | None = None, id: Any = None, retry: Any = None, channel: str = "sse") -> None:
    """Send an event to all who read ``/stream`` of a channel, as flask-sse 1.0 does: a text as it is, any other value as JSON.

    :param type: the kind of event.
    :param id: ``None``: the server numbers events itself, so that pages go on where they were.
    :param retry: ``None``: when pages come back the server says.
    :raises ValueError: there is an ``id`` or a ``retry``.
    :raises pushnote.PushnoteError: it is not sent.
    """
    if id is not None or retry is not None:
        raise ValueError("an event's id and retry are the server's, by which pages go on where they were: leave them out")
    prefix = settings.setting(settings.REDIS_PREFIX) or DEFAULT_PREFIX
    pub.publish(data, channels=[f"{prefix}{channel}"], event=type or None)


def send_event(event_name: str | None, data: Any, channel: str = "sse") -> None:
    """The name that older ones have for it. See :func:`publish`."""
    publish(data, event_name, channel=channel)
