/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Policy, anti-spoofing and NAT in iptables and IP sets: chains "cali-..." of the tables raw,
 * mangle, nat and filter of both families, sets "cali4..." and "cali6...". One transaction per
 * table, and only of what changes. The rules of others are not touched.
 */

#include "iptables/command.h"
#include "policy/policy-driver.h"

/* The programs of both families must be there. In the caller's network namespace. */
MUST_CHECK int policy_iptables_open(enum iptables_backend backend, struct policy_driver *ret,
				    struct err *err);
/*
 * Takes what the other backend's tables have of ours, which would judge too. 'driver' is one of
 * this module's, 'nftables': the kernel has them, else the other one's programs know nothing.
 */
MUST_CHECK int policy_iptables_remove_other(const struct policy_driver *driver, bool nftables,
					    struct err *err);
/* Are there sets of ours, or of Calico's? With policy in iptables, there are. */
MUST_CHECK int policy_iptables_has_sets(bool *ret, struct err *err);
/*
 * Takes all of ours out of the tables of every backend whose programs are installed, and the sets.
 * '*found': there were rules.
 */
MUST_CHECK int policy_iptables_remove(bool *found, struct err *err);
