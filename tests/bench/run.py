#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs every benchmark there is and prints one table: the programs build/src/*/bench-* and the scripts
tests/bench/bench_*.py. Each prints lines "NAME VALUE UNIT [TARGET] [what it means]", the target
as in "<=0.5"; build/bench.json keeps them for comparison. Arguments: parts of the names of those
to run.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(\S+)\s+([0-9][0-9.eE+-]*)\s+(\S+)(?:\s+([<>]=[0-9.]+))?(?:\s+(.*))?$")
LIMIT_SECONDS = 1500


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
            name, value, unit, target, note = match.groups()
            row = {"name": name, "value": float(value), "unit": unit, "note": note or ""}
            if target:
                limit = float(target[2:])
                row["target"] = target
                row["met"] = float(value) <= limit if target[0] == "<" else float(value) >= limit
            yield row


def show(source, row):
    verdict = "" if "met" not in row else f"{row['target']} {'met' if row['met'] else 'MISSED'}"
    print(f"{source:20} {row['name']:34} {row['value']:>14,.3f} {row['unit']:12} {verdict:14} "
          f"{row['note']}".rstrip(), flush=True)


def main():
    results, failed = [], 0
    for command in programs():
        source = pathlib.Path(command[-1]).name
        if len(sys.argv) > 1 and not any(part in source for part in sys.argv[1:]):
            continue
        try:
            rows = list(measure(command))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{source}: {error}", file=sys.stderr)
            failed = 1
            continue
        for row in rows:
            row["source"] = source
            results.append(row)
            show(source, row)
    (ROOT / "build/bench.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{len(results)} measurements in build/bench.json")
    return failed


sys.exit(main())
