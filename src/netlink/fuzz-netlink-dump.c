/* SPDX-License-Identifier: Apache-2.0 */

/* A datagram of netlink messages through every reader of this module. */

#include <libmnl/libmnl.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

#define INPUT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(const struct nlmsghdr *message)
{
	struct monitor_event event;
	struct neigh_entry neigh;
	struct if_addr addr;
	struct route route;
	struct link link;
	struct link_conf conf;

	(void)(monitor_event_from_message(message, &event) == 0);
	(void)(neigh_from_message(message, &neigh) == 0);
	(void)(addr_from_message(message, &addr) == 0);
	(void)(link_from_message(message, &link) == 0);
	(void)(link_conf_from_message(message, &conf) == 0);
	if (route_from_message(message, &route) == 0) {
		assert(route_equal(&route, &route));
		assert(route_format(&route).s[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *copy = NULL;
	const struct nlmsghdr *message;
	int left;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	copy = xmemdup(data, size); /* aligned, and its end is watched */
	message = copy;
	left = (int)size;
	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		read_message(message);
	return 0;
}
