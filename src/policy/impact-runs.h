/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: ports of a change, in words. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/policy-match.h"

#define IMPACT_PROTOCOL_REST 253 /* for experiments: stands for all that no rule mentions */

/* Runs of ports that changed the same way, as text. */
struct impact_runs {
	struct buf text;
	uint8_t protocol; /* of the last run */
	uint32_t first;
	uint32_t last;
	bool open;
	struct packet example;
	bool has_example;
};

uint32_t impact_first_port(uint8_t protocol);
uint32_t impact_last_port(uint8_t protocol); /* types of ICMP count as ports */
/* Runs come in order; 'packet' is one of it. */
void impact_runs_add(struct impact_runs *runs, uint8_t protocol, uint32_t first, uint32_t last,
		     const struct packet *packet);
/* The text is whole then. */
void impact_runs_close(struct impact_runs *runs);
