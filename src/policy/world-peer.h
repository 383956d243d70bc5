/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: a peer made of an endpoint or network set. */

#include "policy/policy-world.h"

/* In the labels of a namespace: it is in one, whichever. No namespace can have such a label. */
#define LABEL_ANY_NAMESPACE "any-namespace/"

/* False: the object is none. The peer borrows from the object and the world. */
bool world_peer_make(const struct policy_world *world, const struct object *object,
		     struct world_peer *ret);
void world_peer_deinit(struct world_peer *peer);
