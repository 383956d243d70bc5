/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a string field must look like: one checker for each 'enum field_check'. Pure; every checker
 * bounds the length of what it reads, so that a hostile datastore costs no more than its bytes.
 */

#include "base/err.h"
#include "model/model-desc.h"

#define CHECK_NAME_MAX	     253 /* DNS-1123 subdomain */
#define CHECK_LABEL_NAME_MAX 63	 /* DNS-1123 label, name part of a label key */
#define CHECK_INTERFACE_MAX  15	 /* IFNAMSIZ - 1 */
#define CHECK_REGEX_MAX	     256
#define CHECK_REGEX_REPEAT   64 /* largest bound in "{n}", which regcomp() unrolls */
#define CHECK_REGEX_DOUBLED  4
#define CHECK_RATE_DIGITS    4

/* 0: 'value' is such a text. -EINVAL: 'err' names the text and what was expected. */
MUST_CHECK int model_check(enum field_check check, const char *value, struct err *err);

/*
 * A port as policies write it: "80", "8000:8100" or a name.
 * 0: number or range, in '*ret_first' and '*ret_last'. 1: a name; both are 0. -EINVAL: neither.
 */
MUST_CHECK int model_check_port(const char *value, uint16_t *ret_first, uint16_t *ret_last,
				struct err *err);
