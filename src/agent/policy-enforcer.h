/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Policy on this node: what the datastore and the CNI calls tell goes into the graph, and what the
 * graph makes of it into the kernel. Nothing is sent before policy_enforcer_set_in_sync(): until
 * all policies are known, the kernel keeps what it had.
 */

#include <systemd/sd-event.h>

#include "model/model.h"
#include "policy/policy-driver.h"

struct bgp_configuration_spec;
struct felix_configuration_spec;
struct policy_enforcer;

struct policy_enforcer_stats {
	uint64_t n_applies;
	uint64_t n_failures;
	uint64_t apply_us_total;
	size_t n_problems; /* policies and rules that can't be understood, and: */
	size_t n_refused;  /* policies of which the kernel refuses something */
};

/* 'driver' is borrowed. */
MUST_CHECK int policy_enforcer_new(sd_event *event, const char *node_name,
				   struct policy_driver driver, struct policy_enforcer **ret,
				   struct err *err);
/* What is in the kernel stays in force. */
struct policy_enforcer *policy_enforcer_free(struct policy_enforcer *enforcer);
CLEANUP_FUNC(struct policy_enforcer *, policy_enforcer_free);

/* -EINVAL: the object can't be understood; its last good version stays in force. */
MUST_CHECK int policy_enforcer_put(struct policy_enforcer *enforcer, const struct object *object,
				   struct err *err);
void policy_enforcer_remove(struct policy_enforcer *enforcer, enum kind kind, const char *namespace,
			    const char *name);
/* What this node is and does, beside FelixConfiguration. */
struct policy_node {
	bool vxlan; /* it speaks it */
	bool ipip;
	bool cut_denied; /* a new policy also ends the connections that it denies */
	bool flow_log;	 /* rules log what they decide */
	const struct bgp_configuration_spec
		*bgp; /* "default"; NULL: none. Says what is advertised */
};
/* The parameters that are about policy. Copied; sent with the next apply. */
void policy_enforcer_configure(struct policy_enforcer *enforcer,
			       const struct felix_configuration_spec *spec,
			       const struct policy_node *node);

struct policy_owner;
/* As policy_graph_owners(). */
void policy_enforcer_owners(const struct policy_enforcer *enforcer, struct policy_owner *owners,
			    size_t n);
/* As policy_graph_logged(). */
const char *policy_enforcer_logged(const struct policy_enforcer *enforcer, const char *id);
struct judge_staged;
/* What these ends of connections would say with staged policies enforced; see policy-judge.h. */
void policy_enforcer_staged(const struct policy_enforcer *enforcer, struct judge_staged *asked,
			    size_t n);
void policy_enforcer_set_in_sync(struct policy_enforcer *enforcer);

/*
 * Sends to the kernel what has changed. 0: it is in force. <0: the kernel has what it had before,
 * it is tried again by itself, and 'err' says why.
 */
MUST_CHECK int policy_enforcer_apply(struct policy_enforcer *enforcer, struct err *err);
/* The same at the end of the loop's turn, for changes nobody waits for. */
void policy_enforcer_schedule(struct policy_enforcer *enforcer);

/*
 * Somebody else has applied what the driver was told: connections there are may have to be judged.
 */
void policy_enforcer_written(struct policy_enforcer *enforcer);

void policy_enforcer_get_stats(const struct policy_enforcer *enforcer,
			       struct policy_enforcer_stats *ret);
