/* SPDX-License-Identifier: Apache-2.0 */

/* Versions: this program's, and what the cluster's agents wrote into ClusterInformation. */

#include <errno.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

int ctl_run_version(struct ctl *ctl, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_CLUSTER_INFORMATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	const struct cluster_information_spec *spec;
	uint64_t revision;
	int r;

	printf("Client Version:    %s\n", KORAT_VERSION);
	if (ctl->args.set[FLAG_CLIENT])
		return 0;
	r = ctl_open_store(ctl, err);
	if (r == 0)
		r = ctl_get_object(ctl, key, &object, &revision, err);
	if (r != 0)
		return err_prefix(err, r < 0 ? r : -ENOENT,
				  "Unable to retrieve Cluster Version or Type");
	spec = &as_cluster_information(object)->spec;
	printf("Cluster Version:   %s\n", spec->calico_version ? spec->calico_version : "unknown");
	printf("Cluster Type:      %s\n", spec->cluster_type ? spec->cluster_type : "unknown");
	return 0;
}
