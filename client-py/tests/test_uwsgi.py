"""Sites under the real uWSGI, which forks its workers off by itself."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT, free_port, reachable

#: Debian 12's, which runs no threads unless it is told to.
OLD = ROOT / "tests/.venv/uwsgi-2.0.21"
WORKERS = 3

SITE = """
import os, time
from pushnote import NotConfigured
from pushnote.pub import notify_all

def application(environ, start_response):
    start_response("200 OK", [])
    try:
        notify_all(environ["PATH_INFO"])
    except NotConfigured as error:
        return [str(error).encode()]
    time.sleep(0.05)  # so that the next request is for another worker
    return [str(os.getpid()).encode()]
"""
AT_IMPORT = SITE + "notify_all('at import')\n"
AT_IMPORT_IF_IT_CAN = SITE + "try:\n    notify_all('at import')\nexcept NotConfigured as error:\n    print(error, flush=True)\n"


class Site:
    """A site, and what its log says."""

    def __init__(self, folder, text, address, *flags, packages=""):
        self.port, self.log = free_port(), folder / "log"
        (folder / "shop.py").write_text(text)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "",
            "PUSHNOTE_MQ_SOCKET": address,
            "PYTHONPATH": ":".join(filter(None, [packages, str(folder), os.environ["PYTHONPATH"]])),
        }
        command = [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", f"--http-socket=127.0.0.1:{self.port}"]
        with self.log.open("w") as log:
            self.running = subprocess.Popen(
                [*command, "--module=shop", "--need-app", "--die-on-term", *flags],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
            return answer.read().decode()

    def until_each_worker_has_answered(self):
        """How many requests that took."""
        reachable(self.port)
        answered, count, deadline = set(), 0, time.monotonic() + 20
        with ThreadPoolExecutor(2 * WORKERS) as browsers:
            while len(answered) < WORKERS:
                assert time.monotonic() < deadline, (answered, self.log.read_text())
                answered.update(browsers.map(self.get, ["page"] * 2 * WORKERS))
                count += 2 * WORKERS
        return count

    def end(self):
        """End it, and what hangs, too."""
        self.running.terminate()
        try:
            self.running.wait(15)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)


@pytest.fixture
def site(tmp_path):
    made = []

    def make(*what, **more):
        made.append(Site(tmp_path, *what, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize(
    ("flags", "times"),
    [
        (["--lazy-apps"], WORKERS),
        (["--py-call-uwsgi-fork-hooks"], 1),
    ],
)
def test_a_site_that_publishes_at_import(server, site, flags, times):
    page = server.page()
    count = site(AT_IMPORT, server.address, "--master", f"--processes={WORKERS}", *flags).until_each_worker_has_answered()
    assert sorted(page.take(times + count)) == ["/page"] * count + ["at import"] * times


@pytest.mark.parametrize("master", [["--master"], []])
def test_what_is_published_before_the_workers_are_forked_off_is_refused_and_they_do_not_hang(server, site, master):
    page = server.page()
    shop = site(AT_IMPORT_IF_IT_CAN, server.address, *master, f"--processes={WORKERS}")
    count = shop.until_each_worker_has_answered()
    assert "start it with --lazy-apps" in shop.log.read_text()
    assert page.take(count) == ["/page"] * count


def test_a_site_that_does_not_expect_that_does_not_start(site):
    shop = site(AT_IMPORT, f"tcp://127.0.0.1:{free_port()}", "--master", f"--processes={WORKERS}")
    assert shop.running.wait(20) != 0
    assert "NotConfigured: uWSGI has not forked off its workers yet" in shop.log.read_text()


def test_one_process_forks_nothing_off(server, site):
    page = server.page()
    shop = site(AT_IMPORT, server.address)
    reachable(shop.port)
    shop.get("page")
    assert page.take(2) == ["at import", "/page"]


def test_a_worker_that_ends_sends_what_waits(site):
    shop = site(SITE, f"tcp://127.0.0.1:{free_port()}", "--master")
    reachable(shop.port)
    shop.get("page")
    shop.end()
    assert "1 messages were not sent" in shop.log.read_text()


@pytest.mark.skipif(not OLD.exists(), reason="there is no pyuwsgi 2.0.21 for this Python")
@pytest.mark.parametrize("threads", [[], ["--enable-threads"]])
def test_without_threads_it_says_so(server, site, threads):
    page = server.page()
    shop = site(SITE, server.address, "--master", *threads, packages=str(OLD))
    reachable(shop.port)
    said = shop.get("page")
    if threads:
        assert page.next() == "/page"
    else:
        assert said.startswith("uWSGI runs no threads, and ZeroMQ needs one: start it with --enable-threads")
