/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What staged policies would do: another world, in which they are enforced, and what of it concerns
 * an endpoint.
 */

#include "policy/policy-verdict.h"

/* Gives the world with all of them enforced. NULL: none is staged. */
MUST_CHECK int staged_world(const struct policy_world *world, struct policy_world **ret,
			    struct err *err);

/* A staged policy that has a say at an endpoint. */
struct staged_say {
	const struct object *object; /* of the world in which it is enforced */
	const struct object
		*replaces; /* of the world as it is; applies there. NULL: nothing does */
	bool applies;
	bool reached; /* its rules were looked at */
};

/*
 * Gives those that have one where 'trace', of the world 'then', was made; free() them. 'now' is the
 * world as it is.
 */
size_t staged_says(struct policy_world *now, struct policy_world *then,
		   const struct verdict_trace *trace, struct staged_say **ret);
