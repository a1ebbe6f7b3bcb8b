"""docs/start.md, as it is printed: from nothing to a message in a Django page."""

import os
import subprocess
import time

from conftest import PROGRAMS, ROOT, reachable

PAGE = (ROOT / "docs/start.md").read_text()
TESTS = ROOT / "tests"


def test_from_nothing_to_a_message_in_a_page(tmp_path):
    blocks = [block.partition("\n")[2] for block in PAGE.split("```")[1::2]]
    # The server is built: to compile it once more shows nothing.
    assert blocks[0].startswith("cargo install")
    environment = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")}
    environment |= {"PUSHNOTE": str(ROOT), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    running = []

    def bash(text, **more):
        return subprocess.Popen(["bash", "-ec", text], cwd=tmp_path, env=environment, text=True, **more)

    def run(text):
        done = bash(text, stdout=subprocess.PIPE)
        said, _ = done.communicate(timeout=100)
        assert done.returncode == 0, text
        return said

    begun = time.monotonic()
    try:
        for block in blocks[1:5]:
            run(block)
        for block, port in zip(blocks[5:7], (8080, 8000), strict=True):
            running.append(bash(f"exec {block}"))
            reachable(port, 60)
        flags = ["--page", "http://127.0.0.1:8000/", "--count", "1", "--lifetime_s", "60"]
        browser = subprocess.Popen(["node", TESTS / "browser/browser.mjs", *flags], stdout=subprocess.PIPE, text=True)
        running.append(browser)
        # What is said before the page listens is not for it.
        while browser.poll() is None:
            assert run(blocks[7]) == "said\n"
            time.sleep(0.2)
        assert '"msg":"Hello"' in browser.stdout.read()
        print(f"{time.monotonic() - begun:.0f} s, without compiling the server")
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            process.wait(40)
