/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ends what deleted pods have left in the kernel's table of connections, so that nothing of it
 * reaches the next pod with such an address. The kernel walks all of its table for that, which
 * takes milliseconds even if it is empty: a thread does it, once for all pods that go within a
 * tenth of a second. A pod that gets an address before that waits for it in
 * connection_flusher_settle().
 */

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/ip.h"

struct connection_flusher;
MUST_CHECK int connection_flusher_new(sd_event *event, struct connection_flusher **ret,
				      struct err *err);
/* What still waits is done first. */
struct connection_flusher *connection_flusher_free(struct connection_flusher *flusher);
CLEANUP_FUNC(struct connection_flusher *, connection_flusher_free);

/* The addresses have no pod any more. */
void connection_flusher_add(struct connection_flusher *flusher, const struct ip_addr *addrs,
			    size_t n);
/* On return nothing is left of the address, and nothing of it will be ended later. */
void connection_flusher_settle(struct connection_flusher *flusher, const struct ip_addr *addr);
