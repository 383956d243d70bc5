/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Outgoing NAT of both families. While what was applied last is known to be in the kernel, a new
 * configuration is compared with it; otherwise with what the kernel says. If only pools changed,
 * only the sets' members are exchanged, else the table is made anew; either way in one transaction.
 */

#include "nft/nat.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/nat-read.h"

static const uint8_t families[] = {AF_INET, AF_INET6};

struct nat {
	struct nl *nl;
	struct nl *events;
	bool valid; /* does the kernel hold 'applied'? */
	struct nat_rules applied[ARRAY_SIZE(families)];
};

int nat_open(int netns_fd, struct nat **ret, struct err *err)
{
	_cleanup_(nat_closep) struct nat *nat = XNEW(struct nat);
	int r = nl_open(NETLINK_NETFILTER, netns_fd, &nat->nl, err);

	if (r == 0)
		r = nl_open(NETLINK_NETFILTER, netns_fd, &nat->events, err);
	if (r == 0)
		r = nl_join(nat->events, NFNLGRP_NFTABLES, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(nat);
	return 0;
}

struct nat *nat_close(struct nat *nat)
{
	if (!nat)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		nat_rules_deinit(&nat->applied[i]);
	nl_close(nat->nl);
	nl_close(nat->events);
	free(nat);
	return NULL;
}

static struct nat_state compare(const struct nat_rules *applied, const struct nat_rules *wanted)
{
	return (struct nat_state){
		.has_table = applied->wanted,
		.chain_right = applied->wanted && nat_rules_same_chain(applied, wanted),
		.sets_right = nat_bounds_equal(&applied->all, &wanted->all) &&
			      nat_bounds_equal(&applied->masquerade, &wanted->masquerade),
	};
}

static int commit_sets(struct nat *nat, const struct nat_rules *wanted, struct err *err)
{
	_cleanup_(nft_transaction_freep) struct nft_transaction *transaction =
		nft_transaction_new(wanted->family);

	nat_rules_put_sets(wanted, transaction);
	return nft_commit(transaction, nat->nl, err);
}

static int commit_all(struct nat *nat, const struct nat_rules *wanted, struct err *err)
{
	_cleanup_(nft_transaction_freep) struct nft_transaction *transaction =
		nft_transaction_new(wanted->family);

	nat_rules_put_all(wanted, transaction);
	return nft_commit(transaction, nat->nl, err);
}

/* NAT_E_CHANGED or 0. */
static int apply_family(struct nat *nat, const struct nat_rules *applied,
			const struct nat_rules *wanted, struct err *err)
{
	struct nat_state state;
	int r = 0;

	if (nat->valid)
		state = compare(applied, wanted);
	else
		r = nat_read(nat->nl, wanted, &state, err);
	if (r < 0)
		return r;
	if (!wanted->wanted && !state.has_table)
		return 0;
	if (wanted->wanted && state.chain_right && state.sets_right)
		return 0;
	/* A set that someone took away meanwhile refuses its members; then all is made anew. */
	if (wanted->wanted && state.chain_right && commit_sets(nat, wanted, NULL) == 0)
		return NAT_E_CHANGED;
	r = commit_all(nat, wanted, err);
	return r < 0 ? r : NAT_E_CHANGED;
}

int nat_apply(struct nat *nat, const struct nat_config *config, struct err *err)
{
	bool changed = false;
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct err reason = ERR_INIT;
		struct nat_rules wanted;
		int r;

		nat_rules_init(&wanted, families[i], config);
		r = apply_family(nat, &nat->applied[i], &wanted, &reason);
		nat_rules_deinit(&nat->applied[i]);
		nat->applied[i] = wanted;
		changed = changed || r == NAT_E_CHANGED;
		/* One family's failure does not keep the other from its NAT. */
		if (r < 0 && failed == 0)
			failed = err_set(err, r, "IPv%u NAT: %s", ip_version(families[i]),
					 reason.msg);
	}
	nat->valid = failed == 0;
	if (failed < 0)
		return failed;
	return changed ? NAT_E_CHANGED : 0;
}

void nat_invalidate(struct nat *nat)
{
	nat->valid = false;
}

int nat_fd(struct nat *nat)
{
	return nl_fd(nat->events);
}

/* Every message about an object in a table names the table in its first attribute. */
static bool is_foreign(const struct nat *nat, const struct nlmsghdr *message)
{
	static const uint8_t policy[NFTA_TABLE_NAME + 1] = {[NFTA_TABLE_NAME] = NL_ATTR_STRING};
	const struct nlattr *tb[NFTA_TABLE_NAME + 1];
	struct nfgenmsg header;

	if (message->nlmsg_pid == nl_port(nat->nl) ||
	    NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return false;
	if (nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb) < 0)
		return true;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	if (header.nfgen_family != nft_family(AF_INET) &&
	    header.nfgen_family != nft_family(AF_INET6))
		return false;
	return tb[NFTA_TABLE_NAME] && strcmp(mnl_attr_get_str(tb[NFTA_TABLE_NAME]), NAT_TABLE) == 0;
}

bool nat_check(struct nat *nat)
{
	bool foreign = false;

	for (;;) {
		const void *data;
		int left = nl_receive(nat->events, &data);
		const struct nlmsghdr *message = data;

		if (left == 0)
			break;
		if (left < 0) {
			foreign = true;
			if (left == -ENOBUFS || left == -EMSGSIZE)
				continue;
			break;
		}
		for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
			foreign = foreign || is_foreign(nat, message);
	}
	if (foreign)
		nat->valid = false;
	return foreign;
}
