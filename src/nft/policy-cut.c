/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections of before. What a deleted pod had is to go, so that nothing of it reaches the next pod
 * with its address: which addresses those are is noted here. And where it is wanted, connections that
 * the policy of now would not let begin are cut: each entry of the kernel's table is judged as its
 * first packet would be. That is done in any case after a time without rules, else what began in it
 * would go on for good. What the host
 * itself sends to its pods is never judged, as no policy of theirs applies to it.
 */

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/addr.h"
#include "netlink/conntrack.h"
#include "nft/policy-internal.h"

/* --- A rule and a packet ------------------------------------------------------------------ */

static const struct ip_addr *addr_of(const struct conntrack_entry *entry, enum layout_side side)
{
	return side == LAYOUT_SOURCE ? &entry->source : &entry->destination;
}

static uint16_t port_of(const struct conntrack_entry *entry, enum layout_side side)
{
	return side == LAYOUT_SOURCE ? entry->source_port : entry->destination_port;
}

static bool nets_have(const struct layout_match *match, const struct ip_addr *addr)
{
	for (size_t i = 0; i < match->n; i++)
		if (cidr_contains(&match->nets[i], addr))
			return true;
	return false;
}

static bool ports_have(const struct layout_match *match, uint16_t port)
{
	for (size_t i = 0; i < match->n; i++)
		if (port >= match->ports[i].first && port <= match->ports[i].last)
			return true;
	return false;
}

static bool holds(struct policy_table *table, const struct layout_match *match,
		  const struct conntrack_entry *entry)
{
	const struct ip_addr *addr = addr_of(entry, match->side);
	uint16_t port = port_of(entry, match->side);
	const struct table_set *set;

	switch (match->kind) {
	case LAYOUT_MATCH_PROTOCOL:
		return entry->protocol == match->a;
	case LAYOUT_MATCH_ICMP:
		return entry->icmp_type == match->a &&
		       (match->b == POLICY_ANY || entry->icmp_code == match->b);
	case LAYOUT_MATCH_NETS:
		return nets_have(match, addr);
	case LAYOUT_MATCH_PORTS:
		return ports_have(match, port);
	case LAYOUT_MATCH_SET:
		set = table_set_find(table, match->set.s);
		return set && table_set_has_addr(set, addr);
	case LAYOUT_MATCH_PORT_SET:
		set = table_set_find(table, match->set.s);
		return set && table_set_has_port(set, addr, entry->protocol, port);
	}
	return false;
}

/* What the first rule that decides says; POLICY_ACTION_LOG: none does. */
static enum policy_action judge_rules(struct policy_table *table, const struct layout_rules *rules,
				      const struct conntrack_entry *entry)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct layout_rule *rule = &rules->v[i];
		bool matches = rule->action != POLICY_ACTION_LOG;

		for (size_t k = 0; matches && k < rule->n; k++)
			matches =
				holds(table, &rule->matches[k], entry) != rule->matches[k].negated;
		if (matches)
			return rule->action;
	}
	return POLICY_ACTION_LOG;
}

/* --- An endpoint and a packet ------------------------------------------------------------- */

struct tier_state {
	bool passed;
	bool enforced;
};

/* The verdict of a step: ALLOW, DENY, or LOG to go on. */
static enum policy_action judge_step(struct policy_table *table, const struct layout_step *step,
				     enum policy_way way, const struct conntrack_entry *entry,
				     struct tier_state *tier)
{
	unsigned int f = entry->source.family == AF_INET ? 0 : 1;
	const struct table_policy *policy;
	enum policy_action action;

	switch (step->kind) {
	case LAYOUT_STEP_TIER:
		*tier = (struct tier_state){.passed = false};
		return POLICY_ACTION_LOG;
	case LAYOUT_STEP_POLICY:
	case LAYOUT_STEP_PROFILE:
		policy = table_policy_find(table, step->name);
		if (!policy || policy->staged || !policy->applies[way])
			return POLICY_ACTION_LOG;
		if (step->kind == LAYOUT_STEP_POLICY)
			tier->enforced = true;
		if (step->kind == LAYOUT_STEP_POLICY && tier->passed)
			return POLICY_ACTION_LOG;
		action = judge_rules(table, &policy->rules[f][way], entry);
		tier->passed = tier->passed || action == POLICY_ACTION_PASS;
		return action == POLICY_ACTION_PASS ? POLICY_ACTION_LOG : action;
	case LAYOUT_STEP_TIER_END:
		return tier->enforced && !tier->passed ? POLICY_ACTION_DENY : POLICY_ACTION_LOG;
	case LAYOUT_STEP_DENY:
		return POLICY_ACTION_DENY;
	case LAYOUT_STEP_ALLOW:
	case LAYOUT_STEP_RETURN:
		return POLICY_ACTION_ALLOW;
	}
	return POLICY_ACTION_LOG;
}

static bool denies(struct policy_table *table, const struct table_endpoint *endpoint,
		   enum policy_way way, const struct conntrack_entry *entry)
{
	const struct layout_steps *steps = &endpoint->steps[POLICY_STAGE_NORMAL][way];
	struct tier_state tier = {.passed = false};

	for (size_t i = 0; i < steps->n; i++) {
		enum policy_action action = judge_step(table, &steps->v[i], way, entry, &tier);

		if (action == POLICY_ACTION_ALLOW || action == POLICY_ACTION_DENY)
			return action == POLICY_ACTION_DENY;
	}
	return false;
}

/* --- All connections ---------------------------------------------------------------------- */

/* An address of a pod here, by which an entry finds it. */
struct owner {
	struct ip_addr addr;
	const struct table_endpoint *endpoint; /* NULL: the host's own */
	UT_hash_handle hh;
};

struct judgement {
	struct policy_table *table;
	struct owner *owners;
};

static void add_owner(struct judgement *judgement, const struct ip_addr *addr,
		      const struct table_endpoint *endpoint)
{
	struct owner *owner;

	HASH_FIND(hh, judgement->owners, addr, sizeof(*addr), owner);
	if (owner)
		return;
	owner = XNEW(struct owner);
	owner->addr = *addr;
	owner->endpoint = endpoint;
	HASH_ADD(hh, judgement->owners, addr, sizeof(owner->addr), owner);
}

static const struct owner *find_owner(const struct judgement *judgement, const struct ip_addr *addr)
{
	const struct owner *owner;

	HASH_FIND(hh, judgement->owners, addr, sizeof(*addr), owner);
	return owner;
}

static bool is_denied(const struct conntrack_entry *entry, void *ctx)
{
	const struct judgement *judgement = ctx;
	const struct owner *from = find_owner(judgement, &entry->source);
	const struct owner *to = find_owner(judgement, &entry->destination);

	if (from && !from->endpoint)
		return false;
	return (from && denies(judgement->table, from->endpoint, POLICY_WAY_EGRESS, entry)) ||
	       (to && to->endpoint &&
		denies(judgement->table, to->endpoint, POLICY_WAY_INGRESS, entry));
}

static int add_owners(struct judgement *judgement, struct err *err)
{
	struct policy_table *table = judgement->table;
	struct if_addr_list own = {.v = NULL};
	struct table_endpoint *endpoint;
	struct table_endpoint *next;
	int r = addr_dump(table->route, AF_UNSPEC, 0, &own, err);

	for (size_t i = 0; r == 0 && i < own.n; i++)
		add_owner(judgement, &own.v[i].cidr.addr, NULL);
	if_addr_list_deinit(&own);
	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (endpoint->published && !endpoint->is_host)
		for (size_t i = 0; i < endpoint->n_addrs; i++)
			add_owner(judgement, &endpoint->addrs[i].addr, endpoint);
	return r;
}

static int cut_denied(struct policy_table *table, struct err *err)
{
	struct judgement judgement = {.table = table};
	struct owner *owner;
	struct owner *next;
	size_t n;
	int r = add_owners(&judgement, err);

	for (unsigned int f = 0; r == 0 && f < FAMILIES; f++)
		r = conntrack_cut(table->nl, family_of(f), is_denied, &judgement, &n, err);
	HASH_ITER(hh, judgement.owners, owner, next)
	{
		HASH_DEL(judgement.owners, owner);
		free(owner);
	}
	return r;
}

/* --- After a commit ----------------------------------------------------------------------- */

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

int table_cut(struct policy_table *table, struct err *err)
{
	int r = 0;

	if (table->enforces && (table->reopened || (table->cut && table->config.cut_denied)))
		r = cut_denied(table, err);
	if (r == 0) {
		table->cut = false;
		table->reopened = false;
	}
	return r;
}
