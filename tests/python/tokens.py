"""Makes tokens as applications do, with Django and PyJWT, and reads those that are given.

    tokens.py SECRET FOLDER CHANNEL_TOKEN CLAIMS_TOKEN

Prints one JSON object of tokens. FOLDER gets public keys: one PEM file for each kind, all of them in keys.pem and, as a JWK
set, in keys.json, and a stranger's in stranger.pem.
"""

import json
import pathlib
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings
from django.core import signing
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

secret, folder, channel_token, claims_token = sys.argv[1:]
folder = pathlib.Path(folder)
settings.configure(SECRET_KEY=secret)

assert signing.TimestampSigner(salt="pushnote.channel").unsign(channel_token) == "news"
assert signing.loads(claims_token, salt="pushnote.claims")["channels"] == ["news"]


def public(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


keys = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
jwk = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
jwks = [
    {**jwk[alg].to_jwk(key.public_key(), as_dict=True), "alg": alg, "use": "sig", "kid": alg}
    for alg, key in keys.items()
]
for alg, key in keys.items():
    (folder / f"{alg}.pem").write_bytes(public(key))
(folder / "keys.pem").write_bytes(b"".join(map(public, keys.values())))
(folder / "keys.json").write_text(json.dumps({"keys": jwks}))
(folder / "stranger.pem").write_bytes(public(stranger))

now = int(time.time())
channels = ["news.*", "sport"]
claims = {"sub": "42", "channels": channels, "iat": now, "nbf": now, "exp": now + 600, "aud": "pushnote"}
many = {"user": "42", "channels": channels + [f"channel number {number}" for number in range(200)]}
signed = {alg: jwt.encode(claims, key, alg, headers={"kid": alg}) for alg, key in keys.items()}

print(
    json.dumps(
        {
            "timestamped": signing.TimestampSigner(salt="pushnote.timestamped").sign("42"),
            "plain": signing.Signer(salt="pushnote").sign("42"),
            "claims": signing.dumps({"user": 42, "channels": channels}, salt="pushnote.claims"),
            "compressed": signing.dumps(many, salt="pushnote.claims", compress=True),
            "channel": signing.TimestampSigner(salt="pushnote.channel").sign("Straße"),
            "HS256": jwt.encode(claims, secret, "HS256"),
            **signed,
            "none": jwt.encode(claims, None, "none"),
            "HS512": jwt.encode(claims, secret, "HS512"),
            "stranger": jwt.encode(claims, stranger, "RS256"),
            "expired": jwt.encode({**claims, "exp": now - 1}, secret, "HS256"),
            "for another": jwt.encode({**claims, "aud": "shop"}, secret, "HS256"),
        }
    )
)
