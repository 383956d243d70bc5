/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kernel's IP sets, by netlink: those of ours ("cali4...", "cali6..."), what is wanted of them
 * and what the kernel is known to hold. Rules are written between ip_sets_fill() and
 * ip_sets_shrink(), so that a rule finds its set, and a set goes after its rules.
 */

#include "netlink/nl.h"

enum ip_set_type {
	IP_SET_NET,	  /* prefixes: hash:net */
	IP_SET_PORT,	  /* address, protocol, port: hash:ip,port */
	IP_SET_INTERFACE, /* prefix and interface: hash:net,iface */
	IP_SET_TYPES_,
};

#define IP_SET_NAME_SIZE      32
#define IP_SET_INTERFACE_SIZE 16

struct ip_set_name {
	char s[IP_SET_NAME_SIZE];
};
/* "cali40<id>", cut to what the kernel takes. */
struct ip_set_name ip_set_name(uint8_t family, const char *id);

struct ip_set_member {
	struct cidr net;
	uint8_t protocol;
	uint16_t port;
	char interface[IP_SET_INTERFACE_SIZE];
};

struct ip_sets;
struct ip_sets *ip_sets_new(void);
struct ip_sets *ip_sets_free(struct ip_sets *sets);

/* Each hold wants the set once more; made empty. The type is that of the first. */
void ip_sets_hold(struct ip_sets *sets, const char *name, enum ip_set_type type, uint8_t family);
/* With the last one it goes. */
void ip_sets_release(struct ip_sets *sets, const char *name);
/* Each member may be added several times, and goes with the last removal. The set is held. */
void ip_sets_add(struct ip_sets *sets, const char *name, const struct ip_set_member *member);
void ip_sets_remove(struct ip_sets *sets, const char *name, const struct ip_set_member *member);

/* Is it wanted in the set, or does a prefix that is contain it? */
bool ip_sets_have(const struct ip_sets *sets, const char *name, const struct ip_set_member *member);

/* All of them go. */
void ip_sets_clear(struct ip_sets *sets, const char *name);

/* Reads back what is there of ours. */
MUST_CHECK int ip_sets_read(struct ip_sets *sets, struct nl *nl, struct err *err);
/*
 * Has one of those that were sent another number of members than it should, or is it not there?
 * True if that can't be said, too. The kernel announces no change; it tells the numbers without the
 * members.
 */
bool ip_sets_differ(const struct ip_sets *sets, struct nl *nl);
/*
 * Does the next of them, in turn, have other members than it should, as many as they are? Not
 * looked at while that would take more than a hundredth of the time.
 */
bool ip_sets_members_differ(struct ip_sets *sets, struct nl *nl);
/* The set that made the last ip_sets_fill() fail; NULL: none. Borrowed until the next one. */
const char *ip_sets_refused(const struct ip_sets *sets);
/* The set is not filled; no rule may speak of it. */
void ip_sets_leave_out(struct ip_sets *sets, const char *name);
/* All that were left out are tried again. False: none was. */
bool ip_sets_take_in(struct ip_sets *sets);
bool ip_sets_is_left_out(const struct ip_sets *sets, const char *name);
bool ip_sets_are_there(const struct ip_sets *sets);
/* Makes what is wanted and not there. '*changed' is set where something was. */
MUST_CHECK int ip_sets_fill(struct ip_sets *sets, struct nl *nl, bool *changed, struct err *err);
/*
 * Takes away what is there and not wanted. IP_SETS_E_LEFT: but for a set that somebody else's rule
 * speaks of, as 'err' says; the next time tries it again.
 */
enum ip_sets_outcome { IP_SETS_E_LEFT = 1 };
MUST_CHECK int ip_sets_shrink(struct ip_sets *sets, struct nl *nl, bool *changed, struct err *err);
