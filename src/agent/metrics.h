/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's counters, and their text in Prometheus' format. */

#include <stdbool.h>
#include <stdint.h>

struct buf;

#define METRICS_BUCKETS 12

/* A histogram of seconds; bounds are in metrics.c. */
struct metrics_histogram {
	uint64_t counts[METRICS_BUCKETS + 1];
	uint64_t n;
	uint64_t sum_us;
};
void metrics_observe(struct metrics_histogram *histogram, uint64_t us);

struct metrics {
	const char *node_name;
	uint64_t n_nodes;
	uint64_t n_endpoints;
	uint64_t n_blocks;
	uint64_t n_pools;
	uint64_t n_routes;
	uint64_t n_offload_devices;
	uint64_t n_applies;
	uint64_t apply_us_total;
	uint64_t n_dataplane_failures;
	uint64_t n_repairs;
	uint64_t n_overruns;
	uint64_t n_resyncs;
	uint64_t n_updates; /* objects */
	uint64_t n_calcs;   /* batches of them */
	uint64_t calc_us_total;
	uint64_t initial_resync_us; /* 0: not there yet */
	bool in_sync;
	uint64_t datastore_away; /* 0 or 1 */
	uint64_t n_reserve;
	uint64_t n_unwritten;
	uint64_t n_policy_problems;
	uint64_t n_refused_policies;
	uint64_t n_unreadable;
	uint64_t n_without_good;
	uint64_t n_unsaved_good;
	uint64_t n_bgp_established;
	uint64_t n_bgp_not_established;
	uint64_t n_bird_reloads;
	uint64_t n_flow_packets;
	uint64_t n_flow_overruns;
	uint64_t n_flow_lost;
	uint64_t n_flow_bad;
	uint64_t n_cni_ok[3]; /* ADD, DEL, CHECK */
	uint64_t n_cni_failed[3];
	struct metrics_histogram cni_seconds[3];
};

void metrics_write(const struct metrics *metrics, struct buf *out);
/* The page of docs/reference. */
void metrics_write_reference(struct buf *out);
