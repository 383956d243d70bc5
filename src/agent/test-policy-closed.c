/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What stands for a policy that nobody knows a good version of, judged by the evaluator: it denies
 * those whom the policy may select, over what another one allows, and nobody else.
 */

#include "agent/policy-closed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/kinds-policy.h"
#include "model/model-desc.h"
#include "policy/policy-verdict.h"

/* Formats: of namespace, name, name, namespace, name, name, addresses, namespace; of a name. */
#define WORKLOAD                                                                                   \
	"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"WorkloadEndpoint\",\"metadata\":{"    \
	"\"namespace\":\"%s\",\"name\":\"n1-k8s-%s-eth0\",\"labels\":{\"app\":\"%s\","             \
	"\"projectcalico.org/namespace\":\"%s\",\"projectcalico.org/orchestrator\":\"k8s\"}},"     \
	"\"spec\":{\"orchestrator\":\"k8s\",\"node\":\"n1\",\"pod\":\"%s\",\"endpoint\":"          \
	"\"eth0\",\"interfaceName\":\"cali%s\",\"ipNetworks\":[\"%s/32\",\"%s/128\"],"             \
	"\"profiles\":[\"kns.%s\"]}}"
#define OPEN_PROFILE                                                                               \
	"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"Profile\",\"metadata\":{\"name\":"    \
	"\"%s\"},\"spec\":{\"ingress\":[{\"action\":\"Allow\"}],\"egress\":[{\"action\":"          \
	"\"Allow\"}]}}"
#define HOST_ENDPOINT                                                                              \
	"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"HostEndpoint\",\"metadata\":{"        \
	"\"name\":\"h1\"},\"spec\":{\"node\":\"n1\",\"interfaceName\":\"eth0\","                   \
	"\"expectedIPs\":[\"192.0.2.1\",\"2001:db8::1\"],\"profiles\":[\"kns.shop\"]}}"
/* It would allow everything, if it were asked. */
#define OPEN_POLICY                                                                                \
	"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"GlobalNetworkPolicy\",\"metadata\":{" \
	"\"name\":\"open\"},\"spec\":{\"order\":-5,\"types\":[\"Ingress\",\"Egress\"],"            \
	"\"ingress\":[{\"action\":\"Allow\"}],\"egress\":[{\"action\":\"Allow\"}]}}"

enum who { WEB, DB, OTHER, HOST, WHO_ };

static const struct {
	const char *namespace;
	const char *name;
	const char *v4;
	const char *v6;
} pods[] = {
	[WEB] = {"shop", "web", "10.0.0.1", "fd00::1"},
	[DB] = {"shop", "db", "10.0.0.2", "fd00::2"},
	[OTHER] = {"away", "other", "10.0.0.3", "fd00::3"},
};

struct bench {
	struct policy_world *world;
	const struct object *endpoints[WHO_]; /* the world's */
};

/* Takes the object. Gives the world's. */
static const struct object *put(struct bench *bench, struct object *object)
{
	_cleanup_(model_freep) struct object *own = object;
	struct err err = ERR_INIT;

	if (policy_world_put(bench->world, own, &err) < 0)
		fail_msg("%s", err.msg);
	return policy_world_find(bench->world, own->desc->kind, own->meta.namespace,
				 own->meta.name);
}

PRINTF_LIKE(1, 2)
static struct object *read_text(const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	struct object *object = NULL;
	struct err err = ERR_INIT;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	if (model_read_json(text, strlen(text), MODEL_STRICT, "test", &object, &err) < 0)
		fail_msg("%s", err.msg);
	return object;
}

/* 'with_open': the policy that allows all is there. Takes 'closed'. */
static void bench_open(struct bench *bench, struct object *closed, bool with_open)
{
	*bench = (struct bench){.world = policy_world_new()};
	assert_non_null(closed);
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		const char *namespace = pods[i].namespace;
		const char *name = pods[i].name;

		bench->endpoints[i] =
			put(bench, read_text(WORKLOAD, namespace, name, name, namespace, name, name,
					     pods[i].v4, pods[i].v6, namespace));
	}
	bench->endpoints[HOST] = put(bench, read_text(HOST_ENDPOINT));
	(void)put(bench, read_text(OPEN_PROFILE, "kns.shop"));
	(void)put(bench, read_text(OPEN_PROFILE, "kns.away"));
	if (with_open)
		(void)put(bench, read_text(OPEN_POLICY));
	(void)put(bench, closed);
}

static void bench_close(struct bench *bench)
{
	bench->world = policy_world_free(bench->world);
}

static enum verdict judge(struct bench *bench, enum who who, bool ingress, enum verdict_stage stage,
			  const char *far)
{
	const struct world_peer *peer = policy_world_peer(bench->world, bench->endpoints[who]);
	struct packet packet = {.protocol = 6, .source_port = 40000, .destination_port = 8080};
	struct ip_addr other;
	struct ip_addr own;

	assert_int_equal(ip_parse(far, &other, NULL), 0);
	own = peer->nets[peer->nets[0].addr.family == other.family ? 0 : 1].addr;
	packet.source = ingress ? other : own;
	packet.destination = ingress ? own : other;
	return policy_verdict(bench->world, peer, ingress ? POLICY_INGRESS : POLICY_EGRESS, stage,
			      &packet, NULL);
}

/* Of pods, both families, and outside, where 'outside' asks that too. */
static void expect(struct bench *bench, enum who who, bool ingress, enum verdict expected)
{
	static const char *const far[] = {"10.0.0.3", "fd00::2", "198.51.100.7", "2001:db8:9::7"};

	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		enum verdict found = judge(bench, who, ingress, VERDICT_STAGE_NORMAL, far[i]);

		if (found != expected)
			fail_msg("endpoint %d, %s, %s: %s", who, ingress ? "from" : "to", far[i],
				 verdict_text(found));
	}
}

static void expect_both(struct bench *bench, enum who who, enum verdict expected)
{
	expect(bench, who, true, expected);
	expect(bench, who, false, expected);
}

static void test_network_policy(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, policy_closed_new(KIND_NETWORK_POLICY, "shop", "guard", NULL), true);
	expect_both(&bench, WEB, VERDICT_DENY);
	expect_both(&bench, DB, VERDICT_DENY);
	expect_both(&bench, OTHER, VERDICT_ALLOW);
	expect_both(&bench, HOST, VERDICT_ALLOW);
	bench_close(&bench);
}

static void test_global_network_policy(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, policy_closed_new(KIND_GLOBAL_NETWORK_POLICY, NULL, "guard", NULL),
		   true);
	for (size_t i = 0; i < WHO_; i++)
		expect_both(&bench, (enum who)i, VERDICT_DENY);
	/* It may have been for what the host passes on. */
	for (unsigned int ingress = 0; ingress < 2; ingress++)
		assert_int_equal(
			judge(&bench, HOST, ingress, VERDICT_STAGE_FORWARD, "198.51.100.7"),
			VERDICT_DENY);
	bench_close(&bench);
}

static void test_kubernetes_network_policy(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, policy_closed_new(KIND_KUBERNETES_NETWORK_POLICY, "shop", "guard", NULL),
		   false);
	expect_both(&bench, WEB, VERDICT_DENY);
	expect_both(&bench, DB, VERDICT_DENY);
	expect_both(&bench, OTHER, VERDICT_ALLOW);
	expect_both(&bench, HOST, VERDICT_ALLOW);
	bench_close(&bench);
}

/* Its ingress knows pods alone, so from outside nothing is denied by it, good or bad. */
static void test_cluster_network_policy(void **state)
{
	static const char *const from[] = {"10.0.0.3", "fd00::2"};
	struct bench bench;

	(void)state;
	bench_open(&bench,
		   policy_closed_new(KIND_KUBERNETES_CLUSTER_NETWORK_POLICY, NULL, "guard", NULL),
		   true);
	for (enum who who = WEB; who <= OTHER; who++) {
		for (size_t i = 0; i < ARRAY_SIZE(from); i++)
			assert_int_equal(judge(&bench, who, true, VERDICT_STAGE_NORMAL, from[i]),
					 VERDICT_DENY);
		expect(&bench, who, false, VERDICT_DENY);
		assert_int_equal(judge(&bench, who, true, VERDICT_STAGE_NORMAL, "198.51.100.7"),
				 VERDICT_ALLOW);
	}
	expect_both(&bench, HOST, VERDICT_ALLOW);
	bench_close(&bench);
}

static struct object *close_bad(enum kind kind, const char *text)
{
	_cleanup_(model_freep) struct object *bad = read_text("%s", text);

	return policy_closed_new(kind, bad->meta.namespace, bad->meta.name, bad);
}

#define BAD_POLICY(order, spec)                                                                    \
	"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"NetworkPolicy\",\"metadata\":{"       \
	"\"namespace\":\"shop\",\"name\":\"guard\"},\"spec\":{\"order\":" order "," spec "}}"

/* What is known of it counts, and what is not does not: rules, above all. */
static void test_known_parts(void **state)
{
	static const struct {
		const char *text;
		enum verdict web[2]; /* to it, from it */
		enum verdict db[2];
	} cases[] = {
#define A VERDICT_ALLOW
#define D VERDICT_DENY
		{BAD_POLICY("-10",
			    "\"selector\":\"app in (\",\"ingress\":[{\"action\":\"Allow\"}]"),
		 {D, A},
		 {D, A}},
		{BAD_POLICY("-10", "\"selector\":\"app in (\",\"types\":[\"Egress\"],\"egress\":[{"
				   "\"action\":\"Allow\"}]"),
		 {A, D},
		 {A, D}},
		{BAD_POLICY("-10",
			    "\"selector\":\"app == 'web'\",\"serviceAccountSelector\":\"((\","
			    "\"types\":[\"Ingress\",\"Egress\"]"),
		 {D, D},
		 {A, A}},
		{BAD_POLICY("-10", "\"selector\":\"app == 'web'\",\"types\":[\"Inwards\"]"),
		 {D, D},
		 {A, A}},
		/* Behind what allows all. */
		{BAD_POLICY("7", "\"selector\":\"app in (\""), {A, A}, {A, A}},
#undef A
#undef D
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bench bench;

		bench_open(&bench, close_bad(KIND_NETWORK_POLICY, cases[i].text), true);
		for (unsigned int out = 0; out < 2; out++) {
			expect(&bench, WEB, !out, cases[i].web[out]);
			expect(&bench, DB, !out, cases[i].db[out]);
		}
		expect_both(&bench, OTHER, VERDICT_ALLOW);
		bench_close(&bench);
	}
}

/* Where it acts is known by fields of their own. */
static void test_stage(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench,
		   close_bad(KIND_GLOBAL_NETWORK_POLICY,
			     "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":"
			     "\"GlobalNetworkPolicy\",\"metadata\":{\"name\":\"guard\"},\"spec\":{"
			     "\"selector\":\"app in (\",\"applyOnForward\":true,\"preDNAT\":true,"
			     "\"ingress\":[{\"action\":\"Allow\"}]}}"),
		   true);
	assert_int_equal(judge(&bench, HOST, true, VERDICT_STAGE_PRE_DNAT, "198.51.100.7"),
			 VERDICT_DENY);
	expect_both(&bench, HOST, VERDICT_ALLOW);
	expect_both(&bench, WEB, VERDICT_ALLOW);
	bench_close(&bench);
}

/* Of all others nothing is closed. */
static void test_other_kinds(void **state)
{
	(void)state;
	for (int kind = 1; kind < KIND_COUNT_; kind++) {
		struct object *object = policy_closed_new((enum kind)kind, "shop", "x", NULL);
		bool closes = kind == KIND_NETWORK_POLICY || kind == KIND_GLOBAL_NETWORK_POLICY ||
			      kind == KIND_KUBERNETES_NETWORK_POLICY ||
			      kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY;

		assert_int_equal(object != NULL, closes);
		(void)model_free(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_policy),
		cmocka_unit_test(test_global_network_policy),
		cmocka_unit_test(test_kubernetes_network_policy),
		cmocka_unit_test(test_cluster_network_policy),
		cmocka_unit_test(test_known_parts),
		cmocka_unit_test(test_stage),
		cmocka_unit_test(test_other_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
