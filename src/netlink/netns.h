/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Entering a network namespace for a few calls and coming back. */

#include "base/err.h"

/* The calling thread's own namespace; close it. */
MUST_CHECK int netns_open_self(int *ret_fd, struct err *err);
/* Moves the calling thread. A failed return to the agent's own namespace must abort. */
MUST_CHECK int netns_enter(int fd, struct err *err);
/* Are the two files the same namespace? <0 on failure, else 0 or 1. */
MUST_CHECK int netns_same(int fd_a, int fd_b);
