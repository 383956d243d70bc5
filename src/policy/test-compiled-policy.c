/* SPDX-License-Identifier: Apache-2.0 */

/* Every field of a policy and of a rule, beside what it comes to. */

#include "policy/compiled-policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds-policy.h"

/* In 'spec' apostrophes stand for quotes, and "`" for an apostrophe. */
static struct object *read_object(const char *kind, const char *namespace, const char *name,
				  const char *spec)
{
	_cleanup_free_ char *text =
		xasprintf("{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"%s\","
			  "\"metadata\":{\"name\":\"%s\"%s%s%s},\"spec\":%s}",
			  kind, name, namespace ? ",\"namespace\":\"" : "",
			  namespace ? namespace : "", namespace ? "\"" : "", spec);
	struct object *object = NULL;
	struct err err = ERR_INIT;

	for (char *c = strstr(text, "\"spec\""); *c; c++)
		*c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
	if (model_read_json(text, strlen(text), MODEL_LENIENT, "test", &object, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return object;
}

static struct compiled_policy *compile(const char *kind, const char *namespace, const char *name,
				       const char *spec)
{
	_cleanup_(model_freep) struct object *object = read_object(kind, namespace, name, spec);
	struct compiled_policy *policy = NULL;
	struct err err = ERR_INIT;

	if (compiled_policy_new(object, &policy, &err) < 0)
		fail_msg("%s: %s", spec, err.msg);
	return policy;
}

struct rule_case {
	const char *rule;
	const char *expected; /* dumped; of an unreadable one, part of it */
};

static void check_rules(const char *kind, const char *namespace, const char *way,
			const struct rule_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *spec = xasprintf("{'%s':[%s]}", way, cases[i].rule);
		_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
			compile(kind, namespace, "p", spec);
		_cleanup_buf_ struct buf text = BUF_INIT;
		const struct compiled_rules *rules =
			&policy->rules[strcmp(way, "egress") == 0 ? POLICY_WAY_EGRESS
								  : POLICY_WAY_INGRESS];

		assert_int_equal(rules->n, 1);
		compiled_rule_dump(policy, &rules->v[0], &text);
		if (rules->v[0].unreadable) {
			if (!strstr(cases[i].expected, "unreadable") ||
			    !strstr(buf_str(&text), cases[i].expected))
				fail_msg("%s\n  gives    %s\n  expected %s", cases[i].rule,
					 buf_str(&text), cases[i].expected);
			assert_int_equal(policy->n_sets, 0);
		} else if (strcmp(buf_str(&text), cases[i].expected) != 0) {
			fail_msg("%s\n  gives    %s\n  expected %s", cases[i].rule, buf_str(&text),
				 cases[i].expected);
		}
	}
}

/* What a rule says of packets by themselves. */
static void test_packets(void **state)
{
	static const struct rule_case cases[] = {
		{"{'action':'Allow'}", "allow"},
		{"{'action':'Deny'}", "deny"},
		{"{'action':'Pass'}", "pass"},
		{"{'action':'Log'}", "log"},
		{"{}", "deny unreadable: ingress[0].action"},
		{"{'action':'Allow','ipVersion':4}", "allow ipv4"},
		{"{'action':'Allow','ipVersion':6}", "allow ipv6"},
		{"{'action':'Allow','ipVersion':5}", "unreadable: ingress[0].ipVersion"},
		{"{'action':'Allow','protocol':'TCP'}", "allow protocol 6"},
		{"{'action':'Allow','protocol':'UDP'}", "allow protocol 17"},
		{"{'action':'Allow','protocol':'SCTP'}", "allow protocol 132"},
		{"{'action':'Allow','protocol':'UDPLite'}", "allow protocol 136"},
		{"{'action':'Allow','protocol':47}", "allow protocol 47"},
		{"{'action':'Allow','protocol':'47'}", "allow protocol 47"},
		{"{'action':'Allow','protocol':'GRE'}", "unreadable: ingress[0].protocol"},
		{"{'action':'Allow','protocol':0}", "unreadable: ingress[0].protocol"},
		{"{'action':'Allow','notProtocol':'UDP'}", "allow not-protocol 17"},
		{"{'action':'Allow','notProtocol':256}", "unreadable: ingress[0].notProtocol"},
		{"{'action':'Allow','protocol':'ICMP'}", "allow ipv4 protocol 1"},
		{"{'action':'Allow','protocol':1}", "allow ipv4 protocol 1"},
		{"{'action':'Allow','protocol':'ICMPv6'}", "allow ipv6 protocol 58"},
		{"{'action':'Allow','notProtocol':'ICMP'}", "allow not-protocol 1"},
		{"{'action':'Allow','protocol':'ICMP','ipVersion':6}", "allow ipv6 protocol 1"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'type':8}}",
		 "allow ipv4 protocol 1 icmp-type 8"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'type':0,'code':0}}",
		 "allow ipv4 protocol 1 icmp-type 0 icmp-code 0"},
		{"{'action':'Allow','protocol':'ICMPv6','notICMP':{'type':128,'code':255}}",
		 "allow ipv6 protocol 58 not-icmp-type 128 not-icmp-code 255"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{}}", "allow ipv4 protocol 1"},
		{"{'action':'Allow','icmp':{'type':8}}", "unreadable: ingress[0].icmp"},
		{"{'action':'Allow','protocol':'TCP','notICMP':{'type':8}}",
		 "unreadable: ingress[0].notICMP"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'code':1}}",
		 "unreadable: ingress[0].icmp.code"},
		{"{'action':'Allow','protocol':'ICMP','icmp':{'type':255}}",
		 "unreadable: ingress[0].icmp"},
		{"{'action':'Allow','protocol':'TCP','http':{'methods':['GET']}}",
		 "allow protocol 6"},
	};

	(void)state;
	check_rules("GlobalNetworkPolicy", NULL, "ingress", cases, ARRAY_SIZE(cases));
}

static void test_addresses(void **state)
{
	static const struct rule_case cases[] = {
		{"{'action':'Allow','source':{'nets':['10.0.0.0/8','fd00::/8','1.2.3.4']}}",
		 "allow; from nets 10.0.0.0/8,fd00::/8,1.2.3.4/32"},
		{"{'action':'Allow','destination':{'nets':['10.1.2.3/8']}}",
		 "allow; to nets 10.0.0.0/8"},
		{"{'action':'Allow','source':{'nets':[]}}", "allow"},
		{"{'action':'Allow','source':{'notNets':['10.0.0.0/8']}}",
		 "allow; from not-nets 10.0.0.0/8"},
		{"{'action':'Allow','source':{'nets':['10.0.0.0/8'],'notNets':['10.1.0.0/16']},"
		 "'destination':{'nets':['::/0']}}",
		 "allow; from nets 10.0.0.0/8 not-nets 10.1.0.0/16; to nets ::/0"},
		{"{'action':'Allow','source':{'nets':['10.0.0.0/33']}}",
		 "unreadable: ingress[0].source: nets[0]"},
		{"{'action':'Allow','source':{'selector':'a','notNets':['x']}}",
		 "unreadable: ingress[0].source: notNets[0]"},
	};

	(void)state;
	check_rules("GlobalNetworkPolicy", NULL, "ingress", cases, ARRAY_SIZE(cases));
}

static void test_ports(void **state)
{
	static const struct rule_case cases[] = {
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':[80,'1:2','443']}}",
		 "allow protocol 6; to ports 80,1:2,443"},
		{"{'action':'Allow','protocol':'UDP','source':{'ports':[65535],'notPorts':['9:9']}}",
		 "allow protocol 17; from ports 65535 not-ports 9"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['http']}}",
		 "allow protocol 6; to ports {port http/6 of all()}"},
		{"{'action':'Allow','protocol':'SCTP','destination':{'notPorts':['x',7]}}",
		 "allow protocol 132; to not-ports 7 not-ports {port x/132 of all()}"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['a','b'],"
		 "'selector':'has(x)'}}",
		 "allow protocol 6; to ports {port a/6 of has(x)} {port b/6 of has(x)}"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['a',80],"
		 "'selector':'has(x)'}}",
		 "allow protocol 6; to in {has(x)} ports 80 ports {port a/6 of has(x)}"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['a'],"
		 "'notSelector':'has(x)'}}",
		 "allow protocol 6; to not-in {has(x)} ports {port a/6 of all()}"},
		{"{'action':'Allow','protocol':'TCP','destination':{'notPorts':['a'],"
		 "'selector':'has(x)'}}",
		 "allow protocol 6; to in {has(x)} not-ports {port a/6 of has(x)}"},
		{"{'action':'Allow','destination':{'ports':['http']}}",
		 "allow; to ports {port http/6 of all()}"},
		{"{'action':'Allow','source':{'notPorts':['http']}}",
		 "allow; from not-ports {port http/6 of all()}"},
		{"{'action':'Allow','destination':{'ports':['http',80]}}",
		 "unreadable: ingress[0].destination: ports"},
		{"{'action':'Allow','destination':{'ports':[80]}}",
		 "unreadable: ingress[0].destination: ports"},
		{"{'action':'Allow','protocol':'ICMP','destination':{'notPorts':['a']}}",
		 "unreadable: ingress[0].destination: notPorts"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':[0]}}",
		 "unreadable: ingress[0].destination: ports[0]"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['a','2:1']}}",
		 "unreadable: ingress[0].destination: ports[1]"},
	};

	(void)state;
	check_rules("GlobalNetworkPolicy", NULL, "ingress", cases, ARRAY_SIZE(cases));
}

/* '..."ports":["a0","a1",...]' of 'n' names. */
static char *names_of(const char *field, size_t n)
{
	struct buf text = BUF_INIT;

	buf_addf(&text, "'%s':[", field);
	for (size_t i = 0; i < n; i++)
		buf_addf(&text, "%s'a%zu'", i ? "," : "", i);
	buf_addc(&text, ']');
	return buf_take(&text);
}

static void check_names(const char *field, size_t n_source, size_t n_destination, bool fits)
{
	_cleanup_free_ char *source = names_of(field, n_source);
	_cleanup_free_ char *destination = names_of(field, n_destination);
	_cleanup_free_ char *spec =
		xasprintf("{'ingress':[{'action':'Allow','protocol':'TCP','source':{%s},"
			  "'destination':{%s}}]}",
			  source, destination);
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
		compile("GlobalNetworkPolicy", NULL, "p", spec);

	assert_int_equal(policy->rules[POLICY_WAY_INGRESS].v[0].unreadable, !fits);
}

/* More than a filter has room for would keep all other policies out, too. */
static void test_port_names(void **state)
{
	(void)state;
	check_names("notPorts", RULE_NOT_PORT_NAMES_MAX - 1, 1, true);
	check_names("notPorts", RULE_NOT_PORT_NAMES_MAX, 1, false);
	check_names("ports", RULE_PORT_NAME_PAIRS_MAX / 2, 2, true);
	check_names("ports", RULE_PORT_NAME_PAIRS_MAX / 2 + 1, 2, false);
	check_names("ports", 2 * RULE_PORT_NAME_PAIRS_MAX, 0, true);
}

#define HAS_NS "has(projectcalico.org/namespace)"
#define IN_NS  "projectcalico.org/namespace == \"ns\""

/* A policy without a namespace. */
static void test_global_peers(void **state)
{
	static const struct rule_case cases[] = {
		{"{'action':'Allow','source':{'selector':'a == `b`'}}",
		 "allow; from in {a == \"b\"}"},
		{"{'action':'Allow','source':{'selector':''}}", "allow"},
		{"{'action':'Allow','source':{'selector':'all()'}}", "allow; from in {all()}"},
		{"{'action':'Allow','source':{'notSelector':'a'}}", "unreadable"},
		{"{'action':'Allow','source':{'notSelector':'has(a)'}}",
		 "allow; from not-in {has(a)}"},
		{"{'action':'Allow','source':{'selector':'has(a)','notSelector':'has(b)'}}",
		 "allow; from in {(has(a) && !has(b))}"},
		{"{'action':'Allow','source':{'namespaceSelector':'a == `b` || c in {`e`,`d`}'}}",
		 "allow; from in {(pcns.a == \"b\" || pcns.c in {\"d\", \"e\"})}"},
		{"{'action':'Allow','source':{'namespaceSelector':'all()'}}",
		 "allow; from in {" HAS_NS "}"},
		{"{'action':'Allow','source':{'namespaceSelector':'global()'}}",
		 "allow; from in {!" HAS_NS "}"},
		{"{'action':'Allow','source':{'namespaceSelector':'global()',"
		 "'selector':'has(a) || has(b)'}}",
		 "allow; from in {(!" HAS_NS " && (has(a) || has(b)))}"},
		{"{'action':'Allow','source':{'selector':'global()'}}",
		 "unreadable: ingress[0].source: selector: global()"},
		{"{'action':'Allow','source':{'serviceAccounts':{'names':['a','b']}}}",
		 "allow; from in {projectcalico.org/serviceaccount in {\"a\", \"b\"}}"},
		{"{'action':'Allow','source':{'serviceAccounts':{'selector':'x == `y`',"
		 "'names':['a']}}}",
		 "allow; from in {(pcsa.x == \"y\" && "
		 "projectcalico.org/serviceaccount in {\"a\"})}"},
		{"{'action':'Allow','source':{'serviceAccounts':{}}}", "allow"},
		{"{'action':'Allow','source':{'selector':'a == `b'}}",
		 "unreadable: ingress[0].source: selector"},
		{"{'action':'Allow','source':{'selector':'has(a)) || (has(b)'}}",
		 "unreadable: ingress[0].source: selector"},
		{"{'action':'Allow','source':{'namespaceSelector':'has('}}",
		 "unreadable: ingress[0].source: namespaceSelector"},
		{"{'action':'Allow','source':{'serviceAccounts':{'selector':'='}}}",
		 "unreadable: ingress[0].source: serviceAccounts.selector"},
		{"{'action':'Allow','destination':{'notSelector':'='}}",
		 "unreadable: ingress[0].destination: notSelector"},
		{"{'action':'Allow','source':{'selector':'has(a)'},'destination':{'selector':"
		 "'has(b)'}}",
		 "allow; from in {has(a)}; to in {has(b)}"},
	};

	(void)state;
	check_rules("GlobalNetworkPolicy", NULL, "ingress", cases, ARRAY_SIZE(cases));
}

/* A namespaced policy's peers are of its namespace, unless a namespaceSelector is there. */
static void test_namespaced_peers(void **state)
{
	static const struct rule_case cases[] = {
		{"{'action':'Allow'}", "allow"},
		{"{'action':'Allow','source':{'nets':['1.0.0.0/8']}}",
		 "allow; from nets 1.0.0.0/8"},
		{"{'action':'Allow','source':{'selector':'has(a)'}}",
		 "allow; from in {(" IN_NS " && has(a))}"},
		{"{'action':'Allow','source':{'selector':'has(a) || has(b)'}}",
		 "allow; from in {(" IN_NS " && (has(a) || has(b)))}"},
		{"{'action':'Allow','source':{'notSelector':'has(a)'}}",
		 "allow; from in {(" IN_NS " && !has(a))}"},
		{"{'action':'Allow','source':{'serviceAccounts':{'names':['a']}}}",
		 "allow; from in {(" IN_NS " && projectcalico.org/serviceaccount in {\"a\"})}"},
		{"{'action':'Allow','source':{'serviceAccounts':{}}}", "allow"},
		{"{'action':'Allow','source':{'selector':'has(a)','namespaceSelector':'has(n)'}}",
		 "allow; from in {(has(pcns.n) && has(a))}"},
		{"{'action':'Allow','source':{'namespaceSelector':'all()'}}",
		 "allow; from in {" HAS_NS "}"},
		{"{'action':'Allow','protocol':'TCP','destination':{'ports':['http']}}",
		 "allow protocol 6; to ports {port http/6 of all()}"},
	};

	(void)state;
	check_rules("NetworkPolicy", "ns", "ingress", cases, ARRAY_SIZE(cases));
}

static void test_services(void **state)
{
	static const struct rule_case ingress[] = {
		{"{'action':'Allow','source':{'services':{'name':'s'}}}",
		 "allow; from in {service ns/s}"},
		{"{'action':'Allow','source':{'services':{'name':'s','namespace':'other'}}}",
		 "allow; from in {service other/s}"},
		{"{'action':'Allow','destination':{'services':{'name':'s'}}}",
		 "unreadable: ingress[0].destination: services"},
		{"{'action':'Allow','source':{'services':{}}}",
		 "unreadable: ingress[0].source: services.name"},
	};
	static const struct rule_case egress[] = {
		{"{'action':'Allow','destination':{'services':{'name':'s'}}}",
		 "allow; to at {service ns/s}"},
		{"{'action':'Allow','source':{'services':{'name':'s'}}}",
		 "unreadable: egress[0].source: services"},
	};
	static const struct rule_case global[] = {
		{"{'action':'Allow','destination':{'services':{'name':'s','namespace':'n'}}}",
		 "allow; to at {service n/s}"},
		{"{'action':'Allow','destination':{'services':{'name':'s'}}}",
		 "unreadable: egress[0].destination: services.namespace"},
	};

	(void)state;
	check_rules("NetworkPolicy", "ns", "ingress", ingress, ARRAY_SIZE(ingress));
	check_rules("NetworkPolicy", "ns", "egress", egress, ARRAY_SIZE(egress));
	check_rules("GlobalNetworkPolicy", NULL, "egress", global, ARRAY_SIZE(global));
}

struct policy_case {
	const char *kind;
	const char *namespace;
	const char *spec;
	const char *expected;
};

static void test_policies(void **state)
{
	static const struct policy_case cases[] = {
		{"NetworkPolicy", "ns", "{}",
		 "np/ns/p tier default order last forward selector " IN_NS "\n ingress\n"},
		{"NetworkPolicy", "ns", "{'selector':'has(a) || has(b)','order':-1.5,'tier':'t'}",
		 "np/ns/p tier t order -1.5 forward selector ((has(a) || has(b)) && " IN_NS
		 ")\n ingress\n"},
		{"NetworkPolicy", "ns", "{'selector':'all()','serviceAccountSelector':'all()'}",
		 "np/ns/p tier default order last forward selector (all() && " IN_NS
		 " && all())\n ingress\n"},
		{"NetworkPolicy", "ns", "{'serviceAccountSelector':'a == `b`'}",
		 "np/ns/p tier default order last forward selector (" IN_NS
		 " && pcsa.a == \"b\")\n ingress\n"},
		{"NetworkPolicy", "ns", "{'types':['Egress'],'ingress':[{'action':'Allow'}]}",
		 "np/ns/p tier default order last forward selector " IN_NS "\n egress\n"},
		{"NetworkPolicy", "ns", "{'egress':[{'action':'Allow'}]}",
		 "np/ns/p tier default order last forward selector " IN_NS "\n egress\n  allow\n"},
		{"NetworkPolicy", "ns", "{'egress':[{'action':'Allow'}],'ingress':[]}",
		 "np/ns/p tier default order last forward selector " IN_NS "\n egress\n  allow\n"},
		{"NetworkPolicy", "ns",
		 "{'ingress':[{'action':'Deny'},{'action':'Allow'}],'egress':[{'action':'Pass'}]}",
		 "np/ns/p tier default order last forward selector " IN_NS
		 "\n ingress\n  deny\n  allow\n egress\n  pass\n"},
		{"GlobalNetworkPolicy", NULL, "{}",
		 "gnp/p tier default order last selector all()\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'order':0,'applyOnForward':true}",
		 "gnp/p tier default order 0 forward selector all()\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'doNotTrack':true,'applyOnForward':true}",
		 "gnp/p tier default order last do-not-track forward selector all()\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'preDNAT':true,'applyOnForward':true}",
		 "gnp/p tier default order last pre-dnat forward selector all()\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'namespaceSelector':'all()'}",
		 "gnp/p tier default order last selector " HAS_NS "\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'namespaceSelector':'a != `b`','selector':'all()'}",
		 "gnp/p tier default order last selector (" HAS_NS
		 " && pcns.a != \"b\")\n ingress\n"},
		{"GlobalNetworkPolicy", NULL, "{'serviceAccountSelector':'all()'}",
		 "gnp/p tier default order last selector has(projectcalico.org/serviceaccount)\n "
		 "ingress\n"},
		{"StagedNetworkPolicy", "ns", "{'ingress':[{'action':'Allow'}]}",
		 "snp/ns/p tier default order last staged forward selector " IN_NS
		 "\n ingress\n  allow\n"},
		{"StagedGlobalNetworkPolicy", NULL, "{'stagedAction':'Set'}",
		 "sgnp/p tier default order last staged selector all()\n ingress\n"},
		{"StagedGlobalNetworkPolicy", NULL, "{'stagedAction':'Delete'}",
		 "sgnp/p tier default order last staged selector all()\n"},
		{"Profile", NULL, "{'ingress':[{'action':'Allow','source':{'selector':'has(a)'}}]}",
		 "pro/p tier - order last\n ingress\n  allow; from in {has(a)}\n egress\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
			compile(cases[i].kind, cases[i].namespace, "p", cases[i].spec);
		_cleanup_buf_ struct buf text = BUF_INIT;

		compiled_policy_dump(policy, &text);
		if (strcmp(buf_str(&text), cases[i].expected) != 0)
			fail_msg("%s\n  gives    %s\n  expected %s", cases[i].spec, buf_str(&text),
				 cases[i].expected);
	}
}

/* Where a policy applies must be understood. */
static void test_refused(void **state)
{
	static const struct policy_case cases[] = {
		{"NetworkPolicy", "ns", "{'selector':'a =='}", "np/ns/p: spec.selector"},
		{"NetworkPolicy", "ns", "{'selector':'global()'}", "spec.selector: global()"},
		{"NetworkPolicy", "ns", "{'serviceAccountSelector':'='}",
		 "spec.serviceAccountSelector"},
		{"NetworkPolicy", "a'b\\\"c", "{}", "quotes"},
		{"NetworkPolicy", NULL, "{}", "metadata.namespace"},
		{"GlobalNetworkPolicy", NULL, "{'namespaceSelector':'global()'}",
		 "gnp/p: spec.namespaceSelector: global()"},
		{"GlobalNetworkPolicy", NULL, "{'selector':'has(a)) || (has(b)'}", "spec.selector"},
		{"GlobalNetworkPolicy", NULL, "{'types':['Ingress','Both']}", "spec.types[1]"},
		{"GlobalNetworkPolicy", NULL, "{'tier':'a/b'}", "spec.tier"},
		{"Tier", NULL, "{}", "not a policy"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object =
			read_object(cases[i].kind, cases[i].namespace, "p", cases[i].spec);
		struct compiled_policy *policy = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(compiled_policy_new(object, &policy, &err), -EINVAL);
		assert_null(policy);
		if (!strstr(err.msg, cases[i].expected))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].spec, err.msg,
				 cases[i].expected);
	}
}

/* A namespace that looks like a selector stays a value. */
static void test_hostile_namespace(void **state)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
		compile("NetworkPolicy", "x' || all() || a == 'y", "p", "{}");

	(void)state;
	assert_string_equal(policy->selector,
			    "projectcalico.org/namespace == \"x' || all() || a == 'y\"");
}

/* Sets: each once, those of unreadable rules not at all, with Calico's ids. */
static void test_sets(void **state)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
		compile("GlobalNetworkPolicy", NULL, "p",
			"{'ingress':[{'action':'Allow','source':{'selector':'has(a)'}},"
			"{'action':'Allow','source':{'selector':'has(z)','nets':['1.0.0.0/8']},"
			"'destination':{'selector':'='}},"
			"{'action':'Deny','protocol':'TCP','source':{'selector':' has( a ) '},"
			"'destination':{'ports':['http']}}],"
			"'egress':[{'action':'Allow','source':{'selector':'has(a)'},"
			"'destination':{'services':{'name':'s','namespace':'n'}}}]}");

	(void)state;
	assert_int_equal(policy->n_sets, 3);
	assert_string_equal(policy->sets[0].selector, "has(a)");
	assert_int_equal(policy->sets[0].type, POLICY_SET_TYPE_NET);
	assert_string_equal(policy->sets[1].selector, "all()");
	assert_string_equal(policy->sets[1].port_name, "http");
	assert_int_equal(policy->sets[1].protocol, 6);
	assert_int_equal(policy->sets[1].type, POLICY_SET_TYPE_PORT);
	assert_string_equal(policy->sets[2].service_name, "s");
	assert_int_equal(policy->sets[2].type, POLICY_SET_TYPE_PORT);
	assert_null(policy->sets[2].selector);
	assert_string_equal(policy->sets[0].id.s, "s:JpRGrxZ4kdS6g7WoF-uG_g7qlh2ipw2zGYBMpQ");
	assert_string_equal(policy->sets[1].id.s, "n:cl9_Kgeu4H0OGLbhovVR3NBLUOZscKeMK1Mu4A");
	assert_string_equal(policy->sets[2].id.s, "svc:YOo8yFbkCCPHWk_be1FMGVsSQK9IfBMaPZstbQ");
}

/* Each pair differs in one thing. */
static void test_equal(void **state)
{
	static const char *const specs[] = {
		"{}",
		"{'order':1}",
		"{'order':2}",
		"{'tier':'t'}",
		"{'selector':'has(a)'}",
		"{'types':['Egress']}",
		"{'applyOnForward':true}",
		"{'ingress':[{'action':'Allow'}]}",
		"{'ingress':[{'action':'Deny'}]}",
		"{'ingress':[{'action':'Allow'},{'action':'Allow'}]}",
		"{'ingress':[{'action':'Allow','ipVersion':4}]}",
		"{'ingress':[{'action':'Allow','protocol':6}]}",
		"{'ingress':[{'action':'Allow','notProtocol':6}]}",
		"{'ingress':[{'action':'Allow','source':{'nets':['10.0.0.0/8']}}]}",
		"{'ingress':[{'action':'Allow','source':{'nets':['10.0.0.0/9']}}]}",
		"{'ingress':[{'action':'Allow','source':{'notNets':['10.0.0.0/8']}}]}",
		"{'ingress':[{'action':'Allow','source':{'selector':'has(a)'}}]}",
		"{'ingress':[{'action':'Allow','source':{'notSelector':'has(a)'}}]}",
		"{'ingress':[{'action':'Allow','destination':{'selector':'has(a)'}}]}",
		"{'ingress':[{'action':'Allow','protocol':6,'source':{'ports':[1]}}]}",
		"{'ingress':[{'action':'Allow','protocol':6,'source':{'ports':['1:2']}}]}",
		"{'ingress':[{'action':'Allow','protocol':6,'source':{'notPorts':[1]}}]}",
		"{'ingress':[{'action':'Allow','protocol':6,'source':{'ports':['a']}}]}",
		"{'ingress':[{'action':'Allow','protocol':6,'source':{'notPorts':['a']}}]}",
		"{'ingress':[{'action':'Allow','protocol':1,'icmp':{'type':1}}]}",
		"{'ingress':[{'action':'Allow','protocol':1,'icmp':{'type':1,'code':1}}]}",
		"{'ingress':[{'action':'Allow','protocol':1,'notICMP':{'type':1}}]}",
		"{'ingress':[{}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		for (size_t k = 0; k < ARRAY_SIZE(specs); k++) {
			_cleanup_(compiled_policy_freep) struct compiled_policy *a =
				compile("GlobalNetworkPolicy", NULL, "p", specs[i]);
			_cleanup_(compiled_policy_freep) struct compiled_policy *b =
				compile("GlobalNetworkPolicy", NULL, "p", specs[k]);

			if (compiled_policy_equal(a, b) != (i == k))
				fail_msg("%s and %s", specs[i], specs[k]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),	     cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_port_names),
		cmocka_unit_test(test_global_peers), cmocka_unit_test(test_namespaced_peers),
		cmocka_unit_test(test_services),     cmocka_unit_test(test_policies),
		cmocka_unit_test(test_refused),	     cmocka_unit_test(test_hostile_namespace),
		cmocka_unit_test(test_sets),	     cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
