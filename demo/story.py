# SPDX-License-Identifier: Apache-2.0
"""
What a lab looks like from outside, asked of the kernel and of BIRD rather than of Korat: the way
between every two pods, the lookups on the way of one packet, the places where it can be watched.
"""

import dataclasses
import json
import re

from lab import LabError, bird, capture, netns

TUNNELS = ("vxlan.calico", "tunl0")


@dataclasses.dataclass
class Way:
    """How a packet leaves the node it starts on."""

    device: str
    gateway: str

    @property
    def kind(self):
        """In a word for the table."""
        if self.device.startswith("cali"):
            return "same node"
        return self.device if self.device in TUNNELS else "fabric"


def parse_way(answer):
    """Out of a line of `ip route get`."""
    device = re.search(r"\bdev (\S+)", answer)
    gateway = re.search(r"\bvia (?:inet6? )?(\S+)", answer)
    return Way(device.group(1) if device else "?", gateway.group(1) if gateway else "")


def _question(source, target, device):
    return f"{target.address} from {source.address} iif {device}"


def ways(pods):
    """{(from, to): Way} of every ordered pair."""
    found = {}
    for source in pods:
        others = [other for other in pods if other is not source]
        answers = source.node.route_gets(
            [_question(source, other, source.host_interface) for other in others])
        for other, answer in zip(others, answers):
            found[source.name, other.name] = parse_way(answer)
    return found


def sessions(lab):
    """[(node, Session)] of every node."""
    return [(node, one) for node in lab.nodes for one in bird.sessions(node.bird_socket())]


def blocks(lab):
    """[(CIDR, node name, addresses in use)], from the datastore by koratctl."""
    found = []
    for block in lab.get("ipamblocks"):
        spec = block["spec"]
        owner = (spec.get("affinity") or "").removeprefix("host:")
        used = sum(one is not None for one in spec.get("allocations", []))
        found.append((spec["cidr"], owner, used))
    return sorted(found, key=lambda block: (block[1], block[0]))


def tunnel_address(node, device):
    """The address of a tunnel device; None when there is none."""
    out = node.ns.ip("-4", "-j", "addr", "show", "dev", device, check=False)
    for link in json.loads(out or "[]"):
        for info in link.get("addr_info", []):
            return info["local"]
    return None


def _neighbour(ns, address, device):
    out = ns.ip("neigh", "show", address, "dev", device, check=False).strip()
    return out.splitlines()[0] if out else ""


def _lookup(ns, question):
    return ns.ip("route", "get", *question.split()).splitlines()[0].strip()


def _through_tunnel(node, way, steps):
    """What the tunnel device does with the packet: which node it is sent to, and how."""
    outer = way.gateway
    if way.device == "vxlan.calico":
        neighbour = _neighbour(node.ns, way.gateway, way.device)
        mac = re.search(r"lladdr (\S+)", neighbour)
        table = node.ns.output(["/usr/sbin/bridge", "fdb", "show", "dev", way.device], check=False)
        entries = [line for line in table.splitlines() if mac and line.startswith(mac.group(1))]
        steps.append((node.name, f"neighbour {way.gateway}", neighbour or "none"))
        steps.append((node.name, "VXLAN end of that MAC", entries[0] if entries else "none"))
        end = re.search(r"dst (\S+)", entries[0]) if entries else None
        outer = end.group(1) if end else ""
    if outer:
        question = f"{outer}"
        steps.append((node.name, f"route get {question}", _lookup(node.ns, question)))


def lookups(source, target):
    """[(place, question, the kernel's answer)] on the way of a packet."""
    question = target.address
    answer = _lookup(source.ns, question)
    steps = [(source.name, f"route get {question}", answer)]
    way = parse_way(answer)
    if way.gateway:
        neighbour = _neighbour(source.ns, way.gateway, way.device)
        steps.append((source.name, f"neighbour {way.gateway}", neighbour or "none"))
    question = _question(source, target, source.host_interface)
    answer = _lookup(source.node.ns, question)
    steps.append((source.node.name, f"route get {question}", answer))
    way = parse_way(answer)
    if way.device in TUNNELS:
        _through_tunnel(source.node, way, steps)
    if target.node is not source.node:
        device = way.device if way.device in TUNNELS else "eth0"
        question = _question(source, target, device)
        answer = _lookup(target.node.ns, question)
        steps.append((target.node.name, f"route get {question}", answer))
        way = parse_way(answer)
    neighbour = _neighbour(target.node.ns, target.address, target.host_interface)
    if neighbour:
        steps.append((target.node.name, f"neighbour {target.address}", neighbour))
    return steps


def watch(lab, source, target, way):
    """Pings once and gives (ms, [Seen]) of every interface on the way."""
    places = [(source.name, source.ns, "eth0"),
              (source.node.name, source.node.ns, source.host_interface)]
    if target.node is not source.node:
        tunnel = [way.device] if way.device in TUNNELS else []
        places += [(source.node.name, source.node.ns, device) for device in [*tunnel, "eth0"]]
        places += [("switch", lab.switch, f"port{node.number}")
                   for node in (source.node, target.node)]
        places += [(target.node.name, target.node.ns, device) for device in ["eth0", *tunnel]]
    places += [(target.node.name, target.node.ns, target.host_interface),
               (target.name, target.ns, "eth0")]
    taps = [capture.Tap(*place) for place in places]
    try:
        trip, seen = capture.follow_ping(source, target, taps)
    finally:
        capture.close(taps)
    if trip is None:
        raise LabError(f"{target.name} does not answer {source.name} any more")
    return trip, seen


__all__ = ["Way", "blocks", "lookups", "netns", "sessions", "tunnel_address", "watch", "ways"]
