/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Does a selector of Calico's language (model/selector-syntax.h) choose an object by its labels?
 * For selectors of nodes; global() chooses none of them. Pure, and it builds nothing.
 */

#include <stdbool.h>

struct str_map;

/* A text that is no selector chooses nothing. */
bool label_selector_matches(const char *selector, const struct str_map *labels);
