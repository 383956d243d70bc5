/* SPDX-License-Identifier: Apache-2.0 */

/* Reserved prefixes. */

#include "ipam/ipam-reserved.h"

#include "ipam/ipam-block.h"

bool ipam_reserved_has(const struct ipam_reserved *reserved, const struct ip_addr *addr)
{
	for (size_t i = 0; i < reserved->n; i++) {
		if (cidr_contains(&reserved->v[i], addr))
			return true;
	}
	return false;
}

bool ipam_reserved_covers(const struct ipam_reserved *reserved, const struct cidr *cidr)
{
	uint64_t size = cidr_size(cidr);

	for (size_t i = 0; i < reserved->n; i++) {
		if (cidr_covers(&reserved->v[i], cidr))
			return true;
	}
	if (!reserved->n || size > 1u << IPAM_BLOCK_BITS_MAX)
		return false;
	for (uint64_t i = 0; i < size; i++) {
		struct ip_addr addr = ip_add(&cidr->addr, i);

		if (!ipam_reserved_has(reserved, &addr))
			return false;
	}
	return true;
}
