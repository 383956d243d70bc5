# SPDX-License-Identifier: Apache-2.0
"""
Who reaches whom for real: the cases of tests/policy-cases on nine pods on three nodes, by real TCP
connections and UDP exchanges of both families, against what the evaluator says.
"""

import pathlib
import subprocess
import sys
import time

import json

import pytest

from clusters import cluster
from families import pool
from lab import LabError, cni

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "policy-cases"))

import policy_cases  # noqa: E402  pylint: disable=wrong-import-position
from policy_cases import PODS, PORTS, State, World  # noqa: E402  pylint: disable=wrong-import-position

MATRIX = policy_cases.BUILD / "tests/matrix"
ASKED = [port for port in PORTS if not port.endswith("sctp")]  # this kernel has no SCTP
ASK_MS = 400
SETTLE_S = 15
MARGIN = 0.02
FAILURES_MAX = 5
BACKENDS = {
    "nftables": {"FELIX_NFTABLESFILTERDENYACTION": "Reject"},
    "iptables-legacy": {"FELIX_IPTABLESFILTERDENYACTION": "Reject",
                        "FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "Legacy"},
    "iptables-nft": {"FELIX_IPTABLESFILTERDENYACTION": "Reject",
                     "FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "NFT"},
}
# Of the cases, each so manieth: what they have in common is proven once.
STEPS = {"nftables": 1, "iptables-legacy": 6, "iptables-nft": 18}


class Prober:
    """The program in a pod's namespace that serves, and asks the others."""

    def __init__(self, pod):
        self.process = pod.ns.popen([policy_cases.ROOT / MATRIX, "80", "81"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise LabError(f"the prober of {pod.name} does not start")

    def ask(self, questions, milliseconds):
        """Begins; answers() gives a bool for each."""
        lines = [f"{protocol} {address} {port}" for protocol, address, port in questions]
        self.process.stdin.write("\n".join([*lines, f"go {milliseconds}", ""]))
        self.process.stdin.flush()

    def answers(self):
        """Of the last ask()."""
        return [char == "1" for char in self.process.stdout.readline().strip()]

    def close(self):
        """The program ends with its input."""
        self.process.stdin.close()
        self.process.wait(5)


class Nine:
    """The nine pods in a lab, with what is to be known of them in the datastore."""

    def __init__(self, lab, sources=None, ask_ms=ASK_MS, settle_s=SETTLE_S):
        """sources: the pods that ask, all if None."""
        self.lab = lab
        self.ask_ms, self.settle_s = ask_ms, settle_s
        self.pods = {}
        for name in PODS:
            namespace, letter = name.split("/")
            node = lab.nodes["abc".index(letter) % len(lab.nodes)]
            pod = lab.new_pod(node, namespace + letter, namespace)
            conf = cni.pod_conf(node.name)
            conf["ipam"].update(assign_ipv4="true", assign_ipv6="true")
            answer = cni.call(pod, "ADD", conf)
            assert not answer.code, answer.text
            pod.result = answer.json
            self.pods[name] = pod
        by_family = [{name: next(a for a in pod.addresses if (":" in a) == v6)
                      for name, pod in self.pods.items()} for v6 in (False, True)]
        self.world = World(*by_family)
        self.probers = {name: Prober(pod) for name, pod in self.pods.items()}
        self.sources = sources or list(self.probers)
        self.endpoints = {
            name: lab.get("workloadendpoint", f"{pod.node.name}-k8s-{pod.name}-eth0",
                          name.split("/")[0]) for name, pod in self.pods.items()}

    def close(self):
        """Ends the programs in the pods."""
        for prober in self.probers.values():
            prober.close()

    def endpoint(self, state, name):
        """The WorkloadEndpoint with what an API server would have told of its pod."""
        namespace, letter = name.split("/")
        stored = self.endpoints[name]
        meta = stored["metadata"]
        labels = {**state.pods[name], "projectcalico.org/namespace": namespace,
                  "projectcalico.org/orchestrator": "k8s",
                  "projectcalico.org/serviceaccount": letter}
        ports = [{"name": f"serve-{number}-{protocol}", "port": int(number),
                  "protocol": protocol.upper()}
                 for number, protocol in (port.split("/") for port in PORTS)]
        return {"apiVersion": stored["apiVersion"], "kind": stored["kind"],
                "metadata": {"name": meta["name"], "namespace": namespace, "labels": labels},
                "spec": {**stored["spec"], "ports": ports, "serviceAccountName": letter,
                         "profiles": [f"kns.{namespace}", f"ksa.{namespace}.{letter}"]}}

    def put(self, objects):
        """`korat ctl apply` of all of them."""
        if objects:
            self.lab.ctl("apply", "-f", "-", stdin=json.dumps(
                {"apiVersion": "v1", "kind": "List", "items": objects}))

    def delete(self, objects):
        """`korat ctl delete` of all of them."""
        if objects:
            self.lab.ctl("delete", "-f", "-", stdin=json.dumps(
                {"apiVersion": "v1", "kind": "List", "items": objects}))

    def cluster_objects(self, state):
        """Namespaces, accounts and endpoints as they are now."""
        return [one for one in state.cluster() if one["kind"] != "Pod"] + \
            [self.endpoint(state, name) for name in PODS]

    def apply(self, state, step):
        """Carries out a step of a case."""
        new, gone = state.apply(step)
        self.put([*new, *(self.cluster_objects(state) if step.pods or step.namespaces else ())])
        self.delete(gone)

    def reset(self, state):
        """Policies go, and labels are as in the beginning."""
        self.delete(list(state.policies.values()))
        fresh = State(self.world)
        if fresh.pods != state.pods or fresh.namespaces != state.namespaces:
            self.put(self.cluster_objects(fresh))
        return fresh

    def ask(self):
        """{family: {(from, to, port): bool}} of what really answers."""
        asked = {}
        for source in self.sources:
            asked[source] = [(family, target, port) for family in (4, 6) for target in PODS
                             if target != source for port in ASKED]
            questions = [(port.split("/")[1],
                          (self.world.ip4 if family == 4 else self.world.ip6)[target],
                          port.split("/")[0]) for family, target, port in asked[source]]
            self.probers[source].ask(questions, self.ask_ms)
        found = {4: {}, 6: {}}
        for source in self.sources:
            for (family, target, port), answer in zip(asked[source],
                                                      self.probers[source].answers()):
                found[family][source, target, port] = answer
        return found

    def wrong(self, expected):
        """The connections that are not as they should be."""
        found = self.ask()
        return [f"IPv{family} {source} -> {target} : {port} is {'allowed' if answer else 'denied'}"
                for family, answers in found.items()
                for (source, target, port), answer in answers.items()
                if expected[family][source, target, port] != answer]

    def settle(self, state):
        """Asks until it is as it should be; gives what is still wrong when it never is."""
        objects = state.objects()
        expected = {family: policy_cases.matrix(objects, family) for family in (4, 6)}
        deadline = time.monotonic() + self.settle_s
        time.sleep(MARGIN)
        while (wrong := self.wrong(expected)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return wrong


def prepare(lab):
    """Pools of both families, nodes that deny by refusing: that is quicker to see."""
    lab.apply(pool("six", "fd00:65::/48", vxlan="Always", blockSize=122))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_case_on_real_pods(backend):
    with cluster(3, CALICO_IPV4POOL_IPIP="Never", CALICO_IPV4POOL_VXLAN="Always",
                 IP6="autodetect", **BACKENDS[backend]) as lab:
        prepare(lab)
        nine = Nine(lab)
        try:
            state = State(nine.world)
            nine.put(nine.cluster_objects(state))
            failures = {"nothing applied": nine.settle(state)}
            for case in policy_cases.all_cases()[::STEPS[backend]]:
                for number, step in enumerate(case.steps):
                    nine.apply(state, step)
                    failures[f"{case.name}, step {number}"] = nine.settle(state)
                state = nine.reset(state)
        finally:
            nine.close()
        failures = {name: wrong for name, wrong in failures.items() if wrong}
        assert not failures, "\n".join(f"{name}: {len(wrong)} wrong: {wrong[:4]}"
                                       for name, wrong in failures.items())
