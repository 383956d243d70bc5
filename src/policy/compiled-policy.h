/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A policy as a dataplane needs it: names resolved to numbers, prefixes and sets. This is what calc
 * hands out and what the nftables and iptables renderers read; the evaluator (policy-verdict.h)
 * does not use it, because it judges it.
 *
 * A rule matches a packet when everything in it holds. Of a side (source, destination):
 *
 *	nets		no nets, or one of them contains the address
 *	not_nets	none contains the address
 *	sets		every one contains the address
 *	not_sets	none contains the address
 *	ports		no ports and no port_sets, or one of either holds: a range contains the
 *			port, a set contains (address, protocol, port)
 *	not_ports	no range and no set of not_port_sets contains it
 *	service		absent, or contains (address, protocol, port)
 *
 * Nets of the other family never match: a rule all of whose nets are of the other family matches
 * nothing, and one whose not_nets are all of the other family is not limited by them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

enum policy_action {
	POLICY_ACTION_ALLOW = 1,
	POLICY_ACTION_DENY,
	POLICY_ACTION_PASS,
	POLICY_ACTION_LOG,
};

/* Which way, as the endpoint sees it; also an index. */
enum policy_way {
	POLICY_WAY_INGRESS,
	POLICY_WAY_EGRESS,
	POLICY_WAYS_,
};

#define POLICY_ANY (-1)

struct port_range {
	uint16_t first;
	uint16_t last;
};

/*
 * A set's id: "s:" of a selector, "n:" of a selector with a named port, "svc:" and "svcnoport:" of
 * a service, or one of the fixed names below.
 */
#define POLICY_SET_ID_SIZE 64
struct policy_set_id {
	char s[POLICY_SET_ID_SIZE]; /* "": none */
};

#define POLICY_SET_ALL_HOSTS  "all-hosts-net"	 /* addresses of all nodes */
#define POLICY_SET_ALL_VXLAN  "all-vxlan-net"	 /* of the other nodes that speak VXLAN */
#define POLICY_SET_POOLS      "network-ip-pools" /* prefixes of the pools */
#define POLICY_SET_MASQ_POOLS "masq-ipam-pools"	 /* of those with natOutgoing */

enum policy_set_type {
	POLICY_SET_TYPE_NET,  /* members are prefixes */
	POLICY_SET_TYPE_PORT, /* members are single addresses with protocol and port */
};

/* A set that a rule refers to, and what its members are taken from. */
struct policy_set {
	struct policy_set_id id;
	enum policy_set_type type;
	char *selector;	  /* canonical; NULL: of a service, or fixed */
	char *port_name;  /* with 'selector': endpoints that have this port */
	uint8_t protocol; /* of the named port */
	char *service_namespace;
	char *service_name;
};

struct compiled_side {
	struct cidr *nets;
	size_t n_nets;
	struct cidr *not_nets;
	size_t n_not_nets;
	struct port_range *ports;
	size_t n_ports;
	struct port_range *not_ports;
	size_t n_not_ports;
	struct policy_set_id *sets;
	size_t n_sets;
	struct policy_set_id *not_sets;
	size_t n_not_sets;
	struct policy_set_id *port_sets;
	size_t n_port_sets;
	struct policy_set_id *not_port_sets;
	size_t n_not_port_sets;
	struct policy_set_id service;
};

/* Numbers are POLICY_ANY where the rule does not say. */
struct compiled_rule {
	enum policy_action action;
	uint8_t family; /* AF_INET, AF_INET6; 0: both */
	int16_t protocol;
	int16_t not_protocol;
	int16_t icmp_type;
	int16_t icmp_code;
	int16_t not_icmp_type;
	int16_t not_icmp_code;
	struct compiled_side source;
	struct compiled_side destination;
	/*
	 * It could not be understood, so it denies whatever comes to it (action is DENY and
	 * nothing else is set). 'why' for log and metric.
	 */
	bool unreadable;
	char *why;
};

struct compiled_rules {
	struct compiled_rule *v;
	size_t n;
};

/*
 * Policies of all kinds, and profiles. The key is the field's short form and unique: "np/NS/NAME",
 * "gnp/NAME", "knp/NS/NAME" (Kubernetes), "kcnp/NAME", "snp/NS/NAME", "sgnp/NAME", "sknp/NS/NAME",
 * "pro/NAME".
 */
struct compiled_policy {
	char *key;
	char *tier;   /* NULL: profile */
	double order; /* INFINITY: last */
	bool staged;  /* evaluated, reported, never enforced */
	bool do_not_track;
	bool pre_dnat;
	bool apply_on_forward;
	bool applies[POLICY_WAYS_]; /* the directions among its types */
	char *selector; /* of endpoints: canonical, with namespace and service account; NULL: profile */
	struct compiled_rules rules[POLICY_WAYS_]; /* as many, and in the order, of the resource */
	struct policy_set *sets;		   /* each once */
	size_t n_sets;
	/*
	 * Of a Kubernetes policy with rules that can't be understood: which, and what became of
	 * them, for log and metric. NULL: none.
	 */
	char *problem;
};
struct compiled_policy *compiled_policy_free(struct compiled_policy *policy);
CLEANUP_FUNC(struct compiled_policy *, compiled_policy_free);
bool compiled_policy_equal(const struct compiled_policy *a, const struct compiled_policy *b);

struct buf;
struct object;

/* In words, a line a rule, with what sets are made of instead of their ids. */
void compiled_policy_dump(const struct compiled_policy *policy, struct buf *out);
void compiled_rule_dump(const struct compiled_policy *policy, const struct compiled_rule *rule,
			struct buf *out);

/*
 * Compiles a policy of any kind (Kubernetes' ones too) or a Profile. A rule that can't be
 * understood becomes one that denies ('unreadable'); of Kubernetes' policies one that allows is
 * left out ('problem'). 0: '*ret' given. -EINVAL: the policy's own
 * selector, tier or types can't be understood, 'err' says why: the caller keeps the last good
 * version in force.
 */
MUST_CHECK int compiled_policy_new(const struct object *object, struct compiled_policy **ret,
				   struct err *err);

/* Gives the key of a policy or profile object, to free(). NULL: neither. */
char *policy_key(const struct object *object);
