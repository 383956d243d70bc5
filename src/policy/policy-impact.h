/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose connections change their verdict between two worlds. Not every endpoint is tried with every
 * other at every port: endpoints that no selector, prefix or port name can tell apart are one, and
 * so are ports that no rule tells apart, addresses outside likewise. What is left is tried in full.
 *
 * A connection is judged by the sender's egress and the receiver's ingress; hosts on its way are
 * left out. It is sent from an ephemeral port.
 */

#include "policy/policy-verdict.h"

#define IMPACT_TRIALS_MAX 400000u /* connections that are judged; then 'complete' is false */

/* Endpoints that are alike, by one of them. */
struct impact_subject {
	char *text;			   /* "pod/shop/web-1", "ip/10.0.0.0" */
	size_t n_alike;			   /* others like it */
	struct ip_addr addrs[2];	   /* IPv4, IPv6; family 0: none */
	const struct world_peer *peers[2]; /* before, after; NULL: outside */
};

struct impact_change {
	size_t from; /* of the subjects */
	size_t to;
	bool families[2]; /* IPv4, IPv6 */
	bool allowed;	  /* now; before it was not. Or the other way round */
	char *ports;	  /* "TCP 80, 443-500; all UDP" */
	char *reason;	  /* of what denies it, now or before */
};

struct policy_impact {
	struct impact_subject *subjects;
	size_t n_subjects;
	struct impact_change *changes;
	size_t n_changes;
	size_t n_trials;
	bool complete;
	size_t n_changed_objects;	/* that are new, other or gone */
	struct policy_world *worlds[2]; /* what the subjects' peers are of */
};
void policy_impact_deinit(struct policy_impact *impact);
CLEANUP_DEINIT(struct policy_impact, policy_impact_deinit);

/*
 * Endpoints that are in both worlds are looked at, not new ones. Staged policies count where they
 * are enforced; see policy_world_enforce().
 */
void policy_impact(struct policy_world *before, struct policy_world *after,
		   struct policy_impact *ret);
