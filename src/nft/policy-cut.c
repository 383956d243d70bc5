/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections of before. What a deleted pod had is to go, so that nothing of it reaches the next
 * pod with its address: which addresses those are is noted here. And whether connections are to be
 * judged anew: when that is wanted after each change, and in any case after a time without rules,
 * else what began in it would go on for good.
 */

#include <linux/in.h>
#include <linux/netfilter.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"
#include "policy/policy-judge.h"
#include "policy/policy-match.h"

#define CT_NEW 8u

/* --- Judging ------------------------------------------------------------------------------ */

static const struct layout_rules *rules_of(const void *self, const char *key, uint8_t family,
					   enum policy_way way)
{
	const struct table_policy *policy = table_policy_find(self, key);

	return policy && table_policy_is_enforced(policy, way)
		       ? &policy->rules[family == AF_INET ? 0 : 1][way]
		       : NULL;
}

/* Those of staged ones are kept, though no chain is made of them. */
static const struct layout_rules *staged_rules_of(const void *self, const char *key, uint8_t family,
						  enum policy_way way)
{
	const struct table_policy *policy = table_policy_find(self, key);

	return policy && policy->applies[way] ? &policy->rules[family == AF_INET ? 0 : 1][way]
					      : NULL;
}

static bool set_has_addr(const void *self, const char *id, const struct ip_addr *addr)
{
	const struct table_set *set = table_set_find(self, id);

	return set && table_set_has_addr(set, addr);
}

static bool set_has_port(const void *self, const char *id, const struct ip_addr *addr,
			 uint8_t protocol, uint16_t port)
{
	const struct table_set *set = table_set_find(self, id);

	return set && table_set_has_port(set, addr, protocol, port);
}

static const struct judge_ops judge_ops = {
	.rules = rules_of,
	.staged_rules = staged_rules_of,
	.set_has_addr = set_has_addr,
	.set_has_port = set_has_port,
};

static struct policy_judge *judge_new(const struct policy_table *table)
{
	struct policy_judge *judge = policy_judge_new(&judge_ops, table);
	const struct table_endpoint *endpoint;

	for (endpoint = table->endpoints; endpoint; endpoint = endpoint->hh.next) {
		const struct layout_steps *steps[POLICY_WAYS_];

		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			steps[way] = &endpoint->steps[POLICY_STAGE_NORMAL][way];
		for (size_t i = 0;
		     endpoint->published && !endpoint->is_host && i < endpoint->n_addrs; i++)
			policy_judge_add(judge, &endpoint->addrs[i].addr, steps);
	}
	return judge;
}

void policy_table_judge(const struct policy_table *table, const struct packet *packets, size_t n,
			bool *denied)
{
	_cleanup_(policy_judge_freep) struct policy_judge *judge = judge_new(table);

	for (size_t i = 0; i < n; i++)
		denied[i] = policy_judge_denies(judge, &packets[i]);
}

void policy_table_judge_staged(const struct policy_table *table, struct judge_staged *asked,
			       size_t n, bool (*has)(const void *ctx, const char *key),
			       const void *ctx)
{
	_cleanup_(policy_judge_freep) struct policy_judge *judge = judge_new(table);

	for (size_t i = 0; i < n; i++)
		policy_judge_staged(judge, &asked[i], has, ctx);
}

bool policy_table_take_cut(struct policy_table *table)
{
	bool cut = table->enforces && (table->reopened || (table->cut && table->config.cut_denied));

	table->cut = false;
	table->reopened = false;
	return cut;
}

/* --- Addresses without a pod -------------------------------------------------------------- */

void table_flush_later(struct policy_table *table, const struct ip_addr *addr)
{
	*ARRAY_ADD(table->flush, table->n_flush) = *addr;
}

/* A pod that has the address now keeps its connections. */
static bool is_in_use(const struct policy_table *table, const struct ip_addr *addr)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	for (size_t i = 0; i < endpoint->n_addrs; i++)
		if (ip_equal(&endpoint->addrs[i].addr, addr))
			return true;
	return false;
}

void table_cut_deinit(struct policy_table *table)
{
	free(table->flush);
	table->flush = NULL;
	table->n_flush = 0;
}

size_t policy_table_take_gone(struct policy_table *table, struct ip_addr **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_flush; i++)
		if (!is_in_use(table, &table->flush[i]))
			table->flush[n++] = table->flush[i];
	*ret = TAKE_PTR(table->flush);
	table->n_flush = 0;
	return n;
}

/* --- What was cut ------------------------------------------------------------------------- */

void table_cut_add_rule(struct policy_table *table, struct nft_rules *rules)
{
	static const uint8_t protocol = IPPROTO_TCP;
	static const uint8_t mask = TH_FIN | TH_SYN | TH_RST | TH_ACK;
	static const uint8_t zero;
	static const uint8_t begins = TH_SYN;

	nft_begin(table->builder);
	nft_put_ct_bits(table->builder, NFT_CT_STATE, CT_NEW);
	nft_put_meta(table->builder, NFT_META_L4PROTO, 0);
	nft_put_compare(table->builder, 0, /* equal= */ true, &protocol, sizeof(protocol));
	nft_put_payload(table->builder, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0);
	nft_put_bitwise(table->builder, 0, &mask, &zero, sizeof(mask));
	nft_put_compare(table->builder, 0, /* equal= */ false, &begins, sizeof(begins));
	nft_put_label(table->builder, "of a connection that was cut");
	nft_put_counter(table->builder);
	nft_put_verdict(table->builder, NF_DROP, NULL);
	nft_rules_add(rules, nft_end(table->builder));
}
