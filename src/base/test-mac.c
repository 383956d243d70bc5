/* SPDX-License-Identifier: Apache-2.0 */

/* MAC addresses: what is read, what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mac.h"

static void test_round_trip(void **state)
{
	uint8_t mac[MAC_SIZE];

	(void)state;
	assert_int_equal(mac_parse("EE:ee:0a:1b:00:ff", mac, NULL), 0);
	assert_string_equal(mac_format(mac).s, "ee:ee:0a:1b:00:ff");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ee",
		"ee:ee:ee:ee:ee",
		"ee:ee:ee:ee:ee:e",
		"ee:ee:ee:ee:ee:ee:",
		"ee-ee-ee-ee-ee-ee",
		"ge:ee:ee:ee:ee:ee",
		" ee:ee:ee:ee:ee:ee",
		"ee:ee:ee:ee:ee:eee",
	};
	uint8_t mac[MAC_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(mac_parse(bad[i], mac, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
