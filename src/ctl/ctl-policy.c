/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The world of policy for a person's questions: out of files, which must all be valid, or out of
 * the datastore, where what can't be read is named and left out, as the agent does.
 */

#include "ctl/ctl-policy.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"

void ctl_policies_deinit(struct ctl_policies *policies)
{
	(void)policy_world_free(policies->world);
	ctl_items_deinit(&policies->items);
	policies->world = NULL;
}

static const enum kind policy_kinds[] = {
	KIND_NODE,
	KIND_IP_POOL,
	KIND_FELIX_CONFIGURATION,
	KIND_TIER,
	/* A profile that was made says more than the namespace it is of. */
	KIND_NAMESPACE,
	KIND_SERVICE_ACCOUNT,
	KIND_PROFILE,
	KIND_NETWORK_POLICY,
	KIND_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_NETWORK_POLICY,
	KIND_STAGED_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_KUBERNETES_NETWORK_POLICY,
	KIND_KUBERNETES_NETWORK_POLICY,
	KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
	KIND_KUBERNETES_ENDPOINT_SLICE,
	KIND_NETWORK_SET,
	KIND_GLOBAL_NETWORK_SET,
	KIND_HOST_ENDPOINT,
	KIND_WORKLOAD_ENDPOINT,
};

static int read_kind(struct ctl *ctl, enum kind kind, struct ctl_policies *policies,
		     struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r = store_list(ctl->store, kind, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct object *object = NULL;
		struct err why = ERR_INIT;

		if (store_object_read(&list.v[i], &object, &why) < 0) {
			fprintf(stderr, "left out: %s\n", why.msg);
			continue;
		}
		ctl_items_add(&policies->items, object, "");
		if (policy_world_put(policies->world, object, &why) < 0)
			fprintf(stderr, "left out: %s\n", why.msg);
	}
	return r;
}

int ctl_policies_apply(struct policy_world *world, const struct ctl_items *items, struct err *err)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct ctl_item *item = &items->v[i];
		int r = model_validate(item->object, err);

		if (r == 0)
			r = policy_world_put(world, item->object, err);
		if (r < 0)
			return ctl_item_error(item, r, err);
	}
	return 0;
}

int ctl_policies_read(struct ctl *ctl, struct ctl_policies *ret, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	int r = 0;

	ret->world = policy_world_new();
	if (args->set[FLAG_FROM]) {
		ret->items.pass_foreign = true;
		for (size_t i = 0; r == 0 && i < args->n_repeated; i++)
			r = ctl_load_path(ctl, args->repeated[i], &ret->items, err);
		return r < 0 ? r : ctl_policies_apply(ret->world, &ret->items, err);
	}
	r = ctl_open_store(ctl, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(policy_kinds); i++)
		r = read_kind(ctl, policy_kinds[i], ret, err);
	return r;
}

/* --- Places ------------------------------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The last of this name: what comes later has replaced the earlier. */
static struct ctl_place place_of(const struct ctl_policies *policies, const struct object *object,
				 const char *const *path)
{
	struct ctl_place place = {""};

	for (size_t i = 0; object && i < policies->items.n; i++) {
		const struct ctl_item *item = &policies->items.v[i];
		int line;

		if (item->object->desc != object->desc || !*item->source ||
		    !same_text(item->object->meta.name, object->meta.name) ||
		    !same_text(item->object->meta.namespace, object->meta.namespace))
			continue;
		line = item->lines ? model_line_of(item->lines, path) : 0;
		if (line)
			(void)snprintf(place.s, sizeof(place.s), "%.250s:%d", item->source, line);
		else
			(void)snprintf(place.s, sizeof(place.s), "%.250s", item->source);
	}
	return place;
}

struct ctl_place ctl_place_of(const struct ctl_policies *policies, const struct object *object)
{
	return place_of(policies, object, (const char *const[]){NULL});
}

struct ctl_place ctl_place_of_rule(const struct ctl_policies *policies, const struct object *object,
				   enum policy_direction direction, size_t index)
{
	_cleanup_free_ char *number = xasprintf("%zu", index);
	const char *const path[] = {"spec", direction == POLICY_INGRESS ? "ingress" : "egress",
				    number, NULL};

	return place_of(policies, object, path);
}

int ctl_check_format(const struct ctl_args *args, bool *ret_json, struct err *err)
{
	const char *format = args->set[FLAG_FORMAT] ? args->values[FLAG_FORMAT] : "text";

	*ret_json = strcmp(format, "json") == 0;
	if (!*ret_json && strcmp(format, "text") != 0)
		return err_set(err, -EINVAL, "no such format \"%.40s\"; expected text or json",
			       format);
	return 0;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void put_text(json_t *to, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(to, key, json_string(text));
}

static json_t *rules_json(const struct ctl_policies *policies, const struct verdict_policy *policy,
			  enum policy_direction direction)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct verdict_rule *rule = &policy->rules[i];
		json_t *json = json_object();

		(void)json_object_set_new(json, "rule", json_integer((json_int_t)rule->index + 1));
		put_text(json, "action", rule_action_text(rule->action));
		(void)json_object_set_new(json, "matched", json_boolean(rule->matched));
		put_text(json, "why", rule->why);
		put_text(json, "source",
			 ctl_place_of_rule(policies, policy->object, direction, rule->index).s);
		(void)json_array_append_new(rules, json);
	}
	return rules;
}

static void put_name(const struct ctl_policies *policies, const struct object *object, json_t *to)
{
	if (!object)
		return;
	put_text(to, "kind", object->desc->name);
	put_text(to, "namespace", object->meta.namespace);
	put_text(to, "name", object->meta.name);
	put_text(to, "source", ctl_place_of(policies, object).s);
}

static json_t *policy_json(const struct ctl_policies *policies, const struct verdict_policy *policy,
			   enum policy_direction direction)
{
	json_t *json = json_object();

	put_name(policies, policy->object, json);
	if (!policy->object)
		put_text(json, "name", policy->name);
	(void)json_object_set_new(json, "applies", json_boolean(policy->applies));
	if (policy->staged)
		(void)json_object_set_new(json, "staged", json_true());
	put_text(json, "why", policy->why);
	if (!policy->applies)
		return json;
	(void)json_object_set_new(json, "rules", rules_json(policies, policy, direction));
	if (policy->decision != RULE_ACTION_UNSET)
		put_text(json, "decision", rule_action_text(policy->decision));
	return json;
}

static json_t *tier_json(const struct ctl_policies *policies, const struct verdict_tier *tier,
			 enum policy_direction direction)
{
	json_t *json = json_object();
	json_t *list = json_array();

	put_text(json, "name", tier->tier->name);
	put_text(json, "defaultAction", tier->tier->pass ? "Pass" : "Deny");
	for (size_t i = 0; i < tier->n_policies; i++)
		(void)json_array_append_new(list,
					    policy_json(policies, &tier->policies[i], direction));
	(void)json_object_set_new(json, "policies", list);
	return json;
}

static json_t *station_json(const struct ctl_policies *policies,
			    const struct connection_station *station)
{
	const struct verdict_trace *trace = &station->trace;
	json_t *json = json_object();
	json_t *tiers = json_array();
	json_t *profiles = json_array();

	put_text(json, "node", station->node);
	put_text(json, "verdict", verdict_text(station->verdict));
	put_text(json, "reason", station->note ? station->note : trace->reason);
	if (trace->peer) {
		put_text(json, "endpoint", trace->peer->text);
		put_text(json, "direction", policy_direction_text(trace->direction));
		put_text(json, "stage", verdict_stage_text(trace->stage));
	}
	if (trace->by) {
		json_t *by = json_object();

		put_name(policies, trace->by, by);
		(void)json_object_set_new(by, "rule", json_integer((json_int_t)trace->by_rule + 1));
		put_text(
			by, "source",
			ctl_place_of_rule(policies, trace->by, trace->direction, trace->by_rule).s);
		(void)json_object_set_new(json, "by", by);
	}
	for (size_t i = 0; i < trace->n_tiers; i++)
		(void)json_array_append_new(
			tiers, tier_json(policies, &trace->tiers[i], trace->direction));
	for (size_t i = 0; i < trace->n_profiles; i++)
		(void)json_array_append_new(
			profiles, policy_json(policies, &trace->profiles[i], trace->direction));
	(void)json_object_set_new(json, "tiers", tiers);
	(void)json_object_set_new(json, "profiles", profiles);
	return json;
}

json_t *ctl_connection_json(const struct ctl_policies *policies,
			    const struct connection_trace *trace)
{
	json_t *stations = json_array();

	for (size_t i = 0; i < trace->n_stations; i++)
		(void)json_array_append_new(stations, station_json(policies, &trace->stations[i]));
	return stations;
}
