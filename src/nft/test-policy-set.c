/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sets of prefixes that cover each other, changed at random: the kernel has those that none covers.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "netlink/test-lab.h"
#include "nft/policy-internal.h"
#include "nft/test-policy-table.h"

#define ROUNDS	    150
#define CHANGES_MAX 6

/* Few addresses and many lengths, so that most cover others. */
static struct policy_member random_member(unsigned int *seed)
{
	static const uint8_t lens[] = {0, 1, 8, 15, 16, 24, 30, 31, 32, 32, 32};
	uint32_t bits = (uint32_t)rand_r(seed);
	struct ip_addr addr = ip_from_u32(0x0a000000 | (bits & 0x10103) | (bits << 31));
	struct cidr net = cidr_host(&addr);

	net.len = lens[(unsigned int)rand_r(seed) % ARRAY_SIZE(lens)];
	return (struct policy_member){.net = cidr_masked(&net)};
}

static void assert_shown(const struct table_set *set)
{
	const struct table_net *net;
	const struct table_net *other;

	for (net = set->nets; net; net = net->hh.next) {
		bool covered = false;

		for (other = set->nets; other; other = other->hh.next)
			covered = covered || (other->net.len < net->net.len &&
					      cidr_covers(&other->net, &net->net));
		assert_int_equal(net->shown, !covered);
	}
}

static void test_cover(void **state)
{
	struct policy_table *table;
	struct policy_set set = {.id = {"s:nets"}, .type = POLICY_SET_TYPE_NET};
	struct policy_member members[2][CHANGES_MAX];
	unsigned int seed = 7;

	(void)state;
	assert_int_equal(policy_table_open(-1, &table, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct policy_set_change change = {
			.set = &set,
			.is_new = i == 0,
			.removed = members[0],
			.n_removed = i ? (size_t)rand_r(&seed) % CHANGES_MAX : 0,
			.added = members[1],
			.n_added = (size_t)rand_r(&seed) % CHANGES_MAX};
		struct policy_update update = {.sets = &change, .n_sets = 1};
		struct err err = ERR_INIT;
		const struct table_set *told;

		for (size_t k = 0; k < CHANGES_MAX; k++) {
			members[0][k] = random_member(&seed);
			members[1][k] = random_member(&seed);
		}
		policy_table_update(table, &update);
		if (policy_table_apply(table, &err) < 0)
			fail_msg("%s", err.msg);
		told = table_set_find(table, "s:nets");
		assert_shown(told);
		assert_false(nft_set_is_left_out(told->sets[0]));
		if (i % 10)
			continue;
		/* What the kernel has is just that. */
		policy_table_invalidate(table);
		assert_int_equal(policy_table_apply(table, &err), 0);
		assert_false(policy_table_changed(table));
	}
	policy_table_close(table);
}

/* A policy for a pod that speaks of both kinds of sets. */
static struct policy_update policy_of(const struct policy_set_id *ids)
{
	static struct compiled_rule rule;
	static struct compiled_policy policy;
	static const struct compiled_policy *policies[] = {&policy};
	static struct endpoint_tier tier = {
		.name = "default", .enforced = true, .policies = policies, .n_policies = 1};
	static struct cidr addr;
	static struct policy_endpoint endpoint;
	static const struct policy_endpoint *endpoints[] = {&endpoint};

	rule = test_rule(POLICY_ACTION_ALLOW);
	rule.protocol = 6;
	rule.source.sets = (struct policy_set_id *)ids;
	rule.source.n_sets = 1;
	rule.destination.port_sets = (struct policy_set_id *)ids + 1;
	rule.destination.n_port_sets = 1;
	policy = (struct compiled_policy){.key = (char *)"np/a/b",
					  .tier = (char *)"default",
					  .applies = {true, false},
					  .rules = {{&rule, 1}}};
	addr = test_net("10.65.0.2/32");
	endpoint = (struct policy_endpoint){
		.key = "wep/a/b", .interface = "calia", .addrs = &addr, .n_addrs = 1};
	endpoint.tiers[POLICY_STAGE_NORMAL][POLICY_WAY_INGRESS] = (struct endpoint_tiers){&tier, 1};
	return (struct policy_update){
		.policies = policies, .n_policies = 1, .endpoints = endpoints, .n_endpoints = 1};
}

/*
 * A set that is told as new has the members that are told, even if there was one and rules hold it.
 */
static void test_told_anew(void **state)
{
	static const struct policy_set_id ids[] = {{"s:nets"}, {"n:ports"}};
	struct policy_table *table;
	struct policy_set sets[] = {{.id = ids[0], .type = POLICY_SET_TYPE_NET},
				    {.id = ids[1], .type = POLICY_SET_TYPE_PORT}};
	struct policy_member members[] = {
		{.net = test_net("10.65.0.7/32")},
		{.net = test_net("10.65.0.7/32"), .protocol = 6, .port = 80}};
	struct policy_set_change changes[] = {
		{.set = &sets[0], .is_new = true, .added = &members[0], .n_added = 1},
		{.set = &sets[1], .is_new = true, .added = &members[1], .n_added = 1}};
	struct policy_update update = policy_of(ids);

	(void)state;
	assert_int_equal(policy_table_open(-1, &table, NULL), 0);
	update.sets = changes;
	update.n_sets = 2;
	policy_table_update(table, &update);
	assert_int_equal(policy_table_apply(table, NULL), 0);
	assert_true(lab_says("nft list table ip calico", "{ 10.65.0.7 }"));
	assert_true(lab_says("nft list table ip calico", "{ 10.65.0.7 . tcp . 80 }"));
	changes[0].n_added = changes[1].n_added = 0;
	update = (struct policy_update){.sets = changes, .n_sets = 2};
	policy_table_update(table, &update);
	assert_int_equal(policy_table_apply(table, NULL), 0);
	assert_null(strstr(lab_output("nft list table ip calico").s, "10.65.0.7"));
	policy_table_close(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cover),
					   cmocka_unit_test(test_told_anew)};

	lab_enter();
	if (!lab_run("nft 'add table ip probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
