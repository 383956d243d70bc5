/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ipam split: one pool becomes 2^n equal ones that cover the same addresses, all in one
 * transaction. Blocks and addresses stay as they are: each lies in one of the new pools.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/ctl-internal.h"
#include "ipam/ipam-pool.h"

#define PARTS_MAX    (STORE_TRANSACTION_MAX / 2)
#define NAME_MAX_LEN 253
#define NAME_KEPT    240 /* of the old name in a long one */

static int check_locked(struct ctl *ctl, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_CLUSTER_INFORMATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	const struct opt_bool *ready;
	uint64_t revision;
	int r;

	if (ctl->args.set[FLAG_FORCE])
		return 0;
	r = ctl_get_object(ctl, key, &object, &revision, err);
	if (r < 0)
		return r;
	ready = &as_cluster_information(object ? object : key)->spec.datastore_ready;
	if (!ready->set || ready->v)
		return err_set(err, -EINVAL,
			       "the datastore is not locked; set spec.datastoreReady of "
			       "ClusterInformation default to false first, or use --force");
	return 0;
}

static bool is_wanted(const struct ctl *ctl, const struct ip_pool *pool)
{
	const char *name = ctl->args.values[FLAG_NAME];
	const char *cidr = ctl->args.values[FLAG_CIDR];

	if (name)
		return strcmp(pool->object.meta.name, name) == 0;
	return pool->spec.cidr && strcmp(pool->spec.cidr, cidr) == 0;
}

/* 0: '*ret' given. */
static int find_pool(struct ctl *ctl, struct object **ret, uint64_t *ret_revision, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	const char *name = ctl->args.values[FLAG_NAME];
	int r;

	if (!name && !ctl->args.values[FLAG_CIDR])
		return err_set(err, -EINVAL, "which pool? Give --name or --cidr");
	r = store_list(ctl->store, KIND_IP_POOL, NULL, &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;

		r = store_object_read(&list.v[i], &object, err);
		if (r < 0 || !is_wanted(ctl, as_ip_pool(object)))
			continue;
		*ret = TAKE_PTR(object);
		*ret_revision = list.v[i].revision;
		return 0;
	}
	if (r < 0)
		return r;
	return err_set(err, -ENOENT, "there is no IPPool %.64s",
		       name ? name : ctl->args.values[FLAG_CIDR]);
}

/* 0: '*ret_bits' is by how many bits the prefix grows. */
static int parse_parts(const struct ctl *ctl, const struct ipam_pool *pool, unsigned int *ret_bits,
		       struct err *err)
{
	uint64_t parts;
	unsigned int bits;
	int r = parse_u64(ctl->args.operands[0], 2, PARTS_MAX, &parts, err);

	if (r < 0)
		return r;
	bits = (unsigned int)__builtin_ctzll(parts);
	if (parts != 1ull << bits)
		return err_set(err, -EINVAL, "%s is no power of 2", ctl->args.operands[0]);
	if (pool->cidr.len + bits > pool->block_len)
		return err_set(err, -EINVAL,
			       "IPPool %.64s (%s) is too small for %s parts: they would be smaller "
			       "than its blocks (/%u)",
			       ipam_pool_name(pool), cidr_format(&pool->cidr).s,
			       ctl->args.operands[0], pool->block_len);
	*ret_bits = bits;
	return 0;
}

/* The i-th part: the old pool's settings, its own name and prefix. */
static struct object *make_part(const struct object *old, const struct ipam_pool *pool,
				unsigned int bits, uint64_t i)
{
	unsigned int host_bits = ip_bits(pool->cidr.addr.family) - pool->cidr.len - bits;
	struct object *object = model_copy(old);
	struct cidr cidr = {.addr = pool->cidr.addr, .len = (uint8_t)(pool->cidr.len + bits)};
	uint64_t index = i;

	/* In steps that 64 bits hold, since a part of IPv6 may have more addresses. */
	for (unsigned int bit = 0; bit < bits; bit++) {
		unsigned int at = host_bits + bit;
		unsigned int total = ip_bits(cidr.addr.family);

		if (index >> bit & 1)
			cidr.addr.bytes[(total - 1 - at) / 8] |= (uint8_t)(1u << at % 8);
	}
	replace_str(&object->meta.name, xasprintf("split-%s-%u", old->meta.name, (unsigned int)i));
	if (strlen(object->meta.name) > NAME_MAX_LEN)
		replace_str(&object->meta.name,
			    xasprintf("split-%.*s-%u", NAME_KEPT, old->meta.name, (unsigned int)i));
	replace_str(&object->meta.uid, NULL);
	replace_str(&object->meta.resource_version, NULL);
	replace_str(&object->meta.creation_timestamp, NULL);
	replace_str(&as_ip_pool(object)->spec.cidr, xstrdup(cidr_format(&cidr).s));
	as_ip_pool(object)->spec.disabled = (struct opt_bool){.set = true, .v = false};
	store_stamp(object);
	return object;
}

struct parts {
	struct object **objects;
	char **texts;
	struct store_op *ops; /* one more: the deletion of the old pool */
	size_t n;
};

static void parts_deinit(struct parts *parts)
{
	for (size_t i = 0; i < parts->n; i++) {
		model_free(parts->objects[i]);
		free(parts->texts[i]);
	}
	free(parts->objects);
	free(parts->texts);
	free(parts->ops);
}
CLEANUP_DEINIT(struct parts, parts_deinit);

static int write_parts(struct ctl *ctl, const struct object *old, uint64_t revision,
		       struct parts *parts, struct err *err)
{
	size_t failed = 0;
	int r;

	parts->ops[0] = (struct store_op){.type = STORE_DELETE,
					  .kind = KIND_IP_POOL,
					  .name = old->meta.name,
					  .revision = revision};
	for (size_t i = 0; i < parts->n; i++) {
		struct store_op *op = &parts->ops[i + 1];

		r = model_validate(parts->objects[i], err);
		if (r < 0)
			return r;
		*op = (struct store_op){.type = STORE_CREATE,
					.kind = KIND_IP_POOL,
					.name = parts->objects[i]->meta.name};
		parts->texts[i] = store_object_text(parts->objects[i], &op->size);
		op->value = parts->texts[i];
	}
	r = store_commit(ctl->store, parts->ops, parts->n + 1, NULL, &failed, err);
	if (r > 0)
		return err_set(err, -EBUSY,
			       failed ? "IPPool %.64s is there already; nothing was changed"
				      : "IPPool %.64s changed meanwhile; nothing was changed",
			       parts->ops[failed].name);
	return r;
}

int ctl_run_ipam_split(struct ctl *ctl, struct err *err)
{
	_cleanup_(model_freep) struct object *old = NULL;
	_cleanup_(parts_deinitp) struct parts parts = {.n = 0};
	struct ipam_pool pool = {.object = NULL};
	uint64_t revision = 0;
	unsigned int bits = 0;
	int r = check_locked(ctl, err);

	if (r == 0)
		r = find_pool(ctl, &old, &revision, err);
	if (r == 0)
		r = ipam_pool_read(as_ip_pool(old), &pool, err);
	if (r == 0)
		r = parse_parts(ctl, &pool, &bits, err);
	if (r < 0)
		return r;
	parts.n = (size_t)1 << bits;
	parts.objects = xcalloc(parts.n, sizeof(*parts.objects));
	parts.texts = xcalloc(parts.n, sizeof(*parts.texts));
	parts.ops = xcalloc(parts.n + 1, sizeof(*parts.ops));
	for (size_t i = 0; i < parts.n; i++)
		parts.objects[i] = make_part(old, &pool, bits, i);
	r = write_parts(ctl, old, revision, &parts, err);
	if (r < 0)
		return r;
	printf("IP Pool %s was successfully split into %zu smaller pools.\n", old->meta.name,
	       parts.n);
	for (size_t i = 0; i < parts.n; i++)
		printf("Created %s with CIDR %s.\n", parts.objects[i]->meta.name,
		       as_ip_pool(parts.objects[i])->spec.cidr);
	return 0;
}
