/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets: wiped on release, never formatted. */

#include "base/secret.h"

#include <string.h>

#include "base/alloc.h"

struct secret {
	size_t size;
	char bytes[];
};

struct secret *secret_new(const char *bytes, size_t size)
{
	struct secret *secret = xmalloc(sizeof(*secret) + size + 1);

	secret->size = size;
	memcpy(secret->bytes, bytes, size);
	secret->bytes[size] = '\0';
	return secret;
}

struct secret *secret_free(struct secret *secret)
{
	if (!secret)
		return NULL;
	explicit_bzero(secret->bytes, secret->size);
	free(secret);
	return NULL;
}

const char *secret_reveal(const struct secret *secret)
{
	return secret->bytes;
}

const char *secret_format(const struct secret *secret)
{
	(void)secret;
	return "<redacted>";
}
