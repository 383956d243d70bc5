/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What IPReservations keep from being assigned. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"

/* Prefixes from which nothing new is assigned. */
struct ipam_reserved {
	struct cidr *v;
	size_t n;
};
bool ipam_reserved_has(const struct ipam_reserved *reserved, const struct ip_addr *addr);
/* Is every address of 'cidr' reserved, by one or several of the prefixes? */
bool ipam_reserved_covers(const struct ipam_reserved *reserved, const struct cidr *cidr);
