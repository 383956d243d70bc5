#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
An agent in a large cluster: 1,000 nodes with a block each and 10,000 endpoints of theirs in the
datastore. How long a start takes until it is in sync with all routes in the kernel, the memory it
takes, and how soon new blocks become routes while it runs.
"""

import ctypes
import json
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import Lab, wait_for  # noqa: E402  pylint: disable=wrong-import-position

NODES = 1000
ENDPOINTS = 10
REPEAT = 20
IN_ATTRIB = 4
RTM_NEWROUTE = 24
ROUTE_GROUP_V4 = 0x40


def node_name(number):
    return f"far{number}"


def block_cidr(number):
    return f"10.{100 + number // 1024}.{number // 4 % 256}.{number % 4 * 64}/26"


def meta(name, **more):
    return {"apiVersion": "projectcalico.org/v3", "metadata": {"name": name, **more}}


def node(number):
    return {**meta(node_name(number)), "kind": "Node", "spec": {
        "bgp": {"ipv4Address": f"192.168.{100 + number // 250}.{number % 250 + 1}/24"},
        "ipv4VXLANTunnelAddr": block_cidr(number).split("/", maxsplit=1)[0]}}


def block(number):
    cidr = block_cidr(number)
    return {**meta(cidr.replace(".", "-").replace("/", "-")), "kind": "IPAMBlock", "spec": {
        "cidr": cidr, "affinity": f"host:{node_name(number)}",
        "allocations": [0, *[None] * 63], "unallocated": list(range(1, 64)),
        "attributes": [{"handle_id": f"vxlan-tunnel-addr-{node_name(number)}",
                        "secondary": {"node": node_name(number), "type": "vxlanTunnelAddress"}}],
        "sequenceNumber": 1, "sequenceNumberForAllocation": {"0": 1}, "deleted": False}}


def endpoint(number, index):
    base = block_cidr(number).rsplit(".", 1)
    address = f"{base[0]}.{int(base[1].split('/')[0]) + 1 + index}/32"
    name = f"{node_name(number)}-k8s-pod{number}x{index}-eth0"
    return {**meta(name, namespace="default"), "kind": "WorkloadEndpoint", "spec": {
        "orchestrator": "k8s", "node": node_name(number), "containerID": f"c{number}x{index}",
        "pod": f"pod{number}x{index}", "endpoint": "eth0", "ipNetworks": [address],
        "profiles": ["kns.default"], "interfaceName": f"cali{number:04x}{index:03x}",
        "mac": "02:00:00:00:00:01"}}


def create(lab, objects):
    text = "".join(f"---\n{json.dumps(item)}\n" for item in objects)
    lab.ctl("create", "-f", "-", stdin=text)


def tunnel_routes(where):
    return len(where.ns.ip("route", "show", "dev", "vxlan.calico").splitlines())


def resident(pid, field):
    """KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


class Watch:
    """When a commit became visible, and when the kernel had its last route."""

    def __init__(self, lab, where):
        libc = ctypes.CDLL(None, use_errno=True)
        self.inotify = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.inotify, str(lab.directory / "store.db").encode(), IN_ATTRIB)
        self.routes = where.ns.run(self._subscribe)

    @staticmethod
    def _subscribe():
        routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        routes.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        routes.bind((0, ROUTE_GROUP_V4))
        return routes

    def drain(self):
        self.routes.setblocking(False)
        for read in (lambda: self.routes.recv(65536), lambda: os.read(self.inotify, 65536)):
            try:
                while read():
                    pass
            except BlockingIOError:
                pass

    def wait(self, count):
        """Seconds from the last commit to the count-th new route."""
        committed = last = None
        seen = 0
        limit = time.monotonic() + 20
        while seen < count or committed is None:
            assert time.monotonic() < limit, f"{seen} of {count} routes"
            try:
                while os.read(self.inotify, 65536):
                    if seen < count:
                        committed = time.monotonic()
            except BlockingIOError:
                pass
            try:
                data = self.routes.recv(1 << 20)
            except BlockingIOError:
                continue
            at = 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("IH", data, at)
                seen += kind == RTM_NEWROUTE
                at += (length + 3) & ~3
            last = time.monotonic()
        return max(last - committed, 0)


def main():
    environment = {"CALICO_IPV4POOL_CIDR": "10.96.0.0/11", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(1, environment, bird="none") as lab:
        lab.start()
        here = lab.nodes[0]
        lab.pod(here, "here")
        create(lab, [node(number) for number in range(NODES)])
        watch = Watch(lab, here)
        watch.drain()
        create(lab, [block(number) for number in range(NODES)])
        wait_for(lambda: tunnel_routes(here) >= NODES, 30, "all blocks are routes")
        create(lab, [endpoint(number, index) for number in range(NODES)
                     for index in range(ENDPOINTS)])
        print(f"scale-agent-memory {resident(here.agent.pid, 'VmRSS')} KiB resident, "
              f"{NODES} blocks, {NODES * ENDPOINTS} endpoints")
        starts = []
        for _ in range(5):
            here.kill_agent()
            begin = time.monotonic()
            here.start_agent()
            wait_for(lambda: "in sync" in here.log_tail(400), 20, "in sync", 0.002)
            starts.append(time.monotonic() - begin)
            time.sleep(0.5)
        print(f"scale-start-to-sync {sorted(starts)[2] * 1000:.0f} ms start to in sync with them")
        print(f"scale-agent-memory-restarted {resident(here.agent.pid, 'VmRSS')} KiB")
        single = []
        for number in range(NODES, NODES + REPEAT):
            create(lab, [node(number)])
            time.sleep(0.05)
            watch.drain()
            create(lab, [block(number)])
            single.append(watch.wait(1))
        print(f"scale-one-block {sorted(single)[REPEAT // 2] * 1000:.2f} ms "
              "commit to route in the kernel, median")
        many = []
        first = NODES + REPEAT
        create(lab, [node(number) for number in range(first, first + NODES)])
        time.sleep(1)
        watch.drain()
        create(lab, [block(number) for number in range(first, first + NODES)])
        many.append(watch.wait(NODES))
        print(f"scale-1000-blocks {many[0] * 1000:.1f} ms last commit to last route")


main()
