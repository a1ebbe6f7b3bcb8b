import asyncio
import dataclasses
import datetime
import io

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command

import pushnote
from pushnote import Push, QueueFull, checks, memory, pub


@pytest.fixture(autouse=True)
def in_memory(settings, monkeypatch):
    monkeypatch.setattr(pub, "_publishers", pub._Publishers())
    settings.PUSHNOTE_MQ_SOCKET = "memory://"
    pushnote.outbox.clear()


def test_what_is_published_is_kept_as_pages_get_it():
    push = Push("Anna")
    assert pushnote.notify_all({"at": datetime.date(2026, 1, 2)}) is None
    assert pushnote.notify(1, users=[User(pk=42), "7"], push=push).id == push.id
    pushnote.publish([2], users=[1], channels=["news"], event="headline")
    asyncio.run(pushnote.anotify_channel("news", "x"))
    assert pushnote.notify("nobody", users=[]) is None
    assert pushnote.outbox == [
        memory.Published({"at": "2026-01-02"}, everyone=True),
        memory.Published(1, users=("42", "7"), push=push),
        memory.Published([2], users=("1",), channels=("news",), event="headline"),
        memory.Published("x", channels=("news",)),
    ]
    with pytest.raises(dataclasses.FrozenInstanceError):
        pushnote.outbox[0].data = 1
    pushnote.flush()


def test_all_servers_there_are_have_what_is_acknowledged():
    receipt = pushnote.notify_all(1, ack=5)
    assert (receipt.servers, receipt.of) == (1, 1)
    assert [message.data for message in pushnote.outbox] == [1]


def test_what_servers_would_refuse_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="70002 bytes as JSON, and servers take 65536"):
        pushnote.notify_all("x" * 70_000)
    with pytest.raises(TypeError):
        pushnote.notify_all(object())
    monkeypatch.setattr(memory, "OUTBOX_MAX", 2)
    pushnote.notify_all(1)
    pushnote.notify_all(2)
    with pytest.raises(QueueFull, match=r"pushnote\.outbox has 2 messages"):
        pushnote.notify_all(3)


def of_tokenizer(user):
    return f"token-of-{user}"


def test_tokens_of_a_tokenizer_stand_for_users(settings):
    settings.PUSHNOTE_TOKENIZER = f"{__name__}.of_tokenizer"
    pushnote.notify(1, users=["a"])
    assert pushnote.outbox == [memory.Published(1, recipients=("token-of-a",))]


def test_where_it_is_no_test_the_check_warns(settings, monkeypatch):
    assert checks.check() == []
    monkeypatch.delattr(mail, "outbox")
    (found,) = checks.check()
    assert found.id == "pushnote.W010"
    settings.DEBUG = True
    assert checks.check() == []


def test_no_server_is_started_for_it():
    with pytest.raises(CommandError, match="memory://, which is for tests"):
        call_command("runpushnote", stdout=io.StringIO())
