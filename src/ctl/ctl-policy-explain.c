/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy explain: one connection, and everything on its way that had a say. What did not apply is
 * listed too, since the policy a person looks for is often the one that does not.
 */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/ctl-policy.h"

#define SHOWN_OTHERS	    10 /* policies of a tier that do not apply, without --all */
#define SOURCE_PORT_DEFAULT 49152

/* --- Text ------------------------------------------------------------------------------------- */

struct printer {
	const struct ctl_policies *policies;
	bool all;
};

struct ctl_answer {
	struct connection_end from;
	struct connection_end to;
	struct packet packet;
	struct connection_trace trace;
	struct ctl_staged staged;
};

static void ctl_answer_deinit(struct ctl_answer *answer)
{
	connection_trace_deinit(&answer->trace);
	ctl_staged_deinit(&answer->staged);
}
CLEANUP_DEINIT(struct ctl_answer, ctl_answer_deinit);

/* " (web.yaml:12)" */
static void print_place(struct ctl_place place)
{
	if (*place.s)
		printf(" (%s)", place.s);
}

/* Each of its parts with the place of its field, unless the words begin with the path. */
static void print_reason(const struct printer *printer, const struct object *object,
			 const char *base, const struct reason *reason)
{
	for (size_t i = 0; i < reason->n; i++) {
		const struct reason_part *part = &reason->v[i];
		struct ctl_place place = ctl_place_of_part(printer->policies, object, base, part);

		printf("%s%s", i ? "; " : "", part->text);
		if (!*place.s || strncmp(part->text, place.s, strlen(place.s)) != 0)
			print_place(place);
	}
}

static void print_rules(const struct printer *printer, const struct verdict_policy *policy,
			enum policy_direction direction, const char *indent)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct verdict_rule *rule = &policy->rules[i];
		_cleanup_free_ char *base = ctl_rule_path(direction, rule->index);

		printf("%s%s rule %zu", indent, policy_direction_text(direction), rule->index + 1);
		print_place(ctl_place_of_rule(printer->policies, policy->object, direction,
					      rule->index));
		printf(": %s%s: ", rule->matched ? "matches, " : "no match",
		       rule->matched ? rule_action_text(rule->action) : "");
		print_reason(printer, policy->object, base, &rule->why);
		printf("\n");
	}
	if (!policy->n_rules && policy->object)
		printf("%sit has no %s rule\n", indent, policy_direction_text(direction));
}

static void print_policy(const struct printer *printer, const struct verdict_policy *policy,
			 enum policy_direction direction)
{
	printf("    %s", policy_name(policy->object).s);
	print_place(ctl_place_of(printer->policies, policy->object));
	printf(": %s%s", policy->applies ? "applies" : "does not apply", policy->why.n ? ": " : "");
	print_reason(printer, policy->object, "spec", &policy->why);
	printf("\n");
	if (!policy->applies)
		return;
	print_rules(printer, policy, direction, "      ");
	if (policy->staged)
		printf("      staged, so it decides nothing; enforced it would say: %s\n",
		       policy->decision == RULE_ACTION_UNSET ? "nothing"
							     : rule_action_text(policy->decision));
}

/* One of another namespace can't apply, which goes without saying. */
static bool is_elsewhere(const struct verdict_policy *policy, const struct world_peer *peer)
{
	const char *namespace = policy->object->meta.namespace;
	const char *own = peer->object->meta.namespace;

	return !policy->applies && namespace && (!own || strcmp(namespace, own) != 0);
}

static void print_tier(const struct printer *printer, const struct verdict_tier *tier,
		       const struct verdict_trace *trace)
{
	size_t n_others = 0;
	size_t n_hidden = 0;

	if (!tier->n_policies)
		return;
	printf("  tier %s (", tier->tier->name);
	if (isinf(tier->tier->order))
		printf("no order");
	else
		printf("order %.15g", tier->tier->order);
	printf(", default action %s)%s\n", tier->tier->pass ? "Pass" : "Deny",
	       tier->tier->known ? "" : ": there is no such tier, so it comes last");
	for (size_t i = 0; i < tier->n_policies; i++) {
		const struct verdict_policy *policy = &tier->policies[i];

		if (!printer->all && (is_elsewhere(policy, trace->peer) ||
				      (!policy->applies && ++n_others > SHOWN_OTHERS)))
			n_hidden++;
		else
			print_policy(printer, policy, trace->direction);
	}
	if (n_hidden)
		printf("    %zu more do not apply; --all lists them\n", n_hidden);
}

static void print_profiles(const struct printer *printer, const struct verdict_trace *trace)
{
	for (size_t i = 0; i < trace->n_profiles; i++) {
		const struct verdict_policy *profile = &trace->profiles[i];

		printf("  profile %s", profile->name);
		print_place(ctl_place_of(printer->policies, profile->object));
		printf("%s\n", profile->object ? ""
			       : strcmp(profile->name, PROFILE_DEFAULT_ALLOW) == 0
				       ? ": built in"
				       : ": is not there");
		print_rules(printer, profile, trace->direction, "    ");
	}
}

static void print_station(const struct printer *printer, const struct connection_station *station,
			  size_t number)
{
	const struct verdict_trace *trace = &station->trace;

	printf("\n%zu. ", number);
	if (station->note) {
		printf("node %s: %s\n", station->node, station->note);
		if (station->assumed)
			printf("  assumed: %s\n", station->assumed);
		return;
	}
	printf("%s of %s on node %s", policy_direction_text(trace->direction), trace->peer->text,
	       *trace->peer->node ? trace->peer->node : "unknown");
	if (trace->stage != VERDICT_STAGE_NORMAL)
		printf(", %s policies", verdict_stage_text(trace->stage));
	printf(": %s\n", verdict_text(station->verdict));
	for (size_t i = 0; i < trace->n_tiers; i++)
		print_tier(printer, &trace->tiers[i], trace);
	print_profiles(printer, trace);
	printf("  so: %s\n", trace->reason);
}

static void print_end(const struct connection_end *end)
{
	if (end->peer)
		printf("%s", end->peer->text);
	else if (end->type == END_HOST)
		printf("node/%s", end->node);
	else
		printf("outside");
	printf(" (%s", ip_format(&end->addr).s);
	if (*end->node)
		printf(" on %s", end->node);
	printf(")");
}

static void print_spoken(const struct packet *packet)
{
	printf("%s", protocol_format(packet->protocol).s);
	if (protocol_has_ports(packet->protocol))
		printf(" port %u", packet->destination_port);
	else if (packet->icmp_type || packet->icmp_code)
		printf(" type %u code %u", packet->icmp_type, packet->icmp_code);
}

/* The place of the rule that decided, and the fields of it that did. */
static void print_decider(const struct printer *printer, const struct verdict_trace *trace)
{
	const struct object *object = trace->by ? trace->by : trace->at_end;
	const struct reason *reason = verdict_decided(trace);
	_cleanup_free_ char *base =
		trace->by ? ctl_rule_path(trace->direction, trace->by_rule) : xstrdup("spec");

	if (trace->by)
		print_place(ctl_place_of_rule(printer->policies, trace->by, trace->direction,
					      trace->by_rule));
	if (!reason || !reason->n)
		return;
	printf(": ");
	print_reason(printer, object, base, reason);
}

/* --- Staged policies -------------------------------------------------------------------------- */

static void print_say(const struct printer *printer, const struct staged_say *say,
		      const struct verdict_trace *trace)
{
	const struct object *decider = trace->by ? trace->by : trace->at_end;

	if (say->replaces)
		printf("     %s %s by %s", policy_name(say->replaces).s,
		       say->applies ? "is replaced" : "goes", policy_name(say->object).s);
	else
		printf("     %s", policy_name(say->object).s);
	print_place(ctl_place_of(printer->policies, say->object));
	if (say->applies && say->reached)
		printf(": applies%s\n", decider == say->object ? ", and decides" : "");
	else if (say->applies)
		printf(": applies, but is not reached: what decides comes before\n");
	else
		printf("\n");
}

static void print_staged_station(const struct printer *printer, const struct ctl_staged *staged,
				 const struct connection_station *station, size_t number)
{
	const struct verdict_trace *trace = &station->trace;
	_cleanup_free_ struct staged_say *says = NULL;
	size_t n;

	printf("  %zu. ", number);
	if (station->note) {
		printf("node %s: %s\n", station->node, station->note);
		return;
	}
	printf("%s of %s", policy_direction_text(trace->direction), trace->peer->text);
	if (trace->stage != VERDICT_STAGE_NORMAL)
		printf(", %s policies", verdict_stage_text(trace->stage));
	printf(": %s: %s", verdict_text(station->verdict), trace->reason);
	print_decider(printer, trace);
	printf("\n");
	n = staged_says(staged->now, staged->then, trace, &says);
	for (size_t i = 0; i < n; i++)
		print_say(printer, &says[i], trace);
}

static void print_staged(const struct printer *printer, const struct ctl_staged *staged,
			 enum verdict now)
{
	if (!staged->any)
		return;
	printf("\nWith the staged policies enforced: %s%s\n",
	       staged->trace.verdict == VERDICT_ALLOW ? "Allowed" : "Denied",
	       staged->trace.verdict == now ? ", as now" : "");
	for (size_t i = 0; i < staged->trace.n_stations; i++)
		print_staged_station(printer, staged, &staged->trace.stations[i], i + 1);
}

static void print_text(const struct printer *printer, const struct ctl_answer *answer)
{
	const struct connection_trace *trace = &answer->trace;
	const struct connection_station *last = NULL;

	print_end(&answer->from);
	printf(" -> ");
	print_end(&answer->to);
	printf(", ");
	print_spoken(&answer->packet);
	printf("\n");
	for (size_t i = 0; i < trace->n_stations; i++) {
		last = &trace->stations[i];
		print_station(printer, last, i + 1);
	}
	printf("\n%s", trace->verdict == VERDICT_ALLOW ? "Allowed" : "Denied");
	if (last && trace->verdict == VERDICT_DENY) {
		printf(": %s", last->note ? last->note : last->trace.reason);
		print_decider(printer, &last->trace);
	} else if (!last) {
		printf(": no policy of ours is on its way");
	}
	printf("\n");
	print_staged(printer, &answer->staged, trace->verdict);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *end_json(const struct connection_end *end, const char *asked)
{
	json_t *json = json_object();

	(void)json_object_set_new(json, "asked", json_string(asked));
	(void)json_object_set_new(json, "address", json_string(ip_format(&end->addr).s));
	if (end->peer)
		(void)json_object_set_new(json, "endpoint", json_string(end->peer->text));
	if (*end->node)
		(void)json_object_set_new(json, "node", json_string(end->node));
	return json;
}

static void print_json(const struct ctl_policies *policies, const struct ctl_question *question,
		       const struct ctl_answer *answer)
{
	const struct packet *packet = &answer->packet;
	json_t *json = json_object();
	char *text;

	(void)json_object_set_new(json, "from", end_json(&answer->from, question->from));
	(void)json_object_set_new(json, "to", end_json(&answer->to, question->to));
	(void)json_object_set_new(json, "protocol",
				  json_string(protocol_format(packet->protocol).s));
	if (protocol_has_ports(packet->protocol))
		(void)json_object_set_new(json, "port", json_integer(packet->destination_port));
	(void)json_object_set_new(json, "verdict",
				  json_string(verdict_text(answer->trace.verdict)));
	(void)json_object_set_new(json, "stations", ctl_connection_json(policies, &answer->trace));
	if (answer->staged.any)
		(void)json_object_set_new(json, "withStagedPoliciesEnforced",
					  ctl_staged_json(policies, &answer->staged));
	text = json_dumps(json, JSON_INDENT(2));
	puts(text);
	free(text);
	json_decref(json);
}

/* --- The question ----------------------------------------------------------------------------- */

static int read_options(const struct ctl_args *args, struct packet *packet,
			struct connection_options *options, struct err *err)
{
	static const char *const actions[] = {"Drop", "Accept", "Return"};
	const char *action = args->values[FLAG_HOST_ACTION];
	uint64_t source_port = SOURCE_PORT_DEFAULT;
	int r = 0;

	if (args->set[FLAG_SOURCE_PORT])
		r = parse_u64(args->values[FLAG_SOURCE_PORT], 1, UINT16_MAX, &source_port, err);
	if (r < 0)
		return r;
	packet->source_port = (uint16_t)source_port;
	if (!args->set[FLAG_HOST_ACTION])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcasecmp(action, actions[i]) == 0)
			options->endpoint_to_host_action = actions[i];
	return options->endpoint_to_host_action
		       ? 0
		       : err_set(err, -EINVAL,
				 "--default-endpoint-to-host-action: \"%.40s\" is none of Drop, "
				 "Accept and Return",
				 action);
}

static int ask(struct policy_world *world, const struct ctl_question *question,
	       const struct connection_options *options, struct ctl_answer *answer, struct err *err)
{
	int r = ctl_question_ends(world, question, &answer->from, &answer->to, err);

	if (r == 0)
		r = connection_port_parse(world, question->port, &answer->to, &answer->packet, err);
	if (r < 0)
		return r;
	(void)connection_verdict_with(world, &answer->from, &answer->to, &answer->packet, options,
				      &answer->trace);
	return 0;
}

static bool has_say(const struct ctl_staged *staged)
{
	for (size_t i = 0; i < staged->trace.n_stations; i++) {
		const struct connection_station *station = &staged->trace.stations[i];
		_cleanup_free_ struct staged_say *says = NULL;

		if (!station->note &&
		    staged_says(staged->now, staged->then, &station->trace, &says))
			return true;
	}
	return false;
}

/* The same question in the world in which staged policies are enforced, up to its far end. */
static int ask_staged(struct policy_world *world, const struct ctl_question *question,
		      const struct connection_options *options, struct ctl_answer *to,
		      struct err *err)
{
	struct connection_options whole = *options;
	struct ctl_answer answer = {.packet = to->packet, .from.node = "", .to.node = ""};
	int r = staged_world(world, &to->staged.then, err);

	to->staged.now = world;
	if (r < 0 || !to->staged.then)
		return r;
	whole.whole = true;
	r = ask(to->staged.then, question, &whole, &answer, err);
	to->staged.trace = answer.trace;
	to->staged.any = r == 0 && has_say(&to->staged);
	return r;
}

int ctl_run_policy_explain(struct ctl *ctl, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	_cleanup_(ctl_question_deinitp) struct ctl_question question = {.from = NULL};
	_cleanup_(ctl_policies_deinitp) struct ctl_policies policies = {.world = NULL};
	_cleanup_(ctl_answer_deinitp) struct ctl_answer answer = {.from.node = "", .to.node = ""};
	struct connection_options options = {.whole = false};
	struct printer printer = {.policies = &policies, .all = args->set[FLAG_ALL]};
	bool json;
	int r = ctl_check_format(args, &json, err);

	if (r == 0)
		r = ctl_question_parse(args, /* needs_port= */ true, &question, err);
	if (r == 0)
		r = read_options(args, &answer.packet, &options, err);
	if (r == 0)
		r = ctl_policies_read(ctl, &policies, err);
	if (r == 0)
		r = ask(policies.world, &question, &options, &answer, err);
	if (r == 0)
		r = ask_staged(policies.world, &question, &options, &answer, err);
	if (r < 0)
		return r;
	if (answer.trace.verdict == VERDICT_DENY)
		ctl->exit_code = CTL_EXIT_DENIED;
	if (json)
		print_json(&policies, &question, &answer);
	else
		print_text(&printer, &answer);
	return 0;
}
