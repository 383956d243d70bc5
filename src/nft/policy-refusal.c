/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel refuses of a policy must not keep all others out: the chain that it refuses
 * denies instead, and so do the chains that speak of a set it refuses. What was told is kept
 * beside, and tried again when it changes, and when everything is read back.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

/* True: it did not deny before. */
static bool refuse(struct policy_table *table, struct table_policy *policy, unsigned int f,
		   enum policy_way way, const struct nft_refused *refused)
{
	_cleanup_free_ char *reason = xasprintf("%s%s%s", strerror(refused->errnum),
						refused->text[0] ? ": " : "", refused->text);
	bool is_first = !policy->refusal.why;

	if (!policy_refusal_add(&policy->refusal, policy->rules, f, way, reason))
		return false;
	table->n_refused += is_first;
	table_policy_render(table, policy);
	return true;
}

static bool refuse_users(struct policy_table *table, unsigned int f, const struct nft_set *set,
			 const struct nft_refused *refused)
{
	struct table_policy *policy;
	struct table_policy *next;
	bool any = false;

	HASH_ITER(hh, table->policies, policy, next)
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		if (policy->chains[f][way] && nft_chain_uses(policy->chains[f][way], set))
			any = refuse(table, policy, f, (enum policy_way)way, refused) || any;
	return any;
}

static bool refuse_chain(struct policy_table *table, unsigned int f,
			 const struct nft_refused *refused)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		if (policy->chains[f][way] &&
		    strcmp(nft_chain_name(policy->chains[f][way]), refused->name) == 0)
			return refuse(table, policy, f, (enum policy_way)way, refused);
	return false;
}

/* Rules beside those of policies. */
static bool base_uses(const struct policy_table *table, unsigned int f, const struct nft_set *set)
{
	for (size_t i = 0; i < BASE_CHAINS_MAX; i++)
		if (table->bases[f][i] && nft_chain_uses(table->bases[f][i], set))
			return true;
	for (unsigned int host = 0; host < 2; host++)
		for (unsigned int s = 0; s < POLICY_STAGES_; s++)
			for (unsigned int w = 0; w < POLICY_WAYS_; w++)
				if (table->maps[f][host][s][w] == set)
					return true;
	return set == table->sources[f] || set == table->spoofing[f] ||
	       set == table->nat_sets[f][0] || set == table->nat_sets[f][1];
}

bool table_refuse(struct policy_table *table, unsigned int f)
{
	const struct nft_refused *refused = nft_ruleset_refused(table->rulesets[f]);
	struct nft_set *set;

	if (!refused->errnum)
		return false;
	if (!refused->is_set)
		return refuse_chain(table, f, refused);
	set = nft_ruleset_set(table->rulesets[f], refused->name);
	/* Of a set that rules beside policies' speak of there is nobody to be closed. */
	if (!set || nft_set_is_left_out(set) || base_uses(table, f, set))
		return false;
	(void)refuse_users(table, f, set, refused);
	nft_set_leave_out(table->rulesets[f], set);
	return true;
}

void table_policy_forgive(struct policy_table *table, struct table_policy *policy)
{
	if (policy_refusal_undo(&policy->refusal, policy->rules))
		table->n_refused--;
}

void table_forgive(struct policy_table *table, const struct policy_set_id *id)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	{
		if (!policy->refusal.why || (id && !policy_refusal_uses(&policy->refusal, id->s)))
			continue;
		table_policy_forgive(table, policy);
		table_policy_render(table, policy);
	}
	for (unsigned int f = 0; f < FAMILIES; f++)
		nft_ruleset_take_in(table->rulesets[f]);
}

size_t policy_table_problems(const struct policy_table *table, struct policy_problem **ret)
{
	struct policy_problem *problems = NULL;
	const struct table_policy *policy;
	size_t n = 0;

	for (policy = table->n_refused ? table->policies : NULL; policy; policy = policy->hh.next)
		if (policy->refusal.why)
			*ARRAY_ADD(problems, n) = (struct policy_problem){
				.key = policy->key, .why = policy->refusal.why};
	*ret = problems;
	return n;
}
