/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The node's cluster, in a file of one line. A ClusterInformation without a GUID is any cluster's.
 */

#include "agent/cluster-guid.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "model/kinds.h"
#include "store/store.h"

#define LOG_MODULE "startup"
#include "base/log.h"

#define GUID_MAX 256

int cluster_guid_read(const char *state_dir, char **ret, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" CLUSTER_GUID_FILE, state_dir);
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = file_read(path, GUID_MAX, &text, err);

	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = xstrndup(buf_str(&text), strcspn(buf_str(&text), "\n"));
	return 0;
}

/*
 * '*ret' NULL: it says none, or nothing that can be understood, which must not keep policies from
 * their node. STORE_E_NOT_FOUND: there is no ClusterInformation.
 */
static int stored_guid(struct store *store, char **ret, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(model_freep) struct object *object = NULL;
	struct err bad = ERR_INIT;
	const char *guid;
	int r = store_get(store, KIND_CLUSTER_INFORMATION, NULL, "default", &stored, err);

	if (r != 0)
		return r;
	if (store_object_read(&stored, &object, &bad) < 0) {
		log_error_limited("the ClusterInformation can't be understood: whether this is the "
				  "datastore of this node's cluster can't be checked",
				  "error", bad.msg);
		return 0;
	}
	guid = as_cluster_information(object)->spec.cluster_guid;
	*ret = guid && *guid ? xstrdup(guid) : NULL;
	return 0;
}

int cluster_guid_check(struct store *store, const struct agent_args *args, struct err *err)
{
	_cleanup_free_ char *known = NULL;
	_cleanup_free_ char *stored = NULL;
	int r = cluster_guid_read(args->state_dir, &known, err);

	if (r < 0 || !known)
		return r;
	r = stored_guid(store, &stored, err);
	if (r < 0)
		return r;
	if (r == 0 && (!stored || strcmp(stored, known) == 0))
		return 0;
	return err_set(
		err, r ? -ENODATA : -EXDEV,
		"the datastore %s%.64s, but this node is of the cluster %.64s (%s/%s) and "
		"its pods have addresses of that one; set ETCD_ENDPOINTS or "
		"KORAT_SQLITE_FILE to the right datastore, or bring it back; to join another "
		"cluster, end this node's pods and run korat agent cleanup",
		r ? "has no ClusterInformation" : "is of the cluster ", r ? "" : stored, known,
		args->state_dir, CLUSTER_GUID_FILE);
}

int cluster_guid_keep(struct store *store, const struct agent_args *args, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" CLUSTER_GUID_FILE, args->state_dir);
	_cleanup_free_ char *known = NULL;
	_cleanup_free_ char *stored = NULL;
	_cleanup_free_ char *line = NULL;
	int r = cluster_guid_read(args->state_dir, &known, err);

	if (r == 0)
		r = stored_guid(store, &stored, err);
	if (r < 0 || !stored || strlen(stored) >= GUID_MAX || (known && strcmp(known, stored) == 0))
		return MIN(r, 0);
	line = xasprintf("%s\n", stored);
	return file_write_atomic(path, line, strlen(line), 0644, err);
}
