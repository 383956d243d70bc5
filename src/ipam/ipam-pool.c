/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Choice of pools. A selector nobody can evaluate excludes its pool: an address of the wrong pool
 * is worse than none.
 */

#include "ipam/ipam-pool.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "model/kinds.h"

static const char *const use_names[] = {
	[IPAM_USE_WORKLOAD] = "Workload",
	[IPAM_USE_TUNNEL] = "Tunnel",
	[IPAM_USE_LOAD_BALANCER] = "LoadBalancer",
};

const char *ipam_pool_name(const struct ipam_pool *pool)
{
	return pool->object->object.meta.name ? pool->object->object.meta.name : "-";
}

int ipam_pool_read(const struct ip_pool *object, struct ipam_pool *ret, struct err *err)
{
	struct ipam_pool pool = {.object = object};
	unsigned int bits;
	int64_t len;

	if (!object->spec.cidr || cidr_parse(object->spec.cidr, &pool.cidr, NULL) != 0 ||
	    !cidr_is_masked(&pool.cidr))
		return err_set(err, -EBADMSG, "IPPool %.64s: spec.cidr is not a prefix; correct it",
			       ipam_pool_name(&pool));
	bits = ip_bits(pool.cidr.addr.family);
	len = object->spec.block_size.set ? object->spec.block_size.v : (int64_t)bits - 6;
	if (len < pool.cidr.len || len > bits || bits - len > IPAM_BLOCK_BITS_MAX)
		return err_set(
			err, -EBADMSG,
			"IPPool %.64s: spec.blockSize must be %u..%u and not above the CIDR's "
			"own prefix length; correct it",
			ipam_pool_name(&pool), bits - IPAM_BLOCK_BITS_MAX, bits);
	pool.block_len = (uint8_t)len;
	*ret = pool;
	return 0;
}

bool ipam_pool_is_enabled(const struct ipam_pool *pool)
{
	const struct ip_pool_status *status = pool->object->status;

	if (pool->object->spec.disabled.set && pool->object->spec.disabled.v)
		return false;
	for (size_t i = 0; status && i < status->conditions.n; i++) {
		const struct condition *condition = &status->conditions.v[i];

		if (condition->type && strcmp(condition->type, "Allocatable") == 0 &&
		    condition->status && strcmp(condition->status, "False") == 0)
			return false;
	}
	return true;
}

bool ipam_pool_allows(const struct ipam_pool *pool, enum ipam_use use)
{
	const struct str_list *uses = &pool->object->spec.allowed_uses;

	if (!uses->n)
		return use == IPAM_USE_WORKLOAD || use == IPAM_USE_TUNNEL;
	for (size_t i = 0; i < uses->n; i++) {
		if (strcmp(uses->v[i], use_names[use]) == 0)
			return true;
	}
	return false;
}

static bool selects(const struct ipam_pool_query *query, const char *selector,
		    const struct str_map *labels)
{
	static const struct str_map none = {.v = NULL};

	if (!selector || !*selector || strcmp(selector, "all()") == 0)
		return true;
	return query->selects && query->selects(selector, labels ? labels : &none);
}

static bool no(struct err *err, const char *format, const char *text)
{
	(void)err_set(err, 0, "%s%.200s", format, text);
	return false;
}

bool ipam_pool_serves(const struct ipam_pool *pool, const struct ipam_pool_query *query,
		      struct err *err)
{
	const struct ip_pool_spec *spec = &pool->object->spec;

	if (pool->cidr.addr.family != query->family)
		return no(err, "it is of the other address family", "");
	if (spec->disabled.set && spec->disabled.v)
		return no(err, "it is disabled", "");
	if (!ipam_pool_is_enabled(pool))
		return no(err, "its condition Allocatable is False", "");
	if (spec->assignment_mode == ASSIGNMENT_MODE_MANUAL)
		return no(err, "its assignmentMode is Manual", "");
	if (!ipam_pool_allows(pool, query->use))
		return no(err, "its allowedUses do not include ", use_names[query->use]);
	if (!selects(query, spec->node_selector, query->node_labels))
		return no(err, "its nodeSelector does not select this node: ", spec->node_selector);
	if (!selects(query, spec->namespace_selector, query->namespace_labels))
		return no(err, "its namespaceSelector does not select this namespace: ",
			  spec->namespace_selector);
	return true;
}

static const struct ipam_pool *find_named(const struct ipam_pool *all, size_t n, const char *text)
{
	struct cidr cidr;
	bool is_cidr = strchr(text, '/') && cidr_parse(text, &cidr, NULL) == 0;

	for (size_t i = 0; i < n; i++) {
		if (is_cidr ? cidr_equal(&all[i].cidr, &cidr)
			    : strcmp(ipam_pool_name(&all[i]), text) == 0)
			return &all[i];
	}
	return NULL;
}

static bool fits(const struct ipam_pool *pool, const struct ipam_pool_query *query)
{
	return pool->cidr.addr.family == query->family && ipam_pool_allows(pool, query->use);
}

static enum ipam_result_code choose_named(const struct ipam_pool *all, size_t n,
					  const struct ipam_pool_query *query,
					  const struct ipam_pool **ret, size_t *ret_n,
					  struct err *err)
{
	size_t n_chosen = 0;

	for (size_t i = 0; query->pools[i]; i++) {
		const struct ipam_pool *pool = find_named(all, n, query->pools[i]);
		bool again = false;

		if (!pool || !ipam_pool_is_enabled(pool))
			return (enum ipam_result_code)err_set(
				err, IPAM_E_NO_POOL,
				"the requested IPPool %.64s %s; name another or %s it",
				query->pools[i], pool ? "is disabled" : "does not exist",
				pool ? "enable" : "create");
		for (size_t j = 0; j < n_chosen; j++)
			again = again || ret[j] == pool;
		if (!again && fits(pool, query))
			ret[n_chosen++] = pool;
	}
	*ret_n = n_chosen;
	return IPAM_OK;
}

/* Tells of each pool of the family why it is none, as far as the message has room. */
static void explain_none(const struct ipam_pool *all, size_t n, const struct ipam_pool_query *query,
			 struct err *err)
{
	unsigned int version = ip_version(query->family);
	struct err text = ERR_INIT;

	(void)err_set(&text, 0, "no IPv%u IPPool%s serves this node and namespace for %s addresses",
		      version, query->pools ? " of the request" : "", use_names[query->use]);
	for (size_t i = 0; i < n; i++) {
		struct err before = text;
		struct err why = ERR_INIT;

		if (all[i].cidr.addr.family != query->family ||
		    ipam_pool_serves(&all[i], query, &why))
			continue;
		(void)err_set(&text, 0, "%.700s; pool %.64s: %.250s", before.msg,
			      ipam_pool_name(&all[i]), why.msg);
	}
	(void)err_set(err, 0, "%.950s; change one or add one", text.msg);
}

enum ipam_result_code ipam_pools_choose(const struct ipam_pool *all, size_t n,
					const struct ipam_pool_query *query,
					const struct ipam_pool **ret, size_t *ret_n,
					struct err *err)
{
	enum ipam_result_code code;
	size_t n_chosen = 0;

	if (query->pools) {
		code = choose_named(all, n, query, ret, &n_chosen, err);
		if (code != IPAM_OK)
			return code;
	} else {
		for (size_t i = 0; i < n; i++) {
			if (ipam_pool_serves(&all[i], query, NULL))
				ret[n_chosen++] = &all[i];
		}
	}
	*ret_n = n_chosen;
	if (n_chosen)
		return IPAM_OK;
	explain_none(all, n, query, err);
	return IPAM_E_NO_POOL;
}

const struct ipam_pool *ipam_pools_find(const struct ipam_pool *pools, size_t n,
					const struct ip_addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (cidr_contains(&pools[i].cidr, addr))
			return &pools[i];
	}
	return NULL;
}

uint64_t ipam_pool_blocks(const struct ipam_pool *pool)
{
	unsigned int bits = pool->block_len - pool->cidr.len;

	return (uint64_t)1 << MIN(bits, 32u);
}

struct cidr ipam_pool_block(const struct ipam_pool *pool, const char *node, uint64_t i)
{
	uint64_t n = ipam_pool_blocks(pool);
	uint64_t index = (ipam_fnv1(node) % n + i) % n;
	unsigned int host_bits = ip_bits(pool->cidr.addr.family) - pool->block_len;

	return (struct cidr){.addr = ip_add(&pool->cidr.addr, index << host_bits),
			     .len = pool->block_len};
}

struct cidr ipam_pool_block_of(const struct ipam_pool *pool, const struct ip_addr *addr)
{
	struct cidr cidr = {.addr = *addr, .len = pool->block_len};

	return cidr_masked(&cidr);
}
