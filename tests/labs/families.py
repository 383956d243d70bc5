# SPDX-License-Identifier: Apache-2.0
"""Pods with IPv6, and clusters whose nodes are prepared by hand before their agents start."""

import contextlib
import json
import os
import select
import socket
import time

from lab import Lab, LabError, probe, wait_for

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 23, 2


def pool(name, cidr, vxlan="Never", nat=False, **spec):
    """An IPPool."""
    return {
        "apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": name},
        "spec": {"cidr": cidr, "ipipMode": "Never", "vxlanMode": vxlan, "natOutgoing": nat, **spec},
    }


@contextlib.contextmanager
def prepared(n_nodes, prepare=None, **environment):
    """As clusters.cluster(), with prepare(lab) called before the agents start."""
    defaults = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_IPIP": "Never",
                "CALICO_IPV4POOL_VXLAN": "Always"}
    with Lab(n_nodes, {**defaults, **environment}) as lab:
        try:
            if prepare:
                prepare(lab)
            lab.start()
            yield lab
        except BaseException:
            for node in lab.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}")
            raise


def family_pod(lab, node, name, v4=True, v6=True, namespace="default"):
    """A pod with addresses of the families asked for."""
    return lab.pod(node, name, namespace=namespace, families="4" * v4 + "6" * v6)


def silent_pairs(pods):
    """[(from, address)] of what does not answer a ping, over all pods and all their addresses."""
    def one(source):
        return [(source.name, address) for other in pods if other is not source
                for address in other.addresses
                if any((":" in own) == (":" in address) for own in source.addresses)
                and source.ns.run(probe.ping, address, 1.0, count=2) is None]
    return [pair for source in pods for pair in one(source)]


def reach_all_families(pods, seconds=30):
    """Every pod pings every address of every other, within the time it takes to settle."""
    last = []

    def good():
        last[:] = silent_pairs(pods)
        return not last

    try:
        wait_for(good, seconds, "every pod reaches every other", 0.2)
    except LabError as error:
        raise LabError(f"{error}; silent: {last}") from None


def device_to(source, address):
    """The device by which a packet to the address leaves the node of the pod it comes from."""
    family = ":" in address
    own = next(one for one in source.addresses if (":" in one) == family)
    line = source.node.ns.ip("-6" if family else "-4", "-o", "route", "get", address, "from", own,
                             "iif", source.host_interface)
    return line.split(" dev ")[1].split()[0]


def whole_ping(address, size, timeout=1.0):
    """
    Pings with a packet of that many bytes, IP header included, that may not be cut into pieces.
    True: answered. False: silence. None: refused by the sender's own kernel as too long.
    """
    family = probe.family_of(address)
    v6 = family == socket.AF_INET6
    reply, head = (129, 0) if v6 else (0, 20)  # IPv6's raw sockets give no header
    payload = b"x" * (size - (48 if v6 else 28))
    ident = int.from_bytes(os.urandom(2), "big")
    with socket.socket(family, socket.SOCK_RAW,
                       socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP) as sock:
        sock.setsockopt(*((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if v6
                          else (socket.IPPROTO_IP, IP_MTU_DISCOVER)), IP_PMTUDISC_DO)
        try:
            sock.sendto(probe.echo_request(family, ident, 1, payload), (address, 0))
        except OSError:
            return None
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                break
            data, sender = sock.recvfrom(65535)
            if sender[0] == address and data[head] == reply and \
                    len(data) == size - (40 if v6 else 0):
                return True
    return False


class Outside:
    """A host beyond the cluster: what probe.Greeter takes for a pod."""

    def __init__(self, ns, name):
        self.ns = ns
        self.name = name


def pools_of(lab):
    """{name: spec} of the pools there are."""
    return {item["metadata"]["name"]: item["spec"] for item in lab.get("ippools")}


def used_addresses(lab):
    """Addresses given away, by all blocks, but for those the nodes have in reserve."""
    def is_used(spec, index):
        return index is not None and not \
            spec["attributes"][index].get("handle_id", "").startswith("korat-reserve-")

    return sum(is_used(block["spec"], index) for block in lab.get("ipamblocks")
               for index in block["spec"].get("allocations", []))


def addresses_of(node, device):
    """The addresses of an interface of a node, without link-local ones."""
    out = json.loads(node.ns.ip("-j", "addr", "show", "dev", device, check=False) or "[]")
    return [info["local"] for link in out if link for info in link.get("addr_info", [])
            if not info["local"].startswith("fe80")]
