#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs every benchmark there is and prints one table: the programs build/src/*/bench-* and the scripts
tests/bench/bench_*.py. Each prints lines "NAME VALUE UNIT [what it means]"; build/bench.json keeps
them for comparison.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(\S+)\s+([0-9][0-9.eE+-]*)\s+(\S+)(?:\s+(.*))?$")
LIMIT_SECONDS = 300


def programs():
    found = [p for p in sorted((ROOT / "build/src").glob("*/bench-*")) if p.is_file()]
    commands = [[str(p)] for p in found if os.access(p, os.X_OK)]
    scripts = sorted((ROOT / "tests/bench").glob("bench_*.py"))
    return commands + [[sys.executable, "-B", str(p)] for p in scripts]


def measure(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        raise RuntimeError(f"{command[-1]} exits {done.returncode}")
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        if match:
            name, value, unit, note = match.groups()
            yield {"name": name, "value": float(value), "unit": unit, "note": note or ""}


def main():
    results, failed = [], 0
    for command in programs():
        source = pathlib.Path(command[-1]).name
        try:
            rows = list(measure(command))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{source}: {error}", file=sys.stderr)
            failed = 1
            continue
        for row in rows:
            row["source"] = source
            results.append(row)
            print(f"{source:24} {row['name']:40} {row['value']:>14,.3f} {row['unit']:10} {row['note']}")
    (ROOT / "build/bench.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{len(results)} measurements in build/bench.json")
    return failed


sys.exit(main())
