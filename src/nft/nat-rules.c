/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pools to set members, and the chain's rules as libnftnl expressions. A pool inside another, or
 * next to one, makes one interval with it: an interval set refuses overlaps.
 */

#include "nft/nat-rules.h"

#include <stdio.h> /* libnftnl/expr.h needs it before */

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"

/* Part of every comment's digest: rules that were rendered in another way are not ours as they are.
 */
#define RENDERING "1"

/* Where a packet's addresses lie in its network header. */
struct addr_offsets {
	uint32_t source;
	uint32_t destination;
};
static const struct addr_offsets ipv4_offsets = {12, 16};
static const struct addr_offsets ipv6_offsets = {8, 24};

/* --- Members ------------------------------------------------------------------------------ */

static int compare_cidrs(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

static int compare_bounds(const void *a, const void *b)
{
	const struct nft_bound *x = a;
	const struct nft_bound *y = b;
	int r = ip_compare(&x->addr, &y->addr);

	return r ? r : (int)y->is_end - (int)x->is_end;
}

void nat_bounds_sort(struct nat_bounds *bounds)
{
	if (bounds->n)
		qsort(bounds->v, bounds->n, sizeof(*bounds->v), compare_bounds);
}

void nat_bounds_deinit(struct nat_bounds *bounds)
{
	free(bounds->v);
	*bounds = (struct nat_bounds){0};
}

bool nat_bounds_equal(const struct nat_bounds *a, const struct nat_bounds *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (compare_bounds(&a->v[i], &b->v[i]) != 0)
			return false;
	return true;
}

/* The first address behind the prefix; false: the prefix reaches to the end of all addresses. */
static bool address_behind(const struct cidr *cidr, struct ip_addr *ret)
{
	struct ip_addr addr = cidr_masked(cidr).addr;
	unsigned int step = 1;

	if (cidr->len == 0)
		return false;
	step <<= (8 - cidr->len % 8) % 8;
	for (int i = (cidr->len - 1) / 8; i >= 0; i--) {
		unsigned int sum = addr.bytes[i] + step;

		addr.bytes[i] = (uint8_t)sum;
		if (sum < 256) {
			*ret = addr;
			return true;
		}
		step = 1;
	}
	return false;
}

static void add_interval(struct nat_bounds *bounds, const struct cidr *cidr)
{
	struct ip_addr start = cidr_masked(cidr).addr;
	struct nft_bound *last = bounds->n ? &bounds->v[bounds->n - 1] : NULL;
	bool goes_on = last && ip_equal(&last->addr, &start);
	struct ip_addr behind;

	if (!goes_on)
		ARRAY_ADD(bounds->v, bounds->n)->addr = start;
	if (!address_behind(cidr, &behind)) {
		bounds->n -= goes_on; /* the last of all addresses: the interval has no end */
		return;
	}
	if (!goes_on)
		last = ARRAY_ADD(bounds->v, bounds->n);
	last->addr = behind;
	last->is_end = true;
}

static struct nat_bounds bounds_of(const struct nat_config *config, uint8_t family,
				   bool only_masquerade)
{
	_cleanup_free_ struct cidr *cidrs = NULL;
	struct nat_bounds bounds = {0};
	const struct cidr *last = NULL;
	size_t n = 0;

	for (size_t i = 0; i < config->n_pools; i++)
		if (config->pools[i].cidr.addr.family == family &&
		    (config->pools[i].masquerade || !only_masquerade))
			*ARRAY_ADD(cidrs, n) = cidr_masked(&config->pools[i].cidr);
	if (n)
		qsort(cidrs, n, sizeof(*cidrs), compare_cidrs);
	for (size_t i = 0; i < n; i++) {
		if (last && cidr_covers(last, &cidrs[i]))
			continue;
		last = &cidrs[i];
		add_interval(&bounds, last);
	}
	return bounds;
}

void nat_rules_init(struct nat_rules *rules, uint8_t family, const struct nat_config *config)
{
	*rules = (struct nat_rules){.family = family};
	rules->all = bounds_of(config, family, /* only_masquerade= */ false);
	rules->masquerade = bounds_of(config, family, /* only_masquerade= */ true);
	rules->wanted = rules->all.n > 0;
	for (size_t i = 0; i < config->n_tunnel_devices; i++)
		*ARRAY_ADD(rules->devices, rules->n_devices) = xstrdup(config->tunnel_devices[i]);
}

void nat_rules_deinit(struct nat_rules *rules)
{
	for (size_t i = 0; i < rules->n_devices; i++)
		free(rules->devices[i]);
	free(rules->devices);
	nat_bounds_deinit(&rules->all);
	nat_bounds_deinit(&rules->masquerade);
	*rules = (struct nat_rules){0};
}

/* --- The chain ---------------------------------------------------------------------------- */

size_t nat_rules_size(const struct nat_rules *rules)
{
	return 1 + rules->n_devices;
}

bool nat_rules_same_chain(const struct nat_rules *a, const struct nat_rules *b)
{
	if (a->n_devices != b->n_devices)
		return false;
	for (size_t i = 0; i < a->n_devices; i++)
		if (strcmp(a->devices[i], b->devices[i]) != 0)
			return false;
	return true;
}

struct nat_comment nat_rules_comment(const struct nat_rules *rules, size_t i)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct nat_comment comment;
	struct digest digest;

	buf_addf(&text, RENDERING "\n%u\n%zu\n", ip_version(rules->family), i);
	for (size_t k = 0; k < rules->n_devices; k++)
		buf_addf(&text, "%s\n", rules->devices[k]);
	digest = digest_of(DIGEST_SHA224, text.data, text.size);
	(void)snprintf(comment.s, sizeof(comment.s), "cali:%.16s", digest_hex(&digest).s);
	return comment;
}

static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (!expr)
		abort();
	nftnl_rule_add_expr(rule, expr);
	return expr;
}

static struct nftnl_rule *new_rule(const struct nat_rules *rules, size_t i)
{
	struct nat_comment comment = nat_rules_comment(rules, i);
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule || !data)
		abort();
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NAT_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, NAT_CHAIN);
	nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, comment.s);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
			    nftnl_udata_buf_len(data));
	nftnl_udata_buf_free(data);
	return rule;
}

static void add_address_lookup(struct nftnl_rule *rule, uint8_t family, uint32_t offset,
			       const char *set, bool inverted)
{
	struct nftnl_expr *expr = add_expr(rule, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, ip_size(family));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	expr = add_expr(rule, "lookup");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
	if (inverted)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void add_compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = add_expr(rule, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size);
}

/* Is the source an address of this machine ('flags': of the device going out), or is it not? */
static void add_source_type(struct nftnl_rule *rule, uint32_t flags, uint32_t op)
{
	static const uint32_t local = RTN_LOCAL;
	struct nftnl_expr *expr = add_expr(rule, "fib");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_SADDR | flags);
	add_compare(rule, op, &local, sizeof(local));
}

static struct nftnl_rule *pool_rule(const struct nat_rules *rules)
{
	const struct addr_offsets *at = rules->family == AF_INET ? &ipv4_offsets : &ipv6_offsets;
	struct nftnl_rule *rule = new_rule(rules, 0);

	add_address_lookup(rule, rules->family, at->source, NAT_SET_MASQ, /* inverted= */ false);
	add_address_lookup(rule, rules->family, at->destination, NAT_SET_ALL,
			   /* inverted= */ true);
	(void)add_expr(rule, "masq");
	return rule;
}

/*
 * The node's own traffic into a tunnel, when it has an address of another device as its source:
 * the far end would answer past the tunnel.
 */
static struct nftnl_rule *device_rule(const struct nat_rules *rules, size_t i)
{
	struct nftnl_rule *rule = new_rule(rules, i + 1);
	struct nftnl_expr *expr = add_expr(rule, "meta");
	char name[IFNAMSIZ] = "";

	memcpy(name, rules->devices[i], strnlen(rules->devices[i], sizeof(name) - 1));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_OIFNAME);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
	add_compare(rule, NFT_CMP_EQ, name, sizeof(name));
	add_source_type(rule, NFTA_FIB_F_OIF, NFT_CMP_NEQ);
	add_source_type(rule, 0, NFT_CMP_EQ);
	(void)add_expr(rule, "masq");
	return rule;
}

/* --- As a transaction --------------------------------------------------------------------- */

static const struct nft_set_name set_all = {NAT_TABLE, NAT_SET_ALL};
static const struct nft_set_name set_masq = {NAT_TABLE, NAT_SET_MASQ};

void nat_rules_put_sets(const struct nat_rules *rules, struct nft_transaction *transaction)
{
	nft_flush_set(transaction, &set_all);
	nft_add_bounds(transaction, &set_all, rules->all.v, rules->all.n);
	nft_flush_set(transaction, &set_masq);
	nft_add_bounds(transaction, &set_masq, rules->masquerade.v, rules->masquerade.n);
}

void nat_rules_put_all(const struct nat_rules *rules, struct nft_transaction *transaction)
{
	static const struct nft_base_chain chain = {.table = NAT_TABLE,
						    .name = NAT_CHAIN,
						    .type = NAT_CHAIN_TYPE,
						    .hook = NF_INET_POST_ROUTING,
						    .priority = NAT_PRIORITY};

	nft_add_table(transaction, NAT_TABLE); /* so that deleting it can't fail */
	nft_delete_table(transaction, NAT_TABLE);
	if (!rules->wanted)
		return;
	nft_add_table(transaction, NAT_TABLE);
	nft_add_set(transaction, &set_all);
	nft_add_set(transaction, &set_masq);
	nft_add_bounds(transaction, &set_all, rules->all.v, rules->all.n);
	nft_add_bounds(transaction, &set_masq, rules->masquerade.v, rules->masquerade.n);
	nft_add_base_chain(transaction, &chain);
	nft_add_rule(transaction, pool_rule(rules));
	for (size_t i = 0; i < rules->n_devices; i++)
		nft_add_rule(transaction, device_rule(rules, i));
}
