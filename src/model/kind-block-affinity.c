/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BlockAffinity: which node assigns from which block. Made by IPAM, not by people.
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds.h"

static const char *const affinity_states[] = {"pending", "confirmed", "pendingDeletion", NULL};
static const char *const affinity_types[] = {"host", "virtual", NULL};
static const struct field_desc block_affinity_spec_fields[] = {
	{.name = "state",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct block_affinity_spec, state),
	 .values = affinity_states,
	 .doc = "How far the claim is. Absent counts as confirmed."},
	{.name = "node",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	 .offset = offsetof(struct block_affinity_spec, node),
	 .doc = "Name of the node, or of the virtual owner, that holds the block."},
	{.name = "type",
	 .type = FIELD_STRING,
	 .flags = FIELD_IMMUTABLE,
	 .offset = offsetof(struct block_affinity_spec, type),
	 .values = affinity_types,
	 .doc = "Kind of owner: host when absent."},
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct block_affinity_spec, cidr),
	 .doc = "The block."},
	{.name = "deleted",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct block_affinity_spec, deleted),
	 .doc = "Deletion in two steps: true counts as not there."},
};
static const struct struct_desc block_affinity_spec_desc =
	STRUCT_DESC(block_affinity_spec, block_affinity_spec_fields);

static const struct field_desc block_affinity_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct block_affinity, spec),
	 .sub = &block_affinity_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc block_affinity_desc =
	STRUCT_DESC(block_affinity, block_affinity_fields);

static const struct kind_column block_affinity_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NODE", .path = "spec.node"},
	{.title = "CIDR", .path = "spec.cidr"},
	{.title = "TYPE", .path = "spec.type", .wide = true},
	{.title = "STATE", .path = "spec.state", .wide = true},
	{.title = NULL},
};

static const char *const block_affinity_aliases[] = {"affinity", "affinities", NULL};

const struct kind_desc kind_block_affinity = {
	.kind = KIND_BLOCK_AFFINITY,
	.name = "BlockAffinity",
	.plural = "blockaffinities",
	.singular = "blockaffinity",
	.aliases = block_affinity_aliases,
	.size = sizeof(struct block_affinity),
	.root = &block_affinity_desc,
	.doc = "The claim of one node on one block of addresses.",
	.columns = block_affinity_columns,
};
