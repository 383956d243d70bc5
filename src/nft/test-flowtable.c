/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The flow table against the kernel, with the nft program as the judge. A kernel may have none;
 * then what happens there is tested instead. tests/labs/test_qemu_stock.py runs this where it has.
 */

#include "nft/flowtable.h"

#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "netlink/test-lab.h"
#include "nft/kernel-probe.h"
#include "nft/policy-table.h"

#define ANOTHERS                                                                                   \
	"nft flush table ip calico; nft delete flowtable ip calico calico; "                       \
	"nft add flowtable ip calico calico '{ hook ingress priority 5; }'"
#define MANY 260 /* more than the kernel takes in one change */

static struct policy_table *open_table(bool offload)
{
	static const char *const prefixes[] = {"cali"};
	struct policy_config config = {.log_prefix = "calico-packet",
				       .workload_prefixes = prefixes,
				       .n_workload_prefixes = 1,
				       .offload = offload};
	struct policy_update update = {.n_sets = 0};
	struct policy_table *table;

	assert_int_equal(policy_table_open(-1, &table, NULL), 0);
	policy_table_configure(table, &config);
	policy_table_update(table, &update);
	return table;
}

static void apply(struct policy_table *table)
{
	struct err err = ERR_INIT;

	if (policy_table_apply(table, &err) < 0)
		fail_msg("%s", err.msg);
}

static size_t offload(struct policy_table *table, const char *const *devices, size_t n)
{
	struct err err = ERR_INIT;
	size_t in_it;

	if (policy_table_offload(table, devices, n, &in_it, &err) < 0)
		fail_msg("%s", err.msg);
	return in_it;
}

/* These devices, in both families. Each nft takes its time in an emulated machine. */
static bool holds(const char *devices)
{
	_cleanup_free_ char *command =
		xasprintf("test $(nft list flowtables | grep -c 'devices = { %s }') = 2", devices);

	return lab_run(command);
}

static int setup(void **state)
{
	*state = NULL;
	return lab_run("nft flush ruleset; ip link add cali1 type veth peer name cali2") ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)lab_run("ip link del cali1 2>/dev/null; nft flush ruleset");
	return 0;
}

static const char *const pods[] = {"cali2", "cali1", "nowhere", "cali1"};

static void test_devices(void **state)
{
	struct policy_table *table = open_table(true);

	(void)state;
	assert_int_equal(offload(table, pods, 4), 2);
	assert_true(holds("cali1, cali2"));
	assert_true(lab_says("nft list chain ip calico filter-cali-FORWARD-offload",
			     "ct state established,related flow add @calico"));
	assert_int_equal(offload(table, pods + 1, 1), 1);
	assert_true(holds("cali1"));
	assert_int_equal(offload(table, NULL, 0), 0);
	assert_true(lab_run("! nft list flowtables | grep -q cali1"));
	assert_false(policy_table_check(table));
	policy_table_close(table);
}

static void test_many_devices(void **state)
{
	struct policy_table *table = open_table(true);
	char names[MANY][16];
	const char *devices[MANY];

	(void)state;
	assert_true(lab_run("for i in $(seq 260); do echo link add x$i group 7 type dummy; done | "
			    "ip -batch -"));
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "x%zu", i + 1);
		devices[i] = names[i];
	}
	assert_int_equal(offload(table, devices, MANY), MANY);
	assert_int_equal(offload(table, devices, 1), 1);
	assert_true(holds("x1"));
	assert_true(lab_run("ip link del group 7"));
	policy_table_close(table);
}

/* The kernel takes out a device that goes: nobody has tampered with anything. */
static void test_device_gone(void **state)
{
	struct policy_table *table = open_table(true);

	(void)state;
	assert_int_equal(offload(table, pods, 2), 2);
	assert_true(lab_run("ip link del cali1"));
	assert_false(policy_table_check(table));
	assert_int_equal(offload(table, pods, 2), 0);
	assert_true(lab_run("ip link add cali1 type veth peer name cali2"));
	assert_int_equal(offload(table, pods, 2), 2);
	assert_true(holds("cali1, cali2"));
	policy_table_close(table);
}

static void test_restart(void **state)
{
	struct policy_table *table = open_table(true);

	(void)state;
	assert_int_equal(offload(table, pods, 2), 2);
	policy_table_close(table);
	table = open_table(true);
	apply(table);
	assert_false(policy_table_changed(table));
	assert_true(holds("cali1, cali2"));
	assert_int_equal(offload(table, pods, 2), 2);
	policy_table_close(table);
	table = open_table(false);
	apply(table);
	assert_int_equal(offload(table, pods, 2), 0);
	assert_true(lab_run("! nft list ruleset | grep -q flow"));
	policy_table_close(table);
}

static void test_others(void **state)
{
	static const char *const damages[] = {
		"nft add flowtable ip calico more '{ hook ingress priority 0; }'",
		"nft add flowtable ip calico calico '{ hook ingress priority 0; devices = { lo }; }'",
		ANOTHERS,
	};
	struct policy_table *table = open_table(true);

	(void)state;
	assert_int_equal(offload(table, pods, 2), 2);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		assert_true(lab_run(damages[i]));
		assert_true(policy_table_check(table));
		assert_int_equal(offload(table, pods, 2), 2);
		assert_true(holds("cali1, cali2"));
		assert_true(lab_run("! nft list ruleset | grep -q 'flowtable more'"));
		assert_false(policy_table_check(table));
		policy_table_invalidate(table);
		apply(table);
		assert_false(policy_table_changed(table));
	}
	policy_table_close(table);
}

/* A new transaction's failure because of a device would keep policy out. */
static void test_no_flowtable(void **state)
{
	struct nl *nl;
	size_t in_it;

	(void)state;
	assert_int_equal(nl_open(NETLINK_NETFILTER, -1, &nl, NULL), 0);
	assert_int_equal(nft_flowtable_sync(nl, AF_INET, pods, 2, &in_it, NULL), -ENOENT);
	nl_close(nl);
}

static void test_unsupported(void **state)
{
	struct policy_table *table = open_table(true);
	struct err err = ERR_INIT;
	size_t in_it;

	(void)state;
	assert_int_equal(policy_table_offload(table, pods, 2, &in_it, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "nft_flow_offload"));
	apply(table);
	assert_true(lab_says("nft list chain ip calico filter-cali-FORWARD", "calico"));
	assert_true(lab_run("! nft list ruleset | grep -q flow"));
	policy_table_close(table);
}

static const struct CMUnitTest supported[] = {
	cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
	cmocka_unit_test_setup_teardown(test_many_devices, setup, teardown),
	cmocka_unit_test_setup_teardown(test_device_gone, setup, teardown),
	cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
	cmocka_unit_test_setup_teardown(test_others, setup, teardown),
	cmocka_unit_test_setup_teardown(test_no_flowtable, setup, teardown),
};
static const struct CMUnitTest unsupported[] = {
	cmocka_unit_test_setup_teardown(test_no_flowtable, setup, teardown),
	cmocka_unit_test_setup_teardown(test_unsupported, setup, teardown),
};

int main(void)
{
	struct nl *nl;
	bool has;

	lab_enter();
	if (!lab_run("nft 'add table ip probe; add table ip6 probe'") ||
	    nl_open(NETLINK_NETFILTER, -1, &nl, NULL) < 0) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	has = nft_kernel_has_flowtables(nl, AF_INET);
	nl_close(nl);
	return has ? cmocka_run_group_tests(supported, NULL, NULL)
		   : cmocka_run_group_tests(unsupported, NULL, NULL);
}
