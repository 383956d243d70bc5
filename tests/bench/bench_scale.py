#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
An agent in a large cluster, on the embedded datastore and on etcd: 1,000 nodes with a block each and 10,000 endpoints of theirs in the
datastore. How long a start takes until it is in sync with all routes in the kernel, the memory it
takes, and how soon new blocks become routes while it runs.
"""

import base64
import contextlib
import ctypes
import json
import os
import pathlib
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import Lab, etcd, wait_for  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

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
    """When the last commit was done, and when the kernel had its last route."""

    def __init__(self, lab, where):
        self.lab = lab
        self.commits = None
        self.routes = where.ns.run(self._subscribe)

    @staticmethod
    def _subscribe():
        routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        routes.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        routes.bind((0, ROUTE_GROUP_V4))
        return routes

    def read_commits(self):
        """Commits since the last call, as far as can be seen."""
        raise NotImplementedError

    def drain(self):
        self.routes.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.routes.recv(65536):
                pass
        self.read_commits()

    def measure(self, objects, count):
        """Creates the objects; gives the seconds from the last commit to the count-th new route."""
        self.drain()
        writer = threading.Thread(target=create, args=(self.lab, objects))
        writer.start()
        committed = last = None
        seen = 0
        limit = time.monotonic() + 20
        while seen < count or committed is None:
            assert time.monotonic() < limit, f"{seen} of {count} routes"
            select.select([self.routes, self.commits], [], [], 1)
            now = time.monotonic()
            if self.read_commits() and (seen < count or committed is None):
                committed = now
            with contextlib.suppress(BlockingIOError):
                seen += count_routes(self.routes.recv(1 << 20))
                last = now
        writer.join()
        return max(last - committed, 0)


def count_routes(data):
    """New routes among netlink's messages."""
    at = seen = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("IH", data, at)
        seen += kind == RTM_NEWROUTE
        at += (length + 3) & ~3
    return seen


class FileWatch(Watch):
    """A commit is seen when the file's times change."""

    def __init__(self, lab, where):
        super().__init__(lab, where)
        libc = ctypes.CDLL(None, use_errno=True)
        self.commits = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.commits, str(lab.directory / "store.db").encode(), IN_ATTRIB)

    def read_commits(self):
        seen = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self.commits, 65536):
                seen = True
        return seen


class EtcdWatch(Watch):
    """A commit is seen by a watch of our own, as the agent sees it."""

    PREFIX = b"/calico/ipam/v2/assignment/"

    def __init__(self, lab, where):
        super().__init__(lab, where)
        self.commits = where.ns.run(self._watch)

    def _watch(self):
        host, port = etcd.URL.split("//")[1].split(":")
        stream = socket.create_connection((host, int(port)))
        keys = (self.PREFIX, self.PREFIX[:-1] + b"0")
        key, end = (base64.b64encode(text).decode() for text in keys)
        body = json.dumps({"create_request": {"key": key, "range_end": end}}).encode()
        stream.sendall(b"POST /v3/watch HTTP/1.1\r\nHost: etcd\r\nContent-Length: "
                       + str(len(body)).encode() + b"\r\n\r\n" + body)
        stream.recv(65536)
        stream.setblocking(False)
        return stream

    def read_commits(self):
        seen = False
        with contextlib.suppress(BlockingIOError):
            while self.commits.recv(1 << 20):
                seen = True
        return seen


def measure(backend, lab, watch_class):
    lab.start()
    here = lab.nodes[0]
    wait_for(lambda: "in sync" in here.log_tail(400), 20, "in sync")
    lab.pod(here, "here")
    create(lab, [node(number) for number in range(NODES)])
    watch = watch_class(lab, here)
    watch.drain()
    create(lab, [block(number) for number in range(NODES)])
    wait_for(lambda: tunnel_routes(here) >= NODES, 30, "all blocks are routes")
    create(lab, [endpoint(number, index) for number in range(NODES) for index in range(ENDPOINTS)])
    name = f"scale-{backend}"
    result(f"{name}-agent-memory", resident(here.agent.pid, "VmRSS") / 1024, "MiB",
           f"resident, {NODES} blocks, {NODES * ENDPOINTS} endpoints", "<=40")
    starts = []
    for _ in range(5):
        here.kill_agent()
        begin = time.monotonic()
        here.start_agent()
        wait_for(lambda: "in sync" in here.log_tail(400), 20, "in sync", 0.002)
        starts.append(time.monotonic() - begin)
        time.sleep(0.5)
    result(f"{name}-start-to-sync", sorted(starts)[2] * 1000, "ms", "with them", "<=1000")
    result(f"{name}-agent-memory-restarted", resident(here.agent.pid, "VmRSS") / 1024, "MiB")
    single = []
    for number in range(NODES, NODES + REPEAT):
        create(lab, [node(number)])
        time.sleep(0.05)
        single.append(watch.measure([block(number)], 1))
    result(f"{name}-one-block", sorted(single)[REPEAT // 2] * 1000, "ms",
           "commit to route in the kernel, median", "<=2")
    first = NODES + REPEAT
    create(lab, [node(number) for number in range(first, first + NODES)])
    time.sleep(1)
    took = watch.measure([block(number) for number in range(first, first + NODES)], NODES)
    result(f"{name}-1000-blocks", took * 1000, "ms", "last commit to last route", "<=100")


def main():
    environment = {"CALICO_IPV4POOL_CIDR": "10.96.0.0/11", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(1, environment, bird="none") as lab:
        measure("sqlite", lab, FileWatch)
    with Lab(1, environment, bird="none") as lab:
        etcd.start(lab)
        measure("etcd", lab, EtcdWatch)


main()
