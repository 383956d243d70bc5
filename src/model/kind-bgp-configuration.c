/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BGPConfiguration: default for the cluster, node.NAME for one node.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/macros.h"
#include "model/kinds.h"
#include "model/model-check.h"

static const char *const enabled_modes[] = {"Enabled", "Disabled", NULL};
static const char *const bind_modes[] = {"None", "NodeIP", NULL};
static const char *const route_programs[] = {"Enabled", "Disabled", "EnabledIPIPOnly",
					     "EnabledNoEncapOnly", NULL};
static const char *const severities[] = {"Debug", "Info", "Warning", "Error",
					 "Fatal", "None", NULL};

static const struct field_desc cidr_item_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct cidr_item, cidr),
	 .doc = "The prefix."},
};
static const struct struct_desc cidr_item_desc = STRUCT_DESC(cidr_item, cidr_item_fields);

static const struct field_desc bgp_community_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct bgp_community, name),
	 .doc = "Name to use in prefixAdvertisements."},
	{.name = "value",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_COMMUNITY,
	 .offset = offsetof(struct bgp_community, value),
	 .doc = "The community, as aa:nn or aa:nn:mm."},
};
static const struct struct_desc bgp_community_desc =
	STRUCT_DESC(bgp_community, bgp_community_fields);

static const struct field_desc prefix_advertisement_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct prefix_advertisement, cidr),
	 .doc = "Prefix whose routes get the communities."},
	{.name = "communities",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST | FIELD_REQUIRED,
	 .offset = offsetof(struct prefix_advertisement, communities),
	 .doc = "Communities, each by value or by name."},
};
static const struct struct_desc prefix_advertisement_desc =
	STRUCT_DESC(prefix_advertisement, prefix_advertisement_fields);

static const struct field_desc bgp_configuration_spec_fields[] = {
	{.name = "logSeverityScreen",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_configuration_spec, log_severity_screen),
	 .values = severities,
	 .def = "\"Info\"",
	 .doc = "Least severity that is logged."},
	{.name = "nodeToNodeMeshEnabled",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct bgp_configuration_spec, node_to_node_mesh_enabled),
	 .def = "true",
	 .doc = "Whether every node peers with every other."},
	{.name = "asNumber",
	 .type = FIELD_INT,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct bgp_configuration_spec, as_number),
	 .def = "64512",
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "AS number of nodes that have none of their own."},
	{.name = "serviceLoadBalancerIPs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_configuration_spec, service_load_balancer_ips),
	 .sub = &cidr_item_desc,
	 .doc = "Addresses of load balancers within these prefixes are advertised."},
	{.name = "serviceExternalIPs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_configuration_spec, service_external_ips),
	 .sub = &cidr_item_desc,
	 .doc = "External addresses of services within these prefixes are advertised."},
	{.name = "serviceClusterIPs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_configuration_spec, service_cluster_ips),
	 .sub = &cidr_item_desc,
	 .doc = "Prefixes of cluster addresses of services that are advertised."},
	{.name = "serviceLoadBalancerAggregation",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct bgp_configuration_spec, service_load_balancer_aggregation),
	 .values = enabled_modes,
	 .def = "\"Enabled\"",
	 .doc = "Advertises whole prefixes of load balancers instead of single addresses."},
	{.name = "communities",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_configuration_spec, communities),
	 .sub = &bgp_community_desc,
	 .doc = "Names for communities."},
	{.name = "prefixAdvertisements",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_configuration_spec, prefix_advertisements),
	 .sub = &prefix_advertisement_desc,
	 .doc = "Communities that routes get."},
	{.name = "listenPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_configuration_spec, listen_port),
	 .def = "179",
	 .min = 1,
	 .max = 65535,
	 .doc = "Port on which BGP listens."},
	{.name = "nodeMeshPassword",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_configuration_spec, node_mesh_password),
	 .sub = &bgp_password_desc,
	 .doc = "Password of the sessions of the mesh."},
	{.name = "nodeMeshMaxRestartTime",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct bgp_configuration_spec, node_mesh_max_restart_time),
	 .doc = "How long peers of the mesh keep routes over a restart; 120 s when absent."},
	{.name = "bindMode",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_configuration_spec, bind_mode),
	 .values = bind_modes,
	 .doc = "NodeIP: listen on the address of the node alone."},
	{.name = "ignoredInterfaces",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_INTERFACE_GLOB,
	 .offset = offsetof(struct bgp_configuration_spec, ignored_interfaces),
	 .doc = "Interfaces whose routes BGP leaves alone; * stands for any text."},
	{.name = "localWorkloadPeeringIPV4",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V4,
	 .offset = offsetof(struct bgp_configuration_spec, local_workload_peering_ip_v4),
	 .doc = "IPv4 address with which workloads of the node peer."},
	{.name = "localWorkloadPeeringIPV6",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V6,
	 .offset = offsetof(struct bgp_configuration_spec, local_workload_peering_ip_v6),
	 .doc = "IPv6 address with which workloads of the node peer."},
	{.name = "programClusterRoutes",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_configuration_spec, program_cluster_routes),
	 .values = route_programs,
	 .doc = "Which routes to pods of other nodes BGP programs; the agent programs the others."},
	{.name = "ipv4NormalRoutePriority",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_configuration_spec, ipv4_normal_route_priority),
	 .min = 1,
	 .max = 2147483646,
	 .doc = "Metric of IPv4 routes that BGP programs."},
	{.name = "ipv6NormalRoutePriority",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_configuration_spec, ipv6_normal_route_priority),
	 .min = 1,
	 .max = 2147483646,
	 .doc = "Metric of IPv6 routes that BGP programs."},
};
static const struct struct_desc bgp_configuration_spec_desc =
	STRUCT_DESC(bgp_configuration_spec, bgp_configuration_spec_fields);

static const struct field_desc bgp_configuration_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct bgp_configuration, spec),
	 .sub = &bgp_configuration_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc bgp_configuration_desc =
	STRUCT_DESC(bgp_configuration, bgp_configuration_fields);

static const struct kind_column bgp_configuration_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "LOGSEVERITY", .path = "spec.logSeverityScreen"},
	{.title = "MESHENABLED", .path = "spec.nodeToNodeMeshEnabled", .otherwise = "-"},
	{.title = "ASNUMBER", .path = "spec.asNumber", .otherwise = "-"},
	{.title = NULL},
};

static bool community_known(const struct bgp_configuration_spec *spec, const char *text)
{
	for (size_t i = 0; i < spec->communities.n; i++)
		if (strcmp(spec->communities.v[i].name, text) == 0)
			return true;
	return model_check(CHECK_COMMUNITY, text, NULL) == 0;
}

static int check_communities(const struct bgp_configuration_spec *spec, struct err *err)
{
	if (spec->communities.n > 0 && spec->prefix_advertisements.n == 0)
		return err_set(err, -EINVAL,
			       "spec.communities: nothing uses them; add "
			       "prefixAdvertisements or remove them");
	for (size_t i = 0; i < spec->prefix_advertisements.n; i++) {
		const struct str_list *list = &spec->prefix_advertisements.v[i].communities;

		for (size_t j = 0; j < list->n; j++)
			if (!community_known(spec, list->v[j]))
				return err_set(err, -EINVAL,
					       "spec.prefixAdvertisements[%zu].communities[%zu]: "
					       "\"%s\" is neither aa:nn, aa:nn:mm nor a name in "
					       "spec.communities",
					       i, j, list->v[j]);
	}
	return 0;
}

/* What concerns the cluster as a whole can't be said for one node. */
static int check_of_node(const struct bgp_configuration_spec *spec, struct err *err)
{
	const struct {
		const char *path;
		bool set;
	} global[] = {
		{"spec.nodeToNodeMeshEnabled", spec->node_to_node_mesh_enabled.set},
		{"spec.asNumber", spec->as_number.set},
		{"spec.serviceLoadBalancerIPs", spec->service_load_balancer_ips.n > 0},
		{"spec.serviceExternalIPs", spec->service_external_ips.n > 0},
		{"spec.serviceClusterIPs", spec->service_cluster_ips.n > 0},
		{"spec.nodeMeshPassword", spec->node_mesh_password},
		{"spec.nodeMeshMaxRestartTime", spec->node_mesh_max_restart_time},
	};

	for (size_t i = 0; i < ARRAY_SIZE(global); i++)
		if (global[i].set)
			return err_set(err, -EINVAL,
				       "%s: can only be set in the object named "
				       "default",
				       global[i].path);
	return 0;
}

static int bgp_configuration_validate(const struct object *object, struct err *err)
{
	const struct bgp_configuration_spec *spec = &as_bgp_configuration(object)->spec;
	const char *name = object->meta.name;
	int r = 0;

	if (strcmp(name, "default") != 0) {
		if (strncmp(name, "node.", 5) != 0 || !name[5])
			return err_set(err, -EINVAL,
				       "metadata.name: expected default, or node. and "
				       "the name of a node");
		r = check_of_node(spec, err);
	}
	if (r == 0 && spec->node_mesh_password && spec->node_to_node_mesh_enabled.set &&
	    !spec->node_to_node_mesh_enabled.v)
		r = err_set(err, -EINVAL,
			    "spec.nodeMeshPassword: there is no mesh to protect; set "
			    "nodeToNodeMeshEnabled or remove the password");
	if (r == 0)
		r = check_communities(spec, err);
	return r;
}

static const char *const bgp_configuration_aliases[] = {"bgpconfig", "bgpconfigs", NULL};

const struct kind_desc kind_bgp_configuration = {
	.kind = KIND_BGP_CONFIGURATION,
	.name = "BGPConfiguration",
	.plural = "bgpconfigurations",
	.singular = "bgpconfiguration",
	.aliases = bgp_configuration_aliases,
	.layered = true,
	.size = sizeof(struct bgp_configuration),
	.root = &bgp_configuration_desc,
	.doc = "How the cluster speaks BGP: the object named default, and node.NAME for what differs there.",
	.validate = bgp_configuration_validate,
	.columns = bgp_configuration_columns,
};
