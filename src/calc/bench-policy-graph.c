/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The policy graph in a large cluster: 250,000 endpoints and 10,000 policies, of which 200
 * endpoints and some 1,700 sets are this node's. How long the snapshot takes, what memory it leaves
 * taken, and what a change costs then. Objects are made a few at a time and freed after their puts,
 * as a store hands them out; making them is not measured. What is, is the processor's time, since
 * nothing here waits for anything. An argument is the number of endpoints.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "calc/policy-graph.h"
#include "model/kinds-policy.h"

#define NAMESPACES	      250u
#define LOCAL_NAMESPACES      50u
#define APPS		      100u /* in each namespace */
#define POLICIES	      10000u
#define PODS_PER_NODE	      200u
#define POLICIES_OF_NAMESPACE (POLICIES / NAMESPACES)
#define REPEAT		      2000u
#define BATCH		      64u

struct bench {
	struct policy_graph *graph;
	struct object *objects[BATCH];
	size_t n_objects;
	unsigned int n_endpoints;
	double spent; /* in the graph, seconds */
	double last;  /* of the last call */
};

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double resident_mib(void)
{
	unsigned long long size = 0;
	unsigned long long resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (file)
		(void)fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static void put_all(struct bench *bench)
{
	struct err err = ERR_INIT;
	double start = now();
	int r = 0;

	for (size_t i = 0; i < bench->n_objects && r == 0; i++)
		r = policy_graph_put(bench->graph, bench->objects[i], &err);
	bench->last = now() - start;
	bench->spent += bench->last;
	if (r < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(EXIT_FAILURE);
	}
	while (bench->n_objects)
		(void)model_free(bench->objects[--bench->n_objects]);
}

/* Together with others, so that looking at the clock does not count. */
static void put_later(struct bench *bench, struct object *object)
{
	bench->objects[bench->n_objects++] = object;
	if (bench->n_objects == BATCH)
		put_all(bench);
}

static void put(struct bench *bench, struct object *object)
{
	put_later(bench, object);
	put_all(bench);
}

static void flush(struct bench *bench, struct policy_update *update)
{
	double start = now();

	policy_graph_flush(bench->graph, update);
	bench->last = now() - start;
	bench->spent += bench->last;
}

static size_t count_members(const struct policy_update *update)
{
	size_t n = 0;

	for (size_t i = 0; i < update->n_sets; i++)
		n += update->sets[i].n_added;
	return n;
}

/* --- Objects ---------------------------------------------------------------------------------- */

static void label(struct object *object, const char *key, const char *format, unsigned int number)
{
	char value[32];

	(void)snprintf(value, sizeof(value), "%s%u", format, number);
	str_map_put(&object->meta.labels, key, value);
}

/* Every tenth application has pods that are each of their own. 'team' is what changes later. */
static struct object *make_endpoint(unsigned int i, unsigned int team)
{
	unsigned int node = i / PODS_PER_NODE;
	/* This node's pods are of few namespaces. */
	unsigned int namespace = node ? i * 7 % NAMESPACES : i % LOCAL_NAMESPACES;
	unsigned int app = node ? i / NAMESPACES % APPS : (i * 13 + i / 50) % APPS;
	_cleanup_free_ char *in = xasprintf("namespace-%u", namespace);
	_cleanup_free_ char *name =
		xasprintf("node%u-k8s-app--%u--7c9f5d8b6--x%u-eth0", node, app, i);
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, in, name);
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;

	label(object, "app", "app-", app);
	label(object, "pod-template-hash", "7c9f5d8b", app * NAMESPACES + namespace);
	label(object, "role", "role-", app % 5);
	label(object, "team", "team-", team);
	if (app % 10 == 0)
		label(object, "statefulset.kubernetes.io/pod-name", "pod-", i);
	spec->orchestrator = xstrdup("k8s");
	spec->node = xasprintf("node%u", node);
	spec->pod = xasprintf("app-%u-7c9f5d8b6-x%u", app, i);
	spec->interface_name = xasprintf("cali%u", i);
	spec->service_account_name = xstrdup("default");
	str_list_add(&spec->profiles, "");
	replace_str(&spec->profiles.v[0], xasprintf("kns.%s", in));
	str_list_add(&spec->profiles, "");
	replace_str(&spec->profiles.v[1], xasprintf("ksa.%s.default", in));
	str_list_add(&spec->ip_networks, "");
	replace_str(&spec->ip_networks.v[0],
		    xasprintf("10.%u.%u.%u/32", i >> 16 & 255, i >> 8 & 255, i & 255));
	spec->ports.v = xcalloc(1, sizeof(*spec->ports.v));
	spec->ports.n = 1;
	spec->ports.v[0].name = xstrdup("http");
	spec->ports.v[0].protocol = xstrdup("TCP");
	spec->ports.v[0].port = (struct opt_int){true, 8080};
	return object;
}

static struct object *make_profile(unsigned int namespace, bool of_account)
{
	_cleanup_free_ char *name =
		xasprintf(of_account ? "ksa.namespace-%u.default" : "kns.namespace-%u", namespace);
	struct object *object = model_new(KIND_PROFILE, NULL, name);
	struct profile_spec *spec = &as_profile(object)->spec;
	char value[32];

	(void)snprintf(value, sizeof(value), "namespace-%u", namespace);
	str_map_put(&spec->labels_to_apply,
		    of_account ? "pcsa.projectcalico.org/name" : "pcns.projectcalico.org/name",
		    of_account ? "default" : value);
	(void)snprintf(value, sizeof(value), "group-%u", namespace % 20);
	if (!of_account)
		str_map_put(&spec->labels_to_apply, "pcns.group", value);
	return object;
}

static void add_rule(struct rule_list *list, bool egress, char *selector, char *namespaces)
{
	struct rule *rule = &list->v[list->n++];
	struct entity_rule *peer = egress ? &rule->destination : &rule->source;

	rule->action = RULE_ACTION_ALLOW;
	rule->protocol = (struct int_or_string){.s = xstrdup("TCP")};
	peer->selector = selector;
	peer->namespace_selector = namespaces;
	rule->destination.ports.v = xcalloc(1, sizeof(*rule->destination.ports.v));
	rule->destination.ports.n = 1;
	rule->destination.ports.v[0] = (struct int_or_string){.s = xstrdup("8080"), .is_int = true};
}

/* One application in five ways; two rules in, one out. */
static struct object *make_policy(unsigned int i, unsigned int version)
{
	unsigned int namespace = i % NAMESPACES;
	unsigned int number = i / NAMESPACES;
	_cleanup_free_ char *in = xasprintf("namespace-%u", namespace);
	_cleanup_free_ char *name = xasprintf("policy-%u", number);
	struct object *object = model_new(KIND_NETWORK_POLICY, in, name);
	struct policy_spec *spec = &as_policy(object)->spec;

	spec->order = (struct opt_real){true, number};
	spec->selector =
		number % 2 ? xasprintf("app == 'app-%u'", number * APPS / POLICIES_OF_NAMESPACE)
			   : xasprintf("role == 'role-%u'", number % 5);
	spec->ingress.v = xcalloc(2, sizeof(*spec->ingress.v));
	add_rule(&spec->ingress, false,
		 xasprintf("app == 'app-%u' && team != 'team-x%u'",
			   (number * 3 + namespace + version) % APPS, version),
		 NULL);
	add_rule(&spec->ingress, false, xasprintf("role == 'role-%u'", i % 5),
		 xasprintf("group == 'group-%u'", i % 20));
	spec->egress.v = xcalloc(1, sizeof(*spec->egress.v));
	add_rule(&spec->egress, true,
		 xasprintf("app in {'app-%u', 'app-%u'}", (number * 7 + namespace) % APPS, number),
		 NULL);
	return object;
}

/* --- Measuring -------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *name, double *times, const char *limit, const char *note)
{
	qsort(times, REPEAT, sizeof(*times), compare_doubles);
	printf("%s %.4f ms %s %s, median\n", name, times[REPEAT / 2] * 1e3, limit, note);
	printf("%s-p99 %.4f ms %s, of a hundred the slowest\n", name,
	       times[REPEAT * 99 / 100] * 1e3, note);
}

static void measure_snapshot(struct bench *bench)
{
	double before = resident_mib();
	struct policy_update update;
	size_t n_members;
	size_t n_sets;

	for (unsigned int i = 0; i < NAMESPACES; i++) {
		put_later(bench, make_profile(i, false));
		put_later(bench, make_profile(i, true));
	}
	for (unsigned int i = 0; i < bench->n_endpoints; i++)
		put_later(bench, make_endpoint(i, i % 10));
	put_all(bench);
	printf("policy-graph-endpoints %.3f s of it for %u endpoints\n", bench->spent,
	       bench->n_endpoints);
	for (unsigned int i = 0; i < POLICIES; i++)
		put_later(bench, make_policy(i, 0));
	put_all(bench);
	flush(bench, &update);
	n_members = count_members(&update);
	n_sets = update.n_sets;
	printf("policy-graph-flush %.3f s of it: %zu policies, %zu sets, %zu members, %zu endpoints\n",
	       bench->last, update.n_policies, n_sets, n_members, update.n_endpoints);
	printf("policy-graph-snapshot %.3f s <=1.0 all puts and the flush\n", bench->spent);
	printf("policy-graph-peak %.1f MiB with the update\n", resident_mib() - before);
	flush(bench, &update);
	printf("policy-graph-memory %.1f MiB <=150 taken by the graph\n", resident_mib() - before);
}

/* Of a pod elsewhere, there and back. */
static void measure_labels(struct bench *bench, double *times)
{
	struct policy_update update;
	size_t n = 0;

	for (unsigned int i = 0; i < REPEAT; i++) {
		unsigned int pod = PODS_PER_NODE + i * 97 % (bench->n_endpoints - PODS_PER_NODE);

		put(bench, make_endpoint(pod, 100 + i % 3));
		times[i] = bench->last;
		flush(bench, &update);
		times[i] += bench->last;
		n += update.n_sets;
	}
	print_times("policy-graph-label", times, "<=0.1", "another label of a pod elsewhere");
	for (unsigned int i = 0; i < REPEAT; i++) {
		struct object *object = make_endpoint(PODS_PER_NODE + i / 2 * 97, 3);

		label(object, "app", "app-", i % 2 ? 7 : 8);
		put(bench, object);
		times[i] = bench->last;
		flush(bench, &update);
		times[i] += bench->last;
		n += update.n_sets;
	}
	print_times("policy-graph-move", times, "<=0.1", "a label that moves it to other sets");
	printf("policy-graph-moves %.2f sets changed by each\n", (double)n / REPEAT);
	for (unsigned int i = 0; i < REPEAT; i++) {
		struct object *object = make_endpoint(i % PODS_PER_NODE, 3);

		label(object, "app", "app-", i / PODS_PER_NODE + 1);
		put(bench, object);
		times[i] = bench->last;
		flush(bench, &update);
		times[i] += bench->last;
	}
	print_times("policy-graph-local-label", times, "<=0.5", "a label of a pod here");
}

static void measure_policies(struct bench *bench, double *times)
{
	struct policy_update update;
	size_t n = 0;

	for (unsigned int i = 0; i < REPEAT; i++) {
		put(bench, make_policy(i, 1 + i / POLICIES));
		times[i] = bench->last;
		flush(bench, &update);
		times[i] += bench->last;
		n += update.n_policies;
	}
	print_times("policy-graph-policy", times, "", "other rules of a policy");
	printf("policy-graph-policies %.2f of them active here\n", (double)n / REPEAT);
}

int main(int argc, char **argv)
{
	struct bench bench = {.graph = policy_graph_new("node0"), .n_endpoints = 250000};
	_cleanup_free_ double *times = xcalloc(REPEAT, sizeof(*times));

	if (argc > 1)
		bench.n_endpoints = (unsigned int)strtoul(argv[1], NULL, 10);
	if (bench.n_endpoints < 2 * PODS_PER_NODE) {
		(void)fprintf(stderr, "usage: %s [ENDPOINTS, %u or more]\n", argv[0],
			      2 * PODS_PER_NODE);
		return EXIT_FAILURE;
	}
	measure_snapshot(&bench);
	measure_labels(&bench, times);
	measure_policies(&bench, times);
	bench.graph = policy_graph_free(bench.graph);
	return EXIT_SUCCESS;
}
