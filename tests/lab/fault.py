# SPDX-License-Identifier: Apache-2.0
"""
The fault plan's side of a lab: plans for tests/fault, and what a node holds, read so quickly that
it can be compared after every one of a thousand calls: from /proc and from the datastore's file.
"""

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess

from . import lab as lab_module
PROGRAM = lab_module.BUILD / "tests/fault"


class Plan:
    """One fault: the n-th event of a mode in a thread; n = 0 only counts."""

    def __init__(self, mode, thread="any", n=0, errnum=0):
        self.words = [mode, thread, str(n), str(errnum)]

    def __str__(self):
        return " ".join(self.words)

    def run(self, report, moment):
        """
        What to put before a command line so that the program runs under this plan. Counting begins
        at the moment "exec" or "log": the program's start, or its first line on standard error.
        """
        return [PROGRAM, "run", report, *self.words, moment, "--"]


class Tracer:
    """Attached to a process that runs. Ends when closed; the process goes on."""

    def __init__(self, pid):
        # pylint: disable=consider-using-with
        self._process = subprocess.Popen([PROGRAM, "attach", str(pid)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def _ask(self, line):
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it has ended, or was let go
            return None
        return self._answer()

    def plan(self, plan):
        """From now on this plan. False: the process has ended."""
        return self._ask(f"plan {plan}") is not None

    def report(self):
        """What was hit and how much was counted since plan(); None: the process has ended."""
        return self._ask("report")

    def close(self):
        """Lets the process go."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def read_report(path):
    """What Plan.run() wrote at the first hit, or at the end if there was none."""
    text = path.read_text(encoding="ascii") if path.exists() else ""
    return json.loads(text or '{"hit": "", "counts": {}}')


def _interfaces(pid):
    lines = pathlib.Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return sorted(line.split(":")[0].strip() for line in lines)


def _routes(pid):
    v4 = pathlib.Path(f"/proc/{pid}/net/route").read_text(encoding="ascii").splitlines()[1:]
    v6 = pathlib.Path(f"/proc/{pid}/net/ipv6_route").read_text(encoding="ascii").splitlines()
    # Of IPv6 only destinations and devices: the rest are counters, and multicast comes and goes.
    return sorted([" ".join(line.split()[:4]) for line in v4] +
                  [f"{line.split()[0]} {line.split()[-1]}" for line in v6
                   if "cali" in line and not line.startswith(("f", "0" * 32))])


def kernel(pid):
    """Interfaces and routes of the network namespace that the process is in."""
    return {"links": _interfaces(pid), "routes": _routes(pid)}


RESERVE = "korat-reserve-"


def _rows(lab):
    """(kind, namespace, name, object) of the embedded datastore, without a program in between."""
    with contextlib.closing(sqlite3.connect(lab.directory / "store.db", timeout=10)) as db:
        rows = db.execute("SELECT kind, namespace, name, value FROM object WHERE value IS NOT NULL "
                          "AND kind IN ('workloadendpoints', 'ipamhandles', 'ipamblocks')")
        return [(*row[:3], json.loads(row[3])) for row in rows.fetchall()]


def _rows_of_etcd(lab):
    kinds = [("workloadendpoints", "default"), ("ipamhandles", None), ("ipamblocks", None)]
    return [(kind, namespace or "", item["metadata"]["name"], item) for kind, namespace in kinds
            for item in lab.get(kind, namespace=namespace)]


def stored(lab):
    """The objects that an ADD makes and the addresses given away, but those in reserve."""
    rows = _rows_of_etcd(lab) if lab.environment.get("DATASTORE_TYPE") == "etcdv3" else _rows(lab)
    blocks = [value["spec"] for kind, _, _, value in rows if kind == "ipamblocks"]

    def is_kept(block, index):
        return (block["attributes"][index].get("handle_id") or "").startswith(RESERVE)

    return {
        "objects": sorted(f"{kind} {namespace} {name}" for kind, namespace, name, _ in rows
                          if kind != "ipamblocks" and not name.startswith(RESERVE)),
        "addresses": sorted((block["cidr"], number) for block in blocks
                            for number, index in enumerate(block["allocations"])
                            if index is not None and not is_kept(block, index)),
    }


def n_reserved(node):
    """How many addresses the node's agent has in reserve."""
    path = node.state_dir / "korat-reserve.json"
    return len(json.loads(path.read_text(encoding="utf-8"))["free"]) if path.exists() else 0


def files(directory):
    """All files below a directory, but logs, the reserve, and what the next writer takes over."""
    found = []
    for path, _, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(path, name), directory) for name in names
                  if not name.startswith((".tmp-", "korat-reserve."))
                  and not name.endswith((".log", ".part"))]
    return sorted(found)


def n_open(pid):
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
