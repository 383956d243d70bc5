/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the selectors of a policy to one selector over labels. Each is taken apart by the grammar
 * and written anew with its labels prefixed, so that nothing in it can reach beyond its own
 * parentheses, and compiled at last.
 */

#include "policy/policy-selector.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds-policy.h"
#include "model/selector-syntax.h"

#define HAS_NAMESPACE	    "has(" LABEL_NAMESPACE ")"
#define HAS_SERVICE_ACCOUNT "has(" LABEL_SERVICE_ACCOUNT ")"

/* How a selector is written anew. */
struct rewrite {
	const char *prefix; /* of every label */
	const char *all;    /* what stands for all() */
	const char *global; /* for global(); NULL: it has no meaning here */
};

static const struct rewrite plain = {.prefix = "", .all = "all()"};

/* --- Writing a selector anew ----------------------------------------------------------------- */

struct rewriter {
	const struct rewrite *how;
	struct buf *out;
	bool in_set; /* of values: its brace is open */
	bool has_value;
	bool uses_global;
};

static void close_set(struct rewriter *w)
{
	if (w->in_set)
		buf_addc(w->out, '}');
	w->in_set = false;
}

static void on_mark(void *data, enum selector_mark mark)
{
	static const char *const marks[] = {
		[SELECTOR_MARK_NOT] = "!",   [SELECTOR_MARK_OPEN] = "(",
		[SELECTOR_MARK_CLOSE] = ")", [SELECTOR_MARK_AND] = " && ",
		[SELECTOR_MARK_OR] = " || ",
	};
	struct rewriter *w = data;

	close_set(w);
	buf_adds(w->out, marks[mark]);
}

static void on_term(void *data, enum selector_op op, struct selector_piece label)
{
	static const char *const operators[] = {
		[SELECTOR_ALL] = "",
		[SELECTOR_GLOBAL] = "",
		[SELECTOR_HAS] = ")",
		[SELECTOR_EQUAL] = " == ",
		[SELECTOR_NOT_EQUAL] = " != ",
		[SELECTOR_CONTAINS] = " contains ",
		[SELECTOR_STARTS_WITH] = " starts with ",
		[SELECTOR_ENDS_WITH] = " ends with ",
		[SELECTOR_IN] = " in {",
		[SELECTOR_NOT_IN] = " not in {",
	};
	struct rewriter *w = data;

	close_set(w);
	if (op == SELECTOR_ALL) {
		buf_adds(w->out, w->how->all);
		return;
	}
	if (op == SELECTOR_GLOBAL) {
		w->uses_global = true;
		buf_adds(w->out, w->how->global ? w->how->global : "global()");
		return;
	}
	if (op == SELECTOR_HAS)
		buf_adds(w->out, "has(");
	buf_adds(w->out, w->how->prefix);
	buf_add(w->out, label.s, label.len);
	buf_adds(w->out, operators[op]);
	w->in_set = op == SELECTOR_IN || op == SELECTOR_NOT_IN;
	w->has_value = false;
}

static void on_value(void *data, struct selector_piece value)
{
	struct rewriter *w = data;
	/* The grammar has no escapes: a value has one kind of quotes at most. */
	char quote = memchr(value.s, '\'', value.len) ? '"' : '\'';

	if (w->has_value)
		buf_adds(w->out, ", ");
	w->has_value = true;
	buf_addc(w->out, quote);
	buf_add(w->out, value.s, value.len);
	buf_addc(w->out, quote);
}

/*
 * Appends "(...)", after " && " if something stands in 'out' already. A selector that is absent or
 * empty adds nothing.
 */
static int add_selector(struct buf *out, const char *selector, const struct rewrite *how,
			const char *field, struct err *err)
{
	struct rewriter rewriter = {.how = how, .out = out};
	struct selector_visitor visitor = {
		.mark = on_mark, .term = on_term, .value = on_value, .data = &rewriter};
	int r;

	if (!selector || !*selector)
		return 0;
	buf_adds(out, out->size ? " && (" : "(");
	r = selector_syntax_walk(selector, &visitor, err);
	if (r == 0 && rewriter.uses_global && !how->global)
		r = err_set(err, -EINVAL,
			    "global() has a meaning only in the namespaceSelector of a rule's "
			    "source or destination");
	if (r < 0)
		return err_prefix(err, r, "%s", field);
	close_set(&rewriter);
	buf_addc(out, ')');
	return 0;
}

int policy_selector_add_value(struct buf *out, const char *value, struct err *err)
{
	char quote = strchr(value, '\'') ? '"' : '\'';

	if (strchr(value, quote))
		return err_set(
			err, -EINVAL,
			"\"%.64s\" has quotes of both kinds, which no selector can compare with",
			value);
	buf_addf(out, "%c%s%c", quote, value, quote);
	return 0;
}

int policy_selector_add_equal(struct buf *out, const char *label, const char *value,
			      struct err *err)
{
	buf_adds(out, label);
	buf_adds(out, " == ");
	return policy_selector_add_value(out, value, err);
}

/* Appends that the namespace is this one, as add_selector(). */
static int add_namespace(struct buf *out, const char *namespace, struct err *err)
{
	if (out->size)
		buf_adds(out, " && ");
	return policy_selector_add_equal(out, LABEL_NAMESPACE, namespace, err);
}

/* --- A policy's endpoints -------------------------------------------------------------------- */

static int add_namespaced(struct buf *out, const struct policy_spec *spec, const char *namespace,
			  struct err *err)
{
	static const struct rewrite account = {.prefix = POLICY_PREFIX_SERVICE_ACCOUNT,
					       .all = "all()"};
	int r = add_selector(out, spec->selector, &plain, "spec.selector", err);

	if (r == 0)
		r = add_namespace(out, namespace, err);
	if (r == 0)
		r = add_selector(out, spec->service_account_selector, &account,
				 "spec.serviceAccountSelector", err);
	return r;
}

/*
 * all() of a namespace's labels is whatever has a namespace, of an account's whatever has one. The
 * selector beside them is read the same way: of what has none it would select nothing anyway.
 */
static int add_global(struct buf *out, const struct policy_spec *spec, struct err *err)
{
	static const struct rewrite namespace = {.prefix = POLICY_PREFIX_NAMESPACE,
						 .all = HAS_NAMESPACE};
	static const struct rewrite account = {.prefix = POLICY_PREFIX_SERVICE_ACCOUNT,
					       .all = HAS_SERVICE_ACCOUNT};
	struct rewrite own = plain;
	int r;

	if (spec->namespace_selector && *spec->namespace_selector)
		own.all = HAS_NAMESPACE;
	else if (spec->service_account_selector && *spec->service_account_selector)
		own.all = HAS_SERVICE_ACCOUNT;
	r = add_selector(out, spec->selector, &own, "spec.selector", err);
	if (r == 0)
		r = add_selector(out, spec->namespace_selector, &namespace,
				 "spec.namespaceSelector", err);
	if (r == 0)
		r = add_selector(out, spec->service_account_selector, &account,
				 "spec.serviceAccountSelector", err);
	return r;
}

int policy_selector_of_spec(const struct policy_spec *spec, const char *namespace,
			    struct selector **ret, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = namespace ? add_namespaced(&out, spec, namespace, err)
			  : add_global(&out, spec, err);

	return r < 0 ? r : selector_compile(buf_str(&out), ret, err);
}

/* --- A rule's peers -------------------------------------------------------------------------- */

static bool is_given(const char *selector)
{
	return selector && *selector;
}

static int add_accounts(struct buf *out, const struct service_account_match *match, struct err *err)
{
	static const struct rewrite account = {.prefix = POLICY_PREFIX_SERVICE_ACCOUNT,
					       .all = "all()"};
	int r = add_selector(out, match->selector, &account, "serviceAccounts.selector", err);

	if (r < 0 || match->names.n == 0)
		return r;
	buf_adds(out, out->size ? " && " : "");
	buf_adds(out, LABEL_SERVICE_ACCOUNT " in {");
	for (size_t i = 0; i < match->names.n; i++) {
		buf_adds(out, i ? ", " : "");
		r = policy_selector_add_value(out, match->names.v[i], err);
		if (r < 0)
			return err_prefix(err, r, "serviceAccounts.names[%zu]", i);
	}
	buf_addc(out, '}');
	return 0;
}

static bool has_accounts(const struct entity_rule *side)
{
	return side->service_accounts &&
	       (is_given(side->service_accounts->selector) || side->service_accounts->names.n > 0);
}

/* In a namespaced policy, peers chosen by any selector are of its namespace unless it says. */
static int add_peers(struct buf *out, const struct entity_rule *side, const char *namespace,
		     struct err *err)
{
	static const struct rewrite namespaces = {.prefix = POLICY_PREFIX_NAMESPACE,
						  .all = HAS_NAMESPACE,
						  .global = "!" HAS_NAMESPACE};
	int r = 0;

	if (is_given(side->namespace_selector))
		r = add_selector(out, side->namespace_selector, &namespaces, "namespaceSelector",
				 err);
	else if (namespace &&
		 (is_given(side->selector) || is_given(side->not_selector) || has_accounts(side)))
		r = add_namespace(out, namespace, err);
	if (r == 0 && has_accounts(side))
		r = add_accounts(out, side->service_accounts, err);
	if (r == 0)
		r = add_selector(out, side->selector, &plain, "selector", err);
	return r;
}

int policy_selector_of_side(const struct entity_rule *side, const char *namespace,
			    struct selector **ret, struct selector **ret_not, struct err *err)
{
	_cleanup_buf_ struct buf peers = BUF_INIT;
	_cleanup_buf_ struct buf none = BUF_INIT;
	_cleanup_(selector_freep) struct selector *yes = NULL;
	_cleanup_(selector_freep) struct selector *no = NULL;
	int r = add_peers(&peers, side, namespace, err);

	if (r == 0)
		r = add_selector(&none, side->not_selector, &plain, "notSelector", err);
	/* What only known peers can pass, one set can decide. */
	if (r == 0 && peers.size && none.size) {
		buf_addf(&peers, " && (!%s)", buf_str(&none));
		buf_reset(&none);
	}
	if (r == 0 && peers.size)
		r = selector_compile(buf_str(&peers), &yes, err);
	if (r == 0 && none.size)
		r = selector_compile(buf_str(&none), &no, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(yes);
	*ret_not = TAKE_PTR(no);
	return 0;
}
