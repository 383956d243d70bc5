/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers, durations and times: what is taken, and that nothing else is. */

#include "base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_u64(void **state)
{
	static const char *const bad[] = {"",
					  " 1",
					  "1 ",
					  "+1",
					  "-1",
					  "0x1",
					  "1.0",
					  "1e3",
					  "a",
					  "18446744073709551616",
					  "99999999999999999999999"};
	uint64_t n = 7;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_u64(bad[i], 0, UINT64_MAX, &n, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(n, 7);
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &n, &err), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_u64("007", 7, 7, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(parse_u64("6", 7, 9, &n, &err), -EINVAL);
	assert_int_equal(parse_u64("10", 7, 9, &n, &err), -EINVAL);
	assert_string_equal(err.msg, "\"10\" is not a number from 7 to 9");
}

static void test_i64(void **state)
{
	static const char *const bad[] = {
		"", "-", "--1", "+1", "- 1", "1-", "9223372036854775808", "-9223372036854775809"};
	unsigned int seed = 1;
	int64_t n = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_i64(bad[i], INT64_MIN, INT64_MAX, &n, NULL) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &n, NULL), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(parse_i64("-3", -2, 2, &n, NULL), -EINVAL);
	for (int i = 0; i < 10000; i++) {
		int64_t value = (int64_t)((uint64_t)(unsigned int)rand_r(&seed) << 40 ^
					  (uint64_t)(unsigned int)rand_r(&seed) << 13);
		char text[32];

		(void)snprintf(text, sizeof(text), "%" PRId64, value);
		assert_int_equal(parse_i64(text, INT64_MIN, INT64_MAX, &n, NULL), 0);
		assert_true(n == value);
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{"0", 0},
		{"0s", 0},
		{"-0", 0},
		{"1s", 1000000},
		{"1h2m3.5s", 3723500000},
		{"100ms", 100000},
		{"1.5h", 5400000000},
		{"0.1s", 100000},
		{"0.7s", 700000},
		{".5m", 30000000},
		{"5.s", 5000000},
		{"7us", 7},
		{"7\xc2\xb5s", 7},
		{"1999ns", 1},
		{"-1m", -60000000},
		{"+2m", 120000000},
		{"9223372036s", 9223372036000000},
		{"0.1234567890123456789s", 123456},
	};
	static const char *const bad[] = {
		"",
		"-",
		"1",
		"s",
		".s",
		"1d",
		"1 s",
		"1s ",
		"--1s",
		"1s-1s",
		"1h2",
		"9223372036.9s",
		"9223372037s",
		"99999999999999999999s",
		"2562048h",
		"1.2.3s",
		"1e3s",
	};
	int64_t us = 7;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_duration(bad[i], &us, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(us, 7);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (parse_duration(good[i].text, &us, &err) != 0 || us != good[i].us)
			fail_msg("\"%s\": %s, %" PRId64, good[i].text, err.msg, us);
	}
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-31T12:00:00Z", 1769860800},
		{"2026-01-31T12:00:00.123456789Z", 1769860800},
		{"2026-01-31T14:00:00+02:00", 1769860800},
		{"2026-01-31T06:30:00-05:30", 1769860800},
		{"2024-02-29T00:00:00Z", 1709164800},
		{"1969-12-31T23:59:59Z", -1},
	};
	static const char *const bad[] = {
		"",
		"2026-01-31",
		"2026-01-31T12:00:00",
		"2026-01-31 12:00:00Z",
		"2026-1-31T12:00:00Z",
		"2026- 1-31T12:00:00Z",
		" 2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00Z ",
		"2026-02-29T12:00:00Z",
		"2026-13-01T12:00:00Z",
		"2026-00-01T12:00:00Z",
		"2026-01-00T12:00:00Z",
		"2026-01-31T24:00:00Z",
		"2026-01-31T12:60:00Z",
		"2026-01-31T12:00:61Z",
		"2026-01-31T12:00:00.Z",
		"2026-01-31T12:00:00+0200",
		"2026-01-31T12:00:00+ 2:00",
		"2026-01-31T12:00:00+02:00Z",
		"-026-01-31T12:00:00Z",
	};
	int64_t seconds = 7;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_time(bad[i], &seconds, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(seconds, 7);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (parse_time(good[i].text, &seconds, &err) != 0 || seconds != good[i].seconds)
			fail_msg("\"%s\": %s, %" PRId64, good[i].text, err.msg, seconds);
	}
}

static void test_time_round_trip(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t value = (int64_t)(unsigned int)rand_r(&seed) * 50;
		int64_t again = 0;

		assert_int_equal(parse_time(format_time(value).s, &again, NULL), 0);
		assert_true(again == value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_i64),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_time_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
