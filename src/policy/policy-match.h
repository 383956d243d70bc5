/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Does a policy select an endpoint, does a rule match a packet; and which field, which term of
 * which selector decides that. 'why' may be NULL. It is appended to in both cases: all that held,
 * or the first thing that did not.
 */

#include "policy/policy-protocol.h"
#include "policy/policy-reason.h"
#include "policy/policy-world.h"

struct packet {
	struct ip_addr source;
	struct ip_addr destination;
	uint8_t protocol;
	uint16_t source_port; /* of TCP, UDP, SCTP */
	uint16_t destination_port;
	uint8_t icmp_type; /* of ICMP, ICMPv6 */
	uint8_t icmp_code;
};

/* Without regard to stage and direction. */
bool policy_selects(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, struct reason *why);

struct matched_rule {
	bool matches;
	bool unreadable; /* can't be understood: matches, and denies; what only allows matches nothing */
	enum rule_action action;
};

/* Of one direction. */
size_t policy_rules(const struct world_policy *policy, enum policy_direction direction);
struct matched_rule policy_match(struct policy_world *world, const struct world_policy *policy,
				 enum policy_direction direction, size_t index,
				 const struct packet *packet, struct reason *why);

/* The same of a rule by itself: a profile's ('namespace' NULL), or a policy's. */
struct matched_rule rule_match(struct policy_world *world, const struct rule *rule,
			       const char *namespace, enum policy_direction direction,
			       const struct packet *packet, struct reason *why);

/* Of Kubernetes' ClusterNetworkPolicy; policy-cluster-match.c. */
bool cluster_selects(const struct world_policy *policy, const struct world_peer *peer,
		     struct reason *why);
size_t cluster_rules(const struct world_policy *policy, enum policy_direction direction);
struct matched_rule cluster_rule_match(struct policy_world *world,
				       const struct world_policy *policy,
				       enum policy_direction direction, size_t index,
				       const struct packet *packet, struct reason *why);

/* Of Kubernetes' NetworkPolicy; policy-kubernetes-match.c. */
bool kubernetes_selects(const struct world_policy *policy, const struct world_peer *peer,
			struct reason *why);
bool kubernetes_rule_matches(struct policy_world *world, const struct world_policy *policy,
			     enum policy_direction direction, size_t index,
			     const struct packet *packet, struct reason *why);
const struct kubernetes_policy_spec *kubernetes_spec(const struct object *object);
