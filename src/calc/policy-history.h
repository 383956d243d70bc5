/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Random histories of everything that has to do with policies, for tests. */

#include "model/model.h"

struct policy_history_step {
	enum kind kind;
	const char *namespace; /* NULL for kinds without */
	const char *name;
	struct object *object; /* to put, the caller's to free; NULL: remove */
};
void policy_history_next(uint64_t *random, struct policy_history_step *ret);

/* Less than 'n', from the same source. */
unsigned int policy_history_pick(uint64_t *random, unsigned int n);
