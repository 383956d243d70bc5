/* SPDX-License-Identifier: Apache-2.0 */

/* Strict parsing of numbers, durations and times. */

#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reads digits; false on none or overflow. */
static bool digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*text = p;
	*ret = n;
	return true;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	const char *p = text;
	uint64_t n;

	if (!digits(&p, &n) || *p || n < min || n > max)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a number from %" PRIu64 " to %" PRIu64, text, min,
			       max);
	*ret = n;
	return 0;
}

/* "-" and digits, anything an int64_t holds. */
static bool signed_number(const char *text, int64_t *ret)
{
	bool negative = text[0] == '-';
	const char *p = text + (negative ? 1 : 0);
	uint64_t n;

	if (!digits(&p, &n) || *p || n > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*ret = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	int64_t value;

	if (!signed_number(text, &value) || value < min || value > max)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a number from %" PRId64 " to %" PRId64, text, min,
			       max);
	*ret = value;
	return 0;
}

static const struct {
	const char *name;
	int64_t ns;
} duration_units[] = {
	{"ns", 1},	   {"us", 1000},       {"\xc2\xb5s", 1000},  {"ms", 1000000},
	{"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

static bool duration_unit(const char **text, int64_t *ret_ns)
{
	const char *p = *text;
	size_t len = 0;

	while (p[len] && p[len] != '.' && (p[len] < '0' || p[len] > '9'))
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		if (strlen(duration_units[i].name) == len &&
		    strncmp(p, duration_units[i].name, len) == 0) {
			*ret_ns = duration_units[i].ns;
			*text = p + len;
			return true;
		}
	}
	return false;
}

/* One "1.5h" part, added to *sum_ns. */
static bool duration_part(const char **text, int64_t *sum_ns)
{
	uint64_t whole = 0;
	uint64_t fraction = 0;
	uint64_t scale = 1;
	bool any = digits(text, &whole);
	int64_t unit;
	int64_t part;
	int64_t part_fraction;

	if (**text == '.') {
		for ((*text)++; **text >= '0' && **text <= '9'; (*text)++) {
			any = true;
			if (scale >= 1000000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(**text - '0');
			scale *= 10;
		}
	}
	if (!any || whole > INT64_MAX || !duration_unit(text, &unit) ||
	    __builtin_mul_overflow((int64_t)whole, unit, &part))
		return false;
	part_fraction = (int64_t)((unsigned __int128)fraction * (uint64_t)unit / scale);
	return !__builtin_add_overflow(part, part_fraction, &part) &&
	       !__builtin_add_overflow(*sum_ns, part, sum_ns);
}

int parse_duration(const char *text, int64_t *ret_us, struct err *err)
{
	bool negative = text[0] == '-';
	const char *p = text + (text[0] == '-' || text[0] == '+' ? 1 : 0);
	int64_t ns = 0;

	if (strcmp(p, "0") == 0) {
		*ret_us = 0;
		return 0;
	}
	if (!*p)
		return err_set(err, -EINVAL, "an empty text is not a duration; write it as 1h2m3s");
	while (*p) {
		if (!duration_part(&p, &ns))
			return err_set(err, -EINVAL,
				       "\"%.64s\" is not a duration; write it as 1h2m3s or 100ms",
				       text);
	}
	*ret_us = (negative ? -ns : ns) / 1000;
	return 0;
}

/* Exactly 'n' digits and then 'end', unless that is NUL. */
static bool fixed_number(const char **text, int n, char end, int min, int max, int *ret)
{
	const char *p = *text;
	int value = 0;

	for (int i = 0; i < n; i++, p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
	}
	if (end && *p++ != end)
		return false;
	*text = p;
	*ret = value;
	return value >= min && value <= max;
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool date_and_time(const char **text, struct tm *tm)
{
	int year;
	int month;

	if (!fixed_number(text, 4, '-', 0, 9999, &year) ||
	    !fixed_number(text, 2, '-', 1, 12, &month) ||
	    !fixed_number(text, 2, 'T', 1, days_of_month(year, month), &tm->tm_mday) ||
	    !fixed_number(text, 2, ':', 0, 23, &tm->tm_hour) ||
	    !fixed_number(text, 2, ':', 0, 59, &tm->tm_min) ||
	    !fixed_number(text, 2, '\0', 0, 60, &tm->tm_sec))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return true;
}

static bool fraction_of_second(const char **text)
{
	int n = 0;

	if (**text != '.')
		return true;
	for ((*text)++; **text >= '0' && **text <= '9'; (*text)++)
		n++;
	return n > 0;
}

static bool zone(const char **text, int64_t *ret_seconds)
{
	char sign = **text;
	int hours;
	int minutes;

	if (!sign)
		return false;
	(*text)++;
	*ret_seconds = 0;
	if (sign == 'Z')
		return true;
	if ((sign != '+' && sign != '-') || !fixed_number(text, 2, ':', 0, 23, &hours) ||
	    !fixed_number(text, 2, '\0', 0, 59, &minutes))
		return false;
	*ret_seconds = (int64_t)(sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

int parse_time(const char *text, int64_t *ret_seconds, struct err *err)
{
	struct tm tm = {0};
	const char *p = text;
	int64_t offset;

	if (!date_and_time(&p, &tm) || !fraction_of_second(&p) || !zone(&p, &offset) || *p)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a time; write it as 2026-01-31T12:00:00Z", text);
	*ret_seconds = (int64_t)timegm(&tm) - offset;
	return 0;
}

struct time_str format_time(int64_t seconds)
{
	struct time_str str = {"-"};
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t,
		     &tm)) /* %Y of strftime() doesn't pad to the four digits that are asked for */
		(void)snprintf(str.s, sizeof(str.s), "%04d-%02d-%02dT%02d:%02d:%02dZ",
			       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			       tm.tm_sec);
	return str;
}
