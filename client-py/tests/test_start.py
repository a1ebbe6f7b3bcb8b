"""docs/start.md, as it is printed: from nothing to a message in a Django page."""

import os
import subprocess
import time

from conftest import PROGRAMS, ROOT, free_port, reachable

PAGE = (ROOT / "docs/start.md").read_text()
TESTS = ROOT / "tests"


def test_from_nothing_to_a_message_in_a_page(tmp_path):
    blocks = [block.partition("\n")[2] for block in PAGE.split("```")[1::2]]
    # The server is built: to compile it once more shows nothing.
    assert blocks[0].startswith("cargo install")
    environment = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")}
    environment |= {"PUSHNOTE": str(ROOT), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}

    def bash(text, **more):
        return subprocess.Popen(["bash", "-ec", text], cwd=tmp_path, env=environment, text=True, **more)

    def run(text):
        done = bash(text, stdout=subprocess.PIPE)
        said, _ = done.communicate(timeout=100)
        assert done.returncode == 0, text
        return said

    def message_in_a_page(push, web, say):
        """It is there while both servers run, which are ended then. Each is a block, and its port."""
        running = []
        try:
            for block, port in (push, web):
                running.append(bash(f"exec {block}"))
                reachable(port, 60)
            flags = ["--page", f"http://127.0.0.1:{web[1]}/", "--count", "1", "--lifetime_s", "60"]
            browser = subprocess.Popen(["node", TESTS / "browser/browser.mjs", *flags], stdout=subprocess.PIPE, text=True)
            running.append(browser)
            # What is said before the page listens is not for it.
            while browser.poll() is None:
                assert run(say) == "said\n"
                time.sleep(0.2)
            assert '"msg":"Hello"' in browser.stdout.read()
        finally:
            for process in running:
                if process.poll() is None:
                    process.terminate()
            for process in running:
                process.wait(40)

    begun = time.monotonic()
    for block in blocks[1:5]:
        run(block)
    push, web, say = blocks[5:8]
    message_in_a_page((push, 8080), (web, 8000), say)
    print(f"{time.monotonic() - begun:.0f} s, without compiling the server")

    # The ports are taken: what stands in the list is all that changes.
    listed = PAGE.partition("## When a port is taken")[2].partition("\n## ")[0]
    assert all(
        part in listed for part in ("`runpushnote 8090`", "`127.0.0.1:8090`", "`page.html`", "`runserver 8010`", "`settings.py`")
    )
    for path, before, after in (
        ("shop/templates/page.html", "127.0.0.1:8080", "127.0.0.1:8090"),
        ("shop/settings.py", "127.0.0.1:8002", f"127.0.0.1:{free_port()}"),
    ):
        text = (tmp_path / path).read_text()
        assert before in text
        (tmp_path / path).write_text(text.replace(before, after))
    message_in_a_page((f"{push.strip()} 8090", 8090), (f"{web.strip()} 8010", 8010), say.replace(":8000/", ":8010/"))
