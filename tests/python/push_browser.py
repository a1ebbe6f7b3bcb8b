"""A browser as Web Push sees it: says its keys in one line, p256dh and auth, and decrypts each line that follows, a body in
hexadecimal digits."""

import base64
import os
import sys

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def url_safe(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


private, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
print(url_safe(public), url_safe(auth), flush=True)
for line in sys.stdin:
    body = bytes.fromhex(line)
    print(http_ece.decrypt(body, private_key=private, auth_secret=auth, version="aes128gcm").decode(), flush=True)
