# SPDX-License-Identifier: Apache-2.0
"""Korat before the reference plugins portmap and bandwidth, as libcni chains them."""

import json

import pytest

from clusters import dual_cluster, one_of_each, reach_all
from lab import cni, probe

CHAIN = [
    {**{key: value for key, value in cni.CONFLIST["plugins"][0].items() if key != "nodename"},
     "ipam": {"type": "calico-ipam", "assign_ipv6": "true"}},
    {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
]
RUNTIME_CONFIG = {
    "portMappings": [{"hostPort": 8080, "containerPort": probe.TCP_PORT, "protocol": "tcp"}],
    "bandwidth": {"ingressRate": 80_000_000, "ingressBurst": 80_000_000,
                  "egressRate": 80_000_000, "egressBurst": 80_000_000},
}


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_chain(version):
    network = cni.List("chain", version, CHAIN, **RUNTIME_CONFIG)
    with dual_cluster(2) as lab:
        server = lab.new_pod(lab.nodes[0], "server")
        links = {link["ifname"] for link in server.node.links()}
        answer = network.add(server)
        assert answer.code == 0, answer.text
        assert answer.json["interfaces"][0]["name"].startswith("cali")
        clients = one_of_each(lab, lab.nodes[1], "client")
        reach_all(lab)
        with probe.Greeter([server]):
            for kind, address in (("four", server.node.address), ("six", server.node.address6),
                                  ("both", server.node.address), ("both", server.node.address6)):
                name = clients[kind].ns.run(probe.tcp_name, address, 5, 8080)
                assert name and name[0] == "server", f"{kind} pod to {address}"
        if version != "0.3.1":
            # Ours alone, with the chain's result: of Debian's, portmap looks for an IPv6 chain
            # that it has not made for an IPv4 pod, and bandwidth panics.
            checked = cni.List("chain", version, CHAIN[:1]).check(server)
            assert checked.code == 0, checked.text
        qdiscs = json.loads(server.node.ns.output(
            ["/usr/sbin/tc", "-j", "qdisc", "show", "dev", server.host_interface]))
        assert "tbf" in [qdisc["kind"] for qdisc in qdiscs]
        for _ in range(2):
            answer = network.delete(server)
            assert answer.code == 0, answer.text
        assert {link["ifname"] for link in server.node.links()} == links
