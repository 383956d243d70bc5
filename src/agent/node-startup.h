/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a node does before its loop begins, as calico/node's start-up: cluster-wide defaults,
 * default pools, this node's address and Node object, the files nodename and korat-cluster.
 * Blocking, against the datastore.
 */

#include "agent/agent-args.h"

struct store;

/*
 * 0: all is there. <0: 'err' says what is missing and how to mend it; what was written stays, a
 * second run goes on from there.
 */
MUST_CHECK int node_startup(struct store *store, const struct agent_args *args, struct err *err);

/*
 * The Node object alone: made if it is not there, its addresses found anew as IP and IP6 say,
 * written if anything changed. 0 or <0, as above.
 */
MUST_CHECK int node_register(struct store *store, const struct agent_args *args, struct err *err);
