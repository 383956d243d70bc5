/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What carries policy, anti-spoofing and NAT into the kernel: nftables (nft/policy-table.h) or
 * iptables (iptables/policy-iptables.h), by the same contract. The agent knows this alone.
 */

#include "policy/policy-update.h"

struct judge_staged;
struct packet;

struct nat_pool {
	struct cidr cidr;
	bool masquerade;
};

struct nat_config {
	struct nat_pool *pools; /* both families; none of a family: no NAT in it */
	size_t n_pools;
	const char *const *tunnel_devices; /* names of tunnel devices that have an address */
	size_t n_tunnel_devices;
	uint16_t vxlan_port; /* no masqueraded source port; 0: no VXLAN on this node */
	uint16_t first_port; /* source ports of TCP and UDP out of pools; 0: any */
	uint16_t last_port;
};

struct policy_driver_ops {
	const char *name; /* "nftables" */
	bool is_iptables; /* whose parameters of FelixConfiguration count */
	/* What is in the kernel stays there. */
	void (*close)(void *self);
	/*
	 * What is to be enforced from now on: copied, and sent with the next apply. A driver that
	 * was never told anything enforces nothing and leaves the kernel's alone.
	 */
	void (*update)(void *self, const struct policy_update *update);
	void (*configure)(void *self, const struct policy_config *config);
	/*
	 * Outgoing NAT, independent of policy: what leaves the pools is masqueraded, and so is the
	 * node's own traffic into a tunnel with an address of another device.
	 */
	void (*nat)(void *self, const struct nat_config *config);
	/*
	 * The devices between which connections take the kernel's flow table, once it was
	 * configured to: brings it to hold these and no others, those of them that there are.
	 * *ret: how many it holds. -EOPNOTSUPP: there is none, and 'err' says what to do;
	 * policy is in force all the same. Call it again when the table may have been made anew.
	 */
	int (*offload)(void *self, const char *const *devices, size_t n, size_t *ret,
		       struct err *err);
	/*
	 * Brings the kernel to what was told. The first time, and after invalidate(), it reads back
	 * what is there and sends the difference. 0: the kernel has it all. <0: the kernel has what
	 * it had before; 'err' says what it refused.
	 */
	int (*apply)(void *self, struct err *err);
	/* Did the last apply change the kernel's? */
	bool (*changed)(const void *self);
	/*
	 * Policies of which the kernel refused something, and which deny instead: nothing else is
	 * kept out by them. Tried again when they change, and after invalidate(). Borrowed until
	 * the driver is called again; free() *ret.
	 */
	size_t (*problems)(const void *self, struct policy_problem **ret);
	void (*invalidate)(void *self);
	/*
	 * Addresses whose pods are gone since the last call: their connections are to be ended,
	 * which is left to the caller as it takes time. free() *ret.
	 */
	size_t (*take_gone)(void *self, struct ip_addr **ret);
	/*
	 * Are connections there are to be judged anew? Either they may be older than a policy that
	 * denies them, and that is to end them; or there was a time without rules, of ours or any.
	 * Said once, after an apply.
	 */
	bool (*take_cut)(void *self);
	/* Would what was told let this packet begin a connection of a pod here? */
	void (*judge)(const void *self, const struct packet *packets, size_t n, bool *denied);
	/* What ends of connections would say with staged policies enforced; see policy-judge.h. */
	void (*judge_staged)(const void *self, struct judge_staged *asked, size_t n,
			     bool (*has)(const void *ctx, const char *key), const void *ctx);
	/* Readable when the kernel announces a change. -1: it announces none. */
	int (*fd)(const void *self);
	/*
	 * Drains the announcements; without any, looks. True: ours may have been changed by someone
	 * else.
	 */
	bool (*check)(void *self);
};

struct policy_driver {
	const struct policy_driver_ops *ops; /* NULL: closed */
	void *self;
};

static inline struct policy_driver policy_driver_close(struct policy_driver driver)
{
	if (driver.ops)
		driver.ops->close(driver.self);
	return (struct policy_driver){.ops = NULL};
}
