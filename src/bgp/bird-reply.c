/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading what BIRD answers. A line begins with a code of four digits and '-' (more follows) or ' '
 * (the last one), or with a single blank and has the code of the line before. 8xxx is a refusal at
 * run time, 9xxx one of syntax.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bgp/bird.h"

#define PROTOCOLS_MAX 65536u

enum bird_code {
	CODE_STATUS_LAST = 13,
	CODE_RECOVERY = 24,
	CODE_VERSION = 1000,
	CODE_PROTOCOL = 1002,
	CODE_STATUS = 1011,
	CODE_REFUSED_FIRST = 8000,
};

void bird_protocols_deinit(struct bird_protocols *protocols)
{
	free(protocols->v);
	*protocols = (struct bird_protocols){.v = NULL};
}

struct line {
	int code;
	bool last;
	const char *text;
	size_t len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 'previous': the code of the line before, for continuations; -1: there is none. */
static int line_parse(const char *data, size_t size, int previous, struct line *ret,
		      struct err *err)
{
	if (size >= 1 && data[0] == ' ' && previous >= 0) {
		*ret = (struct line){.code = previous, .text = data + 1, .len = size - 1};
		return 0;
	}
	if (size < 5 || !is_digit(data[0]) || !is_digit(data[1]) || !is_digit(data[2]) ||
	    !is_digit(data[3]) || (data[4] != ' ' && data[4] != '-'))
		return err_set(err, -EPROTO, "a line of BIRD's reply has no code: \"%.*s\"",
			       (int)MIN(size, (size_t)60), data);
	*ret = (struct line){
		.code = (data[0] - '0') * 1000 + (data[1] - '0') * 100 + (data[2] - '0') * 10 +
			(data[3] - '0'),
		.last = data[4] == ' ',
		.text = data + 5,
		.len = size - 5,
	};
	return 0;
}

/* Takes the line at '*pos' and moves on. 0, or 1 at the end. */
static int line_next(const char *data, size_t size, size_t *pos, struct line *line, struct err *err)
{
	const char *end;
	size_t len;
	int r;

	if (*pos >= size)
		return 1;
	end = memchr(data + *pos, '\n', size - *pos);
	len = end ? (size_t)(end - data) - *pos : size - *pos;
	r = line_parse(data + *pos, len, *pos ? line->code : -1, line, err);
	*pos += len + 1;
	return r;
}

int bird_reply_check(const char *data, size_t size, size_t *line, struct err *err)
{
	if (size > BIRD_REPLY_MAX)
		return err_set(err, -EPROTO, "BIRD's reply is longer than %u bytes",
			       BIRD_REPLY_MAX);
	while (*line < size) {
		const char *end = memchr(data + *line, '\n', size - *line);
		struct line parsed;
		int r;

		if (!end)
			return BIRD_E_MORE;
		r = line_parse(data + *line, (size_t)(end - data) - *line, *line ? 0 : -1, &parsed,
			       err);
		if (r < 0)
			return r;
		if (!parsed.last) {
			*line = (size_t)(end - data) + 1;
			continue;
		}
		if (parsed.code >= CODE_REFUSED_FIRST)
			return err_set(err, BIRD_E_REFUSED, "BIRD says: %.*s",
				       (int)MIN(parsed.len, (size_t)512), parsed.text);
		return 0;
	}
	return BIRD_E_MORE;
}

/* --- Protocols -------------------------------------------------------------------------------- */

/* Copies the next word; false: there is none or it does not fit. */
static bool word_next(const struct line *line, size_t *pos, char *ret, size_t ret_size)
{
	size_t start, len;

	while (*pos < line->len && line->text[*pos] == ' ')
		(*pos)++;
	start = *pos;
	while (*pos < line->len && line->text[*pos] != ' ')
		(*pos)++;
	len = *pos - start;
	if (len == 0 || len >= ret_size || memchr(line->text + start, '\0', len))
		return false;
	memcpy(ret, line->text + start, len);
	ret[len] = '\0';
	return true;
}

/* "2026-11-23" */
static bool is_date(const char *s)
{
	static const char form[] = "dddd-dd-dd";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !is_digit(s[i]) : s[i] != form[i])
			return false;
	return true;
}

static void rest_copy(const struct line *line, size_t pos, char *ret, size_t ret_size)
{
	size_t n = 0;

	while (pos < line->len && line->text[pos] == ' ')
		pos++;
	for (; pos < line->len && n + 1 < ret_size; pos++)
		ret[n++] = isprint((unsigned char)line->text[pos]) ? line->text[pos] : '?';
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
}

static bool protocol_parse(const struct line *line, struct bird_protocol *ret)
{
	char table[128];
	char time[16];
	size_t pos = 0;
	size_t after_date;

	if (!word_next(line, &pos, ret->name, sizeof(ret->name)) ||
	    !word_next(line, &pos, ret->proto, sizeof(ret->proto)) ||
	    !word_next(line, &pos, table, sizeof(table)) ||
	    !word_next(line, &pos, ret->state, sizeof(ret->state)) ||
	    !word_next(line, &pos, ret->since, sizeof(ret->since)))
		return false;
	after_date = pos;
	if (is_date(ret->since) && word_next(line, &after_date, time, sizeof(time)) &&
	    is_digit(time[0])) {
		pos = after_date;
		(void)snprintf(ret->since + strlen(ret->since),
			       sizeof(ret->since) - strlen(ret->since), " %s", time);
	}
	rest_copy(line, pos, ret->info, sizeof(ret->info));
	return true;
}

int bird_parse_protocols(const char *reply, size_t size, struct bird_protocols *ret,
			 struct err *err)
{
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
	struct line line = {.code = -1};
	size_t pos = 0;
	int r;

	while ((r = line_next(reply, size, &pos, &line, err)) == 0) {
		if (line.code != CODE_PROTOCOL)
			continue;
		if (protocols.n >= PROTOCOLS_MAX)
			return err_set(err, -EPROTO, "BIRD has more than %u protocols",
				       PROTOCOLS_MAX);
		if (!protocol_parse(&line, ARRAY_ADD(protocols.v, protocols.n)))
			return err_set(err, -EPROTO, "no protocol of BIRD: \"%.*s\"",
				       (int)MIN(line.len, (size_t)100), line.text);
	}
	if (r < 0)
		return r;
	*ret = protocols;
	protocols = (struct bird_protocols){.v = NULL};
	return 0;
}

/* --- Status ----------------------------------------------------------------------------------- */

static bool take_after(const struct line *line, const char *prefix, char *ret, size_t ret_size)
{
	size_t len = strlen(prefix);

	if (line->len < len || memcmp(line->text, prefix, len) != 0)
		return false;
	rest_copy(line, len, ret, ret_size);
	return true;
}

int bird_parse_status(const char *reply, size_t size, struct bird_daemon_status *ret,
		      struct err *err)
{
	static const char running[] = "Daemon is up and running";
	struct bird_daemon_status status = {.ready = false};
	const struct {
		const char *prefix;
		char *value;
		size_t size;
	} fields[] = {
		{"BIRD ", status.version, sizeof(status.version)},
		{"Router ID is ", status.router_id, sizeof(status.router_id)},
		{"Current server time is ", status.server_time, sizeof(status.server_time)},
		{"Last reboot on ", status.last_reboot, sizeof(status.last_reboot)},
		{"Last reconfiguration on ", status.last_reconfiguration,
		 sizeof(status.last_reconfiguration)},
	};
	struct line line = {.code = -1};
	bool recovering = false;
	size_t pos = 0;
	int r;

	while ((r = line_next(reply, size, &pos, &line, err)) == 0) {
		if (line.code == CODE_RECOVERY)
			recovering = true;
		else if (line.code == CODE_STATUS_LAST)
			status.ready = line.len == strlen(running) &&
				       memcmp(line.text, running, line.len) == 0;
		else if (line.code == CODE_VERSION || line.code == CODE_STATUS)
			for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
				if (take_after(&line, fields[i].prefix, fields[i].value,
					       fields[i].size))
					break;
	}
	if (r < 0)
		return r;
	if (!status.version[0])
		return err_set(err, -EPROTO, "BIRD's status lacks its version");
	status.ready = status.ready && !recovering;
	*ret = status;
	return 0;
}
