/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stands in the place of a policy that can't be understood and of which no good version is
 * known: it denies whatever the policy may select, and what is known of the policy narrows that.
 */

#include "model/model.h"

/*
 * 'bad': the policy, where it could be read; NULL: nothing but its key is known, as it is for
 * everything in 'bad' that can't be used. NULL: of this kind nothing is closed (no policy, or one
 * that decides nothing).
 */
struct object *policy_closed_new(enum kind kind, const char *namespace, const char *name,
				 const struct object *bad);
