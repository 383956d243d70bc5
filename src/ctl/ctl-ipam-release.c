/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ipam release: one address, or what several reports of ipam check agree to be leaked, each bound
 * to the handle and sequence number of the report, so that what was given anew stays.
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "ctl/ctl-internal.h"
#include "ipam-io/ipam-writer.h"

#define REPORT_MAX    (256u << 20) /* bytes of one report */
#define RELEASE_BATCH 64u

static int release_one(struct ctl *ctl, struct err *err)
{
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(ctl->store, "koratctl");
	struct ipam_request request = {.type = IPAM_RELEASE_ADDRESS};
	int r = ip_parse(ctl->args.values[FLAG_IP], &request.addr, err);

	if (r < 0)
		return err_prefix(err, r, "--ip");
	r = ipam_writer_serve(writer, &request, 1, err);
	if (r < 0)
		return r;
	if (request.result == IPAM_E_NOT_FOUND)
		return err_set(err, -ENOENT, "IP address %s is not assigned",
			       ip_format(&request.addr).s);
	if (request.result != IPAM_OK)
		return err_set(err, -EIO, "%s", request.err.msg);
	printf("Successfully released IP address %s\n", ip_format(&request.addr).s);
	return 0;
}

/* --- Reports ---------------------------------------------------------------------------------- */

struct reports {
	json_t **v;
	size_t n;
};

static void reports_deinit(struct reports *reports)
{
	for (size_t i = 0; i < reports->n; i++)
		json_decref(reports->v[i]);
	free(reports->v);
}
CLEANUP_DEINIT(struct reports, reports_deinit);

static int read_reports(const struct ctl *ctl, struct reports *reports, struct err *err)
{
	for (size_t i = 0; i < ctl->args.n_repeated; i++) {
		const char *path = ctl->args.repeated[i];
		_cleanup_buf_ struct buf text = BUF_INIT;
		json_error_t why;
		json_t *report;
		int r = file_read(path, REPORT_MAX, &text, err);

		if (r < 0)
			return r;
		report = json_loadb(buf_str(&text), text.size, 0, &why);
		if (!report)
			return err_set(err, -EINVAL, "%.200s:%d: %s", path, why.line, why.text);
		*ARRAY_ADD(reports->v, reports->n) = report;
		if (!json_is_object(report) ||
		    !json_is_object(json_object_get(report, "allocations")))
			return err_set(err, -EINVAL,
				       "%.200s is no report of ipam check: it has no allocations",
				       path);
	}
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Are the reports of this cluster, this program and, one of them, of now? Is the store locked? */
static int check_reports(struct ctl *ctl, const struct reports *reports, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_CLUSTER_INFORMATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_free_ char *current = NULL;
	const struct cluster_information_spec *spec;
	bool force = ctl->args.set[FLAG_FORCE_REPORT];
	bool found_current = false;
	uint64_t revision = 0;
	int r = ctl_get_object(ctl, key, &object, &revision, err);

	if (r < 0)
		return r;
	spec = &as_cluster_information(object ? object : key)->spec;
	current = xasprintf("%" PRIu64, revision);
	for (size_t i = 0; i < reports->n; i++) {
		const json_t *report = reports->v[i];
		const char *path = ctl->args.repeated[i];

		if (strcmp(text_of(report, "clusterGUID"),
			   spec->cluster_guid ? spec->cluster_guid : "") != 0)
			return err_set(err, -EINVAL,
				       "%.200s is of another cluster: its GUID differs", path);
		if (!force && strcmp(text_of(report, "version"), KORAT_VERSION) != 0)
			return err_set(err, -EINVAL,
				       "%.200s is of another version (%.40s); make it anew, or use "
				       "--force",
				       path, text_of(report, "version"));
		found_current = found_current ||
				strcmp(text_of(report, "clusterInformationRevision"), current) == 0;
	}
	if (!found_current)
		return err_set(err, -EINVAL,
			       "all reports are older than the last change of ClusterInformation; "
			       "make one while the datastore is locked");
	if (!force && !(spec->datastore_ready.set && !spec->datastore_ready.v))
		return err_set(err, -EINVAL,
			       "the datastore is not locked; lock it, or use --force");
	return 0;
}

/* The report's entry of that address, handle and sequence number, if it is not in use. */
static bool agrees(const json_t *report, const json_t *wanted)
{
	const json_t *list =
		json_object_get(json_object_get(report, "allocations"), text_of(wanted, "ip"));
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_false(json_object_get(item, "inUse")) &&
		    strcmp(text_of(item, "handle"), text_of(wanted, "handle")) == 0 &&
		    json_equal(json_object_get(item, "sequenceNumber"),
			       json_object_get(wanted, "sequenceNumber")))
			return true;
	}
	return false;
}

static bool all_agree(const struct reports *reports, const json_t *item)
{
	for (size_t i = 0; i < reports->n; i++) {
		if (!agrees(reports->v[i], item))
			return false;
	}
	return true;
}

static void collect(const struct reports *reports, struct ipam_request **ret, size_t *ret_n)
{
	const char *key;
	json_t *list;

	json_object_foreach(json_object_get(reports->v[0], "allocations"), key, list)
	{
		json_t *item;
		size_t i;

		json_array_foreach(list, i, item)
		{
			const json_t *sequence = json_object_get(item, "sequenceNumber");
			struct ipam_request *request;
			struct ip_addr addr;

			if (ip_parse(text_of(item, "ip"), &addr, NULL) != 0 ||
			    !all_agree(reports, item))
				continue;
			request = ARRAY_ADD(*ret, *ret_n);
			*request = (struct ipam_request){
				.type = IPAM_RELEASE_ADDRESS,
				.addr = addr,
				.has_sequence = json_is_integer(sequence),
				.sequence = (uint64_t)json_integer_value(sequence),
				.handle = *text_of(item, "handle") ? text_of(item, "handle") : NULL,
			};
		}
	}
}

/* Unused handles that all reports name at the same revision. */
static void collect_handles(const struct reports *reports, struct ipam_request **ret, size_t *ret_n)
{
	const json_t *wanted;
	size_t i;

	json_array_foreach(json_object_get(reports->v[0], "leakedHandles"), i, wanted)
	{
		bool all = *text_of(wanted, "ID");

		for (size_t j = 1; j < reports->n && all; j++) {
			const json_t *item;
			size_t k;

			all = false;
			json_array_foreach(json_object_get(reports->v[j], "leakedHandles"), k, item)
				all = all || json_equal(item, wanted);
		}
		if (all)
			*ARRAY_ADD(*ret, *ret_n) = (struct ipam_request){
				.type = IPAM_REPAIR_HANDLE, .handle = text_of(wanted, "ID")};
	}
}

static int serve(struct ctl *ctl, struct ipam_request *requests, size_t n, size_t *ret_done,
		 struct err *err)
{
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(ctl->store, "koratctl");
	int r = 0;

	*ret_done = 0;
	for (size_t i = 0; r == 0 && i < n; i += RELEASE_BATCH) {
		size_t batch = MIN(n - i, (size_t)RELEASE_BATCH);

		r = ipam_writer_serve(writer, requests + i, batch, err);
		for (size_t j = i; j < i + batch; j++)
			*ret_done += requests[j].result == IPAM_OK;
	}
	return r;
}

static int release_reported(struct ctl *ctl, struct err *err)
{
	_cleanup_(reports_deinitp) struct reports reports = {.v = NULL};
	_cleanup_free_ struct ipam_request *addresses = NULL;
	_cleanup_free_ struct ipam_request *handles = NULL;
	size_t n_addresses = 0, n_handles = 0, n_done = 0;
	int r = read_reports(ctl, &reports, err);

	if (r == 0)
		r = check_reports(ctl, &reports, err);
	if (r < 0)
		return r;
	collect(&reports, &addresses, &n_addresses);
	collect_handles(&reports, &handles, &n_handles);
	if (!n_addresses)
		printf("Report didn't contain any leaked IPs to clean up.\n");
	else
		printf("Releasing %zu old IPs...\n", n_addresses);
	r = serve(ctl, addresses, n_addresses, &n_done, err);
	if (r < 0)
		return r;
	if (n_addresses)
		printf("Released %zu IPs successfully\n", n_done);
	if (n_done < n_addresses)
		printf("%zu addresses marked as leaked in the report had already been cleaned "
		       "up.\n",
		       n_addresses - n_done);
	if (!n_handles)
		printf("Report didn't contain any handles to clean up.\n");
	r = serve(ctl, handles, n_handles, &n_done, err);
	if (r == 0 && n_handles)
		printf("Released %zu handles; %zu skipped.\n", n_done, n_handles - n_done);
	if (r == 0)
		printf("You may now unlock the data store.\n");
	return r;
}

int ctl_run_ipam_release(struct ctl *ctl, struct err *err)
{
	if (ctl->args.n_repeated && ctl->args.set[FLAG_IP])
		return err_set(err, -EINVAL, "either --ip or --from-report, not both");
	if (ctl->args.n_repeated)
		return release_reported(ctl, err);
	if (ctl->args.set[FLAG_IP])
		return release_one(ctl, err);
	return err_set(err, -EINVAL, "--ip or --from-report is needed");
}
