"""Starts ``pushnote-server`` beside a development server."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pushnote import settings
from pushnote.errors import NotConfigured
from pushnote.http import is_address

PROGRAM = "PUSHNOTE_SERVER"
"""The environment's word for where the program is, if it is not in ``PATH``."""


def program() -> str:
    """Find ``pushnote-server``.

    :raises NotConfigured: it is not there.
    """
    found = os.environ.get(PROGRAM) or shutil.which("pushnote-server")
    if found is None:
        raise NotConfigured(
            "pushnote-server is not in PATH; install it (in a checkout of pushnote: cargo install --path bin/pushnote-server), "
            f"or set {PROGRAM} to where it is"
        )
    return found


def run(arguments: Sequence[str], secrets: Sequence[str] = (), files: Mapping[str, str] | None = None) -> int:
    """Run the server until it ends, or until this program is to end. Its exit code.

    :param files: what is to be in files for as long, by the flag that names each.
    :raises NotConfigured: it is not there, or cannot be run.
    """
    environment = dict(os.environ)
    # Nothing to a server, or something else: where this application publishes to.
    for name in (PROGRAM, "PUSHNOTE_MQ_SOCKET", "PUSHNOTE_ACK_SOCKET", "PUSHNOTE_API_KEY", "PUSHNOTE_API_KEY_FILE"):
        environment.pop(name, None)
    # To a server it is where its API listens, which is no URL.
    if is_address(environment.get(settings.API, "")):
        del environment[settings.API]
    if secrets:
        environment["PUSHNOTE_SECRET"] = "\n".join(secrets)
    with tempfile.TemporaryDirectory(prefix="pushnote-") as folder:
        flags = []
        for flag, text in (files or {}).items():
            path = Path(folder, flag.strip("-"))
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
            flags.append(f"{flag}={path}")
        try:
            server = subprocess.Popen([program(), *arguments, *flags], env=environment)
        except OSError as error:
            raise NotConfigured(f"{program()} cannot be run: {error.strerror}") from error
        before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            return _wait(server)
        finally:
            signal.signal(signal.SIGTERM, before)


def _wait(server: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:
            # The terminal has told the server, too; it tells its pages, and ends.
            continue


def api_keys(key: str) -> str:
    """Write the line that lets a key do all, as ``--api-keys`` reads it."""
    return f"django publish,read,manage {hashlib.sha256(key.encode()).hexdigest()}\n"


def host_and_port(text: str, host: str, port: int) -> tuple[str, int]:
    """Read ``PORT``, ``HOST:PORT`` or ``[HOST]:PORT``.

    :raises ValueError: it is none of these.
    """
    if not text:
        return host, port
    before, separator, after = text.rpartition(":")
    if separator:
        host = before.strip("[]")
    number = int(after) if after.isdecimal() else 0
    if not 0 < number < 65536 or not host:
        raise ValueError(f"{text!r} is neither a port nor an address and a port")
    return host, number
