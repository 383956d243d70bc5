#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Prints "PASSED FAILED SKIPPED" of results: Meson's testlog.json, or a directory of pytest's JUnit XML.
With --failed before it: what the tests wrote that failed, and nothing when none did.
"""

import json
import os
import pathlib
import sys
import xml.etree.ElementTree

GOOD = {"OK", "EXPECTEDFAIL"}


# The ends of what was written: of each test, and of how many tests.
LINES = 80
TESTS = 20
NAME = 120


def read_meson(path):
    """Of each test its name, its outcome and what it wrote."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            test = json.loads(line)
            result = test["result"]
            outcome = "passed" if result in GOOD else "skipped" if result == "SKIP" else "failed"
            written = [f"{result}, exit status {test.get('returncode')}",
                       test.get("stdout") or "", test.get("stderr") or ""]
            yield test["name"], outcome, "\n".join(part.strip("\n") for part in written if part)


def cases_of(directory):
    """Of all files there."""
    for path in sorted(pathlib.Path(directory).glob("*.xml")):
        yield from xml.etree.ElementTree.parse(path).getroot().iter("testcase")


def read_junit(directory):
    """The same of pytest's; an error before or after a test counts beside its own outcome."""
    for case in cases_of(directory):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad = [*case.findall("failure"), *case.findall("error")]
        for one in bad:
            written = [one.text or one.get("message") or ""]
            written += [part.text or "" for kind in ("system-out", "system-err")
                        for part in case.findall(kind)]
            yield name, "failed", "\n".join(part.strip("\n") for part in written if part)
        if not bad:
            yield name, "passed" if case.find("skipped") is None else "skipped", ""


def show(tests):
    """What the failed ones wrote."""
    failed = [(name, written) for name, outcome, written in tests if outcome == "failed"]
    for name, written in failed[:TESTS]:
        lines = written.splitlines()
        print(f"--- {name}")
        if len(lines) > LINES:
            print(f"... {len(lines) - LINES} lines more")
        print(*lines[-LINES:], sep="\n")
    if len(failed) > TESTS:
        print(f"--- and {len(failed) - TESTS} more:")
        print(*(name[:NAME] for name, _ in failed[TESTS:TESTS + LINES]), sep="\n")


def main():
    path = sys.argv[-1]
    try:
        tests = list((read_junit if os.path.isdir(path) else read_meson)(path))
    except (OSError, ValueError, xml.etree.ElementTree.ParseError):
        tests = []  # the runner's exit code says whether that is a failure
    if "--failed" in sys.argv[1:-1]:
        show(tests)
        return
    outcomes = [outcome for _, outcome, _ in tests]
    print(*(outcomes.count(one) for one in ("passed", "failed", "skipped")))


main()
