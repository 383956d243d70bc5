/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Kubernetes' objects as Calico has them: its policies as policies of Calico's, in the tiers and at
 * the orders that are theirs; namespaces and service accounts as profiles; pods as endpoints. Pure.
 */

#include <stdbool.h>

#include "base/err.h"
#include "model/model.h"

struct str_list;

#define KUBERNETES_POLICY_ORDER	     1000
#define KUBERNETES_NAMESPACE_PROFILE "kns."
#define KUBERNETES_ACCOUNT_PROFILE   "ksa."
#define KUBERNETES_ORCHESTRATOR	     "k8s"
#define KUBERNETES_RULE_NAME	     "name" /* annotation of a rule: its name in the original */
#define KUBERNETES_PROBLEMS_MAX	     16
#define KUBERNETES_CONVERTED_MAX     (1U << 18) /* ports and peers of one policy, converted */

/* A KubernetesNetworkPolicy, a KubernetesClusterNetworkPolicy or a staged Kubernetes policy. */
bool kubernetes_policy_is(const struct object *object);

/*
 * Gives the NetworkPolicy, GlobalNetworkPolicy or StagedNetworkPolicy that means the same. A rule
 * that can't be understood is left out if it allows and denies everything if it does not;
 * 'problems' (may be NULL) then grows by a line each, the first KUBERNETES_PROBLEMS_MAX.
 * -EINVAL: what the policy applies to can't be understood, 'err' says why.
 */
MUST_CHECK int kubernetes_policy_convert(const struct object *object, struct object **ret,
					 struct str_list *problems, struct err *err);

/* Gives the Profile kns.NAMESPACE, which allows everything and carries the labels as "pcns.". */
struct object *kubernetes_namespace_profile(const struct object *namespace);
/* Gives the Profile ksa.NAMESPACE.NAME, which has no rules and carries the labels as "pcsa.". */
struct object *kubernetes_account_profile(const struct object *account);

enum kubernetes_pod_outcome {
	KUBERNETES_POD_E_NONE = 1, /* not scheduled yet, or in the node's own network */
};

/*
 * Gives the WorkloadEndpoint of a Pod, with its interface eth0. A pod that has ended has no
 * addresses. 0, KUBERNETES_POD_E_NONE. -EINVAL: 'err' says why none can be made.
 */
MUST_CHECK int kubernetes_pod_endpoint(const struct object *pod, struct object **ret,
				       struct err *err);

/* Tiers that are there even if the datastore has no object of theirs. */
struct builtin_tier {
	const char *name;
	double order;
	bool pass; /* what no policy of it decides goes on to the next tier */
};
/* NULL: none of them. */
const struct builtin_tier *builtin_tier_find(const char *name);
