/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sysctls below /proc/sys/net of the calling thread's network namespace. */

#include "base/err.h"

enum sysctl_outcome { SYSCTL_E_NOT_FOUND = 1 };

/*
 * 'path' is relative to /proc/sys ("net/ipv4/conf/%s/proxy_arp" with the interface name checked
 * by the caller). Writes only if the value differs. SYSCTL_E_NOT_FOUND: no such file.
 */
MUST_CHECK int sysctl_write(const char *path, const char *value, struct err *err);
/* The value without its newline, into 'ret' of 'size'. */
MUST_CHECK int sysctl_read(const char *path, char *ret, size_t size, struct err *err);
