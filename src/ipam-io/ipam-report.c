/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The report on addresses. A corrupt block does not hide the others: it is named and not counted.
 */

#include "ipam-io/ipam-report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-pool.h"
#include "model/kinds.h"
#include "store/store.h"

void ipam_report_deinit(struct ipam_report *report)
{
	free(report->v);
	for (size_t i = 0; i < report->n_corrupt; i++)
		free(report->corrupt[i]);
	free(report->corrupt);
	*report = (struct ipam_report){.v = NULL};
}

static void add_corrupt(struct ipam_report *report, const struct err *err)
{
	*ARRAY_ADD(report->corrupt, report->n_corrupt) = xstrdup(err->msg);
}

static int read_reserved(struct store *store, struct ipam_reserved *ret, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	int r = store_list(store, KIND_IP_RESERVATION, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		const struct str_list *cidrs;

		r = store_object_read(&list.v[i], &object, err);
		cidrs = r == 0 ? &as_ip_reservation(object)->spec.reserved_cidrs : NULL;
		for (size_t j = 0; cidrs && j < cidrs->n; j++) {
			struct cidr cidr;

			if (cidr_parse(cidrs->v[j], &cidr, NULL) == 0)
				*ARRAY_ADD(ret->v, ret->n) = cidr_masked(&cidr);
		}
	}
	return r;
}

/* Adds the overlap of reservations with a pool, as far as no other reservation covers it. */
static uint64_t reserved_in(const struct ipam_reserved *reserved, const struct cidr *pool)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < reserved->n; i++) {
		const struct cidr *cidr = &reserved->v[i];
		bool counted = false;
		uint64_t size;

		for (size_t j = 0; j < reserved->n; j++) {
			const struct cidr *other = &reserved->v[j];

			counted = counted || (j != i && cidr_covers(other, cidr) &&
					      (j < i || !cidr_equal(other, cidr)));
		}
		if (counted || !cidr_overlaps(cidr, pool))
			continue;
		size = cidr_size(cidr_covers(cidr, pool) ? pool : cidr);
		if (__builtin_add_overflow(sum, size, &sum))
			return UINT64_MAX;
	}
	return sum;
}

static int read_pools(struct store *store, const struct ipam_reserved *reserved,
		      struct ipam_report *ret, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	int r = store_list(store, KIND_IP_POOL, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		struct err why = ERR_INIT;
		struct ipam_pool pool;

		if (store_object_read(&list.v[i], &object, &why) != 0 ||
		    ipam_pool_read(as_ip_pool(object), &pool, &why) != 0) {
			add_corrupt(ret, &why);
			continue;
		}
		*ARRAY_ADD(ret->v, ret->n) = (struct ipam_report_line){
			.cidr = pool.cidr,
			.total = cidr_size(&pool.cidr),
			.reserved = reserved_in(reserved, &pool.cidr),
		};
	}
	return r;
}

static void add_block(struct ipam_report *report, size_t n_pools, const struct ipam_block *block,
		      const struct ipam_reserved *reserved)
{
	uint64_t used = ipam_block_used(block);
	uint64_t available = ipam_block_available(block, reserved);
	struct ipam_report_line line = {
		.is_block = true,
		.cidr = *ipam_block_cidr(block),
		.total = ipam_block_size(block),
		.in_use = used,
		.reserved = ipam_block_size(block) - used - available,
		.free = available,
	};

	for (size_t i = 0; i < n_pools; i++) {
		struct ipam_report_line *pool = &report->v[i];

		if (!cidr_covers(&pool->cidr, &line.cidr))
			continue;
		pool->in_use += used;
		/* Reserved addresses that are in use from before count as in use. */
		pool->reserved -= MIN(pool->reserved,
				      pool->reserved == UINT64_MAX
					      ? 0
					      : reserved_in(reserved, &line.cidr) - line.reserved);
	}
	*ARRAY_ADD(report->v, report->n) = line;
}

static int read_blocks(struct store *store, const struct ipam_reserved *reserved,
		       struct ipam_report *ret, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	int r = store_list(store, KIND_IPAM_BLOCK, NULL, &list, err);
	size_t n_pools = ret->n;

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		_cleanup_(ipam_block_freep) struct ipam_block *block = NULL;
		struct err why = ERR_INIT;

		if (store_object_read(&list.v[i], &object, &why) != 0 ||
		    ipam_block_from_object(object, &block, &why) != 0) {
			add_corrupt(ret, &why);
			continue;
		}
		object = NULL; /* the block has it */
		if (!ipam_block_is_deleted(block))
			add_block(ret, n_pools, block, reserved);
	}
	return r;
}

/* A pool before its blocks, since it is the wider prefix; equal ones by kind. */
static int compare_lines(const void *a, const void *b)
{
	const struct ipam_report_line *left = a;
	const struct ipam_report_line *right = b;
	int order = ip_compare(&left->cidr.addr, &right->cidr.addr);

	if (order)
		return order;
	if (left->cidr.len != right->cidr.len)
		return left->cidr.len < right->cidr.len ? -1 : 1;
	return (int)left->is_block - (int)right->is_block;
}

int ipam_report_read(struct store *store, struct ipam_report *ret, struct err *err)
{
	_cleanup_(ipam_report_deinitp) struct ipam_report report = {.n = 0};
	struct ipam_reserved reserved = {.n = 0};
	_cleanup_free_ struct cidr *cidrs = NULL;
	int r = read_reserved(store, &reserved, err);

	cidrs = reserved.v;
	if (r == 0)
		r = read_pools(store, &reserved, &report, err);
	if (r == 0)
		r = read_blocks(store, &reserved, &report, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < report.n; i++) {
		struct ipam_report_line *line = &report.v[i];
		uint64_t taken = line->in_use + line->reserved;

		if (!line->is_block)
			line->free = line->total == UINT64_MAX ? UINT64_MAX
				     : line->total > taken     ? line->total - taken
							       : 0;
	}
	if (report.n)
		qsort(report.v, report.n, sizeof(*report.v), compare_lines);
	*ret = report;
	report = (struct ipam_report){.n = 0};
	return 0;
}

struct cell {
	char s[40];
};

static struct cell cell(const struct ipam_report_line *line, uint64_t n, bool percent)
{
	struct cell c;

	if (n == UINT64_MAX)
		(void)snprintf(c.s, sizeof(c.s), ">1.8e+19");
	else if (percent && line->total && line->total != UINT64_MAX)
		(void)snprintf(c.s, sizeof(c.s), "%" PRIu64 " (%.0f%%)", n,
			       100.0 * (double)n / (double)line->total);
	else
		(void)snprintf(c.s, sizeof(c.s), "%" PRIu64, n);
	return c;
}

void ipam_report_write(const struct ipam_report *report, bool show_blocks, struct buf *out)
{
	buf_addf(out, "%-10s %-26s %-12s %-16s %-14s %s\n", "GROUPING", "CIDR", "IPS TOTAL",
		 "IPS IN USE", "IPS RESERVED", "IPS FREE");
	for (size_t i = 0; i < report->n; i++) {
		const struct ipam_report_line *line = &report->v[i];

		if (line->is_block && !show_blocks)
			continue;
		buf_addf(out, "%-10s %-26s %-12s %-16s %-14s %s\n",
			 line->is_block ? "Block" : "IP Pool", cidr_format(&line->cidr).s,
			 cell(line, line->total, false).s, cell(line, line->in_use, true).s,
			 cell(line, line->reserved, false).s, cell(line, line->free, true).s);
	}
	for (size_t i = 0; i < report->n_corrupt; i++)
		buf_addf(out, "not counted: %s\n", report->corrupt[i]);
}

/* --- One address ----------------------------------------------------------------------------- */

static void write_holder(const struct ipam_block *block, const struct ip_addr *addr,
			 struct buf *out)
{
	unsigned int ordinal = (unsigned int)ip_distance(&ipam_block_cidr(block)->addr, addr);
	const char *handle = ipam_block_handle(block, ordinal);
	const char *owner = ipam_block_affinity(block);
	const struct str_map *attrs = ipam_block_attrs(block, ordinal);

	if (!ipam_block_is_used(block, ordinal)) {
		buf_addf(out, "%s is not assigned", ip_format(addr).s);
	} else {
		buf_addf(out, "%s is in use\nHandle: %s\nAttributes:\n", ip_format(addr).s,
			 handle ? handle : "none (in its cooldown, or assigned without)");
		for (size_t i = 0; attrs && i < attrs->n; i++)
			buf_addf(out, "  %s: %s\n", attrs->v[i].key, attrs->v[i].value);
	}
	buf_addf(out, "%sBlock: %s of %s\n", ipam_block_is_used(block, ordinal) ? "" : "\n",
		 cidr_format(ipam_block_cidr(block)).s, owner ? owner : "nobody");
}

int ipam_report_address(struct store *store, const struct ip_addr *addr, struct buf *out,
			struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	int r = store_list(store, KIND_IPAM_BLOCK, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		_cleanup_(ipam_block_freep) struct ipam_block *block = NULL;
		struct err why = ERR_INIT;

		if (store_object_read(&list.v[i], &object, &why) != 0 ||
		    ipam_block_from_object(object, &block, &why) != 0) {
			buf_addf(out, "not looked into: %s\n", why.msg);
			continue;
		}
		object = NULL; /* the block has it */
		if (ipam_block_is_deleted(block) || !cidr_contains(ipam_block_cidr(block), addr))
			continue;
		write_holder(block, addr, out);
		return 0;
	}
	if (r == 0)
		buf_addf(out, "%s is not assigned; it lies in no block\n", ip_format(addr).s);
	return r;
}
