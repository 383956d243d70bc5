/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Packets that rules hand to nfnetlink_log's groups, as much of each as its headers need. The
 * kernel keeps a bounded number of them for us; what it could not keep is counted.
 */

#include "netlink/nl.h"

struct nflog_packet {
	uint16_t group;
	const char *prefix;
	const uint8_t *payload; /* from the IP header on */
	size_t size;
	uint32_t seq; /* of the group, from 0; a gap is a loss */
};

struct nflog_stats {
	uint64_t n_packets;
	uint64_t n_lost;
	uint64_t n_overruns; /* times the buffer was full */
	uint64_t n_bad;	     /* messages that can't be */
};

#define NFLOG_GROUPS_MAX 4

struct nflog;
/*
 * In the caller's network namespace. 'groups': at most NFLOG_GROUPS_MAX. -EBUSY: another program
 * has a group. -EOPNOTSUPP and others: the kernel has no nfnetlink_log.
 */
MUST_CHECK int nflog_open(const uint16_t *groups, size_t n, struct nflog **ret, struct err *err);
struct nflog *nflog_close(struct nflog *log);
CLEANUP_FUNC(struct nflog *, nflog_close);

int nflog_fd(const struct nflog *log);
/* What is here now, but not more than about 'max' packets; all in 'packet' is borrowed. */
void nflog_read(struct nflog *log, size_t max,
		void (*see)(const struct nflog_packet *packet, void *ctx), void *ctx);
void nflog_get_stats(const struct nflog *log, struct nflog_stats *ret);

/* One message. -EBADMSG: it can't be. NFLOG_E_SKIP: it is no packet. */
enum nflog_outcome { NFLOG_E_SKIP = 1 };
MUST_CHECK int nflog_message(const struct nlmsghdr *message, struct nflog_packet *ret);
