#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
CNI ADD and DEL beside Debian's ptp and bridge with host-local, in one run and interleaved, so that
what else the machine does hits all of them. Prints medians, p99 and ratios to ptp.
"""

import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import Lab, cni  # noqa: E402  pylint: disable=wrong-import-position

PLUGINS = pathlib.Path("/usr/lib/cni")
PODS = 200
ROUND = 25
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


def peers(lab):
    node = lab.nodes[0]

    def debian(kind, subnet):
        conf = {"cniVersion": "1.0.0", "name": f"bench-{kind}", "type": kind, "bridge": "benchbr",
                "ipam": {"type": "host-local", "dataDir": str(lab.directory / f"ipam-{kind}"),
                         "ranges": [[{"subnet": subnet}]]}}
        return Peer(lab, kind, PLUGINS / kind, conf)

    return [
        Peer(lab, "korat", lab.directory / "bin/calico", cni.pod_conf(node.name),
             {"KORAT_CNI_SOCKET": node.run_dir / "cni.sock"}),
        debian("ptp", "10.99.0.0/16"),
        debian("bridge", "10.98.0.0/16"),
    ]


def namespaces(command, prefix, first, count):
    batch = "".join(f"netns {command} {prefix}{i}\n" for i in range(first, first + count))
    subprocess.run(["/usr/sbin/ip", "-batch", "-"], input=batch, text=True, check=True)


def measure(lab, all_peers, at_once):
    for first in range(0, PODS, ROUND):
        for peer in all_peers:
            prefix = f"bench-{lab.id}-{peer.name}-"
            namespaces("add", prefix, first, ROUND)
            try:
                peer.load("ADD", prefix, first, ROUND, at_once)
                peer.load("DEL", prefix, first, ROUND, at_once)
            finally:
                namespaces("del", prefix, first, ROUND)


def report(all_peers, at_once):
    ptp = next(peer for peer in all_peers if peer.name == "ptp")
    for verb in ("ADD", "DEL"):
        for peer in all_peers:
            name = f"cni-{verb.lower()}-{peer.name}-{at_once}"
            print(f"{name}-p50 {peer.median(verb, at_once):.3f} ms "
                  f"{peer.median(verb, at_once) / ptp.median(verb, at_once):.2f} of ptp")
            print(f"{name}-p99 {peer.p99(verb, at_once):.3f} ms")
            print(f"{name}-rate {peer.rate(verb, at_once):.1f} pods/s "
                  f"{peer.rate(verb, at_once) / ptp.rate(verb, at_once):.2f} times ptp")


def main():
    with Lab(1, {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                 "CALICO_IPV4POOL_IPIP": "Never"}) as lab:
        lab.start()
        for at_once in (1, 8):
            all_peers = peers(lab)
            measure(lab, all_peers, at_once)
            report(all_peers, at_once)


main()
