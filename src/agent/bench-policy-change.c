/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One change, from the policy graph to the kernel's answer, on a node that enforces 10,000 policies
 * which speak of 2,000 sets: in a network namespace of its own, by the agent's enforcer. Measured
 * is from the put of the object, as the store's event brings it, to the acknowledgement of the
 * kernel's transactions.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/policy-enforcer.h"
#include "base/alloc.h"
#include "loop/loop.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"
#include "model/kinds-policy.h"
#include "netlink/test-lab.h"
#include "nft/policy-table.h"

#define POLICIES 10000u
#define SETS	 2000u
#define LOCAL	 100u
#define REMOTE	 10000u
#define REPEAT	 1000u

static void check(int r, const struct err *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err->msg);
	exit(EXIT_FAILURE);
}

static void label(struct object *object, const char *key, unsigned int number)
{
	char value[32];

	(void)snprintf(value, sizeof(value), "%s-%u", key, number);
	str_map_put(&object->meta.labels, key, value);
}

/* Every application is a set; every role, of pods here, has policies. */
static struct object *make_endpoint(unsigned int i, bool local, unsigned int app)
{
	_cleanup_free_ char *name = xasprintf("%s-k8s-pod%u-eth0", local ? "here" : "there", i);
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, "default", name);
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	_cleanup_free_ char *net =
		xasprintf("10.%u.%u.%u/32", local ? 1U : 2U, i / 250, i % 250 + 1);

	label(object, "app", app);
	if (local)
		label(object, "role", i);
	spec->orchestrator = xstrdup("k8s");
	spec->node = xstrdup(local ? "here" : "there");
	spec->pod = xasprintf("pod%u", i);
	spec->interface_name = xasprintf("cali%u", i);
	str_list_add(&spec->profiles, "kns.default");
	str_list_add(&spec->ip_networks, net);
	return object;
}

static struct object *make_policy(unsigned int i)
{
	_cleanup_free_ char *name = xasprintf("policy-%u", i);
	struct object *object = model_new(KIND_NETWORK_POLICY, "default", name);
	struct policy_spec *spec = &as_policy(object)->spec;
	struct rule *rule = xcalloc(1, sizeof(*rule));

	spec->order = (struct opt_real){true, i};
	spec->selector = xasprintf("role == 'role-%u'", i % LOCAL);
	rule->action = RULE_ACTION_ALLOW;
	rule->source.selector = xasprintf("app == 'app-%u'", i % SETS);
	spec->ingress.v = rule;
	spec->ingress.n = 1;
	return object;
}

static void put(struct policy_enforcer *enforcer, struct object *object)
{
	struct err err = ERR_INIT;

	check(policy_enforcer_put(enforcer, object, &err), &err);
	(void)model_free(object);
}

static void fill(struct policy_enforcer *enforcer)
{
	struct object *profile = model_new(KIND_PROFILE, NULL, "kns.default");

	put(enforcer, profile);
	for (unsigned int i = 0; i < LOCAL; i++)
		put(enforcer, make_endpoint(i, /* local= */ true, i));
	for (unsigned int i = 0; i < REMOTE; i++)
		put(enforcer, make_endpoint(i, /* local= */ false, i % SETS));
	for (unsigned int i = 0; i < POLICIES; i++)
		put(enforcer, make_policy(i));
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* REPEAT changes, each the put and the apply of one object. */
static void measure(struct policy_enforcer *enforcer, const char *name, const char *targets[2],
		    const char *note, struct object *(*make)(unsigned int i))
{
	_cleanup_free_ uint64_t *times = xcalloc(REPEAT, sizeof(*times));
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < REPEAT; i++) {
		struct object *object = make(i);
		uint64_t start = loop_now();

		check(policy_enforcer_put(enforcer, object, &err), &err);
		check(policy_enforcer_apply(enforcer, &err), &err);
		times[i] = loop_now() - start;
		(void)model_free(object);
	}
	qsort(times, REPEAT, sizeof(*times), compare_times);
	printf("%s %.3f ms %s %s, median\n", name, (double)times[REPEAT / 2] / 1e3, targets[0],
	       note);
	printf("%s-p99 %.3f ms %s %s\n", name, (double)times[REPEAT * 99 / 100] / 1e3, targets[1],
	       note);
}

/* From one set to another: two members change. */
static struct object *relabelled(unsigned int i)
{
	unsigned int pod = i * 7 % REMOTE;

	return make_endpoint(pod, /* local= */ false, (pod + 1 + i / REMOTE) % SETS);
}

/* Its other label: policies of before no longer apply, and others do. */
static struct object *relabelled_here(unsigned int i)
{
	struct object *object = make_endpoint(i % LOCAL, /* local= */ true, i % LOCAL);

	label(object, "role", (i % LOCAL + 1 + i / LOCAL) % LOCAL);
	return object;
}

static struct object *added_here(unsigned int i)
{
	return make_endpoint(LOCAL + i, /* local= */ true, i % SETS);
}

int main(void)
{
	static const char *none[] = {"", ""};
	static const char *label_targets[] = {"<=0.3", "<=1"};
	struct felix_configuration *felix = NULL;
	struct policy_enforcer *enforcer;
	struct policy_table *table;
	struct err err = ERR_INIT;
	sd_event *event;
	uint64_t start;

	lab_enter();
	check(sd_event_new(&event), &err);
	check(policy_table_open(-1, &table, &err), &err);
	check(policy_enforcer_new(event, "here", policy_table_driver(table), &enforcer, &err),
	      &err);
	check(felix_config_resolve(NULL, NULL, (char *[]){NULL}, &felix, &err), &err);
	policy_enforcer_configure(enforcer, &felix->spec, /* vxlan= */ true, /* ipip= */ false,
				  /* cut_denied= */ false);
	fill(enforcer);
	start = loop_now();
	policy_enforcer_set_in_sync(enforcer);
	printf("policy-change-snapshot %.3f ms %u policies, %u sets, in the kernel\n",
	       (double)(loop_now() - start) / 1e3, POLICIES, SETS);
	measure(enforcer, "policy-change-label", label_targets,
		"a label of a pod elsewhere: one set loses it, another gets it", relabelled);
	measure(enforcer, "policy-change-pod", none, "a pod more here, of 100 policies",
		added_here);
	measure(enforcer, "policy-change-local-label", none,
		"a label of a pod here: 100 other policies", relabelled_here);
	(void)policy_enforcer_free(enforcer);
	(void)model_free(&felix->object);
	(void)policy_table_close(table);
	(void)sd_event_unref(event);
	return EXIT_SUCCESS;
}
