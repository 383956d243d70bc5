/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of rules, and what they hold of a ruleset. */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "nft/ruleset.h"

void nft_rules_add(struct nft_rules *rules, struct nft_rule rule)
{
	*ARRAY_ADD(rules->v, rules->n) = rule;
}

void nft_rules_use_set(struct nft_rules *rules, struct nft_set *set)
{
	*ARRAY_ADD(rules->sets, rules->n_sets) = set;
}

void nft_rules_use_chain(struct nft_rules *rules, struct nft_chain *chain)
{
	*ARRAY_ADD(rules->chains, rules->n_chains) = chain;
}

uint64_t nft_rules_id(const struct nft_rules *rules)
{
	_cleanup_free_ uint64_t *ids = xcalloc(rules->n, sizeof(*ids));
	struct digest digest;
	uint64_t id;

	for (size_t i = 0; i < rules->n; i++)
		ids[i] = rules->v[i].stamp;
	digest = digest_of(DIGEST_SHA224, ids, rules->n * sizeof(*ids));
	memcpy(&id, digest.bytes, sizeof(id));
	return id;
}

void nft_rules_deinit(struct nft_rules *rules, struct nft_ruleset *ruleset)
{
	for (size_t i = 0; i < rules->n; i++)
		nft_rule_deinit(&rules->v[i]);
	for (size_t i = 0; i < rules->n_sets; i++)
		nft_set_unref(ruleset, rules->sets[i]);
	for (size_t i = 0; i < rules->n_chains; i++)
		nft_chain_unref(ruleset, rules->chains[i]);
	free(rules->v);
	free(rules->sets);
	free(rules->chains);
	*rules = (struct nft_rules){0};
}
