/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One rule as the kernel takes it: a list of expressions, written one after the other. Its id is a
 * digest of them; the driver knows rules by it.
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netfilter/nf_tables.h>

#include "base/macros.h"

#define NFT_RULE_MAX  32768
#define NFT_REG_WORDS 16
#define NFT_LABEL_MAX 96

/* The table of both families; all in it is ours. */
#define NFT_TABLE "calico"

/* Owned by whoever has it; nft_rule_deinit(). */
struct nft_rule {
	void *expressions; /* payload of NFTA_RULE_EXPRESSIONS */
	size_t size;
	uint64_t id;
	size_t counter; /* offset of the counter's attributes; 0: it counts nothing */
	char *label;	/* what it is, in words, for its comment; NULL: it says none */
	uint64_t stamp; /* of id and label: rules with one stamp are the same in all */
};
void nft_rule_deinit(struct nft_rule *rule);

struct nlattr;
struct nlmsghdr;

/* A rule in the making; all zero before the first. */
struct nft_builder {
	alignas(8) uint8_t bytes[NFT_RULE_MAX];
	struct nlmsghdr *message;
	size_t counter;
	char *label;
};
void nft_begin(struct nft_builder *b);
/* Gives the rule. */
struct nft_rule nft_end(struct nft_builder *b);

/* 'reg' numbers one of the NFT_REG_WORDS registers of 4 bytes; longer values take the next too. */
void nft_put_meta(struct nft_builder *b, uint32_t key, uint32_t reg);
void nft_put_ct(struct nft_builder *b, uint32_t key, uint32_t reg);
/* One of these bits is set. */
#define NFT_CONNECTION_STATES 6u /* established, related */
void nft_put_ct_bits(struct nft_builder *b, uint32_t key, uint32_t bits);
void nft_put_payload(struct nft_builder *b, uint32_t base, uint32_t offset, uint32_t size,
		     uint32_t reg);
void nft_put_compare(struct nft_builder *b, uint32_t reg, bool equal, const void *data,
		     uint32_t size);
/* In network order as the kernel compares bytes; both ends belong to the range. */
void nft_put_range(struct nft_builder *b, uint32_t reg, bool inside, const void *from,
		   const void *to, uint32_t size);
/* value & mask, then ^ xor */
void nft_put_bitwise(struct nft_builder *b, uint32_t reg, const void *mask, const void * xor,
		     uint32_t size);
void nft_put_lookup(struct nft_builder *b, uint32_t reg, const char *set, bool inverted);
/* The verdict is what the map says for the key; without an element the rule ends. */
void nft_put_verdict_map(struct nft_builder *b, uint32_t reg, const char *map);
/* NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_JUMP, NFT_GOTO. 'chain' NULL but for the last two. */
void nft_put_verdict(struct nft_builder *b, int verdict, const char *chain);
void nft_put_counter(struct nft_builder *b);
/* Says what the rule is; cut at NFT_LABEL_MAX bytes. It is no part of the rule's id. */
void nft_put_label(struct nft_builder *b, const char *format, ...) PRINTF_LIKE(2, 3);
uint64_t nft_stamp(uint64_t id, const char *label);
/* The kind of an address: RTN_*. 'flags' NFTA_FIB_F_*. */
void nft_put_address_type(struct nft_builder *b, uint32_t flags, uint32_t reg);
/* Sets the bits of 'mask' in the packet's mark to those of 'value'. Uses register 15. */
void nft_put_set_mark(struct nft_builder *b, uint32_t mask, uint32_t value);
/* Bits of the mark are as in 'value'. Uses register 15. */
void nft_put_match_mark(struct nft_builder *b, uint32_t mask, uint32_t value);
/* To the kernel's log. */
void nft_put_log(struct nft_builder *b, const char *prefix, uint32_t level);
/* The rule ends here for packets beyond 'rate' in 'seconds' and a stock of 'burst'. */
void nft_put_limit(struct nft_builder *b, uint64_t rate, uint64_t seconds, uint32_t burst);
/* To a group of nfnetlink_log. */
void nft_put_nflog(struct nft_builder *b, const char *prefix, uint16_t group);
/* An ICMP error of the family, port unreachable. */
void nft_put_reject(struct nft_builder *b, uint8_t family);
void nft_put_notrack(struct nft_builder *b);
/* The connection takes the flow table's short way from now on; other packets are as before. */
void nft_put_flow_offload(struct nft_builder *b, const char *flowtable);
/* What the packet meets from here on is announced. Uses register 15. */
void nft_put_trace(struct nft_builder *b);
/* To a source port of the range; 0, 0: to any. Uses registers 14 and 15. */
void nft_put_masquerade(struct nft_builder *b, uint16_t first_port, uint16_t last_port);
