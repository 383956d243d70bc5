/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A policy as a chain per direction, family and table. Allow sets a mark and returns, pass sets
 * another, deny ends the packet, log goes on. A rule that can't be said in iptables denies.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/policy-internal.h"
#include "policy/policy-log.h"

#define LOG_MODULE "iptables"
#include "base/log.h"

#define NFLOG_PREFIX_MAX 64
#define LOG_PREFIX_MAX	 29 /* iptables' */
#define LOG_LEVEL	 5  /* notice */

static const char *const chain_prefixes[2][POLICY_WAYS_] = {
	{[POLICY_WAY_INGRESS] = "cali-pi-", [POLICY_WAY_EGRESS] = "cali-po-"},
	{[POLICY_WAY_INGRESS] = "cali-pri-", [POLICY_WAY_EGRESS] = "cali-pro-"},
};

struct ipt_policy *ipt_policy_find(const struct policy_iptables *self, const char *key)
{
	struct ipt_policy *policy;

	HASH_FIND_STR(self->policies, key, policy);
	return policy;
}

bool ipt_policy_is_enforced(const struct ipt_policy *policy, enum policy_way way)
{
	return !policy->staged && policy->applies[way];
}

bool ipt_policy_is_in(const struct policy_iptables *self, const struct ipt_policy *policy,
		      enum ipt_table table, unsigned int f, enum policy_way way)
{
	if (!ipt_policy_is_enforced(policy, way) || !policy->rules[f][way].n)
		return false;
	if (policy->do_not_track)
		return table == IPT_RAW;
	if (policy->pre_dnat)
		return table == IPT_MANGLE;
	/* What leaves the host and was sent elsewhere by DNAT is judged behind it. */
	return table == IPT_FILTER ||
	       (table == IPT_MANGLE && way == POLICY_WAY_EGRESS && self->has_hosts);
}

struct ipt_name ipt_policy_chain(const struct ipt_policy *policy, enum policy_way way)
{
	const char *id = policy->is_profile ? policy->key + strlen("pro/") : policy->key;

	return ipt_chain_name(chain_prefixes[policy->is_profile][way], id);
}

/* --- Ends of rules ------------------------------------------------------------------------ */

/* What may stand between quotes. */
static void clean(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '_';
}

static void put_flow_log(const struct policy_iptables *self, struct ipt_rules *rules,
			 enum policy_way way, const char *mark, const char *letters, const char *id)
{
	_cleanup_free_ char *prefix = NULL;

	if (!self->config.flow_log)
		return;
	prefix = policy_flow_prefix(letters, id, NFLOG_PREFIX_MAX);
	clean(prefix);
	ipt_rules_add(rules, "-m mark --mark %s -j NFLOG --nflog-group %d --nflog-prefix \"%s\"",
		      mark, way == POLICY_WAY_INGRESS ? 1 : 2, prefix);
}

/* 'match' begins with a space, or is empty. */
static const char *skip_space(const char *match)
{
	return match + (*match == ' ');
}

void ipt_put_deny(const struct policy_iptables *self, struct ipt_rules *rules, enum ipt_table table,
		  enum policy_way way, const char *match, const char *letters, const char *id)
{
	const char *target = self->config.reject && table == IPT_FILTER ? "REJECT" : "DROP";

	match = skip_space(match);
	if (!self->config.flow_log) {
		ipt_rules_add(rules, "%s%s-j %s", match, *match ? " " : "", target);
		return;
	}
	ipt_rules_add(rules, "%s%s-j MARK --set-xmark " MARK_DROP, match, *match ? " " : "");
	put_flow_log(self, rules, way, MARK_DROP, letters, id);
	ipt_rules_add(rules, "-m mark --mark " MARK_DROP " -j %s", target);
}

static void put_mark(const struct policy_iptables *self, struct ipt_rules *rules,
		     enum policy_way way, const char *match, const char *mark, const char *letters,
		     const char *id)
{
	match = skip_space(match);
	ipt_rules_add(rules, "%s%s-j MARK --set-xmark %s", match, *match ? " " : "", mark);
	put_flow_log(self, rules, way, mark, letters, id);
	ipt_rules_add(rules, "-m mark --mark %s -j RETURN", mark);
}

/*
 * An option of the LOG rule itself: beyond it the rule does not match, and the next has its turn.
 */
static char *log_limit(const struct policy_log_limit *limit)
{
	const char *unit = limit->seconds == 1	    ? "second"
			   : limit->seconds == 60   ? "minute"
			   : limit->seconds == 3600 ? "hour"
						    : "day";

	if (!limit->rate)
		return xstrdup("");
	return xasprintf("-m limit --limit %" PRIu32 "/%s --limit-burst %" PRIu32 " ", limit->rate,
			 unit, limit->burst);
}

static void put_log(const struct policy_iptables *self, struct ipt_rules *rules,
		    const struct ipt_policy *policy, const char *match)
{
	_cleanup_free_ char *limit = log_limit(&self->config.log_limit);
	_cleanup_buf_ struct buf text = BUF_INIT;
	char prefix[LOG_PREFIX_MAX + 1];

	policy_log_prefix(self->config.log_prefix, policy->key, policy->tier, &text);
	(void)snprintf(prefix, sizeof(prefix), "%.*s: ", LOG_PREFIX_MAX - 2, buf_str(&text));
	clean(prefix);
	match = skip_space(match);
	ipt_rules_add(rules, "%s%s%s-j LOG --log-prefix \"%s\" --log-level %d", match,
		      *match ? " " : "", limit, prefix, LOG_LEVEL);
}

/* --- Rules -------------------------------------------------------------------------------- */

static void put_action(const struct policy_iptables *self, struct ipt_rules *rules,
		       enum ipt_table table, enum policy_way way, const struct ipt_policy *policy,
		       const struct layout_rule *rule, const char *match)
{
	char letters[32];
	char who = policy->is_profile ? 'R' : 'P';
	char direction = way == POLICY_WAY_INGRESS ? 'I' : 'E';

	(void)snprintf(letters, sizeof(letters), "?%c%c%zu", who, direction, rule->index);
	switch (rule->action) {
	case POLICY_ACTION_ALLOW:
		letters[0] = 'A';
		put_mark(self, rules, way, match, MARK_ACCEPT, letters, policy->key);
		break;
	case POLICY_ACTION_DENY:
		letters[0] = 'D';
		ipt_put_deny(self, rules, table, way, match, letters, policy->key);
		break;
	case POLICY_ACTION_PASS:
		letters[0] = 'P';
		put_mark(self, rules, way, match, MARK_PASS, letters, policy->key);
		break;
	case POLICY_ACTION_LOG:
		put_log(self, rules, policy, match);
		break;
	}
}

static void note_unsayable(const struct ipt_policy *policy, const struct layout_rule *rule)
{
	log_error("a rule can't be said in iptables, and denies: use nftables, or change the rule",
		  "policy", policy->key, "rule", log_num((int64_t)rule->index).s);
}

static void render_rule(struct policy_iptables *self, struct ipt_policy *policy, unsigned int f,
			enum policy_way way, enum ipt_table table, const struct layout_rule *rule,
			struct ipt_rules *rules)
{
	static const struct layout_rule deny = {.action = POLICY_ACTION_DENY};
	_cleanup_(ipt_rules_deinitp) struct ipt_rules texts = {.v = NULL};

	if (ipt_matches(self, f, policy, rule, &texts) < 0) {
		note_unsayable(policy, rule);
		put_action(self, rules, table, way, policy, &deny, "");
		return;
	}
	for (size_t i = 0; i < texts.n; i++)
		put_action(self, rules, table, way, policy, rule, texts.v[i]);
}

static void release_sets(struct policy_iptables *self, struct ipt_policy *policy)
{
	for (size_t i = 0; i < policy->n_sets; i++)
		ip_sets_release(self->sets, policy->sets[i].s);
	free(policy->sets);
	policy->sets = NULL;
	policy->n_sets = 0;
}

static void render_chain(struct policy_iptables *self, struct ipt_policy *policy, unsigned int f,
			 enum policy_way way, enum ipt_table table)
{
	struct ipt_name name = ipt_policy_chain(policy, way);
	const struct layout_rules *layout = &policy->rules[f][way];
	struct ipt_rules rules = {.v = NULL};

	if (!ipt_policy_is_in(self, policy, table, f, way)) {
		chain_table_unwant(self->tables[f][table], name.s);
		return;
	}
	for (size_t i = 0; i < layout->n; i++)
		render_rule(self, policy, f, way, table, &layout->v[i], &rules);
	chain_table_want(self->tables[f][table], name.s, &rules);
}

/* The sets of before are let go of after those of now are held: what is in both stays. */
void ipt_policy_render(struct policy_iptables *self, struct ipt_policy *policy)
{
	struct ipt_policy before = {.sets = policy->sets, .n_sets = policy->n_sets};

	policy->sets = NULL;
	policy->n_sets = 0;
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			for (unsigned int t = 0; t < IPT_TABLES_; t++)
				if (t != IPT_NAT)
					render_chain(self, policy, f, (enum policy_way)way,
						     (enum ipt_table)t);
	release_sets(self, &before);
}

void ipt_policies_render(struct policy_iptables *self)
{
	struct ipt_policy *policy;
	struct ipt_policy *next;

	HASH_ITER(hh, self->policies, policy, next)
	ipt_policy_render(self, policy);
}

/* --- As told ------------------------------------------------------------------------------ */

static void drop_rules(struct ipt_policy *policy)
{
	(void)policy_refusal_undo(&policy->refusal, policy->rules);
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			layout_rules_deinit(&policy->rules[f][way]);
}

static struct ipt_policy *get_policy(struct policy_iptables *self, const char *key)
{
	struct ipt_policy *policy = ipt_policy_find(self, key);

	if (policy)
		return policy;
	policy = XNEW(struct ipt_policy);
	policy->key = xstrdup(key);
	HASH_ADD_KEYPTR(hh, self->policies, policy->key, strlen(policy->key), policy);
	return policy;
}

void ipt_policy_put(struct policy_iptables *self, const struct compiled_policy *told)
{
	struct ipt_policy *policy = get_policy(self, told->key);

	drop_rules(policy);
	policy->is_profile = !told->tier;
	replace_str(&policy->tier, xstrdup(told->tier));
	policy->staged = told->staged;
	policy->do_not_track = told->do_not_track;
	policy->pre_dnat = told->pre_dnat;
	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		policy->applies[way] = told->applies[way] || policy->is_profile;
		for (unsigned int f = 0; f < FAMILIES; f++)
			layout_rules_init(&policy->rules[f][way], &told->rules[way], family_of(f));
	}
	ipt_policy_render(self, policy);
	self->dirty = true;
}

static void free_policy(struct policy_iptables *self, struct ipt_policy *policy)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			for (unsigned int t = 0; t < IPT_TABLES_; t++)
				chain_table_unwant(
					self->tables[f][t],
					ipt_policy_chain(policy, (enum policy_way)way).s);
	release_sets(self, policy);
	drop_rules(policy);
	HASH_DEL(self->policies, policy);
	free(policy->tier);
	free(policy->key);
	free(policy);
}

void ipt_policy_remove(struct policy_iptables *self, const char *key)
{
	struct ipt_policy *policy = ipt_policy_find(self, key);

	if (!policy)
		return;
	free_policy(self, policy);
	self->dirty = true;
}

void ipt_policies_deinit(struct policy_iptables *self)
{
	struct ipt_policy *policy;
	struct ipt_policy *next;

	HASH_ITER(hh, self->policies, policy, next)
	free_policy(self, policy);
}
