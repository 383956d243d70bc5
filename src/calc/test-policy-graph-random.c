/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random histories of the policy graph: after each flush, what a driver holds is what brute force
 * makes of the inputs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "calc/policy-graph.h"
#include "calc/policy-mirror.h"

#define STEPS 5000

/* splitmix64 */
static unsigned int pick(uint64_t *random, unsigned int n)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned int)((z ^ z >> 31) % n);
}

/* --- Objects ----------------------------------------------------------------------------------- */

static void add_labels(uint64_t *random, const char *prefix, struct buf *out)
{
	static const char *const keys[] = {"a", "b", "c"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (pick(random, 2))
			continue;
		buf_addf(out, "%s\"%s%s\":\"v%u\"", any ? "," : "", prefix, keys[i],
			 pick(random, 3));
		any = true;
	}
}

static void add_selector(uint64_t *random, struct buf *out)
{
	static const char *const forms[] = {
		"a == 'v%u'", "b == 'v%u' && has(a)",	 "has(c)",
		"a != 'v%u'", "a in {'v0', 'v%u'}",	 "all()",
		"!has(b)",    "a == 'v0' || b == 'v%u'", "c starts with 'v%u'",
	};
	unsigned int value = pick(random, 3);
	const char *form = forms[pick(random, ARRAY_SIZE(forms))];
	const char *percent = strchr(form, '%');

	if (!percent) {
		buf_adds(out, form);
		return;
	}
	buf_add(out, form, (size_t)(percent - form));
	buf_addf(out, "%u%s", value, percent + 2);
}

static void add_side(uint64_t *random, const char *side, struct buf *out)
{
	buf_addf(out, ",\"%s\":{", side);
	switch (pick(random, 4)) {
	case 0:
		buf_adds(out, "\"namespaceSelector\":\"");
		add_selector(random, out);
		buf_adds(out, "\",");
		break;
	case 1:
		buf_adds(out, "\"notSelector\":\"");
		add_selector(random, out);
		buf_adds(out, "\",");
		break;
	case 2:
		buf_addf(out, "\"services\":{\"namespace\":\"n0\",\"name\":\"svc%u\"}}",
			 pick(random, 2));
		return;
	default:
		break;
	}
	buf_adds(out, "\"selector\":\"");
	add_selector(random, out);
	buf_adds(out, "\"}");
}

static void add_rules(uint64_t *random, struct buf *out)
{
	static const char *const actions[] = {"Allow", "Deny", "Pass", "Log"};
	unsigned int n = pick(random, 3);

	buf_addc(out, '[');
	for (unsigned int i = 0; i < n; i++) {
		buf_addf(out, "%s{\"action\":\"%s\"", i ? "," : "", actions[pick(random, 4)]);
		if (pick(random, 2))
			add_side(random, "source", out);
		if (pick(random, 3) == 0) {
			buf_adds(out, ",\"protocol\":\"TCP\",\"destination\":{\"ports\":[\"http\"],"
				      "\"selector\":\"");
			add_selector(random, out);
			buf_adds(out, "\"}");
		}
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void add_endpoint_spec(uint64_t *random, bool is_host, struct buf *out)
{
	static const char *const profiles[] = {"", "\"kns.n0\"", "\"kns.n1\",\"kns.n0\"",
					       "\"kns.n2\",\"other\"", "\"ksa.n0.default\""};

	buf_addf(out, "\"node\":\"%s\",\"profiles\":[%s],", pick(random, 2) ? "here" : "there",
		 profiles[pick(random, ARRAY_SIZE(profiles))]);
	if (pick(random, 4) || !is_host)
		buf_addf(out, "\"interfaceName\":\"%s%u\",", is_host ? "eth" : "cali",
			 pick(random, 3));
	buf_addf(out, "\"%s\":[\"10.0.0.%u\",\"fd00::%u\"]", is_host ? "expectedIPs" : "ipNetworks",
		 pick(random, 12), pick(random, 12));
	if (pick(random, 2))
		buf_addf(out, ",\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":%u}]",
			 80 + pick(random, 2));
}

static void add_net_spec(uint64_t *random, struct buf *out)
{
	unsigned int n = pick(random, 4);

	buf_adds(out, "\"nets\":[");
	for (unsigned int i = 0; i < n; i++)
		buf_addf(out, "%s\"10.0.0.%u/%u\"", i ? "," : "", pick(random, 12),
			 pick(random, 2) ? 32u : 30u);
	buf_addc(out, ']');
}

static void add_policy_spec(uint64_t *random, bool is_global, struct buf *out)
{
	static const char *const tiers[] = {"default", "t0", "t1", "kube-admin"};
	static const char *const stages[] = {"", "", "\"applyOnForward\":true,",
					     "\"applyOnForward\":true,\"doNotTrack\":true,",
					     "\"applyOnForward\":true,\"preDNAT\":true,"};

	buf_addf(out, "\"tier\":\"%s\",", tiers[pick(random, ARRAY_SIZE(tiers))]);
	if (pick(random, 2))
		buf_addf(out, "\"order\":%u,", pick(random, 3));
	if (is_global)
		buf_adds(out, stages[pick(random, ARRAY_SIZE(stages))]);
	buf_adds(out, "\"selector\":\"");
	if (pick(random, 20) == 0)
		buf_adds(out, "a ==");
	else
		add_selector(random, out);
	buf_adds(out, "\",\"ingress\":");
	add_rules(random, out);
	buf_adds(out, ",\"egress\":");
	add_rules(random, out);
}

static void add_slice(uint64_t *random, struct buf *out)
{
	unsigned int n = pick(random, 3);

	buf_adds(out, "\"addressType\":\"IPv4\",\"endpoints\":[");
	for (unsigned int i = 0; i < n; i++)
		buf_addf(out, "%s{\"addresses\":[\"10.0.0.%u\"]}", i ? "," : "", pick(random, 12));
	buf_adds(out, "]");
	if (pick(random, 4))
		buf_addf(out, ",\"ports\":[{\"port\":%u}]", 80 + pick(random, 2));
}

static void add_kubernetes_spec(uint64_t *random, struct buf *out)
{
	buf_adds(out, "\"podSelector\":{\"matchLabels\":{");
	add_labels(random, "", out);
	buf_adds(out, "}},\"ingress\":[{\"from\":[{\"namespaceSelector\":{\"matchLabels\":{");
	add_labels(random, "", out);
	buf_adds(out, "}}}]}]");
}

static void add_spec(uint64_t *random, enum kind kind, struct buf *out)
{
	static const char *const defaults[] = {"Pass", "Deny"};

	if (kind == KIND_WORKLOAD_ENDPOINT || kind == KIND_HOST_ENDPOINT) {
		add_endpoint_spec(random, kind == KIND_HOST_ENDPOINT, out);
	} else if (kind == KIND_NETWORK_SET || kind == KIND_GLOBAL_NETWORK_SET) {
		add_net_spec(random, out);
	} else if (kind == KIND_TIER) {
		buf_addf(out, "\"order\":%u,\"defaultAction\":\"%s\"", pick(random, 3),
			 defaults[pick(random, 2)]);
	} else if (kind == KIND_PROFILE) {
		buf_adds(out, "\"labelsToApply\":{");
		add_labels(random, pick(random, 2) ? "pcns." : "", out);
		buf_adds(out, "},\"ingress\":");
		add_rules(random, out);
	} else if (kind == KIND_NODE) {
		buf_addf(out,
			 "\"bgp\":{\"ipv4Address\":\"192.168.0.%u/24\"},"
			 "\"ipv4VXLANTunnelAddr\":\"10.9.0.%u\"",
			 1 + pick(random, 4), pick(random, 4));
	} else if (kind == KIND_IP_POOL) {
		buf_addf(out, "\"cidr\":\"10.%u.0.0/16\",\"natOutgoing\":%s", pick(random, 3),
			 pick(random, 2) ? "true" : "false");
	} else if (kind == KIND_KUBERNETES_NETWORK_POLICY) {
		add_kubernetes_spec(random, out);
	} else {
		add_policy_spec(random,
				kind == KIND_GLOBAL_NETWORK_POLICY ||
					kind == KIND_STAGED_GLOBAL_NETWORK_POLICY,
				out);
	}
}

/* Few names each, so that what is put is often a change. */
static const struct {
	enum kind kind;
	bool namespaced;
	unsigned int weight;
	const char *names[6];
} kinds[] = {
	{KIND_WORKLOAD_ENDPOINT, true, 12, {"w0", "w1", "w2", "w3", "w4", "w5"}},
	{KIND_HOST_ENDPOINT, false, 3, {"h0", "h1", "h2"}},
	{KIND_NETWORK_SET, true, 2, {"s0", "s1"}},
	{KIND_GLOBAL_NETWORK_SET, false, 2, {"g0", "g1"}},
	{KIND_TIER, false, 1, {"t0", "t1", "default", "kube-admin"}},
	{KIND_PROFILE, false, 3, {"kns.n0", "kns.n1", "kns.n2", "other"}},
	{KIND_NODE, false, 1, {"here", "there", "far"}},
	{KIND_IP_POOL, false, 1, {"p0", "p1", "p2"}},
	{KIND_NETWORK_POLICY, true, 5, {"np0", "np1", "np2"}},
	{KIND_GLOBAL_NETWORK_POLICY, false, 5, {"gnp0", "gnp1", "gnp2", "gnp3"}},
	{KIND_KUBERNETES_NETWORK_POLICY, true, 2, {"knp0", "knp1"}},
	{KIND_KUBERNETES_ENDPOINT_SLICE, true, 3, {"e0", "e1", "e2"}},
	{KIND_NAMESPACE, false, 2, {"n0", "n1", "n2"}},
	{KIND_SERVICE_ACCOUNT, true, 1, {"default"}},
	{KIND_STAGED_NETWORK_POLICY, true, 1, {"np0"}},
	{KIND_STAGED_GLOBAL_NETWORK_POLICY, false, 1, {"gnp0"}},
};

static size_t pick_kind(uint64_t *random)
{
	unsigned int total = 0;
	unsigned int at;
	size_t i = 0;

	for (size_t j = 0; j < ARRAY_SIZE(kinds); j++)
		total += kinds[j].weight;
	for (at = pick(random, total); at >= kinds[i].weight; i++)
		at -= kinds[i].weight;
	return i;
}

static const char *version_of(enum kind kind)
{
	if (kind == KIND_NAMESPACE || kind == KIND_SERVICE_ACCOUNT)
		return "v1";
	if (kind == KIND_KUBERNETES_ENDPOINT_SLICE)
		return "discovery.k8s.io/v1";
	if (kind == KIND_KUBERNETES_NETWORK_POLICY)
		return "networking.k8s.io/v1";
	return MODEL_API_VERSION;
}

static void put(struct policy_graph *graph, uint64_t *random, enum kind kind, const char *namespace,
		const char *name)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_(model_freep) struct object *object = NULL;
	struct err err = ERR_INIT;

	buf_addf(&text, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{", version_of(kind),
		 kind == KIND_KUBERNETES_NETWORK_POLICY	  ? "NetworkPolicy"
		 : kind == KIND_KUBERNETES_ENDPOINT_SLICE ? "EndpointSlice"
							  : kind_get(kind)->name);
	if (namespace)
		buf_addf(&text, "\"namespace\":\"%s\",", namespace);
	buf_addf(&text, "\"name\":\"%s\",\"labels\":{", name);
	if (kind == KIND_KUBERNETES_ENDPOINT_SLICE)
		buf_addf(&text, "\"kubernetes.io/service-name\":\"svc%u\"", pick(random, 2));
	else
		add_labels(random, "", &text);
	buf_adds(&text, "}}");
	if (kind == KIND_KUBERNETES_ENDPOINT_SLICE) {
		buf_addc(&text, ',');
		add_slice(random, &text);
	} else if (kind != KIND_NAMESPACE && kind != KIND_SERVICE_ACCOUNT) {
		buf_adds(&text, ",\"spec\":{");
		add_spec(random, kind, &text);
		buf_addc(&text, '}');
	}
	buf_addc(&text, '}');
	if (model_read_json(text.data, text.size, MODEL_STRICT, "test", &object, &err) < 0)
		fail_msg("%s in %s", err.msg, buf_str(&text));
	if (policy_graph_put(graph, object, &err) < 0)
		assert_true(strstr(err.msg, "selector"));
}

static void step(struct policy_graph *graph, uint64_t *random)
{
	static const char *const namespaces[] = {"n0", "n1"};
	size_t i = pick_kind(random);
	const char *namespace = kinds[i].namespaced ? namespaces[pick(random, 2)] : NULL;
	size_t n = 0;
	const char *name;

	while (n < ARRAY_SIZE(kinds[i].names) && kinds[i].names[n])
		n++;
	name = kinds[i].names[pick(random, (unsigned int)n)];
	if (pick(random, 4) == 0)
		policy_graph_remove(graph, kinds[i].kind, namespace, name);
	else
		put(graph, random, kinds[i].kind, namespace, name);
}

/* True: there is something to be held. */
static bool check(struct policy_graph *graph, struct policy_mirror *mirror, unsigned int number)
{
	_cleanup_(policy_mirror_deinitp) struct policy_mirror fresh = {0};
	_cleanup_free_ char *have = NULL;
	_cleanup_free_ char *want = NULL;
	struct policy_update update;

	policy_graph_flush(graph, &update);
	policy_mirror_apply(mirror, &update);
	policy_graph_snapshot(graph, &update);
	policy_mirror_apply(&fresh, &update);
	have = policy_mirror_text(mirror);
	want = policy_mirror_text(&fresh);
	if (strcmp(have, want) != 0) {
		print_message("after step %u\n", number);
		assert_string_equal(have, want);
	}
	return mirror->facts.n > 8;
}

static void test_random_histories(void **state)
{
	const char *seed = getenv("KORAT_TEST_SEED");
	uint64_t random = seed ? strtoull(seed, NULL, 0) : 1;
	struct policy_graph *graph = policy_graph_new("here");
	_cleanup_(policy_mirror_deinitp) struct policy_mirror mirror = {0};
	unsigned int n_full = 0;
	unsigned int n = 0;

	(void)state;
	print_message("KORAT_TEST_SEED=%llu\n", (unsigned long long)random);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(graph, &random);
		if (pick(&random, 3))
			continue;
		n_full += check(graph, &mirror, i);
		n++;
	}
	assert_true(n_full > n / 2);
	graph = policy_graph_free(graph);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
