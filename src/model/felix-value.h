/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the model module: a parameter's text in environment or file, as its JSON value. */

#include <jansson.h>

#include "base/err.h"

struct felix_param;

#define FELIX_ITEMS_MAX 1024 /* items of a list in one text */

/*
 * 0: '*ret' is a new reference. -EINVAL: 'err' says what was expected; it does not name the
 * variable. 'text' is not empty.
 */
MUST_CHECK int felix_value_parse(const struct felix_param *param, const char *text, json_t **ret,
				 struct err *err);
