/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A policy of which the kernel really refuses something: ranges of ports that end before they
 * begin, among rules that become members of a set, or a rule that is too long. No such policy gets
 * here from outside.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "netlink/test-lab.h"
#include "nft/test-policy-table.h"

#define N_RULES 5

/* A pod with the policies "bad" and "good", in this order. */
struct lab {
	struct policy_table *table;
	struct port_range ports[N_RULES];
	struct compiled_rule rules[N_RULES];
	struct compiled_rule allow;
	struct compiled_policy bad;
	struct compiled_policy good;
	const struct compiled_policy *policies[2];
	struct endpoint_tier tier;
	struct cidr addrs[2];
	struct policy_endpoint endpoint;
	const struct policy_endpoint *endpoints[1];
	struct policy_update update;
};

#define BAD  "nft list chain ip calico cali-pi-np/default/bad"
#define GOOD "nft list chain ip calico cali-pi-np/default/good"

static void mend(struct lab *lab)
{
	for (size_t i = 0; i < N_RULES; i++)
		lab->ports[i] =
			(struct port_range){(uint16_t)(100 * i + 1), (uint16_t)(100 * i + 50)};
}

/* The kernel: "Invalid argument". */
static void harm(struct lab *lab)
{
	mend(lab);
	lab->ports[2] = (struct port_range){900, 850};
}

static void lab_init(struct lab *lab)
{
	lab->allow = test_rule(POLICY_ACTION_ALLOW);
	lab->allow.protocol = 17;
	for (size_t i = 0; i < N_RULES; i++) {
		lab->rules[i] = test_rule(POLICY_ACTION_ALLOW);
		lab->rules[i].protocol = 6;
		lab->rules[i].destination.ports = &lab->ports[i];
		lab->rules[i].destination.n_ports = 1;
	}
	lab->bad = (struct compiled_policy){.key = (char *)"np/default/bad",
					    .tier = (char *)"default",
					    .applies = {true, false},
					    .rules = {{lab->rules, N_RULES}}};
	lab->good = (struct compiled_policy){.key = (char *)"np/default/good",
					     .tier = (char *)"default",
					     .applies = {true, false},
					     .rules = {{&lab->allow, 1}}};
	lab->policies[0] = &lab->bad;
	lab->policies[1] = &lab->good;
	lab->tier = (struct endpoint_tier){
		.name = "default", .enforced = true, .policies = lab->policies, .n_policies = 2};
	lab->addrs[0] = test_net("10.65.0.2/32");
	lab->addrs[1] = test_net("fd65::2/128");
	lab->endpoint = (struct policy_endpoint){
		.key = "wep/default/a", .interface = "calia", .addrs = lab->addrs, .n_addrs = 2};
	lab->endpoint.tiers[POLICY_STAGE_NORMAL][POLICY_WAY_INGRESS] =
		(struct endpoint_tiers){&lab->tier, 1};
	lab->endpoints[0] = &lab->endpoint;
	lab->update = (struct policy_update){.policies = lab->policies,
					     .n_policies = 2,
					     .endpoints = lab->endpoints,
					     .n_endpoints = 1};
}

static int setup(void **state)
{
	static const char *const prefixes[] = {"cali"};
	const struct policy_config config = {.log_prefix = "calico-packet",
					     .workload_prefixes = prefixes,
					     .n_workload_prefixes = 1};
	struct lab *lab = XNEW(struct lab);

	*state = lab;
	lab_init(lab);
	if (!lab_run("nft flush ruleset") || policy_table_open(-1, &lab->table, NULL) < 0)
		return -1;
	policy_table_configure(lab->table, &config);
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	policy_table_close(lab->table);
	free(lab);
	return 0;
}

static void apply(struct lab *lab)
{
	struct err err = ERR_INIT;

	if (policy_table_apply(lab->table, &err) < 0)
		fail_msg("%s", err.msg);
}

static void tell(struct lab *lab)
{
	policy_table_update(lab->table, &lab->update);
	apply(lab);
}

/* The policy is among the problems, or with NULL none is. */
static void assert_problem(const struct lab *lab, const char *key)
{
	struct policy_problem *problems;
	size_t n = policy_table_problems(lab->table, &problems);

	assert_int_equal(n, key ? 1 : 0);
	if (key) {
		assert_string_equal(problems[0].key, key);
		assert_non_null(strstr(problems[0].why, "Invalid argument"));
	}
	free(problems);
}

static void assert_denies(const struct lab *lab)
{
	assert_problem(lab, "np/default/bad");
	assert_true(lab_says(BAD, "drop"));
	assert_null(strstr(lab_output(BAD).s, "accept"));
	assert_null(strstr(lab_output("nft list table ip6 calico").s, "850"));
}

static void assert_whole(const struct lab *lab)
{
	assert_problem(lab, NULL);
	assert_true(lab_says(BAD, "accept"));
	assert_null(strstr(lab_output(BAD).s, "drop"));
	assert_true(lab_says(GOOD, "accept"));
}

/* From the start on, and when all is read back. */
static void test_it_denies_and_all_else_goes_on(void **state)
{
	struct lab *lab = *state;

	harm(lab);
	tell(lab);
	assert_denies(lab);
	assert_true(lab_says(GOOD, "accept"));
	apply(lab);
	assert_false(policy_table_changed(lab->table));
	policy_table_invalidate(lab->table);
	apply(lab);
	assert_denies(lab);
	/* Another policy is written as if nothing were wrong. */
	lab->allow.protocol = 132;
	lab->update.n_endpoints = 0;
	lab->update.policies = &lab->policies[1];
	lab->update.n_policies = 1;
	tell(lab);
	assert_true(lab_says(GOOD, "sctp"));
	assert_denies(lab);
	/* And somebody else's harm is put right. */
	assert_true(lab_run("nft flush ruleset"));
	assert_true(policy_table_check(lab->table));
	apply(lab);
	assert_denies(lab);
	assert_true(lab_says(GOOD, "sctp"));
}

static void test_it_is_tried_again(void **state)
{
	struct lab *lab = *state;

	mend(lab);
	tell(lab);
	assert_whole(lab);
	for (int i = 0; i < 2; i++) {
		harm(lab);
		tell(lab);
		assert_denies(lab);
		mend(lab);
		tell(lab);
		assert_whole(lab);
	}
	/* It goes with all it had. */
	harm(lab);
	tell(lab);
	lab->update = (struct policy_update){.policies_gone = (const char *[]){"np/default/bad"},
					     .n_policies_gone = 1};
	tell(lab);
	assert_problem(lab, NULL);
	policy_table_invalidate(lab->table);
	apply(lab);
	assert_false(policy_table_changed(lab->table));
}

/* Both of the policies speak of a set that the kernel refuses. */
static void test_shared(void **state)
{
	struct lab *lab = *state;
	struct policy_problem *problems;

	harm(lab);
	lab->good.rules[0] = lab->bad.rules[0];
	tell(lab);
	assert_int_equal(policy_table_problems(lab->table, &problems), 2);
	free(problems);
	assert_true(lab_says(BAD, "drop"));
	assert_true(lab_says(GOOD, "drop"));
	lab->good.rules[0] = (struct compiled_rules){&lab->allow, 1};
	tell(lab);
	assert_denies(lab);
	assert_true(lab_says(GOOD, "accept"));
}

/* The kernel takes 4 KiB of one rule. */
static void test_rule_too_long(void **state)
{
	struct lab *lab = *state;
	struct policy_set_id ids[100];
	struct policy_problem *problems;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		(void)snprintf(ids[i].s, sizeof(ids[i].s), "n:%zu", i);
	mend(lab);
	lab->rules[1].destination.not_port_sets = ids;
	lab->rules[1].destination.n_not_port_sets = ARRAY_SIZE(ids);
	tell(lab);
	assert_int_equal(policy_table_problems(lab->table, &problems), 1);
	assert_string_equal(problems[0].key, "np/default/bad");
	assert_non_null(strstr(problems[0].why, "File too large"));
	free(problems);
	assert_true(lab_says(BAD, "drop"));
	assert_null(strstr(lab_output(BAD).s, "accept"));
	assert_true(lab_says(GOOD, "accept"));
	lab->rules[1].destination.n_not_port_sets = 0;
	tell(lab);
	assert_whole(lab);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_it_denies_and_all_else_goes_on, setup, teardown),
	cmocka_unit_test_setup_teardown(test_it_is_tried_again, setup, teardown),
	cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
	cmocka_unit_test_setup_teardown(test_rule_too_long, setup, teardown),
};

int main(void)
{
	lab_enter();
	if (!lab_run("nft 'add table ip probe; add table ip6 probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
