/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Does a policy select an endpoint, does a rule match a packet; and which field, which term of which
 * selector decides that. 'why' may be NULL. It is appended to in both cases: what held, or the first
 * thing that did not.
 */

#include "policy/policy-world.h"

struct buf;

struct packet {
	struct ip_addr source;
	struct ip_addr destination;
	uint8_t protocol;
	uint16_t source_port; /* of TCP, UDP, SCTP */
	uint16_t destination_port;
	uint8_t icmp_type; /* of ICMP, ICMPv6 */
	uint8_t icmp_code;
};

/* "TCP", "47" */
struct protocol_str {
	char s[12];
};
struct protocol_str protocol_format(uint8_t protocol);
/* By name in any case, or number; 0: unknown. */
uint8_t protocol_find(const char *text);
/* TCP, UDP, SCTP: those whose ports policies look at. */
bool protocol_has_ports(uint8_t protocol);

/* Without regard to stage and direction. */
bool policy_selects(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, struct buf *why);

struct matched_rule {
	bool matches;
	bool unreadable; /* can't be understood: matches, and denies; what only allows matches nothing */
	enum rule_action action;
};

/* Of one direction. */
size_t policy_rules(const struct world_policy *policy, enum policy_direction direction);
struct matched_rule policy_match(struct policy_world *world, const struct world_policy *policy,
				 enum policy_direction direction, size_t index,
				 const struct packet *packet, struct buf *why);

/* The same of a rule by itself: a profile's ('namespace' NULL), or a policy's. */
struct matched_rule rule_match(struct policy_world *world, const struct rule *rule,
			       const char *namespace, enum policy_direction direction,
			       const struct packet *packet, struct buf *why);

/* Of Kubernetes' ClusterNetworkPolicy; policy-cluster-match.c. */
bool cluster_selects(const struct world_policy *policy, const struct world_peer *peer,
		     struct buf *why);
size_t cluster_rules(const struct world_policy *policy, enum policy_direction direction);
struct matched_rule cluster_rule_match(struct policy_world *world,
				       const struct world_policy *policy,
				       enum policy_direction direction, size_t index,
				       const struct packet *packet, struct buf *why);

/* Of Kubernetes' NetworkPolicy; policy-kubernetes-match.c. */
bool kubernetes_selects(const struct world_policy *policy, const struct world_peer *peer,
			struct buf *why);
bool kubernetes_rule_matches(struct policy_world *world, const struct world_policy *policy,
			     enum policy_direction direction, size_t index,
			     const struct packet *packet, struct buf *why);
const struct kubernetes_policy_spec *kubernetes_spec(const struct object *object);
