/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy impact: what would change if these objects were applied, before they are. The world as it
 * is, the same with the objects in it, and the connections that the two judge differently.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "ctl/ctl-policy.h"
#include "policy/policy-impact.h"

#define SHOWN_CHANGES 100 /* without --all */

static void print_subject(const struct impact_subject *subject)
{
	printf("%s", subject->text);
	if (subject->n_alike && subject->peers[0])
		printf(" and %zu like it", subject->n_alike);
}

static const char *families_text(const struct impact_change *change)
{
	return change->families[0] ? change->families[1] ? "IPv4, IPv6" : "IPv4" : "IPv6";
}

static void print_change(const struct policy_impact *impact, const struct impact_change *change)
{
	printf("%s  ", change->allowed ? "allow" : "deny ");
	print_subject(&impact->subjects[change->from]);
	printf(" -> ");
	print_subject(&impact->subjects[change->to]);
	printf(": %s (%s)\n       %s: %s\n", change->ports, families_text(change),
	       change->allowed ? "until now" : "from then on", change->reason);
}

/* The changes of one comparison, and what they come to: ", of 50 tried". */
static void print_changes(const struct ctl *ctl, const struct policy_impact *impact)
{
	size_t n = ctl->args.set[FLAG_ALL] ? impact->n_changes
					   : MIN(impact->n_changes, (size_t)SHOWN_CHANGES);

	for (size_t i = 0; i < n; i++)
		print_change(impact, &impact->changes[i]);
	if (n < impact->n_changes)
		printf("and %zu more; --all lists them\n", impact->n_changes - n);
	if (impact->n_changes)
		printf("\n");
}

static void print_sum(const struct policy_impact *impact)
{
	size_t n_denied = 0;

	for (size_t i = 0; i < impact->n_changes; i++)
		n_denied += !impact->changes[i].allowed;
	printf("%zu connections would be denied, %zu allowed, of %zu tried\n", n_denied,
	       impact->n_changes - n_denied, impact->n_trials);
	if (!impact->complete)
		printf("This is not all: more than %u connections would have to be tried\n",
		       IMPACT_TRIALS_MAX);
}

static size_t count_staged(const struct ctl_items *items)
{
	size_t n = 0;

	for (size_t i = 0; i < items->n; i++)
		n += policy_is_staged(items->v[i].object);
	return n;
}

/* What is staged changes nothing yet; the question behind it is what it will change. */
static void print_staged(const struct ctl *ctl, const struct ctl_items *items,
			 const struct policy_impact *enforced)
{
	bool first = true;

	printf("\nStaged, so %s nothing: ", count_staged(items) > 1 ? "they decide" : "it decides");
	for (size_t i = 0; i < items->n; i++) {
		if (!policy_is_staged(items->v[i].object))
			continue;
		printf("%s%s", first ? "" : ", ", policy_name(items->v[i].object).s);
		first = false;
	}
	printf("\nEnforced, this would change:\n\n");
	print_changes(ctl, enforced);
	print_sum(enforced);
}

static void print_text(const struct ctl *ctl, const struct policy_impact *impact)
{
	print_changes(ctl, impact);
	printf("%zu objects new or changed: ", impact->n_changed_objects);
	print_sum(impact);
}

static json_t *subject_json(const struct impact_subject *subject)
{
	json_t *json = json_object();

	(void)json_object_set_new(json, "name", json_string(subject->text));
	if (subject->peers[0])
		(void)json_object_set_new(json, "alike",
					  json_integer((json_int_t)subject->n_alike));
	return json;
}

static json_t *change_json(const struct policy_impact *impact, const struct impact_change *change)
{
	json_t *json = json_object();

	(void)json_object_set_new(json, "from", subject_json(&impact->subjects[change->from]));
	(void)json_object_set_new(json, "to", subject_json(&impact->subjects[change->to]));
	(void)json_object_set_new(json, "ports", json_string(change->ports));
	(void)json_object_set_new(json, "ipVersions", json_string(families_text(change)));
	(void)json_object_set_new(
		json, "becomes",
		json_string(verdict_text(change->allowed ? VERDICT_ALLOW : VERDICT_DENY)));
	(void)json_object_set_new(json, "deniedBy", json_string(change->reason));
	return json;
}

static void put_changes(const struct policy_impact *impact, json_t *to)
{
	json_t *changes = json_array();

	for (size_t i = 0; i < impact->n_changes; i++)
		(void)json_array_append_new(changes, change_json(impact, &impact->changes[i]));
	(void)json_object_set_new(to, "connectionsTried",
				  json_integer((json_int_t)impact->n_trials));
	(void)json_object_set_new(to, "complete", json_boolean(impact->complete));
	(void)json_object_set_new(to, "changes", changes);
}

static json_t *staged_json(const struct ctl_items *items, const struct policy_impact *enforced)
{
	json_t *json = json_object();
	json_t *names = json_array();

	for (size_t i = 0; i < items->n; i++)
		if (policy_is_staged(items->v[i].object))
			(void)json_array_append_new(names,
						    json_string(policy_name(items->v[i].object).s));
	(void)json_object_set_new(json, "policies", names);
	put_changes(enforced, json);
	return json;
}

static void print_json(const struct policy_impact *impact, const struct ctl_items *items,
		       const struct policy_impact *enforced)
{
	json_t *json = json_object();
	char *text;

	(void)json_object_set_new(json, "objectsChanged",
				  json_integer((json_int_t)impact->n_changed_objects));
	put_changes(impact, json);
	if (count_staged(items))
		(void)json_object_set_new(json, "stagedEnforced", staged_json(items, enforced));
	text = json_dumps(json, JSON_INDENT(2));
	puts(text);
	free(text);
	json_decref(json);
}

/* What the staged policies of the file would change in the world that has them. */
static int enforce_staged(struct policy_world *after, const struct ctl_items *items,
			  struct policy_impact *ret, struct err *err)
{
	_cleanup_(policy_world_freep) struct policy_world *enforced = NULL;
	int r = count_staged(items) ? policy_world_copy(after, &enforced, err) : 0;

	if (!enforced)
		return r;
	for (size_t i = 0; i < items->n; i++)
		if (policy_is_staged(items->v[i].object))
			policy_world_enforce(enforced, items->v[i].object);
	policy_impact(after, enforced, ret);
	return 0;
}

int ctl_run_policy_impact(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_policies_deinitp) struct ctl_policies policies = {.world = NULL};
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	_cleanup_(policy_world_freep) struct policy_world *after = NULL;
	_cleanup_(policy_impact_deinitp) struct policy_impact impact = {.subjects = NULL};
	_cleanup_(policy_impact_deinitp) struct policy_impact enforced = {.subjects = NULL};
	bool json;
	int r = ctl_check_format(&ctl->args, &json, err);

	if (r == 0 && !ctl->args.set[FLAG_FILENAME])
		r = err_set(err, -EINVAL, "-f FILE is missing: the objects that would be applied");
	if (r == 0)
		r = ctl_load(ctl, &items, err);
	if (r == 0)
		r = ctl_policies_read(ctl, &policies, err);
	if (r == 0)
		r = policy_world_copy(policies.world, &after, err);
	if (r == 0)
		r = ctl_policies_apply(after, &items, err);
	if (r == 0)
		r = enforce_staged(after, &items, &enforced, err);
	if (r < 0)
		return r;
	policy_impact(policies.world, after, &impact);
	if (json) {
		print_json(&impact, &items, &enforced);
		return 0;
	}
	print_text(ctl, &impact);
	if (count_staged(&items))
		print_staged(ctl, &items, &enforced);
	return 0;
}
