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

#define NAME_MAX_LEN 252u /* of a Kubernetes object, one short of its limit as in Calico */
#define HASH_LEN     11u

struct ipam_name ipam_block_name(const struct cidr *cidr)
{
	struct cidr_str text = cidr_format(cidr);
	struct ipam_name name;

	for (char *p = text.s; *p; p++) {
		if (*p == '.' || *p == ':' || *p == '/')
			*p = '-';
	}
	memcpy(name.s, text.s, sizeof(name.s));
	return name;
}

char *ipam_affinity_name(const char *node, const struct cidr *cidr)
{
	struct ipam_name block = ipam_block_name(cidr);
	size_t len = strlen(node) + 1 + strlen(block.s);
	_cleanup_free_ char *seed = NULL;
	struct digest digest;
	size_t keep;

	if (len <= NAME_MAX_LEN)
		return xasprintf("%s-%s", node, block.s);
	/* Two separators and the hash have to fit as well. */
	keep = NAME_MAX_LEN - strlen(block.s) - HASH_LEN - 2;
	seed = xasprintf("%s+%s", node, block.s);
	digest = digest_of(DIGEST_SHA256, seed, strlen(seed));
	return xasprintf("%.*s-%s-%.*s", (int)keep, node, block.s, (int)HASH_LEN,
			 digest_hex(&digest).s);
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
