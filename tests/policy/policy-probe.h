/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Real packets through a real kernel: the calling process becomes the node of policy-case.h in a
 * network namespace of its own, its pods and the outside are in another one. Packets are made by
 * hand and sent on the links; what arrives is read from the links and from raw sockets.
 */

#include "policy-case.h"

struct probe;
/* Moves the process. -EPERM: not root. */
MUST_CHECK int probe_open(struct probe **ret, struct err *err);
struct probe *probe_close(struct probe *probe);

/*
 * Sends all of them, up to PROBE_MAX, and sets 'arrived' of those that reached their destination;
 * it waits until 'quiet_ms' nothing more has come.
 */
#define PROBE_MAX 1024
MUST_CHECK int probe_send(struct probe *probe, const struct case_packet *packets, size_t n,
			  int quiet_ms, bool *arrived, struct err *err);
/* Every connection that the kernel knows is forgotten. */
MUST_CHECK int probe_forget_connections(struct probe *probe, struct err *err);
