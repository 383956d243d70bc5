/* SPDX-License-Identifier: Apache-2.0 */

/* Kubernetes' own kinds: what goes in comes out, and every rule has an object that breaks it. */

#include "model/kinds-kubernetes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

/* 'text' with apostrophes for quotes. */
static int read_text(const char *text, enum model_mode mode, struct object **ret, struct err *err)
{
	_cleanup_free_ char *json = xstrdup(text);

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return model_read_json(json, strlen(json), mode, "test", ret, err);
}

static struct object *read_good(const char *text)
{
	struct object *object = NULL;
	struct err err = ERR_INIT;

	if (read_text(text, MODEL_STRICT, &object, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return object;
}

#define POLICY "'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy'"

static void test_policy_round_trip(void **state)
{
	static const char text[] =
		"{\"kind\":\"NetworkPolicy\",\"apiVersion\":\"networking.k8s.io/v1\",\"metadata\":"
		"{\"name\":\"p\",\"namespace\":\"x\"},\"spec\":{\"podSelector\":{\"matchLabels\":"
		"{\"pod\":\"a\"}},\"ingress\":[{\"ports\":[{\"protocol\":\"TCP\",\"port\":80,"
		"\"endPort\":90},{\"port\":\"http\"}],\"from\":[{\"podSelector\":{}},"
		"{\"namespaceSelector\":{\"matchExpressions\":[{\"key\":\"ns\",\"operator\":\"In\","
		"\"values\":[\"x\",\"y\"]}]}},{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":"
		"[\"10.1.0.0/16\"]}}]}],\"egress\":[],\"policyTypes\":[\"Ingress\",\"Egress\"]}}";
	_cleanup_(model_freep) struct object *object = read_good(text);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(object->desc->kind, KIND_KUBERNETES_NETWORK_POLICY);
	if (model_validate(object, &err) < 0)
		fail_msg("%s", err.msg);
	model_write_json(object, &out);
	assert_string_equal(buf_str(&out), text);
}

/* The same kind's name in another API is another kind. */
static void test_versions(void **state)
{
	static const struct {
		const char *text;
		enum kind kind;
	} cases[] = {
		{"{" POLICY "}", KIND_KUBERNETES_NETWORK_POLICY},
		{"{'apiVersion':'projectcalico.org/v3','kind':'NetworkPolicy'}",
		 KIND_NETWORK_POLICY},
		{"{'apiVersion':'policy.networking.k8s.io/v1alpha2','kind':'ClusterNetworkPolicy'}",
		 KIND_KUBERNETES_CLUSTER_NETWORK_POLICY},
		{"{'apiVersion':'v1','kind':'Namespace'}", KIND_NAMESPACE},
		{"{'apiVersion':'v1','kind':'ServiceAccount'}", KIND_SERVICE_ACCOUNT},
		{"{'apiVersion':'v1','kind':'Service'}", KIND_KUBERNETES_SERVICE},
		{"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'}",
		 KIND_KUBERNETES_ENDPOINT_SLICE},
		{"{'apiVersion':'v1','kind':'Pod'}", KIND_POD},
	};
	static const char *const wrong[][2] = {
		{"{'apiVersion':'v1','kind':'NetworkPolicy'}", "projectcalico.org/v3"},
		{"{'apiVersion':'projectcalico.org/v3','kind':'KubernetesNetworkPolicy'}",
		 "networking.k8s.io/v1"},
		{"{'apiVersion':'networking.k8s.io/v1','kind':'KubernetesNetworkPolicy'}",
		 "did you mean NetworkPolicy"},
		{"{'apiVersion':'networking.k8s.io/v1beta1','kind':'NetworkPolicy'}", "apiVersion"},
		{"{'apiVersion':'v1','kind':'ConfigMap'}", "no kind \"ConfigMap\" in v1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object = read_good(cases[i].text);

		assert_int_equal(object->desc->kind, cases[i].kind);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		for (int mode = MODEL_STRICT; mode <= MODEL_LENIENT; mode++) {
			struct object *object = NULL;
			struct err err = ERR_INIT;

			assert_true(read_text(wrong[i][0], (enum model_mode)mode, &object, &err) <
				    0);
			if (!strstr(err.msg, wrong[i][1]))
				fail_msg("%s: \"%s\" lacks \"%s\"", wrong[i][0], err.msg,
					 wrong[i][1]);
		}
}

/* What we do not use of a kind is kept, and is never a mistake; of a policy it is. */
static void test_open_kinds(void **state)
{
	static const char text[] =
		"{'kind':'Pod','apiVersion':'v1','metadata':{'name':'a','namespace':'x'},'spec':"
		"{'nodeName':'n','containers':[{'name':'c','image':'i','ports':[{'name':'http',"
		"'containerPort':80}]}],'tolerations':[{'key':'k'}]}}";
	_cleanup_(model_freep) struct object *object = read_good(text);
	_cleanup_(model_freep) struct object *again = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct object *none = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_string_equal(as_pod(object)->spec.containers.v[0].ports.v[0].name, "http");
	model_write_json(object, &out);
	assert_non_null(strstr(buf_str(&out), "\"image\":\"i\""));
	assert_non_null(strstr(buf_str(&out), "\"tolerations\":[{\"key\":\"k\"}]"));
	assert_int_equal(
		model_read_json(buf_str(&out), out.size, MODEL_STRICT, "again", &again, &err), 0);
	assert_true(model_equal(object, again));
	assert_true(read_text("{" POLICY ",'spec':{'podselector':{}}}", MODEL_STRICT, &none, &err) <
		    0);
	assert_non_null(strstr(err.msg, "spec.podselector"));
}

/* Strictness comes back behind an open kind. */
static void test_open_kind_in_a_list(void **state)
{
	static const char text[] =
		"apiVersion: v1\nkind: List\nitems:\n"
		"- {apiVersion: v1, kind: Pod, x: 1}\n"
		"- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, x: 1}\n";
	struct object **objects = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_true(model_read_yaml(text, strlen(text), "f.yaml", &objects, &n, &err) < 0);
	assert_non_null(strstr(err.msg, "f.yaml:5"));
}

/* Kubernetes' API server: policies without types affect ingress, with egress rules both. */
static void test_default_types(void **state)
{
	static const struct {
		const char *spec;
		size_t n;
	} cases[] = {
		{"{}", 1},
		{"{'ingress':[{}]}", 1},
		{"{'egress':[]}", 1},
		{"{'egress':[{}]}", 2},
		{"{'policyTypes':['Egress']}", 1},
		{"{'policyTypes':['Ingress'],'egress':[{}]}", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf("{" POLICY ",'spec':%s}", cases[i].spec);
		_cleanup_(model_freep) struct object *object = read_good(text);

		model_default(object);
		assert_int_equal(as_kubernetes_policy(object)->spec.policy_types.n, cases[i].n);
	}
}

static void check_cases(const char *head, const char *const (*cases)[2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *text = xasprintf("{%s,'spec':%s}", head, cases[i][0]);
		_cleanup_(model_freep) struct object *object = NULL;
		struct err err = ERR_INIT;
		int r = read_text(text, MODEL_STRICT, &object, &err);

		if (r == 0)
			r = model_validate(object, &err);
		if (!cases[i][1] && r < 0)
			fail_msg("%s refused: %s", cases[i][0], err.msg);
		if (cases[i][1] && r == 0)
			fail_msg("%s accepted", cases[i][0]);
		if (cases[i][1] && !strstr(err.msg, cases[i][1]))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i][0], err.msg, cases[i][1]);
	}
}

static void test_policy_rules(void **state)
{
	static const char *const cases[][2] = {
		{"{}", NULL},
		{"{'podSelector':{},'policyTypes':[],'ingress':[]}", NULL},
		{"{'podSelector':{'matchLabels':{'a':'b c'}}}", "matchLabels"},
		{"{'podSelector':{'matchExpressions':[{'key':'a','operator':'In','values':"
		 "['b`']}]}}",
		 "values[0]"},
		{"{'ingress':[{'from':[{}]}]}", "from[0]"},
		{"{'ingress':[{'from':[]}]}", NULL},
		{"{'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.1/8'}}]}]}", NULL},
		{"{'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.1'}}]}]}", "10.0.0.1/32"},
		{"{'ingress':[{'from':[{'ipBlock':{'cidr':'fd00::/8','except':['fd00::1']}}]}]}",
		 "fd00::1/128"},
		{"{'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.0.0.0/8']}}]}]"
		 "}",
		 "except[0]"},
		{"{'ingress':[{'ports':[{}]}]}", NULL},
		{"{'ingress':[{'ports':[{'port':'Http'}]}]}", "ports[0]"},
		{"{'ingress':[{'ports':[{'port':'a-very-long-name'}]}]}", "15"},
		{"{'ingress':[{'ports':[{'port':'a--b'}]}]}", "ports[0]"},
		{"{'ingress':[{'ports':[{'endPort':80}]}]}", "endPort"},
		{"{'ingress':[{'ports':[{'port':0}]}]}", "ports[0]: port"},
		{"{'ingress':[{'to':[]}]}", "spec.ingress[0].to"},
		{"{'egress':[{'from':[]}]}", "spec.egress[0].from"},
	};

	(void)state;
	check_cases(POLICY ",'metadata':{'name':'p','namespace':'x'}", cases, ARRAY_SIZE(cases));
}

#define NAMESPACES "'subject':{'namespaces':{}}"
#define HEAD	   "'tier':'Admin','priority':1," NAMESPACES
#define FROM	   "'from':[{'namespaces':{}}]"

static void test_cluster_policy_rules(void **state)
{
	static const char *const cases[][2] = {
		{"{" HEAD "}", NULL},
		{"{'priority':1," NAMESPACES "}", "spec.tier"},
		{"{'tier':'Top','priority':1," NAMESPACES "}", "spec.tier"},
		{"{'tier':'Admin'," NAMESPACES "}", "spec.priority"},
		{"{'tier':'Baseline','priority':1001," NAMESPACES "}", "spec.priority"},
		{"{'tier':'Admin','priority':0}", "spec.subject"},
		{"{'tier':'Admin','priority':0,'subject':{'namespaces':{},'pods':{}}}",
		 "spec.subject"},
		{"{'tier':'Admin','priority':0,'subject':{'pods':{'podSelector':{'matchLabels':"
		 "{'a':'-'}}}}}",
		 "pods.podSelector"},
		{"{" HEAD ",'ingress':[{'action':'Accept'," FROM "}]}", NULL},
		{"{" HEAD ",'ingress':[{" FROM "}]}", "action"},
		{"{" HEAD ",'ingress':[{'action':'Allow'," FROM "}]}", "action"},
		{"{" HEAD ",'ingress':[{'action':'Deny'}]}", "from"},
		{"{" HEAD ",'ingress':[{'action':'Deny','from':[]}]}", "from"},
		{"{" HEAD ",'ingress':[{'action':'Deny','from':[{}]}]}", "from[0]"},
		{"{" HEAD ",'ingress':[{'action':'Deny','from':[{'networks':['10.0.0.0/8']}]}]}",
		 "networks"},
		{"{" HEAD ",'egress':[{'action':'Deny','to':[{'networks':['10.0.0.0/8']}]}]}",
		 NULL},
		{"{" HEAD ",'egress':[{'action':'Deny','to':[{'networks':['10.0.0.0/8'],"
		 "'namespaces':{}}]}]}",
		 "to[0]"},
		{"{" HEAD ",'ingress':[{'action':'Pass'," FROM
		 ",'protocols':[{'tcp':{'destinationPort':{'number':80}}},{'sctp':{"
		 "'destinationPort':{'range':{'start':1,'end':2}}}},{'destinationNamedPort':'a'}]}]"
		 "}",
		 NULL},
		{"{" HEAD ",'ingress':[{'action':'Pass'," FROM ",'protocols':[{}]}]}",
		 "protocols[0]"},
		{"{" HEAD ",'ingress':[{'action':'Pass'," FROM ",'protocols':[{'tcp':{}}]}]}",
		 "protocols[0]"},
		{"{" HEAD ",'ingress':[{'action':'Pass'," FROM
		 ",'protocols':[{'tcp':{'destinationPort':{'range':{'start':2,'end':2}}}}]}]}",
		 "range"},
	};

	(void)state;
	check_cases("'apiVersion':'policy.networking.k8s.io/v1alpha2','kind':'ClusterNetworkPolicy'"
		    ",'metadata':{'name':'p'}",
		    cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_round_trip),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_open_kinds),
		cmocka_unit_test(test_open_kind_in_a_list),
		cmocka_unit_test(test_default_types),
		cmocka_unit_test(test_policy_rules),
		cmocka_unit_test(test_cluster_policy_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
