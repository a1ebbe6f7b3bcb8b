import base64
import contextlib
import hashlib
import http.server
import json
import os
import queue
import threading

import http_ece
import pytest
from conftest import Server
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushnote import NotConfigured, Push, Refused, pub
from pushnote.webpush import Outcome, Pusher, SesionIDError, SubscriptionError, Withheld

KEY = "pn_" + "k" * 40


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """A browser and its push service."""

    def __init__(self):
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), b"a" * 16
        self.messages = queue.Queue()
        browser = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                text = http_ece.decrypt(body, private_key=browser.key, auth_secret=browser.auth, version="aes128gcm")
                browser.messages.put(text.decode())
                self.send_response(201)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.service.serve_forever, daemon=True).start()

    def subscription(self):
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return json.dumps(
            {
                "endpoint": f"http://127.0.0.1:{self.service.server_port}/send/x",
                "keys": {"p256dh": base64url(point), "auth": base64url(self.auth)},
            }
        )

    def next(self):
        return self.messages.get(timeout=20)


@pytest.fixture
def browsers():
    made = [Browser(), Browser()]
    yield made
    for browser in made:
        browser.service.shutdown()


@pytest.fixture
def server_of(start, tmp_path):
    (tmp_path / "keys").write_text(f"shop publish,read,manage {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    server = Server(start)
    server.process.kill()
    server.flags = {
        "api": f"127.0.0.1:{server.api}",
        "api_keys": tmp_path / "keys",
        "data_dir": tmp_path / "data",
        "vapid_subject": "mailto:ops@example.org",
        "push_allowed_net": "127.0.0.1/32",
    }
    server.run()
    return server


@pytest.fixture
def pusher(server_of, settings):
    settings.PUSHNOTE_API, settings.PUSHNOTE_API_KEY = f"http://127.0.0.1:{server_of.api}", KEY
    return Pusher("subscriptors.db")


def test_the_seeds_readme(pusher, browsers):
    public = pusher.getUrlB64PublicKey()
    assert pusher.getPublicKey()[0] == 4
    assert base64url(base64.b64decode(pusher.getB64PublicKey())) == public

    pusher.newSubscription("session x", browsers[0].subscription())
    pusher.newSubscription("session y", browsers[1].subscription(), 13)
    assert pusher.getGroupId("session y") == "13"
    assert pusher.getGroupId("session x") is None

    msg = {"title": "Notification Title", "body": "Hello World"}
    pusher.notify("session x", msg)
    assert json.loads(browsers[0].next()) == msg
    pusher.notifyAll(msg)
    assert [json.loads(browser.next()) for browser in browsers] == [msg, msg]
    # What raised a TypeError there.
    pusher.notifyAll("Hello World", 13)
    assert browsers[1].next() == "Hello World"
    pusher.notifyAll("not for y", exceptions=["session y"], nonblocking=True)
    pusher.wait()
    assert browsers[0].next() == "not for y"
    assert browsers[1].messages.empty()

    pusher.removeSubscription("session x")
    pusher.removeSubscription("session x")
    with pytest.raises(SesionIDError, match="session x"):
        pusher.notify("session x", msg)


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_what_no_page_shows_is_pushed(pusher, browsers, settings, monkeypatch, server_of, scheme):
    pusher.newSubscription(42, browsers[0].subscription())
    settings.PUSHNOTE_MQ_SOCKET = {"tcp": server_of.address, "http": settings.PUSHNOTE_API}[scheme]
    publishers = pub._Publishers()
    monkeypatch.setattr(pub, "_publishers", publishers)
    push = Push("Anna", body="see you at 7", url="/chat/7", after=0, urgency="high", topic="chat-7")
    receipt = pub.notify({"text": "see you at 7"}, users=[42], push=push)
    assert receipt.id == push.id
    shown = json.loads(browsers[0].next())
    assert (shown["title"], shown["body"], shown["url"], shown["tag"]) == ("Anna", "see you at 7", "/chat/7", "chat-7")
    publishers.close()
    with pytest.raises(ValueError, match="users"):
        pub.publish(1, channels=["news"], push=push)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"title": ""}, ValueError),
        ({"title": None}, TypeError),
        ({"topic": "x" * 40}, ValueError),
        ({"urgency": "urgent"}, ValueError),
        ({"after": "10s"}, TypeError),
        ({"after": -1}, ValueError),
        ({"ttl": 10**9}, ValueError),
        ({"body": "x" * 3000}, ValueError),
    ],
)
def test_a_push_that_servers_would_refuse_is_refused_here(wrong, error):
    with pytest.raises(error, match="a push"):
        Push(**{"title": "Anna", **wrong})


def test_a_push_is_no_dict():
    with pytest.raises(TypeError, match=r"pushnote\.Push, not dict"):
        pub.notify(1, users=[1], push={"title": "x"})


def test_a_device_moves_to_the_session_that_subscribes_last(pusher, browsers):
    pusher.newSubscription("first", browsers[0].subscription())
    pusher.newSubscription("second", json.loads(browsers[0].subscription()))
    with pytest.raises(SesionIDError):
        pusher.notify("first", "x")
    pusher.notify("second", "x")
    assert browsers[0].next() == "x"


def test_what_is_no_subscription_is_refused(pusher):
    for wrong in ("{", b"[]", 5):
        with pytest.raises(SubscriptionError):
            pusher.newSubscription("x", wrong)
    with pytest.raises(Refused, match="400"):
        pusher.newSubscription("x", {"endpoint": "https://push.example.org/x", "keys": {"p256dh": "BAAA", "auth": "x"}})


def test_browsers_that_are_not_stored_are_sent_to(pusher, browsers):
    given = [browser.subscription() for browser in browsers]
    assert pusher.sendNotification(given[0], "Hello World") == Outcome("accepted", 201)
    assert browsers[0].next() == "Hello World"
    pusher(given[1], {"title": "Hi"})
    assert json.loads(browsers[1].next()) == {"title": "Hi"}

    # More than one request takes.
    outcomes = pusher.sendNotificationToAll(given * 60, "to all", processes=2)
    assert [outcome.accepted for outcome in outcomes] == [True] * 120
    assert [browser.next() for browser in browsers for _ in range(60)] == ["to all"] * 120
    assert pusher.sendNotificationToAll(given * 60, "later", nonblocking=True) is None
    assert pusher.sendNotification(given[0], "later", nonblocking=True) is None
    pusher.wait()
    assert [browsers[0].next() for _ in range(61)] == ["later"] * 61
    assert [browsers[1].next() for _ in range(60)] == ["later"] * 60
    assert pusher.sendNotificationToAll([], "nobody") == []

    # Nobody has subscribed by that.
    pusher.notifyAll("nobody")
    assert pusher.getIdSession(given[0]) is None
    assert browsers[0].messages.empty()


def test_what_a_push_service_does_not_take_is_said_and_logged(pusher, browsers, caplog):
    subscription = browsers[0].subscription()
    browsers[0].service.shutdown()
    browsers[0].service.server_close()
    outcome = pusher.sendNotification(subscription, "x")
    assert (outcome.outcome, outcome.status, outcome.accepted) == ("later", None, False)
    assert "/send/x" not in str(outcome)
    assert "later" in caplog.text

    wrong = {**json.loads(subscription), "endpoint": "https://10.0.0.1/x"}
    with pytest.raises(Refused, match=r"from number 100 on: .*subscriptions\[2\]: the endpoint may not be asked"):
        pusher.sendNotificationToAll([subscription] * 102 + [wrong], "x")
    with pytest.raises(SubscriptionError):
        pusher.sendNotificationToAll([subscription, "{"], "x")
    pusher.sendNotificationToAll([wrong], "x", nonblocking=True)
    with pytest.raises(Refused):
        pusher.wait()
    pusher.wait()
    # Who does not wait finds it in the log.
    assert "not sent: of the subscriptions from number 0 on" in caplog.text


def test_a_fork_has_threads_and_connections_of_its_own(pusher, browsers):
    given = browsers[0].subscription()
    pusher.sendNotification(given, "parent", nonblocking=True)
    pusher.wait()
    pusher.sendNotification(given, "parent", nonblocking=True)
    connections, child = pusher._api._own(), os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            pusher.sendNotification(given, "child", nonblocking=True)
            pusher.wait()
            os._exit(pusher._api._own() is connections)
        os._exit(2)
    pusher.wait()
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(browsers[0].next() for _ in range(3)) == ["child", "parent", "parent"]


def test_whose_a_browser_is_and_what_the_server_keeps_to_itself(pusher, browsers):
    pusher.newSubscription("session & x", browsers[0].subscription(), 13)
    assert pusher.getIdSession(browsers[0].subscription()) == "session & x"
    assert pusher.getIdSession(json.loads(browsers[1].subscription())) is None
    with pytest.raises(SubscriptionError, match="no endpoint"):
        pusher.getIdSession({})
    with pytest.raises(Withheld, match=r"notify\('session & x', data\)"):
        pusher.getSubscription("session & x")
    for private in (pusher.getPrivateKey, pusher.getB64PrivateKey, pusher.getUrlB64PrivateKey):
        with pytest.raises(Withheld, match="private key"):
            private()


def test_without_an_api_the_error_says_what_to_set():
    with pytest.raises(NotConfigured, match="PUSHNOTE_API is not set"):
        Pusher()
