/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Of root's capabilities the agent keeps those it needs; which and why, the tables say. */

#include "base/err.h"

enum privileges {
	PRIVILEGES_AGENT,
	PRIVILEGES_BIRD, /* of the thread that starts BIRD, and so of BIRD */
};

/*
 * Gives up, in the calling thread and all it starts from now on, every capability that is not in
 * the table, for good: no program it runs gets one back. Capabilities it has not are not missed
 * here, but where they are needed. To be called before there are other threads, which keep theirs.
 */
MUST_CHECK int privileges_keep(enum privileges which, struct err *err);
