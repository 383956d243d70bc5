/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers and counts against plain arrays, over a random history. */

#include "calc/member-table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"

#define N     60
#define STEPS 20000

static uint64_t next(uint64_t *random, uint64_t n)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (*random >> 33) % n;
}

static struct policy_member member_of(unsigned int i)
{
	struct ip_addr addr = ip_from_u32(0x0a000000 + i / 3);

	return (struct policy_member){
		.net = cidr_host(&addr), .protocol = i % 3 ? 6 : 0, .port = (uint16_t)(i % 3)};
}

static unsigned int number_of(const struct policy_member *member)
{
	return (unsigned int)member->net.addr.bytes[3] * 3 + member->port;
}

static void test_equal_members_have_one_number(void **state)
{
	struct member_table table = {0};
	uint32_t ids[N];

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		struct policy_member member = member_of(i);

		ids[i] = member_table_get(&table, &member);
		assert_int_equal(number_of(member_table_at(&table, ids[i])), i);
	}
	assert_int_equal(table.n, N);
	for (unsigned int i = 0; i < N; i++) {
		struct policy_member member = member_of(i);

		assert_int_equal(member_table_get(&table, &member), ids[i]);
		member_table_unref(&table, ids[i]);
	}
	for (unsigned int i = 0; i < N; i += 2)
		member_table_unref(&table, ids[i]);
	assert_int_equal(table.n, N / 2);
	for (unsigned int i = 1; i < N; i += 2)
		assert_int_equal(number_of(member_table_at(&table, ids[i])), i);
	/* Free numbers are used again. */
	for (unsigned int i = 0; i < N; i += 2) {
		struct policy_member member = member_of(i);

		assert_true(member_table_get(&table, &member) < N);
	}
	member_table_deinit(&table);
}

static void flush(struct member_counts *counts, struct member_table *table, bool told[N])
{
	struct policy_member added[N];
	struct policy_member removed[N];
	size_t n_added;
	size_t n_removed;

	member_counts_flush(counts, table, added, &n_added, removed, &n_removed);
	for (size_t i = 0; i < n_added; i++) {
		assert_false(told[number_of(&added[i])]);
		told[number_of(&added[i])] = true;
	}
	for (size_t i = 0; i < n_removed; i++) {
		assert_true(told[number_of(&removed[i])]);
		told[number_of(&removed[i])] = false;
	}
}

static void test_counts_tell_the_difference(void **state)
{
	struct member_table table = {0};
	struct member_counts counts = {0};
	unsigned int plain[N] = {0};
	bool told[N] = {false};
	uint64_t random = 1;

	(void)state;
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = (unsigned int)next(&random, N);
		struct policy_member member = member_of(i);
		uint32_t id = member_table_get(&table, &member);

		if (plain[i] && next(&random, 2)) {
			(void)member_counts_remove(&counts, id);
			plain[i]--;
		} else if (plain[i] < 3) {
			(void)member_counts_add(&counts, &table, id);
			plain[i]++;
		}
		member_table_unref(&table, id);
		if (next(&random, 10))
			continue;
		flush(&counts, &table, told);
		for (i = 0; i < N; i++)
			assert_int_equal(told[i], plain[i] > 0);
		/* What is in no set any more has no number. */
		assert_int_equal(table.n, counts.n);
		assert_int_equal(counts.n, counts.n_members);
	}
	member_counts_deinit(&counts, &table);
	assert_int_equal(table.n, 0);
	member_table_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_members_have_one_number),
		cmocka_unit_test(test_counts_tell_the_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
