/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whom a policy selects can't be known without its selector: so everyone it could. Its place among
 * the others stays, or is the first of the tier "default" where it is not known. No rule of it
 * stays: one that allows would now allow for those whom the policy does not select.
 */

#include "agent/policy-closed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/kinds-kubernetes.h"
#include "model/kinds-policy.h"
#include "policy/compiled-policy.h"
#include "selector/selector.h"

#define CALICO_SPEC                                                                                \
	"\"order\":-1e300,\"types\":[\"Ingress\",\"Egress\"],"                                     \
	"\"ingress\":[{\"action\":\"Deny\"}],\"egress\":[{\"action\":\"Deny\"}]}}"

static const struct {
	enum kind kind;
	const char *text;
} templates[] = {
	{KIND_NETWORK_POLICY, "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"NetworkPolicy\","
			      "\"spec\":{" CALICO_SPEC},
	{KIND_GLOBAL_NETWORK_POLICY,
	 "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"GlobalNetworkPolicy\","
	 "\"spec\":{\"applyOnForward\":true," CALICO_SPEC},
	/* These only allow: what another one allows may pass whatever this one says. */
	{KIND_KUBERNETES_NETWORK_POLICY,
	 "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"spec\":{"
	 "\"podSelector\":{},\"policyTypes\":[\"Ingress\",\"Egress\"]}}"},
	{KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
	 "{\"apiVersion\":\"policy.networking.k8s.io/v1alpha2\",\"kind\":\"ClusterNetworkPolicy\","
	 "\"spec\":{\"tier\":\"Admin\",\"priority\":0,\"subject\":{\"namespaces\":{}},"
	 "\"ingress\":[{\"action\":\"Deny\",\"from\":[{\"namespaces\":{}}]}],"
	 "\"egress\":[{\"action\":\"Deny\",\"to\":[{\"namespaces\":{}},"
	 "{\"networks\":[\"0.0.0.0/0\",\"::/0\"]}]}]}}"},
};

/* NULL: none of this kind. */
static struct object *read_template(enum kind kind)
{
	struct object *object = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		if (templates[i].kind == kind)
			r = model_read_json(templates[i].text, strlen(templates[i].text),
					    MODEL_STRICT, "a closed policy", &object, NULL);
	}
	assert(r == 0);
	return object;
}

static char *copy_selector(const char *text)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;

	return text && selector_compile(text, &selector, NULL) == 0 ? xstrdup(text) : NULL;
}

static void only(struct policy_spec *closed, enum policy_direction direction)
{
	bool ingress = direction == POLICY_INGRESS;
	struct rule_list *other = ingress ? &closed->egress : &closed->ingress;

	replace_str(&closed->types.v[0], xstrdup(ingress ? "Ingress" : "Egress"));
	free(closed->types.v[1]);
	closed->types.n = 1;
	free(other->v); /* of one rule without conditions */
	*other = (struct rule_list){.n = 0};
}

/* Both, where a type of it is none. */
static unsigned int known_directions(const struct policy_spec *bad)
{
	for (size_t i = 0; i < bad->types.n; i++) {
		if (strcmp(bad->types.v[i], "Ingress") != 0 &&
		    strcmp(bad->types.v[i], "Egress") != 0)
			return POLICY_INGRESS | POLICY_EGRESS;
	}
	return policy_directions(bad);
}

static void narrow(struct object *object, const struct object *bad_object)
{
	struct policy_spec *closed = &as_policy(object)->spec;
	const struct policy_spec *bad = &as_policy(bad_object)->spec;
	unsigned int directions = known_directions(bad);

	replace_str(&closed->tier, bad->tier ? xstrdup(bad->tier) : NULL);
	closed->order = bad->order;
	closed->do_not_track = bad->do_not_track;
	closed->pre_dnat = bad->pre_dnat;
	closed->apply_on_forward = bad->apply_on_forward;
	closed->selector = copy_selector(bad->selector);
	closed->namespace_selector = copy_selector(bad->namespace_selector);
	closed->service_account_selector = copy_selector(bad->service_account_selector);
	if (directions == POLICY_INGRESS || directions == POLICY_EGRESS)
		only(closed, (enum policy_direction)directions);
}

static bool is_understood(const struct object *object)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *compiled = NULL;

	return compiled_policy_new(object, &compiled, NULL) == 0;
}

struct object *policy_closed_new(enum kind kind, const char *namespace, const char *name,
				 const struct object *bad)
{
	bool narrowed = bad && (kind == KIND_NETWORK_POLICY || kind == KIND_GLOBAL_NETWORK_POLICY);
	struct object *object = read_template(kind);

	if (!object)
		return NULL;
	replace_str(&object->meta.name, xstrdup(name));
	replace_str(&object->meta.namespace, namespace ? xstrdup(namespace) : NULL);
	if (narrowed)
		narrow(object, bad);
	if (narrowed && !is_understood(object)) {
		(void)model_free(object);
		return policy_closed_new(kind, namespace, name, NULL);
	}
	return object;
}
