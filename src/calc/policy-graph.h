/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The policy half of the agent's graph: policies, tiers, profiles, endpoints, network sets, nodes,
 * pools, services go in; which policies are in force on this node's endpoints, in which order, and
 * the members of the sets their rules use, come out as changes. Pure: no I/O, no clock. The order
 * of inputs does not matter; a change costs what it touches, and policies that select nothing local
 * cost a look at their selector and nothing else.
 *
 * Labels are an endpoint's own, those its fields stand for (namespace, orchestrator, service
 * account) over them, and below them those of its profiles. A profile that an endpoint names and
 * that is not there denies everything, and is among the problems; "projectcalico-default-allow" and
 * the tiers "default", "kube-admin" and "kube-baseline" are there without an object. A tier that
 * policies name and that is not there stands behind all others and denies at its end. The fixed
 * sets are told with the first flush, even if they are empty.
 */

#include "model/model.h"
#include "policy/policy-update.h"

struct policy_graph;
struct policy_graph *policy_graph_new(const char *node_name);
struct policy_graph *policy_graph_free(struct policy_graph *graph);
CLEANUP_FUNC(struct policy_graph *, policy_graph_free);

/*
 * Creates or replaces; what is needed of the object is copied. Kinds it has no use for are ignored.
 * -EINVAL: it can't be understood, 'err' says why; what was known of it before stays in force. A
 * policy that was never understood and can't be is remembered: policy_graph_problems().
 */
MUST_CHECK int policy_graph_put(struct policy_graph *graph, const struct object *object,
				struct err *err);
/* 'namespace' NULL for kinds without. */
void policy_graph_remove(struct policy_graph *graph, enum kind kind, const char *namespace,
			 const char *name);

/* What has changed since the last flush; borrowed until the graph is called again. */
void policy_graph_flush(struct policy_graph *graph, struct policy_update *ret);

/*
 * The whole desired state, recomputed from the inputs by looking at everything, and not from what
 * the increments made: for tests and for looking into a graph. It takes as long as there are
 * policies times endpoints. Borrowed until the graph is called again.
 */
void policy_graph_snapshot(struct policy_graph *graph, struct policy_update *ret);

/* Whose an address is: an endpoint of any node, or a network set. */
struct policy_owner {
	struct ip_addr addr; /* asked for */
	enum kind kind;
	const char *namespace; /* "": none */
	const char *name;      /* NULL: nobody's */
	uint8_t prefix_len;
};
/*
 * Fills in the owners of 'n' addresses, by one look at everything. Names are borrowed until the
 * graph is called again.
 */
void policy_graph_owners(const struct policy_graph *graph, struct policy_owner *owners, size_t n);
/*
 * The policy's key by what the flow log calls it (policy-log.h); what is no policy's is given back
 * as it is.
 */
const char *policy_graph_logged(const struct policy_graph *graph, const char *id);

/* Is a policy of this key known, whomever it selects? */
bool policy_graph_has(const struct policy_graph *graph, const char *key);

/* Borrowed until the graph is called again. Looks at every policy. */
void policy_graph_problems(struct policy_graph *graph, const struct policy_problem **ret,
			   size_t *ret_n);
/* While this stays, so do the problems. */
uint64_t policy_graph_problem_changes(const struct policy_graph *graph);
