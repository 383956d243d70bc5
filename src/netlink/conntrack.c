/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connection tracking entries of an address. The kernel filters the dump (CTA_FILTER, Linux 5.8),
 * so that a table of a million entries is walked but not copied; what it lists is deleted by tuple
 * and id, so an entry that took its place meanwhile stays.
 */

#include "netlink/conntrack.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#define CT_ATTRS     (CTA_ZONE + 1)
#define CT_TUPLE_MAX 512
#define CT_TYPE(msg) ((NFNL_SUBSYS_CTNETLINK << 8) | (msg))
/* Which parts of a tuple a filter compares; the kernel's bits, not in its headers. */
#define FILTER_IP_SRC (1u << 0)
#define FILTER_IP_DST (1u << 1)

static const uint8_t ct_policy[CT_ATTRS] = {
	[CTA_TUPLE_ORIG] = NL_ATTR_NESTED,
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

/* Turns each listed entry into the request that deletes it. */
static int flush_message(const struct nlmsghdr *message, void *ctx)
{
	struct flush *flush = ctx;
	struct nfgenmsg header = {.nfgen_family = flush->family, .version = NFNETLINK_V0};
	const struct nlattr *tb[CT_ATTRS];
	struct nlmsghdr *request;
	int r = nl_parse(message, sizeof(header), ct_policy, CT_ATTRS, tb);

	if (r < 0)
		return r;
	if (!tb[CTA_TUPLE_ORIG] || mnl_attr_get_payload_len(tb[CTA_TUPLE_ORIG]) > CT_TUPLE_MAX)
		return 0;
	request = nl_batch_add(flush->batch, CT_TYPE(IPCTNL_MSG_CT_DELETE), 0, &header,
			       sizeof(header));
	copy_attr(request, CTA_TUPLE_ORIG | NLA_F_NESTED, tb[CTA_TUPLE_ORIG]);
	if (tb[CTA_ID])
		mnl_attr_put_u32(request, CTA_ID, mnl_attr_get_u32(tb[CTA_ID]));
	if (tb[CTA_ZONE])
		mnl_attr_put_u16(request, CTA_ZONE, mnl_attr_get_u16(tb[CTA_ZONE]));
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
