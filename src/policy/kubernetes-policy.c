/* SPDX-License-Identifier: Apache-2.0 */

/*
 * NetworkPolicy of Kubernetes, staged or not, to that of Calico: in the tier default, at order
 * 1000, a rule for each protocol and peer. All its rules allow, so one that can't be understood is
 * left out: what it would have allowed stays denied.
 */

#include "policy/kubernetes-policy.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "policy/kubernetes-convert.h"

/* --- What both conversions share ------------------------------------------------------------- */

struct rule *rule_list_add(struct rule_list *list)
{
	list->set = true;
	return ARRAY_ADD(list->v, list->n);
}

/* By the table of a kind that has rules. */
void rule_list_clear(struct rule_list *list)
{
	struct object *holder = model_new(KIND_PROFILE, NULL, "");

	as_profile(holder)->spec.ingress = *list;
	model_free(holder);
	*list = (struct rule_list){0};
}

int conversion_take(struct conversion *conversion, size_t n_peers, const struct port_groups *groups,
		    struct err *err)
{
	size_t per_peer = port_groups_rules(groups) + port_groups_size(groups);
	size_t left = KUBERNETES_CONVERTED_MAX - conversion->used;

	/* Neither factor passes MODEL_TEXT_MAX, so they can't overflow. */
	if (n_peers * per_peer > left)
		return err_set(err, -EINVAL,
			       "its peers and ports would make more than %u; split the policy",
			       KUBERNETES_CONVERTED_MAX);
	conversion->used += n_peers * per_peer;
	return 0;
}

void conversion_problem(struct conversion *conversion, const char *list, size_t index,
			const char *what, const struct err *err)
{
	_cleanup_free_ char *line = NULL;

	if (!conversion->problems || conversion->problems->n >= KUBERNETES_PROBLEMS_MAX)
		return;
	line = xasprintf("spec.%s[%zu] %s: %s", list, index, what, err->msg);
	str_list_add(conversion->problems, line);
}

/* --- Rules ----------------------------------------------------------------------------------- */

static int convert_net(const char *text, const char *field, struct str_list *to, struct err *err)
{
	struct cidr cidr;
	int r = cidr_parse(text ? text : "", &cidr, err);

	if (r < 0)
		return err_prefix(err, r, "ipBlock.%s", field);
	cidr = cidr_masked(&cidr);
	str_list_add(to, cidr_format(&cidr).s);
	return 0;
}

static int convert_block(const struct ip_block *block, struct entity_rule *to, struct err *err)
{
	int r = convert_net(block->cidr, "cidr", &to->nets, err);

	for (size_t i = 0; r == 0 && i < block->except.n; i++)
		r = convert_net(block->except.v[i], "except", &to->not_nets, err);
	return r;
}

/* NULL: everybody. Pods without a namespaceSelector are those of the policy's namespace. */
static int convert_peer(const struct kubernetes_peer *peer, struct entity_rule *to, struct err *err)
{
	int r;

	if (!peer)
		return 0;
	if (peer->ip_block)
		return convert_block(peer->ip_block, to, err);
	r = kubernetes_pod_selector(peer->pod_selector, &to->selector, err);
	if (r < 0)
		return err_prefix(err, r, "podSelector");
	r = kubernetes_namespace_selector(peer->namespace_selector, &to->namespace_selector, err);
	return r < 0 ? err_prefix(err, r, "namespaceSelector") : 0;
}

static size_t count_items(const struct kubernetes_peer_list *peers)
{
	size_t n = MAX(peers->n, (size_t)1);

	for (size_t i = 0; i < peers->n; i++)
		n += peers->v[i].ip_block ? peers->v[i].ip_block->except.n : 0;
	return n;
}

static int convert_rule(const struct kubernetes_rule *in, bool is_egress,
			struct conversion *conversion, struct rule_list *to, struct err *err)
{
	_cleanup_(port_groups_deinitp) struct port_groups groups = {0};
	size_t n_peers = MAX(in->peers.n, (size_t)1);
	int r = port_groups_of_policy(&in->ports, &groups, err);

	if (r == 0)
		r = conversion_take(conversion, count_items(&in->peers), &groups, err);
	for (size_t k = 0; r == 0 && k < port_groups_rules(&groups); k++)
		for (size_t i = 0; r == 0 && i < n_peers; i++) {
			struct rule *rule = rule_list_add(to);

			rule->action = RULE_ACTION_ALLOW;
			port_groups_apply(&groups, k, rule);
			r = convert_peer(in->peers.n ? &in->peers.v[i] : NULL,
					 is_egress ? &rule->destination : &rule->source, err);
			if (r < 0)
				err_prefix(err, r, "%s[%zu]", is_egress ? "to" : "from", i);
		}
	return r;
}

static void convert_rules(const struct kubernetes_rule_list *rules, bool is_egress,
			  struct conversion *conversion, struct rule_list *to)
{
	for (size_t i = 0; i < rules->n; i++) {
		struct rule_list converted = {0};
		struct err err = ERR_INIT;

		if (convert_rule(&rules->v[i], is_egress, conversion, &converted, &err) < 0) {
			rule_list_clear(&converted);
			conversion_problem(conversion, is_egress ? "egress" : "ingress", i,
					   "is left out", &err);
		}
		for (size_t k = 0; k < converted.n; k++)
			*rule_list_add(to) = converted.v[k];
		free(converted.v);
	}
}

/* --- Policies -------------------------------------------------------------------------------- */

/* Taken at their word: the API server writes them out. Without any, ingress. */
static int convert_types(const struct str_list *types, struct str_list *to, struct err *err)
{
	bool egress = false;
	bool ingress = types->n == 0;

	for (size_t i = 0; i < types->n; i++) {
		bool is_egress = strcmp(types->v[i], "Egress") == 0;

		if (!is_egress && strcmp(types->v[i], "Ingress") != 0)
			return err_set(err, -EINVAL,
				       "spec.policyTypes[%zu]: \"%.32s\" must be Ingress or Egress",
				       i, types->v[i]);
		egress |= is_egress;
		ingress |= !is_egress;
	}
	if (ingress)
		str_list_add(to, "Ingress");
	if (egress)
		str_list_add(to, "Egress");
	return 0;
}

static int network_policy_convert(const struct object *object, struct conversion *conversion,
				  struct object **ret, struct err *err)
{
	bool staged = object->desc->kind == KIND_STAGED_KUBERNETES_NETWORK_POLICY;
	const struct kubernetes_policy_spec *from = &as_kubernetes_policy(object)->spec;
	_cleanup_(model_freep) struct object *made =
		model_new(staged ? KIND_STAGED_NETWORK_POLICY : KIND_NETWORK_POLICY,
			  object->meta.namespace, object->meta.name);
	struct policy_spec *to = &as_policy(made)->spec;
	int r = convert_types(&from->policy_types, &to->types, err);

	if (r < 0)
		return r;
	r = kubernetes_pod_selector(&from->pod_selector, &to->selector, err);
	if (r < 0)
		return err_prefix(err, r, "spec.podSelector");
	if (staged)
		to->staged_action = from->staged_action;
	to->tier = xstrdup(TIER_DEFAULT);
	to->order = (struct opt_real){.set = true, .v = KUBERNETES_POLICY_ORDER};
	convert_rules(&from->ingress, false, conversion, &to->ingress);
	convert_rules(&from->egress, true, conversion, &to->egress);
	*ret = TAKE_PTR(made);
	return 0;
}

bool kubernetes_policy_is(const struct object *object)
{
	return object->desc->kind == KIND_KUBERNETES_NETWORK_POLICY ||
	       object->desc->kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY ||
	       object->desc->kind == KIND_STAGED_KUBERNETES_NETWORK_POLICY;
}

int kubernetes_policy_convert(const struct object *object, struct object **ret,
			      struct str_list *problems, struct err *err)
{
	struct conversion conversion = {.problems = problems};
	struct object *made = NULL;
	int r;

	assert(kubernetes_policy_is(object));
	if (object->desc->kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY)
		r = cluster_policy_convert(object, &conversion, &made, err);
	else
		r = network_policy_convert(object, &conversion, &made, err);
	if (r < 0)
		return r;
	kubernetes_copy_meta(object, made);
	*ret = made;
	return 0;
}
