# SPDX-License-Identifier: Apache-2.0
"""The flow log: real connections, allowed and denied, by names and policy; off, nothing is there."""

import contextlib
import json
import subprocess
import urllib.request

import pytest

from clusters import NFT, dual_cluster
from lab import LabError, probe, wait_for
from lab.lab import KORAT

POLICY = {
    "apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": "all()", "types": ["Ingress"], "ingress": [
        {"action": "Deny", "protocol": "TCP", "destination": {"ports": [8081]}},
        {"action": "Allow", "protocol": "TCP", "destination": {"ports": [8080]}},
    ]},
}
STAGED = {**POLICY, "kind": "StagedNetworkPolicy", "spec": {**POLICY["spec"], "ingress": [
    {"action": "Allow", "protocol": "TCP", "destination": {"ports": [8081, 8084]}}]}}
FAMILIES = (4, 6)
# A key longer than a log prefix has room for.
LONG = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
    "metadata": {"name": ".".join(["x" * 60] * 3), "namespace": "shop"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [
        {"ports": [{"port": 8084}]}]},
}


def configure(lab, **spec):
    """The cluster's FelixConfiguration."""
    lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "FelixConfiguration",
               "metadata": {"name": "default"}, "spec": spec})


def environment(lab, node):
    """As a person has it who asks the node's agent."""
    return {**lab.environment, "KORAT_RUN_DIR": str(node.run_dir)}


def flows(lab, node, *args):
    """The flows that koratctl shows."""
    out = node.ns.output([KORAT, "ctl", "flows", "-o", "json", *args], env=environment(lab, node))
    return [json.loads(line) for line in out.splitlines()]


def rules(node):
    """What the agent's tables say, of both families."""
    return "".join(node.ns.output([NFT, "list", "table", family, "calico"])
                   for family in ("ip", "ip6"))


def is_on(node):
    """Is the flow log on?"""
    return (node.run_dir / "flows.sock").exists() and "group 1" in rules(node)


def connect(source, target, port, timeout=0.4, family=4):
    """One TCP connection; the name that was served, or None. Only denials last till the timeout."""
    answer = source.ns.run(probe.tcp_name, target.of_family(family), timeout, port)
    return answer and answer[0]


def brief(flow):
    """What a flow says, without times and counts."""
    policy = flow["policy"]
    return (flow["reporter"], flow["action"], f"{flow['source_namespace']}/{flow['source_name']}",
            f"{flow['dest_namespace']}/{flow['dest_name']}", flow.get("dest_port"),
            policy["kind"], policy.get("name") or policy.get("tier"), policy.get("rule"))


@contextlib.contextmanager
def shop(driver=None, **felix):
    """A node, two pods, and the policy in force."""
    with dual_cluster(1, **(driver or {})) as lab:
        node = lab.nodes[0]
        client = lab.pod(node, "client-1", namespace="shop", families="46")
        server = lab.pod(node, "db", namespace="shop", families="46")
        lab.apply(POLICY)
        if felix:
            configure(lab, **felix)
        wait_for(lambda: driver or "np/shop/web" in rules(node), 15, "the policy is in force")
        yield lab, node, client, server


def test_allowed_and_denied():
    with shop(flowLogsLocalReporter="Enabled") as (lab, node, client, server):
        lab.apply(STAGED)
        lab.apply(LONG)
        wait_for(lambda: is_on(node) and "8084" in rules(node), 15, "flows are logged")
        with probe.Greeter([server]):
            for family in FAMILIES:
                assert connect(client, server, 8080, 5, family) == "db"
        for port in (8081, 8082, 8084):
            for family in FAMILIES:
                assert connect(client, server, port, 0.4, family) is None  # nobody listens there
        # The kernel hands packets over a few at a time, at the latest after a tenth of a second.
        # A flow is between names: its packets are of both families, its addresses the last one's.
        wait_for(lambda: len(found := flows(lab, node)) >= 8 and
                 all(flow["packets"] >= 2 for flow in found), 10, "all flows are there")
        seen = {brief(flow) for flow in flows(lab, node)}
        ends = ("shop/client-1", "shop/db")
        assert seen == {
            *(("src", "allow", *ends, port, "Profile", "kns.shop", 1)
              for port in (8080, 8081, 8082, 8084)),
            ("dst", "allow", *ends, 8080, "NetworkPolicy", "web", 2),
            ("dst", "deny", *ends, 8081, "NetworkPolicy", "web", 1),
            ("dst", "deny", *ends, 8082, "EndOfTier", "default", None),
            ("dst", "allow", *ends, 8084, "KubernetesNetworkPolicy", LONG["metadata"]["name"], 1),
        }
        first = next(flow for flow in flows(lab, node) if flow["dest_port"] == 8080
                     and flow["reporter"] == "dst")
        assert first["packets"] == 2  # of each connection, the packet that began it
        assert (first["source_ip"], first["dest_ip"]) == (client.of_family(6), server.of_family(6))

        # With the staged policy in place of the enforced one.
        by = {"kind": "StagedNetworkPolicy", "namespace": "shop", "name": "web"}
        assert {flow["dest_port"]: flow["staged"] for flow in flows(lab, node)
                if "staged" in flow} == {
            8080: {"action": "deny", "policy": {"kind": "EndOfTier", "tier": "default"},
                   "staged_policy": by},
            8081: {"action": "allow", "policy": {**by, "rule": 1}, "staged_policy": by}}

        assert {flow["dest_port"] for flow in flows(lab, node, "--denied")} == {8081, 8082}
        assert len(flows(lab, node, "--pod", "shop/db")) == 8
        assert not flows(lab, node, "--pod", "elsewhere/db")
        assert not flows(lab, node, "-n", "elsewhere")
        text = node.ns.output([KORAT, "ctl", "flows", "--denied"], env=environment(lab, node))
        assert "deny   shop/client-1 -> shop/db  TCP/8081  ingress: NetworkPolicy shop/web " \
            "rule 1  (" in text
        assert "ingress: end of tier default" in text
        assert "  staged: allow by StagedNetworkPolicy shop/web rule 1" in text

        metrics = node.ns.run(lambda: urllib.request.urlopen(
            "http://127.0.0.1:9091/metrics", timeout=5).read().decode())
        values = dict(line.rsplit(" ", 1) for line in metrics.splitlines()
                      if line and line[0] != "#")
        assert int(values["felix_nflog_logs_received"]) >= 8
        assert values["felix_nflog_parse_errors"] == "0"


def test_live():
    with shop(flowLogsLocalReporter="Enabled") as (lab, node, client, server):
        wait_for(lambda: is_on(node), 15, "flows are logged")
        follower = node.ns.popen([KORAT, "ctl", "flows", "--follow", "--denied", "-o", "json"],
                                 stdout=subprocess.PIPE, text=True, env=environment(lab, node))
        try:
            for port in (8081, 8083):
                for family in FAMILIES:
                    connect(client, server, port, 0.2, family)
                    flow = json.loads(follower.stdout.readline())
                    assert (flow["action"], flow["dest_port"]) == ("deny", port)
                    assert (flow["source_name"], flow["source_ip"]) == \
                        ("client-1", client.of_family(family))
        finally:
            follower.terminate()
            follower.wait()


def test_off_costs_nothing():
    with shop() as (lab, node, client, server):
        assert "log prefix" not in rules(node)
        assert not (node.run_dir / "flows.sock").exists()
        try:
            flows(lab, node)
            raise AssertionError("there are flows, though none are logged")
        except LabError as error:
            assert "flowLogsLocalReporter" in str(error)
        before = rules(node)
        configure(lab, flowLogsLocalReporter="Enabled")
        wait_for(lambda: is_on(node), 15, "flows are logged")
        connect(client, server, 8081, 0.2)
        wait_for(lambda: any(flow["dest_port"] == 8081 for flow in flows(lab, node)), 10,
                 "the flow is there")
        configure(lab, flowLogsLocalReporter="Disabled")
        wait_for(lambda: "log prefix" not in rules(node), 15, "no rule logs any more")
        wait_for(lambda: not (node.run_dir / "flows.sock").exists(), 15, "nobody answers")
        assert before.count("\n") == rules(node).count("\n")


@pytest.mark.parametrize("backend", ("Legacy", "NFT"))
def test_by_iptables(backend):
    driver = {"FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": backend}
    with shop(driver, flowLogsLocalReporter="Enabled") as (lab, node, client, server):
        with probe.Greeter([server]), probe.Greeter([server], 8081):
            wait_for(lambda: all(connect(client, server, 8081, 0.2, family) is None
                                 and connect(client, server, 8080, 0.4, family) == "db"
                                 for family in FAMILIES), 15, "the policy is in force")

        def seen(family):
            # The rules that log come a moment after those that decide.
            connect(client, server, 8081, 0.2, family)
            connect(client, server, 8080, 0.4, family)
            ends = ("shop/client-1", "shop/db")
            return {("src", "allow", *ends, 8080, "Profile", "kns.shop", 1),
                    ("dst", "allow", *ends, 8080, "NetworkPolicy", "web", 2),
                    ("dst", "deny", *ends, 8081, "NetworkPolicy", "web", 1)} <= \
                {brief(flow) for flow in flows(lab, node)
                 if (":" in flow["source_ip"]) == (family == 6)}

        lab.apply(STAGED)
        with probe.Greeter([server]), probe.Greeter([server], 8081):
            for family in FAMILIES:
                wait_for(lambda one=family: seen(one), 15, "all flows are there")
                wait_for(lambda one=family: seen(one) and {8080: "deny", 8081: "allow"} == {
                    flow["dest_port"]: flow["staged"]["action"] for flow in flows(lab, node)
                    if "staged" in flow}, 15, "staged verdicts are there")
