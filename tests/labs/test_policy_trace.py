# SPDX-License-Identifier: Apache-2.0
"""Real packets followed through the kernel: which rule of which policy allowed or denied them."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from clusters import NFT, cluster
from lab import probe, wait_for
from lab.lab import KORAT

POLICY = {
    "apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": "all()", "types": ["Ingress"], "ingress": [
        {"action": "Deny", "protocol": "TCP", "destination": {"ports": [8081]}},
        {"action": "Allow", "protocol": "TCP", "destination": {"ports": [8080]}},
    ]},
}


def tables(node):
    """The temporary tables that are there."""
    out = node.ns.output([NFT, "list", "tables"])
    return [line for line in out.splitlines() if "korat-trace" in line]


@contextlib.contextmanager
def trace(lab, node, *args):
    """koratctl policy trace on the node; ended by SIGINT at the end, its output in .out then."""
    process = node.ns.popen([KORAT, "ctl", "policy", "trace", *args, "--seconds", "60"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=lab.environment)
    try:
        assert process.stderr.readline().startswith("following packets")
        yield process
        process.send_signal(signal.SIGINT)
        process.out, errors = process.communicate(timeout=10)
        assert not errors
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def connect(source, target, port, timeout=0.5):
    """One TCP connection; the name that was served, or None."""
    answer = source.ns.run(probe.tcp_name, target.address, timeout, port)
    return answer and answer[0]


def run_ways(lab, node, source, target, port, what):
    """The ways of the packets of one try."""
    with trace(lab, node, f"pod/default/{source.name} -> pod/default/{target.name}:{what}",
               "-o", "json") as process:
        connect(source, target, port)
    return process, json.loads(process.out)["ways"]


def test_the_rule_that_decides():
    with cluster(2, CALICO_IPV4POOL_IPIP="Never", CALICO_IPV4POOL_VXLAN="Always") as lab:
        one, two = lab.nodes
        client, server, far = lab.pod(one, "client"), lab.pod(one, "server"), lab.pod(two, "far")
        lab.apply(POLICY)
        wait_for(lambda: connect(client, server, 8082) is None and "np/default/web" in
                 one.ns.output([NFT, "list", "table", "ip", "calico"]), 15, "the policy is in force")
        with probe.Greeter([server, far]):
            wait_for(lambda: connect(client, far, 8080) == "far", 10, "the nodes know each other")

            process, ways = run_ways(lab, one, client, server, 8080, "tcp/8080")
            assert process.returncode == 0
            first = next(way for way in ways if any("policy" in step for step in way["steps"]))
            steps = [(step["policy"]["kind"], step["policy"]["name"], step["direction"],
                      step["rule"], step["verdict"]) for step in first["steps"]
                     if "policy" in step]
            assert ("Profile", "kns.default", "egress", "rule 1", "accept") in steps
            assert ("NetworkPolicy", "web", "ingress", "rule 2", "accept") in steps
            assert {way["verdict"] for way in ways} == {"allow"}
            # The connection's other packets need no policy.
            assert any("belongs to a connection" in [step.get("rule") for step in way["steps"]]
                       for way in ways)

            process, ways = run_ways(lab, one, client, server, 8081, "tcp/8081")
            assert process.returncode == 2
            assert len(ways) == 1 and ways[0]["verdict"] == "deny"
            last = ways[0]["steps"][-1]
            assert last["policy"] == {"kind": "NetworkPolicy", "namespace": "default",
                                      "name": "web"}
            assert (last["rule"], last["verdict"]) == ("rule 1", "deny")

            with trace(lab, one, client.address, f"{server.address}:tcp/8085") as process:
                connect(client, server, 8085)
            assert process.returncode == 2
            assert "ingress of the pod at " + server.host_interface + \
                ", end of tier default: deny" in process.out, process.out
            assert f"packet, in by {client.host_interface}" in process.out
            assert "Denied." in process.out
            assert "continue" not in process.out  # the end of a chain is no rule

            # The sender's node lets it go, the receiver's node denies it.
            with trace(lab, one, client.address, far.address) as here, \
                    trace(lab, two, client.address, far.address) as there:
                connect(client, far, 8081)
            assert (here.returncode, there.returncode) == (0, 2)
            assert "NetworkPolicy default/web, ingress rule 1: deny" in there.out


def test_no_packet_and_no_trace_left():
    with cluster(1) as lab:
        node = lab.nodes[0]
        client, server = lab.pod(node, "client"), lab.pod(node, "server")
        with trace(lab, node, client.address, f"{server.address}:tcp/9999") as process:
            assert len(tables(node)) == 1
            # Other ports, and the other way, are not followed.
            connect(client, server, 8080, 0.2)
            connect(server, client, 9999, 0.2)
        assert process.returncode == 0
        assert "No such packet came by" in process.out
        assert not tables(node)
        process = node.ns.popen([KORAT, "ctl", "policy", "trace", client.address, server.address],
                                stderr=subprocess.PIPE, text=True, env=lab.environment)
        assert process.stderr.readline()
        assert len(tables(node)) == 1
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not tables(node), 10, "the kernel takes the table away")


@pytest.mark.parametrize("backend", ("NFT", "Legacy"))
def test_by_iptables(backend):
    with cluster(1, CALICO_IPV4POOL_IPIP="Never", CALICO_IPV4POOL_VXLAN="Always",
                 FELIX_NFTABLESMODE="Disabled", FELIX_IPTABLESBACKEND=backend) as lab:
        node = lab.nodes[0]
        client, server = lab.pod(node, "client"), lab.pod(node, "server")
        lab.apply(POLICY)
        with probe.Greeter([server]), probe.Greeter([server], 8081):
            wait_for(lambda: connect(client, server, 8080) == "server"
                     and connect(client, server, 8081) is None, 15, "the policy is in force")
        with trace(lab, node, client.address, server.address) as process:
            connect(client, server, 8081)
        assert f"packet, in by {client.host_interface}" in process.out
        if backend == "NFT":
            assert "NetworkPolicy default/web, ingress rule with handle" in process.out
            assert "Denied." in process.out
        else:
            assert "It met no rule of nftables." in process.out
