/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a dataplane that has carried out an update does with the first packet of a connection at an
 * endpoint. For tests: it reads compiled rules by the text of compiled-policy.h and nothing else.
 */

#include "policy/policy-match.h"
#include "policy/policy-update.h"

/*
 * POLICY_ACTION_ALLOW, POLICY_ACTION_DENY; at other stages than normal also POLICY_ACTION_PASS:
 * nothing has decided. 'update' is everything, as policy_graph_snapshot() gives it.
 */
enum policy_action policy_replay(const struct policy_update *update,
				 const struct policy_endpoint *endpoint, enum policy_stage stage,
				 enum policy_way way, const struct packet *packet);
