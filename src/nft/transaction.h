/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An nftables transaction: changes of one family, collected as messages (libnftnl) and committed as
 * one. The kernel takes all of them or none, and no packet sees a state between.
 */

#include "netlink/nl.h"

struct nftnl_rule;

/* A border in an interval set: members begin here, or (is_end) do not any more. */
struct nft_bound {
	struct ip_addr addr;
	bool is_end;
};

/* An IPv4 or IPv6 address set with intervals. 'family' AF_INET or AF_INET6 throughout. */
struct nft_set_name {
	const char *table;
	const char *set;
};

struct nft_base_chain {
	const char *table;
	const char *name;
	const char *type; /* "nat", "filter" */
	uint32_t hook;	  /* NF_INET_* */
	int32_t priority;
};

struct nft_transaction;
struct nft_transaction *nft_transaction_new(uint8_t family);
struct nft_transaction *nft_transaction_free(struct nft_transaction *transaction);
CLEANUP_FUNC(struct nft_transaction *, nft_transaction_free);

/* Adding what is there already is no error. */
void nft_add_table(struct nft_transaction *transaction, const char *table);
void nft_delete_table(struct nft_transaction *transaction, const char *table);
void nft_add_set(struct nft_transaction *transaction, const struct nft_set_name *name);
void nft_flush_set(struct nft_transaction *transaction, const struct nft_set_name *name);
void nft_add_bounds(struct nft_transaction *transaction, const struct nft_set_name *name,
		    const struct nft_bound *bounds, size_t n);
void nft_add_base_chain(struct nft_transaction *transaction, const struct nft_base_chain *base);
/* Appends the rule to its chain; takes it. */
void nft_add_rule(struct nft_transaction *transaction, struct nftnl_rule *rule);

/* 0: the kernel has it. <0: nothing was done, 'err' has the kernel's reason. */
MUST_CHECK int nft_commit(struct nft_transaction *transaction, struct nl *nl, struct err *err);

/* nfnetlink's number of a family. */
uint8_t nft_family(uint8_t family);
