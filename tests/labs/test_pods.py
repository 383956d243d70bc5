# SPDX-License-Identifier: Apache-2.0
"""Pods on three nodes reach each other, whatever their pools' encapsulation."""

import time

import pytest

from clusters import DIRECT_POOL, cluster, reach_all, vxlan_cluster, way
from lab import probe, wait_for


def test_every_pod_reaches_every_other(clean_machine):
    with vxlan_cluster() as lab:
        lab.apply(DIRECT_POOL)
        for node in lab.nodes:
            lab.pod(node, f"v{node.number}", pools=["default-ipv4-ippool"])
            lab.pod(node, f"d{node.number}", pools=["direct"])
        reach_all(lab)
        by_name = {pod.name: pod for pod in lab.pods}
        assert by_name["v1"].address.startswith("10.42.")
        assert by_name["d1"].address.startswith("10.43.")
        assert way(by_name["v1"], by_name["v2"]) == "vxlan.calico"
        assert way(by_name["d1"], by_name["v2"]) == "vxlan.calico"
        assert way(by_name["v1"], by_name["d2"]) == "eth0"
        assert way(by_name["v1"], by_name["d1"]).startswith("cali")


def test_node_reaches_pods_of_others(clean_machine):
    with vxlan_cluster(2) as lab:
        lab.apply(DIRECT_POOL)
        tunnelled = lab.pod(lab.nodes[1], "v", pools=["default-ipv4-ippool"])
        direct = lab.pod(lab.nodes[1], "d", pools=["direct"])
        for pod in (tunnelled, direct):
            wait_for(lambda pod=pod: lab.nodes[0].ns.run(probe.ping, pod.address), 20,
                     f"node1 pings {pod.name}")
            assert lab.nodes[1].ns.run(probe.ping, pod.address)


def test_pod_reaches_outside_by_masquerade(clean_machine):
    """A pool with natOutgoing: the switch, which knows no route to pods, can answer."""
    with vxlan_cluster(1) as lab:
        pod = lab.pod(lab.nodes[0], "p")
        wait_for(lambda: pod.ns.run(probe.ping, "192.168.0.254"), 10,
                 "the pod pings beyond its cluster")


def test_cross_subnet_on_one_subnet_is_direct(clean_machine):
    with cluster(2, CALICO_IPV4POOL_VXLAN="CrossSubnet", CALICO_IPV4POOL_IPIP="Never") as lab:
        one, two = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all(lab)
        assert way(one, two) == "eth0"


def test_pool_change_moves_the_routes(clean_machine):
    """From VXLAN to no encapsulation and back, while the pods run."""
    with vxlan_cluster(2) as lab:
        one, two = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all(lab)
        assert way(one, two) == "vxlan.calico"
        lab.ctl("patch", "ippool", "default-ipv4-ippool", "-p", '{"spec": {"vxlanMode": "Never"}}')
        wait_for(lambda: way(one, two) == "eth0", 30, "the way is eth0")
        reach_all(lab)
        lab.ctl("patch", "ippool", "default-ipv4-ippool", "-p", '{"spec": {"vxlanMode": "Always"}}')
        wait_for(lambda: way(one, two) == "vxlan.calico", 30, "the way is vxlan.calico")
        reach_all(lab)


def test_new_pod_is_reachable_when_add_returns(clean_machine):
    """On its own node at once: the answer comes after the kernel has the route."""
    with vxlan_cluster(1) as lab:
        first = lab.pod(lab.nodes[0], "first")
        for number in range(10):
            pod = lab.pod(lab.nodes[0], f"p{number}")
            assert first.ns.run(probe.ping, pod.address, 1.0) is not None


def test_gone_pod_is_gone_everywhere(clean_machine):
    with vxlan_cluster(2) as lab:
        one, two = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all(lab)
        address, interface = two.address, two.host_interface
        lab.drop_pod(two)
        assert one.ns.run(probe.ping, address, 0.5) is None
        node = lab.nodes[1]
        wait_for(lambda: not node.links("dev", interface), 5, f"{interface} is gone")
        wait_for(lambda: address not in node.ns.ip("route"), 5, "the route is gone")
        assert lab.get("workloadendpoints", namespace="default")[0]["spec"]["node"] == "node1"


@pytest.mark.parametrize("count", [30])
def test_many_pods_one_after_another(clean_machine, count):
    with vxlan_cluster(1) as lab:
        start = time.monotonic()
        pods = [lab.pod(lab.nodes[0], f"m{number}") for number in range(count)]
        taken = time.monotonic() - start
        assert len({pod.address for pod in pods}) == count
        print(f"{count} pods in {taken:.2f} s")
        assert taken < 15
