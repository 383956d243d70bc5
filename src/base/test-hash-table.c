/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash-table.h"

#define N 1000

struct record {
	struct hash_node node;
	unsigned int number;
};

static struct record *record_of(struct hash_node *node)
{
	return CONTAINER_OF(node, struct record, node);
}

/* Few hashes, so that chains hold nodes of the same one. */
static uint64_t hash_of(unsigned int number)
{
	return number % 100;
}

static struct record *find(const struct hash_table *table, unsigned int number)
{
	struct hash_node *node = hash_table_find(table, hash_of(number));

	while (node && record_of(node)->number != number)
		node = hash_table_find_next(node);
	return node ? record_of(node) : NULL;
}

static void test_adds_finds_and_removes(void **state)
{
	struct record *records = xcalloc(N, sizeof(*records));
	struct hash_table table = {0};

	(void)state;
	assert_null(find(&table, 0));
	for (unsigned int i = 0; i < N; i++) {
		records[i].number = i;
		hash_table_add(&table, &records[i].node, hash_of(i));
	}
	for (unsigned int i = 0; i < N; i += 2)
		hash_table_remove(&table, &records[i].node);
	assert_int_equal(table.n, N / 2);
	for (unsigned int i = 0; i < N; i++)
		assert_ptr_equal(find(&table, i), i % 2 ? &records[i] : NULL);
	hash_table_deinit(&table);
	free(records);
}

static void test_a_walk_meets_each_once_and_may_remove(void **state)
{
	struct record *records = xcalloc(N, sizeof(*records));
	struct hash_table table = {0};
	struct hash_table_walk walk = {0};
	struct hash_node *node;
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		hash_table_add(&table, &records[i].node, i);
	while ((node = hash_table_walk(&table, &walk))) {
		assert_int_equal(record_of(node)->number++, 0);
		hash_table_remove(&table, node);
		n++;
	}
	assert_int_equal(n, N);
	assert_int_equal(table.n, 0);
	hash_table_deinit(&table);
	free(records);
}

static void test_hashes_tell_neighbours_apart(void **state)
{
	(void)state;
	assert_true(hash_string(0, "a") != hash_string(0, "b"));
	assert_true(hash_string(0, "a") != hash_string(1, "a"));
	assert_true(hash_string(hash_string(0, "ab"), "c") !=
		    hash_string(hash_string(0, "a"), "bc"));
	assert_true(hash_bytes(0, "\0\0", 1) != hash_bytes(0, "\0\0", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_finds_and_removes),
		cmocka_unit_test(test_a_walk_meets_each_once_and_may_remove),
		cmocka_unit_test(test_hashes_tell_neighbours_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
