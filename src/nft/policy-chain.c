/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A policy as a chain per direction and family. Allow ends the hook's chain (what other tables say
 * still counts), deny ends the packet, pass sets a mark and returns to the tier, log goes on.
 */

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "nft/policy-internal.h"
#include "policy/policy-log.h"

#define LOG_LEVEL	5   /* notice */
#define LOG_PREFIX_MAX	64  /* of the kernel's log */
#define FLOW_PREFIX_MAX 127 /* NFLOG's */
#define NAME_MAX_	200

static const char *const chain_prefixes[2][POLICY_WAYS_] = {
	{[POLICY_WAY_INGRESS] = "cali-pi-", [POLICY_WAY_EGRESS] = "cali-po-"},
	{[POLICY_WAY_INGRESS] = "cali-pri-", [POLICY_WAY_EGRESS] = "cali-pro-"},
};

struct table_policy *table_policy_find(const struct policy_table *table, const char *key)
{
	struct table_policy *policy;

	HASH_FIND_STR(table->policies, key, policy);
	return policy;
}

/* --- Ends of rules ------------------------------------------------------------------------ */

void put_deny(struct nft_builder *b, const struct policy_table *table, unsigned int f,
	      enum policy_way way, bool may_answer)
{
	bool is_late = way == POLICY_WAY_EGRESS && table->has_hosts;

	if (table->config.reject && may_answer && !is_late)
		nft_put_reject(b, family_of(f));
	else
		nft_put_verdict(b, NF_DROP, NULL);
}

void put_flow_log(struct nft_builder *b, const struct policy_table *table, enum policy_way way,
		  const char *letters, const char *id)
{
	static const uint16_t groups[] = {[POLICY_WAY_INGRESS] = 1, [POLICY_WAY_EGRESS] = 2};
	_cleanup_free_ char *prefix = NULL;

	if (!table->config.flow_log)
		return;
	prefix = policy_flow_prefix(letters, id, FLOW_PREFIX_MAX);
	nft_put_nflog(b, prefix, groups[way]);
}

/* "APE3": allowed by the 3rd rule of a policy, egress. */
static void put_rule_log(struct nft_builder *b, const struct policy_table *table,
			 const struct table_policy *policy, enum policy_way way, char action,
			 size_t index)
{
	char letters[32];

	(void)snprintf(letters, sizeof(letters), "%c%c%c%zu", action,
		       policy->is_profile ? 'R' : 'P', way == POLICY_WAY_INGRESS ? 'I' : 'E',
		       index);
	put_flow_log(b, table, way, letters, policy->key);
}

static void put_allow(struct nft_builder *b, const struct table_policy *policy)
{
	if (policy->do_not_track)
		nft_put_notrack(b);
	if (policy->do_not_track || policy->pre_dnat)
		nft_put_set_mark(b, MARK_ACCEPT, MARK_ACCEPT);
	nft_put_verdict(b, NF_ACCEPT, NULL);
}

static void put_log(struct nft_builder *b, const struct policy_table *table,
		    const struct table_policy *policy)
{
	const struct policy_log_limit *limit = &table->config.log_limit;
	_cleanup_buf_ struct buf text = BUF_INIT;
	char prefix[LOG_PREFIX_MAX];

	/* Nothing but the logging is behind it in the rule, so nothing else is limited. */
	if (limit->rate)
		nft_put_limit(b, limit->rate, limit->seconds, limit->burst);
	policy_log_prefix(table->config.log_prefix, policy->key, policy->tier, &text);
	(void)snprintf(prefix, sizeof(prefix), "%.60s: ", buf_str(&text));
	nft_put_log(b, prefix, LOG_LEVEL);
}

static void put_action(struct nft_builder *b, const struct policy_table *table, unsigned int f,
		       enum policy_way way, const struct table_policy *policy,
		       const struct layout_rule *rule)
{
	nft_put_counter(b);
	switch (rule->action) {
	case POLICY_ACTION_ALLOW:
		put_rule_log(b, table, policy, way, 'A', rule->index);
		put_allow(b, policy);
		break;
	case POLICY_ACTION_DENY:
		put_rule_log(b, table, policy, way, 'D', rule->index);
		put_deny(b, table, f, way, !policy->do_not_track && !policy->pre_dnat);
		break;
	case POLICY_ACTION_PASS:
		put_rule_log(b, table, policy, way, 'P', rule->index);
		nft_put_set_mark(b, MARK_PASS, MARK_PASS);
		nft_put_verdict(b, NFT_RETURN, NULL);
		break;
	case POLICY_ACTION_LOG:
		put_log(b, table, policy);
		break;
	}
}

/* --- Chains ------------------------------------------------------------------------------- */

static char *chain_name(const struct table_policy *policy, enum policy_way way)
{
	const char *prefix = chain_prefixes[policy->is_profile][way];
	const char *id = policy->is_profile ? policy->key + strlen("pro/") : policy->key;
	struct digest digest;

	if (strlen(id) < NAME_MAX_)
		return xasprintf("%s%s", prefix, id);
	digest = digest_of(DIGEST_SHA256, id, strlen(id));
	return xasprintf("%s_%s", prefix, digest_hex(&digest).s);
}

/* Rules are counted from 1, as a person does. */
static void put_rule_label(struct nft_builder *b, const struct layout_rule *first,
			   const struct layout_rule *last)
{
	if (first->index == last->index)
		nft_put_label(b, "rule %zu", first->index + 1);
	else
		nft_put_label(b, "rules %zu to %zu", first->index + 1, last->index + 1);
}

/* The rules from 'at' on in one lookup. How many that were; 0: they can't. */
static size_t render_merged(struct policy_table *table, struct table_policy *policy, unsigned int f,
			    enum policy_way way, size_t at, struct nft_rules *rules)
{
	const struct layout_rules *layout = &policy->rules[f][way];
	size_t n = table->config.flow_log ? 0 : merge_run(layout, at);
	struct merged_sets merged;

	if (!n)
		return 0;
	merge_sets(table->rulesets[f], &layout->v[at], n, &merged);
	for (size_t i = 0; i < merged.n; i++) {
		nft_begin(table->builder);
		put_merged_lookup(table->builder, family_of(f), &merged, i);
		put_action(table->builder, table, f, way, policy, &layout->v[at]);
		put_rule_label(table->builder, &layout->v[at], &layout->v[at + n - 1]);
		nft_rules_add(rules, nft_end(table->builder));
		nft_rules_use_set(rules, merged.v[i]);
	}
	return merged.n ? n : 0;
}

static void render_chain(struct policy_table *table, struct table_policy *policy, unsigned int f,
			 enum policy_way way)
{
	const struct layout_rules *layout = &policy->rules[f][way];
	struct nft_rules rules = {0};
	size_t unmerged = 0; /* up to here a merge was tried in vain */

	for (size_t i = 0; i < layout->n;) {
		size_t n = i < unmerged ? 0 : render_merged(table, policy, f, way, i, &rules);

		if (n) {
			i += n;
			continue;
		}
		if (i >= unmerged)
			unmerged = i + MAX(merge_run(layout, i), (size_t)1);
		nft_begin(table->builder);
		put_matches(table, f, table->builder, &rules, &layout->v[i]);
		put_action(table->builder, table, f, way, policy, &layout->v[i]);
		put_rule_label(table->builder, &layout->v[i], &layout->v[i]);
		nft_rules_add(&rules, nft_end(table->builder));
		i++;
	}
	nft_chain_set_rules(table->rulesets[f], policy->chains[f][way], &rules);
}

void table_policy_render(struct policy_table *table, struct table_policy *policy)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			if (policy->chains[f][way])
				render_chain(table, policy, f, (enum policy_way)way);
}

bool table_policy_is_enforced(const struct table_policy *policy, enum policy_way way)
{
	return !policy->staged && policy->applies[way];
}

/* --- As told ------------------------------------------------------------------------------ */

static void drop_content(struct policy_table *table, struct table_policy *policy)
{
	table_policy_forgive(table, policy);
	for (unsigned int f = 0; f < FAMILIES; f++) {
		for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
			layout_rules_deinit(&policy->rules[f][way]);
			if (policy->chains[f][way])
				nft_chain_unref(table->rulesets[f], policy->chains[f][way]);
			policy->chains[f][way] = NULL;
		}
	}
}

static void take_content(struct table_policy *policy, const struct compiled_policy *told,
			 unsigned int f, enum policy_way way)
{
	layout_rules_init(&policy->rules[f][way], &told->rules[way], family_of(f));
	policy->may_pass[way] = policy->may_pass[way] ||
				layout_rules_have(&policy->rules[f][way], POLICY_ACTION_PASS);
}

static void hold_chain(struct policy_table *table, struct table_policy *policy, unsigned int f,
		       enum policy_way way)
{
	_cleanup_free_ char *name = chain_name(policy, way);

	policy->chains[f][way] = nft_chain_ref(table->rulesets[f], name, NULL);
}

const char *table_policy_chain(struct policy_table *table, struct table_policy *policy,
			       unsigned int f, enum policy_way way)
{
	if (!policy->chains[f][way]) {
		hold_chain(table, policy, f, way);
		render_chain(table, policy, f, way);
	}
	return nft_chain_name(policy->chains[f][way]);
}

/* Is everything as before that an endpoint's chain looks at? */
static bool same_shape(const struct table_policy *a, const struct table_policy *b)
{
	bool same = a->staged == b->staged;

	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		same = same && a->applies[way] == b->applies[way] &&
		       a->may_pass[way] == b->may_pass[way];
		for (unsigned int f = 0; f < FAMILIES; f++)
			same = same && !a->rules[f][way].n == !b->rules[f][way].n;
	}
	return same;
}

bool table_policy_put(struct policy_table *table, const struct compiled_policy *told)
{
	struct table_policy *policy = table_policy_find(table, told->key);
	struct table_policy before = {.staged = false};
	bool is_new = !policy;

	if (is_new) {
		policy = XNEW(struct table_policy);
		policy->key = xstrdup(told->key);
		HASH_ADD_KEYPTR(hh, table->policies, policy->key, strlen(policy->key), policy);
	} else {
		before = *policy;
		drop_content(table, policy);
	}
	policy->is_profile = !told->tier;
	replace_str(&policy->tier, xstrdup(told->tier));
	policy->staged = told->staged;
	policy->do_not_track = told->do_not_track;
	policy->pre_dnat = told->pre_dnat;
	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		policy->applies[way] = told->applies[way] || policy->is_profile;
		policy->may_pass[way] = false;
		for (unsigned int f = 0; f < FAMILIES; f++)
			take_content(policy, told, f, (enum policy_way)way);
	}
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			if (before.chains[f][way] &&
			    table_policy_is_enforced(policy, (enum policy_way)way))
				hold_chain(table, policy, f, (enum policy_way)way);
	table_policy_render(table, policy);
	return is_new || !same_shape(policy, &before);
}

static void free_policy(struct policy_table *table, struct table_policy *policy)
{
	drop_content(table, policy);
	HASH_DEL(table->policies, policy);
	free(policy->tier);
	free(policy->key);
	free(policy);
}

void table_policy_remove(struct policy_table *table, const char *key)
{
	struct table_policy *policy = table_policy_find(table, key);

	if (policy)
		free_policy(table, policy);
}

bool table_policy_uses(const struct table_policy *policy, const struct policy_set_id *id)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			if (layout_rules_use(&policy->rules[f][way], id->s))
				return true;
	return false;
}

void table_policies_render_users(struct policy_table *table, const struct policy_set_id *id)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	if (table_policy_uses(policy, id))
		table_policy_render(table, policy);
}

void table_policies_deinit(struct policy_table *table)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	free_policy(table, policy);
}
