/* SPDX-License-Identifier: Apache-2.0 */

/* Packets in, lines out; names come from a small world made by hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/flow-table.h"
#include "base/alloc.h"

struct lines {
	json_t *v[FLOWS_MAX];
	size_t n;
};

static void owners(void *ctx, struct policy_owner *v, size_t n)
{
	static const struct {
		const char *addr;
		enum kind kind;
		const char *namespace;
		const char *name;
	} world[] = {
		{"10.1.0.5", KIND_WORKLOAD_ENDPOINT, "shop", "node1-k8s-web--1-eth0"},
		{"10.1.0.6", KIND_WORKLOAD_ENDPOINT, "shop", "node1-k8s-web--1-eth0"},
		{"10.2.0.7", KIND_WORKLOAD_ENDPOINT, "shop", "node--2-k8s-db-eth0"},
		{"192.0.2.9", KIND_GLOBAL_NETWORK_SET, "", "payment"},
		{"10.9.0.1", KIND_HOST_ENDPOINT, "", "node1-eth0"},
	};

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(world); k++)
			if (strcmp(ip_format(&v[i].addr).s, world[k].addr) == 0) {
				v[i].kind = world[k].kind;
				v[i].namespace = world[k].namespace;
				v[i].name = world[k].name;
			}
}

/* To 10.9.0.1 what is denied would be allowed, by a rule or because a policy would be gone. */
static void staged(void *ctx, struct judge_staged *v, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		v[i].known = strcmp(ip_format(&v[i].packet.destination).s, "10.9.0.1") == 0;
		v[i].denied_now = true;
		v[i].action = POLICY_ACTION_ALLOW;
		if (strcmp(ip_format(&v[i].packet.source).s, "10.1.0.5") == 0) {
			v[i].policy = v[i].staged = "snp/shop/web";
			v[i].rule = 1;
		} else {
			v[i].policy = "pro/kns.shop";
			v[i].replaced = "gnp/all";
		}
	}
}

static const char *policy(void *ctx, const char *id)
{
	(void)ctx;
	return strcmp(id, "_digest") == 0 ? "gnp/long" : id;
}

static void add(struct flow_table *table, const char *prefix, const char *source,
		const char *destination, int64_t now)
{
	struct flow_tuple tuple = {.protocol = 6, .port = 5432};
	struct flow_hit hit;

	assert_int_equal(flow_hit_parse(prefix, &hit), 0);
	assert_int_equal(ip_parse(source, &tuple.source, NULL), 0);
	assert_int_equal(ip_parse(destination, &tuple.destination, NULL), 0);
	flow_table_add(table, &hit, &tuple, now);
}

static void emit(char *line, void *ctx)
{
	struct lines *lines = ctx;

	lines->v[lines->n] = json_loads(line, 0, NULL);
	assert_non_null(lines->v[lines->n++]);
	free(line);
}

static void forget(struct lines *lines)
{
	while (lines->n)
		json_decref(lines->v[--lines->n]);
}

static const char *text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static int number_at(const json_t *json, const char *key)
{
	return (int)json_integer_value(json_object_get(json, key));
}

static struct flow_table *new_table(void)
{
	const struct flow_names names = {NULL, owners, policy, staged};

	return flow_table_new(&names);
}

static void test_names(void **state)
{
	_cleanup_(flow_table_freep) struct flow_table *table = new_table();
	struct lines lines = {.n = 0};
	const json_t *flow;

	(void)state;
	add(table, "API1|np/shop/db", "10.1.0.5", "10.2.0.7", 100);
	add(table, "API1|np/shop/db", "10.1.0.6", "10.2.0.7",
	    103); /* the same pod's other address */
	flow_table_resolve(table);
	add(table, "API1|np/shop/db", "10.1.0.5", "10.2.0.7", 107);
	flow_table_resolve(table);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, 1);
	flow = lines.v[0];
	assert_string_equal(text_at(flow, "action"), "allow");
	assert_string_equal(text_at(flow, "reporter"), "dst");
	assert_string_equal(text_at(flow, "source_type"), "wep");
	assert_string_equal(text_at(flow, "source_namespace"), "shop");
	assert_string_equal(text_at(flow, "source_name"), "web-1");
	assert_string_equal(text_at(flow, "dest_name"), "db");
	assert_string_equal(text_at(flow, "proto"), "TCP");
	assert_int_equal(number_at(flow, "dest_port"), 5432);
	assert_int_equal(number_at(flow, "packets"), 3);
	assert_int_equal(number_at(flow, "start_time"), 100);
	assert_int_equal(number_at(flow, "end_time"), 107);
	flow = json_object_get(flow, "policy");
	assert_string_equal(text_at(flow, "kind"), "NetworkPolicy");
	assert_string_equal(text_at(flow, "name"), "db");
	assert_int_equal(number_at(flow, "rule"), 2);
	forget(&lines);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, 0);
}

/* One flow of one packet; its line. */
static json_t *line_of(const char *prefix, const char *source, const char *destination)
{
	_cleanup_(flow_table_freep) struct flow_table *table = new_table();
	struct lines lines = {.n = 0};

	add(table, prefix, source, destination, 1);
	flow_table_resolve(table);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, 1);
	return lines.v[0];
}

static void test_ends(void **state)
{
	json_t *tier = line_of("DTE|default", "10.1.0.5", "192.0.2.9");
	json_t *none = line_of("DRI|no-profile", "10.3.0.1", "10.9.0.1");
	json_t *outside = line_of("PPE0|_digest", "10.1.0.5", "8.8.8.8");

	(void)state;
	assert_string_equal(text_at(tier, "action"), "deny");
	assert_string_equal(text_at(json_object_get(tier, "policy"), "kind"), "EndOfTier");
	assert_string_equal(text_at(json_object_get(tier, "policy"), "tier"), "default");
	assert_string_equal(text_at(tier, "dest_type"), "ns");
	assert_string_equal(text_at(tier, "dest_name"), "payment");
	assert_string_equal(text_at(json_object_get(none, "policy"), "kind"), "NoProfile");
	assert_string_equal(text_at(none, "source_name"), "pvt");
	assert_string_equal(text_at(none, "source_ip"), "10.3.0.1");
	assert_string_equal(text_at(none, "dest_type"), "hep");
	assert_string_equal(text_at(outside, "dest_name"), "pub");
	assert_string_equal(text_at(outside, "action"), "pass");
	assert_string_equal(text_at(json_object_get(outside, "policy"), "name"), "long");
	json_decref(tier);
	json_decref(none);
	json_decref(outside);
}

/* However many there are, no more are kept than there is room for, and the rest is counted. */
static void test_bounds(void **state)
{
	_cleanup_(flow_table_freep) struct flow_table *table = new_table();
	struct lines lines = {.n = 0};
	struct flow_tuple tuple = {.protocol = 17};
	struct flow_hit hit;

	(void)state;
	assert_int_equal(flow_hit_parse("DTE|default", &hit), 0);
	assert_int_equal(ip_parse("10.1.0.5", &tuple.source, NULL), 0);
	tuple.destination = tuple.source;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < FLOWS_MAX + 10; i++) {
			tuple.port = (uint16_t)(1 + round * 10000 + i);
			flow_table_add(table, &hit, &tuple, 1);
		}
		flow_table_resolve(table);
	}
	assert_int_equal(flow_table_n_lost(table), 10 + FLOWS_MAX + 10);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, FLOWS_MAX);
	forget(&lines);
}

/* What staged policies would say stands there where it differs, with the one whose doing it is. */
static void test_staged(void **state)
{
	static const char *const expected[] = {
		"{\"action\":\"allow\",\"policy\":{\"kind\":\"StagedNetworkPolicy\","
		"\"namespace\":\"shop\",\"name\":\"web\",\"rule\":2},\"staged_policy\":{\"kind\":"
		"\"StagedNetworkPolicy\",\"namespace\":\"shop\",\"name\":\"web\"}}",
		"{\"action\":\"allow\",\"policy\":{\"kind\":\"Profile\",\"name\":\"kns.shop\",\"rule\":1},"
		"\"staged_policy\":{\"kind\":\"StagedGlobalNetworkPolicy\",\"name\":\"all\"}}",
	};
	_cleanup_(flow_table_freep) struct flow_table *table = new_table();
	struct lines lines = {.n = 0};

	(void)state;
	add(table, "DTI|default", "10.1.0.5", "10.9.0.1", 1);
	add(table, "DTI|default", "10.1.0.6", "10.9.0.1", 1);
	flow_table_resolve(table);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, 2);
	for (size_t i = 0; i < lines.n; i++) {
		char *text = json_dumps(json_object_get(lines.v[i], "staged"), JSON_COMPACT);

		assert_non_null(text);
		assert_string_equal(text, expected[i]);
		free(text);
	}
	forget(&lines);
	/*
	 * One that is the verdict in force is not told, nor what another endpoint than the pod
	 * denied.
	 */
	add(table, "ATI|default", "10.1.0.5", "10.9.0.1", 1);
	add(table, "DTI|default", "10.1.0.5", "10.2.0.7", 1);
	flow_table_resolve(table);
	flow_table_flush(table, emit, &lines);
	assert_int_equal(lines.n, 2);
	for (size_t i = 0; i < lines.n; i++)
		assert_null(json_object_get(lines.v[i], "staged"));
	forget(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_staged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
