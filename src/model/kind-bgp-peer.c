/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BGPPeer: the peer is named by address, by a selector of nodes, or by one of workloads.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/macros.h"
#include "model/kinds.h"

static const char *const next_hop_modes[] = {"Auto", "Self", "Keep", NULL};
static const char *const source_addresses[] = {"UseNodeIP", "None", NULL};
static const char *const reverse_modes[] = {"Auto", "Manual", NULL};

static const struct field_desc bgp_peer_spec_fields[] = {
	{.name = "node",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_spec, node),
	 .doc = "The node that peers. Neither node nor nodeSelector: all nodes."},
	{.name = "nodeSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct bgp_peer_spec, node_selector),
	 .doc = "The nodes that peer."},
	{.name = "peerIP",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_PORT,
	 .offset = offsetof(struct bgp_peer_spec, peer_ip),
	 .doc = "Address of the peer, with :port if it is not 179."},
	{.name = "peerSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct bgp_peer_spec, peer_selector),
	 .doc = "Nodes that are the peers."},
	{.name = "localWorkloadSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct bgp_peer_spec, local_workload_selector),
	 .doc = "Workloads on the same node that are the peers."},
	{.name = "asNumber",
	 .type = FIELD_INT,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct bgp_peer_spec, as_number),
	 .min = 0,
	 .max = UINT32_MAX,
	 .doc = "AS number of the peer."},
	{.name = "localASNumber",
	 .type = FIELD_INT,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct bgp_peer_spec, local_as_number),
	 .min = 0,
	 .max = UINT32_MAX,
	 .doc = "AS number that the node shows to this peer instead of its own."},
	{.name = "keepOriginalNextHop",
	 .type = FIELD_BOOL,
	 .flags = FIELD_DEPRECATED,
	 .offset = offsetof(struct bgp_peer_spec, keep_original_next_hop),
	 .doc = "Older form of nextHopMode: Keep."},
	{.name = "nextHopMode",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_spec, next_hop_mode),
	 .values = next_hop_modes,
	 .doc = "Next hop of routes sent to the peer."},
	{.name = "password",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_peer_spec, password),
	 .sub = &bgp_password_desc,
	 .doc = "Password of the session (TCP MD5)."},
	{.name = "sourceAddress",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_spec, source_address),
	 .values = source_addresses,
	 .def = "\"UseNodeIP\"",
	 .doc = "Address from which the session is opened."},
	{.name = "maxRestartTime",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct bgp_peer_spec, max_restart_time),
	 .doc = "How long the peer keeps routes over a restart."},
	{.name = "keepaliveTime",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct bgp_peer_spec, keepalive_time),
	 .doc = "Time between keepalive messages."},
	{.name = "numAllowedLocalASNumbers",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_peer_spec, num_allowed_local_as_numbers),
	 .min = 0,
	 .max = INT32_MAX,
	 .doc = "How often the own AS number may be in the path of a route from this peer."},
	{.name = "ttlSecurity",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_peer_spec, ttl_security),
	 .min = 0,
	 .max = 255,
	 .doc = "Hops to the peer, checked by the TTL of its packets."},
	{.name = "reachableBy",
	 .type = FIELD_STRING,
	 .check = CHECK_IP,
	 .offset = offsetof(struct bgp_peer_spec, reachable_by),
	 .doc = "Gateway by which the peer is reached."},
	{.name = "filters",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct bgp_peer_spec, filters),
	 .doc = "Names of the BGPFilters that apply, in order."},
	{.name = "reversePeering",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_spec, reverse_peering),
	 .values = reverse_modes,
	 .doc = "Auto: a peer that is a node of the cluster peers back without an object of its own."},
};
static const struct struct_desc bgp_peer_spec_desc =
	STRUCT_DESC(bgp_peer_spec, bgp_peer_spec_fields);

static const struct field_desc bgp_peer_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct bgp_peer, spec),
	 .sub = &bgp_peer_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc bgp_peer_desc = STRUCT_DESC(bgp_peer, bgp_peer_fields);

static const struct kind_column bgp_peer_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "PEERIP", .path = "spec.peerIP"},
	{.title = "NODE",
	 .path = "spec.node",
	 .or_path = "spec.nodeSelector",
	 .otherwise = "(global)"},
	{.title = "ASN", .path = "spec.asNumber", .otherwise = "0"},
	{.title = NULL},
};

static bool is_given(const char *text)
{
	return text && *text;
}

static int check_peer(const struct bgp_peer_spec *spec, struct err *err)
{
	bool by_ip = is_given(spec->peer_ip), by_selector = is_given(spec->peer_selector);
	bool by_workload = is_given(spec->local_workload_selector);

	if (by_ip && by_selector)
		return err_set(err, -EINVAL, "spec.peerSelector: must be empty when peerIP is set");
	if (by_workload && (by_ip || by_selector))
		return err_set(err, -EINVAL,
			       "spec.localWorkloadSelector: must be empty when peerIP "
			       "or peerSelector is set");
	if (!by_ip && !by_selector && !by_workload)
		return err_set(err, -EINVAL,
			       "spec.peerIP: is missing; set one of peerIP, "
			       "peerSelector and localWorkloadSelector");
	if (by_selector && spec->as_number.v != 0)
		return err_set(err, -EINVAL,
			       "spec.asNumber: must be empty when peerSelector is "
			       "set; nodes have AS numbers of their own");
	if (!by_selector && spec->as_number.v == 0)
		return err_set(err, -EINVAL,
			       "spec.asNumber: is missing; say the AS number of the "
			       "peer");
	return 0;
}

static int check_reachable_by(const struct bgp_peer_spec *spec, struct err *err)
{
	struct ip_addr gateway, peer;
	_cleanup_free_ char *text = NULL;

	if (!is_given(spec->reachable_by))
		return 0;
	if (!is_given(spec->peer_ip))
		return err_set(err, -EINVAL, "spec.reachableBy: needs peerIP");
	/* "a.b.c.d:port" and "[v6]:port" lose what is not the address. */
	text = xstrdup(spec->peer_ip[0] == '[' ? spec->peer_ip + 1 : spec->peer_ip);
	if (spec->peer_ip[0] == '[')
		text[strcspn(text, "]")] = '\0';
	else if (strchr(text, '.'))
		text[strcspn(text, ":")] = '\0';
	if (ip_parse(text, &peer, NULL) < 0 || ip_parse(spec->reachable_by, &gateway, NULL) < 0 ||
	    peer.family != gateway.family)
		return err_set(err, -EINVAL,
			       "spec.reachableBy: expected an address of the same "
			       "family as peerIP %s, found \"%s\"",
			       spec->peer_ip, spec->reachable_by);
	return 0;
}

static int bgp_peer_validate(const struct object *object, struct err *err)
{
	const struct bgp_peer_spec *spec = &as_bgp_peer(object)->spec;
	int r;

	if (is_given(spec->node) && is_given(spec->node_selector))
		return err_set(err, -EINVAL, "spec.nodeSelector: must be empty when node is set");
	r = check_peer(spec, err);
	if (r == 0)
		r = check_reachable_by(spec, err);
	if (r == 0 && spec->keep_original_next_hop.v && is_given(spec->next_hop_mode))
		r = err_set(err, -EINVAL,
			    "spec.keepOriginalNextHop: can't be true when nextHopMode "
			    "is set; nextHopMode: Keep says the same");
	return r;
}

static const char *const bgp_peer_aliases[] = {"bgpp", "bgpps", "bp", "bps", NULL};

const struct kind_desc kind_bgp_peer = {
	.kind = KIND_BGP_PEER,
	.name = "BGPPeer",
	.plural = "bgppeers",
	.singular = "bgppeer",
	.aliases = bgp_peer_aliases,
	.size = sizeof(struct bgp_peer),
	.root = &bgp_peer_desc,
	.doc = "A BGP session beside the mesh.",
	.validate = bgp_peer_validate,
	.columns = bgp_peer_columns,
};
