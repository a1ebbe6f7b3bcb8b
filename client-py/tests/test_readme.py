"""The blocks of this package's README, as they are printed."""

import pathlib
import re
import types
import unittest

from conftest import ROOT
from django.http import HttpResponse
from django.template import engines
from django.urls import path
from test_webpush import Browser, pusher, server_of  # noqa: F401 (fixtures)

from pushnote import pub

README = (ROOT / "client-py/README.md").read_text()


def block(language, part):
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)
    (found,) = [code for code in blocks if part in code]
    return found


def test_each_line_publishes(server, settings, monkeypatch):
    settings.PUSHNOTE_MQ_SOCKET = server.address
    publishers = pub._Publishers()
    monkeypatch.setattr(pub, "_publishers", publishers)
    page = server.page()
    pub.notify_all("first")
    assert page.next() == "first"
    exec(block("python", "notify_channel"), {"user": types.SimpleNamespace(pk=42), "data": {"msg": "seen"}})
    assert page.take(3) == [{"msg": "Hi all!"}, {"msg": "Hi"}, 1]
    publishers.close()


def test_the_settings_and_the_page_of_django(settings):
    made = {}
    exec(block("python", "INSTALLED_APPS"), made)
    assert set(made["INSTALLED_APPS"]) <= set(settings.INSTALLED_APPS)
    assert made["PUSHNOTE_MQ_SOCKET"].startswith("tcp://")
    page = engines["django"].from_string(block("html", "pushnote_token")).render({})
    assert "const token = null;" in page
    (script,) = re.findall(r"from '(.*)'", page)
    assert script.endswith("pushnote/pushnote.mjs"), page


def test_web_push(pusher):  # noqa: F811
    browser = Browser()
    made = {"session_id": "session x", "subscription": browser.subscription()}
    exec(block("python", "Pusher()"), made)
    # One goes by the queue.
    assert {browser.next(), browser.next()} == {'{"title":"Hi"}', "Hi"}
    assert made["outcome"].accepted
    browser.service.shutdown()


def order(request):
    pub.notify_on_commit({"msg": "Ordered"}, users=[request.POST["user"]])
    return HttpResponse("ordered")


urlpatterns = [path("order", order)]


def test_the_tests_of_a_site(settings, django_db_setup, django_db_blocker):
    settings.ROOT_URLCONF = __name__
    made = {"__name__": __name__}
    exec(block("python", "captureOnCommitCallbacks"), made)
    with django_db_blocker.unblock():
        done = unittest.defaultTestLoader.loadTestsFromTestCase(made["OrderTests"]).run(unittest.TestResult())
    assert (done.testsRun, done.failures, done.errors) == (1, [], [])


def test_the_commands_name_what_is_there():
    assert (ROOT / block("sh", "pip install").split()[2] / "pyproject.toml").exists()
    command = block("sh", "manage.py").split()[2]
    assert (pathlib.Path(pub.__file__).parent / f"management/commands/{command}.py").exists()
