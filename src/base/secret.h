/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A secret (password, token, key) as a type of its own: it is not a string, so no printf, log line
 * or JSON writer takes it; formatted, it is "<redacted>". The one way to its bytes is
 * secret_reveal(), whose uses can be counted by grep.
 */

#include <stddef.h>

#include "base/macros.h"

struct secret; /* opaque; its memory is wiped when freed */

struct secret *secret_new(const char *bytes, size_t size); /* copies; the caller wipes its own */
struct secret *secret_free(struct secret *secret);
CLEANUP_FUNC(struct secret *, secret_free);

/* The bytes, NUL-terminated, borrowed. For the wire or a 0600 file, nothing else. */
const char *secret_reveal(const struct secret *secret);

/* Always "<redacted>". */
const char *secret_format(const struct secret *secret);
