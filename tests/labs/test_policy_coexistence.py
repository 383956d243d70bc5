# SPDX-License-Identifier: Apache-2.0
"""
Others have rules on the node, too: kube-proxy (iptables and nftables), Docker, firewalld. Theirs
and ours both work, and neither touches the other's.
"""

import json
import re

import pytest

from clusters import NFT, assert_same, ruleset, without_counts
from lab import probe, wait_for
from offloaded import devices
from policed import FAMILIES, address, felix, listing, shop

SERVICE = {4: "10.96.0.10", 6: "fd00:96::10"}
PORT = 80

IPTABLES = {4: "/usr/sbin/iptables-nft-restore", 6: "/usr/sbin/ip6tables-nft-restore"}

# What kube-proxy writes for one service with one endpoint, but for comments.
KUBE_IPTABLES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-TCOU7JCQXEZGVUNU - [0:0]
:KUBE-SEP-ZX7GRIZKSNUQ3LAJ - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-SERVICES -d {service}/{bits} -p tcp -m tcp --dport 80 -j KUBE-SVC-TCOU7JCQXEZGVUNU
-A KUBE-SVC-TCOU7JCQXEZGVUNU -j KUBE-SEP-ZX7GRIZKSNUQ3LAJ
-A KUBE-SEP-ZX7GRIZKSNUQ3LAJ -s {pod}/{bits} -j KUBE-MARK-MASQ
-A KUBE-SEP-ZX7GRIZKSNUQ3LAJ -p tcp -m tcp -j DNAT --to-destination {target}
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""

# The same in its nftables mode.
KUBE_NFTABLES = """add table {family} kube-proxy
flush table {family} kube-proxy
table {family} kube-proxy {{
	map service-ips {{
		type {type} . inet_proto . inet_service : verdict;
		elements = {{ {service} . tcp . 80 : goto service-web }}
	}}
	chain services {{
		{ip} daddr . meta l4proto . th dport vmap @service-ips
	}}
	chain service-web {{
		numgen random mod 1 vmap {{ 0 : goto endpoint-web }}
	}}
	chain endpoint-web {{
		{ip} saddr {pod} jump mark-for-masquerade
		meta l4proto tcp dnat to {target}
	}}
	chain mark-for-masquerade {{
		meta mark set meta mark or 0x4000
	}}
	chain nat-prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}}
	chain nat-output {{
		type nat hook output priority -100; policy accept;
		jump services
	}}
	chain nat-postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x4000 == 0 return
		meta mark set meta mark xor 0x4000
		masquerade fully-random
	}}
}}
"""

DOCKER = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

# In the way firewalld has it: each hook at a priority of its own, established first, zones, reject.
FIREWALLD = """add table inet firewalld
delete table inet firewalld
table inet firewalld {{
	chain raw_PREROUTING {{
		type filter hook prerouting priority raw + 10; policy accept;
		icmpv6 type {{ nd-router-advert, nd-neighbor-solicit }} accept
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}}
	chain filter_INPUT {{
		type filter hook input priority filter + 10; policy accept;
		ct state {{ established, related }} accept
		iifname "lo" accept
		ct state invalid drop
		tcp dport {{ 22, 179, 8080 }} accept
		meta l4proto {{ icmp, ipv6-icmp }} accept
		udp dport 4789 accept
		reject with icmpx admin-prohibited
	}}
	chain filter_FORWARD {{
		type filter hook forward priority filter + 10; policy accept;
		ct state {{ established, related }} accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		iifname "cali*" accept
		tcp dport {port} counter reject with icmpx admin-prohibited
	}}
}}
"""


def _target(place, family):
    pod = address(place.shop, family)
    return f"[{pod}]:{probe.TCP_PORT}" if family == 6 else f"{pod}:{probe.TCP_PORT}"


def _words(place, family):
    return {"service": SERVICE[family], "pod": address(place.shop, family),
            "target": _target(place, family), "bits": 128 if family == 6 else 32,
            "ip": "ip6" if family == 6 else "ip", "family": "ip6" if family == 6 else "ip",
            "type": "ipv6_addr" if family == 6 else "ipv4_addr"}


def _restore(place, program, text, again):
    if again:  # the ways into its chains are there
        text = re.sub(r"-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) .*\n", "", text)
    place.node.ns.output([program, "--noflush"], input=text)


def _load(place, name, again=False):
    """The rules of another program, as it loads them, or loads them again."""
    for family in FAMILIES:
        if name == "kube-proxy iptables":
            _restore(place, IPTABLES[family], KUBE_IPTABLES.format(**_words(place, family)),
                     again)
        elif name == "kube-proxy nftables":
            place.node.ns.output([NFT, "-f", "-"],
                                 input=KUBE_NFTABLES.format(**_words(place, family)))
    if name == "docker":
        _restore(place, IPTABLES[4], DOCKER, again)
    elif name == "firewalld":
        place.node.ns.output([NFT, "-f", "-"], input=FIREWALLD.format(port=9))


def _others(node):
    """All tables but ours, without what counters count."""
    out = json.loads(node.ns.output([NFT, "-j", "-s", "list", "ruleset"]))["nftables"]
    found = []
    for item in out:
        body, = item.values()
        if "metainfo" not in item and body.get("table", body.get("name")) != "calico":
            found.append(json.dumps(without_counts(item), sort_keys=True))
    return sorted(found)


def _name(source, target, port, timeout=5):
    answer = source.ns.run(probe.tcp_name, target, timeout, port)
    return answer[0] if answer else None


def _judged(place):
    """Friends reach the shop and strangers do not."""
    for family in FAMILIES:
        target = address(place.shop, family)
        assert _name(place.friend, target, probe.TCP_PORT) == "shop", family
        assert _name(place.stranger, target, probe.TCP_PORT, 0.3) is None, family


def _services(place):
    """By way of the service it is the same: the pod's own policy judges."""
    for family in FAMILIES:
        assert _name(place.friend, SERVICE[family], PORT) == "shop", family
        assert _name(place.stranger, SERVICE[family], PORT, 0.3) is None, family
        assert _name(place.node_as_pod, SERVICE[family], PORT) == "shop", family


class _Host:
    """The node itself, to ask from."""

    def __init__(self, node):
        self.ns = node.ns
        self.name = node.name


ALL = ("kube-proxy iptables", "kube-proxy nftables", "docker", "firewalld")


@pytest.fixture(scope="module", name="place")
def _place():
    with shop() as place, probe.Greeter([place.shop, place.stranger]):
        place.node_as_pod = _Host(place.node)
        yield place


def _clear(place):
    place.node.ns.output([NFT, "flush ruleset"])
    wait_for(lambda: "calico" in listing(place.node), 15, "ours are back")


@pytest.mark.parametrize("name", ALL)
def test_others(place, name):
    _load(place, name)
    theirs = _others(place.node)
    assert theirs
    _judged(place)
    if name.startswith("kube"):
        _services(place)
    # Ours change, the agent starts anew: theirs stay.
    place.settle()
    place.node.kill_agent()
    place.node.start_agent()
    place.settle()
    assert _others(place.node) == theirs
    # They load theirs anew: ours stay.
    whole = ruleset(place.node)
    _load(place, name, again=True)
    assert_same(whole, ruleset(place.node))
    assert _others(place.node) == theirs
    _judged(place)
    _clear(place)


def test_all_of_them(place):
    for name in ALL:
        if name != "kube-proxy nftables":
            _load(place, name)
    _judged(place)
    _services(place)
    _clear(place)


def test_what_others_drop_stays_dropped(place):
    """Our verdict is not the last: a firewall's own is asked as well."""
    place.node.ns.output([NFT, "-f", "-"], input=FIREWALLD.format(port=probe.TCP_PORT)
                         .replace('iifname "cali*" accept', ""))
    assert _name(place.friend, address(place.shop, 4), probe.TCP_PORT, 0.3) is None
    _clear(place)
    _judged(place)


def test_flow_tables_or_why_there_are_none(place):
    """A kernel that lacks them is told of once, and policy is in force all the same."""
    node, why = place.node, "nftablesFlowTableOffload has no effect"

    def reasons():
        return [line for line in node.log.read_text(encoding="utf-8").splitlines() if why in line]

    place.lab.apply(felix(nftablesFlowTableOffload="All"))
    wait_for(lambda: devices(node) or reasons(), 10, "the flow tables are there, or why not")
    pod = place.lab.pod(node, "flow")
    wait_for(lambda: all(pod.host_interface in names for names in devices(node).values()), 10,
             "a new pod's interface is in the flow tables that there are")
    place.lab.drop_pod(pod)
    _judged(place)
    place.lab.apply(felix())
    wait_for(lambda: not devices(node), 10, "the flow tables are gone")
    _judged(place)
    assert len(reasons()) <= 1 and all("nft_flow_offload" in line for line in reasons())
