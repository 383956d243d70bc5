# SPDX-License-Identifier: Apache-2.0
"""Nodes that are renamed, deleted while they run, and leave for good: IPv4, IPv6, both."""

import contextlib

import pytest

from clusters import cluster, settle
from families import family_pod, silent_pairs
from lab import netns, wait_for

FAMILIES = {"four": (True, False), "six": (False, True), "both": (True, True)}


@contextlib.contextmanager
def _cluster(families, n_nodes=3, **environment):
    """VXLAN in the families asked for, a pod of those families on each node."""
    v4, v6 = FAMILIES[families]
    pools = {"CALICO_IPV4POOL_IPIP": "Never", "CALICO_IPV4POOL_VXLAN": "Always" if v4 else "Never"}
    if v6:
        pools.update(CALICO_IPV6POOL_CIDR="fd42::/48", CALICO_IPV6POOL_VXLAN="Always",
                     IP6="autodetect")
    with cluster(n_nodes, **pools, **environment) as lab:
        for node in lab.nodes:
            family_pod(lab, node, f"p{node.number}", v4, v6)
        _settled(lab)
        yield lab


def _settled(lab):
    wait_for(lambda: not silent_pairs(lab.pods), 60, "the pods reach each other", 0.5)


def _ways_to(node, lab, families):
    """What a node has in the kernel that leads to node3: of tunnels, and of its pod's addresses."""
    v4, v6 = FAMILIES[families]
    found = []
    gone = lab.nodes[2]
    for wanted, device, address, family in ((v4, "vxlan.calico", gone.address, 4),
                                            (v6, "vxlan-v6.calico", gone.address6, 6)):
        if not wanted:
            continue
        fdb = node.ns.output(["/usr/sbin/bridge", "fdb", "show", "dev", device])
        found += [line for line in fdb.splitlines() if f"dst {address} " in line]
        ends = [line.split()[0] for line in node.ns.ip(f"-{family}", "neigh", "show", "dev", device,
                                                       "nud", "permanent").splitlines()]
        found += ends
        found += [route["dst"] for route in node.routes("dev", device, family=family)
                  if route.get("gateway")]
    return found


def _neighbours(node, address):
    config = (node.run_dir / "bird.cfg").read_text(encoding="utf-8")
    return f"neighbor {address} " in config


@pytest.mark.parametrize("families", FAMILIES)
def test_deleted_while_its_agent_runs(clean_machine, families):
    """Others drop it; its own pods keep talking; the agent says so and registers again."""
    with _cluster(families, 3, AUTODETECT_POLL_INTERVAL="8s") as lab:
        one, two, gone = lab.nodes
        near = family_pod(lab, gone, "near", *FAMILIES[families])
        settle(lab)
        before = len(_ways_to(one, lab, families))
        # It registers when it looks next, eight seconds from now.
        gone.kill_agent()
        gone.start_agent()
        lab.ctl("delete", "node", "node3")
        wait_for(lambda: "was deleted from the datastore while its agent runs" in gone.log_tail(200),
                 15, "the agent says so")
        wait_for(lambda: all(len(_ways_to(node, lab, families)) < before for node in (one, two)), 15,
                 "the others drop its tunnel ends and routes")
        wait_for(lambda: not any(_neighbours(node, gone.address) for node in (one, two)), 15,
                 "the others drop its session")
        assert not silent_pairs([lab.pods[2], near]), "pods on the node itself keep talking"
        assert not silent_pairs(lab.pods[:2])
        wait_for(lambda: any(item["metadata"]["name"] == "node3" for item in lab.get("nodes")), 20,
                 "it registers again")
        _settled(lab)
        wait_for(lambda: all(len(_ways_to(node, lab, families)) >= before for node in (one, two)),
                 10, "the others have the way again")
        report = lab.ctl("ipam", "check", "--show-problem-ips")
        assert "found 0 problems" in report, report


@pytest.mark.parametrize("families", FAMILIES)
def test_leaves_for_good(clean_machine, families):
    """Its addresses, reserve and blocks come back, and no other node has a way to it."""
    with _cluster(families) as lab:
        gone = lab.nodes[2]
        wait_for(lambda: any(item["metadata"]["name"] == "korat-reserve-node3"
                             for item in lab.get("ipamhandles")), 10, "it has a reserve")
        pod = lab.pods[2]
        lab.drop_pod(pod)
        gone.kill_agent(15)
        lab.ctl("delete", "node", "node3")
        affine = [item for item in lab.get("ipamblocks")
                  if item["spec"].get("affinity") == "host:node3"]
        assert affine
        lab.ctl("ipam", "check", "--fix", "--grace", "0")
        wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check", "--fix", "--grace", "0"),
                 20, "the collector is done", 1)
        assert not [item for item in lab.get("ipamblocks")
                    if item["spec"].get("affinity") == "host:node3"]
        assert not [item for item in lab.get("blockaffinities")
                    if item["spec"]["node"] == "node3"]
        assert not [item for item in lab.get("ipamhandles") if "node3" in item["metadata"]["name"]]
        for node in lab.nodes[:2]:
            wait_for(lambda node=node: not any(gone.address in line or gone.address6 in line for line
                                               in _ways_to(node, lab, families)), 10,
                     "no way to it is left")
        assert not silent_pairs(lab.pods)


def _start_as(node, name, **environment):
    node.kill_agent(15)
    node.name = name
    node.start_agent(wait=False, **environment)


@pytest.mark.parametrize("families", FAMILIES)
def test_renamed(clean_machine, families):
    """Refused while the Node of the old name is there, with both names; then it takes over."""
    with _cluster(families, 2) as lab:
        one, two = lab.nodes
        lab.drop_pod(lab.pods[1])
        _start_as(two, "renamed")
        wait_for(lambda: "is already node node2's" in two.log_tail(200), 10,
                 "the collision is reported")
        assert "node=renamed" in two.log_tail(200)
        assert {item["metadata"]["name"] for item in lab.get("nodes")} == {"node1", "node2"}
        lab.ctl("delete", "node", "node2")
        wait_for(two.agent_ready, 20, "it takes over")
        assert {item["metadata"]["name"] for item in lab.get("nodes")} == {"node1", "renamed"}
        family_pod(lab, two, "after", *FAMILIES[families])
        _settled(lab)
        wait_for(lambda: all(_neighbours(one, address) for wanted, address in
                             zip(FAMILIES[families], (two.address, two.address6)) if wanted), 10,
                 "the other's BIRD has it as a peer")
        assert (two.state_dir / "nodename").read_text(encoding="utf-8") == "renamed"
        # What the old name had is garbage now.
        wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check", "--fix", "--grace", "0"),
                 20, "the collector is done", 1)
        assert not [item for item in lab.get("blockaffinities") if item["spec"]["node"] == "node2"]
        _settled(lab)


@pytest.mark.parametrize("families", FAMILIES)
def test_two_nodes_change_places(clean_machine, families):
    """Addresses of two nodes are swapped: each may take the other's only when that has let go."""
    with _cluster(families, 2, DISABLE_NODE_IP_CHECK="true", AUTODETECT_POLL_INTERVAL="500ms") as lab:
        one, two = lab.nodes
        for node, old, new in ((one, one, two), (two, two, one)):
            netns.ip_batch([
                f"addr del {old.address}/24 dev eth0", f"addr add {new.address}/24 dev eth0",
                "route replace default via 192.168.0.254",
                f"addr del {old.address6}/64 dev eth0", f"addr add {new.address6}/64 dev eth0 nodad",
                "route replace ::/0 via fd00::fe"], node.ns.name)
        for node in [*(one.ns for one in lab.nodes), lab.switch]:
            for family in ("-4", "-6"):
                node.ip(family, "neigh", "flush", "all")
        wanted = [{"ipv4Address": f"{node.address}/24",
                   **({"ipv6Address": f"{node.address6}/64"} if FAMILIES[families][1] else {})}
                  for node in (two, one)]
        wait_for(lambda: [{key: value for key, value in item["spec"]["bgp"].items()
                           if key in ("ipv4Address", "ipv6Address")}
                          for item in lab.get("nodes")] == wanted, 20, "the Nodes have them")
        _settled(lab)
