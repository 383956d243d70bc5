/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a selector: the evaluator agrees with the checker about what is one. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bgp/label-selector.h"
#include "model/model-desc.h"
#include "model/selector-syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str_pair pair = {(char[]){"a"}, (char[]){"b"}};
	const struct str_map labels = {.v = &pair, .n = 1, .set = true};
	_cleanup_free_ char *text = xmalloc(size + 1);
	_cleanup_free_ char *negated = NULL;
	bool matches;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	matches = label_selector_matches(text, &labels);
	if (selector_syntax_check(text, NULL, NULL) < 0) {
		if (matches)
			abort();
		return 0;
	}
	/* What it chooses, its negation does not. */
	negated = xasprintf("!(%s)", text[strspn(text, " \t")] ? text : "all()");
	if (selector_syntax_check(negated, NULL, NULL) == 0 &&
	    label_selector_matches(negated, &labels) == matches)
		abort();
	return 0;
}
