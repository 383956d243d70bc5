/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a plain (unquoted) YAML scalar means to Kubernetes' tools: YAML 1.1, as they read it. */

#include <jansson.h>
#include <stdbool.h>

/*
 * Gives null, a boolean, a number, or else the text. An integer beyond 64 bits with sign is a text,
 * which unsigned fields take. NULL: 'text' is not UTF-8.
 */
json_t *yaml_plain_scalar(const char *text);
/* Would it be read as something else than a text? */
bool yaml_is_special(const char *text);
