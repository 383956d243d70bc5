# SPDX-License-Identifier: Apache-2.0
"""
A lab with pods wired by hand and plain kernel routes, no agent: what the lab itself must be able to
do, and what a machine must offer. Prints OK. Used natively and, with "ipip", inside user-mode Linux.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import FLOW, Lab, capture, netns, probe  # pylint: disable=wrong-import-position


def wire(pod, address):
    """A veth pair as the CNI plugin makes it."""
    host = f"cali{pod.name}"
    netns.ip_batch([
        f"link add {host} netns {pod.node.ns.name} type veth peer name eth0 netns {pod.ns.name}"
    ])
    netns.ip_batch(
        [f"link set {host} address ee:ee:ee:ee:ee:ee up",
         f"route add {address}/32 dev {host} scope link"], pod.node.ns.name)
    pod.node.ns.sysctl(f"net/ipv4/conf/{host}/proxy_arp", 1)
    pod.node.ns.sysctl(f"net/ipv4/neigh/{host}/proxy_delay", 0)
    netns.ip_batch(
        [f"addr add {address}/32 dev eth0", "link set eth0 up",
         "route add 169.254.1.1 dev eth0 scope link", "route add default via 169.254.1.1"],
        pod.ns.name)
    pod.result = {"ips": [{"address": f"{address}/32"}], "interfaces": [{"name": host}]}




def main(ipip):
    """Two nodes, two pods each: a matrix, a flow, and the way of one packet."""
    with Lab(2) as lab:
        for node in lab.nodes:
            for letter in "ab":
                number = 7 if letter == "a" else 8
                wire(lab.new_pod(node, f"{letter}{node.number}"), f"10.42.{node.number}.{number}")
        via = "dev tunl0 onlink" if ipip else "dev eth0"
        for node, other in (lab.nodes, reversed(lab.nodes)):
            if ipip:
                netns.ip_batch(["link set tunl0 up"], node.ns.name)
            netns.ip_batch([f"route add 10.42.{other.number}.0/26 via {other.address} {via}"],
                           node.ns.name)
        bad = {pair: reach for pair, reach in probe.matrix(lab.pods).items() if not reach.good}
        assert not bad, bad
        first, last = lab.pods[0], lab.pods[-1]
        report = probe.Flow(FLOW, first, last, 200, 1).finish()
        assert report["lost"] == 0, report
        taps = [capture.Tap(first.name, first.ns, "eth0"),
                capture.Tap("node1", lab.nodes[0].ns, "eth0"),
                capture.Tap("node2", lab.nodes[1].ns, "eth0"),
                capture.Tap(last.name, last.ns, "eth0")]
        trip, seen = capture.follow_ping(first, last, taps)
        capture.close(taps)
        assert trip is not None
        questions = [one for one in seen if not one.reply]
        assert [one.place for one in questions] == ["a1", "node1", "node2", "b2"], questions
        assert ("IPIP" in questions[1].text()) == ipip, questions[1].text()
        for one in seen:
            print(one.place, one.interface, one.text())
    print("OK", flush=True)


if __name__ == "__main__":
    main("ipip" in sys.argv[1:])
