"""``manage.py runpushnote``: a pushnote-server beside ``runserver``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from pushnote import server, settings
from pushnote.errors import NotConfigured
from pushnote.http import is_address
from pushnote.memory import ADDRESS


class Command(BaseCommand):
    """Runs the server that this project's settings describe, for development."""

    help = "Runs pushnote-server with this project's PUSHNOTE_MQ_SOCKET and SECRET_KEY, for development."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where pages connect to; the server's other flags stand behind ``--``."""
        parser.add_argument("addrport", nargs="?", default="", help="port, or address:port, for browsers (127.0.0.1:8080)")
        parser.add_argument("--route", default="/sockjs", help="path of SockJS (%(default)s)")
        parser.add_argument("flags", nargs="*", help="behind --: flags of pushnote-server, as they are")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 Django's signature
        """Run it until it is to end."""
        try:
            host, port = server.host_and_port(options["addrport"], "127.0.0.1", 8080)
            addresses = settings.addresses(settings.MQ_SOCKET)
            if not addresses:
                raise NotConfigured(f"{settings.MQ_SOCKET} is not set")
            arguments, files = _listens(addresses)
            arguments += ["--single", f"--address={host}", f"--port={port}", f"--route={options['route']}", *options["flags"]]
            # Where pages connect says the server, once it listens.
            code = server.run(arguments, settings.secrets(), files)
        except (NotConfigured, ValueError) as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)


def _listens(addresses: list[str]) -> tuple[list[str], dict[str, str]]:
    """Where the server listens so that this project's messages come to it: its flags, and files that flags name."""
    if ADDRESS in addresses:
        raise NotConfigured(f"{settings.MQ_SOCKET} is {ADDRESS}, which is for tests: no server hears what is published there")
    if not is_address(addresses[0]):
        return [f"--mq_socket={address}" for address in addresses], {}
    url = urlsplit(addresses[0])
    if url.scheme != "http" or not url.port or url.path.strip("/"):
        raise NotConfigured(
            f"{settings.MQ_SOCKET} is {addresses[0]!r}, which no server can be started for: http://127.0.0.1:8081 can be"
        )
    # Nobody publishes by ZeroMQ.
    return ["--mq_socket=tcp://127.0.0.1:*", f"--api={url.netloc}"], {"--api-keys": server.api_keys(settings.api_key())}
