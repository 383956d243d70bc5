/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Expressions as netlink attributes. What the kernel has for numbers of its own is in network
 * order; data that it compares stays as it is in the packet or, for marks and the like, in the
 * machine's order.
 */

#include "nft/rule.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/hash-table.h"
#include "base/ip.h"

#define MARK_REG 15

void nft_rule_deinit(struct nft_rule *rule)
{
	free(rule->expressions);
	free(rule->label);
	*rule = (struct nft_rule){0};
}

void nft_begin(struct nft_builder *b)
{
	b->message = mnl_nlmsg_put_header(b->bytes);
	b->counter = 0;
	b->label = NULL;
}

uint64_t nft_stamp(uint64_t id, const char *label)
{
	return label ? hash_string(id, label) : id;
}

void nft_put_label(struct nft_builder *b, const char *format, ...)
{
	char text[NFT_LABEL_MAX + 1];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	replace_str(&b->label, xstrdup(text));
}

struct nft_rule nft_end(struct nft_builder *b)
{
	struct nft_rule rule = {.size = mnl_nlmsg_get_payload_len(b->message),
				.counter = b->counter};
	struct digest digest;

	rule.expressions = xmemdup(mnl_nlmsg_get_payload(b->message), rule.size);
	digest = digest_of(DIGEST_SHA224, rule.expressions, rule.size);
	memcpy(&rule.id, digest.bytes, sizeof(rule.id));
	rule.label = TAKE_PTR(b->label);
	rule.stamp = nft_stamp(rule.id, rule.label);
	/* Attributes are padded with what is there, which is part of the digest. */
	memset(b->bytes, 0, b->message->nlmsg_len + NLMSG_HDRLEN);
	return rule;
}

/* --- Attributes --------------------------------------------------------------------------- */

struct expression {
	struct nlattr *element;
	struct nlattr *data;
};

static struct expression open_expression(struct nft_builder *b, const char *name)
{
	struct expression e;

	assert(b->message->nlmsg_len < NFT_RULE_MAX - 1024);
	e.element = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, name);
	e.data = mnl_attr_nest_start(b->message, NFTA_EXPR_DATA);
	return e;
}

static void close_expression(struct nft_builder *b, struct expression e)
{
	mnl_attr_nest_end(b->message, e.data);
	mnl_attr_nest_end(b->message, e.element);
}

static void put_u32(struct nft_builder *b, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(b->message, type, htonl(value));
}

static void put_reg(struct nft_builder *b, uint16_t type, uint32_t reg)
{
	assert(reg < NFT_REG_WORDS);
	put_u32(b, type, NFT_REG32_00 + reg);
}

static void put_data(struct nft_builder *b, uint16_t type, const void *data, uint32_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(b->message, type);

	mnl_attr_put(b->message, NFTA_DATA_VALUE, size, data);
	mnl_attr_nest_end(b->message, nest);
}

/* --- Loads -------------------------------------------------------------------------------- */

void nft_put_meta(struct nft_builder *b, uint32_t key, uint32_t reg)
{
	struct expression e = open_expression(b, "meta");

	put_u32(b, NFTA_META_KEY, key);
	put_reg(b, NFTA_META_DREG, reg);
	close_expression(b, e);
}

void nft_put_ct(struct nft_builder *b, uint32_t key, uint32_t reg)
{
	struct expression e = open_expression(b, "ct");

	put_u32(b, NFTA_CT_KEY, key);
	put_reg(b, NFTA_CT_DREG, reg);
	close_expression(b, e);
}

void nft_put_payload(struct nft_builder *b, uint32_t base, uint32_t offset, uint32_t size,
		     uint32_t reg)
{
	struct expression e = open_expression(b, "payload");

	put_reg(b, NFTA_PAYLOAD_DREG, reg);
	put_u32(b, NFTA_PAYLOAD_BASE, base);
	put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(b, NFTA_PAYLOAD_LEN, size);
	close_expression(b, e);
}

void nft_put_address_type(struct nft_builder *b, uint32_t flags, uint32_t reg)
{
	struct expression e = open_expression(b, "fib");

	put_reg(b, NFTA_FIB_DREG, reg);
	put_u32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put_u32(b, NFTA_FIB_FLAGS, flags);
	close_expression(b, e);
}

/* --- Comparisons -------------------------------------------------------------------------- */

void nft_put_compare(struct nft_builder *b, uint32_t reg, bool equal, const void *data,
		     uint32_t size)
{
	struct expression e = open_expression(b, "cmp");

	put_reg(b, NFTA_CMP_SREG, reg);
	put_u32(b, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
	put_data(b, NFTA_CMP_DATA, data, size);
	close_expression(b, e);
}

void nft_put_range(struct nft_builder *b, uint32_t reg, bool inside, const void *from,
		   const void *to, uint32_t size)
{
	struct expression e = open_expression(b, "range");

	put_reg(b, NFTA_RANGE_SREG, reg);
	put_u32(b, NFTA_RANGE_OP, inside ? NFT_RANGE_EQ : NFT_RANGE_NEQ);
	put_data(b, NFTA_RANGE_FROM_DATA, from, size);
	put_data(b, NFTA_RANGE_TO_DATA, to, size);
	close_expression(b, e);
}

void nft_put_bitwise(struct nft_builder *b, uint32_t reg, const void *mask, const void * xor,
		     uint32_t size)
{
	struct expression e = open_expression(b, "bitwise");

	put_reg(b, NFTA_BITWISE_SREG, reg);
	put_reg(b, NFTA_BITWISE_DREG, reg);
	put_u32(b, NFTA_BITWISE_LEN, size);
	put_data(b, NFTA_BITWISE_MASK, mask, size);
	put_data(b, NFTA_BITWISE_XOR, xor, size);
	close_expression(b, e);
}

void nft_put_lookup(struct nft_builder *b, uint32_t reg, const char *set, bool inverted)
{
	struct expression e = open_expression(b, "lookup");

	mnl_attr_put_strz(b->message, NFTA_LOOKUP_SET, set);
	put_reg(b, NFTA_LOOKUP_SREG, reg);
	if (inverted)
		put_u32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	close_expression(b, e);
}

void nft_put_verdict_map(struct nft_builder *b, uint32_t reg, const char *map)
{
	struct expression e = open_expression(b, "lookup");

	mnl_attr_put_strz(b->message, NFTA_LOOKUP_SET, map);
	put_reg(b, NFTA_LOOKUP_SREG, reg);
	put_u32(b, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	close_expression(b, e);
}

void nft_put_match_mark(struct nft_builder *b, uint32_t mask, uint32_t value)
{
	static const uint32_t zero;

	nft_put_meta(b, NFT_META_MARK, MARK_REG);
	nft_put_bitwise(b, MARK_REG, &mask, &zero, sizeof(mask));
	nft_put_compare(b, MARK_REG, /* equal= */ true, &value, sizeof(value));
}

/* --- What happens ------------------------------------------------------------------------- */

void nft_put_set_mark(struct nft_builder *b, uint32_t mask, uint32_t value)
{
	uint32_t keep = ~mask;
	struct expression e;

	nft_put_meta(b, NFT_META_MARK, MARK_REG);
	nft_put_bitwise(b, MARK_REG, &keep, &value, sizeof(keep));
	e = open_expression(b, "meta");
	put_u32(b, NFTA_META_KEY, NFT_META_MARK);
	put_reg(b, NFTA_META_SREG, MARK_REG);
	close_expression(b, e);
}

void nft_put_verdict(struct nft_builder *b, int verdict, const char *chain)
{
	struct expression e = open_expression(b, "immediate");
	struct nlattr *data;
	struct nlattr *nest;

	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(b->message, NFTA_IMMEDIATE_DATA);
	nest = mnl_attr_nest_start(b->message, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		mnl_attr_put_strz(b->message, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(b->message, nest);
	mnl_attr_nest_end(b->message, data);
	close_expression(b, e);
}

void nft_put_counter(struct nft_builder *b)
{
	static const uint64_t zero;
	struct expression e = open_expression(b, "counter");

	b->counter = (size_t)((uint8_t *)mnl_nlmsg_get_payload_tail(b->message) -
			      (uint8_t *)mnl_nlmsg_get_payload(b->message));
	mnl_attr_put(b->message, NFTA_COUNTER_BYTES, sizeof(zero), &zero);
	mnl_attr_put(b->message, NFTA_COUNTER_PACKETS, sizeof(zero), &zero);
	close_expression(b, e);
}

void nft_put_log(struct nft_builder *b, const char *prefix, uint32_t level)
{
	struct expression e = open_expression(b, "log");

	mnl_attr_put_strz(b->message, NFTA_LOG_PREFIX, prefix);
	put_u32(b, NFTA_LOG_LEVEL, level);
	close_expression(b, e);
}

void nft_put_limit(struct nft_builder *b, uint64_t rate, uint64_t seconds, uint32_t burst)
{
	struct expression e = open_expression(b, "limit");

	mnl_attr_put_u64(b->message, NFTA_LIMIT_RATE, htobe64(rate));
	mnl_attr_put_u64(b->message, NFTA_LIMIT_UNIT, htobe64(seconds));
	put_u32(b, NFTA_LIMIT_BURST, burst);
	put_u32(b, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	close_expression(b, e);
}

void nft_put_nflog(struct nft_builder *b, const char *prefix, uint16_t group)
{
	struct expression e = open_expression(b, "log");

	mnl_attr_put_u16(b->message, NFTA_LOG_GROUP, htons(group));
	mnl_attr_put_strz(b->message, NFTA_LOG_PREFIX, prefix);
	close_expression(b, e);
}

void nft_put_reject(struct nft_builder *b, uint8_t family)
{
	struct expression e = open_expression(b, "reject");

	put_u32(b, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
	/* ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH */
	mnl_attr_put_u8(b->message, NFTA_REJECT_ICMP_CODE, family == AF_INET ? 3 : 4);
	close_expression(b, e);
}

void nft_put_notrack(struct nft_builder *b)
{
	close_expression(b, open_expression(b, "notrack"));
}

void nft_put_ct_bits(struct nft_builder *b, uint32_t key, uint32_t bits)
{
	static const uint32_t zero;

	nft_put_ct(b, key, 0);
	nft_put_bitwise(b, 0, &bits, &zero, sizeof(bits));
	nft_put_compare(b, 0, /* equal= */ false, &zero, sizeof(zero));
}

void nft_put_flow_offload(struct nft_builder *b, const char *flowtable)
{
	struct expression e = open_expression(b, "flow_offload");

	mnl_attr_put_strz(b->message, NFTA_FLOW_TABLE_NAME, flowtable);
	close_expression(b, e);
}

void nft_put_trace(struct nft_builder *b)
{
	static const uint8_t on = 1;
	struct expression e = open_expression(b, "immediate");

	put_reg(b, NFTA_IMMEDIATE_DREG, MARK_REG);
	put_data(b, NFTA_IMMEDIATE_DATA, &on, sizeof(on));
	close_expression(b, e);
	e = open_expression(b, "meta");
	put_u32(b, NFTA_META_KEY, NFT_META_NFTRACE);
	put_reg(b, NFTA_META_SREG, MARK_REG);
	close_expression(b, e);
}

static void put_port(struct nft_builder *b, uint32_t reg, uint16_t port)
{
	struct expression e = open_expression(b, "immediate");
	uint16_t wire = htons(port);

	put_reg(b, NFTA_IMMEDIATE_DREG, reg);
	put_data(b, NFTA_IMMEDIATE_DATA, &wire, sizeof(wire));
	close_expression(b, e);
}

void nft_put_masquerade(struct nft_builder *b, uint16_t first_port, uint16_t last_port)
{
	struct expression e;

	if (last_port) {
		put_port(b, 14, first_port);
		put_port(b, 15, last_port);
	}
	e = open_expression(b, "masq");
	if (last_port) {
		put_u32(b, NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
		put_reg(b, NFTA_MASQ_REG_PROTO_MIN, 14);
		put_reg(b, NFTA_MASQ_REG_PROTO_MAX, 15);
	}
	close_expression(b, e);
}
