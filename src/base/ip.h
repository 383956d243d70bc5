/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * IP addresses and prefixes, one type for both families: IPv4 and IPv6 are two instances of the
 * same code, never two codes. An address holds its bytes in network order; IPv4 uses the first 4
 * and the other 12 are zero, so two addresses compare by memcmp().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct ip_addr {
	uint8_t family; /* AF_INET, AF_INET6; 0: no address */
	uint8_t bytes[16];
};

struct cidr {
	struct ip_addr addr; /* may have host bits, as in an interface address; see cidr_masked() */
	uint8_t len;	     /* prefix length in bits */
};

#define IP_STR_SIZE   46 /* INET6_ADDRSTRLEN */
#define CIDR_STR_SIZE 50

struct ip_str {
	char s[IP_STR_SIZE];
};
struct cidr_str {
	char s[CIDR_STR_SIZE];
};

/* 0: '*ret' set. -EINVAL: 'err' names the text and what was expected. Strict: no spaces, no zone.
 */
MUST_CHECK int ip_parse(const char *text, struct ip_addr *ret, struct err *err);

/* "10.0.0.0/8"; without "/N" it is a single address (/32, /128). Host bits are kept. */
MUST_CHECK int cidr_parse(const char *text, struct cidr *ret, struct err *err);

/* By value, for printf: ip_format(&a).s */
struct ip_str ip_format(const struct ip_addr *addr);
struct cidr_str cidr_format(const struct cidr *cidr);
/* With '-' for '.', ':' and '/', as the name of an object: "10-1-2-0-26". */
struct cidr_str cidr_name(const struct cidr *cidr);

/* 32 or 128. */
unsigned int ip_bits(uint8_t family);
/* 4 or 16: bytes of an address on the wire. */
unsigned int ip_size(uint8_t family);
/* 4 or 6 */
unsigned int ip_version(uint8_t family);

/* 'bytes' in network order, ip_size(family) of them. */
struct ip_addr ip_from_bytes(uint8_t family, const void *bytes);
/* From a host-order number. */
struct ip_addr ip_from_u32(uint32_t host_order);

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
int ip_compare(const struct ip_addr *a, const struct ip_addr *b); /* family first, then bytes */
/* addr + n; wraps within the family. */
struct ip_addr ip_add(const struct ip_addr *addr, uint64_t n);
/* How far 'addr' lies behind 'base' (same family); UINT64_MAX if before it or further than that. */
uint64_t ip_distance(const struct ip_addr *base, const struct ip_addr *addr);
bool ip_is_link_local(const struct ip_addr *addr);
bool ip_is_loopback(const struct ip_addr *addr);

/* The single-address prefix of 'addr'. */
struct cidr cidr_host(const struct ip_addr *addr);
/* With the host bits cleared. */
struct cidr cidr_masked(const struct cidr *cidr);
bool cidr_is_masked(const struct cidr *cidr);
bool cidr_equal(const struct cidr *a, const struct cidr *b);
int cidr_compare(const struct cidr *a, const struct cidr *b);
bool cidr_contains(const struct cidr *net, const struct ip_addr *addr);
/* Does 'outer' cover all of 'inner'? */
bool cidr_covers(const struct cidr *outer, const struct cidr *inner);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
/* Number of addresses; UINT64_MAX where it does not fit. */
uint64_t cidr_size(const struct cidr *cidr);
bool cidr_is_host(const struct cidr *cidr); /* /32 or /128 */
