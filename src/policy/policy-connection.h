/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The verdict on the first packet of a connection, from one end to the other: at every endpoint and
 * every host on its way where policy looks at it. What the answers are is not asked: connection
 * tracking lets them pass.
 *
 * Which host endpoint a packet meets on a host depends on the interface, which objects do not say
 * in full. It is taken to be the one with the node's address among its expectedIPs; else the one of
 * the interface that the Node gives this address; else the one for all interfaces; else the only
 * one there is; a note says so where the answer depends on it. What goes through a tunnel meets the
 * one for all interfaces alone.
 *
 * A destination that is dialled by another address is translated on the first host: the sender's,
 * or where it comes in from outside. doNotTrack and preDNAT policies there see what is dialled, all
 * others the destination itself. What doNotTrack allows is not tracked, and so never translated.
 */

#include "policy/policy-end.h"
#include "policy/policy-verdict.h"

/* A place on the way. */
struct connection_station {
	const char *node;
	struct verdict_trace trace; /* peer NULL: nothing was walked through, 'note' says all */
	enum verdict verdict;
	char *note;    /* or NULL */
	char *assumed; /* what the note rests on and nothing here tells; or NULL */
};

struct connection_trace {
	struct connection_station *stations;
	size_t n_stations;
	enum verdict verdict; /* VERDICT_ALLOW, VERDICT_DENY */
};
void connection_trace_deinit(struct connection_trace *trace);
CLEANUP_DEINIT(struct connection_trace, connection_trace_deinit);

/*
 * 'packet' has protocol and ports, the destination's own; its addresses are those of the ends,
 * where they are not translated. The trace borrows from the world until that changes.
 */
enum verdict connection_verdict(struct policy_world *world, const struct connection_end *from,
				const struct connection_end *to, const struct packet *packet,
				struct connection_trace *ret);

struct connection_options {
	bool whole; /* goes on behind a station that denies, as if it had not */
	/* What the agent's environment sets it to: Drop, Accept, Return. NULL: what objects say. */
	const char *endpoint_to_host_action;
};
enum verdict connection_verdict_with(struct policy_world *world, const struct connection_end *from,
				     const struct connection_end *to, const struct packet *packet,
				     const struct connection_options *options,
				     struct connection_trace *ret);
