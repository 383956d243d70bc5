/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics as one const table: name, type, help, value. Felix' names where the same thing is
 * measured, so that dashboards keep working.
 */

#include "agent/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/macros.h"

static const uint64_t bounds_us[METRICS_BUCKETS] = {
	500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 250000, 1000000, 5000000, 30000000,
};

static const char *const cni_verbs[] = {"ADD", "DEL", "CHECK"};

void metrics_observe(struct metrics_histogram *histogram, uint64_t us)
{
	unsigned int i = 0;

	while (i < METRICS_BUCKETS && us > bounds_us[i])
		i++;
	histogram->counts[i]++;
	histogram->n++;
	histogram->sum_us += us;
}

/* --- Samples --------------------------------------------------------------------------------- */

static void write_host(const struct metrics *metrics, const char *name, struct buf *out)
{
	buf_addf(out, "%s{host=\"%s\"} 1\n", name, metrics->node_name);
}

static void write_resync_state(const struct metrics *metrics, const char *name, struct buf *out)
{
	buf_addf(out, "%s %d\n", name, metrics->in_sync ? 3 : 1);
}

static void write_summary(const char *name, uint64_t us, uint64_t n, struct buf *out)
{
	buf_addf(out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, (double)us / 1e6, name, n);
}

static void write_apply_time(const struct metrics *metrics, const char *name, struct buf *out)
{
	write_summary(name, metrics->apply_us_total, metrics->n_applies, out);
}

static void write_calc_time(const struct metrics *metrics, const char *name, struct buf *out)
{
	write_summary(name, metrics->calc_us_total, metrics->n_calcs, out);
}

static void write_initial_resync(const struct metrics *metrics, const char *name, struct buf *out)
{
	buf_addf(out, "%s %.6f\n", name, (double)metrics->initial_resync_us / 1e6);
}

/* The same interfaces in both families' tables. */
static void write_flowtable_devices(const struct metrics *metrics, const char *name,
				    struct buf *out)
{
	buf_addf(out, "%s{ip_version=\"4\"} %" PRIu64 "\n%s{ip_version=\"6\"} %" PRIu64 "\n", name,
		 metrics->n_offload_devices, name, metrics->n_offload_devices);
}

static void write_bgp_peers(const struct metrics *metrics, const char *name, struct buf *out)
{
	buf_addf(out, "%s{state=\"established\"} %" PRIu64 "\n%s{state=\"other\"} %" PRIu64 "\n",
		 name, metrics->n_bgp_established, name, metrics->n_bgp_not_established);
}

static void write_cni_requests(const struct metrics *metrics, const char *name, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(cni_verbs); i++)
		buf_addf(out,
			 "%s{verb=\"%s\",result=\"ok\"} %" PRIu64
			 "\n%s{verb=\"%s\",result=\"failed\"} %" PRIu64 "\n",
			 name, cni_verbs[i], metrics->n_cni_ok[i], name, cni_verbs[i],
			 metrics->n_cni_failed[i]);
}

static void write_cni_seconds(const struct metrics *metrics, const char *name, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(cni_verbs); i++) {
		const struct metrics_histogram *histogram = &metrics->cni_seconds[i];
		uint64_t sum = 0;

		for (size_t b = 0; b < METRICS_BUCKETS; b++) {
			sum += histogram->counts[b];
			buf_addf(out, "%s_bucket{verb=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
				 cni_verbs[i], (double)bounds_us[b] / 1e6, sum);
		}
		buf_addf(out,
			 "%s_bucket{verb=\"%s\",le=\"+Inf\"} %" PRIu64
			 "\n%s_sum{verb=\"%s\"} %.6f\n%s_count{verb=\"%s\"} %" PRIu64 "\n",
			 name, cni_verbs[i], histogram->n, name, cni_verbs[i],
			 (double)histogram->sum_us / 1e6, name, cni_verbs[i], histogram->n);
	}
}

/* --- Of the process -------------------------------------------------------------------------- */

static void write_resident(const struct metrics *metrics, const char *name, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	unsigned long long pages = 0;
	char *end;

	(void)metrics;
	if (file_read("/proc/self/statm", 4096, &text, NULL) == 0) {
		(void)strtoull(buf_str(&text), &end, 10);
		pages = strtoull(end, NULL, 10);
	}
	buf_addf(out, "%s %" PRIu64 "\n", name, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void write_cpu(const struct metrics *metrics, const char *name, struct buf *out)
{
	struct timespec used = {0};

	(void)metrics;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	buf_addf(out, "%s %.3f\n", name, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
}

static void write_open_files(const struct metrics *metrics, const char *name, struct buf *out)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	(void)metrics;
	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	buf_addf(out, "%s %u\n", name, n > 3 ? n - 3 : 0); /* ".", "..", and the directory */
}

/* --- All of them ----------------------------------------------------------------------------- */

#define AT(member) offsetof(struct metrics, member), NULL

/* In the order of the answer and of the page in docs/reference. */
static const struct {
	const char *name;
	const char *type;
	const char *help;
	size_t offset; /* of a uint64_t */
	/* Instead, where there is more to write. */
	void (*write)(const struct metrics *metrics, const char *name, struct buf *out);
} table[] = {
	{"felix_host", "gauge", "Constant 1, labelled with this node's name.", 0, write_host},
	{"felix_active_local_endpoints", "gauge", "Endpoints on this node.", AT(n_endpoints)},
	{"felix_cluster_num_hosts", "gauge", "Nodes in the cluster.", AT(n_nodes)},
	{"felix_resync_state", "gauge", "1: reading the snapshot, 3: in sync.", 0,
	 write_resync_state},
	{"felix_resyncs_started", "counter", "Snapshots read from the datastore.", AT(n_resyncs)},
	{"felix_calc_graph_updates_processed", "counter", "Objects taken in from the datastore.",
	 AT(n_updates)},
	{"felix_calc_graph_update_time_seconds", "summary",
	 "Time from a batch of objects to the desired state.", 0, write_calc_time},
	{"felix_int_dataplane_apply_time_seconds", "summary",
	 "Time to bring the kernel to the desired state.", 0, write_apply_time},
	{"felix_int_dataplane_failures", "counter",
	 "Times the kernel did not take the desired state.", AT(n_dataplane_failures)},
	{"felix_int_dataplane_initial_resync_time_seconds", "gauge",
	 "Time from the agent's start until the kernel had all of the first snapshot.", 0,
	 write_initial_resync},
	{"felix_route_table_num_routes", "gauge", "Routes this node keeps in the kernel.",
	 AT(n_routes)},
	{"felix_nft_flowtable_devices", "gauge",
	 "Interfaces between which established connections take the kernel's flow table.", 0,
	 write_flowtable_devices},
	{"korat_dataplane_repairs_total", "counter",
	 "Changes of ours by someone else that were put back.", AT(n_repairs)},
	{"korat_dataplane_overruns_total", "counter",
	 "Times the kernel's announcements were lost and everything was read back.",
	 AT(n_overruns)},
	{"korat_ipam_blocks", "gauge", "Address blocks in the cluster.", AT(n_blocks)},
	{"korat_ip_pools", "gauge", "IP pools in the cluster.", AT(n_pools)},
	{"korat_datastore_away", "gauge",
	 "1: the datastore does not answer, or has not got all changes yet.", AT(datastore_away)},
	{"korat_reserve_addresses", "gauge",
	 "Addresses for pods that come while the datastore is away.", AT(n_reserve)},
	{"korat_unwritten_changes", "gauge", "Pods that came or went, not in the datastore yet.",
	 AT(n_unwritten)},
	{"felix_nflog_logs_received", "counter", "Packets that rules told the flow log of.",
	 AT(n_flow_packets)},
	{"felix_nflog_buffer_overruns", "counter",
	 "Times the kernel had more packets for the flow log than it can keep.",
	 AT(n_flow_overruns)},
	{"felix_nflog_parse_errors", "counter",
	 "Packets for the flow log that could not be understood.", AT(n_flow_bad)},
	{"korat_flow_packets_lost_total", "counter", "Packets that are missing in the flow log.",
	 AT(n_flow_lost)},
	{"korat_policy_problems", "gauge",
	 "Policies, and rules of policies, that can't be enforced as they stand: such a rule denies, of such a "
	 "policy the last good version is in force.",
	 AT(n_policy_problems)},
	{"korat_refused_policies", "gauge",
	 "Those of them of which this node's kernel refuses something: such a policy denies, all "
	 "others are in force.",
	 AT(n_refused_policies)},
	{"korat_unreadable_objects", "gauge",
	 "Objects in the datastore that can't be understood; of each, the last good version is in "
	 "force.",
	 AT(n_unreadable)},
	{"korat_objects_without_good_version", "gauge",
	 "Those of them of which this node knows no good version: nothing of a new one is in force, "
	 "a policy that was there before this agent denies whatever it may select.",
	 AT(n_without_good)},
	{"korat_unsaved_good_versions", "gauge",
	 "Good versions of objects that are not on this node's disk yet.", AT(n_unsaved_good)},
	{"korat_bird_reloads_total", "counter", "Configurations handed to BIRD.",
	 AT(n_bird_reloads)},
	{"korat_bgp_peers", "gauge", "BGP sessions of this node by state.", 0, write_bgp_peers},
	{"korat_cni_requests_total", "counter", "CNI calls by verb and outcome.", 0,
	 write_cni_requests},
	{"korat_cni_seconds", "histogram", "Time from a CNI call to its answer.", 0,
	 write_cni_seconds},
	{"process_resident_memory_bytes", "gauge", "Resident memory of the agent.", 0,
	 write_resident},
	{"process_cpu_seconds_total", "counter", "Time the agent had a processor.", 0, write_cpu},
	{"process_open_fds", "gauge", "Files the agent has open.", 0, write_open_files},
};

void metrics_write(const struct metrics *metrics, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const void *at = (const char *)metrics + table[i].offset;

		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", table[i].name, table[i].help,
			 table[i].name, table[i].type);
		if (table[i].write)
			table[i].write(metrics, table[i].name, out);
		else
			buf_addf(out, "%s %" PRIu64 "\n", table[i].name, *(const uint64_t *)at);
	}
}

void metrics_write_reference(struct buf *out)
{
	buf_adds(out,
		 "# Metrics of the agent\n\n"
		 "Written by `./dev docs` from the table in `src/agent/metrics.c`. With "
		 "`korat agent --metrics ADDR:PORT` they\nare at `http://ADDR:PORT/metrics`, in "
		 "Prometheus' text format. A name that begins with `felix_` means what\nit means "
		 "in Calico, so that its dashboards and alerts go on; `process_` is Prometheus' "
		 "own convention.\n\n"
		 "| Metric | Type | What |\n|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		buf_addf(out, "| `%s` | %s | %s |\n", table[i].name, table[i].type, table[i].help);
	buf_adds(
		out,
		"\nWhat to be woken for: `felix_resync_state < 3`, `korat_datastore_away == 1` for "
		"minutes, `korat_policy_problems` and\n`korat_unreadable_objects` above 0, above all `korat_objects_without_good_version`; a growing\n`felix_int_dataplane_failures`, "
		"`korat_cni_requests_total{result=\"failed\"}`, and sessions that are not\n"
		"`established`.\n\n"
		"Calico's that are not here measure what Korat does not have (programs it would run, "
		"iptables, ipsets,\nTypha) or does not count yet (policies, log lines).\n");
}
