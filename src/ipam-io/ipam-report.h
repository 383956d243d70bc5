/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `koratctl ipam show` says: how full pools and blocks are, and who has an address. */

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

struct buf;
struct store;

/* Counts of one pool, or of one block of it. UINT64_MAX: too many to count. */
struct ipam_report_line {
	bool is_block; /* else a pool; its blocks follow it */
	struct cidr cidr;
	uint64_t total;
	uint64_t in_use;   /* cooldowns included */
	uint64_t reserved; /* free, but by an IPReservation not to be assigned */
	uint64_t free;
};

struct ipam_report {
	struct ipam_report_line *v;
	size_t n;
	char **corrupt; /* what could not be read and is not counted */
	size_t n_corrupt;
};
void ipam_report_deinit(struct ipam_report *report);
CLEANUP_DEINIT(struct ipam_report, ipam_report_deinit);

/* 0: '*ret' is the caller's to deinit; pools and blocks in order of CIDR. */
MUST_CHECK int ipam_report_read(struct store *store, struct ipam_report *ret, struct err *err);

/* The table with GROUPING, CIDR, IPS TOTAL, IPS IN USE, IPS RESERVED, IPS FREE. */
void ipam_report_write(const struct ipam_report *report, bool show_blocks, struct buf *out);

/* Writes who has the address, its block and its attributes; or that nobody has it, and why. */
MUST_CHECK int ipam_report_address(struct store *store, const struct ip_addr *addr, struct buf *out,
				   struct err *err);
