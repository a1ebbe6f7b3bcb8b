"""What Django's settings say, or, without Django or where they say nothing, the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, cast

from pushnote.errors import NotConfigured

MQ_SOCKET = "PUSHNOTE_MQ_SOCKET"
ACK_SOCKET = "PUSHNOTE_ACK_SOCKET"
API_KEY = "PUSHNOTE_API_KEY"
API_KEY_FILE = "PUSHNOTE_API_KEY_FILE"
CURVE_SERVER_KEY = "PUSHNOTE_CURVE_SERVER_KEY"
CURVE_SECRET_KEY_FILE = "PUSHNOTE_CURVE_SECRET_KEY_FILE"
SALT = "PUSHNOTE_SALT"
SECRET = "PUSHNOTE_SECRET"
SECRET_FILE = "PUSHNOTE_SECRET_FILE"
TOKENIZER = "PUSHNOTE_TOKENIZER"
API = "PUSHNOTE_API"
REDIS_PREFIX = "PUSHNOTE_REDIS_PREFIX"
MESSAGE_BYTES_MAX = "PUSHNOTE_MESSAGE_BYTES_MAX"

OF_PUBLISHER = (MQ_SOCKET, ACK_SOCKET, API_KEY, API_KEY_FILE, CURVE_SERVER_KEY, CURVE_SECRET_KEY_FILE, MESSAGE_BYTES_MAX)
"""What a publisher is made by."""

NAMES = (
    *OF_PUBLISHER,
    API,
    REDIS_PREFIX,
    SALT,
    SECRET,
    SECRET_FILE,
    TOKENIZER,
)

MESSAGE_BYTES_MAX_DEFAULT = 64 * 1024
"""The servers' own default of ``--message-bytes-max``."""

UNITS = {"": 1, "kb": 1000, "kib": 1024, "mb": 1_000_000, "mib": 1 << 20}

DEFAULT_TOKENIZER = "pushnote.utils.tokenize"


def django_settings() -> Any | None:
    """Django's settings, if this is a Django program."""
    if "django" not in sys.modules and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return None
    try:
        from django.conf import settings
    except ImportError:
        return None
    if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return None
    return settings


def setting(name: str) -> Any | None:
    """What is set; ``None`` for nothing, and for what is set to nothing."""
    value = getattr(django_settings(), name, None)
    return value or os.environ.get(name) or None


def addresses(name: str) -> list[str]:
    """A list of addresses, or a text of several with commas between.

    :raises NotConfigured: it is neither.
    """
    value = setting(name)
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple | set) or not all(isinstance(address, str) for address in value):
        raise NotConfigured(f'{name} is {value!r}, which is no address, as in "tcp://127.0.0.1:8002", nor a list of them')
    return [address.strip() for address in value if address.strip()]


def message_bytes_max() -> int:
    """How much data servers take in one message, in bytes of JSON.

    :raises NotConfigured: it is no number.
    """
    value = setting(MESSAGE_BYTES_MAX)
    if value is None:
        return MESSAGE_BYTES_MAX_DEFAULT
    found = re.fullmatch(r"([0-9]+) ?([km]i?b)?", str(value).strip(), re.IGNORECASE)
    if not found:
        raise NotConfigured(f"{MESSAGE_BYTES_MAX} is {value!r}, which is no number of bytes, as in 65536 or 64KiB")
    return int(found[1]) * UNITS[(found[2] or "").lower()]


def secrets() -> list[str]:
    """The secrets that tokens are signed with: Django's ``SECRET_KEY`` and its fallbacks, or the environment's. The first signs.

    :raises NotConfigured: there is none, or it cannot be read.
    """
    path = os.environ.get(SECRET_FILE)
    lines: list[str] = []
    if path:
        lines = _read(path, SECRET_FILE).splitlines()
    elif os.environ.get(SECRET):
        lines = os.environ[SECRET].splitlines()
    else:
        django = django_settings()
        if django is not None:
            lines = [django.SECRET_KEY, *getattr(django, "SECRET_KEY_FALLBACKS", [])]
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise NotConfigured(f"there is no secret to sign tokens with: set {SECRET_FILE} or {SECRET}, or Django's SECRET_KEY")
    return found


def api_key() -> str:
    """The key for a server's API.

    :raises NotConfigured: there is none, or its file cannot be read.
    """
    path = setting(API_KEY_FILE)
    key = _read(str(path), API_KEY_FILE).strip() if path else setting(API_KEY)
    if not key:
        raise NotConfigured(
            f"{API_KEY} is not set; `pushnote keygen --api NAME` makes a key, and {API_KEY_FILE} may name its file"
        )
    if len(str(key).split()) > 1:
        raise NotConfigured(
            f"{API_KEY} has several words: the key alone is meant, which begins with pn_, and not the server's line"
        )
    return str(key)


def overruled() -> list[tuple[str, str]]:
    """Settings that are not used because a file is named, which holds something else: each file's setting, and the other."""
    pairs = [
        (SECRET_FILE, os.environ.get(SECRET_FILE), SECRET, os.environ.get(SECRET)),
        (API_KEY_FILE, setting(API_KEY_FILE), API_KEY, setting(API_KEY)),
    ]
    found = []
    for file, path, name, value in pairs:
        if path and value:
            try:
                held = {line.strip() for line in _read(str(path), file).splitlines()}
            except NotConfigured:  # that is said where it is read
                continue
            if not {line.strip() for line in str(value).splitlines()} <= held:
                found.append((file, name))
    return found


def curve_keys() -> tuple[str, str] | None:
    """The server's public key and our secret one, if the sockets are to use CURVE.

    :raises NotConfigured: one without the other.
    """
    server, path = setting(CURVE_SERVER_KEY), setting(CURVE_SECRET_KEY_FILE)
    if server is None and path is None:
        return None
    if server is None or path is None:
        raise NotConfigured(f"{CURVE_SERVER_KEY} and {CURVE_SECRET_KEY_FILE} belong together: set both, or neither")
    return str(server), _read(str(path), CURVE_SECRET_KEY_FILE).strip()


def custom_tokenizer() -> Callable[[Any], str] | None:
    """The function that ``PUSHNOTE_TOKENIZER`` names, unless it is this package's own.

    :raises NotConfigured: it names none.
    """
    path = setting(TOKENIZER)
    if path is None or path == DEFAULT_TOKENIZER:
        return None
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(__import__(module, fromlist=[name]), name)
    except (AttributeError, ImportError, ValueError) as error:
        raise NotConfigured(f"{TOKENIZER} is {path!r}, which cannot be imported: {error}") from error
    if not callable(found):
        raise NotConfigured(f"{TOKENIZER} is {path!r}, which is no function")
    return cast("Callable[[Any], str]", found)


def _read(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise NotConfigured(f"{name} names {path}, which cannot be read: {error.strerror}") from error
