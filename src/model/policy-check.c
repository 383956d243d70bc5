/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules across the fields of a rule: what needs a protocol, what excludes what. Each field by
 * itself has passed its table's checks before. Messages begin with the field's path.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/ip.h"
#include "base/macros.h"
#include "base/parse.h"
#include "model/model-check.h"
#include "model/policy-rule.h"
#include "model/selector-syntax.h"

#define PATH_SIZE 64

/* Where a rule stands, and one side of it. */
struct rule_place {
	const char *list; /* "ingress", "egress" */
	size_t index;
	const struct rule *rule;
	const char *side; /* "source", "destination" */
	bool namespaced;  /* it is of a policy that has a namespace */
};

static struct rule_place side_of(const struct rule_place *place, const char *side)
{
	struct rule_place copy = *place;

	copy.side = side;
	return copy;
}

struct path {
	char s[PATH_SIZE];
};

static struct path path_of(const struct rule_place *place, const char *field)
{
	struct path path;

	(void)snprintf(path.s, sizeof(path.s), "spec.%s[%zu]%s%s%s%s", place->list, place->index,
		       place->side ? "." : "", place->side ? place->side : "", field ? "." : "",
		       field ? field : "");
	return path;
}

uint8_t protocol_number(const struct int_or_string *protocol)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {
		{"ICMP", 1},	{"TCP", 6},    {"UDP", 17},
		{"ICMPv6", 58}, {"SCTP", 132}, {"UDPLite", 136},
	};
	uint64_t number;

	if (!protocol->s)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, protocol->s) == 0)
			return names[i].number;
	return parse_u64(protocol->s, 1, UINT8_MAX, &number, NULL) == 0 ? (uint8_t)number : 0;
}

#define PROTOCOL_ICMP	1
#define PROTOCOL_TCP	6
#define PROTOCOL_UDP	17
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_SCTP	132

/* '*ret_uses': SELECTOR_USES_*; none of an absent selector. */
static int check_selector(const char *selector, const char *field, unsigned int *ret_uses,
			  struct err *err)
{
	int r;

	*ret_uses = 0;
	if (!selector)
		return 0;
	r = selector_syntax_check(selector, ret_uses, err);
	return r < 0 ? err_prefix(err, r, "%s", field) : 0;
}

int selector_validate_plain(const char *selector, const char *field, struct err *err)
{
	unsigned int uses;
	int r;

	r = check_selector(selector, field, &uses, err);
	if (r < 0)
		return r;
	if (uses & SELECTOR_USES_GLOBAL)
		return err_set(
			err, -EINVAL,
			"%s: global() has a meaning only in the namespaceSelector of a rule's "
			"source or destination",
			field);
	return 0;
}

/* global() stands alone. */
static int check_namespace_selector(const char *selector, const char *field, struct err *err)
{
	static const char global[] = "global()";
	const size_t len = sizeof(global) - 1;
	const char *begin;
	unsigned int uses;
	int r;

	r = check_selector(selector, field, &uses, err);
	if (r < 0 || !(uses & SELECTOR_USES_GLOBAL))
		return r;
	begin = selector + strspn(selector, " \t");
	if (strncmp(begin, global, len) != 0 || begin[len + strspn(begin + len, " \t")])
		return err_set(err, -EINVAL, "%s: global() can't be combined; write it alone",
			       field);
	return 0;
}

/* A name may stand without a protocol: then it is one of TCP. */
static int check_ports(const struct rule_place *place, const char *field,
		       const struct int_or_string_list *ports, struct err *err)
{
	uint8_t protocol = protocol_number(&place->rule->protocol);
	bool has_ports =
		protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
	uint16_t first;
	uint16_t last;

	for (size_t i = 0; i < ports->n; i++) {
		int r = model_check_port(ports->v[i].s ? ports->v[i].s : "", &first, &last, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", path_of(place, field).s, i);
		if (!has_ports && (r == 0 || place->rule->protocol.s))
			return err_set(
				err, -EINVAL,
				"%s: ports need the rule's protocol to be TCP, UDP or SCTP; it is "
				"%s (without one a name of a port is of TCP)",
				path_of(place, field).s,
				place->rule->protocol.s ? place->rule->protocol.s : "absent");
	}
	return 0;
}

static int check_nets(const struct rule_place *place, const char *field,
		      const struct str_list *nets, struct err *err)
{
	const struct opt_int *version = &place->rule->ip_version;

	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;
		int r = cidr_parse(nets->v[i], &cidr, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", path_of(place, field).s, i);
		if (version->set && ip_version(cidr.addr.family) != (unsigned int)version->v)
			return err_set(err, -EINVAL,
				       "%s[%zu]: %s is not of ipVersion %" PRId64
				       "; make a rule for each "
				       "version",
				       path_of(place, field).s, i, nets->v[i], version->v);
	}
	return 0;
}

static int check_services(const struct rule_place *place, const struct entity_rule *side,
			  struct err *err)
{
	const char *right = strcmp(place->list, "ingress") == 0 ? "source" : "destination";

	if (!side->services)
		return 0;
	if (strcmp(place->side, right) != 0)
		return err_set(
			err, -EINVAL,
			"%s: allowed only in the source of ingress rules and the destination of "
			"egress rules",
			path_of(place, "services").s);
	if (!side->services->name || !*side->services->name)
		return err_set(err, -EINVAL, "%s.name: must be there",
			       path_of(place, "services").s);
	if (!place->namespaced && (!side->services->namespace || !*side->services->namespace))
		return err_set(err, -EINVAL, "%s.namespace: must be there, as the policy has none",
			       path_of(place, "services").s);
	if (side->ports.n || side->not_ports.n || side->nets.n || side->not_nets.n ||
	    (side->selector && *side->selector) || (side->not_selector && *side->not_selector) ||
	    (side->namespace_selector && *side->namespace_selector) || side->service_accounts)
		return err_set(err, -EINVAL,
			       "%s: a service stands alone; remove ports, nets, selectors and "
			       "serviceAccounts beside it",
			       path_of(place, "services").s);
	return 0;
}

static int check_selectors(const struct rule_place *place, const struct entity_rule *side,
			   struct err *err)
{
	int r = selector_validate_plain(side->selector, path_of(place, "selector").s, err);

	if (r == 0)
		r = selector_validate_plain(side->not_selector, path_of(place, "notSelector").s,
					    err);
	if (r == 0)
		r = check_namespace_selector(side->namespace_selector,
					     path_of(place, "namespaceSelector").s, err);
	if (r == 0 && side->service_accounts)
		r = selector_validate_plain(side->service_accounts->selector,
					    path_of(place, "serviceAccounts.selector").s, err);
	return r;
}

static int check_side(const struct rule_place *place, const struct entity_rule *side,
		      struct err *err)
{
	int r = check_selectors(place, side, err);

	if (r == 0)
		r = check_ports(place, "ports", &side->ports, err);
	if (r == 0)
		r = check_ports(place, "notPorts", &side->not_ports, err);
	if (r == 0)
		r = check_nets(place, "nets", &side->nets, err);
	if (r == 0)
		r = check_nets(place, "notNets", &side->not_nets, err);
	if (r == 0)
		r = check_services(place, side, err);
	return r;
}

static int check_icmp(const struct rule_place *place, const char *field,
		      const struct icmp_match *icmp, struct err *err)
{
	uint8_t protocol = protocol_number(&place->rule->protocol);

	if (!icmp)
		return 0;
	if (protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6)
		return err_set(err, -EINVAL,
			       "%s: needs the rule's protocol to be ICMP or ICMPv6; it is %s",
			       path_of(place, field).s,
			       place->rule->protocol.s ? place->rule->protocol.s : "absent");
	if (icmp->code.set && !icmp->type.set)
		return err_set(err, -EINVAL, "%s.code: needs a type beside it",
			       path_of(place, field).s);
	return 0;
}

static int check_version(const struct rule_place *place, struct err *err)
{
	const struct opt_int *version = &place->rule->ip_version;
	const struct {
		const char *field;
		const struct int_or_string *protocol;
	} fields[] = {
		{"protocol", &place->rule->protocol},
		{"notProtocol", &place->rule->not_protocol},
	};

	if (!version->set)
		return 0;
	if (version->v != 4 && version->v != 6)
		return err_set(err, -EINVAL, "%s: %" PRId64 " is not an IP version; write 4 or 6",
			       path_of(place, "ipVersion").s, version->v);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint8_t protocol = protocol_number(fields[i].protocol);

		if ((protocol == PROTOCOL_ICMP && version->v != 4) ||
		    (protocol == PROTOCOL_ICMPV6 && version->v != 6))
			return err_set(err, -EINVAL,
				       "%s: %s is not a protocol of IP version %" PRId64,
				       path_of(place, fields[i].field).s, fields[i].protocol->s,
				       version->v);
	}
	return 0;
}

static int check_http(const struct rule_place *place, struct err *err)
{
	const struct http_match *http = place->rule->http;

	if (!http)
		return 0;
	if (strcmp(place->list, "egress") == 0)
		return err_set(err, -EINVAL, "%s: not allowed in egress rules",
			       path_of(place, "http").s);
	if (place->rule->action != RULE_ACTION_ALLOW)
		return err_set(err, -EINVAL, "%s: allowed only with action Allow",
			       path_of(place, "http").s);
	if (place->rule->protocol.s && protocol_number(&place->rule->protocol) != PROTOCOL_TCP)
		return err_set(err, -EINVAL, "%s: needs protocol TCP; it is %s",
			       path_of(place, "http").s, place->rule->protocol.s);
	for (size_t i = 0; i < http->paths.n; i++)
		if (!http->paths.v[i].exact == !http->paths.v[i].prefix)
			return err_set(err, -EINVAL, "%s[%zu]: needs one of exact and prefix",
				       path_of(place, "http.paths").s, i);
	return 0;
}

static size_t count_names(const struct int_or_string_list *ports)
{
	uint16_t first;
	uint16_t last;
	size_t n = 0;

	for (size_t i = 0; i < ports->n; i++)
		n += ports->v[i].s && model_check_port(ports->v[i].s, &first, &last, NULL) == 1;
	return n;
}

int rule_check_port_names(const struct rule *rule, struct err *err)
{
	size_t n_source = count_names(&rule->source.ports);
	size_t n_destination = count_names(&rule->destination.ports);
	size_t n_not =
		count_names(&rule->source.not_ports) + count_names(&rule->destination.not_ports);

	if (n_not > RULE_NOT_PORT_NAMES_MAX)
		return err_set(err, -EINVAL,
			       "notPorts: source and destination have at most %d names together, "
			       "not %zu",
			       RULE_NOT_PORT_NAMES_MAX, n_not);
	/* Neither factor passes MODEL_LIST_MAX, so they can't overflow. */
	if (n_source * n_destination > RULE_PORT_NAME_PAIRS_MAX)
		return err_set(err, -EINVAL,
			       "ports: %zu names of the source with %zu of the destination make "
			       "more than %d pairs; make more rules",
			       n_source, n_destination, RULE_PORT_NAME_PAIRS_MAX);
	return 0;
}

static int check_rule(const struct rule_place *place, struct err *err)
{
	struct rule_place source = side_of(place, "source");
	struct rule_place destination = side_of(place, "destination");
	int r = check_version(place, err);

	if (r == 0)
		r = check_icmp(place, "icmp", place->rule->icmp, err);
	if (r == 0)
		r = check_icmp(place, "notICMP", place->rule->not_icmp, err);
	if (r == 0)
		r = check_http(place, err);
	if (r == 0)
		r = check_side(&source, &place->rule->source, err);
	if (r == 0)
		r = check_side(&destination, &place->rule->destination, err);
	if (r < 0)
		return r;
	r = rule_check_port_names(place->rule, err);
	return r < 0 ? err_prefix(err, r, "%s", path_of(place, NULL).s) : 0;
}

int rules_validate(const struct rule_list *ingress, const struct rule_list *egress, bool namespaced,
		   struct err *err)
{
	const struct {
		const char *name;
		const struct rule_list *rules;
	} lists[] = {{"ingress", ingress}, {"egress", egress}};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		for (size_t i = 0; i < lists[k].rules->n; i++) {
			struct rule_place place = {.list = lists[k].name,
						   .index = i,
						   .rule = &lists[k].rules->v[i],
						   .namespaced = namespaced};
			int r = check_rule(&place, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
