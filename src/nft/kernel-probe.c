/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The only sure way to know is to ask for what is needed: a table with a chain at a hook, made and
 * taken away in one transaction. A kernel may have nftables and not for this family.
 */

#include "nft/kernel-probe.h"

#include <linux/netfilter.h>

#include "base/alloc.h"
#include "nft/batch.h"

bool nft_kernel_has(struct nl *nl, uint8_t family)
{
	static const struct nft_base base = {
		.type = "filter", .hook = NF_INET_FORWARD, .priority = 0};
	_cleanup_(nft_batch_freep) struct nft_batch *batch =
		nft_batch_new_of(family, "korat-probe", 0);

	nft_batch_add_table(batch);
	nft_batch_add_chain(batch, "probe", &base);
	nft_batch_delete_table(batch);
	return nft_batch_commit(batch, nl, NULL) == 0;
}

bool nft_kernel_has_flowtables(struct nl *nl, uint8_t family)
{
	static const struct nft_base base = {
		.type = "filter", .hook = NF_INET_FORWARD, .priority = 0};
	_cleanup_(nft_batch_freep) struct nft_batch *batch =
		nft_batch_new_of(family, "korat-probe", 0);
	_cleanup_free_ struct nft_builder *b = XNEW(struct nft_builder);
	struct nft_rule rule;

	nft_begin(b);
	nft_put_flow_offload(b, "probe");
	rule = nft_end(b);
	nft_batch_add_table(batch);
	nft_batch_add_flowtable(batch, "probe");
	nft_batch_add_chain(batch, "probe", &base);
	nft_batch_append_rule(batch, "probe", &rule, 0, 0);
	nft_batch_delete_table(batch);
	nft_rule_deinit(&rule);
	return nft_batch_commit(batch, nl, NULL) == 0;
}
