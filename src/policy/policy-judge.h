/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the policies that a driver carries would do with the first packet of a connection: the
 * layouts' words, judged without a kernel. Only pods are judged, by their plain policies.
 */

#include "policy/policy-layout.h"
#include "policy/policy-match.h"

/* What a judge asks of the driver. */
struct judge_ops {
	/* A policy's or profile's; NULL: it is staged, not there, or not for that way. */
	const struct layout_rules *(*rules)(const void *self, const char *key, uint8_t family,
					    enum policy_way way);
	/* The same, also of a staged one. */
	const struct layout_rules *(*staged_rules)(const void *self, const char *key,
						   uint8_t family, enum policy_way way);
	bool (*set_has_addr)(const void *self, const char *id, const struct ip_addr *addr);
	bool (*set_has_port)(const void *self, const char *id, const struct ip_addr *addr,
			     uint8_t protocol, uint16_t port);
};

struct policy_judge;
/* All borrowed, for the judge's life. */
struct policy_judge *policy_judge_new(const struct judge_ops *ops, const void *self);
struct policy_judge *policy_judge_free(struct policy_judge *judge);
CLEANUP_FUNC(struct policy_judge *, policy_judge_free);
/* Whose address it is: its steps each way. The first word counts. */
void policy_judge_add(struct policy_judge *judge, const struct ip_addr *addr,
		      const struct layout_steps *const steps[POLICY_WAYS_]);
/* By the sender's egress or the receiver's ingress; who has not been added denies nothing. */
bool policy_judge_denies(const struct policy_judge *judge, const struct packet *packet);

/* What one end of a connection would say if staged policies were enforced. */
struct judge_staged {
	struct packet packet; /* its source port and type of ICMP are not known */
	enum policy_way way;  /* EGRESS: the sender's */
	/*
	 * Answers, borrowed from the driver: False: no staged policy has a say there, or a rule
	 * asks for what is not known of the packet.
	 */
	bool known;
	bool denied_now;	   /* as things are */
	enum policy_action action; /* ALLOW or DENY */
	const char *policy; /* key of what decides; NULL: the end of 'tier' or of everything */
	const char *tier;
	size_t rule;
	const char *staged;   /* key of the last staged policy that was looked at. NULL: none, */
	const char *replaced; /* so it is one that this policy goes by */
};
/* 'has' says whether there is a policy of this key, whomever it selects. */
void policy_judge_staged(const struct policy_judge *judge, struct judge_staged *asked,
			 bool (*has)(const void *ctx, const char *key), const void *ctx);
