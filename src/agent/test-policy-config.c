/* SPDX-License-Identifier: Apache-2.0 */

/* What is read of FelixConfiguration and BGPConfiguration for the dataplane. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/policy-config.h"
#include "base/alloc.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"

/* With one variable of the environment. */
static struct felix_configuration *resolved(const char *variable)
{
	char *const env[] = {(char *)(uintptr_t)variable, NULL};
	struct felix_configuration *felix = NULL;
	struct err err = ERR_INIT;

	if (felix_config_resolve(NULL, NULL, env, &felix, &err) < 0)
		fail_msg("%s", err.msg);
	return felix;
}

static void test_log_limit(void **state)
{
	static const struct {
		const char *variable;
		struct policy_log_limit expected;
	} cases[] = {
		{NULL, {.rate = 0, .burst = 5}},
		{"FELIX_LOGACTIONRATELIMIT=10/second", {10, 1, 5}},
		{"FELIX_LOGACTIONRATELIMIT=9999/minute", {9999, 60, 5}},
		{"FELIX_LOGACTIONRATELIMIT=1/hour", {1, 3600, 5}},
		{"FELIX_LOGACTIONRATELIMIT=1/day", {1, 86400, 5}},
		{"FELIX_LOGACTIONRATELIMITBURST=9", {.rate = 0, .burst = 9}},
		{"FELIX_LOGACTIONRATELIMITBURST=0", {.rate = 0, .burst = 5}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(policy_config_deinitp) struct policy_config_buffer buffer = {0};
		struct felix_configuration *felix = resolved(cases[i].variable);

		policy_config_from_felix(&felix->spec, false, false, false, &buffer);
		assert_int_equal(buffer.config.log_limit.rate, cases[i].expected.rate);
		assert_int_equal(buffer.config.log_limit.seconds, cases[i].expected.seconds);
		assert_int_equal(buffer.config.log_limit.burst, cases[i].expected.burst);
		(void)model_free(OBJECT(felix));
	}
}

/* Each dataplane has a parameter of its own. */
static void test_allow_actions(void **state)
{
	static const struct {
		const char *variable;
		bool filter[2]; /* of nftables, of iptables */
		bool mangle[2];
	} cases[] = {
		{NULL, {false, false}, {false, false}},
		{"FELIX_IPTABLESFILTERALLOWACTION=RETURN", {false, true}, {false, false}},
		{"FELIX_IPTABLESMANGLEALLOWACTION=RETURN", {false, false}, {false, true}},
		{"FELIX_NFTABLESFILTERALLOWACTION=RETURN", {true, false}, {false, false}},
		{"FELIX_NFTABLESMANGLEALLOWACTION=RETURN", {false, false}, {true, false}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		_cleanup_(policy_config_deinitp) struct policy_config_buffer buffer = {0};
		struct felix_configuration *felix = resolved(cases[i / 2].variable);

		policy_config_from_felix(&felix->spec, false, false, i % 2, &buffer);
		assert_int_equal(buffer.config.filter_return, cases[i / 2].filter[i % 2]);
		assert_int_equal(buffer.config.mangle_return, cases[i / 2].mangle[i % 2]);
		(void)model_free(OBJECT(felix));
	}
}

static void test_services(void **state)
{
	static struct cidr_item cluster[] = {{(char *)"10.96.0.0/12"}, {(char *)"fd96::/112"}};
	static struct cidr_item external[] = {{(char *)"10.97.0.0/16"}, {NULL}, {(char *)"none"}};
	static struct cidr_item balancers[] = {{(char *)"192.0.2.7"}, {(char *)"10.96.0.0/12"}};
	static const char *const expected[] = {"10.96.0.0/12", "192.0.2.7/32", "fd96::/112"};
	struct bgp_configuration_spec bgp = {
		.service_cluster_ips = {.v = cluster, .n = ARRAY_SIZE(cluster)},
		.service_external_ips = {.v = external, .n = ARRAY_SIZE(external)},
		.service_load_balancer_ips = {.v = balancers, .n = ARRAY_SIZE(balancers)},
	};
	static const char *const choices[] = {NULL, "FELIX_SERVICELOOPPREVENTION=Reject",
					      "FELIX_SERVICELOOPPREVENTION=Disabled"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		_cleanup_(policy_config_deinitp) struct policy_config_buffer buffer = {0};
		struct felix_configuration *felix = resolved(choices[i]);
		struct policy_config *config = &buffer.config;

		policy_config_from_felix(&felix->spec, false, false, false, &buffer);
		policy_config_add_services(&felix->spec, &bgp, &buffer);
		assert_int_equal(config->n_service_nets, i == 2 ? 0 : ARRAY_SIZE(expected));
		for (size_t k = 0; k < config->n_service_nets; k++)
			assert_string_equal(cidr_format(&config->service_nets[k]).s, expected[k]);
		assert_int_equal(config->reject_services, i == 1);
		(void)model_free(OBJECT(felix));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_limit),
		cmocka_unit_test(test_allow_actions),
		cmocka_unit_test(test_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
