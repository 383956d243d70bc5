#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What src/model/felix-params.h says of a parameter is so: a row P is read by the program, a row N
("not applied by this version") is not.
"""

import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
ROW = re.compile(r"^\t([PN])\((\w+),\s*(\w+),[\s\\]*\"\w+\",\s*\"(\w+)\"", re.MULTILINE)
READ = re.compile(r"\bspec\)?(?:->|\.)(\w+)")
# They compare, convert or check parameters, and apply none.
NO_READERS = re.compile(r"(^|/)(test|bench|fuzz)-|^(model|bgp)/")


def main():
    rows = ROW.findall((SRC / "model/felix-params.h").read_text())
    read = set()
    for path in SRC.rglob("*.[ch]"):
        if not NO_READERS.search(str(path.relative_to(SRC))):
            read.update(READ.findall(path.read_text()))
    problems = [f"{name}: read, and said not to be applied: make its row P" if row == "N" else
                f"{name}: nothing reads it: make its row N, or apply it"
                for row, _, member, name in rows if (member in read) != (row == "P")]
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems or len(rows) < 200 else 0)


main()
