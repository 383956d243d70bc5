# SPDX-License-Identifier: Apache-2.0
"""
What a pod may not send: packets with another's address, router advertisements, packets inside of
tunnel packets. And what the node takes from tunnels: nothing but nodes' packets.
"""

import select
import socket
import struct

import pytest

from lab import probe, wait_for
from policed import FAMILIES, address, felix, shop

PORT = 7200
FOREIGN = {4: "10.99.0.7", 6: "fd99::7"}
PREFIX = {4: "10.99.0.0/24", 6: "fd99::/64"}
VXLAN_PORT = 4789
VNI = 4096


class Ear:
    """A UDP socket in a namespace; heard() gives who sent the last word."""

    def __init__(self, place, port=PORT):
        self._sock = place.ns.run(self._open, port)

    @staticmethod
    def _open(port):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        return sock

    def heard(self, timeout=0.3):
        """The address of a sender, None for silence."""
        if not select.select([self._sock], [], [], timeout)[0]:
            return None
        return self._sock.recvfrom(2048)[1][0].removeprefix("::ffff:")

    def close(self):
        """No more."""
        self._sock.close()


def _send_from(source, target, port=PORT):
    with socket.socket(probe.family_of(target), socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.sendto(b"x", (target, port))


@pytest.fixture(scope="module", name="place")
def _place():
    with shop(2) as place:
        lab = place.lab
        # So that the node speaks IPIP, as far as its rules go: this kernel may not have it.
        lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "IPPool",
                   "metadata": {"name": "ipip"},
                   "spec": {"cidr": "10.44.0.0/16", "ipipMode": "Always", "vxlanMode": "Never"}})
        for family in FAMILIES:
            place.stranger.ns.ip("addr", "add",
                                 FOREIGN[family] + ("/128" if family == 6 else "/32"), "dev",
                                 "eth0", *(["nodad"] if family == 6 else []))
        place.settle()
        yield place


@pytest.fixture(name="ear")
def _ear(place):
    ear = Ear(place.friend)
    yield ear
    ear.close()


def _spoofs(place, ear, family):
    source = FOREIGN[family]
    place.stranger.ns.run(_send_from, source, address(place.friend, family))
    return ear.heard() == source


@pytest.mark.parametrize("family", FAMILIES)
def test_address_of_another(place, ear, family):
    target = address(place.friend, family)
    place.stranger.ns.run(_send_from, address(place.stranger, family), target)
    assert ear.heard(5) == address(place.stranger, family)
    assert not _spoofs(place, ear, family)
    # Nor that of another pod of this node.
    other = address(place.other, family)
    place.stranger.ns.ip("addr", "add", f"{other}/{128 if family == 6 else 32}", "dev", "eth0",
                         *(["nodad"] if family == 6 else []))
    place.stranger.ns.run(_send_from, other, target)
    assert ear.heard() is None


GATEWAY = {4: "169.254.1.1", 6: "fe80::ecee:eeff:feee:eeee"}


@pytest.mark.parametrize("family", FAMILIES)
def test_family_that_a_pod_has_not(place, ear, family):
    """It gives itself an address and a way out in it: not to other pods, nor to its node."""
    other = 10 - family
    pod = place.lab.new_pod(place.node, f"only{other}", "friends", str(other))
    pod.add()
    version, alone = f"-{family}", "/128" if family == 6 else "/32"
    try:
        pod.ns.sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
        pod.ns.ip("addr", "add", FOREIGN[family] + alone, "dev", "eth0",
                  *(["nodad"] if family == 6 else []))
        pod.ns.ip(version, "neigh", "replace", GATEWAY[family], "lladdr", "ee:ee:ee:ee:ee:ee", "dev",
                  "eth0")
        pod.ns.ip(version, "route", "add", GATEWAY[family] + alone, "dev", "eth0")
        pod.ns.ip(version, "route", "add", "default", "via", GATEWAY[family], "dev", "eth0", "onlink")
        node = place.node.address6 if family == 6 else place.node.address
        host = Ear(place.node)
        try:
            for target, listener in ((address(place.friend, family), ear), (node, host)):
                pod.ns.run(_send_from, FOREIGN[family], target)
                assert listener.heard() is None, f"the pod reaches {target}"
        finally:
            host.close()
    finally:
        place.lab.drop_pod(pod)


def test_prefixes_that_are_allowed(place, ear):
    """They count where the configuration lets pods have some at all."""
    lab = place.lab
    stored = lab.get("workloadendpoint", "node1-k8s-stranger-eth0", "strangers")
    for key in ("resourceVersion", "creationTimestamp", "uid"):
        stored["metadata"].pop(key, None)
    stored["spec"]["allowSpoofedSourcePrefixes"] = list(PREFIX.values())
    lab.apply(stored)
    place.settle()
    assert not any(_spoofs(place, ear, family) for family in FAMILIES)
    lab.apply(felix(workloadSourceSpoofing="Any"))
    place.settle()
    wait_for(lambda: all(_spoofs(place, ear, family) for family in FAMILIES), 5, "it may")
    lab.apply(felix(workloadSourceSpoofing="Disabled"))
    place.settle()
    wait_for(lambda: not any(_spoofs(place, ear, family) for family in FAMILIES), 5, "it may not")
    stored["spec"]["allowSpoofedSourcePrefixes"] = []
    lab.apply(stored)


def _icmp_heard(sock, kind, timeout=0.5):
    while select.select([sock], [], [], timeout)[0]:
        if sock.recv(2048)[0] == kind:
            return True
    return False


def test_router_advertisement(place):
    """Else the node would take the pod for its way to everywhere."""
    def listen():
        return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

    def advertise(kind):
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            index = socket.if_nametoindex("eth0")
            sock.sendto(struct.pack("!BBHBBHII", kind, 0, 0, 64, 0, 1800, 0, 0),
                        ("ff02::1", 0, 0, index))

    with place.node.ns.run(listen) as sock:
        place.stranger.ns.run(advertise, 134)
        assert not _icmp_heard(sock, 134)
        place.stranger.ns.run(advertise, 133)  # a solicitation is as good as another
        assert _icmp_heard(sock, 133, 5)


# --- Tunnels ------------------------------------------------------------------------------------

def _ip(source, target, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", probe.checksum(head)) + head[12:] + payload


def _udp(payload, port=PORT):
    return struct.pack("!HHHH", 4242, port, 8 + len(payload), 0) + payload


def _inner(place):
    """A packet to the shop, which a stranger may not reach, as if a friend had sent it."""
    return _ip(address(place.other, 4), address(place.friend, 4), socket.IPPROTO_UDP, _udp(b"x"))


def _vxlan(place):
    mac = next(link for link in place.node.links("dev", "vxlan.calico"))["address"]
    frame = bytes.fromhex(mac.replace(":", "")) + b"\x02\x00\x00\x00\x00\x01" + b"\x08\x00"
    return struct.pack("!II", 0x08000000, VNI << 8) + frame + _inner(place)


def _send_ipip(place, target):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 4) as sock:
        sock.sendto(_inner(place), (target, 0))


def _send_vxlan(packet, target):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(packet, (target, VXLAN_PORT))


def _tunnels_from(place, ns, ear, timeout=0.3):
    """Which tunnel packets of that namespace the node takes: {name: bool}."""
    packet = _vxlan(place)
    found = {}
    with place.node.ns.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, 4) as sock:
        ns.run(_send_ipip, place, place.node.address)
        found["ipip"] = bool(select.select([sock], [], [], timeout)[0])
    ns.run(_send_vxlan, packet, place.node.address)
    found["vxlan"] = ear.heard(timeout) is not None
    return found


def test_tunnel_packets(place, ear):
    lab = place.lab
    assert _tunnels_from(place, lab.nodes[1].ns, ear, 5) == {"ipip": True, "vxlan": True}, \
        "of another node"
    assert _tunnels_from(place, lab.switch, ear) == {"ipip": False, "vxlan": False}, \
        "of a host that is no node"
    assert _tunnels_from(place, place.stranger.ns, ear) == {"ipip": False, "vxlan": False}, \
        "of a pod"
