/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: label selectors and pods, straight from Kubernetes' text. */

#include "model/kinds-kubernetes.h"
#include "policy/policy-match.h"

/*
 * All of it must hold; the empty selector selects everything. 'field' is what 'why' (may be NULL)
 * calls it: all that holds, or the first that does not.
 */
bool kubernetes_labels_match(const struct label_selector *selector, const struct str_map *labels,
			     const char *field, struct reason *why);
/* Is every key a label's, and every operator one that is known, with the values it needs? */
bool kubernetes_labels_known(const struct label_selector *selector);
/* Of what has labels, only pods count. */
bool kubernetes_is_pod(const struct world_peer *peer);
/* Does a pod that has the packet's destination give its port, and protocol, this name? */
bool kubernetes_is_named_port(struct policy_world *world, const char *name,
			      const struct packet *packet);
