/* SPDX-License-Identifier: Apache-2.0 */

/* Writing of etcd's requests. Numbers of 64 bits are strings in that JSON. */

#include "store/etcd-request.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/secret.h"
#include "store/base64.h"

void etcd_request_member(const char *name, const char *bytes, size_t size, struct buf *out)
{
	buf_addf(out, "\"%s\":\"", name);
	base64_encode(bytes, size, out);
	buf_addc(out, '"');
}

void etcd_request_range(const struct etcd_range_request *request, struct buf *out)
{
	buf_addc(out, '{');
	etcd_request_member("key", request->key, request->key_size, out);
	if (request->end) {
		buf_addc(out, ',');
		etcd_request_member("range_end", request->end, strlen(request->end), out);
	}
	if (request->limit)
		buf_addf(out, ",\"limit\":\"%zu\"", request->limit);
	if (request->revision)
		buf_addf(out, ",\"revision\":\"%" PRIu64 "\"", request->revision);
	if (request->min_mod_revision)
		buf_addf(out, ",\"min_mod_revision\":\"%" PRIu64 "\"", request->min_mod_revision);
	if (request->keys_only)
		buf_adds(out, ",\"keys_only\":true");
	buf_addc(out, '}');
}

void etcd_request_watch(const char *key, const char *end, uint64_t start_revision, struct buf *out)
{
	buf_adds(out, "{\"create_request\":{");
	etcd_request_member("key", key, strlen(key), out);
	buf_addc(out, ',');
	etcd_request_member("range_end", end, strlen(end), out);
	buf_addf(out, ",\"start_revision\":\"%" PRIu64 "\",\"progress_notify\":true}}\n",
		 start_revision);
}

static void add_string(const char *s, struct buf *out)
{
	buf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_addf(out, "\\u%04x", (unsigned int)*s);
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

void etcd_request_authenticate(const char *user, const struct secret *password, struct buf *out)
{
	buf_adds(out, "{\"name\":");
	add_string(user, out);
	buf_adds(out, ",\"password\":");
	add_string(password ? secret_reveal(password) : "", out);
	buf_addc(out, '}');
}

char *etcd_prefix_end(const char *prefix)
{
	char *end = xstrdup(prefix);
	size_t n = strlen(end);

	assert(n && (unsigned char)end[n - 1] < 0xff);
	end[n - 1]++;
	return end;
}
