/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Is a text a selector of Calico's language? Syntax alone; nothing is built. The grammar:
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

#include "base/err.h"

#define SELECTOR_MAX_SIZE  65536
#define SELECTOR_MAX_DEPTH 100 /* parentheses within each other */
#define SELECTOR_MAX_LABEL 512

enum selector_use {
	SELECTOR_USES_GLOBAL = 1 << 0, /* global() occurs */
};

/*
 * 0: a selector; '*ret_uses' (may be NULL) tells what occurs in it. -EINVAL: 'err' names the column
 * and what was expected there.
 */
MUST_CHECK int selector_syntax_check(const char *text, unsigned int *ret_uses, struct err *err);
