/* SPDX-License-Identifier: Apache-2.0 */

/* Service and EndpointSlice: where the addresses and ports of a rule's services come from. */

#include "base/macros.h"
#include "model/kinds-kubernetes.h"

static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
static const char *const address_types[] = {"IPv4", "IPv6", "FQDN", NULL};

static const struct field_desc service_port_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct service_port, name),
	 .doc = "Name of the port."},
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct service_port, protocol),
	 .values = protocols,
	 .doc = "Protocol; absent: TCP."},
	{.name = "port",
	 .type = FIELD_INT,
	 .offset = offsetof(struct service_port, port),
	 .min = 1,
	 .max = 65535,
	 .doc = "The service's port."},
	{.name = "targetPort",
	 .type = FIELD_INT_OR_STRING,
	 .offset = offsetof(struct service_port, target_port),
	 .doc = "The pods' port or its name; absent: as port."},
	{.name = "nodePort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct service_port, node_port),
	 .min = 0,
	 .max = 65535,
	 .doc = "The nodes' port."},
};
static const struct struct_desc service_port_desc = STRUCT_DESC(service_port, service_port_fields);

static const struct field_desc load_balancer_ingress_fields[] = {
	{.name = "ip",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct load_balancer_ingress, ip),
	 .doc = "Address."},
	{.name = "hostname",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct load_balancer_ingress, hostname),
	 .doc = "Name instead of an address."},
};
static const struct struct_desc load_balancer_ingress_desc =
	STRUCT_DESC(load_balancer_ingress, load_balancer_ingress_fields);

static const struct field_desc load_balancer_status_fields[] = {
	{.name = "ingress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct load_balancer_status, ingress),
	 .sub = &load_balancer_ingress_desc,
	 .doc = "Where the load balancer listens."},
};
static const struct struct_desc load_balancer_status_desc =
	STRUCT_DESC(load_balancer_status, load_balancer_status_fields);

static const struct field_desc kubernetes_service_spec_fields[] = {
	{.name = "type",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_service_spec, type),
	 .doc = "ClusterIP, NodePort, LoadBalancer or ExternalName."},
	{.name = "clusterIP",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_service_spec, cluster_ip),
	 .doc = "Its own address; None: it has none."},
	{.name = "clusterIPs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct kubernetes_service_spec, cluster_ips),
	 .doc = "Its own addresses, one of each family."},
	{.name = "externalIPs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct kubernetes_service_spec, external_ips),
	 .doc = "Addresses that nodes take for the service."},
	{.name = "loadBalancerIP",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_service_spec, load_balancer_ip),
	 .doc = "The address wanted from a load balancer."},
	{.name = "externalTrafficPolicy",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_service_spec, external_traffic_policy),
	 .doc = "Cluster, or Local: only pods of the node that was asked."},
	{.name = "internalTrafficPolicy",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_service_spec, internal_traffic_policy),
	 .doc = "The same for traffic from inside."},
	{.name = "ports",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct kubernetes_service_spec, ports),
	 .sub = &service_port_desc,
	 .doc = "Its ports."},
	{.name = "selector",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct kubernetes_service_spec, selector),
	 .doc = "Labels of the pods behind it."},
};
static const struct struct_desc kubernetes_service_spec_desc =
	STRUCT_DESC(kubernetes_service_spec, kubernetes_service_spec_fields);

static const struct field_desc kubernetes_service_status_fields[] = {
	{.name = "loadBalancer",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct kubernetes_service_status, load_balancer),
	 .sub = &load_balancer_status_desc,
	 .doc = "What a load balancer gave it."},
};
static const struct struct_desc kubernetes_service_status_desc =
	STRUCT_DESC(kubernetes_service_status, kubernetes_service_status_fields);

static const struct field_desc kubernetes_service_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct kubernetes_service, spec),
	 .sub = &kubernetes_service_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct kubernetes_service, status),
	 .sub = &kubernetes_service_status_desc,
	 .doc = "What is so."},
};
static const struct struct_desc kubernetes_service_desc =
	STRUCT_DESC(kubernetes_service, kubernetes_service_fields);

static const struct field_desc slice_conditions_fields[] = {
	{.name = "ready",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct slice_conditions, ready),
	 .doc = "Whether it takes new connections; absent: yes."},
	{.name = "serving",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct slice_conditions, serving),
	 .doc = "Whether it answers, terminating or not."},
	{.name = "terminating",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct slice_conditions, terminating),
	 .doc = "Whether it is about to end."},
};
static const struct struct_desc slice_conditions_desc =
	STRUCT_DESC(slice_conditions, slice_conditions_fields);

static const struct field_desc slice_endpoint_fields[] = {
	{.name = "addresses",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct slice_endpoint, addresses),
	 .doc = "Its addresses; the first counts."},
	{.name = "conditions",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct slice_endpoint, conditions),
	 .sub = &slice_conditions_desc,
	 .doc = "How it fares."},
	{.name = "hostname",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct slice_endpoint, hostname),
	 .doc = "Name in DNS."},
	{.name = "nodeName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct slice_endpoint, node_name),
	 .doc = "Node it is on."},
};
static const struct struct_desc slice_endpoint_desc =
	STRUCT_DESC(slice_endpoint, slice_endpoint_fields);

static const struct field_desc slice_port_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct slice_port, name),
	 .doc = "Name of the service's port."},
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct slice_port, protocol),
	 .values = protocols,
	 .doc = "Protocol; absent: TCP."},
	{.name = "port",
	 .type = FIELD_INT,
	 .offset = offsetof(struct slice_port, port),
	 .min = 0,
	 .max = 65535,
	 .doc = "Port; absent: all."},
};
static const struct struct_desc slice_port_desc = STRUCT_DESC(slice_port, slice_port_fields);

static const struct field_desc endpoint_slice_fields[] = {
	{.name = "addressType",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct endpoint_slice, address_type),
	 .values = address_types,
	 .doc = "IPv4, IPv6 or FQDN."},
	{.name = "endpoints",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct endpoint_slice, endpoints),
	 .sub = &slice_endpoint_desc,
	 .doc = "What is behind the service."},
	{.name = "ports",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct endpoint_slice, ports),
	 .sub = &slice_port_desc,
	 .doc = "Ports of each of them."},
};
static const struct struct_desc endpoint_slice_desc =
	STRUCT_DESC(endpoint_slice, endpoint_slice_fields);

static const struct kind_column service_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "TYPE", .path = "spec.type"},
	{.title = "CLUSTER-IP", .path = "spec.clusterIP"},
	{.title = NULL},
};

static const struct kind_column slice_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "ADDRESSTYPE", .path = "addressType"},
	{.title = "ENDPOINTS", .path = "endpoints", .count = true},
	{.title = NULL},
};

static const char *const kubernetes_service_aliases[] = {"service", "services", "svc", NULL};

const struct kind_desc kind_kubernetes_service = {
	.kind = KIND_KUBERNETES_SERVICE,
	.name = "KubernetesService",
	.plural = "kubernetesservices",
	.singular = "kubernetesservice",
	.aliases = kubernetes_service_aliases,
	.namespaced = true,
	.api_version = "v1",
	.api_kind = "Service",
	.open = true,
	.size = sizeof(struct kubernetes_service),
	.root = &kubernetes_service_desc,
	.doc = "Kubernetes' Service.",
	.columns = service_columns,
};

static const char *const kubernetes_endpoint_slice_aliases[] = {"endpointslice", "endpointslices",
								NULL};

const struct kind_desc kind_kubernetes_endpoint_slice = {
	.kind = KIND_KUBERNETES_ENDPOINT_SLICE,
	.name = "KubernetesEndpointSlice",
	.plural = "kubernetesendpointslices",
	.singular = "kubernetesendpointslice",
	.aliases = kubernetes_endpoint_slice_aliases,
	.namespaced = true,
	.api_version = "discovery.k8s.io/v1",
	.api_kind = "EndpointSlice",
	.open = true,
	.size = sizeof(struct endpoint_slice),
	.root = &endpoint_slice_desc,
	.doc = "Kubernetes' EndpointSlice: addresses and ports behind a service, which its label kubernetes.io/service-name names.",
	.columns = slice_columns,
};
