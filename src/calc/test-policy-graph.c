/* SPDX-License-Identifier: Apache-2.0 */

/* What the policy graph is to do, one story each. Random histories: test-policy-graph-random.c. */

#include "calc/policy-graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "calc/policy-mirror.h"
#include "calc/policy-record.h"

struct world {
	struct policy_graph *graph;
	struct policy_mirror mirror;
	struct policy_update last;
	struct policy_record record;
};

static int setup(void **state)
{
	struct world *world = XNEW(struct world);

	world->graph = policy_graph_new("here");
	*state = world;
	return 0;
}

static struct object *read_object(const char *text)
{
	bool has_version = strstr(text, "apiVersion:");
	_cleanup_free_ char *full =
		xasprintf("%s%s", has_version ? "" : "apiVersion: projectcalico.org/v3\n", text);
	struct object **objects = NULL;
	struct object *object;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (model_read_yaml(full, strlen(full), "test", &objects, &n, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, 1);
	object = objects[0];
	free(objects);
	return object;
}

static int try_put(struct world *world, const char *text, struct err *err)
{
	_cleanup_(model_freep) struct object *object = read_object(text);

	int r = policy_graph_put(world->graph, object, err);

	if (r == 0)
		policy_record_put(&world->record, object);
	return r;
}

static void take_out(struct world *world, enum kind kind, const char *namespace, const char *name)
{
	policy_graph_remove(world->graph, kind, namespace, name);
	policy_record_remove(&world->record, kind, namespace, name);
}

static void put(struct world *world, const char *text)
{
	struct err err = ERR_INIT;

	if (try_put(world, text, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Each flush is held to what brute force says. */
static void flush(struct world *world)
{
	_cleanup_(policy_mirror_deinitp) struct policy_mirror fresh = {0};
	_cleanup_free_ char *have = NULL;
	_cleanup_free_ char *want = NULL;
	struct policy_update snapshot;

	policy_graph_flush(world->graph, &world->last);
	policy_mirror_apply(&world->mirror, &world->last);
	policy_graph_snapshot(world->graph, &snapshot);
	policy_mirror_apply(&fresh, &snapshot);
	have = policy_mirror_text(&world->mirror);
	want = policy_mirror_text(&fresh);
	assert_string_equal(have, want);
}

/* Every test ends so: what came step by step is what a graph says that is told all at once. */
static int teardown(void **state)
{
	struct world *world = *state;
	_cleanup_free_ char *have = NULL;
	_cleanup_free_ char *want = policy_record_text(&world->record, "here");

	flush(world);
	have = policy_mirror_text(&world->mirror);
	assert_string_equal(have, want);
	world->graph = policy_graph_free(world->graph);
	policy_mirror_deinit(&world->mirror);
	policy_record_deinit(&world->record);
	free(world);
	return 0;
}

static void expect_endpoint(struct world *world, const char *key, const char *text)
{
	const char *have = policy_mirror_endpoint(&world->mirror, key);

	if (!text)
		assert_null(have);
	else if (!have)
		fail_msg("%s is not there", key);
	else
		assert_string_equal(have, text);
}

static void expect_set(struct world *world, const char *name, const char *members)
{
	_cleanup_free_ char *have = policy_mirror_set(&world->mirror, name);
	_cleanup_free_ char *all = policy_mirror_text(&world->mirror);

	if (!members) {
		assert_null(have);
		return;
	}
	if (!have)
		fail_msg("no set %s in\n%s", name, all);
	assert_string_equal(have, members);
}

static void expect_quiet(struct world *world)
{
	const struct policy_update *last = &world->last;

	assert_int_equal(last->n_sets + last->n_sets_gone + last->n_policies +
				 last->n_policies_gone + last->n_endpoints + last->n_endpoints_gone,
			 0);
}

static void put_pod(struct world *world, const char *namespace, const char *name, const char *node,
		    const char *address, const char *labels)
{
	_cleanup_free_ char *text = xasprintf(
		"kind: WorkloadEndpoint\n"
		"metadata: {namespace: %s, name: %s, labels: {%s}}\n"
		"spec: {orchestrator: k8s, node: %s, interfaceName: cali%s, ipNetworks: [%s],\n"
		"  serviceAccountName: robot, profiles: [kns.%s],\n"
		"  ports: [{name: http, protocol: TCP, port: 8080}]}\n",
		namespace, name, labels, node, name, address, namespace);

	put(world, text);
}

static void put_profile(struct world *world, const char *namespace, const char *labels)
{
	_cleanup_free_ char *text =
		xasprintf("kind: Profile\nmetadata: {name: kns.%s}\n"
			  "spec: {ingress: [{action: Allow}], egress: [{action: Allow}],\n"
			  "  labelsToApply: {%s}}\n",
			  namespace, labels);

	put(world, text);
}

static void remove_pod(struct world *world, const char *namespace, const char *name)
{
	take_out(world, KIND_WORKLOAD_ENDPOINT, namespace, name);
}

/* --- Endpoints -------------------------------------------------------------------------------- */

static void test_only_local_endpoints_are_told(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put_pod(world, "a", "two", "there", "10.0.0.2/32", "");
	flush(world);
	expect_endpoint(world, "wep/a/one", "calione 10.0.0.1/32 | pro/kns.a");
	expect_endpoint(world, "wep/a/two", NULL);

	put_pod(world, "a", "one", "there", "10.0.0.1/32", "");
	put_pod(world, "a", "two", "here", "10.0.0.2/32", "");
	flush(world);
	expect_endpoint(world, "wep/a/one", NULL);
	expect_endpoint(world, "wep/a/two", "calitwo 10.0.0.2/32 | pro/kns.a");
}

static void test_what_changes_nothing_is_not_told(void **state)
{
	struct world *world = *state;

	flush(world);
	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: p}\n"
		   "spec: {selector: app == 'web', ingress: [{action: Allow}]}\n");
	flush(world);
	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: p}\n"
		   "spec: {selector: app == \"web\", ingress: [{action: Allow}]}\n");
	put_pod(world, "a", "two", "there", "10.0.0.2/32", "app: web");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: b, name: other}\n"
		   "spec: {ingress: [{action: Allow, source: {selector: has(x)}}]}\n");
	flush(world);
	expect_quiet(world);
}

static void test_removed_and_put_again_is_a_change(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	flush(world);
	remove_pod(world, "a", "one");
	put_pod(world, "a", "one", "here", "10.0.0.9/32", "");
	flush(world);
	assert_int_equal(world->last.n_endpoints_gone, 0);
	expect_endpoint(world, "wep/a/one", "calione 10.0.0.9/32 | pro/kns.a");
	remove_pod(world, "a", "one");
	flush(world);
	assert_int_equal(world->last.n_endpoints_gone, 1);
	assert_int_equal(world->last.n_policies_gone, 1);
}

static void test_what_cannot_be_read_stays_as_it_was(void **state)
{
	struct world *world = *state;
	struct err err = ERR_INIT;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	flush(world);
	assert_true(try_put(world,
			    "kind: WorkloadEndpoint\nmetadata: {namespace: a, name: one}\n"
			    "spec: {node: here, ipNetworks: [nonsense]}\n",
			    &err) < 0);
	assert_non_null(strstr(err.msg, "WorkloadEndpoint a/one: spec.ipNetworks[0]"));
	flush(world);
	expect_quiet(world);
}

static void test_spoofable_sources(void **state)
{
	struct world *world = *state;

	put(world,
	    "kind: WorkloadEndpoint\nmetadata: {namespace: a, name: one}\n"
	    "spec: {node: here, interfaceName: cali1, ipNetworks: [10.0.0.1/32, fd00::1/128],\n"
	    "  allowSpoofedSourcePrefixes: [8.8.8.0/24]}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one", "cali1 10.0.0.1/32 fd00::1/128 +8.8.8.0/24 |");
}

/* --- Policies and tiers ----------------------------------------------------------------------- */

#define POD_A "calione 10.0.0.1/32 | "

static void test_directions_by_types(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: in}\n"
		   "spec: {order: 1, types: [Ingress]}\n");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: out}\n"
		   "spec: {order: 2, egress: [{action: Allow}]}\n");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: both}\n"
		   "spec: {order: 3, types: [Ingress, Egress]}\n");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: b, name: elsewhere}\n"
		   "spec: {types: [Ingress]}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A "normal.in default! np/a/in np/a/both"
			      " | normal.out default! np/a/out np/a/both | pro/kns.a");
}

static void put_global(struct world *world, const char *name, const char *spec)
{
	_cleanup_free_ char *text = xasprintf(
		"kind: GlobalNetworkPolicy\nmetadata: {name: %s}\nspec: {types: [Ingress], %s}\n",
		name, spec);

	put(world, text);
}

static void test_order_of_tiers(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put(world, "kind: Tier\nmetadata: {name: first}\nspec: {order: 5}\n");
	put(world, "kind: Tier\nmetadata: {name: same}\nspec: {order: 5, defaultAction: Pass}\n");
	put(world, "kind: Tier\nmetadata: {name: last}\nspec: {}\n");
	put_global(world, "absent.x", "tier: absent");
	put_global(world, "last.x", "tier: last");
	put_global(world, "same.x", "tier: same");
	put_global(world, "first.x", "tier: first");
	put_global(world, "x", "order: 1");
	put_global(world, "kube-baseline.x", "tier: kube-baseline");
	put_global(world, "kube-admin.x", "tier: kube-admin");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A "normal.in first! gnp/first.x same:pass! gnp/same.x"
			      " kube-admin:pass! gnp/kube-admin.x default! gnp/x"
			      " kube-baseline:pass! gnp/kube-baseline.x last! gnp/last.x"
			      " absent! gnp/absent.x | pro/kns.a");

	put(world, "kind: Tier\nmetadata: {name: absent}\nspec: {order: 1}\n");
	take_out(world, KIND_TIER, NULL, "first");
	take_out(world, KIND_TIER, NULL, "last");
	put(world, "kind: Tier\nmetadata: {name: kube-admin}\nspec: {order: 7}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A "normal.in absent! gnp/absent.x same:pass! gnp/same.x"
			      " kube-admin:pass! gnp/kube-admin.x default! gnp/x"
			      " kube-baseline:pass! gnp/kube-baseline.x first! gnp/first.x"
			      " last! gnp/last.x | pro/kns.a");
}

static void test_order_in_a_tier(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put_global(world, "c", "order: 10");
	put_global(world, "a", "order: 20");
	put_global(world, "z", "selector: all()");
	put_global(world, "m", "selector: all()");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: m}\n"
		   "spec: {types: [Ingress]}\n");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: c}\n"
		   "spec: {order: -1.5, types: [Ingress]}\n");
	flush(world);
	/* "m//GlobalNetworkPolicy" stands before "m/a/NetworkPolicy". */
	expect_endpoint(world, "wep/a/one",
			POD_A
			"normal.in default! np/a/c gnp/c gnp/a gnp/m np/a/m gnp/z | pro/kns.a");
	put_global(world, "c", "order: 30");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A
			"normal.in default! np/a/c gnp/a gnp/c gnp/m np/a/m gnp/z | pro/kns.a");
}

static void test_staged_policies_do_not_enforce(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put(world, "kind: StagedNetworkPolicy\nmetadata: {namespace: a, name: s}\n"
		   "spec: {types: [Ingress]}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "normal.in default snp/a/s | pro/kns.a");
	put_global(world, "real", "order: 1");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A "normal.in default! gnp/real snp/a/s | pro/kns.a");
}

static void test_a_changed_rule_changes_no_endpoint(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put_global(world, "p", "ingress: [{action: Allow, source: {selector: app == 'web'}}]");
	flush(world);
	expect_set(world, "app == \"web\"", "10.0.0.1/32");
	put_global(world, "p", "ingress: [{action: Allow, source: {selector: app == 'db'}}]");
	flush(world);
	assert_int_equal(world->last.n_endpoints, 0);
	assert_int_equal(world->last.n_policies, 1);
	assert_int_equal(world->last.n_sets, 1);
	assert_int_equal(world->last.n_sets_gone, 1);
	expect_set(world, "app == \"web\"", NULL);
	expect_set(world, "app == \"db\"", "");
}

static void test_policies_come_and_go_with_their_endpoints(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put_global(
		world, "p",
		"selector: app == 'web', ingress: [{action: Allow, source: {selector: has(x)}}]");
	put_global(world, "q",
		   "selector: app == 'db', ingress: [{action: Deny, source: {selector: has(x)}}]");
	flush(world);
	assert_non_null(policy_mirror_policy(&world->mirror, "gnp/p"));
	assert_null(policy_mirror_policy(&world->mirror, "gnp/q"));
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: db");
	flush(world);
	assert_null(policy_mirror_policy(&world->mirror, "gnp/p"));
	assert_non_null(policy_mirror_policy(&world->mirror, "gnp/q"));
	/* The set that both use has not moved. */
	assert_int_equal(world->last.n_sets + world->last.n_sets_gone, 0);
	take_out(world, KIND_GLOBAL_NETWORK_POLICY, NULL, "q");
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "pro/kns.a");
	expect_set(world, "has(x)", NULL);
}

/* Nothing is told of it, so no driver writes anything: not at first, and not when it changes. */
static void test_what_selects_nothing_here_is_not_told(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put_pod(world, "a", "two", "there", "10.0.0.2/32", "app: db");
	flush(world);
	put_global(world, "p",
		   "selector: app == 'db', ingress: [{action: Allow, source: {selector: has(x)}}]");
	flush(world);
	expect_quiet(world);
	put_global(world, "p",
		   "selector: app == 'db', ingress: [{action: Deny, source: {selector: has(y)}}]");
	flush(world);
	expect_quiet(world);
	put_pod(world, "a", "two", "there", "10.0.0.2/32", "app: db, y: z");
	flush(world);
	expect_quiet(world);
	take_out(world, KIND_GLOBAL_NETWORK_POLICY, NULL, "p");
	flush(world);
	expect_quiet(world);
}

static void expect_problem(struct world *world, const char *key, const char *part)
{
	const struct policy_problem *problems;
	size_t n;

	policy_graph_problems(world->graph, &problems, &n);
	assert_int_equal(n, part ? 1 : 0);
	if (!part)
		return;
	assert_string_equal(problems[0].key, key);
	if (!strstr(problems[0].why, part))
		fail_msg("\"%s\" is not in \"%s\"", part, problems[0].why);
}

static void test_the_last_good_version_stays(void **state)
{
	static const char bad[] = "kind: GlobalNetworkPolicy\nmetadata: {name: p}\n"
				  "spec: {types: [Ingress], selector: 'app =='}\n";
	struct world *world = *state;
	struct err err = ERR_INIT;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	assert_true(try_put(world, bad, &err) < 0);
	assert_non_null(strstr(err.msg, "GlobalNetworkPolicy p: "));
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "pro/kns.a");
	expect_problem(world, "gnp/p", "selector");

	put_global(world, "p", "selector: app == 'web'");
	flush(world);
	expect_problem(world, NULL, NULL);
	expect_endpoint(world, "wep/a/one", POD_A "normal.in default! gnp/p | pro/kns.a");
	assert_true(try_put(world, bad, NULL) < 0);
	flush(world);
	expect_quiet(world);
	expect_problem(world, "gnp/p", "selector");

	take_out(world, KIND_GLOBAL_NETWORK_POLICY, NULL, "p");
	flush(world);
	expect_problem(world, NULL, NULL);
	expect_endpoint(world, "wep/a/one", POD_A "pro/kns.a");
}

static void test_unreadable_rules_are_problems(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_global(world, "p", "ingress: [{action: Allow, source: {selector: 'x ='}}]");
	flush(world);
	expect_problem(world, "gnp/p", "selector");
}

/* --- Profiles --------------------------------------------------------------------------------- */

static void test_a_missing_profile_denies(void **state)
{
	struct world *world = *state;
	const char *text;

	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "pro/kns.a");
	text = policy_mirror_policy(&world->mirror, "pro/kns.a");
	assert_non_null(text);
	assert_null(strcasestr(text, "allow"));
	expect_problem(world, "pro/kns.a", "no such profile");

	put_profile(world, "a", "");
	flush(world);
	assert_int_equal(world->last.n_endpoints, 0);
	assert_non_null(strcasestr(policy_mirror_policy(&world->mirror, "pro/kns.a"), "allow"));
	expect_problem(world, NULL, NULL);

	take_out(world, KIND_PROFILE, NULL, "kns.a");
	flush(world);
	assert_null(strcasestr(policy_mirror_policy(&world->mirror, "pro/kns.a"), "allow"));
}

static void test_the_profile_that_allows_is_there_by_nature(void **state)
{
	struct world *world = *state;

	put(world,
	    "kind: HostEndpoint\nmetadata: {name: h}\n"
	    "spec: {node: here, interfaceName: '*', profiles: [projectcalico-default-allow]}\n");
	flush(world);
	assert_non_null(strcasestr(
		policy_mirror_policy(&world->mirror, "pro/projectcalico-default-allow"), "allow"));
	expect_problem(world, NULL, NULL);
}

/* --- Sets ------------------------------------------------------------------------------------- */

static void test_members_of_a_set(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put_global(world, "p", "ingress: [{action: Allow, source: {selector: role == 'x'}}]");
	put_pod(world, "b", "two", "there", "10.0.0.2/32", "role: x");
	put_pod(world, "b", "three", "there", "\"fd00::3/128\", 10.0.0.3", "role: x");
	put(world, "kind: GlobalNetworkSet\nmetadata: {name: s, labels: {role: x}}\n"
		   "spec: {nets: [192.168.5.7/24, 10.0.0.2/32]}\n");
	put(world, "kind: HostEndpoint\nmetadata: {name: h, labels: {role: x}}\n"
		   "spec: {node: there, interfaceName: eth0, expectedIPs: [172.16.0.1]}\n");
	flush(world);
	expect_set(world, "role == \"x\"",
		   "10.0.0.2/32 10.0.0.3/32 172.16.0.1/32 192.168.5.0/24 fd00::3/128");

	/* The set has this address still. */
	remove_pod(world, "b", "two");
	put_pod(world, "b", "three", "there", "10.0.0.4/32", "role: x");
	flush(world);
	expect_set(world, "role == \"x\"", "10.0.0.2/32 10.0.0.4/32 172.16.0.1/32 192.168.5.0/24");
	put_pod(world, "b", "three", "there", "10.0.0.4/32", "role: y");
	take_out(world, KIND_GLOBAL_NETWORK_SET, NULL, "s");
	take_out(world, KIND_HOST_ENDPOINT, NULL, "h");
	flush(world);
	expect_set(world, "role == \"x\"", "");
}

static void test_labels_that_are_implied(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "pcns.team: red");
	put_profile(world, "b", "pcns.team: blue, role: inherited");
	put_pod(world, "a", "one", "here", "10.0.0.1/32",
		"projectcalico.org/namespace: b, projectcalico.org/serviceaccount: root");
	put_pod(world, "b", "two", "there", "10.0.0.2/32", "");
	put_pod(world, "b", "three", "there", "10.0.0.3/32", "role: own");
	put(world,
	    "kind: NetworkSet\nmetadata: {namespace: b, name: s}\nspec: {nets: [10.1.0.0/16]}\n");
	put(world, "kind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec:\n"
		   "  ingress:\n"
		   "  - {action: Allow, source: {namespaceSelector: team == 'blue'}}\n"
		   "  - {action: Allow, source: {selector: role == 'inherited'}}\n"
		   "  - {action: Allow, source: {selector: projectcalico.org/namespace == 'a'}}\n"
		   "  - {action: Allow, source: {serviceAccounts: {names: [robot]}}}\n"
		   "  - {action: Allow, source: {serviceAccounts: {names: [root]}}}\n");
	flush(world);
	expect_set(world, "pcns.team == \"blue\"", "10.0.0.2/32 10.0.0.3/32 10.1.0.0/16");
	expect_set(world, "role == \"inherited\"", "10.0.0.2/32 10.1.0.0/16");
	expect_set(world, "projectcalico.org/namespace == \"a\"", "10.0.0.1/32");
	expect_set(world, "projectcalico.org/serviceaccount in {\"robot\"}",
		   "10.0.0.1/32 10.0.0.2/32 10.0.0.3/32");
	expect_set(world, "projectcalico.org/serviceaccount in {\"root\"}", "");
	put_profile(world, "b", "pcns.team: red");
	flush(world);
	expect_set(world, "pcns.team == \"blue\"", "");
	expect_set(world, "role == \"inherited\"", "");
}

static void test_named_ports(void **state)
{
	static const char name[] = "all() port http/6";
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put(world,
	    "kind: WorkloadEndpoint\nmetadata: {namespace: a, name: two}\n"
	    "spec: {node: there, ipNetworks: [10.0.0.2/32, fd00::2/128], ports: [\n"
	    "  {name: http, protocol: tcp, port: 80}, {name: http, protocol: TCP, port: 81},\n"
	    "  {name: http, protocol: UDP, port: 82}, {name: dns, protocol: TCP, port: 53}]}\n");
	put(world, "kind: GlobalNetworkSet\nmetadata: {name: s}\nspec: {nets: [9.9.9.9/32]}\n");
	put_global(world, "p",
		   "ingress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]");
	flush(world);
	expect_set(world, name,
		   "10.0.0.1/32:6:8080 10.0.0.2/32:6:80 10.0.0.2/32:6:81"
		   " fd00::2/128:6:80 fd00::2/128:6:81");
	remove_pod(world, "a", "two");
	flush(world);
	expect_set(world, name, "10.0.0.1/32:6:8080");
}

static void test_fixed_sets(void **state)
{
	struct world *world = *state;

	flush(world);
	expect_set(world, POLICY_SET_ALL_HOSTS, "");
	expect_set(world, POLICY_SET_MASQ_POOLS, "");
	put(world, "kind: Node\nmetadata: {name: here}\n"
		   "spec: {bgp: {ipv4Address: 192.168.0.1/24}, ipv4VXLANTunnelAddr: 10.0.1.0}\n");
	put(world, "kind: Node\nmetadata: {name: there}\n"
		   "spec: {bgp: {ipv4Address: 192.168.0.2/24, ipv6Address: 'fd01::2/64'},\n"
		   "  ipv4VXLANTunnelAddr: 10.0.2.0}\n");
	put(world, "kind: Node\nmetadata: {name: plain}\n"
		   "spec: {addresses: [{address: 1.2.3.4, type: ExternalIP},\n"
		   "  {address: 192.168.0.3, type: InternalIP}]}\n");
	put(world,
	    "kind: IPPool\nmetadata: {name: p}\nspec: {cidr: 10.0.0.0/16, natOutgoing: true}\n");
	put(world,
	    "kind: IPPool\nmetadata: {name: q}\nspec: {cidr: 10.1.0.0/16, disabled: true}\n");
	put(world, "kind: IPPool\nmetadata: {name: r}\n"
		   "spec: {cidr: 10.2.0.0/16, allowedUses: [LoadBalancer]}\n");
	flush(world);
	expect_set(world, POLICY_SET_ALL_HOSTS,
		   "192.168.0.1/32 192.168.0.2/32 192.168.0.3/32 fd01::2/128");
	expect_set(world, POLICY_SET_ALL_VXLAN, "192.168.0.2/32");
	expect_set(world, POLICY_SET_POOLS, "10.0.0.0/16 10.1.0.0/16");
	expect_set(world, POLICY_SET_MASQ_POOLS, "10.0.0.0/16");
	take_out(world, KIND_NODE, NULL, "there");
	take_out(world, KIND_IP_POOL, NULL, "q");
	put(world, "kind: IPPool\nmetadata: {name: p}\nspec: {cidr: 10.0.0.0/16}\n");
	flush(world);
	expect_set(world, POLICY_SET_ALL_HOSTS, "192.168.0.1/32 192.168.0.3/32");
	expect_set(world, POLICY_SET_ALL_VXLAN, "");
	expect_set(world, POLICY_SET_POOLS, "10.0.0.0/16");
	expect_set(world, POLICY_SET_MASQ_POOLS, "");
}

static void put_slice(struct world *world, const char *name, const char *service, const char *rest)
{
	_cleanup_free_ char *text = xasprintf(
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {namespace: a, name: %s, labels: {kubernetes.io/service-name: %s}}\n%s\n",
		name, service, rest);

	put(world, text);
}

static void test_services(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put_slice(world, "s1", "web",
		  "addressType: IPv4\nendpoints:\n"
		  "- {addresses: [10.0.0.5], conditions: {ready: false}}\n"
		  "- {addresses: [10.0.0.6]}\n"
		  "ports: [{port: 80}, {port: 53, protocol: UDP}, {name: any}]");
	put_slice(world, "other", "db", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.7]}]");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: p}\nspec:\n"
		   "  egress: [{action: Allow, destination: {services: {name: web}}}]\n"
		   "  ingress: [{action: Allow, source: {services: {name: web, namespace: a}}}]\n");
	flush(world);
	expect_set(world, "svc a/web",
		   "10.0.0.5/32:17:53 10.0.0.5/32:6:80 10.0.0.6/32:17:53 10.0.0.6/32:6:80");
	expect_set(world, "svcnoport a/web", "10.0.0.5/32 10.0.0.6/32");
	expect_set(world, "svcnoport a/db", NULL);

	put_slice(world, "s2", "web",
		  "addressType: IPv6\nendpoints: [{addresses: ['fd00::5']}]\nports: [{port: 80}]");
	put_slice(world, "s1", "web",
		  "addressType: IPv4\nendpoints: [{addresses: [10.0.0.6]}]\nports: [{port: 80}]");
	flush(world);
	expect_set(world, "svc a/web", "10.0.0.6/32:6:80 fd00::5/128:6:80");
	expect_set(world, "svcnoport a/web", "10.0.0.6/32 fd00::5/128");

	/* The slice is another service's now. */
	put_slice(world, "s1", "db", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.6]}]");
	take_out(world, KIND_KUBERNETES_ENDPOINT_SLICE, "a", "s2");
	flush(world);
	expect_set(world, "svc a/web", "");
	expect_set(world, "svcnoport a/web", "");
}

/* --- Kubernetes ------------------------------------------------------------------------------- */

static void test_namespaces_stand_for_profiles(void **state)
{
	struct world *world = *state;

	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put(world, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: red}}\n");
	put_global(world, "p",
		   "ingress: [{action: Allow, source: {namespaceSelector: has(team)}}]");
	flush(world);
	expect_problem(world, NULL, NULL);
	expect_set(world, "has(pcns.team)", "10.0.0.1/32");

	/* A profile that was made goes before one that is stood for. */
	put_profile(world, "a", "");
	flush(world);
	expect_set(world, "has(pcns.team)", "");
	put(world, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: blue}}\n");
	flush(world);
	expect_quiet(world);
	take_out(world, KIND_PROFILE, NULL, "kns.a");
	flush(world);
	expect_set(world, "has(pcns.team)", "10.0.0.1/32");
	take_out(world, KIND_NAMESPACE, NULL, "a");
	flush(world);
	expect_set(world, "has(pcns.team)", "");
	expect_problem(world, "pro/kns.a", "no such profile");
}

static void test_policies_of_kubernetes(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "app: web");
	put(world, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
		   "metadata: {namespace: a, name: p}\n"
		   "spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress],\n"
		   "  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}\n");
	put(world, "kind: NetworkPolicy\nmetadata: {namespace: a, name: p}\n"
		   "spec: {order: 2000, types: [Ingress]}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "normal.in default! knp/a/p np/a/p | pro/kns.a");
	take_out(world, KIND_KUBERNETES_NETWORK_POLICY, "a", "p");
	flush(world);
	expect_endpoint(world, "wep/a/one", POD_A "normal.in default! np/a/p | pro/kns.a");
}

/* --- Host endpoints --------------------------------------------------------------------------- */

static void put_host(struct world *world, const char *name, const char *rest)
{
	_cleanup_free_ char *text = xasprintf(
		"kind: HostEndpoint\nmetadata: {name: %s}\nspec: {node: here, %s}\n", name, rest);

	put(world, text);
}

static void test_stages_of_host_endpoints(void **state)
{
	struct world *world = *state;

	put_profile(world, "a", "");
	put_pod(world, "a", "one", "here", "10.0.0.1/32", "");
	put_host(world, "eth0", "interfaceName: eth0, expectedIPs: [192.168.0.1]");
	put_host(world, "all", "interfaceName: '*'");
	put_host(world, "ip", "expectedIPs: [192.168.0.7]");
	put(world, "kind: GlobalNetworkPolicy\nmetadata: {name: normal}\n"
		   "spec: {order: 1, types: [Ingress]}\n");
	put(world, "kind: GlobalNetworkPolicy\nmetadata: {name: forward}\n"
		   "spec: {order: 2, types: [Ingress, Egress], applyOnForward: true}\n");
	put(world, "kind: GlobalNetworkPolicy\nmetadata: {name: dnat}\n"
		   "spec: {order: 3, types: [Ingress], preDNAT: true, applyOnForward: true}\n");
	put(world,
	    "kind: GlobalNetworkPolicy\nmetadata: {name: raw}\n"
	    "spec: {order: 4, types: [Ingress, Egress], doNotTrack: true, applyOnForward: true}\n");
	flush(world);
	expect_endpoint(world, "wep/a/one",
			POD_A "normal.in default! gnp/normal gnp/forward"
			      " | normal.out default! gnp/forward | pro/kns.a");
	expect_endpoint(world, "hep/eth0",
			"eth0 192.168.0.1/32 | normal.in default! gnp/normal gnp/forward"
			" | normal.out default! gnp/forward"
			" | forward.in default! gnp/forward | forward.out default! gnp/forward"
			" | prednat.in default! gnp/dnat"
			" | untracked.in default! gnp/raw | untracked.out default! gnp/raw |");
	expect_endpoint(world, "hep/all",
			"* | normal.in default! gnp/normal gnp/forward"
			" | normal.out default! gnp/forward"
			" | forward.in default! gnp/forward | forward.out default! gnp/forward"
			" | prednat.in default! gnp/dnat |");
	assert_memory_equal(policy_mirror_endpoint(&world->mirror, "hep/ip"),
			    "? 192.168.0.7/32 | normal.in", 27);

	/* What acts on host endpoints alone is nothing to a node that has none. */
	take_out(world, KIND_HOST_ENDPOINT, NULL, "eth0");
	take_out(world, KIND_HOST_ENDPOINT, NULL, "all");
	take_out(world, KIND_HOST_ENDPOINT, NULL, "ip");
	flush(world);
	assert_null(policy_mirror_policy(&world->mirror, "gnp/raw"));
	assert_null(policy_mirror_policy(&world->mirror, "gnp/dnat"));
	assert_non_null(policy_mirror_policy(&world->mirror, "gnp/forward"));
}

static void expect_owner(const struct world *world, const char *address, const char *name)
{
	struct policy_owner owners[2] = {{.prefix_len = 0}};

	/* Asked twice at a time, both are answered. */
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		assert_int_equal(ip_parse(address, &owners[i].addr, NULL), 0);
	policy_graph_owners(world->graph, owners, ARRAY_SIZE(owners));
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		_cleanup_free_ char *found =
			owners[i].name ? xasprintf("%s/%s", owners[i].namespace, owners[i].name)
				       : xstrdup("nobody");

		assert_string_equal(found, name);
	}
}

static void test_whose_an_address_is(void **state)
{
	struct world *world = *state;

	expect_owner(world, "10.1.0.1", "nobody");
	put(world, "kind: GlobalNetworkSet\nmetadata: {name: wide}\nspec: {nets: [10.0.0.0/8]}\n");
	put(world, "kind: NetworkSet\nmetadata: {namespace: a, name: narrow}\n"
		   "spec: {nets: [10.1.0.0/16, 'fd00::/8']}\n");
	put_pod(world, "a", "pod", "there", "10.1.0.1/32", "app: x");
	put_host(world, "host", "interfaceName: eth0, expectedIPs: [10.1.0.2]");
	expect_owner(world, "10.1.0.1", "a/pod");
	expect_owner(world, "10.1.0.2", "/host");
	expect_owner(world, "10.1.0.3", "a/narrow");
	expect_owner(world, "10.2.0.1", "/wide");
	expect_owner(world, "fd00::1", "a/narrow");
	expect_owner(world, "192.0.2.1", "nobody");
	remove_pod(world, "a", "pod");
	expect_owner(world, "10.1.0.1", "a/narrow");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_only_local_endpoints_are_told),
		STORY(test_what_changes_nothing_is_not_told),
		STORY(test_removed_and_put_again_is_a_change),
		STORY(test_what_cannot_be_read_stays_as_it_was),
		STORY(test_spoofable_sources),
		STORY(test_directions_by_types),
		STORY(test_order_of_tiers),
		STORY(test_order_in_a_tier),
		STORY(test_staged_policies_do_not_enforce),
		STORY(test_a_changed_rule_changes_no_endpoint),
		STORY(test_policies_come_and_go_with_their_endpoints),
		STORY(test_what_selects_nothing_here_is_not_told),
		STORY(test_the_last_good_version_stays),
		STORY(test_unreadable_rules_are_problems),
		STORY(test_a_missing_profile_denies),
		STORY(test_the_profile_that_allows_is_there_by_nature),
		STORY(test_members_of_a_set),
		STORY(test_labels_that_are_implied),
		STORY(test_named_ports),
		STORY(test_fixed_sets),
		STORY(test_services),
		STORY(test_namespaces_stand_for_profiles),
		STORY(test_policies_of_kubernetes),
		STORY(test_stages_of_host_endpoints),
		STORY(test_whose_an_address_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
