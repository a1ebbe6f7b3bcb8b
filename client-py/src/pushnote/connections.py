"""Connections to an API of which a whole question ends in time: its address, handshake, and each byte of the answer."""
# ruff: noqa: ARG002 httpcore hands on timeouts, and the deadline knows better

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from pushnote.errors import NotConfigured

FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
"""What is raised where no answer comes."""

CERTIFICATES = "SSL_CERT_FILE"
"""The environment's variable that everything on a machine has for whom it trusts."""

PIECE_BYTES = 64 * 1024
"""What is written before the time is looked at again."""


class Untrusted(httpcore.ConnectError):
    """The certificate is of nobody who is trusted."""


class Connections:
    """Connections that are kept. Nothing of the environment leads elsewhere: no proxy is taken from there."""

    def __init__(self) -> None:
        self._local = _Deadline()
        self._backend = _Backend(self._local)
        self._pool: httpcore.ConnectionPool | None = None
        self._lock = threading.Lock()

    def ask(
        self, method: str, url: httpx.URL, headers: Mapping[bytes | str, bytes | str], body: bytes | None, deadline: float
    ) -> httpcore.Response:
        """Ask, and read the whole answer.

        :param deadline: when that is over, on the monotonic clock.
        :raises FAILURES: there is no answer by then.
        """
        self._local.ends_at = deadline
        left = self._local.left(httpcore.ConnectTimeout)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        timeout = {"connect": left, "read": left, "write": left, "pool": left}
        return self._made().request(method, target, headers=headers, content=body, extensions={"timeout": timeout})

    def _made(self) -> httpcore.ConnectionPool:
        with self._lock:
            if self._pool is None:
                self._pool = httpcore.ConnectionPool(
                    ssl_context=trusted(),
                    max_connections=100,
                    max_keepalive_connections=20,
                    keepalive_expiry=5.0,
                    network_backend=self._backend,
                )
            return self._pool

    def close(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            self._pool.close()


def trusted() -> ssl.SSLContext:
    """Whom a server's certificate may be from: who is in the file ``SSL_CERT_FILE``, or whom the system and certifi trust.

    :raises NotConfigured: there are no certificates in the file.
    """
    named = os.environ.get(CERTIFICATES)
    if not named:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()
        return context
    try:
        return ssl.create_default_context(cafile=named)
    except (OSError, ssl.SSLError) as error:
        why = "it has no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise NotConfigured(f"{CERTIFICATES} names {named}, which cannot be used: {why}") from error


class _Deadline(threading.local):
    """Until when the question of this thread has to be answered."""

    ends_at = 0.0

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise late("the time is over")
        return left


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of a name, which share the time."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        while True:
            address = addresses.pop(0)
            share = self._deadline.left(httpcore.ConnectTimeout) / (len(addresses) + 1)
            try:
                stream = super().connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    """A connection that gives each step what is left of the time."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE_BYTES):
            self._inner.write(buffer[start : start + PIECE_BYTES], self._deadline.left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(httpcore.ConnectTimeout)
        try:
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise Untrusted(f"{error}; {CERTIFICATES} may name the file of an authority of your own") from error
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
