/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The grammar of Calico's selectors, read for whoever wants it: a check that builds nothing, and a
 * walk that reports what was read, in order, for the module that compiles selectors.
 *
 *	or     := and ("||" and)*
 *	and    := op ("&&" op)*
 *	op     := "!"* ( "has(" label ")" | "all()" | "global()" | "(" or ")"
 *	               | label ("==" | "!=" | "contains" | "starts with" | "ends with") string
 *	               | label ("in" | "not in") "{" [ string ("," string)* [","] ] "}" )
 *	label  := [A-Za-z0-9_./-]{1,512}
 *	string := '...' | "..." (no escapes)
 *
 * Space and tab may stand between any two tokens. The empty selector is all().
 */

#include <stddef.h>

#include "base/err.h"

#define SELECTOR_MAX_SIZE  65536
#define SELECTOR_MAX_DEPTH 100 /* parentheses within each other */
#define SELECTOR_MAX_LABEL 512

enum selector_use {
	SELECTOR_USES_GLOBAL = 1 << 0, /* global() occurs */
};

enum selector_op {
	SELECTOR_ALL,
	SELECTOR_GLOBAL,
	SELECTOR_HAS,
	SELECTOR_EQUAL,
	SELECTOR_NOT_EQUAL,
	SELECTOR_CONTAINS,
	SELECTOR_STARTS_WITH,
	SELECTOR_ENDS_WITH,
	SELECTOR_IN,
	SELECTOR_NOT_IN,
};

enum selector_mark {
	SELECTOR_MARK_NOT,
	SELECTOR_MARK_OPEN,
	SELECTOR_MARK_CLOSE,
	SELECTOR_MARK_AND,
	SELECTOR_MARK_OR,
};

/* A piece of the text, not terminated. */
struct selector_piece {
	const char *s;
	size_t len;
};

/* What is told of what was read. A walk that fails has told the beginning of it. */
struct selector_visitor {
	void (*mark)(void *data, enum selector_mark mark);
	/* 'label' is empty with SELECTOR_ALL and SELECTOR_GLOBAL. */
	void (*term)(void *data, enum selector_op op, struct selector_piece label);
	/* Of the term before; in sets, each. */
	void (*value)(void *data, struct selector_piece value);
	void *data;
};

/*
 * 0: a selector, and the visitor was told all of it; the empty selector is told as SELECTOR_ALL.
 * -EINVAL: 'err' names the column and what was expected there.
 */
MUST_CHECK int selector_syntax_walk(const char *text, const struct selector_visitor *visitor,
				    struct err *err);

/* 0: a selector; '*ret_uses' (may be NULL) tells what occurs in it. -EINVAL: as above. */
MUST_CHECK int selector_syntax_check(const char *text, unsigned int *ret_uses, struct err *err);
