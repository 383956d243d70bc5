/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Everything an audit of the addresses wants, read from the store. */

#include <stddef.h>

#include "ipam/ipam-audit.h"

struct store;

struct ipam_snapshot {
	struct ipam_audited *v;
	size_t n;
	struct ipam_audit audit; /* of them */
};
void ipam_snapshot_deinit(struct ipam_snapshot *snapshot);
CLEANUP_DEINIT(struct ipam_snapshot, ipam_snapshot_deinit);

/* 0: '*ret' is the caller's to deinit. What can't be read of it is in its audit's 'corrupt'. */
MUST_CHECK int ipam_snapshot_read(struct store *store, struct ipam_snapshot *ret, struct err *err);
