/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Addresses of interfaces. */

#include "netlink/nl.h"

struct if_addr {
	int ifindex;
	struct cidr cidr; /* with host bits */
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};
struct if_addr_list {
	struct if_addr *v;
	size_t n;
};
void if_addr_list_deinit(struct if_addr_list *list);

/* 'ifindex' 0: all. */
MUST_CHECK int addr_dump(struct nl *nl, uint8_t family, int ifindex, struct if_addr_list *ret,
			 struct err *err);
/* Already there is 0. IPv6 without duplicate address detection. */
MUST_CHECK int addr_add(struct nl *nl, int ifindex, const struct cidr *cidr, struct err *err);
/*
 * Does the namespace take packets to this address, of an interface or, by 0, of any? An IPv6
 * address is neither asked for by neighbours nor has it its route until a work queue of the kernel
 * has seen it, a moment after it was added, and without duplicate address detection no flag tells
 * of that. 0: yes. ADDR_E_NOT_YET: no.
 */
enum addr_outcome { ADDR_E_NOT_YET = 1 };
MUST_CHECK int addr_is_local(struct nl *nl, int ifindex, const struct ip_addr *addr,
			     struct err *err);
MUST_CHECK int addr_delete(struct nl *nl, int ifindex, const struct cidr *cidr, struct err *err);
/* Which addresses are ours of earlier; those of others stay. */
struct addr_stale {
	bool (*is_stale)(const struct cidr *cidr, void *ctx);
	void *ctx;
};
/*
 * Of its family, 'cidr' is on the interface and none that is stale (link-local ones excepted);
 * family 0: none that is stale, of any family.
 */
MUST_CHECK int addr_ensure(struct nl *nl, int ifindex, const struct cidr *cidr,
			   const struct addr_stale *stale, struct err *err);
