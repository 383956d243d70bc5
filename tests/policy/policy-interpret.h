/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a dataplane is told, carried out in the plainest way: a packet against the policies of one
 * workload endpoint as an update holds them. Stands between the evaluator and the kernel, so that a
 * disagreement is known to be the graph's and the compiler's, or the renderer's.
 */

#include "policy/policy-match.h"
#include "policy/policy-update.h"

/* 'update' is a snapshot: everything in it is new. */
bool interpret_allows(const struct policy_update *update, const struct policy_endpoint *endpoint,
		      enum policy_way way, const struct packet *packet);
