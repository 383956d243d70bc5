/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The attributes of a block, to which its allocations are indices. Internal to the block. */

#include <stdint.h>

struct ipam_attribute_list;
struct ipam_block_spec;
struct ipam_owner;

/* The index of the entry that says so; added unless an identical one is there. */
int64_t ipam_attribute_index(struct ipam_attribute_list *list, const struct ipam_owner *owner,
			     const char *released_at);

/* Drops entries that no allocation refers to; the indices close up, in order. */
void ipam_attributes_prune(struct ipam_block_spec *spec);
