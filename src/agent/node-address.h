/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The address a node is to have, by IP, IP6 and the detection methods, and by what the host has. */

#include "agent/agent-args.h"
#include "base/ip.h"

struct node;

/* What the Node object says; family 0: nothing. */
struct node_address_known {
	struct cidr stored;  /* its address so far */
	struct ip_addr told; /* its InternalIP */
};

/*
 * 0: '*ret' set (family 0: the node is to have none of that family). <0: 'err' says what was looked
 * for and what to set.
 */
MUST_CHECK int node_find_address(const struct agent_args *args, uint8_t family,
				 const struct node_address_known *known, struct cidr *ret,
				 struct err *err);

/* The address in the Node object's text; family 0: none, or not one. */
void node_address_read(const char *text, struct cidr *ret);
/* The first address of type InternalIP in spec.addresses; family 0: none. */
struct ip_addr node_internal_address(const struct node *node, uint8_t family);
