/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text to the parsers of addresses, prefixes, numbers, durations and times: what is taken must
 * be written and read back as the same.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void try_addresses(const char *text)
{
	struct ip_addr addr;
	struct ip_addr addr_again;
	struct cidr cidr;
	struct cidr cidr_again;
	struct cidr masked;
	struct err err;

	if (ip_parse(text, &addr, &err) == 0) {
		check(ip_parse(ip_format(&addr).s, &addr_again, NULL) == 0);
		check(ip_equal(&addr, &addr_again));
	}
	if (cidr_parse(text, &cidr, &err) == 0) {
		check(cidr_parse(cidr_format(&cidr).s, &cidr_again, NULL) == 0);
		check(cidr_equal(&cidr, &cidr_again));
		masked = cidr_masked(&cidr);
		check(cidr_is_masked(&masked) && cidr_covers(&masked, &cidr));
		check(cidr_contains(&cidr, &masked.addr) && cidr_size(&cidr) > 0);
		addr = ip_add(&masked.addr, cidr_size(&cidr) - 1);
		check(cidr_contains(&cidr, &addr));
	}
}

static void try_numbers(const char *text)
{
	char again[32];
	uint64_t u = 0;
	int64_t i = 0;
	int64_t j = 0;
	struct err err;

	if (parse_i64(text, INT64_MIN, INT64_MAX, &i, &err) == 0) {
		(void)snprintf(again, sizeof(again), "%" PRId64, i);
		check(parse_i64(again, i, i, &j, NULL) == 0 && i == j);
	}
	if (parse_u64(text, 0, UINT64_MAX, &u, &err) == 0 && u <= INT64_MAX)
		check(parse_i64(text, 0, INT64_MAX, &j, NULL) == 0 && (uint64_t)j == u);
	if (parse_duration(text, &i, &err) == 0) {
		(void)snprintf(again, sizeof(again), "%" PRId64 "us", i);
		check(parse_duration(again, &j, NULL) == 0 && i == j);
	}
	if (parse_time(text, &i, &err) == 0 && i >= -62135596800 && i <= 253402300799)
		check(parse_time(format_time(i).s, &j, NULL) == 0 && i == j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xmalloc(size + 1);

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_addresses(text);
	try_numbers(text);
	return 0;
}
