/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flows in the making: what rules said of packets, summed up by whose the packets are. Pure: time
 * and names come from outside. Both steps are bounded; what finds no room is counted and left out.
 */

#include "agent/flow-packet.h"
#include "calc/policy-graph.h"
#include "policy/policy-judge.h"

/* Whose addresses and policies are. */
struct flow_names {
	void *ctx;
	void (*owners)(void *ctx, struct policy_owner *owners, size_t n);
	/* The policy's key by what the log calls it. */
	const char *(*policy)(void *ctx, const char *id);
	/* What staged policies would say. */
	void (*staged)(void *ctx, struct judge_staged *asked, size_t n);
};

#define FLOWS_MAX 4096 /* of each step */

struct flow_table;
struct flow_table *flow_table_new(const struct flow_names *names);
struct flow_table *flow_table_free(struct flow_table *table);
CLEANUP_FUNC(struct flow_table *, flow_table_free);

/* A packet. 'now' in seconds since 1970. */
void flow_table_add(struct flow_table *table, const struct flow_hit *hit,
		    const struct flow_tuple *tuple, int64_t now);
/* Finds the names of what was added since the last time. To be called every second or so. */
void flow_table_resolve(struct flow_table *table);
/* Gives every flow as a line of JSON, to free(), and forgets it. */
void flow_table_flush(struct flow_table *table, void (*emit)(char *line, void *ctx), void *ctx);
uint64_t flow_table_n_lost(const struct flow_table *table); /* packets for which was no room */
