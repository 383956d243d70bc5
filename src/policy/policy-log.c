/* SPDX-License-Identifier: Apache-2.0 */

/* The prefixes of logged packets, for every dataplane the same. */

#include "policy/policy-log.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"

/* Kind, namespace and name of a key: "np/NS/NAME", "gnp/NAME". */
struct key_parts {
	char kind[8];
	const char *full; /* NS/NAME or NAME */
	const char *name;
};

static struct key_parts parts_of(const char *key)
{
	const char *slash = strchr(key, '/');
	struct key_parts parts = {.full = slash ? slash + 1 : key};
	const char *last = strrchr(parts.full, '/');

	(void)snprintf(parts.kind, sizeof(parts.kind), "%.*s", slash ? (int)(slash - key) : 0, key);
	parts.name = last ? last + 1 : parts.full;
	return parts;
}

void policy_log_prefix(const char *format, const char *key, const char *tier, struct buf *ret)
{
	struct key_parts parts = parts_of(key);

	for (const char *c = format ? format : "calico-packet"; *c; c++) {
		char letter = *c == '%' ? c[1] : '\0';
		const char *value = letter == 't'   ? (tier ? tier : "")
				    : letter == 'k' ? parts.kind
				    : letter == 'n' ? parts.name
				    : letter == 'p' ? parts.full
						    : NULL;

		if (!value) {
			buf_addc(ret, *c);
			continue;
		}
		buf_adds(ret, value);
		c++;
	}
}

struct policy_flow_id policy_flow_id(const char *id)
{
	struct digest digest = digest_of(DIGEST_SHA224, id, strlen(id));
	struct policy_flow_id text;

	(void)snprintf(text.s, sizeof(text.s), "_%.32s", digest_hex(&digest).s);
	return text;
}

char *policy_flow_prefix(const char *letters, const char *id, size_t size)
{
	bool fits = strlen(letters) + 1 + strlen(id) < size;

	return xasprintf("%s|%s", letters, fits ? id : policy_flow_id(id).s);
}
