/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Outgoing NAT by nftables: one own table per family ("calico" in ip and ip6), rendered and changed
 * by libnftnl in one transaction per change, never another owner's tables.
 *
 *	set network-ip-pools	all pools
 *	set masq-ipam-pools	pools with natOutgoing
 *	chain nat-cali-POSTROUTING (type nat hook postrouting priority 110):
 *	    saddr in masq-ipam-pools, daddr not in network-ip-pools -> masquerade
 *	    per tunnel device: oif that device, source not local to the device, source local
 *	    -> masquerade (section 6.3 of the facts)
 */

#include "netlink/nl.h"

struct nat_pool {
	struct cidr cidr;
	bool masquerade;
};

struct nat_config {
	struct nat_pool *pools; /* both families */
	size_t n_pools;
	const char *const *tunnel_devices; /* names of tunnel devices that have an address */
	size_t n_tunnel_devices;
};

struct nat;
MUST_CHECK int nat_open(int netns_fd, struct nat **ret, struct err *err);
struct nat *nat_close(struct nat *nat);
CLEANUP_FUNC(struct nat *, nat_close);

/*
 * Brings both tables to 'config' with one transaction each; no pool: no table. Reads back what is
 * there first when it does not know ('nat_invalidate()', or the first time), and does nothing if
 * that is right. NAT_E_CHANGED: it was not, and now is.
 */
enum nat_outcome { NAT_E_CHANGED = 1 };
MUST_CHECK int nat_apply(struct nat *nat, const struct nat_config *config, struct err *err);
void nat_invalidate(struct nat *nat);
/* Readable when the kernel announces a change of a ruleset; nat_check() then says if it was ours.
 */
int nat_fd(struct nat *nat);
/* Drains the announcements. True: our tables may have been changed by someone else. */
bool nat_check(struct nat *nat);
