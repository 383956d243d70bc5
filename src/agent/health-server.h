/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * /liveness, /readiness and /metrics over HTTP (libmicrohttpd), served by the loop itself: an
 * answer proves that the loop turns. Liveness says nothing of peers or load.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct buf;
struct health_server;

struct health_source {
	void *ctx;
	/*
	 * True: ready. Otherwise 'why' gets the reason; what is wrong all the same stands there
	 * too.
	 */
	bool (*ready)(void *ctx, struct buf *why);
	void (*metrics)(void *ctx, struct buf *out);
};

/*
 * Listens on "ADDR:PORT" ("[v6]:PORT"). 'metrics' and 'health' choose which paths this one serves.
 * -EINVAL: the address can't be understood.
 */
MUST_CHECK int health_server_new(sd_event *event, const char *address, bool metrics, bool health,
				 const struct health_source *source, struct health_server **ret,
				 struct err *err);
struct health_server *health_server_free(struct health_server *server);
CLEANUP_FUNC(struct health_server *, health_server_free);
