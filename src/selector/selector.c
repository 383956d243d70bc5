/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A selector as an array of nodes in which an operand stands behind its operator's earlier operands
 * and is linked to the next one; the root is a group, as is every parenthesis:
 *
 *	or -> and -> term, !or -> and -> ...
 *
 * The depth of the tree is bounded by that of the parentheses, so walking it may recurse. A group
 * of one operand is the operand itself, in the text too.
 */

#include "selector/selector.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "model/model-desc.h"
#include "model/selector-syntax.h"

#define NONE UINT32_MAX

enum node_type { NODE_OR, NODE_AND, NODE_TERM };

struct node {
	enum node_type type;
	bool negated;
	uint32_t next;	/* operand of the same group */
	uint32_t first; /* a group's operands */
	uint32_t last;
	enum selector_op op; /* NODE_TERM, as what follows */
	char *label;
	char **values; /* of sets: in order, each once */
	size_t n_values;
};

struct selector {
	struct node *nodes; /* the root is the first */
	size_t n_nodes;
	char *text;
};

struct selector *selector_free(struct selector *selector)
{
	if (!selector)
		return NULL;
	for (size_t i = 0; i < selector->n_nodes; i++) {
		struct node *node = &selector->nodes[i];

		for (size_t j = 0; j < node->n_values; j++)
			free(node->values[j]);
		free(node->values);
		free(node->label);
	}
	free(selector->nodes);
	free(selector->text);
	free(selector);
	return NULL;
}

/* --- Compiling ------------------------------------------------------------------------------- */

struct builder {
	struct selector *selector;
	/* The "or" and the "and" that operands go to, one pair for each open parenthesis. */
	uint32_t ors[SELECTOR_MAX_DEPTH + 1];
	uint32_t ands[SELECTOR_MAX_DEPTH + 1];
	unsigned int depth;
	bool negated; /* the operand that comes next */
};

static uint32_t add_node(struct selector *selector, enum node_type type, uint32_t parent)
{
	struct node *node = ARRAY_ADD(selector->nodes, selector->n_nodes);
	uint32_t index = (uint32_t)selector->n_nodes - 1;

	*node = (struct node){.type = type, .next = NONE, .first = NONE, .last = NONE};
	if (parent == NONE)
		return index;
	if (selector->nodes[parent].first == NONE)
		selector->nodes[parent].first = index;
	else
		selector->nodes[selector->nodes[parent].last].next = index;
	selector->nodes[parent].last = index;
	return index;
}

static struct node *add_operand(struct builder *b, enum node_type type)
{
	uint32_t index = add_node(b->selector, type, b->ands[b->depth]);
	struct node *node = &b->selector->nodes[index];

	node->negated = b->negated;
	b->negated = false;
	return node;
}

static void open_group(struct builder *b)
{
	uint32_t or = (uint32_t)(add_operand(b, NODE_OR) - b->selector->nodes);

	b->depth++;
	b->ors[b->depth] = or ;
	b->ands[b->depth] = add_node(b->selector, NODE_AND, or);
}

static void on_mark(void *data, enum selector_mark mark)
{
	struct builder *b = data;

	switch (mark) {
	case SELECTOR_MARK_NOT:
		b->negated = !b->negated;
		break;
	case SELECTOR_MARK_OPEN:
		open_group(b);
		break;
	case SELECTOR_MARK_CLOSE:
		b->depth--;
		break;
	case SELECTOR_MARK_OR:
		b->ands[b->depth] = add_node(b->selector, NODE_AND, b->ors[b->depth]);
		break;
	case SELECTOR_MARK_AND:
		break;
	}
}

static void on_term(void *data, enum selector_op op, struct selector_piece label)
{
	struct node *node = add_operand(data, NODE_TERM);

	node->op = op;
	node->label = xstrndup(label.s, label.len);
}

static void on_value(void *data, struct selector_piece value)
{
	struct builder *b = data;
	struct node *node = &b->selector->nodes[b->selector->n_nodes - 1];

	*ARRAY_ADD(node->values, node->n_values) = xstrndup(value.s, value.len);
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_values(struct node *node)
{
	size_t n = 0;

	if (node->n_values < 2)
		return;
	qsort(node->values, node->n_values, sizeof(*node->values), compare_values);
	for (size_t i = 0; i < node->n_values; i++) {
		if (n && strcmp(node->values[n - 1], node->values[i]) == 0)
			free(node->values[i]);
		else
			node->values[n++] = node->values[i];
	}
	node->n_values = n;
}

/* --- The canonical text ---------------------------------------------------------------------- */

static void write_value(const char *value, struct buf *out)
{
	char quote = strchr(value, '"') ? '\'' : '"';

	buf_addf(out, "%c%s%c", quote, value, quote);
}

static void write_term(const struct node *node, struct buf *out)
{
	static const char *const formats[] = {
		[SELECTOR_ALL] = "all()",
		[SELECTOR_GLOBAL] = "global()",
		[SELECTOR_HAS] = "has(",
		[SELECTOR_EQUAL] = " == ",
		[SELECTOR_NOT_EQUAL] = " != ",
		[SELECTOR_CONTAINS] = " contains ",
		[SELECTOR_STARTS_WITH] = " starts with ",
		[SELECTOR_ENDS_WITH] = " ends with ",
		[SELECTOR_IN] = " in {",
		[SELECTOR_NOT_IN] = " not in {",
	};
	bool is_set = node->op == SELECTOR_IN || node->op == SELECTOR_NOT_IN;

	if (node->op == SELECTOR_HAS) {
		buf_addf(out, "has(%s)", node->label);
		return;
	}
	buf_adds(out, node->label);
	buf_adds(out, formats[node->op]);
	for (size_t i = 0; i < node->n_values; i++) {
		buf_adds(out, i ? ", " : "");
		write_value(node->values[i], out);
	}
	if (is_set)
		buf_addc(out, '}');
}

static void write_node(const struct selector *selector, uint32_t index, struct buf *out)
{
	const struct node *node = &selector->nodes[index];
	bool many = node->first != node->last;

	if (node->negated)
		buf_addc(out, '!');
	if (node->type == NODE_TERM) {
		write_term(node, out);
		return;
	}
	if (many)
		buf_addc(out, '(');
	for (uint32_t i = node->first; i != NONE; i = selector->nodes[i].next) {
		if (i != node->first)
			buf_adds(out, node->type == NODE_OR ? " || " : " && ");
		write_node(selector, i, out);
	}
	if (many)
		buf_addc(out, ')');
}

int selector_compile(const char *text, struct selector **ret, struct err *err)
{
	_cleanup_(selector_freep) struct selector *selector = XNEW(struct selector);
	struct builder builder = {.selector = selector};
	struct selector_visitor visitor = {
		.mark = on_mark, .term = on_term, .value = on_value, .data = &builder};
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r;

	builder.ors[0] = add_node(selector, NODE_OR, NONE);
	builder.ands[0] = add_node(selector, NODE_AND, builder.ors[0]);
	r = selector_syntax_walk(text, &visitor, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < selector->n_nodes; i++)
		sort_values(&selector->nodes[i]);
	write_node(selector, 0, &out);
	selector->text = buf_take(&out);
	*ret = TAKE_PTR(selector);
	return 0;
}

/* --- Using ----------------------------------------------------------------------------------- */

static bool is_one_of(const struct node *node, const char *value)
{
	return node->n_values &&
	       bsearch(&value, node->values, node->n_values, sizeof(*node->values), compare_values);
}

static bool ends_with(const char *value, const char *end)
{
	size_t len = strlen(value);
	size_t end_len = strlen(end);

	return len >= end_len && strcmp(value + len - end_len, end) == 0;
}

static bool term_matches(const struct node *node, const struct selector_labels *labels)
{
	const char *value = *node->label ? labels->find(labels->data, node->label) : NULL;

	switch (node->op) {
	case SELECTOR_ALL:
	case SELECTOR_GLOBAL: /* who has a namespace to look at has replaced it by !has() */
		return true;
	case SELECTOR_HAS:
		return value;
	case SELECTOR_EQUAL:
		return value && strcmp(value, node->values[0]) == 0;
	case SELECTOR_NOT_EQUAL:
		return !value || strcmp(value, node->values[0]) != 0;
	case SELECTOR_CONTAINS:
		return value && strstr(value, node->values[0]);
	case SELECTOR_STARTS_WITH:
		return value && strncmp(value, node->values[0], strlen(node->values[0])) == 0;
	case SELECTOR_ENDS_WITH:
		return value && ends_with(value, node->values[0]);
	case SELECTOR_IN:
		return value && is_one_of(node, value);
	case SELECTOR_NOT_IN:
		return !value || !is_one_of(node, value);
	}
	return false;
}

static bool node_matches(const struct selector *selector, uint32_t index,
			 const struct selector_labels *labels)
{
	const struct node *node = &selector->nodes[index];
	bool is_or = node->type == NODE_OR;

	if (node->type == NODE_TERM)
		return term_matches(node, labels) != node->negated;
	for (uint32_t i = node->first; i != NONE; i = selector->nodes[i].next) {
		if (node_matches(selector, i, labels) == is_or)
			return is_or != node->negated;
	}
	return !is_or != node->negated;
}

bool selector_matches_in(const struct selector *selector, const struct selector_labels *labels)
{
	return node_matches(selector, 0, labels);
}

static const char *find_in_map(const void *map, const char *label)
{
	return str_map_find(map, label);
}

static struct selector_labels labels_of(const struct str_map *map)
{
	return (struct selector_labels){.find = find_in_map, .data = map};
}

bool selector_matches(const struct selector *selector, const struct str_map *map)
{
	struct selector_labels labels = labels_of(map);

	return node_matches(selector, 0, &labels);
}

static void explain_term(const struct node *node, const struct selector_labels *labels,
			 struct buf *out)
{
	const char *value = *node->label ? labels->find(labels->data, node->label) : NULL;

	buf_adds(out, node->negated ? "!" : "");
	write_term(node, out);
	if (node->op == SELECTOR_ALL || node->op == SELECTOR_GLOBAL)
		return;
	if (!value)
		buf_addf(out, " (there is no label %s)", node->label);
	else if (node->op != SELECTOR_EQUAL || strcmp(value, node->values[0]) != 0)
		buf_addf(out, " (it is \"%s\")", value);
}

/*
 * An operand that settles its group alone stands for it; where none does, all of them are the
 * reason.
 */
static void explain_node(const struct selector *selector, uint32_t index,
			 const struct selector_labels *labels, struct buf *out)
{
	const struct node *node = &selector->nodes[index];
	bool settles = node->type == NODE_OR;

	if (node->type == NODE_TERM) {
		explain_term(node, labels, out);
		return;
	}
	for (uint32_t i = node->first; i != NONE; i = selector->nodes[i].next) {
		if (node_matches(selector, i, labels) == settles) {
			explain_node(selector, i, labels, out);
			return;
		}
	}
	for (uint32_t i = node->first; i != NONE; i = selector->nodes[i].next) {
		buf_adds(out, i == node->first ? "" : " and ");
		explain_node(selector, i, labels, out);
	}
}

void selector_explain(const struct selector *selector, const struct str_map *map, struct buf *out)
{
	struct selector_labels labels = labels_of(map);

	explain_node(selector, 0, &labels, out);
}

const char *selector_text(const struct selector *selector)
{
	return selector->text;
}

struct selector_id selector_id(const struct selector *selector)
{
	_cleanup_free_ char *seed = xasprintf("s:%s", selector->text);
	struct digest digest = digest_of(DIGEST_SHA224, seed, strlen(seed));
	struct selector_id id;

	(void)snprintf(id.s, sizeof(id.s), "s:%.38s", digest_base64url(&digest).s);
	return id;
}

bool selector_selects(const char *text, const struct str_map *labels)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;

	return selector_compile(text, &selector, NULL) == 0 && selector_matches(selector, labels);
}

/* --- Clauses ---------------------------------------------------------------------------------- */

void selector_clauses_deinit(struct selector_clauses *clauses)
{
	for (size_t i = 0; i < clauses->n; i++)
		free(clauses->v[i].needs);
	free(clauses->v);
	*clauses = (struct selector_clauses){0};
}

static void add_need(struct selector_clause *clause, const char *label, const char *value)
{
	*ARRAY_ADD(clause->needs, clause->n_needs) = (struct selector_need){label, value};
}

static void add_term_clause(const struct node *node, struct selector_clauses *out)
{
	struct selector_clause *clause;

	switch (node->op) {
	case SELECTOR_ALL:
	case SELECTOR_GLOBAL:
	case SELECTOR_NOT_EQUAL:
	case SELECTOR_NOT_IN:
		return;
	case SELECTOR_EQUAL:
	case SELECTOR_IN:
		clause = ARRAY_ADD(out->v, out->n);
		for (size_t i = 0; i < node->n_values; i++)
			add_need(clause, node->label, node->values[i]);
		return;
	case SELECTOR_HAS:
	case SELECTOR_CONTAINS:
	case SELECTOR_STARTS_WITH:
	case SELECTOR_ENDS_WITH:
		add_need(ARRAY_ADD(out->v, out->n), node->label, NULL);
		return;
	}
}

/* Fewer labels fall under values than under a mere presence, and under few than under many. */
static bool is_narrower(const struct selector_clause *a, const struct selector_clause *b)
{
	size_t n_any_a = 0;
	size_t n_any_b = 0;

	for (size_t i = 0; i < a->n_needs; i++)
		n_any_a += !a->needs[i].value;
	for (size_t i = 0; i < b->n_needs; i++)
		n_any_b += !b->needs[i].value;
	return n_any_a != n_any_b ? n_any_a < n_any_b : a->n_needs < b->n_needs;
}

/* Adds the needs of the narrowest clause. False: there is none. */
static bool merge_narrowest(const struct selector_clauses *clauses, struct selector_clause *out)
{
	const struct selector_clause *best = clauses->v;

	for (size_t i = 1; i < clauses->n; i++) {
		if (is_narrower(&clauses->v[i], best))
			best = &clauses->v[i];
	}
	for (size_t i = 0; best && i < best->n_needs; i++)
		add_need(out, best->needs[i].label, best->needs[i].value);
	return best;
}

/* Recursion is bounded like that of node_matches(). */
static void add_clauses(const struct selector *selector, uint32_t index,
			struct selector_clauses *out)
{
	const struct node *node = &selector->nodes[index];
	bool is_choice = node->type == NODE_OR && node->first != node->last;
	struct selector_clause merged = {0};
	bool complete = true;

	if (node->negated)
		return;
	if (node->type == NODE_TERM) {
		add_term_clause(node, out);
		return;
	}
	for (uint32_t i = node->first; i != NONE && complete; i = selector->nodes[i].next) {
		_cleanup_(selector_clauses_deinitp) struct selector_clauses operand = {0};

		add_clauses(selector, i, is_choice ? &operand : out);
		if (is_choice)
			complete = merge_narrowest(&operand, &merged);
	}
	if (is_choice && complete)
		*ARRAY_ADD(out->v, out->n) = merged;
	else
		free(merged.needs);
}

void selector_get_clauses(const struct selector *selector, struct selector_clauses *ret)
{
	*ret = (struct selector_clauses){0};
	add_clauses(selector, 0, ret);
}
