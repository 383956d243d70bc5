/* SPDX-License-Identifier: Apache-2.0 */

/* Random worlds. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "policy-pool.h"

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
			json_object_set_new(spec, "ingress", case_random_rules(random, true));
			json_object_set_new(spec, "egress", case_random_rules(random, true));
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
		json_t *object =
			new_object(global ? "GlobalNetworkSet" : "NetworkSet",
				   global ? NULL : PICK(random, namespaces), name,
				   json_pack("{s:o}", "nets", case_random_nets(random, 0)));

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
	unsigned int dice = random_below(random, 7);

	if (dice == 1 || dice == 2)
		case_tell_services(random, json_object_get(spec, "ingress"));
	if (dice == 2)
		case_tell_services(random, json_object_get(spec, "egress"));
	switch (dice) {
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

/* Such a policy is marked, since all others must be valid. */
static void spoil_some(struct random *random, json_t *object)
{
	static const char *const directions[] = {"ingress", "egress"};
	json_t *rules = json_object_get(json_object_get(object, "spec"), PICK(random, directions));

	if (!json_array_size(rules) || !random_percent(random, 8))
		return;
	case_spoil_rule(
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
		json_object_set_new(spec, "selector", case_random_selector(random));
	if (global && random_percent(random, 25))
		json_object_set_new(spec, "namespaceSelector",
				    case_random_namespace_selector(random, /* in_rule= */ false));
	if (random_percent(random, 10))
		json_object_set_new(spec, "serviceAccountSelector", json_string("trust == 'high'"));
	if (random_percent(random, 75))
		json_object_set_new(spec, "ingress", case_random_rules(random, false));
	if (random_percent(random, 60))
		json_object_set_new(spec, "egress", case_random_rules(random, false));
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
