/* SPDX-License-Identifier: Apache-2.0 */

/* Node start-up on a real store, on a host of its own with three interfaces. */

#include "agent/node-startup.h"

#include <errno.h>
#include <sys/wait.h>

#include "agent/test-place.h"
#include "base/buf.h"
#include "base/fd.h"
#include "netlink/test-lab.h"

static struct agent_args args_of(const struct place *place, const char *node)
{
	return (struct agent_args){
		.node_name = (char *)(uintptr_t)node,
		.state_dir = (char *)(uintptr_t)place->dir,
		.ip = "",
		.ip_method = "first-found",
		.ip6 = "",
		.ip6_method = "first-found",
		.as_number = "",
		.router_id = "",
		.v4_pool_cidr = "10.42.0.0/16",
		.v4_pool_ipip = "Always",
		.v4_pool_vxlan = "Never",
		.v4_pool_block_size = "26",
		.v4_pool_nat_outgoing = "true",
		.v4_pool_node_selector = "all()",
		.v6_pool_cidr = "none",
		.v6_pool_vxlan = "Never",
		.v6_pool_block_size = "122",
		.v6_pool_nat_outgoing = "false",
		.v6_pool_node_selector = "all()",
		.cluster_type = "k8s,bgp",
	};
}

static void start(struct place *place, const struct agent_args *args)
{
	struct err err = ERR_INIT;

	if (node_startup(place->store, args, &err) != 0)
		fail_msg("%s", err.msg);
}

static void refuse(struct place *place, const struct agent_args *args, const char *word)
{
	struct err err = ERR_INIT;

	assert_true(node_startup(place->store, args, &err) < 0);
	if (!strstr(err.msg, word))
		fail_msg("\"%s\" lacks \"%s\"", err.msg, word);
}

struct told {
	char v4[64];
	char v6[64];
	int64_t as_number; /* 0: none */
};

static struct told told(struct place *place, const char *node)
{
	_cleanup_(model_freep) struct object *object = place_get(place, KIND_NODE, NULL, node);
	const struct node_bgp *bgp;
	struct told ret;

	assert_non_null(object);
	bgp = as_node(object)->spec.bgp;
	(void)snprintf(ret.v4, sizeof(ret.v4), "%s", bgp->ipv4_address ? bgp->ipv4_address : "-");
	(void)snprintf(ret.v6, sizeof(ret.v6), "%s", bgp->ipv6_address ? bgp->ipv6_address : "-");
	ret.as_number = bgp->as_number.set ? bgp->as_number.v : 0;
	return ret;
}

static void test_first_start(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");
	_cleanup_(model_freep) struct object *cluster = NULL;
	_cleanup_(model_freep) struct object *pool = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *path = xasprintf("%s/nodename", place->dir);

	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.0.5/24");
	assert_string_equal(told(place, "node-a").v6, "-"); /* only when asked for */
	assert_true(file_read(path, 300, &text, NULL) >= 0);
	assert_string_equal(buf_str(&text), "node-a");
	assert_int_equal(place_count(place, KIND_TIER), 3);
	assert_int_equal(place_count(place, KIND_FELIX_CONFIGURATION), 1);
	assert_int_equal(place_count(place, KIND_IP_POOL), 1);
	cluster = place_get(place, KIND_CLUSTER_INFORMATION, NULL, "default");
	assert_int_equal(strlen(as_cluster_information(cluster)->spec.cluster_guid), 32);
	assert_true(as_cluster_information(cluster)->spec.datastore_ready.v);
	assert_string_equal(as_cluster_information(cluster)->spec.cluster_type, "k8s,bgp");
	pool = place_get(place, KIND_IP_POOL, NULL, "default-ipv4-ippool");
	assert_string_equal(as_ip_pool(pool)->spec.cidr, "10.42.0.0/16");
	assert_int_equal(as_ip_pool(pool)->spec.ipip_mode, ENCAP_MODE_ALWAYS);
	assert_true(as_ip_pool(pool)->spec.nat_outgoing.v);
	assert_int_equal(as_ip_pool(pool)->spec.block_size.v, 26);
}

static void test_second_start_writes_nothing(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");
	_cleanup_(store_list_deinitp) struct store_list before = {.n = 0};
	_cleanup_(store_list_deinitp) struct store_list after = {.n = 0};

	start(place, &args);
	assert_int_equal(store_list(place->store, KIND_NODE, NULL, &before, NULL), 0);
	start(place, &args);
	assert_int_equal(store_list(place->store, KIND_NODE, NULL, &after, NULL), 0);
	assert_int_equal(after.revision, before.revision);
}

/* Whatever a start that died left out, the next one adds, and it touches nothing else. */
static void test_restarted_half_way(void **state)
{
	static const struct {
		enum kind kind;
		const char *name;
	} objects[] = {
		{KIND_CLUSTER_INFORMATION, "default"},
		{KIND_TIER, "default"},
		{KIND_TIER, "kube-admin"},
		{KIND_FELIX_CONFIGURATION, "default"},
		{KIND_IP_POOL, "default-ipv4-ippool"},
		{KIND_IP_POOL, "default-ipv6-ippool"},
		{KIND_NODE, "node-a"},
	};
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");
	_cleanup_free_ char *path = xasprintf("%s/korat-cluster", place->dir);

	args.v6_pool_cidr = "fd42::/112";
	start(place, &args);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		uint64_t other = place_revision(place, objects[(i + 1) % ARRAY_SIZE(objects)].kind,
						objects[(i + 1) % ARRAY_SIZE(objects)].name);

		/* The last step, which was not come to. */
		assert_int_equal(unlink(path), 0);
		place_remove(place, objects[i].kind, objects[i].name);
		start(place, &args);
		if (!place_revision(place, objects[i].kind, objects[i].name))
			fail_msg("%s is not made again", objects[i].name);
		assert_int_equal(other,
				 place_revision(place, objects[(i + 1) % ARRAY_SIZE(objects)].kind,
						objects[(i + 1) % ARRAY_SIZE(objects)].name));
	}
}

/* Two nodes side by side; the second finds all of the first's and adds itself. */
static void test_two_nodes(void **state)
{
	struct place *place = *state;
	struct agent_args a = args_of(place, "node-a");
	struct agent_args b = args_of(place, "node-b");
	_cleanup_(model_freep) struct object *before = NULL;
	_cleanup_(model_freep) struct object *after = NULL;

	b.ip_method = "interface=eth1";
	b.cluster_type = "other";
	start(place, &a);
	before = place_get(place, KIND_CLUSTER_INFORMATION, NULL, "default");
	start(place, &b);
	after = place_get(place, KIND_CLUSTER_INFORMATION, NULL, "default");
	assert_true(model_equal(before, after));
	assert_int_equal(place_count(place, KIND_NODE), 2);
	assert_int_equal(place_count(place, KIND_IP_POOL), 1);
	assert_string_equal(told(place, "node-b").v4, "192.168.1.5/24");
}

/* The same at the same time: processes that each start their node on the one store. */
static void test_many_nodes_at_once(void **state)
{
	struct place *place = *state;
	pid_t pids[6];

	place->store = store_close(place->store);
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			_cleanup_free_ char *name = xasprintf("node-%u", i);
			_cleanup_free_ char *ip = xasprintf("10.20.0.%u/24", i + 1);
			struct agent_args args = args_of(place, name);
			struct store *store = NULL;

			args.ip = ip;
			if (store_open(&place->config, &store, NULL) != 0)
				_exit(2);
			_exit(node_startup(store, &args, NULL) == 0 ? 0 : 1);
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(store_open(&place->config, &place->store, NULL), 0);
	assert_int_equal(place_count(place, KIND_NODE), ARRAY_SIZE(pids));
	assert_int_equal(place_count(place, KIND_IP_POOL), 1);
	assert_int_equal(place_count(place, KIND_TIER), 3);
}

static void test_collision(void **state)
{
	struct place *place = *state;
	struct agent_args a = args_of(place, "node-a");
	struct agent_args b = args_of(place, "node-b");

	a.ip6 = "autodetect";
	start(place, &a);
	refuse(place, &b, "address 192.168.0.5 is already node node-a's; set IP to");
	assert_int_equal(place_count(place, KIND_NODE), 1);
	b.ip = "10.1.1.1";
	b.ip6 = "fd00::5";
	refuse(place, &b, "address fd00::5 is already node node-a's");
	b.ip6 = "none";
	start(place, &b);
	place_remove(place, KIND_NODE, "node-a");
	b.ip = "192.168.0.5";
	start(place, &b);
	assert_string_equal(told(place, "node-b").v4, "192.168.0.5/24");
}

static void test_literal_addresses(void **state)
{
	static const struct {
		const char *ip;
		const char *ip6;
		const char *expected;
		const char *expected6;
	} cases[] = {
		{"192.168.1.5", "", "192.168.1.5/24", "-"}, /* the interface's prefix */
		{"10.9.9.9/16", "", "10.9.9.9/16", "-"},
		{"10.9.9.9", "", "10.9.9.9/32", "-"},
		{"autodetect", "autodetect", "192.168.0.5/24", "fd00::5/64"},
		{"10.9.9.9", "fd00::9", "10.9.9.9/32", "fd00::9/128"},
		{"", "none", "10.9.9.9/32", "fd00::9/128"}, /* kept */
		{"none", "", "10.9.9.9/32", "fd00::9/128"},
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_args args = args_of(place, "node-a");

		args.ip = cases[i].ip;
		args.ip6 = cases[i].ip6;
		start(place, &args);
		assert_string_equal(told(place, "node-a").v4, cases[i].expected);
		assert_string_equal(told(place, "node-a").v6, i == 4 || i > 4 ? cases[i].expected6
							      : i == 3	      ? "fd00::5/64"
									      : "-");
	}
}

static void test_no_address_at_all(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");

	args.ip = "none";
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "-");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *ip;
		const char *ip6;
		const char *method;
		const char *as_number;
		const char *word;
	} cases[] = {
		{"10.0.0.300", "", "first-found", "", "IP: "},
		{"fd00::5", "", "first-found", "", "IP: fd00::5 is not an IPv4 address"},
		{"", "10.0.0.1", "first-found", "", "IP6: 10.0.0.1 is not an IPv6 address"},
		{"", "", "interface=wlan9", "", "set IP to the address"},
		{"", "", "nonsense", "", "unknown method"},
		{"", "", "can-reach=203.0.113.1", "", "can-reach=203.0.113.1"},
		{"", "", "can-reach=fd00::1", "", "not an IPv4 address"},
		{"", "", "first-found", "0", "AS"},
		{"", "", "first-found", "5000000000", "AS"},
		{"", "", "first-found", "word", "AS"},
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_args args = args_of(place, "node-a");

		args.ip = cases[i].ip;
		args.ip6 = cases[i].ip6;
		args.ip_method = cases[i].method;
		args.as_number = cases[i].as_number;
		refuse(place, &args, cases[i].word);
		assert_int_equal(place_count(place, KIND_NODE), 0);
	}
}

static void test_methods(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");

	args.ip_method = "can-reach=192.168.1.77";
	args.as_number = "64999";
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.1.5/24");
	assert_int_equal(told(place, "node-a").as_number, 64999);
	/* Found again only when asked to. */
	args.ip_method = "interface=eth0";
	args.as_number = "";
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.1.5/24");
	assert_int_equal(told(place, "node-a").as_number, 64999);
	args.ip = "autodetect";
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.0.5/24");
	/* Nothing found: what was known is better than nothing. */
	args.ip_method = "interface=wlan0";
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.0.5/24");
}

/* Writes an InternalIP into the Node, as the node controller of a cluster would. */
static void tell_internal(struct place *place, const char *node, const char *const *addrs, size_t n)
{
	_cleanup_(model_freep) struct object *object = place_get(place, KIND_NODE, NULL, node);
	_cleanup_free_ char *text = NULL;
	struct store_op op = {.type = STORE_PUT, .kind = KIND_NODE, .name = node};
	struct node_address_list *list = &as_node(object)->spec.addresses;

	list->set = true;
	for (size_t i = 0; i < n; i++) {
		struct node_address *address = ARRAY_ADD(list->v, list->n);

		address->address = xstrdup(addrs[i]);
		address->type = xstrdup(i == 0 ? "ExternalIP" : "InternalIP");
	}
	text = store_object_text(object, &op.size);
	op.value = text;
	assert_int_equal(store_commit(place->store, &op, 1, NULL, NULL, NULL), 0);
}

static void test_internal_address(void **state)
{
	static const char *const told_addrs[] = {"192.168.0.5", "fd00::5", "192.168.1.5"};
	static const char *const foreign[] = {"192.168.0.5", "203.0.113.1"};
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");

	args.ip = "none";
	start(place, &args);
	args.ip = args.ip6 = "autodetect";
	args.ip_method = args.ip6_method = "kubernetes-internal-ip";
	refuse(place, &args, "no IPv4 address of type InternalIP");
	tell_internal(place, "node-a", told_addrs, ARRAY_SIZE(told_addrs));
	start(place, &args);
	assert_string_equal(told(place, "node-a").v4, "192.168.1.5/24");
	assert_string_equal(told(place, "node-a").v6, "fd00::5/64");
	/* One the host does not have is not taken. */
	args.node_name = (char *)(uintptr_t) "node-b";
	args.ip = args.ip6 = "none";
	start(place, &args);
	tell_internal(place, "node-b", foreign, ARRAY_SIZE(foreign));
	args.ip = "autodetect";
	refuse(place, &args, "that this host has");
}

static void test_names_and_checks(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");

	args.ip = "autodetect";
	args.ip_method = "can-reach=localhost";
	refuse(place, &args, "can-reach=localhost");
	args.ip_method = "can-reach=no.such.host.invalid";
	refuse(place, &args, "no.such.host.invalid has no IPv4 address");
	args.ip_method = "first-found";
	start(place, &args);
	args.node_name = (char *)(uintptr_t) "node-b";
	refuse(place, &args, "already node node-a's");
	args.no_address_check = true;
	start(place, &args);
	assert_string_equal(told(place, "node-b").v4, told(place, "node-a").v4);
}

static void test_pools(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");
	_cleanup_(model_freep) struct object *four = NULL;
	_cleanup_(model_freep) struct object *six = NULL;

	args.no_default_pools = true;
	start(place, &args);
	assert_int_equal(place_count(place, KIND_IP_POOL), 0);
	args.no_default_pools = false;
	args.v4_pool_vxlan = "CrossSubnet"; /* IPIP's default gives way */
	args.v4_pool_block_size = "28";
	args.v4_pool_nat_outgoing = "false";
	args.v4_pool_node_selector = "has(fast)";
	args.v6_pool_cidr = "fd42::/112";
	args.v6_pool_vxlan = "always";
	start(place, &args);
	four = place_get(place, KIND_IP_POOL, NULL, "default-ipv4-ippool");
	six = place_get(place, KIND_IP_POOL, NULL, "default-ipv6-ippool");
	assert_int_equal(as_ip_pool(four)->spec.vxlan_mode, ENCAP_MODE_CROSS_SUBNET);
	assert_int_equal(as_ip_pool(four)->spec.ipip_mode, ENCAP_MODE_NEVER);
	assert_int_equal(as_ip_pool(four)->spec.block_size.v, 28);
	assert_false(as_ip_pool(four)->spec.nat_outgoing.v);
	assert_string_equal(as_ip_pool(four)->spec.node_selector, "has(fast)");
	assert_int_equal(as_ip_pool(six)->spec.vxlan_mode, ENCAP_MODE_ALWAYS);
	assert_int_equal(as_ip_pool(six)->spec.block_size.v, 122);
}

/* A person's own pool of a family keeps the default one of that family away. */
static void test_own_pool(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");

	args.v6_pool_cidr = "fd42::/112";
	place_put_pool(place, "mine", "10.50.0.0/16", ENCAP_MODE_NEVER, ENCAP_MODE_NEVER);
	start(place, &args);
	assert_int_equal(place_count(place, KIND_IP_POOL), 2);
	assert_true(place_revision(place, KIND_IP_POOL, "default-ipv6-ippool") > 0);
	assert_int_equal(place_revision(place, KIND_IP_POOL, "default-ipv4-ippool"), 0);
}

static void test_bad_pools(void **state)
{
	static const struct {
		const char *cidr;
		const char *ipip;
		const char *vxlan;
		const char *block_size;
		const char *word;
	} cases[] = {
		{"10.42.0.0/16", "Perhaps", "Never", "26", "CALICO_IPV4POOL_IPIP=Perhaps"},
		{"10.42.0.0/16", "Never", "Perhaps", "26", "CALICO_IPV4POOL_VXLAN=Perhaps"},
		{"10.42.0.0/16", "Never", "Never", "many", "default-ipv4-ippool"},
		{"10.42.0.0/16", "Never", "Never", "8", "blockSize"},
		{"10.42.0.0", "Never", "Never", "26", "larger than the pool 10.42.0.0"},
		{"words", "Never", "Never", "26", "cidr"},
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_args args = args_of(place, "node-a");

		args.v4_pool_cidr = cases[i].cidr;
		args.v4_pool_ipip = cases[i].ipip;
		args.v4_pool_vxlan = cases[i].vxlan;
		args.v4_pool_block_size = cases[i].block_size;
		refuse(place, &args, cases[i].word);
		assert_int_equal(place_count(place, KIND_IP_POOL), 0);
	}
}

static void put_cluster(struct place *place, const char *guid)
{
	struct object *object = model_new(KIND_CLUSTER_INFORMATION, NULL, "default");

	as_cluster_information(object)->spec.cluster_guid = xstrdup(guid);
	place_put(place, object);
}

/* An emptied datastore, or another cluster's, is not written to; ours is taken when it is back. */
static void test_other_cluster(void **state)
{
	struct place *place = *state;
	struct agent_args args = args_of(place, "node-a");
	_cleanup_(model_freep) struct object *cluster = NULL;
	_cleanup_free_ char *path = xasprintf("%s/korat-cluster", place->dir);

	start(place, &args);
	start(place, &args);
	cluster = place_get(place, KIND_CLUSTER_INFORMATION, NULL, "default");
	place_remove(place, KIND_CLUSTER_INFORMATION, "default");
	place_remove(place, KIND_IP_POOL, "default-ipv4-ippool");
	refuse(place, &args, "the datastore has no ClusterInformation");
	refuse(place, &args, as_cluster_information(cluster)->spec.cluster_guid);
	refuse(place, &args, "korat agent cleanup");
	put_cluster(place, "5f5e");
	refuse(place, &args, "is of the cluster 5f5e");
	assert_int_equal(place_count(place, KIND_IP_POOL), 0);
	put_cluster(place, as_cluster_information(cluster)->spec.cluster_guid);
	start(place, &args);
	assert_int_equal(place_count(place, KIND_IP_POOL), 1);
	/* A datastore of before, whose ClusterInformation says nothing. */
	put_cluster(place, "");
	start(place, &args);
	/* After the cleanup of a node it joins any. */
	assert_int_equal(unlink(path), 0);
	put_cluster(place, "5f5e");
	start(place, &args);
	put_cluster(place, "5f5f");
	refuse(place, &args, "is of the cluster 5f5f");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_start),
		TEST(test_second_start_writes_nothing),
		TEST(test_restarted_half_way),
		TEST(test_two_nodes),
		TEST(test_many_nodes_at_once),
		TEST(test_collision),
		TEST(test_literal_addresses),
		TEST(test_no_address_at_all),
		TEST(test_refusals),
		TEST(test_methods),
		TEST(test_internal_address),
		TEST(test_names_and_checks),
		TEST(test_pools),
		TEST(test_own_pool),
		TEST(test_bad_pools),
		TEST(test_other_cluster),
	};

	lab_enter();
	if (!lab_run(
		    "ip link add eth1 type veth peer name eth0 && ip link add docker0 type bridge "
		    "&& ip addr add 172.17.0.1/16 dev docker0 && ip link set docker0 up "
		    "&& ip addr add 192.168.0.5/24 dev eth0 && ip addr add 192.168.1.5/24 dev eth1 "
		    "&& ip addr add fd00::5/64 dev eth0 nodad && ip link set eth0 up "
		    "&& ip link set eth1 up"))
		return LAB_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
