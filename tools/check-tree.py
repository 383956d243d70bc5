#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What holds for every file of the tree: a licence line, a bearable length, no path that exists on one
developer's machine only, Python that parses, C that carries no trailing white space.
"""

import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 1000
# Tables and generated pages: read by looking up, not from the top.
LONG_BY_NATURE = re.compile(r"^(LICENSE$|docs/reference/|docs/images/|tests/corpus/|src/model/kind-)")
PRIVATE_PATH = re.compile(r"(?<![\w.])/(?:home/[a-z]\w*|Users/\w+|work/\w+|root/\w+)")
CODE = (".c", ".h", ".py")


def tracked():
    out = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    return [name for name in out.splitlines() if (ROOT / name).is_file()]


def check(name):
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    lines = text.splitlines()
    if len(lines) > MAX_LINES and not LONG_BY_NATURE.match(name):
        yield f"{name}: {len(lines)} lines; split it by noun (the limit is {MAX_LINES})"
    if name.startswith("tests/corpus/"):
        return
    for number, line in enumerate(lines, 1):
        if PRIVATE_PATH.search(line):
            yield f"{name}:{number}: a path of one machine: {line.strip()[:60]}"
    if name.endswith(CODE):
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
            yield f"{name}:1: the first line names no licence"
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                yield f"{name}:{number}: trailing white space"
    if name.endswith(".py"):
        try:
            ast.parse(text, name)
        except SyntaxError as error:
            yield f"{name}:{error.lineno}: {error.msg}"


def main():
    problems = [problem for name in tracked() for problem in check(name)]
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


main()
