"""Fails where files of a package import from each other in a circle that is not on the list below."""

import re
import subprocess
import sys
from pathlib import Path

# Circles that stay: their files in the order of their names, each with its reason.
DEFENDED: set = set()

COMMENT = re.compile(r"//[^\n]*")
TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{.*", re.S)
USE = re.compile(r"^\s*(?:(pub(?:\([^)]*\))?) )?use ([\w:]+(?:\{[^;]*\}|\*)?(?: as \w+)?);", re.M)
INLINE = re.compile(r"(?<![\w:])((?:crate|super|self)(?:::\w+)+)")
ITEM = re.compile(r"\b(?:struct|enum|trait|type|fn|const|static|union|macro_rules!) +(\w+)")


def flatten(tree):
    """The paths of a `use`: `a::{b, c::d}` is `a::b` and `a::c::d`; names given with `as` are dropped."""
    tree = re.sub(r"\s+as\s+\w+", "", tree.strip())
    head, brace, rest = tree.partition("{")
    if not brace:
        return [head.strip()]
    paths, depth, part = [], 0, ""
    for char in rest[: rest.rindex("}")] + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            paths += [head.strip() + path for path in flatten(part)] if part.strip() else []
            part = ""
        else:
            part += char
    return paths


class File:
    def __init__(self, root, path):
        parts = path.relative_to(root).with_suffix("").parts
        self.path, self.module = path, parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts
        text = TESTS.sub("", COMMENT.sub("", path.read_text(encoding="utf-8")))
        self.uses = [(bool(public), use) for public, tree in USE.findall(text) for use in flatten(tree)]
        self.body = USE.sub("", text)
        self.items = set(ITEM.findall(self.body))


def imports(file, files):
    """The files that `file` names, re-exports seen through. What it passes on without using it is no import."""
    children = {module[-1] for module in files if module[:-1] == file.module and module != file.module}
    paths = [use for public, use in file.uses if not public or re.search(rf"\b{use.split('::')[-1]}\b", file.body)]
    paths += INLINE.findall(file.body)
    paths += re.findall(rf"(?<![\w:])((?:{'|'.join(children)})::\w+)", file.body) if children else []
    return {target for path in paths if (target := resolve(path, file, files)) not in (None, file)}


def resolve(path, file, files, depth=0):
    """The file where what `path` names is defined; `None` when that is another package."""
    names, module = path.split("::"), file.module
    if names[0] == "crate":
        names, module = names[1:], ()
    elif names[0] not in ("self", "super") and module + (names[0],) not in files:
        return None
    while names and names[0] in ("self", "super"):
        module = module[:-1] if names.pop(0) == "super" else module
    while names and module + (names[0],) in files:
        module += (names.pop(0),)
    found = files.get(module)
    if found and names and names[0] not in found.items and depth < 9:
        for public, use in found.uses:
            if public and use.split("::")[-1] in (names[0], "*"):
                return resolve(use, found, files, depth + 1) or found
    return found


def circles(graph):
    """Sets of more than one file of which each leads to each."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    reached = {file: reach(file) for file in graph}
    return {frozenset(other for other in reached[file] if file in reached[other]) for file in graph if file in reached[file]}


tracked = subprocess.run(["git", "ls-files", "crates/*/src/*.rs", "bin/*/src/*.rs"], capture_output=True, text=True, check=True)
roots, found, count = {}, set(), 0
for path in map(Path, tracked.stdout.split()):
    if path.exists():
        roots.setdefault(Path(*path.parts[:3]), []).append(path)
for root, paths in roots.items():
    files = {file.module: file for file in (File(root, path) for path in paths)}
    count += len(files)
    circle_sets = circles({file: imports(file, files) for file in files.values()})
    found |= {tuple(sorted(str(file.path) for file in circle)) for circle in circle_sets}
faults = [f"a circle of {len(names)} files: {' '.join(names)}" for names in found - DEFENDED]
faults += [f"no circle any more, take it off the list: {' '.join(names)}" for names in DEFENDED - found]
print("\n".join(faults) or f"{count} files, {len(DEFENDED)} circles, which are defended")
sys.exit(bool(faults))
