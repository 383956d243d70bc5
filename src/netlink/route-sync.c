/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Routes on the diff engine. An item is a route in its normal form; its key is what the kernel
 * takes as a route's identity. Callers want and unwant by destination, so the key under which a
 * destination is wanted now is kept beside.
 */

#include "netlink/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/alloc.h"
#include "netlink/diff.h"
#include "netlink/nl-internal.h"

struct route_key {
	uint8_t family;
	uint8_t len;
	uint8_t bytes[16];
	uint16_t zero; /* no padding: keys are hashed and compared as bytes */
	uint32_t priority;
	uint32_t table;
};

struct dst_key {
	uint8_t family;
	uint8_t len;
	uint8_t bytes[16];
};

struct wanted_dst {
	struct dst_key dst;
	struct route_key key;
	int ifindex;
	UT_hash_handle hh;
};

struct route_sync {
	struct nl *nl;
	uint8_t family;
	bool (*owned)(const struct route *route, void *ctx);
	void *ctx;
	struct diff *diff;
	struct wanted_dst *wanted;
	uint32_t *tables; /* those that ever had a wanted route, main first */
	size_t n_tables;
};

static struct route_key key_of_route(const struct route *route)
{
	struct route_key key;

	memset(&key, 0, sizeof(key));
	key.family = route->dst.addr.family;
	key.len = route->dst.len;
	memcpy(key.bytes, route->dst.addr.bytes, sizeof(key.bytes));
	key.priority = route->priority;
	key.table = route->table;
	return key;
}

static struct dst_key key_of_dst(const struct cidr *dst)
{
	struct cidr masked = cidr_masked(dst);
	struct dst_key key;

	memset(&key, 0, sizeof(key));
	key.family = masked.addr.family;
	key.len = masked.len;
	memcpy(key.bytes, masked.addr.bytes, sizeof(key.bytes));
	return key;
}

static void ops_key(const void *item, void *ret_key)
{
	struct route_key key = key_of_route(item);

	memcpy(ret_key, &key, sizeof(key));
}

static bool ops_equal(const void *a, const void *b)
{
	return route_equal(a, b);
}

static bool ops_owned(const void *item, void *ctx)
{
	struct route_sync *sync = ctx;

	return sync->owned(item, sync->ctx);
}

static void ops_put(struct nl_batch *batch, const void *item, void *ctx)
{
	(void)ctx;
	route_batch_replace(batch, item);
}

static void ops_remove(struct nl_batch *batch, const void *item, void *ctx)
{
	(void)ctx;
	route_batch_delete(batch, item);
}

static bool ops_is_gone(int errnum)
{
	return errnum == ESRCH || errnum == ENODEV;
}

static int ops_read(struct diff *diff, void *ctx, struct err *err)
{
	struct route_sync *sync = ctx;

	for (size_t i = 0; i < sync->n_tables; i++) {
		_cleanup_(route_list_deinit) struct route_list list = {0};
		int r = route_dump(sync->nl, sync->family, sync->tables[i], &list, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < list.n; k++)
			diff_seen(diff, &list.v[k]);
	}
	return 0;
}

static struct diff_text ops_format(const void *item)
{
	struct route_str str = route_format(item);
	struct diff_text text = {"route "};

	static_assert(sizeof(text.s) >= sizeof(str.s) + 6, "a route's text must fit");
	memcpy(text.s + 6, str.s, sizeof(str.s));
	return text;
}

static const struct diff_ops route_ops = {
	.item_size = sizeof(struct route),
	.key_size = sizeof(struct route_key),
	.key = ops_key,
	.equal = ops_equal,
	.owned = ops_owned,
	.put = ops_put,
	.remove = ops_remove,
	.is_gone = ops_is_gone,
	.read = ops_read,
	.format = ops_format,
};

static void add_table(struct route_sync *sync, uint32_t table)
{
	for (size_t i = 0; i < sync->n_tables; i++)
		if (sync->tables[i] == table)
			return;
	*ARRAY_ADD(sync->tables, sync->n_tables) = table;
	diff_invalidate(sync->diff); /* nobody has read that table yet */
}

struct route_sync *route_sync_new(struct nl *nl, uint8_t family,
				  bool (*owned)(const struct route *route, void *ctx), void *ctx)
{
	struct route_sync *sync = XNEW(struct route_sync);

	sync->nl = nl;
	sync->family = family;
	sync->owned = owned;
	sync->ctx = ctx;
	sync->diff = diff_new(&route_ops, sync);
	add_table(sync, RT_TABLE_MAIN);
	return sync;
}

static void forget_wanted(struct route_sync *sync, struct wanted_dst *wanted)
{
	HASH_DEL(sync->wanted, wanted);
	free(wanted);
}

struct route_sync *route_sync_free(struct route_sync *sync)
{
	struct wanted_dst *wanted;
	struct wanted_dst *next;

	if (!sync)
		return NULL;
	HASH_ITER(hh, sync->wanted, wanted, next)
	forget_wanted(sync, wanted);
	sync->diff = diff_free(sync->diff);
	free(sync->tables);
	free(sync);
	return NULL;
}

static struct wanted_dst *find_wanted(struct route_sync *sync, const struct dst_key *dst)
{
	struct wanted_dst *wanted = NULL;

	HASH_FIND(hh, sync->wanted, dst, sizeof(*dst), wanted);
	return wanted;
}

void route_sync_want(struct route_sync *sync, const struct route *route)
{
	struct route normal = route_normal(route);
	struct route_key key = key_of_route(&normal);
	struct dst_key dst = key_of_dst(&normal.dst);
	struct wanted_dst *wanted = find_wanted(sync, &dst);

	assert(normal.dst.addr.family == sync->family && normal.type != ROUTE_OTHER);
	add_table(sync, normal.table);
	if (!wanted) {
		wanted = XNEW(struct wanted_dst);
		wanted->dst = dst;
		HASH_ADD(hh, sync->wanted, dst, sizeof(wanted->dst), wanted);
	} else if (memcmp(&wanted->key, &key, sizeof(key)) != 0) {
		diff_unwant(sync->diff, &wanted->key);
	}
	memcpy(&wanted->key, &key, sizeof(key));
	wanted->ifindex = normal.ifindex;
	diff_want(sync->diff, &normal);
}

void route_sync_unwant(struct route_sync *sync, const struct cidr *dst)
{
	struct dst_key key = key_of_dst(dst);
	struct wanted_dst *wanted = find_wanted(sync, &key);

	if (!wanted)
		return;
	diff_unwant(sync->diff, &wanted->key);
	forget_wanted(sync, wanted);
}

void route_sync_unwant_link(struct route_sync *sync, const struct cidr *dst, int ifindex)
{
	struct dst_key key = key_of_dst(dst);
	const struct wanted_dst *wanted = find_wanted(sync, &key);

	if (wanted && wanted->ifindex == ifindex)
		route_sync_unwant(sync, dst);
}

void route_sync_invalidate(struct route_sync *sync)
{
	diff_invalidate(sync->diff);
}

static bool on_link(const void *item, const void *arg)
{
	const struct route *route = item;
	const int *ifindex = arg;

	return route->ifindex == *ifindex;
}

void route_sync_forget_link(struct route_sync *sync, int ifindex)
{
	diff_forget(sync->diff, on_link, &ifindex);
}

bool route_sync_note(struct route_sync *sync, const struct route *route, bool deleted)
{
	struct route normal = route_normal(route);

	if (normal.dst.addr.family != sync->family)
		return false;
	for (size_t i = 0; i < sync->n_tables; i++)
		if (sync->tables[i] == normal.table)
			return diff_note(sync->diff, &normal, deleted);
	return false;
}

int route_sync_apply(struct route_sync *sync, bool sweep, struct err *err)
{
	int r = diff_apply(sync->diff, sync->nl, sweep, err);

	return r == DIFF_E_PENDING ? ROUTE_E_PENDING : r;
}

void route_sync_get_stats(const struct route_sync *sync, struct route_sync_stats *ret)
{
	struct diff_stats stats = diff_get_stats(sync->diff);

	*ret = (struct route_sync_stats){.n_desired = stats.n_wanted,
					 .n_replaced = stats.n_put,
					 .n_deleted = stats.n_removed};
}
