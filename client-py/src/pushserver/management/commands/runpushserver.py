"""``manage.py runpushserver``: a push server beside ``runserver``."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from pushnote import server
from pushnote.errors import NotConfigured
from pushserver import configuration
from pushserver.settings import DEFAULT_ADDRESS, DEFAULT_PORT, push_server

ALL_REQUESTS_PORT = 8000


class Command(BaseCommand):
    """Runs the push server that PUSH_SERVER describes, for development."""

    help = "Runs pushnote-server with the locations of PUSH_SERVER, for development."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where to listen, and whether all requests come here."""
        parser.add_argument("addrport", nargs="?", default="", help="port, or address:port; else as PUSH_SERVER says")
        parser.add_argument("-6", "--ipv6", action="store_true", help="listen on ::1, if no address is said")
        parser.add_argument(
            "--allrequests", action="store_true", help="take port 8000, and pass on what is not push to the application"
        )
        parser.add_argument(
            "--application", default="http://127.0.0.1:8001", help="with --allrequests: where it listens (%(default)s)"
        )
        parser.add_argument("flags", nargs="*", help="behind --: flags of pushnote-server, as they are")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 Django's signature
        """Run it until it is to end."""
        try:
            configured = push_server()
            arguments = ["--single", "--mq_socket=tcp://127.0.0.1:*"]
            host, port = configured.get("address") or DEFAULT_ADDRESS, configured.get("port") or DEFAULT_PORT
            if options["allrequests"]:
                port = ALL_REQUESTS_PORT
                arguments.append(f"--fallback={options['application']}")
            if options["ipv6"]:
                host = "::1"
            host, port = server.host_and_port(options["addrport"], host, port)
            arguments += [f"--address={host}", f"--port={port}", *options["flags"]]
            # Nobody makes tokens for it: the protocol has none.
            code = server.run(arguments, [secrets.token_hex()], {"--config": configuration.toml(configured)})
        except (ImproperlyConfigured, NotConfigured, ValueError) as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)
