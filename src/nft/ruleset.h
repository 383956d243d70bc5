/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the table of one family should hold and what the kernel is known to hold: chains of rules,
 * sets and their elements, flow tables. A commit sends the difference in one transaction; what was
 * not touched since the last one costs nothing.
 *
 * Chains and sets are there while somebody holds them (ref, unref). A chain holds the sets and
 * chains that its rules speak of.
 */

#include <uthash.h>

#include "netlink/nl.h"
#include "nft/rule.h"

#define NFT_KEY_MAX    64
#define NFT_FIELDS_MAX 5

/* What a set's key consists of. */
enum nft_field {
	NFT_FIELD_NONE,
	NFT_FIELD_ADDRESS, /* of the family */
	NFT_FIELD_PROTOCOL,
	NFT_FIELD_PORT,
	NFT_FIELD_INTERFACE,
};

struct nft_schema {
	uint8_t fields[NFT_FIELDS_MAX]; /* enum nft_field */
	bool ranges;			/* members are from a key to another one, field by field */
	bool intervals; /* of one field; the kernel shows changes at the same moment as rules */
	bool verdicts;	/* a verdict map */
	bool counters;	/* of each member */
};
size_t nft_field_bytes(enum nft_field field, uint8_t family);
/* As in a key of several fields: rounded up to 4. */
size_t nft_field_size(enum nft_field field, uint8_t family);
size_t nft_schema_key_size(const struct nft_schema *schema, uint8_t family);

struct nft_chain;
struct nft_flowtable;
struct nft_ruleset;
struct nft_set;

/* A member: 'size' of the schema's key. */
struct nft_element {
	uint8_t key[NFT_KEY_MAX];
	uint8_t key_end[NFT_KEY_MAX]; /* of ranges and intervals; belongs to it */
	const char *chain;	      /* of verdicts: where to go (goto) */
};

/* Which half of the table something belongs to: what nobody spoke of yet is left alone. */
enum nft_part {
	NFT_PART_POLICY,
	NFT_PART_NAT,
	NFT_PARTS_,
};

struct nft_ruleset *nft_ruleset_new(uint8_t family);
struct nft_ruleset *nft_ruleset_free(struct nft_ruleset *ruleset);
CLEANUP_FUNC(struct nft_ruleset *, nft_ruleset_free);
uint8_t nft_ruleset_family(const struct nft_ruleset *ruleset);
/* From now on, what is not wanted in this part is removed. */
void nft_ruleset_tell(struct nft_ruleset *ruleset, enum nft_part part);

/* --- Sets --- */

/* Holds the set of that name, a new one if there is none. A name always has the same schema. */
struct nft_set *nft_set_ref(struct nft_ruleset *ruleset, const char *name,
			    const struct nft_schema *schema);
/* Nobody holds it: it goes, with all members. */
void nft_set_unref(struct nft_ruleset *ruleset, struct nft_set *set);
const char *nft_set_name(const struct nft_set *set);
/* Wanting twice and not wanting what is not there are fine. */
void nft_set_add(struct nft_ruleset *ruleset, struct nft_set *set,
		 const struct nft_element *element);
void nft_set_remove(struct nft_ruleset *ruleset, struct nft_set *set,
		    const struct nft_element *element);
/* Wants none of its members. */
void nft_set_clear(struct nft_ruleset *ruleset, struct nft_set *set);
bool nft_set_has(const struct nft_set *set, const struct nft_element *element);

/* --- Chains --- */

struct nft_base {
	const char *type; /* "filter", "nat" */
	uint32_t hook;	  /* NF_INET_* */
	int32_t priority;
	bool decides_nothing; /* packets pass the same with and without it */
};

/* A list of rules, and the sets and chains that belong to it. */
struct nft_rules {
	struct nft_rule *v;
	size_t n;
	struct nft_set **sets; /* held */
	size_t n_sets;
	struct nft_chain **chains; /* held */
	size_t n_chains;
};
void nft_rules_add(struct nft_rules *rules, struct nft_rule rule);
/* 'set', 'chain': one reference is handed over. */
void nft_rules_use_set(struct nft_rules *rules, struct nft_set *set);
void nft_rules_use_chain(struct nft_rules *rules, struct nft_chain *chain);
/* Of what was said, in order: two lists with one id are equal, labels too. */
uint64_t nft_rules_id(const struct nft_rules *rules);
void nft_rules_deinit(struct nft_rules *rules, struct nft_ruleset *ruleset);

/* 'base' NULL: a chain that others jump to; else copied, its type a literal. */
struct nft_chain *nft_chain_ref(struct nft_ruleset *ruleset, const char *name,
				const struct nft_base *base);
void nft_chain_unref(struct nft_ruleset *ruleset, struct nft_chain *chain);
const char *nft_chain_name(const struct nft_chain *chain);
/* Does a rule of it speak of the set? */
bool nft_chain_uses(const struct nft_chain *chain, const struct nft_set *set);
/* Takes the rules and leaves them empty. */
void nft_chain_set_rules(struct nft_ruleset *ruleset, struct nft_chain *chain,
			 struct nft_rules *rules);

/*
 * A chain with just these rules, shared by all who want the same: its name is 'prefix' and a digest
 * of them. Held; takes the rules.
 */
struct nft_chain *nft_chain_share(struct nft_ruleset *ruleset, const char *prefix,
				  struct nft_rules *rules);

/* --- Flow tables --- */

/*
 * Holds the flow table of that name, a new one without devices if there is none. Which devices are
 * in it is not the ruleset's: see flowtable.h.
 */
struct nft_flowtable *nft_flowtable_ref(struct nft_ruleset *ruleset, const char *name);
/* Nobody holds it: it goes. No rule may speak of it any more. */
void nft_flowtable_unref(struct nft_ruleset *ruleset, struct nft_flowtable *flowtable);

/* --- The kernel --- */

/* What the kernel holds is not known any more: the next commit reads it first. */
void nft_ruleset_invalidate(struct nft_ruleset *ruleset);
bool nft_ruleset_is_dirty(const struct nft_ruleset *ruleset);
/* Did the last commit find a filter chain missing at its hook? Packets have passed there unseen. */
bool nft_ruleset_was_open(const struct nft_ruleset *ruleset);

/*
 * 0: the kernel has what is wanted. NFT_E_CHANGED: it had not, and now has. <0: it has what it had,
 * 'err' has its reason.
 */
enum nft_outcome { NFT_E_CHANGED = 1 };
MUST_CHECK int nft_ruleset_commit(struct nft_ruleset *ruleset, struct nl *nl, struct err *err);

/* The chain or set that made the last commit fail. */
struct nft_refused {
	int errnum; /* 0: none did, or it is not known which */
	bool is_set;
	char name[NFT_CHAIN_MAXNAMELEN];
	char text[NL_TEXT_SIZE]; /* the kernel's words, "" if it has none */
};
const struct nft_refused *nft_ruleset_refused(const struct nft_ruleset *ruleset);
/*
 * The set is kept out of the kernel, whoever holds it: its members are noted and not sent. No rule
 * may speak of it.
 */
void nft_set_leave_out(struct nft_ruleset *ruleset, struct nft_set *set);
/* All that were left out are tried again. */
void nft_ruleset_take_in(struct nft_ruleset *ruleset);
bool nft_set_is_left_out(const struct nft_set *set);
/* A wanted set of that name; NULL: none. */
struct nft_set *nft_ruleset_set(struct nft_ruleset *ruleset, const char *name);
