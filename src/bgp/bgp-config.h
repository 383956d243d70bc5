/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * BIRD 2's configuration, rendered from the model. Pure: the same inputs give the same bytes.
 * What confd and its templates do in Calico (section 7 of the facts), in BIRD 2's syntax, both
 * families in one daemon.
 *
 * Who programs which route into the kernel: VXLAN pools and the blackholes of this node's own
 * blocks the agent, everything else BIRD; IPIP pools onto 'ipip_device', which must exist before
 * BIRD reads the configuration: a filter that names an absent interface rejects the route, and BIRD
 * tries again only after `reload out`.
 */

#include <stdbool.h>

#include "base/ip.h"
#include "model/kinds.h"

struct buf;
struct secret;

/* A password that a BGPPeer or the mesh refers to, as read from its Secret. */
struct bgp_secret {
	const char *name; /* of the Secret */
	const char *key;
	const struct secret *value;
};

/* All borrowed; lists in any order, the output is sorted. */
struct bgp_input {
	const char *node_name;
	const struct node *const *nodes; /* with defaults applied, own one included */
	size_t n_nodes;
	const struct bgp_configuration *config;	     /* "default"; NULL: defaults */
	const struct bgp_configuration *node_config; /* "node.<node>"; NULL: none */
	/* "node.<name>" of any nodes, for the port a peer listens on; the own one is skipped */
	const struct bgp_configuration *const *peer_configs;
	size_t n_peer_configs;
	const struct ip_pool *const *pools;
	size_t n_pools;
	const struct cidr *own_blocks; /* affine to this node, confirmed */
	size_t n_own_blocks;
	const struct bgp_peer *const *peers;
	size_t n_peers;
	const struct bgp_filter *const *filters;
	size_t n_filters;
	const struct bgp_secret *secrets;
	size_t n_secrets;
	/* Does the selector choose an object with these labels? NULL: none chooses any. */
	bool (*selects)(const char *selector, const struct str_map *labels);
	const char *ipip_device; /* "tunl0" */
	const char *router_id;	 /* NULL: node's IPv4 address, else a hash of its name; "hash" */
	bool graceful_restart;
	bool agent_owns_ipip; /* the agent programs the routes of IPIP pools, BIRD rejects them */
	bool agent_owns_no_encap; /* the same for pools without encapsulation */
	struct buf *problems;	  /* gets what was left out and why, a line each; may be NULL */
};

/*
 * A BGPPeer that can't be rendered (a filter that is not there, a password that is not among
 * 'secrets', an address that is none), or another node with a bad address, is left out, with a
 * comment in the text and a line in 'problems': it must not keep the rest from its routes, and a
 * session must not come up without its filters or its password.
 * -EINVAL: 'err' says which other resource can't be rendered and why; 'out' is unchanged.
 */
MUST_CHECK int bgp_config_render(const struct bgp_input *input, struct buf *out, struct err *err);
