/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Network namespaces by the ids that a link tells of its peer (link.peer_nsid). The kernel turns a
 * file into an id, but not an id into a file; so the files of namespaces that there are on this
 * machine are looked through: those in /run/netns and Docker's directory, and those of processes.
 */

#include "netlink/nl.h"

struct nsid_wanted {
	int nsid;
	bool found; /* set by nsid_visit() */
};

/*
 * Calls 'visit' with the index of each wanted namespace that is found, and a file of it that is
 * closed afterwards. Several may want the same. <0: the socket failed.
 */
MUST_CHECK int nsid_visit(struct nl *nl, struct nsid_wanted *wanted, size_t n,
			  void (*visit)(size_t i, int netns_fd, void *ctx), void *ctx,
			  struct err *err);
