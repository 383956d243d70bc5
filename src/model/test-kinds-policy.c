/* SPDX-License-Identifier: Apache-2.0 */

/* The policy kinds: what goes in comes out, and every rule has an object that breaks it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/felix-configuration.h"
#include "model/kinds-policy.h"

static struct object *read_spec(const char *kind, const char *name, const char *spec)
{
	const struct kind_desc *desc = kind_find(kind);
	_cleanup_free_ char *text = NULL;
	struct object *object = NULL;
	struct err err = ERR_INIT;

	assert_non_null(desc);
	text = xasprintf("{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"%s\","
			 "\"metadata\":{\"name\":\"%s\"%s},\"spec\":%s}",
			 desc->name, name, desc->namespaced ? ",\"namespace\":\"ns\"" : "", spec);
	if (model_read_json(text, strlen(text), MODEL_STRICT, "test", &object, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return object;
}

struct rule_case {
	const char *spec;
	const char *message; /* part of it; NULL: right */
};

static void check_cases(const char *kind, const char *name, const struct rule_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(model_freep) struct object *object = read_spec(kind, name, cases[i].spec);
		struct err err = ERR_INIT;
		int r = model_validate(object, &err);

		if (!cases[i].message && r != 0)
			fail_msg("%s refused: %s", cases[i].spec, err.msg);
		if (cases[i].message && r == 0)
			fail_msg("%s accepted", cases[i].spec);
		if (cases[i].message && !strstr(err.msg, cases[i].message))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].spec, err.msg,
				 cases[i].message);
	}
}

static void test_rules(void **state)
{
	static const char *const rules[][2] = {
		{"{'action':'Allow'}", NULL},
		{"{'action':'Pass','protocol':'TCP','destination':{'ports':[80,'1:2','http']}}",
		 NULL},
		{"{'action':'Allow','protocol':6,'source':{'notPorts':[80]}}", NULL},
		{"{}", "ingress[0].action"},
		{"{'action':'Allow','destination':{'ports':[80]}}", "protocol"},
		{"{'action':'Allow','protocol':'ICMP','destination':{'ports':['http']}}", "ports"},
		{"{'action':'Allow','destination':{'ports':['http','sql']}}", NULL},
		{"{'action':'Allow','source':{'notPorts':['http']}}", NULL},
		{"{'action':'Allow','destination':{'ports':['http',80]}}", "protocol"},
		{"{'action':'Allow','notProtocol':'UDP','source':{'notPorts':['1:2']}}",
		 "notPorts"},
		{"{'action':'Allow','protocol':'UDPLite','source':{'notPorts':[1]}}", "notPorts"},
		{"{'action':'Allow','protocol':'TCP','source':{'ports':[0]}}", "ports[0]"},
		{"{'action':'Allow','protocol':'TCP','source':{'ports':['2:1']}}", "ports[0]"},
		{"{'action':'Allow','protocol':'TCP','source':{'ports':[70000]}}", "ports[0]"},
		{"{'action':'Allow','protocol':'GRE'}", "protocol"},
		{"{'action':'Allow','protocol':0}", "protocol"},
		{"{'action':'Allow','ipVersion':5}", "ipVersion"},
		{"{'action':'Allow','ipVersion':6,'source':{'nets':['10.0.0.0/8']}}", "nets[0]"},
		{"{'action':'Allow','ipVersion':4,'source':{'notNets':['fd00::/8']}}",
		 "notNets[0]"},
		{"{'action':'Allow','source':{'nets':['10.0.0.1/8']}}", "10.0.0.0/8"},
		{"{'action':'Allow','ipVersion':6,'protocol':'ICMP'}", "protocol"},
		{"{'action':'Allow','ipVersion':4,'protocol':'ICMPv6'}", "protocol"},
		{"{'action':'Allow','ipVersion':6,'notProtocol':'ICMP'}", "notProtocol"},
		{"{'action':'Allow','ipVersion':4,'notProtocol':'ICMPv6'}", "notProtocol"},
		{"{'action':'Allow','ipVersion':4,'notProtocol':'ICMP'}", NULL},
		{"{'action':'Allow','protocol':'TCP','icmp':{}}", "icmp"},
		{"{'action':'Allow','icmp':{}}", "icmp"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'type':8,'code':0}}", NULL},
		{"{'action':'Allow','protocol':58,'notICMP':{'type':8}}", NULL},
		{"{'action':'Allow','icmp':{'type':8}}", "icmp"},
		{"{'action':'Allow','protocol':'TCP','notICMP':{'type':8}}", "notICMP"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'code':0}}", "icmp.code"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'type':255}}", "icmp.type"},
		{"{'action':'Allow','source':{'selector':'global()'}}", "namespaceSelector"},
		{"{'action':'Allow','source':{'notSelector':'x'}}", "notSelector"},
		{"{'action':'Allow','source':{'namespaceSelector':' global() '}}", NULL},
		{"{'action':'Allow','source':{'namespaceSelector':'global() || all()'}}", "alone"},
		{"{'action':'Allow','source':{'namespaceSelector':'!global()'}}", "alone"},
		{"{'action':'Allow','source':{'serviceAccounts':{'selector':'global()'}}}",
		 "serviceAccounts.selector"},
		{"{'action':'Allow','source':{'services':{'name':'a','namespace':'b'}}}", NULL},
		{"{'action':'Allow','destination':{'services':{'name':'a','namespace':'b'}}}",
		 "services"},
		{"{'action':'Allow','source':{'services':{}}}", "services.name"},
		{"{'action':'Allow','source':{'services':{'name':'a','namespace':'b'},'nets':['10.0.0.0/8']}}",
		 "alone"},
		{"{'action':'Allow','source':{'services':{'name':'a','namespace':'b'},'selector':'all()'}}",
		 "alone"},
		{"{'action':'Allow','protocol':'TCP','http':{'methods':['GET']}}", NULL},
		{"{'action':'Deny','protocol':'TCP','http':{'methods':['GET']}}", "Allow"},
		{"{'action':'Allow','protocol':'UDP','http':{'methods':['GET']}}", "TCP"},
		{"{'action':'Allow','http':{'paths':[{}]}}", "exact"},
		{"{'action':'Allow','http':{'paths':[{'exact':'/','prefix':'/'}]}}", "exact"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		_cleanup_free_ char *spec = xasprintf("{\"ingress\":[%s]}", rules[i][0]);
		struct rule_case one = {spec, rules[i][1]};

		for (char *p = spec; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		check_cases("NetworkPolicy", "a", &one, 1);
		if (!strstr(spec, "Pass"))
			check_cases("Profile", "a", &one, 1);
	}
}

static void test_policies(void **state)
{
	static const struct rule_case global[] = {
		{"{}", NULL},
		{"{\"egress\":[{\"action\":\"Allow\",\"http\":{\"methods\":[\"GET\"]}}]}",
		 "spec.egress[0].http: not allowed in egress rules"},
		{"{\"selector\":\"global()\"}", "spec.selector"},
		{"{\"namespaceSelector\":\"global()\"}", "spec.namespaceSelector"},
		{"{\"serviceAccountSelector\":\"a ==\"}", "spec.serviceAccountSelector"},
		{"{\"types\":[\"Ingress\",\"Ingress\"]}", "twice"},
		{"{\"types\":[\"Both\"]}", "spec.types[0]"},
		{"{\"preDNAT\":true,\"applyOnForward\":true}", NULL},
		{"{\"doNotTrack\":true,\"applyOnForward\":true}", NULL},
		{"{\"preDNAT\":true}", "spec.applyOnForward"},
		{"{\"doNotTrack\":true}", "spec.applyOnForward"},
		{"{\"preDNAT\":true,\"doNotTrack\":true,\"applyOnForward\":true}", "spec.preDNAT"},
		{"{\"preDNAT\":true,\"applyOnForward\":true,\"egress\":[{\"action\":\"Allow\"}]}",
		 "spec.egress"},
		{"{\"preDNAT\":true,\"applyOnForward\":true,\"types\":[\"Egress\"]}", "spec.types"},
		{"{\"tier\":\"a.b\"}", "spec.tier"},
		{"{\"egress\":[{\"action\":\"Allow\",\"destination\":{\"services\":{\"name\":\"a\"}}}]}",
		 "services.namespace"},
		{"{\"performanceHints\":[\"Fast\"]}", "spec.performanceHints"},
	};
	static const struct rule_case staged[] = {
		{"{\"stagedAction\":\"Delete\"}", NULL},
		{"{\"stagedAction\":\"Delete\",\"ingress\":[{\"action\":\"Allow\"}]}",
		 "stagedAction"},
		{"{\"stagedAction\":\"Ignore\",\"ingress\":[{\"action\":\"Allow\"}]}", NULL},
	};

	(void)state;
	check_cases("GlobalNetworkPolicy", "a", global, ARRAY_SIZE(global));
	check_cases("sgnp", "a", global, ARRAY_SIZE(global));
	check_cases("snp", "a", staged, ARRAY_SIZE(staged));
	check_cases("sgnp", "a", staged, ARRAY_SIZE(staged));
}

static void test_names(void **state)
{
	static const struct {
		const char *kind;
		const char *name;
		const struct rule_case rule;
	} cases[] = {
		{"np", "a", {"{}", NULL}},
		{"np", "tier.a", {"{}", NULL}},
		{"np", "a.b.c", {"{}", "metadata.name"}},
		{"np", "knp.default.a.b.c", {"{}", NULL}},
		{"np", "knp.default.a", {"{\"tier\":\"other\"}", "spec.tier"}},
		{"np", "ossg.default.a", {"{\"tier\":\"default\"}", NULL}},
		{"gnp", "a.b", {"{}", NULL}},
		{"gnp", "a.b.c", {"{}", "metadata.name"}},
		{"tier", "a", {"{}", NULL}},
		{"tier", "a.b", {"{}", "metadata.name"}},
		{"tier", "default", {"{\"order\":1000000}", NULL}},
		{"tier", "default", {"{\"order\":5}", "spec.order"}},
		{"tier", "default", {"{\"defaultAction\":\"Pass\"}", "spec.defaultAction"}},
		{"kubecontrollersconfig", "default", {"{}", NULL}},
		{"kubecontrollersconfig", "other", {"{}", "default"}},
		{"profile",
		 "a",
		 {"{\"ingress\":[{\"action\":\"Log\"},{\"action\":\"Deny\"}]}", NULL}},
		{"profile",
		 "a",
		 {"{\"ingress\":[{\"action\":\"Pass\"}]}", "spec.ingress[0].action"}},
		{"profile", "a", {"{\"egress\":[{\"action\":\"Pass\"}]}", "spec.egress[0].action"}},
		{"netset", "a", {"{\"nets\":[\"10.0.0.1/8\"]}", "spec.nets[0]"}},
		{"gnetset", "a", {"{\"nets\":[]}", NULL}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_cases(cases[i].kind, cases[i].name, &cases[i].rule, 1);
}

static void test_host_endpoints(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"node\":\"a\",\"interfaceName\":\"*\"}", NULL},
		{"{\"node\":\"a\",\"expectedIPs\":[\"10.0.0.1\"]}", NULL},
		{"{\"node\":\"a\"}", "spec.interfaceName"},
		{"{\"node\":\"a\",\"interfaceName\":\"eth*\"}", "spec.interfaceName"},
		{"{\"node\":\"a\",\"interfaceName\":\"../x\"}", "spec.interfaceName"},
		{"{\"interfaceName\":\"*\",\"expectedIPs\":[\"10.0.0.0/8\"]}",
		 "spec.expectedIPs[0]"},
		{"{\"interfaceName\":\"*\",\"ports\":[{\"name\":\"a\"}]}", "port"},
		{"{\"interfaceName\":\"*\",\"ports\":[{\"name\":\"a\",\"port\":0}]}", "port"},
	};

	(void)state;
	check_cases("hep", "a", cases, ARRAY_SIZE(cases));
}

static void test_staged_kubernetes(void **state)
{
	static const char *const cases[][2] = {
		{"{}", NULL},
		{"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In'}]}}", "values"},
		{"{'podSelector':{'matchExpressions':[{'key':'a','operator':'Exists','values':['b']}]}}",
		 "values"},
		{"{'podSelector':{'matchExpressions':[{'key':'a','operator':'Is'}]}}", "operator"},
		{"{'podSelector':{'matchLabels':{'-':'b'}}}", "matchLabels"},
		{"{'ingress':[{'from':[{}]}]}", "podSelector"},
		{"{'ingress':[{'from':[{'podSelector':{},'ipBlock':{'cidr':'10.0.0.0/8'}}]}]}",
		 "ipBlock"},
		{"{'egress':[{'to':[{'ipBlock':{'cidr':'10.0.0.0/8','except':['11.0.0.0/16']}}]}]}",
		 "except[0]"},
		{"{'egress':[{'to':[{'ipBlock':{}}]}]}", "cidr"},
		{"{'egress':[{'ports':[{'port':'http'},{'port':80,'endPort':90}]}]}", NULL},
		{"{'egress':[{'ports':[{'port':'80'}]}]}", "quotes"},
		{"{'egress':[{'ports':[{'port':80,'endPort':79}]}]}", "endPort"},
		{"{'egress':[{'ports':[{'port':'http','endPort':79}]}]}", "endPort"},
		{"{'egress':[{'ports':[{'protocol':'ICMP'}]}]}", "protocol"},
		{"{'policyTypes':['Ingress','Sideways']}", "policyTypes[1]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *spec = xstrdup(cases[i][0]);
		struct rule_case one = {spec, cases[i][1]};

		for (char *p = spec; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		check_cases("sknp", "a", &one, 1);
	}
}

/* An array of 'n' times 'item'. */
static char *many(const char *head, const char *item, size_t n, const char *tail)
{
	struct buf buf = BUF_INIT;

	buf_adds(&buf, head);
	for (size_t i = 0; i < n; i++)
		buf_addf(&buf, "%s%s", i ? "," : "", item);
	buf_adds(&buf, tail);
	return buf_take(&buf);
}

static void test_limits(void **state)
{
	static const struct {
		const char *head;
		const char *item;
		size_t max;
		const char *tail;
	} cases[] = {
		{"{\"egress\":[", "{\"action\":\"Deny\"}", RULES_MAX, "]}"},
		{"{\"egress\":[{\"action\":\"Deny\",\"source\":{\"nets\":[", "\"10.0.0.0/8\"",
		 RULE_NETS_MAX, "]}}]}"},
		{"{\"egress\":[{\"action\":\"Deny\",\"protocol\":\"TCP\",\"source\":{\"ports\":[",
		 "80", RULE_PORTS_MAX, "]}}]}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *full =
			many(cases[i].head, cases[i].item, cases[i].max, cases[i].tail);
		_cleanup_free_ char *over =
			many(cases[i].head, cases[i].item, cases[i].max + 1, cases[i].tail);
		const struct rule_case both[] = {{full, NULL}, {over, "items"}};

		check_cases("gnp", "a", both, ARRAY_SIZE(both));
	}
}

static void test_port_names(void **state)
{
	static const char head[] = "{\"egress\":[{\"action\":\"Deny\",\"protocol\":\"TCP\","
				   "\"source\":{\"notPorts\":[";
	_cleanup_free_ char *full = many(head, "\"a\"", RULE_NOT_PORT_NAMES_MAX, "]}}]}");
	_cleanup_free_ char *over = many(head, "\"a\"", RULE_NOT_PORT_NAMES_MAX + 1, "]}}]}");
	const struct rule_case cases[] = {{full, NULL}, {over, "spec.egress[0]: notPorts"}};

	(void)state;
	check_cases("gnp", "a", cases, ARRAY_SIZE(cases));
}

static void test_directions(void **state)
{
	static const struct {
		const char *spec;
		unsigned int directions;
	} cases[] = {
		{"{}", POLICY_INGRESS},
		{"{\"types\":[]}", POLICY_INGRESS},
		{"{\"ingress\":[{\"action\":\"Deny\"}]}", POLICY_INGRESS},
		{"{\"egress\":[{\"action\":\"Deny\"}]}", POLICY_EGRESS},
		{"{\"ingress\":[{\"action\":\"Deny\"}],\"egress\":[{\"action\":\"Deny\"}]}",
		 POLICY_INGRESS | POLICY_EGRESS},
		{"{\"types\":[\"Egress\"]}", POLICY_EGRESS},
		{"{\"types\":[\"Egress\",\"Ingress\"]}", POLICY_INGRESS | POLICY_EGRESS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object =
			read_spec("NetworkPolicy", "a", cases[i].spec);
		struct policy_spec *spec = &as_policy(object)->spec;

		assert_int_equal(policy_directions(spec), cases[i].directions);
		model_default(object);
		assert_int_equal(policy_directions(spec), cases[i].directions);
		assert_true(spec->types.n > 0);
		assert_string_equal(spec->tier, TIER_DEFAULT);
		assert_int_equal(model_validate(object, NULL), 0);
	}
}

static void test_default_tier(void **state)
{
	_cleanup_(model_freep) struct object *object = read_spec("tier", "default", "{}");

	(void)state;
	model_default(object);
	assert_true(as_tier(object)->spec.order.v == (double)TIER_DEFAULT_ORDER);
	assert_int_equal(as_tier(object)->spec.default_action, TIER_DEFAULT_ACTION_DENY);
}

/* Reading and writing lose nothing; an empty list stays one, and an absent one stays absent. */
static void test_round_trip(void **state)
{
	static const char *const cases[][2] = {
		{"gnp", "{\"order\":10.5,\"ingress\":[],\"types\":[]}"},
		{"gnp", "{\"order\":10}"},
		{"np",
		 "{\"ingress\":[{\"action\":\"Allow\",\"protocol\":6,\"notProtocol\":\"UDP\","
		 "\"source\":{\"nets\":[],\"ports\":[80,\"80\",\"a\"]},\"destination\":{}}]}"},
		{"gnetset", "{\"nets\":[]}"},
		{"gnetset", "{}"},
		{"sknp",
		 "{\"podSelector\":{},\"ingress\":[{\"from\":[{\"podSelector\":{}}]}],\"egress\":[]}"},
		{"felixconfig", "{\"failsafeInboundHostPorts\":[],\"natPortRange\":\"1:2\"}"},
		{"kubecontrollersconfig", "{\"controllers\":{\"policy\":{}}}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object =
			read_spec(cases[i][0], "default", cases[i][1]);
		_cleanup_(model_freep) struct object *copy = model_copy(object);
		_cleanup_(model_freep) struct object *again = NULL;
		_cleanup_buf_ struct buf text = BUF_INIT;

		model_write_json(object, &text);
		if (!strstr(buf_str(&text), cases[i][1]))
			fail_msg("%s is not in %s", cases[i][1], buf_str(&text));
		assert_int_equal(
			model_read_json(text.data, text.size, MODEL_STRICT, "again", &again, NULL),
			0);
		assert_true(model_equal(object, again));
		assert_true(model_equal(object, copy));
	}
}

static void test_qos(void **state)
{
	static const struct {
		struct qos_controls qos;
		const char *message;
	} cases[] = {
		{{.ingress_bandwidth = {true, 1000}, .ingress_peakrate = {true, 2000}}, NULL},
		{{.ingress_bandwidth = {true, 1000}, .ingress_peakrate = {true, 1000}}, "above"},
		{{.egress_peakrate = {true, 2000}}, "egressBandwidth"},
		{{.dscp = {.s = (char *)"EF"}}, NULL},
		{{.dscp = {.s = (char *)"63", .is_int = true}}, NULL},
		{{.dscp = {.s = (char *)"64", .is_int = true}}, "dscp"},
		{{.dscp = {.s = (char *)"ef"}}, "dscp"},
	};
	const struct int_or_string af11 = {.s = (char *)"AF11"};
	uint8_t value = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		int r = qos_controls_validate(&cases[i].qos, &err);

		assert_int_equal(r == 0, cases[i].message == NULL);
		if (cases[i].message)
			assert_non_null(strstr(err.msg, cases[i].message));
	}
	assert_int_equal(qos_dscp_parse(&af11, &value, NULL), 0);
	assert_int_equal(value, 10);
}

/* Every kind is registered, has words for each field, and columns that lead somewhere. */
static void test_tables(void **state)
{
	(void)state;
	for (unsigned int kind = KIND_HOST_ENDPOINT; kind <= KIND_KUBE_CONTROLLERS_CONFIGURATION;
	     kind++) {
		const struct kind_desc *desc = kind_get(kind);

		assert_int_equal(desc->kind, kind);
		assert_ptr_equal(kind_find(desc->name), desc);
		assert_ptr_equal(kind_find_plural(desc->plural), desc);
		assert_non_null(desc->columns);
		for (size_t i = 0; desc->aliases && desc->aliases[i]; i++)
			assert_ptr_equal(kind_find(desc->aliases[i]), desc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_host_endpoints),
		cmocka_unit_test(test_staged_kubernetes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_port_names),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_default_tier),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_qos),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
