/* SPDX-License-Identifier: Apache-2.0 */

/*
 * In the place of an object that can't be understood, and that this agent knows no version of: the
 * version that a former agent kept, and where there is none, nothing that opens what the object may
 * have closed.
 */

#include "agent/agent-internal.h"
#include "agent/policy-closed.h"
#include "base/alloc.h"

#define LOG_MODULE "sync"
#include "base/log.h"

/* What is wrong stays among the policies' problems: a policy that was put in its place is none. */
static void tell_again(struct agent *agent, const struct object *bad)
{
	struct err err = ERR_INIT;

	if (bad && policy_enforcer_put(agent->policy, bad, &err) == 0)
		log_debug("the graph of policies has no use for a bad object", "name",
			  bad->meta.name);
}

/* True: the version that was kept is in force. False: there is none, '*ret_never' says for sure. */
static bool recall(struct agent *agent, const struct store_object *stored, bool *ret_never)
{
	_cleanup_(store_object_deinitp) struct store_object kept = {.name = NULL};
	_cleanup_(model_freep) struct object *object = NULL;
	struct err err = ERR_INIT;
	int r = last_good_get(agent->last_good, stored, &kept, &err);

	*ret_never = r == LAST_GOOD_E_NEVER;
	if (r > 0)
		return false;
	if (r == 0)
		r = store_object_read(&kept, &object, &err);
	if (r == 0)
		r = agent_put_object(agent, object, &err);
	if (r < 0) {
		log_error("the version of an object that was kept on this node can't be used",
			  "name", stored->name, "error", err.msg);
		return false;
	}
	if (agent_caches(stored->kind))
		agent_cache_put(agent, TAKE_PTR(object), stored->revision);
	return true;
}

static bool close_policy(struct agent *agent, const struct store_object *stored,
			 const struct object *bad)
{
	_cleanup_(model_freep) struct object *closed =
		policy_closed_new(stored->kind, stored->namespace, stored->name, bad);
	struct err err = ERR_INIT;

	if (!closed)
		return false;
	if (agent_put_object(agent, closed, &err) == 0)
		return true;
	log_error("a policy can't be closed", "name", stored->name, "error", err.msg);
	return false;
}

enum good_version good_version_recall(struct agent *agent, const struct store_object *stored,
				      const struct object *bad, bool is_new, const char *why)
{
	bool never;

	if (recall(agent, stored, &never)) {
		log_error("an object in the datastore can't be understood; its last good version, "
			  "kept on this node, is in force",
			  "name", stored->name, "error", why);
		tell_again(agent, bad);
		return GOOD_VERSION_IN_FORCE;
	}
	if (is_new || never) {
		log_error("a new object in the datastore can't be understood; nothing of it is in "
			  "force",
			  "name", stored->name, "error", why);
		last_good_note_never(agent->last_good, stored);
		return GOOD_VERSION_NONE;
	}
	if (close_policy(agent, stored, bad)) {
		log_error("a policy in the datastore can't be understood, and this node knows no "
			  "good version of it: it denies whatever it may select; correct it or "
			  "delete it",
			  "name", stored->name, "error", why);
		tell_again(agent, bad);
		return GOOD_VERSION_CLOSED;
	}
	log_error("an object in the datastore can't be understood, and this node knows no good "
		  "version of it: it is left out; correct it or delete it",
		  "name", stored->name, "error", why);
	return GOOD_VERSION_NONE;
}
