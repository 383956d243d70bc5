/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Base64 (RFC 4648, section 4): how etcd's JSON holds keys and values. */

#include <stddef.h>

#include "base/macros.h"

struct buf;

void base64_encode(const void *data, size_t size, struct buf *out); /* appends */

/* Padded text, whole or nothing. 0: appended. -EBADMSG: not base64, 'out' is as it was. */
MUST_CHECK int base64_decode(const char *text, size_t len, struct buf *out);
