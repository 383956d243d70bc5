/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The reserve's side in the datastore: what is under its handle, and how it gets there. Blocking.
 */

#include "agent/reserve.h"

struct ipam_writer;
struct store;

struct reserve_fill {
	const char *handle;
	unsigned int wanted[2]; /* IPv4, IPv6 */
	bool anew;		/* give back what is there first */
	bool none;		/* give back all */
	/* Result: all that is under the handle now. */
	struct ip_addr addrs[RESERVE_ADDRS_MAX];
	size_t n;
};

/*
 * Reads what is under the handle and assigns what is missing, from blocks this node has: a reserve
 * is no reason to take another one. Fewer than wanted is no failure. <0: the datastore failed, the
 * result is not set.
 */
MUST_CHECK int reserve_fill(struct store *store, struct ipam_writer *writer,
			    struct reserve_fill *fill, struct err *err);
