/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The addresses this host has, for detection of the node's own. */

#include "agent/address-detect.h"

struct host_addresses {
	struct host_addr *v;
	size_t n;
	void *names; /* private: what v[].interface points into */
};

/* Of both families, in the kernel's order. */
MUST_CHECK int host_addresses_read(struct host_addresses *ret, struct err *err);
void host_addresses_deinit(struct host_addresses *host);

/*
 * The source address the kernel would use towards 'destination' (an address, or a host's name,
 * which is looked up and may block). Nothing is sent. -EINVAL: an address of the other family.
 * Other <0: no route.
 */
MUST_CHECK int host_source_towards(const char *destination, uint8_t family, struct ip_addr *ret,
				   struct err *err);
