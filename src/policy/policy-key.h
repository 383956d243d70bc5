/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The key of a policy (compiled-policy.h), read back: "np/shop/db" is NetworkPolicy shop/db. */

#include <stdbool.h>
#include <stddef.h>

struct policy_key_parts {
	const char *kind;    /* "NetworkPolicy"; a literal */
	char namespace[256]; /* "": none */
	char name[256];
};
/* False: it is no key. */
bool policy_key_parse(const char *key, struct policy_key_parts *ret);

/* "NetworkPolicy shop/db"; what is no key, as it is. */
struct policy_key_text {
	char s[600];
};
struct policy_key_text policy_key_format(const char *key);
