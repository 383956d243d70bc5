/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * BIRD 2's configuration, rendered from the model. Pure: the same inputs give the same bytes.
 * What confd and its templates do in Calico (section 7 of the facts), in BIRD 2's syntax, both
 * families in one daemon.
 */

#include <stdbool.h>

#include "base/ip.h"
#include "model/kinds.h"

struct buf;

/* All borrowed; lists in any order, the output is sorted. */
struct bgp_input {
	const char *node_name;
	const struct node *const *nodes; /* with defaults applied, own one included */
	size_t n_nodes;
	const struct bgp_configuration *config; /* "default"; NULL: defaults */
	const struct bgp_configuration *node_config; /* "node.<node>"; NULL: none */
	const struct ip_pool *const *pools;
	size_t n_pools;
	const struct cidr *own_blocks; /* affine to this node, confirmed */
	size_t n_own_blocks;
	const char *ipip_device;  /* "tunl0" */
	const char *router_id;	  /* NULL: node's IPv4 address, else a hash of its name */
	bool graceful_restart;
};

/* -EINVAL: 'err' says which resource can't be rendered and why; 'out' is unchanged. */
MUST_CHECK int bgp_config_render(const struct bgp_input *input, struct buf *out, struct err *err);

/* "Mesh_192_168_0_2": the name of the BIRD protocol of a mesh peer. */
void bgp_mesh_protocol_name(const struct ip_addr *peer, char *ret, size_t size);
