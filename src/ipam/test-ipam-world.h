/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A store in memory with the semantics of the datastore's transactions, for the tests of the plan:
 * all operations or none, each guarded as it says, one revision per commit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ipam/ipam-plan.h"
#include "model/kinds.h"

struct world_object {
	enum kind kind;
	char *name;
	struct object *object;
	uint64_t revision;
};

struct world {
	struct world_object *v;
	size_t n;
	uint64_t revision;
	bool broken; /* overlooks the guards of blocks that are there */
};

static inline struct world_object *world_find(const struct world *world, enum kind kind,
					      const char *name)
{
	for (size_t i = 0; i < world->n; i++) {
		if (world->v[i].kind == kind && strcmp(world->v[i].name, name) == 0)
			return &world->v[i];
	}
	return NULL;
}

static inline size_t world_count(const struct world *world, enum kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < world->n; i++)
		n += world->v[i].kind == kind;
	return n;
}

static inline struct world_object *world_first(const struct world *world, enum kind kind)
{
	for (size_t i = 0; i < world->n; i++) {
		if (world->v[i].kind == kind)
			return &world->v[i];
	}
	return NULL;
}

static inline void world_remove(struct world *world, struct world_object *object)
{
	free(object->name);
	model_free(object->object);
	*object = world->v[--world->n];
}

static inline void world_deinit(struct world *world)
{
	while (world->n)
		world_remove(world, &world->v[0]);
	free(world->v);
	*world = (struct world){.v = NULL};
}

/* Takes 'object'. */
static inline void world_put(struct world *world, const char *name, struct object *object)
{
	struct world_object *at = world_find(world, object->desc->kind, name);

	if (!at) {
		world->v = xreallocarray(world->v, world->n + 1, sizeof(*world->v));
		at = &world->v[world->n++];
		*at = (struct world_object){.kind = object->desc->kind, .name = xstrdup(name)};
	}
	model_free(at->object);
	at->object = object;
	at->revision = world->revision;
}

static inline bool world_holds(const struct world *world, const struct ipam_op *op)
{
	const struct world_object *at = op->name ? world_find(world, op->kind, op->name) : NULL;

	switch (op->type) {
	case IPAM_OP_EXPECT_NONE_NEWER:
		for (size_t i = 0; i < world->n; i++) {
			if (world->v[i].kind == op->kind && world->v[i].revision > op->revision)
				return false;
		}
		return true;
	case IPAM_OP_CREATE:
		return !at;
	case IPAM_OP_UPDATE:
	case IPAM_OP_DELETE:
		return at && (at->revision == op->revision ||
			      (world->broken && op->kind == KIND_IPAM_BLOCK));
	case IPAM_OP_EXPECT:
		return op->revision ? at && at->revision == op->revision : !at;
	}
	return false;
}

static inline void world_apply(struct world *world, const struct ipam_op *op)
{
	switch (op->type) {
	case IPAM_OP_CREATE:
	case IPAM_OP_UPDATE:
		world_put(world, op->name, model_copy(op->object));
		break;
	case IPAM_OP_DELETE:
		world_remove(world, world_find(world, op->kind, op->name));
		break;
	case IPAM_OP_EXPECT:
	case IPAM_OP_EXPECT_NONE_NEWER:
		break;
	}
}

/* Gives the event of the commit. */
static inline struct ipam_event world_commit(struct world *world, const struct ipam_op *ops,
					     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!world_holds(world, &ops[i]))
			return (struct ipam_event){.type = IPAM_EVENT_CONFLICT, .failed = i};
	}
	world->revision++;
	for (size_t i = 0; i < n; i++)
		world_apply(world, &ops[i]);
	return (struct ipam_event){.type = IPAM_EVENT_WRITTEN, .revision = world->revision};
}

/* What reads have found so far. The names are copies: the world goes on meanwhile. */
struct world_reading {
	struct ipam_found *found;
	size_t n;
	uint64_t revision; /* of the world before the first */
};

static inline void world_reading_deinit(struct world_reading *reading)
{
	for (size_t i = 0; i < reading->n; i++)
		free((char *)(uintptr_t)reading->found[i].name);
	free(reading->found);
	*reading = (struct world_reading){.found = NULL};
}

static inline void world_read(const struct world *world, const struct ipam_plan *plan,
			      const struct ipam_read *read, struct world_reading *to)
{
	if (!to->revision)
		to->revision = world->revision;
	for (size_t i = 0; i < world->n; i++) {
		const struct world_object *at = &world->v[i];
		bool known;

		if (at->kind != read->kind || (read->name && strcmp(read->name, at->name) != 0))
			continue;
		known = ipam_plan_known(plan, at->kind, at->name) == at->revision;
		*ARRAY_ADD(to->found, to->n) =
			(struct ipam_found){.kind = at->kind,
					    .name = xstrdup(at->name),
					    .revision = at->revision,
					    .object = known ? NULL : model_copy(at->object)};
	}
}

/* Drops what was read for a plan that is no more. */
static inline void world_reading_drop(struct world_reading *reading)
{
	for (size_t i = 0; i < reading->n; i++)
		model_free(reading->found[i].object);
	world_reading_deinit(reading);
}

/* Serves a batch to its end, undisturbed. */
static inline void world_serve(struct world *world, struct ipam_plan *plan,
			       struct ipam_request *requests, size_t n, int64_t now)
{
	struct ipam_event event = {.type = IPAM_EVENT_BEGIN,
				   .requests = requests,
				   .n_requests = n,
				   .now_ns = now * 1000000000};
	struct ipam_update update;

	ipam_plan_step(plan, &event, &update);
	while (update.next != IPAM_NEXT_DONE) {
		struct world_reading reading = {.n = 0};

		if (update.next == IPAM_NEXT_COMMIT) {
			event = world_commit(world, update.ops, update.n_ops);
		} else {
			for (size_t i = 0; i < update.n_reads; i++)
				world_read(world, plan, &update.reads[i], &reading);
			event = (struct ipam_event){.type = IPAM_EVENT_READ,
						    .found = reading.found,
						    .n_found = reading.n,
						    .revision = reading.revision};
		}
		ipam_plan_step(plan, &event, &update);
		world_reading_deinit(&reading);
	}
}

static inline void world_add_pool(struct world *world, const char *name, const char *cidr,
				  int block_size)
{
	struct object *object = model_new(KIND_IP_POOL, NULL, name);

	replace_str(&as_ip_pool(object)->spec.cidr, xstrdup(cidr));
	as_ip_pool(object)->spec.block_size = (struct opt_int){.set = true, .v = block_size};
	world->revision++;
	world_put(world, name, object);
}

static inline void world_configure(struct world *world, bool strict, int max_blocks, int cooldown)
{
	struct object *object = model_new(KIND_IPAM_CONFIGURATION, NULL, "default");
	struct ipam_configuration_spec *spec = &as_ipam_configuration(object)->spec;

	spec->strict_affinity = (struct opt_bool){.set = true, .v = strict};
	spec->max_blocks_per_host = (struct opt_int){.set = true, .v = max_blocks};
	spec->ip_cooldown_seconds = (struct opt_int){.set = true, .v = cooldown};
	world->revision++;
	world_put(world, "default", object);
}
