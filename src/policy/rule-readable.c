/* SPDX-License-Identifier: Apache-2.0 */

/* Field by field, straight from the API's text; the first that can't be understood is named. */

#include "policy/rule-readable.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "model/model-check.h"

#define PROTOCOL_ICMP	1
#define PROTOCOL_ICMPV6 58
#define ICMP_TYPE_MAX	254 /* of the API; 255 is nobody's */

/* What is read. */
struct reading {
	struct policy_world *world;
	const struct rule *rule;
	const char *namespace; /* of the policy; NULL: it has none */
	struct reason *why;
};

static bool is_given(const char *text)
{
	return text && *text;
}

/* False. 'side' NULL: of the rule itself; 'index' -1: the whole field. */
PRINTF_LIKE(5, 6)
static bool unreadable(const struct reading *reading, const char *side, const char *field,
		       ssize_t index, const char *format, ...)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!reading->why)
		return false;
	path = xasprintf("%s%s%s", side ? side : "", side ? "." : "", field);
	if (index >= 0)
		replace_str(&path, xasprintf("%s[%zd]", path, index));
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	reason_add(reading->why, path, "it can't be understood, so it denies: %s: %s", path, text);
	return false;
}

static bool are_selectors(const struct reading *reading, const char *side,
			  const struct entity_rule *entity)
{
	const struct {
		const char *name;
		const char *text;
	} selectors[] = {
		{"selector", entity->selector},
		{"notSelector", entity->not_selector},
		{"namespaceSelector", entity->namespace_selector},
		{"serviceAccounts.selector",
		 entity->service_accounts ? entity->service_accounts->selector : NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
		if (is_given(selectors[i].text) &&
		    !policy_world_selector(reading->world, selectors[i].text))
			return unreadable(reading, side, selectors[i].name, -1, "%s is no selector",
					  selectors[i].text);
	return true;
}

static bool are_nets(const struct reading *reading, const char *side, const char *field,
		     const struct str_list *nets)
{
	struct cidr cidr;

	for (size_t i = 0; i < nets->n; i++)
		if (cidr_parse(nets->v[i], &cidr, NULL) < 0)
			return unreadable(reading, side, field, (ssize_t)i, "%s is no prefix",
					  nets->v[i]);
	return true;
}

/* Without a protocol there are names alone. */
static bool are_ports(const struct reading *reading, const char *side, const char *field,
		      const struct int_or_string_list *ports)
{
	bool has_ports = protocol_has_ports(protocol_number(&reading->rule->protocol));

	for (size_t i = 0; i < ports->n; i++) {
		const char *text = ports->v[i].s ? ports->v[i].s : "";
		uint16_t port;
		int r = model_check_port(text, &port, &port, NULL);

		if (r < 0)
			return unreadable(reading, side, field, (ssize_t)i, "\"%s\" is no port",
					  text);
		if (!has_ports && (r == 0 || reading->rule->protocol.s))
			return unreadable(reading, side, field, (ssize_t)i,
					  "ports need the protocol TCP, UDP or SCTP");
	}
	return true;
}

static bool is_side(const struct reading *reading, const char *side,
		    const struct entity_rule *entity)
{
	return are_selectors(reading, side, entity) &&
	       are_nets(reading, side, "nets", &entity->nets) &&
	       are_nets(reading, side, "notNets", &entity->not_nets) &&
	       are_ports(reading, side, "ports", &entity->ports) &&
	       are_ports(reading, side, "notPorts", &entity->not_ports);
}

static bool is_icmp(const struct reading *reading, const char *field, const struct icmp_match *icmp)
{
	uint8_t protocol = protocol_number(&reading->rule->protocol);

	if (!icmp)
		return true;
	if (protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6)
		return unreadable(reading, NULL, field, -1, "needs the protocol ICMP or ICMPv6");
	if (icmp->code.set && !icmp->type.set)
		return unreadable(reading, NULL, field, -1, "a code needs a type");
	if (icmp->type.set && (icmp->type.v < 0 || icmp->type.v > ICMP_TYPE_MAX))
		return unreadable(reading, NULL, field, -1, "%" PRId64 " is no ICMP type",
				  icmp->type.v);
	if (icmp->code.set && (icmp->code.v < 0 || icmp->code.v > UINT8_MAX))
		return unreadable(reading, NULL, field, -1, "%" PRId64 " is no ICMP code",
				  icmp->code.v);
	return true;
}

/* 'allowed': services may stand on this side of the direction's rules. */
static bool is_service(const struct reading *reading, const char *side,
		       const struct service_match *service, bool allowed)
{
	if (!service)
		return true;
	if (!allowed)
		return unreadable(reading, side, "services", -1,
				  "a service is the source of ingress rules or the destination of "
				  "egress rules");
	if (!is_given(service->name))
		return unreadable(reading, side, "services", -1, "a name is missing");
	if (!is_given(service->namespace) && !reading->namespace)
		return unreadable(reading, side, "services", -1,
				  "a namespace is missing, as the policy has none");
	return true;
}

static bool is_head(const struct reading *reading)
{
	const struct rule *rule = reading->rule;

	if (rule->action == RULE_ACTION_UNSET)
		return unreadable(reading, NULL, "action", -1, "there is none");
	if (rule->protocol.s && !protocol_number(&rule->protocol))
		return unreadable(reading, NULL, "protocol", -1, "%s is no protocol",
				  rule->protocol.s);
	if (rule->not_protocol.s && !protocol_number(&rule->not_protocol))
		return unreadable(reading, NULL, "notProtocol", -1, "%s is no protocol",
				  rule->not_protocol.s);
	if (rule->ip_version.set && rule->ip_version.v != 4 && rule->ip_version.v != 6)
		return unreadable(reading, NULL, "ipVersion", -1, "%" PRId64 " is no IP version",
				  rule->ip_version.v);
	return true;
}

static bool are_port_names(const struct reading *reading)
{
	struct err err = ERR_INIT;

	if (rule_check_port_names(reading->rule, &err) == 0)
		return true;
	reason_add(reading->why, NULL, "it can't be understood, so it denies: %s", err.msg);
	return false;
}

bool rule_is_readable(struct policy_world *world, const struct rule *rule, const char *namespace,
		      enum policy_direction direction, struct reason *why)
{
	const struct reading reading = {
		.world = world, .rule = rule, .namespace = namespace, .why = why};

	return is_head(&reading) && are_port_names(&reading) &&
	       is_service(&reading, "source", rule->source.services, direction == POLICY_INGRESS) &&
	       is_service(&reading, "destination", rule->destination.services,
			  direction == POLICY_EGRESS) &&
	       is_icmp(&reading, "icmp", rule->icmp) &&
	       is_icmp(&reading, "notICMP", rule->not_icmp) &&
	       is_side(&reading, "source", &rule->source) &&
	       is_side(&reading, "destination", &rule->destination);
}
