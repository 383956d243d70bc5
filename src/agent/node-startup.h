/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a node does before its loop begins, as calico/node's start-up: cluster-wide defaults,
 * default pools, this node's address and Node object, the file nodename. Blocking, against the
 * datastore.
 */

#include "agent/agent-args.h"
#include "base/ip.h"

struct store;

/*
 * 0: all is there. <0: 'err' says what is missing and how to mend it; what was written stays, a
 * second run goes on from there.
 */
MUST_CHECK int node_startup(struct store *store, const struct agent_args *args, struct err *err);

/*
 * The node's address of that family by IP/IP6 and the detection method. 'stored' is the one in the
 * Node object (family 0: none). 0: '*ret' set (family 0: the node is to have none).
 */
MUST_CHECK int node_find_address(const struct agent_args *args, uint8_t family,
				 const struct cidr *stored, struct cidr *ret, struct err *err);
