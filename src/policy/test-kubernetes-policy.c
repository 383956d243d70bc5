/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kubernetes' policies, a corner of the API's text each, beside what they come to. The words of
 * the API stand above the cases that they decide.
 */

#include "policy/kubernetes-policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds-kubernetes.h"
#include "policy/compiled-policy.h"

/* In 'text' apostrophes stand for quotes, and "`" for an apostrophe. */
static struct object *read_object(const char *text)
{
	_cleanup_free_ char *json = xstrdup(text);
	struct object *object = NULL;
	struct err err = ERR_INIT;

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
	if (model_read_json(json, strlen(json), MODEL_LENIENT, "test", &object, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return object;
}

#define POLICY "{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy',"
#define CLUSTER_POLICY                                                                             \
	"{'apiVersion':'policy.networking.k8s.io/v1alpha2','kind':'ClusterNetworkPolicy',"
#define NAMED "'metadata':{'name':'p','namespace':'x'},'spec':"

static struct compiled_policy *compile(const struct object *object, const char *what)
{
	struct compiled_policy *policy = NULL;
	struct err err = ERR_INIT;

	if (compiled_policy_new(object, &policy, &err) < 0)
		fail_msg("%s: %s", what, err.msg);
	return policy;
}

/* What the policy selects, directions and rules, compiled. */
static void check_compiled(const char *text, const char *expected)
{
	_cleanup_(model_freep) struct object *object = read_object(text);
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy = compile(object, text);
	_cleanup_buf_ struct buf out = BUF_INIT;

	compiled_policy_dump(policy, &out);
	if (strcmp(buf_str(&out), expected) != 0)
		fail_msg("%s\n  gives    %s\n  expected %s", text, buf_str(&out), expected);
}

struct policy_case {
	const char *spec;
	const char *expected;
};

static void check_cases(const struct policy_case *cases, size_t n, const char *before)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *text = xasprintf(POLICY NAMED "%s}", cases[i].spec);
		_cleanup_free_ char *expected = xasprintf("%s%s", before, cases[i].expected);

		check_compiled(text, expected);
	}
}

#define K8S    "projectcalico.org/orchestrator == \"k8s\""
#define IN_X   "projectcalico.org/namespace == \"x\""
#define HEAD   "knp/x/p tier default order 1000 forward selector "
#define ALL_X  HEAD "(" K8S " && " IN_X ")\n"
#define HAS_NS "has(projectcalico.org/namespace)"

/*
 * podSelector: "selects the pods to which this NetworkPolicy object applies. This field is NOT
 * optional and follows standard label selector semantics. An empty podSelector matches all pods in
 * this namespace."
 */
static void test_subjects(void **state)
{
	static const struct policy_case cases[] = {
		{"{'podSelector':{}}", "(" K8S " && " IN_X ")\n ingress\n"},
		{"{'podSelector':{'matchLabels':{'b':'2','a':'1'}}}",
		 "((" K8S " && a == \"1\" && b == \"2\") && " IN_X ")\n ingress\n"},
		{"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In','values':['2',"
		 "'1']},{'key':'b','operator':'NotIn','values':['3']},{'key':'c','operator':"
		 "'Exists'},{'key':'d','operator':'DoesNotExist'}]}}",
		 "((" K8S
		 " && a in {\"1\", \"2\"} && b not in {\"3\"} && has(c) && !has(d)) && " IN_X
		 ")\n ingress\n"},
		{"{'podSelector':{'matchLabels':{'a':''},'matchExpressions':[{'key':'e/f','operator':"
		 "'Exists'}]}}",
		 "((" K8S " && a == \"\" && has(e/f)) && " IN_X ")\n ingress\n"},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases), HEAD);
}

/*
 * policyTypes: taken literally here, since the API server has filled them in. ingress: "If this
 * field is empty then this NetworkPolicy does not allow any traffic (and serves solely to ensure
 * that the pods it selects are isolated by default)"; egress the same.
 */
static void test_types(void **state)
{
	static const struct policy_case cases[] = {
		{"{'podSelector':{},'policyTypes':['Ingress']}", " ingress\n"},
		{"{'podSelector':{},'policyTypes':['Egress']}", " egress\n"},
		{"{'podSelector':{},'policyTypes':['Egress','Ingress']}", " ingress\n egress\n"},
		{"{'podSelector':{},'policyTypes':[]}", " ingress\n"},
		{"{'podSelector':{},'egress':[{}]}", " ingress\n"},
		{"{'podSelector':{},'policyTypes':['Egress'],'ingress':[{}]}", " egress\n"},
		{"{'podSelector':{},'policyTypes':['Ingress','Egress'],'ingress':[],'egress':[]}",
		 " ingress\n egress\n"},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases), ALL_X);
}

/*
 * from: "If this field is empty or missing, this rule matches all sources (traffic not restricted
 * by source)". A peer: "podSelector [...] If namespaceSelector is also set, then the
 * NetworkPolicyPeer as a whole selects the pods matching podSelector in the namespaces selected by
 * NamespaceSelector. Otherwise it selects the pods matching podSelector in the policy's own
 * namespace." "If [namespaceSelector] is present but empty, it selects all namespaces." ipBlock:
 * "If this field is set then neither of the other fields can be."
 */
static void test_peers(void **state)
{
	static const struct policy_case cases[] = {
		{"{'podSelector':{},'ingress':[{}]}", "  allow\n"},
		{"{'podSelector':{},'ingress':[{'from':[]}]}", "  allow\n"},
		{"{'podSelector':{},'ingress':[{'from':null}]}", "  allow\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'podSelector':{}}]}]}",
		 "  allow; from in {(" IN_X " && " K8S ")}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'podSelector':{'matchLabels':{'a':'b'}}}]}]}",
		 "  allow; from in {(" IN_X " && (" K8S " && a == \"b\"))}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{}}]}]}",
		 "  allow; from in {(" HAS_NS " && " K8S ")}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{'matchLabels':{'n':'m'}}"
		 "}]}]}",
		 "  allow; from in {(pcns.n == \"m\" && " K8S ")}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{'matchExpressions':"
		 "[{'key':'n','operator':'NotIn','values':['m']}]}}]}]}",
		 "  allow; from in {(pcns.n not in {\"m\"} && " K8S ")}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{'matchLabels':{'n':'m'}}"
		 ",'podSelector':{'matchLabels':{'a':'b'}}}]}]}",
		 "  allow; from in {(pcns.n == \"m\" && (" K8S " && a == \"b\"))}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{},'podSelector':{}}]}]}",
		 "  allow; from in {(" HAS_NS " && " K8S ")}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'namespaceSelector':{'matchLabels':{'n':'m'}}"
		 "},{'podSelector':{'matchLabels':{'a':'b'}}}]}]}",
		 "  allow; from in {(pcns.n == \"m\" && " K8S ")}\n"
		 "  allow; from in {(" IN_X " && (" K8S " && a == \"b\"))}\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8'}}]}]}",
		 "  allow; from nets 10.0.0.0/8\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'ipBlock':{'cidr':'10.9.9.9/8','except':["
		 "'10.1.0.0/16','10.2.3.4/16']}}]}]}",
		 "  allow; from nets 10.0.0.0/8 not-nets 10.1.0.0/16,10.2.0.0/16\n"},
		{"{'podSelector':{},'ingress':[{'from':[{'ipBlock':{'cidr':'0.0.0.0/0'}},{'ipBlock':"
		 "{'cidr':'::/0'}}]}]}",
		 "  allow; from nets 0.0.0.0/0\n  allow; from nets ::/0\n"},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases), ALL_X " ingress\n");
}

/*
 * ports: "Each item in this list is combined using a logical OR. If this field is empty or missing,
 * this rule matches all ports (traffic not restricted by port)." protocol: "If not specified, this
 * field defaults to TCP." port: "If this field is not provided, this matches all port names and
 * numbers." endPort: "indicates that the range of ports from port to endPort if set, inclusive,
 * should be allowed by the policy."
 */
static void test_ports(void **state)
{
	static const struct policy_case cases[] = {
		{"{'podSelector':{},'ingress':[{'ports':[]}]}", "  allow\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{}]}]}", "  allow protocol 6\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'protocol':'UDP'}]}]}",
		 "  allow protocol 17\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80}]}]}",
		 "  allow protocol 6; to ports 80\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80,'protocol':'SCTP'}]}]}",
		 "  allow protocol 132; to ports 80\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':'80'}]}]}",
		 "  allow protocol 6; to ports 80\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':'web'}]}]}",
		 "  allow protocol 6; to ports {port web/6 of all()}\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80,'endPort':90}]}]}",
		 "  allow protocol 6; to ports 80:90\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':82},{'port':80}]}]}",
		 "  allow protocol 6; to ports 80,82\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80,'endPort':80}]}]}",
		 "  allow protocol 6; to ports 80\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':81},{'port':443},{'port':80},"
		 "{'port':82,'endPort':90},{'port':85,'endPort':86},{'port':'web'}]}]}",
		 "  allow protocol 6; to ports 80:90,443 ports {port web/6 of all()}\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':65535},{'port':1,'endPort':65535}]}]}",
		 "  allow protocol 6; to ports 1:65535\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':53,'protocol':'UDP'},{'port':53},"
		 "{'port':1,'protocol':'SCTP'}]}]}",
		 "  allow protocol 132; to ports 1\n  allow protocol 6; to ports 53\n"
		 "  allow protocol 17; to ports 53\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80},{}]}]}",
		 "  allow protocol 6\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{},{'port':80},{'port':1,'protocol':'UDP'}]}]"
		 "}",
		 "  allow protocol 6\n  allow protocol 17; to ports 1\n"},
		{"{'podSelector':{},'ingress':[{'ports':[{'port':80},{'port':53,'protocol':'UDP'}],"
		 "'from':[{'ipBlock':{'cidr':'1.0.0.0/8'}},{'ipBlock':{'cidr':'2.0.0.0/8'}}]}]}",
		 "  allow protocol 6; from nets 1.0.0.0/8; to ports 80\n"
		 "  allow protocol 6; from nets 2.0.0.0/8; to ports 80\n"
		 "  allow protocol 17; from nets 1.0.0.0/8; to ports 53\n"
		 "  allow protocol 17; from nets 2.0.0.0/8; to ports 53\n"},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases), ALL_X " ingress\n");
}

/* Of egress, peer and ports are both of the destination. A named port is one of the peers'. */
static void test_egress(void **state)
{
	static const struct policy_case cases[] = {
		{"{'podSelector':{},'policyTypes':['Egress'],'egress':[{'to':[{'podSelector':{}}],"
		 "'ports':[{'port':80}]}]}",
		 "  allow protocol 6; to in {(" IN_X " && " K8S ")} ports 80\n"},
		{"{'podSelector':{},'policyTypes':['Egress'],'egress':[{'to':[{'podSelector':{}}],"
		 "'ports':[{'port':'web'}]}]}",
		 "  allow protocol 6; to ports {port web/6 of (" IN_X " && " K8S ")}\n"},
		{"{'podSelector':{},'policyTypes':['Egress'],'egress':[{'to':[{'podSelector':{}}],"
		 "'ports':[{'port':'web'},{'port':80}]}]}",
		 "  allow protocol 6; to in {(" IN_X " && " K8S
		 ")} ports 80 ports {port web/6 of (" IN_X " && " K8S ")}\n"},
		{"{'podSelector':{},'policyTypes':['Egress'],'egress':[{'to':[{'ipBlock':{'cidr':"
		 "'10.0.0.0/8','except':['10.1.0.0/16']}}],'ports':[{'protocol':'UDP','port':53}]}]}",
		 "  allow protocol 17; to nets 10.0.0.0/8 not-nets 10.1.0.0/16 ports 53\n"},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases), ALL_X " egress\n");
}

/* A rule that can't be understood is left out; the others stay. */
static void test_rules_left_out(void **state)
{
	static const struct policy_case cases[] = {
		{"{'ports':[{'port':'a b'}]}", "a b"},
		{"{'ports':[{'port':70000}]}", "ports[0]"},
		{"{'ports':[{'port':80,'endPort':79}]}", "endPort"},
		{"{'ports':[{'port':'web','endPort':79}]}", "endPort"},
		{"{'ports':[{'endPort':79}]}", "endPort"},
		{"{'ports':[{'port':1,'protocol':'ICMP'}]}", "ICMP"},
		{"{'from':[{'ipBlock':{'cidr':'10.0.0.0/33'}}]}", "from[0]: ipBlock.cidr"},
		{"{'from':[{'ipBlock':{}}]}", "ipBlock.cidr"},
		{"{'from':[{'ipBlock':{'cidr':'10.0.0.0/8','except':['x']}}]}", "ipBlock.except"},
		{"{'from':[{'podSelector':{'matchLabels':{'a || has(b)':'c'}}}]}", "podSelector"},
		{"{'from':[{'podSelector':{'matchLabels':{'a':'`\\'b'}}}]}", "podSelector"},
		{"{'from':[{'podSelector':{}},{'namespaceSelector':{'matchExpressions':[{'key':'a',"
		 "'operator':'In'}]}}]}",
		 "from[1]: namespaceSelector"},
		{"{'from':[{'podSelector':{'matchExpressions':[{'key':'a','operator':'Is'}]}}]}",
		 "matchExpressions[0]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf(
			POLICY NAMED "{'podSelector':{},'ingress':[{'ports':[{'port':1}]},%s,"
				     "{'ports':[{'port':2}]}]}}",
			cases[i].spec);
		_cleanup_(model_freep) struct object *object = NULL;
		_cleanup_(compiled_policy_freep) struct compiled_policy *policy = NULL;
		_cleanup_buf_ struct buf out = BUF_INIT;

		object = read_object(text);
		policy = compile(object, text);
		compiled_policy_dump(policy, &out);
		assert_string_equal(buf_str(&out),
				    ALL_X " ingress\n  allow protocol 6; to ports 1\n"
					  "  allow protocol 6; to ports 2\n");
		assert_non_null(policy->problem);
		if (!strstr(policy->problem, "spec.ingress[1] is left out: ") ||
		    !strstr(policy->problem, cases[i].expected))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].spec, policy->problem,
				 cases[i].expected);
	}
}

/* Values that look like selectors stay values. */
static void test_hostile_values(void **state)
{
	(void)state;
	check_compiled(POLICY NAMED "{'podSelector':{'matchLabels':{'a':'` || all() || b == `'}}}}",
		       HEAD "((" K8S " && a == \"' || all() || b == '\") && " IN_X ")\n ingress\n");
}

/* What the policy applies to must be understood. */
static void test_refused(void **state)
{
	static const struct policy_case cases[] = {
		{POLICY NAMED "{'podSelector':{'matchLabels':{'a b':'c'}}}}", "spec.podSelector"},
		{POLICY NAMED "{'policyTypes':['Ingress','Both']}}", "spec.policyTypes[1]"},
		{POLICY "'metadata':{'name':'p'},'spec':{}}", "metadata.namespace"},
		{CLUSTER_POLICY "'metadata':{'name':'p'},'spec':{'tier':'Admin','priority':1}}",
		 "spec.subject"},
		{CLUSTER_POLICY
		 "'metadata':{'name':'p'},'spec':{'tier':'Top','priority':1,'subject'"
		 ":{'namespaces':{}}}}",
		 "spec.tier"},
		{CLUSTER_POLICY "'metadata':{'name':'p'},'spec':{'tier':'Admin','subject'"
				":{'namespaces':{}}}}",
		 "spec.priority"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object = read_object(cases[i].spec);
		struct compiled_policy *policy = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(compiled_policy_new(object, &policy, &err), -EINVAL);
		if (!strstr(err.msg, cases[i].expected))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].spec, err.msg,
				 cases[i].expected);
	}
}

/* No text within the limits may ask for more than there is memory. */
static void test_limits(void **state)
{
	_cleanup_(model_freep) struct object *object =
		read_object(POLICY NAMED "{'ingress':[{}]}}");
	struct kubernetes_rule *rule = &as_kubernetes_policy(object)->spec.ingress.v[0];
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy = NULL;

	(void)state;
	rule->peers.set = rule->ports.set = true;
	for (int i = 0; i < 1000; i++) {
		struct kubernetes_peer *peer = ARRAY_ADD(rule->peers.v, rule->peers.n);
		struct kubernetes_port *port = ARRAY_ADD(rule->ports.v, rule->ports.n);

		peer->pod_selector = XNEW(struct label_selector);
		port->port =
			(struct int_or_string){.s = xasprintf("%d", 2 * i + 1), .is_int = true};
	}
	policy = compile(object, "limits");
	assert_int_equal(policy->rules[POLICY_WAY_INGRESS].n, 0);
	assert_non_null(strstr(policy->problem, "split the policy"));
}

#define CLUSTER(spec)                                                                              \
	CLUSTER_POLICY "'metadata':{'name':'p'},'spec':{'tier':'Admin','priority':7," spec "}}"
#define ALL_PODS     "'subject':{'namespaces':{}}"
#define CLUSTER_HEAD "kcnp/p tier kube-admin order 7 selector "
#define HAS_NS_PODS  "(" HAS_NS " && " K8S ")"
#define CLUSTER_ALL  CLUSTER_HEAD "(" K8S " && " HAS_NS ")\n"

/*
 * "Admin: [...] rules are evaluated before NetworkPolicy", "Baseline"; "Policies with lower
 * priority values have higher precedence". subject: "all pods in the selected namespaces" or "the
 * selected pods". "The empty selector matches all namespaces."
 */
static void test_cluster_subjects(void **state)
{
	(void)state;
	check_compiled(CLUSTER(ALL_PODS), CLUSTER_ALL);
	check_compiled(CLUSTER(ALL_PODS ",'ingress':[],'egress':[]"), CLUSTER_ALL);
	check_compiled(CLUSTER("'subject':{'namespaces':{'matchLabels':{'n':'m'}}}"),
		       CLUSTER_HEAD "(" K8S " && pcns.n == \"m\")\n");
	check_compiled(CLUSTER("'subject':{'pods':{'namespaceSelector':{},'podSelector':{"
			       "'matchLabels':{'a':'b'}}}}"),
		       CLUSTER_HEAD "((" K8S " && a == \"b\") && " HAS_NS ")\n");
	check_compiled(CLUSTER_POLICY "'metadata':{'name':'p'},'spec':{'tier':'Baseline','priority'"
				      ":0,'subject':{'namespaces':{}}}}",
		       "kcnp/p tier kube-baseline order 0 selector (" K8S " && " HAS_NS ")\n");
}

#define TO(peer, rest) CLUSTER(ALL_PODS ",'egress':[{'action':'Accept','to':[" peer "]" rest "}]")
#define FROM(action, peer)                                                                         \
	CLUSTER(ALL_PODS ",'ingress':[{'action':'" action "','from':[" peer "]}]")

static void test_cluster_peers(void **state)
{
	(void)state;
	check_compiled(FROM("Accept", "{'namespaces':{}}"),
		       CLUSTER_ALL " ingress\n  allow; from in {" HAS_NS_PODS "}\n");
	check_compiled(FROM("Deny", "{'namespaces':{'matchLabels':{'n':'m'}}}"),
		       CLUSTER_ALL " ingress\n  deny; from in {(pcns.n == \"m\" && " K8S ")}\n");
	check_compiled(FROM("Pass", "{'pods':{'namespaceSelector':{'matchLabels':{'n':'m'}},"
				    "'podSelector':{'matchLabels':{'a':'b'}}}}"),
		       CLUSTER_ALL " ingress\n  pass; from in {(pcns.n == \"m\" && (" K8S
				   " && a == \"b\"))}\n");
	check_compiled(TO("{'networks':['10.0.0.0/8','fd00::/8']}", ""),
		       CLUSTER_ALL " egress\n  allow; to nets 10.0.0.0/8,fd00::/8\n");
	check_compiled(TO("{'networks':['10.0.0.0/8']},{'namespaces':{}}", ""), CLUSTER_ALL
		       " egress\n  allow; to nets 10.0.0.0/8\n  allow; to in {" HAS_NS_PODS "}\n");
	check_compiled(FROM("Deny", ""), CLUSTER_ALL);
}

static void test_cluster_protocols(void **state)
{
	(void)state;
	check_compiled(TO("{'namespaces':{}}",
			  ",'protocols':[{'udp':{'destinationPort':{'number':53}}},{'tcp':{"
			  "'destinationPort':{'range':{'start':1,'end':9}}}},{'tcp':{"
			  "'destinationPort':{'number':10}}}]"),
		       CLUSTER_ALL " egress\n  allow protocol 6; to in {" HAS_NS_PODS
				   "} ports 1:10\n"
				   "  allow protocol 17; to in {" HAS_NS_PODS "} ports 53\n");
	check_compiled(TO("{'namespaces':{}}", ",'protocols':[{'destinationNamedPort':'web'}]"),
		       CLUSTER_ALL
		       " egress\n  allow protocol 132; to ports {port web/132 of " HAS_NS_PODS
		       "}\n  allow protocol 6; to ports {port web/6 of " HAS_NS_PODS
		       "}\n  allow protocol 17; to ports {port web/17 of " HAS_NS_PODS "}\n");
	check_compiled(TO("{'namespaces':{}}", ",'protocols':[]"),
		       CLUSTER_ALL " egress\n  allow; to in {" HAS_NS_PODS "}\n");
}

/* What can't be understood must not let anything pass. */
static void test_cluster_rules_fail_closed(void **state)
{
	static const char *const bad[] = {
		"'from':[{}]",
		"'from':[{'nodes':{}}]",
		"'from':[{'networks':['10.0.0.0/8']}]",
		"'from':[{'namespaces':{'matchLabels':{'a b':'c'}}}]",
		"'from':[{'namespaces':{}}],'protocols':[{}]",
		"'from':[{'namespaces':{}}],'protocols':[{'icmp':{}}]",
		"'from':[{'namespaces':{}}],'protocols':[{'tcp':{}}]",
		"'from':[{'namespaces':{}}],'protocols':[{'tcp':{'destinationPort':{}}}]",
		"'from':[{'namespaces':{}}],'protocols':[{'tcp':{'destinationPort':{'number':"
		"70000}}}]",
		"'from':[{'namespaces':{}}],'protocols':[{'tcp':{'destinationPort':{'range':"
		"{'start':2,'end':1}}}}]",
		"'from':[{'namespaces':{}}],'protocols':[{'destinationNamedPort':'1'}]",
		"'from':[{'namespaces':{},'pods':{'podSelector':{},'namespaceSelector':{}}}]",
	};
	static const char *const actions[][2] = {
		{"Deny", "deny"}, {"Pass", "deny"}, {"Reject", "deny"}, {"Accept", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (size_t k = 0; k < ARRAY_SIZE(actions); k++) {
			_cleanup_free_ char *text = xasprintf(
				CLUSTER(ALL_PODS
					",'ingress':[{'action':'%s',%s},{'action':'Accept',"
					"'from':[{'namespaces':{}}]}]"),
				actions[k][0], bad[i]);
			_cleanup_free_ char *expected = xasprintf(
				CLUSTER_ALL " ingress\n%s%s%s  allow; from in {" HAS_NS_PODS "}\n",
				actions[k][1] ? "  " : "", actions[k][1] ? actions[k][1] : "",
				actions[k][1] ? "\n" : "");

			check_compiled(text, expected);
		}
}

static void test_cluster_rule_name(void **state)
{
	_cleanup_(model_freep) struct object *object = read_object(CLUSTER(
		ALL_PODS ",'ingress':[{'name':'no','action':'Deny','from':[{'namespaces':{}}]}]"));
	_cleanup_(model_freep) struct object *made = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kubernetes_policy_convert(object, &made, NULL, &err), 0);
	assert_int_equal(made->desc->kind, KIND_GLOBAL_NETWORK_POLICY);
	assert_string_equal(
		str_map_find(&as_policy(made)->spec.ingress.v[0].metadata->annotations, "name"),
		"no");
}

static void test_staged(void **state)
{
	(void)state;
	check_compiled("{'apiVersion':'projectcalico.org/v3','kind':"
		       "'StagedKubernetesNetworkPolicy'," NAMED
		       "{'podSelector':{},'ingress':[{}],'policyTypes':['Ingress']}}",
		       "sknp/x/p tier default order 1000 staged forward selector (" K8S " && " IN_X
		       ")\n ingress\n  allow\n");
	check_compiled("{'apiVersion':'projectcalico.org/v3','kind':"
		       "'StagedKubernetesNetworkPolicy'," NAMED "{'stagedAction':'Delete'}}",
		       "sknp/x/p tier default order 1000 staged forward selector (" K8S " && " IN_X
		       ")\n");
}

static void check_written(const struct object *object, const char *expected)
{
	_cleanup_free_ char *json = xstrdup(expected);
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	model_write_json(object, &out);
	assert_string_equal(buf_str(&out), json);
}

/* The bits of each byte of a UID are reversed, but for bytes 6 and 8. */
static void test_profiles(void **state)
{
	_cleanup_(model_freep) struct object *namespace =
		read_object("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'x','uid':"
			    "'01020304-0506-4708-8901-80c0e0f0f8fc','labels':{'a':'b','k/l':''}}}");
	_cleanup_(model_freep) struct object *account =
		read_object("{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'s',"
			    "'namespace':'x','labels':{'a':'b'}}}");
	_cleanup_(model_freep) struct object *first = kubernetes_namespace_profile(namespace);
	_cleanup_(model_freep) struct object *second = kubernetes_account_profile(account);

	(void)state;
	check_written(first,
		      "{'kind':'Profile','apiVersion':'projectcalico.org/v3','metadata':{'name':"
		      "'kns.x','uid':'8040c020-a060-4710-8980-0103070f1f3f'},'spec':{'ingress':[{"
		      "'action':'Allow','source':{},'destination':{}}],'egress':[{'action':'Allow',"
		      "'source':{},'destination':{}}],'labelsToApply':{'pcns.a':'b','pcns.k/l':'',"
		      "'pcns.projectcalico.org/name':'x'}}}");
	check_written(second,
		      "{'kind':'Profile','apiVersion':'projectcalico.org/v3','metadata':{'name':"
		      "'ksa.x.s'},'spec':{'labelsToApply':{'pcsa.a':'b',"
		      "'pcsa.projectcalico.org/name':'s'}}}");
}

#define POD                                                                                        \
	"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a-b','namespace':'x','labels':{'l':'m'}},"

static void test_pods(void **state)
{
	static const char *const none[] = {
		POD "'spec':{}}",
		POD "'spec':{'nodeName':''}}",
		POD "'spec':{'nodeName':'n','hostNetwork':true},'status':{'podIP':'10.0.0.1'}}",
	};
	_cleanup_(model_freep) struct object *pod = read_object(
		POD "'spec':{'nodeName':'n-1','serviceAccountName':'s','containers':[{'ports':[{"
		    "'containerPort':80,'name':'web'},{'containerPort':53,'protocol':'UDP'}]}]},"
		    "'status':{'podIP':'10.0.0.1','podIPs':[{'ip':'10.0.0.1'},{'ip':'fd00::1'}]}}");
	_cleanup_(model_freep) struct object *ended = read_object(
		POD "'spec':{'nodeName':'n'},'status':{'phase':'Succeeded','podIP':'10.0.0.1'}}");
	_cleanup_(model_freep) struct object *made = NULL;
	_cleanup_(model_freep) struct object *empty = NULL;

	(void)state;
	assert_int_equal(kubernetes_pod_endpoint(pod, &made, NULL), 0);
	check_written(
		made,
		"{'kind':'WorkloadEndpoint','apiVersion':'projectcalico.org/v3','metadata':{"
		"'name':'n--1-k8s-a--b-eth0','namespace':'x','labels':{'l':'m',"
		"'projectcalico.org/namespace':'x','projectcalico.org/orchestrator':'k8s',"
		"'projectcalico.org/serviceaccount':'s'}},'spec':{'orchestrator':'k8s','node':"
		"'n-1','pod':'a-b','endpoint':'eth0','serviceAccountName':'s','ipNetworks':["
		"'10.0.0.1/32','fd00::1/128'],'profiles':['kns.x','ksa.x.s'],'interfaceName':"
		"'calic5d3a98f480','ports':[{'name':'web','protocol':'TCP','port':80},{"
		"'name':'','protocol':'UDP','port':53}]}}");
	assert_int_equal(kubernetes_pod_endpoint(ended, &empty, NULL), 0);
	assert_int_equal(as_workload_endpoint(empty)->spec.ip_networks.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		_cleanup_(model_freep) struct object *object = read_object(none[i]);
		struct object *endpoint = NULL;

		assert_int_equal(kubernetes_pod_endpoint(object, &endpoint, NULL),
				 KUBERNETES_POD_E_NONE);
	}
}

static void test_tiers(void **state)
{
	(void)state;
	assert_true(builtin_tier_find("kube-admin")->pass);
	assert_true(builtin_tier_find("kube-baseline")->pass);
	assert_false(builtin_tier_find("default")->pass);
	assert_true(builtin_tier_find("kube-admin")->order < builtin_tier_find("default")->order);
	assert_true(builtin_tier_find("default")->order <
		    builtin_tier_find("kube-baseline")->order);
	assert_null(builtin_tier_find("other"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_egress),
		cmocka_unit_test(test_rules_left_out),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cluster_subjects),
		cmocka_unit_test(test_cluster_peers),
		cmocka_unit_test(test_cluster_protocols),
		cmocka_unit_test(test_cluster_rules_fail_closed),
		cmocka_unit_test(test_cluster_rule_name),
		cmocka_unit_test(test_staged),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_tiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
