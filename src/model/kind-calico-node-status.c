/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CalicoNodeStatus: spec by a person, status by the agent of that node.
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds.h"

static const char *const bird_states[] = {"Ready", "NotReady", NULL};
static const char *const peer_types[] = {"NodeMesh", "NodePeer", "GlobalPeer", NULL};
static const char *const route_types[] = {"FIB", "RIB", NULL};
static const char *const source_types[] = {"Kernel",   "Static",  "Direct",
					   "NodeMesh", "BGPPeer", NULL};
static const char *const classes[] = {"Agent", "BGP", "Routes", NULL};
static const struct field_desc bird_status_fields[] = {
	{.name = "state",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bird_status, state),
	 .values = bird_states,
	 .doc = "Whether BIRD is ready."},
	{.name = "version",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bird_status, version),
	 .doc = "Version of BIRD."},
	{.name = "routerID",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bird_status, router_id),
	 .doc = "Its router ID."},
	{.name = "lastBootTime",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bird_status, last_boot_time),
	 .doc = "When it was started."},
	{.name = "lastReconfigurationTime",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bird_status, last_reconfiguration_time),
	 .doc = "When it last read its configuration."},
};
static const struct struct_desc bird_status_desc = STRUCT_DESC(bird_status, bird_status_fields);

static const struct field_desc agent_status_fields[] = {
	{.name = "birdV4",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct agent_status, bird_v4),
	 .sub = &bird_status_desc,
	 .doc = "BIRD, for IPv4."},
	{.name = "birdV6",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct agent_status, bird_v6),
	 .sub = &bird_status_desc,
	 .doc = "BIRD, for IPv6."},
};
static const struct struct_desc agent_status_desc = STRUCT_DESC(agent_status, agent_status_fields);

static const struct field_desc bgp_peer_status_fields[] = {
	{.name = "peerIP",
	 .type = FIELD_STRING,
	 .check = CHECK_IP,
	 .offset = offsetof(struct bgp_peer_status, peer_ip),
	 .doc = "Address of the peer."},
	{.name = "type",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_status, type),
	 .values = peer_types,
	 .doc = "Where the session comes from."},
	{.name = "state",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_status, state),
	 .doc = "State of the session."},
	{.name = "since",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_peer_status, since),
	 .doc = "When the session came into this state."},
};
static const struct struct_desc bgp_peer_status_desc =
	STRUCT_DESC(bgp_peer_status, bgp_peer_status_fields);

static const struct field_desc bgp_status_fields[] = {
	{.name = "numberEstablishedV4",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_status, number_established_v4),
	 .doc = "IPv4 sessions that are established."},
	{.name = "numberNotEstablishedV4",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_status, number_not_established_v4),
	 .doc = "IPv4 sessions that are not."},
	{.name = "numberEstablishedV6",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_status, number_established_v6),
	 .doc = "IPv6 sessions that are established."},
	{.name = "numberNotEstablishedV6",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_status, number_not_established_v6),
	 .doc = "IPv6 sessions that are not."},
	{.name = "peersV4",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_status, peers_v4),
	 .sub = &bgp_peer_status_desc,
	 .doc = "IPv4 sessions."},
	{.name = "peersV6",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_status, peers_v6),
	 .sub = &bgp_peer_status_desc,
	 .doc = "IPv6 sessions."},
};
static const struct struct_desc bgp_status_desc = STRUCT_DESC(bgp_status, bgp_status_fields);

static const struct field_desc route_learned_from_fields[] = {
	{.name = "sourceType",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_learned_from, source_type),
	 .values = source_types,
	 .doc = "Kind of source."},
	{.name = "peerIP",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_learned_from, peer_ip),
	 .doc = "The peer that sent the route."},
};
static const struct struct_desc route_learned_from_desc =
	STRUCT_DESC(route_learned_from, route_learned_from_fields);

static const struct field_desc route_status_fields[] = {
	{.name = "type",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_status, type),
	 .values = route_types,
	 .doc = "FIB: also in the kernel."},
	{.name = "destination",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_status, destination),
	 .doc = "Prefix of the route."},
	{.name = "gateway",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_status, gateway),
	 .doc = "Next hop."},
	{.name = "interface",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct route_status, interface),
	 .doc = "Interface of the route."},
	{.name = "learnedFrom",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct route_status, learned_from),
	 .sub = &route_learned_from_desc,
	 .doc = "Where the route comes from."},
};
static const struct struct_desc route_status_desc = STRUCT_DESC(route_status, route_status_fields);

static const struct field_desc routes_status_fields[] = {
	{.name = "routesV4",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct routes_status, routes_v4),
	 .sub = &route_status_desc,
	 .doc = "IPv4 routes."},
	{.name = "routesV6",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct routes_status, routes_v6),
	 .sub = &route_status_desc,
	 .doc = "IPv6 routes."},
};
static const struct struct_desc routes_status_desc =
	STRUCT_DESC(routes_status, routes_status_fields);

static const struct field_desc calico_node_status_spec_fields[] = {
	{.name = "node",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct calico_node_status_spec, node),
	 .doc = "The node that reports."},
	{.name = "classes",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct calico_node_status_spec, classes),
	 .values = classes,
	 .doc = "What it reports."},
	{.name = "updatePeriodSeconds",
	 .type = FIELD_INT,
	 .offset = offsetof(struct calico_node_status_spec, update_period_seconds),
	 .def = "10",
	 .min = 0,
	 .max = 86400,
	 .doc = "How often it reports; 0: once."},
};
static const struct struct_desc calico_node_status_spec_desc =
	STRUCT_DESC(calico_node_status_spec, calico_node_status_spec_fields);

static const struct field_desc calico_node_status_status_fields[] = {
	{.name = "agent",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct calico_node_status_status, agent),
	 .sub = &agent_status_desc,
	 .doc = "BIRD itself."},
	{.name = "bgp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct calico_node_status_status, bgp),
	 .sub = &bgp_status_desc,
	 .doc = "BGP sessions."},
	{.name = "routes",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct calico_node_status_status, routes),
	 .sub = &routes_status_desc,
	 .doc = "Routes that BIRD knows."},
	{.name = "lastUpdated",
	 .type = FIELD_STRING,
	 .check = CHECK_TIME,
	 .offset = offsetof(struct calico_node_status_status, last_updated),
	 .doc = "When this was reported."},
};
static const struct struct_desc calico_node_status_status_desc =
	STRUCT_DESC(calico_node_status_status, calico_node_status_status_fields);

static const struct field_desc calico_node_status_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct calico_node_status, spec),
	 .sub = &calico_node_status_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct calico_node_status, status),
	 .sub = &calico_node_status_status_desc,
	 .doc = "What is."},
};
static const struct struct_desc calico_node_status_desc =
	STRUCT_DESC(calico_node_status, calico_node_status_fields);

static const struct kind_column calico_node_status_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NODE", .path = "spec.node"},
	{.title = "CLASSES", .path = "spec.classes", .wide = true},
	{.title = NULL},
};

static const char *const calico_node_status_aliases[] = {"nodestatus", "nodestatuses", NULL};

const struct kind_desc kind_calico_node_status = {
	.kind = KIND_CALICO_NODE_STATUS,
	.name = "CalicoNodeStatus",
	.plural = "caliconodestatuses",
	.singular = "caliconodestatus",
	.aliases = calico_node_status_aliases,
	.size = sizeof(struct calico_node_status),
	.root = &calico_node_status_desc,
	.doc = "Asks one node to report on BGP, and holds its report.",
	.columns = calico_node_status_columns,
};
