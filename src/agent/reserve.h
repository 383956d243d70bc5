/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a node needs to start and end pods while the datastore is away: addresses that the
 * datastore already counts as this node's, under a handle of its own, and the changes made with
 * them that the datastore does not have yet, in their order. Both live in one file, written before
 * an address is used or an end is answered, so that they outlive the agent.
 */

#include "base/ip.h"

#define RESERVE_ADDRS_MAX   64u	  /* of both families */
#define RESERVE_CHANGES_MAX 4096u /* that wait to be written */

enum reserve_change_type { RESERVE_ADDED, RESERVE_ENDED };

/* One pod interface that came or went. All strings owned; NULL: none. */
struct reserve_change {
	enum reserve_change_type type;
	char *handle; /* of its addresses */
	char *namespace;
	char *name; /* of the WorkloadEndpoint; NULL: there is none to write or delete */
	/* ADDED */
	char *pod; /* attributes of the addresses */
	char *pod_namespace;
	char *endpoint;	    /* the WorkloadEndpoint's JSON */
	char *profile_name; /* to be made first */
	char *profile;
	char *from;		 /* the reserve's handle that the addresses are under */
	struct ip_addr addrs[2]; /* to be handed over */
	unsigned int n_addrs;
};
void reserve_change_deinit(struct reserve_change *change);
CLEANUP_DEINIT(struct reserve_change, reserve_change_deinit);

struct reserve {
	char *path;
	char *handle; /* "korat-reserve-<node>" */
	struct ip_addr free[RESERVE_ADDRS_MAX];
	size_t n_free;
	struct reserve_change *changes;
	size_t n_changes;
};

/*
 * What the file has; none is an empty reserve. Free addresses of another node's handle are left
 * out: they are not ours. -EBADMSG: the file can't be understood, 'err' names it and the place;
 * other <0: it can't be read.
 */
MUST_CHECK int reserve_open(struct reserve *reserve, const char *path, const char *node_name,
			    struct err *err);
void reserve_deinit(struct reserve *reserve);
CLEANUP_DEINIT(struct reserve, reserve_deinit);

/*
 * From text, as reserve_open(); 'path' and 'handle' are set, all else is empty. For an outage's
 * file that was meddled with: every length and address in it is checked.
 */
MUST_CHECK int reserve_parse(struct reserve *reserve, const char *text, size_t size,
			     struct err *err);

size_t reserve_count(const struct reserve *reserve, uint8_t family);

/*
 * The free addresses are these from now on, but for those that a change is about. Written to the
 * file if anything is different. <0: the file can't be written, and none is free.
 */
MUST_CHECK int reserve_set_free(struct reserve *reserve, const struct ip_addr *addrs, size_t n,
				struct err *err);

/* Takes the address at that place out of the free ones; written with the next change. */
struct ip_addr reserve_take(struct reserve *reserve, size_t at);
void reserve_put_back(struct reserve *reserve, const struct ip_addr *addr);

/*
 * Appends the change, whose content is taken, and writes the file. An end that is noted already is
 * not noted again. <0: too many changes wait, or the file can't be written; nothing is noted then.
 */
MUST_CHECK int reserve_note(struct reserve *reserve, struct reserve_change *change,
			    struct err *err);

/* The first change is in the datastore. <0: as above; the file still has it, and a repetition does
 * no harm. */
MUST_CHECK int reserve_drop_first(struct reserve *reserve, struct err *err);

/* Does a change wait that is about that endpoint? */
bool reserve_concerns(const struct reserve *reserve, const char *namespace, const char *name);
