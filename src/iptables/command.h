/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The programs iptables-restore and iptables-save of both backends and families. The one place of
 * the project, beside BIRD's start, where a program is run: by an absolute path of a fixed list,
 * with fixed arguments, an environment of GLIBC_TUNABLES alone and no shell. What it prints is
 * bounded.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum iptables_backend { IPTABLES_LEGACY, IPTABLES_NFT, IPTABLES_BACKENDS_ };

/* Are the backend's programs of that family installed? */
bool iptables_installed(enum iptables_backend backend, uint8_t family);
/* Each table of 'input' is one transaction. <0: 'err' has the program's own words. */
MUST_CHECK int iptables_restore(enum iptables_backend backend, uint8_t family,
				const struct buf *input, struct err *err);
/* All tables there are, appended to 'out'. */
MUST_CHECK int iptables_save(enum iptables_backend backend, uint8_t family, struct buf *out,
			     struct err *err);
