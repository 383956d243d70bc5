/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the policies that a driver carries would do with the first packet of a connection: the
 * layouts' words, judged without a kernel. Only pods are judged, by their plain policies.
 */

#include "policy/policy-layout.h"

struct packet;

/* What a judge asks of the driver. */
struct judge_ops {
	/* A policy's or profile's; NULL: it is staged, not there, or not for that way. */
	const struct layout_rules *(*rules)(const void *self, const char *key, uint8_t family,
					    enum policy_way way);
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
