/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Lines for whoever of root's programs connects: first the last ones, oldest first, then an empty
 * line, then those that come. A reader that is too slow is told how many lines it missed. Nothing
 * is read from it, and it holds up nobody.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"

#define FLOW_SERVER_LINES   4096
#define FLOW_SERVER_READERS 16

struct flow_server;
/* 'connected' is called before the last lines are sent, so that they can be brought up to date. */
MUST_CHECK int flow_server_new(sd_event *event, const char *path, void (*connected)(void *ctx),
			       void *ctx, struct flow_server **ret, struct err *err);
struct flow_server *flow_server_free(struct flow_server *server);
CLEANUP_FUNC(struct flow_server *, flow_server_free);

/* Takes the line, which has no end of line in it. */
void flow_server_add(struct flow_server *server, char *line);
bool flow_server_has_readers(const struct flow_server *server);
