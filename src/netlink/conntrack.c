/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connection tracking entries of an address. The kernel filters the dump (CTA_FILTER, Linux 5.8),
 * so that a table of a million entries is walked but not copied; what it lists is deleted by tuple
 * and id, so an entry that took its place meanwhile stays.
 */

#include "netlink/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CT_ATTRS     (CTA_ZONE + 1)
#define CT_TUPLE_MAX 512
#define CT_TYPE(msg) ((NFNL_SUBSYS_CTNETLINK << 8) | (msg))
/* Which parts of a tuple a filter compares; the kernel's bits, not in its headers. */
#define FILTER_IP_SRC (1u << 0)
#define FILTER_IP_DST (1u << 1)

static const uint8_t ct_policy[CT_ATTRS] = {
	[CTA_TUPLE_ORIG] = NL_ATTR_NESTED,
	[CTA_TUPLE_REPLY] = NL_ATTR_NESTED,
	[CTA_ID] = NL_ATTR_U32,
	[CTA_ZONE] = NL_ATTR_U16,
};

struct filter {
	uint16_t tuple;	  /* CTA_TUPLE_* that holds the address */
	uint16_t filter;  /* CTA_FILTER_*_FLAGS */
	uint16_t attr_v4; /* CTA_IP_* */
	uint16_t attr_v6;
	uint32_t flags;
};

static const struct filter filters[] = {
	{CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS, CTA_IP_V4_SRC, CTA_IP_V6_SRC, FILTER_IP_SRC},
	{CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS, CTA_IP_V4_DST, CTA_IP_V6_DST, FILTER_IP_DST},
	{CTA_TUPLE_REPLY, CTA_FILTER_REPLY_FLAGS, CTA_IP_V4_SRC, CTA_IP_V6_SRC, FILTER_IP_SRC},
};

struct flush {
	uint8_t family;
	struct nl_batch *batch;
};

static void flush_restart(void *ctx)
{
	struct flush *flush = ctx;

	nl_batch_free(flush->batch);
	flush->batch = nl_batch_new();
}

static void copy_attr(struct nlmsghdr *message, uint16_t type, const struct nlattr *attr)
{
	if (attr)
		mnl_attr_put(message, type, mnl_attr_get_payload_len(attr),
			     mnl_attr_get_payload(attr));
}

static void add_delete(struct nl_batch *batch, uint8_t family, const struct nlattr *const *tb)
{
	struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
	struct nlmsghdr *request;

	if (!tb[CTA_TUPLE_ORIG] || mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]) > CT_TUPLE_MAX)
		return;
	request = nl_batch_add(batch, CT_TYPE(IPCTNL_MSG_CT_DELETE), 0, &header, sizeof(header));
	copy_attr(request, CTA_TUPLE_ORIG | NLA_F_NESTED, tb[CTA_TUPLE_ORIG]);
	if (tb[CTA_ID])
		mnl_attr_put_u32(request, CTA_ID, mnl_attr_get_u32(tb[CTA_ID]));
	if (tb[CTA_ZONE])
		mnl_attr_put_u16(request, CTA_ZONE, mnl_attr_get_u16(tb[CTA_ZONE]));
}

/* Turns each listed entry into the request that deletes it. */
static int flush_message(const struct nlmsghdr *message, void *ctx)
{
	struct flush *flush = ctx;
	const struct nlattr *tb[CT_ATTRS];
	int r = nl_parse(message, sizeof(struct nfgenmsg), ct_policy, CT_ATTRS, tb);

	if (r < 0)
		return r;
	add_delete(flush->batch, flush->family, tb);
	return 0;
}

static void put_filter(struct nlmsghdr *message, const struct filter *filter,
		       const struct ip_addr *addr)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, filter->tuple);
	struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	struct nlattr *nest;

	nl_put_addr(message, addr->family == AF_INET ? filter->attr_v4 : filter->attr_v6, addr);
	mnl_attr_nest_end(message, ip);
	mnl_attr_nest_end(message, tuple);
	nest = mnl_attr_nest_start(message, CTA_FILTER);
	mnl_attr_put_u32(message, filter->filter, filter->flags);
	mnl_attr_nest_end(message, nest);
}

static int flush_filter(struct nl *nl, const struct filter *filter, const struct ip_addr *addr,
			struct flush *flush, struct err *err)
{
	struct nl_visitor visitor = {
		.restart = flush_restart, .message = flush_message, .ctx = flush};
	struct nfgenmsg header = {.nfgen_family = addr->family, .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, CT_TYPE(IPCTNL_MSG_CT_GET), NLM_F_DUMP,
						   &header, sizeof(header));
	int r;

	put_filter(message, filter, addr);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return r;
	if (answer.errnum)
		return nl_refused(err, &answer, "list connections of %s", ip_format(addr).s);
	return nl_batch_send(nl, flush->batch, err);
}

int conntrack_flush_addr(struct nl *netfilter, const struct ip_addr *addr, size_t *ret_n,
			 struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct flush flush = {.family = addr->family};
		int r = flush_filter(netfilter, &filters[i], addr, &flush, err);

		/* An entry may be gone by itself; that is as well. */
		for (size_t k = 0; r == 0 && k < nl_batch_size(flush.batch); k++)
			n += nl_batch_errnum(flush.batch, k) == 0;
		nl_batch_free(flush.batch);
		if (r < 0)
			return err_prefix(err, r, "flush connections of %s", ip_format(addr).s);
	}
	*ret_n = n;
	return 0;
}

/* --- Cutting ------------------------------------------------------------------------------ */

#define TUPLE_ATTRS (CTA_TUPLE_PROTO + 1)
#define IP_ATTRS    (CTA_IP_V6_DST + 1)
#define PROTO_ATTRS (CTA_PROTO_ICMPV6_CODE + 1)

static const uint8_t tuple_policy[TUPLE_ATTRS] = {
	[CTA_TUPLE_IP] = NL_ATTR_NESTED,
	[CTA_TUPLE_PROTO] = NL_ATTR_NESTED,
};
static const uint8_t ip_policy[IP_ATTRS] = {
	[CTA_IP_V4_SRC] = NL_ATTR_ADDR,
	[CTA_IP_V4_DST] = NL_ATTR_ADDR,
	[CTA_IP_V6_SRC] = NL_ATTR_ADDR,
	[CTA_IP_V6_DST] = NL_ATTR_ADDR,
};
static const uint8_t proto_policy[PROTO_ATTRS] = {
	[CTA_PROTO_NUM] = NL_ATTR_U8,	      [CTA_PROTO_SRC_PORT] = NL_ATTR_U16,
	[CTA_PROTO_DST_PORT] = NL_ATTR_U16,   [CTA_PROTO_ICMP_TYPE] = NL_ATTR_U8,
	[CTA_PROTO_ICMP_CODE] = NL_ATTR_U8,   [CTA_PROTO_ICMPV6_TYPE] = NL_ATTR_U8,
	[CTA_PROTO_ICMPV6_CODE] = NL_ATTR_U8,
};

struct tuple {
	const struct nlattr *ip[IP_ATTRS];
	const struct nlattr *proto[PROTO_ATTRS];
};

static int read_tuple(const struct nlattr *attr, struct tuple *ret)
{
	const struct nlattr *tb[TUPLE_ATTRS] = {NULL};
	int r;

	if (!attr)
		return -EBADMSG;
	r = nl_parse_nested(attr, tuple_policy, TUPLE_ATTRS, tb);
	if (r == 0 && (!tb[CTA_TUPLE_IP] || !tb[CTA_TUPLE_PROTO]))
		r = -EBADMSG;
	if (r == 0)
		r = nl_parse_nested(tb[CTA_TUPLE_IP], ip_policy, IP_ATTRS, ret->ip);
	if (r == 0)
		r = nl_parse_nested(tb[CTA_TUPLE_PROTO], proto_policy, PROTO_ATTRS, ret->proto);
	return r;
}

static struct ip_addr destination_of(const struct tuple *tuple)
{
	const struct nlattr *attr =
		tuple->ip[CTA_IP_V4_DST] ? tuple->ip[CTA_IP_V4_DST] : tuple->ip[CTA_IP_V6_DST];

	return attr ? nl_attr_addr(attr) : (struct ip_addr){0};
}

static struct ip_addr source_of(const struct tuple *tuple)
{
	const struct nlattr *attr =
		tuple->ip[CTA_IP_V4_SRC] ? tuple->ip[CTA_IP_V4_SRC] : tuple->ip[CTA_IP_V6_SRC];

	return attr ? nl_attr_addr(attr) : (struct ip_addr){0};
}

static uint16_t u16_of(const struct nlattr *attr)
{
	return attr ? ntohs(mnl_attr_get_u16(attr)) : 0;
}

static uint8_t u8_of(const struct nlattr *attr, const struct nlattr *other)
{
	if (attr)
		return mnl_attr_get_u8(attr);
	return other ? mnl_attr_get_u8(other) : 0;
}

/* Replies come from where the translated packet went. */
static int read_entry(const struct nlattr *const *tb, struct conntrack_entry *ret)
{
	struct tuple orig = {.ip = {NULL}};
	struct tuple reply = {.ip = {NULL}};
	int r = read_tuple(tb[CTA_TUPLE_ORIG], &orig);

	if (r == 0)
		r = read_tuple(tb[CTA_TUPLE_REPLY], &reply);
	if (r < 0)
		return r;
	*ret = (struct conntrack_entry){
		.source = source_of(&orig),
		.destination = source_of(&reply),
		.original_destination = destination_of(&orig),
		.protocol = u8_of(orig.proto[CTA_PROTO_NUM], NULL),
		.source_port = u16_of(orig.proto[CTA_PROTO_SRC_PORT]),
		.destination_port = u16_of(reply.proto[CTA_PROTO_SRC_PORT]),
		.icmp_type =
			u8_of(orig.proto[CTA_PROTO_ICMP_TYPE], orig.proto[CTA_PROTO_ICMPV6_TYPE]),
		.icmp_code =
			u8_of(orig.proto[CTA_PROTO_ICMP_CODE], orig.proto[CTA_PROTO_ICMPV6_CODE]),
	};
	return 0;
}

struct cut {
	struct flush flush;
	bool (*is_cut)(const struct conntrack_entry *entry, void *ctx);
	void *ctx;
};

static void cut_restart(void *ctx)
{
	struct cut *cut = ctx;

	flush_restart(&cut->flush);
}

static int cut_message(const struct nlmsghdr *message, void *ctx)
{
	struct cut *cut = ctx;
	const struct nlattr *tb[CT_ATTRS];
	struct conntrack_entry entry;
	int r = nl_parse(message, sizeof(struct nfgenmsg), ct_policy, CT_ATTRS, tb);

	if (r == 0)
		r = read_entry(tb, &entry);
	if (r == 0 && cut->is_cut(&entry, cut->ctx))
		add_delete(cut->flush.batch, cut->flush.family, tb);
	return r;
}

int conntrack_cut(struct nl *netfilter, uint8_t family,
		  bool (*is_cut)(const struct conntrack_entry *entry, void *ctx), void *ctx,
		  size_t *ret_n, struct err *err)
{
	struct cut cut = {.flush = {.family = family}, .is_cut = is_cut, .ctx = ctx};
	struct nl_visitor visitor = {.restart = cut_restart, .message = cut_message, .ctx = &cut};
	struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, CT_TYPE(IPCTNL_MSG_CT_GET), NLM_F_DUMP,
						   &header, sizeof(header));
	int r = nl_query(netfilter, message, &visitor, &answer, err);

	*ret_n = 0;
	if (r == 0 && answer.errnum)
		r = nl_refused(err, &answer, "list connections");
	if (r == 0)
		r = nl_batch_send(netfilter, cut.flush.batch, err);
	for (size_t i = 0; r == 0 && i < nl_batch_size(cut.flush.batch); i++)
		*ret_n += nl_batch_errnum(cut.flush.batch, i) == 0;
	nl_batch_free(cut.flush.batch);
	return r;
}

/* --- Listing, and deleting later ---------------------------------------------------------- */

struct lister {
	struct conntrack_list *list;
	size_t n_before;
	uint8_t family;
	bool (*is_wanted)(const struct conntrack_entry *entry, void *ctx);
	void *ctx;
};

void conntrack_list_clear(struct conntrack_list *list)
{
	free(list->v);
	*list = (struct conntrack_list){.v = NULL};
}

static void list_restart(void *ctx)
{
	struct lister *lister = ctx;

	lister->list->n = lister->n_before;
}

static int list_message(const struct nlmsghdr *message, void *ctx)
{
	struct lister *lister = ctx;
	const struct nlattr *tb[CT_ATTRS];
	struct conntrack_item item = {.family = lister->family};
	int r = nl_parse(message, sizeof(struct nfgenmsg), ct_policy, CT_ATTRS, tb);

	if (r == 0)
		r = read_entry(tb, &item.entry);
	if (r < 0 || mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]) > CONNTRACK_TUPLE_MAX ||
	    !lister->is_wanted(&item.entry, lister->ctx))
		return r;
	if (lister->list->n >= CONNTRACK_LIST_MAX)
		return -E2BIG;
	item.tuple_size = (uint8_t)mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]);
	memcpy(item.tuple, mnl_attr_get_payload(tb[CTA_TUPLE_ORIG]), item.tuple_size);
	item.id = tb[CTA_ID] ? mnl_attr_get_u32(tb[CTA_ID]) : 0;
	item.has_zone = tb[CTA_ZONE] != NULL;
	item.zone = tb[CTA_ZONE] ? mnl_attr_get_u16(tb[CTA_ZONE]) : 0;
	*ARRAY_ADD(lister->list->v, lister->list->n) = item;
	return 0;
}

int conntrack_list_add(struct conntrack_list *list, struct nl *netfilter, uint8_t family,
		       bool (*is_wanted)(const struct conntrack_entry *entry, void *ctx), void *ctx,
		       struct err *err)
{
	struct lister lister = {.list = list,
				.n_before = list->n,
				.family = family,
				.is_wanted = is_wanted,
				.ctx = ctx};
	struct nl_visitor visitor = {
		.restart = list_restart, .message = list_message, .ctx = &lister};
	struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, CT_TYPE(IPCTNL_MSG_CT_GET), NLM_F_DUMP,
						   &header, sizeof(header));
	int r = nl_query(netfilter, message, &visitor, &answer, err);

	return r == 0 && answer.errnum ? nl_refused(err, &answer, "list connections") : r;
}

static void add_item(struct nl_batch *batch, const struct conntrack_item *item)
{
	struct nfgenmsg header = {.nfgen_family = item->family, .version = NFNETLINK_V0};
	struct nlmsghdr *request =
		nl_batch_add(batch, CT_TYPE(IPCTNL_MSG_CT_DELETE), 0, &header, sizeof(header));

	mnl_attr_put(request, CTA_TUPLE_ORIG | NLA_F_NESTED, item->tuple_size, item->tuple);
	mnl_attr_put_u32(request, CTA_ID, item->id);
	if (item->has_zone)
		mnl_attr_put_u16(request, CTA_ZONE, item->zone);
}

int conntrack_list_delete(const struct conntrack_list *list, struct nl *netfilter, size_t *ret_n,
			  struct err *err)
{
	_cleanup_(nl_batch_freep) struct nl_batch *batch = nl_batch_new();
	int r;

	*ret_n = 0;
	for (size_t i = 0; i < list->n; i++)
		add_item(batch, &list->v[i]);
	r = list->n ? nl_batch_send(netfilter, batch, err) : 0;
	for (size_t i = 0; r == 0 && i < list->n; i++)
		*ret_n += nl_batch_errnum(batch, i) == 0;
	return r;
}

/* --- Many addresses ----------------------------------------------------------------------- */

#define FLUSH_TOGETHER 3

struct addr_set {
	struct ip_addr *v; /* sorted */
	size_t n;
};

static int compare_addrs(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static bool has_addr(const struct addr_set *set, const struct ip_addr *addr)
{
	return bsearch(addr, set->v, set->n, sizeof(*set->v), compare_addrs) != NULL;
}

static bool is_of_any(const struct conntrack_entry *entry, void *ctx)
{
	return has_addr(ctx, &entry->source) || has_addr(ctx, &entry->destination) ||
	       has_addr(ctx, &entry->original_destination);
}

static int flush_together(struct nl *netfilter, const struct ip_addr *addrs, size_t n,
			  size_t *ret_n, struct err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	_cleanup_free_ struct ip_addr *sorted = xmemdup(addrs, n * sizeof(*addrs));
	struct addr_set set = {.v = sorted, .n = n};
	int r = 0;

	qsort(sorted, n, sizeof(*sorted), compare_addrs);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		bool any = false;
		size_t n_cut = 0;

		for (size_t k = 0; k < n; k++)
			any = any || addrs[k].family == families[i];
		if (any)
			r = conntrack_cut(netfilter, families[i], is_of_any, &set, &n_cut, err);
		*ret_n += n_cut;
	}
	return r;
}

int conntrack_flush_addrs(struct nl *netfilter, const struct ip_addr *addrs, size_t n,
			  size_t *ret_n, struct err *err)
{
	int r = 0;

	*ret_n = 0;
	if (n >= FLUSH_TOGETHER)
		return flush_together(netfilter, addrs, n, ret_n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t n_flushed = 0;

		r = conntrack_flush_addr(netfilter, &addrs[i], &n_flushed, err);
		*ret_n += n_flushed;
	}
	return r;
}
