/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The C structs of the kinds. Member names are the JSON names in snake_case (acronyms as one word:
 * ipipMode -> ipip_mode, vxlanTunnelMACAddr -> vxlan_tunnel_mac_addr, cidr -> cidr).
 * Get one from a 'struct object *' by the as_*() function of its kind, which asserts the kind.
 */

#include "model/model-desc.h"

enum encap_mode {
	ENCAP_MODE_UNSET,
	ENCAP_MODE_NEVER,
	ENCAP_MODE_ALWAYS,
	ENCAP_MODE_CROSS_SUBNET,
};

enum enabled_mode {
	ENABLED_MODE_UNSET,
	ENABLED_MODE_ENABLED,
	ENABLED_MODE_DISABLED,
};

/* --- Node --------------------------------------------------------------------------------- */

struct node_bgp {
	struct opt_int as_number;
	char *ipv4_address; /* CIDR with host bits: the node's address and its subnet */
	char *ipv6_address;
	char *ipv4_ipip_tunnel_addr;
	char *route_reflector_cluster_id;
};

struct node_orch_ref {
	char *node_name;
	char *orchestrator;
};
struct node_orch_ref_list {
	struct node_orch_ref *v;
	size_t n;
	bool set;
};

struct node_address {
	char *address;
	char *type; /* CalicoNodeIP, InternalIP, ExternalIP */
};
struct node_address_list {
	struct node_address *v;
	size_t n;
	bool set;
};

struct node_interface {
	char *name;
	struct str_list addresses;
};
struct node_interface_list {
	struct node_interface *v;
	size_t n;
	bool set;
};

struct node_wireguard {
	char *interface_ipv4_address;
	char *interface_ipv6_address;
};

struct node_spec {
	struct node_bgp *bgp;
	char *ipv4_vxlan_tunnel_addr;
	char *vxlan_tunnel_mac_addr;
	char *ipv6_vxlan_tunnel_addr;
	char *vxlan_tunnel_mac_addr_v6;
	struct node_orch_ref_list orch_refs;
	struct node_wireguard *wireguard;
	struct node_address_list addresses;
	struct node_interface_list interfaces;
};

struct node_status {
	char *wireguard_public_key;
	char *wireguard_public_key_v6;
	struct str_list pod_cidrs;
};

struct node {
	struct object object;
	struct node_spec spec;
	struct node_status *status;
};

/* --- IPPool, IPReservation ---------------------------------------------------------------- */

enum assignment_mode {
	ASSIGNMENT_MODE_UNSET,
	ASSIGNMENT_MODE_AUTOMATIC,
	ASSIGNMENT_MODE_MANUAL,
};

struct condition {
	char *type;
	char *status; /* True, False, Unknown */
	char *reason;
	char *message;
	char *last_transition_time;
	struct opt_int observed_generation;
};
struct condition_list {
	struct condition *v;
	size_t n;
	bool set;
};

extern const struct struct_desc condition_desc;

struct ip_pool_ipip { /* older form of ipip_mode; model_default() moves it there */
	struct opt_bool enabled;
	char *mode; /* always, cross-subnet */
};

struct ip_pool_spec {
	char *cidr;
	enum encap_mode vxlan_mode;
	enum encap_mode ipip_mode;
	struct opt_bool nat_outgoing;
	struct opt_bool disabled;
	struct opt_bool disable_bgp_export;
	struct opt_int block_size;
	char *node_selector;
	char *namespace_selector;
	struct str_list allowed_uses; /* Workload, Tunnel, LoadBalancer */
	enum assignment_mode assignment_mode;
	struct ip_pool_ipip *ipip;
};

struct ip_pool_status {
	struct condition_list conditions;
};

struct ip_pool {
	struct object object;
	struct ip_pool_spec spec;
	struct ip_pool_status *status;
};

struct ip_reservation_spec {
	struct str_list reserved_cidrs;
};
struct ip_reservation {
	struct object object;
	struct ip_reservation_spec spec;
};

/* --- IPAM --------------------------------------------------------------------------------- */

enum affinity_state {
	AFFINITY_STATE_UNSET, /* as confirmed */
	AFFINITY_STATE_PENDING,
	AFFINITY_STATE_CONFIRMED,
	AFFINITY_STATE_PENDING_DELETION,
};

struct block_affinity_spec {
	enum affinity_state state;
	char *node;
	char *type; /* host, virtual */
	char *cidr;
	struct opt_bool deleted;
};
struct block_affinity {
	struct object object;
	struct block_affinity_spec spec;
};

struct ipam_attribute {
	char *handle_id;
	struct str_map secondary;
	struct str_map alternate_owner_attrs;
	char *released_at;
};
struct ipam_attribute_list {
	struct ipam_attribute *v;
	size_t n;
	bool set;
};

struct ipam_block_spec {
	char *cidr;
	char *affinity; /* "host:<node>", "virtual:<name>"; NULL: none */
	char *affinity_claim_time;
	struct opt_int_list allocations; /* per ordinal: null, or an index into attributes */
	struct int_list unallocated;	 /* free ordinals, first in first out */
	struct ipam_attribute_list attributes;
	struct opt_int sequence_number; /* uint64 bits */
	struct int_map sequence_number_for_allocation;
	struct opt_bool deleted;
};
struct ipam_block_object { /* 'struct ipam_block' is the ipam module's working form */
	struct object object;
	struct ipam_block_spec spec;
};

struct ipam_handle_spec {
	char *handle_id;
	struct int_map block; /* CIDR -> number of addresses */
	struct opt_bool deleted;
};
struct ipam_handle_object {
	struct object object;
	struct ipam_handle_spec spec;
};

struct ipam_configuration_spec {
	struct opt_bool strict_affinity;
	struct opt_bool auto_allocate_blocks;
	struct opt_int max_blocks_per_host;
	enum enabled_mode kube_virt_vm_address_persistence;
	struct opt_int ip_cooldown_seconds;
};
struct ipam_configuration {
	struct object object;
	struct ipam_configuration_spec spec;
};

/* --- WorkloadEndpoint ---------------------------------------------------------------------- */

/* Labels that endpoints have beside those of their pods. */
#define LABEL_NAMESPACE	      "projectcalico.org/namespace"
#define LABEL_ORCHESTRATOR    "projectcalico.org/orchestrator"
#define LABEL_SERVICE_ACCOUNT "projectcalico.org/serviceaccount"

struct endpoint_port {
	char *name;
	char *protocol; /* a name, or a number's text */
	struct opt_int port;
	struct opt_int host_port;
	char *host_ip;
};
struct endpoint_port_list {
	struct endpoint_port *v;
	size_t n;
	bool set;
};

struct ip_nat {
	char *internal_ip;
	char *external_ip;
};
struct ip_nat_list {
	struct ip_nat *v;
	size_t n;
	bool set;
};

struct qos_controls; /* kinds-policy.h has what only policy and QoS need */

struct workload_endpoint_spec {
	char *orchestrator;
	char *workload;
	char *node;
	char *container_id;
	char *pod;
	char *endpoint;
	char *service_account_name;
	struct str_list ip_networks; /* /32, /128 */
	struct ip_nat_list ip_nats;
	char *ipv4_gateway;
	char *ipv6_gateway;
	struct str_list profiles;
	char *interface_name;
	char *mac;
	struct endpoint_port_list ports;
	struct str_list allow_spoofed_source_prefixes;
	struct qos_controls *qos_controls;
};
struct workload_endpoint {
	struct object object;
	struct workload_endpoint_spec spec;
};

/* --- BGP ----------------------------------------------------------------------------------- */

struct cidr_item {
	char *cidr;
};
struct cidr_item_list {
	struct cidr_item *v;
	size_t n;
	bool set;
};

struct bgp_community {
	char *name;
	char *value;
};
struct bgp_community_list {
	struct bgp_community *v;
	size_t n;
	bool set;
};

struct prefix_advertisement {
	char *cidr;
	struct str_list communities;
};
struct prefix_advertisement_list {
	struct prefix_advertisement *v;
	size_t n;
	bool set;
};

struct secret_key_ref {
	char *name;
	char *key;
	struct opt_bool optional;
};
struct bgp_password {
	struct secret_key_ref *secret_key_ref;
};

struct bgp_configuration_spec {
	char *log_severity_screen;
	struct opt_bool node_to_node_mesh_enabled;
	struct opt_int as_number;
	struct cidr_item_list service_load_balancer_ips;
	struct cidr_item_list service_external_ips;
	struct cidr_item_list service_cluster_ips;
	enum enabled_mode service_load_balancer_aggregation;
	struct bgp_community_list communities;
	struct prefix_advertisement_list prefix_advertisements;
	struct opt_int listen_port;
	struct bgp_password *node_mesh_password;
	char *node_mesh_max_restart_time; /* duration */
	char *bind_mode;		  /* None, NodeIP */
	struct str_list ignored_interfaces;
	char *local_workload_peering_ip_v4;
	char *local_workload_peering_ip_v6;
	char *program_cluster_routes; /* Enabled, Disabled, EnabledIPIPOnly, EnabledNoEncapOnly */
	struct opt_int ipv4_normal_route_priority;
	struct opt_int ipv6_normal_route_priority;
};
struct bgp_configuration {
	struct object object;
	struct bgp_configuration_spec spec;
};

struct bgp_peer_spec {
	char *node;
	char *node_selector;
	char *peer_ip; /* address, or address:port */
	char *peer_selector;
	char *local_workload_selector;
	struct opt_int as_number;
	struct opt_int local_as_number;
	struct opt_bool keep_original_next_hop;
	char *next_hop_mode; /* Auto, Self, Keep */
	struct bgp_password *password;
	char *source_address; /* UseNodeIP, None */
	char *max_restart_time;
	char *keepalive_time;
	struct opt_int num_allowed_local_as_numbers;
	struct opt_int ttl_security;
	char *reachable_by;
	struct str_list filters;
	char *reverse_peering; /* Auto, Manual */
};
struct bgp_peer {
	struct object object;
	struct bgp_peer_spec spec;
};

struct bgp_prefix_length {
	struct opt_int min;
	struct opt_int max;
};
struct bgp_filter_operation {
	struct bgp_community_value *add_community;
	struct bgp_as_path_prefix *prepend_as_path;
	struct bgp_priority_value *set_priority;
};
struct bgp_community_value {
	char *value;
};
struct bgp_as_path_prefix {
	struct int_list prefix;
};
struct bgp_priority_value {
	struct opt_int value;
};
struct bgp_filter_operation_list {
	struct bgp_filter_operation *v;
	size_t n;
	bool set;
};
struct bgp_community_match {
	struct str_list values;
};
struct bgp_filter_rule {
	char *cidr;
	char *match_operator; /* Equal, NotEqual, In, NotIn */
	struct bgp_prefix_length *prefix_length;
	char *source; /* RemotePeers */
	char *interface;
	char *peer_type; /* eBGP, iBGP */
	struct bgp_community_match *communities;
	struct int_list as_path_prefix;
	struct opt_int priority;
	char *action; /* Accept, Reject */
	struct bgp_filter_operation_list operations;
};
struct bgp_filter_rule_list {
	struct bgp_filter_rule *v;
	size_t n;
	bool set;
};
struct bgp_filter_spec {
	struct bgp_filter_rule_list export_v4;
	struct bgp_filter_rule_list import_v4;
	struct bgp_filter_rule_list export_v6;
	struct bgp_filter_rule_list import_v6;
};
struct bgp_filter {
	struct object object;
	struct bgp_filter_spec spec;
};

/* --- CalicoNodeStatus ---------------------------------------------------------------------- */

struct bird_status {
	char *state; /* Ready, NotReady */
	char *version;
	char *router_id;
	char *last_boot_time;
	char *last_reconfiguration_time;
};
struct agent_status {
	struct bird_status *bird_v4;
	struct bird_status *bird_v6;
};
struct bgp_peer_status {
	char *peer_ip;
	char *type; /* NodeMesh, NodePeer, GlobalPeer */
	char *state;
	char *since;
};
struct bgp_peer_status_list {
	struct bgp_peer_status *v;
	size_t n;
	bool set;
};
struct bgp_status {
	struct opt_int number_established_v4;
	struct opt_int number_not_established_v4;
	struct opt_int number_established_v6;
	struct opt_int number_not_established_v6;
	struct bgp_peer_status_list peers_v4;
	struct bgp_peer_status_list peers_v6;
};
struct route_learned_from {
	char *source_type; /* Kernel, Static, Direct, NodeMesh, BGPPeer */
	char *peer_ip;
};
struct route_status {
	char *type; /* FIB, RIB */
	char *destination;
	char *gateway;
	char *interface;
	struct route_learned_from *learned_from;
};
struct route_status_list {
	struct route_status *v;
	size_t n;
	bool set;
};
struct routes_status {
	struct route_status_list routes_v4;
	struct route_status_list routes_v6;
};
struct calico_node_status_spec {
	char *node;
	struct str_list classes; /* Agent, BGP, Routes */
	struct opt_int update_period_seconds;
};
struct calico_node_status_status {
	struct agent_status *agent;
	struct bgp_status *bgp;
	struct routes_status *routes;
	char *last_updated;
};
struct calico_node_status {
	struct object object;
	struct calico_node_status_spec spec;
	struct calico_node_status_status *status;
};

/* --- ClusterInformation --------------------------------------------------------------------- */

struct cluster_information_spec {
	char *cluster_guid;
	char *cluster_type;
	char *calico_version;
	struct opt_bool datastore_ready;
	char *variant;
};
struct cluster_information {
	struct object object;
	struct cluster_information_spec spec;
};

/* FelixConfiguration: felix-configuration.h. Policy kinds: kinds-policy.h. */

/* --- Casts ----------------------------------------------------------------------------------- */

#define KIND_CAST(function, type, kind_value)                                                      \
	static inline struct type *function(const struct object *object)                           \
	{                                                                                          \
		assert(object->desc->kind == (kind_value));                                        \
		return (struct type *)(void *)(uintptr_t)object;                                   \
	}                                                                                          \
	struct macros_semicolon_eater_

KIND_CAST(as_node, node, KIND_NODE);
KIND_CAST(as_ip_pool, ip_pool, KIND_IP_POOL);
KIND_CAST(as_ip_reservation, ip_reservation, KIND_IP_RESERVATION);
KIND_CAST(as_block_affinity, block_affinity, KIND_BLOCK_AFFINITY);
KIND_CAST(as_ipam_block, ipam_block_object, KIND_IPAM_BLOCK);
KIND_CAST(as_ipam_handle, ipam_handle_object, KIND_IPAM_HANDLE);
KIND_CAST(as_ipam_configuration, ipam_configuration, KIND_IPAM_CONFIGURATION);
KIND_CAST(as_workload_endpoint, workload_endpoint, KIND_WORKLOAD_ENDPOINT);
KIND_CAST(as_bgp_configuration, bgp_configuration, KIND_BGP_CONFIGURATION);
KIND_CAST(as_bgp_peer, bgp_peer, KIND_BGP_PEER);
KIND_CAST(as_bgp_filter, bgp_filter, KIND_BGP_FILTER);
KIND_CAST(as_calico_node_status, calico_node_status, KIND_CALICO_NODE_STATUS);
KIND_CAST(as_cluster_information, cluster_information, KIND_CLUSTER_INFORMATION);
