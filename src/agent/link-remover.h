/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Deleting pods' links without waiting for what nobody waits for. The kernel takes a link out of
 * its namespace and announces that within half a millisecond; the one who asked is held 20 ms
 * longer, until every processor has let go of its memory. So a deletion runs in one of a few
 * threads, and is done, for its caller, with the announcement.
 */

#include <systemd/sd-event.h>

#include "base/err.h"

struct link_remover;

MUST_CHECK int link_remover_new(sd_event *event, struct link_remover **ret, struct err *err);
/* Waits for the deletions at work; their callbacks are still called. */
struct link_remover *link_remover_free(struct link_remover *remover);
CLEANUP_FUNC(struct link_remover *, link_remover_free);

/*
 * Deletes the pod's link 'ifname' (borrowed for this call). 'removed' is called later in the loop,
 * exactly once: 'result' 0 when it is gone or was not there, <0 with the reason in 'err'.
 */
void link_remover_remove(struct link_remover *remover, const char *ifname,
			 void (*removed)(void *ctx, int result, const struct err *err), void *ctx);

/* The kernel announced that this link is gone. */
void link_remover_note_gone(struct link_remover *remover, int ifindex);
