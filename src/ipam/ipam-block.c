/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The block. What must hold between calls, checked when a block comes in and kept by every change:
 * every ordinal is exactly once either in 'unallocated' or allocated; an allocation is an index
 * into 'attributes'; every attribute in use has a handle or a release time or neither (an address
 * without handle is legal). 'unallocated' is a queue: a freed address is the last to be given
 * again, so that peers forget it before it has a new owner.
 */

#include "ipam/ipam-block.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ipam/ipam-attribute.h"
#include "ipam/ipam-name.h"
#include "model/kinds.h"

struct ipam_block {
	struct ipam_block_object *object;
	struct cidr cidr;
	unsigned int size;
	unsigned int n_used;
};

struct decimal {
	char s[24];
};

static struct decimal decimal(int64_t n)
{
	struct decimal text;

	(void)snprintf(text.s, sizeof(text.s), "%lld", (long long)n);
	return text;
}

static struct ipam_block_spec *spec_of(const struct ipam_block *block)
{
	return &block->object->spec;
}

static struct ip_addr address_of(const struct ipam_block *block, unsigned int ordinal)
{
	return ip_add(&block->cidr.addr, ordinal);
}

/* --- Making and checking -------------------------------------------------------------------- */

struct ipam_block *ipam_block_new(const struct cidr *cidr, const char *affinity, int64_t now,
				  uint64_t sequence)
{
	struct ipam_name name = ipam_block_name(cidr);
	struct ipam_block *block = XNEW(struct ipam_block);
	struct ipam_block_spec *spec;

	assert(ip_bits(cidr->addr.family) - cidr->len <= IPAM_BLOCK_BITS_MAX);
	block->object = as_ipam_block(model_new(KIND_IPAM_BLOCK, NULL, name.s));
	block->cidr = *cidr;
	block->size = (unsigned int)cidr_size(cidr);
	spec = spec_of(block);
	replace_str(&spec->cidr, xstrdup(cidr_format(cidr).s));
	if (affinity) {
		replace_str(&spec->affinity, xstrdup(affinity));
		replace_str(&spec->affinity_claim_time, xstrdup(format_time(now).s));
	}
	spec->allocations.v = xcalloc(block->size, sizeof(*spec->allocations.v));
	spec->allocations.n = block->size;
	spec->allocations.set = true;
	spec->unallocated.v = xcalloc(block->size, sizeof(*spec->unallocated.v));
	spec->unallocated.n = block->size;
	spec->unallocated.set = true;
	for (unsigned int i = 0; i < block->size; i++)
		spec->unallocated.v[i] = i;
	spec->attributes.set = true;
	spec->sequence_number_for_allocation.set = true;
	spec->sequence_number = (struct opt_int){.set = true, .v = (int64_t)sequence};
	spec->deleted = (struct opt_bool){.set = true, .v = false};
	return block;
}

struct ipam_block *ipam_block_free(struct ipam_block *block)
{
	if (!block)
		return NULL;
	if (block->object)
		model_free(&block->object->object);
	free(block);
	return NULL;
}

static int corrupt(const struct ipam_block *block, struct err *err, const char *what)
{
	return err_set(err, -EBADMSG,
		       "IPAMBlock %.64s is corrupt: %s; nothing is assigned from it, repair it or "
		       "delete it when it is unused",
		       block->object->object.meta.name ? block->object->object.meta.name : "-",
		       what);
}

static int check_cidr(struct ipam_block *block, struct err *err)
{
	const struct ipam_block_spec *spec = spec_of(block);
	unsigned int bits;

	if (!spec->cidr || cidr_parse(spec->cidr, &block->cidr, NULL) != 0)
		return corrupt(block, err, "spec.cidr is not a CIDR");
	bits = ip_bits(block->cidr.addr.family) - block->cidr.len;
	if (!cidr_is_masked(&block->cidr) || bits > IPAM_BLOCK_BITS_MAX)
		return corrupt(block, err, "spec.cidr is not a prefix of at most 4096 addresses");
	if (block->object->object.meta.name &&
	    strcmp(block->object->object.meta.name, ipam_block_name(&block->cidr).s) != 0)
		return corrupt(block, err, "its name is not that of spec.cidr");
	block->size = 1u << bits;
	return 0;
}

static int check_ordinals(struct ipam_block *block, struct err *err)
{
	const struct ipam_block_spec *spec = spec_of(block);
	_cleanup_free_ bool *seen = xcalloc(block->size, sizeof(*seen));

	if (spec->allocations.n != block->size)
		return corrupt(block, err, "spec.allocations does not have one entry per address");
	for (unsigned int i = 0; i < block->size; i++) {
		const struct opt_int *index = &spec->allocations.v[i];

		if (!index->set)
			continue;
		if (index->v < 0 || (uint64_t)index->v >= spec->attributes.n)
			return corrupt(block, err, "an allocation has no entry in spec.attributes");
		seen[i] = true;
		block->n_used++;
	}
	for (size_t i = 0; i < spec->unallocated.n; i++) {
		int64_t ordinal = spec->unallocated.v[i];

		if (ordinal < 0 || ordinal >= block->size)
			return corrupt(block, err, "spec.unallocated names an address outside it");
		if (seen[ordinal])
			return corrupt(
				block, err,
				"an address of spec.unallocated is allocated or named twice");
		seen[ordinal] = true;
	}
	if (block->n_used + spec->unallocated.n != block->size)
		return corrupt(block, err, "an address is neither allocated nor unallocated");
	return 0;
}

static int check_rest(const struct ipam_block *block, struct err *err)
{
	const struct ipam_block_spec *spec = spec_of(block);
	int64_t time;
	uint64_t ordinal;

	for (size_t i = 0; i < spec->attributes.n; i++) {
		const char *released = spec->attributes.v[i].released_at;

		if (released && parse_time(released, &time, NULL) != 0)
			return corrupt(block, err, "a releasedAt of spec.attributes is not a time");
	}
	for (size_t i = 0; i < spec->sequence_number_for_allocation.n; i++) {
		const char *key = spec->sequence_number_for_allocation.v[i].key;

		if (parse_u64(key, 0, block->size - 1, &ordinal, NULL) != 0)
			return corrupt(block, err,
				       "a key of spec.sequenceNumberForAllocation is outside it");
	}
	return 0;
}

int ipam_block_from_object(struct object *object, struct ipam_block **ret, struct err *err)
{
	struct ipam_block *block = XNEW(struct ipam_block);
	int r;

	block->object = as_ipam_block(object);
	r = check_cidr(block, err);
	if (r == 0)
		r = check_ordinals(block, err);
	if (r == 0)
		r = check_rest(block, err);
	if (r < 0) {
		free(block);
		return r;
	}
	spec_of(block)->allocations.set = true;
	spec_of(block)->unallocated.set = true;
	spec_of(block)->attributes.set = true;
	*ret = block;
	return 0;
}

/* --- Asking ---------------------------------------------------------------------------------- */

const struct object *ipam_block_object(const struct ipam_block *block)
{
	return &block->object->object;
}

bool ipam_block_is_deleted(const struct ipam_block *block)
{
	return spec_of(block)->deleted.set && spec_of(block)->deleted.v;
}

const struct cidr *ipam_block_cidr(const struct ipam_block *block)
{
	return &block->cidr;
}

const char *ipam_block_affinity(const struct ipam_block *block)
{
	const char *affinity = spec_of(block)->affinity;

	return affinity && *affinity ? affinity : NULL;
}

bool ipam_block_has_affinity(const struct ipam_block *block, const char *affinity)
{
	const char *own = ipam_block_affinity(block);

	return own && strcmp(own, affinity) == 0;
}

void ipam_block_drop_affinity(struct ipam_block *block)
{
	replace_str(&spec_of(block)->affinity, NULL);
	replace_str(&spec_of(block)->affinity_claim_time, NULL);
}

int64_t ipam_block_claim_time(const struct ipam_block *block)
{
	const char *text = spec_of(block)->affinity_claim_time;
	int64_t time;

	return text && parse_time(text, &time, NULL) == 0 ? time : 0;
}

unsigned int ipam_block_size(const struct ipam_block *block)
{
	return block->size;
}

unsigned int ipam_block_used(const struct ipam_block *block)
{
	return block->n_used;
}

bool ipam_block_is_empty(const struct ipam_block *block)
{
	return block->n_used == 0;
}

bool ipam_block_is_full(const struct ipam_block *block)
{
	return block->n_used == block->size;
}

static bool is_free_for(const struct ipam_block *block, int64_t ordinal,
			const struct ipam_reserved *reserved)
{
	struct ip_addr addr = address_of(block, (unsigned int)ordinal);

	return !ipam_reserved_has(reserved, &addr);
}

unsigned int ipam_block_available(const struct ipam_block *block,
				  const struct ipam_reserved *reserved)
{
	const struct int_list *queue = &spec_of(block)->unallocated;
	unsigned int n = 0;

	if (!reserved->n)
		return block->size - block->n_used;
	for (size_t i = 0; i < queue->n; i++)
		n += is_free_for(block, queue->v[i], reserved);
	return n;
}

static const struct ipam_attribute *attribute_of(const struct ipam_block *block,
						 unsigned int ordinal)
{
	const struct opt_int *index = &spec_of(block)->allocations.v[ordinal];

	return index->set ? &spec_of(block)->attributes.v[index->v] : NULL;
}

bool ipam_block_is_used(const struct ipam_block *block, unsigned int ordinal)
{
	return spec_of(block)->allocations.v[ordinal].set;
}

const char *ipam_block_handle(const struct ipam_block *block, unsigned int ordinal)
{
	const struct ipam_attribute *attribute = attribute_of(block, ordinal);

	return attribute ? attribute->handle_id : NULL;
}

const struct str_map *ipam_block_attrs(const struct ipam_block *block, unsigned int ordinal)
{
	const struct ipam_attribute *attribute = attribute_of(block, ordinal);

	return attribute ? &attribute->secondary : NULL;
}

uint64_t ipam_block_sequence(const struct ipam_block *block, unsigned int ordinal)
{
	const struct int_pair *pair =
		int_map_find(&spec_of(block)->sequence_number_for_allocation, decimal(ordinal).s);

	return pair ? (uint64_t)pair->value : 0;
}

const char *ipam_block_released_at(const struct ipam_block *block, unsigned int ordinal)
{
	const struct ipam_attribute *attribute = attribute_of(block, ordinal);

	return attribute ? attribute->released_at : NULL;
}

static bool has_handle(const struct ipam_block *block, unsigned int ordinal, const char *handle)
{
	const char *own = ipam_block_handle(block, ordinal);

	return own && strcmp(own, handle) == 0;
}

unsigned int ipam_block_count(const struct ipam_block *block, const char *handle)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < block->size; i++)
		n += has_handle(block, i, handle);
	return n;
}

/* --- Claiming -------------------------------------------------------------------------------- */

static void queue_remove(struct int_list *queue, size_t i)
{
	queue->n--;
	memmove(&queue->v[i], &queue->v[i + 1], (queue->n - i) * sizeof(*queue->v));
}

static void allocate(struct ipam_block *block, unsigned int ordinal, int64_t attribute)
{
	struct ipam_block_spec *spec = spec_of(block);

	spec->allocations.v[ordinal] = (struct opt_int){.set = true, .v = attribute};
	int_map_put(&spec->sequence_number_for_allocation, decimal(ordinal).s,
		    spec->sequence_number.v);
	block->n_used++;
}

unsigned int ipam_block_claim(struct ipam_block *block, const struct ipam_owner *owner,
			      unsigned int n, const struct ipam_reserved *reserved,
			      struct ip_addr *ret_addrs)
{
	struct int_list *queue = &spec_of(block)->unallocated;
	int64_t attribute = -1;
	unsigned int got = 0;
	size_t i = 0;

	while (got < n && i < queue->n) {
		unsigned int ordinal = (unsigned int)queue->v[i];

		if (!is_free_for(block, ordinal, reserved)) {
			i++;
			continue;
		}
		if (attribute < 0)
			attribute = ipam_attribute_index(&spec_of(block)->attributes, owner, NULL);
		queue_remove(queue, i);
		allocate(block, ordinal, attribute);
		ret_addrs[got++] = address_of(block, ordinal);
	}
	return got;
}

static unsigned int ordinal_of(const struct ipam_block *block, const struct ip_addr *addr)
{
	assert(cidr_contains(&block->cidr, addr));
	return (unsigned int)ip_distance(&block->cidr.addr, addr);
}

int ipam_block_claim_address(struct ipam_block *block, const struct ipam_owner *owner,
			     const struct ip_addr *addr)
{
	struct int_list *queue = &spec_of(block)->unallocated;
	unsigned int ordinal = ordinal_of(block, addr);
	size_t i = 0;

	if (ipam_block_is_used(block, ordinal))
		return IPAM_BLOCK_E_TAKEN;
	while (queue->v[i] != ordinal)
		i++;
	queue_remove(queue, i);
	allocate(block, ordinal, ipam_attribute_index(&spec_of(block)->attributes, owner, NULL));
	return 0;
}

/* --- Releasing ------------------------------------------------------------------------------- */

static void deallocate(struct ipam_block *block, unsigned int ordinal)
{
	struct ipam_block_spec *spec = spec_of(block);

	spec->allocations.v[ordinal].set = false;
	spec->allocations.v[ordinal].v = 0;
	/* The list's own memory may be exactly as large as it was when it was read. */
	spec->unallocated.v = xreallocarray(spec->unallocated.v, spec->unallocated.n + 1,
					    sizeof(*spec->unallocated.v));
	spec->unallocated.v[spec->unallocated.n++] = ordinal;
	(void)int_map_remove(&spec->sequence_number_for_allocation, decimal(ordinal).s);
	block->n_used--;
}

static void release(struct ipam_block *block, unsigned int ordinal,
		    const struct ipam_cooldown *cooldown)
{
	static const struct ipam_owner nobody = {.handle = NULL};

	if (cooldown->seconds <= 0) {
		deallocate(block, ordinal);
		return;
	}
	spec_of(block)->allocations.v[ordinal].v = ipam_attribute_index(
		&spec_of(block)->attributes, &nobody, format_time(cooldown->now).s);
}

unsigned int ipam_block_release_handle(struct ipam_block *block, const char *handle,
				       const struct ipam_cooldown *cooldown)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < block->size; i++) {
		if (!has_handle(block, i, handle))
			continue;
		release(block, i, cooldown);
		n++;
	}
	if (n)
		ipam_attributes_prune(spec_of(block));
	return n;
}

int ipam_block_release_address(struct ipam_block *block, const struct ip_addr *addr,
			       const char *handle, const struct ipam_cooldown *cooldown)
{
	unsigned int ordinal = ordinal_of(block, addr);
	const struct ipam_attribute *attribute = attribute_of(block, ordinal);

	if (!attribute || attribute->released_at || (handle && !has_handle(block, ordinal, handle)))
		return IPAM_BLOCK_E_NOT_FOUND;
	release(block, ordinal, cooldown);
	ipam_attributes_prune(spec_of(block));
	return 0;
}

unsigned int ipam_block_collect(struct ipam_block *block, const struct ipam_cooldown *cooldown)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < block->size; i++) {
		const struct ipam_attribute *attribute = attribute_of(block, i);
		int64_t released;

		if (!attribute || !attribute->released_at ||
		    parse_time(attribute->released_at, &released, NULL) != 0 ||
		    released + cooldown->seconds > cooldown->now)
			continue;
		deallocate(block, i);
		n++;
	}
	if (n)
		ipam_attributes_prune(spec_of(block));
	return n;
}

void ipam_block_count_write(struct ipam_block *block)
{
	struct opt_int *sequence = &spec_of(block)->sequence_number;

	*sequence = (struct opt_int){.set = true, .v = (int64_t)((uint64_t)sequence->v + 1)};
}
