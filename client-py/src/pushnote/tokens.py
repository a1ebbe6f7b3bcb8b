"""Tokens, as the server takes them. They are in the format of Django's signing, which needs no Django to be made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
import time

from pushnote.errors import NotConfigured

SECRET_BYTES_MIN = 32
"""Shortest secret that servers take, in bytes."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def timestamped(value: str, secret: str, salt: str, now: float | None = None) -> str:
    """``TimestampSigner(key=secret, salt=salt).sign(value)``.

    :raises NotConfigured: the secret is too short for any server.
    """
    size = len(secret.encode())
    if size < SECRET_BYTES_MIN:
        raise NotConfigured(f"the secret has {size} bytes; servers want {SECRET_BYTES_MIN} at least")
    value = f"{value}:{_base62(int(time.time() if now is None else now))}"
    key = hashlib.sha256(f"{salt}signer{secret}".encode()).digest()
    signature = hmac.new(key, value.encode(), hashlib.sha256).digest()
    return f"{value}:{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _base62(number: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits or "0"
