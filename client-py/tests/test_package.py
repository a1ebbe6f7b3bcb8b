"""What is uploaded: the wheel and the source archive, installed where nothing else is."""

import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import ROOT, Server

SCRIPTS = {
    "pushserver/static/pushserver/updates.js",
    # The scripts name their source maps, and Django's ManifestStaticFilesStorage refuses a name that leads nowhere.
    "pushserver/static/pushserver/updates.map",
    "pushnote/static/pushnote/pushnote.map",
    "pushnote/static/pushnote/push.map",
    *(f"pushnote/static/pushnote/{name}" for name in ("pushnote.mjs", "pushnote.js", "push.mjs", "push.js", "pushnote-sw.js")),
}


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(command, cwd=ROOT / "client-py", check=True, capture_output=True, timeout=60)
    return folder


def test_the_scripts_of_the_browser_are_in_both(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        assert SCRIPTS | {"pushnote/py.typed"} <= names
        assert wheel.read("pushnote/static/pushnote/pushnote.mjs") == (ROOT / "client-js/dist/pushnote.mjs").read_bytes()
        assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        members = {member.name.partition("/src/")[2]: member for member in archive.getmembers()}
        assert all(members[name].isreg() for name in SCRIPTS)


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_what_is_installed_publishes(built, tmp_path, start, publish_from, kind):
    # Its dependencies, and what builds the archive, are those of these tests; nothing else of this folder is seen.
    options = ["-q", "--no-deps", "--no-build-isolation", "--target", tmp_path / "lib"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, next(built.glob(kind))], check=True, timeout=60)
    server = Server(start)
    page = server.page()
    publish_from(
        "import pushnote, pushserver\n"
        f"assert pushnote.__file__.startswith({str(tmp_path)!r})\n"
        "pushnote.notify_all('it is installed')",
        PYTHONPATH=str(tmp_path / "lib"),
        PUSHNOTE_MQ_SOCKET=server.address,
    )
    assert page.next() == "it is installed"
