# SPDX-License-Identifier: Apache-2.0
"""ipam check, release, configure, split and why, on what agents leave behind."""

import json

import pytest

OLD = "2020-01-01T00:00:00Z"


def block(cidr, node, allocations, attributes, size=64):
    """An IPAMBlock: 'allocations' maps ordinals to attributes."""
    free = [i for i in range(size) if i not in allocations]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "IPAMBlock",
        "metadata": {"name": cidr.replace(".", "-").replace("/", "-").replace(":", "-")},
        "spec": {
            "cidr": cidr,
            "affinity": f"host:{node}",
            "allocations": [allocations.get(i) for i in range(size)],
            "unallocated": free,
            "attributes": attributes,
            "sequenceNumber": 5,
            "sequenceNumberForAllocation": {str(i): 4 for i in allocations},
            "deleted": False,
        },
    }


def affinity(cidr, node):
    name = f"{node}-" + cidr.replace(".", "-").replace("/", "-")
    return {"apiVersion": "projectcalico.org/v3", "kind": "BlockAffinity",
            "metadata": {"name": name},
            "spec": {"node": node, "type": "host", "cidr": cidr, "state": "confirmed",
                     "deleted": False}}


def handle(name, blocks):
    return {"apiVersion": "projectcalico.org/v3", "kind": "IPAMHandle",
            "metadata": {"name": name},
            "spec": {"handleID": name, "block": blocks, "deleted": False}}


def pod(name, node="node1", when=OLD):
    return {"namespace": "default", "pod": name, "node": node, "timestamp": when}


def world():
    cidr, gone = "10.1.0.0/26", "10.1.0.64/26"
    return [
        {"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "one"},
         "spec": {"cidr": "10.1.0.0/16", "nodeSelector": "!has(gpu)"}},
        {"apiVersion": "projectcalico.org/v3", "kind": "IPReservation", "metadata": {"name": "r"},
         "spec": {"reservedCIDRs": ["10.1.0.50"]}},
        {"apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "node1"},
         "spec": {}},
        {"apiVersion": "projectcalico.org/v3", "kind": "Node",
         "metadata": {"name": "node2", "labels": {"gpu": "y"}}, "spec": {}},
        {"apiVersion": "projectcalico.org/v3", "kind": "WorkloadEndpoint",
         "metadata": {"name": "node1-k8s-web-eth0", "namespace": "default"},
         "spec": {"node": "node1", "orchestrator": "k8s", "pod": "web", "endpoint": "eth0",
                  "interfaceName": "cali1", "ipNetworks": ["10.1.0.0/32"]}},
        block(cidr, "node1", {0: 0, 1: 1, 2: 2, 3: 3},
              [{"handle_id": "h.web", "secondary": pod("web")},
               {"handle_id": "h.gone", "secondary": pod("gone")},
               {"handle_id": "h.lost", "secondary": pod("lost")},
               {"handle_id": "h.young", "secondary": pod("young", when="2999-01-01T00:00:00Z")}]),
        block(gone, "node9", {0: 0},
              [{"handle_id": "ipip-tunnel-addr-node9",
                "secondary": {"node": "node9", "type": "ipipTunnelAddress"}}]),
        affinity(cidr, "node1"),
        affinity(gone, "node9"),
        handle("h.web", {cidr: 1}),
        handle("h.gone", {cidr: 1}),
        handle("h.young", {cidr: 1}),
        handle("h.stale", {cidr: 1}),
        handle("ipip-tunnel-addr-node9", {gone: 1}),
    ]


@pytest.fixture
def full(ctl):
    ctl.good("create", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1",
                                                     "items": world()}))
    return ctl


def names(ctl, kind):
    return sorted(item["metadata"]["name"]
                  for item in json.loads(ctl.good("get", kind, "-o", "json").out)["items"])


def test_check(full):
    said = full.good("ipam", "check", "--show-problem-ips").out
    assert "Found 2 IPAM blocks." in said
    assert "IPAM blocks record 5 allocations." in said
    assert "  10.1.0.1 leaked; attrs Main:h.gone Extra:namespace=default,node=node1," in said
    assert "Found 4 IPs that are allocated in IPAM but not actually in use." in said
    assert "h.stale doesn't have any active IPs." in said
    assert "h.lost is in use in a block but doesn't exist." in said
    assert "Check complete; found 6 problems." in said


def test_fix(full):
    said = full.good("ipam", "check", "--fix").out
    assert "Released 10.1.0.1\n" in said
    assert "Released 10.1.0.64\n" in said
    assert "Released 10.1.0.3" not in said
    assert "10.1.0.0 is assigned" in full.good("ipam", "why", "10.1.0.0").out
    assert "10.1.0.1 is free" in full.good("ipam", "why", "10.1.0.1").out
    assert names(full, "ipamhandles") == ["h.web", "h.young"]
    # The host that is gone has nothing left after the next round.
    full.good("ipam", "check", "--fix")
    assert names(full, "blockaffinities") == ["node1-10-1-0-0-26"]
    assert names(full, "ipamblocks") == ["10-1-0-0-26"]
    assert "found 1 problems" in full.good("ipam", "check").out


def test_fix_nothing(ctl):
    ctl.begin()
    said = ctl.good("ipam", "check", "--fix").out
    assert "found 0 problems" in said
    assert "Asked for 0 repairs" in said


def test_release(full):
    said = full.good("ipam", "release", "--ip", "10.1.0.1").out
    assert said == "Successfully released IP address 10.1.0.1\n"
    assert "not assigned" in full.bad("ipam", "release", "--ip", "10.1.0.1").err
    assert "h.gone" not in names(full, "ipamhandles")
    full.bad("ipam", "release")


def test_release_from_reports(full, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    full.good("ipam", "check", "-o", first)
    report = json.loads(first.read_text())
    assert report["allocations"]["10.1.0.0"][0]["inUse"] is True
    assert report["allocations"]["10.1.0.0"][0]["owners"] == [
        "Workload(default/node1-k8s-web-eth0)"]
    assert report["allocations"]["10.1.0.1"][0] == {
        "ip": "10.1.0.1", "handle": "h.gone", "sequenceNumber": 4, "pod": "gone",
        "namespace": "default", "node": "node1", "creationTimestamp": OLD, "inUse": False,
        "owners": []}
    assert [h["ID"] for h in report["leakedHandles"]] == ["h.stale"]
    # In the other report one address has another sequence number: it was given anew.
    report["allocations"]["10.1.0.1"][0]["sequenceNumber"] = 3
    second.write_text(json.dumps(report))
    reports = ["--from-report", first, f"--from-report={second}"]
    assert "not locked" in full.bad("ipam", "release", *reports).err
    said = full.good("ipam", "release", *reports, "--force").out
    assert "Released 3 IPs successfully" in said
    assert "Released 1 handles" in said
    assert "10.1.0.1 is assigned" in full.good("ipam", "why", "10.1.0.1").out
    assert "10.1.0.2 is free" in full.good("ipam", "why", "10.1.0.2").out
    again = full.good("ipam", "release", *reports, "--force").out
    assert "3 addresses marked as leaked in the report had already been cleaned up." in again


def test_configure(ctl):
    ctl.begin()
    ctl.good("ipam", "configure", "--strictaffinity=true", "--max-blocks-per-host", "7",
             "--ip-cooldown-seconds=30")
    said = ctl.good("ipam", "show", "--show-configuration").out
    for pair in [("StrictAffinity", "true"), ("MaxBlocksPerHost", "7"),
                 ("IPCooldownSeconds", "30")]:
        row = next(line for line in said.splitlines() if pair[0] in line)
        assert pair[1] in row
    # What is not named stays.
    ctl.good("ipam", "configure", "--ip-cooldown-seconds=0")
    assert "7" in ctl.good("ipam", "show", "--show-configuration").out
    assert "strictaffinity" in ctl.bad("ipam", "configure", "--strictaffinity=false").err
    assert "true or false" in ctl.bad("ipam", "configure", "--strictaffinity=maybe").err
    ctl.bad("ipam", "configure", "--ip-cooldown-seconds=1201")


def test_split(full):
    assert "not locked" in full.bad("ipam", "split", "4", "--name", "one").err
    assert "no power" in full.bad("ipam", "split", "3", "--name", "one", "--force").err
    full.good("ipam", "split", "4", "--cidr", "10.1.0.0/16", "--force")
    items = json.loads(full.good("get", "ippools", "-o", "json").out)["items"]
    assert {i["metadata"]["name"]: i["spec"]["cidr"] for i in items} == {
        "split-one-0": "10.1.0.0/18", "split-one-1": "10.1.64.0/18",
        "split-one-2": "10.1.128.0/18", "split-one-3": "10.1.192.0/18"}
    assert all(i["spec"]["nodeSelector"] == "!has(gpu)" for i in items)
    assert "Pool: split-one-0" in full.good("ipam", "why", "10.1.0.0").out


def test_split_six(ctl):
    ctl.good("create", "-f", "-", stdin="apiVersion: projectcalico.org/v3\nkind: IPPool\n"
             "metadata: {name: six}\nspec: {cidr: 'fd00:1::/48'}\n")
    said = ctl.good("ipam", "split", "2", "--name", "six", "--force").out
    assert "Created split-six-1 with CIDR fd00:1:0:8000::/49." in said


def test_why(full):
    said = full.good("ipam", "why", "10.1.0.0").out
    for part in ["10.1.0.0 is assigned", "Pool: one (10.1.0.0/16)",
                 "Block: 10.1.0.0/26, affinity host:node1, 4 of 64", "Handle: h.web",
                 "pod: web", "Used by: Workload(default/node1-k8s-web-eth0)"]:
        assert part in said
    said = full.good("ipam", "why", "10.1.0.9").out
    assert "10.1.0.9 is free" in said
    assert "Node node1: yes, the block is its own" in said
    assert "Node node2: not by itself: its nodeSelector does not select this node" in said
    assert "IPReservation r (10.1.0.50)" in full.good("ipam", "why", "10.1.0.50").out
    assert "lies in no IPPool" in full.good("ipam", "why", "10.2.0.1").out
    assert "Node node1: yes, once it claims the block" in full.good(
        "ipam", "why", "10.1.5.1", "--node", "node1").out
    full.bad("ipam", "why", "here")
