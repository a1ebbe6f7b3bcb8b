"""Reads Web Push messages as a browser and its push service do, with http_ece, py_vapid and PyJWT.

Takes one JSON object: `private` and `auth` of the browser, and `messages`, a list of `body` (or null) and `authorization`;
binary in base64url. Prints a list of `payload` (or null), `aud`, `sub`, `seconds` until the token ends, and `header`.
"""

import json
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02


def decoded(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(message):
    payload = None
    if message["body"] is not None:
        plain = http_ece.decrypt(decoded(message["body"]), private_key=private, auth_secret=auth)
        payload = urlsafe_b64encode(plain).decode()
    # py_vapid wants no space behind the comma, which RFC 8292 has there.
    assert Vapid02.verify(message["authorization"].replace(", k=", ",k="))
    token, key = message["authorization"].removeprefix("vapid t=").split(", k=")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(key))
    audience = jwt.decode(token, options={"verify_signature": False})["aud"]
    claims = jwt.decode(token, public, algorithms=["ES256"], audience=audience)
    return {
        "payload": payload,
        "aud": claims["aud"],
        "sub": claims["sub"],
        "seconds": claims["exp"] - int(time.time()),
        "header": jwt.get_unverified_header(token),
    }


given = json.load(sys.stdin)
private = ec.derive_private_key(int.from_bytes(decoded(given["private"]), "big"), ec.SECP256R1())
auth = decoded(given["auth"])
print(json.dumps([read(message) for message in given["messages"]]))
