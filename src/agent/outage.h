/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The datastore is away: pods go on starting from the reserve and ending, what they change is noted
 * (reserve.h) and written in order when the datastore is back. It is off in normal times, and then
 * keeps the reserve filled. Only for src/agent.
 */

#include "agent/reserve.h"

struct agent;
struct cni_request;
struct endpoint;
struct outage;

MUST_CHECK int outage_new(struct agent *agent, struct outage **ret, struct err *err);
struct outage *outage_free(struct outage *outage);

/* Is the datastore away, or back with changes that are not written yet? */
bool outage_is_on(const struct outage *outage);
/* The datastore did not answer. */
void outage_begin(struct outage *outage, const char *why);
/* Own blocks or pools may have changed: looks whether the reserve is as it is to be. */
void outage_refill(struct outage *outage, bool pools_changed);

/*
 * Takes addresses for the request out of the reserve: '*ret_n' of them. <0: it has none that fit,
 * 'err' says so; nothing is taken.
 */
MUST_CHECK int outage_take(struct outage *outage, const struct cni_request *request,
			   struct ip_addr ret[2], unsigned int *ret_n, struct err *err);
void outage_put_back(struct outage *outage, const struct ip_addr *addrs, unsigned int n);

/* Notes a change, whose content is taken. <0: it is not noted, 'err' says why. */
MUST_CHECK int outage_note(struct outage *outage, struct reserve_change *change, struct err *err);
/* Does what is stored of that endpoint not count, because a change of it waits? */
bool outage_concerns(const struct outage *outage, const char *namespace, const char *name);

/*
 * The reserve gives way to a pod for which it has an address: from now on nothing is taken from it,
 * for a while it is not filled. The caller releases all of its handle, which is given, and says how
 * that ended. NULL: there is nothing to give.
 */
const char *outage_yield_begin(struct outage *outage, const struct cni_request *request);
void outage_yield_end(struct outage *outage, bool released);

struct outage_stats {
	bool on;
	size_t n_free; /* of both families */
	size_t n_free_v4;
	size_t n_changes;
};
void outage_get_stats(const struct outage *outage, struct outage_stats *ret);

/*
 * outage-recall.c: endpoints that the datastore does not know yet are known nevertheless. Else the
 * first snapshot would sweep their routes away, and they would be without policy.
 */
void outage_recall(struct agent *agent, const struct reserve *reserve);
