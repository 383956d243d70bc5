/* SPDX-License-Identifier: Apache-2.0 */

/* Calico's keys and values, as Calico writes them. */

#include "store/test-store.h"

#include <errno.h>

#include "base/buf.h"
#include "model/kinds.h"
#include "store/base64.h"
#include "store/store-calico-layout.h"

/* --- Keys ------------------------------------------------------------------------------------ */

static const struct {
	enum kind kind;
	const char *namespace;
	const char *name;
	const char *key;
} keys[] = {
	{KIND_NODE, NULL, "node-a", "/calico/resources/v3/projectcalico.org/nodes/node-a"},
	{KIND_IP_POOL, NULL, "default-ipv4-ippool",
	 "/calico/resources/v3/projectcalico.org/ippools/default-ipv4-ippool"},
	{KIND_WORKLOAD_ENDPOINT, "red", "node--a-k8s-pod-eth0",
	 "/calico/resources/v3/projectcalico.org/workloadendpoints/red/node--a-k8s-pod-eth0"},
	{KIND_FELIX_CONFIGURATION, NULL, "node.a",
	 "/calico/resources/v3/projectcalico.org/felixconfigurations/node.a"},
	{KIND_NETWORK_POLICY, "red", "p",
	 "/calico/resources/v3/projectcalico.org/networkpolicies/red/p"},
	{KIND_KUBERNETES_NETWORK_POLICY, "red", "p",
	 "/calico/resources/v3/projectcalico.org/kubernetesnetworkpolicies/red/p"},
	{KIND_NAMESPACE, NULL, "red", "/calico/resources/v3/projectcalico.org/namespaces/red"},
	{KIND_IPAM_BLOCK, NULL, "10-1-2-0-26", "/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-26"},
	{KIND_IPAM_BLOCK, NULL, "fd00-42---122",
	 "/calico/ipam/v2/assignment/ipv6/block/fd00:42::-122"},
	{KIND_BLOCK_AFFINITY, NULL, "node-a-10-1-2-0-26",
	 "/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.0-26"},
	{KIND_IPAM_HANDLE, NULL, "k8s-pod-network.4f12",
	 "/calico/ipam/v2/handle/k8s-pod-network.4f12"},
	{KIND_IPAM_CONFIGURATION, NULL, "default", "/calico/ipam/v2/config"},
};

static void test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
		_cleanup_(calico_place_deinitp) struct calico_place back = {.name = NULL};
		_cleanup_free_ char *key = NULL;
		char *prefixes[CALICO_PREFIXES_MAX];
		size_t n = calico_prefixes(keys[i].kind, keys[i].namespace, prefixes);
		bool below = false;
		struct err err = ERR_INIT;

		test_ok(calico_place_from_name(keys[i].kind, keys[i].namespace, keys[i].name, NULL,
					       0, &place, &err),
			&err);
		key = calico_key(&place);
		assert_string_equal(key, keys[i].key);
		assert_true(calico_place_from_key(key, strlen(key), &back));
		assert_int_equal(back.kind, keys[i].kind);
		assert_string_equal(back.name, keys[i].name);
		if (keys[i].namespace)
			assert_string_equal(back.namespace, keys[i].namespace);
		else
			assert_null(back.namespace);
		for (size_t j = 0; j < n; j++) {
			below |= strncmp(key, prefixes[j], strlen(prefixes[j])) == 0;
			free(prefixes[j]);
		}
		assert_true(below);
	}
}

static void test_foreign_keys(void **state)
{
	static const char *const foreign[] = {
		"",
		"/",
		"/calico/v1/Ready",
		"/calico/ipam/v2/host/node-a",
		"/calico/ipam/v2/host/node-a/ipv4/block/",
		"/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.1-26",
		"/calico/ipam/v2/host/node-a/ipv6/block/10.1.2.0-26",
		"/calico/ipam/v2/host//ipv4/block/10.1.2.0-26",
		"/calico/ipam/v2/assignment/ipv4/block/10.1.2.0",
		"/calico/ipam/v2/assignment/ipv4/block/010.1.2.0-26",
		"/calico/ipam/v2/handle/",
		"/calico/ipam/v2/handle/a/b",
		"/calico/ipam/v2/configuration",
		"/calico/resources/v3/projectcalico.org/nodes/",
		"/calico/resources/v3/projectcalico.org/nodes/a/b",
		"/calico/resources/v3/projectcalico.org/things/a",
		"/calico/resources/v3/projectcalico.org/workloadendpoints/red",
		"/calico/resources/v3/projectcalico.org/workloadendpoints/red/",
		"/calico/resources/v3/projectcalico.org/ipamblocks/10-1-2-0-26",
	};
	struct calico_place place;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		if (calico_place_from_key(foreign[i], strlen(foreign[i]), &place))
			fail_msg("%s was taken for a %d", foreign[i], (int)place.kind);
	}
	assert_false(calico_place_from_key("/calico/ipam/v2/config\0", 23, &place));
}

static void assert_refused(enum kind kind, const char *namespace, const char *name,
			   const char *text, const char *message)
{
	struct calico_place place;
	struct err err = ERR_INIT;

	assert_int_equal(calico_place_from_name(kind, namespace, name, text,
						text ? strlen(text) : 0, &place, &err),
			 -EINVAL);
	if (!strstr(err.msg, message))
		fail_msg("\"%s\" lacks \"%s\"", err.msg, message);
}

static void test_refused_names(void **state)
{
	(void)state;
	assert_refused(KIND_NODE, NULL, "a/b", "{}", "\"/\"");
	assert_refused(KIND_NODE, "red", "a", "{}", "no namespace");
	assert_refused(KIND_WORKLOAD_ENDPOINT, NULL, "a", "{}", "needs a namespace");
	assert_refused(KIND_WORKLOAD_ENDPOINT, "a/b", "a", "{}", "\"/\"");
	assert_refused(KIND_IPAM_BLOCK, NULL, "block", "{}", "CIDR with dashes");
	assert_refused(KIND_IPAM_BLOCK, NULL, "10-1-2-1-26", "{}", "CIDR with dashes");
	assert_refused(KIND_IPAM_CONFIGURATION, NULL, "other", "{}", "default");
	assert_refused(KIND_BLOCK_AFFINITY, NULL, "a-10-1-2-0-26", "{", "spec.node");
	assert_refused(KIND_BLOCK_AFFINITY, NULL, "a-10-1-2-0-26",
		       "{\"spec\":{\"node\":\"b\",\"cidr\":\"10.1.2.0/26\"}}", "b-10-1-2-0-26");
}

/* A name alone leaves open where the owner ends. */
static void test_affinity_candidates(void **state)
{
	static const char *const expected[] = {
		"/calico/ipam/v2/host/node-1/ipv6/block/fd00:42::-122",
		"/calico/ipam/v2/virtual/node-1/ipv6/block/fd00:42::-122",
		"/calico/ipam/v2/host/node/ipv6/block/1:fd00:42::-122",
		"/calico/ipam/v2/virtual/node/ipv6/block/1:fd00:42::-122",
	};
	static const char virtual
		[] = "{\"spec\":{\"node\":\"lb\",\"type\":\"virtual\",\"cidr\":\"10.1.2.0/26\"}}";
	struct calico_place places[CALICO_CANDIDATES_MAX];
	struct calico_place place = {.name = NULL};
	struct err err = ERR_INIT;
	bool hashed = true;
	size_t n = calico_affinity_candidates("node-1-fd00-42---122", places, &hashed);
	size_t n_found = 0;
	char *key;

	(void)state;
	assert_false(hashed);
	for (size_t i = 0; i < n; i++) {
		key = calico_key(&places[i]);
		for (size_t j = 0; j < ARRAY_SIZE(expected); j++)
			n_found += strcmp(key, expected[j]) == 0;
		free(key);
		calico_place_deinit(&places[i]);
	}
	assert_int_equal(n_found, ARRAY_SIZE(expected));
	assert_int_equal(calico_affinity_candidates("nothing", places, &hashed), 0);
	test_ok(calico_place_from_name(KIND_BLOCK_AFFINITY, NULL, "lb-10-1-2-0-26", virtual,
				       strlen(virtual), &place, &err),
		&err);
	key = calico_key(&place);
	assert_string_equal(key, "/calico/ipam/v2/virtual/lb/ipv4/block/10.1.2.0-26");
	free(key);
	calico_place_deinit(&place);
}

/* --- Values ---------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	const char *stored;
	const char *v3;
	const char *again; /* stored once more; NULL: as it was */
} values[] = {
	{"/calico/resources/v3/projectcalico.org/nodes/a", "not even JSON", "not even JSON", NULL},
	{"/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-30",
	 "{\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:node-a\","
	 "\"affinity_claim_time\":\"2026-08-01T10:00:00Z\",\"allocations\":[0,null,1,null],"
	 "\"unallocated\":[1,3],\"attributes\":[{\"handle_id\":\"h\",\"secondary\":{\"pod\":"
	 "\"p1\"}},{\"handle_id\":null,\"secondary\":null}],"
	 "\"sequenceNumber\":1754042400000000005,"
	 "\"sequenceNumberForAllocation\":{\"0\":1754042400000000001},\"new\":{\"x\":[1]},"
	 "\"deleted\":false}",
	 "{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
	 "\"10-1-2-0-30\"},\"spec\":{\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:node-a\","
	 "\"affinityClaimTime\":\"2026-08-01T10:00:00Z\",\"allocations\":[0,null,1,null],"
	 "\"unallocated\":[1,3],\"attributes\":[{\"handle_id\":\"h\",\"secondary\":{\"pod\":"
	 "\"p1\"}},{\"handle_id\":null,\"secondary\":null}],"
	 "\"sequenceNumber\":1754042400000000005,"
	 "\"sequenceNumberForAllocation\":{\"0\":1754042400000000001},\"new\":{\"x\":[1]},"
	 "\"deleted\":false}}",
	 NULL},
	{"/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-30",
	 "{\"cidr\":\"10.1.2.0/30\",\"affinity\":null,\"hostAffinity\":\"b\"}",
	 "{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
	 "\"10-1-2-0-30\"},\"spec\":{\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:b\"}}",
	 "{\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:b\",\"deleted\":false}"},
	{"/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-30",
	 "{\"cidr\":\"10.1.2.0/30\",\"affinity\":null,\"deleted\":true}",
	 "{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
	 "\"10-1-2-0-30\"},\"spec\":{\"cidr\":\"10.1.2.0/30\",\"deleted\":true}}",
	 "{\"cidr\":\"10.1.2.0/30\",\"deleted\":true,\"affinity\":null}"},
	{"/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-30", "{", "{", NULL},
	{"/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.0-30",
	 "{\"state\":\"pending\",\"deleted\":false,\"more\":1}",
	 "{\"kind\":\"BlockAffinity\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
	 "\"name\":\"node-a-10-1-2-0-30\",\"labels\":{\"projectcalico.org/affinity-type\":"
	 "\"host\",\"projectcalico.org/hostname-hash\":"
	 "\"HASH\",\"projectcalico.org/ip-version\":\"4\"}},\"spec\":{\"state\":\"pending\","
	 "\"deleted\":false,\"more\":1,\"node\":\"node-a\",\"type\":\"host\",\"cidr\":"
	 "\"10.1.2.0/30\"}}",
	 NULL},
	{"/calico/ipam/v2/handle/net.1", "{\"block\":{\"10.1.2.0/30\":1},\"deleted\":false}",
	 "{\"kind\":\"IPAMHandle\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
	 "\"net.1\"},\"spec\":{\"block\":{\"10.1.2.0/30\":1},\"deleted\":false,\"handleID\":"
	 "\"net.1\"}}",
	 NULL},
	{"/calico/ipam/v2/config",
	 "{\"strict_affinity\":true,\"auto_allocate_blocks\":false,\"maxBlocksPerHost\":4}",
	 "{\"kind\":\"IPAMConfiguration\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
	 "\"name\":\"default\"},\"spec\":{\"strictAffinity\":true,\"autoAllocateBlocks\":false,"
	 "\"maxBlocksPerHost\":4}}",
	 NULL},
};

/* The hash of a name is not written down here: it must be of its length, that is all. */
static void hide_hash(char *text)
{
	static const char label[] = "hostname-hash\":\"";
	char *hash = strstr(text, label);

	if (!hash)
		return;
	hash += strlen(label);
	assert_int_equal(strcspn(hash, "\""), 52);
	memcpy(hash, "HASH", 4);
	memmove(hash + 4, hash + 52, strlen(hash + 52) + 1);
}

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
		_cleanup_buf_ struct buf v3 = BUF_INIT;
		_cleanup_buf_ struct buf again = BUF_INIT;
		_cleanup_free_ char *shown = NULL;
		struct err err = ERR_INIT;

		assert_true(calico_place_from_key(values[i].key, strlen(values[i].key), &place));
		calico_value_load(&place, values[i].stored, strlen(values[i].stored), &v3);
		shown = xstrdup(buf_str(&v3));
		hide_hash(shown);
		assert_string_equal(shown, values[i].v3);
		if (strcmp(values[i].stored, "{") == 0)
			continue;
		test_ok(calico_value_store(&place, buf_str(&v3), v3.size, &again, &err), &err);
		assert_string_equal(buf_str(&again),
				    values[i].again ? values[i].again : values[i].stored);
	}
}

/* An affinity of old versions has no value at all, and counts as confirmed. */
static void test_empty_affinity(void **state)
{
	static const char key[] = "/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.0-30";
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_buf_ struct buf v3 = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_true(calico_place_from_key(key, strlen(key), &place));
	calico_value_load(&place, "", 0, &v3);
	test_ok(model_read_json(buf_str(&v3), v3.size, MODEL_STRICT, "test", &object, &err), &err);
	assert_string_equal(as_block_affinity(object)->spec.node, "node-a");
	assert_string_equal(as_block_affinity(object)->spec.cidr, "10.1.2.0/30");
	assert_int_equal(as_block_affinity(object)->spec.state, AFFINITY_STATE_UNSET);
}

static void test_values_refused(void **state)
{
	struct calico_place place = {.kind = KIND_IPAM_HANDLE, .name = (char[]){"h"}};
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(calico_value_store(&place, "{", 1, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "IPAMHandle h"));
	assert_int_equal(calico_value_store(&place, "{}", 2, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no spec"));
	assert_int_equal(out.size, 0);
}

/* --- Base64 ---------------------------------------------------------------------------------- */

static void test_base64(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},	 {"f", "Zg=="},	       {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"},
	};
	static const char *const wrong[] = {
		"Z", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm\n9"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		_cleanup_buf_ struct buf bytes = BUF_INIT;

		base64_encode(pairs[i][0], strlen(pairs[i][0]), &text);
		assert_string_equal(buf_str(&text), pairs[i][1]);
		assert_int_equal(base64_decode(pairs[i][1], strlen(pairs[i][1]), &bytes), 0);
		assert_string_equal(buf_str(&bytes), pairs[i][0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_buf_ struct buf bytes = BUF_INIT;

		assert_int_equal(base64_decode(wrong[i], strlen(wrong[i]), &bytes), -EBADMSG);
		assert_int_equal(bytes.size, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	       cmocka_unit_test(test_foreign_keys),
		cmocka_unit_test(test_refused_names),  cmocka_unit_test(test_affinity_candidates),
		cmocka_unit_test(test_values),	       cmocka_unit_test(test_empty_affinity),
		cmocka_unit_test(test_values_refused), cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
