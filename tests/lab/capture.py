# SPDX-License-Identifier: Apache-2.0
"""
Watches one packet on its way: packet sockets on every interface it may pass, opened inside the
namespaces, and a mark in its payload. What is reported was seen on the wire, with the kernel's time
stamp, not worked out from routes.
"""

import os
import select
import socket
import struct
import time

from . import probe

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
VXLAN_PORT = 4789
PROTOCOLS = {1: "ICMP", 4: "IPIP", 6: "TCP", 17: "UDP"}
ARPHRD_ETHER = 1


class Tap:
    """A place where packets are watched: an interface in a namespace."""

    def __init__(self, place, ns, interface):
        self.place = place
        self.interface = interface
        self.sock = ns.run(self._open, interface)

    @staticmethod
    def _open(interface):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((interface, ETH_P_ALL))
        sock.setblocking(False)
        return sock


class Seen:
    """A packet at a tap."""

    def __init__(self, tap, stamp, outgoing, frame, hardware):
        self.place = tap.place
        self.interface = tap.interface
        self.stamp = stamp
        self.outgoing = outgoing
        self.layers = list(_layers(frame, hardware))
        self.size = len(frame)

    @property
    def inner(self):
        """(source, destination, protocol) of the innermost IP header."""
        return [layer for layer in self.layers if layer[0] == "IP"][-1][1:4]

    @property
    def reply(self):
        """Is it the answer rather than the question?"""
        return any(layer[0] == "ICMP" and layer[1] == 0 for layer in self.layers)

    def text(self):
        """One line, outermost header first."""
        words = []
        for layer in self.layers:
            if layer[0] == "IP":
                words.append(f"{layer[1]} > {layer[2]}")
            elif layer[0] == "VXLAN":
                words.append(f"VXLAN {layer[1]}")
            elif layer[0] == "ICMP":
                words.append("echo reply" if layer[1] == 0 else "echo request")
            elif layer[0] == "IPIP":
                words.append("IPIP")
        return " | ".join(words)

    @property
    def ttl(self):
        """Of the innermost header."""
        return [layer for layer in self.layers if layer[0] == "IP"][-1][4]


def _layers(data, hardware):
    """Headers from outside in: ("IP", src, dst, protocol, ttl), ("VXLAN", vni), ("ICMP", type)."""
    if hardware == ARPHRD_ETHER:
        if data[12:14] != b"\x08\x00":
            return
        data = data[14:]
    while len(data) >= 20 and data[0] >> 4 == 4:
        head, proto = (data[0] & 15) * 4, data[9]
        source, target = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
        yield "IP", source, target, PROTOCOLS.get(proto, str(proto)), data[8]
        data = data[head:]
        if proto == 4:
            yield ("IPIP",)
            continue
        if proto == 17 and struct.unpack("!H", data[2:4])[0] == VXLAN_PORT:
            yield "VXLAN", int.from_bytes(data[12:15], "big")
            data = data[16:]
            if data[12:14] != b"\x08\x00":
                return
            data = data[14:]
            continue
        if proto == 1:
            yield "ICMP", data[0]
        return


def follow_ping(source, target, taps, seconds=1.0):
    """
    Pings from one pod to another; gives (round trip in ms, [Seen...] in the order of time).
    """
    mark = b"korat" + os.urandom(8)
    probe_ms = source.ns.run(probe.ping, target.address, seconds, mark)
    time.sleep(0.05)
    seen = []
    by_fd = {tap.sock.fileno(): tap for tap in taps}
    while ready := select.select(list(by_fd), [], [], 0)[0]:
        for fd in ready:
            tap = by_fd[fd]
            try:
                data, ancillary, _, address = tap.sock.recvmsg(65535, 64)
            except BlockingIOError:
                continue
            if mark not in data:
                continue
            stamp = next((struct.unpack("qq", value) for level, kind, value in ancillary
                          if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS), (0, 0))
            seen.append(Seen(tap, stamp[0] * 10**9 + stamp[1], address[2] == PACKET_OUTGOING,
                             data, address[3]))
    seen.sort(key=lambda one: one.stamp)
    return probe_ms, seen


def close(taps):
    """Closes the sockets."""
    for tap in taps:
        tap.sock.close()
