/* SPDX-License-Identifier: Apache-2.0 */

/* What rules say of a packet: the words, and the fields that these are of. */

#include "policy/policy-reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "policy/policy-connection.h"
#include "policy/test-world.h"

#define OBJECT_OF(kind, meta, spec)                                                                \
	"---\napiVersion: projectcalico.org/v3\nkind: " kind "\nmetadata: {" meta                  \
	"}\nspec: {" spec "}\n"
#define NP(name, spec)	    OBJECT_OF("NetworkPolicy", "namespace: shop, name: " name, spec)
#define PROFILE(name, spec) OBJECT_OF("Profile", "name: " name, spec)
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

static const char base_world[] = PROFILE("kns.shop", "labelsToApply: {pcns.team: red}")
	PROFILE("ksa.shop.web", "labelsToApply: {pcsa.role: front}") POD(
		"shop", "a", "n1", "app: a",
		"serviceAccountName: web, profiles: [kns.shop, ksa.shop.web], "
		"ipNetworks: [10.1.0.1/32]")
		POD("shop", "b", "n1", "app: b", "profiles: [kns.shop], ipNetworks: [10.1.0.2/32]");

/* "WORDS <FIELD>; ..." */
static char *reason_with_fields(const struct reason *reason)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (size_t i = 0; i < reason->n; i++)
		buf_addf(&out, "%s%s <%s>", i ? "; " : "", reason->v[i].text,
			 reason->v[i].field ? reason->v[i].field : "");
	return buf_take(&out);
}

/* Of the first rule of the policy, at pod/shop/b for TCP port 80 of pod/shop/a. */
static char *why_first_rule(const char *objects)
{
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	_cleanup_(verdict_trace_deinitp) struct verdict_trace trace = {0};
	struct packet packet = {.source_port = 50000, .destination_port = 80, .protocol = 6};
	struct connection_end from;
	struct connection_end to;

	put_yaml(world, base_world);
	put_yaml(world, objects);
	assert_int_equal(connection_end_find(world, "pod/shop/a", 0, &from, NULL), 0);
	assert_int_equal(connection_end_find(world, "pod/shop/b", 0, &to, NULL), 0);
	packet.source = from.addr;
	packet.destination = to.addr;
	(void)policy_verdict(world, to.peer, POLICY_INGRESS, VERDICT_STAGE_NORMAL, &packet, &trace);
	return reason_with_fields(&trace.tiers[0].policies[0].rules[0].why);
}

/* Each rule says what held, or the one thing that did not, and which field that is. */
static void test_rule_reasons(void **state)
{
	static const char *const cases[][2] = {
		{"protocol: UDP", "protocol UDP: the packet is TCP <protocol>"},
		{"protocol: TCP, destination: {ports: [1, 2]}",
		 "destination.ports: TCP 80 is none of them <destination.ports>"},
		{"protocol: TCP, destination: {ports: [1, 80]}",
		 "protocol TCP <protocol>; destination.ports: 80 <destination.ports[1]>"},
		{"protocol: TCP, destination: {notPorts: [1, 80]}",
		 "destination.notPorts: 80 is 80 <destination.notPorts[1]>"},
		{"source: {nets: [10.9.0.0/16]}",
		 "source.nets: 10.1.0.1 is in none of them <source.nets>"},
		{"source: {nets: [10.9.0.0/16, 10.1.0.0/16], notNets: [10.7.0.0/16]}",
		 "source.nets: 10.1.0.1 is in 10.1.0.0/16 <source.nets[1]>; source.notNets: "
		 "10.1.0.1 is in none of them <source.notNets>"},
		{"source: {notNets: [10.9.0.0/16, 10.1.0.0/16]}",
		 "source.notNets: 10.1.0.1 is in 10.1.0.0/16 <source.notNets[1]>"},
		{"source: {selector: app == 'b'}",
		 "source pod/shop/a: selector: app == \"b\" (it is \"a\") <source.selector>"},
		{"source: {selector: app == 'a'}",
		 "source pod/shop/a: selector: app == \"a\" <source.selector>"},
		{"source: {selector: app == 'a', namespaceSelector: team == 'blue'}",
		 "source pod/shop/a: namespaceSelector: team == \"blue\" (it is \"red\") "
		 "<source.namespaceSelector>"},
		{"source: {selector: app == 'b', namespaceSelector: team == 'red'}",
		 "source pod/shop/a: selector: app == \"b\" (it is \"a\") <source.selector>"},
		{"source: {selector: app == 'a', namespaceSelector: team == 'red'}",
		 "source pod/shop/a: namespaceSelector: team == \"red\" "
		 "<source.namespaceSelector>; source pod/shop/a: selector: app == \"a\" "
		 "<source.selector>"},
		{"source: {notSelector: app == 'a'}",
		 "source pod/shop/a: notSelector: app == \"a\" <source.notSelector>"},
		{"source: {serviceAccounts: {names: [db]}}",
		 "source pod/shop/a: serviceAccounts.names: its service account is web, which is "
		 "none of them <source.serviceAccounts.names>"},
		{"destination: {serviceAccounts: {names: [db]}}",
		 "destination pod/shop/b: serviceAccounts.names: it has no service account "
		 "<destination.serviceAccounts.names>"},
		{"source: {serviceAccounts: {names: [db, web]}}",
		 "source pod/shop/a: serviceAccounts.names: its service account is web "
		 "<source.serviceAccounts.names[1]>"},
		{"source: {serviceAccounts: {selector: role == 'back'}}",
		 "source pod/shop/a: serviceAccounts.selector: role == \"back\" (it is \"front\") "
		 "<source.serviceAccounts.selector>"},
		{"source: {selector: 'x =='}",
		 "it can't be understood, so it denies: source.selector: x == is no selector "
		 "<source.selector>"},
		{"destination: {ports: [80]}",
		 "it can't be understood, so it denies: destination.ports[0]: ports need the "
		 "protocol TCP, UDP or SCTP <destination.ports[0]>"},
		{"ipVersion: 4", "ipVersion 4 <ipVersion>"},
		{"notProtocol: UDP", "notProtocol UDP: the packet is TCP <notProtocol>"},
		{"source: {}", "it has no conditions <>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf(NP("p", "ingress: [{action: Allow, %s}]"), cases[i][0]);
		_cleanup_free_ char *why = why_first_rule(text);

		assert_string_equal(why, cases[i][1]);
	}
}

/* Kubernetes' policies by the fields of their own objects. */
static void test_kubernetes_reasons(void **state)
{
	static const char *const cases[][2] = {
		{KNP("p",
		     "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: z}}}, "
		     "{ipBlock: {cidr: 10.9.0.0/16}}]}]"),
		 "spec.ingress[0].from[0].podSelector.matchLabels app: z (it is a) "
		 "<from[0].podSelector.matchLabels[\"app\"]>; spec.ingress[0].from[1].ipBlock.cidr: "
		 "10.1.0.1 is not in 10.9.0.0/16 <from[1].ipBlock.cidr>"},
		{KNP("p",
		     "podSelector: {}, ingress: [{ports: [{port: 81}, {port: 80}], from: "
		     "[{podSelector: {matchLabels: {x: z}}}, {namespaceSelector: "
		     "{matchExpressions: [{key: team, operator: Exists}]}, podSelector: {}}]}]"),
		 "spec.ingress[0].ports[1]: 80 <ports[1]>; "
		 "spec.ingress[0].from[1].namespaceSelector.matchExpressions team Exists "
		 "<from[1].namespaceSelector.matchExpressions[0]>; "
		 "spec.ingress[0].from[1].podSelector selects all <from[1].podSelector>"},
		{KNP("p", "podSelector: {}, ingress: [{ports: [{port: 81}]}]"),
		 "spec.ingress[0].ports: TCP port 80 is none of them <ports>"},
		{KNP("p", "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: "
			  "[10.1.0.0/16]}}]}]"),
		 "spec.ingress[0].from[0].ipBlock.except[0]: 10.1.0.1 is in 10.1.0.0/16 "
		 "<from[0].ipBlock.except[0]>"},
		{KNP("p", "podSelector: {}, ingress: [{}]"), "it has no conditions <>"},
		{KCNP("p",
		      "tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: "
		      "Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: "
		      "{app: a}}}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}]"),
		 "spec.ingress[0].protocols[0]: TCP port 80 <protocols[0]>; "
		 "spec.ingress[0].from[0].pods.namespaceSelector selects all "
		 "<from[0].pods.namespaceSelector>; spec.ingress[0].from[0].pods.podSelector."
		 "matchLabels app: a <from[0].pods.podSelector.matchLabels[\"app\"]>"},
		{KCNP("p",
		      "tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: "
		      "Deny, from: [{namespaces: {matchLabels: {team: blue}}}]}]"),
		 "spec.ingress[0].from[0].namespaces.matchLabels team: blue (it is red) "
		 "<from[0].namespaces.matchLabels[\"team\"]>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *why = why_first_rule(cases[i][0]);

		assert_string_equal(why, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_reasons),
		cmocka_unit_test(test_kubernetes_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
