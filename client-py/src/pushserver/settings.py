"""``PUSH_SERVER``, as django-pushserver read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.regex_helper import normalize

DEFAULT_PORT = 8001
DEFAULT_ADDRESS = "127.0.0.1"

PUBLISHER = "publisher"
SUBSCRIBER = "subscriber"


def push_server() -> Mapping[str, Any]:
    """The setting.

    :raises ImproperlyConfigured: there is none.
    """
    found = getattr(settings, "PUSH_SERVER", None)
    if not isinstance(found, Mapping):
        raise ImproperlyConfigured("PUSH_SERVER is not set; it is a dict with the push server's locations")
    return found


def own_address() -> str:
    """Where ``runpushserver`` listens, if nobody tells it otherwise."""
    configured = push_server()
    host = configured.get("address") or DEFAULT_ADDRESS
    return f"{f'[{host}]' if ':' in host else host}:{configured.get('port') or DEFAULT_PORT}"


def url(kind: str, channel_id: str) -> str:
    """Where a channel is published to, or subscribed to.

    :raises ImproperlyConfigured: there is no such location, or its ``url`` is more than a path with one group.
    """
    host = push_server().get(f"{kind}_host") or {}
    address = host.get("location") or own_address()
    # The push server speaks plain HTTP; what is "secure" is a proxy in front of it, at another address.
    secure = bool(host.get("secure")) and address != own_address()
    return f"{'https' if secure else 'http'}://{address}{path(kind, channel_id)}"


def path(kind: str, channel_id: str) -> str:
    """The path of a channel in the first location of this kind."""
    name = quote(channel_id, safe="")
    for location in push_server().get("locations", ()):
        if location.get("type") != kind:
            continue
        if not location.get("url"):
            return f"{location.get('prefix', '')}{name}"
        pattern = location["url"].removeprefix("^").removesuffix("$")
        forms = [(form, names) for form, names in normalize(pattern) if len(names) == 1]
        if not forms:
            raise ImproperlyConfigured(f"PUSH_SERVER: the url {location['url']!r} is no path with one group for the channel")
        form, names = forms[0]
        return str(form % {names[0]: name})
    raise ImproperlyConfigured(f"PUSH_SERVER has no location of type {kind!r}")
