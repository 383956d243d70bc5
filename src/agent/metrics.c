/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics as one const table: name, type, help, value. Felix' names where the same thing is
 * measured, so that dashboards keep working.
 */

#include "agent/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

#define AT(member) offsetof(struct metrics, member)

static const struct {
	const char *name;
	const char *type;
	const char *help;
	size_t offset; /* of a uint64_t */
} plain[] = {
	{"felix_active_local_endpoints", "gauge", "Endpoints on this node.", AT(n_endpoints)},
	{"felix_cluster_num_hosts", "gauge", "Nodes in the cluster.", AT(n_nodes)},
	{"felix_route_table_num_routes", "gauge", "Routes this node keeps in the kernel.",
	 AT(n_routes)},
	{"felix_int_dataplane_failures", "counter",
	 "Times the kernel did not take the desired state.", AT(n_dataplane_failures)},
	{"felix_resyncs_started", "counter", "Snapshots read from the datastore.", AT(n_resyncs)},
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
	{"korat_bird_reloads_total", "counter", "Configurations handed to BIRD.",
	 AT(n_bird_reloads)},
};

static uint64_t resident_bytes(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	unsigned long long pages = 0;
	char *end;

	if (file_read("/proc/self/statm", 4096, &text, NULL) < 0)
		return 0;
	(void)strtoull(buf_str(&text), &end, 10);
	pages = strtoull(end, NULL, 10);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_cni(const struct metrics *metrics, struct buf *out)
{
	head(out, "korat_cni_requests_total", "counter", "CNI calls by verb and outcome.");
	for (size_t i = 0; i < ARRAY_SIZE(cni_verbs); i++)
		buf_addf(out,
			 "korat_cni_requests_total{verb=\"%s\",result=\"ok\"} %" PRIu64
			 "\nkorat_cni_requests_total{verb=\"%s\",result=\"failed\"} %" PRIu64 "\n",
			 cni_verbs[i], metrics->n_cni_ok[i], cni_verbs[i],
			 metrics->n_cni_failed[i]);
	head(out, "korat_cni_seconds", "histogram", "Time from a CNI call to its answer.");
	for (size_t i = 0; i < ARRAY_SIZE(cni_verbs); i++) {
		const struct metrics_histogram *histogram = &metrics->cni_seconds[i];
		uint64_t sum = 0;

		for (size_t b = 0; b < METRICS_BUCKETS; b++) {
			sum += histogram->counts[b];
			buf_addf(out,
				 "korat_cni_seconds_bucket{verb=\"%s\",le=\"%g\"} %" PRIu64 "\n",
				 cni_verbs[i], (double)bounds_us[b] / 1e6, sum);
		}
		buf_addf(out,
			 "korat_cni_seconds_bucket{verb=\"%s\",le=\"+Inf\"} %" PRIu64
			 "\nkorat_cni_seconds_sum{verb=\"%s\"} %.6f\n"
			 "korat_cni_seconds_count{verb=\"%s\"} %" PRIu64 "\n",
			 cni_verbs[i], histogram->n, cni_verbs[i], (double)histogram->sum_us / 1e6,
			 cni_verbs[i], histogram->n);
	}
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
	head(out, "felix_host", "gauge", "Constant 1, labelled with this node's name.");
	buf_addf(out, "felix_host{host=\"%s\"} 1\n", metrics->node_name);
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		head(out, plain[i].name, plain[i].type, plain[i].help);
		buf_addf(
			out, "%s %" PRIu64 "\n", plain[i].name,
			*(const uint64_t *)(const void *)((const char *)metrics + plain[i].offset));
	}
	head(out, "felix_resync_state", "gauge", "1: reading the snapshot, 3: in sync.");
	buf_addf(out, "felix_resync_state %d\n", metrics->in_sync ? 3 : 1);
	head(out, "felix_int_dataplane_apply_time_seconds", "summary",
	     "Time to bring the kernel to the desired state.");
	buf_addf(out,
		 "felix_int_dataplane_apply_time_seconds_sum %.6f\n"
		 "felix_int_dataplane_apply_time_seconds_count %" PRIu64 "\n",
		 (double)metrics->apply_us_total / 1e6, metrics->n_applies);
	head(out, "korat_bgp_peers", "gauge", "BGP sessions of this node by state.");
	buf_addf(out,
		 "korat_bgp_peers{state=\"established\"} %" PRIu64
		 "\nkorat_bgp_peers{state=\"other\"} %" PRIu64 "\n",
		 metrics->n_bgp_established, metrics->n_bgp_not_established);
	write_cni(metrics, out);
	head(out, "process_resident_memory_bytes", "gauge", "Resident memory of the agent.");
	buf_addf(out, "process_resident_memory_bytes %" PRIu64 "\n", resident_bytes());
}
