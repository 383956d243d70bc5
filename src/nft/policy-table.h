/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Policy, anti-spoofing and NAT in nftables: the table "calico" of the families ip and ip6, ours
 * alone. One netlink transaction per change and family; no packet sees a state between.
 */

#include "netlink/nl.h"
#include "policy/policy-driver.h"

struct policy_table;
MUST_CHECK int policy_table_open(int netns_fd, struct policy_table **ret, struct err *err);
/* What is in the kernel stays there. */
struct policy_table *policy_table_close(struct policy_table *table);
CLEANUP_FUNC(struct policy_table *, policy_table_close);

/*
 * What is to be enforced from now on: copied, and sent with the next apply. A table that was never
 * told anything enforces nothing and leaves the kernel's alone.
 */
void policy_table_update(struct policy_table *table, const struct policy_update *update);
void policy_table_configure(struct policy_table *table, const struct policy_config *config);

/*
 * Outgoing NAT, independent of policy: what leaves the pools is masqueraded, and so is the node's
 * own traffic into a tunnel with an address of another device.
 */
void policy_table_nat(struct policy_table *table, const struct nat_config *config);

/* As policy_driver_ops's offload. */
MUST_CHECK int policy_table_offload(struct policy_table *table, const char *const *devices,
				    size_t n, size_t *ret, struct err *err);

/*
 * Brings the kernel to what was told. The first time, and after policy_table_invalidate(), it
 * reads back what is there and sends the difference; an allowed or denied flow sees no gap.
 * 0: the kernel has it all. <0: the kernel has what it had before; 'err' says what it refused.
 */
MUST_CHECK int policy_table_apply(struct policy_table *table, struct err *err);
/* Did the last apply change the kernel's? */
bool policy_table_changed(const struct policy_table *table);
/* Policies of which the kernel refuses something, and which deny; as policy_driver_ops's. */
size_t policy_table_problems(const struct policy_table *table, struct policy_problem **ret);
/* What was refused is tried again, too. */
void policy_table_invalidate(struct policy_table *table);

/*
 * Addresses whose pods are gone since the last call: their connections are to be ended, which the
 * table leaves to the caller as it takes time. free() *ret.
 */
size_t policy_table_take_gone(struct policy_table *table, struct ip_addr **ret);

/* As policy_driver_ops's take_cut, judge and judge_staged. */
bool policy_table_take_cut(struct policy_table *table);
void policy_table_judge(const struct policy_table *table, const struct packet *packets, size_t n,
			bool *denied);
void policy_table_judge_staged(const struct policy_table *table, struct judge_staged *asked,
			       size_t n, bool (*has)(const void *ctx, const char *key),
			       const void *ctx);

/* Readable when the kernel announces a change of a ruleset. */
int policy_table_fd(const struct policy_table *table);
/* Drains the announcements. True: ours may have been changed by someone else: invalidated. */
bool policy_table_check(struct policy_table *table);

/* The table as a driver, which closes it. */
struct policy_driver policy_table_driver(struct policy_table *table);
