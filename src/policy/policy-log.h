/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What FelixConfiguration's logPrefix means for a policy. */

#include <stddef.h>

struct buf;

/*
 * Appends 'format' (NULL: "calico-packet") with "%t" for the tier, "%k" for the kind, "%n" for the
 * name and "%p" for namespace and name of the policy; another "%x" stays as it is.
 */
void policy_log_prefix(const char *format, const char *key, const char *tier, struct buf *ret);

/*
 * The prefix by which the flow log knows a rule: "APE3|np/shop/db", letters and id, where
 * policy_flow_id() stands for an id that would not fit into 'size' bytes with all else. Gives it.
 */
char *policy_flow_prefix(const char *letters, const char *id, size_t size);

#define POLICY_FLOW_ID_SIZE 40
struct policy_flow_id {
	char s[POLICY_FLOW_ID_SIZE];
};
/* "_" and a digest: no key and no tier begins so. */
struct policy_flow_id policy_flow_id(const char *id);
