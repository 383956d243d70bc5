# SPDX-License-Identifier: Apache-2.0
"""The clusters the lab tests run on."""

import collections
import contextlib
import ipaddress
import json
import re
import time

from lab import Lab, LabError, bird, probe, wait_for

NFT = "/usr/sbin/nft"

DIRECT_POOL = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "IPPool",
    "metadata": {"name": "direct"},
    "spec": {"cidr": "10.43.0.0/16", "ipipMode": "Never", "vxlanMode": "Never",
             "natOutgoing": False},
}
DIRECT_POOL6 = {**DIRECT_POOL, "metadata": {"name": "direct6"},
                "spec": {**DIRECT_POOL["spec"], "cidr": "fd43::/112"}}

# What a cluster of VXLAN has for IPv6.
SIX = {"IP6": "autodetect", "CALICO_IPV6POOL_CIDR": "fd42::/112", "CALICO_IPV6POOL_VXLAN": "Always",
       "CALICO_IPV6POOL_NAT_OUTGOING": "true"}
# The pods there are, by the families they have.
KINDS = {"four": "4", "six": "6", "both": "46"}
TUNNELS = {4: "vxlan.calico", 6: "vxlan-v6.calico"}


@contextlib.contextmanager
def cluster(n_nodes=3, **environment):
    """Nodes with agents that run; on failure the ends of their logs are printed."""
    with Lab(n_nodes, {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", **environment}) as lab:
        try:
            lab.start()
            yield lab
        except BaseException:
            for node in lab.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}")
            raise


def vxlan_cluster(n_nodes=3, **environment):
    """A cluster whose default pool is VXLAN Always."""
    return cluster(n_nodes, **{"CALICO_IPV4POOL_VXLAN": "Always", "CALICO_IPV4POOL_IPIP": "Never",
                               **environment})


def dual_cluster(n_nodes=3, **environment):
    """A VXLAN cluster of both families."""
    return vxlan_cluster(n_nodes, **{**SIX, **environment})


def one_of_each(lab, node, name="p", **pools):
    """On a node, a pod of IPv4, one of IPv6 and one of both: {"four": pod, "six": pod, "both": pod}."""
    return {kind: lab.pod(node, f"{name}{node.number}-{kind}", families=families, **pools)
            for kind, families in KINDS.items()}


def reach_all(lab, seconds=30):
    """
    Every pod pings and connects to every address of every other that is of a family of its own,
    within the time it takes to settle.
    """
    last = {}

    def good():
        last.clear()
        last.update(probe.matrix(lab.pods))
        return all(reach.good for reach in last.values())

    try:
        wait_for(good, seconds, "every pod reaches every other", 0.2)
    except LabError as error:
        bad = {pair: reach for pair, reach in last.items() if not reach.good}
        raise LabError(f"{error}; not so: {bad}") from None


def way(source, target, family=4):
    """The device by which a packet between two pods leaves the node it starts on."""
    answer = source.node.route_gets(
        [f"{target.of_family(family)} from {source.of_family(family)} "
         f"iif {source.host_interface}"])[0]
    return re.search(r"\bdev (\S+)", answer).group(1)


def without_counts(value):
    """The same, without handles and without what counters count."""
    if isinstance(value, dict):
        return {key: without_counts(item) for key, item in value.items()
                if key not in ("handle", "packets", "bytes", "position")}
    return [without_counts(item) for item in value] if isinstance(value, list) else value


def ruleset(node, *families):
    """The agent's nftables tables, so that equal ones compare equal: {family: content} or None."""
    found = {}
    for family in families or ("ip", "ip6"):
        out = node.ns.output([NFT, "-j", "list", "table", family, "calico"], check=False)
        content = {}
        for item in without_counts(json.loads(out)["nftables"] if out.strip() else []):
            (kind, body), = item.items()
            if kind == "rule":
                content.setdefault(("rules", body["chain"]), []).append(body["expr"])
            elif kind != "metainfo":
                elements = body.pop("elem", [])
                body["elem"] = sorted(json.dumps(one, sort_keys=True) for one in elements)
                content[kind, body.get("name")] = body
        found[family] = content or None
    return found


def meshed(lab):
    """Are all ends of all BGP sessions established?"""
    wanted = (len(lab.nodes) - 1) * (2 if "IP6" in lab.agent_environment else 1)
    return all(sum(one.established for one in bird.sessions(node.bird_socket())) >= wanted
               for node in lab.nodes)


def kernel_state(node):
    """What the agent keeps in the kernel, of both families, for comparing before and after."""
    def routes(family):
        # Each link has a link-local network, which comes some time after it.
        return sorted(re.sub(r" (expires|age) \S+", "", line).strip()
                      for line in node.ns.ip(f"-{family}", "route").splitlines()
                      if not line.startswith("fe80::/64 "))

    return {
        "routes": routes(4),
        "IPv6 routes": routes(6),
        "neighbours": sorted(line for line in node.ns.ip("neigh", "show", "nud", "permanent")
                             .splitlines()),
        "forwarding": [sorted(node.ns.output(["/usr/sbin/bridge", "fdb", "show", "dev", device],
                                             check=False).splitlines())
                       for device in TUNNELS.values()],
        "links": sorted(link["ifname"] for link in node.links()),
        # Of link-local ones those the agent gives: pods' gateways.
        "addresses": sorted(f"{link['ifname']} {info['local']}/{info['prefixlen']}"
                            for link in json.loads(node.ns.ip("-j", "addr"))
                            for info in link.get("addr_info", [])
                            if info["scope"] != "link" or link["ifname"].startswith("cali")),
    }


def _flat(state, path=""):
    """Every leaf of a state as (where it is, how it reads); the order of a list does not count."""
    if isinstance(state, dict):
        items = [(f"{path}/{key}", value) for key, value in state.items()]
    elif isinstance(state, (list, tuple)) and any(isinstance(one, (dict, list)) for one in state):
        items = [(f"{path}/{number}", value) for number, value in enumerate(state)]
    elif isinstance(state, (list, tuple)):
        items = [(path, value) for value in state] if state else []
    else:
        return [(path, str(state))]
    return [leaf for key, value in items for leaf in _flat(value, key)]


def changes(before, after):
    """What distinguishes two states, a line each; empty when they are equal."""
    if before == after:
        return ""
    old, new = collections.Counter(_flat(before)), collections.Counter(_flat(after))
    lines = [f"{sign} {path}: {text}" for sign, found in (("-", old - new), ("+", new - old))
             for path, text in sorted(found.elements())]
    return "\n".join(lines) or "the same in another order"


def assert_same(before, after, when=""):
    """Two states are equal; if not, the error says what is gone (-) and what is new (+)."""
    if before != after:
        raise AssertionError(f"the state has changed{when and ' ' + when}:\n"
                             f"{changes(before, after)}")


def becomes_same(before, state, seconds, what, interval=0.05):
    """state() is as before within that time; if not, the error says what differs in the end."""
    last = []

    def same():
        last[:] = [state()]
        return last[0] == before

    try:
        wait_for(same, seconds, what, interval)
    except LabError as error:
        raise AssertionError(f"{error}:\n{changes(before, last[0])}") from None


def unsettled(lab):
    """Routes on the way to their last form: the block's takes the place of its single addresses'."""
    blocks = [(ipaddress.ip_network(item["spec"]["cidr"]),
               (item["spec"].get("affinity") or "").removeprefix("host:"))
              for item in lab.get("ipamblocks")]
    found = []
    for node in lab.nodes:
        # Its own are routes too: to nowhere, for the addresses nobody has.
        routes = [(ipaddress.ip_network(route["dst"]), route) for family in (4, 6)
                  for route in node.routes(family=family) if route["dst"] != "default"]
        known = {network for network, _ in routes}
        found += [f"{node.name} has no route to {owner}'s {block}" for block, owner in blocks
                  if block not in known]
        found += [f"{node.name} has {network} beside {block}" for network, route in routes
                  for block, owner in blocks
                  if owner != node.name and "gateway" in route and network != block
                  and network.version == block.version and network.subnet_of(block)]
    return found


def settle(lab, seconds=40):
    """What was asked of the agents so far is in the kernels: a state to compare later ones with."""
    last = []

    def done():
        last[:] = unsettled(lab)
        return not last

    try:
        wait_for(done, seconds, "the routes are in their last form", 0.2)
    except LabError as error:
        raise LabError(f"{error}: {last}") from None


def settled_states(lab):
    """kernel_states() once they are those that stay."""
    settle(lab)
    return kernel_states(lab)


def kernel_states(lab):
    """kernel_state() of every node, by its name."""
    return {node.name: kernel_state(node) for node in lab.nodes}


@contextlib.contextmanager
def watched_routes(node):
    """The lines of `ip monitor route` of what happens meanwhile, of both families."""
    path = node.directory / "monitor"
    lines = []
    with open(path, "wb") as out:
        monitor = node.ns.popen(["/usr/sbin/ip", "monitor", "route"], stdout=out)
    try:
        time.sleep(0.2)
        yield lines
        time.sleep(0.2)
    finally:
        monitor.terminate()
        monitor.wait()
        lines += path.read_text(encoding="utf-8").splitlines()


def deleted_routes(lines):
    """The deletions of what is kept: not the multicast and link-local routes of new links."""
    return [line for line in lines if line.startswith("Deleted") and "fe80" not in line
            and "ff00" not in line]
