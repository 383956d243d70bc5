# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicy and ClusterNetworkPolicy: subjects, peers, ports, conflicts, changes."""

from policy_cases import (
    Step,
    act,
    admit,
    block,
    both,
    case,
    cnp,
    gnp,
    kcnp,
    np,
    peer,
    port,
    rule,
    some,
    spaces,
    transport,
)

NOTHING = []  # no rules: nothing is allowed
ANYTHING = [rule()]  # one rule without conditions

SUBJECTS = [
    case("nothing applied", [], []),
    case("deny ingress to all pods of a namespace", [np("x", ingress=NOTHING)], ["deny * -> x/*"]),
    case("deny egress of all pods of a namespace", [np("x", egress=NOTHING)], ["deny x/* -> *"]),
    case(
        "deny both directions",
        [np("x", **both(NOTHING))],
        ["deny * -> x/*", "deny x/* -> *"],
    ),
    case("deny ingress to one pod", [np("x", "pod=a", ingress=NOTHING)], ["deny * -> x/a"]),
    case("deny egress of one pod", [np("x", "pod=a", egress=NOTHING)], ["deny x/a -> *"]),
    case("a subject that is nobody", [np("x", "pod=d", **both(NOTHING))], []),
    case(
        "subject by In",
        [np("x", "pod in a|b", ingress=NOTHING)],
        ["deny * -> x/a,x/b"],
    ),
    case(
        "subject by NotIn",
        [np("x", "pod notin a", ingress=NOTHING)],
        ["deny * -> x/b,x/c"],
    ),
    case("subject by Exists", [np("x", "pod", ingress=NOTHING)], ["deny * -> x/*"]),
    case("subject by DoesNotExist", [np("x", "!pod", ingress=NOTHING)], []),
    case(
        "subject by DoesNotExist of a label that nobody has",
        [np("x", "!other", ingress=NOTHING)],
        ["deny * -> x/*"],
    ),
    case(
        "subject by NotIn of a label that nobody has",
        [np("x", "other notin a", ingress=NOTHING)],
        ["deny * -> x/*"],
    ),
    case(
        "subject by labels and expressions together",
        [np("x", "pod=a,pod in a|b", ingress=NOTHING)],
        ["deny * -> x/a"],
    ),
    case(
        "subject by expressions that contradict each other",
        [np("x", "pod in a,pod in b", ingress=NOTHING)],
        [],
    ),
    case(
        "types: egress rules without the type Egress say nothing",
        [np("x", "pod=a", ingress=NOTHING, egress=NOTHING, types=["Ingress"])],
        ["deny * -> x/a"],
    ),
    case(
        "types: ingress rules without the type Ingress say nothing",
        [np("x", "pod=a", ingress=NOTHING, egress=ANYTHING, types=["Egress"])],
        [],
    ),
    case(
        "types: none given is Ingress",
        [np("x", "pod=a", egress=NOTHING, types=[])],
        ["deny * -> x/a"],
    ),
    case(
        "the same policy in three namespaces",
        [np(namespace, "pod=a", ingress=NOTHING) for namespace in "xyz"],
        ["deny * -> */a"],
    ),
]

PEERS = [
    case("from anybody", [np("x", "pod=a", ingress=ANYTHING)], []),
    case("from an empty list is from anybody", [np("x", "pod=a", ingress=[rule([])])], []),
    case("to anybody", [np("x", "pod=a", egress=ANYTHING)], []),
    case(
        "from all pods of the same namespace",
        [np("x", "pod=a", ingress=[rule([peer("")])])],
        ["deny * -> x/a", "allow x/* -> x/a"],
    ),
    case(
        "from one pod of the same namespace",
        [np("x", "pod=a", ingress=[rule([peer("pod=b")])])],
        ["deny * -> x/a", "allow x/b -> x/a"],
    ),
    case(
        "from all pods of one namespace",
        [np("x", "pod=a", ingress=[rule([peer(ns="ns=y")])])],
        ["deny * -> x/a", "allow y/* -> x/a"],
    ),
    case(
        "from a namespace by its name",
        [np("x", "pod=a", ingress=[rule([peer(ns="kubernetes.io/metadata.name=z")])])],
        ["deny * -> x/a", "allow z/* -> x/a"],
    ),
    case(
        "from all namespaces",
        [np("x", "pod=a", ingress=[rule([peer(ns="")])])],
        [],
    ),
    case(
        "from a pod in all namespaces",
        [np("x", "pod=a", ingress=[rule([peer("pod=b", "")])])],
        ["deny * -> x/a", "allow */b -> x/a"],
    ),
    case(
        "from a pod in one namespace: both selectors in one peer",
        [np("x", "pod=a", ingress=[rule([peer("pod=b", "ns=y")])])],
        ["deny * -> x/a", "allow y/b -> x/a"],
    ),
    case(
        "from a pod or from one namespace: two peers",
        [np("x", "pod=a", ingress=[rule([peer("pod=b"), peer(ns="ns=y")])])],
        ["deny * -> x/a", "allow x/b,y/* -> x/a"],
    ),
    case(
        "from namespaces by In",
        [np("x", "pod=a", ingress=[rule([peer(ns="ns in y|z")])])],
        ["deny * -> x/a", "allow y/*,z/* -> x/a"],
    ),
    case(
        "from namespaces by NotIn",
        [np("x", "pod=a", ingress=[rule([peer(ns="ns notin x")])])],
        ["deny * -> x/a", "allow y/*,z/* -> x/a"],
    ),
    case(
        "from namespaces by Exists and NotIn",
        [np("x", "pod=a", ingress=[rule([peer(ns="ns,ns notin y")])])],
        ["deny * -> x/a", "allow x/*,z/* -> x/a"],
    ),
    case(
        "from namespaces by DoesNotExist",
        [np("x", "pod=a", ingress=[rule([peer(ns="!ns")])])],
        ["deny * -> x/a"],
    ),
    case(
        "from pods by NotIn in namespaces by In",
        [np("x", "pod=a", ingress=[rule([peer("pod notin c", "ns in x|y")])])],
        ["deny * -> x/a", "allow x/b,y/a,y/b -> x/a"],
    ),
    case(
        "from a pod that nobody is",
        [np("x", "pod=a", ingress=[rule([peer("pod=d", "")])])],
        ["deny * -> x/a"],
    ),
    case(
        "to all pods of one namespace",
        [np("x", "pod=a", egress=[rule([peer(ns="ns=y")])])],
        ["deny x/a -> *", "allow x/a -> y/*"],
    ),
    case(
        "to a pod in all namespaces",
        [np("x", "pod=a", egress=[rule([peer("pod=b", "")])])],
        ["deny x/a -> *", "allow x/a -> */b"],
    ),
    case(
        "to a pod of the same namespace",
        [np("x", "pod=a", egress=[rule([peer("pod=b")])])],
        ["deny x/a -> *", "allow x/a -> x/b"],
    ),
    case(
        "two rules are an or",
        [np("x", "pod=a", ingress=[rule([peer("pod=b")]), rule([peer("pod=c", "ns=z")])])],
        ["deny * -> x/a", "allow x/b,z/c -> x/a"],
    ),
    case(
        "one namespace may speak among itself only",
        [np("x", **both([rule([peer("")])]))],
        ["deny * -> x/*", "deny x/* -> *", "allow x/* -> x/*"],
    ),
    case(
        "from one address",
        lambda w: [np("x", "pod=a", ingress=[rule(w.blocks("y/b"))])],
        ["deny * -> x/a", "allow y/b -> x/a"],
    ),
    case(
        "to two addresses",
        lambda w: [np("x", "pod=a", egress=[rule(w.blocks("y/b", "z/c"))])],
        ["deny x/a -> *", "allow x/a -> y/b,z/c"],
    ),
    case(
        "from all addresses but one",
        lambda w: [
            np(
                "x",
                "pod=a",
                ingress=[
                    rule(
                        [
                            block("0.0.0.0/0" if "." in net else "::/0", [net])
                            for net in w.nets("y/b")
                        ]
                    )
                ],
            )
        ],
        ["deny y/b -> x/a"],
    ),
    case(
        "an exception of one block is no exception of another peer",
        lambda w: [
            np(
                "x",
                "pod=a",
                ingress=[
                    rule(
                        [block("0.0.0.0/0", [n for n in w.nets("y/b") if "." in n])]
                        + [block("::/0", [n for n in w.nets("y/b") if ":" in n])]
                        + [peer("pod=b", "ns=y")]
                    )
                ],
            )
        ],
        [],
    ),
    case(
        "from all of IPv4",
        [np("x", "pod=a", ingress=[rule([block("0.0.0.0/0")])])],
        [],
        expect6=["deny * -> x/a"],
    ),
    case(
        "to all of IPv6",
        [np("x", "pod=a", egress=[rule([block("::/0")])])],
        ["deny x/a -> *"],
        expect6=[],
    ),
    case(
        "from a block with host bits",
        lambda w: [
            np(
                "x",
                "pod=a",
                ingress=[
                    rule([block(f"{ip}/{24 if '.' in ip else 64}") for ip in w.addresses("y/b")]),
                ],
            )
        ],
    ),
    case(
        "from the block around a pod but that pod",
        lambda w: [
            np(
                "x",
                "pod=a",
                ingress=[
                    rule([block(n, [m]) for n, m in zip(w.around("y/b", 29, 125), w.nets("y/b"))]),
                ],
            )
        ],
    ),
    case(
        "to nowhere but an address outside",
        [np("x", egress=[rule([block("203.0.113.0/24"), block("2001:db8::/32")])])],
        ["deny x/* -> *"],
    ),
]

PORTS = [
    case(
        "one port",
        [np("x", "pod=a", ingress=[rule(ports=[port(80)])])],
        ["deny * -> x/a", "allow * -> x/a : 80/tcp"],
    ),
    case(
        "one port of UDP",
        [np("x", "pod=a", ingress=[rule(ports=[port(81, "UDP")])])],
        ["deny * -> x/a", "allow * -> x/a : 81/udp"],
    ),
    case(
        "one port of SCTP",
        [np("x", "pod=a", ingress=[rule(ports=[port(80, "SCTP")])])],
        ["deny * -> x/a", "allow * -> x/a : 80/sctp"],
    ),
    case(
        "one port of three protocols",
        [np("x", "pod=a", ingress=[rule(ports=[port(80, p) for p in ("TCP", "UDP", "SCTP")])])],
        ["deny * -> x/a", "allow * -> x/a : 80/*"],
    ),
    case(
        "all ports of a protocol",
        [np("x", "pod=a", ingress=[rule(ports=[port(protocol="UDP")])])],
        ["deny * -> x/a", "allow * -> x/a : */udp"],
    ),
    case(
        "a port without protocol and number is all of TCP",
        [np("x", "pod=a", ingress=[rule(ports=[port()])])],
        ["deny * -> x/a", "allow * -> x/a : */tcp"],
    ),
    case(
        "an empty list is all ports",
        [np("x", "pod=a", ingress=[rule(ports=[])])],
        [],
    ),
    case(
        "a range",
        [np("x", "pod=a", ingress=[rule(ports=[port(79, end=81)])])],
        ["deny * -> x/a", "allow * -> x/a : */tcp"],
    ),
    case(
        "a range that begins at a port",
        [np("x", "pod=a", ingress=[rule(ports=[port(81, "SCTP", 90)])])],
        ["deny * -> x/a", "allow * -> x/a : 81/sctp"],
    ),
    case(
        "a range that ends at a port",
        [np("x", "pod=a", egress=[rule(ports=[port(1, "UDP", 80)])])],
        ["deny x/a -> *", "allow x/a -> * : 80/udp"],
    ),
    case(
        "a range of one port",
        [np("x", "pod=a", egress=[rule(ports=[port(80, end=80)])])],
        ["deny x/a -> *", "allow x/a -> * : 80/tcp"],
    ),
    case(
        "a range beside all ports",
        [np("x", "pod=a", ingress=[rule(ports=[port(82, end=65535)])])],
        ["deny * -> x/a"],
    ),
    case(
        "a named port of the subject",
        [np("x", "pod=a", ingress=[rule(ports=[port("serve-80-tcp")])])],
        ["deny * -> x/a", "allow * -> x/a : 80/tcp"],
    ),
    case(
        "a named port is of its protocol only",
        [np("x", "pod=a", ingress=[rule(ports=[port("serve-80-tcp", "UDP")])])],
        ["deny * -> x/a"],
    ),
    case(
        "a named port that nobody has",
        [np("x", "pod=a", ingress=[rule(ports=[port("nothing")])])],
        ["deny * -> x/a"],
    ),
    case(
        "a named port of the peers",
        [np("x", "pod=a", egress=[rule(ports=[port("serve-81-udp", "UDP")])])],
        ["deny x/a -> *", "allow x/a -> * : 81/udp"],
    ),
    case(
        "a named port of some peers",
        [np("x", "pod=a", egress=[rule([peer(ns="ns=y")], [port("serve-81-sctp", "SCTP")])])],
        ["deny x/a -> *", "allow x/a -> y/* : 81/sctp"],
    ),
    case(
        "a named port and numbers",
        [
            np(
                "x",
                "pod=a",
                egress=[rule([peer(ns="ns=y")], [port("serve-80-tcp"), port(81), port(80, "UDP")])],
            ),
        ],
        ["deny x/a -> *", "allow x/a -> y/* : */tcp,80/udp"],
    ),
    case(
        "a peer and a port",
        [np("x", "pod=a", ingress=[rule([peer("pod=b", "ns=y")], [port(80)])])],
        ["deny * -> x/a", "allow y/b -> x/a : 80/tcp"],
    ),
    case(
        "each peer with each port",
        [
            np(
                "x",
                "pod=a",
                ingress=[rule([peer("pod=b"), peer(ns="ns=y")], [port(80), port(81, "UDP")])],
            ),
        ],
        ["deny * -> x/a", "allow x/b,y/* -> x/a : 80/tcp,81/udp"],
    ),
    case(
        "other ports for other peers",
        [
            np(
                "x",
                "pod=a",
                ingress=[rule([peer("pod=b")], [port(80)]), rule([peer("pod=c")], [port(81)])],
            ),
        ],
        ["deny * -> x/a", "allow x/b -> x/a : 80/tcp", "allow x/c -> x/a : 81/tcp"],
    ),
    case(
        "an address and a port",
        lambda w: [np("x", "pod=a", egress=[rule(w.blocks("z/b"), [port(81, "SCTP")])])],
        ["deny x/a -> *", "allow x/a -> z/b : 81/sctp"],
    ),
    case(
        "both directions with other ports",
        [np("x", "pod=a", ingress=[rule(ports=[port(80)])], egress=[rule(ports=[port(81)])])],
        [
            "deny * -> x/a",
            "deny x/a -> *",
            "allow * -> x/a : 80/tcp",
            "allow x/a -> * : 81/tcp",
        ],
    ),
]

CONFLICTS = [
    case(
        "two policies are an or",
        [
            np("x", "pod=a", ingress=[rule([peer("pod=b")])], name="one"),
            np("x", "pod=a", ingress=[rule([peer(ns="ns=y")])], name="two"),
        ],
        ["deny * -> x/a", "allow x/b,y/* -> x/a"],
    ),
    case(
        "a policy that denies does not undo one that allows",
        [np("x", ingress=NOTHING, name="deny"), np("x", "pod=a", ingress=ANYTHING, name="allow")],
        ["deny * -> x/b,x/c"],
    ),
    case(
        "a policy that denies does not undo one that allows, whatever their names",
        [np("x", ingress=NOTHING, name="zzz"), np("x", "pod=a", ingress=ANYTHING, name="aaa")],
        ["deny * -> x/b,x/c"],
    ),
    case(
        "both ends must allow",
        [np("x", "pod=a", egress=[rule([peer(ns="ns=y")])]), np("y", "pod=b", ingress=NOTHING)],
        ["deny x/a -> *", "allow x/a -> y/*", "deny * -> y/b"],
    ),
    case(
        "egress allowed and ingress not",
        [np("x", egress=ANYTHING), np("y", ingress=NOTHING)],
        ["deny * -> y/*"],
    ),
    case(
        "ports of one policy, peers of another",
        [
            np("x", "pod=a", ingress=[rule(ports=[port(80)])], name="ports"),
            np("x", "pod=a", ingress=[rule([peer("pod=b")])], name="peers"),
        ],
        ["deny * -> x/a", "allow * -> x/a : 80/tcp", "allow x/b -> x/a"],
    ),
    case(
        "three namespaces, each among itself",
        [np(n, **both([rule([peer("")])])) for n in "xyz"],
        ["deny * -> *", "allow x/* -> x/*", "allow y/* -> y/*", "allow z/* -> z/*"],
    ),
    case(
        "a chain: a to b to c",
        [
            np("x", "pod=b", ingress=[rule([peer("pod=a")])], name="b"),
            np("x", "pod=c", ingress=[rule([peer("pod=b")])], name="c"),
        ],
        ["deny * -> x/b,x/c", "allow x/a -> x/b", "allow x/b -> x/c"],
    ),
]

CHANGES = [
    case(
        "a policy comes, changes and goes",
        [np("x", "pod=a", ingress=NOTHING)],
        ["deny * -> x/a"],
        then=[
            Step(
                [np("x", "pod=a", ingress=[rule([peer("pod=b")])])],
                expect=["deny * -> x/a", "allow x/b -> x/a"],
            ),
            Step([np("x", "pod=b", ingress=[rule([peer("pod=b")])])], expect=["deny * -> x/b"]),
            Step([np("x", "pod=b", egress=NOTHING)], expect=["deny x/b -> *"]),
            Step(delete=[("networking.k8s.io/v1", "NetworkPolicy", "x", "p")], expect=[]),
        ],
    ),
    case(
        "one of two policies goes",
        [np("x", ingress=NOTHING, name="deny"), np("x", "pod=a", ingress=ANYTHING, name="allow")],
        ["deny * -> x/b,x/c"],
        then=[
            Step(
                delete=[("networking.k8s.io/v1", "NetworkPolicy", "x", "allow")],
                expect=["deny * -> x/*"],
            ),
            Step(delete=[("networking.k8s.io/v1", "NetworkPolicy", "x", "deny")], expect=[]),
        ],
    ),
    case(
        "a pod becomes a peer by a label",
        [np("x", "pod=a", ingress=[rule([peer("role=client", "")])])],
        ["deny * -> x/a"],
        then=[
            Step(
                pods={"y/b": {"pod": "b", "role": "client"}},
                expect=["deny * -> x/a", "allow y/b -> x/a"],
            ),
            Step(pods={"y/b": {"pod": "b", "role": "server"}}, expect=["deny * -> x/a"]),
        ],
    ),
    case(
        "a pod becomes a subject by a label",
        [np("x", "role=closed", ingress=NOTHING)],
        [],
        then=[
            Step(pods={"x/a": {"pod": "a", "role": "closed"}}, expect=["deny * -> x/a"]),
            Step(pods={"x/b": {"role": "closed"}}, expect=["deny * -> x/a,x/b"]),
            Step(pods={"x/a": {}}, expect=["deny * -> x/b"]),
        ],
    ),
    case(
        "a pod loses the label that let it in",
        [np("x", "pod=a", ingress=[rule([peer("pod=b", "")])])],
        ["deny * -> x/a", "allow */b -> x/a"],
        then=[Step(pods={"z/b": {}}, expect=["deny * -> x/a", "allow x/b,y/b -> x/a"])],
    ),
    case(
        "a namespace gets a label and loses it",
        [np("x", "pod=a", ingress=[rule([peer(ns="team=red")])])],
        ["deny * -> x/a"],
        then=[
            Step(
                namespaces={"y": {"ns": "y", "team": "red"}},
                expect=["deny * -> x/a", "allow y/* -> x/a"],
            ),
            Step(
                namespaces={"z": {"ns": "z", "team": "red"}},
                expect=["deny * -> x/a", "allow y/*,z/* -> x/a"],
            ),
            Step(namespaces={"y": {"ns": "y"}}, expect=["deny * -> x/a", "allow z/* -> x/a"]),
        ],
    ),
    case(
        "a namespace without labels is one of all namespaces",
        [np("x", "pod=a", ingress=[rule([peer("pod=b", "")])])],
        ["deny * -> x/a", "allow */b -> x/a"],
        then=[Step(namespaces={"y": {}}, expect=["deny * -> x/a", "allow */b -> x/a"])],
    ),
    case(
        "a namespace without labels still has its name",
        [np("x", "pod=a", ingress=[rule([peer(ns="kubernetes.io/metadata.name in y|z,!ns")])])],
        ["deny * -> x/a"],
        then=[Step(namespaces={"y": {}}, expect=["deny * -> x/a", "allow y/* -> x/a"])],
    ),
]

ALL = spaces("")

CLUSTER = [
    case("Admin denies", [kcnp(subject="ns=x", ingress=[admit("Deny", ALL)])], ["deny * -> x/*"]),
    case(
        "Admin denies what a namespace allows",
        [kcnp(subject="ns=x", ingress=[admit("Deny", spaces("ns=y"))]), np("x", ingress=ANYTHING)],
        ["deny y/* -> x/*"],
    ),
    case(
        "Admin accepts what a namespace denies",
        [kcnp(subject="ns=x", ingress=[admit("Accept", spaces("ns=y"))]), np("x", ingress=NOTHING)],
        ["deny * -> x/*", "allow y/* -> x/*"],
    ),
    case(
        "Admin passes to the namespace",
        [
            kcnp(subject="ns=x", ingress=[admit("Pass", spaces("ns=y")), admit("Deny", ALL)]),
            np("x", "pod=a", ingress=NOTHING),
        ],
        ["deny * -> x/*", "allow y/* -> x/b,x/c"],
    ),
    case(
        "Baseline denies what nobody decides",
        [
            kcnp(tier="Baseline", subject="ns=x", ingress=[admit("Deny", ALL)]),
            np("x", "pod=a", ingress=[rule([peer("")])]),
        ],
        ["deny * -> x/*", "allow x/* -> x/a"],
    ),
    case(
        "Baseline accepts before it denies",
        [
            kcnp(
                tier="Baseline",
                subject="",
                ingress=[admit("Accept", spaces("ns=x")), admit("Deny", ALL)],
            ),
        ],
        ["deny * -> *", "allow x/* -> *"],
    ),
    case(
        "the lower priority is first",
        [
            kcnp("one", priority=2, subject="ns=x", ingress=[admit("Deny", ALL)]),
            kcnp("two", priority=1, subject="ns=x", ingress=[admit("Accept", spaces("ns=z"))]),
        ],
        ["deny * -> x/*", "allow z/* -> x/*"],
    ),
    case(
        "egress to networks",
        lambda w: [
            kcnp(
                subject="ns=x",
                egress=[admit("Deny", {"networks": w.nets("y/a", "y/b")}, way="to")],
            ),
        ],
        ["deny x/* -> y/a,y/b"],
    ),
    case(
        "egress to pods and ports",
        [
            kcnp(
                subject="",
                pods="pod=a",
                egress=[
                    admit(
                        "Deny",
                        some("pod=b", "ns=y"),
                        way="to",
                        protocols=[transport("tcp", 80), transport("udp", (81, 90))],
                    )
                ],
            )
        ],
        ["deny */a -> y/b : 80/tcp,81/udp"],
    ),
    case(
        "a port by its name, in whatever protocol",
        [
            kcnp(
                subject="ns=x",
                ingress=[admit("Deny", ALL, protocols=[{"destinationNamedPort": "serve-80-sctp"}])],
            )
        ],
        ["deny * -> x/* : 80/sctp"],
    ),
    case(
        "pods of a namespace as subject",
        [kcnp(subject="ns=x", pods="pod in a|b", ingress=[admit("Deny", some("pod notin c", ""))])],
        ["deny */a,*/b -> x/a,x/b"],
    ),
    case(
        "a policy without rules does nothing",
        [kcnp(subject="")],
        [],
    ),
    case(
        "Admin, namespace and Baseline together",
        [
            kcnp(
                "admin",
                subject="",
                ingress=[admit("Accept", some("pod=c", "ns=z")), admit("Deny", spaces("ns=y"))],
            ),
            np("x", "pod=a", ingress=[rule([peer("pod=b")])]),
            kcnp("base", tier="Baseline", subject="ns=x", ingress=[admit("Deny", spaces("ns=z"))]),
        ],
        [
            "deny y/* -> *",
            "deny x/*,z/* -> x/a",
            "allow x/b -> x/a",
            "deny z/* -> x/b,x/c",
            "allow z/c -> *",
        ],
    ),
    case(
        "the tiers around the namespaces' one, seen from Calico",
        [
            kcnp(subject="ns=x", ingress=[admit("Pass", ALL)]),
            cnp(
                "x",
                selector="pod == 'a'",
                ingress=[act("Deny", {"selector": "pod == 'b'"}), act("Allow")],
            ),
            gnp(selector="pod == 'a'", order=2000, ingress=[act("Deny")]),
        ],
    ),
]

CASES = SUBJECTS + PEERS + PORTS + CONFLICTS + CHANGES + CLUSTER
