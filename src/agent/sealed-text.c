/* SPDX-License-Identifier: Apache-2.0 */

/* SHA-256 over kind, namespace and name, each with a NUL behind it, and the text. */

#include "agent/sealed-text.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "model/model-desc.h"

static struct digest_hex seal_of(const struct store_object *stored, const char *text, size_t size)
{
	const char *namespace = stored->namespace ? stored->namespace : "";
	const char *kind = kind_get(stored->kind)->name;
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct digest digest;

	buf_add(&buf, kind, strlen(kind) + 1);
	buf_add(&buf, namespace, strlen(namespace) + 1);
	buf_add(&buf, stored->name, strlen(stored->name) + 1);
	buf_add(&buf, text, size);
	digest = digest_of(DIGEST_SHA256, buf.data, buf.size);
	return digest_hex(&digest);
}

char *sealed_text_new(const struct store_object *stored, const char *text, size_t size)
{
	struct digest_hex seal = seal_of(stored, text, size);
	char *sealed = xmalloc(size + SEALED_TEXT_EXTRA + 1);

	memcpy(sealed, text, size);
	sealed[size] = '\n';
	memcpy(sealed + size + 1, seal.s, SEALED_TEXT_EXTRA);
	return sealed;
}

bool sealed_text_open(struct store_object *stored)
{
	struct digest_hex seal;
	size_t size;

	if (!stored->value || stored->size < SEALED_TEXT_EXTRA)
		return false;
	size = stored->size - SEALED_TEXT_EXTRA;
	seal = seal_of(stored, stored->value, size);
	if (stored->value[size] != '\n' ||
	    memcmp(stored->value + size + 1, seal.s, SEALED_TEXT_EXTRA - 1) != 0)
		return false;
	stored->value[size] = '\0';
	stored->size = size;
	return true;
}
