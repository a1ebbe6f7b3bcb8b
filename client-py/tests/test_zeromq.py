import json
import os
import signal
import subprocess
import sys
import threading
import types
import urllib.request

import pytest
import zmq
from conftest import SECRET, Server, everyone, free_port, reachable

from pushnote import NotConfigured, QueueFull, Refused, Unavailable, tokens, zeromq
from pushnote.message import Message

HELLO = "from pushnote.pub import notify_all, notify, notify_channel, flush, publish\nfrom pushnote.utils import tokenize\n"


def token(user):
    return tokens.timestamped(user, SECRET, "pushnote.timestamped")


def test_the_first_message_of_a_process_arrives_and_the_last_one(server, publish_from):
    page, mine = server.page(), server.page(token("42"))
    publish_from(
        HELLO + "for n in range(1000): notify_all(n)\nnotify({'msg': 'Hi'}, users=[42])\nnotify_channel('news', 'last')",
        PUSHNOTE_MQ_SOCKET=server.address,
    )
    assert page.take(1001) == [*range(1000), "last"]
    assert mine.take(1001) == [*range(1000), {"msg": "Hi"}]


def test_asyncio(server, publish_from):
    page, mine = server.page(), server.page(token("42"))
    publish_from(
        """
import asyncio
from pushnote.pub import anotify, anotify_all, anotify_channel

async def main():
    await asyncio.gather(*(anotify_all(n) for n in range(50)))
    await anotify("mine", users=["42"])
    await anotify_channel("news", "last")

asyncio.run(main())
""",
        PUSHNOTE_MQ_SOCKET=server.address,
    )
    *came, last = page.take(51)
    assert (sorted(came), last) == (list(range(50)), "last")
    *came, last = mine.take(51)
    assert (sorted(came), last) == (list(range(50)), "mine")


def test_what_is_published_before_anybody_is_there_waits(start, publisher):
    later = Server(lambda *_, **__: None)
    out = publisher([later.address])
    for n in range(10):
        out.publish(Message(json.dumps(n), channels=("news",)))
    later.start = start
    later.run()
    out.flush(10)
    page = later.page()
    out.publish(everyone("live"))
    # What came before the page did is in the log.
    while page.next() != "live":
        pass
    with urllib.request.urlopen(f"http://127.0.0.1:{later.port}/streams/news?offset=-1", timeout=10) as stream:
        assert json.load(stream) == list(range(10))


def test_a_server_that_is_killed_and_comes_back_is_published_to_again(server, publisher):
    out = publisher([server.address])
    out.publish(everyone("before"))
    out.flush(10)
    server.process.kill()
    server.run()
    page = server.page()
    out.publish(everyone("after"))
    while page.next() != "after":
        pass


def test_a_full_queue_is_an_error_and_says_why(publisher, monkeypatch):
    monkeypatch.setattr(zeromq, "QUEUE_MAX", 3)
    out = publisher([f"tcp://127.0.0.1:{free_port()}"])
    for n in range(3):
        out.publish(everyone(n))
    with pytest.raises(QueueFull, match=r"nothing listens at tcp://|has not answered yet"):
        out.publish(everyone(3))


def test_a_program_that_nobody_hears_ends_in_time_and_says_what_is_lost(publish_from):
    done = publish_from(HELLO + "notify_all(1)", PUSHNOTE_MQ_SOCKET=f"tcp://127.0.0.1:{free_port()}")
    assert "1 messages were not sent: nothing listens at" in done.stderr


def test_a_fork_publishes_by_itself(server, publish_from):
    page = server.page()
    publish_from(
        HELLO
        + """
import os, multiprocessing
notify_all('parent')
if os.fork() == 0:
    notify_all('forked')
    raise SystemExit
os.wait()
def work(n):
    notify_all(n)
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(3) as pool:
        pool.map(work, range(20))
        pool.close()
        pool.join()
notify_all('parent again')
""",
        PUSHNOTE_MQ_SOCKET=server.address,
    )
    assert sorted(map(str, page.take(23))) == sorted(["parent", "forked", "parent again", *map(str, range(20))])


def test_threads_share_one_publisher(server, publisher):
    page, out = server.page(), publisher([server.address])
    threads = [
        threading.Thread(target=lambda thread=thread: [out.publish(everyone([thread, n])) for n in range(200)])
        for thread in range(8)
    ]
    for thread in threads:
        thread.start()
    got = page.take(1600)
    for thread in range(8):
        assert [n for of, n in got if of == thread] == list(range(200))


def test_a_receipt_says_how_many_servers_have_it(server, publish_from):
    page = server.page()
    done = publish_from(
        HELLO
        + "r = notify_all('sure', ack=10)\n"
        + "print(r.servers, r.of)\n"
        + "print(publish(1, channels=['news'], event='e', ack=10).servers)",
        PUSHNOTE_MQ_SOCKET=server.address,
        PUSHNOTE_ACK_SOCKET=server.ack_address,
    )
    assert done.stdout == "1 1\n1\n"
    assert page.take(2) == ["sure", 1]


def test_what_is_not_acknowledged_says_so(server, publisher):
    long = publisher([server.address], [server.ack_address])
    with pytest.raises(Refused, match="65536 are allowed"):
        long.publish_acked(everyone("x" * 70_000), 10)
    nobody = publisher([server.address], [f"tcp://127.0.0.1:{free_port()}"])
    with pytest.raises(Unavailable, match="nothing listens at"):
        nobody.publish_acked(everyone(1), 2)
    with pytest.raises(NotConfigured, match="PUSHNOTE_ACK_SOCKET"):
        publisher([server.address]).publish_acked(everyone(1), 1)


def test_curve(start, publisher, tmp_path):
    public, secret = zmq.curve_keypair()
    server_public, server_secret = zmq.curve_keypair()
    (tmp_path / "server.key").write_text(server_secret.decode())
    (tmp_path / "server.key").chmod(0o600)
    (tmp_path / "clients").write_text(f"both {public.decode()}\n")
    server = Server(start, curve_secret_key_file=tmp_path / "server.key", curve_clients=tmp_path / "clients")
    page = server.page()
    out = publisher([server.address], [server.ack_address], (server_public.decode(), secret.decode()))
    out.publish(everyone("sealed"))
    assert out.publish_acked(everyone("and acknowledged"), 10).servers == 1
    assert sorted(page.take(2)) == ["and acknowledged", "sealed"]
    with pytest.raises(NotConfigured, match="CURVE"):
        publisher([server.address], (), ("no key", "nor this")).publish(everyone(1))


def test_an_address_that_is_none_is_refused(publisher):
    for address in ("nonsense", "tcp://127.0.0.1", "tcp://127.0.0.1:0"):
        with pytest.raises(NotConfigured, match=f"PUSHNOTE_MQ_SOCKET has the address '{address}'"):
            publisher([address]).publish(everyone(1))


def test_a_port_that_speaks_http_takes_no_message(server, publisher, publish_from):
    out = publisher([f"tcp://127.0.0.1:{server.port}"])
    for n in range(2):
        with pytest.raises(NotConfigured, match="is no ZeroMQ: messages go to"):
            out.publish(everyone(n))
    done = publish_from(HELLO + "notify_all(1)", expected=1, PUSHNOTE_MQ_SOCKET=f"tcp://127.0.0.1:{server.port}")
    assert "is no ZeroMQ" in done.stderr


def test_without_an_address_the_error_says_what_to_set(publish_from):
    done = publish_from(HELLO + "notify_all(1)", expected=1, PUSHNOTE_MQ_SOCKET="")
    assert "PUSHNOTE_MQ_SOCKET is not set" in done.stderr


def test_gunicorn_that_forks_after_it_has_published(server, tmp_path, start):
    (tmp_path / "shop.py").write_text(
        "from pushnote.pub import notify_all\n"
        "notify_all('at import')\n"
        "def application(environ, start_response):\n"
        "    notify_all(environ['PATH_INFO'])\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    page, port = server.page(), free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "-w",
        "3",
        "-b",
        f"127.0.0.1:{port}",
        "--log-level=error",
        "shop:application",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "", "PUSHNOTE_MQ_SOCKET": server.address}
    gunicorn = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:
        reachable(port)
        for n in range(30):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{n}", timeout=10).close()
        assert sorted(page.take(31)) == sorted(["at import", *(f"/{n}" for n in range(30))])
    finally:
        gunicorn.terminate()
        gunicorn.wait(15)


def test_a_fork_that_python_is_not_told_of(server, publish_from):
    page = server.page()
    publish_from(
        HELLO
        + """
import ctypes, os
notify_all('parent')
flush()
if ctypes.PyDLL(None).fork() == 0:
    notify_all('as uWSGI does')
    raise SystemExit
os.wait()
""",
        PUSHNOTE_MQ_SOCKET=server.address,
    )
    assert page.take(2) == ["parent", "as uWSGI does"]


def test_gevent(server, publish_from):
    page = server.page()
    done = publish_from(
        "from gevent import monkey\nmonkey.patch_all()\nimport threading, time\n"
        + HELLO
        + """
def count():
    while True:
        ticks.append(1)
        time.sleep(0.01)
ticks = []
threading.Thread(target=count, daemon=True).start()
notify_all('queued')
print(notify_all('acknowledged', ack=10).servers)
flush()
from pushnote.message import Message
from pushnote.zeromq import ZeroMQ
nobody, before = ["tcp://127.0.0.1:9"], len(ticks)
try:
    ZeroMQ(nobody, nobody).publish_acked(Message('1', everyone=True), 2)
except Exception as error:
    print(type(error).__name__, len(ticks) - before > 10)
""",
        PUSHNOTE_MQ_SOCKET=server.address,
        PUSHNOTE_ACK_SOCKET=server.ack_address,
    )
    assert done.stdout == "1\nUnavailable True\n"
    assert sorted(page.take(2)) == ["acknowledged", "queued"]


def test_eventlet_is_refused(publisher, monkeypatch):
    patched = types.SimpleNamespace(is_monkey_patched=lambda _: True)
    monkeypatch.setitem(sys.modules, "eventlet.patcher", patched)
    with pytest.raises(NotConfigured, match=r"eventlet .* publish by HTTP"):
        publisher([f"tcp://127.0.0.1:{free_port()}"]).publish(everyone(1))


def test_a_process_of_a_celery_worker_sends_what_waits_when_it_ends(tmp_path):
    (tmp_path / "tasks.py").write_text(
        "from celery import Celery\n"
        "from pushnote.pub import notify_all\n"
        "folders = {'data_folder_in': 'queue', 'data_folder_out': 'queue'}\n"
        "app = Celery('tasks', broker='filesystem://', broker_transport_options=folders, worker_max_tasks_per_child=1)\n"
        "@app.task\n"
        "def say(data):\n"
        "    notify_all(data)\n"
    )
    (tmp_path / "queue").mkdir()
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "", "PUSHNOTE_MQ_SOCKET": f"tcp://127.0.0.1:{free_port()}"}
    run = {"cwd": tmp_path, "env": environment, "text": True}
    subprocess.run([sys.executable, "-c", "import tasks; tasks.say.delay('Hi')"], check=True, timeout=30, **run)
    command = ["celery", "-A", "tasks", "worker", "-c", "1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, **run)
    try:
        # It waits for somebody who hears it, and says that there was nobody.
        assert any("1 messages were not sent" in line for line in worker.stderr)
    finally:
        worker.terminate()
        worker.wait(15)


def test_a_signals_handler_that_interrupts_a_message_sends_its_own_behind_it(server, publisher):
    page, out = server.page(), publisher([server.address])

    class Interrupted(Message):
        def envelope(self, publication):
            signal.raise_signal(signal.SIGUSR1)
            return super().envelope(publication)

    before = signal.signal(signal.SIGUSR1, lambda *_: out.publish(everyone("handler")))
    try:
        for n in range(2):
            out.publish(Interrupted(str(n), everyone=True))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert page.take(4) == [0, "handler", 1, "handler"]


def test_a_development_server_that_reloads_waits_for_a_moment_only(publish_from):
    # What is registered first is done last.
    text = "import atexit, time\natexit.register(lambda: print(time.monotonic() - began < 3))\n" + HELLO
    text += "began = time.monotonic()\nnotify_all(1)"
    done = publish_from(text, PUSHNOTE_MQ_SOCKET=f"tcp://127.0.0.1:{free_port()}", RUN_MAIN="true")
    assert done.stdout == "True\n"
    assert "1 messages were not sent" in done.stderr


def test_what_is_published_behind_the_programs_end_is_refused(server, publish_from):
    page = server.page()
    # What is registered first is done last.
    text = """
import atexit
def late():
    try:
        notify_all("late")
    except Exception as error:
        print(type(error).__name__, error)
atexit.register(late)
"""
    done = publish_from(text + HELLO + "notify_all('Hi')", PUSHNOTE_MQ_SOCKET=server.address)
    assert done.stdout == "NotSent the program ends, and takes no more messages\n"
    assert page.next() == "Hi"
    page.nothing()
