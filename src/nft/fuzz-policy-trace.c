/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel's announcements about traced packets, from any bytes. */

#include <libmnl/libmnl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "nft/policy-trace.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *copy = NULL; /* aligned, its end is watched */
	const struct nlmsghdr *message;
	int left = (int)size;

	if (!size || size > INPUT_MAX)
		return 0;
	copy = xmemdup(data, size);
	for (message = copy; nl_message_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		struct trace_event event;

		(void)!policy_trace_message(message, &event);
	}
	return 0;
}
