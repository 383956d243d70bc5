/* SPDX-License-Identifier: Apache-2.0 */

/* One question about the table by its name, one transaction that takes it away. */

#include "nft/table-remove.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/batch.h"

static int see(const struct nlmsghdr *message, void *ctx)
{
	(void)message;
	*(bool *)ctx = true;
	return 0;
}

static void see_nothing(void *ctx)
{
	*(bool *)ctx = false;
}

int nft_table_find(struct nl *nl, uint8_t family, bool *ret, struct err *err)
{
	struct nl_visitor visitor = {.restart = see_nothing, .message = see, .ctx = ret};
	struct nfgenmsg header = {.nfgen_family = nft_family(family), .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE),
				NLM_F_ACK, &header, sizeof(header));
	int r;

	*ret = false;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "nftables: look for table " NFT_TABLE);
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "nftables: look for table " NFT_TABLE);
	return 0;
}

int nft_table_remove(struct nl *nl, uint8_t family, struct err *err)
{
	_cleanup_(nft_batch_freep) struct nft_batch *batch = nft_batch_new(family);

	nft_batch_delete_table(batch);
	return nft_batch_commit(batch, nl, err);
}
