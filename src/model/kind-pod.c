/* SPDX-License-Identifier: Apache-2.0 */

/* Pod: as far as a workload endpoint can be made of it. */

#include "base/macros.h"
#include "model/kinds-kubernetes.h"

static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};

static const struct field_desc container_port_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct container_port, name),
	 .doc = "Name, which rules can use."},
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct container_port, protocol),
	 .values = protocols,
	 .doc = "Protocol; absent: TCP."},
	{.name = "containerPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct container_port, container_port),
	 .min = 1,
	 .max = 65535,
	 .doc = "The pod's port."},
	{.name = "hostPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct container_port, host_port),
	 .min = 0,
	 .max = 65535,
	 .doc = "The node's port."},
	{.name = "hostIP",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct container_port, host_ip),
	 .doc = "The node's address."},
};
static const struct struct_desc container_port_desc =
	STRUCT_DESC(container_port, container_port_fields);

static const struct field_desc pod_container_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_container, name),
	 .doc = "Name of the container."},
	{.name = "ports",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct pod_container, ports),
	 .sub = &container_port_desc,
	 .doc = "Its ports."},
};
static const struct struct_desc pod_container_desc =
	STRUCT_DESC(pod_container, pod_container_fields);

static const struct field_desc pod_ip_fields[] = {
	{.name = "ip",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_ip, ip),
	 .doc = "Address."},
};
static const struct struct_desc pod_ip_desc = STRUCT_DESC(pod_ip, pod_ip_fields);

static const struct field_desc pod_spec_fields[] = {
	{.name = "nodeName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_spec, node_name),
	 .doc = "Node it is on; absent: none yet."},
	{.name = "serviceAccountName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_spec, service_account_name),
	 .doc = "Its service account."},
	{.name = "hostNetwork",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct pod_spec, host_network),
	 .doc = "Whether it has the node's network, and so no endpoint of its own."},
	{.name = "containers",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct pod_spec, containers),
	 .sub = &pod_container_desc,
	 .doc = "Its containers."},
};
static const struct struct_desc pod_spec_desc = STRUCT_DESC(pod_spec, pod_spec_fields);

static const struct field_desc pod_status_fields[] = {
	{.name = "phase",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_status, phase),
	 .doc = "Pending, Running, Succeeded, Failed or Unknown."},
	{.name = "podIP",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct pod_status, pod_ip),
	 .doc = "Its address."},
	{.name = "podIPs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct pod_status, pod_ips),
	 .sub = &pod_ip_desc,
	 .doc = "Its addresses, one of each family."},
};
static const struct struct_desc pod_status_desc = STRUCT_DESC(pod_status, pod_status_fields);

static const struct field_desc pod_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct pod, spec),
	 .sub = &pod_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct pod, status),
	 .sub = &pod_status_desc,
	 .doc = "What is so."},
};
static const struct struct_desc pod_desc = STRUCT_DESC(pod, pod_fields);

static const struct kind_column pod_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NODE", .path = "spec.nodeName"},
	{.title = "IP", .path = "status.podIP"},
	{.title = NULL},
};

static const char *const pod_aliases[] = {"po", NULL};

const struct kind_desc kind_pod = {
	.kind = KIND_POD,
	.name = "Pod",
	.plural = "pods",
	.singular = "pod",
	.aliases = pod_aliases,
	.namespaced = true,
	.api_version = "v1",
	.api_kind = "Pod",
	.open = true,
	.size = sizeof(struct pod),
	.root = &pod_desc,
	.doc = "Kubernetes' Pod, of which a WorkloadEndpoint can be made.",
	.columns = pod_columns,
};
