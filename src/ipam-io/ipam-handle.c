/* SPDX-License-Identifier: Apache-2.0 */

/* A handle counts its addresses by block; which they are, the blocks say. */

#include "ipam-io/ipam-handle.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "model/kinds.h"
#include "store/store.h"

static int read_block(struct store *store, const struct cidr *cidr, struct ipam_block **ret,
		      struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(model_freep) struct object *object = NULL;
	int r = store_get(store, KIND_IPAM_BLOCK, NULL, ipam_block_name(cidr).s, &stored, err);

	if (r != 0)
		return MIN(r, 0);
	r = store_object_read(&stored, &object, err);
	if (r == 0)
		r = ipam_block_from_object(object, ret, err);
	if (r == 0)
		TAKE_PTR(object);
	return r;
}

static int add_block(struct store *store, const struct cidr *cidr, const char *handle,
		     struct ip_addr *ret, size_t max, size_t *n, struct err *err)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = NULL;
	int r = read_block(store, cidr, &block, err);

	for (unsigned int i = 0; r == 0 && block && i < ipam_block_size(block) && *n < max; i++) {
		const char *owner = ipam_block_handle(block, i);

		if (owner && strcmp(owner, handle) == 0)
			ret[(*n)++] = ip_add(&ipam_block_cidr(block)->addr, i);
	}
	return r;
}

int ipam_handle_addresses(struct store *store, const char *handle, struct ip_addr *ret, size_t max,
			  size_t *ret_n, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(model_freep) struct object *object = NULL;
	const struct int_map *blocks;
	int r = store_get(store, KIND_IPAM_HANDLE, NULL, handle, &stored, err);

	*ret_n = 0;
	if (r != 0)
		return MIN(r, 0);
	r = store_object_read(&stored, &object, err);
	if (r < 0)
		return r;
	blocks = &as_ipam_handle(object)->spec.block;
	for (size_t i = 0; r == 0 && i < blocks->n; i++) {
		struct cidr cidr;

		r = cidr_parse(blocks->v[i].key, &cidr, err);
		if (r == 0)
			r = add_block(store, &cidr, handle, ret, max, ret_n, err);
	}
	return r;
}
