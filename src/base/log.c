/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Log lines. A line is built in one buffer and leaves by one write(), so lines of several threads
 * never mix. Lost lines are lost: logging never blocks or fails the caller.
 */

#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define VALUE_MAX	   2048	 /* bytes of one value that are printed */
#define US_PER_TOKEN_MILLI 60000 /* at one token per minute */

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int current_level = LOG_LEVEL_INFO;

static const struct {
	const char *name;
	enum log_level level;
} level_names[] = {
	{"debug", LOG_LEVEL_DEBUG},	{"trace", LOG_LEVEL_DEBUG},  {"info", LOG_LEVEL_INFO},
	{"warning", LOG_LEVEL_WARNING}, {"warn", LOG_LEVEL_WARNING}, {"error", LOG_LEVEL_ERROR},
	{"fatal", LOG_LEVEL_ERROR},	{"panic", LOG_LEVEL_ERROR},  {"none", LOG_LEVEL_NONE},
};

bool log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcasecmp(name, level_names[i].name) == 0) {
			*ret = level_names[i].level;
			return true;
		}
	}
	return false;
}

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load(&current_level);
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
			return true;
	}
	return false;
}

static void add_value(struct buf *line, const char *value)
{
	size_t left = VALUE_MAX;

	if (!value)
		value = "-";
	if (!needs_quotes(value)) {
		buf_addf(line, "%.*s", VALUE_MAX, value);
		return;
	}
	buf_addc(line, '"');
	for (; *value && left; value++, left--) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			buf_addf(line, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_addf(line, "\\x%02x", c);
		else
			buf_addc(line, (char)c);
	}
	buf_addc(line, '"');
}

static void add_time(struct buf *line)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_addf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void write_line(enum log_level level, const char *module, const char *message,
		       uint64_t n_suppressed, va_list args)
{
	static const char *const names[] = {"debug", "info", "warning", "error", "none"};
	_cleanup_buf_ struct buf line = BUF_INIT;
	const char *key;

	add_time(&line);
	buf_addf(&line, " %-7s %s: %s", names[level], module, message);
	if (n_suppressed)
		buf_addf(&line, " (%" PRIu64 " more suppressed)", n_suppressed);
	while ((key = va_arg(args, const char *))) {
		buf_addf(&line, " %s=", key);
		add_value(&line, va_arg(args, const char *));
	}
	buf_addc(&line, '\n');
	(void)!write(STDERR_FILENO, line.data, line.size);
}

void log_pairs(enum log_level level, const char *module, const char *message, ...)
{
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, message);
	write_line(level, module, message, 0, args);
	va_end(args);
}

static uint64_t monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* May a line be written now? Takes over the count of those that were not. */
static bool limit_take(struct log_limit *limit, uint64_t *ret_suppressed)
{
	bool pass;

	(void)pthread_mutex_lock(&limit_lock);
	pass = log_limit_pass(limit, LOG_LIMIT_BURST, LOG_LIMIT_PER_MINUTE, monotonic_us());
	*ret_suppressed = limit->n_suppressed;
	limit->n_suppressed = pass ? 0 : limit->n_suppressed + 1;
	(void)pthread_mutex_unlock(&limit_lock);
	return pass;
}

void log_pairs_limited(struct log_limit *limit, enum log_level level, const char *module,
		       const char *message, ...)
{
	uint64_t n_suppressed;
	va_list args;

	if (!log_enabled(level) || !limit_take(limit, &n_suppressed))
		return;
	va_start(args, message);
	write_line(level, module, message, n_suppressed, args);
	va_end(args);
}

struct log_num log_num(int64_t n)
{
	struct log_num num;

	(void)snprintf(num.s, sizeof(num.s), "%lld", (long long)n);
	return num;
}

bool log_limit_pass(struct log_limit *limit, uint32_t burst, uint32_t per_minute, uint64_t now_us)
{
	uint64_t earned;

	if (!limit->primed) {
		limit->primed = true;
		limit->tokens_milli = burst * 1000;
		limit->last_us = now_us;
	}
	earned = (now_us - limit->last_us) * per_minute / US_PER_TOKEN_MILLI;
	if (earned) {
		/* What is not yet worth a part of a token stays to be counted next time. */
		limit->last_us += earned * US_PER_TOKEN_MILLI / per_minute;
		limit->tokens_milli =
			(uint32_t)MIN(earned + limit->tokens_milli, (uint64_t)burst * 1000);
	}
	if (limit->tokens_milli < 1000)
		return false;
	limit->tokens_milli -= 1000;
	return true;
}
