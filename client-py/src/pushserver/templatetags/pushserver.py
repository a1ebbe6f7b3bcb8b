"""``{% load pushserver %}``."""

from __future__ import annotations

from django import template

from pushserver.utils import updates

register = template.Library()


@register.simple_tag
def channel_url(channel_id: str) -> str:
    """Where pages subscribe to a channel: ``{% channel_url "some_channel_id" %}``."""
    return updates.subscriber_url(channel_id)
