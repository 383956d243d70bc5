/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a NAT configuration is as nftables objects of one family: the members of the two sets, and
 * the rules of the chain. Pure.
 */

#include "nft/nat.h"
#include "nft/transaction.h"

#define NAT_TABLE      "calico"
#define NAT_SET_ALL    "network-ip-pools"
#define NAT_SET_MASQ   "masq-ipam-pools"
#define NAT_CHAIN      "nat-cali-POSTROUTING"
#define NAT_PRIORITY   110
#define NAT_CHAIN_TYPE "nat"

/* "cali:" and 16 characters; says which ruleset a rule belongs to and its place in it. */
#define NAT_COMMENT_SIZE 24
struct nat_comment {
	char s[NAT_COMMENT_SIZE];
};

struct nat_bounds {
	struct nft_bound *v;
	size_t n;
};

struct nat_rules {
	uint8_t family;
	bool wanted; /* is there anything to do for this family? */
	struct nat_bounds all;
	struct nat_bounds masquerade;
	char **devices;
	size_t n_devices;
};

void nat_rules_init(struct nat_rules *rules, uint8_t family, const struct nat_config *config);
void nat_rules_deinit(struct nat_rules *rules);

size_t nat_rules_size(const struct nat_rules *rules); /* rules in the chain */
struct nat_comment nat_rules_comment(const struct nat_rules *rules, size_t i);
bool nat_rules_same_chain(const struct nat_rules *a, const struct nat_rules *b);
bool nat_bounds_equal(const struct nat_bounds *a, const struct nat_bounds *b);
/* Into the order of an interval set: by address, an end before a beginning. */
void nat_bounds_sort(struct nat_bounds *bounds);
void nat_bounds_deinit(struct nat_bounds *bounds);

/* The members alone, or everything from nothing. */
void nat_rules_put_sets(const struct nat_rules *rules, struct nft_transaction *transaction);
void nat_rules_put_all(const struct nat_rules *rules, struct nft_transaction *transaction);
