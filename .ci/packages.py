#!/usr/bin/env python3
"""Packs every crate as it would be published, and installs what came of that as others do.

The programs are built from the packages alone, and the publisher in a new project; a message of that reaches a page.
The sites of docs/rust.md are compiled with the dependencies that the page has.
`cargo publish` itself checks each package by compiling it alone, with all that it needs, in a profile that is not ours: ten
minutes. Here all are compiled at once, and what is not ours is compiled already.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
PATIENCE_S = 30


def cargo(*args, cwd=ROOT, **options):
    return subprocess.run(["cargo", *args], cwd=cwd, check=True, **options)


def packages():
    """Names and folders' names of what is published."""
    described = cargo("metadata", "--no-deps", "--format-version=1", capture_output=True)
    found = json.loads(described.stdout)["packages"]
    return {each["name"]: f"{each['name']}-{each['version']}" for each in found if each["publish"] != []}


def as_of_now(member, folder):
    """Files are packed with one date for all: by theirs, cargo would take what an earlier run has built for what they are."""
    return tarfile.data_filter(member, folder).replace(mtime=int(time.time()))


def lay_out(work, names):
    """One workspace of the packages and a project that wants the publisher, with our versions and our profiles."""
    for package in names.values():
        with tarfile.open(TARGET / "package" / f"{package}.crate") as archive:
            archive.extractall(work / "packages", filter=as_of_now)
    cargo("new", "--quiet", "--vcs=none", "site", cwd=work)
    with open(work / "site/Cargo.toml", "a") as manifest:
        manifest.write('pushnote = "0.1"\nserde_json = "1"\n')
    example = work / "packages" / names["pushnote"] / "examples/notify.rs"
    (work / "site/src/main.rs").write_text(example.read_text())
    ours = (ROOT / "Cargo.toml").read_text()
    patches = [f'{name} = {{ path = "packages/{package}" }}\n' for name, package in names.items()]
    (work / "Cargo.toml").write_text(
        '[workspace]\nresolver = "3"\nmembers = ["packages/*", "site"]\n\n'
        # Who has these from a registry needs no such lines.
        + "[patch.crates-io]\n" + "".join(patches) + "\n"
        + ours[ours.index("[profile."):]
    )  # fmt: skip
    (work / "Cargo.lock").write_text((ROOT / "Cargo.lock").read_text())


class Program:
    """One of the programs, and the lines that it prints."""

    def __init__(self, name, *args, env=None):
        self.lines, self.more = [], threading.Condition()
        command = [TARGET / "debug" / name, *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line)
                self.more.notify_all()

    def says(self, part, patience=PATIENCE_S):
        """The word behind `part` in a line of it, if one comes in time."""
        with self.more:
            found = self.more.wait_for(lambda: [each for each in self.lines if part in each], patience)
        return found and (found[0].split(part, 1)[1].split() or [""])[0].rstrip(",")


def publish_to_a_page(started):
    secret = {"PUSHNOTE_SECRET": "only-for-the-check-of-the-packages-0123456789"}

    def start(*args, env=secret):
        started.append(Program(*args, env=env))
        return started[-1]

    mq = start("pushnote-mq", "--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0")
    sub, pub = mq.says("sub listening on "), mq.says("pub listening on ")
    server = start("pushnote-server", "--port=0", "--address=127.0.0.1", "--route=/sockjs", f"--mq_socket={pub}")
    address = server.says("listening on ").removesuffix("/sockjs")
    page = start("pushnote", "tail", f"--url={address}")
    for _ in range(PATIENCE_S):
        # Nothing says when a page is there: it says so by getting a message.
        subprocess.run([TARGET / "debug/site"], env={"PUSHNOTE_MQ_SOCKET": sub}, check=True)
        if page.says("Hi all!", patience=1):
            return
    sys.exit("packages: what the new project publishes does not come")


def compile_the_sites(work):
    """Each as docs/rust.md prints it, in a new project, with whatever is the newest of what it depends on."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs/rust.md").read_text(), re.DOTALL | re.MULTILINE)

    def of(language, part):
        return [text for kind, text in blocks if kind == language and part in text]

    manifests, programs, [page] = of("toml", "[dependencies]"), of("rust", "fn main"), of("html", "<title>")
    for number, (manifest, program) in enumerate(zip(manifests, programs, strict=True)):
        site = work / f"site-{number}"
        cargo("new", "--quiet", "--vcs=none", site.name, cwd=work)
        made = (site / "Cargo.toml").read_text().replace("[dependencies]\n", "")
        (site / "Cargo.toml").write_text(made + manifest.replace("/path/to/pushnote", str(ROOT)))
        (site / "src/main.rs").write_text(program)
        (site / "src/page.html").write_text(page)
        (site / "src/pushnote.mjs").write_text((ROOT / "client-js/dist/pushnote.mjs").read_text())
        cargo("check", "--quiet", f"--target-dir={TARGET}/sites", cwd=site)


def main():
    # What `publish` packs it does not keep.
    cargo("publish", "--workspace", "--dry-run", "--no-verify", "--allow-dirty", "--quiet")
    cargo("package", "--workspace", "--exclude=pushnote-tests", "--no-verify", "--allow-dirty", "--quiet")
    started = []
    with tempfile.TemporaryDirectory() as work:
        try:
            lay_out(Path(work), packages())
            cargo("build", "--workspace", "--bins", "--offline", "--quiet", f"--target-dir={TARGET}", cwd=work)
            publish_to_a_page(started)
        finally:
            for each in started:
                each.process.kill()
                each.process.wait()
    with tempfile.TemporaryDirectory() as work:
        compile_the_sites(Path(work))


main()
