#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Pod to pod, on one node and across two, by VXLAN and without encapsulation: iperf3 with one stream
and with eight, and round trips of one byte. Beside it the same wired by hand with `ip`: the same
namespaces and switch, veth pairs, routes and VXLAN device, no agent and no tables of a firewall; the
round trips also beside that with one rule that masquerades what leaves the pods' networks, as pools
with natOutgoing need it: the kernel follows connections then. They take turns; medians.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import Lab, LabError, netns, wait_for  # noqa: E402  pylint: disable=wrong-import-position
from lab.lab import BUILD  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

IPERF = "/usr/bin/iperf3"
PINGPONG = BUILD / "tests/pingpong"
ROUNDS = 7
TRIPS = 10000
TRIPS_ROUNDS = 9
ENVIRONMENT = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
               "CALICO_IPV4POOL_IPIP": "Never", "CALICO_IPV4POOL_NAT_OUTGOING": "true"}
# Where a connection goes: its name, the pods' pool, the pod at the other end.
PATHS = (("same-node", "none", "b"), ("vxlan", "vxlan", "c"), ("none", "none", "c"))
MAC = "02:00:00:00:01:{:02x}"


def pool(name, cidr):
    return {"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": name},
            "spec": {"cidr": cidr, "vxlanMode": "Never", "ipipMode": "Never", "natOutgoing": True}}


class HandPod:
    """A pod's namespace, wired with `ip`."""

    def __init__(self, lab, node, name, address, mtu):
        self.node, self.address = node, address
        self.name = f"{lab.prefix}{name}"
        netns.ip_batch([f"netns add {self.name}"])
        self.ns = netns.Netns(self.name)
        netns.ip_batch([f"link add {name} netns {node.ns.name} mtu {mtu} type veth "
                        f"peer name eth0 netns {self.name} mtu {mtu}"])
        netns.ip_batch(["link set lo up", "link set eth0 up", f"addr add {address}/32 dev eth0",
                        "route add 169.254.1.1 dev eth0 scope link",
                        "route add default via 169.254.1.1"], self.name)
        node.ns.sysctl(f"net/ipv4/conf/{name}/proxy_arp", 1)
        node.ns.sysctl(f"net/ipv4/neigh/{name}/proxy_delay", 0)
        netns.ip_batch([f"link set {name} up", f"route add {address}/32 dev {name}"], node.ns.name)


class HandLab:
    """The same by hand: pods a, b on the first node and c on the second, by both ways."""

    MASQUERADE = ("add table ip hand; add chain ip hand out { type nat hook postrouting "
                  "priority 100; }; add rule ip hand out ip saddr 10.0.0.0/8 "
                  "ip daddr != 10.0.0.0/8 masquerade")

    def __init__(self, lab, mtus, masquerade=False):
        one, two = lab.nodes
        for node in lab.nodes if masquerade else []:
            node.ns.output(["/usr/sbin/nft", self.MASQUERADE])
        for node in lab.nodes:
            self._tunnel(node, mtus["vxlan"])
        self._routes(one, two)
        self._routes(two, one)
        self.pods = {}
        for way, third in (("vxlan", 50), ("none", 60)):
            for number, (name, node) in enumerate((("a", one), ("b", one), ("c", two))):
                address = f"10.{third}.{node.number}.{number + 10}"
                self.pods[way, name] = HandPod(lab, node, f"{way}{name}", address, mtus[way])

    @staticmethod
    def _tunnel(node, mtu):
        netns.ip_batch(
            [f"link add vx type vxlan id 4096 dstport 4789 local {node.address} dev eth0 nolearning",
             f"link set vx address {MAC.format(node.number)} mtu {mtu} up",
             f"addr add 10.50.{node.number}.0/32 dev vx"], node.ns.name)

    @staticmethod
    def _routes(node, other):
        mac = MAC.format(other.number)
        netns.ip_batch(
            [f"neigh add 10.50.{other.number}.0 lladdr {mac} dev vx nud permanent",
             f"route add 10.50.{other.number}.0/26 via 10.50.{other.number}.0 dev vx onlink",
             f"route add 10.60.{other.number}.0/26 via {other.address}"], node.ns.name)
        node.ns.output(["/usr/sbin/bridge", "fdb", "add", mac, "dev", "vx", "dst", other.address])


class OurLab:
    """By the agents."""

    def __init__(self, lab):
        lab.start()
        lab.apply(pool("plain", "10.61.0.0/16"))
        self.pods = {}
        one, two = lab.nodes
        for way, pools in (("vxlan", ["default-ipv4-ippool"]), ("none", ["plain"])):
            for name, node in (("a", one), ("b", one), ("c", two)):
                self.pods[way, name] = lab.pod(node, f"{way}{name}", pools)


def mtu_of(pod):
    return json.loads(pod.ns.ip("-j", "link", "show", "eth0"))[0]["mtu"]


def listen(pods):
    servers = []
    for pod in pods.values():
        servers.append(pod.ns.popen([IPERF, "-s", "-p", "5201"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL))
        servers.append(pod.ns.popen([PINGPONG, "serve", "5202"], stdout=subprocess.DEVNULL))
        wait_for(lambda pod=pod: pod.ns.output(["/usr/bin/ss", "-tln"]).count(":520") >= 2, 10,
                 "the servers listen")
    return servers


def reachable(pods):
    for (way, name), pod in pods.items():
        if name != "a":
            wait_for(lambda pod=pod, way=way: pods[way, "a"].ns.run(
                subprocess.run, ["/usr/bin/ping", "-c1", "-W1", pod.address],
                capture_output=True).returncode == 0, 40, f"{way} {name} answers")


def throughput(source, target, streams):
    """Gbit/s. Each end has a processor of its own: where they wander, rounds differ by half."""
    pinned = ["-A", "0,1"] if os.cpu_count() > 1 else []
    for _ in range(5):
        out = json.loads(source.ns.output([IPERF, "-J", "-c", target.address, "-p", "5201", "-t",
                                           "1", "-P", str(streams), *pinned],
                                          check=False))
        if "sum_received" in out["end"]:
            return out["end"]["sum_received"]["bits_per_second"] / 1e9
        time.sleep(0.2)  # the server has not put away the last one
    raise LabError(out.get("error", "iperf3 measures nothing"))


def round_trip(source, target, trips=TRIPS):
    """Microseconds."""
    out = source.ns.output([PINGPONG, "ask", target.address, "5202", str(trips)])
    return int(out.split()[0]) / 1000


def compare(name, unit, labs, measure, rounds, more_is_better):
    """They take turns, in changing order; ratios of the medians to that by hand."""
    values = {who: [] for who in labs}
    for number in range(rounds):
        for who in sorted(labs, reverse=number % 2 == 1):
            values[who].append(measure(labs[who].pods))
    medians = {who: statistics.median(values[who]) for who in labs}
    for who, median in medians.items():
        result(f"{name}-{who}", median, unit)
    for who in list(labs)[1:]:
        ours, theirs = medians["korat"], medians[who]
        result(f"{name}-ratio-to-{who}", ours / theirs if more_is_better else theirs / ours,
               "korat/peer" if more_is_better else "peer/korat", target=">=0.97")


def main():
    if not os.path.exists(IPERF):
        raise SystemExit("iperf3 is not installed; run: sudo ./dev deps")
    with Lab(2, ENVIRONMENT) as lab, Lab(2) as other, Lab(2) as third:
        ours = OurLab(lab)
        mtus = {way: mtu_of(ours.pods[way, "a"]) for way in ("vxlan", "none")}
        labs = {"korat": ours, "hand": HandLab(other, mtus)}
        with_nat = {**labs, "hand-nat": HandLab(third, mtus, masquerade=True)}
        for one in with_nat.values():
            reachable(one.pods)
            listen(one.pods)
        for path, way, target in PATHS:
            for streams in (1, 8):
                compare(f"traffic-{path}-{streams}", "Gbit/s", labs,
                        lambda pods, way=way, target=target, streams=streams: throughput(
                            pods[way, "a"], pods[way, target], streams), ROUNDS, True)
            compare(f"round-trip-{path}", "us", with_nat,
                    lambda pods, way=way, target=target: round_trip(
                        pods[way, "a"], pods[way, target]), TRIPS_ROUNDS, False)


if __name__ == "__main__":
    main()
