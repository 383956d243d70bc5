/* SPDX-License-Identifier: Apache-2.0 */

/* Error messages: codes pass through, text is cut and never overflows. */

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void test_codes(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "%s is %d", "a", 5), -EINVAL);
	assert_string_equal(err.msg, "a is 5");
	assert_int_equal(err_errno(&err, -ENOENT, "can't open %s", "x"), -ENOENT);
	assert_string_equal(err.msg, "can't open x: No such file or directory");
	assert_int_equal(err_prefix(&err, -ENOENT, "pool %s", "p"), -ENOENT);
	assert_string_equal(err.msg, "pool p: can't open x: No such file or directory");
	assert_int_equal(err_set(NULL, -1, "x"), -1);
	assert_int_equal(err_errno(NULL, -1, "x"), -1);
	assert_int_equal(err_prefix(NULL, -1, "x"), -1);
}

static void test_cut(void **state)
{
	char text[2 * ERR_MSG_SIZE];
	struct err err = ERR_INIT;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, -1, "%s", text);
	assert_int_equal(strlen(err.msg), ERR_MSG_SIZE - 1);
	(void)err_errno(&err, -EIO, "%s", text);
	assert_int_equal(strlen(err.msg), ERR_MSG_SIZE - 1);
	(void)err_prefix(&err, -1, "context");
	assert_int_equal(strlen(err.msg), ERR_MSG_SIZE - 1);
	assert_int_equal(strncmp(err.msg, "context: xxx", 12), 0);
	(void)err_set(&err, -1, "the remedy");
	(void)err_prefix(&err, -1, "%s", text);
	assert_non_null(strstr(err.msg, ": the remedy"));
}

/* A short context leaves room for all of a long message. */
static void test_prefix_keeps_tail(void **state)
{
	char text[ERR_MSG_SIZE - 20];
	struct err err = ERR_INIT;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 2] = '!';
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, -1, "%s", text);
	(void)err_prefix(&err, -1, "a");
	assert_int_equal(err.msg[strlen(err.msg) - 1], '!');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_prefix_keeps_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
