/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cost follows change: one change among many objects costs what it costs among few. Measured is the
 * processor's time of the best of many tries, and the bound is far from both: what goes through all
 * objects takes sixteen times as long.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "calc/calc.h"
#include "calc/policy-graph.h"
#include "model/kinds.h"

#define FEW   250u
#define MANY  4000u
#define TRIES 50u
#define BOUND 5.0

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static struct object *read_object(const char *format, ...) PRINTF_LIKE(1, 2);

static struct object *read_object(const char *format, ...)
{
	struct object *object = NULL;
	struct err err = ERR_INIT;
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (model_read_json(text, (size_t)n, MODEL_STRICT, "test", &object, &err) < 0)
		fail_msg("%s", err.msg);
	return object;
}

/* --- Policy ----------------------------------------------------------------------------------- */

static void put_endpoint(struct policy_graph *graph, unsigned int i, const char *role)
{
	_cleanup_(model_freep) struct object *object = read_object(
		"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"WorkloadEndpoint\",\"metadata\":{"
		"\"name\":\"here-k8s-p%u-eth0\",\"namespace\":\"n\",\"labels\":{\"app\":\"a%u\","
		"\"role\":\"%s\"}},\"spec\":{\"node\":\"here\",\"interfaceName\":\"cali%u\","
		"\"ipNetworks\":[\"10.%u.%u.1/32\"]}}",
		i, i % 10, role, i, i / 250, i % 250);
	struct err err = ERR_INIT;

	if (policy_graph_put(graph, object, &err) < 0)
		fail_msg("%s", err.msg);
}

static void put_policy(struct policy_graph *graph, unsigned int i)
{
	_cleanup_(model_freep) struct object *object = read_object(
		"{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"NetworkPolicy\",\"metadata\":{"
		"\"name\":\"p%u\",\"namespace\":\"n\"},\"spec\":{\"selector\":\"app == 'a%u'\","
		"\"ingress\":[{\"action\":\"Allow\",\"source\":{\"selector\":\"role == 'r%u'\"}}]}}",
		i, i, i);
	struct err err = ERR_INIT;

	if (policy_graph_put(graph, object, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Of one endpoint's label among 'n' endpoints of this node. */
static double cost_of_endpoint(unsigned int n)
{
	struct policy_graph *graph = policy_graph_new("here");
	struct policy_update update;
	double best = 1e9;

	for (unsigned int i = 0; i < 10; i++)
		put_policy(graph, i);
	for (unsigned int i = 0; i < n; i++)
		put_endpoint(graph, i, "none");
	policy_graph_flush(graph, &update);
	for (unsigned int i = 0; i < TRIES; i++) {
		double start = now_us();

		put_endpoint(graph, n / 2, i % 2 ? "none" : "r1");
		policy_graph_flush(graph, &update);
		assert_true(update.n_sets > 0);
		best = MIN(best, now_us() - start);
	}
	graph = policy_graph_free(graph);
	return best;
}

/* --- Routes ----------------------------------------------------------------------------------- */

static void put(struct calc *calc, struct object *object)
{
	struct err err = ERR_INIT;

	if (calc_put(calc, object, &err) < 0)
		fail_msg("%s", err.msg);
	(void)model_free(object);
}

static void put_node(struct calc *calc, unsigned int i)
{
	put(calc,
	    read_object(
		    "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"Node\",\"metadata\":{"
		    "\"name\":\"node%u\"},\"spec\":{\"bgp\":{\"ipv4Address\":\"172.16.%u.%u/12\"},"
		    "\"ipv4VXLANTunnelAddr\":\"10.200.%u.%u\"}}",
		    i, i / 250, i % 250 + 1, i / 250, i % 250 + 1));
}

static void put_block(struct calc *calc, unsigned int i, unsigned int owner)
{
	put(calc,
	    read_object(
		    "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"IPAMBlock\",\"metadata\":{"
		    "\"name\":\"10-%u-%u-0-30\"},\"spec\":{\"cidr\":\"10.%u.%u.0/30\",\"affinity\":"
		    "\"host:node%u\",\"allocations\":[null,null,null,null],\"unallocated\":[0,1,2,3],"
		    "\"attributes\":[]}}",
		    i / 250, i % 250, i / 250, i % 250, owner));
}

/* Of one block that goes to another node, among 'n' nodes with one each. */
static double cost_of_block(unsigned int n)
{
	struct calc *calc = calc_new("node0");
	_cleanup_(calc_update_deinitp) struct calc_update first = {0};
	double best = 1e9;

	put(calc,
	    read_object(
		    "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"IPPool\",\"metadata\":{"
		    "\"name\":\"pool\"},\"spec\":{\"cidr\":\"10.0.0.0/8\",\"vxlanMode\":\"Always\"}}"));
	for (unsigned int i = 0; i < n; i++) {
		put_node(calc, i);
		put_block(calc, i, i);
	}
	calc_flush(calc, &first);
	for (unsigned int i = 0; i < TRIES; i++) {
		_cleanup_(calc_update_deinitp) struct calc_update update = {0};
		double start = now_us();

		put_block(calc, n / 2, n / 2 + 1 - i % 2);
		calc_flush(calc, &update);
		best = MIN(best, now_us() - start);
	}
	calc = calc_free(calc);
	return best;
}

/* --- The bound -------------------------------------------------------------------------------- */

static void check(const char *what, double few, double many)
{
	print_message("%s: %.1f us among %u, %.1f us among %u\n", what, few, FEW, many, MANY);
	assert_true(many < few * BOUND);
}

static void test_policy(void **state)
{
	(void)state;
	check("an endpoint's label", cost_of_endpoint(FEW), cost_of_endpoint(MANY));
}

static void test_routes(void **state)
{
	(void)state;
	check("a block's node", cost_of_block(FEW), cost_of_block(MANY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
