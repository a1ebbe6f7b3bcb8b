import io
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from asgiref.sync import async_to_sync
from conftest import PROGRAMS, ROOT, Page, Server, free_port, reachable
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.http import HttpRequest
from django.template import Context, Template
from django.utils.functional import SimpleLazyObject

from pushnote import NotConfigured, checks, pub, utils
from pushserver import configuration, signals
from pushserver.settings import url
from pushserver.utils import updates

README = {
    "port": 8001,
    "address": "127.0.0.1",
    "publisher_host": {"location": "127.0.0.1:8001", "secure": True},
    "subscriber_host": {"location": "127.0.0.1:8001", "secure": False},
    "store": {"type": "memory", "min_messages": 0, "max_messages": 100, "message_timeout": 10},
    "locations": (
        {
            "type": "subscriber",
            "url": r"/updates/([^/]+)",
            "polling": "long",
            "create_on_get": True,
            "allow_origin": "http://127.0.0.1:8000",
            "allow_credentials": True,
            "passthrough": "http://127.0.0.1:8000/passthrough",
        },
        {"type": "publisher", "url": r"/send-update/([^/]+)"},
    ),
}


@pytest.fixture
def sent(monkeypatch):
    messages = []

    class Publisher:
        def publish(self, message):
            messages.append(message)

        def check(self, message):
            pass

        def close(self):
            pass

        publish_acked = None

    publishers = pub._Publishers()
    publishers.made = Publisher()
    monkeypatch.setattr(pub, "_publishers", publishers)
    return messages


def render(text, **context):
    return Template("{% load pushnote %}" + text).render(Context(context))


def test_the_tag_is_valid_javascript():
    token = render("{% pushnote_token %}", user=User(pk=42))
    assert json.loads(token).startswith("42:")
    request = HttpRequest()
    request.user = User(pk=7)
    assert json.loads(render("{% pushnote_token %}", request=request)).startswith("7:")
    assert render("{% pushnote_token %}", user=AnonymousUser()) == "null"
    assert render("{% pushnote_token %}") == "null"
    assert json.loads(render("{% pushnote_channel_token name %}", name="news")).startswith("news:")


def test_no_channel_ends_the_script_it_stands_in():
    assert "<" not in render("{% pushnote_channel_token name %}", name="</script>")


def hyphenated(user):
    return f"token-of-{user.pk}"


def test_a_tokenizer_of_ones_own_makes_the_tokens_and_names_the_users(settings, sent):
    settings.PUSHNOTE_TOKENIZER = f"{__name__}.hyphenated"
    assert render("{% pushnote_token %}", user=User(pk=42)) == '"token-of-42"'
    pub.notify("x", users=[User(pk=42)])
    assert json.loads(sent[0].envelope("p/0")) == {
        "name": "notify",
        "recipients": ["token-of-42"],
        "publication": "p/0",
        "data": "x",
    }


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"PUSHNOTE_MQ_SOCKET": ""}, ["pushnote.E001"]),
        ({"PUSHNOTE_MQ_SOCKET": "127.0.0.1:8002"}, ["pushnote.E002"]),
        ({"PUSHNOTE_MQ_SOCKET": "http://127.0.0.1:8081"}, ["pushnote.E003"]),
        ({"PUSHNOTE_MQ_SOCKET": "tcp://127.0.0.1"}, ["pushnote.E002"]),
        ({"PUSHNOTE_ACK_SOCKET": "8003"}, ["pushnote.E002"]),
        ({"PUSHNOTE_API": "127.0.0.1:8081"}, ["pushnote.E002"]),
        ({"PUSHNOTE_MQ_SOCKET": "http://127.0.0.1:8081", "PUSHNOTE_API_KEY": "shop publish abc"}, ["pushnote.E003"]),
        ({"PUSHNOTE_MQ_SOKET": "tcp://127.0.0.1:8002"}, ["pushnote.W008"]),
        ({"PUSHNOTE_CURVE_SERVER_KEY": "x"}, ["pushnote.E003"]),
        ({"PUSHNOTE_TOKENIZER": "no.such.thing"}, ["pushnote.E004"]),
        ({"SECRET_KEY": "short"}, ["pushnote.E006"]),
        ({"PUSHNOTE_SALT": "salt"}, ["pushnote.W007"]),
        ({"PUSHNOTE_MQ_SOCKET": "memory://"}, []),
        ({"PUSHNOTE_MQ_SOCKET": "memory://, tcp://127.0.0.1:8002"}, ["pushnote.E002"]),
    ],
)
def test_check_finds_what_is_wrong(settings, change, found):
    for name, value in change.items():
        setattr(settings, name, value)
    assert [message.id for message in checks.check()] == found


def test_check_finds_a_file_that_overrules_a_setting(settings, monkeypatch, tmp_path):
    (tmp_path / "secret").write_text(f"{'n' * 40}\n{'o' * 40}\n")
    monkeypatch.setenv("PUSHNOTE_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("PUSHNOTE_SECRET", "o" * 40)
    assert checks.check() == []
    monkeypatch.setenv("PUSHNOTE_SECRET", "x" * 40)
    (tmp_path / "key").write_text("pn_one\n")
    settings.PUSHNOTE_API_KEY_FILE, settings.PUSHNOTE_API_KEY = str(tmp_path / "key"), "pn_another"
    found = checks.check()
    assert [message.id for message in found] == ["pushnote.W009"] * 2
    assert found[0].msg.startswith("PUSHNOTE_SECRET is set, and PUSHNOTE_SECRET_FILE names")
    assert found[1].msg.startswith("PUSHNOTE_API_KEY is set, and PUSHNOTE_API_KEY_FILE names")


@pytest.mark.django_db(transaction=True)
def test_on_commit(sent):
    with transaction.atomic():
        pub.notify_on_commit("never")
        transaction.set_rollback(True)
    with transaction.atomic():
        data = {"n": 1}
        pub.notify_on_commit(data, users=[User(pk=1)])
        pub.notify_on_commit("for all")
        pub.notify_on_commit("for a channel", channels=["news"], event="e")
        data["n"] = 2
        with pytest.raises(TypeError):
            pub.notify_on_commit(object())
        assert sent == []
    assert [(message.data, message.users, message.everyone, message.channels) for message in sent] == [
        ('{"n":1}', ("1",), False, ()),
        ('"for all"', (), True, ()),
        ('"for a channel"', (), False, ("news",)),
    ]


@pytest.mark.parametrize("wrong", ["42", b"42", 42, None, User(pk=1), [None], [User()], [3.5]])
def test_users_that_are_none(sent, wrong):
    with pytest.raises((TypeError, ValueError)):
        pub.notify("x", users=wrong)


def manage(*arguments, settings_text, folder):
    (folder / "site_settings.py").write_text(f"from tests.settings import *\n{settings_text}\n")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": f"{folder}:{ROOT / 'client-py'}:{os.environ['PYTHONPATH']}",
        "PUSHNOTE_SERVER": str(PROGRAMS / "pushnote-server"),
        # An application's, which is none of a server's.
        "PUSHNOTE_API": "http://127.0.0.1:8081",
    }
    return subprocess.Popen([sys.executable, "-m", "django", *arguments], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_runpushnote(tmp_path, settings, monkeypatch, scheme):
    port, other = free_port(), free_port()
    text = f"PUSHNOTE_MQ_SOCKET = '{scheme}://127.0.0.1:{other}'\nPUSHNOTE_API_KEY = 'pn_key'"
    running = manage(
        "runpushnote", str(port), "--", "--channels={ prefix = 'news', public = true }", folder=tmp_path, settings_text=text
    )
    try:
        reachable(port)
        page = Page(port, utils.tokenize(User(pk=42)))
        settings.PUSHNOTE_MQ_SOCKET, settings.PUSHNOTE_API_KEY = f"{scheme}://127.0.0.1:{other}", "pn_key"
        publishers = pub._Publishers()
        monkeypatch.setattr(pub, "_publishers", publishers)
        pub.notify({"msg": "Hi"}, users=[User(pk=42)])
        assert page.next() == {"msg": "Hi"}
        publishers.close()
    finally:
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=15)
        assert running.returncode == 0
    assert f"listening on http://127.0.0.1:{port}/sockjs" in said


def test_runpushnote_says_where_pages_connect_only_if_they_can(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        running = manage(
            "runpushnote", port, folder=tmp_path, settings_text=f"PUSHNOTE_MQ_SOCKET = 'tcp://127.0.0.1:{free_port()}'"
        )
        said, _ = running.communicate(timeout=15)
    assert (running.returncode, said) == (69, "")


def test_runpushnote_without_the_program(settings, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="not in PATH"):
        call_command("runpushnote", stdout=io.StringIO())


def test_the_urls_of_the_seeds_readme(settings):
    settings.PUSH_SERVER = README
    assert updates.subscriber_url("some_channel_id") == "http://127.0.0.1:8001/updates/some_channel_id"
    # The push server itself speaks plain HTTP, whatever "secure" says of it.
    assert updates.publisher_url("a/b c") == "http://127.0.0.1:8001/send-update/a%2Fb%20c"
    settings.PUSH_SERVER = {**README, "publisher_host": {"location": "push.example.org", "secure": True}}
    assert url("publisher", "x") == "https://push.example.org/send-update/x"
    tag = Template('{% load pushserver %}{% filter escapejs %}{% channel_url "some_channel_id" %}{% endfilter %}').render(
        Context()
    )
    assert tag == "http://127.0.0.1:8001/updates/some_channel_id"


def test_the_seeds_readme_runs(settings, tmp_path):
    port = free_port()
    configured = json.loads(json.dumps(README))
    configured["port"] = port
    for host in ("publisher_host", "subscriber_host"):
        configured[host]["location"] = f"127.0.0.1:{port}"
    settings.PUSH_SERVER = configured
    running = manage("runpushserver", folder=tmp_path, settings_text=f"PUSH_SERVER = {configured!r}")
    try:
        reachable(port)
        told = []

        def receiver(**what):
            told.append(what)

        signals.post_send_update.connect(receiver)
        updates.send_update("some_channel_id", {"type": "answer", "value": 42})
        with urllib.request.urlopen(updates.subscriber_url("some_channel_id"), timeout=10) as answer:
            assert json.load(answer) == {"type": "answer", "value": 42}
        assert told[0]["response"].status_code == 202
        assert told[0]["channel_id"] == "some_channel_id"
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0
    with pytest.raises(Exception, match="Connection refused"):
        updates.send_update("some_channel_id", 1)
    updates.send_update("some_channel_id", 1, ignore_errors=True)
    settings.PUSH_SERVER_IGNORE_ERRORS = True
    updates.send_update("some_channel_id", "1", already_serialized=True)


def test_passthrough(client):
    told = []

    def receiver(request, channel_id, **more):
        told.append((request.COOKIES.get("user"), channel_id))

    signals.channel_subscribe.connect(receiver)
    client.cookies["user"] = "jana"
    assert client.post("/", {"channel_id": "a", "subscribe": "1"}).status_code == 200
    assert told == [("jana", "a")]
    assert client.post("/", {"channel_id": "a"}).status_code == 400
    assert client.get("/").status_code == 405
    assert client.post("/", {"channel_id": "a", "subscribe": "1"}, REMOTE_ADDR="10.0.0.1").status_code == 403


def test_what_is_unknown_in_push_server_is_not_left_out():
    with pytest.raises(Exception, match="authorize, which is unknown"):
        configuration.toml({"locations": [{"type": "subscriber", "url": "/x/(.*)", "authorize": "/auth"}]})
    stores = {
        "store": {"a": {"type": "memory", "max_messages": 5}},
        "locations": [{"type": "publisher", "url": "/p/(.+)", "store": "a"}],
    }
    assert 'store = "a"' in configuration.toml(stores)
    assert "max_messages = 5" in configuration.toml(stores)


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_is_said_before_the_commit(settings, monkeypatch):
    settings.PUSHNOTE_MQ_SOCKET = f"tcp://127.0.0.1:{free_port()}"
    monkeypatch.setattr(pub, "_publishers", pub._Publishers())
    with transaction.atomic():
        for data, more, why in (
            ("half \ud83d", {}, "half a character"),
            ("x" * 70_000, {}, "70002 bytes as JSON, and servers take 65536"),
            (1, {"channels": ["a\nb"]}, "without control characters"),
            (1, {"channels": ["c" * 256]}, "1 to 255 bytes"),
            (1, {"channels": ["news.*"]}, r"ends with a \*"),
            (1, {"users": ["4\x002"]}, "without control characters"),
            (1, {"event": "a\x7f"}, "without control characters"),
        ):
            with pytest.raises(ValueError, match=why):
                pub.notify_on_commit(data, **more)
        with pytest.raises(TypeError, match="an event is a text, not int"):
            pub.notify_on_commit(1, event=5)
    settings.PUSHNOTE_MESSAGE_BYTES_MAX = "1MiB"
    pub.notify_on_commit("x" * 70_000)
    settings.PUSHNOTE_MQ_SOCKET = ""
    with transaction.atomic(), pytest.raises(NotConfigured):
        pub.notify_on_commit(1)


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_a_commit_harms_nothing_else_that_follows_it(settings, monkeypatch, caplog):
    settings.PUSHNOTE_MQ_SOCKET, settings.PUSHNOTE_API_KEY = f"http://127.0.0.1:{free_port()}", "pn_key"
    monkeypatch.setattr(pub, "_publishers", pub._Publishers())
    followed = []
    with transaction.atomic():
        pub.notify_on_commit(1, ack=0.1)
        transaction.on_commit(lambda: followed.append("mail"))
    assert followed == ["mail"]
    assert "Unavailable" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_an_empty_list_is_nobody_also_after_a_commit(sent):
    pub.notify_on_commit("secret", channels=[])
    pub.notify_on_commit("secret", users=[])
    assert sent == []


def test_settings_that_a_test_overrides(start, settings):
    servers = [Server(start) for _ in range(2)]
    pages = [server.page() for server in servers]
    for server, page in zip(servers, pages, strict=True):
        settings.PUSHNOTE_MQ_SOCKET = server.address
        pub.notify_all(server.address)
        assert page.next() == server.address
    pages[0].nothing()


@pytest.mark.parametrize("wrong", [8002, b"tcp://127.0.0.1:8002", [8002], {"a": 1}])
def test_an_address_of_another_type(settings, wrong):
    settings.PUSHNOTE_MQ_SOCKET = wrong
    assert [message.id for message in checks.check()] == ["pushnote.E002"]
    with pytest.raises(NotConfigured, match=r"PUSHNOTE_MQ_SOCKET is .* no address"):
        pub._configured()


@pytest.mark.django_db
def test_in_asyncio_users_are_asked_for_on_djangos_connection(sent):
    # Another thread's would not see what this one has not committed.
    User.objects.create(pk=42)

    async def say():
        await pub.anotify(1, users=User.objects.all())
        await pub.anotify(2, [SimpleLazyObject(lambda: User.objects.get(pk=42))])
        with pytest.raises(TypeError, match="users is a list"):
            await pub.anotify(3, users="42")

    async_to_sync(say)()
    assert [message.users for message in sent] == [("42",), ("42",)]
