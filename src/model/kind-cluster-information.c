/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ClusterInformation: one object, named default.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/macros.h"
#include "model/kinds.h"

static const struct field_desc cluster_information_spec_fields[] = {
	{.name = "clusterGUID",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_information_spec, cluster_guid),
	 .doc = "Identity of the cluster: 32 hexadecimal digits."},
	{.name = "clusterType",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_information_spec, cluster_type),
	 .doc = "Where it runs, as a list with commas."},
	{.name = "calicoVersion",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_information_spec, calico_version),
	 .doc = "Version of the data layout."},
	{.name = "datastoreReady",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct cluster_information_spec, datastore_ready),
	 .doc = "False while the datastore is being migrated: agents keep what they have."},
	{.name = "variant",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_information_spec, variant),
	 .doc = "Calico."},
};
static const struct struct_desc cluster_information_spec_desc =
	STRUCT_DESC(cluster_information_spec, cluster_information_spec_fields);

static const struct field_desc cluster_information_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct cluster_information, spec),
	 .sub = &cluster_information_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc cluster_information_desc =
	STRUCT_DESC(cluster_information, cluster_information_fields);

static const struct kind_column cluster_information_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "CLUSTERGUID", .path = "spec.clusterGUID"},
	{.title = "CLUSTERTYPE", .path = "spec.clusterType"},
	{.title = "CALICOVERSION", .path = "spec.calicoVersion"},
	{.title = "DATASTOREREADY", .path = "spec.datastoreReady", .otherwise = "<nil>"},
	{.title = NULL},
};

static int cluster_information_validate(const struct object *object, struct err *err)
{
	if (strcmp(object->meta.name, "default") != 0)
		return err_set(err, -EINVAL,
			       "metadata.name: expected \"default\", the only one "
			       "there is");
	return 0;
}

static const char *const cluster_information_aliases[] = {"clusterinfo", "clusterinfos", NULL};

const struct kind_desc kind_cluster_information = {
	.kind = KIND_CLUSTER_INFORMATION,
	.name = "ClusterInformation",
	.plural = "clusterinformations",
	.singular = "clusterinformation",
	.aliases = cluster_information_aliases,
	.size = sizeof(struct cluster_information),
	.root = &cluster_information_desc,
	.doc = "What the cluster is. Kept by Korat itself.",
	.validate = cluster_information_validate,
	.columns = cluster_information_columns,
};
