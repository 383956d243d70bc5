/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The doctrine of failure, for every fallible function of the project:
 *
 *   0    done.
 *   <0   failure, a -errno. Passed up unchanged; nobody matches on it.
 *   >0   an outcome from the function's own enum, listed in its header. The caller handles it and
 *        never forwards it.
 *
 * Where a person will read the reason, the last parameter is a 'struct err *', owned by the caller,
 * of fixed size, so it needs no release. It may be NULL. A message names the thing, the place and
 * the remedy; it carries no trailing full stop and no secret.
 */

#include <stdarg.h>

#include "base/macros.h"

#define ERR_MSG_SIZE 1024

struct err {
	char msg[ERR_MSG_SIZE];
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		.msg = ""                                                                          \
	}

/* Writes the message and returns 'code', so that set and return are one statement. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);
int err_setv(struct err *err, int code, const char *format, va_list args) PRINTF_LIKE(3, 0);

/* As err_set(), followed by ": " and the text of the errno in 'code'. */
int err_errno(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "<context>: " before the message there is, and returns 'code'. */
int err_prefix(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);
