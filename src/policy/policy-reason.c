/* SPDX-License-Identifier: Apache-2.0 */

/* Reasons are only made for a person, so nothing here needs to be quick. */

#include "policy/policy-reason.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"

void reason_deinit(struct reason *reason)
{
	for (size_t i = 0; i < reason->n; i++) {
		free(reason->v[i].text);
		free(reason->v[i].field);
	}
	free(reason->v);
	*reason = (struct reason){.v = NULL};
}

void reason_clear(struct reason *reason)
{
	if (reason)
		reason_deinit(reason);
}

void reason_keep_last(struct reason *reason)
{
	for (size_t i = 0; reason && i + 1 < reason->n; i++) {
		free(reason->v[i].text);
		free(reason->v[i].field);
	}
	if (!reason || reason->n < 2)
		return;
	reason->v[0] = reason->v[reason->n - 1];
	reason->n = 1;
}

void reason_add(struct reason *reason, const char *field, const char *format, ...)
{
	struct reason_part *part;
	va_list args;

	if (!reason)
		return;
	part = ARRAY_ADD(reason->v, reason->n);
	part->field = field ? xstrdup(field) : NULL;
	va_start(args, format);
	part->text = xvasprintf(format, args);
	va_end(args);
}

void reason_take(struct reason *reason, struct reason *from, const char *field, const char *lead)
{
	for (size_t i = 0; reason && i < from->n; i++) {
		const char *own = from->v[i].field;
		_cleanup_free_ char *path = field && own ? xasprintf("%s.%s", field, own) : NULL;

		reason_add(reason, path ? path : own, "%s%s", own ? lead : "", from->v[i].text);
	}
	reason_clear(from);
}

struct reason reason_move(struct reason *from)
{
	struct reason moved = *from;

	*from = (struct reason){.v = NULL};
	return moved;
}

char *reason_text(const struct reason *reason)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (size_t i = 0; i < reason->n; i++)
		buf_addf(&out, "%s%s", i ? "; " : "", reason->v[i].text);
	return buf_take(&out);
}
