/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ClusterNetworkPolicy to GlobalNetworkPolicy. Tier Admin is kube-admin, Baseline is kube-baseline;
 * the priority is the order. A rule becomes one for each protocol and peer. One that can't be
 * understood denies everything, unless it accepts: then it is left out.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "policy/kubernetes-convert.h"
#include "policy/kubernetes-policy.h"

static int convert_tier(const char *tier, char **ret, struct err *err)
{
	static const char *const tiers[][2] = {{"Admin", "kube-admin"},
					       {"Baseline", "kube-baseline"}};

	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		if (tier && strcmp(tier, tiers[i][0]) == 0) {
			*ret = xstrdup(tiers[i][1]);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "spec.tier: \"%.32s\" must be Admin or Baseline",
		       tier ? tier : "");
}

static int convert_action(const char *action, enum rule_action *ret, struct err *err)
{
	static const struct {
		const char *name;
		enum rule_action action;
	} actions[] = {
		{"Accept", RULE_ACTION_ALLOW},
		{"Deny", RULE_ACTION_DENY},
		{"Pass", RULE_ACTION_PASS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (action && strcmp(action, actions[i].name) == 0) {
			*ret = actions[i].action;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "action: \"%.32s\" must be Accept, Deny or Pass",
		       action ? action : "");
}

static int convert_pods(const struct namespaced_pods *pods, char **ret_namespaces, char **ret_pods,
			struct err *err)
{
	_cleanup_free_ char *selector = NULL;
	int r = kubernetes_pod_selector(&pods->pod_selector, &selector, err);

	if (r == 0)
		r = kubernetes_namespace_selector(&pods->namespace_selector, ret_namespaces, err);
	if (r < 0)
		return err_prefix(err, r, "pods");
	*ret_pods = TAKE_PTR(selector);
	return 0;
}

/* Host endpoints are no subject, whatever their labels. */
static int convert_subject(const struct cluster_subject *subject, struct policy_spec *spec,
			   struct err *err)
{
	int r;

	if (subject->namespaces) {
		r = kubernetes_pod_selector(NULL, &spec->selector, err);
		if (r == 0)
			r = kubernetes_namespace_selector(subject->namespaces,
							  &spec->namespace_selector, err);
	} else if (subject->pods) {
		r = convert_pods(subject->pods, &spec->namespace_selector, &spec->selector, err);
	} else {
		r = err_set(err, -EINVAL, "needs namespaces or pods");
	}
	return r < 0 ? err_prefix(err, r, "spec.subject") : 0;
}

static int convert_networks(const struct str_list *networks, struct str_list *to, struct err *err)
{
	for (size_t i = 0; i < networks->n; i++) {
		struct cidr cidr;
		int r = cidr_parse(networks->v[i] ? networks->v[i] : "", &cidr, err);

		if (r < 0)
			return err_prefix(err, r, "networks[%zu]", i);
		cidr = cidr_masked(&cidr);
		str_list_add(to, cidr_format(&cidr).s);
	}
	return 0;
}

static int convert_peer(const struct cluster_peer *peer, bool is_egress, struct entity_rule *to,
			struct err *err)
{
	bool networks = peer->networks.n > 0;
	int r;

	if ((peer->pods != NULL) + (peer->namespaces != NULL) + networks != 1)
		return err_set(err, -EINVAL, "needs exactly one of the peers that are known here");
	if (peer->pods)
		return convert_pods(peer->pods, &to->namespace_selector, &to->selector, err);
	if (!peer->namespaces)
		return is_egress ? convert_networks(&peer->networks, &to->nets, err)
				 : err_set(err, -EINVAL, "networks: are no peers of ingress");
	/* A namespace's network sets are not among its pods. */
	r = kubernetes_pod_selector(NULL, &to->selector, err);
	return r < 0 ? r
		     : kubernetes_namespace_selector(peer->namespaces, &to->namespace_selector,
						     err);
}

static void name_rule(struct rule *rule, const char *name)
{
	if (!name || !*name)
		return;
	rule->metadata = XNEW(struct rule_metadata);
	str_map_put(&rule->metadata->annotations, KUBERNETES_RULE_NAME, name);
}

static size_t count_items(const struct cluster_rule *rule)
{
	size_t n = rule->peers.n;

	for (size_t i = 0; i < rule->peers.n; i++)
		n += rule->peers.v[i].networks.n;
	return n;
}

/* Networks have no ports with names. */
static int check_named_ports(const struct cluster_rule *rule, struct err *err)
{
	bool networks = false;

	for (size_t i = 0; i < rule->peers.n; i++)
		networks |= rule->peers.v[i].networks.n > 0;
	for (size_t i = 0; networks && i < rule->protocols.n; i++)
		if (rule->protocols.v[i].destination_named_port)
			return err_set(err, -EINVAL,
				       "protocols[%zu].destinationNamedPort: networks have no "
				       "ports with names",
				       i);
	return 0;
}

static int convert_rule(const struct cluster_rule *in, bool is_egress,
			struct conversion *conversion, struct rule_list *to, struct err *err)
{
	_cleanup_(port_groups_deinitp) struct port_groups groups = {0};
	enum rule_action action = RULE_ACTION_DENY;
	int r = convert_action(in->action, &action, err);

	if (r == 0)
		r = port_groups_of_cluster_policy(&in->protocols, &groups, err);
	if (r == 0)
		r = check_named_ports(in, err);
	if (r == 0)
		r = conversion_take(conversion, count_items(in), &groups, err);
	for (size_t k = 0; r == 0 && k < port_groups_rules(&groups); k++)
		for (size_t i = 0; r == 0 && i < in->peers.n; i++) {
			struct rule *rule = rule_list_add(to);

			rule->action = action;
			name_rule(rule, in->name);
			port_groups_apply(&groups, k, rule);
			r = convert_peer(&in->peers.v[i], is_egress,
					 is_egress ? &rule->destination : &rule->source, err);
			if (r < 0)
				err_prefix(err, r, "%s[%zu]", is_egress ? "to" : "from", i);
		}
	return r;
}

static void convert_rules(const struct cluster_rule_list *rules, bool is_egress,
			  struct conversion *conversion, struct rule_list *to)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct cluster_rule *rule = &rules->v[i];
		bool accepts = rule->action && strcmp(rule->action, "Accept") == 0;
		struct rule_list converted = {0};
		struct err err = ERR_INIT;

		if (convert_rule(rule, is_egress, conversion, &converted, &err) < 0) {
			rule_list_clear(&converted);
			conversion_problem(conversion, is_egress ? "egress" : "ingress", i,
					   accepts ? "is left out" : "denies everything", &err);
			if (!accepts)
				rule_list_add(&converted)->action = RULE_ACTION_DENY;
		}
		for (size_t k = 0; k < converted.n; k++)
			*rule_list_add(to) = converted.v[k];
		free(converted.v);
	}
}

int cluster_policy_convert(const struct object *object, struct conversion *conversion,
			   struct object **ret, struct err *err)
{
	const struct cluster_policy_spec *from = &as_cluster_policy(object)->spec;
	_cleanup_(model_freep) struct object *made =
		model_new(KIND_GLOBAL_NETWORK_POLICY, NULL, object->meta.name);
	struct policy_spec *to = &as_policy(made)->spec;
	int r = convert_tier(from->tier, &to->tier, err);

	if (r == 0 && !from->priority.set)
		r = err_set(err, -EINVAL, "spec.priority: must be there");
	if (r == 0)
		r = convert_subject(&from->subject, to, err);
	if (r < 0)
		return r;
	to->order = (struct opt_real){.set = true, .v = (double)from->priority.v};
	convert_rules(&from->ingress, false, conversion, &to->ingress);
	convert_rules(&from->egress, true, conversion, &to->egress);
	/* A direction without rules is none of the policy's. */
	to->types.set = true;
	if (to->ingress.n > 0)
		str_list_add(&to->types, "Ingress");
	if (to->egress.n > 0)
		str_list_add(&to->types, "Egress");
	*ret = TAKE_PTR(made);
	return 0;
}
