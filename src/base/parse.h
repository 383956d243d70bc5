/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Numbers and durations from text, whole text or nothing. No locale, no spaces. */

#include <stdint.h>

#include "base/err.h"

/* Decimal, min..max. -EINVAL: 'err' names the text and the range. */
MUST_CHECK int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret,
			 struct err *err);
MUST_CHECK int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *err);

/* A Go duration ("1h2m3.5s", "100ms", "0s"), as metav1.Duration writes it. In microseconds. */
MUST_CHECK int parse_duration(const char *text, int64_t *ret_us, struct err *err);

/* RFC 3339 in UTC or with an offset; to seconds since 1970. */
MUST_CHECK int parse_time(const char *text, int64_t *ret_seconds, struct err *err);

struct time_str {
	char s[40];
};
/* RFC 3339, UTC, whole seconds, as Kubernetes writes it. */
struct time_str format_time(int64_t seconds);
