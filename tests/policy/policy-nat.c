/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A table "services" in each family, with the rules of one chain twice:
 *
 *	prerouting, output: type nat, priority dstnat
 *	    daddr SERVICE, TCP, UDP or SCTP -> dnat to END:PORT
 *	    daddr SERVICE -> dnat to END
 */

#include "policy-nat.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include <libmnl/libmnl.h>

#include "base/alloc.h"
#include "nft/batch.h"
#include "nft/rule.h"
#include "nft/ruleset.h"
#include "policy-case.h"

#define TABLE  "services"
#define DSTNAT (-100)

static const struct {
	const char *name;
	struct nft_base base;
} chains[] = {
	{"prerouting", {"nat", NF_INET_PRE_ROUTING, DSTNAT}},
	{"output", {"nat", NF_INET_LOCAL_OUT, DSTNAT}},
};

static void put_u32(struct nft_builder *b, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(b->message, type, htonl(value));
}

static void put_immediate(struct nft_builder *b, uint32_t reg, const void *data, size_t size)
{
	struct nlattr *item = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);
	struct nlattr *body;
	struct nlattr *value;

	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, "immediate");
	body = mnl_attr_nest_start(b->message, NFTA_EXPR_DATA);
	put_u32(b, NFTA_IMMEDIATE_DREG, reg);
	value = mnl_attr_nest_start(b->message, NFTA_IMMEDIATE_DATA);
	mnl_attr_put(b->message, NFTA_DATA_VALUE, size, data);
	mnl_attr_nest_end(b->message, value);
	mnl_attr_nest_end(b->message, body);
	mnl_attr_nest_end(b->message, item);
}

/* 'port' 0: it stays. */
static void put_dnat(struct nft_builder *b, const struct ip_addr *to, uint16_t port)
{
	uint16_t wire = htons(port);
	struct nlattr *item;
	struct nlattr *body;

	put_immediate(b, NFT_REG_1, to->bytes, ip_size(to->family));
	if (port)
		put_immediate(b, NFT_REG_2, &wire, sizeof(wire));
	item = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, "nat");
	body = mnl_attr_nest_start(b->message, NFTA_EXPR_DATA);
	put_u32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put_u32(b, NFTA_NAT_FAMILY, to->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_u32(b, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	if (port)
		put_u32(b, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
	mnl_attr_nest_end(b->message, body);
	mnl_attr_nest_end(b->message, item);
}

static void add_rule(struct nft_batch *batch, struct nft_builder *b, const char *chain,
		     unsigned int service, uint8_t family, uint8_t protocol)
{
	struct ip_addr dialled = case_service_address(service, family);
	struct ip_addr to = case_address(&case_service(service)->to, family);
	uint32_t size = (uint32_t)ip_size(family);
	struct nft_rule rule;

	nft_begin(b);
	nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET ? 16 : 24, size, 0);
	nft_put_compare(b, 0, /* equal= */ true, dialled.bytes, size);
	if (protocol) {
		nft_put_meta(b, NFT_META_L4PROTO, 0);
		nft_put_compare(b, 0, /* equal= */ true, &protocol, sizeof(protocol));
	}
	put_dnat(b, &to, protocol ? case_service(service)->port : 0);
	rule = nft_end(b);
	nft_batch_append_rule(batch, chain, &rule, 0, 0);
	nft_rule_deinit(&rule);
}

static void add_service(struct nft_batch *batch, struct nft_builder *b, const char *chain,
			unsigned int service, uint8_t family)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

	for (size_t i = 0; case_service(service)->port && i < ARRAY_SIZE(protocols); i++)
		add_rule(batch, b, chain, service, family, protocols[i]);
	add_rule(batch, b, chain, service, family, 0);
}

static int translate_family(struct nl *netfilter, uint8_t family, struct err *err)
{
	_cleanup_(nft_batch_freep) struct nft_batch *batch = nft_batch_new_of(family, TABLE, 0);
	_cleanup_free_ struct nft_builder *b = XNEW(struct nft_builder);

	nft_batch_add_table(batch);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		nft_batch_add_chain(batch, chains[i].name, &chains[i].base);
		for (unsigned int k = 1; k <= CASE_SERVICES; k++)
			add_service(batch, b, chains[i].name, k, family);
	}
	return nft_batch_commit(batch, netfilter, err);
}

int case_translate_services(struct nl *netfilter, struct err *err)
{
	int r = translate_family(netfilter, AF_INET, err);

	return r == 0 ? translate_family(netfilter, AF_INET6, err) : r;
}
