/* SPDX-License-Identifier: Apache-2.0 */

/* Log lines as they arrive on stderr, levels, and the rate limit. */

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define LOG_MODULE "test"
#define FLOOD	   100000

/* What is logged between begin and end. */
struct capture {
	int saved;
	int pipe[2];
	char text[8192];
};

static void capture_begin(struct capture *capture)
{
	assert_int_equal(pipe2(capture->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	capture->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(capture->saved >= 0);
	assert_true(dup2(capture->pipe[1], STDERR_FILENO) >= 0);
}

/* Borrowed from 'capture'. */
static const char *capture_end(struct capture *capture)
{
	ssize_t n = read(capture->pipe[0], capture->text, sizeof(capture->text) - 1);

	capture->text[n > 0 ? n : 0] = '\0';
	assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
	(void)fd_close(capture->saved);
	(void)fd_close(capture->pipe[0]);
	(void)fd_close(capture->pipe[1]);
	return capture->text;
}

static void test_line(void **state)
{
	struct capture capture;
	const char *line;

	(void)state;
	capture_begin(&capture);
	log_info("endpoint ready", "pod", "default/web", "address", NULL, "count", log_num(-3).s);
	line = capture_end(&capture);
	assert_non_null(strstr(line, "Z info    test: endpoint ready pod=default/web address=- "
				     "count=-3\n"));
	assert_int_equal(line[4], '-');
	assert_int_equal(line[10], 'T');
}

static void test_quotes(void **state)
{
	struct capture capture;
	const char *line;

	(void)state;
	capture_begin(&capture);
	log_warning("m", "a", "two words", "b", "", "c", "x\n2026 error forged: \"q\" \\", "d",
		    "k=v", "e", "\x1b[31m\x7f", "f", "gr\xc3\xbc\xc3\x9f");
	line = capture_end(&capture);
	assert_non_null(strstr(line, " a=\"two words\" b=\"\" "
				     "c=\"x\\x0a2026 error forged: \\\"q\\\" \\\\\" d=\"k=v\" "
				     "e=\"\\x1b[31m\\x7f\" f=gr\xc3\xbc\xc3\x9f\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_long_value(void **state)
{
	char value[5000];
	struct capture capture;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	capture_begin(&capture);
	log_error("m", "a", value);
	assert_in_range(strlen(capture_end(&capture)), 2048, 2200);
	value[0] = ' ';
	capture_begin(&capture);
	log_error("m", "a", value);
	assert_in_range(strlen(capture_end(&capture)), 2048, 2200);
}

static void test_levels(void **state)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"Debug", LOG_LEVEL_DEBUG},	{"INFO", LOG_LEVEL_INFO},
		{"warning", LOG_LEVEL_WARNING}, {"Error", LOG_LEVEL_ERROR},
		{"Fatal", LOG_LEVEL_ERROR},	{"None", LOG_LEVEL_NONE},
	};
	enum log_level level = LOG_LEVEL_DEBUG;
	struct capture capture;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(log_level_parse(names[i].name, &level));
		assert_int_equal(level, names[i].level);
	}
	assert_false(log_level_parse("loud", &level));
	assert_false(log_level_parse("", &level));
	log_set_level(LOG_LEVEL_ERROR);
	capture_begin(&capture);
	log_warning("hidden");
	log_debug("hidden");
	log_error("shown");
	assert_null(strstr(capture_end(&capture), "hidden"));
	assert_non_null(strstr(capture.text, "shown"));
	log_set_level(LOG_LEVEL_INFO);
}

static void test_limit(void **state)
{
	struct log_limit limit = {0};
	uint64_t now = 1000000;
	unsigned int passed = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		passed += log_limit_pass(&limit, 3, 60, now);
	assert_int_equal(passed, 3);
	assert_false(log_limit_pass(&limit, 3, 60, now + 999999));
	assert_true(log_limit_pass(&limit, 3, 60, now + 1000000));
	assert_false(log_limit_pass(&limit, 3, 60, now + 1000000));
	now += 3600000000;
	for (passed = 0; log_limit_pass(&limit, 3, 60, now); passed++)
		;
	assert_int_equal(passed, 3);
	assert_false(log_limit_pass(&limit, 3, 0, now + 3600000000));
}

/* Asking often earns as much as asking seldom. */
static void test_limit_average(void **state)
{
	struct log_limit limit = {0};
	unsigned int passed = 0;

	(void)state;
	for (uint64_t now = 0; now < 60000000; now += 1700)
		passed += log_limit_pass(&limit, 1, 60, now);
	assert_in_range(passed, 59, 61);
}

static void say_again(struct log_limit *limit, int times)
{
	for (int i = 0; i < times; i++)
		log_pairs_limited(limit, LOG_LEVEL_WARNING, LOG_MODULE, "again", "value", "v",
				  NULL);
}

/* A flood is a burst of lines, and the next line after it says how many there were. */
static void test_limited_lines(void **state)
{
	struct log_limit limit = {0};
	struct capture capture;
	unsigned int lines = 0;
	char expected[64];

	(void)state;
	capture_begin(&capture);
	say_again(&limit, FLOOD);
	(void)capture_end(&capture);
	for (const char *at = capture.text; (at = strstr(at, "test: again value=v\n")); at++)
		lines++;
	assert_int_equal(lines, LOG_LIMIT_BURST);
	assert_null(strstr(capture.text, "suppressed"));

	limit.last_us -= 60000000 / LOG_LIMIT_PER_MINUTE;
	capture_begin(&capture);
	say_again(&limit, 3);
	(void)snprintf(expected, sizeof(expected), "test: again (%d more suppressed) value=v\n",
		       FLOOD - LOG_LIMIT_BURST);
	assert_non_null(strstr(capture_end(&capture), expected));
	assert_int_equal(limit.n_suppressed, 2);
}

/* Each place in the source has its own limit; a level that is off uses none of it up. */
static void test_limited_places(void **state)
{
	struct capture capture;
	char last[32];

	(void)state;
	capture_begin(&capture);
	for (int i = 0; i < 3 * LOG_LIMIT_BURST; i++) {
		log_set_level(i < 2 * LOG_LIMIT_BURST ? LOG_LEVEL_NONE : LOG_LEVEL_INFO);
		log_info_limited("here");
		log_error_limited("there", "i", log_num(i).s);
	}
	(void)capture_end(&capture);
	(void)snprintf(last, sizeof(last), "there i=%d\n", 3 * LOG_LIMIT_BURST - 1);
	assert_non_null(strstr(capture.text, last));
	assert_null(strstr(capture.text, "suppressed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),	      cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_long_value),    cmocka_unit_test(test_levels),
		cmocka_unit_test(test_limit),	      cmocka_unit_test(test_limit_average),
		cmocka_unit_test(test_limited_lines), cmocka_unit_test(test_limited_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
