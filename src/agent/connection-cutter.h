/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ends connections that policy would not let begin any more. The kernel's list of all of them is
 * read in a thread; the loop judges it a few at a time, between other events, by what is in force
 * in that moment; the thread deletes what is denied. What a node sends to its own pods is not
 * judged, as no policy of theirs applies to it.
 *
 * There is one walk at a time. What is wanted meanwhile is one more walk behind it, and between two
 * there is a pause four times as long as the walk.
 */

#include <systemd/sd-event.h>

#include "policy/policy-driver.h"

struct connection_cutter;
MUST_CHECK int connection_cutter_new(sd_event *event, struct policy_driver driver,
				     struct connection_cutter **ret, struct err *err);
/* What is under way is given up. */
struct connection_cutter *connection_cutter_free(struct connection_cutter *cutter);
CLEANUP_FUNC(struct connection_cutter *, connection_cutter_free);

/* All connections of now are to be judged, a tenth of a second from now or later. */
void connection_cutter_want(struct connection_cutter *cutter);
/*
 * What the driver was told is not in force: nothing is judged by it until
 * connection_cutter_go_on().
 */
void connection_cutter_hold(struct connection_cutter *cutter);
void connection_cutter_go_on(struct connection_cutter *cutter);
