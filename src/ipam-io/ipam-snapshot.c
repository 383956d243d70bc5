/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Blocks are read first and endpoints last: an address that is being assigned meanwhile is seen as
 * used, or not at all.
 */

#include "ipam-io/ipam-snapshot.h"

#include "base/alloc.h"
#include "model/model.h"
#include "store/store.h"

static const enum kind kinds[] = {KIND_IPAM_BLOCK, KIND_BLOCK_AFFINITY, KIND_IPAM_HANDLE,
				  KIND_IP_POOL,	   KIND_NODE,		KIND_WORKLOAD_ENDPOINT};

void ipam_snapshot_deinit(struct ipam_snapshot *snapshot)
{
	ipam_audit_deinit(&snapshot->audit);
	for (size_t i = 0; i < snapshot->n; i++) {
		model_free((struct object *)(uintptr_t)snapshot->v[i].object);
		free((char *)(uintptr_t)snapshot->v[i].why);
	}
	free(snapshot->v);
	*snapshot = (struct ipam_snapshot){.v = NULL};
}

static int read_kind(struct store *store, enum kind kind, struct ipam_snapshot *snapshot,
		     struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r = store_list(store, kind, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct ipam_audited *audited = ARRAY_ADD(snapshot->v, snapshot->n);
		struct object *object = NULL;
		struct err why = ERR_INIT;

		audited->revision = list.v[i].revision;
		if (store_object_read(&list.v[i], &object, &why) < 0)
			audited->why = xstrdup(why.msg);
		audited->object = object;
	}
	return r;
}

int ipam_snapshot_read(struct store *store, struct ipam_snapshot *ret, struct err *err)
{
	_cleanup_(ipam_snapshot_deinitp) struct ipam_snapshot snapshot = {.v = NULL};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r = read_kind(store, kinds[i], &snapshot, err);

		if (r < 0)
			return r;
	}
	ipam_audit_init(&snapshot.audit, snapshot.v, snapshot.n);
	*ret = snapshot;
	snapshot = (struct ipam_snapshot){.v = NULL};
	return 0;
}
