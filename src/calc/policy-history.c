/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Objects as JSON text, from few names, labels and addresses, so that what is put is often a change
 * and what is asked for is often there.
 */

#include "calc/policy-history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-desc.h"

/* splitmix64 */
unsigned int policy_history_pick(uint64_t *random, unsigned int n)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned int)((z ^ z >> 31) % n);
}

static unsigned int pick(uint64_t *random, unsigned int n)
{
	return policy_history_pick(random, n);
}

/* --- Objects ---------------------------------------------------------------------------------- */

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
	switch (pick(random, 5)) {
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
	case 3:
		buf_adds(out, "\"nets\":[\"10.0.0.0/29\",\"fd00::/125\"],");
		break;
	default:
		break;
	}
	buf_adds(out, "\"selector\":\"");
	add_selector(random, out);
	buf_adds(out, "\"}");
}

/* What makes of a destination with ports a rule that can be understood. */
static void add_ports(uint64_t *random, struct buf *out)
{
	static const char *const protocols[] = {"TCP", "UDP", "TCP"};
	static const char *const ports[] = {"80", "\"81:90\"", "\"http\"", "80,\"http\"", "443"};

	buf_addf(out, ",\"protocol\":\"%s\",\"destination\":{\"%s\":[%s]",
		 protocols[pick(random, ARRAY_SIZE(protocols))],
		 pick(random, 4) ? "ports" : "notPorts", ports[pick(random, ARRAY_SIZE(ports))]);
	if (pick(random, 2)) {
		buf_adds(out, ",\"selector\":\"");
		add_selector(random, out);
		buf_addc(out, '"');
	}
	if (pick(random, 4) == 0)
		buf_adds(out, ",\"notNets\":[\"10.0.0.8/30\"]");
	buf_addc(out, '}');
}

/* Profiles have no tier behind them that they could pass to. */
static void add_rules(uint64_t *random, bool of_profile, struct buf *out)
{
	static const char *const actions[] = {"Allow", "Allow", "Deny", "Log", "Pass"};
	unsigned int n = pick(random, 4);

	buf_addc(out, '[');
	for (unsigned int i = 0; i < n; i++) {
		buf_addf(out, "%s{\"action\":\"%s\"", i ? "," : "",
			 actions[pick(random, of_profile ? 4 : 5)]);
		if (pick(random, 6) == 0)
			buf_addf(out, ",\"ipVersion\":%u", pick(random, 2) ? 4 : 6u);
		if (pick(random, 2))
			add_side(random, "source", out);
		if (pick(random, 2))
			add_ports(random, out);
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
		buf_addf(out, ",\"ports\":[{\"name\":\"http\",\"protocol\":\"%s\",\"port\":%u}]",
			 pick(random, 3) ? "TCP" : "UDP", 80 + pick(random, 2));
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
	add_rules(random, false, out);
	buf_adds(out, ",\"egress\":");
	add_rules(random, false, out);
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
		add_rules(random, true, out);
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

static struct object *make_object(uint64_t *random, enum kind kind, const char *namespace,
				  const char *name)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct object *object = NULL;
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
	return object;
}

void policy_history_next(uint64_t *random, struct policy_history_step *ret)
{
	static const char *const namespaces[] = {"n0", "n1"};
	size_t i = pick_kind(random);
	size_t n = 1;

	*ret = (struct policy_history_step){
		.kind = kinds[i].kind,
		.namespace = kinds[i].namespaced ? namespaces[pick(random, 2)] : NULL,
	};
	while (n < ARRAY_SIZE(kinds[i].names) && kinds[i].names[n])
		n++;
	ret->name = kinds[i].names[pick(random, (unsigned int)n)];
	if (pick(random, 4))
		ret->object = make_object(random, ret->kind, ret->namespace, ret->name);
}
