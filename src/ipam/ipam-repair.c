/* SPDX-License-Identifier: Apache-2.0 */

/* What the collector asks for beside releases: handles that count wrong, and cooled addresses. */

#include "base/alloc.h"
#include "ipam/ipam-plan-internal.h"
#include "model/kinds.h"

#define GUARDED_MAX 100u

/* The handle as the blocks have it; NULL: no block names it. */
static struct object *count_handle(struct ipam_plan *plan, const struct ipam_entry *handle)
{
	_cleanup_(model_freep) struct object *object =
		handle->object ? model_copy(handle->object)
			       : model_new(KIND_IPAM_HANDLE, NULL, handle->name);
	struct ipam_handle_spec *spec = &as_ipam_handle(object)->spec;

	while (spec->block.n)
		(void)int_map_remove(&spec->block, spec->block.v[0].key);
	for (struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK]; entry;
	     entry = entry->next_kind) {
		unsigned int n = entry->block ? ipam_block_count(entry->block, handle->name) : 0;

		if (!n)
			continue;
		int_map_put(&spec->block, cidr_format(&entry->cidr).s, n);
		/* The count is of the block as it was read. A sane handle is in a few blocks. */
		if (plan->view.n_touched < GUARDED_MAX)
			ipam_view_guard(&plan->view, entry);
	}
	replace_str(&spec->handle_id, xstrdup(handle->name));
	spec->deleted = (struct opt_bool){.set = true, .v = false};
	return spec->block.n ? TAKE_PTR(object) : NULL;
}

enum ipam_attempt ipam_plan_repair_handle(struct ipam_plan *plan, struct ipam_request *request)
{
	struct ipam_entry *handle = ipam_view_get(&plan->view, KIND_IPAM_HANDLE, request->handle);
	enum ipam_attempt attempt = ipam_plan_refresh(plan, handle);
	struct object *counted;

	if (plan->blocks_batch != plan->view.batch)
		attempt = ipam_plan_want(plan, KIND_IPAM_BLOCK, NULL);
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (handle->corrupt)
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", handle->corrupt);
	counted = count_handle(plan, handle);
	if (!counted && !handle->object)
		return ipam_plan_decide(request, IPAM_E_NOT_FOUND, "handle %.128s is gone",
					handle->name);
	if (counted && handle->object && model_equal(counted, handle->object)) {
		model_free(counted);
		return ipam_plan_decide(request, IPAM_OK, "%s", "");
	}
	ipam_view_remove(&plan->view, handle);
	handle->object = counted;
	handle->grown = counted ? 1 : -1;
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}

enum ipam_attempt ipam_plan_sweep_block(struct ipam_plan *plan, struct ipam_request *request)
{
	struct ipam_entry *block = ipam_view_block(&plan->view, &request->block);
	enum ipam_attempt attempt = ipam_plan_refresh(plan, block);

	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (block->corrupt)
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", block->corrupt);
	if (!block->block || !ipam_block_collect(block->block, &plan->cooldown))
		return ipam_plan_decide(request, IPAM_E_NOT_FOUND, "nothing has cooled down in %s",
					cidr_format(&request->block).s);
	ipam_view_touch(&plan->view, block);
	if (ipam_block_is_empty(block->block) && !ipam_block_affinity(block->block))
		ipam_view_remove(&plan->view, block);
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}
