/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ipam check: what IPAM has assigned against what endpoints and nodes use, as calicoctl says it,
 * with a report for ipam release --from-report. --fix repairs what the collector is sure of.
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "ctl/ctl-internal.h"
#include "ipam-io/ipam-snapshot.h"
#include "ipam-io/ipam-writer.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-collect.h"

#define NODES_TOLD    20u
#define FIX_GRACE     60 /* seconds, unless --grace says another */
#define FIX_BATCH     64u
#define BETWEEN_LOOKS 1 /* seconds */

struct check {
	struct ctl *ctl;
	const struct ipam_audit *audit;
	bool show_all;
	bool show_problems;
	size_t n_problems;
};

/* "Main:<handle> Extra:key=value,..." */
static char *attributes_text(const struct ipam_allocation *allocation)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_addf(&text, "Main:%s Extra:", allocation->handle ? allocation->handle : "<none>");
	for (size_t i = 0; i < allocation->attrs->n; i++)
		buf_addf(&text, "%s%s=%s", i ? "," : "", allocation->attrs->v[i].key,
			 allocation->attrs->v[i].value);
	return buf_take(&text);
}

/* --- The lists -------------------------------------------------------------------------------- */

static void print_blocks(const struct check *check)
{
	const struct ipam_audit *audit = check->audit;
	size_t at = 0;

	printf("Loading all IPAM blocks...\nFound %zu IPAM blocks.\n", audit->n_blocks);
	for (size_t i = 0; i < audit->n_blocks; i++) {
		const struct ipam_block *block = audit->blocks[i];
		const char *affinity = ipam_block_affinity(block);

		printf(" IPAM block %s affinity=%s:\n", cidr_format(ipam_block_cidr(block)).s,
		       affinity ? affinity : "<none>");
		for (; at < audit->n_allocations && audit->allocations[at].block == block; at++) {
			_cleanup_free_ char *text = attributes_text(&audit->allocations[at]);

			if (check->show_all)
				printf("  %s allocated; attrs %s\n",
				       ip_format(&audit->allocations[at].addr).s, text);
		}
	}
	printf("IPAM blocks record %zu allocations.\n\n", audit->n_allocations);
}

static void print_users(const struct check *check)
{
	const struct ipam_audit *audit = check->audit;
	size_t n_distinct = 0;

	printf("Loading all IPAM pools...\n");
	for (size_t i = 0; i < audit->n_pools; i++)
		printf("  %s\n", cidr_format(&audit->pools[i]).s);
	printf("Found %zu active IP pools.\n\n", audit->n_pools);
	printf("Loading all nodes.\nFound %zu node tunnel IPs.\n\n", audit->n_node_users);
	printf("Loading all workload endpoints.\n");
	for (size_t i = 0; i < audit->n_users; i++) {
		const struct ipam_user *user = &audit->users[i];

		n_distinct += i == 0 || !ip_equal(&user->addr, &user[-1].addr);
		if (check->show_all)
			printf("  %s belongs to %s\n", ip_format(&user->addr).s, user->name);
	}
	printf("Found %zu workload IPs.\n", audit->n_users - audit->n_node_users);
	printf("Workloads and nodes are using %zu IPs.\n\n", n_distinct);
}

struct node_count {
	const char *node;
	size_t n;
};

static int compare_node_names(const void *a, const void *b)
{
	return strcmp(((const struct node_count *)a)->node, ((const struct node_count *)b)->node);
}

static int compare_node_counts(const void *a, const void *b)
{
	const struct node_count *left = a;
	const struct node_count *right = b;

	if (left->n != right->n)
		return left->n > right->n ? -1 : 1;
	return strcmp(left->node, right->node);
}

static void print_top_nodes(const struct check *check)
{
	const struct ipam_audit *audit = check->audit;
	_cleanup_free_ struct node_count *counts =
		xcalloc(audit->n_allocations + 1, sizeof(*counts));
	size_t n = 0;

	for (size_t i = 0; i < audit->n_allocations; i++)
		counts[i].node = audit->allocations[i].node;
	if (audit->n_allocations > 1)
		qsort(counts, audit->n_allocations, sizeof(*counts), compare_node_names);
	for (size_t i = 0; i < audit->n_allocations; i++) {
		const char *node = counts[i].node;

		if (!n || strcmp(counts[n - 1].node, node) != 0)
			counts[n++] = (struct node_count){.node = node};
		counts[n - 1].n++;
	}
	if (n > 1)
		qsort(counts, n, sizeof(*counts), compare_node_counts);
	printf("Loading all handles\nLooking for top (up to %u) nodes by allocations...\n",
	       NODES_TOLD);
	for (size_t i = 0; i < n && i < NODES_TOLD; i++)
		printf("  %s has %zu allocations\n", counts[i].node, counts[i].n);
	if (n)
		printf("Node with most allocations has %zu; median is %zu\n", counts[0].n,
		       counts[n / 2].n);
	printf("\n");
}

/* --- The problems ----------------------------------------------------------------------------- */

static bool is_in_use(const struct ipam_audit *audit, const struct ipam_allocation *allocation)
{
	if (allocation->holder == IPAM_HOLDER_RESERVE)
		return ipam_audit_has_node(audit, allocation->node);
	return allocation->n_users > 0 || allocation->holder == IPAM_HOLDER_COOLING ||
	       (allocation->handle &&
		(strcmp(allocation->handle, "windows-reserved-ipam-handle") == 0 ||
		 strncmp(allocation->handle, "lb-", 3) == 0));
}

static void find_unused(struct check *check)
{
	size_t n = 0;

	printf("Scanning for IPs that are allocated but not actually in use...\n");
	for (size_t i = 0; i < check->audit->n_allocations; i++) {
		const struct ipam_allocation *allocation = &check->audit->allocations[i];
		_cleanup_free_ char *text = NULL;

		if (is_in_use(check->audit, allocation))
			continue;
		n++;
		text = attributes_text(allocation);
		if (check->show_problems)
			printf("  %s leaked; attrs %s\n", ip_format(&allocation->addr).s, text);
	}
	check->n_problems += n;
	printf("Found %zu IPs that are allocated in IPAM but not actually in use.\n", n);
}

static void find_unassigned(struct check *check)
{
	const struct ipam_audit *audit = check->audit;
	size_t n_outside = 0, n_inside = 0;

	printf("Scanning for IPs that are in use by a workload or node but not allocated in "
	       "IPAM...\n");
	for (size_t i = 0; i < audit->n_users; i++) {
		const struct ipam_user *user = &audit->users[i];
		struct ip_str addr = ip_format(&user->addr);
		bool first = i == 0 || !ip_equal(&user->addr, &user[-1].addr);
		bool shared = i + 1 < audit->n_users && ip_equal(&user->addr, &user[1].addr);

		if (check->show_problems && first && shared)
			printf("  %s has multiple owners.\n", addr.s);
		if (user->is_assigned)
			continue;
		n_inside += first && user->is_in_pool;
		n_outside += first && !user->is_in_pool;
		if (check->show_problems)
			printf(user->is_in_pool
				       ? "  %s in use by %s and in active IPAM pool but has "
					 "no IPAM allocation.\n"
				       : "  %s in use by %s is not in any active IP pool.\n",
			       addr.s, user->name);
	}
	check->n_problems += n_outside + n_inside;
	printf("Found %zu in-use IPs that are not in active IP pools.\n", n_outside);
	printf("Found %zu in-use IPs that are in active IP pools but have no corresponding IPAM "
	       "allocation.\n\n",
	       n_inside);
}

static void find_handles(struct check *check)
{
	const struct ipam_audit *audit = check->audit;
	size_t n_unused = 0, n_missing = 0, n_wrong = 0, n_good = 0;

	printf("Scanning for IPAM handles with no matching IPs...\n");
	for (size_t i = 0; i < audit->n_handles; i++) {
		const struct ipam_handle_count *handle = &audit->handles[i];

		n_good += handle->state == IPAM_HANDLE_GOOD || handle->state == IPAM_HANDLE_WRONG;
		if (handle->state != IPAM_HANDLE_UNUSED)
			continue;
		n_unused++;
		if (check->show_problems)
			printf("  %s doesn't have any active IPs.\n", handle->name);
	}
	printf("Found %zu handles with no matching IPs (and %zu handles with matches).\n", n_unused,
	       n_good);
	printf("Scanning for IPs with missing handle...\n");
	for (size_t i = 0; i < audit->n_handles; i++) {
		const struct ipam_handle_count *handle = &audit->handles[i];

		n_missing += handle->state == IPAM_HANDLE_MISSING;
		n_wrong += handle->state == IPAM_HANDLE_WRONG;
		if (check->show_problems && handle->state == IPAM_HANDLE_MISSING)
			printf("  %s is in use in a block but doesn't exist.\n", handle->name);
		if (check->show_problems && handle->state == IPAM_HANDLE_WRONG)
			printf("  %s counts other addresses than the %u that blocks have.\n",
			       handle->name, handle->n);
	}
	printf("Found %zu handles mentioned in blocks with no matching handle resource.\n",
	       n_missing);
	if (n_wrong)
		printf("Found %zu handles that count other addresses than blocks have.\n", n_wrong);
	check->n_problems += n_unused + n_missing + n_wrong;
}

static void print_check(struct check *check)
{
	printf("Checking IPAM for inconsistencies...\n\n");
	print_blocks(check);
	print_users(check);
	print_top_nodes(check);
	find_unused(check);
	find_unassigned(check);
	find_handles(check);
	for (size_t i = 0; i < check->audit->n_corrupt; i++)
		printf("Can't be read: %s\n", check->audit->corrupt[i]);
	check->n_problems += check->audit->n_corrupt;
	printf("Check complete; found %zu problems.\n", check->n_problems);
}

/* --- The report ------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *value)
{
	if (value && *value)
		(void)json_object_set_new(object, key, json_string(value));
}

static json_t *allocation_json(const struct ipam_audit *audit,
			       const struct ipam_allocation *allocation)
{
	json_t *object = json_object();
	json_t *owners = json_array();

	set_text(object, "ip", ip_format(&allocation->addr).s);
	set_text(object, "handle", allocation->handle);
	(void)json_object_set_new(object, "sequenceNumber",
				  json_integer((json_int_t)allocation->sequence));
	set_text(object, "pod", str_map_find(allocation->attrs, "pod"));
	set_text(object, "namespace", str_map_find(allocation->attrs, "namespace"));
	set_text(object, "node", allocation->node);
	set_text(object, "type", str_map_find(allocation->attrs, "type"));
	set_text(object, "creationTimestamp", str_map_find(allocation->attrs, "timestamp"));
	(void)json_object_set_new(object, "inUse", json_boolean(is_in_use(audit, allocation)));
	if (allocation->borrowed)
		(void)json_object_set_new(object, "borrowed", json_true());
	for (size_t i = 0; i < allocation->n_users; i++)
		(void)json_array_append_new(
			owners, json_string(audit->users[allocation->first_user + i].name));
	(void)json_object_set_new(object, "owners", owners);
	return object;
}

static json_t *handles_json(const struct ipam_audit *audit)
{
	json_t *list = json_array();

	for (size_t i = 0; i < audit->n_handles; i++) {
		const struct ipam_handle_count *handle = &audit->handles[i];
		_cleanup_free_ char *revision = xasprintf("%" PRIu64, handle->revision);
		json_t *item;

		if (handle->state != IPAM_HANDLE_UNUSED)
			continue;
		item = json_object();
		set_text(item, "ID", handle->name);
		(void)json_object_set_new(item, "UID", json_null());
		set_text(item, "Revision", revision);
		(void)json_array_append_new(list, item);
	}
	return list;
}

/* The part that ties a report to its cluster; absent fields are "". */
static int add_cluster(struct ctl *ctl, json_t *report, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_CLUSTER_INFORMATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_free_ char *text = NULL;
	const struct cluster_information_spec *spec;
	uint64_t revision = 0;
	int r = ctl_get_object(ctl, key, &object, &revision, err);

	if (r < 0)
		return r;
	spec = &as_cluster_information(object ? object : key)->spec;
	text = xasprintf("%" PRIu64, revision);
	(void)json_object_set_new(report, "version", json_string(KORAT_VERSION));
	(void)json_object_set_new(report, "clusterGUID",
				  json_string(spec->cluster_guid ? spec->cluster_guid : ""));
	(void)json_object_set_new(
		report, "datastoreLocked",
		json_boolean(spec->datastore_ready.set && !spec->datastore_ready.v));
	(void)json_object_set_new(report, "clusterInformationRevision", json_string(text));
	(void)json_object_set_new(report, "clusterType",
				  json_string(spec->cluster_type ? spec->cluster_type : ""));
	return 0;
}

static int write_report(struct ctl *ctl, const struct ipam_audit *audit, const char *path,
			struct err *err)
{
	json_t *report = json_object();
	json_t *allocations = json_object();
	_cleanup_free_ char *text = NULL;
	int r = add_cluster(ctl, report, err);

	for (size_t i = 0; i < audit->n_allocations; i++) {
		json_t *list = json_array();

		(void)json_array_append_new(list, allocation_json(audit, &audit->allocations[i]));
		(void)json_object_set_new(allocations, ip_format(&audit->allocations[i].addr).s,
					  list);
	}
	(void)json_object_set_new(report, "allocations", allocations);
	(void)json_object_set_new(report, "leakedHandles", handles_json(audit));
	text = json_dumps(report, JSON_INDENT(2));
	json_decref(report);
	if (r < 0)
		return r;
	if (!text)
		return err_set(err, -ENOMEM, "the report can't be written as JSON");
	return file_write_atomic(path, text, strlen(text), 0644, err);
}

/* --- Repair ----------------------------------------------------------------------------------- */

static void print_request(const struct ipam_request *request)
{
	const char *end = request->result == IPAM_OK ? "" : request->err.msg;
	const char *dash = request->result == IPAM_OK ? "" : ": ";

	switch (request->type) {
	case IPAM_RELEASE_ADDRESS:
		printf("Released %s%s%s\n", ip_format(&request->addr).s, dash, end);
		break;
	case IPAM_REPAIR_HANDLE:
		printf("Repaired handle %s%s%s\n", request->handle, dash, end);
		break;
	case IPAM_SWEEP_BLOCK:
		if (request->result == IPAM_OK)
			printf("Freed cooled addresses of %s\n", cidr_format(&request->block).s);
		break;
	case IPAM_RELEASE_AFFINITIES:
		printf("Released %u empty block(s) of %s%s%s\n", request->n_blocks, request->host,
		       dash, end);
		break;
	case IPAM_ASSIGN_AUTO:
	case IPAM_ASSIGN_ADDRESS:
	case IPAM_HAND_OVER:
	case IPAM_RELEASE_HANDLE:
		break;
	}
}

static int serve(struct ctl *ctl, struct ipam_collect_update *update, struct err *err)
{
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(ctl->store, "koratctl");
	int r = 0;

	for (size_t i = 0; r == 0 && i < update->n_requests; i += FIX_BATCH) {
		size_t n = MIN(update->n_requests - i, (size_t)FIX_BATCH);

		r = ipam_writer_serve(writer, update->requests + i, n, err);
		for (size_t j = i; r == 0 && j < i + n; j++)
			print_request(&update->requests[j]);
	}
	return r;
}

static int64_t now_seconds(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* Looks a second time, and repairs what is still wrong and old enough. */
static int fix(struct ctl *ctl, const struct ipam_audit *first, struct err *err)
{
	struct ipam_collect_config config = {.grace = FIX_GRACE, .by_assignment = true};
	_cleanup_(ipam_snapshot_deinitp) struct ipam_snapshot again = {.v = NULL};
	_cleanup_(ipam_collector_freep) struct ipam_collector *collector = NULL;
	struct timespec pause = {.tv_sec = BETWEEN_LOOKS};
	struct ipam_collect_update update;
	int r;

	if (ctl->args.set[FLAG_GRACE]) {
		r = parse_i64(ctl->args.values[FLAG_GRACE], 0, 86400, &config.grace, err);
		if (r < 0)
			return err_prefix(err, r, "--grace");
	}
	collector = ipam_collector_new(&config);
	ipam_collector_step(collector, first, now_seconds(), &update);
	if (!update.blocked && update.n_suspects)
		(void)nanosleep(&pause, NULL);
	r = ipam_snapshot_read(ctl->store, &again, err);
	if (r < 0)
		return r;
	ipam_collector_step(collector, &again.audit, now_seconds(), &update);
	if (update.blocked)
		return err_set(err, -EBADMSG, "nothing is repaired while this can't be read: %s",
			       update.blocked);
	printf("\nRepairing...\n");
	r = serve(ctl, &update, err);
	if (r == 0)
		printf("Asked for %zu repairs; %zu suspects are younger than %lld s or were seen "
		       "only once.\n",
		       update.n_requests, update.n_suspects, (long long)config.grace);
	return r;
}

int ctl_run_ipam_check(struct ctl *ctl, struct err *err)
{
	_cleanup_(ipam_snapshot_deinitp) struct ipam_snapshot snapshot = {.v = NULL};
	struct check check = {.ctl = ctl,
			      .audit = &snapshot.audit,
			      .show_all = ctl->args.set[FLAG_SHOW_ALL_IPS],
			      .show_problems = ctl->args.set[FLAG_SHOW_ALL_IPS] ||
					       ctl->args.set[FLAG_SHOW_PROBLEM_IPS]};
	int r = ipam_snapshot_read(ctl->store, &snapshot, err);

	if (r < 0)
		return r;
	print_check(&check);
	if (ctl->args.set[FLAG_REPORT])
		r = write_report(ctl, &snapshot.audit, ctl->args.values[FLAG_REPORT], err);
	if (r == 0 && ctl->args.set[FLAG_FIX])
		r = fix(ctl, &snapshot.audit, err);
	return r;
}
