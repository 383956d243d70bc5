/* SPDX-License-Identifier: Apache-2.0 */

/*
 * WorkloadEndpoint: made when a pod is wired, removed with it.
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds-policy.h"

static const struct field_desc endpoint_port_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct endpoint_port, name),
	 .doc = "Name of the port, for policies."},
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .check = CHECK_PROTOCOL,
	 .offset = offsetof(struct endpoint_port, protocol),
	 .doc = "Its protocol."},
	{.name = "port",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct endpoint_port, port),
	 .min = 1,
	 .max = 65535,
	 .doc = "Its number."},
	{.name = "hostPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct endpoint_port, host_port),
	 .min = 0,
	 .max = 65535,
	 .doc = "Port of the node that leads here; 0: none."},
	{.name = "hostIP",
	 .type = FIELD_STRING,
	 .check = CHECK_IP,
	 .offset = offsetof(struct endpoint_port, host_ip),
	 .doc = "Address of the node that hostPort is bound to."},
};
static const struct struct_desc endpoint_port_desc =
	STRUCT_DESC(endpoint_port, endpoint_port_fields);

static const struct field_desc ip_nat_fields[] = {
	{.name = "internalIP",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_IP,
	 .offset = offsetof(struct ip_nat, internal_ip),
	 .doc = "Address the endpoint has."},
	{.name = "externalIP",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_IP,
	 .offset = offsetof(struct ip_nat, external_ip),
	 .doc = "Address by which it is reached."},
};
static const struct struct_desc ip_nat_desc = STRUCT_DESC(ip_nat, ip_nat_fields);

static const struct field_desc workload_endpoint_spec_fields[] = {
	{.name = "orchestrator",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, orchestrator),
	 .doc = "Who runs the workload: k8s."},
	{.name = "workload",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, workload),
	 .doc = "Name of the workload outside Kubernetes."},
	{.name = "node",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, node),
	 .doc = "Node on which it runs."},
	{.name = "containerID",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, container_id),
	 .doc = "ID of the container or sandbox."},
	{.name = "pod",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, pod),
	 .doc = "Name of the pod."},
	{.name = "endpoint",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, endpoint),
	 .doc = "Interface inside the workload: eth0."},
	{.name = "serviceAccountName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct workload_endpoint_spec, service_account_name),
	 .doc = "Service account of the pod."},
	{.name = "ipNetworks",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct workload_endpoint_spec, ip_networks),
	 .doc = "Its addresses, as single-address prefixes."},
	{.name = "ipNATs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct workload_endpoint_spec, ip_nats),
	 .sub = &ip_nat_desc,
	 .doc = "Addresses translated one to one."},
	{.name = "ipv4Gateway",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V4,
	 .offset = offsetof(struct workload_endpoint_spec, ipv4_gateway),
	 .doc = "Gateway of IPv4."},
	{.name = "ipv6Gateway",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V6,
	 .offset = offsetof(struct workload_endpoint_spec, ipv6_gateway),
	 .doc = "Gateway of IPv6."},
	{.name = "profiles",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct workload_endpoint_spec, profiles),
	 .doc = "Profiles that apply, in order."},
	{.name = "interfaceName",
	 .type = FIELD_STRING,
	 .check = CHECK_INTERFACE,
	 .offset = offsetof(struct workload_endpoint_spec, interface_name),
	 .doc = "The interface on the node's side."},
	{.name = "mac",
	 .type = FIELD_STRING,
	 .check = CHECK_MAC,
	 .offset = offsetof(struct workload_endpoint_spec, mac),
	 .doc = "MAC address of the interface."},
	{.name = "ports",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct workload_endpoint_spec, ports),
	 .sub = &endpoint_port_desc,
	 .doc = "Named ports."},
	{.name = "allowSpoofedSourcePrefixes",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct workload_endpoint_spec, allow_spoofed_source_prefixes),
	 .doc = "Prefixes that the workload may send from beside its own addresses."},
	{.name = "qosControls",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct workload_endpoint_spec, qos_controls),
	 .sub = &qos_controls_desc,
	 .doc = "Limits of bandwidth, packets and connections."},
};
static const struct struct_desc workload_endpoint_spec_desc =
	STRUCT_DESC(workload_endpoint_spec, workload_endpoint_spec_fields);

static const struct field_desc workload_endpoint_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct workload_endpoint, spec),
	 .sub = &workload_endpoint_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc workload_endpoint_desc =
	STRUCT_DESC(workload_endpoint, workload_endpoint_fields);

static const struct kind_column workload_endpoint_columns[] = {
	{.title = "NAME", .path = "metadata.name", .wide = true},
	{.title = "WORKLOAD", .path = "spec.workload", .or_path = "spec.pod"},
	{.title = "NODE", .path = "spec.node"},
	{.title = "NETWORKS", .path = "spec.ipNetworks"},
	{.title = "INTERFACE", .path = "spec.interfaceName"},
	{.title = "PROFILES", .path = "spec.profiles", .wide = true},
	{.title = "NATS", .path = "spec.ipNATs", .wide = true},
	{.title = NULL},
};

static const char *const workload_endpoint_aliases[] = {"wep", "weps", NULL};

const struct kind_desc kind_workload_endpoint = {
	.kind = KIND_WORKLOAD_ENDPOINT,
	.name = "WorkloadEndpoint",
	.plural = "workloadendpoints",
	.singular = "workloadendpoint",
	.aliases = workload_endpoint_aliases,
	.namespaced = true,
	.size = sizeof(struct workload_endpoint),
	.root = &workload_endpoint_desc,
	.doc = "The interface of one pod, its addresses and what applies to it.",
	.columns = workload_endpoint_columns,
};
