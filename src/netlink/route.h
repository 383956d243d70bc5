/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Routes: what we want, what the kernel has, and the difference. Both families.
 *
 * Ownership: only routes that 'owned' says are ours are ever removed or counted as drift. A route
 * is identified by (destination, metric, table).
 */

#include "netlink/nl.h"

enum route_type {
	ROUTE_UNICAST,
	ROUTE_BLACKHOLE,
	ROUTE_THROW,
	ROUTE_OTHER, /* only read: unreachable, prohibit, local, broadcast... */
};

struct route {
	struct cidr dst; /* masked */
	enum route_type type;
	uint32_t table;		/* 0: main (254) */
	uint32_t priority;	/* metric; 0: the kernel's default for the family */
	uint8_t protocol;	/* RTPROT_*; 80 is ours (Calico's) */
	uint8_t scope;		/* RT_SCOPE_*, IPv4 */
	int ifindex;		/* 0: none */
	struct ip_addr gateway; /* family 0: none */
	struct ip_addr src;	/* preferred source; family 0: none */
	bool onlink;
	uint32_t mtu; /* 0: none */
};

/* As the kernel sees it: defaults (table, metric, protocol) count as what they stand for. */
bool route_equal(const struct route *a, const struct route *b);

/* One change, acknowledged. Replace: creates or overwrites. Delete of what is not there is 0. */
MUST_CHECK int route_replace(struct nl *nl, const struct route *route, struct err *err);
MUST_CHECK int route_delete(struct nl *nl, const struct route *route, struct err *err);

struct route_list {
	struct route *v;
	size_t n;
};
void route_list_deinit(struct route_list *list);
/* All routes of the family in that table (0: main), by a strict dump the kernel filters. */
MUST_CHECK int route_dump(struct nl *nl, uint8_t family, uint32_t table, struct route_list *ret,
			  struct err *err);

/* --- Keeping the kernel at what is wanted ------------------------------------------------- */

struct route_sync; /* desired routes, and what the kernel is believed to hold */

struct route_sync_stats {
	size_t n_desired;
	size_t n_replaced; /* by the last apply */
	size_t n_deleted;
};

/* 'owned' decides from a kernel route whether it may be ours ('ctx' passed through). */
struct route_sync *route_sync_new(struct nl *nl, uint8_t family,
				  bool (*owned)(const struct route *route, void *ctx), void *ctx);
struct route_sync *route_sync_free(struct route_sync *sync);
CLEANUP_FUNC(struct route_sync *, route_sync_free);

/* Desired state, by destination. Effects come with route_sync_apply(). */
void route_sync_want(struct route_sync *sync, const struct route *route);
void route_sync_unwant(struct route_sync *sync, const struct cidr *dst);
/* Only if it is wanted on that interface: another may have taken the destination over. */
void route_sync_unwant_link(struct route_sync *sync, const struct cidr *dst, int ifindex);

/* Marks what the kernel is believed to hold as unknown: the next apply reads it back. */
void route_sync_invalidate(struct route_sync *sync);

/*
 * The same for the routes on one interface only. To be called when it went down or away: IPv4
 * routes vanish with their interface without an announcement of their own.
 */
void route_sync_forget_link(struct route_sync *sync, int ifindex);

/*
 * A route message from the kernel's monitor: notes drift. True: apply has something to do.
 */
bool route_sync_note(struct route_sync *sync, const struct route *route, bool deleted);

/*
 * Brings the kernel to the desired state with one batch. 'sweep': also removes owned routes that
 * nobody wants; false until the agent is in sync, so a start removes nothing. A route that fails
 * (its device is not there yet) stays pending and is retried at the next apply; the rest is done.
 * 0: all done. ROUTE_E_PENDING: some stay pending, 'err' names the first. <0: the socket failed.
 */
enum route_sync_outcome { ROUTE_E_PENDING = 1 };
MUST_CHECK int route_sync_apply(struct route_sync *sync, bool sweep, struct err *err);
void route_sync_get_stats(const struct route_sync *sync, struct route_sync_stats *ret);
