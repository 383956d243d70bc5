/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a driver would hold after the updates it was given, as text, for tests of the policy graph.
 * Applying fails the test where an update is not what a driver may expect: a member added twice, a
 * set that is new and known, a policy whose set is not there.
 */

#include "model/model-desc.h"
#include "policy/policy-update.h"

struct policy_mirror { /* all zero: empty */
	struct str_map facts;
	struct str_map set_names; /* id -> how a test calls it */
};
void policy_mirror_deinit(struct policy_mirror *mirror);
CLEANUP_DEINIT(struct policy_mirror, policy_mirror_deinit);

void policy_mirror_apply(struct policy_mirror *mirror, const struct policy_update *update);

/* Gives everything, a line a fact. */
char *policy_mirror_text(const struct policy_mirror *mirror);

/*
 * An endpoint as "INTERFACE ADDRESS... | STAGE.WAY TIER[:pass][!] POLICY... ... | PROFILE...", with
 * "!" where the tier is enforced, e.g. "cali1 10.0.0.1/32 | normal.in default! np/a/web | pro/x".
 * NULL: not there.
 */
const char *policy_mirror_endpoint(const struct policy_mirror *mirror, const char *key);
/* As compiled_policy_dump() writes it. NULL: not there. */
const char *policy_mirror_policy(const struct policy_mirror *mirror, const char *key);
/*
 * Gives the members of the set, which is called by its canonical selector, with " port NAME/PROTO"
 * behind it where it is of a named port, by "svc NAMESPACE/NAME", or by its fixed id. NULL: not
 * there.
 */
char *policy_mirror_set(const struct policy_mirror *mirror, const char *name);
