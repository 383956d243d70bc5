# SPDX-License-Identifier: Apache-2.0
"""Policies of Calico: orders, tiers, Pass, negations, sets, accounts, staged ones."""

from policy_cases import Step, act, calico, case, cnp, gnp, np, tier


def on(selector):
    """An entity by its selector."""
    return {"selector": selector}


def at(*ports, **more):
    """An entity by its ports."""
    return {"ports": list(ports), **more}


RULES = [
    case(
        "deny by a rule",
        [cnp("x", selector="pod == 'a'", ingress=[act("Deny")])],
        ["deny * -> x/a"],
    ),
    case("deny by having no rules", [cnp("x", selector="pod == 'a'")], ["deny * -> x/a"]),
    case(
        "no selector is everybody in the namespace",
        [cnp("x", types=["Egress"])],
        ["deny x/* -> *"],
    ),
    case(
        "rules from the top",
        [
            cnp(
                "x",
                selector="pod == 'a'",
                ingress=[act("Deny", on("pod == 'b'")), act("Allow", on("has(pod)"))],
            )
        ],
        ["deny * -> x/a", "allow x/c -> x/a"],
    ),
    case(
        "Log decides nothing",
        [cnp("x", selector="pod == 'a'", ingress=[act("Log"), act("Allow", on("pod == 'b'"))])],
        ["deny * -> x/a", "allow x/b -> x/a"],
    ),
    case(
        "a selector in a namespaced policy is of its namespace",
        [cnp("x", selector="all()", ingress=[act("Allow", on("pod == 'a'"))])],
        ["deny * -> x/*", "allow x/a -> x/*"],
    ),
    case(
        "a namespaceSelector opens it",
        [
            cnp(
                "x",
                selector="all()",
                ingress=[
                    act(
                        "Allow",
                        {"selector": "pod == 'a'", "namespaceSelector": "ns in {'y', 'z'}"},
                    ),
                ],
            ),
        ],
        ["deny * -> x/*", "allow y/a,z/a -> x/*"],
    ),
    case(
        "namespaceSelector all() is whatever is in a namespace",
        [cnp("x", ingress=[act("Allow", {"namespaceSelector": "all()"})])],
        [],
    ),
    case(
        "namespaceSelector global() is no pod",
        [cnp("x", ingress=[act("Allow", {"namespaceSelector": "global()"})])],
        ["deny * -> x/*"],
    ),
    case(
        "a notSelector in a namespaced policy is of its namespace too",
        [cnp("x", selector="pod == 'a'", ingress=[act("Allow", {"notSelector": "pod == 'b'"})])],
        ["deny * -> x/a", "allow x/c -> x/a"],
    ),
    case(
        "a notSelector in a global policy is anybody else",
        [
            gnp(
                selector="pod == 'a'",
                namespaceSelector="ns == 'x'",
                ingress=[act("Allow", {"notSelector": "pod == 'b'"})],
            ),
        ],
        ["deny */b -> x/a"],
    ),
    case(
        "selector and notSelector",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[
                    act("Allow", {"selector": "pod in {'b', 'c'}", "notSelector": "pod == 'c'"}),
                ],
            ),
        ],
        ["deny * -> */a", "allow */b -> */a"],
    ),
    case(
        "selectors: contains, starts with, ends with, or, not",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[
                    act(
                        "Deny",
                        on(
                            "kind contains 'mid' || kind starts with 'pre' || kind ends with 'end'"
                            " || !has(pod)",
                        ),
                    ),
                    act("Allow"),
                ],
            )
        ],
        [],
        then=[
            Step(pods={"x/b": {"pod": "b", "kind": "a-mid-b"}}, expect=["deny x/b -> */a"]),
            Step(pods={"y/b": {"pod": "b", "kind": "prefix"}}, expect=["deny x/b,y/b -> */a"]),
            Step(pods={"z/b": {"pod": "b", "kind": "the end"}}, expect=["deny */b -> */a"]),
            Step(pods={"z/c": {}}, expect=["deny */b,z/c -> */a"]),
            Step(pods={"z/b": {"pod": "b", "kind": "ende"}}, expect=["deny x/b,y/b,z/c -> */a"]),
        ],
    ),
    case(
        "nets and notNets",
        lambda w: [
            gnp(
                selector="pod == 'a'",
                ingress=[
                    act("Allow", {"nets": w.nets("x/b", "y/b", "z/b"), "notNets": w.nets("y/b")}),
                ],
            )
        ],
        ["deny * -> */a", "allow x/b,z/b -> */a"],
    ),
    case(
        "notNets alone",
        lambda w: [gnp(selector="pod == 'a'", ingress=[act("Allow", {"notNets": w.nets("y/b")})])],
        ["deny y/b -> */a"],
    ),
    case(
        "nets and a selector: both",
        lambda w: [
            gnp(
                selector="pod == 'a'",
                ingress=[act("Allow", {"nets": w.nets("x/b", "x/c"), "selector": "pod == 'c'"})],
            )
        ],
        ["deny * -> */a", "allow x/c -> */a"],
    ),
    case(
        "ports, notPorts, ranges",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[
                    act("Allow", None, at("79:80"), protocol="TCP"),
                    act("Allow", None, {"notPorts": [80]}, protocol="UDP"),
                    act("Allow", None, at(81, "serve-80-sctp"), protocol="SCTP"),
                ],
            )
        ],
        ["deny * -> */a", "allow * -> */a : 80/tcp,81/udp,*/sctp"],
    ),
    case(
        "notPorts by name",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[act("Allow", None, {"notPorts": ["serve-80-tcp"]}, protocol="TCP")],
            ),
        ],
        ["deny * -> */a", "allow * -> */a : 81/tcp"],
    ),
    case(
        "notProtocol",
        [gnp(selector="pod == 'a'", ingress=[act("Allow", notProtocol="TCP")])],
        ["deny * -> */a : */tcp"],
    ),
    case(
        "a protocol by its number",
        [gnp(selector="pod == 'a'", ingress=[act("Allow", protocol=132)])],
        ["deny * -> */a", "allow * -> */a : */sctp"],
    ),
    case(
        "ICMP is none of these",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[act("Allow", protocol="ICMP"), act("Allow", protocol="ICMPv6")],
            ),
        ],
        ["deny * -> */a"],
    ),
    case(
        "ipVersion",
        [gnp(selector="pod == 'a'", ingress=[act("Allow", ipVersion=4)])],
        [],
        expect6=["deny * -> */a"],
    ),
    case(
        "nets of one family",
        [gnp(selector="pod == 'a'", ingress=[act("Allow", {"nets": ["0.0.0.0/0"]})])],
        [],
        expect6=["deny * -> */a"],
    ),
    case(
        "notNets of one family do not limit the other",
        [gnp(selector="pod == 'a'", ingress=[act("Allow", {"notNets": ["0.0.0.0/0"]})])],
        ["deny * -> */a"],
        expect6=[],
    ),
    case(
        "source ports of ephemeral clients",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[act("Deny", at("1:1023"), protocol="TCP"), act("Allow")],
            ),
        ],
        [],
    ),
    case(
        "egress by selector and ports",
        [
            gnp(
                selector="pod == 'a'",
                egress=[act("Allow", None, at(80, selector="pod == 'b'"), protocol="TCP")],
            ),
        ],
        ["deny */a -> *", "allow */a -> */b : 80/tcp"],
    ),
    case(
        "egress rules that speak of the source",
        [
            gnp(
                selector="all()",
                egress=[act("Deny", on("pod == 'a'"), on("pod == 'b'")), act("Allow")],
            ),
        ],
        ["deny */a -> */b"],
    ),
]

ACCOUNTS = [
    case(
        "serviceAccountSelector",
        [cnp("x", serviceAccountSelector="account == 'a'", ingress=[act("Deny")])],
        ["deny * -> x/a"],
    ),
    case(
        "accounts by name",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[act("Allow", {"serviceAccounts": {"names": ["b", "c"]}})],
            ),
        ],
        ["deny * -> */a", "allow */b,*/c -> */a"],
    ),
    case(
        "accounts by name in a namespaced policy",
        [
            cnp(
                "x",
                selector="pod == 'a'",
                ingress=[act("Allow", {"serviceAccounts": {"names": ["b"]}})],
            ),
        ],
        ["deny * -> x/a", "allow x/b -> x/a"],
    ),
    case(
        "accounts by selector and namespace",
        [
            cnp(
                "x",
                selector="pod == 'a'",
                ingress=[
                    act(
                        "Allow",
                        {
                            "serviceAccounts": {"selector": "account != 'c'"},
                            "namespaceSelector": "ns == 'y'",
                        },
                    ),
                ],
            )
        ],
        ["deny * -> x/a", "allow y/a,y/b -> x/a"],
    ),
    case(
        "accounts by name and selector: both",
        [
            gnp(
                selector="pod == 'a'",
                ingress=[
                    act(
                        "Allow",
                        {
                            "serviceAccounts": {
                                "names": ["a", "b"],
                                "selector": "account in {'b', 'c'}",
                            },
                        },
                    ),
                ],
            )
        ],
        ["deny * -> */a", "allow */b -> */a"],
    ),
]

GLOBAL = [
    case(
        "a global policy is of all namespaces",
        [gnp(selector="pod == 'b'", ingress=[act("Deny")])],
        ["deny * -> */b"],
    ),
    case(
        "a global policy of some namespaces",
        [gnp(namespaceSelector="ns != 'x'", ingress=[act("Deny")])],
        ["deny * -> y/*,z/*"],
    ),
    case(
        "a global policy of all that is in a namespace",
        [gnp(namespaceSelector="all()", egress=[act("Deny")], types=["Egress"])],
        ["deny * -> *"],
    ),
    case(
        "types that rules do not say",
        [gnp(selector="pod == 'a'", types=["Ingress", "Egress"], ingress=[act("Allow")])],
        ["deny */a -> *"],
    ),
]

ORDERS = [
    case(
        "the lower order is first",
        [
            gnp(name="late", selector="pod == 'a'", order=20, ingress=[act("Deny")]),
            gnp(name="early", selector="pod == 'a'", order=10, ingress=[act("Allow")]),
        ],
        [],
    ),
    case(
        "no order is last",
        [
            gnp(name="aaa", selector="pod == 'a'", ingress=[act("Deny")]),
            gnp(name="bbb", selector="pod == 'a'", order=1000000, ingress=[act("Allow")]),
        ],
        [],
    ),
    case(
        "orders may be negative and broken",
        [
            gnp(name="one", selector="pod == 'a'", order=-0.5, ingress=[act("Deny")]),
            gnp(
                name="two",
                selector="pod == 'a'",
                order=-1.5,
                ingress=[act("Allow", on("pod == 'b'"))],
            ),
        ],
        ["deny * -> */a", "allow */b -> */a"],
    ),
    case(
        "equal orders go by name",
        [
            gnp(name="bbb", selector="pod == 'a'", order=1, ingress=[act("Deny")]),
            gnp(name="aaa", selector="pod == 'a'", order=1, ingress=[act("Allow")]),
        ],
        [],
    ),
    case(
        "before Kubernetes' policies",
        [
            np("x", "pod=a", ingress=[{}]),
            cnp(
                "x",
                name="q",
                selector="pod == 'a'",
                order=999,
                ingress=[act("Deny", on("pod == 'b'"))],
            ),
        ],
        ["deny x/b -> x/a"],
    ),
    case(
        "behind Kubernetes' policies",
        [
            np("x", "pod=a", ingress=[{}]),
            cnp("x", name="q", selector="pod == 'a'", order=1001, ingress=[act("Deny")]),
        ],
        [],
    ),
    case(
        "an order changes",
        [
            gnp(name="one", selector="pod == 'a'", order=1, ingress=[act("Deny")]),
            gnp(name="two", selector="pod == 'a'", order=2, ingress=[act("Allow")]),
        ],
        ["deny * -> */a"],
        then=[
            Step(
                [gnp(name="one", selector="pod == 'a'", order=3, ingress=[act("Deny")])],
                expect=[],
            ),
        ],
    ),
]


def in_tier(name, **spec):
    """A global policy in the tier of that name."""
    return gnp(name=f"{name}.p", tier=name, **spec)


TIERS = [
    case(
        "a tier decides before the next",
        [
            tier("first", 10),
            in_tier("first", selector="pod == 'a'", ingress=[act("Deny")]),
            np("x", "pod=a", ingress=[{}]),
        ],
        ["deny * -> */a"],
    ),
    case(
        "Pass leaves it to the next tier",
        [
            tier("first", 10),
            in_tier(
                "first",
                selector="pod == 'a'",
                ingress=[act("Pass", on("pod == 'b'")), act("Deny")],
            ),
            np("x", "pod=a", ingress=[]),
        ],
        ["deny * -> */a", "allow */b -> y/a,z/a"],
    ),
    case(
        "the end of a tier denies",
        [
            tier("first", 10),
            in_tier("first", selector="pod == 'a'", ingress=[act("Allow", on("pod == 'b'"))]),
        ],
        ["deny * -> */a", "allow */b -> */a"],
    ),
    case(
        "the end of a tier passes where it is said so",
        [
            tier("first", 10, "Pass"),
            in_tier("first", selector="pod == 'a'", ingress=[act("Deny", on("pod == 'b'"))]),
        ],
        ["deny */b -> */a"],
    ),
    case(
        "a tier that selects nobody is passed over",
        [tier("first", 10), in_tier("first", selector="pod == 'd'", ingress=[act("Deny")])],
        [],
    ),
    case(
        "a tier of one direction only",
        [
            tier("first", 10),
            in_tier("first", selector="pod == 'a'", egress=[act("Allow", None, on("pod == 'b'"))]),
        ],
        ["deny */a -> *", "allow */a -> */b"],
    ),
    case(
        "tiers by their order",
        [
            tier("zebra", 10),
            tier("ant", 20),
            in_tier("ant", selector="pod == 'a'", ingress=[act("Deny")]),
            in_tier("zebra", selector="pod == 'a'", ingress=[act("Allow")]),
        ],
        [],
    ),
    case(
        "a tier behind default",
        [
            tier("last", 2000000),
            in_tier("last", selector="pod == 'a'", ingress=[act("Deny")]),
            np("x", "pod=a", ingress=[{}]),
        ],
        ["deny * -> y/a,z/a"],
    ),
    case(
        "Pass in the last tier comes to the profiles",
        [gnp(selector="pod == 'a'", ingress=[act("Pass", on("pod == 'b'")), act("Deny")])],
        ["deny * -> */a", "allow */b -> */a"],
    ),
    case(
        "a tier's default action changes",
        [
            tier("first", 10),
            in_tier("first", selector="pod == 'a'", ingress=[act("Deny", on("pod == 'b'"))]),
        ],
        ["deny * -> */a"],
        then=[Step([tier("first", 10, "Pass")], expect=["deny */b -> */a"])],
    ),
]

SETS = [
    case(
        "a global network set by its labels",
        lambda w: [
            {
                **calico("GlobalNetworkSet", "bad", nets=w.nets("y/b", "z/c")),
                "metadata": {"name": "bad", "labels": {"list": "bad"}},
            },
            gnp(selector="pod == 'a'", ingress=[act("Deny", on("list == 'bad'")), act("Allow")]),
        ],
        ["deny y/b,z/c -> */a"],
    ),
    case(
        "a network set of the namespace",
        lambda w: [
            {
                **calico("NetworkSet", "good", "x", nets=w.nets("y/b")),
                "metadata": {"name": "good", "namespace": "x", "labels": {"list": "good"}},
            },
            cnp("x", selector="pod == 'a'", ingress=[act("Allow", on("list == 'good'"))]),
            cnp("y", selector="pod == 'a'", ingress=[act("Allow", on("list == 'good'"))]),
        ],
        ["deny * -> x/a,y/a", "allow y/b -> x/a"],
    ),
    case(
        "global sets and no pods: namespaceSelector global()",
        lambda w: [
            {
                **calico("GlobalNetworkSet", "some", nets=w.nets("y/b")),
                "metadata": {"name": "some", "labels": {"pod": "c"}},
            },
            cnp(
                "x",
                selector="pod == 'a'",
                ingress=[act("Allow", {"selector": "pod == 'c'", "namespaceSelector": "global()"})],
            ),
        ],
        ["deny * -> x/a", "allow y/b -> x/a"],
    ),
    case(
        "a set changes",
        lambda w: [
            {
                **calico("GlobalNetworkSet", "s", nets=w.nets("y/b")),
                "metadata": {"name": "s", "labels": {"l": "s"}},
            },
            gnp(selector="pod == 'a'", ingress=[act("Allow", on("l == 's'"))]),
        ],
        ["deny * -> */a", "allow y/b -> */a"],
        then=[
            Step(
                lambda w: [
                    {
                        **calico("GlobalNetworkSet", "s", nets=w.nets("z/b")),
                        "metadata": {"name": "s", "labels": {"l": "s"}},
                    },
                ],
                expect=["deny * -> */a", "allow z/b -> */a"],
            ),
            Step(
                delete=[("projectcalico.org/v3", "GlobalNetworkSet", None, "s")],
                expect=["deny * -> */a"],
            ),
        ],
    ),
]

STAGED = [
    case(
        "a staged policy does nothing",
        [calico("StagedNetworkPolicy", "p", "x", selector="all()", ingress=[act("Deny")])],
        [],
    ),
    case(
        "a staged global policy does nothing",
        [calico("StagedGlobalNetworkPolicy", "p", selector="all()", ingress=[act("Deny")])],
        [],
    ),
    case(
        "a staged policy beside one in force",
        [
            calico(
                "StagedNetworkPolicy",
                "q",
                "x",
                selector="pod == 'a'",
                order=1,
                ingress=[act("Allow")],
            ),
            cnp("x", selector="pod == 'a'", ingress=[act("Allow", on("pod == 'b'"))]),
        ],
        ["deny * -> x/a", "allow x/b -> x/a"],
    ),
    case(
        "a tier with nothing but staged policies never denies",
        [
            tier("first", 10),
            calico(
                "StagedGlobalNetworkPolicy",
                "first.p",
                tier="first",
                selector="all()",
                ingress=[act("Deny")],
            ),
        ],
        [],
    ),
    case(
        "a staged Kubernetes policy does nothing",
        [
            calico(
                "StagedKubernetesNetworkPolicy",
                "p",
                "x",
                podSelector={},
                policyTypes=["Ingress", "Egress"],
            ),
        ],
        [],
    ),
]

def service(name, namespace, world, pods, number, protocol="TCP"):
    """A service without selector, with the slices of each family that say where it is."""
    made = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"ports": [{"port": number, "protocol": protocol}]},
        }
    ]
    for family, ips in (("IPv4", world.ip4), ("IPv6", world.ip6)):
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{family.lower()}",
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": family,
                "ports": [{"port": number, "protocol": protocol}],
                "endpoints": [{"addresses": [ips[pod]]} for pod in pods if pod in ips],
            }
        )
    return made


def to_service(name, namespace=None):
    """A service as an entity."""
    chosen = {"name": name}
    if namespace:
        chosen["namespace"] = namespace
    return {"services": chosen}


SERVICES = [
    case(
        "egress to a service: its addresses and ports",
        lambda w: [
            *service("web", "y", w, ["y/b", "y/c"], 80),
            cnp("x", selector="pod == 'a'", egress=[act("Allow", None, to_service("web", "y"))]),
        ],
        ["deny x/a -> *", "allow x/a -> y/b,y/c : 80/tcp"],
    ),
    case(
        "ingress from a service: its addresses, any port",
        lambda w: [
            *service("web", "x", w, ["x/b"], 80),
            cnp("x", selector="pod == 'a'", ingress=[act("Allow", to_service("web"))]),
        ],
        ["deny * -> x/a", "allow x/b -> x/a"],
    ),
    case(
        "a service that is not there is nobody",
        [cnp("x", selector="pod == 'a'", egress=[act("Allow", None, to_service("web"))])],
        ["deny x/a -> *"],
    ),
    case(
        "a service's endpoints change",
        lambda w: [
            *service("web", "y", w, ["y/b"], 81, "UDP"),
            gnp(
                selector="pod == 'a'",
                egress=[act("Deny", None, to_service("web", "y")), act("Allow")],
            ),
        ],
        ["deny */a -> y/b : 81/udp"],
        then=[
            Step(
                lambda w: service("web", "y", w, ["z/b", "z/c"], 80),
                expect=["deny */a -> z/b,z/c : 80/tcp"],
            ),
            Step(lambda w: service("web", "y", w, [], 80), expect=[]),
        ],
    ),
]

CASES = SERVICES + RULES + ACCOUNTS + GLOBAL + ORDERS + TIERS + SETS + STAGED
