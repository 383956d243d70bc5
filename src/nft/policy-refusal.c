/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel refuses of a policy must not keep all others out: the chain that it refuses denies
 * instead, and so do the chains that speak of a set it refuses. What was told is kept beside, and
 * tried again when it changes, and when everything is read back.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

static struct layout_rules deny_rules(void)
{
	struct layout_rules rules = {.v = NULL};

	*ARRAY_ADD(rules.v, rules.n) = (struct layout_rule){.action = POLICY_ACTION_DENY};
	return rules;
}

/* True: it did not deny as a whole before. */
static bool refuse(struct policy_table *table, struct table_policy *policy, unsigned int f,
		   enum policy_way way, const struct nft_refused *refused)
{
	if (policy->refused[f][way].n || !policy->rules[f][way].n)
		return false;
	policy->refused[f][way] = policy->rules[f][way];
	policy->rules[f][way] = deny_rules();
	if (!policy->refusal) {
		table->n_refused++;
		policy->refusal = xasprintf(
			"the kernel refuses a rule of its %s for IPv%u, which denies: %s%s%s",
			way == POLICY_WAY_INGRESS ? "ingress" : "egress", ip_version(family_of(f)),
			strerror(refused->errnum), refused->text[0] ? ": " : "", refused->text);
	}
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

static bool speaks_of(const struct table_policy *policy, const struct policy_set_id *id)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			if (table_rules_use(&policy->refused[f][way], id))
				return true;
	return false;
}

void table_policy_forgive(struct policy_table *table, struct table_policy *policy)
{
	if (!policy->refusal)
		return;
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
			if (!policy->refused[f][way].n)
				continue;
			layout_rules_deinit(&policy->rules[f][way]);
			policy->rules[f][way] = policy->refused[f][way];
			policy->refused[f][way] = (struct layout_rules){.v = NULL};
		}
	replace_str(&policy->refusal, NULL);
	table->n_refused--;
}

void table_forgive(struct policy_table *table, const struct policy_set_id *id)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	{
		if (!policy->refusal || (id && !speaks_of(policy, id)))
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
		if (policy->refusal)
			*ARRAY_ADD(problems, n) =
				(struct policy_problem){.key = policy->key, .why = policy->refusal};
	*ret = problems;
	return n;
}
