/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a packet filter is to do, before any of its languages: a policy as a list of plain rules of
 * one family, an endpoint as the steps a packet takes. The renderers of nftables and iptables say
 * the same, each in its words.
 *
 * A plain rule matches when all its matches do; whatever is "one of several" in a compiled rule is
 * either one match (a list of prefixes or ports) or several plain rules in a row. Its matches are
 * in order of their cost.
 */

#include "policy/policy-update.h"

enum layout_match_kind {
	LAYOUT_MATCH_PROTOCOL, /* 'a' */
	LAYOUT_MATCH_ICMP,     /* type 'a', code 'b' or POLICY_ANY */
	LAYOUT_MATCH_NETS,     /* one of 'nets' contains the address */
	LAYOUT_MATCH_SET,      /* the set contains the address */
	LAYOUT_MATCH_PORTS,    /* one of 'ports' contains the port */
	LAYOUT_MATCH_PORT_SET, /* the set contains address, protocol, port */
};

enum layout_side {
	LAYOUT_SOURCE,
	LAYOUT_DESTINATION,
	LAYOUT_SIDES_,
};

struct layout_match {
	enum layout_match_kind kind;
	enum layout_side side;
	bool negated;
	int16_t a;
	int16_t b;
	struct cidr *nets; /* masked, of the family, each once */
	struct port_range *ports;
	size_t n;
	struct policy_set_id set;
};

struct layout_rule {
	enum policy_action action;
	size_t index; /* of the resource's rule */
	struct layout_match *matches;
	size_t n;
};

struct layout_rules {
	struct layout_rule *v;
	size_t n;
};

/* Rules that can match no packet of the family are left out. Given: layout_rules_deinit(). */
void layout_rules_init(struct layout_rules *ret, const struct compiled_rules *rules,
		       uint8_t family);
void layout_rules_deinit(struct layout_rules *rules);
/* Does one of them speak of the set? */
bool layout_rules_use(const struct layout_rules *rules, const char *set);
bool layout_rules_have(const struct layout_rules *rules, enum policy_action action);

/* One thing on a packet's way through an endpoint. */
enum layout_step_kind {
	LAYOUT_STEP_TIER,     /* a tier begins: nothing has passed in it */
	LAYOUT_STEP_POLICY,   /* 'name' its key; left out while the tier has passed, or if staged */
	LAYOUT_STEP_TIER_END, /* denies what has not passed, if a policy of it is not staged */
	LAYOUT_STEP_PROFILE,  /* 'name' its key */
	LAYOUT_STEP_ALLOW,
	LAYOUT_STEP_DENY,
	LAYOUT_STEP_RETURN, /* to what comes after the endpoint */
};

struct layout_step {
	enum layout_step_kind kind;
	char *name;
};

struct layout_steps {
	struct layout_step *v;
	size_t n;
};

/*
 * The way through an endpoint at one stage. Tiers that never deny (their default is to pass, or the
 * stage has no end) have no LAYOUT_STEP_TIER_END. The last step decides.
 */
void layout_steps_init(struct layout_steps *ret, const struct policy_endpoint *endpoint,
		       enum policy_stage stage, enum policy_way way);
void layout_steps_deinit(struct layout_steps *steps);
