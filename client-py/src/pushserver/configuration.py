"""``PUSH_SERVER`` as ``pushnote-server`` reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from pushserver.settings import SUBSCRIBER

DEFAULT_STORE = "default"

_LOCATION_KEYS = {"type", "store", "url", "prefix", "polling", "passthrough"}
_LOCATION_KEYS |= {"create_on_get", "create_on_post", "allow_origin", "allow_credentials"}
_STORE_KEYS = ("min_messages", "max_messages", "message_timeout")


def toml(push_server: Mapping[str, Any]) -> str:
    """Write the locations as a file of settings.

    :raises ImproperlyConfigured: something in them is unknown; it may matter, so it is not left out.
    """
    stores = _stores(push_server.get("store") or {})
    locations = push_server.get("locations") or ()
    if not locations:
        raise ImproperlyConfigured("PUSH_SERVER has no locations, so there is nothing to serve")
    told: set[str] = set()
    tables = []
    for location in locations:
        unknown = set(location) - _LOCATION_KEYS
        if unknown:
            raise ImproperlyConfigured(f"PUSH_SERVER: a location has {', '.join(sorted(unknown))}, which is unknown")
        lines = dict(location)
        store = lines.get("store") or DEFAULT_STORE
        if store not in stores:
            raise ImproperlyConfigured(f"PUSH_SERVER: a location has the store {store!r}, of which nothing is said")
        if store == DEFAULT_STORE:
            lines.pop("store", None)
        # A store has one buffer: one of its locations says it.
        if store not in told:
            told.add(store)
            lines.update(stores[store])
        if lines["type"] == SUBSCRIBER and "allow_origin" not in lines and not lines.get("allow_credentials"):
            lines["allow_origin"] = "*"
        tables.append("[[server.locations]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in lines.items()))
    return "\n".join(tables)


def _stores(store: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each store's buffer, by its name. One alone is written without a name."""
    if not store or isinstance(store.get("type"), str):
        return {DEFAULT_STORE: _buffer(store)}
    return {DEFAULT_STORE: {}, **{name: _buffer(one) for name, one in store.items()}}


def _buffer(store: Mapping[str, Any]) -> dict[str, Any]:
    buffer = {}
    for key in _STORE_KEYS:
        # 0 was: no bound. The server's log is one.
        if store.get(key):
            buffer[key] = store[key] if key != "message_timeout" else f"{math.ceil(store[key])}s"
    return buffer


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)
