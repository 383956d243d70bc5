/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * BIRD beside the agent: its configuration follows the model, it is started when asked to, and its
 * sessions are read back. Everything that waits for BIRD happens in a worker thread.
 *
 * BIRD is never stopped by the agent, so that routes and sessions outlive it; a restarted agent
 * finds it at its socket.
 */

#include <systemd/sd-event.h>

#include "agent/agent-args.h"
#include "bgp/bgp-config.h"
#include "bgp/bird.h"

struct bird_manager;

struct bird_state {
	bool present; /* a daemon answered last time */
	uint64_t n_reloads;
	size_t n_established;
	size_t n_not_established;
	struct bird_protocols protocols; /* BGP sessions and all others */
	struct bird_daemon_status daemon;
};

/* 'changed' is called in the loop after BIRD's state was read. 'args' borrowed. */
MUST_CHECK int bird_manager_new(sd_event *event, const struct agent_args *args,
				void (*changed)(void *ctx), void *ctx, struct bird_manager **ret,
				struct err *err);
struct bird_manager *bird_manager_free(struct bird_manager *manager);
CLEANUP_FUNC(struct bird_manager *, bird_manager_free);

/* Renders, and hands the text to the worker if it differs from the last. */
void bird_manager_configure(struct bird_manager *manager, const struct bgp_input *input);
/* Someone took routes of BIRD's out of the kernel: BIRD is to put them back. Soon, not at once. */
void bird_manager_reinstall(struct bird_manager *manager);
const struct bird_state *bird_manager_get_state(const struct bird_manager *manager);
