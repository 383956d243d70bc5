/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel does with the packets of one flow, rule by rule. A table of our own marks them
 * for the kernel to announce; it belongs to the socket, so it is gone when this process is, however
 * it ends. Packets of the answers are not followed.
 */

#include "netlink/nl.h"

struct trace_flow {
	struct ip_addr source;
	struct ip_addr destination; /* of the same family */
	uint8_t protocol;	    /* 0: any */
	uint16_t port;		    /* that is sent to; 0: any */
};

enum trace_type {
	TRACE_RULE,   /* a rule matched */
	TRACE_RETURN, /* a chain ended, back to its caller */
	TRACE_POLICY, /* a chain at a hook ended; 'verdict' is its policy */
};

#define TRACE_NAME_SIZE	 256
#define TRACE_LABEL_SIZE 128
struct trace_event {
	uint32_t packet; /* events of one packet have one number */
	enum trace_type type;
	char table[TRACE_NAME_SIZE];
	char chain[TRACE_NAME_SIZE];
	uint64_t rule;		      /* of TRACE_RULE: its handle */
	bool begins;		      /* the packet is seen for the first time, no rule met yet */
	bool ours;		      /* in the table of our policies */
	char label[TRACE_LABEL_SIZE]; /* what our rule says it is; "": nothing */
	int verdict;		      /* NF_ACCEPT, NF_DROP, NFT_JUMP, ... */
	char target[TRACE_NAME_SIZE]; /* of NFT_JUMP and NFT_GOTO */
	uint32_t in;		      /* interfaces' numbers; 0: none, or not said again */
	uint32_t out;
	uint16_t source_port; /* 0: none, or not said again */
};

struct policy_trace;
/* Follows the flow in the caller's network namespace from now on. Needs CAP_NET_ADMIN. */
MUST_CHECK int policy_trace_open(const struct trace_flow *flow, struct policy_trace **ret,
				 struct err *err);
struct policy_trace *policy_trace_close(struct policy_trace *trace);
CLEANUP_FUNC(struct policy_trace *, policy_trace_close);

/* Readable when there are events. */
int policy_trace_fd(const struct policy_trace *trace);
/*
 * The events that are here. 'see' gets each, and must not call the trace. 0: no more for now.
 * TRACE_E_LOST: the kernel announced more than was read in time.
 */
enum trace_outcome { TRACE_E_LOST = 1 };
MUST_CHECK int policy_trace_read(struct policy_trace *trace,
				 void (*see)(const struct trace_event *event, void *ctx), void *ctx,
				 struct err *err);

/*
 * One announcement, 'ret' without label. -EBADMSG: it can't be. TRACE_E_SKIP: it is none, or one of
 * a family we have no policy for.
 */
enum trace_message_outcome { TRACE_E_SKIP = 1 };
MUST_CHECK int policy_trace_message(const struct nlmsghdr *message, struct trace_event *ret);
