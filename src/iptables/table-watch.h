/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether somebody may have changed tables of iptables since the last look, without reading them.
 * Of legacy tables their sizes are compared, and now and then their rules. nftables announces every
 * change.
 */

#include "iptables/command.h"
#include "netlink/nl.h"

struct table_watch;
/* In the caller's network namespace. */
MUST_CHECK int table_watch_open(enum iptables_backend backend, struct table_watch **ret,
				struct err *err);
struct table_watch *table_watch_close(struct table_watch *watch);
/* The first look, and one after an error, says true. */
bool table_watch_look(struct table_watch *watch);
/*
 * Looks at the rules as well, unless that would take more than a hundredth of the time: a rule may
 * be exchanged for one as long.
 */
bool table_watch_look_closely(struct table_watch *watch);
/* The tables are as they should be: whatever differs from now on is to be said. */
void table_watch_learn(struct table_watch *watch);
