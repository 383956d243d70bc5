/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * This node's own addresses on its tunnel devices: one from IPAM for each encapsulation some pool
 * uses, kept in the Node object for the others to see.
 */

#include "base/err.h"

struct store;
struct ipam_writer;

/*
 * Assigns what is missing, releases what no pool wants any more, writes the Node if it changed.
 * Blocking. 0: the Node says what is so. <0: 'err' names tunnel and reason; call again later.
 */
MUST_CHECK int tunnel_addresses_ensure(struct store *store, struct ipam_writer *writer,
				       const char *node_name, struct err *err);
