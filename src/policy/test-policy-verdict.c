/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Worlds, packets and the verdicts that the API's text gives them, worked out by hand. Each row
 * says the sentence of the API that it checks.
 */

#include "policy/policy-verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "policy/policy-connection.h"
#include "policy/test-world.h"

#define OBJECT_OF(kind, meta, spec)                                                                \
	"---\napiVersion: projectcalico.org/v3\nkind: " kind "\nmetadata: {" meta                  \
	"}\nspec: {" spec "}\n"
#define NP(name, spec)	OBJECT_OF("NetworkPolicy", "namespace: shop, name: " name, spec)
#define GNP(name, spec) OBJECT_OF("GlobalNetworkPolicy", "name: " name, spec)
#define SNP(name, spec) OBJECT_OF("StagedNetworkPolicy", "namespace: shop, name: " name, spec)
#define SKNP(name, spec)                                                                           \
	OBJECT_OF("StagedKubernetesNetworkPolicy", "namespace: shop, name: " name, spec)
#define TIER(name, spec)    OBJECT_OF("Tier", "name: " name, spec)
#define PROFILE(name, spec) OBJECT_OF("Profile", "name: " name, spec)
#define FELIX(name, spec)   OBJECT_OF("FelixConfiguration", "name: " name, spec)
#define POD(ns, pod, node, labels, spec)                                                           \
	OBJECT_OF("WorkloadEndpoint",                                                              \
		  "namespace: " ns ", name: " node "-k8s-" pod "-eth0, labels: {" labels "}",      \
		  "orchestrator: k8s, endpoint: eth0, node: " node ", pod: " pod ", " spec)
#define KNP(name, spec)                                                                            \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: shop, " \
	"name: " name "}\nspec: {" spec "}\n"
#define KCNP(name, spec)                                                                           \
	"---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"         \
	"metadata: {name: " name "}\nspec: {" spec "}\n"
#define SLICE                                                                                      \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                              \
	"metadata: {namespace: shop, name: sql-1, labels: {kubernetes.io/service-name: sql}}\n"    \
	"addressType: IPv4\nendpoints: [{addresses: [10.2.0.3]}]\n"                                \
	"ports: [{name: '', port: 5432, protocol: TCP}]\n"
#define ALLOW_ALL "ingress: [{action: Allow}], egress: [{action: Allow}]"
#define ALLOW	  "[{action: Allow}]"
#define DENY	  "[{action: Deny}]"
#define PASS	  "[{action: Pass}]"

static const char base_world[] = PROFILE(
	"kns.shop",
	ALLOW_ALL ", labelsToApply: {pcns.team: red}") PROFILE("kns.bank", ALLOW_ALL
							       ", labelsToApply: {pcns.team: blue}")
	PROFILE("ksa.shop.web", "labelsToApply: {pcsa.role: front}") POD(
		"shop", "a", "n1", "app: a",
		"serviceAccountName: web, profiles: [kns.shop, ksa.shop.web], ipNetworks: [10.1.0.1/32, 'fd00::1/128']")
		POD("shop", "b", "n1", "app: b",
		    "profiles: [kns.shop], ipNetworks: [10.1.0.2/32, 'fd00::2/128'],"
		    "ports: [{name: http, protocol: TCP, port: 8080}, {name: dns, protocol: UDP, port: 53}]")
			POD("bank", "c", "n2", "app: c", "profiles: [kns.bank], ipNetworks: [10.2.0.3/32]") POD(
				"shop", "bare", "n2", "app: bare",
				"ipNetworks: [10.2.0.9/32]") OBJECT_OF("Node", "name: n1",
								       "bgp: {ipv4Address: 192.168.0.1/24}")
				OBJECT_OF("Node", "name: n2", "bgp: {ipv4Address: 192.168.0.2/24}") OBJECT_OF(
					"HostEndpoint", "name: h1, labels: {host: one}",
					"node: n1, interfaceName: eth0, expectedIPs: [192.168.0.1]")
					OBJECT_OF(
						"HostEndpoint", "name: h2, labels: {host: two}",
						"node: n2, interfaceName: '*', profiles: [projectcalico-default-allow]")
						OBJECT_OF("GlobalNetworkSet",
							  "name: evil, labels: {kind: evil}",
							  "nets: [203.0.113.0/24]")
							OBJECT_OF(
								"NetworkSet",
								"namespace: shop, name: partners, labels: {kind: partner}",
								"nets: [198.51.100.0/24]");

struct row {
	const char *rule; /* of the API */
	const char *objects;
	const char *from;
	const char *to;
	const char *port;
	enum {
		INGRESS, /* at 'to' */
		EGRESS,	 /* at 'from' */
		WHOLE,	 /* all the way */
		FORWARD, /* at host 'to', ingress */
		PRE_DNAT,
		UNTRACKED,
	} where;
	enum verdict verdict;
};

#define A VERDICT_ALLOW
#define D VERDICT_DENY
#define N VERDICT_NONE

static const struct row rows[] = {
	/* --- Whom a policy is for ----------------------------------------------------------- */
	{"without any policy the profiles decide", "", "pod/shop/a", "pod/shop/b", "tcp/80",
	 INGRESS, A},
	{"a pod without policy and without profile gets nothing", "", "pod/shop/a", "pod/shop/bare",
	 "tcp/80", INGRESS, D},
	{"a pod without policy and without profile sends nothing", "", "pod/shop/bare",
	 "pod/shop/a", "tcp/80", EGRESS, D},
	{"a policy that selects isolates: no rule matches, denied", NP("p", "selector: app == 'b'"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"a policy that doesn't select leaves it to profiles", NP("p", "selector: app == 'z'"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"the empty selector is all()", NP("p", "ingress: []"), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, D},
	{"a NetworkPolicy is for its own namespace alone", NP("p", "ingress: []"), "pod/shop/a",
	 "pod/bank/c", "tcp/80", INGRESS, A},
	{"a NetworkPolicy is not for host endpoints", NP("p", "ingress: " ALLOW), "pod/bank/c",
	 "hep/h1", "tcp/80", INGRESS, D},
	{"a GlobalNetworkPolicy is for all namespaces", GNP("p", "ingress: []"), "pod/shop/a",
	 "pod/bank/c", "tcp/80", INGRESS, D},
	{"namespaceSelector limits it to namespaces with these labels",
	 GNP("p", "namespaceSelector: team == 'red', ingress: []"), "pod/shop/a", "pod/bank/c",
	 "tcp/80", INGRESS, A},
	{"namespaceSelector selects by the namespace's labels",
	 GNP("p", "namespaceSelector: team == 'blue', ingress: []"), "pod/shop/a", "pod/bank/c",
	 "tcp/80", INGRESS, D},
	{"namespaceSelector all() leaves out what is in no namespace",
	 GNP("p", "namespaceSelector: all(), ingress: " ALLOW), "pod/bank/c", "hep/h1", "tcp/80",
	 INGRESS, D},
	{"a global policy without it is for host endpoints too", GNP("p", "ingress: " ALLOW),
	 "pod/bank/c", "hep/h1", "tcp/80", INGRESS, A},
	{"serviceAccountSelector selects by the account's labels",
	 NP("p", "serviceAccountSelector: role == 'front', ingress: []"), "pod/shop/b",
	 "pod/shop/a", "tcp/80", INGRESS, D},
	{"serviceAccountSelector leaves out pods of other accounts",
	 NP("p", "serviceAccountSelector: role == 'front', ingress: []"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"!= holds where the label is absent", NP("p", "selector: nothing != 'x', ingress: []"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"labels inherited from profiles can be selected",
	 GNP("p", "selector: pcns.team == 'blue', ingress: []"), "pod/shop/a", "pod/bank/c",
	 "tcp/80", INGRESS, D},
	{"a namespace is a label of the endpoint",
	 GNP("p", "selector: \"projectcalico.org/namespace == 'bank'\", ingress: []"), "pod/shop/a",
	 "pod/bank/c", "tcp/80", INGRESS, D},

	/* --- Directions --------------------------------------------------------------------- */
	{"without types and egress rules a policy is for ingress", NP("p", "ingress: []"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", EGRESS, A},
	{"without types, with egress rules alone, it is for egress", NP("p", "egress: " DENY),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"egress rules alone: it denies egress", NP("p", "egress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", EGRESS, D},
	{"without types, with rules of both, it is for both",
	 NP("p", "ingress: " ALLOW ", egress: " DENY), "pod/shop/a", "pod/shop/b", "tcp/80", EGRESS,
	 D},
	{"types are taken literally: Egress without rules denies", NP("p", "types: [Egress]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", EGRESS, D},
	{"types are taken literally: ingress rules don't count",
	 NP("p", "types: [Egress], ingress: " DENY), "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS,
	 A},
	{"egress of the sender and ingress of the receiver both count",
	 NP("p", "selector: app == 'b', types: [Ingress]"), "pod/shop/a", "pod/shop/b", "tcp/80",
	 WHOLE, D},
	{"policy of the sender's egress ends it at the sender",
	 NP("p", "selector: app == 'a', types: [Egress]"), "pod/shop/a", "pod/bank/c", "tcp/80",
	 WHOLE, D},

	/* --- Rules -------------------------------------------------------------------------- */
	{"the first rule that matches decides: Allow before Deny",
	 NP("p", "ingress: [{action: Allow}, {action: Deny}]"), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, A},
	{"the first rule that matches decides: Deny before Allow",
	 NP("p", "ingress: [{action: Deny}, {action: Allow}]"), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, D},
	{"Log logs and goes on with the next rule",
	 NP("p", "ingress: [{action: Log}, {action: Allow}]"), "pod/shop/a", "pod/shop/b", "tcp/80",
	 INGRESS, A},
	{"Log alone decides nothing", NP("p", "ingress: [{action: Log}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"a rule of one protocol is not for others",
	 NP("p", "ingress: [{action: Allow, protocol: TCP}]"), "pod/shop/a", "pod/shop/b", "udp/80",
	 INGRESS, D},
	{"a protocol may be a number", NP("p", "ingress: [{action: Allow, protocol: 47}]"),
	 "pod/shop/a", "pod/shop/b", "47", INGRESS, A},
	{"notProtocol: all others", NP("p", "ingress: [{action: Allow, notProtocol: TCP}]"),
	 "pod/shop/a", "pod/shop/b", "udp/80", INGRESS, A},
	{"notProtocol: not this one", NP("p", "ingress: [{action: Allow, notProtocol: TCP}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"ipVersion: the other family does not match",
	 NP("p", "ingress: [{action: Allow, ipVersion: 6}]"), "pod/shop/a", "pod/shop/b", "tcp/80",
	 INGRESS, D},
	{"ipVersion: its own family matches", NP("p", "ingress: [{action: Allow, ipVersion: 6}]"),
	 "fd00::1", "fd00::2", "tcp/80", INGRESS, A},
	{"icmp: type and code",
	 NP("p", "ingress: [{action: Allow, protocol: ICMP, icmp: {type: 3, code: 1}}]"),
	 "pod/shop/a", "pod/shop/b", "icmp/3/1", INGRESS, A},
	{"icmp: another code",
	 NP("p", "ingress: [{action: Allow, protocol: ICMP, icmp: {type: 3, code: 1}}]"),
	 "pod/shop/a", "pod/shop/b", "icmp/3/2", INGRESS, D},
	{"icmp: a type alone matches any code",
	 NP("p", "ingress: [{action: Allow, protocol: ICMP, icmp: {type: 3}}]"), "pod/shop/a",
	 "pod/shop/b", "icmp/3/2", INGRESS, A},
	{"notICMP: not this type",
	 NP("p", "ingress: [{action: Allow, protocol: ICMP, notICMP: {type: 8}}]"), "pod/shop/a",
	 "pod/shop/b", "icmp/8/0", INGRESS, D},
	{"notICMP: another type",
	 NP("p", "ingress: [{action: Allow, protocol: ICMP, notICMP: {type: 8}}]"), "pod/shop/a",
	 "pod/shop/b", "icmp/3/0", INGRESS, A},

	/* --- Nets --------------------------------------------------------------------------- */
	{"nets: one of them holds the address",
	 NP("p", "ingress: [{action: Allow, source: {nets: [10.9.0.0/16, 10.1.0.0/24]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"nets: none of them does",
	 NP("p", "ingress: [{action: Allow, source: {nets: [10.9.0.0/16]}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"nets of the other family never match",
	 NP("p", "ingress: [{action: Allow, source: {nets: ['::/0']}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"notNets: none of them may",
	 NP("p", "ingress: [{action: Allow, source: {notNets: [10.1.0.1/32]}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"notNets of the other family limit nothing",
	 NP("p", "ingress: [{action: Allow, source: {notNets: ['::/0']}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"nets and notNets: both must hold",
	 NP("p",
	    "ingress: [{action: Allow, source: {nets: [10.1.0.0/24], notNets: [10.1.0.0/30]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"nets of a destination",
	 NP("p", "egress: [{action: Allow, destination: {nets: [203.0.113.0/24]}}]"), "pod/shop/a",
	 "ip/203.0.113.7", "tcp/80", EGRESS, A},

	/* --- Ports -------------------------------------------------------------------------- */
	{"ports: a number",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"ports: another number",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/81", INGRESS, D},
	{"ports: a range has its first",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['80:90']}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"ports: a range has its last",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['80:90']}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/90", INGRESS, A},
	{"ports: a range ends",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['80:90']}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/91", INGRESS, D},
	{"ports: a name is the port that the pod gives it",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/8080", INGRESS, A},
	{"ports: a name is no other port",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"ports: a name counts only for its protocol",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [dns]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/53", INGRESS, D},
	{"ports: a name without a protocol is one of TCP",
	 NP("p", "ingress: [{action: Allow, destination: {ports: [http]}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/8080", INGRESS, A},
	{"ports: a name without a protocol is none of UDP",
	 NP("p", "ingress: [{action: Allow, destination: {ports: [dns, http]}}]"), "pod/shop/a",
	 "pod/shop/b", "udp/53", INGRESS, D},
	{"ports: a name without a protocol excludes only of TCP",
	 NP("p", "ingress: [{action: Allow, destination: {notPorts: [dns]}}]"), "pod/shop/a",
	 "pod/shop/b", "udp/53", INGRESS, A},
	{"ports: who has no port of this name does not match",
	 NP("p", "egress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/8080", EGRESS, D},
	{"ports: names and numbers, one of them",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [http, 443]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/443", INGRESS, A},
	{"ports: a name is looked for among those the rule selects",
	 GNP("p",
	     "egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'c', ports: [http]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/8080", EGRESS, D},
	{"notPorts: not these",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {notPorts: [80]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"notPorts: a name",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, destination: {notPorts: [http]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/8080", INGRESS, D},
	{"source ports",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, source: {ports: [50000]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"source ports: another one",
	 NP("p", "ingress: [{action: Allow, protocol: TCP, source: {ports: [50001]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},

	/* --- Whom a rule is about ----------------------------------------------------------- */
	{"a selector in a namespaced policy is about its namespace",
	 NP("p", "ingress: [{action: Allow, source: {selector: app == 'c'}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"a selector selects in its own namespace",
	 NP("p", "ingress: [{action: Allow, source: {selector: app == 'a'}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"with namespaceSelector, selectors reach other namespaces",
	 NP("p",
	    "ingress: [{action: Allow, source: {selector: app == 'c', namespaceSelector: team == 'blue'}}]"),
	 "pod/bank/c", "pod/shop/b", "tcp/80", INGRESS, A},
	{"selector and namespaceSelector must both hold",
	 NP("p",
	    "ingress: [{action: Allow, source: {selector: app == 'c', namespaceSelector: team == 'red'}}]"),
	 "pod/bank/c", "pod/shop/b", "tcp/80", INGRESS, D},
	{"namespaceSelector all() is every namespace",
	 NP("p", "ingress: [{action: Allow, source: {namespaceSelector: all()}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"namespaceSelector all() is not what has none",
	 NP("p", "ingress: [{action: Allow, source: {namespaceSelector: all()}}]"),
	 "ip/203.0.113.7", "pod/shop/b", "tcp/80", INGRESS, D},
	{"namespaceSelector global() is what has none",
	 NP("p", "ingress: [{action: Allow, source: {namespaceSelector: global()}}]"),
	 "ip/203.0.113.7", "pod/shop/b", "tcp/80", INGRESS, A},
	{"namespaceSelector global() is no pod",
	 NP("p", "ingress: [{action: Allow, source: {namespaceSelector: global()}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"in a global policy a selector is about all namespaces",
	 GNP("p", "ingress: [{action: Allow, source: {selector: app == 'c'}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"a selector selects addresses that are known, all() too",
	 GNP("p", "ingress: [{action: Allow, source: {selector: all()}}]"), "ip/8.8.8.8",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"a global network set is selected by its labels",
	 GNP("p", "ingress: [{action: Allow, source: {selector: kind == 'evil'}}]"),
	 "ip/203.0.113.7", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a network set is of its namespace",
	 NP("p", "ingress: [{action: Allow, source: {selector: kind == 'partner'}}]"),
	 "ip/198.51.100.1", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a namespaced rule does not see global network sets",
	 NP("p", "ingress: [{action: Allow, source: {selector: kind == 'evil'}}]"),
	 "ip/203.0.113.7", "pod/shop/b", "tcp/80", INGRESS, D},
	{"a network set has the labels of its namespace",
	 GNP("p",
	     "ingress: [{action: Allow, source: {selector: kind == 'partner', namespaceSelector: team == 'red'}}]"),
	 "ip/198.51.100.1", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a host endpoint is selected by its expectedIPs",
	 GNP("p", "ingress: [{action: Allow, source: {selector: host == 'one'}}]"), "node/n1",
	 "pod/bank/c", "tcp/80", INGRESS, A},
	{"notSelector: not those",
	 GNP("p", "ingress: [{action: Allow, source: {notSelector: app == 'a'}}]"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"notSelector in a global policy: any other address",
	 GNP("p", "ingress: [{action: Allow, source: {notSelector: app == 'a'}}]"), "ip/8.8.8.8",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"notSelector in a namespaced policy: of its namespace",
	 NP("p", "ingress: [{action: Allow, source: {notSelector: app == 'a'}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"serviceAccounts.names",
	 NP("p", "ingress: [{action: Allow, source: {serviceAccounts: {names: [web]}}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"serviceAccounts.names: another account",
	 NP("p", "ingress: [{action: Allow, source: {serviceAccounts: {names: [db]}}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"serviceAccounts.selector",
	 NP("p",
	    "ingress: [{action: Allow, source: {serviceAccounts: {selector: role == 'front'}}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"serviceAccounts: names and selector must both hold",
	 NP("p",
	    "ingress: [{action: Allow, source: {serviceAccounts: {names: [web], selector: role == 'back'}}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"serviceAccounts that say nothing limit nothing",
	 NP("p", "ingress: [{action: Allow, source: {serviceAccounts: {}}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"selector and nets must both hold",
	 NP("p", "ingress: [{action: Allow, source: {selector: app == 'a', nets: [10.9.0.0/16]}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"source and destination must both hold",
	 NP("p",
	    "ingress: [{action: Allow, source: {selector: app == 'a'}, destination: {selector: app == 'z'}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"a rule without anything matches everything", NP("p", "ingress: " ALLOW), "ip/8.8.8.8",
	 "pod/shop/b", "udp/1", INGRESS, A},

	/* --- Order and tiers ---------------------------------------------------------------- */
	{"lower order first",
	 NP("z", "order: 1, ingress: " ALLOW) NP("a", "order: 2, ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"no order comes last", NP("a", "ingress: " DENY) NP("z", "order: 1000, ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"of the same order, by name", NP("b", "ingress: " DENY) NP("a", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"of the same name, by namespace: none comes first",
	 NP("p", "ingress: " DENY) GNP("p", "ingress: " ALLOW), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, A},
	{"a policy without a rule that matches leaves it to the next",
	 NP("a", "order: 1, ingress: []") NP("b", "order: 2, ingress: " ALLOW), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"tiers go by order before policies do",
	 TIER("one", "order: 1") NP("b", "ingress: " DENY ", order: 1")
		 GNP("a", "tier: one, order: 9, ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a tier without order comes last",
	 TIER("aaa", "defaultAction: Deny") NP("b", "ingress: " ALLOW)
		 GNP("a", "tier: aaa, ingress: " DENY),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"tiers of the same order go by name",
	 TIER("bbb", "order: 1") TIER("aaa", "order: 1") GNP("b", "tier: bbb, ingress: " DENY)
		 GNP("a", "tier: aaa, ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"Pass goes on with the next tier, past the rest of this one",
	 TIER("one", "order: 1") GNP("a", "tier: one, order: 1, ingress: " PASS)
		 GNP("b", "tier: one, order: 2, ingress: " DENY) NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"Pass in the last tier goes on with the profiles", NP("p", "ingress: " PASS), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"at a tier's end, what was selected is denied",
	 TIER("one", "order: 1") GNP("a", "tier: one, ingress: []") NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"unless its default action is Pass",
	 TIER("one", "order: 1, defaultAction: Pass") GNP("a", "tier: one, ingress: []")
		 NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a tier without a policy for the endpoint is skipped",
	 TIER("one", "order: 1") GNP("a", "tier: one, selector: app == 'z', ingress: []")
		 NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"a tier without a policy of the direction is skipped",
	 TIER("one", "order: 1") GNP("a", "tier: one, types: [Egress]") NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"Deny in a tier is final",
	 TIER("one", "order: 1") GNP("a", "tier: one, ingress: " DENY) NP("c", "ingress: " ALLOW),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"a tier that was never made comes last, and denies at its end",
	 GNP("a", "tier: ghost, ingress: []") NP("c", "ingress: " PASS), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, D},
	{"tier kube-admin stands before default, by itself",
	 GNP("a", "tier: kube-admin, ingress: " DENY) NP("c", "ingress: " ALLOW), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"tier kube-baseline stands behind default",
	 GNP("a", "tier: kube-baseline, ingress: " DENY) NP("c", "ingress: " ALLOW), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},

	/* --- Staged ------------------------------------------------------------------------- */
	{"a staged policy is not enforced", SNP("p", "ingress: " DENY), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, A},
	{"a staged policy that allows does not either",
	 SNP("p", "order: 1, ingress: " ALLOW) NP("q", "order: 2, ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"a tier of staged policies alone denies nothing at its end",
	 TIER("one", "order: 1") SNP("p", "tier: one, ingress: []"), "pod/shop/a", "pod/shop/b",
	 "tcp/80", INGRESS, A},
	{"a staged policy of Kubernetes neither", SKNP("p", "podSelector: {}"), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},

	/* --- Profiles ----------------------------------------------------------------------- */
	{"profiles go in the order of the endpoint's list",
	 PROFILE("never", "ingress: " DENY)
		 POD("shop", "d", "n1", "app: d",
		     "profiles: [never, kns.shop], ipNetworks: [10.1.0.4/32]"),
	 "pod/shop/a", "pod/shop/d", "tcp/80", INGRESS, D},
	{"a profile that decides nothing leaves it to the next",
	 PROFILE("empty", "egress: []")
		 POD("shop", "d", "n1", "app: d",
		     "profiles: [empty, kns.shop], ipNetworks: [10.1.0.4/32]"),
	 "pod/shop/a", "pod/shop/d", "tcp/80", INGRESS, A},
	{"a profile that is not there denies",
	 POD("shop", "d", "n1", "app: d", "profiles: [ghost, kns.shop], ipNetworks: [10.1.0.4/32]"),
	 "pod/shop/a", "pod/shop/d", "tcp/80", INGRESS, D},
	{"projectcalico-default-allow is always there",
	 POD("shop", "d", "n1", "app: d",
	     "profiles: [projectcalico-default-allow], ipNetworks: [10.1.0.4/32]"),
	 "pod/shop/a", "pod/shop/d", "tcp/80", INGRESS, A},
	{"an own label is stronger than an inherited one",
	 PROFILE("p", "labelsToApply: {app: y}") POD(
		 "shop", "d", "n1", "app: d", "profiles: [p, kns.shop], ipNetworks: [10.1.0.4/32]")
		 NP("q", "selector: app == 'y', ingress: []"),
	 "pod/shop/a", "pod/shop/d", "tcp/80", INGRESS, A},

	/* --- Services ----------------------------------------------------------------------- */
	{"services: an endpoint of it, at its port",
	 SLICE NP("p", "egress: [{action: Allow, destination: {services: {name: sql}}}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/5432", EGRESS, A},
	{"services: another port of that endpoint",
	 SLICE NP("p", "egress: [{action: Allow, destination: {services: {name: sql}}}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/80", EGRESS, D},
	{"services: another protocol",
	 SLICE NP("p", "egress: [{action: Allow, destination: {services: {name: sql}}}]"),
	 "pod/shop/a", "pod/bank/c", "udp/5432", EGRESS, D},
	{"services: no endpoint of it",
	 SLICE NP("p", "egress: [{action: Allow, destination: {services: {name: sql}}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/5432", EGRESS, D},
	{"services: of no namespace, in a global policy: it can't be understood and denies",
	 SLICE GNP("p", "egress: [{action: Allow, destination: {services: {name: sql}}}, "
			"{action: Allow}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/5432", EGRESS, D},
	{"services: of another namespace, by its name",
	 SLICE GNP(
		 "p",
		 "egress: [{action: Allow, destination: {services: {name: sql, namespace: shop}}}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/5432", EGRESS, A},
	{"services: of a namespace that has no such service",
	 SLICE NP(
		 "p",
		 "egress: [{action: Allow, destination: {services: {name: sql, namespace: bank}}}]"),
	 "pod/shop/a", "pod/bank/c", "tcp/5432", EGRESS, D},
	{"services as source: its endpoints, whatever the port",
	 SLICE NP("p", "ingress: [{action: Allow, source: {services: {name: sql}}}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"services as destination of ingress can't be understood",
	 SLICE NP(
		 "p",
		 "ingress: [{action: Allow, destination: {services: {name: sql}}}, {action: Allow}]"),
	 "pod/bank/c", "pod/shop/b", "tcp/80", INGRESS, D},

	/* --- Kubernetes' own policies ------------------------------------------------------- */
	{"a NetworkPolicy of Kubernetes isolates whom it selects",
	 KNP("p", "podSelector: {matchLabels: {app: b}}"), "pod/shop/a", "pod/shop/b", "tcp/80",
	 INGRESS, D},
	{"it allows by the labels of pods of its namespace",
	 KNP("p", "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"pods of another namespace are not meant",
	 KNP("p", "podSelector: {}, ingress: [{from: [{podSelector: {}}]}]"), "pod/bank/c",
	 "pod/shop/b", "tcp/80", INGRESS, D},
	{"but by namespaceSelector",
	 KNP("p",
	     "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]"),
	 "pod/bank/c", "pod/shop/b", "tcp/80", INGRESS, A},
	{"several policies allow what one of them allows",
	 KNP("p", "podSelector: {}") KNP("q", "podSelector: {}, ingress: [{ports: [{port: 80}]}]"),
	 "pod/bank/c", "pod/shop/b", "tcp/80", INGRESS, A},
	{"they stand at order 1000: a lower one decides before",
	 KNP("p", "podSelector: {}, ingress: [{}]") NP("q", "order: 999, ingress: " DENY),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"and without an order one comes behind them",
	 KNP("p", "podSelector: {}, ingress: [{}]") NP("q", "ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"an admin's ClusterNetworkPolicy goes before all of them",
	 KCNP("p",
	      "tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]")
		 KNP("q", "podSelector: {}, ingress: [{}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"a baseline one comes behind",
	 KCNP("p",
	      "tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]")
		 KNP("q", "podSelector: {}, ingress: [{}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},
	{"and denies where no other policy is",
	 KCNP("p",
	      "tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},

	/* --- Rules that can't be understood ------------------------------------------------- */
	{"a rule that can't be understood denies",
	 NP("p", "ingress: [{action: Allow, source: {selector: 'app =='}}, {action: Allow}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, D},
	{"ports without a protocol that has them can't be understood",
	 NP("p", "ingress: [{action: Allow, destination: {ports: [80]}}, {action: Allow}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/81", INGRESS, D},
	{"what stands before such a rule still decides",
	 NP("p", "ingress: [{action: Allow}, {action: Allow, source: {selector: 'app =='}}]"),
	 "pod/shop/a", "pod/shop/b", "tcp/80", INGRESS, A},

	/* --- Hosts -------------------------------------------------------------------------- */
	{"a host endpoint without policy and profile gets nothing", "", "pod/bank/c", "hep/h1",
	 "tcp/80", INGRESS, D},
	{"but its failsafe ports", "", "pod/bank/c", "hep/h1", "tcp/22", INGRESS, A},
	{"a failsafe port can't be closed", GNP("p", "selector: has(host), ingress: " DENY),
	 "pod/bank/c", "hep/h1", "tcp/22", INGRESS, A},
	{"a failsafe port is one of its protocol", "", "pod/bank/c", "hep/h1", "udp/22", INGRESS,
	 D},
	{"failsafe ports of egress are others", "", "hep/h1", "ip/8.8.8.8", "udp/53", EGRESS, A},
	{"ssh to others is no failsafe port of egress", "", "hep/h1", "ip/8.8.8.8", "tcp/22",
	 EGRESS, D},
	{"the empty list of failsafe ports is empty",
	 FELIX("default", "failsafeInboundHostPorts: []"), "pod/bank/c", "hep/h1", "tcp/22",
	 INGRESS, D},
	{"a failsafe port may be for some addresses alone",
	 FELIX("default",
	       "failsafeInboundHostPorts: [{protocol: tcp, port: 22, net: 10.9.0.0/16}]"),
	 "pod/bank/c", "hep/h1", "tcp/22", INGRESS, D},
	{"a node's own settings are stronger than the cluster's",
	 FELIX("default", "failsafeInboundHostPorts: []")
		 FELIX("node.n1", "failsafeInboundHostPorts: [{protocol: tcp, port: 22}]"),
	 "pod/bank/c", "hep/h1", "tcp/22", INGRESS, A},
	{"policy allows what comes to a host",
	 GNP("p",
	     "selector: host == 'one', ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]"),
	 "pod/bank/c", "hep/h1", "tcp/80", INGRESS, A},
	{"a policy without applyOnForward is not for what is forwarded",
	 GNP("p", "selector: host == 'one', ingress: " DENY), "ip/8.8.8.8", "hep/h1", "tcp/80",
	 FORWARD, N},
	{"applyOnForward: it is",
	 GNP("p", "selector: host == 'one', applyOnForward: true, ingress: " DENY), "ip/8.8.8.8",
	 "hep/h1", "tcp/80", FORWARD, D},
	{"applyOnForward: it is for the host's own traffic too",
	 GNP("p", "selector: host == 'one', applyOnForward: true, ingress: " ALLOW), "ip/8.8.8.8",
	 "hep/h1", "tcp/80", INGRESS, A},
	{"forwarded and selected, and no rule matches: denied",
	 GNP("p", "selector: host == 'one', applyOnForward: true, types: [Ingress]"), "ip/8.8.8.8",
	 "hep/h1", "tcp/80", FORWARD, D},
	{"failsafe ports are not for what is forwarded",
	 GNP("p", "selector: host == 'one', applyOnForward: true, types: [Ingress]"), "ip/8.8.8.8",
	 "hep/h1", "tcp/22", FORWARD, D},
	{"profiles are not for what is forwarded",
	 GNP("p", "selector: host == 'one', applyOnForward: true, ingress: " PASS), "ip/8.8.8.8",
	 "hep/h1", "tcp/80", FORWARD, N},
	{"a preDNAT policy is not a normal one",
	 GNP("p", "selector: host == 'one', preDNAT: true, applyOnForward: true, ingress: " ALLOW),
	 "ip/8.8.8.8", "hep/h1", "tcp/80", INGRESS, D},
	{"preDNAT policies act before translation",
	 GNP("p", "selector: host == 'one', preDNAT: true, applyOnForward: true, ingress: " DENY),
	 "ip/8.8.8.8", "hep/h1", "tcp/80", PRE_DNAT, D},
	{"the end of a tier of preDNAT policies denies nothing",
	 GNP("p", "selector: host == 'one', preDNAT: true, applyOnForward: true, ingress: []"),
	 "ip/8.8.8.8", "hep/h1", "tcp/80", PRE_DNAT, N},
	{"doNotTrack policies act before connection tracking",
	 GNP("p",
	     "selector: host == 'one', doNotTrack: true, applyOnForward: true, ingress: " DENY),
	 "ip/8.8.8.8", "hep/h1", "tcp/80", UNTRACKED, D},
	{"the end of a tier of doNotTrack policies denies nothing",
	 GNP("p",
	     "selector: host == 'one', doNotTrack: true, applyOnForward: true, types: [Ingress]"),
	 "ip/8.8.8.8", "hep/h1", "tcp/80", UNTRACKED, N},
	{"a doNotTrack policy is not for workloads",
	 GNP("p", "doNotTrack: true, applyOnForward: true, ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},
	{"a preDNAT policy is not for workloads",
	 GNP("p", "preDNAT: true, applyOnForward: true, ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", INGRESS, A},

	/* --- Whole ways --------------------------------------------------------------------- */
	{"what a workload sends its own host is dropped unless settings say so", "", "pod/shop/a",
	 "node/n1", "tcp/80", WHOLE, D},
	{"defaultEndpointToHostAction Accept",
	 FELIX("default", "defaultEndpointToHostAction: Accept"), "pod/shop/a", "node/n1", "tcp/80",
	 WHOLE, A},
	{"before that, the workload's egress policy denies",
	 FELIX("default", "defaultEndpointToHostAction: Accept") NP("p", "egress: " DENY),
	 "pod/shop/a", "node/n1", "tcp/80", WHOLE, D},
	{"a host reaches its own workloads whatever policy says", NP("p", "ingress: " DENY),
	 "node/n1", "pod/shop/b", "tcp/80", WHOLE, A},
	{"a host's egress policy is for workloads of other hosts", "", "node/n1", "pod/bank/c",
	 "tcp/80", WHOLE, D},
	{"allowed at the host, then at the workload",
	 GNP("p", "selector: host == 'one', egress: " ALLOW), "node/n1", "pod/bank/c", "tcp/80",
	 WHOLE, A},
	{"a host endpoint for all interfaces guards its node", "", "ip/8.8.8.8", "node/n2",
	 "tcp/80", WHOLE, A},
	{"a doNotTrack policy that allows spares the host's other policies",
	 GNP("p",
	     "selector: host == 'one', doNotTrack: true, applyOnForward: true, ingress: " ALLOW),
	 "ip/8.8.8.8", "node/n1", "tcp/80", WHOLE, A},
	{"a preDNAT policy that allows spares them too",
	 GNP("p", "selector: host == 'one', preDNAT: true, applyOnForward: true, ingress: " ALLOW),
	 "ip/8.8.8.8", "node/n1", "tcp/80", WHOLE, A},
	{"but not those of the workload behind it",
	 GNP("p", "selector: host == 'one', preDNAT: true, applyOnForward: true, ingress: " ALLOW)
		 NP("q", "ingress: " DENY),
	 "ip/8.8.8.8", "pod/shop/b", "tcp/80", WHOLE, D},
	{"applyOnForward of the host on the way denies",
	 GNP("p", "selector: host == 'one', applyOnForward: true, ingress: " DENY), "ip/8.8.8.8",
	 "pod/shop/b", "tcp/80", WHOLE, D},
	{"an endpoint for all interfaces sees what goes between its workloads",
	 GNP("p", "selector: host == 'two', applyOnForward: true, ingress: " DENY), "pod/bank/c",
	 "pod/shop/bare", "tcp/80", WHOLE, D},
	{"one of another interface does not",
	 GNP("p", "selector: host == 'one', applyOnForward: true, ingress: " DENY), "pod/shop/a",
	 "pod/shop/b", "tcp/80", WHOLE, A},
	{"a workload may not send packets of a tunnel", "", "pod/shop/a", "pod/bank/c", "4", WHOLE,
	 D},
	{"unless settings let it", FELIX("default", "allowIPIPPacketsFromWorkloads: true"),
	 "pod/shop/a", "pod/bank/c", "4", WHOLE, A},
	{"with natOutgoing, others see the node's address",
	 OBJECT_OF("IPPool", "name: p", "cidr: 10.0.0.0/8, natOutgoing: true") GNP(
		 "p",
		 "selector: host == 'two', ingress: [{action: Deny, source: {nets: [192.168.0.1/32]}}]"),
	 "pod/shop/a", "node/n2", "tcp/80", WHOLE, D},
	{"what goes through a tunnel meets no endpoint of another interface",
	 OBJECT_OF("IPPool", "name: p", "cidr: 10.0.0.0/8, ipipMode: Always")
		 GNP("p", "selector: host == 'one', applyOnForward: true, egress: " DENY),
	 "pod/shop/a", "pod/bank/c", "tcp/80", WHOLE, A},
	{"without a tunnel it does",
	 OBJECT_OF("IPPool", "name: p", "cidr: 10.0.0.0/8")
		 GNP("p", "selector: host == 'one', applyOnForward: true, egress: " DENY),
	 "pod/shop/a", "pod/bank/c", "tcp/80", WHOLE, D},
};

/* The end's own family, or the first that both have. */
static void find_ends(struct policy_world *world, const struct row *row,
		      struct connection_end *from, struct connection_end *to)
{
	struct err err = ERR_INIT;

	if (connection_end_find(world, row->from, AF_INET, from, NULL) == 0 &&
	    connection_end_find(world, row->to, AF_INET, to, NULL) == 0)
		return;
	if (connection_end_find(world, row->from, AF_INET6, from, &err) < 0 ||
	    connection_end_find(world, row->to, AF_INET6, to, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A node's own endpoint is named by hep/. */
static enum verdict judge(struct policy_world *world, const struct row *row, char **ret_reason)
{
	static const enum verdict_stage stages[] = {[INGRESS] = VERDICT_STAGE_NORMAL,
						    [EGRESS] = VERDICT_STAGE_NORMAL,
						    [FORWARD] = VERDICT_STAGE_FORWARD,
						    [PRE_DNAT] = VERDICT_STAGE_PRE_DNAT,
						    [UNTRACKED] = VERDICT_STAGE_UNTRACKED};
	struct packet packet = {.source_port = 50000};
	struct connection_end from;
	struct connection_end to;
	enum verdict with_trace;
	struct err err = ERR_INIT;

	find_ends(world, row, &from, &to);
	if (connection_port_parse(world, row->port, &to, &packet, &err) < 0)
		fail_msg("%s", err.msg);
	packet.source = from.addr;
	packet.destination = to.addr;
	if (row->where == WHOLE) {
		_cleanup_(connection_trace_deinitp) struct connection_trace trace = {0};

		with_trace = connection_verdict(world, &from, &to, &packet, &trace);
		if (trace.n_stations) {
			const struct connection_station *last =
				&trace.stations[trace.n_stations - 1];

			*ret_reason = xstrdup(last->note ? last->note : last->trace.reason);
		}
	} else {
		_cleanup_(verdict_trace_deinitp) struct verdict_trace trace = {0};
		const struct world_peer *peer = row->where == EGRESS ? from.peer : to.peer;
		enum policy_direction direction =
			row->where == EGRESS ? POLICY_EGRESS : POLICY_INGRESS;

		with_trace =
			policy_verdict(world, peer, direction, stages[row->where], &packet, &trace);
		assert_int_equal(with_trace, policy_verdict(world, peer, direction,
							    stages[row->where], &packet, NULL));
		assert_int_equal(with_trace, trace.verdict);
		*ret_reason = xstrdup(trace.reason);
	}
	return with_trace;
}

static void test_rows(void **state)
{
	size_t n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
		_cleanup_free_ char *reason = NULL;
		enum verdict verdict;

		put_yaml(world, base_world);
		put_yaml(world, rows[i].objects);
		verdict = judge(world, &rows[i], &reason);
		if (verdict == rows[i].verdict)
			continue;
		n_wrong++;
		print_message("%s: %s -> %s %s: %s, expected %s (%s)\n", rows[i].rule, rows[i].from,
			      rows[i].to, rows[i].port, verdict_text(verdict),
			      verdict_text(rows[i].verdict), reason ? reason : "");
	}
	assert_int_equal(n_wrong, 0);
}

/* Objects may come in any order, and what is taken away is as if it had never been. */
static void test_any_order(void **state)
{
	static const char policy[] = NP("p", "selector: app == 'b', ingress: " DENY);
	static const struct row row = {
		.from = "pod/shop/a", .to = "pod/shop/b", .port = "tcp/80", .where = INGRESS};
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	_cleanup_free_ char *first = NULL;
	_cleanup_free_ char *second = NULL;

	(void)state;
	put_yaml(world, policy);
	put_yaml(world, base_world);
	assert_int_equal(judge(world, &row, &first), VERDICT_DENY);
	policy_world_remove(world, KIND_NETWORK_POLICY, "shop", "p");
	policy_world_remove(world, KIND_NETWORK_POLICY, "shop", "p");
	assert_int_equal(judge(world, &row, &second), VERDICT_ALLOW);
}

/* A policy that can't be placed any more stays as it was. */
static void test_last_good(void **state)
{
	static const char good[] = NP("p", "selector: app == 'b', ingress: " DENY);
	static const struct row row = {
		.from = "pod/shop/a", .to = "pod/shop/b", .port = "tcp/80", .where = INGRESS};
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	_cleanup_(model_freep) struct object *bad = model_new(KIND_NETWORK_POLICY, "shop", "p");
	_cleanup_free_ char *reason = NULL;
	struct err err = ERR_INIT;

	(void)state;
	put_yaml(world, base_world);
	put_yaml(world, good);
	as_policy(bad)->spec.selector = xstrdup("app ==");
	assert_int_equal(policy_world_put(world, bad, &err), -22);
	assert_non_null(strstr(err.msg, "NetworkPolicy/p: spec.selector"));
	assert_int_equal(judge(world, &row, &reason), VERDICT_DENY);
}

static void expect_reason(const char *objects, const struct row *row, const char *expected)
{
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	_cleanup_free_ char *reason = NULL;

	put_yaml(world, base_world);
	put_yaml(world, objects);
	(void)judge(world, row, &reason);
	assert_string_equal(reason, expected);
}

static void test_reasons(void **state)
{
	static const struct row row = {
		.from = "pod/shop/a", .to = "pod/shop/b", .port = "tcp/80", .where = INGRESS};

	(void)state;
	expect_reason("", &row, "profile kns.shop, ingress rule 1: Allow");
	expect_reason(NP("p", "ingress: [{action: Log}, {action: Deny}]"), &row,
		      "tier default: NetworkPolicy shop/p, ingress rule 2: Deny");
	expect_reason(NP("p", "ingress: []"), &row,
		      "end of tier default: NetworkPolicy shop/p applies, and no ingress rule of "
		      "this tier matches");
}

/* A rule with more names of ports than a filter has room for denies, here too. */
static void test_port_names(void **state)
{
	static const struct row row = {
		.from = "pod/shop/a", .to = "pod/shop/b", .port = "tcp/80", .where = INGRESS};

	(void)state;
	for (size_t n = RULE_NOT_PORT_NAMES_MAX; n <= RULE_NOT_PORT_NAMES_MAX + 1; n++) {
		_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
		_cleanup_free_ char *reason = NULL;
		_cleanup_buf_ struct buf names = BUF_INIT;
		_cleanup_free_ char *text = NULL;

		put_yaml(world, base_world);
		for (size_t i = 0; i < n; i++)
			buf_addf(&names, "%sp%zu", i ? ", " : "", i);
		text = xasprintf(NP("p", "ingress: [{action: Allow, protocol: TCP, "
					 "destination: {notPorts: [%s]}}]"),
				 buf_str(&names));
		put_yaml(world, text);
		assert_int_equal(judge(world, &row, &reason),
				 n == RULE_NOT_PORT_NAMES_MAX ? VERDICT_ALLOW : VERDICT_DENY);
	}
}

/* Who is not there is answered with who is. */
static void test_ends(void **state)
{
	static const char *const wrong[][2] = {
		{"pod/shop/z", "pod/shop/z: no such pod; there are: a, b, bare"},
		{"pod/none/z", "pod/none/z: no pod of namespace none; in all there are: shop/a, "
			       "shop/b, bank/c, shop/bare"},
		{"hep/z", "hep/z: no such host endpoint; there are: h1, h2"},
		{"node/z", "node/z: no such node; there are: n1, n2"},
		{"pod/shop", "pod/shop: expected pod/NAMESPACE/NAME"},
		{"globalnetworkset/z",
		 "globalnetworkset/z: no such global network set; there are: evil"},
	};
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	struct connection_end end;

	(void)state;
	put_yaml(world, base_world);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct err err = ERR_INIT;

		assert_true(connection_end_find(world, wrong[i][0], 0, &end, &err) < 0);
		assert_string_equal(err.msg, wrong[i][1]);
	}
	assert_int_equal(connection_end_find(world, "10.1.0.2", 0, &end, NULL), 0);
	assert_string_equal(end.peer->text, "pod/shop/b");
	assert_int_equal(connection_end_find(world, "ip/192.168.0.2", 0, &end, NULL), 0);
	assert_string_equal(end.node, "n2");
	assert_int_equal(connection_end_find(world, "networkset/shop/partners", 0, &end, NULL), 0);
	assert_int_equal(end.type, END_OUTSIDE);
	assert_int_equal(connection_end_find(world, "pod/bank/c", AF_INET6, &end, NULL), -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	  cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_last_good), cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_ends),	  cmocka_unit_test(test_port_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
