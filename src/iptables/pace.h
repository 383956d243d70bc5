/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Something that is done again and again, and is to take a hundredth of the time at most. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PACE_SHARE  100
#define PACE_MIN_NS 900000000 /* and not more often than that */

struct pace {
	int64_t began_ns;
	int64_t due_ns;
};

static inline int64_t pace_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline bool pace_is_due(const struct pace *pace)
{
	return pace_now() >= pace->due_ns;
}

static inline void pace_begin(struct pace *pace)
{
	pace->began_ns = pace_now();
}

/* Is there time left for more of it? */
static inline bool pace_goes_on(const struct pace *pace)
{
	return (pace_now() - pace->began_ns) * PACE_SHARE < PACE_MIN_NS;
}

static inline void pace_end(struct pace *pace)
{
	int64_t now = pace_now();
	int64_t wait = (now - pace->began_ns) * PACE_SHARE;

	pace->due_ns = now + (wait > PACE_MIN_NS ? wait : PACE_MIN_NS);
}
