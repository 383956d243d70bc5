/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: what rules tell apart, of addresses, labels and ports. */

#include "policy/policy-world.h"

/* The first of a run of ports (or ICMP types) that no rule tells apart. */
struct impact_port {
	uint8_t protocol;
	uint32_t first; /* up to 65536, which begins nothing */
};
struct impact_ports {
	struct impact_port *v;
	size_t n;
};

/* Where the ports begin that one direction of a policy, or of a profile, tells apart. */
void impact_ports_add(struct policy_world *world, const struct object *object,
		      enum policy_direction direction, struct impact_ports *ports);
/* In order, each once. */
void impact_ports_sort(struct impact_ports *ports);

struct impact_space {
	struct cidr *nets;
	size_t n_nets;
	struct str_map keys; /* of labels; the values don't matter */
};
void impact_space_deinit(struct impact_space *space);
CLEANUP_DEINIT(struct impact_space, impact_space_deinit);
/* All that the policies, profiles and network sets of a world mention. */
void impact_space_add(const struct policy_world *world, struct impact_space *space);
