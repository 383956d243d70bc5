/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: the parts from which Kubernetes' policies are converted. */

#include "model/kinds-kubernetes.h"

struct buf;

/* --- kubernetes-selector.c ------------------------------------------------------------------- */

/* Gives the selector of pods: Kubernetes' own, with these labels. NULL: all of them. */
MUST_CHECK int kubernetes_pod_selector(const struct label_selector *selector, char **ret,
				       struct err *err);
/* Gives the selector of namespaces. NULL: gives NULL, which says nothing; empty: all(). */
MUST_CHECK int kubernetes_namespace_selector(const struct label_selector *selector, char **ret,
					     struct err *err);

/* --- kubernetes-ports.c ---------------------------------------------------------------------- */

struct port_span {
	uint16_t first;
	uint16_t last;
};

/* The ports of one protocol, merged. */
struct port_group {
	bool used;
	bool all;
	const char **names; /* borrowed */
	size_t n_names;
	struct port_span *spans;
	size_t n_spans;
};

enum port_protocol { /* in the order of their rules */
		     PORT_SCTP,
		     PORT_TCP,
		     PORT_UDP,
		     PORT_PROTOCOLS_,
};

/* What a rule says of ports. */
struct port_groups {
	bool any; /* no condition at all: any protocol */
	struct port_group groups[PORT_PROTOCOLS_];
};
void port_groups_deinit(struct port_groups *groups);
CLEANUP_DEINIT(struct port_groups, port_groups_deinit);

MUST_CHECK int port_groups_of_policy(const struct kubernetes_port_list *ports,
				     struct port_groups *ret, struct err *err);
MUST_CHECK int port_groups_of_cluster_policy(const struct cluster_protocol_list *protocols,
					     struct port_groups *ret, struct err *err);
/* How many rules one peer needs, and how many ports they have together. */
size_t port_groups_rules(const struct port_groups *groups);
size_t port_groups_size(const struct port_groups *groups);
/*
 * The conditions of the rule of number 'index' below port_groups_rules(): protocol, and ports of
 * its destination.
 */
void port_groups_apply(const struct port_groups *groups, size_t index, struct rule *rule);

/* --- Both kinds of policies ------------------------------------------------------------------ */

/* What limits the conversion of one policy. */
struct conversion {
	size_t used; /* of KUBERNETES_CONVERTED_MAX */
	struct str_list *problems;
};

/* -EINVAL: 'count' peers of 'groups' are too many beside what was converted before. */
MUST_CHECK int conversion_take(struct conversion *conversion, size_t n_peers,
			       const struct port_groups *groups, struct err *err);
void conversion_problem(struct conversion *conversion, const char *list, size_t index,
			const char *what, const struct err *err);
struct rule *rule_list_add(struct rule_list *list);
void rule_list_clear(struct rule_list *list);
/* What an object that is made of another has of its metadata; its UID is one of its own. */
void kubernetes_copy_meta(const struct object *from, struct object *to);

MUST_CHECK int cluster_policy_convert(const struct object *object, struct conversion *conversion,
				      struct object **ret, struct err *err);
