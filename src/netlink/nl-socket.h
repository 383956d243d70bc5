/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of a connection, for nl.c and nl-batch.c alone. */

#include <sys/types.h>

#include "netlink/nl.h"

struct nl {
	int fd;
	uint32_t port;
	uint32_t seq;
	uint8_t *rx; /* NL_RECEIVE_SIZE */
};

MUST_CHECK int nl_send(struct nl *nl, const void *data, size_t size, struct err *err);
/* Into nl->rx; its size or -errno. 'flags': MSG_DONTWAIT or 0. */
MUST_CHECK ssize_t nl_receive_wait(struct nl *nl, int flags);
/* Gives up what is still on its way, and says why. */
int nl_receive_failed(struct nl *nl, ssize_t n, struct err *err);
/* The answer in an NLMSG_ERROR message. */
void nl_take_error(const struct nlmsghdr *message, struct nl_answer *ret);
