/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a selector: never a crash, and an error always has a message. */

#include <stdlib.h>

#include "base/alloc.h"
#include "model/selector-syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	struct err err = ERR_INIT;
	unsigned int uses = 0;

	if (selector_syntax_check(text, &uses, &err) < 0 && !err.msg[0])
		abort();
	return 0;
}
