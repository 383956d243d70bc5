/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses and prefixes: examples, and random ones compared with inet_pton() and with arithmetic
 * on 128-bit integers.
 */

#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define N_RANDOM 20000

static struct ip_addr ip(const char *text)
{
	struct ip_addr addr = {0};
	struct err err = ERR_INIT;

	if (ip_parse(text, &addr, &err) < 0)
		fail_msg("%s", err.msg);
	return addr;
}

static struct cidr net(const char *text)
{
	struct cidr cidr = {0};
	struct err err = ERR_INIT;

	if (cidr_parse(text, &cidr, &err) < 0)
		fail_msg("%s", err.msg);
	return cidr;
}

static unsigned __int128 number(const struct ip_addr *addr)
{
	unsigned __int128 n = 0;

	for (unsigned int i = 0; i < ip_size(addr->family); i++)
		n = n << 8 | addr->bytes[i];
	return n;
}

/* Of few distinct bytes, so that neighbours, carries and equal halves are common. */
static struct ip_addr random_ip(unsigned int *seed)
{
	static const uint8_t bytes[] = {0, 0, 0, 1, 0x7f, 0x80, 0xff, 0xff};
	struct ip_addr addr = {.family = rand_r(seed) % 2 ? AF_INET : AF_INET6};

	for (unsigned int i = 0; i < ip_size(addr.family); i++)
		addr.bytes[i] = rand_r(seed) % 4 ? bytes[rand_r(seed) % 8] : (uint8_t)rand_r(seed);
	return addr;
}

static struct cidr random_cidr(unsigned int *seed)
{
	struct cidr cidr = {.addr = random_ip(seed)};

	cidr.len = (uint8_t)((unsigned int)rand_r(seed) % (ip_bits(cidr.addr.family) + 1));
	return cidr;
}

static uint64_t random_u64(unsigned int *seed)
{
	uint64_t n = (uint64_t)(unsigned int)rand_r(seed) << 42 ^
		     (uint64_t)(unsigned int)rand_r(seed) << 21 ^ (unsigned int)rand_r(seed);

	switch (rand_r(seed) % 4) {
	case 0:
		return UINT64_MAX - n % 300;
	case 1:
		return n % 300;
	default:
		return n;
	}
}

static void test_parse(void **state)
{
	static const char *const bad[] = {
		"",	     " ",	 "1",	     "1.2.3",	     "1.2.3.4.5",
		"256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4",     "1.2.3.4/8",
		":",	     ":::",	 "1::2::3",  "fe80::1%eth0", "12345::",
		"0x1.2.3.4", "1.2.3.-4",
	};
	struct ip_addr addr = {.family = 99};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ip_parse(bad[i], &addr, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(err.msg, bad[i]));
	}
	assert_int_equal(addr.family, 99);
	addr = ip("10.1.2.3");
	assert_string_equal(ip_format(&addr).s, "10.1.2.3");
	addr = ip("FD00:0::1");
	assert_string_equal(ip_format(&addr).s, "fd00::1");
	addr = (struct ip_addr){0};
	assert_string_equal(ip_format(&addr).s, "-");
}

static void test_cidr_parse(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"1.2.3.4/",
		"1.2.3.4/33",
		"::/129",
		"1.2.3.4/08",
		"1.2.3.4/+8",
		"1.2.3.4/8 ",
		"1.2.3.4/-1",
		"1.2.3.4/1000",
		"1.2.3/8",
		"1.2.3.4/8/8",
		"1.2.3.4/4294967304",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
	};
	struct cidr cidr = {.len = 99};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (cidr_parse(bad[i], &cidr, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(cidr.len, 99);
	cidr = net("10.1.2.3/8");
	assert_string_equal(cidr_format(&cidr).s, "10.1.2.3/8");
	assert_false(cidr_is_masked(&cidr));
	cidr = cidr_masked(&cidr);
	assert_string_equal(cidr_format(&cidr).s, "10.0.0.0/8");
	cidr = net("::1");
	assert_string_equal(cidr_format(&cidr).s, "::1/128");
	assert_true(cidr_is_host(&cidr));
	cidr = net("0.0.0.0/0");
	assert_int_equal(cidr_size(&cidr), UINT64_C(1) << 32);
	cidr = net("::/64");
	assert_true(cidr_size(&cidr) == UINT64_MAX);
	cidr = net("::/65");
	assert_true(cidr_size(&cidr) == UINT64_C(1) << 63);
}

static void test_kinds(void **state)
{
	struct ip_addr a = ip("169.254.1.1");
	struct ip_addr b = ip("fe80::1");
	struct ip_addr c = ip("127.3.2.1");
	struct ip_addr d = ip("::1");
	struct ip_addr e = ip_from_u32(0x0a000001);

	(void)state;
	assert_true(ip_is_link_local(&a) && ip_is_link_local(&b) && !ip_is_link_local(&c));
	assert_true(ip_is_loopback(&c) && ip_is_loopback(&d) && !ip_is_loopback(&a));
	assert_string_equal(ip_format(&e).s, "10.0.0.1");
	assert_int_equal(ip_version(AF_INET), 4);
	assert_int_equal(ip_version(AF_INET6), 6);
	assert_true(ip_compare(&a, &b) < 0 && ip_compare(&b, &a) > 0);
}

static void test_text_round_trip(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < N_RANDOM; i++) {
		struct cidr cidr = random_cidr(&seed);
		struct cidr again = net(cidr_format(&cidr).s);
		struct ip_addr addr = ip(ip_format(&cidr.addr).s);
		uint8_t bytes[16] = {0};

		assert_true(cidr_equal(&cidr, &again));
		assert_true(ip_equal(&cidr.addr, &addr));
		assert_int_equal(inet_pton(addr.family, ip_format(&addr).s, bytes), 1);
		assert_memory_equal(bytes, addr.bytes, sizeof(bytes));
		addr = ip_from_bytes(addr.family, bytes);
		assert_true(ip_equal(&cidr.addr, &addr));
	}
}

static void test_arithmetic(void **state)
{
	unsigned int seed = 2;

	(void)state;
	for (int i = 0; i < N_RANDOM; i++) {
		struct ip_addr addr = random_ip(&seed);
		uint64_t n = random_u64(&seed);
		struct ip_addr sum = ip_add(&addr, n);
		unsigned __int128 expected = number(&addr) + n;

		if (addr.family == AF_INET)
			expected &= UINT32_MAX;
		assert_true(number(&sum) == expected);
		assert_int_equal(sum.family, addr.family);
		if (number(&sum) >= number(&addr))
			assert_true(ip_distance(&addr, &sum) ==
				    (uint64_t)(number(&sum) - number(&addr)));
		else
			assert_true(ip_distance(&addr, &sum) == UINT64_MAX);
	}
}

static void test_distance(void **state)
{
	unsigned int seed = 3;

	(void)state;
	for (int i = 0; i < N_RANDOM; i++) {
		struct ip_addr a = random_ip(&seed);
		struct ip_addr b = random_ip(&seed);
		uint64_t expected = UINT64_MAX;

		if (a.family == b.family && number(&b) >= number(&a) &&
		    number(&b) - number(&a) <= UINT64_MAX)
			expected = (uint64_t)(number(&b) - number(&a));
		assert_true(ip_distance(&a, &b) == expected);
	}
}

static unsigned __int128 mask_of(const struct cidr *cidr)
{
	unsigned int bits = ip_bits(cidr->addr.family);
	unsigned __int128 all = bits == 128 ? ~(unsigned __int128)0 : UINT32_MAX;

	return cidr->len ? all & ~(unsigned __int128)0 << (bits - cidr->len) : 0;
}

static void test_prefixes(void **state)
{
	unsigned int seed = 4;

	(void)state;
	for (int i = 0; i < N_RANDOM; i++) {
		struct cidr a = random_cidr(&seed);
		struct cidr b = rand_r(&seed) % 2 ? random_cidr(&seed) : a;
		struct cidr masked = cidr_masked(&a);
		bool same = a.addr.family == b.addr.family;
		bool in;

		b.len = (uint8_t)((unsigned int)rand_r(&seed) % (ip_bits(b.addr.family) + 1));
		in = same && ((number(&a.addr) ^ number(&b.addr)) & mask_of(&a)) == 0;
		assert_true(number(&masked.addr) == (number(&a.addr) & mask_of(&a)));
		assert_true(cidr_is_masked(&masked));
		assert_true(cidr_contains(&a, &b.addr) == in);
		assert_true(cidr_covers(&a, &b) == (in && a.len <= b.len));
		assert_true(cidr_overlaps(&a, &b) == (cidr_covers(&a, &b) || cidr_covers(&b, &a)));
		assert_true(cidr_overlaps(&a, &b) == cidr_overlaps(&b, &a));
		assert_int_equal(cidr_is_host(&a), a.len == ip_bits(a.addr.family));
		assert_true((cidr_compare(&a, &b) < 0) == (cidr_compare(&b, &a) > 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	   cmocka_unit_test(test_cidr_parse),
		cmocka_unit_test(test_kinds),	   cmocka_unit_test(test_text_round_trip),
		cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_distance),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
