# SPDX-License-Identifier: Apache-2.0
"""A CNI plugin under load: many calls of ADD and DEL, one at a time or several, and their times."""

import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import cni  # noqa: E402  pylint: disable=wrong-import-position

PLUGINS = pathlib.Path("/usr/lib/cni")
CNILOAD = ROOT / "build/tests/cniload"


class Peer:
    """One plugin under load, in the lab's node."""

    def __init__(self, lab, name, plugin, conf, environment=None):
        self.lab, self.name, self.plugin = lab, name, plugin
        self.conf = lab.directory / f"{name}.conf"
        self.conf.write_text(json.dumps(conf), encoding="utf-8")
        self.environment = environment or {}
        self.times = {}
        self.walls = {}

    def load(self, verb, prefix, first, count, at_once):
        out = self.lab.nodes[0].ns.output(
            ["/usr/bin/env", f"CNI_PATH={PLUGINS}",
             *(f"{key}={value}" for key, value in self.environment.items()),
             CNILOAD, verb, self.plugin, self.conf, prefix, str(first), str(count), str(at_once)])
        wall, *lines = out.split("\n")
        rows = [line.split() for line in lines if line]
        bad = [row for row in rows if row[1] != "0"]
        if bad:
            raise SystemExit(f"{self.name} {verb}: {len(bad)} of {len(rows)} calls fail")
        key = (verb, at_once)
        self.times.setdefault(key, []).extend(int(row[0]) for row in rows)
        self.walls[key] = self.walls.get(key, 0) + int(wall)

    def median(self, verb, at_once):
        return statistics.median(self.times[verb, at_once]) / 1000

    def p99(self, verb, at_once):
        times = sorted(self.times[verb, at_once])
        return times[int(len(times) * 0.99)] / 1000

    def rate(self, verb, at_once):
        return len(self.times[verb, at_once]) / (self.walls[verb, at_once] / 1e6)


def korat(lab, name):
    """Our plugin, on the node of a lab of its own."""
    node = lab.nodes[0]
    return Peer(lab, name, lab.directory / "bin/calico", cni.pod_conf(node.name),
                {"KORAT_CNI_SOCKET": node.run_dir / "cni.sock"})


def namespaces(command, prefix, first, count):
    batch = "".join(f"netns {command} {prefix}{i}\n" for i in range(first, first + count))
    subprocess.run(["/usr/sbin/ip", "-batch", "-"], input=batch, text=True, check=True)
