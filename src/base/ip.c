/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses and prefixes. Arithmetic works on the bytes in network order from the last one up, so
 * there is one code for both families.
 */

#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

unsigned int ip_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

unsigned int ip_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

unsigned int ip_version(uint8_t family)
{
	return family == AF_INET ? 4 : 6;
}

int ip_parse(const char *text, struct ip_addr *ret, struct err *err)
{
	struct ip_addr addr = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(addr.family, text, addr.bytes) != 1)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IP address", text);
	*ret = addr;
	return 0;
}

static int parse_prefix_len(const char *text, unsigned int max, uint8_t *ret)
{
	unsigned int len = 0;

	if (!*text || strlen(text) > 3 || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		len = len * 10 + (unsigned int)(*text - '0');
	}
	if (len > max)
		return -EINVAL;
	*ret = (uint8_t)len;
	return 0;
}

int cidr_parse(const char *text, struct cidr *ret, struct err *err)
{
	char addr[IP_STR_SIZE];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct cidr cidr = {0};

	if (len >= sizeof(addr))
		return err_set(err, -EINVAL, "\"%.64s\" is not an IP prefix", text);
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (ip_parse(addr, &cidr.addr, NULL) < 0)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IP prefix", text);
	cidr.len = (uint8_t)ip_bits(cidr.addr.family);
	if (slash && parse_prefix_len(slash + 1, cidr.len, &cidr.len) < 0)
		return err_set(err, -EINVAL, "\"%.64s\": the prefix length must be 0 to %u", text,
			       ip_bits(cidr.addr.family));
	*ret = cidr;
	return 0;
}

struct ip_str ip_format(const struct ip_addr *addr)
{
	struct ip_str str = {"-"};

	if (addr->family)
		(void)inet_ntop(addr->family, addr->bytes, str.s, sizeof(str.s));
	return str;
}

struct cidr_str cidr_format(const struct cidr *cidr)
{
	struct cidr_str str = {"-"};

	if (cidr->addr.family)
		(void)snprintf(str.s, sizeof(str.s), "%s/%u", ip_format(&cidr->addr).s, cidr->len);
	return str;
}

struct cidr_str cidr_name(const struct cidr *cidr)
{
	struct cidr_str text = cidr_format(cidr);

	for (char *p = text.s; *p; p++) {
		if (*p == '.' || *p == ':' || *p == '/')
			*p = '-';
	}
	return text;
}

struct ip_addr ip_from_bytes(uint8_t family, const void *bytes)
{
	struct ip_addr addr = {.family = family};

	memcpy(addr.bytes, bytes, ip_size(family));
	return addr;
}

struct ip_addr ip_from_u32(uint32_t host_order)
{
	uint32_t be = htonl(host_order);

	return ip_from_bytes(AF_INET, &be);
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_compare(a, b) == 0;
}

int ip_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

struct ip_addr ip_add(const struct ip_addr *addr, uint64_t n)
{
	struct ip_addr sum = *addr;
	unsigned int carry = 0;

	for (int i = (int)ip_size(addr->family) - 1; i >= 0 && (n || carry); i--) {
		carry += sum.bytes[i] + (unsigned int)(n & 0xff);
		sum.bytes[i] = (uint8_t)carry;
		carry >>= 8;
		n >>= 8;
	}
	return sum;
}

uint64_t ip_distance(const struct ip_addr *base, const struct ip_addr *addr)
{
	uint64_t distance = 0;
	int borrow = 0;
	unsigned int size = ip_size(base->family);

	if (base->family != addr->family || ip_compare(addr, base) < 0)
		return UINT64_MAX;
	for (unsigned int i = 0; i < size; i++) {
		int diff = (int)addr->bytes[size - 1 - i] - (int)base->bytes[size - 1 - i] - borrow;

		borrow = diff < 0;
		if (i < 8)
			distance |= (uint64_t)(uint8_t)diff << (8 * i);
		else if ((uint8_t)diff)
			return UINT64_MAX;
	}
	return distance;
}

bool ip_is_link_local(const struct ip_addr *addr)
{
	if (addr->family == AF_INET)
		return addr->bytes[0] == 169 && addr->bytes[1] == 254;
	return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_loopback(const struct ip_addr *addr)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (addr->family == AF_INET)
		return addr->bytes[0] == 127;
	return memcmp(addr->bytes, v6, sizeof(v6)) == 0;
}

struct cidr cidr_host(const struct ip_addr *addr)
{
	return (struct cidr){.addr = *addr, .len = (uint8_t)ip_bits(addr->family)};
}

struct cidr cidr_masked(const struct cidr *cidr)
{
	struct cidr masked = *cidr;
	unsigned int size = ip_size(cidr->addr.family);

	for (unsigned int i = 0; i < size; i++) {
		unsigned int keep = cidr->len > 8 * i ? cidr->len - 8 * i : 0;

		if (keep < 8)
			masked.addr.bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
	return masked;
}

bool cidr_is_masked(const struct cidr *cidr)
{
	struct cidr masked = cidr_masked(cidr);

	return cidr_equal(&masked, cidr);
}

bool cidr_equal(const struct cidr *a, const struct cidr *b)
{
	return cidr_compare(a, b) == 0;
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	int order = ip_compare(&a->addr, &b->addr);

	return order ? order : (int)a->len - (int)b->len;
}

bool cidr_contains(const struct cidr *net, const struct ip_addr *addr)
{
	struct cidr host = cidr_host(addr);

	return cidr_covers(net, &host);
}

bool cidr_covers(const struct cidr *outer, const struct cidr *inner)
{
	struct cidr a;
	struct cidr b;

	if (outer->addr.family != inner->addr.family || outer->len > inner->len)
		return false;
	a = cidr_masked(outer);
	b = *inner;
	b.len = outer->len;
	b = cidr_masked(&b);
	return cidr_equal(&a, &b);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return cidr_covers(a, b) || cidr_covers(b, a);
}

uint64_t cidr_size(const struct cidr *cidr)
{
	unsigned int host_bits = ip_bits(cidr->addr.family) - cidr->len;

	return host_bits >= 64 ? UINT64_MAX : (uint64_t)1 << host_bits;
}

bool cidr_is_host(const struct cidr *cidr)
{
	return cidr->len == ip_bits(cidr->addr.family);
}
