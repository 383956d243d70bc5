/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy explain: one connection, and everything on its way that had a say. What did not apply is
 * listed too, since the policy a person looks for is often the one that does not.
 */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/ctl-policy.h"

#define SHOWN_OTHERS	    10 /* policies of a tier that do not apply, without --all */
#define SOURCE_PORT_DEFAULT 49152

/* --- Text --------------------------------------------------------------------------------------
 */

struct printer {
	const struct ctl_policies *policies;
	bool all;
};

/* " (web.yaml:12)" */
static void print_place(struct ctl_place place)
{
	if (*place.s)
		printf(" (%s)", place.s);
}

static void print_rules(const struct printer *printer, const struct verdict_policy *policy,
			enum policy_direction direction, const char *indent)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct verdict_rule *rule = &policy->rules[i];

		printf("%s%s rule %zu", indent, policy_direction_text(direction), rule->index + 1);
		print_place(ctl_place_of_rule(printer->policies, policy->object, direction,
					      rule->index));
		printf(": %s%s: %s\n", rule->matched ? "matches, " : "no match",
		       rule->matched ? rule_action_text(rule->action) : "", rule->why);
	}
	if (!policy->n_rules && policy->object)
		printf("%sit has no %s rule\n", indent, policy_direction_text(direction));
}

static void print_policy(const struct printer *printer, const struct verdict_policy *policy,
			 enum policy_direction direction)
{
	printf("    %s", policy_name(policy->object).s);
	print_place(ctl_place_of(printer->policies, policy->object));
	printf(": %s%s%s\n", policy->applies ? "applies" : "does not apply",
	       policy->why && *policy->why ? ": " : "", policy->why ? policy->why : "");
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

static void print_text(const struct printer *printer, const struct connection_end *from,
		       const struct connection_end *to, const struct packet *packet,
		       const struct connection_trace *trace)
{
	const struct connection_station *last = NULL;

	print_end(from);
	printf(" -> ");
	print_end(to);
	printf(", ");
	print_spoken(packet);
	printf("\n");
	for (size_t i = 0; i < trace->n_stations; i++) {
		last = &trace->stations[i];
		print_station(printer, last, i + 1);
	}
	printf("\n%s", trace->verdict == VERDICT_ALLOW ? "Allowed" : "Denied");
	if (last && trace->verdict == VERDICT_DENY) {
		printf(": %s", last->note ? last->note : last->trace.reason);
		print_place(ctl_place_of_rule(printer->policies, last->trace.by,
					      last->trace.direction, last->trace.by_rule));
	} else if (!last) {
		printf(": no policy of ours is on its way");
	}
	printf("\n");
}

/* --- JSON --------------------------------------------------------------------------------------
 */

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
		       const struct connection_end *from, const struct connection_end *to,
		       const struct packet *packet, const struct connection_trace *trace)
{
	json_t *json = json_object();
	char *text;

	(void)json_object_set_new(json, "from", end_json(from, question->from));
	(void)json_object_set_new(json, "to", end_json(to, question->to));
	(void)json_object_set_new(json, "protocol",
				  json_string(protocol_format(packet->protocol).s));
	if (protocol_has_ports(packet->protocol))
		(void)json_object_set_new(json, "port", json_integer(packet->destination_port));
	(void)json_object_set_new(json, "verdict", json_string(verdict_text(trace->verdict)));
	(void)json_object_set_new(json, "stations", ctl_connection_json(policies, trace));
	text = json_dumps(json, JSON_INDENT(2));
	puts(text);
	free(text);
	json_decref(json);
}

int ctl_run_policy_explain(struct ctl *ctl, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	_cleanup_(ctl_question_deinitp) struct ctl_question question = {.from = NULL};
	_cleanup_(ctl_policies_deinitp) struct ctl_policies policies = {.world = NULL};
	_cleanup_(connection_trace_deinitp) struct connection_trace trace = {.stations = NULL};
	struct printer printer = {.policies = &policies, .all = args->set[FLAG_ALL]};
	struct connection_end from = {.node = ""};
	struct connection_end to = {.node = ""};
	struct packet packet = {.source_port = SOURCE_PORT_DEFAULT};
	uint64_t source_port;
	bool json;
	int r = ctl_check_format(args, &json, err);

	if (r == 0)
		r = ctl_question_parse(args, /* needs_port= */ true, &question, err);
	if (r == 0 && args->set[FLAG_SOURCE_PORT]) {
		r = parse_u64(args->values[FLAG_SOURCE_PORT], 1, UINT16_MAX, &source_port, err);
		if (r == 0)
			packet.source_port = (uint16_t)source_port;
	}
	if (r == 0)
		r = ctl_policies_read(ctl, &policies, err);
	if (r == 0)
		r = ctl_question_ends(policies.world, &question, &from, &to, err);
	if (r == 0)
		r = connection_port_parse(policies.world, question.port, &to, &packet, err);
	if (r < 0)
		return r;
	if (connection_verdict(policies.world, &from, &to, &packet, &trace) == VERDICT_DENY)
		ctl->exit_code = CTL_EXIT_DENIED;
	if (json)
		print_json(&policies, &question, &from, &to, &packet, &trace);
	else
		print_text(&printer, &from, &to, &packet, &trace);
	return 0;
}
