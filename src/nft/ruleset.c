/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The two states of a table, wanted and known. Each object has both in one, and is listed as dirty
 * when they may differ. An object that is neither wanted nor known is freed when the next commit
 * settles, not before: lists may point to it.
 */

#include "nft/ruleset.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "nft/ruleset-internal.h"

static const uint8_t field_bytes[] = {
	[NFT_FIELD_NONE] = 0, [NFT_FIELD_ADDRESS] = 4,	  [NFT_FIELD_PROTOCOL] = 1,
	[NFT_FIELD_PORT] = 2, [NFT_FIELD_INTERFACE] = 16,
};

size_t nft_field_bytes(enum nft_field field, uint8_t family)
{
	return field == NFT_FIELD_ADDRESS ? ip_size(family) : field_bytes[field];
}

size_t nft_field_size(enum nft_field field, uint8_t family)
{
	return (nft_field_bytes(field, family) + 3) / 4 * 4;
}

size_t nft_schema_key_size(const struct nft_schema *schema, uint8_t family)
{
	size_t size = 0;

	if (!schema->fields[1] && !schema->ranges)
		return nft_field_bytes(schema->fields[0], family);
	for (size_t i = 0; i < NFT_FIELDS_MAX; i++)
		size += nft_field_size(schema->fields[i], family);
	assert(size <= NFT_KEY_MAX);
	return size;
}

static bool schema_equal(const struct nft_schema *a, const struct nft_schema *b)
{
	return memcmp(a->fields, b->fields, sizeof(a->fields)) == 0 && a->ranges == b->ranges &&
	       a->intervals == b->intervals && a->verdicts == b->verdicts &&
	       a->counters == b->counters;
}

enum nft_part nft_part_of(const char *name)
{
	static const char *const nat[] = {"nat-", "network-ip-pools", "masq-ipam-pools"};

	for (size_t i = 0; i < ARRAY_SIZE(nat); i++)
		if (strncmp(name, nat[i], strlen(nat[i])) == 0)
			return NFT_PART_NAT;
	return NFT_PART_POLICY;
}

struct nft_ruleset *nft_ruleset_new(uint8_t family)
{
	struct nft_ruleset *ruleset = XNEW(struct nft_ruleset);

	ruleset->family = family;
	return ruleset;
}

uint8_t nft_ruleset_family(const struct nft_ruleset *ruleset)
{
	return ruleset->family;
}

void nft_ruleset_tell(struct nft_ruleset *ruleset, enum nft_part part)
{
	if (ruleset->told[part])
		return;
	ruleset->told[part] = true;
	ruleset->valid = false; /* leftovers of the part were not looked at */
}

static void list_set(struct nft_ruleset *ruleset, struct nft_set *set)
{
	if (set->listed)
		return;
	set->listed = true;
	*ARRAY_ADD(ruleset->dirty_sets, ruleset->n_dirty_sets) = set;
}

static void list_chain(struct nft_ruleset *ruleset, struct nft_chain *chain)
{
	if (chain->listed)
		return;
	chain->listed = true;
	*ARRAY_ADD(ruleset->dirty_chains, ruleset->n_dirty_chains) = chain;
}

/* --- Sets --------------------------------------------------------------------------------- */

struct nft_set *nft_set_find(struct nft_ruleset *ruleset, const char *name)
{
	struct nft_set *set;

	HASH_FIND_STR(ruleset->sets, name, set);
	return set;
}

struct nft_set *nft_set_make(struct nft_ruleset *ruleset, const char *name,
			     const struct nft_schema *schema)
{
	struct nft_set *set = XNEW(struct nft_set);

	set->name = xstrdup(name);
	set->schema = *schema;
	set->key_size = nft_schema_key_size(schema, ruleset->family);
	set->part = nft_part_of(name);
	HASH_ADD_KEYPTR(hh, ruleset->sets, set->name, strlen(set->name), set);
	return set;
}

struct nft_set *nft_set_ref(struct nft_ruleset *ruleset, const char *name,
			    const struct nft_schema *schema)
{
	struct nft_set *set = nft_set_find(ruleset, name);

	if (!set)
		set = nft_set_make(ruleset, name, schema);
	if (!schema_equal(&set->schema, schema)) { /* a leftover; a look at it decides */
		assert(!set->refs);
		set->schema = *schema;
		set->key_size = nft_schema_key_size(schema, ruleset->family);
		ruleset->valid = false;
	}
	if (!set->refs && set->left_out) { /* another one */
		set->left_out = false;
		ruleset->valid = false;
	}
	set->refs++;
	list_set(ruleset, set);
	return set;
}

struct nft_set *nft_ruleset_set(struct nft_ruleset *ruleset, const char *name)
{
	struct nft_set *set = nft_set_find(ruleset, name);

	return set && set->refs ? set : NULL;
}

const char *nft_set_name(const struct nft_set *set)
{
	return set->name;
}

static void list_member(struct nft_ruleset *ruleset, struct nft_set *set, struct nft_member *member)
{
	if (!member->listed) {
		member->listed = true;
		*ARRAY_ADD(set->dirty, set->n_dirty) = member;
	}
	list_set(ruleset, set);
}

static void unwant_member(struct nft_ruleset *ruleset, struct nft_set *set,
			  struct nft_member *member)
{
	if (!member->wanted)
		return;
	member->wanted = false;
	set->n_wanted--;
	if (member->chain)
		nft_chain_unref(ruleset, member->chain);
	member->chain = NULL;
	list_member(ruleset, set, member);
}

void nft_set_clear(struct nft_ruleset *ruleset, struct nft_set *set)
{
	struct nft_member *member;
	struct nft_member *next;

	HASH_ITER(hh, set->members, member, next)
	unwant_member(ruleset, set, member);
}

void nft_set_unref(struct nft_ruleset *ruleset, struct nft_set *set)
{
	assert(set->refs);
	if (--set->refs)
		return;
	list_set(ruleset, set);
	nft_set_clear(ruleset, set);
}

struct member_id {
	size_t size;
	uint8_t bytes[2 * NFT_KEY_MAX + 1 + NFT_CHAIN_MAXNAMELEN];
};

static struct member_id id_of(const struct nft_set *set, const struct nft_element *element)
{
	struct member_id id = {.size = set->key_size};

	memcpy(id.bytes, element->key, set->key_size);
	if (set->schema.ranges || set->schema.intervals) {
		memcpy(id.bytes + id.size, element->key_end, set->key_size);
		id.size += set->key_size;
	}
	if (set->schema.verdicts && element->chain) {
		size_t len = strnlen(element->chain, NFT_CHAIN_MAXNAMELEN - 1);

		memcpy(id.bytes + id.size, element->chain, len);
		id.size += len;
	}
	return id;
}

static struct nft_member *find_member(const struct nft_set *set, const struct member_id *id)
{
	struct nft_member *member;

	HASH_FIND(hh, set->members, id->bytes, id->size, member);
	return member;
}

static struct nft_member *make_member(struct nft_set *set, const struct member_id *id)
{
	struct nft_member *member = xcalloc(1, sizeof(*member) + id->size);

	memcpy(member->id, id->bytes, id->size);
	HASH_ADD_KEYPTR(hh, set->members, member->id, id->size, member);
	return member;
}

void nft_set_add(struct nft_ruleset *ruleset, struct nft_set *set,
		 const struct nft_element *element)
{
	struct member_id id = id_of(set, element);
	struct nft_member *member = find_member(set, &id);

	if (!member)
		member = make_member(set, &id);
	if (member->wanted)
		return;
	member->wanted = true;
	set->n_wanted++;
	if (element->chain)
		member->chain = nft_chain_ref(ruleset, element->chain, NULL);
	list_member(ruleset, set, member);
}

void nft_set_remove(struct nft_ruleset *ruleset, struct nft_set *set,
		    const struct nft_element *element)
{
	struct member_id id = id_of(set, element);
	struct nft_member *member = find_member(set, &id);

	if (member)
		unwant_member(ruleset, set, member);
}

bool nft_set_has(const struct nft_set *set, const struct nft_element *element)
{
	struct member_id id = id_of(set, element);
	const struct nft_member *member = find_member(set, &id);

	return member && member->wanted;
}

void nft_set_learn(struct nft_ruleset *ruleset, struct nft_set *set,
		   const struct nft_element *element)
{
	struct member_id id = id_of(set, element);
	struct nft_member *member = find_member(set, &id);

	if (!member)
		member = make_member(set, &id);
	member->known = true;
	if (!member->wanted)
		list_member(ruleset, set, member);
}

void nft_set_forget_members(struct nft_set *set)
{
	struct nft_member *member;
	struct nft_member *next;

	HASH_ITER(hh, set->members, member, next)
	member->known = false;
}

static void free_set(struct nft_ruleset *ruleset, struct nft_set *set)
{
	struct nft_member *member;
	struct nft_member *next;

	HASH_ITER(hh, set->members, member, next)
	{
		HASH_DEL(set->members, member);
		free(member);
	}
	HASH_DEL(ruleset->sets, set);
	free(set->dirty);
	free(set->name);
	free(set);
}

/* --- Chains ------------------------------------------------------------------------------- */

struct nft_chain *nft_chain_find(struct nft_ruleset *ruleset, const char *name)
{
	struct nft_chain *chain;

	HASH_FIND_STR(ruleset->chains, name, chain);
	return chain;
}

struct nft_chain *nft_chain_make(struct nft_ruleset *ruleset, const char *name,
				 const struct nft_base *base)
{
	struct nft_chain *chain = XNEW(struct nft_chain);

	chain->name = xstrdup(name);
	chain->is_base = base;
	if (base)
		chain->base = *base;
	chain->part = nft_part_of(name);
	HASH_ADD_KEYPTR(hh, ruleset->chains, chain->name, strlen(chain->name), chain);
	return chain;
}

struct nft_chain *nft_chain_ref(struct nft_ruleset *ruleset, const char *name,
				const struct nft_base *base)
{
	struct nft_chain *chain = nft_chain_find(ruleset, name);

	if (!chain)
		chain = nft_chain_make(ruleset, name, base);
	chain->is_base = base;
	if (base)
		chain->base = *base;
	chain->refs++;
	list_chain(ruleset, chain);
	return chain;
}

void nft_chain_unref(struct nft_ruleset *ruleset, struct nft_chain *chain)
{
	assert(chain->refs);
	if (--chain->refs)
		return;
	list_chain(ruleset, chain);
	nft_rules_deinit(&chain->rules, ruleset);
}

bool nft_chain_uses(const struct nft_chain *chain, const struct nft_set *set)
{
	for (size_t i = 0; i < chain->rules.n_sets; i++)
		if (chain->rules.sets[i] == set)
			return true;
	return false;
}

const char *nft_chain_name(const struct nft_chain *chain)
{
	return chain->name;
}

void nft_chain_set_rules(struct nft_ruleset *ruleset, struct nft_chain *chain,
			 struct nft_rules *rules)
{
	struct nft_rules old = chain->rules;

	assert(chain->refs);
	chain->rules = *rules;
	*rules = (struct nft_rules){0};
	nft_rules_deinit(&old, ruleset);
	list_chain(ruleset, chain);
}

struct nft_chain *nft_chain_share(struct nft_ruleset *ruleset, const char *prefix,
				  struct nft_rules *rules)
{
	_cleanup_free_ char *name = xasprintf("%s%016" PRIx64, prefix, nft_rules_id(rules));
	struct nft_chain *chain = nft_chain_ref(ruleset, name, NULL);

	if (chain->refs == 1)
		nft_chain_set_rules(ruleset, chain, rules);
	else
		nft_rules_deinit(rules, ruleset);
	return chain;
}

static void free_chain(struct nft_ruleset *ruleset, struct nft_chain *chain)
{
	HASH_DEL(ruleset->chains, chain);
	free(chain->known_rules);
	free(chain->name);
	free(chain);
}

/* --- Both --------------------------------------------------------------------------------- */

struct nft_ruleset *nft_ruleset_free(struct nft_ruleset *ruleset)
{
	struct nft_set *set;
	struct nft_set *next_set;
	struct nft_chain *chain;
	struct nft_chain *next_chain;

	if (!ruleset)
		return NULL;
	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	{
		for (size_t i = 0; i < chain->rules.n; i++)
			nft_rule_deinit(&chain->rules.v[i]);
		free(chain->rules.v);
		free(chain->rules.sets);
		free(chain->rules.chains);
		free_chain(ruleset, chain);
	}
	HASH_ITER(hh, ruleset->sets, set, next_set)
	free_set(ruleset, set);
	nft_flowtables_free(ruleset);
	free(ruleset->dirty_sets);
	free(ruleset->dirty_chains);
	free(ruleset);
	return NULL;
}

void nft_ruleset_invalidate(struct nft_ruleset *ruleset)
{
	ruleset->valid = false;
}

const struct nft_refused *nft_ruleset_refused(const struct nft_ruleset *ruleset)
{
	return &ruleset->refused;
}

void nft_set_leave_out(struct nft_ruleset *ruleset, struct nft_set *set)
{
	set->left_out = true;
	list_set(ruleset, set);
}

bool nft_set_is_left_out(const struct nft_set *set)
{
	return set->left_out;
}

/* Of their members it is not noted which were to be sent: everything is looked at. */
void nft_ruleset_take_in(struct nft_ruleset *ruleset)
{
	struct nft_set *set;
	struct nft_set *next;

	HASH_ITER(hh, ruleset->sets, set, next)
	{
		ruleset->valid = ruleset->valid && !set->left_out;
		set->left_out = false;
	}
}

bool nft_ruleset_was_open(const struct nft_ruleset *ruleset)
{
	return ruleset->was_open;
}

bool nft_ruleset_is_dirty(const struct nft_ruleset *ruleset)
{
	return !ruleset->valid || ruleset->n_dirty_sets || ruleset->n_dirty_chains ||
	       ruleset->flowtables_dirty;
}

static void clear_lists(struct nft_ruleset *ruleset)
{
	free(ruleset->dirty_sets);
	free(ruleset->dirty_chains);
	ruleset->dirty_sets = NULL;
	ruleset->dirty_chains = NULL;
	ruleset->n_dirty_sets = 0;
	ruleset->n_dirty_chains = 0;
}

static void settle_set(struct nft_ruleset *ruleset, struct nft_set *set)
{
	set->listed = false;
	set->known = nft_set_is_wanted(set);
	set->remake = false;
	for (size_t i = 0; i < set->n_dirty; i++) {
		struct nft_member *member = set->dirty[i];

		member->listed = false;
		member->known = member->wanted && set->known;
		if (member->wanted)
			continue;
		HASH_DEL(set->members, member);
		free(member);
	}
	free(set->dirty);
	set->dirty = NULL;
	set->n_dirty = 0;
	if (!set->refs)
		free_set(ruleset, set);
}

void nft_chain_note_known(struct nft_chain *chain)
{
	chain->known = true;
	chain->remake = false;
	free(chain->known_rules);
	chain->known_rules = NULL;
	chain->n_known_rules = 0;
	for (size_t i = 0; i < chain->rules.n; i++)
		*ARRAY_ADD(chain->known_rules, chain->n_known_rules) = chain->rules.v[i].stamp;
}

static void settle_chain(struct nft_ruleset *ruleset, struct nft_chain *chain)
{
	chain->listed = false;
	if (chain->refs)
		nft_chain_note_known(chain);
	else
		free_chain(ruleset, chain);
}

void nft_ruleset_settle(struct nft_ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++)
		settle_set(ruleset, ruleset->dirty_sets[i]);
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		settle_chain(ruleset, ruleset->dirty_chains[i]);
	nft_flowtables_settle(ruleset);
	clear_lists(ruleset);
	ruleset->remake = false;
	ruleset->dormant = false;
}

/* A set that nobody wants is freed; of another, the wanted members are to be sent. */
static void forget_set(struct nft_ruleset *ruleset, struct nft_set *set)
{
	struct nft_member *member;
	struct nft_member *next;

	set->known = false;
	set->remake = false;
	set->listed = false;
	free(set->dirty);
	set->dirty = NULL;
	set->n_dirty = 0;
	if (!set->refs) {
		free_set(ruleset, set);
		return;
	}
	HASH_ITER(hh, set->members, member, next)
	{
		member->known = false;
		member->listed = false;
		if (member->wanted) {
			list_member(ruleset, set, member);
			continue;
		}
		HASH_DEL(set->members, member);
		free(member);
	}
}

static void forget_chain(struct nft_ruleset *ruleset, struct nft_chain *chain)
{
	chain->known = false;
	chain->remake = false;
	chain->listed = false;
	free(chain->known_rules);
	chain->known_rules = NULL;
	chain->n_known_rules = 0;
	if (!chain->refs)
		free_chain(ruleset, chain);
}

void nft_ruleset_forget(struct nft_ruleset *ruleset)
{
	struct nft_set *set;
	struct nft_set *next_set;
	struct nft_chain *chain;
	struct nft_chain *next_chain;

	ruleset->has_table = false;
	ruleset->dormant = false;
	ruleset->has_untold = false;
	ruleset->remake = false;
	nft_flowtables_forget(ruleset);
	clear_lists(ruleset);
	HASH_ITER(hh, ruleset->sets, set, next_set)
	forget_set(ruleset, set);
	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	forget_chain(ruleset, chain);
}

void nft_ruleset_list_all(struct nft_ruleset *ruleset)
{
	struct nft_set *set;
	struct nft_set *next_set;
	struct nft_chain *chain;
	struct nft_chain *next_chain;

	HASH_ITER(hh, ruleset->sets, set, next_set)
	list_set(ruleset, set);
	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	list_chain(ruleset, chain);
}
