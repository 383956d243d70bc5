/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How the addresses are used: pools and blocks, one address, what nodes borrowed out of each
 * other's blocks, and the settings.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "ctl/ctl-internal.h"
#include "ipam-io/ipam-report.h"

/* --- Borrowed addresses ----------------------------------------------------------------------- */

static const char *block_owner(const struct ipam_block_spec *block)
{
	static const char host[] = "host:";

	if (!block->affinity)
		return NULL;
	if (strncmp(block->affinity, host, sizeof(host) - 1) == 0)
		return block->affinity + sizeof(host) - 1;
	return block->affinity;
}

static void add_borrowed(struct ctl_table *table, const struct ipam_block_spec *block,
			 const struct ip_addr *addr, const struct str_map *attributes)
{
	const char *namespace = str_map_find(attributes, "namespace");
	const char *pod = str_map_find(attributes, "pod");
	const char *type = str_map_find(attributes, "type");
	_cleanup_free_ char *owner =
		pod ? xasprintf("%s/%s", namespace ? namespace : "", pod) : NULL;

	ctl_table_add(table, ip_format(addr).s);
	ctl_table_add(table, str_map_find(attributes, "node"));
	ctl_table_add(table, block->cidr);
	ctl_table_add(table, block_owner(block));
	ctl_table_add(table, type ? type : pod ? "Workload" : "");
	ctl_table_add(table, owner);
}

static void add_borrowed_of_block(struct ctl_table *table, const struct ipam_block_spec *block)
{
	const char *owner = block_owner(block);
	struct cidr cidr;

	if (!block->cidr || cidr_parse(block->cidr, &cidr, NULL) < 0)
		return;
	for (size_t i = 0; i < block->allocations.n; i++) {
		struct opt_int index = block->allocations.v[i];
		const struct str_map *attributes;
		struct ip_addr addr;
		const char *node;

		if (!index.set || index.v < 0 || (uint64_t)index.v >= block->attributes.n)
			continue;
		attributes = &block->attributes.v[index.v].secondary;
		node = str_map_find(attributes, "node");
		if (!node || (owner && strcmp(node, owner) == 0))
			continue;
		addr = ip_add(&cidr.addr, i);
		add_borrowed(table, block, &addr, attributes);
	}
}

static int show_borrowed(struct ctl *ctl, struct err *err)
{
	static const char *const titles[] = {"IP",	    "BORROWING-NODE", "BLOCK",
					     "BLOCK OWNER", "TYPE",	      "ALLOCATED-TO"};
	_cleanup_(ctl_table_deinitp) struct ctl_table table = {.n_columns = ARRAY_SIZE(titles)};
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r;

	r = store_list(ctl->store, KIND_IPAM_BLOCK, NULL, &list, err);
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		ctl_table_add(&table, titles[i]);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;

		r = store_object_read(&list.v[i], &object, err);
		if (r == 0)
			add_borrowed_of_block(&table, &as_ipam_block(object)->spec);
	}
	if (r == 0)
		ctl_table_print_boxed(&table, stdout);
	return r;
}

/* --- Settings --------------------------------------------------------------------------------- */

static int show_configuration(struct ctl *ctl, struct err *err)
{
	static const struct {
		const char *title;
		const char *path;
	} rows[] = {
		{"StrictAffinity", "spec.strictAffinity"},
		{"AutoAllocateBlocks", "spec.autoAllocateBlocks"},
		{"MaxBlocksPerHost", "spec.maxBlocksPerHost"},
		{"KubeVirtVMAddressPersistence", "spec.kubeVirtVMAddressPersistence"},
		{"IPCooldownSeconds", "spec.ipCooldownSeconds"},
	};
	_cleanup_(ctl_table_deinitp) struct ctl_table table = {.n_columns = 2};
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_IPAM_CONFIGURATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	uint64_t revision;
	int r;

	r = ctl_get_object(ctl, key, &object, &revision, err);
	if (r < 0)
		return r;
	if (r == STORE_E_NOT_FOUND)
		object = model_copy(key);
	model_default(object);
	ctl_table_add(&table, "PROPERTY");
	ctl_table_add(&table, "VALUE");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *value = model_path_text(object, rows[i].path);

		if (!value)
			continue;
		ctl_table_add(&table, rows[i].title);
		ctl_table_add(&table, value);
	}
	ctl_table_print_boxed(&table, stdout);
	return 0;
}

/* --- Use -------------------------------------------------------------------------------------- */

static int show_address(struct ctl *ctl, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct ip_addr addr;
	int r;

	r = ip_parse(ctl->args.values[FLAG_IP], &addr, err);
	if (r < 0)
		return err_prefix(err, r, "--ip");
	r = ipam_report_address(ctl->store, &addr, &out, err);
	if (r < 0)
		return r;
	fputs(buf_str(&out), stdout);
	return 0;
}

/* What is more than 64 bits can count is told as such; a share of it is not worth a figure. */
static void add_count(struct ctl_table *table, const struct ipam_report_line *line, uint64_t n,
		      bool percent)
{
	char text[40];

	if (n == UINT64_MAX)
		(void)snprintf(text, sizeof(text), ">1.8e+19");
	else if (percent && line->total && line->total != UINT64_MAX)
		(void)snprintf(text, sizeof(text), "%" PRIu64 " (%.0f%%)", n,
			       100.0 * (double)n / (double)line->total);
	else
		(void)snprintf(text, sizeof(text), "%" PRIu64, n);
	ctl_table_add(table, text);
}

static void print_report(const struct ipam_report *report, bool blocks)
{
	static const char *const titles[] = {"GROUPING",   "CIDR",	   "IPS TOTAL",
					     "IPS IN USE", "IPS RESERVED", "IPS FREE"};
	_cleanup_(ctl_table_deinitp) struct ctl_table table = {.n_columns = ARRAY_SIZE(titles)};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		ctl_table_add(&table, titles[i]);
	for (size_t i = 0; i < report->n; i++) {
		const struct ipam_report_line *line = &report->v[i];

		if (line->is_block && !blocks)
			continue;
		ctl_table_add(&table, line->is_block ? "Block" : "IP Pool");
		ctl_table_add(&table, cidr_format(&line->cidr).s);
		add_count(&table, line, line->total, false);
		add_count(&table, line, line->in_use, true);
		add_count(&table, line, line->reserved, false);
		add_count(&table, line, line->free, true);
	}
	ctl_table_print_boxed(&table, stdout);
}

static int show_use(struct ctl *ctl, struct err *err)
{
	_cleanup_(ipam_report_deinitp) struct ipam_report report = {.v = NULL};
	int r;

	r = ipam_report_read(ctl->store, &report, err);
	if (r < 0)
		return r;
	print_report(&report, ctl->args.set[FLAG_SHOW_BLOCKS]);
	if (report.n_corrupt)
		return err_set(err, -EBADMSG, "%zu object(s) can't be read and are not counted: %s",
			       report.n_corrupt, report.corrupt[0]);
	return 0;
}

int ctl_run_ipam_show(struct ctl *ctl, struct err *err)
{
	if (ctl->args.set[FLAG_IP])
		return show_address(ctl, err);
	if (ctl->args.set[FLAG_SHOW_BORROWED])
		return show_borrowed(ctl, err);
	if (ctl->args.set[FLAG_SHOW_CONFIGURATION])
		return show_configuration(ctl, err);
	return show_use(ctl, err);
}
