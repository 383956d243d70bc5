/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes against every checker: never a crash, and an error always has a message. */

#include <stdlib.h>

#include "base/alloc.h"
#include "model/model-check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);

	for (enum field_check check = CHECK_NONE; check <= CHECK_RATE; check++) {
		struct err err = ERR_INIT;

		if (model_check(check, text, &err) < 0 && !err.msg[0])
			abort();
	}
	return 0;
}
