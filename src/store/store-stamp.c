/* SPDX-License-Identifier: Apache-2.0 */

/* What a new object gets before it is stored: a random uid (RFC 9562, version 4) and the time. */

#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/model-desc.h"
#include "store/store.h"

void store_stamp(struct object *object)
{
	uint8_t b[16];
	ssize_t n = getrandom(b, sizeof(b), 0);

	assert(n == (ssize_t)sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	replace_str(
		&object->meta.uid,
		xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			  b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
			  b[12], b[13], b[14], b[15]));
	replace_str(&object->meta.creation_timestamp, xstrdup(format_time(time(NULL)).s));
}
