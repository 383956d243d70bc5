# SPDX-License-Identifier: Apache-2.0
"""The world changes under an agent: nodes, links, what the kernel forgets or does not tell."""

import json
import signal
import time

import pytest

from clusters import (NFT, TUNNELS, assert_same, becomes_same, dual_cluster, kernel_state, one_of_each,
                      reach_all, ruleset, settle, way)
from lab import cni, netns, wait_for

# What the lab gives a node: {family: (its network, the way out)}.
UPLINK = {4: ("192.168.0.{}/24", "default via 192.168.0.254"), 6: ("fd00::{}/64", "::/0 via fd00::fe")}


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(2) as lab:
        for node in lab.nodes:
            one_of_each(lab, node)
        reach_all(lab)
        yield lab


def _give(node, family, number):
    """An address on the uplink, and the way out by it, as the machine's administrator does it."""
    network, out = UPLINK[family]
    netns.ip_batch([f"addr add {network.format(number)} dev eth0" + " nodad" * (family == 6),
                    f"route replace {out}"], node.ns.name)


def _take(node, family, number):
    node.ns.ip("addr", "del", UPLINK[family][0].format(number), "dev", "eth0")


def _ends(node, family):
    """The forwarding entries of a tunnel."""
    return node.ns.output(["/usr/sbin/bridge", "fdb", "show", "dev", TUNNELS[family]])


def _routes(node, device, *selector):
    """Destinations and gateways of the routes over a device, of both families."""
    return sorted((route["dst"], route.get("gateway")) for family in (4, 6)
                  for route in node.routes("dev", device, *selector, family=family))


def _errors(node, since=0):
    lines = node.log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines[since:] if "Z error " in line]


def test_uplink_goes_down_and_up(clean_machine):
    """The kernel drops the routes over it without a word; they come back with it."""
    with dual_cluster(2, CALICO_IPV4POOL_VXLAN="CrossSubnet",
                      CALICO_IPV6POOL_VXLAN="CrossSubnet") as lab:
        one, two = (one_of_each(lab, node)["both"] for node in lab.nodes)
        reach_all(lab)
        assert {way(one, two, family) for family in (4, 6)} == {"eth0"}
        node = lab.nodes[0]
        settle(lab)
        kept = _routes(node, "eth0", "proto", "80")
        assert [gateway for _, gateway in kept] == ["192.168.0.2", "fd00::2"], kept
        for _ in range(2):
            node.ns.ip("link", "set", "eth0", "down")
            assert not _routes(node, "eth0", "proto", "80")
            time.sleep(0.3)
            node.ns.ip("link", "set", "eth0", "up")
            # Its IPv6 address went with it, too, and whoever gave it gives it again.
            _give(node, 6, 1)
            wait_for(lambda: _routes(node, "eth0", "proto", "80") == kept, 10,
                     "the routes are there again")
            reach_all(lab, 10)


def test_node_goes_and_comes(lab):
    """A node that is deleted is forgotten by the others; started again it is known again."""
    node, other = lab.nodes
    other.kill_agent()
    lab.ctl("delete", "node", "node2")
    for family, device in TUNNELS.items():
        wait_for(lambda one=family: "dst" not in _ends(node, one), 10,
                 "the other node's forwarding entry is gone")
        wait_for(lambda one=device: not [dst for dst, gateway in _routes(node, one) if gateway], 10,
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

    def move(old, new):
        node.kill_agent()
        for family in UPLINK:
            _take(node, family, old)
            _give(node, family, new)
        node.start_agent()
        reach_all(lab)

    try:
        move(2, 102)
        for family, new, old in ((4, "192.168.0.102", node.address), (6, "fd00::102", node.address6)):
            entries = _ends(lab.nodes[0], family)
            assert f"dst {new} " in entries and f"dst {old} " not in entries
    finally:
        move(102, 2)


def test_link_of_a_pod_is_deleted_by_hand(lab):
    """As when a namespace dies before its DEL: no noise, and the DEL frees all."""
    node = lab.nodes[0]
    torn = list(one_of_each(lab, node, "torn").values())
    said = len(node.log.read_text(encoding="utf-8").splitlines())
    for pod in torn:
        lab.pods.remove(pod)
        node.ns.ip("link", "del", pod.host_interface)
    wait_for(lambda: not {address for pod in torn for address in pod.addresses} &
             {route["dst"] for family in (4, 6) for route in node.routes(family=family)}, 5,
             "the routes are gone")
    time.sleep(1.5)
    assert not _errors(node, said)
    assert [pod.check().code for pod in torn] == [1, 1, 1]
    for pod in one_of_each(lab, node, "next").values():
        lab.drop_pod(pod)
    reach_all(lab, 1)
    for pod in torn:
        lab.pods.append(pod)
        lab.drop_pod(pod)
    wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check"), 5, "their addresses are free")


def test_link_of_a_pod_is_set_down_by_hand(lab):
    node = lab.nodes[0]
    for pod in lab.pods[:3]:
        node.ns.ip("link", "set", pod.host_interface, "down")
    reach_all(lab, 10)


def test_nat_is_deleted_by_hand(lab):
    node = lab.nodes[0]
    before = ruleset(node)
    assert all("masquerade" in str(table) for table in before.values())
    for damage in (["flush", "ruleset"], *([verb, "table", family, "calico"]
                                           for verb in ("delete", "flush") for family in before)):
        node.ns.output([NFT, *damage])
        becomes_same(before, lambda: ruleset(node), 10, f"the rules are as before after {damage}")


def test_storm_while_the_agent_stands_still(lab):
    """Far more happens than it could follow; what was damaged meanwhile is found all the same."""
    node = lab.nodes[0]
    settle(lab)
    before = kernel_state(node)
    node.agent.send_signal(signal.SIGSTOP)
    try:
        for family in (4, 6):
            node.ns.ip(f"-{family}", "route", "flush", "proto", "80")
            node.ns.ip(f"-{family}", "route", "del", lab.pods[2].of_family(family))
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
    for taken in ({"IP": lab.nodes[0].address}, {"IP6": lab.nodes[0].address6}):
        node.kill_agent()
        size = node.log.stat().st_size
        node.start_agent(wait=False, **taken)
        wait_for(lambda was=size: b"already node node1's" in node.log.read_bytes()[was:], 10,
                 f"the collision is reported: {taken}")
        start = time.monotonic()
        node.kill_agent(signal.SIGTERM)
        assert time.monotonic() - start < 3
        assert node.agent.returncode == 0
    node.start_agent()
    reach_all(lab)
