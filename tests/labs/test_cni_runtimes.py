# SPDX-License-Identifier: Apache-2.0
"""Real runtimes start real containers through the plugin, on two nodes that reach each other."""

import re

import pytest

from clusters import vxlan_cluster
from lab import wait_for
from lab.runtime import Containerd, Podman

# As busybox says it, and as iputils does.
ANSWERED = re.compile(r"1 (packets )?received")


def _address(lab, container):
    for item in lab.get("workloadendpoints", namespace="default"):
        if item["spec"].get("containerID") == container:
            return item["spec"]["ipNetworks"][0].split("/")[0]
    return None


def _pods_on(node):
    return [link["ifname"] for link in node.links() if link["ifname"].startswith("cali")]


@pytest.mark.parametrize("kind", [Podman, Containerd])
def test_containers_on_two_nodes(kind):
    with vxlan_cluster(2) as lab, kind(lab.nodes[0]) as first, kind(lab.nodes[1]) as second:
        one, two = first.start("one"), second.start("two")
        addresses = [wait_for(lambda c=c: _address(lab, c), 10, "the container has an endpoint")
                     for c in (one, two)]
        assert addresses[0] in first.execute("one", "ip", "-4", "addr", "show", "eth0")
        # ping exits with an error where no answer comes.
        wait_for(lambda: ANSWERED.search(first.execute(
            "one", "ping", "-c", "1", "-W", "1", addresses[1], check=False)), 20,
            "a container reaches one on another node")
        assert ANSWERED.search(second.execute(
            "two", "ping", "-c", "1", "-W", "2", addresses[0]))
        first.stop("one")
        second.stop("two")
        for node in lab.nodes:
            wait_for(lambda n=node: not _pods_on(n), 10, f"{node.name} has no pod's link left")
        wait_for(lambda: not lab.get("workloadendpoints", namespace="default"), 10,
                 "no endpoint is left")
