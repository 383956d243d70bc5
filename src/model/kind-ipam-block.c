/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPAMBlock. Kept by IPAM, which has rules of its own beyond the table (module ipam).
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds.h"

static const struct field_desc ipam_attribute_fields[] = {
	{.name = "handle_id",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct ipam_attribute, handle_id),
	 .doc = "Handle under which the address was assigned.",
	 .alias = "handleID"},
	{.name = "secondary",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct ipam_attribute, secondary),
	 .doc = "Who has the address: pod, namespace, node, type."},
	{.name = "alternateOwnerAttrs",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct ipam_attribute, alternate_owner_attrs),
	 .doc = "The other owner while a virtual machine moves."},
	{.name = "releasedAt",
	 .type = FIELD_STRING,
	 .check = CHECK_TIME,
	 .offset = offsetof(struct ipam_attribute, released_at),
	 .doc = "When the address was released, while it cools down."},
};
static const struct struct_desc ipam_attribute_desc =
	STRUCT_DESC(ipam_attribute, ipam_attribute_fields);

static const struct field_desc ipam_block_spec_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct ipam_block_spec, cidr),
	 .doc = "The block."},
	{.name = "affinity",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct ipam_block_spec, affinity),
	 .doc = "Owner, as host:NODE or virtual:NAME. Absent: nobody."},
	{.name = "affinityClaimTime",
	 .type = FIELD_STRING,
	 .check = CHECK_TIME,
	 .offset = offsetof(struct ipam_block_spec, affinity_claim_time),
	 .doc = "When the owner claimed the block.",
	 .alias = "affinity_claim_time"},
	{.name = "allocations",
	 .type = FIELD_INT,
	 .flags = FIELD_LIST | FIELD_NULLABLE,
	 .offset = offsetof(struct ipam_block_spec, allocations),
	 .doc = "Per address: null, or the index of its attributes."},
	{.name = "unallocated",
	 .type = FIELD_INT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct ipam_block_spec, unallocated),
	 .doc = "Free addresses by their number in the block, next one first."},
	{.name = "attributes",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct ipam_block_spec, attributes),
	 .sub = &ipam_attribute_desc,
	 .doc = "What is known of the assigned addresses."},
	{.name = "sequenceNumber",
	 .type = FIELD_INT,
	 .flags = FIELD_UNSIGNED,
	 .offset = offsetof(struct ipam_block_spec, sequence_number),
	 .doc = "Grows with each write."},
	{.name = "sequenceNumberForAllocation",
	 .type = FIELD_INT_MAP,
	 .flags = FIELD_UNSIGNED,
	 .offset = offsetof(struct ipam_block_spec, sequence_number_for_allocation),
	 .doc = "Per address: the sequence number at which it was assigned."},
	{.name = "deleted",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ipam_block_spec, deleted),
	 .doc = "Deletion in two steps: true counts as not there."},
};
static const struct struct_desc ipam_block_spec_desc =
	STRUCT_DESC(ipam_block_spec, ipam_block_spec_fields);

static const struct field_desc ipam_block_object_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct ipam_block_object, spec),
	 .sub = &ipam_block_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc ipam_block_object_desc =
	STRUCT_DESC(ipam_block_object, ipam_block_object_fields);

static const struct kind_column ipam_block_object_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "CIDR", .path = "spec.cidr"},
	{.title = "AFFINITY", .path = "spec.affinity"},
	{.title = NULL},
};

const struct kind_desc kind_ipam_block = {
	.kind = KIND_IPAM_BLOCK,
	.name = "IPAMBlock",
	.plural = "ipamblocks",
	.singular = "ipamblock",
	.size = sizeof(struct ipam_block_object),
	.root = &ipam_block_object_desc,
	.doc = "A block of addresses and who has which of them.",
	.columns = ipam_block_object_columns,
};
