# SPDX-License-Identifier: Apache-2.0
"""Both families, several subnets, the way out of the cluster."""

import json

from clusters import meshed
from families import (Outside, device_to, family_pod, pool, pools_of, prepared,
                      reach_all_families, whole_ping)
from lab import probe, wait_for


def _six_direct(lab):
    lab.apply(pool("six", "fd42::/112", "Never", blockSize=122))


def test_dual_stack_over_vxlan(clean_machine):
    with prepared(2, IP6="autodetect", CALICO_IPV6POOL_CIDR="fd42::/112",
                  CALICO_IPV6POOL_VXLAN="Always") as lab:
        pods = [family_pod(lab, node, f"{name}{node.number}")
                for node in lab.nodes for name in ("a", "b")]
        for pod in pods:
            assert sorted(":" in address for address in pod.addresses) == [False, True]
        reach_all_families(pods)
        one, far = pods[0], pods[2]
        four, six = sorted(far.addresses, key=lambda address: ":" in address)
        assert device_to(one, four) == "vxlan.calico"
        assert device_to(one, six) == "vxlan-v6.calico"
        for pod in pods:
            lab.drop_pod(pod)
        for node in lab.nodes:
            wait_for(lambda node=node: "dev cali" not in node.ns.ip("-6", "route", "show", "proto", "boot"), 15,
                     "no route of a pod is left")


def test_ipv6_only_pods(clean_machine):
    with prepared(2, IP6="autodetect", CALICO_IPV4POOL_CIDR="none",
                  CALICO_IPV6POOL_CIDR="fd42::/112", CALICO_IPV6POOL_VXLAN="Always") as lab:
        assert list(pools_of(lab)) == ["default-ipv6-ippool"]
        pods = [family_pod(lab, node, f"s{node.number}", v4=False) for node in lab.nodes]
        assert all(":" in address for pod in pods for address in pod.addresses)
        reach_all_families(pods)
        assert not pods[0].ns.ip("-4", "addr", "show", "dev", "eth0").strip()
        assert not lab.nodes[0].links("dev", "vxlan.calico")


def test_ipv6_without_encapsulation(clean_machine):
    """BIRD carries the blocks of a pool that is not encapsulated."""
    with prepared(2, IP6="autodetect") as lab:
        _six_direct(lab)
        pods = [family_pod(lab, node, f"s{node.number}") for node in lab.nodes]
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")
        reach_all_families(pods, 40)
        six = next(address for address in pods[1].addresses if ":" in address)
        assert device_to(pods[0], six) == "eth0"


def _second_subnet(lab):
    """The last node hangs on a subnet of its own, beyond a router."""
    node = lab.nodes[-1]
    lab.switch.ip("addr", "add", "192.168.7.254/24", "dev", "fabric")
    lab.switch.sysctl("net/ipv4/ip_forward", 1)
    node.ns.ip("addr", "del", f"{node.address}/24", "dev", "eth0")
    node.address = f"192.168.7.{node.number}"
    node.ns.ip("addr", "add", f"{node.address}/24", "dev", "eth0")
    node.ns.ip("route", "add", "default", "via", "192.168.7.254")


def test_cross_subnet(clean_machine):
    """Inside a subnet nothing is encapsulated, between subnets it is."""
    with prepared(3, _second_subnet, CALICO_IPV4POOL_VXLAN="CrossSubnet") as lab:
        one, two, far = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all_families([one, two, far])
        assert device_to(one, two.address) == "eth0"
        assert device_to(two, one.address) == "eth0"
        assert device_to(one, far.address) == "vxlan.calico"
        assert device_to(far, two.address) == "vxlan.calico"


def test_outgoing_nat(clean_machine):
    """Outside sees the node's address where the pool says so, the pod's where it does not."""
    with prepared(2, IP6="autodetect", CALICO_IPV6POOL_CIDR="fd42::/112",
                  CALICO_IPV6POOL_VXLAN="Always", CALICO_IPV6POOL_NAT_OUTGOING="true") as lab:
        lab.apply(pool("plain", "10.44.0.0/16", "Always"))
        masked = family_pod(lab, lab.nodes[0], "masked")
        plain = lab.pod(lab.nodes[0], "plain", pools=["plain"])
        far = lab.pod(lab.nodes[1], "far")
        lab.switch.ip("route", "add", plain.address, "via", lab.nodes[0].address)
        with probe.Greeter([Outside(lab.switch, "outside"), masked, far]):
            def seen(pod, address):
                return pod.ns.run(probe.tcp_name, address)
            wait_for(lambda: seen(masked, "192.168.0.254"), 10, "the pod reaches outside")
            assert seen(masked, "192.168.0.254") == ("outside", lab.nodes[0].address)
            assert seen(masked, "fd00::fe") == ("outside", lab.nodes[0].address6)
            assert seen(plain, "192.168.0.254") == ("outside", plain.address)
            wait_for(lambda: seen(masked, far.address), 20, "the pod reaches the other node's")
            assert seen(masked, far.address) == ("far", masked.address)
            wait_for(lambda: seen(plain, far.address), 20, "the other pod reaches it, too")
            assert seen(plain, far.address) == ("far", plain.address)
            assert seen(plain, masked.address) == ("masked", plain.address)


def test_mtu_follows_the_node(clean_machine):
    """What the pods are told fits through the tunnel to the byte, also after a change."""
    def narrow(lab):
        for node in lab.nodes:
            node.ns.ip("link", "set", "eth0", "mtu", "1400")

    with prepared(2, narrow) as lab:
        one, two = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all_families([one, two])
        for pod in (one, two):
            assert json.loads(pod.ns.ip("-j", "link", "show", "eth0"))[0]["mtu"] == 1350
            assert pod.node.links("dev", pod.host_interface)[0]["mtu"] == 1350
            assert pod.node.links("dev", "vxlan.calico")[0]["mtu"] == 1350
            assert (pod.node.state_dir / "mtu").read_text(encoding="ascii") == "1350"
        assert one.ns.run(whole_ping, two.address, 1350) is True
        assert one.ns.run(whole_ping, two.address, 1351) is None
        for node in lab.nodes:
            node.ns.ip("link", "set", "eth0", "mtu", "1480")
            wait_for(lambda node=node: node.links("dev", "vxlan.calico")[0]["mtu"] == 1430, 15,
                     "the tunnel's MTU follows")
        late = lab.pod(lab.nodes[0], "late")
        assert json.loads(late.ns.ip("-j", "link", "show", "eth0"))[0]["mtu"] == 1430
