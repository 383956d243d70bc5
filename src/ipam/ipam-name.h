/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The names that Calico gives to the objects of address management, byte for byte. */

#include <stdint.h>

#include "base/ip.h"

struct ipam_name {
	char s[CIDR_STR_SIZE];
};

/* Of a block's object: the CIDR with '.', ':' and '/' replaced by '-'. */
struct ipam_name ipam_block_name(const struct cidr *cidr);

/* The value of the label projectcalico.org/hostname-hash: base32 of SHA3-256, no padding. */
struct ipam_node_hash {
	char s[53];
};
struct ipam_node_hash ipam_node_hash(const char *node);

/*
 * Addresses a node has in reserve, for pods that come while the datastore is away: the attribute
 * "type", and what a handle begins with before the node's name.
 */
#define IPAM_RESERVE_TYPE   "koratReserve"
#define IPAM_RESERVE_PREFIX "korat-reserve-"

/* FNV-1, 32 bits: where a node begins to look for a block. */
uint32_t ipam_fnv1(const char *s);
