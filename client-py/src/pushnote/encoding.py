"""JSON as browsers get it: dates and times in ISO 8601; what has no JSON raises ``TypeError``."""

from __future__ import annotations

import datetime
import decimal
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any


def dumps(data: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Write ``data`` as JSON. ``default`` is asked first for what JSON does not know.

    :raises TypeError: something in it has no JSON.
    :raises ValueError: a number that JSON does not have (NaN, infinity), half a character, or data that contains itself.
    """

    def known(value: Any) -> Any:
        if default is not None:
            try:
                return default(value)
            except TypeError:
                pass
        return plain(value)

    text = json.dumps(data, default=known, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # Here, and not where it is sent: that may be in the middle of a commit.
        raise ValueError(
            f"a text of the data has {text[error.start]!r} in it, half a character, which no browser gets"
        ) from error
    return text


def plain(value: Any) -> Any:
    """Turn what applications have in their data into what JSON has.

    :raises TypeError: there is nothing for it.
    """
    if isinstance(value, datetime.datetime):
        return localized(value).isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    promise = sys.modules.get("django.utils.functional")
    if promise is not None and isinstance(value, promise.Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON: give a serializer that knows it, or what JSON has")


def localized(moment: datetime.datetime) -> datetime.datetime:
    """Give a naive time the zone it is meant in: Django's current one, or the machine's."""
    if moment.tzinfo is not None:
        return moment
    timezone = sys.modules.get("django.utils.timezone")
    if timezone is not None and _django_is_set_up():
        return moment.replace(tzinfo=timezone.get_current_timezone())
    return moment.astimezone()


def _django_is_set_up() -> bool:
    conf = sys.modules.get("django.conf")
    return conf is not None and bool(conf.settings.configured)
