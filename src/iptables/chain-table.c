/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Wanted and known chains of a table. A chain whose known digests are not the wanted ones is
 * written anew as a whole, in the same transaction as all others: no packet sees a state between.
 */

#include "iptables/chain-table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/digest.h"

#define OURS	       "cali-"
#define HASH_SIZE      16
#define CHAIN_SEEN_MAX 128

struct digests {
	char (*v)[HASH_SIZE + 1];
	size_t n;
};

struct ipt_chain {
	char *name;
	bool wanted;
	bool is_hook;
	bool there;		/* known to the kernel */
	bool written;		/* by the input that is under way */
	struct ipt_rules rules; /* of a hook: its head */
	struct ipt_rules tail;
	struct digests digests;	     /* of 'rules', then of 'tail' */
	struct digests known;	     /* ours, in the kernel's order; "" where a rule is not ours */
	struct ipt_rules known_ours; /* of a hook: as they were shown, to delete them */
	UT_hash_handle hh;
};

struct chain_table {
	char *name;
	struct ipt_chain *chains;
};

/* --- Rules and names ---------------------------------------------------------------------- */

void ipt_rules_add(struct ipt_rules *rules, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	*ARRAY_ADD(rules->v, rules->n) = xvasprintf(format, args);
	va_end(args);
}

void ipt_rules_deinit(struct ipt_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		free(rules->v[i]);
	free(rules->v);
	*rules = (struct ipt_rules){.v = NULL};
}

static bool is_plain(const char *s)
{
	return s[0] != '_' && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789_./-")] == '\0';
}

struct ipt_name ipt_chain_name(const char *prefix, const char *suffix)
{
	struct ipt_name name = {.s = ""};
	_cleanup_free_ char *text = xasprintf("%s%s", prefix, suffix);
	struct digest digest;

	if (strlen(text) >= sizeof(name.s) || !is_plain(suffix)) {
		digest = digest_of(DIGEST_SHA256, suffix, strlen(suffix));
		replace_str(&text, xasprintf("%s_%s", prefix, digest_base64url(&digest).s));
	}
	memcpy(name.s, text, strnlen(text, sizeof(name.s) - 1));
	return name;
}

/* --- Chains ------------------------------------------------------------------------------- */

struct chain_table *chain_table_new(const char *name)
{
	struct chain_table *table = XNEW(struct chain_table);

	table->name = xstrdup(name);
	return table;
}

static void free_chain(struct chain_table *table, struct ipt_chain *chain)
{
	HASH_DEL(table->chains, chain);
	ipt_rules_deinit(&chain->rules);
	ipt_rules_deinit(&chain->tail);
	ipt_rules_deinit(&chain->known_ours);
	free(chain->digests.v);
	free(chain->known.v);
	free(chain->name);
	free(chain);
}

struct chain_table *chain_table_free(struct chain_table *table)
{
	struct ipt_chain *chain;
	struct ipt_chain *next;

	if (!table)
		return NULL;
	HASH_ITER(hh, table->chains, chain, next)
	free_chain(table, chain);
	free(table->name);
	free(table);
	return NULL;
}

static struct ipt_chain *find_chain(const struct chain_table *table, const char *name)
{
	struct ipt_chain *chain;

	HASH_FIND_STR(table->chains, name, chain);
	return chain;
}

static struct ipt_chain *get_chain(struct chain_table *table, const char *name)
{
	struct ipt_chain *chain = find_chain(table, name);

	if (chain)
		return chain;
	chain = XNEW(struct ipt_chain);
	chain->name = xstrdup(name);
	HASH_ADD_KEYPTR(hh, table->chains, chain->name, strlen(chain->name), chain);
	return chain;
}

static void add_digest(struct digests *digests, const char *text)
{
	(void)snprintf(*ARRAY_ADD(digests->v, digests->n), HASH_SIZE + 1, "%.*s", HASH_SIZE, text);
}

static void digest_rules(struct ipt_chain *chain, const struct ipt_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		const char *before = chain->digests.n ? chain->digests.v[chain->digests.n - 1] : "";
		_cleanup_free_ char *text =
			xasprintf("%s\n%s\n%s\n", chain->name, before, rules->v[i]);
		struct digest digest = digest_of(DIGEST_SHA224, text, strlen(text));

		add_digest(&chain->digests, digest_base64url(&digest).s);
	}
}

static void take_rules(struct ipt_chain *chain, struct ipt_rules *rules, struct ipt_rules *tail)
{
	ipt_rules_deinit(&chain->rules);
	ipt_rules_deinit(&chain->tail);
	chain->rules = *rules;
	chain->tail = *tail;
	*rules = (struct ipt_rules){.v = NULL};
	*tail = (struct ipt_rules){.v = NULL};
	free(chain->digests.v);
	chain->digests = (struct digests){.v = NULL};
	digest_rules(chain, &chain->rules);
	digest_rules(chain, &chain->tail);
	chain->wanted = true;
}

static bool same_rules(const struct ipt_rules *a, const struct ipt_rules *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp(a->v[i], b->v[i]) == 0;
	return same;
}

void chain_table_want(struct chain_table *table, const char *name, struct ipt_rules *rules)
{
	struct ipt_chain *chain = get_chain(table, name);

	if (chain->digests.n && same_rules(&chain->rules, rules)) {
		chain->wanted = true;
		ipt_rules_deinit(rules);
		return;
	}
	take_rules(chain, rules, &(struct ipt_rules){.v = NULL});
}

void chain_table_unwant_all(struct chain_table *table, const char *prefix)
{
	struct ipt_chain *chain;

	for (chain = table->chains; chain; chain = chain->hh.next)
		if (!chain->is_hook && strncmp(chain->name, prefix, strlen(prefix)) == 0)
			chain->wanted = false;
}

void chain_table_unwant(struct chain_table *table, const char *name)
{
	struct ipt_chain *chain = find_chain(table, name);

	if (chain)
		chain->wanted = false;
}

void chain_table_hook(struct chain_table *table, const char *name, struct ipt_rules *head,
		      struct ipt_rules *tail)
{
	struct ipt_chain *chain =
		head->n || tail->n ? get_chain(table, name) : find_chain(table, name);

	if (!chain)
		return;
	chain->is_hook = true;
	take_rules(chain, head, tail);
}

/* --- What the kernel has ------------------------------------------------------------------ */

static void forget_known(struct ipt_chain *chain)
{
	free(chain->known.v);
	chain->known = (struct digests){.v = NULL};
	ipt_rules_deinit(&chain->known_ours);
	chain->there = false;
}

void chain_table_forget(struct chain_table *table)
{
	struct ipt_chain *chain;
	struct ipt_chain *next;

	HASH_ITER(hh, table->chains, chain, next)
	forget_known(chain);
}

/* The digest in a rule's comment; "" where it has none of ours. */
static void read_digest(const char *rule, char ret[HASH_SIZE + 1])
{
	static const char mark[] = "cali:";
	const char *s = strstr(rule, "--comment ");

	ret[0] = '\0';
	if (!s)
		return;
	s += strlen("--comment ");
	s += *s == '"';
	if (strncmp(s, mark, strlen(mark)) == 0 && strlen(s) >= strlen(mark) + HASH_SIZE)
		(void)snprintf(ret, HASH_SIZE + 1, "%.*s", HASH_SIZE, s + strlen(mark));
}

static bool is_ours(const char *name)
{
	return strncmp(name, OURS, strlen(OURS)) == 0;
}

static bool is_kernels(const char *name)
{
	static const char *const names[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
					    "POSTROUTING"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void see_rule(struct chain_table *table, const char *name, const char *rule)
{
	struct ipt_chain *chain = is_ours(name) ? get_chain(table, name) : find_chain(table, name);
	char digest[HASH_SIZE + 1];
	/* A jump of ours that lost its comment is ours too. */
	bool leads_to_us = strstr(rule, " -j " OURS) || strncmp(rule, "-j " OURS, 8) == 0;

	read_digest(rule, digest);
	if (!chain && (digest[0] || leads_to_us) && is_kernels(name)) {
		chain = get_chain(table, name);
		chain->is_hook = true;
		chain->wanted = true;
	}
	if (!chain)
		return;
	chain->there = true;
	add_digest(&chain->known, digest);
	if (chain->is_hook && (digest[0] || leads_to_us))
		ipt_rules_add(&chain->known_ours, "%s", rule);
}

void chain_table_see(struct chain_table *table, const char *line)
{
	char name[CHAIN_SEEN_MAX];
	const char *start = line[0] == ':' ? line + 1 : line + 3;
	const char *end;

	if (line[0] != ':' && strncmp(line, "-A ", 3) != 0)
		return;
	end = start + strcspn(start, " ");
	if ((size_t)(end - start) >= sizeof(name))
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(end - start), start);
	if (line[0] == '-')
		see_rule(table, name, *end ? end + 1 : end);
	else if (is_ours(name))
		get_chain(table, name)->there = true;
}

void chain_tables_read(struct chain_table *const *tables, size_t n, const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	struct chain_table *table = NULL;
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '*') {
			table = NULL;
			for (size_t i = 0; i < n; i++)
				if (strcmp(tables[i]->name, line + 1) == 0)
					table = tables[i];
		} else if (table) {
			chain_table_see(table, line);
		}
	}
}

/* --- The difference ----------------------------------------------------------------------- */

static bool is_known(const struct digests *known, const char *digest, size_t from)
{
	for (size_t i = from; i < known->n; i++)
		if (strcmp(known->v[i], digest) == 0)
			return true;
	return false;
}

/* The head is where it belongs, the tail somewhere behind it, and nothing else of ours is there. */
static bool hook_is_right(const struct ipt_chain *chain)
{
	if (chain->known_ours.n != chain->digests.n || chain->known.n < chain->digests.n)
		return false;
	for (size_t i = 0; i < chain->rules.n; i++)
		if (strcmp(chain->known.v[i], chain->digests.v[i]) != 0)
			return false;
	for (size_t i = chain->rules.n; i < chain->digests.n; i++)
		if (!is_known(&chain->known, chain->digests.v[i], chain->rules.n))
			return false;
	return true;
}

static bool is_right(const struct ipt_chain *chain)
{
	if (chain->is_hook)
		return hook_is_right(chain);
	if (chain->wanted != chain->there)
		return false;
	if (!chain->wanted)
		return true;
	if (chain->known.n != chain->digests.n)
		return false;
	for (size_t i = 0; i < chain->known.n; i++)
		if (strcmp(chain->known.v[i], chain->digests.v[i]) != 0)
			return false;
	return true;
}

bool chain_table_hooks_differ(const struct chain_table *table)
{
	const struct ipt_chain *chain;

	for (chain = table->chains; chain; chain = chain->hh.next)
		if (chain->is_hook && !is_right(chain))
			return true;
	return false;
}

bool chain_table_is_open(const struct chain_table *table, const char *name)
{
	const struct ipt_chain *chain = find_chain(table, name);

	return chain && chain->is_hook && (chain->rules.n || chain->tail.n) && !chain->known_ours.n;
}

static void write_rule(struct buf *out, const char *verb, const char *chain, const char *digest,
		       const char *rule)
{
	buf_addf(out, "%s %s -m comment --comment \"cali:%s\" %s\n", verb, chain, digest, rule);
}

static void write_hook(struct buf *out, const struct ipt_chain *chain)
{
	size_t n = chain->rules.n;

	for (size_t i = 0; i < chain->known_ours.n; i++)
		buf_addf(out, "-D %s %s\n", chain->name, chain->known_ours.v[i]);
	for (size_t i = n; i-- > 0;)
		write_rule(out, "-I", chain->name, chain->digests.v[i], chain->rules.v[i]);
	for (size_t i = 0; i < chain->tail.n; i++)
		write_rule(out, "-A", chain->name, chain->digests.v[n + i], chain->tail.v[i]);
}

bool chain_table_write(struct chain_table *table, bool keep, struct buf *out)
{
	struct ipt_chain *chain;
	bool any = false;

	for (chain = table->chains; chain; chain = chain->hh.next) {
		chain->written = !is_right(chain);
		if (chain->written && !any)
			buf_addf(out, "*%s\n", table->name);
		any = any || chain->written;
		/* Made, or emptied. */
		if (chain->written && !chain->is_hook)
			buf_addf(out, ":%s - [0:0]\n", chain->name);
	}
	for (chain = table->chains; chain; chain = chain->hh.next) {
		if (chain->written && chain->is_hook)
			write_hook(out, chain);
		for (size_t i = 0;
		     chain->written && chain->wanted && !chain->is_hook && i < chain->rules.n; i++)
			write_rule(out, "-A", chain->name, chain->digests.v[i], chain->rules.v[i]);
	}
	for (chain = table->chains; chain; chain = chain->hh.next)
		if (chain->written && !chain->wanted && !keep)
			buf_addf(out, "-X %s\n", chain->name);
	if (any)
		buf_adds(out, "COMMIT\n");
	return any;
}

static void note_written(struct ipt_chain *chain)
{
	forget_known(chain);
	chain->there = chain->wanted;
	for (size_t i = 0; i < chain->digests.n; i++)
		add_digest(&chain->known, chain->digests.v[i]);
	for (size_t i = 0; chain->is_hook && i < chain->rules.n; i++)
		ipt_rules_add(&chain->known_ours, "%s", chain->rules.v[i]);
	for (size_t i = 0; chain->is_hook && i < chain->tail.n; i++)
		ipt_rules_add(&chain->known_ours, "%s", chain->tail.v[i]);
}

void chain_table_committed(struct chain_table *table)
{
	struct ipt_chain *chain;
	struct ipt_chain *next;

	HASH_ITER(hh, table->chains, chain, next)
	{
		if (chain->written)
			note_written(chain);
		chain->written = false;
		if (!chain->wanted)
			free_chain(table, chain);
	}
}
