/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Updates written by hand, for the tests and the benchmark of the policy table. */

#include "nft/policy-table.h"

#define TEST_MAX 8

static inline struct cidr test_net(const char *text)
{
	struct cidr net;

	if (cidr_parse(text, &net, NULL) < 0)
		abort();
	return net;
}

static inline struct compiled_rule test_rule(enum policy_action action)
{
	return (struct compiled_rule){.action = action,
				      .protocol = POLICY_ANY,
				      .not_protocol = POLICY_ANY,
				      .icmp_type = POLICY_ANY,
				      .icmp_code = POLICY_ANY,
				      .not_icmp_type = POLICY_ANY,
				      .not_icmp_code = POLICY_ANY};
}
