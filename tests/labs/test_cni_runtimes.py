# SPDX-License-Identifier: Apache-2.0
"""Real runtimes start real containers through the plugin, on two nodes that reach each other."""

import re

import pytest

from clusters import dual_cluster
from lab import wait_for
from lab.runtime import Containerd, Podman

# As busybox says it, and as iputils does.
ANSWERED = re.compile(r"1 (packets )?received")


def _addresses(lab, container):
    for item in lab.get("workloadendpoints", namespace="default"):
        if item["spec"].get("containerID") == container:
            return [one.split("/")[0] for one in item["spec"]["ipNetworks"]]
    return None


def _pods_on(node):
    return [link["ifname"] for link in node.links() if link["ifname"].startswith("cali")]


@pytest.mark.parametrize("kind", [Podman, Containerd])
def test_containers_on_two_nodes(kind):
    with dual_cluster(2) as lab, kind(lab.nodes[0]) as first, kind(lab.nodes[1]) as second:
        one, two = first.start("one"), second.start("two")
        addresses = [wait_for(lambda c=c: _addresses(lab, c), 10, "the container has an endpoint")
                     for c in (one, two)]
        for family, near, far in zip("46", *addresses):
            assert near in first.execute("one", "ip", f"-{family}", "addr", "show", "eth0")
            # ping exits with an error where no answer comes.
            wait_for(lambda far=far: ANSWERED.search(first.execute(
                "one", "ping", "-c", "1", "-W", "1", far, check=False)), 20,
                "a container reaches one on another node")
            assert ANSWERED.search(second.execute("two", "ping", "-c", "1", "-W", "2", near))
        assert [len(found) for found in addresses] == [2, 2]
        first.stop("one")
        second.stop("two")
        for node in lab.nodes:
            wait_for(lambda n=node: not _pods_on(n), 10, f"{node.name} has no pod's link left")
        wait_for(lambda: not lab.get("workloadendpoints", namespace="default"), 10,
                 "no endpoint is left")
