/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The C structs of the policy kinds and their company: policies (staged ones too), tiers, profiles,
 * network sets, host endpoints, the controllers' configuration, QoS. The rules of kinds.h hold.
 */

#include "model/kinds.h"

#define RULES_MAX      1024 /* per direction of one policy */
#define RULE_NETS_MAX  256
#define RULE_PORTS_MAX 50
/* Names of ports, each of which is a set: what one rule of a packet filter has room for. */
#define RULE_NOT_PORT_NAMES_MAX	 24  /* notPorts, of both sides together */
#define RULE_PORT_NAME_PAIRS_MAX 256 /* those of one side times those of the other */

/* --- Rules, shared by all policies and profiles ---------------------------------------------- */

enum rule_action {
	RULE_ACTION_UNSET,
	RULE_ACTION_ALLOW,
	RULE_ACTION_DENY,
	RULE_ACTION_LOG,
	RULE_ACTION_PASS,
};

struct icmp_match {
	struct opt_int type;
	struct opt_int code;
};

struct service_match {
	char *name;
	char *namespace; /* NULL: the policy's own */
};

struct service_account_match {
	struct str_list names;
	char *selector;
};

struct entity_rule {
	struct str_list nets;
	char *selector;
	char *namespace_selector;
	struct service_match *services;
	struct int_or_string_list ports;
	struct str_list not_nets;
	char *not_selector;
	struct int_or_string_list not_ports;
	struct service_account_match *service_accounts;
};

struct http_path {
	char *exact;
	char *prefix;
};
struct http_path_list {
	struct http_path *v;
	size_t n;
	bool set;
};

struct http_match {
	struct str_list methods;
	struct http_path_list paths;
};

/* A protocol by its name or number; 0: absent or unknown. */
uint8_t protocol_number(const struct int_or_string *protocol);

struct rule_metadata {
	struct str_map annotations;
};

struct rule {
	struct rule_metadata *metadata;
	enum rule_action action;
	struct opt_int ip_version;
	struct int_or_string protocol;
	struct icmp_match *icmp;
	struct int_or_string not_protocol;
	struct icmp_match *not_icmp;
	struct entity_rule source;
	struct entity_rule destination;
	struct http_match *http;
};
struct rule_list {
	struct rule *v;
	size_t n;
	bool set;
};

/* --- Policies: namespaced, global, and their staged forms ------------------------------------ */

enum staged_action {
	STAGED_ACTION_UNSET, /* as set */
	STAGED_ACTION_SET,
	STAGED_ACTION_DELETE,
	STAGED_ACTION_LEARN,
	STAGED_ACTION_IGNORE,
};

/* One struct for the four kinds; what a kind has not stays absent. */
struct policy_spec {
	enum staged_action staged_action; /* staged kinds */
	char *tier;			  /* NULL: default */
	struct opt_real order;		  /* absent: last */
	struct rule_list ingress;
	struct rule_list egress;
	char *selector;		  /* NULL, "": all() */
	char *namespace_selector; /* global kinds */
	char *service_account_selector;
	struct str_list types;	      /* Ingress, Egress; see policy_directions() */
	struct opt_bool do_not_track; /* global kinds, with the two below */
	struct opt_bool pre_dnat;
	struct opt_bool apply_on_forward;
	struct str_list performance_hints;
};
struct policy {
	struct object object;
	struct policy_spec spec;
};

/* -EINVAL: its sides have more names of ports than can be said; 'err' begins with the field. */
MUST_CHECK int rule_check_port_names(const struct rule *rule, struct err *err);

enum policy_direction {
	POLICY_INGRESS = 1 << 0,
	POLICY_EGRESS = 1 << 1,
};

/*
 * The directions a policy applies to, enum policy_direction ORed: its types, or without types
 * ingress if it has no egress rules, egress if it has only those, both if it has both.
 */
unsigned int policy_directions(const struct policy_spec *spec);

/* --- Policies in the syntax of networking.k8s.io/v1 ------------------------------------------ */

struct label_expression {
	char *key;
	char *operator; /* In, NotIn, Exists, DoesNotExist */
	struct str_list values;
};
struct label_expression_list {
	struct label_expression *v;
	size_t n;
	bool set;
};
struct label_selector {
	struct str_map match_labels;
	struct label_expression_list match_expressions;
};

struct ip_block {
	char *cidr;
	struct str_list except;
};

struct kubernetes_peer {
	struct label_selector *pod_selector;
	struct label_selector *namespace_selector;
	struct ip_block *ip_block;
};
struct kubernetes_peer_list {
	struct kubernetes_peer *v;
	size_t n;
	bool set;
};

struct kubernetes_policy_status {
	struct condition_list conditions;
};
extern const struct struct_desc kubernetes_policy_status_desc;

struct kubernetes_port {
	char *protocol; /* TCP, UDP, SCTP; NULL: TCP */
	struct int_or_string port;
	struct opt_int end_port;
};
struct kubernetes_port_list {
	struct kubernetes_port *v;
	size_t n;
	bool set;
};

struct kubernetes_rule {
	struct kubernetes_port_list ports;
	struct kubernetes_peer_list peers; /* "from" of ingress, "to" of egress */
};
struct kubernetes_rule_list {
	struct kubernetes_rule *v;
	size_t n;
	bool set;
};

/* One struct for both kinds: Kubernetes' NetworkPolicy and its staged form. */
struct kubernetes_policy_spec {
	enum staged_action staged_action; /* staged kind */
	struct label_selector pod_selector;
	struct kubernetes_rule_list ingress;
	struct kubernetes_rule_list egress;
	struct str_list policy_types;
};
struct kubernetes_policy {
	struct object object;
	struct kubernetes_policy_spec spec;
	struct kubernetes_policy_status *status; /* unstaged kind */
};

extern const struct struct_desc label_selector_desc;
/* Rules across its fields. -EINVAL: 'err' begins with the field's name. */
MUST_CHECK int label_selector_validate(const struct label_selector *selector, struct err *err);

/* --- Tier, Profile, NetworkSet, GlobalNetworkSet --------------------------------------------- */

#define TIER_DEFAULT	   "default"
#define TIER_DEFAULT_ORDER 1000000

enum tier_default_action {
	TIER_DEFAULT_ACTION_UNSET, /* as deny */
	TIER_DEFAULT_ACTION_DENY,
	TIER_DEFAULT_ACTION_PASS,
};

struct tier_spec {
	struct opt_real order; /* absent: last */
	enum tier_default_action default_action;
};
struct tier {
	struct object object;
	struct tier_spec spec;
};

struct profile_spec {
	struct rule_list ingress;
	struct rule_list egress;
	struct str_map labels_to_apply;
};
struct profile {
	struct object object;
	struct profile_spec spec;
};

struct network_set_spec {
	struct str_list nets;
};
struct network_set { /* NetworkSet and GlobalNetworkSet */
	struct object object;
	struct network_set_spec spec;
};

/* --- HostEndpoint ----------------------------------------------------------------------------- */

struct host_endpoint_port {
	char *name;
	struct int_or_string protocol;
	struct opt_int port;
};
struct host_endpoint_port_list {
	struct host_endpoint_port *v;
	size_t n;
	bool set;
};

struct host_endpoint_spec {
	char *node;
	char *interface_name; /* "*": all of the node; NULL: by expected_ips */
	struct str_list expected_ips;
	struct str_list profiles;
	struct host_endpoint_port_list ports;
};
struct host_endpoint {
	struct object object;
	struct host_endpoint_spec spec;
};

/* --- QoS of a WorkloadEndpoint ---------------------------------------------------------------- */

struct qos_controls {
	struct opt_int ingress_bandwidth; /* bit/s */
	struct opt_int egress_bandwidth;
	struct opt_int ingress_burst; /* bits */
	struct opt_int egress_burst;
	struct opt_int ingress_peakrate; /* bit/s */
	struct opt_int egress_peakrate;
	struct opt_int ingress_minburst; /* bytes */
	struct opt_int egress_minburst;
	struct opt_int ingress_packet_rate; /* packets/s */
	struct opt_int egress_packet_rate;
	struct opt_int ingress_packet_burst;
	struct opt_int egress_packet_burst;
	struct opt_int ingress_max_connections;
	struct opt_int egress_max_connections;
	struct int_or_string dscp;
};

extern const struct struct_desc qos_controls_desc;

/* Rules across the fields; messages begin with the field's name. */
MUST_CHECK int qos_controls_validate(const struct qos_controls *qos, struct err *err);

/* 0: the code point, 0 to 63, in '*ret'. -EINVAL: 'dscp', which must be there, is none. */
MUST_CHECK int qos_dscp_parse(const struct int_or_string *dscp, uint8_t *ret, struct err *err);

/* --- KubeControllersConfiguration ------------------------------------------------------------- */

struct host_endpoint_template {
	char *generate_name;
	struct str_list interface_cidrs;
	char *interface_pattern;
	struct str_map labels;
	struct str_map annotations;
	char *node_selector;
};
struct host_endpoint_template_list {
	struct host_endpoint_template *v;
	size_t n;
	bool set;
};

struct auto_host_endpoint {
	enum enabled_mode auto_create;
	enum enabled_mode create_default_host_endpoint;
	struct host_endpoint_template_list templates;
};

struct node_controller {
	char *reconciler_period;
	enum enabled_mode sync_labels;
	struct auto_host_endpoint *host_endpoint;
	char *leak_grace_period;
};

struct plain_controller { /* policy, workloadEndpoint, serviceAccount, namespace */
	char *reconciler_period;
};

struct load_balancer_controller {
	char *assign_ips; /* AllServices, RequestedServicesOnly */
};

struct migration_controller {
	enum enabled_mode policy_name_migrator;
};

/* A controller that is absent is off. */
struct controllers_config {
	struct node_controller *node;
	struct plain_controller *policy;
	struct plain_controller *workload_endpoint;
	struct plain_controller *service_account;
	struct plain_controller *namespace;
	struct load_balancer_controller *load_balancer;
	struct migration_controller *migration;
};

struct kube_controllers_spec {
	char *log_severity_screen;
	enum enabled_mode health_checks;
	char *etcd_v3_compaction_period;
	struct opt_int prometheus_metrics_port;
	struct opt_int debug_profile_port;
	struct controllers_config controllers;
};

struct kube_controllers_status {
	struct kube_controllers_spec *running_config;
	struct str_map environment_vars;
};

struct kube_controllers_configuration {
	struct object object;
	struct kube_controllers_spec spec;
	struct kube_controllers_status *status;
};

/* --- Kinds ------------------------------------------------------------------------------------ */

extern const struct kind_desc kind_host_endpoint;
extern const struct kind_desc kind_network_policy;
extern const struct kind_desc kind_global_network_policy;
extern const struct kind_desc kind_staged_network_policy;
extern const struct kind_desc kind_staged_global_network_policy;
extern const struct kind_desc kind_staged_kubernetes_network_policy;
extern const struct kind_desc kind_tier;
extern const struct kind_desc kind_profile;
extern const struct kind_desc kind_network_set;
extern const struct kind_desc kind_global_network_set;
extern const struct kind_desc kind_kube_controllers_configuration;

/* Any of NetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, StagedGlobalNetworkPolicy. */
static inline struct policy *as_policy(const struct object *object)
{
	assert(object->desc == &kind_network_policy ||
	       object->desc == &kind_global_network_policy ||
	       object->desc == &kind_staged_network_policy ||
	       object->desc == &kind_staged_global_network_policy);
	return (struct policy *)(void *)(uintptr_t)object;
}

/* KubernetesNetworkPolicy or StagedKubernetesNetworkPolicy. */
static inline struct kubernetes_policy *as_kubernetes_policy(const struct object *object)
{
	assert(object->desc->kind == KIND_KUBERNETES_NETWORK_POLICY ||
	       object->desc->kind == KIND_STAGED_KUBERNETES_NETWORK_POLICY);
	return (struct kubernetes_policy *)(void *)(uintptr_t)object;
}

/* NetworkSet or GlobalNetworkSet. */
static inline struct network_set *as_network_set(const struct object *object)
{
	assert(object->desc == &kind_network_set || object->desc == &kind_global_network_set);
	return (struct network_set *)(void *)(uintptr_t)object;
}

KIND_CAST(as_tier, tier, KIND_TIER);
KIND_CAST(as_profile, profile, KIND_PROFILE);
KIND_CAST(as_host_endpoint, host_endpoint, KIND_HOST_ENDPOINT);
KIND_CAST(as_kube_controllers_configuration, kube_controllers_configuration,
	  KIND_KUBE_CONTROLLERS_CONFIGURATION);
