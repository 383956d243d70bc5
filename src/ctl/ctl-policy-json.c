/* SPDX-License-Identifier: Apache-2.0 */

/* The way of a connection as JSON: everything that the text has. */

#include "ctl/ctl-policy.h"

#include <string.h>

#include <jansson.h>

#include "base/alloc.h"

static void put_text(json_t *to, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(to, key, json_string(text));
}

/* In words, and which fields of the object these are of. */
static void put_reason(const struct ctl_policies *policies, const struct object *object,
		       const char *base, const struct reason *reason, json_t *to)
{
	_cleanup_free_ char *text = reason_text(reason);
	json_t *fields = json_array();

	for (size_t i = 0; i < reason->n; i++) {
		_cleanup_free_ char *path = ctl_part_path(&reason->v[i], base);
		struct ctl_place place = ctl_place_of_part(policies, object, base, &reason->v[i]);
		json_t *field = path ? json_object() : NULL;

		if (!path)
			continue;
		put_text(field, "field", path);
		if (strcmp(place.s, path) != 0)
			put_text(field, "source", place.s);
		put_text(field, "why", reason->v[i].text);
		(void)json_array_append_new(fields, field);
	}
	put_text(to, "why", text);
	if (json_array_size(fields))
		(void)json_object_set(to, "fields", fields);
	json_decref(fields);
}

static json_t *rules_json(const struct ctl_policies *policies, const struct verdict_policy *policy,
			  enum policy_direction direction)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct verdict_rule *rule = &policy->rules[i];
		_cleanup_free_ char *base = ctl_rule_path(direction, rule->index);
		json_t *json = json_object();

		(void)json_object_set_new(json, "rule", json_integer((json_int_t)rule->index + 1));
		put_text(json, "action", rule_action_text(rule->action));
		(void)json_object_set_new(json, "matched", json_boolean(rule->matched));
		put_reason(policies, policy->object, base, &rule->why, json);
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
	if (policy->object && policy_is_staged(policy->object))
		(void)json_object_set_new(json, "staged", json_true());
	put_reason(policies, policy->object, "spec", &policy->why, json);
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

/* What decided; at the end of a tier a policy, but no rule of it. */
static json_t *decider_json(const struct ctl_policies *policies, const struct verdict_trace *trace)
{
	const struct object *object = trace->by ? trace->by : trace->at_end;
	const struct reason *reason = verdict_decided(trace);
	_cleanup_free_ char *base =
		trace->by ? ctl_rule_path(trace->direction, trace->by_rule) : xstrdup("spec");
	json_t *by = json_object();

	put_name(policies, object, by);
	if (policy_is_staged(object))
		(void)json_object_set_new(by, "staged", json_true());
	if (trace->by) {
		(void)json_object_set_new(by, "rule", json_integer((json_int_t)trace->by_rule + 1));
		put_text(by, "source",
			 ctl_place_of_rule(policies, object, trace->direction, trace->by_rule).s);
	}
	if (reason)
		put_reason(policies, object, base, reason, by);
	return by;
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
	put_text(json, "assumed", station->assumed);
	if (trace->peer) {
		put_text(json, "endpoint", trace->peer->text);
		put_text(json, "direction", policy_direction_text(trace->direction));
		put_text(json, "stage", verdict_stage_text(trace->stage));
	}
	if (trace->by)
		(void)json_object_set_new(json, "by", decider_json(policies, trace));
	else if (trace->at_end)
		(void)json_object_set_new(json, "atEndOfTier", decider_json(policies, trace));
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

/* --- Staged policies -------------------------------------------------------------------------- */

void ctl_staged_deinit(struct ctl_staged *staged)
{
	connection_trace_deinit(&staged->trace);
	(void)policy_world_free(staged->then);
	staged->then = NULL;
}

static json_t *say_json(const struct ctl_policies *policies, const struct staged_say *say)
{
	json_t *json = json_object();
	json_t *replaces = say->replaces ? json_object() : NULL;

	put_name(policies, say->object, json);
	(void)json_object_set_new(json, "applies", json_boolean(say->applies));
	(void)json_object_set_new(json, "reached", json_boolean(say->reached));
	if (!replaces)
		return json;
	put_name(policies, say->replaces, replaces);
	(void)json_object_set_new(json, "replaces", replaces);
	return json;
}

json_t *ctl_staged_json(const struct ctl_policies *policies, const struct ctl_staged *staged)
{
	json_t *json = json_object();
	json_t *stations = json_array();

	for (size_t i = 0; i < staged->trace.n_stations; i++) {
		const struct connection_station *station = &staged->trace.stations[i];
		json_t *one = station_json(policies, station);
		json_t *list = json_array();
		_cleanup_free_ struct staged_say *says = NULL;
		size_t n = station->note
				   ? 0
				   : staged_says(staged->now, staged->then, &station->trace, &says);

		for (size_t k = 0; k < n; k++)
			(void)json_array_append_new(list, say_json(policies, &says[k]));
		(void)json_object_set_new(one, "staged", list);
		(void)json_array_append_new(stations, one);
	}
	put_text(json, "verdict", verdict_text(staged->trace.verdict));
	(void)json_object_set_new(json, "stations", stations);
	return json;
}
