#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
CNI ADD of a pod that no policy selects, and of one that a hundred do, on two nodes with fifty pods of clusters of
their own that take turns, so that what else the machine does hits both.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import Lab  # noqa: E402  pylint: disable=wrong-import-position
from load import korat, namespaces  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

POLICIES = 100
PODS = 200
NEIGHBOURS = 50  # pods that are there already
ROUND = 20


def policy(number):
    """One that selects every pod, with rules of its own."""
    nets = [f"10.{number}.0.0/16"]
    port = {"ports": [1000 + number]}
    return {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy",
            "metadata": {"name": f"bench-{number}"},
            "spec": {"selector": "all()", "order": number, "types": ["Ingress", "Egress"],
                     "ingress": [{"action": "Allow", "protocol": "TCP", "source": {"nets": nets},
                                  "destination": port},
                                 {"action": "Allow",
                                  "source": {"selector": f"app == 'app-{number}'"}}],
                     "egress": [{"action": "Allow", "protocol": "TCP",
                                 "destination": {"nets": nets, **port}}]}}


def measure(peers):
    for first in range(0, PODS, ROUND):
        for peer in peers:
            prefix = f"bench-{peer.lab.id}-{peer.name}-"
            namespaces("add", prefix, first, ROUND)
            try:
                peer.load("ADD", prefix, first, ROUND, 1)
                peer.load("DEL", prefix, first, ROUND, 1)
            finally:
                namespaces("del", prefix, first, ROUND)


def main():
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(1, environment) as without, Lab(1, environment) as lab:
        lab.start()
        without.start()
        lab.apply(*(policy(number) for number in range(POLICIES)))
        for each in (lab, without):
            for number in range(NEIGHBOURS):
                each.pod(each.nodes[0], f"neighbour{number}")
        peers = [korat(without, "none"), korat(lab, "policies")]
        measure(peers)
        none, policies = (peer.median("ADD", 1) for peer in peers)
        result("policy-add-none-p50", none, "ms", "ADD of a pod without policies")
        result("policy-add-100-p50", policies, "ms", f"of a pod with {POLICIES}")
        result("policy-add-100-more", max(policies - none, 0), "ms", "the difference", "<=1")
        result("policy-add-none-p99", peers[0].p99("ADD", 1), "ms")
        result("policy-add-100-p99", peers[1].p99("ADD", 1), "ms")
        result("policy-del-none-p50", peers[0].median("DEL", 1), "ms")
        result("policy-del-100-p50", peers[1].median("DEL", 1), "ms")


main()
