/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names and hashes of IPAM objects. They must equal Calico's: a name that differs in one byte is a
 * second owner of the same block.
 */

#include "ipam/ipam-name.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"

struct ipam_name ipam_block_name(const struct cidr *cidr)
{
	struct cidr_str text = cidr_name(cidr);
	struct ipam_name name;

	memcpy(name.s, text.s, sizeof(name.s));
	return name;
}

struct ipam_node_hash ipam_node_hash(const char *node)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct digest digest = digest_of(DIGEST_SHA3_256, node, strlen(node));
	struct ipam_node_hash hash = {""};
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < digest.size; i++) {
		bits = (bits << 8 | digest.bytes[i]) & 0xffff;
		for (n_bits += 8; n_bits >= 5; n_bits -= 5)
			hash.s[n++] = alphabet[bits >> (n_bits - 5) & 31];
	}
	if (n_bits)
		hash.s[n] = alphabet[bits << (5 - n_bits) & 31];
	return hash;
}

uint32_t ipam_fnv1(const char *s)
{
	uint32_t hash = 2166136261u;

	for (; *s; s++)
		hash = hash * 16777619u ^ (uint8_t)*s;
	return hash;
}
