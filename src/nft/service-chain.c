/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is for the address of an advertised service and was not sent to one of its pods would go out
 * by the default route and come back by the one that was advertised, so it goes no further. The
 * chain has one rule; a set leads there, for each packet that may begin a connection.
 */

#include <linux/netfilter.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define CHAIN "cali-cidr-block"

static struct nft_chain *block_chain(struct policy_table *table, unsigned int f)
{
	struct nft_chain *chain = nft_chain_ref(table->rulesets[f], CHAIN, NULL);
	struct nft_rules rules = {0};

	nft_begin(table->builder);
	nft_put_label(table->builder, "a service's address that nothing here answers");
	nft_put_counter(table->builder);
	if (table->config.reject_services)
		nft_put_reject(table->builder, family_of(f));
	else
		nft_put_verdict(table->builder, NF_DROP, NULL);
	nft_rules_add(&rules, nft_end(table->builder));
	nft_chain_set_rules(table->rulesets[f], chain, &rules);
	return chain;
}

void table_guard_services(struct policy_table *table, unsigned int f, struct nft_rules *rules)
{
	const struct table_config *config = &table->config;
	_cleanup_free_ struct cidr *nets = xcalloc(config->n_service_nets, sizeof(*nets));
	uint32_t size = ip_size(family_of(f));
	struct nft_chain *chain;
	struct nft_set *set;
	size_t n = 0;

	for (size_t i = 0; i < config->n_service_nets; i++)
		if (config->service_nets[i].addr.family == family_of(f))
			nets[n++] = config->service_nets[i];
	if (!n)
		return;
	set = content_set_of_nets(table->rulesets[f], nets, n);
	chain = block_chain(table, f);
	nft_begin(table->builder);
	nft_put_payload(table->builder, NFT_PAYLOAD_NETWORK_HEADER, (f == 0 ? 12 : 8) + size, size,
			0);
	nft_put_lookup(table->builder, 0, nft_set_name(set), /* inverted= */ false);
	nft_put_verdict(table->builder, NFT_GOTO, nft_chain_name(chain));
	nft_rules_add(rules, nft_end(table->builder));
	nft_rules_use_set(rules, set);
	nft_rules_use_chain(rules, chain);
}
