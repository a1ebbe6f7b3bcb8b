"""A preprocessor of mdBook, by docs/book.toml: pages from outside docs/ that SUMMARY.md names get a place in the book, and links lead to
where their targets are there, or, if they are not in it, to the repository. So each page has links that hold where it lies.

With --check FOLDER it looks at a book that is built instead: each link and anchor of its pages leads to something.
"""

import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# A link's target, inline or of a reference; images are links, too.
LINK = re.compile(r"(\]\(|^\[[^\]]+\]: *)([^()\s]+)", re.M)
CODE = re.compile(r"^ *(```|~~~).*?^ *\1|`[^`\n]*`", re.M | re.S)
# What mdBook itself writes into each page.
OWN = ("toc.html", "print.html")


def place(source):
    """Where a page has its place in the book: docs/ is its root, and so is the repository."""
    path = os.path.normpath(os.path.join("docs", source))
    if path == "README.md":
        return "index.md"
    folder, name = os.path.split(path.removeprefix("docs/"))
    return folder + ".md" if name == "README.md" else os.path.join(folder, name)


def chapters(items):
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            yield item["Chapter"]
            yield from chapters(item["Chapter"]["sub_items"])


def moved(chapter, places, repository):
    """The chapter's text with its links as they are in the book."""
    folder = os.path.dirname(os.path.join("docs", chapter["source_path"]))
    here = os.path.dirname(place(chapter["source_path"]))

    def link(match):
        # Pages that registries show, too, name the repository's pages by their addresses.
        target, own = match[2], match[2].startswith(f"{repository}/blob/main/")
        if target.startswith("#") or (urlsplit(target).scheme and not own):
            return match[0]
        path, _, fragment = target.removeprefix(f"{repository}/blob/main/").partition("#")
        path = os.path.normpath(path if own else os.path.join(folder, path))
        where = os.path.relpath(places[path], here or ".") if path in places else f"{repository}/blob/main/{path}"
        return match[1] + where + ("#" + fragment if fragment else "")

    text, at = chapter["content"], 0
    parts = []
    for code in CODE.finditer(text):
        parts += [LINK.sub(link, text[at : code.start()]), code[0]]
        at = code.end()
    return "".join(parts) + LINK.sub(link, text[at:])


def preprocess():
    context, book = json.load(sys.stdin)
    repository = context["config"]["output"]["html"]["git-repository-url"]
    pages = [chapter for chapter in chapters(book.get("items") or book["sections"]) if chapter["source_path"]]
    places = {os.path.normpath(os.path.join("docs", page["source_path"])): place(page["source_path"]) for page in pages}
    for page in pages:
        page["content"] = moved(page, places, repository)
        page["path"] = place(page["source_path"])
    json.dump(book, sys.stdout)


class Page(HTMLParser):
    def __init__(self, file):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]


def check(folder):
    pages = {file.resolve(): Page(file) for file in sorted(Path(folder).rglob("*.html"))}
    faults = []
    for file, page in pages.items():
        for link in page.links if file.name not in OWN else []:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
                faults.append(f"{file.name}: {link} leads nowhere")
    print("\n".join(faults) or f"{len(pages)} pages, no dead link")
    return bool(faults) or not pages


if sys.argv[1:2] == ["--check"]:
    sys.exit(check(sys.argv[2]))
elif sys.argv[1:2] == ["supports"]:
    sys.exit(sys.argv[2] != "html")
else:
    preprocess()
