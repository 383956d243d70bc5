/* SPDX-License-Identifier: Apache-2.0 */

/* A packet's headers and a log prefix: the first byte says how much is the prefix. */

#include <stdlib.h>

#include "agent/flow-packet.h"
#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *headers = NULL; /* their end is watched */
	_cleanup_free_ char *prefix = NULL;
	struct flow_tuple tuple;
	struct flow_hit hit;
	size_t n;

	if (!size)
		return 0;
	n = MIN((size_t)data[0], size - 1);
	prefix = xstrndup((const char *)data + 1, n);
	headers = xmemdup(data + 1 + n, size - 1 - n);
	(void)!flow_hit_parse(prefix, &hit);
	(void)!flow_tuple_parse(headers, size - 1 - n, &tuple);
	return 0;
}
