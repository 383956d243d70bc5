/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/flow-packet.h"
#include "base/macros.h"

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		struct flow_hit hit;
	} cases[] = {
		{"API0|np/shop/db",
		 {FLOW_ALLOW, FLOW_BY_RULE, POLICY_WAY_INGRESS, 0, "np/shop/db"}},
		{"DPE12|gnp/all", {FLOW_DENY, FLOW_BY_RULE, POLICY_WAY_EGRESS, 12, "gnp/all"}},
		{"PPE1|gnp/a|b", {FLOW_PASS, FLOW_BY_RULE, POLICY_WAY_EGRESS, 1, "gnp/a|b"}},
		{"ARE0|pro/kns.x", {FLOW_ALLOW, FLOW_BY_RULE, POLICY_WAY_EGRESS, 0, "pro/kns.x"}},
		{"DTI|default", {FLOW_DENY, FLOW_BY_TIER_END, POLICY_WAY_INGRESS, 0, "default"}},
		{"DRE|no-profile",
		 {FLOW_DENY, FLOW_BY_NO_PROFILE, POLICY_WAY_EGRESS, 0, "no-profile"}},
		{"DPI|np/a/b", {FLOW_DENY, FLOW_BY_UNKNOWN, POLICY_WAY_INGRESS, 0, "np/a/b"}},
	};
	static const char *const bad[] = {
		"",	  "A",	     "AP", "API",  "API0",     "XPI0|x",	  "AXI0|x",
		"APX0|x", "API0x|y", "|x", "AP|x", "calico: ", "API99999999999|x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_hit hit;

		assert_int_equal(flow_hit_parse(cases[i].prefix, &hit), 0);
		assert_int_equal(hit.action, cases[i].hit.action);
		assert_int_equal(hit.by, cases[i].hit.by);
		assert_int_equal(hit.way, cases[i].hit.way);
		assert_int_equal(hit.rule, cases[i].hit.rule);
		assert_string_equal(hit.id, cases[i].hit.id);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(flow_hit_parse(bad[i], &(struct flow_hit){0}) < 0);
}

static uint8_t ip4[] = {0x45, 0, 0, 40, 0,  0, 0, 0, 64,   6,	 0,    0,
			10,   1, 0, 5,	10, 2, 0, 7, 0x9c, 0x40, 0x15, 0x38};
/* A hop-by-hop header before UDP. */
static uint8_t ip6[] = {0x60, 0, 0, 0, 0,  16, 0,    64, 0xfd, 0, 0, 0, 0,    0,    0, 0, 0, 0,
			0,    0, 0, 0, 0,  1,  0xfd, 0,	 0,    0, 0, 0, 0,    0,    0, 0, 0, 0,
			0,    0, 0, 2, 17, 0,  0,    0,	 0,    0, 0, 0, 0x9c, 0x40, 0, 53};

static void test_headers(void **state)
{
	struct flow_tuple tuple;

	(void)state;
	assert_int_equal(flow_tuple_parse(ip4, sizeof(ip4), &tuple), 0);
	assert_string_equal(ip_format(&tuple.source).s, "10.1.0.5");
	assert_string_equal(ip_format(&tuple.destination).s, "10.2.0.7");
	assert_int_equal(tuple.protocol, 6);
	assert_int_equal(tuple.port, 5432);
	assert_int_equal(flow_tuple_parse(ip6, sizeof(ip6), &tuple), 0);
	assert_string_equal(ip_format(&tuple.source).s, "fd00::1");
	assert_int_equal(tuple.protocol, 17);
	assert_int_equal(tuple.port, 53);
}

static void test_parts_of_packets(void **state)
{
	uint8_t later[sizeof(ip4)];
	struct flow_tuple tuple;

	(void)state;
	memcpy(later, ip4, sizeof(later));
	later[7] = 1; /* not the first fragment: these bytes are no ports */
	assert_int_equal(flow_tuple_parse(later, sizeof(later), &tuple), 0);
	assert_int_equal(tuple.port, 0);
	assert_int_equal(flow_tuple_parse(ip4, 20, &tuple), 0);
	assert_int_equal(tuple.port, 0);
	for (size_t n = 0; n < 20; n++)
		assert_true(flow_tuple_parse(ip4, n, &tuple) < 0);
	for (size_t n = 0; n < 40; n++)
		assert_true(flow_tuple_parse(ip6, n, &tuple) < 0);
	assert_int_equal(flow_tuple_parse(ip6, 44, &tuple), 0);
	assert_int_equal(tuple.port, 0);
	later[0] = 0x44; /* a header that is too short */
	assert_true(flow_tuple_parse(later, sizeof(later), &tuple) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_parts_of_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
