/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A netlink connection (libmnl) to one network namespace, with batches: requests are collected,
 * sent together, and each gets its own acknowledgement. Blocking, but the kernel answers
 * rtnetlink within the call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct nl;
struct nlmsghdr;

/* 'netns_fd' -1: the caller's namespace. 'protocol' NETLINK_ROUTE, NETLINK_NETFILTER. */
MUST_CHECK int nl_open(int protocol, int netns_fd, struct nl **ret, struct err *err);
struct nl *nl_close(struct nl *nl);
CLEANUP_FUNC(struct nl *, nl_close);
