"""A new SECRET_KEY, and tokens by the old one: docs/tokens.md."""

import os
import re
import signal
import subprocess
import sys
import urllib.error

import pytest
from conftest import ROOT, Page, Server, free_port, reachable
from test_django import manage

(WRITES_THE_SECRETS,) = re.findall(r"^```sh\n(\(umask .*?)^```", (ROOT / "docs/tokens.md").read_text(), re.M | re.S)
OLD, NEW = "o" * 50, "n" * 50
SAY = "from pushnote.pub import notify; notify('Hi', users=[42])"


class Site:
    """A project, whose processes are started anew for each thing that they do."""

    def __init__(self, folder, address):
        self.folder = folder
        (folder / "shop").mkdir()
        (folder / "shop/__init__.py").touch()
        self.address = address
        self.environment = {
            **os.environ,
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}:{os.environ['PYTHONPATH']}",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
        }

    def has(self, key, fallbacks):
        (self.folder / "shop/settings.py").write_text(
            f"SECRET_KEY = {key!r}\nSECRET_KEY_FALLBACKS = {fallbacks!r}\nPUSHNOTE_MQ_SOCKET = {self.address!r}\n"
            'INSTALLED_APPS = ["pushnote"]\n'
        )
        subprocess.run(["bash", "-ec", WRITES_THE_SECRETS], cwd=self.folder, env=self.environment, check=True, timeout=30)

    def run(self, text):
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{text}"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()

    def token(self):
        return self.run("from pushnote.utils import tokenize; print(tokenize(42))")


def test_a_token_by_the_old_key_is_taken_until_that_is_no_fallback_any_more(start, tmp_path):
    server = Server(start)
    site = Site(tmp_path, server.address)
    site.has(OLD, [])
    old = site.token()
    server.process.kill()
    server.flags = {"secret_file": tmp_path / "secret"}
    server.run()
    pages = [server.page(old)]

    site.has(NEW, [OLD])
    server.process.running.send_signal(signal.SIGHUP)
    server.process.says("files read again, as SIGHUP asks")
    new = site.token()
    assert new != old
    pages += [server.page(old), server.page(new)]
    site.run(SAY)
    assert [page.next() for page in pages] == ["Hi"] * 3

    site.has(NEW, [])
    server.process.running.send_signal(signal.SIGHUP)
    server.process.says("files read again, as SIGHUP asks")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        server.page(old)
    # Who is connected stays.
    pages.append(server.page(new))
    site.run(SAY)
    assert [page.next() for page in pages] == ["Hi"] * 4


def test_runpushnote_gives_its_server_both(tmp_path):
    port, mq = free_port(), free_port()
    site = Site(tmp_path, f"tcp://127.0.0.1:{mq}")
    site.has(OLD, [])
    old = site.token()
    text = f"SECRET_KEY, SECRET_KEY_FALLBACKS = {NEW!r}, [{OLD!r}]\nPUSHNOTE_MQ_SOCKET = {site.address!r}"
    running = manage("runpushnote", str(port), folder=tmp_path, settings_text=text)
    try:
        reachable(port)
        page = Page(port, old)
        site.has(NEW, [OLD])
        site.run(SAY)
        assert page.next() == "Hi"
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=15)
