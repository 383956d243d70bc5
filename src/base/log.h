/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Structured logging: one line per event on stderr, time, level, module, a constant message, then
 * key=value pairs. A value with spaces, quotes or control characters is quoted and escaped, so a
 * line can't be forged through a name.
 *
 *	log_info("endpoint ready", "pod", name, "address", ip_format(&addr).s);
 *
 * Keys and values are all strings, in pairs; a NULL value prints as "-". Secrets can't be logged:
 * their type is not a string (secret.h). Each source file that logs defines LOG_MODULE first.
 * Log once, where the error stops; libraries pass errors up instead.
 *
 * What a pod, a peer, a datastore's object or a person's script can bring about again and again is
 * logged by log_*_limited(): a burst per place in the source, then a few lines a minute, each
 * saying how many like it were left out.
 *
 * The level and the limits are process-wide and the only mutable state besides parsed arguments.
 * Safe from worker threads: a line is one write().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_NONE,
};

/* Takes Calico's names, any case: Debug, Info, Warning, Error, Fatal, None. False: not a level. */
bool log_level_parse(const char *name, enum log_level *ret);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Pairs end with a NULL key; use the macros. */
void log_pairs(enum log_level level, const char *module, const char *message, ...)
	__attribute__((sentinel));

#define log_debug(message, ...)                                                                    \
	do {                                                                                       \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                  \
			log_pairs(LOG_LEVEL_DEBUG, LOG_MODULE, message, ##__VA_ARGS__, NULL);      \
	} while (0)
#define log_info(message, ...) log_pairs(LOG_LEVEL_INFO, LOG_MODULE, message, ##__VA_ARGS__, NULL)
#define log_warning(message, ...)                                                                  \
	log_pairs(LOG_LEVEL_WARNING, LOG_MODULE, message, ##__VA_ARGS__, NULL)
#define log_error(message, ...) log_pairs(LOG_LEVEL_ERROR, LOG_MODULE, message, ##__VA_ARGS__, NULL)

/* A number as a value, by value: log_info("...", "count", log_num(n).s) */
struct log_num {
	char s[24];
};
struct log_num log_num(int64_t n);

/*
 * Rate limit: true at most 'burst' times at once and 'per_minute' on average. 'now_us' is
 * monotonic. Not for several threads.
 */
struct log_limit {
	uint64_t last_us;
	uint64_t n_suppressed; /* lines, since the last that was written */
	uint32_t tokens_milli;
	bool primed;
};
bool log_limit_pass(struct log_limit *limit, uint32_t burst, uint32_t per_minute, uint64_t now_us);

#define LOG_LIMIT_BURST	     50
#define LOG_LIMIT_PER_MINUTE 12

/* One line, or one more that is left out; use the macros. 'limit' may serve several threads. */
void log_pairs_limited(struct log_limit *limit, enum log_level level, const char *module,
		       const char *message, ...) __attribute__((sentinel));

#define LOG_LIMITED_(level, message, ...)                                                          \
	do {                                                                                       \
		static struct log_limit limit_;                                                    \
		log_pairs_limited(&limit_, level, LOG_MODULE, message, ##__VA_ARGS__, NULL);       \
	} while (0)
#define log_info_limited(message, ...)	  LOG_LIMITED_(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warning_limited(message, ...) LOG_LIMITED_(LOG_LEVEL_WARNING, message, ##__VA_ARGS__)
#define log_error_limited(message, ...)	  LOG_LIMITED_(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
