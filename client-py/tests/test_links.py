"""Connections that break, and those that never were."""

import logging
import re
import signal
import time

import pytest
import zmq
from conftest import Page, Server, everyone, free_port

from pushnote import NotSent, QueueFull, links

MANY = 6_000
"""Messages: more than libzmq keeps for a connection."""

PADDING = "x" * 1_000
"""So that they are more than the system keeps, too."""


class Cluster:
    """Two forwarders, and a server that hears both."""

    def __init__(self, start):
        ports = [(free_port(), free_port(), free_port()) for _ in range(2)]
        self.forwarders = [
            start(
                "pushnote-mq",
                f"--sub=tcp://127.0.0.1:{sub}",
                f"--pub=tcp://127.0.0.1:{pub}",
                f"--ack=tcp://127.0.0.1:{ack}",
                port=pub,
            )
            for sub, pub, ack in ports
        ]
        self.endpoints = [f"tcp://127.0.0.1:{sub}" for sub, _, _ in ports]
        self.ack_endpoints = [f"tcp://127.0.0.1:{ack}" for _, _, ack in ports]
        self.server = Server(lambda *_, **__: None)
        heard = ",".join(f"tcp://127.0.0.1:{pub}" for _, pub, _ in ports)
        process = start(
            "pushnote-server",
            "--address=127.0.0.1",
            f"--port={self.server.port}",
            f"--mq_socket={heard}",
            '--channels={ prefix = "news", public = true }',
            port=self.server.port,
        )
        for _ in ports:
            process.says("subscribed peer=")


@pytest.fixture
def cluster(start):
    return Cluster(start)


def everyone_hears(out):
    deadline = time.monotonic() + 15
    while not all(link.hears for link in out._links):
        assert time.monotonic() < deadline, out._why()
        time.sleep(0.01)


def publish(out, data):
    """As soon as there is room."""
    while True:
        try:
            return out.publish(everyone(data))
        except QueueFull:
            time.sleep(0.001)


def not_sent(out, why):
    """What waits is not sent, and it is said why: that is known once the other end has answered, or refused."""
    deadline = time.monotonic() + 15
    while True:
        with pytest.raises(NotSent) as failed:
            out.flush(1)
        if re.search(why, str(failed.value)):
            return
        assert time.monotonic() < deadline, failed.value


@pytest.fixture
def tells(monkeypatch, caplog):
    """Nothing is logged before this is called: by then it is known why, however busy the machine is."""
    monkeypatch.setattr(links, "TELL_AFTER_S", 60)

    def tell():
        assert not caplog.records
        monkeypatch.setattr(links, "TELL_AFTER_S", 0)

    return tell


def said(caplog, count, seconds=20):
    """What the log says, when it has said so much."""
    deadline = time.monotonic() + seconds
    while True:
        lines = [record.getMessage() for record in caplog.records if record.name == "pushnote"]
        if len(lines) >= count:
            assert len(lines) == count, lines
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("which", [0, 1])
def test_one_of_two_forwarders_is_gone_and_the_other_has_all_at_once(cluster, publisher, how, which):
    page = cluster.server.page()
    out = publisher(cluster.endpoints)
    for n in range(100):
        out.publish(everyone(n))
    assert page.take(100) == list(range(100))
    everyone_hears(out)
    gone = cluster.forwarders[which].running
    gone.send_signal(how)
    try:
        began = time.monotonic()
        for n in range(MANY):
            publish(out, [n, PADDING])
        out.flush(10)
        assert [n for n, _ in page.take(MANY)] == list(range(MANY))
        # That it stands still is noticed after 15 s.
        assert time.monotonic() - began < 12
        page.nothing()
    finally:
        gone.send_signal(signal.SIGCONT)


def test_a_forwarder_that_stands_still_misses_what_has_no_room_and_that_is_logged(cluster, publisher, caplog, monkeypatch):
    monkeypatch.setattr(links, "BACKLOG_MAX", 10)
    page = cluster.server.page()
    out = publisher(cluster.endpoints)
    # Not by the first messages of a publisher: what repeats those after a while is taken for a new one.
    for n in range(10):
        out.publish(everyone(n))
    assert page.take(10) == list(range(10))
    everyone_hears(out)
    cluster.forwarders[0].running.send_signal(signal.SIGSTOP)
    # No more at once than libzmq has room for: the other one is never behind, however busy the machine is.
    for begin in range(0, 10 * MANY, 100):
        turn = range(begin, begin + 100)
        for n in turn:
            publish(out, [n, PADDING])
        assert [n for n, _ in page.take(100)] == [*turn]
        if caplog.records:
            break
    assert said(caplog, 1) == [f"{cluster.endpoints[0]} takes messages too slowly, and misses some, which others have"]
    cluster.forwarders[0].running.send_signal(signal.SIGCONT)
    page.nothing()


def test_what_is_flushed_is_with_somebody_who_is_there(cluster, publisher):
    for forwarder in cluster.forwarders:
        forwarder.kill()
    out = publisher(cluster.endpoints)
    out.publish(everyone(1))
    not_sent(out, "1 messages still wait: nothing listens at .*; nothing listens at")


def test_who_is_acknowledged_is_not_held_up_by_a_forwarder_that_is_gone(cluster, publisher):
    page = cluster.server.page()
    out = publisher(cluster.endpoints, cluster.ack_endpoints)
    cluster.forwarders[0].kill()
    began = time.monotonic()
    assert out.publish_acked(everyone("sure"), 20).servers == 1
    assert time.monotonic() - began < 5
    assert page.next() == "sure"


def test_one_endpoint_keeps_what_is_published_until_its_server_is_back(server, publisher, caplog, tells):
    out = publisher([server.address])
    out.publish(everyone("before"))
    out.flush(10)
    server.process.kill()
    for n in range(MANY):
        out.publish(everyone(n))
    not_sent(out, f"nothing listens at {server.address}: start pushnote-mq")
    tells()
    (gone,) = said(caplog, 1)
    assert gone.startswith(f"nothing listens at {server.address}: start pushnote-mq, or pushnote-server --single, there")
    assert gone.endswith("messages wait")
    server.run()
    page = server.page()
    out.publish(everyone("live"))
    out.flush(10)
    got = [page.next()]
    while got[-1] != "live":
        got.append(page.next())
    # What came before the page did is in the log.
    assert got[:-1] == list(range(MANY))[MANY - len(got) + 1 :]
    assert said(caplog, 2)[1] == f"{server.address}: somebody is there now"


def test_what_libzmq_had_when_the_connection_broke_is_not_called_sent(server, publisher):
    out = publisher([server.address])
    out.publish(everyone("before"))
    out.flush(10)
    server.process.kill()
    while out._links[0].hears:
        time.sleep(0.01)
    with pytest.raises(NotSent, match=f"what was sent last may not have arrived: .*{server.address}"):
        out.flush(0.5)
    server.run()
    out.flush(10)


def test_who_never_was_there_is_told_of_once(publisher, caplog, tells):
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    out = publisher([endpoint])
    out.publish(everyone(1))
    not_sent(out, "nothing listens at")
    tells()
    over = time.monotonic() + 2
    while time.monotonic() < over:
        out.publish(everyone(1))
        time.sleep(0.02)
    assert said(caplog, 1)[0].startswith(f"nothing listens at {endpoint}: start")
    assert caplog.records[0].levelno == logging.WARNING


@pytest.fixture
def keys(tmp_path):
    """A server's public key, ours, and the server's flags."""
    server_public, server_secret = zmq.curve_keypair()
    (tmp_path / "server.key").write_text(server_secret.decode())
    (tmp_path / "server.key").chmod(0o600)
    (tmp_path / "clients").write_text("")
    flags = {"curve_secret_key_file": tmp_path / "server.key", "curve_clients": tmp_path / "clients"}
    return server_public.decode(), flags


def test_a_key_that_is_refused_is_called_that_and_taken_once_it_is_known(start, publisher, keys, caplog, tells):
    server_public, flags = keys
    public, secret = (key.decode() for key in zmq.curve_keypair())
    _, other = (key.decode() for key in zmq.curve_keypair())
    flags["curve_clients"].write_text(f"both {zmq.curve_public(other.encode()).decode()}\n")
    server = Server(start, **flags)
    page = server.page()
    out = publisher([server.address], [server.ack_address], (server_public, secret))
    out.publish(everyone("sealed"))
    not_sent(out, f"{server.address} refuses our key: its --curve-clients wants the public one")
    tells()
    assert "refuses our key" in said(caplog, 1)[0]
    flags["curve_clients"].write_text(f"both {public}\n")
    server.process.running.send_signal(signal.SIGHUP)
    assert page.next() == "sealed"
    assert said(caplog, 2)[1] == f"{server.address}: somebody is there now"


def test_keys_that_do_not_fit_are_called_that(start, publisher, keys):
    server_public, flags = keys
    sealed, plain = Server(start, **flags), Server(start)
    public, secret = (key.decode() for key in zmq.curve_keypair())
    for address, curve, why in (
        (sealed.address, None, "wants keys"),
        (sealed.address, (public, secret), "has another key than PUSHNOTE_CURVE_SERVER_KEY says"),
        (plain.address, (server_public, secret), "has another key than PUSHNOTE_CURVE_SERVER_KEY says, or none"),
    ):
        out = publisher([address], (), curve)
        out.publish(everyone(1))
        not_sent(out, why)


def test_a_forwarders_other_port_is_called_that(start, publisher):
    sub, pub = free_port(), free_port()
    start("pushnote-mq", f"--sub=tcp://127.0.0.1:{sub}", f"--pub=tcp://127.0.0.1:{pub}", port=pub)
    out = publisher([f"tcp://127.0.0.1:{pub}"])
    out.publish(everyone(1))
    not_sent(out, r"wants keys \(PUSHNOTE_CURVE_SERVER_KEY\), or is another port: messages go to pushnote-mq --sub")


def test_somebody_who_takes_no_messages_is_called_that(publisher):
    taking = zmq.Context.instance().socket(zmq.SUB)
    try:
        port = taking.bind_to_random_port("tcp://127.0.0.1")
        out = publisher([f"tcp://127.0.0.1:{port}"])
        out.publish(everyone(1))
        not_sent(out, f"nobody has subscribed at tcp://127.0.0.1:{port}: messages go to pushnote-mq --sub")
        taking.subscribe(b"")
        assert taking.poll(15_000)
        out.flush(15)
    finally:
        taking.close(0)


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_endpoints_of_ipv6_and_names_that_are_of_both(start, publisher, host):
    port, mq = free_port(), free_port()
    start(
        "pushnote-server",
        "--single",
        "--address=127.0.0.1",
        f"--port={port}",
        f"--mq_socket=tcp://{'127.0.0.1' if host == 'localhost' else host}:{mq}",
        '--channels={ prefix = "news", public = true }',
        port=port,
    )
    page = Page(port)
    out = publisher([f"tcp://{host}:{mq}"])
    out.publish(everyone("Hi"))
    out.flush(15)
    assert page.take(1) == ["Hi"]
    # Where localhost is ::1, too, libzmq would try that alone.
    assert [bool(link.socket.getsockopt(zmq.IPV6)) for link in out._links] == [host == "[::1]"]
