#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Holds the includes of src/ against the module table of docs/architecture.md: a module includes what
its row allows and nothing else, nobody includes another module's *-internal.h, and the modules that
only decide call nothing that reads a clock, chance, a file or a socket.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs/architecture.md"
ROW = re.compile(r"^\| *([a-z-]+) *\|.*\| *([a-z -]+?) *\|$")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

# Modules whose answers depend on their arguments alone.
PURE = {"model", "ipam", "calc"}
IMPURE_CALL = re.compile(
    r"(?<![\w.>])(time|clock_gettime|gettimeofday|rand|random|srand|getrandom|getenv|open|openat|"
    r"fopen|socket|connect|sleep|nanosleep|usleep|fork|execve|system|popen|read|write|log_\w+)\s*\("
)
# Tests, generators of documents and fuzzers beside pure code may do all that.
DRIVER = re.compile(r"^(test|fuzz|bench)-|-main\.c$|^korat-")


def allowed_edges():
    edges = {}
    within = False
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        within = line.startswith("| module |") or (within and line.startswith("|"))
        row = ROW.match(line) if within else None
        if row and row.group(1) != "module":
            edges[row.group(1)] = row.group(2)
    names = list(edges)
    for i, name in enumerate(names):
        words = edges[name].split()
        if words == ["nothing"]:
            edges[name] = set()
        elif words == ["all", "above"]:
            edges[name] = set(names[:i])
        else:
            edges[name] = set(words)
            unknown = edges[name] - set(names)
            if unknown:
                sys.exit(f"{TABLE}: the row of '{name}' names unknown modules: {sorted(unknown)}")
    if not edges:
        sys.exit(f"{TABLE}: the table of modules is gone")
    return edges


def strip_comments(text):
    keep_lines = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"/\*.*?\*/", keep_lines, text, flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def check_includes(path, module, lines, edges):
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if not include:
            continue
        target = include.group(1)
        other = target.split("/")[0] if "/" in target else module
        where = f"{path.relative_to(ROOT)}:{number}"
        if other != module and other in edges and other not in edges[module]:
            yield f"{where}: {module} may not include {target}; see the table of docs/architecture.md"
        if other != module and target.endswith("-internal.h"):
            yield f"{where}: {target} is for {other} alone"
        if not (ROOT / "src" / target).exists() and not (path.parent / target).exists():
            yield f"{where}: there is no {target}"


def check_pure(path, lines):
    for number, line in enumerate(strip_comments("\n".join(lines)).splitlines(), 1):
        call = IMPURE_CALL.search(line)
        if call:
            yield f"{path.relative_to(ROOT)}:{number}: {call.group(1)}() in a module that only decides"


def main():
    edges = allowed_edges()
    problems = []
    for directory in sorted((ROOT / "src").iterdir()):
        module = directory.name
        if not directory.is_dir():
            continue
        if module not in edges:
            problems.append(f"src/{module}: has no row in the table of docs/architecture.md")
            continue
        for path in sorted(directory.glob("*.[ch]")):
            lines = path.read_text(encoding="utf-8").splitlines()
            problems += check_includes(path, module, lines, edges)
            if module in PURE and not DRIVER.search(path.name):
                problems += check_pure(path, lines)
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


main()
