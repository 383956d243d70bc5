#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
CNI ADD and DEL, on the embedded datastore and on etcd, beside Debian's ptp and bridge with
host-local, in one run and interleaved, so that what else the machine does hits all of them.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import Lab, etcd  # noqa: E402  pylint: disable=wrong-import-position
from load import PLUGINS, Peer, korat, namespaces  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

PODS = 200
ROUND = 25
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


def debian(lab, kind, subnet):
    """A reference plugin with host-local."""
    conf = {"cniVersion": "1.0.0", "name": f"bench-{kind}", "type": kind, "bridge": "benchbr",
            "ipam": {"type": "host-local", "dataDir": str(lab.directory / f"ipam-{kind}"),
                     "ranges": [[{"subnet": subnet}]]}}
    return Peer(lab, kind, PLUGINS / kind, conf)


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
