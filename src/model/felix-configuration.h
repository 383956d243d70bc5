/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * FelixConfiguration: the agent's parameters, as an object of the datastore. Its fields, one for
 * each row of felix-params.h, have the row's member name. What holds on a node is resolved by
 * felix-config.h from the objects "default" and "node.<name>" and the environment.
 */

#include "model/felix-params.h"
#include "model/kinds.h"

struct proto_port {
	char *protocol;
	struct opt_int port;
	char *net; /* NULL: any */
};
struct proto_port_list {
	struct proto_port *v;
	size_t n;
	bool set;
};

struct route_table_range {
	struct opt_int min;
	struct opt_int max;
};
struct route_table_range_list {
	struct route_table_range *v;
	size_t n;
	bool set;
};

struct health_timeout {
	char *name;
	char *timeout;
};
struct health_timeout_list {
	struct health_timeout *v;
	size_t n;
	bool set;
};

struct conntrack_timeouts { /* durations, or Auto */
	char *creation_grace_period;
	char *tcp_syn_sent;
	char *tcp_established;
	char *tcp_fins_seen;
	char *tcp_reset_seen;
	char *udp_timeout;
	char *generic_timeout;
	char *icmp_timeout;
};

/* How the types of felix-params.h are held. Choices and durations are texts; see felix-config.h. */
#define FELIX_MEMBER_BOOL(member)				struct opt_bool member;
#define FELIX_MEMBER_INT(member)				struct opt_int member;
#define FELIX_MEMBER_MASK(member)				struct opt_int member;
#define FELIX_MEMBER_STRING(member)				char *member;
#define FELIX_MEMBER_CHOICE(member)				char *member;
#define FELIX_MEMBER_DURATION(member)				char *member;
#define FELIX_MEMBER_LIST(member)				struct str_list member;
#define FELIX_MEMBER_INT_OR_STRING(member)			struct int_or_string member;
#define FELIX_MEMBER_INT_OR_STRING_LIST(member)			struct int_or_string_list member;
#define FELIX_MEMBER_PORTS(member)				struct proto_port_list member;
#define FELIX_MEMBER_RANGE(member)				struct route_table_range *member;
#define FELIX_MEMBER_RANGES(member)				struct route_table_range_list member;
#define FELIX_MEMBER_HEALTH(member)				struct health_timeout_list member;
#define FELIX_MEMBER_TIMEOUTS(member)				struct conntrack_timeouts *member;
#define FELIX_MEMBER_MAP(member)				struct str_map member;
#define FELIX_MEMBER(type, member, config, name, def, arg, doc) FELIX_MEMBER_##type(member)

struct felix_configuration_spec {
	char *node_selector; /* objects that are neither "default" nor "node.<name>" */
	FELIX_PARAMS(FELIX_MEMBER, FELIX_MEMBER)
	/* never in the datastore; set by felix_config_resolve() */
	FELIX_LOCAL_PARAMS(FELIX_MEMBER, FELIX_MEMBER)
};
struct felix_configuration {
	struct object object;
	struct felix_configuration_spec spec;
};

#define FELIX_CONFIGURATION_DEFAULT "default"
#define FELIX_CONFIGURATION_NODE    "node." /* followed by the node's name */

extern const struct kind_desc kind_felix_configuration;

KIND_CAST(as_felix_configuration, felix_configuration, KIND_FELIX_CONFIGURATION);

/* --- The rows, for felix-config.c ------------------------------------------------------------- */

enum felix_type {
	FELIX_BOOL,
	FELIX_INT,
	FELIX_MASK,
	FELIX_STRING,
	FELIX_CHOICE,
	FELIX_DURATION,
	FELIX_LIST,
	FELIX_INT_OR_STRING,
	FELIX_INT_OR_STRING_LIST,
	FELIX_PORTS,
	FELIX_RANGE,
	FELIX_RANGES,
	FELIX_HEALTH,
	FELIX_TIMEOUTS,
	FELIX_MAP,
};

struct felix_param {
	const char *config; /* "VXLANPort": FELIX_VXLANPORT in the environment */
	enum felix_type type;
	bool local;		   /* of FELIX_LOCAL_PARAMS */
	bool ignored;		   /* read, but not applied by this version */
	int64_t unit_us;	   /* DURATION: of a plain number */
	const char *const *values; /* CHOICE */
	const char *def;	   /* built-in default as JSON text; NULL: none */
	const struct field_desc *field;
};

#define FELIX_PARAM_COUNT 209

/* 'i' below FELIX_PARAM_COUNT; the order of felix-params.h. */
struct felix_param felix_param_get(size_t i);

/* The fields of 'struct conntrack_timeouts'. */
extern const struct struct_desc conntrack_timeouts_desc;

/* The spelling of 'values' that 'text' is in any case; NULL: none. */
const char *felix_choice_find(const char *const *values, const char *text);
