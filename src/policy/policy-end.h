/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The two ends of a connection, and what it speaks, as a person writes them. */

#include "policy/policy-match.h"

enum connection_end_type {
	END_WORKLOAD,
	END_HOST,
	END_OUTSIDE,
};

struct connection_end {
	enum connection_end_type type;
	const struct world_peer *peer; /* the workload, or the host endpoint asked for; or NULL */
	const char *node;	       /* "": outside */
	struct ip_addr addr;	       /* borrowed, as all of this, until the world changes */
	/*
	 * What the sender dials, where somebody translates that to 'addr' (a service's address).
	 * Family 0: 'addr' itself.
	 */
	struct ip_addr dialled;
	uint16_t dialled_port;
};

/*
 * "pod/NS/NAME", "workload/NS/NAME" (of the WorkloadEndpoint), "hep/NAME", "node/NAME",
 * "networkset/NS/NAME", "globalnetworkset/NAME" (an address in it), "ip/ADDRESS" or the address,
 * also in brackets: who has it, or the outside. 'family' 0: any. -EINVAL: not one of these.
 * -ENOENT: no such thing, or no address of that family; 'err' says what there is.
 */
MUST_CHECK int connection_end_find(struct policy_world *world, const char *text, uint8_t family,
				   struct connection_end *ret, struct err *err);

/* "ip/ADDRESS", "ADDRESS", each with brackets or without. */
MUST_CHECK int connection_address_parse(const char *text, struct ip_addr *ret);

/*
 * "tcp/443", "udp/53", "tcp/NAME" (a port of 'to', of a node's host endpoints), "icmp",
 * "icmp/TYPE/CODE", "icmpv6", "47". Fills in protocol, destination port, type and code. 'world' is
 * asked of hosts alone. -EINVAL, -ENOENT: no such named port.
 */
MUST_CHECK int connection_port_parse(struct policy_world *world, const char *text,
				     const struct connection_end *to, struct packet *ret,
				     struct err *err);

/* A few names, for a message: "a, b, c and 17 more"; "none". Gives it. */
char *connection_end_names(struct policy_world *world, enum kind kind, const char *namespace);

/* An address of a node, of that family. False: it is not known. */
bool node_address(const struct policy_world *world, const char *node, uint8_t family,
		  struct cidr *ret);
