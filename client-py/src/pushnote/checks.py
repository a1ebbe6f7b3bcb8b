"""What ``manage.py check`` says of the settings."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

from django import conf
from django.core import mail
from django.core.checks import CheckMessage, Error, Warning, register

from pushnote import settings
from pushnote.errors import NotConfigured
from pushnote.http import is_address
from pushnote.memory import ADDRESS
from pushnote.tokens import SECRET_BYTES_MIN
from pushnote.zeromq import check_endpoint


@register("pushnote")
def check(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 Django's signature
    """Find what would fail with the first message, or the first token."""
    return [*_addresses(), *_memory(), *_tokens(), *_overruled(), *_misspelt()]


def _addresses() -> Iterator[CheckMessage]:
    try:
        addresses, ack_addresses = map(settings.addresses, (settings.MQ_SOCKET, settings.ACK_SOCKET))
    except NotConfigured as error:
        yield Error(f"{error}.", id="pushnote.E002")
        return
    if not addresses:
        yield Error(
            f"{settings.MQ_SOCKET} is not set.",
            hint='PUSHNOTE_MQ_SOCKET = "tcp://127.0.0.1:8002" is where pushnote-mq --sub, or pushnote-server --single, listens; '
            '"http://127.0.0.1:8081" is a server\'s --api.',
            id="pushnote.E001",
        )
    named = [(settings.MQ_SOCKET, address) for address in addresses if not is_address(address) and addresses != [ADDRESS]]
    named += [(settings.ACK_SOCKET, address) for address in ack_addresses]
    for name, address in named:
        try:
            check_endpoint(name, address)
        except NotConfigured as error:
            yield Error(f"{error}.", id="pushnote.E002")
    api = settings.setting(settings.API)
    if api is not None and not is_address(str(api)):
        yield Error(
            f"{settings.API} is {api!r}, which begins with neither http:// nor https://.",
            hint=f"Is http://{api} meant? A server takes that for its --api, too.",
            id="pushnote.E002",
        )
    for read in (settings.api_key if any(map(is_address, addresses)) else None, settings.curve_keys, settings.message_bytes_max):
        if read is not None:
            try:
                read()
            except NotConfigured as error:
                yield Error(str(error), id="pushnote.E003")


def _memory() -> Iterator[CheckMessage]:
    with contextlib.suppress(NotConfigured):  # that is said already
        # Django's tests have an outbox for mail. They are without DEBUG, too.
        if settings.addresses(settings.MQ_SOCKET) == [ADDRESS] and not conf.settings.DEBUG and not hasattr(mail, "outbox"):
            yield Warning(
                f"{settings.MQ_SOCKET} is {ADDRESS}, by which nothing is sent to anybody.",
                hint="It is for tests. In production it is where pushnote-mq --sub, or pushnote-server --single, listens.",
                id="pushnote.W010",
            )


def _overruled() -> Iterator[CheckMessage]:
    for file, name in settings.overruled():
        yield Warning(
            f"{name} is set, and {file} names a file, which holds something else: the file is used.",
            hint=f"Unset {name}, or, if it is the right one, {file}.",
            id="pushnote.W009",
        )


def _misspelt() -> Iterator[CheckMessage]:
    django = settings.django_settings()
    for name in dir(django):
        if name.startswith("PUSHNOTE_") and name not in settings.NAMES:
            meant = difflib.get_close_matches(name, settings.NAMES, 1)
            yield Warning(
                f"{name} is no setting of pushnote.", hint=(meant and f"Is {meant[0]} meant?") or None, id="pushnote.W008"
            )


def _tokens() -> Iterator[CheckMessage]:
    try:
        settings.custom_tokenizer()
    except NotConfigured as error:
        yield Error(str(error), id="pushnote.E004")
    try:
        secrets = settings.secrets()
    except NotConfigured as error:
        yield Error(str(error), id="pushnote.E005")
    else:
        if len(secrets[0].encode()) < SECRET_BYTES_MIN:
            yield Error(
                f"SECRET_KEY has fewer than {SECRET_BYTES_MIN} bytes, which servers refuse.",
                hint="django.core.management.utils.get_random_secret_key() makes one.",
                id="pushnote.E006",
            )
    if settings.setting(settings.SALT):
        yield Warning(
            f"{settings.SALT} does nothing any more.",
            hint="The original signed tokens with it in the place of the key, so that whoever guessed it could make them. "
            "Now they are signed with SECRET_KEY. Take it out.",
            id="pushnote.W007",
        )
