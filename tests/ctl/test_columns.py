# SPDX-License-Identifier: Apache-2.0
"""The columns of get, kind by kind, as calicoctl prints them."""

import pytest

HEADINGS = {
    "bgpconfiguration": ("NAME LOGSEVERITY MESHENABLED ASNUMBER",) * 2,
    "bgpfilter": ("NAME NUMEXPORTV4 NUMIMPORTV4 NUMEXPORTV6 NUMIMPORTV6",) * 2,
    "bgppeer": ("NAME PEERIP NODE ASN",) * 2,
    "caliconodestatus": ("NAME NODE", "NAME NODE CLASSES"),
    "clusterinformation": ("NAME CLUSTERGUID CLUSTERTYPE CALICOVERSION DATASTOREREADY",) * 2,
    "felixconfiguration": ("NAME",) * 2,
    "globalnetworkpolicy": ("NAME TIER", "NAME TIER ORDER SELECTOR"),
    "globalnetworkset": ("NAME", "NAME NETS"),
    "hostendpoint": ("NAME NODE", "NAME NODE INTERFACE IPS PROFILES"),
    "ipamconfiguration": ("NAME STRICTAFFINITY AUTOALLOCATEBLOCKS",
                          "NAME STRICTAFFINITY AUTOALLOCATEBLOCKS MAXBLOCKSPERHOST"),
    "ippool": ("NAME CIDR SELECTOR",
               "NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE"),
    "ipreservation": ("NAME", "NAME CIDRS"),
    "kubecontrollersconfiguration": ("NAME",) * 2,
    "networkpolicy": ("NAME TIER", "NAME TIER ORDER SELECTOR"),
    "networkset": ("NAME", "NAME NETS"),
    "node": ("NAME", "NAME ASN IPV4 IPV6"),
    "profile": ("NAME", "NAME LABELS"),
    "stagedglobalnetworkpolicy": ("NAME TIER", "NAME TIER ORDER SELECTOR"),
    "stagedkubernetesnetworkpolicy": ("NAME", "NAME PODSELECTOR"),
    "stagednetworkpolicy": ("NAME TIER", "NAME TIER ORDER SELECTOR"),
    "tier": ("NAME ORDER",) * 2,
    "workloadendpoint": ("WORKLOAD NODE NETWORKS INTERFACE",
                         "NAME WORKLOAD NODE NETWORKS INTERFACE PROFILES NATS"),
}


def put(ctl, kind, name, spec, namespace=""):
    where = f", namespace: {namespace}" if namespace else ""
    ctl.good("apply", "-f", "-", stdin=f"""
apiVersion: projectcalico.org/v3
kind: {kind}
metadata: {{name: {name}{where}}}
spec: {spec}
""")


def cells(ctl, *words):
    """The rows of a table, without its headings."""
    return [line.split() for line in ctl.good("get", *words).lines()[1:]]


@pytest.mark.parametrize("kind", HEADINGS)
def test_headings(ctl, kind):
    ctl.begin()
    assert ctl.good("get", kind).lines()[0].split() == HEADINGS[kind][0].split()
    assert ctl.good("get", kind, "-owide").lines()[0].split() == HEADINGS[kind][1].split()


def test_namespaces(ctl):
    put(ctl, "NetworkPolicy", "p", "{order: 5}", "ns")
    put(ctl, "NetworkPolicy", "q", "{selector: a == 'b'}", "ns")
    assert cells(ctl, "networkpolicy", "-A") == [["ns", "p", "default"], ["ns", "q", "default"]]
    assert cells(ctl, "networkpolicy", "-A", "-owide") == [
        ["ns", "p", "default", "5"], ["ns", "q", "default", "<nil>", "a", "==", "'b'"]]


def test_as_number_of_a_node(ctl):
    put(ctl, "Node", "a", "{bgp: {ipv4Address: 192.0.2.1/24}}")
    put(ctl, "Node", "b", "{bgp: {ipv4Address: 192.0.2.2/24, asNumber: 65001}}")
    put(ctl, "Node", "c", "{}")
    rows = [["a", "(64512)", "192.0.2.1/24"], ["b", "65001", "192.0.2.2/24"], ["c"]]
    assert cells(ctl, "node", "-owide") == rows
    put(ctl, "BGPConfiguration", "default", "{asNumber: 64999}")
    rows[0][1] = "(64999)"
    assert cells(ctl, "node", "-owide") == rows
    assert cells(ctl, "node", "-ocustom-columns=ASN") == [["(64999)"], ["65001"]]


def test_bgp(ctl):
    put(ctl, "BGPPeer", "all", "{peerIP: 192.0.2.9, asNumber: 64513}")
    put(ctl, "BGPPeer", "one", "{node: n1, peerIP: 192.0.2.9, asNumber: 64513}")
    put(ctl, "BGPPeer", "some", "{nodeSelector: has(rack), peerSelector: has(rr)}")
    assert cells(ctl, "bgppeer") == [
        ["all", "192.0.2.9", "(global)", "64513"],
        ["one", "192.0.2.9", "n1", "64513"],
        ["some", "has(rack)", "0"]]
    put(ctl, "BGPFilter", "f", "{exportV4: [{action: Accept}, {action: Reject}]}")
    assert cells(ctl, "bgpfilter") == [["f", "2", "0", "0", "0"]]
    put(ctl, "BGPConfiguration", "node.n1", "{logSeverityScreen: Info}")
    assert cells(ctl, "bgpconfig") == [["node.n1", "Info", "-", "-"]]


def test_long_lists_are_cut(ctl):
    nets = ", ".join(f"10.0.{i}.0/24" for i in range(20))
    put(ctl, "GlobalNetworkSet", "s", f"{{nets: [{nets}]}}")
    shown = cells(ctl, "globalnetworkset", "-owide")[0][1]
    assert len(shown) == 80 and shown.startswith("10.0.0.0/24,10.0.1.0/24") and shown[-3:] == "..."
