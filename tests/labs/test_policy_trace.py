# SPDX-License-Identifier: Apache-2.0
"""Real packets followed through the kernel: which rule of which policy allowed or denied them."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from clusters import NFT, dual_cluster, one_of_each
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


def connect(source, target, port, timeout=0.5, family=4):
    """One TCP connection; the name that was served, or None."""
    answer = source.ns.run(probe.tcp_name, target.of_family(family), timeout, port)
    return answer and answer[0]


def ends(source, target, port, family):
    """The question about a connection: by names, or by addresses where those would mean IPv4."""
    if family == 6 and source.of_family(4):
        return f"{source.of_family(6)} -> [{target.of_family(6)}]:tcp/{port}"
    return f"pod/default/{source.name} -> pod/default/{target.name}:tcp/{port}"


def run_ways(source, target, port, family):
    """The ways of the packets of one try."""
    with trace(source.node.lab, source.node, ends(source, target, port, family),
               "-o", "json") as process:
        connect(source, target, port, 0.5, family)
    return process, json.loads(process.out)["ways"]


@pytest.fixture(scope="module", name="pods")
def _pods():
    """By node of a kind each: a client and a server on one, a server far away."""
    with dual_cluster(2) as lab:
        one, two = lab.nodes
        pods = {name: one_of_each(lab, node, name)
                for name, node in (("client", one), ("server", one), ("far", two))}
        lab.apply(POLICY)
        yield pods


@pytest.mark.parametrize("kind, family", [("four", 4), ("six", 6), ("both", 4), ("both", 6)])
def test_the_rule_that_decides(pods, kind, family):
    client, server, far = (pods[name][kind] for name in ("client", "server", "far"))
    lab, one, two = client.node.lab, client.node, far.node
    table = {4: "ip", 6: "ip6"}[family]
    wait_for(lambda: connect(client, server, 8082, 0.2, family) is None and "np/default/web" in
             one.ns.output([NFT, "list", "table", table, "calico"]), 15, "the policy is in force")
    with probe.Greeter([server, far]):
        wait_for(lambda: connect(client, far, 8080, 0.5, family) == far.name, 10,
                 "the nodes know each other")

        process, ways = run_ways(client, server, 8080, family)
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

        process, ways = run_ways(client, server, 8081, family)
        assert process.returncode == 2
        assert len(ways) == 1 and ways[0]["verdict"] == "deny"
        last = ways[0]["steps"][-1]
        assert last["policy"] == {"kind": "NetworkPolicy", "namespace": "default",
                                  "name": "web"}
        assert (last["rule"], last["verdict"]) == ("rule 1", "deny")

        with trace(lab, one, ends(client, server, 8085, family)) as process:
            connect(client, server, 8085, 0.5, family)
        assert process.returncode == 2
        assert "ingress of the pod at " + server.host_interface + \
            ", end of tier default: deny" in process.out, process.out
        assert f"packet, in by {client.host_interface}" in process.out
        assert "Denied." in process.out
        assert "continue" not in process.out  # the end of a chain is no rule

        # The sender's node lets it go, the receiver's node denies it.
        with trace(lab, one, client.of_family(family), far.of_family(family)) as here, \
                trace(lab, two, client.of_family(family), far.of_family(family)) as there:
            connect(client, far, 8081, 0.5, family)
        assert (here.returncode, there.returncode) == (0, 2)
        assert "NetworkPolicy default/web, ingress rule 1: deny" in there.out


def test_no_packet_and_no_trace_left():
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        client, server = (lab.pod(node, name, families="46") for name in ("client", "server"))
        for family in (4, 6):
            with trace(lab, node, ends(client, server, 9999, family)) as process:
                assert len(tables(node)) == 1
                # Other ports, the other way, and the other family are not followed.
                connect(client, server, 8080, 0.2, family)
                connect(server, client, 9999, 0.2, family)
                connect(client, server, 9999, 0.2, 10 - family)
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
    with dual_cluster(1, FELIX_NFTABLESMODE="Disabled", FELIX_IPTABLESBACKEND=backend) as lab:
        node = lab.nodes[0]
        client, server = (lab.pod(node, name, families="46") for name in ("client", "server"))
        lab.apply(POLICY)
        with probe.Greeter([server]), probe.Greeter([server], 8081):
            wait_for(lambda: all(connect(client, server, 8080, 0.5, family) == "server"
                                 and connect(client, server, 8081, 0.2, family) is None
                                 for family in (4, 6)), 15, "the policy is in force")
        for family in (4, 6):
            with trace(lab, node, ends(client, server, 8081, family)) as process:
                connect(client, server, 8081, 0.5, family)
            assert f"packet, in by {client.host_interface}" in process.out
            if backend == "NFT":
                assert "NetworkPolicy default/web, ingress rule with handle" in process.out
                assert "Denied." in process.out
            else:
                assert "It met no rule of nftables." in process.out
