/* SPDX-License-Identifier: Apache-2.0 */

/* KubeControllersConfiguration: what runs once per cluster, and how. There is one, "default". */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "model/kinds-policy.h"

static const char *const severities[] = {"Debug", "Info", "Warning", "Error", "Fatal", NULL};
static const char *const switches[] = {"Enabled", "Disabled", NULL};
static const char *const assignments[] = {"AllServices", "RequestedServicesOnly", NULL};
static const struct field_desc host_endpoint_template_fields[] = {
	{.name = "generateName",
	 .type = FIELD_STRING,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct host_endpoint_template, generate_name),
	 .doc = "Part of the name of the host endpoints made."},
	{.name = "interfaceCIDRs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct host_endpoint_template, interface_cidrs),
	 .doc = "Interfaces with an address in any of these prefixes."},
	{.name = "interfacePattern",
	 .type = FIELD_STRING,
	 .check = CHECK_REGEX,
	 .offset = offsetof(struct host_endpoint_template, interface_pattern),
	 .doc = "Interfaces whose name matches; needed if the endpoints are per interface."},
	{.name = "labels",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct host_endpoint_template, labels),
	 .doc = "Labels of the host endpoints made."},
	{.name = "annotations",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct host_endpoint_template, annotations),
	 .doc = "Annotations of the host endpoints made."},
	{.name = "nodeSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct host_endpoint_template, node_selector),
	 .doc = "Nodes that get such host endpoints."},
};
static const struct struct_desc host_endpoint_template_desc =
	STRUCT_DESC(host_endpoint_template, host_endpoint_template_fields);

static const struct field_desc auto_host_endpoint_fields[] = {
	{.name = "autoCreate",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct auto_host_endpoint, auto_create),
	 .values = switches,
	 .def = "\"Disabled\"",
	 .doc = "Make a host endpoint for every node."},
	{.name = "createDefaultHostEndpoint",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct auto_host_endpoint, create_default_host_endpoint),
	 .values = switches,
	 .def = "\"Enabled\"",
	 .doc = "Make the one for all interfaces of a node."},
	{.name = "templates",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct auto_host_endpoint, templates),
	 .sub = &host_endpoint_template_desc,
	 .doc = "Further host endpoints to make."},
};
static const struct struct_desc auto_host_endpoint_desc =
	STRUCT_DESC(auto_host_endpoint, auto_host_endpoint_fields);

static const struct field_desc node_controller_fields[] = {
	{.name = "reconcilerPeriod",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct node_controller, reconciler_period),
	 .def = "\"5m\"",
	 .doc = "How often to compare everything."},
	{.name = "syncLabels",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct node_controller, sync_labels),
	 .values = switches,
	 .def = "\"Enabled\"",
	 .doc = "Copy labels of Kubernetes nodes."},
	{.name = "hostEndpoint",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct node_controller, host_endpoint),
	 .sub = &auto_host_endpoint_desc,
	 .doc = "Host endpoints made for nodes."},
	{.name = "leakGracePeriod",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct node_controller, leak_grace_period),
	 .def = "\"15m\"",
	 .doc = "How long an address must have had no owner before it is released; 0: never."},
};
static const struct struct_desc node_controller_desc =
	STRUCT_DESC(node_controller, node_controller_fields);

static const struct field_desc plain_controller_fields[] = {
	{.name = "reconcilerPeriod",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct plain_controller, reconciler_period),
	 .def = "\"5m\"",
	 .doc = "How often to compare everything."},
};
static const struct struct_desc plain_controller_desc =
	STRUCT_DESC(plain_controller, plain_controller_fields);

static const struct field_desc load_balancer_controller_fields[] = {
	{.name = "assignIPs",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct load_balancer_controller, assign_ips),
	 .values = assignments,
	 .def = "\"AllServices\"",
	 .doc = "Which services of type LoadBalancer get addresses."},
};
static const struct struct_desc load_balancer_controller_desc =
	STRUCT_DESC(load_balancer_controller, load_balancer_controller_fields);

static const struct field_desc migration_controller_fields[] = {
	{.name = "policyNameMigrator",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct migration_controller, policy_name_migrator),
	 .values = switches,
	 .def = "\"Enabled\"",
	 .doc = "Give policies their names without prefix."},
};
static const struct struct_desc migration_controller_desc =
	STRUCT_DESC(migration_controller, migration_controller_fields);

static const struct field_desc controllers_config_fields[] = {
	{.name = "node",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, node),
	 .sub = &node_controller_desc,
	 .doc = "Nodes, and addresses that have lost their owner."},
	{.name = "policy",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, policy),
	 .sub = &plain_controller_desc,
	 .doc = "Policies of Kubernetes."},
	{.name = "workloadEndpoint",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, workload_endpoint),
	 .sub = &plain_controller_desc,
	 .doc = "Labels of pods."},
	{.name = "serviceAccount",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, service_account),
	 .sub = &plain_controller_desc,
	 .doc = "Profiles of service accounts."},
	{.name = "namespace",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, namespace),
	 .sub = &plain_controller_desc,
	 .doc = "Profiles of namespaces."},
	{.name = "loadBalancer",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, load_balancer),
	 .sub = &load_balancer_controller_desc,
	 .doc = "Addresses of services."},
	{.name = "migration",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct controllers_config, migration),
	 .sub = &migration_controller_desc,
	 .doc = "Older names."},
};
static const struct struct_desc controllers_config_desc =
	STRUCT_DESC(controllers_config, controllers_config_fields);

static const struct field_desc kube_controllers_spec_fields[] = {
	{.name = "logSeverityScreen",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kube_controllers_spec, log_severity_screen),
	 .values = severities,
	 .def = "\"Info\"",
	 .doc = "From which severity on to log."},
	{.name = "healthChecks",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct kube_controllers_spec, health_checks),
	 .values = switches,
	 .def = "\"Enabled\"",
	 .doc = "Report health."},
	{.name = "etcdV3CompactionPeriod",
	 .type = FIELD_STRING,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct kube_controllers_spec, etcd_v3_compaction_period),
	 .def = "\"10m\"",
	 .doc = "How often to compact etcd; 0: never."},
	{.name = "prometheusMetricsPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct kube_controllers_spec, prometheus_metrics_port),
	 .def = "9094",
	 .min = 0,
	 .max = 65535,
	 .doc = "Port of the metrics server; 0: off."},
	{.name = "debugProfilePort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct kube_controllers_spec, debug_profile_port),
	 .min = 0,
	 .max = 65535,
	 .doc = "Port of the debug server; absent: off."},
	{.name = "controllers",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct kube_controllers_spec, controllers),
	 .sub = &controllers_config_desc,
	 .doc = "What runs; a controller that is absent is off."},
};
static const struct struct_desc kube_controllers_spec_desc =
	STRUCT_DESC(kube_controllers_spec, kube_controllers_spec_fields);

static const struct field_desc kube_controllers_status_fields[] = {
	{.name = "runningConfig",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct kube_controllers_status, running_config),
	 .sub = &kube_controllers_spec_desc,
	 .doc = "What holds, with the environment applied."},
	{.name = "environmentVars",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct kube_controllers_status, environment_vars),
	 .doc = "Variables of the environment that were applied."},
};
static const struct struct_desc kube_controllers_status_desc =
	STRUCT_DESC(kube_controllers_status, kube_controllers_status_fields);

static const struct field_desc kube_controllers_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct kube_controllers_configuration, spec),
	 .sub = &kube_controllers_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct kube_controllers_configuration, status),
	 .sub = &kube_controllers_status_desc,
	 .doc = "What is."},
};
static const struct struct_desc kube_controllers_desc =
	STRUCT_DESC(kube_controllers_configuration, kube_controllers_fields);

static int kube_controllers_validate(const struct object *object, struct err *err)
{
	if (object->meta.name && strcmp(object->meta.name, "default") == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "metadata.name: there is only one object of this kind, \"default\"");
}

static const struct kind_column kube_controllers_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = NULL},
};

static const char *const kube_controllers_aliases[] = {"kubecontrollersconfig",
						       "kubecontrollersconfigs", NULL};

const struct kind_desc kind_kube_controllers_configuration = {
	.kind = KIND_KUBE_CONTROLLERS_CONFIGURATION,
	.name = "KubeControllersConfiguration",
	.plural = "kubecontrollersconfigurations",
	.singular = "kubecontrollersconfiguration",
	.aliases = kube_controllers_aliases,
	.size = sizeof(struct kube_controllers_configuration),
	.root = &kube_controllers_desc,
	.doc = "What the controllers of the cluster do.",
	.validate = kube_controllers_validate,
	.columns = kube_controllers_columns,
};
