/* SPDX-License-Identifier: Apache-2.0 */

/* What comes from nfnetlink_log, from any bytes. */

#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nflog.h"

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
		struct nflog_packet packet;

		if (nflog_message(message, &packet) == 0)
			assert(strlen(packet.prefix) < size && packet.size < size);
	}
	return 0;
}
