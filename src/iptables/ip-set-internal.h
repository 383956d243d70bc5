/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of IP sets, for ip-set*.c alone. */

#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <uthash.h>

#include "iptables/ip-set.h"
#include "iptables/pace.h"

#define PROTOCOL   6 /* the kernel's interface; newer ones take it */
#define COMMAND(c) ((uint16_t)(NFNL_SUBSYS_IPSET << 8 | (c)))

struct ip_set_kind {
	const char *name;
	uint8_t revision; /* the oldest that does what we need */
};
extern const struct ip_set_kind ip_set_kinds[IP_SET_TYPES_];

/* The key has no padding: struct cidr is of bytes alone. */
struct key {
	uint8_t addr[16];
	uint8_t len;
	uint8_t protocol;
	uint16_t port;
	char interface[IP_SET_INTERFACE_SIZE];
};

struct member {
	struct key key;
	unsigned int wanted; /* how many times */
	bool there;
	bool listed;		       /* among 'differing'; then it is not freed */
	struct member *next_differing; /* of the set, in no order */
	UT_hash_handle hh;
};

struct ip_set {
	struct ip_set_name name;
	enum ip_set_type type;
	uint8_t family;
	unsigned int wanted;
	bool there;
	bool differs;  /* of the kernel's, or may */
	bool left_out; /* the kernel refuses it */
	bool mistyped; /* the kernel's of that name is of another type */
	struct member *members;
	struct member *differing;  /* all that differ are among them, so no change looks at all */
	size_t n_wanted_lens[129]; /* how many wanted prefixes have that length */
	UT_hash_handle hh;
};

struct ip_sets {
	struct ip_set *v;
	struct pace pace;	     /* of looks at members */
	struct ip_set_name compared; /* the last one */
	struct ip_set_name refused;  /* by the last fill; "": none */
};

/* Nobody wants it, and the kernel does not have it. */
void ip_set_drop(struct ip_sets *sets, struct ip_set *set);
/* It may differ from the kernel's. */
void ip_set_list_differing(struct ip_set *set, struct member *member);
/* Takes the list away; whoever goes through it lists again what still differs. */
struct member *ip_set_take_differing(struct ip_set *set);
