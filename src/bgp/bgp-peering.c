/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which BGP sessions this node has: the mesh, and what BGPPeers say. Two nodes decide about their
 * session independently, so every rule here gives both sides the same answer: exactly one of them
 * is passive, and it is the one whose peer's address is the greater text.
 *
 * Of two peerings to the same address and port one survives: a global one before one of this node
 * before the mesh's, as two protocols of BIRD can't talk to one neighbour.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/secret.h"
#include "bgp/bgp-internal.h"

static const uint8_t families[] = {AF_INET, AF_INET6};

/* Also the order of precedence, strongest first. */
enum peering_rank {
	RANK_GLOBAL,
	RANK_NODE,
	RANK_MESH,
};

static const char *const rank_prefixes[] = {
	[RANK_GLOBAL] = "Global",
	[RANK_NODE] = "Node",
	[RANK_MESH] = "Mesh",
};

struct candidate {
	enum peering_rank rank;
	const char *origin; /* of two equal ones the first name wins */
	struct bgp_peering peering;
};

struct candidates {
	struct candidate *v;
	size_t n;
	struct buf *problems;
};

static void candidates_deinit(struct candidates *candidates)
{
	free(candidates->v);
	*candidates = (struct candidates){.v = NULL};
}
CLEANUP_DEINIT(struct candidates, candidates_deinit);

void bgp_peerings_deinit(struct bgp_peerings *peerings)
{
	free(peerings->v);
	buf_deinit(&peerings->problems);
	*peerings = (struct bgp_peerings){.v = NULL};
}

static const char *cluster_id(const struct node *node)
{
	return node && node->spec.bgp ? node->spec.bgp->route_reflector_cluster_id : NULL;
}

static const char *node_name(const struct node *node)
{
	return node->object.meta.name;
}

static bool passive_towards(const struct bgp_context *context, const struct ip_addr *peer)
{
	const struct cidr *own = &context->addr[bgp_family_index(peer->family)];

	return strcmp(ip_format(peer).s, ip_format(&own->addr).s) > 0;
}

static int candidate_add(const struct bgp_context *context, struct candidates *candidates,
			 enum peering_rank rank, const char *origin,
			 const struct bgp_peering *peering, struct err *err)
{
	const struct cidr *own = &context->addr[bgp_family_index(peering->ip.family)];
	struct candidate *added;

	if (own->addr.family == 0 || ip_equal(&own->addr, &peering->ip))
		return 0;
	if (candidates->n >= BGP_PEERINGS_MAX)
		return err_set(err, -EINVAL,
			       "more than %d BGP sessions for one node; use route reflectors",
			       BGP_PEERINGS_MAX);
	added = ARRAY_ADD(candidates->v, candidates->n);
	added->rank = rank;
	added->origin = origin;
	added->peering = *peering;
	added->peering.name = bgp_peer_symbol(rank_prefixes[rank], &peering->ip,
					      rank == RANK_MESH ? BGP_PORT : peering->port);
	return 0;
}

static int password_set(const struct bgp_context *context, const struct bgp_password *ref,
			const char *what, struct bgp_peering *peering, struct err *err)
{
	const struct secret *password;

	if (!ref || !ref->secret_key_ref)
		return 0;
	password = bgp_secret_find(context->input, ref);
	peering->password = password;
	if (!password)
		return err_set(err, -ENOENT, "%s: the Secret with it is not there", what);
	if (!bgp_text_is_password(secret_reveal(password)))
		return err_set(err, -EINVAL,
			       "%s: the password must be 1 to %d printable characters without \"",
			       what, BGP_PASSWORD_MAX);
	return 0;
}

/* Names and texts of resources are in the words: they become one printable line. */
static void problem_add(struct candidates *candidates, const struct err *err)
{
	for (const char *c = err->msg; *c; c++)
		buf_addc(candidates->problems, *c >= ' ' && *c <= '~' ? *c : '?');
	buf_addc(candidates->problems, '\n');
}

/* 'peering' gets the address of the node in that family; BGP_NODE_E_NONE: it has none. */
static int peering_to_node(const struct bgp_context *context, const struct node *node,
			   uint8_t family, struct bgp_peering *peering, struct err *err)
{
	struct cidr addr;
	int r = bgp_node_address(node, family, &addr, err);

	if (r != 0)
		return r;
	peering->ip = addr.addr;
	peering->as = bgp_node_as(context->input, node);
	peering->port = bgp_node_port(context->input, node_name(node));
	return 0;
}

/* --- The mesh -------------------------------------------------------------------------------- */

static bool mesh_enabled(const struct bgp_context *context)
{
	const struct bgp_configuration *config = context->input->config;

	if (cluster_id(context->node))
		return false;
	return !config || !config->spec.node_to_node_mesh_enabled.set ||
	       config->spec.node_to_node_mesh_enabled.v;
}

static int mesh_add_node(const struct bgp_context *context, const struct node *node,
			 const struct bgp_peering *base, struct candidates *candidates,
			 struct err *err)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct bgp_peering peering = *base;
		int r = peering_to_node(context, node, families[f], &peering, err);

		if (r < 0)
			return r;
		if (r == BGP_NODE_E_NONE)
			continue;
		peering.passive = passive_towards(context, &peering.ip);
		r = candidate_add(context, candidates, RANK_MESH, node_name(node), &peering, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int mesh_add(const struct bgp_context *context, struct candidates *candidates,
		    struct err *err)
{
	const struct bgp_configuration *config = context->input->config;
	struct bgp_peering base = {.source_address = true};
	struct err why = ERR_INIT;
	int r;

	if (!mesh_enabled(context))
		return 0;
	if (config && config->spec.node_mesh_max_restart_time) {
		r = bgp_seconds(config->spec.node_mesh_max_restart_time,
				"BGPConfiguration/default: spec.nodeMeshMaxRestartTime",
				&base.restart_seconds, err);
		if (r < 0)
			return r;
	}
	r = password_set(context, config ? config->spec.node_mesh_password : NULL,
			 "BGPConfiguration/default: spec.nodeMeshPassword", &base, err);
	if (r < 0)
		return r;

	for (size_t i = 0; i < context->input->n_nodes; i++) {
		const struct node *node = context->input->nodes[i];

		if (node == context->node || cluster_id(node))
			continue;
		if (mesh_add_node(context, node, &base, candidates, &why) < 0)
			problem_add(candidates, &why);
	}
	return 0;
}

/* --- BGPPeers -------------------------------------------------------------------------------- */

static bool selector_chooses(const struct bgp_context *context, const char *selector,
			     const struct node *node)
{
	return context->input->selects &&
	       context->input->selects(selector, &node->object.meta.labels);
}

static bool text_set(const char *s)
{
	return s && *s;
}

/* Is 'node' on the side that the peer's node or nodeSelector describes? */
static bool peer_is_for(const struct bgp_context *context, const struct bgp_peer *peer,
			const struct node *node)
{
	if (text_set(peer->spec.node))
		return strcmp(peer->spec.node, node_name(node)) == 0;
	if (text_set(peer->spec.node_selector))
		return selector_chooses(context, peer->spec.node_selector, node);
	return true;
}

static bool peer_is_global(const struct bgp_peer *peer)
{
	return !text_set(peer->spec.node) && !text_set(peer->spec.node_selector);
}

static const struct bgp_filter *filter_find(const struct bgp_input *input, const char *name)
{
	for (size_t i = 0; i < input->n_filters; i++)
		if (strcmp(input->filters[i]->object.meta.name, name) == 0)
			return input->filters[i];
	return NULL;
}

static int peer_read_filters(const struct bgp_context *context, const struct bgp_peer *peer,
			     struct bgp_peering *peering, struct err *err)
{
	const struct str_list *names = &peer->spec.filters;
	int r;

	if (names->n > BGP_FILTERS_PER_PEER)
		return err_set(err, -EINVAL, "BGPPeer/%s: spec.filters has more than %d entries",
			       peer->object.meta.name, BGP_FILTERS_PER_PEER);
	for (size_t i = 0; i < names->n; i++) {
		const struct bgp_filter *filter = filter_find(context->input, names->v[i]);

		/* Without its filter a session would say and accept too much. */
		if (!filter)
			return err_set(err, -EINVAL,
				       "BGPPeer/%s: spec.filters[%zu]: there is no BGPFilter "
				       "\"%s\"; create it or remove it from the list",
				       peer->object.meta.name, i, names->v[i]);
		r = bgp_filter_check(filter, err);
		if (r < 0)
			return err_prefix(err, r, "BGPPeer/%s", peer->object.meta.name);
		peering->filters[peering->n_filters++] = filter;
	}
	return 0;
}

static int peer_read_times(const struct bgp_peer *peer, struct bgp_peering *peering,
			   struct err *err)
{
	char what[300];
	int r = 0;

	if (peer->spec.max_restart_time) {
		(void)snprintf(what, sizeof(what), "BGPPeer/%s: spec.maxRestartTime",
			       peer->object.meta.name);
		r = bgp_seconds(peer->spec.max_restart_time, what, &peering->restart_seconds, err);
	}
	if (r == 0 && peer->spec.keepalive_time) {
		(void)snprintf(what, sizeof(what), "BGPPeer/%s: spec.keepaliveTime",
			       peer->object.meta.name);
		r = bgp_seconds(peer->spec.keepalive_time, what, &peering->keepalive_seconds, err);
	}
	return r;
}

/* What does not depend on which address the peer has. */
static int peer_read_options(const struct bgp_context *context, const struct bgp_peer *peer,
			     struct bgp_peering *peering, struct err *err)
{
	const struct bgp_peer_spec *spec = &peer->spec;
	char what[300];
	int r;

	peering->local_as = spec->local_as_number.set ? (uint32_t)spec->local_as_number.v : 0;
	peering->source_address =
		!spec->source_address || strcmp(spec->source_address, "None") != 0;
	if (spec->ttl_security.set && spec->ttl_security.v > 0)
		peering->ttl_security = (uint32_t)MIN(spec->ttl_security.v, (int64_t)255);
	if (spec->num_allowed_local_as_numbers.set && spec->num_allowed_local_as_numbers.v > 0)
		peering->allow_local_as = MIN(spec->num_allowed_local_as_numbers.v, (int64_t)255);
	if (spec->next_hop_mode) {
		peering->next_hop_self = strcmp(spec->next_hop_mode, "Self") == 0;
		peering->next_hop_keep = strcmp(spec->next_hop_mode, "Keep") == 0;
	}
	if (text_set(spec->reachable_by)) {
		r = ip_parse(spec->reachable_by, &peering->reachable_by, err);
		if (r < 0)
			return err_prefix(err, r, "BGPPeer/%s: spec.reachableBy",
					  peer->object.meta.name);
	}
	r = peer_read_times(peer, peering, err);
	if (r < 0)
		return r;
	r = peer_read_filters(context, peer, peering, err);
	if (r < 0)
		return r;
	(void)snprintf(what, sizeof(what), "BGPPeer/%s: spec.password", peer->object.meta.name);
	return password_set(context, spec->password, what, peering, err);
}

static uint32_t local_as(const struct bgp_context *context, const struct bgp_peering *peering)
{
	return peering->local_as ? peering->local_as : context->as;
}

/* What depends on both sides: reflection, next hops of the deprecated field. */
static void peering_finish(const struct bgp_context *context, const struct bgp_peer *peer,
			   const char *peer_cluster_id, struct bgp_peering *peering)
{
	const char *own = cluster_id(context->node);
	bool internal = peering->as == local_as(context, peering);

	peering->rr_client =
		own && internal && (!peer_cluster_id || strcmp(own, peer_cluster_id) != 0);
	if (!peer->spec.next_hop_mode && peer->spec.keep_original_next_hop.set)
		peering->next_hop_keep = peer->spec.keep_original_next_hop.v && !internal;
}

/* "10.0.0.1", "10.0.0.1:1179", "fd00::1", "[fd00::1]:1179"; port 0: none given. */
static int peer_ip_parse(const char *text, struct ip_addr *ret_ip, uint16_t *ret_port,
			 struct err *err)
{
	char addr[IP_STR_SIZE];
	const char *start = text;
	const char *end = text + strlen(text);
	const char *port = NULL;
	uint64_t number;
	int r;

	if (*text == '[') {
		start = text + 1;
		end = strchr(text, ']');
		if (!end)
			return err_set(err, -EINVAL, "\"%s\" lacks a closing ]", text);
		if (end[1] == ':')
			port = end + 2;
		else if (end[1])
			return err_set(err, -EINVAL, "\"%s\" is not [address]:port", text);
	} else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
		end = strchr(text, ':');
		port = end + 1;
	}
	if ((size_t)(end - start) >= sizeof(addr))
		return err_set(err, -EINVAL, "\"%s\" is not an address", text);
	memcpy(addr, start, (size_t)(end - start));
	addr[end - start] = '\0';
	r = ip_parse(addr, ret_ip, err);
	if (r < 0)
		return r;
	*ret_port = 0;
	if (!port)
		return 0;
	r = parse_u64(port, 1, UINT16_MAX, &number, err);
	if (r == 0)
		*ret_port = (uint16_t)number;
	return r;
}

/* The node that has this address; NULL: no node has. */
static const struct node *node_by_address(const struct bgp_context *context,
					  const struct ip_addr *ip)
{
	for (size_t i = 0; i < context->input->n_nodes; i++) {
		struct cidr addr;

		if (bgp_node_address(context->input->nodes[i], ip->family, &addr, NULL) == 0 &&
		    ip_equal(&addr.addr, ip))
			return context->input->nodes[i];
	}
	return NULL;
}

static int peer_add_ip(const struct bgp_context *context, const struct bgp_peer *peer,
		       const struct bgp_peering *base, struct candidates *candidates,
		       struct err *err)
{
	struct bgp_peering peering = *base;
	enum peering_rank rank = peer_is_global(peer) ? RANK_GLOBAL : RANK_NODE;
	const struct node *node;
	int r;

	if (!peer_is_for(context, peer, context->node))
		return 0;
	r = peer_ip_parse(peer->spec.peer_ip, &peering.ip, &peering.port, err);
	if (r < 0)
		return err_prefix(err, r, "BGPPeer/%s: spec.peerIP", peer->object.meta.name);
	node = node_by_address(context, &peering.ip);
	if (peering.port == 0)
		peering.port = node ? bgp_node_port(context->input, node_name(node)) : BGP_PORT;
	if (!peer->spec.as_number.set)
		return err_set(err, -EINVAL, "BGPPeer/%s: spec.asNumber is missing",
			       peer->object.meta.name);
	peering.as = (uint32_t)peer->spec.as_number.v;
	if (peering.reachable_by.family && peering.reachable_by.family != peering.ip.family)
		return err_set(err, -EINVAL,
			       "BGPPeer/%s: spec.reachableBy is not of the family of spec.peerIP",
			       peer->object.meta.name);
	if (rank == RANK_GLOBAL && node)
		peering.passive = passive_towards(context, &peering.ip);
	peering_finish(context, peer, cluster_id(node), &peering);
	return candidate_add(context, candidates, rank, peer->object.meta.name, &peering, err);
}

/* Does 'peer' say that 'from' shall talk to 'to'? */
static bool peer_joins(const struct bgp_context *context, const struct bgp_peer *peer,
		       const struct node *from, const struct node *to)
{
	return peer_is_for(context, peer, from) &&
	       selector_chooses(context, peer->spec.peer_selector, to);
}

static int peer_add_node(const struct bgp_context *context, const struct bgp_peer *peer,
			 const struct bgp_peering *base, const struct node *node, bool passive,
			 bool both, struct candidates *candidates, struct err *err)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct bgp_peering peering = *base;
		int r = peering_to_node(context, node, families[f], &peering, err);

		if (r < 0)
			return r;
		if (r == BGP_NODE_E_NONE)
			continue;
		peering.passive = both ? passive_towards(context, &peering.ip) : passive;
		peering_finish(context, peer, cluster_id(node), &peering);
		r = candidate_add(context, candidates,
				  peer_is_global(peer) ? RANK_GLOBAL : RANK_NODE,
				  peer->object.meta.name, &peering, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void peer_add_selected(const struct bgp_context *context, const struct bgp_peer *peer,
			      const struct bgp_peering *base, struct candidates *candidates)
{
	struct err why = ERR_INIT;
	bool manual =
		peer->spec.reverse_peering && strcmp(peer->spec.reverse_peering, "Manual") == 0;

	for (size_t i = 0; i < context->input->n_nodes; i++) {
		const struct node *node = context->input->nodes[i];
		bool there, back;

		if (node == context->node)
			continue;
		there = peer_joins(context, peer, context->node, node);
		back = peer_joins(context, peer, node, context->node);
		if (!there && (!back || manual))
			continue;
		if (peer_add_node(context, peer, base, node, !there, there && back, candidates,
				  &why) < 0)
			problem_add(candidates, &why);
	}
}

static int peer_add(const struct bgp_context *context, const struct bgp_peer *peer,
		    struct candidates *candidates, struct err *err)
{
	struct bgp_peering base = {.port = 0};
	int r;

	if (!text_set(peer->spec.peer_ip) && !text_set(peer->spec.peer_selector))
		return 0; /* localWorkloadSelector: peers in pods */
	r = peer_read_options(context, peer, &base, err);
	if (r < 0)
		return r;
	if (!text_set(peer->spec.peer_selector))
		return peer_add_ip(context, peer, &base, candidates, err);
	peer_add_selected(context, peer, &base, candidates);
	return 0;
}

/* In order of name, so that problems come in that order too. */
static const struct bgp_peer *next_peer(const struct bgp_context *context,
					const struct bgp_peer *after)
{
	const struct bgp_peer *next = NULL;

	for (size_t i = 0; i < context->input->n_peers; i++) {
		const struct bgp_peer *peer = context->input->peers[i];
		const char *name = peer->object.meta.name;

		if (after && strcmp(name, after->object.meta.name) <= 0)
			continue;
		if (!next || strcmp(name, next->object.meta.name) < 0)
			next = peer;
	}
	return next;
}

/* --- Together -------------------------------------------------------------------------------- */

static int candidate_compare_strength(const void *a, const void *b)
{
	const struct candidate *x = a;
	const struct candidate *y = b;
	int r = ip_compare(&x->peering.ip, &y->peering.ip);

	if (r == 0)
		r = (int)x->peering.port - (int)y->peering.port;
	if (r == 0)
		r = (int)x->rank - (int)y->rank;
	if (r == 0)
		r = strcmp(x->origin, y->origin);
	return r;
}

static int peering_compare_name(const void *a, const void *b)
{
	return strcmp(((const struct bgp_peering *)a)->name.s,
		      ((const struct bgp_peering *)b)->name.s);
}

int bgp_peerings_init(const struct bgp_context *context, struct bgp_peerings *ret, struct err *err)
{
	_cleanup_(bgp_peerings_deinitp) struct bgp_peerings peerings = {.v = NULL};
	_cleanup_(candidates_deinitp) struct candidates all = {.problems = &peerings.problems};
	const struct bgp_peer *peer = NULL;
	struct err why = ERR_INIT;
	int r;

	while ((peer = next_peer(context, peer)))
		if (peer_add(context, peer, &all, &why) < 0)
			problem_add(&all, &why);
	r = mesh_add(context, &all, err);
	if (r < 0)
		return r;
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), candidate_compare_strength);

	peerings.v = xcalloc(all.n, sizeof(*peerings.v));
	for (size_t i = 0; i < all.n; i++) {
		const struct bgp_peering *peering = &all.v[i].peering;
		const struct bgp_peering *stronger = i ? &all.v[i - 1].peering : NULL;

		if (!stronger || !ip_equal(&stronger->ip, &peering->ip) ||
		    stronger->port != peering->port)
			peerings.v[peerings.n++] = *peering;
	}
	if (peerings.n)
		qsort(peerings.v, peerings.n, sizeof(*peerings.v), peering_compare_name);
	*ret = peerings;
	peerings = (struct bgp_peerings){.v = NULL};
	return 0;
}
