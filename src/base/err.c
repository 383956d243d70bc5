/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Error messages in a fixed buffer: what does not fit is cut, never allocated, so an error path
 * can't fail itself.
 */

#include "base/err.h"

#include <stdio.h>
#include <string.h>

int err_setv(struct err *err, int code, const char *format, va_list args)
{
	if (err)
		(void)vsnprintf(err->msg, sizeof(err->msg), format, args);
	return code;
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)err_setv(err, code, format, args);
	va_end(args);
	return code;
}

int err_errno(struct err *err, int code, const char *format, ...)
{
	size_t len;
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	(void)err_setv(err, code, format, args);
	va_end(args);
	len = strlen(err->msg);
	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
		       strerror(code < 0 ? -code : code));
	return code;
}

int err_prefix(struct err *err, int code, const char *format, ...)
{
	char rest[ERR_MSG_SIZE];
	size_t len;
	va_list args;

	if (!err)
		return code;
	memcpy(rest, err->msg, sizeof(rest));
	rest[sizeof(rest) - 1] = '\0';
	va_start(args, format);
	(void)vsnprintf(err->msg, sizeof(err->msg) / 2, format, args);
	va_end(args);
	len = strlen(err->msg);
	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", rest);
	return code;
}
