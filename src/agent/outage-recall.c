/* SPDX-License-Identifier: Apache-2.0 */

/* What a former agent noted in an outage and did not come to write is known again to this one. */

#include <errno.h>
#include <string.h>

#include "agent/agent-internal.h"
#include "agent/outage.h"
#include "base/alloc.h"
#include "model/kinds.h"

#define LOG_MODULE "outage"
#include "base/log.h"

/* What 'text' says; NULL, and said: it is not an object of this kind. */
static struct object *read_kept(const char *text, enum kind kind, const char *name)
{
	struct object *object = NULL;
	struct err err = ERR_INIT;
	int r = model_read_json(text, strlen(text), MODEL_LENIENT, "a kept change", &object, &err);

	if (r == 0 && object->desc->kind != kind) {
		(void)err_set(&err, -EBADMSG, "it is of another kind");
		object = model_free(object);
	}
	if (!object)
		log_error("what is not in the datastore yet can't be understood", "name", name,
			  "error", err.msg);
	return object;
}

/* The profile of its network is known too, or the pod would be without it until it is written. */
static int recall_policy(struct agent *agent, const struct reserve_change *change,
			 const struct object *endpoint, struct err *err)
{
	_cleanup_(model_freep) struct object *profile = NULL;
	int r = 0;

	if (change->profile)
		profile = read_kept(change->profile, KIND_PROFILE, change->profile_name);
	if (profile)
		r = policy_enforcer_put(agent->policy, profile, err);
	return r == 0 ? policy_enforcer_put(agent->policy, endpoint, err) : r;
}

static void recall_added(struct agent *agent, const struct reserve_change *change)
{
	_cleanup_(model_freep) struct object *object =
		read_kept(change->endpoint, KIND_WORKLOAD_ENDPOINT, change->name);
	struct err err = ERR_INIT;
	struct endpoint *endpoint;
	int r;

	if (!object)
		return;
	endpoint = endpoint_get(&agent->endpoints, change->namespace, change->name);
	r = endpoint_read(endpoint, object, &err);
	if (r == 0)
		r = recall_policy(agent, change, object, &err);
	if (r == 0) {
		dataplane_restore_endpoint(agent->dataplane, endpoint);
		return;
	}
	log_error("an endpoint that is not in the datastore yet can't be understood", "endpoint",
		  change->name, "error", err.msg);
	endpoint_remove(&agent->endpoints, endpoint);
}

void outage_recall(struct agent *agent, const struct reserve *reserve)
{
	for (size_t i = 0; i < reserve->n_changes; i++) {
		const struct reserve_change *change = &reserve->changes[i];
		struct endpoint *endpoint = NULL;

		if (change->name)
			endpoint =
				endpoint_find(&agent->endpoints, change->namespace, change->name);
		if (change->type == RESERVE_ADDED && change->endpoint && !endpoint) {
			recall_added(agent, change);
		} else if (change->type == RESERVE_ENDED && endpoint) {
			policy_enforcer_remove(agent->policy, KIND_WORKLOAD_ENDPOINT,
					       change->namespace, change->name);
			dataplane_remove_endpoint(agent->dataplane, endpoint);
			endpoint_remove(&agent->endpoints, endpoint);
		}
	}
}
