/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The file of the reserve: whatever it says, reading it ends, and what it gives is within bounds.
 */

#include <stdint.h>
#include <stdlib.h>

#include "agent/reserve.h"
#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reserve reserve = {.path = xstrdup("reserve"),
				  .handle = xstrdup("korat-reserve-node-a")};
	struct err err = ERR_INIT;
	int r = reserve_parse(&reserve, (const char *)data, size, &err);

	if (reserve.n_free > RESERVE_ADDRS_MAX || reserve.n_changes > RESERVE_CHANGES_MAX ||
	    (r < 0 && (reserve.n_free || reserve.n_changes)))
		abort();
	reserve_deinit(&reserve);
	return 0;
}
