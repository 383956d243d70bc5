/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading the NAT table back from the kernel, and how it compares with what it should be. */

#include "nft/nat-rules.h"

struct nat_state {
	bool has_table;
	bool chain_right; /* the chain and each of its rules are as wanted */
	bool sets_right;
};
MUST_CHECK int nat_read(struct nl *nl, const struct nat_rules *wanted, struct nat_state *ret,
			struct err *err);
