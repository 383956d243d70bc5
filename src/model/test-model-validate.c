/* SPDX-License-Identifier: Apache-2.0 */

/* Calico's rules for the networking kinds, each by its exact message. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds.h"

/* One object from its kind, name and spec in YAML's flow style. */
static struct object *make(const char *kind, const char *name, const char *spec)
{
	_cleanup_free_ char *text = xasprintf(
		"apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: %s%s}\n"
		"spec: %s\n",
		kind, name, strcmp(kind, "WorkloadEndpoint") == 0 ? ", namespace: ns" : "", spec);
	struct object **objects = NULL;
	struct object *object;
	struct err err = ERR_INIT;
	size_t n = 0;
	int r = model_read_yaml(text, strlen(text), "t", &objects, &n, &err);

	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
	assert_int_equal(n, 1);
	object = objects[0];
	free(objects);
	return object;
}

static const struct {
	const char *kind;
	const char *name;
	const char *spec;
	const char *message; /* "": valid */
} cases[] = {
	{"IPPool", "p", "{cidr: 10.0.0.0/16}", ""},
	{"IPPool", "p", "{cidr: 'fd00::/64', blockSize: 116}", ""},
	{"IPPool", "p", "{}", "IPPool/p: spec.cidr: is missing, and must be given"},
	{"IPPool", "p", "{cidr: 169.254.0.0/16}",
	 "IPPool/p: spec.cidr: 169.254.0.0/16 is link-local; choose another prefix"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, blockSize: 19}",
	 "IPPool/p: spec.blockSize: expected 20 to 32 for IPv4, found 19"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, blockSize: 33}",
	 "IPPool/p: spec.blockSize: expected 20 to 32 for IPv4, found 33"},
	{"IPPool", "p", "{cidr: 'fd00::/64', blockSize: 115}",
	 "IPPool/p: spec.blockSize: expected 116 to 128 for IPv6, found 115"},
	{"IPPool", "p", "{cidr: 10.0.0.0/27}",
	 "IPPool/p: spec.blockSize: a block of /26 is larger than the pool 10.0.0.0/27; expected "
	 "27 to 32"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, ipipMode: Always, vxlanMode: CrossSubnet}",
	 "IPPool/p: spec.ipipMode: must be Never while vxlanMode is not; set one of both to Never"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, ipip: {enabled: true}, vxlanMode: Always}",
	 "IPPool/p: spec.ipipMode: must be Never while vxlanMode is not; set one of both to Never"},
	{"IPPool", "p", "{cidr: 'fd00::/64', ipipMode: Always}",
	 "IPPool/p: spec.ipipMode: must be Never in an IPv6 pool; use vxlanMode there"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, allowedUses: [Workload, Pod]}",
	 "IPPool/p: spec.allowedUses[1]: expected Workload, Tunnel or LoadBalancer, found \"Pod\""},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, allowedUses: [Tunnel], namespaceSelector: all()}",
	 "IPPool/p: spec.namespaceSelector: must be empty in a pool whose allowedUses has Tunnel"},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, allowedUses: [LoadBalancer, Workload]}",
	 "IPPool/p: spec.allowedUses: LoadBalancer can't stand beside Workload or Tunnel; make a "
	 "pool for each"},
	{"IPPool", "P", "{cidr: 10.0.0.0/16}", NULL},
	{"IPPool", "p", "{cidr: 10.0.0.1/16}", NULL},
	{"IPPool", "p", "{cidr: 10.0.0.0/16, nodeSelector: 'has('}", NULL},
	{"IPReservation", "r", "{reservedCIDRs: [10.0.0.1, 10.1.0.0/16]}", ""},
	{"IPReservation", "r", "{reservedCIDRs: [10.0.0.x]}", NULL},
	{"Node", "n", "{bgp: {ipv4Address: 'fd00::1/64'}}",
	 "Node/n: spec.bgp.ipv4Address: expected an IPv4 address, found \"fd00::1/64\""},
	{"Node", "n", "{bgp: {ipv4Address: 10.0.0.1/24, asNumber: 4294967295}}", ""},
	{"Node", "n", "{bgp: {asNumber: 4294967296}}",
	 "Node/n: spec.bgp.asNumber: expected 1 to 4294967295, found 4294967296"},
	{"Node", "n", "{orchRefs: [{nodeName: n}]}",
	 "Node/n: spec.orchRefs[0].orchestrator: is missing, and must be given"},
	{"BGPConfiguration", "other", "{}",
	 "BGPConfiguration/other: metadata.name: expected default, or node. and the name of a node"},
	{"BGPConfiguration", "node.a", "{logSeverityScreen: Debug}", ""},
	{"BGPConfiguration", "node.a", "{nodeToNodeMeshEnabled: false}",
	 "BGPConfiguration/node.a: spec.nodeToNodeMeshEnabled: can only be set in the object named "
	 "default"},
	{"BGPConfiguration", "default", "{listenPort: 0}",
	 "BGPConfiguration/default: spec.listenPort: expected 1 to 65535, found 0"},
	{"BGPConfiguration", "default", "{communities: [{name: a, value: '1:2'}]}",
	 "BGPConfiguration/default: spec.communities: nothing uses them; add prefixAdvertisements "
	 "or remove them"},
	{"BGPConfiguration", "default",
	 "{prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [b]}]}",
	 "BGPConfiguration/default: spec.prefixAdvertisements[0].communities[0]: \"b\" is neither "
	 "aa:nn, aa:nn:mm nor a name in spec.communities"},
	{"BGPPeer", "p", "{peerIP: 10.0.0.1, asNumber: 64512}", ""},
	{"BGPPeer", "p", "{peerIP: 10.0.0.1}",
	 "BGPPeer/p: spec.asNumber: is missing; say the AS number of the peer"},
	{"BGPPeer", "p", "{peerSelector: all(), asNumber: 1}",
	 "BGPPeer/p: spec.asNumber: must be empty when peerSelector is set; nodes have AS numbers "
	 "of their own"},
	{"BGPPeer", "p", "{peerIP: 10.0.0.1, peerSelector: all(), asNumber: 1}",
	 "BGPPeer/p: spec.peerSelector: must be empty when peerIP is set"},
	{"BGPPeer", "p", "{peerIP: 10.0.0.1, localWorkloadSelector: all(), asNumber: 1}",
	 "BGPPeer/p: spec.localWorkloadSelector: must be empty when peerIP or peerSelector is set"},
	{"BGPPeer", "p", "{asNumber: 1}",
	 "BGPPeer/p: spec.peerIP: is missing; set one of peerIP, peerSelector and "
	 "localWorkloadSelector"},
	{"BGPPeer", "p", "{node: a, nodeSelector: all(), peerSelector: all()}",
	 "BGPPeer/p: spec.nodeSelector: must be empty when node is set"},
	{"BGPPeer", "p", "{localWorkloadSelector: all()}",
	 "BGPPeer/p: spec.asNumber: is missing; say the AS number of the peer"},
	{"BGPPeer", "p", "{peerSelector: all(), reachableBy: 10.0.0.1}",
	 "BGPPeer/p: spec.reachableBy: needs peerIP"},
	{"BGPPeer", "p", "{peerIP: '10.0.0.1:179', asNumber: 1, reachableBy: 10.0.0.2}", ""},
	{"BGPPeer", "p", "{peerIP: '[fd00::1]:179', asNumber: 1, reachableBy: 10.0.0.2}",
	 "BGPPeer/p: spec.reachableBy: expected an address of the same family as peerIP "
	 "[fd00::1]:179, found \"10.0.0.2\""},
	{"BGPPeer", "p", "{peerSelector: all(), keepOriginalNextHop: true, nextHopMode: Keep}",
	 "BGPPeer/p: spec.keepOriginalNextHop: can't be true when nextHopMode is set; nextHopMode: "
	 "Keep says the same"},
	{"BGPFilter", "f", "{exportV4: [{action: Accept}]}", ""},
	{"BGPFilter", "f", "{exportV4: [{}]}",
	 "BGPFilter/f: spec.exportV4[0].action: is missing, and must be given"},
	{"BGPFilter", "f", "{exportV4: [{action: Accept, cidr: 10.0.0.0/8}]}",
	 "BGPFilter/f: spec.exportV4[0].matchOperator: is missing; cidr and matchOperator go "
	 "together"},
	{"BGPFilter", "f", "{importV6: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In}]}",
	 "BGPFilter/f: spec.importV6[0].cidr: expected an IPv6 prefix, found \"10.0.0.0/8\""},
	{"BGPFilter", "f", "{importV4: [{action: Reject, prefixLength: {min: 8}}]}",
	 "BGPFilter/f: spec.importV4[0].prefixLength: needs cidr"},
	{"BGPFilter", "f",
	 "{importV4: [{action: Reject, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: {max: "
	 "33}}]}",
	 "BGPFilter/f: spec.importV4[0].prefixLength: expected 0 to 32"},
	{"BGPFilter", "f",
	 "{importV4: [{action: Reject, operations: [{setPriority: {value: 1}}]}]}",
	 "BGPFilter/f: spec.importV4[0].operations: only with action Accept"},
	{"BGPFilter", "f", "{importV4: [{action: Accept, operations: [{}]}]}",
	 "BGPFilter/f: spec.importV4[0].operations[0]: expected exactly one of addCommunity, "
	 "prependASPath and setPriority"},
	{"BGPFilter", "f", "{importV4: [{action: Accept, communities: {values: ['1:1', '1:2']}}]}",
	 "BGPFilter/f: spec.importV4[0].communities.values: may have 1 items, has 2"},
	{"BGPFilter", "f", "{importV4: [{action: Accept, priority: 2147483647}]}",
	 "BGPFilter/f: spec.importV4[0].priority: expected 1 to 2147483646, found 2147483647"},
	{"IPAMConfiguration", "default", "{strictAffinity: true, maxBlocksPerHost: 4}", ""},
	{"IPAMConfiguration", "default", "{autoAllocateBlocks: false}",
	 "IPAMConfiguration/default: spec.autoAllocateBlocks: must be true unless strictAffinity is"},
	{"IPAMConfiguration", "default", "{maxBlocksPerHost: 4}",
	 "IPAMConfiguration/default: spec.maxBlocksPerHost: must be 0 unless strictAffinity is true"},
	{"IPAMConfiguration", "default", "{ipCooldownSeconds: 1201}",
	 "IPAMConfiguration/default: spec.ipCooldownSeconds: expected 0 to 1200, found 1201"},
	{"IPAMConfiguration", "x", "{}",
	 "IPAMConfiguration/x: metadata.name: expected \"default\", the only one there is"},
	{"ClusterInformation", "x", "{}",
	 "ClusterInformation/x: metadata.name: expected \"default\", the only one there is"},
	{"WorkloadEndpoint", "w", "{ports: [{name: a, port: 0}]}",
	 "WorkloadEndpoint/ns/w: spec.ports[0].port: expected 1 to 65535, found 0"},
	{"CalicoNodeStatus", "s", "{node: n, classes: [Agents]}",
	 "CalicoNodeStatus/s: spec.classes[0]: expected Agent, BGP or Routes, found \"Agents\""},
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object =
			make(cases[i].kind, cases[i].name, cases[i].spec);
		struct err err = ERR_INIT;
		int r;

		/* With and without defaults the verdict is the same. */
		for (int round = 0; round < 2; round++) {
			r = model_validate(object, &err);
			if (cases[i].message) {
				assert_string_equal(err.msg, cases[i].message);
				assert_int_equal(r < 0, *cases[i].message != '\0');
			} else {
				assert_true(r < 0);
			}
			if (r == 0)
				model_default(object);
		}
	}
}

static void test_namespaces(void **state)
{
	_cleanup_(model_freep) struct object *pool = model_new(KIND_IP_POOL, "ns", "p");
	_cleanup_(model_freep) struct object *endpoint =
		model_new(KIND_WORKLOAD_ENDPOINT, NULL, "w");
	_cleanup_(model_freep) struct object *nameless = model_new(KIND_NODE, NULL, NULL);
	struct err err = ERR_INIT;

	(void)state;
	assert_true(model_validate(pool, &err) < 0);
	assert_string_equal(err.msg, "IPPool/ns/p: metadata.namespace: must be absent, IPPool has "
				     "no namespace");
	assert_true(model_validate(endpoint, &err) < 0);
	assert_string_equal(
		err.msg, "WorkloadEndpoint/w: metadata.namespace: is missing, and must be given");
	assert_true(model_validate(nameless, &err) < 0);
	assert_string_equal(err.msg, "Node/: metadata.name: is missing, and must be given");
}

static void test_changes(void **state)
{
	_cleanup_(model_freep) struct object *old =
		make("IPPool", "p", "{cidr: 10.0.0.0/16, blockSize: 26}");
	_cleanup_(model_freep) struct object *cidr =
		make("IPPool", "p", "{cidr: 10.1.0.0/16, blockSize: 26}");
	_cleanup_(model_freep) struct object *size =
		make("IPPool", "p", "{cidr: 10.0.0.0/16, blockSize: 27}");
	_cleanup_(model_freep) struct object *fine =
		make("IPPool", "p", "{cidr: 10.0.0.0/16, blockSize: 26, disabled: true}");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(model_validate_update(old, fine, &err), 0);
	assert_true(model_validate_update(old, cidr, &err) < 0);
	assert_string_equal(err.msg, "IPPool/p: spec.cidr: can't be changed; delete the object and "
				     "create it anew");
	assert_true(model_validate_update(old, size, &err) < 0);
	assert_string_equal(err.msg,
			    "IPPool/p: spec.blockSize: can't be changed; delete the object "
			    "and create it anew");
}

static void test_equal_ignores_revision(void **state)
{
	_cleanup_(model_freep) struct object *a = make("IPPool", "p", "{cidr: 10.0.0.0/16}");
	_cleanup_(model_freep) struct object *b = model_copy(a);

	(void)state;
	b->meta.resource_version = xstrdup("7");
	assert_true(model_equal(a, b));
	str_map_put(&b->meta.labels, "a", "b");
	assert_false(model_equal(a, b));
}

static void test_kinds_are_found(void **state)
{
	static const struct {
		const char *name;
		enum kind kind;
	} names[] = {
		{"ippool", KIND_IP_POOL},
		{"IPPools", KIND_IP_POOL},
		{"pool", KIND_IP_POOL},
		{"IPP", KIND_IP_POOL},
		{"no", KIND_NODE},
		{"bgpconfig", KIND_BGP_CONFIGURATION},
		{"bgpp", KIND_BGP_PEER},
		{"bp", KIND_BGP_PEER},
		{"bf", KIND_BGP_FILTER},
		{"bgpf", KIND_BGP_FILTER},
		{"clusterinfo", KIND_CLUSTER_INFORMATION},
		{"felixconfig", KIND_FELIX_CONFIGURATION},
		{"gnp", KIND_GLOBAL_NETWORK_POLICY},
		{"gnetsets", KIND_GLOBAL_NETWORK_SET},
		{"hep", KIND_HOST_ENDPOINT},
		{"ipamconfig", KIND_IPAM_CONFIGURATION},
		{"reservation", KIND_IP_RESERVATION},
		{"kubecontrollersconfig", KIND_KUBE_CONTROLLERS_CONFIGURATION},
		{"np", KIND_NETWORK_POLICY},
		{"policy", KIND_NETWORK_POLICY},
		{"pol", KIND_NETWORK_POLICY},
		{"netsets", KIND_NETWORK_SET},
		{"nodestatus", KIND_CALICO_NODE_STATUS},
		{"knp", KIND_KUBERNETES_NETWORK_POLICY},
		{"clusternetworkpolicies", KIND_KUBERNETES_CLUSTER_NETWORK_POLICY},
		{"svc", KIND_KUBERNETES_SERVICE},
		{"endpointslices", KIND_KUBERNETES_ENDPOINT_SLICE},
		{"ns", KIND_NAMESPACE},
		{"sa", KIND_SERVICE_ACCOUNT},
		{"pods", KIND_POD},
		{"pro", KIND_PROFILE},
		{"sgnp", KIND_STAGED_GLOBAL_NETWORK_POLICY},
		{"sknp", KIND_STAGED_KUBERNETES_NETWORK_POLICY},
		{"skpol", KIND_STAGED_KUBERNETES_NETWORK_POLICY},
		{"snp", KIND_STAGED_NETWORK_POLICY},
		{"spol", KIND_STAGED_NETWORK_POLICY},
		{"stagedpolicy", KIND_STAGED_NETWORK_POLICY},
		{"tier", KIND_TIER},
		{"wep", KIND_WORKLOAD_ENDPOINT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!kind_find(names[i].name))
			print_error("no kind %s\n", names[i].name);
		assert_ptr_equal(kind_find(names[i].name), kind_get(names[i].kind));
	}
	assert_null(kind_find("podz"));
	assert_ptr_equal(kind_find_api("networking.k8s.io/v1", "NetworkPolicy"),
			 kind_get(KIND_KUBERNETES_NETWORK_POLICY));
	assert_ptr_equal(kind_find_api("projectcalico.org/v3", "NetworkPolicy"),
			 kind_get(KIND_NETWORK_POLICY));
	assert_null(kind_find_api("projectcalico.org/v3", "KubernetesNetworkPolicy"));
	assert_null(kind_find_api("v1", "NetworkPolicy"));
	assert_ptr_equal(kind_find_plural("ippools"), kind_get(KIND_IP_POOL));
	assert_null(kind_find_plural("IPPools"));
}

/* Whatever a table says must be something that the walkers understand. */
static void test_tables_are_sound(void **state)
{
	(void)state;
	for (unsigned int kind = 1; kind < KIND_COUNT_; kind++) {
		_cleanup_(model_freep) struct object *object =
			model_new((enum kind)kind, NULL, "x");
		_cleanup_(model_freep) struct object *copy = NULL;
		_cleanup_buf_ struct buf reference = BUF_INIT;

		model_default(object);
		copy = model_copy(object);
		assert_true(model_equal(object, copy));
		model_write_reference(object->desc, &reference);
		assert_true(reference.size > 0);
		assert_true(object->desc->size >= sizeof(struct object));
		assert_ptr_equal(kind_find(object->desc->singular), object->desc);
		assert_ptr_equal(kind_find(object->desc->plural), object->desc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_equal_ignores_revision),
		cmocka_unit_test(test_kinds_are_found),
		cmocka_unit_test(test_tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
