# SPDX-License-Identifier: Apache-2.0
"""A node's address: found by every method on real interfaces, and followed when it changes."""

import pytest

from clusters import cluster
from families import family_pod, prepared, silent_pairs
from lab import netns, wait_for


def _node_of(lab, name="node1"):
    return lab.get("node", name)["spec"]


def _start(lab, **environment):
    node = lab.nodes[0]
    node.kill_agent()
    size = node.log.stat().st_size
    node.start_agent(**environment)
    # It answers runtimes before it has written its Node.
    wait_for(lambda: b"in sync with" in node.log.read_bytes()[size:], 20, "the agent is in sync")
    return _node_of(lab)


@pytest.fixture(scope="module", name="lab")
def _lab():
    """One node with eth0, and a second uplink, one of a container runtime, one that is down."""
    with prepared(1) as lab:
        netns.ip_batch(
            ["link add uplink1 type bridge", "addr add 10.7.0.5/16 dev uplink1",
             "addr add fd07::5/64 dev uplink1 nodad", "link set uplink1 up",
             "link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0",
             "link set docker0 up", "link add down0 type bridge", "addr add 10.8.0.5/16 dev down0",
             "route add 10.99.0.0/16 dev uplink1", "route add fd99::/16 dev uplink1"],
            lab.nodes[0].ns.name)
        yield lab


@pytest.mark.parametrize("method,method6,address,address6", [
    ("first-found", "first-found", "192.168.0.1/24", "fd00::1/64"),
    ("interface=^uplink[0-9]$", "interface=nosuch,uplink.*", "10.7.0.5/16", "fd07::5/64"),
    ("interface=docker0", "interface=eth0", "172.17.0.1/16", "fd00::1/64"),
    ("skip-interface=eth.*", "skip-interface=eth0,tunl0", "10.7.0.5/16", "fd07::5/64"),
    ("cidr=172.16.0.0/12,10.7.0.0/16", "cidr=fd08::/16,fd07::/16", "10.7.0.5/16", "fd07::5/64"),
    ("can-reach=10.99.0.1", "can-reach=fd99::1", "10.7.0.5/16", "fd07::5/64"),
    ("can-reach=192.168.0.254", "can-reach=fd00::99", "192.168.0.1/24", "fd00::1/64"),
    ("kubernetes-internal-ip", "kubernetes-internal-ip", "172.17.0.1/16", "fd07::5/64"),
])
def test_every_method(lab, method, method6, address, address6):
    if method.startswith("kubernetes"):
        lab.ctl("patch", "node", "node1", "-p",
                '{"spec": {"addresses": [{"address": "172.17.0.1", "type": "InternalIP"}, '
                '{"address": "fd07::5", "type": "InternalIP"}]}}')
    spec = _start(lab, IP="autodetect", IP6="autodetect", IP_AUTODETECTION_METHOD=method,
                  IP6_AUTODETECTION_METHOD=method6)
    assert (spec["bgp"]["ipv4Address"], spec["bgp"]["ipv6Address"]) == (address, address6)


@pytest.mark.parametrize("environment,address", [
    ({"IP": "10.7.0.5"}, "10.7.0.5/16"),
    ({"IP": "10.7.0.5/30"}, "10.7.0.5/30"),
    ({"IP": "none"}, "10.7.0.5/30"),
    ({"IP": ""}, "10.7.0.5/30"),
    ({"IP": "autodetect", "IP_AUTODETECTION_METHOD": "interface=down0"}, "10.7.0.5/30"),
    ({"IP": "autodetect"}, "192.168.0.1/24"),
    ({"IP6": "fd07::5"}, "fd07::5/64"),
    ({"IP6": "fd07::5/80"}, "fd07::5/80"),
    ({"IP6": "none"}, "fd07::5/80"),
    ({"IP6": ""}, "fd07::5/80"),
    ({"IP6": "autodetect", "IP6_AUTODETECTION_METHOD": "interface=down0"}, "fd07::5/80"),
    ({"IP6": "autodetect"}, "fd00::1/64"),
])
def test_given_kept_or_found(lab, environment, address):
    key = "ipv6Address" if ":" in address else "ipv4Address"
    assert _start(lab, **environment)["bgp"][key] == address


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("encapsulation", ["Always", "Never"])
def test_address_changes_under_a_running_cluster(clean_machine, family, encapsulation):
    """The Node, the tunnel's end, the others' forwarding entries and BGP sessions follow."""
    pools = {"CALICO_IPV4POOL_IPIP": "Never", f"CALICO_IPV{family}POOL_VXLAN": encapsulation}
    if family == 6:
        pools.update(CALICO_IPV6POOL_CIDR="fd42::/48", IP6="autodetect")
    old, new = ("192.168.0.1", "192.168.0.77") if family == 4 else ("fd00::1", "fd00::77")
    length = 24 if family == 4 else 64
    with cluster(2, AUTODETECT_POLL_INTERVAL="500ms", **pools) as lab:
        for node in lab.nodes:
            family_pod(lab, node, f"p{node.number}", v4=family == 4, v6=family == 6)
        node, other = lab.nodes
        wait_for(lambda: not silent_pairs(lab.pods), 60, "the pods reach each other", 0.5)
        nodad = " nodad" if family == 6 else ""
        netns.ip_batch([f"addr del {old}/{length} dev eth0",
                        f"addr add {new}/{length} dev eth0{nodad}",
                        f"route replace {'default' if family == 4 else '::/0'} via "
                        + ("192.168.0.254" if family == 4 else "fd00::fe")], node.ns.name)
        key = f"ipv{family}Address"
        wait_for(lambda: _node_of(lab)["bgp"][key] == f"{new}/{length}", 10,
                 "the Node has the new address")
        device = "vxlan.calico" if family == 4 else "vxlan-v6.calico"
        if encapsulation == "Always":
            wait_for(lambda: f"dst {new} " in other.ns.output(
                ["/usr/sbin/bridge", "fdb", "show", "dev", device]), 10, "the other's VTEP follows")
            wait_for(lambda: new in node.ns.ip("-d", "link", "show", device,
                                                  check=False), 10,
                     "the tunnel's own end follows")
        else:
            wait_for(lambda: any(route.get("gateway") == new
                                 for route in other.routes(family=family)), 60,
                     "the route to the other's block goes by the new address")
        wait_for(lambda: not silent_pairs(lab.pods), 60, "the pods reach each other again", 0.5)

        def follows():
            config = (other.run_dir / "bird.cfg").read_text(encoding="utf-8")
            return f"neighbor {new} " in config and f"neighbor {old} " not in config

        wait_for(follows, 10, "the other's BIRD knows the new address alone")
