# SPDX-License-Identifier: Apache-2.0
"""
Connections in the kernel's flow table, on a node whose kernel has one: that their packets really
take the short way, and what still ends them. For a cluster with KORAT_CUT_DENIED and an IPv6 pool
"six".
"""

import contextlib
import json
import pathlib
import socket
import struct
import time
import urllib.request

from clusters import NFT, ruleset
from lab import cni, probe, wait_for
from policed import address, network_policy

PORT, UDP_PORT = 7300, 7301
WORDS = 20
SLOW = 30
GATEWAY = "192.168.0.254"
CONFIGURATION = {"apiVersion": "projectcalico.org/v3", "kind": "FelixConfiguration",
                 "metadata": {"name": "default"}}
SERVICE = "10.96.0.10"
SERVE = ("add table ip serve; add chain ip serve c {{ type nat hook prerouting priority -100; }}; "
         "add rule ip serve c ip daddr {service} dnat to {pod}")
OFFLOAD = {"nftablesFlowTableOffload": "All", "nftablesFlowTableDataIfacePattern": "^eth0$"}
# Counts what passes the forward hook, whoever sends it.
WATCH = ("add table inet watch; add chain inet watch c { type filter hook forward priority 5; }; "
         "add rule inet watch c tcp dport {7300, 7301} counter; "
         "add rule inet watch c tcp sport {7300, 7301} counter; "
         "add rule inet watch c udp dport {7300, 7301} counter")


class Talk:
    """TCP or UDP between two places, word by word, there and back."""

    def __init__(self, source, ns, to, kind=socket.SOCK_STREAM, via=None):
        """'via': the address to connect to, if it is another than the server's."""
        family = probe.family_of(to)
        port = PORT if kind == socket.SOCK_STREAM else UDP_PORT
        self._server = ns.run(socket.socket, family, kind)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind((to, port))
        self._client = source.ns.run(socket.socket, family, kind)
        self._client.settimeout(SLOW)
        self._server.settimeout(SLOW)
        self.peer = None
        if kind == socket.SOCK_STREAM:
            listener = self._server
            listener.listen()
            self._client.connect((via or to, port))
            self._server, self.peer = listener.accept()
            self._server.settimeout(SLOW)
            listener.close()
        else:
            self._client.connect((to, port))
        self.port = self._client.getsockname()[1]
        self._kind = kind

    def word(self, size=1, timeout=5):
        """Does a word come through, and the answer to it?"""
        self._server.settimeout(timeout)
        self._client.settimeout(timeout)
        try:
            self._client.sendall(b"w" * size)
            data, sender = b"", None
            while len(data) < size:
                piece, sender = self._server.recvfrom(65536)
                data += piece
            if self._kind == socket.SOCK_STREAM:
                self._server.sendall(b"a")
            else:
                self._server.sendto(b"a", sender)
            return data == b"w" * size and self._client.recv(1) == b"a"
        except OSError:
            return False

    def close(self):
        """Both ends."""
        self._client.close()
        self._server.close()

    def entries(self, node):
        """The node's lines about it."""
        lines = node.ns.run(pathlib.Path("/proc/thread-self/net/nf_conntrack").read_text, "ascii")
        return [line for line in lines.splitlines() if f"sport={self.port} " in line]

    def is_offloaded(self, node):
        """Does the node have it in its flow table?"""
        return any("[OFFLOAD]" in line for line in self.entries(node))

    def settles(self, *nodes):
        """Words go until all these nodes have it in their flow tables."""
        wait_for(lambda: self.word() and all(self.is_offloaded(node) for node in nodes), SLOW,
                 f"the connection from port {self.port} is in the flow table")


def dual(lab, node, name):
    """A pod with IPv4 by VXLAN, and IPv6."""
    pod = lab.new_pod(node, name)
    conf = cni.pod_conf(node.name, ["default-ipv4-ippool"])
    conf["ipam"].update(assign_ipv4="true", assign_ipv6="true", ipv6_pools=["six"])
    answer = cni.call(pod, "ADD", conf)
    assert not answer.code, answer.text
    pod.result = answer.json
    return pod


def devices(node):
    """Of both families' flow tables: {family: names}."""
    out = json.loads(node.ns.output([NFT, "-j", "list", "flowtables"]))["nftables"]
    # nft shows one device as a word, several as a list.
    found = {}
    for item in out:
        if "flowtable" in item and item["flowtable"]["table"] == "calico":
            names = item["flowtable"].get("dev", [])
            found[item["flowtable"]["family"]] = {names} if isinstance(names, str) else set(names)
    return found


def configure(lab, **spec):
    """The FelixConfiguration of all nodes."""
    lab.apply({**CONFIGURATION, "spec": spec})


def passed(node):
    """How many packets the forward hook has seen."""
    out = json.loads(node.ns.output([NFT, "-j", "list", "table", "inet", "watch"]))["nftables"]
    return sum(expression["counter"]["packets"] for item in out if "rule" in item
               for expression in item["rule"]["expr"] if "counter" in expression)


def short_way(node, talks):
    """None of their packets passes a hook behind the ingress."""
    node.ns.output([NFT, WATCH])
    for talk in talks:
        assert all(talk.word() for _ in range(WORDS))
    assert passed(node) == 0, node.ns.output([NFT, "list", "table", "inet", "watch"])
    node.ns.output([NFT, "delete table inet watch"])


def checksum_of(*parts):
    """UDP's, of IPv4."""
    return probe.checksum(b"".join(parts)) or 0xFFFF


def spoof(source, owner, talk, to):
    """A datagram from one pod with another's address and port: its bytes."""
    payload = b"spoofed"
    head = struct.pack("!HHH", talk.port, UDP_PORT, 8 + len(payload))
    ends = socket.inet_aton(owner) + socket.inet_aton(to)
    check = checksum_of(ends, struct.pack("!HH", socket.IPPROTO_UDP, 8 + len(payload)), head,
                        b"\0\0", payload)
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 1, 0, 64, socket.IPPROTO_UDP,
                         0) + ends + head + struct.pack("!H", check) + payload
    with source.ns.run(socket.socket, socket.AF_INET, socket.SOCK_RAW,
                       socket.IPPROTO_RAW) as sender:
        sender.sendto(packet, (to, 0))


def no_spoofing(talk, owner, other, target):
    """What another pod sends with the connection's addresses and ports does not arrive."""
    # pylint: disable=protected-access
    assert talk.word()
    spoof(owner, owner.address, talk, target.address)
    talk._server.settimeout(SLOW)
    assert talk._server.recv(100) == b"spoofed"  # so the packet is good
    spoof(other, owner.address, talk, target.address)
    assert talk.word()


def denies(pod):
    """A policy that lets nothing begin at this pod."""
    return network_policy(pod.namespace, "closed", selector="offload == 'closed'",
                          types=["Ingress"], ingress=[])


def label(lab, pod, value):
    """Of the pod's endpoint."""
    name = next(one["metadata"]["name"] for one in lab.get("workloadendpoints", None,
                                                           pod.namespace)
                if one["spec"]["containerID"] == pod.container)
    lab.ctl("label", "workloadendpoint", name, f"offload={value}", "--overwrite", "-n",
            pod.namespace)


def said(node):
    """How often the agent has said that somebody changed its rules."""
    return node.log.read_text(encoding="utf-8").count("somebody changed our rules")


def _metrics():
    with urllib.request.urlopen("http://127.0.0.1:9091/metrics", timeout=SLOW) as answer:
        return answer.read().decode("ascii")


def offload_begins(lab, step):
    """The flow tables are there, with the devices of pods, of tunnels, and the node's own."""
    assert devices(lab.nodes[0]) == {}
    configure(lab, **OFFLOAD)
    for node in lab.nodes:
        wanted = {pod.host_interface for pod in lab.pods if pod.node is node}
        wanted |= {"eth0", "vxlan.calico"}
        wait_for(lambda node=node, wanted=wanted: all(
            wanted <= devices(node).get(family, set()) for family in ("ip", "ip6")), SLOW,
            f"the flow tables of {node.name} have their devices")
        metrics = node.ns.run(_metrics)
        for version, family in (("4", "ip"), ("6", "ip6")):
            assert (f'felix_nft_flowtable_devices{{ip_version="{version}"}} '
                    f'{len(devices(node)[family])}\n') in metrics
    step("flow tables")


def offload_outlives(lab, talks, step):
    """The agent's end and start change nothing; what others take away comes back."""
    node = lab.nodes[0]
    before = ruleset(node)
    node.kill_agent()
    assert all(talk.word() for talk in talks)
    assert all(talk.is_offloaded(node) for talk in talks)
    node.start_agent()
    time.sleep(1)
    assert ruleset(node) == before
    assert all(talk.is_offloaded(node) for talk in talks)
    step("offload: restart")
    node.ns.output([NFT, "flush ruleset"])
    assert all(talk.word() for talk in talks)
    wait_for(lambda: ruleset(node) == before, SLOW, "the flow table is back with its devices")
    for talk in talks:
        talk.settles(node)
    step("offload: repair")


def offload_ends(lab, pods, talks, step):
    """A policy that denies ends what is offloaded; so does the end of a pod."""
    node = lab.nodes[0]
    closed, going, stays = talks
    repairs = said(node)
    lab.apply(denies(pods[1]))
    label(lab, pods[1], "closed")
    wait_for(lambda: not closed.entries(node), SLOW, "the connection is cut")
    assert not closed.word(timeout=1)
    assert stays.word() and stays.is_offloaded(node)
    assert pods[0].ns.run(probe.tcp_name, pods[1].address, 1, PORT) is None
    step("offload: denied")
    interface = pods[2].host_interface
    assert interface in devices(node)["ip"]
    lab.drop_pod(pods[2])
    wait_for(lambda: not going.entries(node), SLOW, "the deleted pod has no connection")
    wait_for(lambda: interface not in devices(node)["ip"], SLOW, "its device is gone")
    assert stays.word() and stays.is_offloaded(node)
    assert said(node) == repairs  # a device that goes is nobody's doing
    step("offload: gone")


def offloads(lab, step):
    """All of it. 'step' is told where it is."""
    one, two = lab.nodes
    by_name = {pod.name: pod for pod in lab.pods}
    first, near, far = dual(lab, one, "oa"), dual(lab, one, "ob"), dual(lab, two, "oc")
    offload_begins(lab, step)
    new = dual(lab, one, "od")
    with contextlib.ExitStack() as stack:
        def talk(source, target, to, kind=socket.SOCK_STREAM, via=None):
            made = Talk(source, target.ns if hasattr(target, "ns") else target, to, kind, via)
            stack.callback(made.close)
            return made

        near4 = talk(first, near, near.address)
        far4 = talk(first, far, far.address)
        near6 = talk(first, near, address(near, 6))
        far6 = talk(first, far, address(far, 6))
        udp = talk(first, far, far.address, socket.SOCK_DGRAM)
        ipip = talk(by_name["i1"], by_name["i2"], by_name["i2"].address)
        out = talk(first, lab.switch, GATEWAY)
        one.ns.output([NFT, SERVE.format(service=SERVICE, pod=far.address)])
        service = talk(first, far, far.address, via=SERVICE)
        fresh = talk(first, new, new.address)
        assert out.peer[0] == one.address
        everything = [near4, far4, near6, far6, udp, ipip, out, fresh, service]
        for connection in everything:
            connection.settles(one)
        for connection in (far4, far6, udp, ipip, service):
            connection.settles(two)
        step("offloaded")
        short_way(one, everything)
        step("the short way")
        # More than fits into a packet: fragments take the long way, segments the short one.
        assert udp.word(4000) and udp.word() and far4.word(200000) and ipip.word(200000)
        no_spoofing(udp, first, near, far)
        step("large and spoofed")
        offload_outlives(lab, everything, step)
        offload_ends(lab, (first, near, new), (near4, fresh, far4), step)
        configure(lab)
        wait_for(lambda: not devices(one) and not devices(two), SLOW, "the flow tables are gone")
        one.ns.output([NFT, WATCH])
        assert far4.word() and not far4.is_offloaded(one) and passed(one)
    step("offload is over")
