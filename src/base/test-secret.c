/* SPDX-License-Identifier: Apache-2.0 */

/* A secret shows its bytes to secret_reveal() alone. */

#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_secret(void **state)
{
	_cleanup_(secret_freep) struct secret *secret = secret_new("pass\0word", 9);
	_cleanup_(secret_freep) struct secret *empty = secret_new("", 0);

	(void)state;
	assert_memory_equal(secret_reveal(secret), "pass\0word", 10);
	assert_string_equal(secret_format(secret), "<redacted>");
	assert_string_equal(secret_reveal(empty), "");
	assert_null(secret_free(NULL));
	assert_null(strstr(secret_format(secret), "pass"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
