/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Permanent neighbours and VXLAN forwarding entries, on the diff engine. Both are RTM_*NEIGH
 * messages; the families of a table differ in what the key is: an ARP/NDP entry is found by its
 * address, a forwarding entry by its MAC.
 */

#include "netlink/neigh.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/diff.h"
#include "netlink/nl-internal.h"

#define NEIGH_ATTRS (NDA_LLADDR + 1)

static const uint8_t neigh_policy[NEIGH_ATTRS] = {
	[NDA_DST] = NL_ATTR_ADDR,
	[NDA_LLADDR] = NL_ATTR_ANY,
};

struct neigh_sync {
	struct nl *nl;
	enum neigh_table table;
	uint8_t family; /* of the entries' addresses */
	int ifindex;
	struct diff *diff;
};

int neigh_from_message(const struct nlmsghdr *message, struct neigh_entry *ret)
{
	const struct nlattr *tb[NEIGH_ATTRS];
	struct neigh_entry entry = {0};
	struct ndmsg header;
	int r = nl_parse(message, sizeof(header), neigh_policy, NEIGH_ATTRS, tb);

	if (r < 0)
		return r;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	entry.ifindex = header.ndm_ifindex;
	entry.family = header.ndm_family;
	entry.state = header.ndm_state;
	entry.flags = header.ndm_flags;
	if (tb[NDA_DST])
		entry.neigh.addr = nl_attr_addr(tb[NDA_DST]);
	if (tb[NDA_LLADDR] && mnl_attr_get_payload_len(tb[NDA_LLADDR]) == MAC_SIZE)
		memcpy(entry.neigh.mac, mnl_attr_get_payload(tb[NDA_LLADDR]), MAC_SIZE);
	*ret = entry;
	return 0;
}

/* --- Requests ----------------------------------------------------------------------------- */

static struct ndmsg neigh_header(enum neigh_table table, uint8_t family, int ifindex)
{
	struct ndmsg header = {
		.ndm_family = family, .ndm_ifindex = ifindex, .ndm_state = NUD_PERMANENT};

	if (table == NEIGH_FDB) {
		header.ndm_family = AF_BRIDGE;
		header.ndm_state = NUD_PERMANENT | NUD_NOARP;
		header.ndm_flags = NTF_SELF;
	}
	return header;
}

static void put_neigh(struct nlmsghdr *message, const struct neigh *neigh)
{
	nl_put_addr(message, NDA_DST, &neigh->addr);
	mnl_attr_put(message, NDA_LLADDR, MAC_SIZE, neigh->mac);
}

static bool is_gone(int errnum)
{
	return errnum == ENOENT || errnum == ENODEV;
}

int neigh_replace(struct nl *nl, int ifindex, const struct neigh *neigh, struct err *err)
{
	struct ndmsg header = neigh_header(NEIGH_ARP, neigh->addr.family, ifindex);
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(
		&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	int r;

	put_neigh(message, neigh);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "set neighbour %s on interface %d",
					  ip_format(&neigh->addr).s, ifindex)
			     : 0;
}

int neigh_delete(struct nl *nl, int ifindex, const struct ip_addr *addr, struct err *err)
{
	struct ndmsg header = neigh_header(NEIGH_ARP, addr->family, ifindex);
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_DELNEIGH, 0, &header, sizeof(header));
	int r;

	nl_put_addr(message, NDA_DST, addr);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (!answer.errnum || is_gone(answer.errnum))
		return 0;
	return nl_refused(err, &answer, "delete neighbour %s on interface %d", ip_format(addr).s,
			  ifindex);
}

/* --- The diff engine's view --------------------------------------------------------------- */

static void arp_key(const void *item, void *ret_key)
{
	const struct neigh *neigh = item;

	memcpy(ret_key, neigh->addr.bytes, sizeof(neigh->addr.bytes));
}

static void fdb_key(const void *item, void *ret_key)
{
	const struct neigh *neigh = item;

	memcpy(ret_key, neigh->mac, MAC_SIZE);
}

static bool neigh_equal(const void *a, const void *b)
{
	const struct neigh *x = a;
	const struct neigh *y = b;

	return ip_equal(&x->addr, &y->addr) && memcmp(x->mac, y->mac, MAC_SIZE) == 0;
}

static bool neigh_owned(const void *item, void *ctx)
{
	(void)item; /* only permanent ones on our interface are read */
	(void)ctx;
	return true;
}

static void neigh_put(struct nl_batch *batch, const void *item, void *ctx)
{
	const struct neigh_sync *sync = ctx;
	struct ndmsg header = neigh_header(sync->table, sync->family, sync->ifindex);

	put_neigh(nl_batch_add(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header,
			       sizeof(header)),
		  item);
}

static void neigh_remove(struct nl_batch *batch, const void *item, void *ctx)
{
	const struct neigh_sync *sync = ctx;
	const struct neigh *neigh = item;
	struct ndmsg header = neigh_header(sync->table, sync->family, sync->ifindex);
	struct nlmsghdr *message = nl_batch_add(batch, RTM_DELNEIGH, 0, &header, sizeof(header));

	if (sync->table == NEIGH_FDB)
		mnl_attr_put(message, NDA_LLADDR, MAC_SIZE, neigh->mac);
	else
		nl_put_addr(message, NDA_DST, &neigh->addr);
}

struct neigh_read {
	struct neigh_sync *sync;
	struct neigh *v;
	size_t n;
};

static void neigh_read_restart(void *ctx)
{
	struct neigh_read *reading = ctx;

	free(reading->v);
	reading->v = NULL;
	reading->n = 0;
}

/* The all-zero MAC is the device's default destination, not an entry of a node. */
static bool entry_is_ours(const struct neigh_sync *sync, const struct neigh_entry *entry)
{
	static const uint8_t no_mac[MAC_SIZE];
	uint8_t family = sync->table == NEIGH_FDB ? AF_BRIDGE : sync->family;

	return entry->ifindex == sync->ifindex && entry->family == family &&
	       (entry->state & NUD_PERMANENT) && entry->neigh.addr.family == sync->family &&
	       memcmp(entry->neigh.mac, no_mac, MAC_SIZE) != 0;
}

static int neigh_read_message(const struct nlmsghdr *message, void *ctx)
{
	struct neigh_read *reading = ctx;
	struct neigh_entry entry;
	int r;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	r = neigh_from_message(message, &entry);
	if (r == 0 && entry_is_ours(reading->sync, &entry))
		*ARRAY_ADD(reading->v, reading->n) = entry.neigh;
	return r < 0 ? r : 0;
}

static int neigh_read(struct diff *diff, void *ctx, struct err *err)
{
	struct neigh_read reading = {.sync = ctx};
	struct nl_visitor visitor = {
		.restart = neigh_read_restart, .message = neigh_read_message, .ctx = &reading};
	_cleanup_free_ struct neigh *owner = NULL;
	uint8_t family = reading.sync->table == NEIGH_FDB ? AF_BRIDGE : reading.sync->family;
	struct ndmsg header = {.ndm_family = family};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header));
	int r;

	mnl_attr_put_u32(message, NDA_IFINDEX, (uint32_t)reading.sync->ifindex);
	r = nl_query(reading.sync->nl, message, &visitor, &answer, err);
	owner = reading.v;
	if (r < 0)
		return err_prefix(err, r, "list neighbours of interface %d", reading.sync->ifindex);
	if (answer.errnum && answer.errnum != ENODEV)
		return nl_refused(err, &answer, "list neighbours of interface %d",
				  reading.sync->ifindex);
	for (size_t i = 0; i < reading.n; i++)
		diff_seen(diff, &reading.v[i]);
	return 0;
}

static struct diff_text neigh_format(const void *item)
{
	const struct neigh *neigh = item;
	const uint8_t *mac = neigh->mac;
	struct diff_text text;

	(void)snprintf(text.s, sizeof(text.s), "neighbour %s at %02x:%02x:%02x:%02x:%02x:%02x",
		       ip_format(&neigh->addr).s, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

static const struct diff_ops neigh_ops[] = {
	[NEIGH_ARP] =
		{
			.item_size = sizeof(struct neigh),
			.key_size = 16,
			.key = arp_key,
			.equal = neigh_equal,
			.owned = neigh_owned,
			.put = neigh_put,
			.remove = neigh_remove,
			.is_gone = is_gone,
			.read = neigh_read,
			.format = neigh_format,
		},
	[NEIGH_FDB] =
		{
			.item_size = sizeof(struct neigh),
			.key_size = MAC_SIZE,
			.key = fdb_key,
			.equal = neigh_equal,
			.owned = neigh_owned,
			.put = neigh_put,
			.remove = neigh_remove,
			.is_gone = is_gone,
			.read = neigh_read,
			.format = neigh_format,
		},
};

struct neigh_sync *neigh_sync_new(struct nl *nl, enum neigh_table table, uint8_t family,
				  int ifindex)
{
	struct neigh_sync *sync = XNEW(struct neigh_sync);

	sync->nl = nl;
	sync->table = table;
	sync->family = family;
	sync->ifindex = ifindex;
	sync->diff = diff_new(&neigh_ops[table], sync);
	return sync;
}

struct neigh_sync *neigh_sync_free(struct neigh_sync *sync)
{
	if (!sync)
		return NULL;
	sync->diff = diff_free(sync->diff);
	free(sync);
	return NULL;
}

void neigh_sync_want(struct neigh_sync *sync, const struct neigh *neigh)
{
	assert(neigh->addr.family == sync->family);
	diff_want(sync->diff, neigh);
}

void neigh_sync_unwant(struct neigh_sync *sync, const struct neigh *neigh)
{
	uint8_t key[16] = {0};

	neigh_ops[sync->table].key(neigh, key);
	diff_unwant(sync->diff, key);
}

void neigh_sync_invalidate(struct neigh_sync *sync)
{
	diff_invalidate(sync->diff);
}

int neigh_sync_apply(struct neigh_sync *sync, bool sweep, struct err *err)
{
	int r = diff_apply(sync->diff, sync->nl, sweep, err);

	return r == DIFF_E_PENDING ? NEIGH_E_PENDING : r;
}

struct neigh_sync_stats neigh_sync_get_stats(const struct neigh_sync *sync)
{
	struct diff_stats stats = diff_get_stats(sync->diff);

	return (struct neigh_sync_stats){.n_desired = stats.n_wanted,
					 .n_replaced = stats.n_put,
					 .n_deleted = stats.n_removed};
}
