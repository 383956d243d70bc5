/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a selector: what compiles has a canonical text that is its own and means the same.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/model-desc.h"
#include "selector/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_(selector_freep) struct selector *selector = NULL;
	_cleanup_(selector_freep) struct selector *again = NULL;
	struct str_pair pair = {.key = (char *)(uintptr_t) "a", .value = (char *)(uintptr_t) "b"};
	const struct str_map labels = {.v = &pair, .n = 1};
	struct err err = ERR_INIT;

	if (selector_compile(text, &selector, &err) < 0) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	/* Its text has blanks and quotes that the input may have lacked room for. */
	if (selector_compile(selector_text(selector), &again, NULL) < 0)
		return 0;
	if ((!strstr(selector_text(selector), "!!") &&
	     strcmp(selector_text(selector), selector_text(again)) != 0) ||
	    selector_matches(selector, &labels) != selector_matches(again, &labels))
		abort();
	return 0;
}
