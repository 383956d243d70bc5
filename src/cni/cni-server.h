/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent's side of the socket: accepts, reads a whole request with limits and a deadline, checks
 * the caller (root only, by SO_PEERCRED), parses it, and hands it to the agent, which answers when
 * it can. sd-event; nothing blocks.
 */

#include <systemd/sd-event.h>

#include "cni/cni-request.h"

struct cni_server;
struct cni_call; /* one request being served; ends with exactly one cni_call_answer_*() */

/*
 * Called once per well-formed request. 'netns_fd' is -1 or belongs to the call. The request stays
 * valid until answered. VERSION never gets here.
 */
typedef void (*cni_handler)(struct cni_call *call, const struct cni_request *request, int netns_fd,
			    void *ctx);

/* Makes 'path' (0600, its directory 0755), replaces a stale one. */
MUST_CHECK int cni_server_new(sd_event *event, const char *path, cni_handler handler, void *ctx,
			      struct cni_server **ret, struct err *err);
struct cni_server *cni_server_free(struct cni_server *server);
CLEANUP_FUNC(struct cni_server *, cni_server_free);

/* A call whose caller went away is still answered; the answer is dropped. */
void cni_call_answer_result(struct cni_call *call, const struct cni_result *result);
void cni_call_answer_ok(struct cni_call *call); /* DEL, CHECK, STATUS, GC: empty output, exit 0 */
/* The plugin runs the IPAM plugin of that name (cni-protocol.h); to a queued DEL it has already. */
void cni_call_answer_delegate(struct cni_call *call, const char *type);
void cni_call_answer_error(struct cni_call *call, unsigned int code, const char *msg);

/*
 * Requests that korat-cni queued as files while the agent was away: parses each and calls the
 * handler as above (an answer removes the file, an error keeps it for the next call of this).
 * Returns how many were found. To be called now and then, not only at start: a plugin that found
 * the socket missing may write its file after the agent came up. A file that is no DEL is removed,
 * and so is the hidden one of a plugin that died while it wrote.
 */
MUST_CHECK int cni_server_replay(struct cni_server *server, const char *queue_dir, struct err *err);
