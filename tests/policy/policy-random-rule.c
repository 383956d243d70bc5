/* SPDX-License-Identifier: Apache-2.0 */

/* Random rules, and what they are made of. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "policy-pool.h"

/* --- Selectors -------------------------------------------------------------------------------- */

static void add_term(struct random *random, struct buf *out)
{
	switch (random_below(random, 10)) {
	case 0:
		buf_addf(out, "app == '%s'", PICK(random, apps));
		return;
	case 1:
		buf_addf(out, "app != '%s'", PICK(random, apps));
		return;
	case 2:
		buf_addf(out, "role in {'%s', '%s'}", PICK(random, roles), PICK(random, apps));
		return;
	case 3:
		buf_addf(out, "role not in {'%s'}", PICK(random, roles));
		return;
	case 4:
		buf_adds(out, "has(role)");
		return;
	case 5:
		buf_adds(out, "!has(app)");
		return;
	case 6:
		buf_adds(out, "app starts with 'web'");
		return;
	case 7:
		buf_adds(out, "app ends with 'cache'");
		return;
	case 8:
		buf_adds(out, "app contains 'b'");
		return;
	default:
		buf_adds(out, "all()");
		return;
	}
}

static void add_expression(struct random *random, struct buf *out, unsigned int depth)
{
	if (depth == 0 || random_percent(random, 60)) {
		add_term(random, out);
		return;
	}
	buf_adds(out, random_percent(random, 20) ? "!(" : "(");
	add_expression(random, out, depth - 1);
	buf_adds(out, random_percent(random, 50) ? " && " : " || ");
	add_expression(random, out, depth - 1);
	buf_adds(out, ")");
}

json_t *case_random_selector(struct random *random)
{
	struct buf out = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	add_expression(random, &out, 2);
	text = buf_take(&out);
	return json_string(text);
}

/* Of namespaces: by the labels that their profiles give, and by name. */
json_t *case_random_namespace_selector(struct random *random, bool in_rule)
{
	static const char *const texts[] = {
		"all()",
		"team == 'one'",
		"team != 'one'",
		"projectcalico.org/name == 'blue'",
		"projectcalico.org/name in {'green', 'red'}",
		"has(team)",
	};

	if (in_rule && random_percent(random, 15))
		return json_string("global()");
	return json_string(PICK(random, texts));
}

/* --- Rules ------------------------------------------------------------------------------------ */

static const char *random_net(struct random *random, uint8_t family)
{
	static const char *const v4[] = {
		"10.10.0.0/24", "10.10.0.0/30", "10.10.0.4/31", "10.10.0.1/32", "10.10.0.3/32",
		"192.0.2.0/24", "192.0.2.0/30", "192.0.2.4/32", "0.0.0.0/0",	"10.0.0.0/8",
		"10.96.0.0/24", "10.96.0.0/30", "10.96.0.9/32",
	};
	static const char *const v6[] = {
		"fd00:10::/64",	 "fd00:10::/126",  "fd00:10::4/127",  "fd00:10::1/128",
		"2001:db8::/64", "2001:db8::/126", "2001:db8::4/128", "::/0",
		"fd00:96::/112", "fd00:96::/126",  "fd00:96::9/128",
	};

	return family == AF_INET ? PICK(random, v4) : PICK(random, v6);
}

/* 'family' 0: mixed. */
json_t *case_random_nets(struct random *random, uint8_t family)
{
	json_t *nets = json_array();
	unsigned int n = 1 + random_below(random, 3);

	for (unsigned int i = 0; i < n; i++) {
		uint8_t f = family ? family : random_percent(random, 50) ? AF_INET : AF_INET6;

		json_array_append_new(nets, json_string(random_net(random, f)));
	}
	return nets;
}

static json_t *random_ports(struct random *random)
{
	static const char *const names[] = {"http", "dns", "metrics"};
	static const char *const ranges[] = {"80:81", "1:1024", "443:8080", "1:65535"};
	json_t *list = json_array();
	unsigned int n = 1 + random_below(random, 3);

	for (unsigned int i = 0; i < n; i++) {
		if (random_percent(random, 25))
			json_array_append_new(list, json_string(PICK(random, names)));
		else if (random_percent(random, 30))
			json_array_append_new(list, json_string(PICK(random, ranges)));
		else
			json_array_append_new(list, json_integer(PICK(random, ports)));
	}
	return list;
}

static json_t *random_accounts(struct random *random)
{
	if (random_percent(random, 50))
		return json_pack("{s:[s]}", "names", PICK(random, accounts));
	return json_pack("{s:s}", "selector",
			 random_percent(random, 50) ? "trust == 'high'" : "has(trust)");
}

static json_t *random_side(struct random *random, uint8_t family, bool has_ports)
{
	json_t *side = json_object();

	if (random_percent(random, 25))
		json_object_set_new(side, "nets", case_random_nets(random, family));
	if (random_percent(random, 15))
		json_object_set_new(side, "notNets", case_random_nets(random, family));
	if (random_percent(random, 30))
		json_object_set_new(side, "selector", case_random_selector(random));
	if (random_percent(random, 12))
		json_object_set_new(side, "notSelector", case_random_selector(random));
	if (random_percent(random, 20))
		json_object_set_new(side, "namespaceSelector",
				    case_random_namespace_selector(random, /* in_rule= */ true));
	if (random_percent(random, 10))
		json_object_set_new(side, "serviceAccounts", random_accounts(random));
	if (has_ports && random_percent(random, 40))
		json_object_set_new(side, "ports", random_ports(random));
	if (has_ports && random_percent(random, 15))
		json_object_set_new(side, "notPorts", random_ports(random));
	return side;
}

static json_t *random_icmp(struct random *random, bool v6)
{
	json_t *icmp = json_object();

	json_object_set_new(
		icmp, "type",
		json_integer(v6 ? PICK(random, icmpv6_types) : PICK(random, icmp_types)));
	if (random_percent(random, 40))
		json_object_set_new(icmp, "code", json_integer(random_below(random, 2)));
	return icmp;
}

static uint8_t random_protocol_match(struct random *random, json_t *rule, bool *ret_ports)
{
	static const struct {
		const char *name;
		int number;
		uint8_t family;
		bool ports;
	} protocols[] = {
		{"TCP", 6, 0, true},	     {"TCP", 6, 0, true},
		{"UDP", 17, 0, true},	     {"SCTP", 132, 0, true},
		{"ICMP", 1, AF_INET, false}, {"ICMPv6", 58, AF_INET6, false},
		{NULL, 47, 0, false},
	};
	unsigned int i = random_below(random, ARRAY_SIZE(protocols));
	bool v6 = protocols[i].family == AF_INET6;

	*ret_ports = protocols[i].ports;
	if (!protocols[i].name || random_percent(random, 20))
		json_object_set_new(rule, "protocol", json_integer(protocols[i].number));
	else
		json_object_set_new(rule, "protocol", json_string(protocols[i].name));
	if (protocols[i].family && random_percent(random, 60))
		json_object_set_new(rule, random_percent(random, 75) ? "icmp" : "notICMP",
				    random_icmp(random, v6));
	return protocols[i].family;
}

static json_t *random_rule(struct random *random, bool profile)
{
	static const char *const actions[] = {"Allow", "Allow", "Deny", "Deny", "Pass", "Log"};
	json_t *rule = json_object();
	const char *action = PICK(random, actions);
	uint8_t family = 0;
	bool has_ports = false;

	if (profile && strcmp(action, "Pass") == 0)
		action = "Allow";
	json_object_set_new(rule, "action", json_string(action));
	if (random_percent(random, 65))
		family = random_protocol_match(random, rule, &has_ports);
	else if (random_percent(random, 15))
		json_object_set_new(rule, "notProtocol",
				    random_percent(random, 50) ? json_string("TCP")
							       : json_integer(17));
	if (!family && random_percent(random, 15)) {
		family = random_percent(random, 50) ? AF_INET : AF_INET6;
		json_object_set_new(rule, "ipVersion", json_integer(family == AF_INET ? 4 : 6));
	}
	if (random_percent(random, 70))
		json_object_set_new(rule, "source", random_side(random, family, has_ports));
	if (random_percent(random, 70))
		json_object_set_new(rule, "destination", random_side(random, family, has_ports));
	return rule;
}

json_t *case_random_rules(struct random *random, bool profile)
{
	json_t *rules = json_array();
	unsigned int n = random_below(random, 5);

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(rules, random_rule(random, profile));
	return rules;
}

/* Some rules for services, or for what they stand for: only before translation are these two. */
void case_tell_services(struct random *random, json_t *rules)
{
	size_t i;
	json_t *rule;

	json_array_foreach(rules, i, rule)
	{
		const char *action = json_string_value(json_object_get(rule, "action"));
		const char *field = random_percent(random, 70) ? "nets" : "notNets";
		const char *net = random_percent(random, 50) ? "10.96.0.0/24" : "fd00:96::/112";

		if (random_percent(random, 50))
			json_array_set_new(rules, i,
					   json_pack("{s:s, s:{s:[s]}}", "action", action,
						     "destination", field, net));
	}
}

/* What the API refuses and no dataplane can match; a program may write it past all checks. */
void case_spoil_rule(struct random *random, json_t *rule)
{
	static const char *const fields[] = {
		"\"protocol\": \"TCP\", \"icmp\": {}",
		"\"protocol\": 17, \"notICMP\": {}",
		"\"icmp\": {}",
		"\"notICMP\": {}",
		"\"icmp\": {\"type\": 8}",
		"\"protocol\": \"TCP\", \"notICMP\": {\"type\": 8}",
		"\"protocol\": \"ICMP\", \"icmp\": {\"code\": 1}",
		"\"protocol\": \"ICMPv6\", \"notICMP\": {\"code\": 1}",
		"\"protocol\": \"ICMP\", \"icmp\": {\"type\": 255}",
		"\"protocol\": \"ICMP\", \"icmp\": {\"type\": 8, \"code\": 256}",
		"\"protocol\": \"ICMP\", \"notICMP\": {\"type\": -1}",
		"\"protocol\": \"IGMP\"",
		"\"notProtocol\": \"0\"",
		"\"protocol\": 256",
		"\"ipVersion\": 5",
		"\"ipVersion\": 6, \"protocol\": \"ICMP\"",
		"\"ipVersion\": 6, \"notProtocol\": \"ICMP\"",
		"\"source\": {\"nets\": [\"10.10.0.0/40\"]}",
		"\"destination\": {\"notNets\": [\"here\"]}",
		"\"destination\": {\"ports\": [80]}",
		"\"protocol\": \"ICMP\", \"source\": {\"notPorts\": [80]}",
		"\"protocol\": \"TCP\", \"destination\": {\"ports\": [\"81:80\"]}",
		"\"protocol\": \"TCP\", \"destination\": {\"ports\": [\"a b\"]}",
		"\"source\": {\"selector\": \"app in (\"}",
		"\"destination\": {\"notSelector\": \"((\"}",
		"\"source\": {\"namespaceSelector\": \"has(\"}",
	};
	_cleanup_free_ char *text = xasprintf("{%s}", PICK(random, fields));
	json_t *bad = json_loads(text, 0, NULL);

	for (const char *const *i = (const char *const[]){"protocol", "notProtocol", "icmp",
							  "notICMP", "ipVersion", NULL};
	     *i; i++)
		json_object_del(rule, *i);
	json_object_update(rule, bad);
	json_decref(bad);
}
