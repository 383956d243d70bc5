/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The index against brute force: after every step of a random history, what it has told must be
 * what every selector says of every item's labels.
 */

#include "selector/label-index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-desc.h"
#include "selector/selector.h"

#define N_ITEMS	  24
#define N_QUERIES 24
#define N_PARENTS 4
#define N_KEYS	  4
#define STEPS	  6000

static const char *const keys[N_KEYS] = {"a", "b", "c", "pcns.d"};
static const char *const values[] = {"x", "y", "z", "xy"};
static const char *const parents[N_PARENTS] = {"p0", "p1", "p2", "p3"};

struct item {
	struct label_item item;
	bool in;
	struct str_map labels;
	const char *parents[N_PARENTS];
	size_t n_parents;
};

struct query {
	struct label_query query;
	struct selector *selector; /* NULL: not in */
};

struct world {
	struct label_index *index;
	struct item items[N_ITEMS];
	struct query queries[N_QUERIES];
	struct str_map parents[N_PARENTS];
	bool told[N_QUERIES][N_ITEMS];
	size_t n_told;
	uint64_t random;
};

/* splitmix64 */
static unsigned int pick(struct world *world, size_t n)
{
	uint64_t z = world->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned int)((z ^ z >> 31) % n);
}

static void clear_map(struct str_map *map)
{
	while (map->n)
		str_map_remove(map, map->v[0].key);
	free(map->v);
	*map = (struct str_map){0};
}

static void on_match(void *data, struct label_query *query, struct label_item *item, bool matches)
{
	struct world *world = data;
	size_t q = (size_t)(CONTAINER_OF(query, struct query, query) - world->queries);
	size_t i = (size_t)(CONTAINER_OF(item, struct item, item) - world->items);

	assert_true(q < N_QUERIES && i < N_ITEMS);
	assert_int_equal(world->told[q][i], !matches);
	world->told[q][i] = matches;
	world->n_told++;
}

static void pick_labels(struct world *world, struct str_map *map)
{
	clear_map(map);
	for (size_t i = 0; i < N_KEYS; i++) {
		if (pick(world, 2))
			str_map_put(map, keys[i], values[pick(world, ARRAY_SIZE(values))]);
	}
}

static void write_term(struct world *world, struct buf *out)
{
	const char *key = keys[pick(world, N_KEYS)];
	const char *value = values[pick(world, ARRAY_SIZE(values))];

	switch (pick(world, 9)) {
	case 0:
		buf_addf(out, "has(%s)", key);
		return;
	case 1:
		buf_addf(out, "!has(%s)", key);
		return;
	case 2:
		buf_addf(out, "%s != '%s'", key, value);
		return;
	case 3:
		buf_addf(out, "%s in {'%s', 'y'}", key, value);
		return;
	case 4:
		buf_addf(out, "%s in {}", key);
		return;
	case 5:
		buf_addf(out, "%s starts with '%s'", key, value);
		return;
	case 6:
		buf_adds(out, "all()");
		return;
	default:
		buf_addf(out, "%s == '%s'", key, value);
	}
}

static struct selector *pick_selector(struct world *world)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct selector *selector = NULL;
	unsigned int n = 1 + pick(world, 4);

	for (unsigned int i = 0; i < n; i++) {
		bool group = pick(world, 4) == 0;

		buf_adds(&text, i ? (pick(world, 3) ? " && " : " || ") : "");
		buf_adds(&text, group ? (pick(world, 4) ? "(" : "!(") : "");
		write_term(world, &text);
		if (group) {
			buf_adds(&text, " || ");
			write_term(world, &text);
			buf_addc(&text, ')');
		}
	}
	assert_int_equal(selector_compile(buf_str(&text), &selector, NULL), 0);
	return selector;
}

static void change_item(struct world *world)
{
	struct item *item = &world->items[pick(world, N_ITEMS)];

	if (item->in && pick(world, 4) == 0) {
		label_index_remove(world->index, &item->item);
		item->in = false;
		return;
	}
	if (pick(world, 2))
		pick_labels(world, &item->labels);
	if (pick(world, 2)) {
		item->n_parents = pick(world, N_PARENTS);
		for (size_t i = 0; i < item->n_parents; i++)
			item->parents[i] = parents[pick(world, N_PARENTS)];
	}
	label_index_put(world->index, &item->item, &item->labels, item->parents, item->n_parents);
	item->in = true;
}

static void change_query(struct world *world)
{
	struct query *query = &world->queries[pick(world, N_QUERIES)];
	bool tell = pick(world, 2);

	if (!query->selector) {
		query->selector = pick_selector(world);
		label_index_add_query(world->index, &query->query, query->selector);
		return;
	}
	label_index_remove_query(world->index, &query->query, tell);
	query->selector = selector_free(query->selector);
	if (!tell)
		memset(world->told[query - world->queries], 0, sizeof(world->told[0]));
}

static void change_parent(struct world *world)
{
	unsigned int i = pick(world, N_PARENTS);

	if (pick(world, 3) == 0) {
		clear_map(&world->parents[i]);
		label_index_put_parent(world->index, parents[i], NULL);
		return;
	}
	pick_labels(world, &world->parents[i]);
	label_index_put_parent(world->index, parents[i], &world->parents[i]);
}

static void add_absent(struct str_map *map, const struct str_map *more)
{
	for (size_t i = 0; i < more->n; i++) {
		if (!str_map_find(map, more->v[i].key))
			str_map_put(map, more->v[i].key, more->v[i].value);
	}
}

static void check_item(struct world *world, size_t i)
{
	struct item *item = &world->items[i];
	struct str_map all = {0};
	const struct str_map *seen;

	add_absent(&all, &item->labels);
	for (size_t j = 0; j < item->n_parents; j++)
		add_absent(&all, &world->parents[item->parents[j][1] - '0']);
	for (size_t q = 0; q < N_QUERIES; q++) {
		const struct selector *selector = world->queries[q].selector;
		bool expected = item->in && selector && selector_matches(selector, &all);

		if (world->told[q][i] != expected)
			print_message("selector: %s\n", selector ? selector_text(selector) : "");
		assert_int_equal(world->told[q][i], expected);
	}
	if (item->in) {
		seen = label_index_labels(world->index, &item->item);
		assert_int_equal(seen->n, all.n);
		for (size_t j = 0; j < all.n; j++)
			assert_string_equal(str_map_find(seen, all.v[j].key), all.v[j].value);
	}
	clear_map(&all);
}

static void end(struct world *world)
{
	world->index = label_index_free(world->index);
	for (size_t i = 0; i < N_ITEMS; i++) {
		assert_null(world->items[i].item.class);
		clear_map(&world->items[i].labels);
	}
	for (size_t q = 0; q < N_QUERIES; q++)
		(void)selector_free(world->queries[q].selector);
	for (size_t p = 0; p < N_PARENTS; p++)
		clear_map(&world->parents[p]);
	free(world);
}

static void test_random_histories(void **state)
{
	const char *seed = getenv("KORAT_TEST_SEED");
	struct world *world = XNEW(struct world);

	(void)state;
	world->random = seed ? strtoull(seed, NULL, 0) : 1;
	print_message("KORAT_TEST_SEED=%llu\n", (unsigned long long)world->random);
	world->index = label_index_new(on_match, world);
	for (size_t step = 0; step < STEPS; step++) {
		switch (pick(world, 5)) {
		case 0:
			change_query(world);
			break;
		case 1:
			change_parent(world);
			break;
		default:
			change_item(world);
		}
		for (size_t i = 0; i < N_ITEMS; i++)
			check_item(world, i);
	}
	end(world);
}

static void test_what_changes_nothing_tells_nothing(void **state)
{
	struct world *world = XNEW(struct world);
	struct item *item = &world->items[0];
	size_t n_told;

	(void)state;
	world->index = label_index_new(on_match, world);
	assert_int_equal(selector_compile("a == 'x'", &world->queries[0].selector, NULL), 0);
	label_index_add_query(world->index, &world->queries[0].query, world->queries[0].selector);
	str_map_put(&item->labels, "a", "x");
	label_index_put(world->index, &item->item, &item->labels, parents, 1);
	assert_int_equal(world->n_told, 1);
	n_told = world->n_told;
	label_index_put(world->index, &item->item, &item->labels, parents, 1);
	str_map_put(&item->labels, "b", "x");
	label_index_put(world->index, &item->item, &item->labels, parents, 2);
	label_index_put_parent(world->index, parents[1], &item->labels);
	assert_int_equal(world->n_told, n_told);
	end(world);
}

/* --- Cost ------------------------------------------------------------------------------------- */

#define N_MANY	10000u
#define N_PLAIN 3u /* of them have no label to hang on */
#define N_ALL	4u /* are asked always: these, and the first that hung on what all have */

struct crowd {
	struct label_index *index;
	struct label_query *queries;
	struct selector **selectors;
	struct label_item *items;
	uint64_t evaluated; /* when it was last asked */
};

static void ignore_match(void *data, struct label_query *query, struct label_item *item,
			 bool matches)
{
	(void)data;
	(void)query;
	(void)item;
	(void)matches;
}

/* Selectors asked since the last time. */
static uint64_t cost(struct crowd *crowd)
{
	uint64_t before = crowd->evaluated;

	crowd->evaluated = label_index_evaluations(crowd->index);
	return crowd->evaluated - before;
}

static void put_labels(struct crowd *crowd, unsigned int item, unsigned int app, const char *role)
{
	struct str_map labels = {0};
	char value[16];

	(void)snprintf(value, sizeof(value), "a%u", app);
	str_map_put(&labels, "app", value);
	str_map_put(&labels, "role", role);
	str_map_put(&labels, "orchestrator", "k8s");
	label_index_put(crowd->index, &crowd->items[item], &labels, NULL, 0);
	clear_map(&labels);
}

static void add_selector(struct crowd *crowd, unsigned int i)
{
	static const char *const plain[N_PLAIN] = {"all()", "!has(nobody)", "app != 'a1'"};
	_cleanup_free_ char *text =
		i < N_PLAIN ? xstrdup(plain[i])
			    : xasprintf("orchestrator == 'k8s' && app == 'a%u' && !has(other)", i);

	assert_int_equal(selector_compile(text, &crowd->selectors[i], NULL), 0);
	label_index_add_query(crowd->index, &crowd->queries[i], crowd->selectors[i]);
}

/* Counted, not timed: a change asks the selectors on the labels that it has, not 10,000. */
static void test_a_change_costs_what_it_touches(void **state)
{
	struct crowd crowd = {.queries = xcalloc(N_MANY, sizeof(*crowd.queries)),
			      .selectors = xcalloc(N_MANY, sizeof(*crowd.selectors)),
			      .items = xcalloc(N_MANY, sizeof(*crowd.items))};

	(void)state;
	crowd.index = label_index_new(ignore_match, NULL);
	for (unsigned int i = 0; i < N_MANY; i++)
		add_selector(&crowd, i);
	for (unsigned int i = 0; i < N_MANY; i++)
		put_labels(&crowd, i, i, "front");
	/* Each thing has one selector of its own, beside those that are looked at always. */
	assert_in_range(cost(&crowd), N_MANY, N_MANY * (N_ALL + 1));
	put_labels(&crowd, 5000, 5000, "back"); /* no selector is about it */
	assert_in_range(cost(&crowd), 1, N_ALL + 1);
	put_labels(&crowd, 5000, 7000, "back"); /* the selector that is left, the one that is met */
	assert_in_range(cost(&crowd), 1, N_ALL + 2);
	put_labels(&crowd, 5000, 7000, "back"); /* nothing changes */
	assert_int_equal(cost(&crowd), 0);
	label_index_remove(crowd.index, &crowd.items[5000]);
	assert_in_range(cost(&crowd), 0, N_ALL + 1);
	/* A selector that goes and comes back asks the things with its label. */
	label_index_remove_query(crowd.index, &crowd.queries[9000], /* tell= */ true);
	label_index_add_query(crowd.index, &crowd.queries[9000], crowd.selectors[9000]);
	assert_in_range(cost(&crowd), 1, 2);
	crowd.index = label_index_free(crowd.index);
	for (unsigned int i = 0; i < N_MANY; i++)
		(void)selector_free(crowd.selectors[i]);
	free(crowd.queries);
	free(crowd.selectors);
	free(crowd.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_what_changes_nothing_tells_nothing),
		cmocka_unit_test(test_a_change_costs_what_it_touches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
