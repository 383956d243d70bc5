# SPDX-License-Identifier: Apache-2.0
"""The world changes under an agent: nodes, links, what the kernel forgets or does not tell."""

import json
import signal
import time

import pytest

from clusters import (assert_same, becomes_same, kernel_state, reach_all, ruleset, settle, vxlan_cluster,
                      way)
from families import prepared
from lab import cni, netns, probe, wait_for

NFT = "/usr/sbin/nft"


@pytest.fixture(scope="module", name="lab")
def _lab():
    with vxlan_cluster(2) as lab:
        for node in lab.nodes:
            lab.pod(node, f"p{node.number}")
        reach_all(lab)
        yield lab


def _errors(node, since=0):
    lines = node.log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines[since:] if "Z error " in line]


def test_uplink_goes_down_and_up(clean_machine):
    """The kernel drops the routes over it without a word; they come back with it."""
    with prepared(2, CALICO_IPV4POOL_VXLAN="CrossSubnet") as lab:
        one, two = (lab.pod(node, f"p{node.number}") for node in lab.nodes)
        reach_all(lab)
        assert way(one, two) == "eth0"
        node = lab.nodes[0]
        kept = node.ns.ip("route", "show", "dev", "eth0", "proto", "80")
        assert "via 192.168.0.2" in kept
        for _ in range(2):
            node.ns.ip("link", "set", "eth0", "down")
            assert not node.ns.ip("route", "show", "dev", "eth0", "proto", "80")
            time.sleep(0.3)
            node.ns.ip("link", "set", "eth0", "up")
            wait_for(lambda: node.ns.ip("route", "show", "dev", "eth0", "proto", "80") == kept, 10,
                     "the routes are there again")
            reach_all(lab, 10)


def test_node_goes_and_comes(lab):
    """A node that is deleted is forgotten by the others; started again it is known again."""
    node, other = lab.nodes
    other.kill_agent()
    lab.ctl("delete", "node", "node2")
    wait_for(lambda: "dst" not in node.ns.output(
        ["/usr/sbin/bridge", "fdb", "show", "dev", "vxlan.calico"]), 10,
        "the other node's forwarding entry is gone")
    wait_for(lambda: "/26" not in node.ns.ip("route", "show", "dev", "vxlan.calico"), 10,
             "the routes to its blocks are gone")
    other.start_agent()
    reach_all(lab)


def test_node_is_deleted_under_its_agent(lab):
    """The agent goes on and serves its pods; a restart mends it."""
    node, other = lab.nodes
    lab.ctl("delete", "node", "node2")
    time.sleep(0.5)
    assert other.agent.poll() is None
    lab.drop_pod(lab.pod(other, "late"))
    other.kill_agent()
    other.start_agent()
    reach_all(lab)


def test_node_gets_another_address(lab):
    """Tunnels and neighbours of all nodes follow."""
    node = lab.nodes[1]
    old = node.address
    try:
        node.kill_agent()
        node.ns.ip("addr", "del", f"{old}/24", "dev", "eth0")
        node.ns.ip("addr", "add", "192.168.0.102/24", "dev", "eth0")
        node.ns.ip("route", "replace", "default", "via", "192.168.0.254")
        node.start_agent()
        reach_all(lab)
        entries = lab.nodes[0].ns.output(["/usr/sbin/bridge", "fdb", "show", "dev", "vxlan.calico"])
        assert "dst 192.168.0.102" in entries and f"dst {old} " not in entries
    finally:
        node.kill_agent()
        node.ns.ip("addr", "del", "192.168.0.102/24", "dev", "eth0")
        node.ns.ip("addr", "add", f"{old}/24", "dev", "eth0")
        node.ns.ip("route", "replace", "default", "via", "192.168.0.254")
        node.start_agent()
        reach_all(lab)


def test_link_of_a_pod_is_deleted_by_hand(lab):
    """As when a namespace dies before its DEL: no noise, and the DEL frees all."""
    node = lab.nodes[0]
    pod, same = lab.pod(node, "torn"), lab.pod(node, "same")
    said = len(node.log.read_text(encoding="utf-8").splitlines())
    node.ns.ip("link", "del", pod.host_interface)
    wait_for(lambda: pod.address not in node.ns.ip("route"), 5, "the route is gone")
    time.sleep(1.5)
    assert not _errors(node, said)
    assert pod.check().code == 1
    lab.drop_pod(lab.pod(node, "next"))
    assert node.ns.run(probe.ping, same.address) is not None
    lab.drop_pod(pod)
    lab.drop_pod(same)


def test_link_of_a_pod_is_set_down_by_hand(lab):
    node = lab.nodes[0]
    node.ns.ip("link", "set", lab.pods[0].host_interface, "down")
    reach_all(lab, 10)


def test_nat_is_deleted_by_hand(lab):
    node = lab.nodes[0]
    before = ruleset(node)
    assert "masquerade" in str(before["ip"])
    for damage in (["delete", "table", "ip", "calico"], ["flush", "ruleset"],
                   ["flush", "table", "ip", "calico"]):
        node.ns.output([NFT, *damage])
        becomes_same(before, lambda: ruleset(node), 10, f"the rules are as before after {damage}")


def test_storm_while_the_agent_stands_still(lab):
    """Far more happens than it could follow; what was damaged meanwhile is found all the same."""
    node = lab.nodes[0]
    settle(lab)
    before = kernel_state(node)
    node.agent.send_signal(signal.SIGSTOP)
    try:
        node.ns.ip("route", "flush", "proto", "80")
        node.ns.ip("route", "del", f"{lab.pods[0].address}/32")
        routes = [f"203.0.{high}.{low}/32" for high in range(60) for low in range(256)]
        for verb in ("add", "del"):
            netns.ip_batch([f"route {verb} {route} via 192.168.0.254" for route in routes],
                           node.ns.name)
    finally:
        node.agent.send_signal(signal.SIGCONT)
    becomes_same(before, lambda: kernel_state(node), 15, "the kernel's state is as before")
    reach_all(lab, 10)


def test_refresh_finds_what_nobody_told(lab):
    """The interval can be changed while the agent runs; a bad one changes nothing."""
    node = lab.nodes[0]

    def patch(**spec):
        lab.ctl("patch", "felixconfiguration", "default", "-p", json.dumps({"spec": spec}))

    settle(lab)
    before = kernel_state(node)
    patch(routeRefreshInterval="1s")
    time.sleep(3)
    assert_same(before, kernel_state(node))
    patch(routeRefreshInterval=None)


def test_second_agent_of_a_node_is_refused(lab):
    """It takes nothing from the one that runs."""
    node = lab.nodes[0]
    first = node.agent
    node.start_agent(wait=False)
    second, node.agent = node.agent, first
    try:
        assert second.wait(15) == 1
    finally:
        second.kill()
    time.sleep(0.2)
    assert first.poll() is None
    assert cni.socket_answers(node.run_dir / "cni.sock")
    lab.drop_pod(lab.pod(node, "still"))


def test_stop_while_starting(lab):
    """SIGTERM is obeyed while the datastore keeps the agent from starting."""
    node = lab.nodes[1]
    node.kill_agent()
    node.start_agent(wait=False, IP=lab.nodes[0].address)
    wait_for(lambda: "already node node1's" in node.log_tail(), 10, "the collision is reported")
    start = time.monotonic()
    node.kill_agent(signal.SIGTERM)
    assert time.monotonic() - start < 3
    assert node.agent.returncode == 0
    node.start_agent()
    reach_all(lab)
