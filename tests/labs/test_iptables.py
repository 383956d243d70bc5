# SPDX-License-Identifier: Apache-2.0
"""
Policy by iptables: the backends take turns on a node with pods, and a node leaves. What the rules do
to packets is in test_policy_diff.py and test_policy_matrix.py.
"""

import re
import subprocess
import time

import pytest

from clusters import NFT, dual_cluster, one_of_each
from lab import KORAT, probe, wait_for
from policed import felix, network_policy

NFTABLES = {"FELIX_NFTABLESMODE": "Enabled"}
LEGACY = {"FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "Legacy"}
BY_NFT = {"FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "NFT"}
SAVES = ("iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save",
         "ip6tables-nft-save")
FOREIGN = "-A INPUT -s 192.0.2.9/32 -j DROP"


def saved(node):
    """The rules of every program, {program: lines}."""
    return {save: node.ns.output([f"/usr/sbin/{save}"]).splitlines() for save in SAVES}


def ours(node):
    """The programs that know chains of the agent's."""
    return [save for save, lines in saved(node).items() if any("cali" in line for line in lines)]


def tables(node):
    """The agent's nftables tables."""
    return [line for line in node.ns.output([NFT, "list", "tables"]).splitlines()
            if line.endswith(" calico")]


def state(node):
    """Which of them judge packets."""
    return {"iptables": ours(node), "nftables": tables(node)}


STATES = {
    "nftables": {"iptables": [], "nftables": ["table ip calico", "table ip6 calico"]},
    "legacy": {"iptables": ["iptables-legacy-save", "ip6tables-legacy-save"], "nftables": []},
    "nft": {"iptables": ["iptables-nft-save", "ip6tables-nft-save"], "nftables": []},
}


def answers(pods):
    """The addresses of pods that answer a ping of one of each kind."""
    return [address for source in pods[:3] for target in pods if target is not source
            for address in target.addresses if source.of_family(6 if ":" in address else 4)
            and source.ns.run(probe.ping, address, 0.1) is not None]


def test_backends_take_turns(clean_machine):
    with dual_cluster(1, **NFTABLES) as lab:
        node, = lab.nodes
        pods = [pod for name in ("a", "b") for pod in one_of_each(lab, node, name).values()]
        wait_for(lambda: all(reach.good for reach in probe.matrix(pods).values()), 20, "pods reach")
        lab.apply(felix(natOutgoingExclusions="IPPoolsAndHostIPs"))
        for name, variables in (("legacy", LEGACY), ("nft", BY_NFT), ("nftables", NFTABLES),
                                ("nft", BY_NFT), ("legacy", LEGACY)):
            node.kill_agent()
            node.start_agent(**variables)
            wait_for(lambda name=name: state(node) == STATES[name], 20, f"only {name} judges")
            assert all(reach.good for reach in probe.matrix(pods).values()), name
            if name == "nftables":  # iptables' sets have the same members
                wait_for(lambda: f"{node.address}" in node.ns.output(
                    [NFT, "list", "set", "ip", "calico", "network-ip-pools"]), 5, "hosts spared")
            deny = network_policy("default", f"deny-{name}", selector="all()",
                                  types=["Ingress", "Egress"])
            lab.apply(deny)
            # A pair of both families would pass for denied while one of them is.
            wait_for(lambda: not answers(pods), 20, f"{name} denies")
            lab.ctl("delete", "networkpolicy", f"deny-{name}", "-n", "default")
            wait_for(lambda: all(reach.good for reach in probe.matrix(pods).values()), 20,
                     f"{name} allows again")


@pytest.mark.parametrize("name, variables", [("legacy", LEGACY), ("nft", BY_NFT)])
def test_flushed_rules_are_back(clean_machine, name, variables):
    """As a firewall that is loaded anew does it."""
    with dual_cluster(1, **variables) as lab:
        node, = lab.nodes
        one_of_each(lab, node, "a")

        def rules():
            lines = [line for lines in saved(node).values() for line in lines]
            return sorted(line for line in lines if line.startswith("-A"))

        # The tunnel's device, which has rules of its own, may come after the pod.
        before = []
        while before != (before := rules()):
            time.sleep(0.5)
        assert any("cali-tw-" in line for line in before)
        for harm in ("-F", "-D FORWARD 1", "-F cali-FORWARD"):
            for program in ("iptables", "ip6tables"):
                node.ns.output([f"/usr/sbin/{program}-{name}", "-w", *harm.split()])
            wait_for(lambda: rules() == before, 10, f"what {harm} took away is back")
        others_decide(lab, node, f"/usr/sbin/iptables-{name}")


def others_decide(lab, node, program):
    """What policy allows, where the host's own rules have the last word; and services' addresses."""
    pods = [lab.pod(node, name) for name in ("c", "d")]

    def reach():
        return all(reach.good for reach in probe.matrix(pods).values())

    def rules_of_forward():
        return node.ns.output([program, "-w", "-S", "FORWARD"]).splitlines()[1:]

    node.ns.output([program, "-w", "-P", "FORWARD", "DROP"])
    wait_for(reach, 20, "what policy allows passes")
    lab.apply(felix(iptablesFilterAllowAction="Return", logActionRateLimit="10/minute"),
              {"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration",
               "metadata": {"name": "default"},
               "spec": {"serviceClusterIPs": [{"cidr": "10.96.0.0/12"}]}},
              network_policy("default", "log", selector="all()", types=["Ingress"],
                             ingress=[{"action": "Log"}, {"action": "Allow"}]))
    wait_for(lambda: not reach(), 10, "the chain's policy drops what nobody else accepts")
    node.ns.output([program, "-w", "-I", "FORWARD", "2", "-j", "ACCEPT"])
    wait_for(reach, 10, "the host's own rule accepts it")
    rules = "\n".join(node.ns.output([program, "-w", "-S"]).splitlines())
    assert "-m limit --limit 10/min -j LOG" in rules
    assert re.search(r"-A cali-cidr-block -d 10\.96\.0\.0/12 .*-j DROP", rules)
    lab.apply(felix(serviceLoopPrevention="Disabled", chainInsertMode="Append", natPortRange="20000:20009",
                    wireguardEnabled=True))
    wait_for(lambda: "cali-cidr-block" not in node.ns.output([program, "-w", "-S"]), 10, "it may loop")
    wait_for(lambda: rules_of_forward()[:1] == ["-A FORWARD -j ACCEPT"], 10, "others come first")
    # Each table is written by a program of its own, this one after that of FORWARD.
    wait_for(lambda: node.ns.output([program, "-w", "-t", "nat", "-S", "cali-nat-outgoing"]).count(
        "-j MASQUERADE --to-ports 20000-20009") == 2, 10, "its ports are used")
    assert node.log.read_text().count("not apply parameters=wireguardEnabled\n") == 1


@pytest.mark.parametrize("variables", [LEGACY, BY_NFT], ids=["legacy", "nft"])
def test_node_leaves(clean_machine, variables):
    with dual_cluster(1, **variables) as lab:
        node, = lab.nodes
        program = "iptables-legacy" if variables is LEGACY else "iptables-nft"
        node.ns.output([f"/usr/sbin/{program}", "-w", *FOREIGN.split()])
        one_of_each(lab, node, "a")
        assert ours(node)
        node.kill_agent()
        done = node.ns.run(subprocess.run, [KORAT, "agent", "cleanup", "--run-dir", node.run_dir,
                                            "--state-dir", node.state_dir], capture_output=True,
                           text=True, env=lab.environment, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "removing iptables chains" in done.stdout
        assert state(node) == {"iptables": [], "nftables": []}
        assert FOREIGN in saved(node)[f"{program}-save"]
        again = node.ns.run(subprocess.run, [KORAT, "agent", "cleanup", "--dry-run", "--run-dir",
                                             node.run_dir, "--state-dir", node.state_dir],
                            capture_output=True, text=True, env=lab.environment, timeout=60)
        assert "iptables" not in again.stdout, again.stdout
