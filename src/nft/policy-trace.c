/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table "korat-trace-PID" is owned by its socket (NFT_TABLE_F_OWNER): the kernel removes it
 * with the socket. Its chains stand before all of ours, behind the reassembly of fragments. The
 * first announcement about a packet of ours is that of this table's rule; a packet not announced so
 * is traced by somebody else. A rule is known by its handle; the agent may replace rules meanwhile,
 * so one that is not known has them read again.
 */

#include "nft/policy-trace.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "nft/batch.h"

#define TABLE_PREFIX "korat-trace-"
#define PRIORITY     (-350)
#define OWN_MAX	     1024 /* packets that are told apart */

struct label {
	uint64_t handle;
	char *text;
};

struct policy_trace {
	struct trace_flow flow;
	struct nl *nl;	   /* owns the table */
	struct nl *events; /* of the group */
	char table[32];
	struct label *labels; /* by handle */
	size_t n_labels;
	bool reread; /* since the last read of announcements */
	uint32_t own[OWN_MAX];
	size_t n_own; /* all there ever were */
};

/* --- Rules and their labels --------------------------------------------------------------- */

static const uint8_t rule_policy[NFTA_RULE_USERDATA + 1] = {
	[NFTA_RULE_TABLE] = NL_ATTR_STRING,
	[NFTA_RULE_HANDLE] = NL_ATTR_ANY,
	[NFTA_RULE_USERDATA] = NL_ATTR_ANY,
};

static uint64_t u64_of(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (attr && mnl_attr_get_payload_len(attr) >= sizeof(value))
		memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return be64toh(value);
}

static void forget_labels(void *ctx)
{
	struct policy_trace *trace = ctx;

	for (size_t i = 0; i < trace->n_labels; i++)
		free(trace->labels[i].text);
	free(trace->labels);
	trace->labels = NULL;
	trace->n_labels = 0;
}

static int take_rule(const struct nlmsghdr *message, void *ctx)
{
	struct policy_trace *trace = ctx;
	const struct nlattr *tb[ARRAY_SIZE(rule_policy)];
	struct nft_comment comment;
	const char *label;
	uint64_t id;
	int r = nl_parse(message, sizeof(struct nfgenmsg), rule_policy, ARRAY_SIZE(rule_policy),
			 tb);

	if (r < 0 || !tb[NFTA_RULE_TABLE] ||
	    strcmp(mnl_attr_get_str(tb[NFTA_RULE_TABLE]), NFT_TABLE) != 0 ||
	    !nft_comment_read(tb[NFTA_RULE_USERDATA], &comment, &id, &label))
		return r;
	*ARRAY_ADD(trace->labels, trace->n_labels) =
		(struct label){u64_of(tb[NFTA_RULE_HANDLE]), xstrdup(label)};
	return 0;
}

static int compare_labels(const void *a, const void *b)
{
	uint64_t x = ((const struct label *)a)->handle;
	uint64_t y = ((const struct label *)b)->handle;

	return x < y ? -1 : x > y;
}

static int read_labels(struct policy_trace *trace, struct err *err)
{
	struct nfgenmsg header = {.nfgen_family = nft_family(trace->flow.source.family),
				  .version = NFNETLINK_V0};
	const struct nl_visitor visitor = {forget_labels, take_rule, trace};
	struct nl_answer answer = {0};
	struct nl_request request;
	struct nlmsghdr *message =
		nl_request_init(&request, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE, NLM_F_DUMP,
				&header, sizeof(header));
	int r;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
	r = nl_query(trace->nl, message, &visitor, &answer, err);
	if (r < 0)
		return r;
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "read the rules of the table " NFT_TABLE);
	if (trace->n_labels)
		qsort(trace->labels, trace->n_labels, sizeof(struct label), compare_labels);
	return 0;
}

/* Once for each turn at most: a rule that is gone already is not found by reading again. */
static int label_event(struct policy_trace *trace, struct trace_event *event, struct err *err)
{
	const struct label key = {.handle = event->rule};

	for (;;) {
		const struct label *label = trace->n_labels
						    ? bsearch(&key, trace->labels, trace->n_labels,
							      sizeof(key), compare_labels)
						    : NULL;
		int r;

		if (label) {
			(void)snprintf(event->label, sizeof(event->label), "%s",
				       label->text ? label->text : "");
			return 0;
		}
		if (trace->reread)
			return 0;
		trace->reread = true;
		r = read_labels(trace, err);
		if (r < 0)
			return r;
	}
}

/* --- The table ---------------------------------------------------------------------------- */

static void put_rule(struct nft_builder *b, const struct trace_flow *flow)
{
	uint32_t size = ip_size(flow->source.family);
	uint32_t offset = flow->source.family == AF_INET ? 12 : 8;
	uint16_t port = htons(flow->port);

	nft_begin(b);
	nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, size, 0);
	nft_put_compare(b, 0, /* equal= */ true, flow->source.bytes, size);
	nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset + size, size, 0);
	nft_put_compare(b, 0, /* equal= */ true, flow->destination.bytes, size);
	if (flow->protocol) {
		nft_put_meta(b, NFT_META_L4PROTO, 0);
		nft_put_compare(b, 0, /* equal= */ true, &flow->protocol, sizeof(flow->protocol));
	}
	if (flow->port) {
		nft_put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
		nft_put_compare(b, 0, /* equal= */ true, &port, sizeof(port));
	}
	nft_put_trace(b);
}

static int make_table(struct policy_trace *trace, struct err *err)
{
	static const struct {
		const char *name;
		struct nft_base base;
	} chains[] = {
		{"prerouting", {"filter", NF_INET_PRE_ROUTING, PRIORITY}},
		{"output", {"filter", NF_INET_LOCAL_OUT, PRIORITY}},
	};
	_cleanup_free_ struct nft_builder *builder = XNEW(struct nft_builder);
	_cleanup_(nft_batch_freep) struct nft_batch *batch =
		nft_batch_new_of(trace->flow.source.family, trace->table, NFT_TABLE_F_OWNER);
	int r;

	nft_batch_add_table(batch);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		struct nft_rule rule;

		nft_batch_add_chain(batch, chains[i].name, &chains[i].base);
		put_rule(builder, &trace->flow);
		rule = nft_end(builder);
		nft_batch_append_rule(batch, chains[i].name, &rule, 0, 0);
		nft_rule_deinit(&rule);
	}
	r = nft_batch_commit(batch, trace->nl, err);
	return r < 0 ? err_prefix(err, r, "can't have packets traced") : 0;
}

int policy_trace_open(const struct trace_flow *flow, struct policy_trace **ret, struct err *err)
{
	_cleanup_(policy_trace_closep) struct policy_trace *trace = XNEW(struct policy_trace);
	int r;

	trace->flow = *flow;
	(void)snprintf(trace->table, sizeof(trace->table), TABLE_PREFIX "%d", (int)getpid());
	r = nl_open(NETLINK_NETFILTER, -1, &trace->nl, err);
	if (r == 0)
		r = nl_open(NETLINK_NETFILTER, -1, &trace->events, err);
	if (r == 0)
		r = nl_join(trace->events, NFNLGRP_NFTRACE, err);
	if (r == 0)
		r = read_labels(trace, err);
	if (r == 0)
		r = make_table(trace, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(trace);
	return 0;
}

struct policy_trace *policy_trace_close(struct policy_trace *trace)
{
	if (!trace)
		return NULL;
	nl_close(trace->nl);
	nl_close(trace->events);
	forget_labels(trace);
	free(trace);
	return NULL;
}

int policy_trace_fd(const struct policy_trace *trace)
{
	return nl_fd(trace->events);
}

/* --- Announcements ------------------------------------------------------------------------ */

#define TRACE_ATTRS (NFTA_TRACE_POLICY + 1)

static const uint8_t trace_policy[TRACE_ATTRS] = {
	[NFTA_TRACE_TABLE] = NL_ATTR_STRING,
	[NFTA_TRACE_CHAIN] = NL_ATTR_STRING,
	[NFTA_TRACE_RULE_HANDLE] = NL_ATTR_ANY,
	[NFTA_TRACE_TYPE] = NL_ATTR_U32,
	[NFTA_TRACE_VERDICT] = NL_ATTR_NESTED,
	[NFTA_TRACE_ID] = NL_ATTR_U32,
	[NFTA_TRACE_TRANSPORT_HEADER] = NL_ATTR_ANY,
	[NFTA_TRACE_IIF] = NL_ATTR_U32,
	[NFTA_TRACE_OIF] = NL_ATTR_U32,
	[NFTA_TRACE_POLICY] = NL_ATTR_U32,
};
static const uint8_t verdict_policy[NFTA_VERDICT_CHAIN + 1] = {
	[NFTA_VERDICT_CODE] = NL_ATTR_U32,
	[NFTA_VERDICT_CHAIN] = NL_ATTR_STRING,
};

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static void take_text(char *to, const struct nlattr *attr)
{
	(void)snprintf(to, TRACE_NAME_SIZE, "%s", attr ? mnl_attr_get_str(attr) : "");
}

static int take_verdict(const struct nlattr *attr, struct trace_event *ret)
{
	const struct nlattr *tb[ARRAY_SIZE(verdict_policy)];
	int r;

	ret->verdict = NFT_CONTINUE;
	if (!attr)
		return 0;
	r = nl_parse_nested(attr, verdict_policy, ARRAY_SIZE(verdict_policy), tb);
	if (r < 0)
		return r;
	if (tb[NFTA_VERDICT_CODE])
		ret->verdict = (int)u32_of(tb[NFTA_VERDICT_CODE]);
	if (ret->verdict >= 0)
		ret->verdict &= NF_VERDICT_MASK;
	take_text(ret->target, tb[NFTA_VERDICT_CHAIN]);
	return 0;
}

/* Every protocol that has ports begins with them; of others these bytes are something else. */
static uint16_t source_port_of(const struct nlattr *attr)
{
	uint16_t port;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(port))
		return 0;
	memcpy(&port, mnl_attr_get_payload(attr), sizeof(port));
	return ntohs(port);
}

static int take_type(uint32_t type, enum trace_type *ret)
{
	switch (type) {
	case NFT_TRACETYPE_RULE:
		*ret = TRACE_RULE;
		return 0;
	case NFT_TRACETYPE_RETURN:
		*ret = TRACE_RETURN;
		return 0;
	case NFT_TRACETYPE_POLICY:
		*ret = TRACE_POLICY;
		return 0;
	default:
		return TRACE_E_SKIP;
	}
}

int policy_trace_message(const struct nlmsghdr *message, struct trace_event *ret)
{
	const struct nlattr *tb[TRACE_ATTRS];
	struct trace_event event = {0};
	int r;

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_TRACE)
		return TRACE_E_SKIP;
	r = nl_parse(message, sizeof(struct nfgenmsg), trace_policy, TRACE_ATTRS, tb);
	if (r == 0)
		r = take_type(u32_of(tb[NFTA_TRACE_TYPE]), &event.type);
	if (r == 0)
		r = take_verdict(tb[NFTA_TRACE_VERDICT], &event);
	if (r != 0)
		return r;
	if (event.type == TRACE_RULE && !tb[NFTA_TRACE_RULE_HANDLE])
		event.type = TRACE_RETURN; /* no rule: the end of a chain */
	if (tb[NFTA_TRACE_POLICY])
		event.verdict = (int)u32_of(tb[NFTA_TRACE_POLICY]);
	event.packet = u32_of(tb[NFTA_TRACE_ID]);
	event.rule = u64_of(tb[NFTA_TRACE_RULE_HANDLE]);
	event.in = u32_of(tb[NFTA_TRACE_IIF]);
	event.out = u32_of(tb[NFTA_TRACE_OIF]);
	event.source_port = source_port_of(tb[NFTA_TRACE_TRANSPORT_HEADER]);
	take_text(event.table, tb[NFTA_TRACE_TABLE]);
	take_text(event.chain, tb[NFTA_TRACE_CHAIN]);
	event.ours = strcmp(event.table, NFT_TABLE) == 0;
	*ret = event;
	return 0;
}

static bool is_own(const struct policy_trace *trace, uint32_t packet)
{
	for (size_t i = 0; i < MIN(trace->n_own, (size_t)OWN_MAX); i++)
		if (trace->own[i] == packet)
			return true;
	return false;
}

static int see_message(struct policy_trace *trace, const struct nlmsghdr *message,
		       void (*see)(const struct trace_event *event, void *ctx), void *ctx,
		       struct err *err)
{
	struct trace_event event;
	int r = policy_trace_message(message, &event);

	if (r != 0)
		return 0; /* what can't be read is no answer to anything of ours */
	if (strcmp(event.table, trace->table) == 0 && event.type == TRACE_RULE &&
	    !is_own(trace, event.packet))
		trace->own[trace->n_own++ % OWN_MAX] = event.packet;
	if (!is_own(trace, event.packet))
		return 0;
	event.begins = strcmp(event.table, trace->table) == 0 && event.type == TRACE_RULE;
	if (event.ours && event.type == TRACE_RULE)
		r = label_event(trace, &event, err);
	if (r == 0 &&
	    (event.begins || strncmp(event.table, TABLE_PREFIX, strlen(TABLE_PREFIX)) != 0))
		see(&event, ctx);
	return r;
}

int policy_trace_read(struct policy_trace *trace,
		      void (*see)(const struct trace_event *event, void *ctx), void *ctx,
		      struct err *err)
{
	bool lost = false;

	trace->reread = false;
	for (;;) {
		const void *data;
		int left = nl_receive(trace->events, &data);
		const struct nlmsghdr *message = data;

		if (left == 0)
			return lost ? TRACE_E_LOST : 0;
		if (left == -ENOBUFS) {
			lost = true;
			continue;
		}
		if (left < 0)
			return err_errno(err, left, "read what the kernel traces");
		for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			int r = see_message(trace, message, see, ctx, err);

			if (r < 0)
				return r;
		}
	}
}
