/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What policy is judged on, as it is seen from nowhere in particular: all policies, tiers,
 * profiles, endpoints, network sets, nodes, pools and settings. Objects go in and out in any order;
 * what is derived from them (labels that are inherited, the order of policies) is derived anew from
 * all of them when it is next asked for. Nothing here is quick; all of it is to be read beside the
 * API's own text. Pure: no I/O and no clock.
 */

#include <stdbool.h>

#include "base/ip.h"
#include "model/kinds-policy.h"

struct felix_configuration;
struct policy_world; /* opaque */
struct selector;

#define PROFILE_DEFAULT_ALLOW "projectcalico-default-allow" /* is there without being made */

struct policy_world *policy_world_new(void);
struct policy_world *policy_world_free(struct policy_world *world);
CLEANUP_FUNC(struct policy_world *, policy_world_free);

/*
 * Creates or replaces; the object is copied. Of Kubernetes' Pod, Namespace and ServiceAccount the
 * endpoint or profile is put that Calico makes of it; kinds that say nothing of policy are kept.
 * -EINVAL: a policy's own selector, or its types, can't be understood, 'err' says why; what was
 * known of it before stays in force. A rule that can't be understood is no error: it denies.
 */
MUST_CHECK int policy_world_put(struct policy_world *world, const struct object *object,
				struct err *err);
/* 'namespace' NULL for kinds without. What is not there is gone already. */
void policy_world_remove(struct policy_world *world, enum kind kind, const char *namespace,
			 const char *name);
/* Borrowed until that object is put again or removed. NULL: not there. */
const struct object *policy_world_find(const struct policy_world *world, enum kind kind,
				       const char *namespace, const char *name);
/* All objects, in no order. Borrowed until the next put or remove. */
const struct object *const *policy_world_objects(const struct policy_world *world, size_t *ret_n);

/* --- Staged policies -------------------------------------------------------------------------- */

bool policy_is_staged(const struct object *object);
/*
 * Has the staged policy of this kind and name, which is there, decide as if it were no longer
 * staged: the policy that it would replace, or delete, goes.
 */
void policy_world_enforce(struct policy_world *world, const struct object *object);
/* Was that said of this object of the world? */
bool policy_world_enforces(const struct policy_world *world, const struct object *object);
/* What the staged policy would replace, or delete. NULL: nothing that is there. */
const struct object *policy_world_replaced(const struct policy_world *world,
					   const struct object *object);
/* Gives another one with the same in it. */
MUST_CHECK int policy_world_copy(const struct policy_world *world, struct policy_world **ret,
				 struct err *err);

/* --- What is derived; borrowed until the next put or remove ----------------------------------- */

enum world_peer_type {
	WORLD_WORKLOAD,
	WORLD_HOST, /* a HostEndpoint */
	WORLD_NETWORK_SET,
};

struct world_port {
	const char *name;
	uint8_t protocol;
	uint16_t port;
};

/* What has addresses and labels, and so can be selected. */
struct world_peer {
	enum world_peer_type type;
	const struct object *object;
	char *text;			 /* "pod/NS/NAME", "hep/NAME", "networkset/NS/NAME"... */
	const char *node;		 /* NULL: a network set */
	const char *interface;		 /* NULL: not known */
	bool is_wildcard;		 /* a host endpoint for all interfaces */
	struct str_list profiles;	 /* names, borrowed */
	struct str_map labels;		 /* own ones over those that its profiles give */
	struct str_map namespace_labels; /* those of its namespace, by their own names */
	struct str_map account_labels;	 /* those of its service account */
	struct cidr *nets;
	size_t n_nets;
	struct world_port *ports;
	size_t n_ports;
};

enum world_policy_syntax {
	WORLD_POLICY_CALICO,
	WORLD_POLICY_KUBERNETES, /* NetworkPolicy */
	WORLD_POLICY_CLUSTER,	 /* ClusterNetworkPolicy */
};

struct world_policy {
	enum world_policy_syntax syntax;
	const struct object *object;
	double order; /* INFINITY: last */
	const char *tier;
	bool staged;
	bool do_not_track;
	bool pre_dnat;
	bool apply_on_forward;
	unsigned int directions; /* enum policy_direction */
};

struct world_tier {
	const char *name;
	const struct object *object; /* NULL: none of this name was made */
	double order;
	bool pass;		       /* default action */
	bool known;		       /* made, or one that is always there */
	struct world_policy *policies; /* in order */
	size_t n_policies;
};

const struct world_tier *policy_world_tiers(struct policy_world *world, size_t *ret_n);
const struct world_peer *policy_world_peers(struct policy_world *world, size_t *ret_n);
/* The one made of this object. NULL: none. */
const struct world_peer *policy_world_peer(struct policy_world *world, const struct object *object);
bool world_peer_holds(const struct world_peer *peer, const struct ip_addr *addr);

/*
 * The compiled form of a selector, made once. NULL: it is none. In that of a namespace all() and
 * global() speak of being in a namespace.
 */
const struct selector *policy_world_selector(struct policy_world *world, const char *text);
const struct selector *policy_world_namespace_selector(struct policy_world *world,
						       const char *text);
/* The same, with all() meaning all that have the label. */
const struct selector *policy_world_scoped_selector(struct policy_world *world, const char *text,
						    const char *label);

/* A service's endpoint. */
struct world_service_member {
	struct ip_addr addr;
	uint8_t protocol;
	uint16_t port;
};
/*
 * Is (address, protocol, port) in one of a service's EndpointSlices; 'any_port': of any port and
 * protocol?
 */
bool policy_world_serves(const struct policy_world *world, const char *namespace, const char *name,
			 const struct world_service_member *member, bool any_port);

/* The settings of a node: its own over the cluster's over the built-in. */
const struct felix_configuration *policy_world_settings(struct policy_world *world,
							const char *node);
