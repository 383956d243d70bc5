# SPDX-License-Identifier: Apache-2.0
"""Random worlds: what is compiled says of every connection what the evaluator says.

KORAT_RANDOM_WORLDS says how many, KORAT_RANDOM_SEED with which to begin; a world that fails is
named by its seed.
"""

import os
import random

import pytest

from calico_cases import service
from policy_cases import (
    NAMESPACES,
    PODS,
    PORTS,
    State,
    Step,
    World,
    act,
    calico,
    kcnp,
    matrix,
    np,
    tier,
)
from test_policy_cases import differences

FIRST = int(os.environ.get("KORAT_RANDOM_SEED", "1"))
WORLDS = int(os.environ.get("KORAT_RANDOM_WORLDS", "30"))

TIERS = {"early": 500, "middle": 1500000, "late": 20000000}


class Dice:
    """One world's policies."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.world = World()

    def one(self, *choices):
        return self.random.choice(choices)

    def some(self, make, most=3, least=0):
        return [make() for _ in range(self.random.randint(least, most))]

    def maybe(self, make, chance=0.5):
        return make() if self.random.random() < chance else None

    # --- What both syntaxes share

    def nets(self):
        pod = self.one(*PODS)
        return self.one(
            lambda: self.world.nets(pod),
            lambda: self.world.around(pod, self.one(0, 16, 24, 30), self.one(0, 48, 64, 126)),
            lambda: self.world.nets(pod, self.one(*PODS)),
            lambda: [self.one("0.0.0.0/0", "::/0", "203.0.113.0/24")],
        )()

    def label(self):
        return self.one("pod", "pod", "ns", "role", "nobody")

    def value(self):
        return self.one("a", "b", "c", "x", "y", "red", "")

    # --- Kubernetes

    def label_selector(self):
        made = {}
        if self.random.random() < 0.4:
            made["matchLabels"] = {self.label(): self.value()}
        if self.random.random() < 0.4:
            operator = self.one("In", "NotIn", "Exists", "DoesNotExist")
            term = {"key": self.label(), "operator": operator}
            if operator in ("In", "NotIn"):
                term["values"] = self.some(self.value, 3, 1)
            made["matchExpressions"] = [term]
        return made

    def kubernetes_peer(self):
        if self.random.random() < 0.25:
            net = self.nets()[0]
            made = {"cidr": net}
            parts = [n for n in self.world.nets(*PODS) if (":" in n) == (":" in net)]
            if net.endswith(("/0", "/16", "/24")):
                made["except"] = [self.one(*parts)]
            return {"ipBlock": made}
        made = {
            "podSelector": self.maybe(self.label_selector, 0.7),
            "namespaceSelector": self.maybe(self.label_selector, 0.6),
        }
        return {name: chosen for name, chosen in made.items() if chosen is not None} or {
            "podSelector": {}
        }

    def kubernetes_port(self):
        protocol = self.one("TCP", "UDP", "SCTP")
        kind = self.random.random()
        if kind < 0.2:
            return {"protocol": protocol}
        if kind < 0.5:
            return {
                "protocol": protocol,
                "port": self.one("serve-80-tcp", "serve-81-udp", "nothing"),
            }
        if kind < 0.7:
            return {"protocol": protocol, "port": self.one(1, 80, 81), "endPort": self.one(81, 90)}
        return {"protocol": protocol, "port": self.one(80, 81, 82)}

    def kubernetes_rule(self):
        made = {}
        if self.random.random() < 0.8:
            made["peers"] = self.some(self.kubernetes_peer)
        if self.random.random() < 0.6:
            made["ports"] = self.some(self.kubernetes_port)
        return made

    def kubernetes_policy(self, name):
        made = np(
            self.one(*NAMESPACES),
            name=name,
            ingress=self.some(self.kubernetes_rule),
            egress=self.some(self.kubernetes_rule),
            types=self.one([], ["Ingress"], ["Egress"], ["Ingress", "Egress"]),
        )
        made["spec"]["podSelector"] = self.label_selector()
        return made

    def cluster_pods(self):
        return {"namespaceSelector": self.label_selector(), "podSelector": self.label_selector()}

    def cluster_peer(self, way):
        kind = self.random.random()
        if kind < 0.4:
            return {"namespaces": self.label_selector()}
        if kind < 0.8 or way == "from":
            return {"pods": self.cluster_pods()}
        return {"networks": self.nets()}

    def cluster_rule(self, way):
        made = {
            "action": self.one("Accept", "Deny", "Pass"),
            way: [self.cluster_peer(way) for _ in range(self.random.randint(1, 2))],
        }
        if self.random.random() < 0.5:
            number = self.one({"number": 80}, {"number": 81}, {"range": {"start": 79, "end": 80}})
            made["protocols"] = [
                self.one(
                    {self.one("tcp", "udp", "sctp"): {"destinationPort": number}},
                    {"destinationNamedPort": self.one("serve-80-tcp", "serve-81-sctp")},
                )
            ]
        return made

    def cluster_policy(self, name):
        made = kcnp(
            name,
            tier=self.one("Admin", "Baseline"),
            # Which of two of the same priority is first is not said.
            priority=int(name[1:]),
            ingress=self.some(lambda: self.cluster_rule("from"), 2),
            egress=self.some(lambda: self.cluster_rule("to"), 2),
        )
        made["spec"]["subject"] = self.one(
            {"namespaces": self.label_selector()}, {"pods": self.cluster_pods()}
        )
        return made

    # --- Calico

    def selector(self, depth=2):
        if depth and self.random.random() < 0.3:
            operator = self.one("&&", "||")
            return f"({self.selector(depth - 1)}) {operator} ({self.selector(depth - 1)})"
        label, value = self.label(), self.value()
        return self.one("", "!") + self.one(
            f"{label} == '{value}'",
            f"{label} != '{value}'",
            f"{label} in {{'{value}', '{self.value()}'}}",
            f"{label} not in {{'{value}'}}",
            f"has({label})",
            "all()",
            f"{label} starts with '{value}'",
        ).join(("(", ")"))

    def calico_ports(self):
        return self.some(
            lambda: self.one(80, 81, "80:81", "1:79", "serve-80-tcp", "serve-81-udp"),
            2,
            1,
        )

    def services(self):
        return {"services": {"name": self.one("one", "two"), "namespace": self.one("x", "y")}}

    def entity(self, with_ports, may_serve):
        if may_serve and self.random.random() < 0.15:
            return self.services()
        made = {
            "selector": self.maybe(self.selector, 0.4),
            "notSelector": self.maybe(self.selector, 0.2),
            "namespaceSelector": self.maybe(
                lambda: self.one("all()", "global()", self.selector(1), self.selector(1)), 0.3
            ),
            "nets": self.maybe(self.nets, 0.2),
            "notNets": self.maybe(self.nets, 0.2),
            "serviceAccounts": self.maybe(self.accounts, 0.15),
        }
        if with_ports:
            made["ports"] = self.maybe(self.calico_ports, 0.4)
            made["notPorts"] = self.maybe(self.calico_ports, 0.2)
        return {name: value for name, value in made.items() if value is not None}

    def accounts(self):
        made = {
            "names": self.maybe(lambda: self.some(lambda: self.one("a", "b", "c"), 2, 1)),
            "selector": self.maybe(
                lambda: f"account {self.one('==', '!=')} '{self.one('a', 'b')}'"
            ),
        }
        return {name: value for name, value in made.items() if value is not None}

    def calico_rule(self, way):
        protocol = self.one(None, "TCP", "UDP", "SCTP", 6)
        made = act(
            self.one("Allow", "Allow", "Deny", "Pass", "Log"),
            self.entity(False, way == "ingress"),
            self.entity(protocol is not None, way == "egress"),
        )
        if protocol is not None:
            made["protocol"] = protocol
        elif self.random.random() < 0.2:
            made["notProtocol"] = self.one("TCP", "UDP", "ICMP")
        if self.random.random() < 0.1 and "nets" not in str(made).lower():
            made["ipVersion"] = self.one(4, 6)
        return made

    def calico_policy(self, name):
        of_tier = self.one("default", "default", *TIERS)
        spec = {
            "tier": of_tier,
            "selector": self.maybe(self.selector, 0.7),
            "serviceAccountSelector": self.maybe(
                lambda: self.one("all()", "account == 'a'", "account != 'b'"), 0.15
            ),
            "order": self.maybe(lambda: self.one(-1, 0.5, 10, 999, 1000, 1001), 0.8),
            "ingress": self.some(lambda: self.calico_rule("ingress")),
            "egress": self.some(lambda: self.calico_rule("egress")),
            "types": self.maybe(lambda: self.one(["Ingress"], ["Egress"], ["Egress", "Ingress"])),
        }
        staged = self.one("", "", "", "Staged")
        if self.random.random() < 0.5:
            spec["namespaceSelector"] = self.maybe(lambda: self.one("all()", self.selector(1)), 0.4)
            kind, namespace = f"{staged}GlobalNetworkPolicy", None
        else:
            kind, namespace = f"{staged}NetworkPolicy", self.one(*NAMESPACES)
        spec = {field: value for field, value in spec.items() if value is not None}
        return calico(
            kind,
            name if of_tier == "default" else f"{of_tier}.{name}",
            namespace,
            **spec,
        )

    def network_set(self, name):
        kind, namespace = self.one(
            ("GlobalNetworkSet", None),
            ("NetworkSet", self.one(*NAMESPACES)),
        )
        made = calico(kind, name, namespace, nets=self.nets())
        made["metadata"]["labels"] = {self.label(): self.value()}
        return made

    # --- All of it

    def step(self):
        makers = [
            self.kubernetes_policy,
            self.kubernetes_policy,
            self.cluster_policy,
            self.calico_policy,
            self.calico_policy,
            self.calico_policy,
            self.network_set,
        ]
        made = [
            self.one(*makers)(f"p{number}") for number in range(self.random.randint(1, 8))
        ]
        made += [tier(name, order, self.one("Deny", "Pass")) for name, order in TIERS.items()]
        for name, namespace in (("one", "x"), ("two", "y")):
            pods = self.random.sample(PODS, self.random.randint(0, 3))
            made += service(
                name,
                namespace,
                self.world,
                pods,
                self.one(80, 81),
                self.one("TCP", "UDP"),
            )
        return Step(
            policies=made,
            pods={
                pod: {name: value for name in ("pod", "role") if (value := self.maybe(self.value))}
                for pod in self.random.sample(PODS, 4)
            },
            namespaces={self.one(*NAMESPACES): {self.label(): self.value()}},
        )


def test_the_dice_are_fair():
    """Of all connections some are allowed and some denied, else nothing is compared."""
    shares = []
    for seed in range(10):
        dice = Dice(seed)
        state = State(dice.world)
        state.apply(dice.step())
        found = matrix(state.objects())
        assert len(found) == len(PODS) * (len(PODS) - 1) * len(PORTS)
        shares.append(sum(found.values()) / len(found))
    assert 0.1 < sum(shares) / len(shares) < 0.9


@pytest.mark.parametrize("seed", range(FIRST, FIRST + WORLDS))
def test_random_world(seed):
    dice = Dice(seed)
    state = State(dice.world)
    state.apply(dice.step())
    for family in (4, 6):
        judged = matrix(state.objects(), family)
        compiled = matrix(state.objects(), family, compiled=True)
        assert not differences(compiled, judged), f"seed {seed}, IPv{family}"
