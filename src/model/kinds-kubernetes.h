/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The C structs of Kubernetes' own kinds, as far as policy and networking need them. The rules of
 * kinds.h hold. NetworkPolicy is in kinds-policy.h, beside its staged form.
 */

#include "model/kinds-policy.h"

/* --- ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2) -------------------------------- */

#define CLUSTER_RULES_MAX     25 /* per direction of one policy; also peers, protocols, networks */
#define CLUSTER_PRIORITY_MAX  1000
#define CLUSTER_RULE_NAME_MAX 100

struct namespaced_pods {
	struct label_selector namespace_selector;
	struct label_selector pod_selector;
};

/* One of them. */
struct cluster_subject {
	struct label_selector *namespaces;
	struct namespaced_pods *pods;
};

/* One of them. */
struct cluster_peer {
	struct label_selector *namespaces;
	struct namespaced_pods *pods;
	struct str_list networks; /* egress only */
};
struct cluster_peer_list {
	struct cluster_peer *v;
	size_t n;
	bool set;
};

struct cluster_port_range {
	struct opt_int start;
	struct opt_int end;
};
/* One of them. */
struct cluster_port {
	struct opt_int number;
	struct cluster_port_range *range;
};
struct cluster_transport {
	struct cluster_port *destination_port;
};
/* One of them. */
struct cluster_protocol {
	struct cluster_transport *tcp;
	struct cluster_transport *udp;
	struct cluster_transport *sctp;
	char *destination_named_port;
};
struct cluster_protocol_list {
	struct cluster_protocol *v;
	size_t n;
	bool set;
};

struct cluster_rule {
	char *name;
	char *action;			/* Accept, Deny, Pass */
	struct cluster_peer_list peers; /* "from" of ingress, "to" of egress */
	struct cluster_protocol_list protocols;
};
struct cluster_rule_list {
	struct cluster_rule *v;
	size_t n;
	bool set;
};

struct cluster_policy_spec {
	char *tier; /* Admin, Baseline */
	struct opt_int priority;
	struct cluster_subject subject;
	struct cluster_rule_list ingress;
	struct cluster_rule_list egress;
};
struct cluster_policy {
	struct object object;
	struct cluster_policy_spec spec;
	struct kubernetes_policy_status *status;
};

/* --- Namespace, ServiceAccount: their labels are all there is to know ------------------------ */

struct kubernetes_plain {
	struct object object;
};

/* --- Service, EndpointSlice ------------------------------------------------------------------ */

struct service_port {
	char *name;
	char *protocol; /* TCP, UDP, SCTP; NULL: TCP */
	struct opt_int port;
	struct int_or_string target_port;
	struct opt_int node_port;
};
struct service_port_list {
	struct service_port *v;
	size_t n;
	bool set;
};

struct load_balancer_ingress {
	char *ip;
	char *hostname;
};
struct load_balancer_ingress_list {
	struct load_balancer_ingress *v;
	size_t n;
	bool set;
};
struct load_balancer_status {
	struct load_balancer_ingress_list ingress;
};

struct kubernetes_service_spec {
	char *type;	  /* ClusterIP, NodePort, LoadBalancer, ExternalName */
	char *cluster_ip; /* "None": headless */
	struct str_list cluster_ips;
	struct str_list external_ips;
	char *load_balancer_ip;
	char *external_traffic_policy; /* Cluster, Local */
	char *internal_traffic_policy;
	struct service_port_list ports;
	struct str_map selector;
};
struct kubernetes_service_status {
	struct load_balancer_status load_balancer;
};
struct kubernetes_service {
	struct object object;
	struct kubernetes_service_spec spec;
	struct kubernetes_service_status *status;
};

#define ENDPOINT_SLICE_SERVICE_LABEL "kubernetes.io/service-name"

struct slice_conditions { /* absent: unknown, which counts as ready */
	struct opt_bool ready;
	struct opt_bool serving;
	struct opt_bool terminating;
};
struct slice_endpoint {
	struct str_list addresses;
	struct slice_conditions *conditions;
	char *hostname;
	char *node_name;
};
struct slice_endpoint_list {
	struct slice_endpoint *v;
	size_t n;
	bool set;
};
struct slice_port {
	char *name;
	char *protocol;	     /* NULL: TCP */
	struct opt_int port; /* absent: all ports */
};
struct slice_port_list {
	struct slice_port *v;
	size_t n;
	bool set;
};
struct endpoint_slice {
	struct object object;
	char *address_type; /* IPv4, IPv6, FQDN */
	struct slice_endpoint_list endpoints;
	struct slice_port_list ports;
};

/* --- Pod ------------------------------------------------------------------------------------- */

struct container_port {
	char *name;
	char *protocol; /* NULL: TCP */
	struct opt_int container_port;
	struct opt_int host_port;
	char *host_ip;
};
struct container_port_list {
	struct container_port *v;
	size_t n;
	bool set;
};
struct pod_container {
	char *name;
	struct container_port_list ports;
};
struct pod_container_list {
	struct pod_container *v;
	size_t n;
	bool set;
};
struct pod_ip {
	char *ip;
};
struct pod_ip_list {
	struct pod_ip *v;
	size_t n;
	bool set;
};
struct pod_spec {
	char *node_name;
	char *service_account_name;
	struct opt_bool host_network;
	struct pod_container_list containers;
};
struct pod_status {
	char *phase; /* Pending, Running, Succeeded, Failed, Unknown */
	char *pod_ip;
	struct pod_ip_list pod_ips;
};
struct pod {
	struct object object;
	struct pod_spec spec;
	struct pod_status *status;
};

/* --- Kinds ----------------------------------------------------------------------------------- */

extern const struct kind_desc kind_kubernetes_network_policy;
extern const struct kind_desc kind_kubernetes_cluster_network_policy;
extern const struct kind_desc kind_kubernetes_service;
extern const struct kind_desc kind_kubernetes_endpoint_slice;
extern const struct kind_desc kind_namespace;
extern const struct kind_desc kind_service_account;
extern const struct kind_desc kind_pod;

KIND_CAST(as_cluster_policy, cluster_policy, KIND_KUBERNETES_CLUSTER_NETWORK_POLICY);
KIND_CAST(as_kubernetes_service, kubernetes_service, KIND_KUBERNETES_SERVICE);
KIND_CAST(as_endpoint_slice, endpoint_slice, KIND_KUBERNETES_ENDPOINT_SLICE);
KIND_CAST(as_pod, pod, KIND_POD);
