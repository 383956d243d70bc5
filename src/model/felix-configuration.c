/* SPDX-License-Identifier: Apache-2.0 */

/*
 * FelixConfiguration: the tables made of felix-params.h, and the rules across fields. Choices are
 * accepted in any case, as always; felix-config.c brings them to the spelling of the table.
 *
 * The fields have no defaults for model_default() to fill in: written to node.<name> they would win
 * over what "default" says. felix-config.c applies them when all sources are known.
 */

#include "model/felix-configuration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "model/model-check.h"
#include "model/model-field.h"

#define ROUTE_TABLES_MAX 65535 /* of all ranges together */

static const struct field_desc proto_port_fields[] = {
	{.name = "net",
	 .type = FIELD_STRING,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct proto_port, net),
	 .doc = "Addresses of the other side; absent: any."},
	{.name = "port",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct proto_port, port),
	 .min = 0,
	 .max = 65535,
	 .doc = "Number of the port."},
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct proto_port, protocol),
	 .doc = "TCP, UDP or SCTP, in any case."},
};
static const struct struct_desc proto_port_desc = STRUCT_DESC(proto_port, proto_port_fields);

static const struct field_desc route_table_range_fields[] = {
	{.name = "max",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct route_table_range, max),
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "Last routing table."},
	{.name = "min",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct route_table_range, min),
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "First routing table."},
};
static const struct struct_desc route_table_range_desc =
	STRUCT_DESC(route_table_range, route_table_range_fields);

static const struct field_desc health_timeout_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct health_timeout, name),
	 .doc = "Component of the agent."},
	{.name = "timeout",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_DURATION,
	 .offset = offsetof(struct health_timeout, timeout),
	 .doc = "How long it may stay silent; 0: for ever."},
};
static const struct struct_desc health_timeout_desc =
	STRUCT_DESC(health_timeout, health_timeout_fields);

static const struct field_desc conntrack_timeouts_fields[] = {
	{.name = "creationGracePeriod",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, creation_grace_period),
	 .def = "\"10s\"",
	 .doc = "How long a new entry is kept in any case."},
	{.name = "tcpSynSent",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, tcp_syn_sent),
	 .def = "\"20s\"",
	 .doc = "TCP, until the answer to the first packet."},
	{.name = "tcpEstablished",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, tcp_established),
	 .def = "\"1h\"",
	 .doc = "TCP, established and silent."},
	{.name = "tcpFinsSeen",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, tcp_fins_seen),
	 .def = "\"Auto\"",
	 .doc = "TCP, after both sides have closed."},
	{.name = "tcpResetSeen",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, tcp_reset_seen),
	 .def = "\"40s\"",
	 .doc = "TCP, after a reset."},
	{.name = "udpTimeout",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, udp_timeout),
	 .def = "\"60s\"",
	 .doc = "UDP."},
	{.name = "genericTimeout",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, generic_timeout),
	 .def = "\"10m\"",
	 .doc = "Other protocols."},
	{.name = "icmpTimeout",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct conntrack_timeouts, icmp_timeout),
	 .def = "\"5s\"",
	 .doc = "ICMP."},
};
const struct struct_desc conntrack_timeouts_desc =
	STRUCT_DESC(conntrack_timeouts, conntrack_timeouts_fields);

static const char *const felix_values_severity[] = {"Trace", "Debug", "Info", "Warning",
						    "Error", "Fatal", "None", NULL};
static const char *const felix_values_client_auth[] = {"NoClientCert", "RequireAnyClientCert",
						       "VerifyClientCertIfGiven",
						       "RequireAndVerifyClientCert", NULL};
static const char *const felix_values_chain_insert[] = {"insert", "append", NULL};
static const char *const felix_values_endpoint_to_host[] = {"Drop", "Accept", "Return", NULL};
static const char *const felix_values_enabled[] = {"Enabled", "Disabled", NULL};
static const char *const felix_values_l2_reachability[] = {"Disabled", "PodsAndLoadBalancers",
							   NULL};
static const char *const felix_values_nat_exclusions[] = {"IPPoolsOnly", "IPPoolsAndHostIPs", NULL};
static const char *const felix_values_cluster_routes[] = {"Enabled", "Disabled", "EnabledIPIPOnly",
							  "EnabledNoEncapOnly", NULL};
static const char *const felix_values_route_source[] = {"CalicoIPAM", "WorkloadIPs", NULL};
static const char *const felix_values_loop_prevention[] = {"Drop", "Reject", "Disabled", NULL};
static const char *const felix_values_spoofing[] = {"Disabled", "Any", NULL};
static const char *const felix_values_iptables_backend[] = {"Auto", "Legacy", "NFT", NULL};
static const char *const felix_values_allow_action[] = {"Accept", "Return", NULL};
static const char *const felix_values_deny_action[] = {"Drop", "Reject", NULL};
static const char *const felix_values_nftables_mode[] = {"Auto", "Enabled", "Disabled", NULL};
static const char *const felix_values_flow_table[] = {"Disabled", "All", NULL};
static const char *const felix_values_policy_evaluation[] = {"None", "Continuous", NULL};
static const char *const felix_values_bpf_attach[] = {"Netkit", "TCX", "TC", NULL};
static const char *const felix_values_bpf_ctlb[] = {"TCP", "Enabled", "Disabled", NULL};
static const char *const felix_values_bpf_cleanup[] = {"Auto", "Userspace", "BPFProgram", NULL};
static const char *const felix_values_bpf_ct_log[] = {"Off", "Debug", NULL};
static const char *const felix_values_bpf_rpf[] = {"Disabled", "Strict", "Loose", NULL};
static const char *const felix_values_bpf_service_mode[] = {"Tunnel", "DSR", NULL};
static const char *const felix_values_bpf_jit[] = {"Auto", "Strict", NULL};
static const char *const felix_values_bpf_redirect[] = {"Enabled", "Disabled", "L2Only", NULL};
static const char *const felix_values_bpf_log[] = {"Off", "Info", "Debug", NULL};
static const char *const felix_values_bpf_scaling[] = {"Disabled", "DoubleIfFull", NULL};
static const char *const felix_values_aws_check[] = {"DoNothing", "Enable", "Disable", NULL};
static const char *const felix_values_datastore[] = {"etcdv3", "kubernetes", NULL};

#define SECOND	    1000000
#define MILLISECOND 1000

#define FELIX_MIN_RANGE(low, high) (low)
#define FELIX_MAX_RANGE(low, high) (high)

/* What a row's type and argument mean for its field. */
/* clang-format off */
#define FELIX_IS_BOOL(arg)		 .type = FIELD_BOOL
#define FELIX_IS_INT(arg)		 .type = FIELD_INT, .min = FELIX_MIN_##arg, \
					 .max = FELIX_MAX_##arg
#define FELIX_IS_MASK(arg)		 FELIX_IS_INT(arg)
#define FELIX_IS_STRING(arg)		 .type = FIELD_STRING, .check = (arg)
#define FELIX_IS_CHOICE(arg)		 .type = FIELD_STRING
#define FELIX_IS_DURATION(arg)		 .type = FIELD_STRING, .check = CHECK_DURATION
#define FELIX_IS_LIST(arg)		 .type = FIELD_STRING, .flags = FIELD_LIST, .check = (arg)
#define FELIX_IS_INT_OR_STRING(arg)	 .type = FIELD_INT_OR_STRING, .check = (arg)
#define FELIX_IS_INT_OR_STRING_LIST(arg) .type = FIELD_INT_OR_STRING, .flags = FIELD_LIST, \
					 .check = (arg)
#define FELIX_IS_PORTS(arg)		 .type = FIELD_OBJECT, .flags = FIELD_LIST, \
					 .sub = &proto_port_desc
#define FELIX_IS_RANGE(arg)		 .type = FIELD_OBJECT, .sub = &route_table_range_desc
#define FELIX_IS_RANGES(arg)		 .type = FIELD_OBJECT, .flags = FIELD_LIST, \
					 .sub = &route_table_range_desc
#define FELIX_IS_HEALTH(arg)		 .type = FIELD_OBJECT, .flags = FIELD_LIST, \
					 .sub = &health_timeout_desc
#define FELIX_IS_TIMEOUTS(arg)		 .type = FIELD_OBJECT, .sub = &conntrack_timeouts_desc
#define FELIX_IS_MAP(arg)		 .type = FIELD_STR_MAP

#define FELIX_FIELD(type_, member_, config_, name_, def_, arg_, doc_) \
	{.name = name_, FELIX_IS_##type_(arg_), .doc = doc_ "." FELIX_WORDS_##def_, \
	 .offset = offsetof(struct felix_configuration_spec, member_)},

#define FELIX_IGNORED_FIELD(type_, member_, config_, name_, def_, arg_, doc_) \
	FELIX_FIELD(type_, member_, config_, name_, def_, arg_, \
		    "**Not applied by this version.** " doc_)
#define FELIX_WORDS_DEFAULT(text) " Default: " text "."
#define FELIX_WORDS_NO_DEFAULT
#define FELIX_DEF_DEFAULT(text)	  .def = (text),
#define FELIX_DEF_NO_DEFAULT

/* What it means for reading a text from the environment. */
#define FELIX_UNIT_DURATION(arg) .unit_us = (arg),
#define FELIX_UNIT_CHOICE(arg)	 .values = (arg),
#define FELIX_UNIT_BOOL(arg)
#define FELIX_UNIT_INT(arg)
#define FELIX_UNIT_MASK(arg)
#define FELIX_UNIT_STRING(arg)
#define FELIX_UNIT_LIST(arg)
#define FELIX_UNIT_INT_OR_STRING(arg)
#define FELIX_UNIT_INT_OR_STRING_LIST(arg)
#define FELIX_UNIT_PORTS(arg)
#define FELIX_UNIT_RANGE(arg)
#define FELIX_UNIT_RANGES(arg)
#define FELIX_UNIT_HEALTH(arg)
#define FELIX_UNIT_TIMEOUTS(arg)
#define FELIX_UNIT_MAP(arg)

#define FELIX_PARAM(type_, member_, config_, name_, def_, arg_, doc_) \
	{.config = config_, .type = FELIX_##type_, FELIX_UNIT_##type_(arg_) \
	 FELIX_DEF_##def_ .local = false},
#define FELIX_LOCAL_PARAM(type_, member_, config_, name_, def_, arg_, doc_) \
	{.config = config_, .type = FELIX_##type_, FELIX_UNIT_##type_(arg_) \
	 FELIX_DEF_##def_ .local = true},

#define FELIX_IGNORED_PARAM(type_, member_, config_, name_, def_, arg_, doc_) \
	{.config = config_, .type = FELIX_##type_, FELIX_UNIT_##type_(arg_) \
	 FELIX_DEF_##def_ .ignored = true},
#define FELIX_IGNORED_LOCAL_PARAM(type_, member_, config_, name_, def_, arg_, doc_) \
	{.config = config_, .type = FELIX_##type_, FELIX_UNIT_##type_(arg_) \
	 FELIX_DEF_##def_ .local = true, .ignored = true},

static const struct field_desc felix_spec_fields[] = {
	FELIX_PARAMS(FELIX_FIELD, FELIX_IGNORED_FIELD)
	FELIX_LOCAL_PARAMS(FELIX_FIELD, FELIX_IGNORED_FIELD)
	{.name = "nodeSelector", .type = FIELD_STRING, .check = CHECK_SELECTOR,
	 .offset = offsetof(struct felix_configuration_spec, node_selector),
	 .doc = "Nodes this object is for, if it is neither \"default\" nor \"node.<name>\"."},
};
static const struct felix_param felix_params[] = {
	FELIX_PARAMS(FELIX_PARAM, FELIX_IGNORED_PARAM)
	FELIX_LOCAL_PARAMS(FELIX_LOCAL_PARAM, FELIX_IGNORED_LOCAL_PARAM)
};
/* clang-format on */

static_assert(ARRAY_SIZE(felix_params) == FELIX_PARAM_COUNT, "a row is missing");
static_assert(ARRAY_SIZE(felix_spec_fields) == FELIX_PARAM_COUNT + 1, "a row is missing");

static const struct struct_desc felix_configuration_spec_desc =
	STRUCT_DESC(felix_configuration_spec, felix_spec_fields);

static const struct field_desc felix_configuration_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct felix_configuration, spec),
	 .sub = &felix_configuration_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc felix_configuration_desc =
	STRUCT_DESC(felix_configuration, felix_configuration_fields);

struct felix_param felix_param_get(size_t i)
{
	struct felix_param param;

	assert(i < FELIX_PARAM_COUNT);
	param = felix_params[i];
	param.field = &felix_spec_fields[i];
	return param;
}

const char *felix_choice_find(const char *const *values, const char *text)
{
	for (; *values; values++)
		if (strcasecmp(*values, text) == 0)
			return *values;
	return NULL;
}

static int check_name(const struct object *object, struct err *err)
{
	const struct felix_configuration_spec *spec = &as_felix_configuration(object)->spec;
	const char *name = object->meta.name ? object->meta.name : "";
	bool plain = strcmp(name, FELIX_CONFIGURATION_DEFAULT) == 0 ||
		     strncmp(name, FELIX_CONFIGURATION_NODE, strlen(FELIX_CONFIGURATION_NODE)) == 0;
	bool selects = spec->node_selector && *spec->node_selector;

	if (plain && selects)
		return err_set(err, -EINVAL,
			       "spec.nodeSelector: must be empty in an object named default or "
			       "node.<name>");
	if (!plain && !selects)
		return err_set(err, -EINVAL,
			       "metadata.name: write default or node.<name>; another name needs a "
			       "spec.nodeSelector");
	return 0;
}

/* Is a parameter's value one of its choices, and is it not one for the environment alone? */
static int check_param(const struct felix_configuration_spec *spec, const struct felix_param *param,
		       struct err *err)
{
	const char *const *at = (const void *)((const char *)spec + param->field->offset);
	size_t len = 0;
	char list[160] = "";

	if (param->local && field_is_set(param->field, at))
		return err_set(err, -EINVAL,
			       "spec.%s: can be set only by the environment (FELIX_%s) or the "
			       "configuration file",
			       param->field->name, param->config);
	if (param->type != FELIX_CHOICE || !*at || !**at || felix_choice_find(param->values, *at))
		return 0;
	for (const char *const *value = param->values; *value; value++)
		len += (size_t)snprintf(list + len, sizeof(list) - MIN(len, sizeof(list)), "%s%s",
					len ? ", " : "", *value);
	return err_set(err, -EINVAL, "spec.%s: expected one of %s, found \"%.64s\"",
		       param->field->name, list, *at);
}

static int check_ports(const struct proto_port_list *ports, const char *name, struct err *err)
{
	for (size_t i = 0; i < ports->n; i++) {
		const char *protocol = ports->v[i].protocol;

		if (strcasecmp(protocol, "TCP") != 0 && strcasecmp(protocol, "UDP") != 0 &&
		    strcasecmp(protocol, "SCTP") != 0)
			return err_set(err, -EINVAL,
				       "spec.%s[%zu].protocol: expected TCP, UDP or SCTP, found "
				       "\"%.64s\"",
				       name, i, protocol);
	}
	return 0;
}

static int check_tables(const struct felix_configuration_spec *spec, struct err *err)
{
	int64_t total = 0;

	for (size_t i = 0; i < spec->route_table_ranges.n; i++) {
		const struct route_table_range *range = &spec->route_table_ranges.v[i];

		if (range->min.v > range->max.v)
			return err_set(err, -EINVAL,
				       "spec.routeTableRanges[%zu]: min %" PRId64
				       " lies above max %" PRId64,
				       i, range->min.v, range->max.v);
		total += range->max.v - range->min.v + 1;
		if (total > ROUTE_TABLES_MAX)
			return err_set(err, -EINVAL, "spec.routeTableRanges: more than %d tables",
				       ROUTE_TABLES_MAX);
	}
	if (spec->route_table_range && spec->route_table_ranges.n > 0)
		return err_set(
			err, -EINVAL,
			"spec.routeTableRange: can't stand beside routeTableRanges; remove it");
	if (spec->route_table_range &&
	    spec->route_table_range->min.v > spec->route_table_range->max.v)
		return err_set(err, -EINVAL, "spec.routeTableRange: min lies above max");
	return 0;
}

static int check_timeouts(const struct conntrack_timeouts *timeouts, struct err *err)
{
	if (!timeouts)
		return 0;
	for (size_t i = 0; i < conntrack_timeouts_desc.n_fields; i++) {
		const struct field_desc *field = &conntrack_timeouts_desc.fields[i];
		const char *const *at = (const void *)((const char *)timeouts + field->offset);
		int r;

		if (!*at || strcasecmp(*at, "Auto") == 0)
			continue;
		r = model_check(CHECK_DURATION, *at, err);
		if (r < 0)
			return err_prefix(err, r, "spec.bpfConntrackTimeouts.%s", field->name);
	}
	return 0;
}

static int felix_configuration_validate(const struct object *object, struct err *err)
{
	const struct felix_configuration_spec *spec = &as_felix_configuration(object)->spec;
	int r = check_name(object, err);

	for (size_t i = 0; r == 0 && i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);

		r = check_param(spec, &param, err);
	}
	if (r == 0)
		r = check_ports(&spec->failsafe_inbound_host_ports, "failsafeInboundHostPorts",
				err);
	if (r == 0)
		r = check_ports(&spec->failsafe_outbound_host_ports, "failsafeOutboundHostPorts",
				err);
	if (r == 0)
		r = check_tables(spec, err);
	if (r == 0)
		r = check_timeouts(spec->bpf_conntrack_timeouts, err);
	return r;
}

static const struct kind_column felix_configuration_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = NULL},
};

static const char *const felix_configuration_aliases[] = {"felixconfig", "felixconfigs", NULL};

const struct kind_desc kind_felix_configuration = {
	.kind = KIND_FELIX_CONFIGURATION,
	.name = "FelixConfiguration",
	.plural = "felixconfigurations",
	.singular = "felixconfiguration",
	.aliases = felix_configuration_aliases,
	.layered = true,
	.size = sizeof(struct felix_configuration),
	.root = &felix_configuration_desc,
	.doc = "Parameters of the agent: of all nodes (default), of one (node.<name>), or of some.",
	.validate = felix_configuration_validate,
	.columns = felix_configuration_columns,
};
