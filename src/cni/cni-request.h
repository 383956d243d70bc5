/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A CNI call, parsed and checked: what the environment and the network configuration say, with
 * Calico's keys and defaults (section 1 of the facts). Pure; all bytes come from outside.
 */

#include <stdbool.h>

#include "base/ip.h"
#include "cni/cni-protocol.h"
#include "netlink/link.h"

struct buf;

enum cni_verb { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_VERSION, CNI_STATUS, CNI_GC };

/* Error codes of the CNI specification, and ours from 100 on. */
enum cni_error_code {
	CNI_ERROR_INCOMPATIBLE_VERSION = 1,
	CNI_ERROR_UNSUPPORTED_FIELD = 2,
	CNI_ERROR_UNKNOWN_CONTAINER = 3,
	CNI_ERROR_BAD_ENVIRONMENT = 4,
	CNI_ERROR_IO = 5,
	CNI_ERROR_DECODE = 6,
	CNI_ERROR_BAD_CONFIG = 7,
	CNI_ERROR_TRY_AGAIN = 11,
	CNI_ERROR_INTERNAL = 999,
};

struct cni_route {
	struct cidr dst;
	struct ip_addr gateway; /* family 0: none */
};

/* A label for the endpoint. */
struct cni_label {
	char *key;
	char *value;
};

/* What a delegated IPAM plugin gave. */
struct cni_delegated {
	struct cidr addrs[8]; /* /32, /128 */
	unsigned int n_addrs;
};

struct cni_attachment {
	char *container_id;
	char *ifname;
};

struct cni_request {
	enum cni_verb verb;
	enum cni_plugin_role role;
	char *cni_version; /* "0.2.0" when absent */
	char *network;	   /* conf "name" */
	char *container_id;
	char *ifname;	  /* in the pod */
	char *netns_path; /* as given; may be empty for DEL */
	char *pod_name;	  /* K8S_POD_NAME; NULL: not Kubernetes */
	char *pod_namespace;
	char *pod_uid;
	struct ip_addr wanted_ip; /* IP= of CNI_ARGS; family 0: none */
	bool assign_v4;
	bool assign_v6;
	char **v4_pools; /* NULL-terminated; NULL: automatic */
	char **v6_pools;
	char *ipam_type;
	bool had_del;	     /* what is left of the container is to go first */
	bool delegates;	     /* ipam.type is a plugin that is not ours */
	bool uses_pod_cidr;  /* somewhere in "ipam": not to be had without Kubernetes */
	struct cidr *routes; /* of a delegating configuration: the pod's, instead of defaults */
	size_t n_routes;
	bool include_default_routes;
	struct cni_delegated *delegated; /* NULL: not run yet */
	char *nodename;			 /* as configured; NULL: the agent's */
	struct cni_label *labels; /* args.org.apache.mesos.network_info, for what is no pod */
	size_t n_labels;
	uint32_t mtu; /* 0: automatic */
	uint32_t n_queues;
	bool allow_ip_forwarding;     /* container_settings */
	bool policy_k8s;	      /* policy.type == "k8s" */
	struct cni_prev_result *prev; /* prevResult for CHECK; NULL: none */
	char *ifprefix;		      /* of the host end: FELIX_INTERFACEPREFIX, else "cali" */
	bool allow_ip_addrs_no_ipam;  /* feature_control: annotations that need a leave */
	bool allow_floating_ips;
	struct cni_attachment *valid; /* GC: cni.dev/valid-attachments */
	size_t n_valid;
};

struct cni_prev_result {
	struct cidr addrs[8];
	unsigned int n_addrs;
	char host_ifname[IFNAMSIZ];
};

/*
 * 0: '*ret' given. >0: one of enum cni_error_code, with 'err' saying key and reason.
 */
MUST_CHECK int cni_request_parse(enum cni_plugin_role role, const char *env, size_t env_size,
				 const char *conf, size_t conf_size, struct cni_request **ret,
				 struct err *err);
/*
 * What the delegated IPAM plugin printed, a result of any version we speak. As
 * cni_request_parse().
 */
MUST_CHECK int cni_request_add_delegated(struct cni_request *request, const char *text, size_t size,
					 struct err *err);
/*
 * GC without a list is an error: it would otherwise mean that nothing is valid.
 *
 * For an answer to a request that can't be parsed: its cniVersion if that much can be read and is
 * one of ours, else "0.3.1". Static.
 */
const char *cni_request_version(const char *conf, size_t conf_size);
struct cni_request *cni_request_free(struct cni_request *request);
CLEANUP_FUNC(struct cni_request *, cni_request_free);

/* Names as Calico's (section 1.3, 1.4 of the facts). */
void cni_host_ifname(const struct cni_request *request, char ret[IFNAMSIZ]);
char *cni_endpoint_name(const struct cni_request *request, const char *node); /* WEP name */
char *cni_handle(const struct cni_request *request); /* "<network>.<container>" */
const char *cni_endpoint_namespace(const struct cni_request *request);

/* --- Answers ---------------------------------------------------------------------------------- */

struct cni_result {
	const char *host_ifname;
	uint8_t host_mac[MAC_SIZE];
	const char *pod_ifname;
	uint8_t pod_mac[MAC_SIZE];
	uint32_t mtu;
	const char *netns_path;
	struct cidr addrs[8]; /* /32, /128 */
	unsigned int n_addrs;
};

enum cni_version {
	CNI_VERSION_0_1_0,
	CNI_VERSION_0_2_0,
	CNI_VERSION_0_3_0,
	CNI_VERSION_0_3_1,
	CNI_VERSION_0_4_0,
	CNI_VERSION_1_0_0,
	CNI_VERSION_1_1_0,
	N_CNI_VERSIONS,
};
const char *cni_version_name(enum cni_version version);
/* False: not a version we speak. */
bool cni_version_parse(const char *name, enum cni_version *ret);

/* The JSON of a result in the request's cniVersion; of an error; of VERSION. */
void cni_write_result(const struct cni_request *request, const struct cni_result *result,
		      struct buf *out);
void cni_write_error(const char *cni_version, unsigned int code, const char *msg,
		     const char *details, struct buf *out);
void cni_write_version(const char *cni_version, struct buf *out);
