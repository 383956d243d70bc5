/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The flow log: what policy allowed and denied on this node, by whose packets and which rule. Off,
 * there is no rule in the kernel, no socket and no memory of it.
 */

#include <systemd/sd-event.h>

#include "agent/flow-table.h"

struct flow_log;
struct flow_log_stats {
	uint64_t n_packets;  /* that rules told of */
	uint64_t n_lost;     /* of these, those the kernel could not keep, or we */
	uint64_t n_overruns; /* times that the kernel's buffer was full */
	uint64_t n_bad;	     /* messages that could not be understood */
};

/* It is off. 'path' is that of the socket for readers; both are copied. */
struct flow_log *flow_log_new(sd_event *event, const char *path, const struct flow_names *names);
struct flow_log *flow_log_free(struct flow_log *log);
CLEANUP_FUNC(struct flow_log *, flow_log_free);

/*
 * Flows are given out every 'flush_us', and every second while somebody reads. True: it is on, and
 * rules may log. False: it is off, as wanted, or because it can't be; then the log says why, once.
 */
bool flow_log_configure(struct flow_log *log, bool on, uint64_t flush_us);
void flow_log_get_stats(const struct flow_log *log, struct flow_log_stats *ret);
