"""``{% load pushnote %}``: tokens for the page's script."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

from pushnote import settings, utils

register = template.Library()

#: As Django's json_script has it: no text ends the script that it stands in.
_ESCAPES = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


@register.simple_tag(takes_context=True)
def pushnote_token(context: Context) -> SafeString:
    """Make the token of whoever sees the page, as JavaScript: ``var token = {% pushnote_token %};``.

    It is ``null`` for who is not signed in.
    """
    user: Any = context.get("user") or getattr(context.get("request"), "user", None)
    if user is None or getattr(user, "pk", None) is None:
        return _script(None)
    return _script((settings.custom_tokenizer() or utils.tokenize)(user))


@register.simple_tag
def pushnote_channel_token(channel: str) -> SafeString:
    """Make a token of a channel, as JavaScript: whoever sees the page may subscribe to it."""
    return _script(utils.tokenize_channel(channel))


def _script(value: str | None) -> SafeString:
    return mark_safe(json.dumps(value).translate(_ESCAPES))
