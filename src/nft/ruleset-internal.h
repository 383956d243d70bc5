/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of a ruleset, for ruleset*.c and its tests alone. */

#include "nft/ruleset.h"

/* A member is known by all of it, so that a key that gets another verdict is another member. */
struct nft_member {
	bool wanted;
	bool known;  /* the kernel has it */
	bool listed; /* among the set's dirty ones */
	struct nft_chain *chain;
	UT_hash_handle hh;
	uint8_t id[]; /* key, key_end if it has one, the chain's name */
};

struct nft_set {
	char *name;
	struct nft_schema schema;
	size_t key_size;
	unsigned int refs;
	enum nft_part part;
	bool known;
	bool left_out;
	bool remake; /* the kernel's has members that can't be told one by one */
	bool listed;
	struct nft_member *members; /* hash by id */
	size_t n_wanted;
	struct nft_member **dirty;
	size_t n_dirty;
	UT_hash_handle hh;
};

struct nft_chain {
	char *name;
	unsigned int refs;
	enum nft_part part;
	bool is_base;
	struct nft_base base;
	bool known;
	bool remake; /* the kernel's hangs elsewhere */
	bool listed;
	struct nft_rules rules;
	uint64_t *known_rules; /* stamps of the kernel's */
	size_t n_known_rules;
	UT_hash_handle hh;
};

/* Few and rarely changed, so each commit looks at all of them. */
struct nft_flowtable {
	char *name;
	unsigned int refs;
	bool known;
	UT_hash_handle hh;
};

struct nft_ruleset {
	uint8_t family;
	bool told[NFT_PARTS_];
	bool valid;
	bool was_open;
	bool has_table;	 /* the kernel has it */
	bool dormant;	 /* none of its chains sees a packet */
	bool has_untold; /* and in it, something of a part that nobody spoke of yet */
	bool remake;	 /* something in the kernel's can't be changed into ours */
	struct nft_refused refused;
	struct nft_set *sets; /* hash by name */
	struct nft_chain *chains;
	struct nft_flowtable *flowtables;
	bool flowtables_dirty; /* one is wanted and not known, or the other way round */
	struct nft_set **dirty_sets;
	size_t n_dirty_sets;
	struct nft_chain **dirty_chains;
	size_t n_dirty_chains;
};

/* Is it to be in the kernel? */
static inline bool nft_set_is_wanted(const struct nft_set *set)
{
	return set->refs && !set->left_out;
}

enum nft_part nft_part_of(const char *name);
struct nft_set *nft_set_find(struct nft_ruleset *ruleset, const char *name);
struct nft_chain *nft_chain_find(struct nft_ruleset *ruleset, const char *name);
struct nft_set *nft_set_make(struct nft_ruleset *ruleset, const char *name,
			     const struct nft_schema *schema);
struct nft_chain *nft_chain_make(struct nft_ruleset *ruleset, const char *name,
				 const struct nft_base *base);
/* The kernel's member: known, and wanted or not as before. */
void nft_set_learn(struct nft_ruleset *ruleset, struct nft_set *set,
		   const struct nft_element *element);
/* None of its members is known any more. */
void nft_set_forget_members(struct nft_set *set);
/* The kernel's chain has the wanted rules now. */
void nft_chain_note_known(struct nft_chain *chain);
/* The kernel's flow table: known, and wanted or not as before. */
void nft_flowtable_learn(struct nft_ruleset *ruleset, const char *name);
/* ruleset-flowtable.c: as the functions of the ruleset with such names. */
void nft_flowtables_settle(struct nft_ruleset *ruleset);
void nft_flowtables_forget(struct nft_ruleset *ruleset);
void nft_flowtables_free(struct nft_ruleset *ruleset);
/* What the kernel was thought to hold is forgotten. */
void nft_ruleset_forget(struct nft_ruleset *ruleset);
/* Lists what differs, everything looked at. */
void nft_ruleset_list_all(struct nft_ruleset *ruleset);
/* What was listed is in the kernel now: notes it, and frees what nobody wants. */
void nft_ruleset_settle(struct nft_ruleset *ruleset);

/* --- ruleset-read.c --- */

/* Learns what the kernel holds of the parts that were told. */
MUST_CHECK int nft_ruleset_read(struct nft_ruleset *ruleset, struct nl *nl, struct err *err);

/* What a rule of the kernel's has counted. */
struct nft_count {
	uint64_t id;
	uint64_t packets;
	uint64_t bytes;
};
/* Of a chain's rules, in their order; give free(). None where they can't be read. */
size_t nft_ruleset_read_counts(const struct nft_ruleset *ruleset, struct nl *nl, const char *chain,
			       struct nft_count **ret);

/* What a dump says, until all of it is here. */
struct nft_read_chain {
	char *name;
	bool is_base;
	char type[16];
	uint32_t hook;
	int32_t priority;
	bool drops;
	uint64_t *rules;
	size_t n_rules;
};
struct nft_read_set {
	char *name;
	uint32_t flags;
	uint32_t key_type;
	uint32_t key_size;
};
struct nft_read_flowtable {
	char *name;
	bool ours; /* made as nft_batch_add_flowtable() does */
};
struct nft_border {
	uint8_t key[NFT_KEY_MAX];
	bool is_end;
};
struct nft_reading {
	uint8_t family;
	bool has_table;
	bool dormant;
	struct nft_read_chain *chains;
	size_t n_chains;
	size_t at; /* the chain of the last rule */
	struct nft_read_set *sets;
	size_t n_sets;
	struct nft_read_flowtable *flowtables;
	size_t n_flowtables;
	/* Members are given to it as they come; of intervals, when all borders are here. */
	struct nft_ruleset *ruleset;
	struct nft_set *set;
	struct nft_border *borders;
	size_t n_borders;
	/* Of one chain's rules. */
	struct nft_count *counts;
	size_t n_counts;
	bool wants_counts;
};
void nft_reading_deinit(struct nft_reading *reading);
/* All members of the set are here. */
void nft_reading_end_set(struct nft_reading *reading);
/* One message of a dump: of the table, of chains, rules, sets or members. -EBADMSG: can't be. */
MUST_CHECK int nft_reading_message(struct nft_reading *reading, const struct nlmsghdr *message);
