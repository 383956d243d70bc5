/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An nftables transaction: changes of our table in one family, collected as messages and committed
 * as one. The kernel takes all of them or none, and no packet sees a state between.
 */

#include "netlink/nl.h"
#include "nft/ruleset.h"

struct nft_batch;
struct nft_batch *nft_batch_new(uint8_t family);
/* Of another table, copied; 'flags' NFT_TABLE_F_*. */
struct nft_batch *nft_batch_new_of(uint8_t family, const char *table, uint32_t flags);
struct nft_batch *nft_batch_free(struct nft_batch *batch);
CLEANUP_FUNC(struct nft_batch *, nft_batch_free);
size_t nft_batch_size(const struct nft_batch *batch); /* changes */

/* Adding a table, a chain or a set that is there already is no error. */
void nft_batch_add_table(struct nft_batch *batch);
/* The table is there and dormant: none of its chains sees a packet. */
void nft_batch_wake_table(struct nft_batch *batch);
void nft_batch_delete_table(struct nft_batch *batch);
void nft_batch_add_set(struct nft_batch *batch, const char *name, const struct nft_schema *schema);
/* Deletes all members of the set, whatever they are. */
void nft_batch_flush_set(struct nft_batch *batch, const char *name);
void nft_batch_delete_set(struct nft_batch *batch, const char *name);
void nft_batch_add_chain(struct nft_batch *batch, const char *name, const struct nft_base *base);
void nft_batch_delete_chain(struct nft_batch *batch, const char *name);
/* Deletes all rules of the chain. */
void nft_batch_flush_chain(struct nft_batch *batch, const char *name);
/* Its counter, if it has one, begins at 'packets' and 'bytes'. */
void nft_batch_append_rule(struct nft_batch *batch, const char *chain, const struct nft_rule *rule,
			   uint64_t packets, uint64_t bytes);

/* A member as it goes over the wire; 'chain' NULL: the set is no verdict map. */
struct nft_wire_element {
	const uint8_t *key;
	const uint8_t *key_end; /* NULL: none */
	size_t size;
	bool is_end;
	const char *chain;
};
/* One after the other of a set make few messages. */
void nft_batch_add_element(struct nft_batch *batch, const char *set,
			   const struct nft_wire_element *element);
void nft_batch_delete_element(struct nft_batch *batch, const char *set,
			      const struct nft_wire_element *element);

/* A flow table without devices, at the ingress of those it gets. */
void nft_batch_add_flowtable(struct nft_batch *batch, const char *name);
void nft_batch_delete_flowtable(struct nft_batch *batch, const char *name);
/* Of the flow table; devices that are in it already, and none that are not there. */
#define NFT_DEVICES_MAX ((size_t)128) /* the kernel takes 255 in one change */
void nft_batch_add_devices(struct nft_batch *batch, const char *name, const char *const *devices,
			   size_t n);
void nft_batch_delete_devices(struct nft_batch *batch, const char *name, const char *const *devices,
			      size_t n);

/* 0: the kernel has it. <0: nothing was done, 'err' has the kernel's reason. */
MUST_CHECK int nft_batch_commit(struct nft_batch *batch, struct nl *nl, struct err *err);

/* After a failed commit: the object that the first refused change is about. */
struct nft_refused nft_batch_refused(const struct nft_batch *batch);

/* "cali:" and the rule's id, then what it is if it says so: "cali:0123456789abcdef rule 3". */
#define NFT_COMMENT_SIZE (24 + NFT_LABEL_MAX)
struct nft_comment {
	char s[NFT_COMMENT_SIZE];
};
struct nft_comment nft_comment_of(uint64_t id, const char *label);
/*
 * From a rule's user data. False: it is none of ours. 'ret->s' is the comment, '*ret_label' in it.
 */
bool nft_comment_read(const struct nlattr *data, struct nft_comment *ret, uint64_t *ret_id,
		      const char **ret_label);

/* The numbers by which the nft program calls a set's types. */
uint32_t nft_schema_key_type(const struct nft_schema *schema, uint8_t family);
uint32_t nft_schema_flags(const struct nft_schema *schema);
/* nfnetlink's number of a family. */
uint8_t nft_family(uint8_t family);
