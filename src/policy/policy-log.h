/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What FelixConfiguration's logPrefix means for a policy. */

struct buf;

/*
 * Appends 'format' (NULL: "calico-packet") with "%t" for the tier, "%k" for the kind, "%n" for the
 * name and "%p" for namespace and name of the policy; another "%x" stays as it is.
 */
void policy_log_prefix(const char *format, const char *key, const char *tier, struct buf *ret);
