/* SPDX-License-Identifier: Apache-2.0 */

/* What pods would say with staged policies enforced, by a driver that holds a few policies. */

#include "policy/policy-judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A policy of one rule, for one port or (0) any. */
struct held {
	const char *key;
	enum policy_action action;
	uint16_t port;
	enum layout_side side; /* whose port */
};

struct driver {
	const struct held *v;
	size_t n;
	struct port_range port;
	struct layout_match match;
	struct layout_rule rule;
	struct layout_rules rules;
};

static const struct layout_rules *any_rules(const void *self, const char *key, uint8_t family,
					    enum policy_way way)
{
	struct driver *driver = (struct driver *)(uintptr_t)self;

	(void)family;
	if (way != POLICY_WAY_INGRESS)
		return NULL;
	for (size_t i = 0; i < driver->n; i++) {
		const struct held *held = &driver->v[i];

		if (strcmp(held->key, key) != 0)
			continue;
		driver->port = (struct port_range){held->port, held->port};
		driver->match = (struct layout_match){.kind = LAYOUT_MATCH_PORTS,
						      .side = held->side,
						      .ports = &driver->port,
						      .n = 1};
		driver->rule = (struct layout_rule){.action = held->action,
						    .index = 4,
						    .matches = &driver->match,
						    .n = held->port ? 1 : 0};
		driver->rules = (struct layout_rules){&driver->rule, 1};
		return &driver->rules;
	}
	return NULL;
}

static const struct layout_rules *enforced_rules(const void *self, const char *key, uint8_t family,
						 enum policy_way way)
{
	return key[0] == 's' ? NULL : any_rules(self, key, family, way);
}

static const struct judge_ops ops = {.rules = enforced_rules, .staged_rules = any_rules};

/* Of the deletion of gnp/gone nothing is told to the driver. */
static bool has(const void *ctx, const char *key)
{
	const struct driver *driver = ctx;

	for (size_t i = 0; i < driver->n; i++)
		if (strcmp(driver->v[i].key, key) == 0)
			return true;
	return strcmp(key, "sgnp/gone") == 0;
}

/*
 * The answer at port 80, with these in this order in a tier, and behind it a profile that allows.
 */
static struct judge_staged ask(const struct held *v, size_t n)
{
	struct driver driver = {.v = v, .n = n};
	struct layout_step v_steps[8] = {{LAYOUT_STEP_TIER, (char *)(uintptr_t) "t"}};
	struct layout_steps steps = {v_steps, 1};
	const struct layout_steps *const both[POLICY_WAYS_] = {[POLICY_WAY_INGRESS] = &steps};
	struct judge_staged asked = {
		.way = POLICY_WAY_INGRESS, .packet.protocol = 6, .packet.destination_port = 80};
	struct policy_judge *judge = policy_judge_new(&ops, &driver);

	for (size_t i = 0; i + 1 < n; i++)
		v_steps[steps.n++] =
			(struct layout_step){LAYOUT_STEP_POLICY, (char *)(uintptr_t)v[i].key};
	v_steps[steps.n++] = (struct layout_step){LAYOUT_STEP_TIER_END, (char *)(uintptr_t) "t"};
	v_steps[steps.n++] =
		(struct layout_step){LAYOUT_STEP_PROFILE, (char *)(uintptr_t)v[n - 1].key};
	v_steps[steps.n++] = (struct layout_step){LAYOUT_STEP_DENY, NULL};
	assert_int_equal(ip_parse("10.0.0.1", &asked.packet.source, NULL), 0);
	assert_int_equal(ip_parse("10.0.0.2", &asked.packet.destination, NULL), 0);
	policy_judge_add(judge, &asked.packet.destination, both);
	policy_judge_staged(judge, &asked, has, &driver);
	(void)policy_judge_free(judge);
	return asked;
}

#define PROFILE                                                                                    \
	{                                                                                          \
		"pro/p", POLICY_ACTION_ALLOW                                                       \
	}

static void test_no_say(void **state)
{
	static const struct held v[] = {{"np/a/x", POLICY_ACTION_ALLOW, 80, LAYOUT_DESTINATION},
					PROFILE};
	struct judge_staged answer = ask(v, ARRAY_SIZE(v));

	(void)state;
	assert_false(answer.known);
}

static void test_replaced(void **state)
{
	static const struct held v[] = {{"np/a/x", POLICY_ACTION_ALLOW, 80, LAYOUT_DESTINATION},
					{"snp/a/x", POLICY_ACTION_DENY, 80, LAYOUT_DESTINATION},
					PROFILE};
	struct judge_staged answer = ask(v, ARRAY_SIZE(v));

	(void)state;
	assert_true(answer.known);
	assert_false(answer.denied_now);
	assert_int_equal(answer.action, POLICY_ACTION_DENY);
	assert_string_equal(answer.policy, "snp/a/x");
	assert_int_equal(answer.rule, 4);
	assert_string_equal(answer.staged, "snp/a/x");
}

static void test_end_of_tier(void **state)
{
	static const struct held v[] = {{"sgnp/y", POLICY_ACTION_ALLOW, 81, LAYOUT_DESTINATION},
					PROFILE};
	struct judge_staged answer = ask(v, ARRAY_SIZE(v));

	(void)state;
	assert_true(answer.known);
	assert_false(answer.denied_now);
	assert_int_equal(answer.action, POLICY_ACTION_DENY);
	assert_null(answer.policy);
	assert_string_equal(answer.tier, "t");
	assert_string_equal(answer.staged, "sgnp/y");
}

static void test_gone(void **state)
{
	static const struct held v[] = {{"gnp/gone", POLICY_ACTION_DENY, 80, LAYOUT_DESTINATION},
					PROFILE};
	struct judge_staged answer = ask(v, ARRAY_SIZE(v));

	(void)state;
	assert_true(answer.known);
	assert_true(answer.denied_now);
	assert_int_equal(answer.action, POLICY_ACTION_ALLOW);
	assert_string_equal(answer.policy, "pro/p");
	assert_null(answer.staged);
	assert_string_equal(answer.replaced, "gnp/gone");
}

/* The source port of a flow is not known. */
static void test_unclear(void **state)
{
	static const struct held v[] = {{"snp/a/x", POLICY_ACTION_DENY, 80, LAYOUT_SOURCE},
					PROFILE};
	struct judge_staged answer = ask(v, ARRAY_SIZE(v));

	(void)state;
	assert_false(answer.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_say),	    cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_end_of_tier), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_unclear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
