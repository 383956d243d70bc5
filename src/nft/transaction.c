/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages in the order they are added, between a batch-begin and a batch-end. Sequence numbers are
 * given at the commit, when it is known how many there are.
 */

#include "nft/transaction.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"

#define MESSAGE_MAX	   65536
#define BOUNDS_PER_MESSAGE 512 /* of at most 52 bytes each */
/* What the nft program calls the types; it shows a set's members by them. */
#define NFT_TYPE_IPV4_ADDR 7
#define NFT_TYPE_IPV6_ADDR 8

struct nft_transaction {
	uint8_t family;
	struct buf bytes;
	size_t last; /* offset of the last change, which asks for the acknowledgement */
};

static void *must(void *object)
{
	if (!object) /* the one way libnftnl's constructors fail is for memory */
		abort();
	return object;
}

uint8_t nft_family(uint8_t family)
{
	return family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static void put_batch_message(struct nft_transaction *transaction, uint16_t type)
{
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC,
				  .version = NFNETLINK_V0,
				  .res_id = htons(NFNL_SUBSYS_NFTABLES)};
	struct nl_request request;
	struct nlmsghdr *message = nl_request_init(&request, type, 0, &header, sizeof(header));

	buf_add(&transaction->bytes, message, message->nlmsg_len);
}

struct nft_transaction *nft_transaction_new(uint8_t family)
{
	struct nft_transaction *transaction = XNEW(struct nft_transaction);

	transaction->family = family;
	put_batch_message(transaction, NFNL_MSG_BATCH_BEGIN);
	return transaction;
}

struct nft_transaction *nft_transaction_free(struct nft_transaction *transaction)
{
	if (!transaction)
		return NULL;
	buf_deinit(&transaction->bytes);
	free(transaction);
	return NULL;
}

static struct nlmsghdr *open_message(struct nft_transaction *transaction, uint16_t type,
				     uint16_t flags)
{
	char *at = buf_reserve(&transaction->bytes, MESSAGE_MAX);

	return nftnl_nlmsg_build_hdr(at, type, nft_family(transaction->family),
				     flags | NLM_F_REQUEST, 0);
}

static void close_message(struct nft_transaction *transaction, const struct nlmsghdr *message)
{
	assert(message->nlmsg_len <= MESSAGE_MAX);
	transaction->last = transaction->bytes.size;
	buf_commit(&transaction->bytes, NLMSG_ALIGN(message->nlmsg_len));
}

static void put_table(struct nft_transaction *transaction, uint16_t type, uint16_t flags,
		      const char *name)
{
	struct nftnl_table *table = must(nftnl_table_alloc());
	struct nlmsghdr *message = open_message(transaction, type, flags);

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
	nftnl_table_nlmsg_build_payload(message, table);
	nftnl_table_free(table);
	close_message(transaction, message);
}

void nft_add_table(struct nft_transaction *transaction, const char *table)
{
	put_table(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
}

void nft_delete_table(struct nft_transaction *transaction, const char *table)
{
	put_table(transaction, NFT_MSG_DELTABLE, 0, table);
}

static struct nftnl_set *new_set(const struct nft_set_name *name)
{
	struct nftnl_set *set = must(nftnl_set_alloc());

	nftnl_set_set_str(set, NFTNL_SET_TABLE, name->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name->set);
	return set;
}

void nft_add_set(struct nft_transaction *transaction, const struct nft_set_name *name)
{
	bool v4 = transaction->family == AF_INET;
	struct nftnl_set *set = new_set(name);
	struct nlmsghdr *message = open_message(transaction, NFT_MSG_NEWSET, NLM_F_CREATE);

	nftnl_set_set_u32(set, NFTNL_SET_ID, 1);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_INTERVAL);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, v4 ? NFT_TYPE_IPV4_ADDR : NFT_TYPE_IPV6_ADDR);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, ip_size(transaction->family));
	nftnl_set_nlmsg_build_payload(message, set);
	nftnl_set_free(set);
	close_message(transaction, message);
}

static void put_elements(struct nft_transaction *transaction, uint16_t type, uint16_t flags,
			 struct nftnl_set *set)
{
	struct nlmsghdr *message = open_message(transaction, type, flags);

	nftnl_set_elems_nlmsg_build_payload(message, set);
	close_message(transaction, message);
}

void nft_flush_set(struct nft_transaction *transaction, const struct nft_set_name *name)
{
	struct nftnl_set *set = new_set(name);

	put_elements(transaction, NFT_MSG_DELSETELEM, 0, set);
	nftnl_set_free(set);
}

static void add_bound(struct nftnl_set *set, const struct nft_bound *bound)
{
	struct nftnl_set_elem *element = must(nftnl_set_elem_alloc());

	nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, bound->addr.bytes,
			   ip_size(bound->addr.family));
	if (bound->is_end)
		nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nftnl_set_elem_add(set, element);
}

void nft_add_bounds(struct nft_transaction *transaction, const struct nft_set_name *name,
		    const struct nft_bound *bounds, size_t n)
{
	for (size_t first = 0; first < n; first += BOUNDS_PER_MESSAGE) {
		size_t end = MIN(n, first + BOUNDS_PER_MESSAGE);
		struct nftnl_set *set = new_set(name);

		for (size_t i = first; i < end; i++)
			add_bound(set, &bounds[i]);
		put_elements(transaction, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
		nftnl_set_free(set);
	}
}

void nft_add_base_chain(struct nft_transaction *transaction, const struct nft_base_chain *base)
{
	struct nftnl_chain *chain = must(nftnl_chain_alloc());
	struct nlmsghdr *message = open_message(transaction, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, base->table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, base->name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, base->type);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, base->hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, base->priority);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_nlmsg_build_payload(message, chain);
	nftnl_chain_free(chain);
	close_message(transaction, message);
}

void nft_add_rule(struct nft_transaction *transaction, struct nftnl_rule *rule)
{
	struct nlmsghdr *message =
		open_message(transaction, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(message, rule);
	nftnl_rule_free(rule);
	close_message(transaction, message);
}

static uint32_t count_messages(const struct buf *bytes)
{
	const struct nlmsghdr *message = (const void *)bytes->data;
	int left = (int)bytes->size;
	uint32_t n = 0;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		n++;
	return n;
}

static void number_messages(struct buf *bytes, uint32_t seq)
{
	struct nlmsghdr *message = (void *)bytes->data;
	int left = (int)bytes->size;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		message->nlmsg_seq = seq++;
}

int nft_commit(struct nft_transaction *transaction, struct nl *nl, struct err *err)
{
	struct buf *bytes = &transaction->bytes;
	int room = (int)(bytes->size * 2 + MESSAGE_MAX);
	struct nl_answer answer;
	uint32_t seq;
	uint32_t n;
	int r;

	if (!transaction->last)
		return 0;
	put_batch_message(transaction, NFNL_MSG_BATCH_END);
	((struct nlmsghdr *)(void *)(bytes->data + transaction->last))->nlmsg_flags |= NLM_F_ACK;
	n = count_messages(bytes);
	seq = nl_take_seq(nl, n);
	number_messages(bytes, seq);
	(void)setsockopt(nl_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	r = nl_transact(nl, bytes->data, bytes->size, seq, seq + n - 1, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "nftables");
	return answer.errnum ? nl_refused(err, &answer, "nftables transaction of %u changes", n - 2)
			     : 0;
}
