/* SPDX-License-Identifier: Apache-2.0 */

/* Facts in one sorted map: "endpoint KEY", "policy KEY", "set NAME", "set NAME > MEMBER". */

#include "calc/policy-mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

static void clear_map(struct str_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->v[i].key);
		free(map->v[i].value);
	}
	free(map->v);
	*map = (struct str_map){0};
}

void policy_mirror_deinit(struct policy_mirror *mirror)
{
	clear_map(&mirror->facts);
	clear_map(&mirror->set_names);
}

static const char *find(const struct policy_mirror *mirror, const char *kind, const char *key)
{
	_cleanup_free_ char *fact = xasprintf("%s %s", kind, key);

	return str_map_find(&mirror->facts, fact);
}

static void put(struct policy_mirror *mirror, const char *kind, const char *key, const char *value)
{
	_cleanup_free_ char *fact = xasprintf("%s %s", kind, key);

	str_map_put(&mirror->facts, fact, value);
}

static void take(struct policy_mirror *mirror, const char *kind, const char *key)
{
	_cleanup_free_ char *fact = xasprintf("%s %s", kind, key);

	if (!str_map_remove(&mirror->facts, fact))
		fail_msg("gone, but was not there: %s", fact);
}

/* --- Sets ------------------------------------------------------------------------------------- */

static char *set_name(const struct policy_set *set)
{
	if (set->port_name)
		return xasprintf("%s port %s/%u", set->selector, set->port_name, set->protocol);
	if (set->service_name)
		return xasprintf("svc%s %s/%s", set->type == POLICY_SET_TYPE_NET ? "noport" : "",
				 set->service_namespace, set->service_name);
	return xstrdup(set->selector ? set->selector : set->id.s);
}

static char *member_name(const char *set, const struct policy_member *member)
{
	if (member->port)
		return xasprintf("%s > %s:%u:%u", set, cidr_format(&member->net).s,
				 member->protocol, member->port);
	return xasprintf("%s > %s", set, cidr_format(&member->net).s);
}

static void add_member(struct policy_mirror *mirror, const char *set,
		       const struct policy_member *member)
{
	_cleanup_free_ char *name = member_name(set, member);

	if (find(mirror, "set", name))
		fail_msg("added twice: %s", name);
	assert_true(cidr_is_masked(&member->net));
	put(mirror, "set", name, "");
}

static void apply_set(struct policy_mirror *mirror, const struct policy_set_change *change)
{
	_cleanup_free_ char *name = set_name(change->set);

	if (change->is_new == !!str_map_find(&mirror->set_names, change->set->id.s))
		fail_msg("set %s: is_new is %d", name, change->is_new);
	assert_true(change->is_new || change->n_added || change->n_removed);
	if (change->is_new) {
		assert_int_equal(change->n_removed, 0);
		assert_null(find(mirror, "set", name));
		str_map_put(&mirror->set_names, change->set->id.s, name);
		put(mirror, "set", name, "");
	}
	for (size_t i = 0; i < change->n_removed; i++) {
		_cleanup_free_ char *member = member_name(name, &change->removed[i]);

		take(mirror, "set", member);
	}
	for (size_t i = 0; i < change->n_added; i++)
		add_member(mirror, name, &change->added[i]);
}

static void drop_set(struct policy_mirror *mirror, const struct policy_set_id *id)
{
	_cleanup_free_ char *name = xstrdup(str_map_find(&mirror->set_names, id->s));
	_cleanup_free_ char *prefix = xasprintf("set %s >", name);

	if (!name)
		fail_msg("gone, but was not there: set %s", id->s);
	take(mirror, "set", name);
	str_map_remove(&mirror->set_names, id->s);
	for (size_t i = mirror->facts.n; i-- > 0;) {
		_cleanup_free_ char *fact = xstrdup(mirror->facts.v[i].key);

		if (strncmp(fact, prefix, strlen(prefix)) == 0)
			str_map_remove(&mirror->facts, fact);
	}
}

/* --- Policies and endpoints ------------------------------------------------------------------- */

static void apply_policy(struct policy_mirror *mirror, const struct compiled_policy *policy)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < policy->n_sets; i++) {
		if (!str_map_find(&mirror->set_names, policy->sets[i].id.s))
			fail_msg("%s: its set %s is not there", policy->key, policy->sets[i].id.s);
	}
	compiled_policy_dump(policy, &text);
	put(mirror, "policy", policy->key, buf_str(&text));
}

static void add_policy(struct policy_mirror *mirror, const struct compiled_policy *policy,
		       struct buf *text)
{
	if (!find(mirror, "policy", policy->key))
		fail_msg("used and not there: %s", policy->key);
	buf_addf(text, " %s", policy->key);
}

static void add_tiers(struct policy_mirror *mirror, const struct endpoint_tiers *tiers,
		      const char *where, struct buf *text)
{
	if (!tiers->n)
		return;
	buf_addf(text, " | %s", where);
	for (size_t i = 0; i < tiers->n; i++) {
		const struct endpoint_tier *tier = &tiers->v[i];

		assert_true(tier->n_policies);
		buf_addf(text, " %s%s%s", tier->name, tier->pass ? ":pass" : "",
			 tier->enforced ? "!" : "");
		for (size_t j = 0; j < tier->n_policies; j++)
			add_policy(mirror, tier->policies[j], text);
	}
}

static void apply_endpoint(struct policy_mirror *mirror, const struct policy_endpoint *endpoint)
{
	static const char *const places[POLICY_STAGES_][POLICY_WAYS_] = {
		{"normal.in", "normal.out"},
		{"forward.in", "forward.out"},
		{"prednat.in", "prednat.out"},
		{"untracked.in", "untracked.out"},
	};
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_addf(&text, "%s", endpoint->interface ? endpoint->interface : "?");
	for (size_t i = 0; i < endpoint->n_addrs; i++)
		buf_addf(&text, " %s", cidr_format(&endpoint->addrs[i]).s);
	for (size_t i = 0; i < endpoint->n_spoofable; i++)
		buf_addf(&text, " +%s", cidr_format(&endpoint->spoofable[i]).s);
	for (unsigned int stage = 0; stage < POLICY_STAGES_; stage++) {
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			add_tiers(mirror, &endpoint->tiers[stage][way], places[stage][way], &text);
	}
	buf_adds(&text, " |");
	for (size_t i = 0; i < endpoint->n_profiles; i++)
		add_policy(mirror, endpoint->profiles[i], &text);
	put(mirror, "endpoint", endpoint->key, buf_str(&text));
}

/* --- All of it -------------------------------------------------------------------------------- */

/* A policy's, and not an address. */
static bool is_key(const char *word)
{
	return strchr(word, '/') && !strchr(word, ':') && *word >= 'a' && *word <= 'z';
}

/* Nothing that is used may be gone. */
static void check_uses(const struct policy_mirror *mirror)
{
	for (size_t i = 0; i < mirror->facts.n; i++) {
		const struct str_pair *fact = &mirror->facts.v[i];
		_cleanup_free_ char *words = xstrdup(fact->value);
		char *rest = NULL;

		if (strncmp(fact->key, "endpoint ", 9) != 0)
			continue;
		for (char *word = strtok_r(words, " ", &rest); word;
		     word = strtok_r(NULL, " ", &rest)) {
			if (is_key(word) && !find(mirror, "policy", word))
				fail_msg("%s uses %s, which is gone", fact->key, word);
		}
	}
}

void policy_mirror_apply(struct policy_mirror *mirror, const struct policy_update *update)
{
	for (size_t i = 0; i < update->n_sets; i++)
		apply_set(mirror, &update->sets[i]);
	for (size_t i = 0; i < update->n_policies; i++)
		apply_policy(mirror, update->policies[i]);
	for (size_t i = 0; i < update->n_endpoints; i++)
		apply_endpoint(mirror, update->endpoints[i]);
	for (size_t i = 0; i < update->n_endpoints_gone; i++)
		take(mirror, "endpoint", update->endpoints_gone[i]);
	for (size_t i = 0; i < update->n_policies_gone; i++)
		take(mirror, "policy", update->policies_gone[i]);
	for (size_t i = 0; i < update->n_sets_gone; i++)
		drop_set(mirror, &update->sets_gone[i]);
	check_uses(mirror);
}

char *policy_mirror_text(const struct policy_mirror *mirror)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < mirror->facts.n; i++)
		buf_addf(&text, "%s: %s\n", mirror->facts.v[i].key, mirror->facts.v[i].value);
	return xstrdup(buf_str(&text));
}

const char *policy_mirror_endpoint(const struct policy_mirror *mirror, const char *key)
{
	return find(mirror, "endpoint", key);
}

const char *policy_mirror_policy(const struct policy_mirror *mirror, const char *key)
{
	return find(mirror, "policy", key);
}

char *policy_mirror_set(const struct policy_mirror *mirror, const char *name)
{
	_cleanup_free_ char *prefix = xasprintf("set %s > ", name);
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!find(mirror, "set", name))
		return NULL;
	for (size_t i = 0; i < mirror->facts.n; i++) {
		const char *fact = mirror->facts.v[i].key;

		if (strncmp(fact, prefix, strlen(prefix)) == 0)
			buf_addf(&text, "%s%s", text.size ? " " : "", fact + strlen(prefix));
	}
	return xstrdup(buf_str(&text));
}
