/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a handle has, as the datastore says it now. */

#include <stddef.h>

#include "base/err.h"

struct ip_addr;
struct store;

/*
 * The addresses under the handle, by the blocks that it names: up to 'max' in 'ret', '*ret_n' of
 * them; none if there is no such handle. <0: the datastore failed, or a block or the handle can't
 * be understood.
 */
MUST_CHECK int ipam_handle_addresses(struct store *store, const char *handle, struct ip_addr *ret,
				     size_t max, size_t *ret_n, struct err *err);
