/* SPDX-License-Identifier: Apache-2.0 */

/* Strict parsing of numbers, durations and times. */

#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
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
		return err_set(err, -EINVAL, "\"%.64s\" is not a number from %" PRIu64 " to %" PRIu64,
			       text, min, max);
	*ret = n;
	return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	bool negative = text[0] == '-';
	const char *p = text + (negative ? 1 : 0);
	uint64_t n;
	int64_t value = 0;

	if (!digits(&p, &n) || *p || n > (uint64_t)INT64_MAX)
		goto bad;
	value = negative ? -(int64_t)n : (int64_t)n;
	if (value < min || value > max)
		goto bad;
	*ret = value;
	return 0;
bad:
	return err_set(err, -EINVAL, "\"%.64s\" is not a number from %" PRId64 " to %" PRId64, text,
		       min, max);
}

static const struct {
	const char *name;
	int64_t ns;
} duration_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
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
	part += (int64_t)((long double)fraction / (long double)scale * (long double)unit);
	return !__builtin_add_overflow(*sum_ns, part, sum_ns);
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

int parse_time(const char *text, int64_t *ret_seconds, struct err *err)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int hours;
	unsigned int minutes;
	int64_t offset = 0;

	if (p && *p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++)
			;
	}
	if (p && (*p == '+' || *p == '-') && strlen(p) == 6 &&
	    sscanf(p + 1, "%2u:%2u", &hours, &minutes) == 2) { /* NOLINT(cert-err34-c): checked */
		offset = (int64_t)(hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
		p += 6;
	} else if (p && *p == 'Z') {
		p++;
	} else {
		p = NULL;
	}
	if (!p || *p)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a time; write it as 2026-01-31T12:00:00Z", text);
	*ret_seconds = (int64_t)timegm(&tm) - offset;
	return 0;
}

struct time_str format_time(int64_t seconds)
{
	struct time_str str = { "-" };
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(str.s, sizeof(str.s), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return str;
}
