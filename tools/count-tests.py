#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints "PASSED FAILED SKIPPED" of a results file: Meson's testlog.json or pytest's JUnit XML."""

import json
import sys
import xml.etree.ElementTree

GOOD = {"OK", "EXPECTEDFAIL"}


def count_meson(path):
    passed = failed = skipped = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            result = json.loads(line)["result"]
            if result in GOOD:
                passed += 1
            elif result == "SKIP":
                skipped += 1
            else:
                failed += 1
    return passed, failed, skipped


def count_junit(path):
    total = failed = skipped = 0
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def main():
    path = sys.argv[1]
    try:
        counts = count_junit(path) if path.endswith(".xml") else count_meson(path)
    except OSError:
        counts = (0, 0, 0)  # the runner's exit code says whether that is a failure
    print(*counts)


main()
