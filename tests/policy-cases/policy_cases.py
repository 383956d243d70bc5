# SPDX-License-Identifier: Apache-2.0
"""Policy cases: what is applied to nine pods, and who reaches whom then.

The world: namespaces x, y and z; in each the pods a, b and c; pods a on node n1, b on n2, c on n3.
Every pod listens on the ports 80 and 81 of TCP, UDP and SCTP, which it also has by name
("serve-80-tcp"). Labels: pod=a of a pod, ns=x and kubernetes.io/metadata.name=x of a namespace,
account=a of the service account a that the pods a have.

A case is a list of steps. A step changes policies or labels; after it the matrix of all pairs and
ports is asked for. What it should be comes from the evaluator (matrix()); many cases also say it by
hand, in lines as "deny * -> x/a : 80/tcp" over a world in which everything is allowed; the last
line that speaks of a connection is right. `all_cases()` gives them; nothing here needs root.

    for case in all_cases():
        state = State(World())
        for step in case.steps:
            state.apply(step)
            expected = matrix(state.objects())
"""

import dataclasses
import fnmatch
import ipaddress
import os
import pathlib
import re
import subprocess
import tempfile
import typing

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KORAT_BUILD", ROOT / "build"))
MATRIX = (ROOT / BUILD / "tests" / "policy-matrix").resolve()

NAMESPACES = "xyz"
PODS = [f"{namespace}/{pod}" for namespace in NAMESPACES for pod in "abc"]
NODES = {"a": "n1", "b": "n2", "c": "n3"}
PORTS = [f"{number}/{protocol}" for protocol in ("tcp", "udp", "sctp") for number in (80, 81)]


# --- The world -----------------------------------------------------------------------------------


class World:
    """Where the pods are. A lab gives the addresses they have; otherwise they are made up."""

    def __init__(self, ip4=None, ip6=None):
        self.ip4 = ip4 or {p: f"10.65.{i // 3 + 1}.{i % 3 + 1}" for i, p in enumerate(PODS)}
        self.ip6 = ip6 or {p: f"fd00:65:{i // 3 + 1}::{i % 3 + 1}" for i, p in enumerate(PODS)}

    def addresses(self, pod):
        """One of each family that there is."""
        return [ips[pod] for ips in (self.ip4, self.ip6) if pod in ips]

    def nets(self, *pods):
        """Each address as a prefix."""
        return [str(ipaddress.ip_network(ip)) for pod in pods for ip in self.addresses(pod)]

    def around(self, pod, len4=24, len6=64):
        """The prefixes of that length around the pod's addresses."""
        return [
            str(ipaddress.ip_network(f"{ip}/{len4 if '.' in ip else len6}", strict=False))
            for ip in self.addresses(pod)
        ]

    def blocks(self, *pods, **kwargs):
        """A Kubernetes peer for each address."""
        return [block(net, **kwargs) for net in self.nets(*pods)]


class State:
    """What is there: the world's objects with the labels of now, and the policies."""

    def __init__(self, world):
        self.world = world
        self.pods = {p: {"pod": p[-1]} for p in PODS}
        self.namespaces = {n: {"ns": n, "kubernetes.io/metadata.name": n} for n in NAMESPACES}
        self.policies = {}

    def apply(self, step):
        """Carries a step out; gives the objects that are new or changed and those to delete."""
        given = step.policies(self.world) if callable(step.policies) else step.policies
        gone = [self.policies.pop(name) for name in step.delete]
        for policy in given:
            self.policies[key(policy)] = policy
        for pod, labels in step.pods.items():
            self.pods[pod] = labels
        for namespace, labels in step.namespaces.items():
            self.namespaces[namespace] = {"kubernetes.io/metadata.name": namespace, **labels}
        return given, gone

    def objects(self):
        """All of it, in Kubernetes' kinds and Calico's."""
        return self.cluster() + list(self.policies.values())

    def cluster(self):
        """Namespaces, service accounts and pods."""
        made = []
        for namespace, labels in self.namespaces.items():
            made.append(
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": namespace, "labels": labels},
                }
            )
            for pod in "abc":
                made.append(
                    {
                        "apiVersion": "v1",
                        "kind": "ServiceAccount",
                        "metadata": {
                            "name": pod,
                            "namespace": namespace,
                            "labels": {"account": pod},
                        },
                    }
                )
                made.append(self.pod(f"{namespace}/{pod}"))
        return made

    def pod(self, name):
        """As Kubernetes' API has it."""
        namespace, pod = name.split("/")
        ports = [
            {
                "name": f"serve-{number}-{protocol}",
                "containerPort": int(number),
                "protocol": protocol.upper(),
            }
            for number, protocol in (port.split("/") for port in PORTS)
        ]
        ips = self.world.addresses(name)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": namespace, "labels": self.pods[name]},
            "spec": {
                "nodeName": NODES[pod],
                "serviceAccountName": pod,
                "containers": [{"name": "c", "ports": ports}],
            },
            "status": {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]},
        }


def key(policy):
    """What tells objects apart."""
    meta = policy["metadata"]
    return policy["apiVersion"], policy["kind"], meta.get("namespace"), meta["name"]


def matrix(objects, family=4, compiled=False):
    """Who reaches whom: (from, to, port) -> bool, by the evaluator or by what is compiled."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.dump_all(objects, file, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
        file.flush()
        words = [MATRIX, *(["--compiled"] if compiled else []), str(family), ",".join(PORTS)]
        done = subprocess.run(
            [*map(str, words), file.name], capture_output=True, text=True, timeout=60, check=False
        )
    if done.returncode:
        raise AssertionError(done.stderr)
    found = {}
    for line in done.stdout.splitlines():
        source, destination, port, verdict = line.split()
        found[source, destination, port] = verdict == "allow"
    return found


# --- What is expected by hand --------------------------------------------------------------------

LINE = re.compile(r"(allow|deny) (\S+) -> (\S+)(?: : (\S+))?$")


def _matches(patterns, text):
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns.split(","))


def expand(lines):
    """The matrix that lines say; a pod always reaches itself, so such pairs are not asked."""
    rules = []
    for line in lines:
        found = LINE.match(line)
        if not found:
            raise ValueError(f"not a line: {line}")
        rules.append(found.groups())
    result = {}
    for source in PODS:
        for destination in PODS:
            for port in PORTS if source != destination else []:
                allowed = True
                for verdict, sources, destinations, ports in rules:
                    if (
                        _matches(sources, source)
                        and _matches(destinations, destination)
                        and _matches(ports or "*", port)
                    ):
                        allowed = verdict == "allow"
                result[source, destination, port] = allowed
    return result


# --- How cases are written -----------------------------------------------------------------------


@dataclasses.dataclass
class Step:
    """One change, and what is so behind it."""

    policies: typing.Any = ()  # objects, or a function of the world that gives them
    delete: typing.Any = ()  # keys, as key() gives them
    pods: dict = dataclasses.field(default_factory=dict)  # labels anew, "x/a": {...}
    namespaces: dict = dataclasses.field(default_factory=dict)
    expect: typing.Any = None  # lines; None: the evaluator alone says
    expect6: typing.Any = None  # of IPv6, where it is another


@dataclasses.dataclass
class Case:
    """A name, and steps one behind the other."""

    name: str
    steps: list


def sel(text):
    """A label selector: "pod=a", "pod in a|b", "pod notin a", "pod", "!pod", with "," between."""
    labels, expressions = {}, []
    for term in filter(None, (term.strip() for term in text.split(","))):
        if found := re.match(r"(\S+) (in|notin) (\S+)$", term):
            name, operator, values = found.groups()
            operator = {"in": "In", "notin": "NotIn"}[operator]
            expressions.append({"key": name, "operator": operator, "values": values.split("|")})
        elif "=" in term:
            name, value = term.split("=")
            labels[name] = value
        elif term.startswith("!"):
            expressions.append({"key": term[1:], "operator": "DoesNotExist"})
        else:
            expressions.append({"key": term, "operator": "Exists"})
    made = {}
    if labels:
        made["matchLabels"] = labels
    if expressions:
        made["matchExpressions"] = expressions
    return made


def peer(pods=None, ns=None):
    """Pods and namespaces of a peer; None: not there, "": all."""
    made = {}
    if pods is not None:
        made["podSelector"] = sel(pods)
    if ns is not None:
        made["namespaceSelector"] = sel(ns)
    return made


def block(cidr, but=()):
    """Addresses as a peer."""
    made = {"cidr": cidr}
    if but:
        made["except"] = list(but)
    return {"ipBlock": made}


def port(number=None, protocol=None, end=None):
    """A port of a Kubernetes rule."""
    made = {"protocol": protocol, "port": number, "endPort": end}
    return {name: value for name, value in made.items() if value is not None}


def rule(peers=None, ports=None):
    """A rule; what is None is not there at all. np() gives the peers the name of its direction."""
    made = {"peers": peers, "ports": ports}
    return {name: value for name, value in made.items() if value is not None}


def _directed(rules, name):
    return [{(name if k == "peers" else k): v for k, v in r.items()} for r in rules]


def np(namespace, pods="", ingress=None, egress=None, types=None, name="p"):
    """NetworkPolicy of Kubernetes. Types: those that have a list, unless given."""
    spec = {"podSelector": sel(pods)}
    if ingress is not None:
        spec["ingress"] = _directed(ingress, "from")
    if egress is not None:
        spec["egress"] = _directed(egress, "to")
    if types is None:
        lists = {"Ingress": ingress, "Egress": egress}
        types = [name for name, rules in lists.items() if rules is not None]
    spec["policyTypes"] = types
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def calico(kind, name="p", namespace=None, **spec):
    """An object of projectcalico.org/v3."""
    meta = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": meta, "spec": spec}


def cnp(namespace, **spec):
    """NetworkPolicy of Calico."""
    return calico("NetworkPolicy", spec.pop("name", "p"), namespace, **spec)


def gnp(**spec):
    """GlobalNetworkPolicy of Calico."""
    return calico("GlobalNetworkPolicy", spec.pop("name", "p"), **spec)


def tier(name, order, action="Deny"):
    """A tier of Calico."""
    return calico("Tier", name, order=order, defaultAction=action)


def act(action, source=None, destination=None, **fields):
    """A rule of Calico."""
    made = {"action": action, **fields}
    if source:
        made["source"] = source
    if destination:
        made["destination"] = destination
    return made


def kcnp(name="p", tier="Admin", priority=10, subject="", pods=None, ingress=(), egress=()):
    """ClusterNetworkPolicy; the subject are the namespaces, or pods in them."""
    if pods is None:
        chosen = {"namespaces": sel(subject)}
    else:
        chosen = {"pods": {"namespaceSelector": sel(subject), "podSelector": sel(pods)}}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "tier": tier,
            "priority": priority,
            "subject": chosen,
            "ingress": list(ingress),
            "egress": list(egress),
        },
    }


def admit(action, *peers, way="from", protocols=None):
    """A rule of a ClusterNetworkPolicy."""
    made = {"action": action, way: list(peers)}
    if protocols:
        made["protocols"] = protocols
    return made


def spaces(text):
    """All pods of namespaces, as its peer."""
    return {"namespaces": sel(text)}


def some(pods, namespaces=""):
    """Pods of namespaces, as its peer."""
    return {"pods": {"namespaceSelector": sel(namespaces), "podSelector": sel(pods)}}


def transport(protocol, number):
    """A protocol and port of its rules."""
    if isinstance(number, tuple):
        return {protocol: {"destinationPort": {"range": {"start": number[0], "end": number[1]}}}}
    return {protocol: {"destinationPort": {"number": number}}}


def case(name, policies=(), expect=None, then=(), **more):
    """A case whose first step applies 'policies'."""
    return Case(name, [Step(policies=policies, expect=expect, **more), *then])


def both(rules):
    """The same rules for both directions."""
    return {"ingress": rules, "egress": rules}


def all_cases():
    """Every case there is."""
    # They are written with what is above, so they come last.
    import calico_cases  # pylint: disable=import-outside-toplevel,cyclic-import
    import kubernetes_cases  # pylint: disable=import-outside-toplevel,cyclic-import

    return kubernetes_cases.CASES + calico_cases.CASES
