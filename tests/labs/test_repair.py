# SPDX-License-Identifier: Apache-2.0
"""Somebody changes by hand what the agent keeps; the agent puts it back."""

import pytest

from clusters import kernel_state, reach_all, vxlan_cluster
from lab import wait_for

SECONDS = 20


def _damages(lab):
    """(what, how) of every damage, on node1."""
    node = lab.nodes[0]
    pod = lab.pods[0]
    remote = next(line.split()[0] for line in node.ns.ip("route", "show", "dev", "vxlan.calico")
                  .splitlines() if "/" in line)
    neighbour = node.ns.ip("neigh", "show", "dev", "vxlan.calico").split()[0]
    entry = next(line.split() for line in node.ns.output(
        ["/usr/sbin/bridge", "fdb", "show", "dev", "vxlan.calico"]).splitlines() if " dst " in line)
    address = next(line.split()[3] for line in
                   node.ns.ip("-o", "-4", "addr", "show", "dev", "vxlan.calico").splitlines())
    bridge = "/usr/sbin/bridge"
    return {
        "pod route": lambda: node.ns.ip("route", "del", f"{pod.address}/32"),
        "remote route": lambda: node.ns.ip("route", "del", remote),
        "remote route replaced": lambda: node.ns.ip("route", "replace", "blackhole", remote),
        "neighbour": lambda: node.ns.ip("neigh", "del", neighbour, "dev", "vxlan.calico"),
        "forwarding entry": lambda: node.ns.output(
            [bridge, "fdb", "del", entry[0], "dev", "vxlan.calico", "dst",
             entry[entry.index("dst") + 1]]),
        "tunnel address": lambda: node.ns.ip("addr", "del", address, "dev", "vxlan.calico"),
        "tunnel down": lambda: node.ns.ip("link", "set", "vxlan.calico", "down"),
        "tunnel deleted": lambda: node.ns.ip("link", "del", "vxlan.calico"),
        "all routes": lambda: node.ns.ip("route", "flush", "proto", "80"),
    }


@pytest.fixture(scope="module", name="repaired")
def _repaired():
    with vxlan_cluster(2) as lab:
        for node in lab.nodes:
            lab.pod(node, f"p{node.number}")
        reach_all(lab)
        yield lab


@pytest.mark.parametrize("what", ["pod route", "remote route", "remote route replaced", "neighbour",
                                  "forwarding entry", "tunnel address", "tunnel down",
                                  "tunnel deleted", "all routes"])
def test_damage_is_repaired(repaired, what):
    lab = repaired
    node = lab.nodes[0]
    before = kernel_state(node)
    _damages(lab)[what]()
    try:
        wait_for(lambda: kernel_state(node) == before, SECONDS, f"{what} is as before", 0.2)
    except Exception as error:
        after = kernel_state(node)
        # The next test is to have what it needs.
        node.kill_agent()
        node.start_agent()
        diff = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        raise AssertionError(f"{error}; differs: {diff}; log:\n{node.log_tail(20)}") from None
    reach_all(lab, 10)


def test_foreign_routes_are_left_alone(repaired):
    node = repaired.nodes[0]
    node.ns.ip("route", "add", "203.0.113.0/24", "via", "192.168.0.254")
    node.kill_agent()
    node.start_agent()
    reach_all(repaired, 10)
    assert "203.0.113.0/24" in node.ns.ip("route")
    node.ns.ip("route", "del", "203.0.113.0/24")


def test_host_sysctl_of_a_pod_comes_back_at_restart(repaired):
    node, pod = repaired.nodes[0], repaired.pods[0]
    node.ns.sysctl(f"net/ipv4/conf/{pod.host_interface}/proxy_arp", 0)
    node.kill_agent()
    node.start_agent()
    wait_for(lambda: node.ns.output(
        ["/usr/sbin/sysctl", "-n", f"net.ipv4.conf.{pod.host_interface}.proxy_arp"]).strip() == "1",
        10, "proxy_arp is on")
