/* SPDX-License-Identifier: Apache-2.0 */

/* Random policies as Kubernetes writes them: NetworkPolicy and ClusterNetworkPolicy. */

#include <stdio.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "policy-case.h"

static json_t *labels_one(struct random *random)
{
	static const char *const values[] = {"web", "db", "web-cache"};

	if (random_percent(random, 60))
		return json_pack("{s:s}", "app", values[random_below(random, 3)]);
	return json_pack("{s:s}", "role", random_percent(random, 50) ? "front" : "back");
}

static json_t *expression(struct random *random)
{
	static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist"};
	const char *operator= operators[random_below(random, 4)];
	const char *key = random_percent(random, 50) ? "app" : "role";
	json_t *one = json_pack("{s:s, s:s}", "key", key, "operator", operator);

	if (operator[0] == 'I' || operator[0] == 'N')
		json_object_set_new(one, "values",
				    random_percent(random, 50) ? json_pack("[s, s]", "web", "back")
							       : json_pack("[s]", "db"));
	return one;
}

static json_t *pod_selector(struct random *random)
{
	json_t *selector = json_object();

	if (random_percent(random, 50))
		json_object_set_new(selector, "matchLabels", labels_one(random));
	if (random_percent(random, 30))
		json_object_set_new(selector, "matchExpressions",
				    json_pack("[o]", expression(random)));
	return selector;
}

static json_t *namespace_selector(struct random *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return json_object();
	case 1:
		return json_pack("{s:{s:s}}", "matchLabels", "team", "one");
	case 2:
		return json_pack("{s:[{s:s, s:s, s:[s, s]}]}", "matchExpressions", "key",
				 "projectcalico.org/name", "operator", "In", "values", "blue",
				 "green");
	default:
		return json_pack("{s:[{s:s, s:s}]}", "matchExpressions", "key", "team", "operator",
				 "Exists");
	}
}

static json_t *ip_block(struct random *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return json_pack("{s:s, s:[s]}", "cidr", "10.10.0.0/24", "except", "10.10.0.0/30");
	case 1:
		return json_pack("{s:s, s:[s, s]}", "cidr", "fd00:10::/64", "except",
				 "fd00:10::4/127", "fd00:10::1/128");
	case 2:
		return json_pack("{s:s}", "cidr", "192.0.2.0/30");
	default:
		return json_pack("{s:s}", "cidr", "::/0");
	}
}

static json_t *peer(struct random *random)
{
	json_t *one = json_object();

	if (random_percent(random, 30)) {
		json_object_set_new(one, "ipBlock", ip_block(random));
		return one;
	}
	if (random_percent(random, 60))
		json_object_set_new(one, "podSelector", pod_selector(random));
	if (json_object_size(one) == 0 || random_percent(random, 40))
		json_object_set_new(one, "namespaceSelector", namespace_selector(random));
	return one;
}

static json_t *port(struct random *random)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"};
	static const int ports[] = {22, 53, 80, 443, 8080};
	json_t *one = json_object();

	if (random_percent(random, 70))
		json_object_set_new(one, "protocol",
				    json_string(protocols[random_below(random, 3)]));
	switch (random_below(random, 4)) {
	case 0:
		json_object_set_new(one, "port",
				    json_string(random_percent(random, 50) ? "http" : "dns"));
		return one;
	case 1:
		json_object_set_new(one, "port", json_integer(80));
		json_object_set_new(one, "endPort", json_integer(81));
		return one;
	case 2:
		return one; /* any port of the protocol */
	default:
		json_object_set_new(one, "port", json_integer(ports[random_below(random, 5)]));
		return one;
	}
}

/* Absent, empty and filled lists mean different things. */
static void add_list(struct random *random, json_t *rule, const char *name,
		     json_t *(*item)(struct random *random))
{
	unsigned int n = random_below(random, 4);
	json_t *list;

	if (random_percent(random, 25))
		return;
	list = json_array();
	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, item(random));
	json_object_set_new(rule, name, list);
}

static void add_rules(struct random *random, json_t *spec, const char *name, const char *peers)
{
	json_t *rules = json_array();
	unsigned int n = random_below(random, 3);

	for (unsigned int i = 0; i < n; i++) {
		json_t *rule = json_object();

		add_list(random, rule, peers, peer);
		add_list(random, rule, "ports", port);
		json_array_append_new(rules, rule);
	}
	json_object_set_new(spec, name, rules);
}

json_t *case_random_kubernetes_policy(struct random *random, unsigned int i)
{
	_cleanup_free_ char *name = xasprintf("kubernetes%u", i);
	json_t *spec = json_pack("{s:o}", "podSelector", pod_selector(random));

	if (random_percent(random, 70))
		add_rules(random, spec, "ingress", "from");
	if (random_percent(random, 50))
		add_rules(random, spec, "egress", "to");
	if (random_percent(random, 30))
		json_object_set_new(spec, "policyTypes", json_pack("[s]", "Ingress"));
	else if (random_percent(random, 60))
		json_object_set_new(spec, "policyTypes", json_pack("[s, s]", "Ingress", "Egress"));
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "networking.k8s.io/v1",
			 "kind", "NetworkPolicy", "metadata", "name", name, "namespace",
			 case_namespace(random_below(random, 3)), "spec", spec);
}

/* --- ClusterNetworkPolicy --------------------------------------------------------------------- */

static json_t *subject(struct random *random)
{
	if (random_percent(random, 50))
		return json_pack("{s:o}", "namespaces", namespace_selector(random));
	return json_pack("{s:{s:o, s:o}}", "pods", "namespaceSelector", namespace_selector(random),
			 "podSelector", pod_selector(random));
}

static json_t *cluster_peer(struct random *random, bool egress)
{
	if (egress && random_percent(random, 30))
		return json_pack("{s:[s, s]}", "networks", "192.0.2.0/30", "fd00:10::/126");
	return subject(random);
}

static json_t *cluster_rules(struct random *random, bool egress)
{
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	json_t *rules = json_array();
	unsigned int n = 1 + random_below(random, 3);

	for (unsigned int i = 0; i < n; i++) {
		json_t *rule = json_pack("{s:s, s:[o]}", "action", actions[random_below(random, 3)],
					 egress ? "to" : "from", cluster_peer(random, egress));

		if (random_percent(random, 40))
			json_object_set_new(rule, "protocols",
					    json_pack("[{s:{s:{s:i}}}]", "tcp", "destinationPort",
						      "number",
						      random_percent(random, 50) ? 80 : 443));
		json_array_append_new(rules, rule);
	}
	return rules;
}

json_t *case_random_cluster_policy(struct random *random, unsigned int i)
{
	_cleanup_free_ char *name = xasprintf("cluster%u", i);
	json_t *spec = json_pack("{s:s, s:i, s:o}", "tier",
				 random_percent(random, 60) ? "Admin" : "Baseline", "priority",
				 (int)random_below(random, 3), "subject", subject(random));

	if (random_percent(random, 70))
		json_object_set_new(spec, "ingress", cluster_rules(random, false));
	if (random_percent(random, 60))
		json_object_set_new(spec, "egress", cluster_rules(random, true));
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion",
			 "policy.networking.k8s.io/v1alpha2", "kind", "ClusterNetworkPolicy",
			 "metadata", "name", name, "spec", spec);
}
