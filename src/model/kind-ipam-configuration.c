/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPAMConfiguration: one object, named default.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/macros.h"
#include "model/kinds.h"

static const char *const enabled_modes[] = {"Enabled", "Disabled", NULL};
static const struct field_desc ipam_configuration_spec_fields[] = {
	{.name = "strictAffinity",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ipam_configuration_spec, strict_affinity),
	 .def = "false",
	 .doc = "A node takes addresses from its own blocks only.",
	 .alias = "strict_affinity"},
	{.name = "autoAllocateBlocks",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ipam_configuration_spec, auto_allocate_blocks),
	 .def = "true",
	 .doc = "A node may claim new blocks by itself.",
	 .alias = "auto_allocate_blocks"},
	{.name = "maxBlocksPerHost",
	 .type = FIELD_INT,
	 .offset = offsetof(struct ipam_configuration_spec, max_blocks_per_host),
	 .def = "0",
	 .min = 0,
	 .max = INT32_MAX,
	 .doc = "Blocks one node may have; 0: 20. Needs strictAffinity."},
	{.name = "kubeVirtVMAddressPersistence",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct ipam_configuration_spec, kube_virt_vm_address_persistence),
	 .values = enabled_modes,
	 .def = "\"Enabled\"",
	 .doc = "Virtual machines keep their addresses over a restart or a move."},
	{.name = "ipCooldownSeconds",
	 .type = FIELD_INT,
	 .offset = offsetof(struct ipam_configuration_spec, ip_cooldown_seconds),
	 .def = "0",
	 .min = 0,
	 .max = 1200,
	 .doc = "How long a released address is not assigned again."},
};
static const struct struct_desc ipam_configuration_spec_desc =
	STRUCT_DESC(ipam_configuration_spec, ipam_configuration_spec_fields);

static const struct field_desc ipam_configuration_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct ipam_configuration, spec),
	 .sub = &ipam_configuration_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc ipam_configuration_desc =
	STRUCT_DESC(ipam_configuration, ipam_configuration_fields);

static const struct kind_column ipam_configuration_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "STRICTAFFINITY", .path = "spec.strictAffinity", .otherwise = "false"},
	{.title = "AUTOALLOCATEBLOCKS", .path = "spec.autoAllocateBlocks", .otherwise = "false"},
	{.title = "MAXBLOCKSPERHOST",
	 .path = "spec.maxBlocksPerHost",
	 .wide = true,
	 .otherwise = "0"},
	{.title = NULL},
};

static int ipam_configuration_validate(const struct object *object, struct err *err)
{
	const struct ipam_configuration_spec *spec = &as_ipam_configuration(object)->spec;

	if (strcmp(object->meta.name, "default") != 0)
		return err_set(err, -EINVAL,
			       "metadata.name: expected \"default\", the only one "
			       "there is");
	if (!spec->strict_affinity.v && spec->auto_allocate_blocks.set &&
	    !spec->auto_allocate_blocks.v)
		return err_set(err, -EINVAL,
			       "spec.autoAllocateBlocks: must be true unless "
			       "strictAffinity is");
	if (spec->max_blocks_per_host.v > 0 && !spec->strict_affinity.v)
		return err_set(err, -EINVAL,
			       "spec.maxBlocksPerHost: must be 0 unless "
			       "strictAffinity is true");
	return 0;
}

static const char *const ipam_configuration_aliases[] = {"ipamconfig", "ipamconfigs", NULL};

const struct kind_desc kind_ipam_configuration = {
	.kind = KIND_IPAM_CONFIGURATION,
	.name = "IPAMConfiguration",
	.plural = "ipamconfigurations",
	.singular = "ipamconfiguration",
	.aliases = ipam_configuration_aliases,
	.size = sizeof(struct ipam_configuration),
	.root = &ipam_configuration_desc,
	.doc = "How addresses are assigned, in the whole cluster.",
	.validate = ipam_configuration_validate,
	.columns = ipam_configuration_columns,
};
