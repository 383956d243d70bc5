/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For tests: the objects that a graph has taken in, and what a graph makes of them that is told
 * them all at once. However the first one came to where it is, both must say the same.
 */

#include "model/model.h"

struct policy_record {
	struct object **v;
	size_t n;
};
void policy_record_deinit(struct policy_record *record);

/* The graph has taken it; copied. */
void policy_record_put(struct policy_record *record, const struct object *object);
void policy_record_remove(struct policy_record *record, enum kind kind, const char *namespace,
			  const char *name);
/* What a new graph of the node says of them, the latest first: policy_mirror_text(). */
char *policy_record_text(const struct policy_record *record, const char *node);
