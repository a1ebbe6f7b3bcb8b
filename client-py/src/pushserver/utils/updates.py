"""``updates.send_update(channel_id, data)``."""

from __future__ import annotations

from typing import Any

import httpx
from django.conf import settings as django_settings

from pushnote.connections import trusted
from pushnote.encoding import dumps
from pushserver import settings, signals

TIMEOUT_S = 5.0
"""How long sending may take."""


def send_update(channel_id: str, data: Any, already_serialized: bool = False, ignore_errors: bool = False) -> None:
    """Send data to all who wait in a channel, and to who comes later.

    :param data: what JSON has, or, ``already_serialized``, its text.
    :param ignore_errors: raise nothing if it cannot be sent, as ``PUSH_SERVER_IGNORE_ERRORS`` has it for all; receivers of
        :data:`pushserver.signals.post_send_update` are told all the same.
    :raises httpx.HTTPError: nobody takes it, or not for this channel.
    """
    body = data if already_serialized else dumps(data)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    request = httpx.Request("POST", publisher_url(channel_id), content=body, headers=headers)
    told: dict[str, Any] = {
        "sender": send_update,
        "channel_id": channel_id,
        "data": data,
        "already_serialized": already_serialized,
        "request": request,
    }
    signals.pre_send_update.send(**told)
    try:
        with httpx.Client(trust_env=False, verify=trusted(), timeout=TIMEOUT_S) as client:
            response = client.send(request)
        response.raise_for_status()
    except httpx.HTTPError as error:
        signals.post_send_update.send(response=error, **told)
        if not (ignore_errors or getattr(django_settings, "PUSH_SERVER_IGNORE_ERRORS", False)):
            raise
    else:
        signals.post_send_update.send(response=response, **told)


def publisher_url(channel_id: str) -> str:
    """Where a channel is published to."""
    return settings.url(settings.PUBLISHER, channel_id)


def subscriber_url(channel_id: str) -> str:
    """Where pages subscribe to a channel."""
    return settings.url(settings.SUBSCRIBER, channel_id)
