# SPDX-License-Identifier: Apache-2.0
"""Pods of IPv4, of IPv6 and of both reach each other, whatever their pools' encapsulation."""

import time

import pytest

from clusters import (DIRECT_POOL, DIRECT_POOL6, KINDS, TUNNELS, dual_cluster, one_of_each, reach_all,
                      way)
from lab import probe, wait_for

FAMILIES = (4, 6)
TUNNELLED = {"pools": ["default-ipv4-ippool"], "pools6": ["default-ipv6-ippool"]}
DIRECT = {"pools": ["direct"], "pools6": ["direct6"]}


def _ways(source, target):
    return {family: way(source["both"], target["both"], family) for family in FAMILIES}


def _patch_pools(lab, mode):
    for family in FAMILIES:
        lab.ctl("patch", "ippool", f"default-ipv{family}-ippool", "-p",
                f'{{"spec": {{"vxlanMode": "{mode}"}}}}')


def test_every_pod_reaches_every_other(clean_machine):
    with dual_cluster() as lab:
        lab.apply(DIRECT_POOL, DIRECT_POOL6)
        tunnelled = [one_of_each(lab, node, "v", **TUNNELLED) for node in lab.nodes]
        direct = [one_of_each(lab, node, "d", **DIRECT) for node in lab.nodes]
        reach_all(lab)
        for pods, starts in ((tunnelled[0], ("10.42", "fd42:")), (direct[0], ("10.43", "fd43:"))):
            for kind, families in KINDS.items():
                assert [address[:5] for address in pods[kind].addresses] == \
                    [starts["46".index(family)] for family in families]
        assert _ways(tunnelled[0], tunnelled[1]) == TUNNELS
        assert _ways(direct[0], tunnelled[1]) == TUNNELS
        assert _ways(tunnelled[0], direct[1]) == {4: "eth0", 6: "eth0"}
        assert all(one.startswith("cali") for one in _ways(tunnelled[0], direct[0]).values())


def test_node_reaches_pods_of_others(clean_machine):
    with dual_cluster(2) as lab:
        lab.apply(DIRECT_POOL, DIRECT_POOL6)
        pods = [pod for name, pools in (("v", TUNNELLED), ("d", DIRECT))
                for pod in one_of_each(lab, lab.nodes[1], name, **pools).values()]
        for pod in pods:
            for address in pod.addresses:
                wait_for(lambda one=address: lab.nodes[0].ns.run(probe.ping, one), 20,
                         f"node1 pings {pod.name} by {address}")
                assert lab.nodes[1].ns.run(probe.ping, address)


def test_pod_reaches_outside_by_masquerade(clean_machine):
    """A pool with natOutgoing: the switch, which knows no route to pods, can answer."""
    with dual_cluster(1) as lab:
        pods = one_of_each(lab, lab.nodes[0])
        for kind, outside in (("four", "192.168.0.254"), ("six", "fd00::fe"),
                              ("both", "192.168.0.254"), ("both", "fd00::fe")):
            wait_for(lambda pod=pods[kind], one=outside: pod.ns.run(probe.ping, one), 10,
                     f"the pod pings {outside} beyond its cluster")


def test_cross_subnet_on_one_subnet_is_direct(clean_machine):
    with dual_cluster(2, CALICO_IPV4POOL_VXLAN="CrossSubnet",
                      CALICO_IPV6POOL_VXLAN="CrossSubnet") as lab:
        one, two = (one_of_each(lab, node) for node in lab.nodes)
        reach_all(lab)
        assert _ways(one, two) == {4: "eth0", 6: "eth0"}


def test_pool_change_moves_the_routes(clean_machine):
    """From VXLAN to no encapsulation and back, while the pods run."""
    with dual_cluster(2) as lab:
        one, two = (one_of_each(lab, node) for node in lab.nodes)
        reach_all(lab)
        assert _ways(one, two) == TUNNELS
        _patch_pools(lab, "Never")
        wait_for(lambda: _ways(one, two) == {4: "eth0", 6: "eth0"}, 30, "the way is eth0")
        reach_all(lab)
        _patch_pools(lab, "Always")
        wait_for(lambda: _ways(one, two) == TUNNELS, 30, "the way is the tunnel's")
        reach_all(lab)


def test_new_pod_is_reachable_when_add_returns(clean_machine):
    """On its own node at once: the answer comes after the kernel has the route."""
    with dual_cluster(1) as lab:
        first = lab.pod(lab.nodes[0], "first", families="46")
        for number in range(10):
            for pod in one_of_each(lab, lab.nodes[0], f"p{number}-").values():
                for address in pod.addresses:
                    assert first.ns.run(probe.ping, address, 1.0) is not None, address


def test_gone_pod_is_gone_everywhere(clean_machine):
    with dual_cluster(2) as lab:
        one, two = (one_of_each(lab, node) for node in lab.nodes)
        reach_all(lab)
        node = lab.nodes[1]
        for pod in two.values():
            addresses, interface = pod.addresses, pod.host_interface
            lab.drop_pod(pod)
            for address in addresses:
                assert one["both"].ns.run(probe.ping, address, 0.3) is None
            wait_for(lambda: not node.links("dev", interface), 5, f"{interface} is gone")
            wait_for(lambda: not set(addresses) & {route["dst"] for family in FAMILIES
                                                   for route in node.routes(family=family)}, 5,
                     "the routes are gone")
        assert {item["spec"]["node"] for item in
                lab.get("workloadendpoints", namespace="default")} == {"node1"}


@pytest.mark.parametrize("count", [30])
def test_many_pods_one_after_another(clean_machine, count):
    with dual_cluster(1) as lab:
        start = time.monotonic()
        pods = [lab.pod(lab.nodes[0], f"m{number}", families=families)
                for number, families in zip(range(count), list(KINDS.values()) * count)]
        taken = time.monotonic() - start
        addresses = [address for pod in pods for address in pod.addresses]
        assert len(set(addresses)) == len(addresses) == sum(len(pod.families) for pod in pods)
        print(f"{count} pods in {taken:.2f} s")
        assert taken < 15
