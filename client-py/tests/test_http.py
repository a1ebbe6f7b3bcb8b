import asyncio
import hashlib
import logging
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpcore
import pytest
from conftest import Server

from pushnote import NotConfigured, Refused, Unavailable, http, pub
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
        pub.notify_all(1, ack=2)
    settings.PUSHNOTE_TOKENIZER = "pushnote.utils.tokenize_channel"
    with pytest.raises(NotConfigured, match="PUSHNOTE_TOKENIZER"):
        pub.notify(1, users=["1"])


def test_a_last_try_that_has_no_time_left_hides_no_cause(monkeypatch):
    faults = [httpcore.ConnectError("refused"), httpcore.ConnectTimeout("out of time")]

    class Late:
        def ask(self, *_):
            if len(faults) == 1:
                # Where it stood still.
                monkeypatch.setattr(http, "RETRY_PAUSE_S", 60)
            raise faults.pop(0)

    out = HTTP("http://127.0.0.1:9", "pn_key")
    monkeypatch.setattr(out, "_own", Late)
    with pytest.raises(Unavailable, match="ConnectError: refused"):
        out.publish(Message("1", everyone=True))
    assert faults == []


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


def took(call):
    """How long it is until a call fails, and how it does."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as failed:
        call()
    return time.monotonic() - began, str(failed.value)


def test_where_nobody_is_one_call_waits_and_the_next_fail_at_once(served, monkeypatch, caplog):
    page = served.page()
    pub.notify_all("before")
    assert page.next() == "before"
    served.process.kill()
    monkeypatch.setattr(http, "TIMEOUT_S", 2)
    # Until it is set to be over.
    monkeypatch.setattr(http, "DOWN_S", 60)
    assert took(lambda: pub.notify_all(1))[0] >= 1.5
    for _ in range(3):
        seconds, why = took(lambda: pub.notify_all(1))
        assert seconds < 1, seconds
        assert "a moment ago (Connect" in why
    pub._publishers.made._down_until = time.monotonic()
    seconds, why = took(lambda: pub.notify_all(1))
    assert seconds < 1, "one looks, once"
    assert "moment" not in why
    served.run()
    pub._publishers.made._down_until = time.monotonic()
    assert pub.notify_all("after") is not None
    said = [record.getMessage() for record in caplog.records if record.name == "pushnote"]
    assert [record.levelno for record in caplog.records if record.name == "pushnote"] == [logging.WARNING] * 2
    assert "nobody is there (Connect" in said[0]
    assert "is there again" in said[1]


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_that_drips_ends_in_time(head):
    over = threading.Event()

    def drip(listening):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(head)
            while not over.wait(0.05):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=[listening])
        dripping.start()
        api = HTTP(f"http://127.0.0.1:{listening.getsockname()[1]}", KEY)
        seconds, why = took(lambda: api.ask("POST", "/v1/publish", b"{}", 0.5))
        over.set()
        dripping.join()
    assert 0.4 <= seconds < 2, seconds
    assert "the time is over" in why or "ReadTimeout" in why or "Protocol" in why, why


@pytest.fixture
def authority(tmp_path):
    """A certificate of 127.0.0.1 that no system trusts, and its key."""
    made = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "1", "-nodes"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", *key, *made, *name], check=True, capture_output=True)
    return tmp_path


def test_a_private_authority_is_trusted_by_the_environment_and_its_proxies_are_not_taken(authority, monkeypatch):
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id":"a"}')

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    server = HTTPServer(("127.0.0.1", 0), Taking)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"https://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    try:
        began = time.monotonic()
        with pytest.raises(
            Unavailable, match=r"CERTIFICATE_VERIFY_FAILED.*; SSL_CERT_FILE may name the file of an authority of your own"
        ):
            HTTP(address, KEY).ask("POST", "/v1/publish", b"{}", 60)
        assert time.monotonic() - began < 30, "no other try shows another certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "cert.pem"))
        assert HTTP(address, KEY).publish(Message("1", everyone=True)).id == "a"
        for wrong, why in [("nowhere", "No such file"), ("key.pem", "no certificates")]:
            monkeypatch.setenv("SSL_CERT_FILE", str(authority / wrong))
            with pytest.raises(NotConfigured, match=f"SSL_CERT_FILE names .*{wrong}, which cannot be used: .*{why}"):
                HTTP(address, KEY).publish(Message("1", everyone=True))
    finally:
        server.shutdown()
