/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text as a block from the datastore: it is refused, or it is whole, takes an address and gives
 * it back.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "ipam/ipam-block.h"
#include "model/model-desc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ipam_block *block)
{
	static const struct ipam_reserved nothing = {.v = NULL};
	static const struct ipam_cooldown at_once = {.now = 1};
	struct ipam_owner owner = {.handle = "fuzz-handle-of-nobody"};
	unsigned int used = ipam_block_used(block);
	unsigned int had = ipam_block_count(block, owner.handle);
	struct ip_addr addr;
	struct err err = ERR_INIT;
	struct object *copy;
	struct ipam_block *again = NULL;

	if (ipam_block_claim(block, &owner, 1, &nothing, &addr) == 1 && !had) {
		assert(ipam_block_used(block) == used + 1);
		assert(ipam_block_claim_address(block, &owner, &addr) == IPAM_BLOCK_E_TAKEN);
		assert(ipam_block_release_handle(block, owner.handle, &at_once) == 1);
		assert(ipam_block_used(block) == used);
	}
	(void)ipam_block_collect(block, &at_once);
	ipam_block_count_write(block);
	copy = model_copy(ipam_block_object(block));
	assert(ipam_block_from_object(copy, &again, &err) == 0);
	ipam_block_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object *object = NULL;
	struct ipam_block *block = NULL;
	struct err err = ERR_INIT;

	if (model_read_json((const char *)data, size, MODEL_LENIENT, "fuzz", &object, &err) != 0)
		return 0;
	if (object->desc->kind != KIND_IPAM_BLOCK ||
	    ipam_block_from_object(object, &block, &err) < 0) {
		model_free(object);
		return 0;
	}
	use(block);
	ipam_block_free(block);
	return 0;
}
