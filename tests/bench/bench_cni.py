#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
CNI ADD and DEL, on the embedded datastore and on etcd, beside Debian's ptp and bridge with
host-local, in one run and interleaved, so that what else the machine does hits all of them.
"""

import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import Lab, cni, etcd  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

PLUGINS = pathlib.Path("/usr/lib/cni")
PODS = 200
ROUND = 25
CNILOAD = ROOT / "build/tests/cniload"
# Of the p50 and the rate: beside ptp's.
TARGETS = {
    "cni-add-korat-1-p50": "<=0.3",
    "cni-add-korat-8-rate": ">=3",
    "cni-add-korat-etcd-1-p50": "<=0.5",
    "cni-add-korat-etcd-1-p99": "<=20",
    "cni-add-korat-etcd-8-rate": ">=3",
    "cni-del-korat-1-p50": "<=0.2",
    "cni-del-korat-etcd-1-p50": "<=0.2",
}


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


def debian(lab, kind, subnet):
    """A reference plugin with host-local."""
    conf = {"cniVersion": "1.0.0", "name": f"bench-{kind}", "type": kind, "bridge": "benchbr",
            "ipam": {"type": "host-local", "dataDir": str(lab.directory / f"ipam-{kind}"),
                     "ranges": [[{"subnet": subnet}]]}}
    return Peer(lab, kind, PLUGINS / kind, conf)


def namespaces(command, prefix, first, count):
    batch = "".join(f"netns {command} {prefix}{i}\n" for i in range(first, first + count))
    subprocess.run(["/usr/sbin/ip", "-batch", "-"], input=batch, text=True, check=True)


def measure(all_peers, at_once):
    for first in range(0, PODS, ROUND):
        for peer in all_peers:
            prefix = f"bench-{peer.lab.id}-{peer.name}-"
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
            p50, p99 = peer.median(verb, at_once), peer.p99(verb, at_once)
            rate = peer.rate(verb, at_once)
            result(f"{name}-p50", p50, "ms")
            result(f"{name}-p99", p99, "ms", target=TARGETS.get(f"{name}-p99"))
            result(f"{name}-rate", rate, "pods/s")
            if peer is not ptp:
                result(f"{name}-p50-to-ptp", p50 / ptp.median(verb, at_once), "of ptp's",
                       target=TARGETS.get(f"{name}-p50"))
                result(f"{name}-rate-to-ptp", rate / ptp.rate(verb, at_once), "times ptp's",
                       target=TARGETS.get(f"{name}-rate"))


def main():
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(1, environment) as lab, Lab(1, environment) as lab_on_etcd:
        etcd.start(lab_on_etcd)
        for each in (lab, lab_on_etcd):
            each.start()
        for at_once in (1, 8):
            all_peers = [korat(lab, "korat"), korat(lab_on_etcd, "korat-etcd"),
                         debian(lab, "ptp", "10.99.0.0/16"), debian(lab, "bridge", "10.98.0.0/16")]
            measure(all_peers, at_once)
            report(all_peers, at_once)


main()
