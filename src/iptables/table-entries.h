/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules of a legacy table as the kernel gives them out, which takes far less than
 * iptables-save.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A digest of the kernel's chains and of those that begin with "cali-": without counters, and
 * without others' chains, whose rules may change by themselves. 'fd' is a raw socket of the family,
 * 'size' what IPT_SO_GET_INFO says. False: it has another size by now, or can't be read.
 */
bool table_entries_digest(int fd, uint8_t family, const char *name, size_t size, uint64_t *ret);
/* Of what was read. Rules may be anything. */
uint64_t table_entries_digest_of(const void *entries, size_t size, uint8_t family);
