import asyncio
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from conftest import Server

from pushnote import NotConfigured, Refused, Unavailable, pub
from pushnote.http import HTTP
from pushnote.message import Message

KEY = "pn_" + "k" * 40


@pytest.fixture
def served(start, tmp_path, settings, monkeypatch):
    (tmp_path / "keys").write_text(f"shop publish,read {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    server = Server(start)
    server.process.kill()
    server.flags = {"api": f"127.0.0.1:{server.api}", "api_keys": tmp_path / "keys"}
    server.run()
    settings.PUSHNOTE_MQ_SOCKET = f"http://127.0.0.1:{server.api}"
    settings.PUSHNOTE_API_KEY = KEY
    monkeypatch.setattr(pub, "_publishers", pub._Publishers())
    return server


def test_each_way_to_publish(served):
    page = served.page()
    receipt = pub.notify_all({"msg": "Hi all!"})
    assert (receipt.offset, receipt.connections) == (0, 1)
    pub.notify_channel("news", 2)
    pub.publish(3, channels=["news"], users=[1], event="three")
    assert pub.notify(4, users=[]) is None
    assert page.take(3) == [{"msg": "Hi all!"}, 2, 3]


def test_asyncio(served):
    page = served.page()

    async def many():
        await asyncio.gather(*(pub.anotify_all(n) for n in range(50)))
        await pub.anotify_channel("news", "news")
        assert await pub.anotify("x", users=["1"]) is not None

    asyncio.run(many())
    assert sorted(page.take(50)) == list(range(50))
    assert page.next() == "news"


def test_a_restart_of_the_server_in_between_is_not_noticed(served):
    pub.notify_all(1)
    served.process.kill()
    restarting = threading.Timer(0.5, served.run)
    restarting.start()
    assert pub.notify_all(2).offset == 0
    restarting.join()


def test_what_is_wrong_is_said(served, settings):
    with pytest.raises(Refused, match="401"):
        HTTP(settings.PUSHNOTE_MQ_SOCKET, "pn_another").publish(Message("1", everyone=True))
    with pytest.raises(Refused, match="65536"):
        pub.notify_all("x" * 70_000)
    served.process.kill()
    with pytest.raises(Unavailable, match="ConnectError"):
        pub.notify_all(1, ack=0.3)
    settings.PUSHNOTE_TOKENIZER = "pushnote.utils.tokenize_channel"
    with pytest.raises(NotConfigured, match="PUSHNOTE_TOKENIZER"):
        pub.notify(1, users=["1"])


def test_an_answer_that_is_no_json_is_an_error_with_its_status():
    statuses = [418, 200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(statuses.pop(0))
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as teapot:
        threading.Thread(target=teapot.serve_forever, daemon=True).start()
        with pytest.raises(Refused, match="418"):
            HTTP(f"http://127.0.0.1:{teapot.server_port}", KEY).publish(Message("1", everyone=True))
        # A site's page for all that it does not know.
        with pytest.raises(NotConfigured, match="no pushnote-server's --api"):
            HTTP(f"http://127.0.0.1:{teapot.server_port}", KEY).publish(Message("1", everyone=True))
        teapot.shutdown()


def test_what_is_full_for_a_moment_is_asked_again():
    answers = [(429, {"Retry-After": "1"}, b"{}"), (200, {}, b'{"id":"a"}'), (429, {}, b'{"detail":"too many"}')]

    class Full(BaseHTTPRequestHandler):
        def do_POST(self):
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Full)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        api = HTTP(f"http://127.0.0.1:{server.server_port}", KEY)
        assert api.ask("POST", "/v1/push", b"{}") == {"id": "a"}
        with pytest.raises(Refused, match="429: too many"):
            api.ask("POST", "/v1/push", b"{}")
    finally:
        server.shutdown()
