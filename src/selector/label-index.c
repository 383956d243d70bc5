/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three kinds of records, each interned and counted:
 *
 *	key	a label's name; the queries that want it there with whatever value
 *	pair	a key with a value; the classes and the parents that have it, the queries that want it
 *	class	pairs and parents of one or many items; the queries that match them
 *
 * Invariants: a class's 'matches' (sorted by address) are the queries whose selector matches its
 * effective labels. A query hangs on all needs of one of its selector's clauses, so whatever it
 * matches is found by way of them; a query without a clause is in 'unindexed'. Of the clauses that
 * one is taken on which least hangs: it will be looked at least often.
 */

#include "selector/label-index.h"

#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/hash-table.h"
#include "model/model-desc.h"
#include "selector/selector.h"

/* Most lists hold one pointer, which needs no memory of its own. */
struct pointers {
	union {
		void **many;
		void *one; /* with 'capacity' 0 */
	};
	uint32_t n;
	uint32_t capacity;
};

struct label_key {
	struct hash_node node;
	struct label_pair *pairs;
	struct pointers queries;
	size_t n_owners; /* pairs and hooks */
	size_t n_uses;	 /* classes and parents that have it */
	char s[];
};

struct label_pair {
	struct hash_node node;
	struct label_key *key;
	struct label_pair *prev, *next; /* in the key's list */
	struct pointers classes;
	struct pointers parents;
	struct pointers queries;
	size_t n_owners; /* classes, parents and hooks */
	char value[];
};

struct label_parent {
	struct hash_node node;
	struct label_pair **pairs; /* sorted by key */
	size_t n_pairs;
	struct pointers classes;
	char name[];
};

struct label_class {
	struct hash_node node;
	struct label_item *items;
	uint64_t seen;
	struct pointers matches;
	uint32_t n_pairs;
	uint32_t n_parents;
	uint32_t *places; /* in the lists of pairs, then of parents */
	void *owners[];	  /* pairs, sorted by key; then parents */
};

struct label_hook {
	struct label_key *key;
	struct label_pair *pair; /* NULL: any value */
};

struct label_index {
	label_index_match_func *on_match;
	void *data;
	struct hash_table keys;
	struct hash_table pairs;
	struct hash_table parents;
	struct hash_table classes;
	struct label_query *queries;
	struct pointers unindexed;
	uint64_t round;		 /* what has been seen in it is not looked at again */
	struct pointers owners;	 /* scratch: of a class that is looked for */
	struct pointers matches; /* scratch */
	struct str_pair *labels[2];
	size_t labels_size[2];
	struct str_map effective;
	uint64_t n_evaluated;
};

/* --- Lists ------------------------------------------------------------------------------------ */

static void **pointers_in(struct pointers *list)
{
	return list->capacity ? list->many : &list->one;
}

static void *pointers_at(const struct pointers *list, uint32_t i)
{
	return list->capacity ? list->many[i] : list->one;
}

static void pointers_clear(struct pointers *list)
{
	if (list->capacity)
		free(list->many);
	*list = (struct pointers){0};
}

static void pointers_grow(struct pointers *list)
{
	uint32_t capacity = list->capacity ? list->capacity * 2 : 2;
	void **many = xreallocarray(list->capacity ? list->many : NULL, capacity, sizeof(*many));

	if (!list->capacity)
		many[0] = list->one;
	list->many = many;
	list->capacity = capacity;
}

static void pointers_add(struct pointers *list, void *pointer)
{
	if (list->n == MAX(list->capacity, 1u))
		pointers_grow(list);
	pointers_in(list)[list->n++] = pointer;
}

/* The last one takes its place. */
static void pointers_remove_at(struct pointers *list, uint32_t i)
{
	void **v = pointers_in(list);

	v[i] = v[--list->n];
	if (!list->n)
		pointers_clear(list);
}

static void pointers_remove(struct pointers *list, const void *pointer)
{
	uint32_t i = 0;

	while (pointers_at(list, i) != pointer)
		i++;
	pointers_remove_at(list, i);
}

static int compare_pointers(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a;
	uintptr_t y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* Where it is in a sorted list, or would be. */
static uint32_t pointers_find(const struct pointers *list, const void *pointer)
{
	uint32_t low = 0;
	uint32_t high = list->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((uintptr_t)pointers_at(list, middle) < (uintptr_t)pointer)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- Keys and pairs --------------------------------------------------------------------------- */

static struct label_key *find_key(const struct label_index *index, const char *s, uint64_t hash)
{
	struct hash_node *node = hash_table_find(&index->keys, hash);

	while (node && strcmp(CONTAINER_OF(node, struct label_key, node)->s, s) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct label_key, node) : NULL;
}

static struct label_key *get_key(struct label_index *index, const char *s)
{
	uint64_t hash = hash_string(0, s);
	struct label_key *key = find_key(index, s, hash);

	if (!key) {
		size_t size = strlen(s) + 1;

		key = xcalloc(1, sizeof(*key) + size);
		memcpy(key->s, s, size);
		hash_table_add(&index->keys, &key->node, hash);
	}
	return key;
}

static void drop_key(struct label_index *index, struct label_key *key)
{
	if (--key->n_owners)
		return;
	hash_table_remove(&index->keys, &key->node);
	free(key);
}

static struct label_pair *find_pair(const struct label_index *index, const char *key,
				    const char *value, uint64_t *ret_hash)
{
	struct hash_node *node;

	*ret_hash = hash_string(hash_string(0, key), value);
	for (node = hash_table_find(&index->pairs, *ret_hash); node;
	     node = hash_table_find_next(node)) {
		struct label_pair *pair = CONTAINER_OF(node, struct label_pair, node);

		if (strcmp(pair->value, value) == 0 && strcmp(pair->key->s, key) == 0)
			return pair;
	}
	return NULL;
}

/* One that is new has no owner yet. */
static struct label_pair *get_pair(struct label_index *index, const char *key, const char *value)
{
	uint64_t hash;
	struct label_pair *pair = find_pair(index, key, value, &hash);

	if (!pair) {
		size_t size = strlen(value) + 1;

		pair = xcalloc(1, sizeof(*pair) + size);
		memcpy(pair->value, value, size);
		pair->key = get_key(index, key);
		pair->key->n_owners++;
		DL_PREPEND(pair->key->pairs, pair);
		hash_table_add(&index->pairs, &pair->node, hash);
	}
	return pair;
}

static void drop_pair(struct label_index *index, struct label_pair *pair)
{
	if (--pair->n_owners)
		return;
	DL_DELETE(pair->key->pairs, pair);
	drop_key(index, pair->key);
	hash_table_remove(&index->pairs, &pair->node);
	free(pair);
}

/* --- Parents ---------------------------------------------------------------------------------- */

static struct label_parent *get_parent(struct label_index *index, const char *name)
{
	uint64_t hash = hash_string(0, name);
	struct hash_node *node = hash_table_find(&index->parents, hash);
	struct label_parent *parent;
	size_t size;

	while (node && strcmp(CONTAINER_OF(node, struct label_parent, node)->name, name) != 0)
		node = hash_table_find_next(node);
	if (node)
		return CONTAINER_OF(node, struct label_parent, node);
	size = strlen(name) + 1;
	parent = xcalloc(1, sizeof(*parent) + size);
	memcpy(parent->name, name, size);
	hash_table_add(&index->parents, &parent->node, hash);
	return parent;
}

static void parent_free(struct label_index *index, struct label_parent *parent)
{
	hash_table_remove(&index->parents, &parent->node);
	pointers_clear(&parent->classes);
	free(parent->pairs);
	free(parent);
}

/* It lives while it has labels or children. */
static void drop_idle_parent(struct label_index *index, struct label_parent *parent)
{
	if (!parent->n_pairs && !parent->classes.n)
		parent_free(index, parent);
}

/* --- Effective labels ------------------------------------------------------------------------- */

static struct label_pair *pair_of(const struct label_class *class, uint32_t i)
{
	return class->owners[i];
}

static struct label_parent *parent_of(const struct label_class *class, uint32_t i)
{
	return class->owners[class->n_pairs + i];
}

static struct str_pair as_str_pair(struct label_pair *pair)
{
	return (struct str_pair){.key = pair->key->s, .value = pair->value};
}

static struct str_pair *reserve_labels(struct label_index *index, unsigned int which, size_t n)
{
	if (index->labels_size[which] < n) {
		index->labels_size[which] = n * 2;
		index->labels[which] =
			xreallocarray(index->labels[which], n * 2, sizeof(*index->labels[which]));
	}
	return index->labels[which];
}

/* Both are sorted; of one key 'have' wins. */
static size_t merge_labels(const struct str_pair *have, size_t n_have,
			   struct label_pair *const *more, size_t n_more, struct str_pair *out)
{
	size_t n = 0;
	size_t i = 0;
	size_t j = 0;

	while (i < n_have || j < n_more) {
		int order;

		if (i == n_have)
			order = 1;
		else if (j == n_more)
			order = -1;
		else
			order = strcmp(have[i].key, more[j]->key->s);
		out[n++] = order <= 0 ? have[i] : as_str_pair(more[j]);
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}

static const struct str_map *effective_labels(struct label_index *index,
					      const struct label_class *class)
{
	unsigned int which = 0;
	size_t n = class->n_pairs;
	struct str_pair *labels = reserve_labels(index, which, n + 1);

	for (uint32_t i = 0; i < class->n_pairs; i++)
		labels[i] = as_str_pair(pair_of(class, i));
	for (uint32_t i = 0; i < class->n_parents; i++) {
		const struct label_parent *parent = parent_of(class, i);
		struct str_pair *merged;

		if (!parent->n_pairs)
			continue;
		which = !which;
		merged = reserve_labels(index, which, n + parent->n_pairs);
		n = merge_labels(labels, n, parent->pairs, parent->n_pairs, merged);
		labels = merged;
	}
	index->effective = (struct str_map){.v = labels, .n = n, .set = true};
	return &index->effective;
}

const struct str_map *label_index_labels(struct label_index *index, const struct label_item *item)
{
	return effective_labels(index, item->class);
}

/* --- Matching a class ------------------------------------------------------------------------- */

static const char *find_own(const struct label_class *class, const char *label)
{
	uint32_t low = 0;
	uint32_t high = class->n_pairs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(pair_of(class, middle)->key->s, label);

		if (order == 0)
			return pair_of(class, middle)->value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const char *find_label(const void *data, const char *label)
{
	const struct label_class *class = data;
	const char *value = find_own(class, label);

	for (uint32_t i = 0; !value && i < class->n_parents; i++) {
		const struct label_parent *parent = parent_of(class, i);

		for (size_t j = 0; !value && j < parent->n_pairs; j++) {
			if (strcmp(parent->pairs[j]->key->s, label) == 0)
				value = parent->pairs[j]->value;
		}
	}
	return value;
}

static bool matches_class(struct label_index *index, const struct label_query *query,
			  const struct label_class *class)
{
	struct selector_labels labels = {.find = find_label, .data = class};

	index->n_evaluated++;
	return selector_matches_in(query->selector, &labels);
}

static void try_queries(struct label_index *index, const struct label_class *class,
			const struct pointers *queries)
{
	for (uint32_t i = 0; i < queries->n; i++) {
		struct label_query *query = pointers_at(queries, i);

		if (query->seen == index->round)
			continue;
		query->seen = index->round;
		if (matches_class(index, query, class))
			pointers_add(&index->matches, query);
	}
}

static void try_pair(struct label_index *index, const struct label_class *class,
		     const struct label_pair *pair)
{
	try_queries(index, class, &pair->queries);
	try_queries(index, class, &pair->key->queries);
}

/* Leaves what matches the class now in 'matches' of the index. */
static void find_matches(struct label_index *index, const struct label_class *class)
{
	index->round++;
	index->matches.n = 0;
	for (uint32_t i = 0; i < class->n_pairs; i++)
		try_pair(index, class, pair_of(class, i));
	for (uint32_t i = 0; i < class->n_parents; i++) {
		const struct label_parent *parent = parent_of(class, i);

		for (size_t j = 0; j < parent->n_pairs; j++)
			try_pair(index, class, parent->pairs[j]);
	}
	try_queries(index, class, &index->unindexed);
	if (index->matches.n > 1)
		qsort(pointers_in(&index->matches), index->matches.n, sizeof(void *),
		      compare_pointers);
}

static void set_matches(struct label_class *class, const struct pointers *matches)
{
	pointers_clear(&class->matches);
	class->matches.n = matches->n;
	if (matches->n == 1)
		class->matches.one = pointers_at(matches, 0);
	if (matches->n < 2)
		return;
	class->matches.many = xmemdup(matches->many, matches->n * sizeof(void *));
	class->matches.capacity = matches->n;
}

/* Tells of the difference for one item. */
static void tell_difference(struct label_index *index, struct label_item *item,
			    const struct pointers *old, const struct pointers *new)
{
	uint32_t i = 0;
	uint32_t j = 0;

	while (i < old->n || j < new->n) {
		struct label_query *gone = i < old->n ? pointers_at(old, i) : NULL;
		struct label_query *come = j < new->n ? pointers_at(new, j) : NULL;

		if (gone == come) {
			i++;
			j++;
		} else if (!come || (gone && (uintptr_t)gone < (uintptr_t)come)) {
			index->on_match(index->data, gone, item, false);
			i++;
		} else {
			index->on_match(index->data, come, item, true);
			j++;
		}
	}
}

/* The labels of a parent have changed. */
static void match_again(struct label_index *index, struct label_class *class)
{
	struct label_item *item;

	find_matches(index, class);
	DL_FOREACH(class->items, item)
	{
		tell_difference(index, item, &class->matches, &index->matches);
	}
	set_matches(class, &index->matches);
}

/* --- Classes ---------------------------------------------------------------------------------- */

static struct pointers *classes_of(const struct label_class *class, uint32_t i)
{
	return i < class->n_pairs ? &pair_of(class, i)->classes
				  : &parent_of(class, i - class->n_pairs)->classes;
}

static void enlist(struct label_class *class, uint32_t i)
{
	struct pointers *list = classes_of(class, i);

	class->places[i] = list->n;
	pointers_add(list, class);
}

static void delist(struct label_class *class, uint32_t i)
{
	struct pointers *list = classes_of(class, i);
	struct label_class *moved = pointers_at(list, list->n - 1);
	uint32_t place = class->places[i];
	uint32_t j = 0;

	while (moved->owners[j] != class->owners[i])
		j++;
	moved->places[j] = place;
	pointers_remove_at(list, place);
}

static struct label_class *new_class(struct label_index *index, uint32_t n_pairs, uint64_t hash)
{
	uint32_t n = index->owners.n;
	struct label_class *class =
		xcalloc(1, sizeof(*class) + n * (sizeof(void *) + sizeof(uint32_t)));

	class->n_pairs = n_pairs;
	class->n_parents = n - n_pairs;
	class->places = (uint32_t *)(void *)&class->owners[n];
	if (n)
		memcpy(class->owners, pointers_in(&index->owners), n * sizeof(void *));
	for (uint32_t i = 0; i < n; i++)
		enlist(class, i);
	for (uint32_t i = 0; i < n_pairs; i++) {
		pair_of(class, i)->n_owners++;
		pair_of(class, i)->key->n_uses++;
	}
	hash_table_add(&index->classes, &class->node, hash);
	find_matches(index, class);
	set_matches(class, &index->matches);
	return class;
}

static void drop_idle_class(struct label_index *index, struct label_class *class)
{
	if (class->items)
		return;
	for (uint32_t i = 0; i < class->n_pairs + class->n_parents; i++)
		delist(class, i);
	for (uint32_t i = 0; i < class->n_pairs; i++) {
		pair_of(class, i)->key->n_uses--;
		drop_pair(index, pair_of(class, i));
	}
	for (uint32_t i = 0; i < class->n_parents; i++)
		drop_idle_parent(index, parent_of(class, i));
	hash_table_remove(&index->classes, &class->node);
	pointers_clear(&class->matches);
	free(class);
}

static bool has_pointer(const struct pointers *list, uint32_t from, const void *pointer)
{
	for (uint32_t i = from; i < list->n; i++) {
		if (pointers_at(list, i) == pointer)
			return true;
	}
	return false;
}

static bool same_owners(const struct label_class *class, struct pointers *owners)
{
	if (class->n_pairs + class->n_parents != owners->n)
		return false;
	return memcmp(class->owners, pointers_in(owners), owners->n * sizeof(void *)) == 0;
}

static struct label_class *get_class(struct label_index *index, const struct str_map *labels,
				     const char *const *parents, size_t n_parents)
{
	uint32_t n_pairs = (uint32_t)labels->n;
	struct hash_node *node;
	uint64_t hash;

	index->owners.n = 0;
	for (size_t i = 0; i < labels->n; i++)
		pointers_add(&index->owners, get_pair(index, labels->v[i].key, labels->v[i].value));
	for (size_t i = 0; i < n_parents; i++) {
		struct label_parent *parent = get_parent(index, parents[i]);

		if (!has_pointer(&index->owners, n_pairs, parent))
			pointers_add(&index->owners, parent);
	}
	hash = hash_bytes(n_pairs, pointers_in(&index->owners), index->owners.n * sizeof(void *));
	for (node = hash_table_find(&index->classes, hash); node;
	     node = hash_table_find_next(node)) {
		struct label_class *class = CONTAINER_OF(node, struct label_class, node);

		if (class->n_pairs == n_pairs && same_owners(class, &index->owners))
			return class;
	}
	return new_class(index, n_pairs, hash);
}

/* --- Things ----------------------------------------------------------------------------------- */

void label_index_put(struct label_index *index, struct label_item *item,
		     const struct str_map *labels, const char *const *parents, size_t n_parents)
{
	static const struct pointers none = {0};
	struct label_class *old = item->class;
	struct label_class *new = get_class(index, labels, parents, n_parents);

	if (old == new)
		return;
	if (old)
		DL_DELETE(old->items, item);
	DL_APPEND(new->items, item);
	item->class = new;
	tell_difference(index, item, old ? &old->matches : &none, &new->matches);
	if (old)
		drop_idle_class(index, old);
}

void label_index_remove(struct label_index *index, struct label_item *item)
{
	static const struct pointers none = {0};
	struct label_class *class = item->class;

	if (!class)
		return;
	DL_DELETE(class->items, item);
	tell_difference(index, item, &class->matches, &none);
	*item = (struct label_item){0};
	drop_idle_class(index, class);
}

static bool same_pairs(const struct label_parent *parent, struct pointers *pairs)
{
	return parent->n_pairs == pairs->n &&
	       (!pairs->n ||
		memcmp(parent->pairs, pointers_in(pairs), pairs->n * sizeof(void *)) == 0);
}

static void replace_pairs(struct label_index *index, struct label_parent *parent)
{
	struct label_pair **old = parent->pairs;
	size_t n_old = parent->n_pairs;

	parent->n_pairs = index->owners.n;
	parent->pairs = NULL;
	if (parent->n_pairs)
		parent->pairs =
			xmemdup(pointers_in(&index->owners), parent->n_pairs * sizeof(void *));
	for (size_t i = 0; i < parent->n_pairs; i++) {
		parent->pairs[i]->n_owners++;
		parent->pairs[i]->key->n_uses++;
		pointers_add(&parent->pairs[i]->parents, parent);
	}
	for (size_t i = 0; i < n_old; i++) {
		pointers_remove(&old[i]->parents, parent);
		old[i]->key->n_uses--;
		drop_pair(index, old[i]);
	}
	free(old);
}

void label_index_put_parent(struct label_index *index, const char *name,
			    const struct str_map *labels)
{
	struct label_parent *parent = get_parent(index, name);

	index->owners.n = 0;
	for (size_t i = 0; labels && i < labels->n; i++)
		pointers_add(&index->owners, get_pair(index, labels->v[i].key, labels->v[i].value));
	if (!same_pairs(parent, &index->owners)) {
		replace_pairs(index, parent);
		for (uint32_t i = 0; i < parent->classes.n; i++)
			match_again(index, pointers_at(&parent->classes, i));
	}
	drop_idle_parent(index, parent);
}

/* --- Queries ---------------------------------------------------------------------------------- */

/* How much there is to look at by way of a need, now and with every change. */
static size_t weigh_need(const struct label_index *index, const struct selector_need *need)
{
	const struct label_pair *pair;
	const struct label_key *key;
	uint64_t hash;
	size_t n;

	if (!need->value) {
		key = find_key(index, need->label, hash_string(0, need->label));
		return key ? key->n_uses + key->queries.n : 0;
	}
	pair = find_pair(index, need->label, need->value, &hash);
	if (!pair)
		return 0;
	n = pair->classes.n + pair->queries.n;
	for (uint32_t i = 0; i < pair->parents.n; i++)
		n += ((const struct label_parent *)pointers_at(&pair->parents, i))->classes.n;
	return n;
}

static const struct selector_clause *pick_clause(const struct label_index *index,
						 const struct selector_clauses *clauses)
{
	const struct selector_clause *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < clauses->n; i++) {
		const struct selector_clause *clause = &clauses->v[i];
		size_t weight = clause->n_needs;

		for (size_t j = 0; j < clause->n_needs; j++)
			weight += weigh_need(index, &clause->needs[j]);
		if (!best || weight < least) {
			best = clause;
			least = weight;
		}
	}
	return best;
}

static void add_hook(struct label_index *index, struct label_query *query,
		     const struct selector_need *need)
{
	struct label_hook *hook = &query->hooks[query->n_hooks++];

	if (need->value) {
		hook->pair = get_pair(index, need->label, need->value);
		hook->pair->n_owners++;
		hook->key = hook->pair->key;
		pointers_add(&hook->pair->queries, query);
		return;
	}
	*hook = (struct label_hook){.key = get_key(index, need->label)};
	hook->key->n_owners++;
	pointers_add(&hook->key->queries, query);
}

static void hang(struct label_index *index, struct label_query *query)
{
	_cleanup_(selector_clauses_deinitp) struct selector_clauses clauses = {0};
	const struct selector_clause *clause;

	selector_get_clauses(query->selector, &clauses);
	clause = pick_clause(index, &clauses);
	query->unindexed = !clause;
	if (!clause) {
		pointers_add(&index->unindexed, query);
		return;
	}
	query->hooks = xcalloc(clause->n_needs + 1, sizeof(*query->hooks));
	for (size_t i = 0; i < clause->n_needs; i++)
		add_hook(index, query, &clause->needs[i]);
}

static void unhang(struct label_index *index, struct label_query *query)
{
	if (query->unindexed)
		pointers_remove(&index->unindexed, query);
	for (size_t i = 0; i < query->n_hooks; i++) {
		struct label_hook *hook = &query->hooks[i];

		if (hook->pair) {
			pointers_remove(&hook->pair->queries, query);
			drop_pair(index, hook->pair);
		} else {
			pointers_remove(&hook->key->queries, query);
			drop_key(index, hook->key);
		}
	}
	free(query->hooks);
	*query = (struct label_query){0};
}

/* What is done to the classes that a query could match. */
struct visit {
	struct label_index *index;
	struct label_query *query;
	bool adds;
	bool tell;
};

static void tell_all(const struct visit *visit, const struct label_class *class)
{
	struct label_item *item;

	DL_FOREACH(class->items, item)
	{
		visit->index->on_match(visit->index->data, visit->query, item, visit->adds);
	}
}

static void insert_match(struct pointers *matches, uint32_t place, struct label_query *query)
{
	void **v;

	pointers_add(matches, NULL);
	v = pointers_in(matches);
	memmove(&v[place + 1], &v[place], (matches->n - 1 - place) * sizeof(*v));
	v[place] = query;
}

static void take_match(struct pointers *matches, uint32_t place)
{
	void **v = pointers_in(matches);

	memmove(&v[place], &v[place + 1], (matches->n - 1 - place) * sizeof(*v));
	if (!--matches->n)
		pointers_clear(matches);
}

static void visit_class(const struct visit *visit, struct label_class *class)
{
	struct label_query *query = visit->query;
	struct pointers *matches = &class->matches;
	uint32_t place;

	if (class->seen == visit->index->round)
		return;
	class->seen = visit->index->round;
	if (visit->adds && !matches_class(visit->index, query, class))
		return;
	place = pointers_find(matches, query);
	if (visit->adds)
		insert_match(matches, place, query);
	else if (place < matches->n && pointers_at(matches, place) == query)
		take_match(matches, place);
	else
		return;
	if (visit->tell)
		tell_all(visit, class);
}

static void visit_list(const struct visit *visit, const struct pointers *classes)
{
	for (uint32_t i = 0; i < classes->n; i++)
		visit_class(visit, pointers_at(classes, i));
}

static void visit_pair(const struct visit *visit, const struct label_pair *pair)
{
	visit_list(visit, &pair->classes);
	for (uint32_t i = 0; i < pair->parents.n; i++)
		visit_list(visit,
			   &((const struct label_parent *)pointers_at(&pair->parents, i))->classes);
}

static void visit_all(const struct visit *visit)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&visit->index->classes, &walk)))
		visit_class(visit, CONTAINER_OF(node, struct label_class, node));
}

/* Every class that the query can match. */
static void visit_candidates(const struct visit *visit)
{
	const struct label_query *query = visit->query;

	visit->index->round++;
	if (query->unindexed)
		visit_all(visit);
	for (size_t i = 0; i < query->n_hooks; i++) {
		const struct label_hook *hook = &query->hooks[i];
		const struct label_pair *pair;

		if (hook->pair) {
			visit_pair(visit, hook->pair);
			continue;
		}
		DL_FOREACH(hook->key->pairs, pair)
		{
			visit_pair(visit, pair);
		}
	}
}

void label_index_add_query(struct label_index *index, struct label_query *query,
			   const struct selector *selector)
{
	struct visit visit = {.index = index, .query = query, .adds = true, .tell = true};

	*query = (struct label_query){.selector = selector};
	DL_APPEND(index->queries, query);
	hang(index, query);
	visit_candidates(&visit);
}

void label_index_remove_query(struct label_index *index, struct label_query *query, bool tell)
{
	struct visit visit = {.index = index, .query = query, .tell = tell};

	visit_candidates(&visit);
	DL_DELETE(index->queries, query);
	unhang(index, query);
}

/* --- The index -------------------------------------------------------------------------------- */

struct label_index *label_index_new(label_index_match_func *on_match, void *data)
{
	struct label_index *index = XNEW(struct label_index);

	index->on_match = on_match;
	index->data = data;
	return index;
}

static void free_classes(struct label_index *index)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&index->classes, &walk))) {
		struct label_class *class = CONTAINER_OF(node, struct label_class, node);
		struct label_item *item;
		struct label_item *next;

		DL_FOREACH_SAFE(class->items, item, next)
		{
			*item = (struct label_item){0};
		}
		class->items = NULL;
		drop_idle_class(index, class);
	}
}

static void free_parents(struct label_index *index)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&index->parents, &walk))) {
		index->owners.n = 0;
		replace_pairs(index, CONTAINER_OF(node, struct label_parent, node));
		parent_free(index, CONTAINER_OF(node, struct label_parent, node));
	}
}

struct label_index *label_index_free(struct label_index *index)
{
	if (!index)
		return NULL;
	free_classes(index);
	free_parents(index);
	while (index->queries) {
		struct label_query *query = index->queries;

		DL_DELETE(index->queries, query);
		unhang(index, query);
	}
	assert(!index->pairs.n && !index->keys.n);
	hash_table_deinit(&index->keys);
	hash_table_deinit(&index->pairs);
	hash_table_deinit(&index->parents);
	hash_table_deinit(&index->classes);
	pointers_clear(&index->unindexed);
	pointers_clear(&index->owners);
	pointers_clear(&index->matches);
	free(index->labels[0]);
	free(index->labels[1]);
	free(index);
	return NULL;
}

uint64_t label_index_evaluations(const struct label_index *index)
{
	return index->n_evaluated;
}
