/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a dataplane has to enforce, as changes. Made by calc (policy-graph.h), carried out by the
 * drivers of nftables and iptables. Everything in an update is borrowed from its maker, until the
 * maker is called again. A driver that applies an update in one transaction adds sets first, then
 * policies, then endpoints, and removes in the opposite order.
 */

#include "policy/compiled-policy.h"

struct policy_member {
	struct cidr net;  /* a single address in sets of type PORT */
	uint8_t protocol; /* 0 in sets of type NET */
	uint16_t port;
};

/* A set that is new ('added' is all of it) or has changed. */
struct policy_set_change {
	const struct policy_set *set;
	bool is_new;
	const struct policy_member *added;
	size_t n_added;
	const struct policy_member *removed;
	size_t n_removed;
};

/* Where policies of an endpoint act; also an index. Workloads have POLICY_STAGE_NORMAL alone. */
enum policy_stage {
	POLICY_STAGE_NORMAL,	/* workloads: all; hosts: input and output */
	POLICY_STAGE_FORWARD,	/* hosts: applyOnForward */
	POLICY_STAGE_PRE_DNAT,	/* hosts, ingress only: before DNAT */
	POLICY_STAGE_UNTRACKED, /* hosts: doNotTrack, before conntrack */
	POLICY_STAGES_,
};

struct endpoint_tier {
	const char *name;
	bool pass; /* the tier's default action: what no policy decides goes on to the next tier */
	bool enforced; /* a policy in it is not staged; otherwise its end never denies */
	const struct compiled_policy *const *policies; /* in order, staged ones too */
	size_t n_policies;
};
struct endpoint_tiers {
	const struct endpoint_tier *v;
	size_t n;
};

struct policy_endpoint {
	const char *key; /* "wep/NAMESPACE/NAME", "hep/NAME" */
	bool is_host;
	/*
	 * Of a host endpoint: "*" is all but workloads'; NULL is not said: the one that has one of
	 * 'addrs'. Of several host endpoints for one interface that whose key is first acts, one
	 * that names the interface before one that is found by its address, "*" after both.
	 */
	const char *interface;
	const struct cidr *addrs; /* a workload's own: nothing else may be its source */
	size_t n_addrs;
	const struct cidr *spoofable; /* allowSpoofedSourcePrefixes */
	size_t n_spoofable;
	struct endpoint_tiers tiers[POLICY_STAGES_][POLICY_WAYS_]; /* those with a policy */
	const struct compiled_policy *const *profiles;
	size_t n_profiles;
};

/* A policy, or a rule of one, that can't be understood, or that the kernel refuses. */
struct policy_problem {
	const char *key;
	const char *why;
};

struct policy_update {
	const struct policy_set_change *sets;
	size_t n_sets;
	const struct policy_set_id *sets_gone;
	size_t n_sets_gone;
	const struct compiled_policy *const *policies; /* new or changed, profiles too */
	size_t n_policies;
	const char *const *policies_gone; /* keys */
	size_t n_policies_gone;
	const struct policy_endpoint *const *endpoints; /* new or changed */
	size_t n_endpoints;
	const char *const *endpoints_gone; /* keys */
	size_t n_endpoints_gone;
};

static inline bool policy_update_is_empty(const struct policy_update *update)
{
	return !update->n_sets && !update->n_sets_gone && !update->n_policies &&
	       !update->n_policies_gone && !update->n_endpoints && !update->n_endpoints_gone;
}

/* What the host as a whole does, from FelixConfiguration. */
enum endpoint_to_host {
	ENDPOINT_TO_HOST_DROP,
	ENDPOINT_TO_HOST_ACCEPT,
	ENDPOINT_TO_HOST_RETURN, /* to the rules behind ours */
};

struct failsafe {
	uint8_t protocol;
	uint16_t port;
	struct cidr net; /* family 0: any */
};

/* How often LOG rules may log, each of them by itself. */
struct policy_log_limit {
	uint32_t rate;	  /* packets; 0: no limit */
	uint32_t seconds; /* in that time: 1, 60, 3600 or 86400 */
	uint32_t burst;	  /* never 0 with a rate */
};

struct policy_config {
	const struct failsafe *failsafes[POLICY_WAYS_];
	size_t n_failsafes[POLICY_WAYS_];
	enum endpoint_to_host endpoint_to_host; /* defaultEndpointToHostAction */
	bool append;		       /* chainInsertMode: iptables' chains lead to ours last */
	bool filter_return;	       /* filterAllowAction: what is allowed meets others' rules */
	bool mangle_return;	       /* mangleAllowAction */
	bool reject;		       /* denied packets are answered, not dropped silently */
	bool drop_invalid;	       /* conntrack's INVALID is denied */
	bool workloads_may_send_vxlan; /* allowVXLANPacketsFromWorkloads */
	bool workloads_may_send_ipip;  /* allowIPIPPacketsFromWorkloads */
	bool workloads_may_spoof;      /* workloadSourceSpoofing: 'spoofable' is in force */
	bool cut_denied;	       /* connections that a new policy denies end at once */
	bool offload;		       /* established connections take the flow table */
	bool flow_log;		       /* verdicts go to nflog groups 1 (ingress) and 2 (egress) */
	uint16_t vxlan_port;	       /* 0: no VXLAN on this node, in this family */
	bool ipip;
	struct policy_log_limit log_limit;
	/* Services' addresses that are advertised: what is not sent elsewhere is not passed on. */
	const struct cidr *service_nets; /* masked, apart from each other, in order */
	size_t n_service_nets;
	bool reject_services;		      /* answer what is for them */
	const char *log_prefix;		      /* "calico-packet" */
	const char *const *workload_prefixes; /* interfaces of workloads: "cali" */
	size_t n_workload_prefixes;
};
