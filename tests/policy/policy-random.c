/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random worlds and packets. Values come from small pools, so that rules and packets meet often,
 * and neighbouring values (ports 80 and 81, nets that overlap) are there on purpose.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/macros.h"
#include "policy-case.h"

static const char *const namespaces[] = {"blue", "green", "red"};
static const char *const tier_names[] = {"default", "security", "platform"};
static const char *const apps[] = {"web", "db", "web-cache"};
static const char *const roles[] = {"front", "back"};
static const char *const accounts[] = {"builder", "reader"};
static const uint16_t ports[] = {22, 53, 80, 81, 443, 8080, 9090, 65535};
static const uint16_t sports[] = {1024, 1025, 40000, 50000};
static const uint8_t icmp_types[] = {0, 3, 8, 13};
static const uint8_t icmpv6_types[] = {1, 128, 129, 140};

void random_seed(struct random *random, uint64_t seed)
{
	random->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned int i = 0; i < 4; i++)
		(void)random_next(random);
}

uint64_t random_next(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

unsigned int random_below(struct random *random, unsigned int n)
{
	return (unsigned int)((random_next(random) >> 33) % n);
}

bool random_percent(struct random *random, unsigned int percent)
{
	return random_below(random, 100) < percent;
}

#define PICK(random, array) ((array)[random_below(random, ARRAY_SIZE(array))])

const char *case_namespace(unsigned int workload)
{
	return namespaces[workload % ARRAY_SIZE(namespaces)];
}

void case_interface(unsigned int workload, char ret[16])
{
	(void)snprintf(ret, 16, "cali%u", workload);
}

/* Workloads 10.10.0.1 and fd00:10::1 on, outside 192.0.2.1 and 2001:db8::1 on, the host .100. */
struct ip_addr case_address(const struct case_end *end, uint8_t family)
{
	static const char *const bases[][2] = {
		[PLACE_WORKLOAD] = {"10.10.0.1", "fd00:10::1"},
		[PLACE_OUTSIDE] = {"192.0.2.1", "2001:db8::1"},
		[PLACE_HOST] = {"192.0.2.100", "2001:db8::64"},
	};
	struct ip_addr base;

	if (ip_parse(bases[end->place][family == AF_INET ? 0 : 1], &base, NULL) < 0)
		abort();
	return ip_add(&base, end->place == PLACE_HOST ? 0 : end->index);
}

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

static json_t *random_selector(struct random *random)
{
	struct buf out = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	add_expression(random, &out, 2);
	text = buf_take(&out);
	return json_string(text);
}

/* Of namespaces: by the labels that their profiles give, and by name. */
static json_t *random_namespace_selector(struct random *random, bool in_rule)
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
	};
	static const char *const v6[] = {
		"fd00:10::/64",	 "fd00:10::/126",  "fd00:10::4/127",  "fd00:10::1/128",
		"2001:db8::/64", "2001:db8::/126", "2001:db8::4/128", "::/0",
	};

	return family == AF_INET ? PICK(random, v4) : PICK(random, v6);
}

/* 'family' 0: mixed. */
static json_t *random_nets(struct random *random, uint8_t family)
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
		json_object_set_new(side, "nets", random_nets(random, family));
	if (random_percent(random, 15))
		json_object_set_new(side, "notNets", random_nets(random, family));
	if (random_percent(random, 30))
		json_object_set_new(side, "selector", random_selector(random));
	if (random_percent(random, 12))
		json_object_set_new(side, "notSelector", random_selector(random));
	if (random_percent(random, 20))
		json_object_set_new(side, "namespaceSelector",
				    random_namespace_selector(random, /* in_rule= */ true));
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

static json_t *random_rules(struct random *random, bool profile)
{
	json_t *rules = json_array();
	unsigned int n = random_below(random, 5);

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(rules, random_rule(random, profile));
	return rules;
}

/* --- Objects ---------------------------------------------------------------------------------- */

static json_t *new_object(const char *kind, const char *namespace, const char *name, json_t *spec)
{
	json_t *object = json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion", "projectcalico.org/v3",
				   "kind", kind, "metadata", "name", name, "spec", spec);

	if (namespace)
		json_object_set_new(json_object_get(object, "metadata"), "namespace",
				    json_string(namespace));
	return object;
}

static json_t *random_labels(struct random *random)
{
	json_t *labels = json_object();

	if (random_percent(random, 80))
		json_object_set_new(labels, "app", json_string(PICK(random, apps)));
	if (random_percent(random, 60))
		json_object_set_new(labels, "role", json_string(PICK(random, roles)));
	return labels;
}

static json_t *random_named_ports(struct random *random)
{
	json_t *list = json_array();

	if (random_percent(random, 60))
		json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "name", "http", "protocol",
						      "TCP", "port", (int)PICK(random, ports)));
	if (random_percent(random, 40))
		json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "name", "dns", "protocol",
						      "UDP", "port", 53));
	if (random_percent(random, 30))
		json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "name", "metrics",
						      "protocol", "TCP", "port", 9090));
	return list;
}

static json_t *random_workload(struct random *random, unsigned int i)
{
	const struct case_end end = {PLACE_WORKLOAD, i};
	struct ip_addr v4 = case_address(&end, AF_INET);
	struct ip_addr v6 = case_address(&end, AF_INET6);
	const char *namespace = case_namespace(i);
	const char *account = PICK(random, accounts);
	_cleanup_free_ char *kns = xasprintf("kns.%s", namespace);
	_cleanup_free_ char *ksa = xasprintf("ksa.%s.%s", namespace, account);
	_cleanup_free_ char *name = xasprintf("%s-k8s-pod%u-eth0", CASE_NODE, i);
	_cleanup_free_ char *pod = xasprintf("pod%u", i);
	char interface[16];
	json_t *labels = random_labels(random);
	json_t *spec;
	json_t *object;

	case_interface(i, interface);
	json_object_set_new(labels, "projectcalico.org/namespace", json_string(namespace));
	json_object_set_new(labels, "projectcalico.org/orchestrator", json_string("k8s"));
	json_object_set_new(labels, "projectcalico.org/serviceaccount", json_string(account));
	spec = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[s, s], s:[s, s], s:o}", "orchestrator",
			 "k8s", "node", CASE_NODE, "pod", pod, "endpoint", "eth0", "interfaceName",
			 interface, "serviceAccountName", account, "ipNetworks",
			 cidr_format(&(struct cidr){v4, 32}).s,
			 cidr_format(&(struct cidr){v6, 128}).s, "profiles", kns, ksa, "ports",
			 random_named_ports(random));
	object = new_object("WorkloadEndpoint", namespace, name, spec);
	json_object_set_new(json_object_get(object, "metadata"), "labels", labels);
	return object;
}

static void add_profiles(struct random *random, json_t *objects)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(namespaces); i++) {
		_cleanup_free_ char *name = xasprintf("kns.%s", namespaces[i]);
		bool plain = random_percent(random, 75);
		json_t *allow = json_pack("[{s:s}]", "action", "Allow");
		json_t *spec = json_object();
		json_t *labels = json_pack("{s:s}", "pcns.projectcalico.org/name", namespaces[i]);

		if (random_percent(random, 70))
			json_object_set_new(
				labels, "pcns.team",
				json_string(random_percent(random, 50) ? "one" : "two"));
		json_object_set_new(spec, "labelsToApply", labels);
		json_object_set(spec, "ingress", plain ? allow : NULL);
		json_object_set(spec, "egress", plain ? allow : NULL);
		json_decref(allow);
		if (!plain) {
			json_object_set_new(spec, "ingress", random_rules(random, true));
			json_object_set_new(spec, "egress", random_rules(random, true));
		}
		json_array_append_new(objects, new_object("Profile", NULL, name, spec));
		for (unsigned int k = 0; k < ARRAY_SIZE(accounts); k++) {
			_cleanup_free_ char *ksa =
				xasprintf("ksa.%s.%s", namespaces[i], accounts[k]);
			const char *trust = random_percent(random, 50) ? "high" : "low";

			json_array_append_new(
				objects,
				new_object("Profile", NULL, ksa,
					   json_pack("{s:{s:s, s:s}}", "labelsToApply",
						     "pcsa.trust", trust,
						     "pcsa.projectcalico.org/name", accounts[k])));
		}
	}
}

static void add_network_sets(struct random *random, json_t *objects)
{
	for (unsigned int i = 0; i < 3; i++) {
		_cleanup_free_ char *name = xasprintf("set%u", i);
		bool global = random_percent(random, 50);
		json_t *object = new_object(global ? "GlobalNetworkSet" : "NetworkSet",
					    global ? NULL : PICK(random, namespaces), name,
					    json_pack("{s:o}", "nets", random_nets(random, 0)));

		json_object_set_new(json_object_get(object, "metadata"), "labels",
				    random_labels(random));
		json_array_append_new(objects, object);
	}
}

static void add_tiers(struct random *random, json_t *objects)
{
	for (unsigned int i = 1; i < ARRAY_SIZE(tier_names); i++) {
		json_t *spec = json_object();

		if (random_percent(random, 80))
			json_object_set_new(spec, "order",
					    json_integer(100 * random_below(random, 3)));
		if (random_percent(random, 50))
			json_object_set_new(
				spec, "defaultAction",
				json_string(random_percent(random, 60) ? "Pass" : "Deny"));
		json_array_append_new(objects, new_object("Tier", NULL, tier_names[i], spec));
	}
}

static void add_types(struct random *random, json_t *spec)
{
	switch (random_below(random, 6)) {
	case 0:
		json_object_set_new(spec, "types", json_pack("[s]", "Ingress"));
		return;
	case 1:
		json_object_set_new(spec, "types", json_pack("[s]", "Egress"));
		return;
	case 2:
		json_object_set_new(spec, "types", json_pack("[s, s]", "Ingress", "Egress"));
		return;
	default: /* left to the defaulting */
		return;
	}
}

/* Where host endpoints' policies act: at most one of the three. */
static void add_stage(struct random *random, json_t *spec)
{
	switch (random_below(random, 8)) {
	case 0:
		json_object_set_new(spec, "applyOnForward", json_true());
		return;
	case 1:
		json_object_set_new(spec, "applyOnForward", json_true());
		json_object_set_new(spec, "preDNAT", json_true());
		json_object_del(spec, "egress");
		json_object_set_new(spec, "types", json_pack("[s]", "Ingress"));
		return;
	case 2:
		json_object_set_new(spec, "applyOnForward", json_true());
		json_object_set_new(spec, "doNotTrack", json_true());
		return;
	default:
		return;
	}
}

/* What the API refuses and no dataplane can match; a program may write it past all checks. */
static void spoil_rule(struct random *random, json_t *rule)
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

/* Such a policy is marked, since all others must be valid. */
static void spoil_some(struct random *random, json_t *object)
{
	static const char *const directions[] = {"ingress", "egress"};
	json_t *rules = json_object_get(json_object_get(object, "spec"), PICK(random, directions));

	if (!json_array_size(rules) || !random_percent(random, 8))
		return;
	spoil_rule(
		random,
		json_array_get(rules, random_below(random, (unsigned int)json_array_size(rules))));
	json_object_set_new(json_object_get(object, "metadata"), "annotations",
			    json_pack("{s:s}", CASE_UNCHECKED, ""));
}

static json_t *random_policy(struct random *random, unsigned int i)
{
	bool global = random_percent(random, 50);
	bool staged = random_percent(random, 10);
	const char *tier = random_percent(random, 50) ? "default" : PICK(random, tier_names);
	const char *kind = global ? (staged ? "StagedGlobalNetworkPolicy" : "GlobalNetworkPolicy")
				  : (staged ? "StagedNetworkPolicy" : "NetworkPolicy");
	_cleanup_free_ char *name = xasprintf("%s.policy%u", tier, i);
	json_t *spec = json_object();
	json_t *object;

	json_object_set_new(spec, "tier", json_string(tier));
	if (random_percent(random, 80))
		json_object_set_new(spec, "order", json_integer(10 * random_below(random, 4)));
	if (random_percent(random, 70))
		json_object_set_new(spec, "selector", random_selector(random));
	if (global && random_percent(random, 25))
		json_object_set_new(spec, "namespaceSelector",
				    random_namespace_selector(random, /* in_rule= */ false));
	if (random_percent(random, 10))
		json_object_set_new(spec, "serviceAccountSelector", json_string("trust == 'high'"));
	if (random_percent(random, 75))
		json_object_set_new(spec, "ingress", random_rules(random, false));
	if (random_percent(random, 60))
		json_object_set_new(spec, "egress", random_rules(random, false));
	add_types(random, spec);
	if (global)
		add_stage(random, spec);
	object = new_object(kind, global ? NULL : PICK(random, namespaces), name, spec);
	spoil_some(random, object);
	return object;
}

static void add_host_endpoint(struct random *random, const char *name, const char *interface,
			      json_t *objects)
{
	json_t *object =
		new_object("HostEndpoint", NULL, name,
			   json_pack("{s:s, s:s, s:[s, s]}", "node", CASE_NODE, "interfaceName",
				     interface, "expectedIPs", "192.0.2.100", "2001:db8::64"));

	json_object_set_new(json_object_get(object, "metadata"), "labels", random_labels(random));
	if (random_percent(random, 40))
		json_object_set_new(json_object_get(object, "spec"), "profiles",
				    json_pack("[s]", "open"));
	json_array_append_new(objects, object);
}

/* One for the uplink, one for all interfaces, both or none. */
static void add_host_endpoints(struct random *random, json_t *objects)
{
	unsigned int dice = random_below(random, 100);

	if (dice < 45)
		return;
	json_array_append_new(objects,
			      new_object("Profile", NULL, "open",
					 json_pack("{s:[{s:s}], s:[{s:s}]}", "ingress", "action",
						   "Allow", "egress", "action", "Allow")));
	if (dice < 85)
		add_host_endpoint(random, "uplink", "eth0", objects);
	if (dice >= 70)
		add_host_endpoint(random, "all", "*", objects);
}

json_t *case_random_objects(struct random *random)
{
	json_t *objects = json_array();
	unsigned int n = 1 + random_below(random, 8);

	for (unsigned int i = 0; i < CASE_WORKLOADS; i++)
		json_array_append_new(objects, random_workload(random, i));
	add_profiles(random, objects);
	add_network_sets(random, objects);
	add_tiers(random, objects);
	add_host_endpoints(random, objects);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int dice = random_below(random, 100);

		json_array_append_new(objects, dice < 20 ? case_random_kubernetes_policy(random, i)
					       : dice < 30 ? case_random_cluster_policy(random, i)
							   : random_policy(random, i));
	}
	return objects;
}

/* --- Packets ---------------------------------------------------------------------------------- */

static struct case_end random_end(struct random *random)
{
	unsigned int dice = random_below(random, 100);

	if (dice < 65)
		return (struct case_end){PLACE_WORKLOAD, random_below(random, CASE_WORKLOADS)};
	if (dice < 90)
		return (struct case_end){PLACE_OUTSIDE, random_below(random, CASE_OUTSIDES)};
	return (struct case_end){PLACE_HOST, 0};
}

/* The outside does not reach itself through the node, nor does anybody send to himself. */
static bool is_sensible(const struct case_packet *packet)
{
	return packet->from.place != packet->to.place ||
	       (packet->from.place == PLACE_WORKLOAD && packet->from.index != packet->to.index);
}

/*
 * Without ports, a packet in the other direction would be the answer in a connection that was
 * allowed: of each two ends only one speaks GRE to the other.
 */
static void order_ends(struct case_packet *packet)
{
	struct case_end from = packet->from;

	if (packet->protocol != IPPROTO_GRE ||
	    from.place * CASE_WORKLOADS + from.index <
		    packet->to.place * CASE_WORKLOADS + packet->to.index)
		return;
	packet->from = packet->to;
	packet->to = from;
}

void case_random_packet(struct random *random, struct case_packet *ret)
{
	static const uint8_t protocols[] = {IPPROTO_TCP,  IPPROTO_TCP,	IPPROTO_UDP,  IPPROTO_UDP,
					    IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMP, IPPROTO_GRE};

	*ret = (struct case_packet){0};
	do {
		ret->from = random_end(random);
		ret->to = random_end(random);
	} while (!is_sensible(ret));
	ret->family = random_percent(random, 50) ? AF_INET : AF_INET6;
	ret->protocol = PICK(random, protocols);
	if (ret->protocol == IPPROTO_ICMP && ret->family == AF_INET6)
		ret->protocol = IPPROTO_ICMPV6;
	order_ends(ret);
	ret->sport = PICK(random, sports);
	ret->dport = PICK(random, ports);
	ret->icmp_type =
		ret->family == AF_INET ? PICK(random, icmp_types) : PICK(random, icmpv6_types);
	ret->icmp_code = (uint8_t)random_below(random, 2);
}

static void print_end(const struct case_end *end, uint8_t family, FILE *out)
{
	struct ip_addr addr = case_address(end, family);

	if (end->place == PLACE_WORKLOAD)
		(void)fprintf(out, "pod%u (%s)", end->index, ip_format(&addr).s);
	else
		(void)fprintf(out, "%s (%s)", end->place == PLACE_HOST ? "host" : "outside",
			      ip_format(&addr).s);
}

void case_print_packet(const struct case_packet *packet, FILE *out)
{
	print_end(&packet->from, packet->family, out);
	(void)fputs(" -> ", out);
	print_end(&packet->to, packet->family, out);
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
		(void)fprintf(out, " protocol %u type %u code %u\n", packet->protocol,
			      packet->icmp_type, packet->icmp_code);
	else
		(void)fprintf(out, " protocol %u port %u to %u\n", packet->protocol, packet->sport,
			      packet->dport);
}
