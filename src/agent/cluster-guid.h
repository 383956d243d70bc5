/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which cluster this node is of: ClusterInformation's GUID, kept in the state directory once the
 * node has started with it. A datastore that is empty, or another cluster's, is not the one that
 * this node's pods are in: to take it for theirs would sweep their routes away, and give away
 * addresses they have.
 */

#include "agent/agent-args.h"

#define CLUSTER_GUID_FILE "korat-cluster"

struct store;

/* 0: '*ret' given; NULL: this node was in no cluster. <0: the file can't be read. */
MUST_CHECK int cluster_guid_read(const char *state_dir, char **ret, struct err *err);

/* -ENODATA, -EXDEV: the datastore has no ClusterInformation, or another's; 'err' has the remedy. */
MUST_CHECK int cluster_guid_check(struct store *store, const struct agent_args *args,
				  struct err *err);

/* From now on this node is of the datastore's cluster. */
MUST_CHECK int cluster_guid_keep(struct store *store, const struct agent_args *args,
				 struct err *err);
