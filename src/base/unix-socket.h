/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Stream sockets by a path, for programs of root alone. */

#include <stdbool.h>

#include "base/err.h"

/*
 * Gives a listening socket, not blocking, that root alone can connect to; makes its directory.
 * -EADDRINUSE: somebody listens there. What nobody listens on is replaced.
 */
MUST_CHECK int unix_listen(const char *path, int backlog, struct err *err);

/* Gives a connected socket, blocking. -ENOENT, -ECONNREFUSED: nobody listens. */
MUST_CHECK int unix_connect(const char *path, struct err *err);

/*
 * Is the other end root's, or our own user's? The socket's mode says the same, until it is changed.
 */
bool unix_peer_is_trusted(int fd);
