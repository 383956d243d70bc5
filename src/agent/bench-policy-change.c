/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One change, from the policy graph to the kernel's answer, with 10,000 policies and 2,000 sets: in
 * network namespaces of its own, by the agent's enforcer. In a cluster a tenth of the policies
 * selects pods of this node; and for comparison, all of them do. Measured is from the put of the
 * object, as the store's event brings it, to the acknowledgement of the kernel's transactions.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/policy-enforcer.h"
#include "base/alloc.h"
#include "iptables/policy-iptables.h"
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
#define MORE	 100u /* pods */

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

/* Roles from LOCAL on are of no pod here. Of those here the policies have two sets each. */
static struct object *make_policy(unsigned int i, unsigned int roles)
{
	_cleanup_free_ char *name = xasprintf("policy-%u", i);
	struct object *object = model_new(KIND_NETWORK_POLICY, "default", name);
	struct policy_spec *spec = &as_policy(object)->spec;
	struct rule *rules = xcalloc(2, sizeof(*rules));
	unsigned int number = i / roles * LOCAL + i % LOCAL;

	spec->order = (struct opt_real){true, i};
	spec->selector = xasprintf("role == 'role-%u'", i % roles);
	for (unsigned int k = 0; k < 2; k++) {
		rules[k].action = RULE_ACTION_ALLOW;
		rules[k].source.selector = xasprintf("app == 'app-%u'", (number * 2 + k) % SETS);
	}
	spec->ingress.v = rules;
	spec->ingress.n = 2;
	return object;
}

static void put(struct policy_enforcer *enforcer, struct object *object)
{
	struct err err = ERR_INIT;

	check(policy_enforcer_put(enforcer, object, &err), &err);
	(void)model_free(object);
}

static void fill(struct policy_enforcer *enforcer, unsigned int roles)
{
	struct object *profile = model_new(KIND_PROFILE, NULL, "kns.default");

	put(enforcer, profile);
	for (unsigned int i = 0; i < LOCAL; i++)
		put(enforcer, make_endpoint(i, /* local= */ true, i));
	for (unsigned int i = 0; i < REMOTE; i++)
		put(enforcer, make_endpoint(i, /* local= */ false, i % SETS));
	for (unsigned int i = 0; i < POLICIES; i++)
		put(enforcer, make_policy(i, roles));
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of this thread; what the kernel does for a request it does in it. */
static uint64_t cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct change {
	const char *name;
	unsigned int n;
	const char *targets[2]; /* of median and p99 */
	const char *note;
	struct object *(*make)(unsigned int i);
};

struct bench {
	const char *prefix;
	unsigned int roles; /* of which LOCAL are here */
	bool iptables;
	unsigned int divisor; /* so many times fewer changes */
};

/* Each the put and the apply of one object. */
static void measure(struct policy_enforcer *enforcer, const struct bench *bench,
		    const struct change *change)
{
	unsigned int n = change->n / bench->divisor;
	const char *prefix = bench->prefix;
	_cleanup_free_ uint64_t *times = xcalloc(n, sizeof(*times));
	_cleanup_free_ uint64_t *cpu = xcalloc(n, sizeof(*cpu));
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < n; i++) {
		struct object *object = change->make(i);
		uint64_t start = loop_now();
		uint64_t cpu_start = cpu_us();

		check(policy_enforcer_put(enforcer, object, &err), &err);
		check(policy_enforcer_apply(enforcer, &err), &err);
		times[i] = loop_now() - start;
		cpu[i] = cpu_us() - cpu_start;
		(void)model_free(object);
	}
	qsort(times, n, sizeof(*times), compare_times);
	qsort(cpu, n, sizeof(*cpu), compare_times);
	printf("%s-%s %.3f ms %s %s, median\n", prefix, change->name, (double)times[n / 2] / 1e3,
	       bench->iptables ? "" : change->targets[0], change->note);
	printf("%s-%s-p99 %.3f ms %s %s\n", prefix, change->name, (double)times[n * 99 / 100] / 1e3,
	       bench->iptables ? "" : change->targets[1], change->note);
	printf("%s-%s-cpu-p99 %.3f ms of the processor, the kernel's part too\n", prefix,
	       change->name, (double)cpu[n * 99 / 100] / 1e3);
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
	struct object *object = make_endpoint(LOCAL + i, /* local= */ true, i % SETS);

	label(object, "role", i % LOCAL);
	return object;
}

static const struct change changes[] = {
	{"label",
	 REPEAT,
	 {"<=0.3", "<=1"},
	 "a label of a pod elsewhere: one set loses it, another gets it",
	 relabelled},
	{"pod", MORE, {"", ""}, "a pod more here", added_here},
	{"local-label",
	 REPEAT,
	 {"", ""},
	 "a label of a pod here: all its policies are others",
	 relabelled_here},
};

static struct policy_driver open_driver(const struct bench *bench)
{
	const struct nat_config no_nat = {.n_pools = 0};
	struct policy_driver driver = {.ops = NULL};
	struct policy_table *table;
	struct err err = ERR_INIT;

	if (bench->iptables) {
		check(policy_iptables_open(IPTABLES_LEGACY, &driver, &err), &err);
	} else {
		check(policy_table_open(-1, &table, &err), &err);
		driver = policy_table_driver(table);
	}
	driver.ops->nat(driver.self, &no_nat);
	return driver;
}

static void run(const struct bench *bench)
{
	struct felix_configuration *felix = NULL;
	struct policy_enforcer *enforcer;
	struct policy_driver driver;
	struct err err = ERR_INIT;
	sd_event *event;
	uint64_t start;

	lab_enter();
	check(sd_event_new(&event), &err);
	check(felix_config_resolve(NULL, NULL, (char *[]){NULL}, &felix, &err), &err);
	driver = open_driver(bench);
	check(policy_enforcer_new(event, "here", driver, &enforcer, &err), &err);
	policy_enforcer_configure(enforcer, &felix->spec, &(struct policy_node){.vxlan = true});
	fill(enforcer, bench->roles);
	start = loop_now();
	policy_enforcer_set_in_sync(enforcer);
	printf("%s-snapshot %.3f ms in the kernel: %u policies, of which %u select pods here, %u "
	       "sets\n",
	       bench->prefix, (double)(loop_now() - start) / 1e3, POLICIES,
	       POLICIES / bench->roles * LOCAL, SETS);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		measure(enforcer, bench, &changes[i]);
	(void)policy_enforcer_free(enforcer);
	driver = policy_driver_close(driver);
	(void)model_free(&felix->object);
	(void)sd_event_unref(event);
}

int main(void)
{
	static const struct bench benches[] = {
		{"policy-change", 10 * LOCAL, false, 1},
		{"policy-change-all", LOCAL, false, 1},
		{"policy-change-iptables", 10 * LOCAL, true, 10},
	};
	size_t n = ARRAY_SIZE(benches);

	if (!iptables_installed(IPTABLES_LEGACY, AF_INET) ||
	    !iptables_installed(IPTABLES_LEGACY, AF_INET6))
		n--;
	for (size_t i = 0; i < n; i++)
		run(&benches[i]);
	return EXIT_SUCCESS;
}
