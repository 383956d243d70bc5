/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One table of iptables ("filter") of one family: the chains that are wanted of it, what the kernel
 * is known to hold, and the difference as input of iptables-restore. Chains of the kernel ("INPUT")
 * hold rules of ours at their beginning and end; what else is in them, and every chain that does
 * not begin with "cali-", is not ours and not touched.
 *
 * Each rule has a comment "cali:<16 characters>", a digest of the chain's name and of all rules of
 * it up to this one: by it a rule is known again.
 */

#include "base/buf.h"
#include "base/err.h"

#define IPTABLES_CHAIN_MAX 28

struct ipt_rules {
	char **v; /* as behind "-A CHAIN" */
	size_t n;
};
void ipt_rules_add(struct ipt_rules *rules, const char *format, ...) PRINTF_LIKE(2, 3);
void ipt_rules_deinit(struct ipt_rules *rules);
CLEANUP_DEINIT(struct ipt_rules, ipt_rules_deinit);

/*
 * <prefix><suffix> if it fits and has nothing that needs quotes, else <prefix>_<digest of the
 * suffix>, as Calico's.
 */
struct ipt_name {
	char s[IPTABLES_CHAIN_MAX + 1];
};
struct ipt_name ipt_chain_name(const char *prefix, const char *suffix);

struct chain_table;
struct chain_table *chain_table_new(const char *name);
struct chain_table *chain_table_free(struct chain_table *table);

/* Takes what is in 'rules' and leaves it empty. */
void chain_table_want(struct chain_table *table, const char *name, struct ipt_rules *rules);
void chain_table_unwant(struct chain_table *table, const char *name);
/* Of all chains whose names begin so. */
void chain_table_unwant_all(struct chain_table *table, const char *prefix);
/*
 * A chain of the kernel's: 'head' go before all others, 'tail' behind them; taken as above. Nothing
 * in both: ours are taken out.
 */
void chain_table_hook(struct chain_table *table, const char *name, struct ipt_rules *head,
		      struct ipt_rules *tail);

/* What a later chain_table_see() does not show is not there. */
void chain_table_forget(struct chain_table *table);
/* A line of iptables-save's within this table. */
void chain_table_see(struct chain_table *table, const char *line);
/* Feeds the lines of iptables-save's output to the tables they belong to. */
void chain_tables_read(struct chain_table *const *tables, size_t n, const char *text);

/* After reading: is a chain of the kernel's to lead to ours, and does not? */
bool chain_table_is_open(const struct chain_table *table, const char *name);

/* Does the kernel's chain have to change? Then it is read before, as others write there too. */
bool chain_table_hooks_differ(const struct chain_table *table);
/*
 * Appends the difference, with "*table" and "COMMIT". False: there is none. With 'keep', what is
 * not wanted is emptied and not deleted.
 */
bool chain_table_write(struct chain_table *table, bool keep, struct buf *out);
/* The kernel took it. */
void chain_table_committed(struct chain_table *table);
