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
 * The level is process-wide and the only mutable state besides parsed arguments. Safe from
 * worker threads: a line is one write().
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
 * Rate limit for what a pod or a peer can trigger: true at most 'burst' times at once and
 * 'per_minute' on average. 'now_us' is monotonic. A static struct per call site.
 */
struct log_limit {
	uint64_t last_us;
	uint32_t tokens_milli;
	bool primed;
};
bool log_limit_pass(struct log_limit *limit, uint32_t burst, uint32_t per_minute, uint64_t now_us);
