/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a rule says of a packet by its log prefix, and whose packet it is by its headers. Pure. */

#include "policy/compiled-policy.h"

enum flow_action {
	FLOW_ALLOW,
	FLOW_DENY,
	FLOW_PASS, /* on to the next tier */
	FLOW_ACTIONS_,
};

enum flow_by {
	FLOW_BY_RULE,	    /* 'id' the policy's or profile's key */
	FLOW_BY_TIER_END,   /* 'id' the tier's name */
	FLOW_BY_NO_PROFILE, /* no profile allows it */
	FLOW_BY_UNKNOWN,    /* 'id' a policy that is not known, so it denies */
};

struct flow_hit {
	enum flow_action action;
	enum flow_by by;
	enum policy_way way;
	uint32_t rule;	/* of FLOW_BY_RULE, from 0 */
	const char *id; /* borrowed from the prefix */
};
/* "APE3|np/shop/db". -EBADMSG: it is none of ours. */
MUST_CHECK int flow_hit_parse(const char *prefix, struct flow_hit *ret);

struct flow_tuple {
	struct ip_addr source;
	struct ip_addr destination;
	uint8_t protocol;
	uint16_t port; /* that is sent to; 0: the protocol has none, or it is not in this packet */
};
/* From the IP header on; the end may be cut off. -EBADMSG: no such header. */
MUST_CHECK int flow_tuple_parse(const uint8_t *data, size_t size, struct flow_tuple *ret);
