/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Established connections take the kernel's flow table: their packets go from the ingress of one
 * device to the other, past routing and all chains, until the connection ends, nothing came for
 * half a minute, or its entry is deleted.
 *
 * The rule that puts them there is in a chain behind all others of the forward hook: a packet that
 * policy or another program's chain drops doesn't get there, and takes nothing in.
 */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/flowtable.h"
#include "nft/kernel-probe.h"
#include "nft/policy-internal.h"

void table_offload_configure(struct policy_table *table, bool wanted)
{
	/* A module may have come since the last look. */
	if (wanted && !table->has_flowtables)
		table->has_flowtables = nft_kernel_has_flowtables(table->nl, AF_INET) &&
					nft_kernel_has_flowtables(table->nl, AF_INET6);
	table->offload_wanted = wanted;
}

static void hold(struct policy_table *table, unsigned int f)
{
	if (!table->flowtables[f])
		table->flowtables[f] = nft_flowtable_ref(table->rulesets[f], NFT_FLOWTABLE);
}

static void release(struct policy_table *table, unsigned int f)
{
	if (table->flowtables[f])
		nft_flowtable_unref(table->rulesets[f], table->flowtables[f]);
	table->flowtables[f] = NULL;
}

void table_offload_render(struct policy_table *table, unsigned int f, struct nft_rules *rules)
{
	if (!table->offload_wanted || !table->has_flowtables) {
		release(table, f);
		return;
	}
	hold(table, f);
	nft_begin(table->builder);
	nft_put_ct_bits(table->builder, NFT_CT_STATE, NFT_CONNECTION_STATES);
	nft_put_label(table->builder, "takes the flow table from now on");
	nft_put_flow_offload(table->builder, NFT_FLOWTABLE);
	nft_rules_add(rules, nft_end(table->builder));
}

void table_offload_deinit(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		release(table, f);
}

int policy_table_offload(struct policy_table *table, const char *const *devices, size_t n,
			 size_t *ret, struct err *err)
{
	int r;

	*ret = 0;
	if (!table->offload_wanted)
		return 0;
	if (!table->has_flowtables)
		return err_set(
			err, -EOPNOTSUPP,
			"this kernel has no flow tables; they come with the modules "
			"nf_flow_table_inet and nft_flow_offload (CONFIG_NF_FLOW_TABLE_INET, "
			"CONFIG_NFT_FLOW_OFFLOAD)");
	r = policy_table_apply(table, err); /* which makes the flow table, if there is none yet */
	for (unsigned int f = 0; r == 0 && f < FAMILIES; f++) {
		size_t in_it;

		r = nft_flowtable_sync(table->nl, family_of(f), devices, n, &in_it, err);

		if (r < 0)
			r = err_prefix(err, r, "flow table of IPv%u", ip_version(family_of(f)));
		*ret = in_it;
	}
	return r;
}
