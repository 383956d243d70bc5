/* SPDX-License-Identifier: Apache-2.0 */

/* Base64, three bytes against four letters. Strict: no spaces, no missing or misplaced padding. */

#include "store/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t size, struct buf *out)
{
	const uint8_t *in = data;
	char *to = buf_reserve(out, (size + 2) / 3 * 4);
	size_t n = 0;

	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = (uint32_t)in[i] << 16;

		bits |= i + 1 < size ? (uint32_t)in[i + 1] << 8 : 0;
		bits |= i + 2 < size ? (uint32_t)in[i + 2] : 0;
		to[n++] = letters[bits >> 18 & 63];
		to[n++] = letters[bits >> 12 & 63];
		to[n++] = i + 1 < size ? letters[bits >> 6 & 63] : '=';
		to[n++] = i + 2 < size ? letters[bits & 63] : '=';
	}
	buf_commit(out, n);
}

/* -1: no letter of the alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, struct buf *out)
{
	size_t n_pad = 0;
	size_t n = 0;
	uint8_t *to;

	if (len % 4 != 0)
		return -EBADMSG;
	while (n_pad < 2 && n_pad < len && text[len - 1 - n_pad] == '=')
		n_pad++;
	to = buf_reserve(out, len / 4 * 3);
	for (size_t i = 0; i < len; i += 4) {
		uint32_t bits = 0;

		for (size_t j = 0; j < 4; j++) {
			int value = i + j >= len - n_pad ? 0 : value_of(text[i + j]);

			if (value < 0)
				return -EBADMSG;
			bits = bits << 6 | (uint32_t)value;
		}
		to[n++] = (uint8_t)(bits >> 16);
		to[n++] = (uint8_t)(bits >> 8);
		to[n++] = (uint8_t)bits;
	}
	buf_commit(out, n - n_pad);
	return 0;
}
