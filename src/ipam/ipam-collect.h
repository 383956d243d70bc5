/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Garbage collection: what nobody uses any more is released. A step function over audits: whatever
 * is to be released must have been unused in two audits running and for the grace period, and is
 * released bound to the sequence number it had, so an address that is given anew in between is left
 * alone. Pure: the requests it gives are for ipam-plan.h to carry out.
 *
 * What is collected: addresses of pods without an endpoint, tunnels and reserves of nodes that are
 * gone, all addresses of a handle or none; handles that no block names, and wrong counts of the
 * others; affinities of hosts that are gone; empty blocks but one of each node; addresses that have
 * cooled down. What it can't judge (load balancers, reservations, unknown attributes) it leaves
 * alone, and it does nothing at all while an object it would have to see can't be read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipam/ipam-audit.h"
#include "ipam/ipam-request.h"

struct ipam_collector; /* opaque */

/* As Calico's leakGracePeriod. */
#define IPAM_GRACE_DEFAULT (15 * 60)

struct ipam_collect_config {
	int64_t grace; /* seconds */
	/*
	 * The age of an address counts from its assignment, where that is known, and not from when
	 * it was first seen unused: for a command that can't wait.
	 */
	bool by_assignment;
};

struct ipam_collector *ipam_collector_new(const struct ipam_collect_config *config);
struct ipam_collector *ipam_collector_free(struct ipam_collector *collector);
CLEANUP_FUNC(struct ipam_collector *, ipam_collector_free);

/* What to ask for, in order; borrows from the collector until its next step. */
struct ipam_collect_update {
	struct ipam_request *requests;
	size_t n_requests;
	size_t n_suspects;   /* seen once, or too young: perhaps next time */
	const char *blocked; /* why nothing is collected; NULL: it is */
};

void ipam_collector_step(struct ipam_collector *collector, const struct ipam_audit *audit,
			 int64_t now, struct ipam_collect_update *ret);
