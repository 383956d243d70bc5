/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver against the kernel, with iptables' own programs as the judge: what is not ours stays,
 * what is ours is put right, and a second start changes nothing. What the rules do to packets is
 * judged by tests/policy/policy-diff.c.
 */

#include "iptables/policy-iptables.h"

#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "iptables/ip-set.h"
#include "netlink/test-lab.h"

#define SAVE   "iptables-legacy-save | sed 's/\\[[0-9:]*\\]//;/^#/d'"
#define POLICY "np/shop/db"
#define SET_ID "s:abc"
#define FLUSH_ALL                                                                                  \
	"for t in raw mangle nat filter; do for p in iptables ip6tables; do $p-legacy -t $t -F; "  \
	"$p-legacy -t $t -X; done; done"

static struct cidr net(const char *text)
{
	struct cidr cidr;

	if (cidr_parse(text, &cidr, NULL) < 0)
		abort();
	return cidr;
}

/* --- What is told ------------------------------------------------------------------------- */

/* A pod with one policy, whose one rule allows a port from a set. */
struct told {
	struct policy_set set;
	struct policy_member member;
	struct policy_set_change change;
	struct policy_set_id id;
	struct port_range port;
	struct compiled_rule rule;
	struct compiled_policy policy;
	struct compiled_policy profile;
	const struct compiled_policy *in_tier[1];
	const struct compiled_policy *profiles[1];
	struct endpoint_tier tier;
	struct cidr addr;
	struct policy_endpoint endpoint;
	const struct policy_endpoint *endpoints[1];
	const struct compiled_policy *policies[2];
	struct policy_update update;
};

static struct compiled_rule rule_of(enum policy_action action)
{
	return (struct compiled_rule){.action = action,
				      .protocol = POLICY_ANY,
				      .not_protocol = POLICY_ANY,
				      .icmp_type = POLICY_ANY,
				      .icmp_code = POLICY_ANY,
				      .not_icmp_type = POLICY_ANY,
				      .not_icmp_code = POLICY_ANY};
}

static void told_init(struct told *told)
{
	*told = (struct told){
		.set = {.id = {SET_ID}, .type = POLICY_SET_TYPE_NET},
		.member = {.net = net("10.65.0.9/32")},
		.id = {SET_ID},
		.port = {80, 80},
		.rule = rule_of(POLICY_ACTION_ALLOW),
		.policy = {.key = (char *)POLICY,
			   .tier = (char *)"default",
			   .applies = {true, false}},
		.profile = {.key = (char *)"pro/kns.shop"},
		.tier = {.name = "default", .enforced = true, .n_policies = 1},
		.addr = net("10.65.0.2/32"),
		.endpoint = {.key = "wep/shop/db",
			     .interface = "cali1",
			     .n_addrs = 1,
			     .n_profiles = 1},
	};
	told->change = (struct policy_set_change){
		.set = &told->set, .is_new = true, .added = &told->member, .n_added = 1};
	told->rule.protocol = 6;
	told->rule.source.sets = &told->id;
	told->rule.source.n_sets = 1;
	told->rule.destination.ports = &told->port;
	told->rule.destination.n_ports = 1;
	told->policy.rules[POLICY_WAY_INGRESS] = (struct compiled_rules){&told->rule, 1};
	told->in_tier[0] = &told->policy;
	told->tier.policies = told->in_tier;
	told->profiles[0] = &told->profile;
	told->endpoint.profiles = told->profiles;
	told->endpoint.addrs = &told->addr;
	told->endpoint.tiers[POLICY_STAGE_NORMAL][POLICY_WAY_INGRESS] =
		(struct endpoint_tiers){&told->tier, 1};
	told->endpoints[0] = &told->endpoint;
	told->policies[0] = &told->policy;
	told->policies[1] = &told->profile;
	told->update = (struct policy_update){.sets = &told->change,
					      .n_sets = 1,
					      .policies = told->policies,
					      .n_policies = 2,
					      .endpoints = told->endpoints,
					      .n_endpoints = 1};
}

static struct policy_config default_config(void)
{
	static const char *const prefixes[] = {"cali"};

	return (struct policy_config){.endpoint_to_host = ENDPOINT_TO_HOST_ACCEPT,
				      .log_prefix = "calico-packet",
				      .workload_prefixes = prefixes,
				      .n_workload_prefixes = 1};
}

static struct policy_driver open_driver(void)
{
	const struct policy_config config = default_config();
	struct nat_pool pool = {.cidr = net("10.65.0.0/16"), .masquerade = true};
	const struct nat_config nat = {.pools = &pool, .n_pools = 1};
	struct policy_driver driver = {.ops = NULL};
	struct err err = ERR_INIT;

	if (policy_iptables_open(IPTABLES_LEGACY, &driver, &err) < 0)
		fail_msg("%s", err.msg);
	driver.ops->configure(driver.self, &config);
	driver.ops->nat(driver.self, &nat);
	return driver;
}

/* True: it changed the kernel's. */
static bool apply(const struct policy_driver *driver)
{
	struct err err = ERR_INIT;

	if (driver->ops->apply(driver->self, &err) < 0)
		fail_msg("%s", err.msg);
	return driver->ops->changed(driver->self);
}

static struct policy_driver started(struct told *told)
{
	struct policy_driver driver = open_driver();

	told_init(told);
	driver.ops->update(driver.self, &told->update);
	return driver;
}

static int teardown(void **state)
{
	bool found;

	(void)state;
	if (!lab_run(FLUSH_ALL))
		return -1;
	return policy_iptables_remove(&found, NULL);
}

/* --- Tests -------------------------------------------------------------------------------- */

/* Without being told to read. */
static void a_flush_is_seen(void **state)
{
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(apply(&driver));
	assert_false(driver.ops->check(driver.self));
	assert_true(lab_run("iptables-legacy -F"));
	assert_true(driver.ops->check(driver.self));
	assert_true(apply(&driver));
	assert_false(driver.ops->check(driver.self));
	assert_true(lab_run("ip6tables-legacy -t raw -D PREROUTING 1"));
	assert_true(driver.ops->check(driver.self));
	assert_true(apply(&driver));
	assert_true(lab_says("ip6tables-legacy-save", "-j cali-PREROUTING"));
	driver = policy_driver_close(driver);
}

static void a_changed_set_is_seen(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ip_set_member member = {.net = net("192.0.2.77/32")};
	struct ip_sets *others = ip_sets_new();
	struct told told;
	struct policy_driver driver = started(&told);
	bool changed = false;

	(void)state;
	assert_true(apply(&driver));
	assert_false(driver.ops->check(driver.self));
	assert_int_equal(nl_open(NETLINK_NETFILTER, -1, &nl, NULL), 0);
	assert_int_equal(ip_sets_read(others, nl, NULL), 0);
	ip_sets_hold(others, "cali40s:abc", IP_SET_NET, AF_INET);
	ip_sets_add(others, "cali40s:abc", &member);
	assert_int_equal(ip_sets_fill(others, nl, &changed, NULL), 0);
	assert_true(changed);
	assert_true(driver.ops->check(driver.self));
	assert_true(apply(&driver));
	assert_true(driver.ops->take_cut(driver.self));
	assert_false(driver.ops->check(driver.self));
	(void)ip_sets_free(others);
	driver = policy_driver_close(driver);
}

/* Until the driver sees it, at most three seconds. */
static bool is_seen(const struct policy_driver *driver)
{
	for (int i = 0; i < 30; i++) {
		if (driver->ops->check(driver->self))
			return true;
		(void)usleep(100000);
	}
	return false;
}

/* As many rules, as long; as many members. */
static void an_exchange_is_seen(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ip_set_member good = {.net = net("10.65.0.9/32")};
	struct ip_set_member bad = {.net = net("192.0.2.77/32")};
	struct ip_sets *others = ip_sets_new();
	struct told told;
	struct policy_driver driver = started(&told);
	bool changed = false;

	(void)state;
	assert_true(apply(&driver));
	/* Long enough for a close look. */
	for (int i = 0; i < 11; i++) {
		assert_false(driver.ops->check(driver.self));
		(void)usleep(100000);
	}
	/* "cali-tw-cali1" drops at its end. */
	assert_true(lab_run("n=$(iptables-legacy -S cali-tw-cali1 | grep -c -e '^-A') && "
			    "iptables-legacy -R cali-tw-cali1 $n -m comment --comment "
			    "cali:0123456789abcdef -j ACCEPT"));
	assert_true(is_seen(&driver));
	assert_true(apply(&driver));
	assert_true(lab_run("iptables-legacy -S cali-tw-cali1 | tail -1 | grep -q DROP"));
	assert_int_equal(nl_open(NETLINK_NETFILTER, -1, &nl, NULL), 0);
	ip_sets_hold(others, "cali40s:abc", IP_SET_NET, AF_INET);
	ip_sets_add(others, "cali40s:abc", &good);
	assert_int_equal(ip_sets_fill(others, nl, &changed, NULL), 0);
	ip_sets_remove(others, "cali40s:abc", &good);
	ip_sets_add(others, "cali40s:abc", &bad);
	assert_int_equal(ip_sets_fill(others, nl, &changed, NULL), 0);
	assert_int_equal(ip_sets_shrink(others, nl, &changed, NULL), 0);
	assert_true(is_seen(&driver));
	assert_true(apply(&driver));
	(void)ip_sets_free(others);
	driver = policy_driver_close(driver);
}

static void writes_calicos_chains(void **state)
{
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(apply(&driver));
	assert_true(lab_says(SAVE, "-j cali-FORWARD"));
	assert_true(lab_says(SAVE, "-A cali-to-wl-dispatch -o cali1"));
	assert_true(lab_says(SAVE, "-A cali-tw-cali1 "));
	assert_true(lab_says(SAVE, "--match-set cali40s:abc src"));
	assert_true(lab_says(SAVE, "-A cali-pi-np/shop/db -p tcp"));
	assert_true(lab_says(SAVE, "-m set --match-set cali40masq-ipam-pools src"));
	assert_true(lab_says("ip6tables-legacy-save", "--match-set cali60s:abc src"));
	assert_false(apply(&driver));
	driver = policy_driver_close(driver);
}

/* A new agent reads back what the old one wrote, and sends nothing. */
static void second_start_changes_nothing(void **state)
{
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(apply(&driver));
	driver = policy_driver_close(driver);
	driver = started(&told);
	assert_false(apply(&driver));
	driver = policy_driver_close(driver);
}

static void others_rules_stay(void **state)
{
	struct told told;
	struct policy_driver driver = started(&told);
	bool found;

	(void)state;
	assert_true(lab_run("iptables-legacy -N other && iptables-legacy -A FORWARD -j other && "
			    "iptables-legacy -A other -s 192.0.2.1 -j DROP"));
	assert_true(apply(&driver));
	/* Ours is before it, whenever it came. */
	assert_true(lab_run("iptables-legacy -I FORWARD 1 -s 192.0.2.2 -j ACCEPT"));
	driver.ops->invalidate(driver.self);
	assert_true(apply(&driver));
	assert_true(lab_run("iptables-legacy -S FORWARD 1 | grep -q cali-FORWARD"));
	assert_int_equal(policy_iptables_remove(&found, NULL), 0);
	assert_true(found);
	assert_true(lab_says(SAVE, "-A other -s 192.0.2.1/32 -j DROP"));
	assert_true(lab_says(SAVE, "-A FORWARD -s 192.0.2.2/32 -j ACCEPT"));
	assert_true(lab_says(SAVE, "-A FORWARD -j other"));
	assert_null(strstr(lab_output(SAVE).s, "cali"));
	driver = policy_driver_close(driver);
}

static void what_is_changed_is_put_right(void **state)
{
	static const char *const harms[] = {
		"iptables-legacy -D FORWARD 1",
		"iptables-legacy -D INPUT 1; iptables-legacy -F cali-INPUT",
		"iptables-legacy -F",
		"iptables-legacy -I cali-tw-cali1 1 -j ACCEPT",
		"iptables-legacy -D cali-pi-np/shop/db 1",
		"iptables-legacy -R cali-pi-np/shop/db 1 -j ACCEPT",
		"iptables-legacy -t nat -F; iptables-legacy -t raw -F",
		"iptables-legacy -N cali-pi-old; iptables-legacy -A cali-pi-old -j ACCEPT",
		"ip6tables-legacy -F",
	};
	struct told told;
	struct policy_driver driver = started(&told);
	_cleanup_free_ char *before = NULL;

	(void)state;
	assert_true(apply(&driver));
	before = xstrdup(lab_output(SAVE "; ip6tables-legacy-save | grep ^-").s);
	for (size_t i = 0; i < ARRAY_SIZE(harms); i++) {
		assert_true(lab_run(harms[i]));
		/* The tables filter and raw are watched, others read now and then. */
		if (!driver.ops->check(driver.self))
			driver.ops->invalidate(driver.self);
		assert_true(apply(&driver));
		assert_false(driver.ops->check(driver.self));
		assert_string_equal(lab_output(SAVE "; ip6tables-legacy-save | grep ^-").s, before);
	}
	driver = policy_driver_close(driver);
}

/* As a rule with the protocol 0, which is every protocol to iptables. */
static void what_cannot_be_said_denies(void **state)
{
	struct told told;
	struct policy_driver driver = open_driver();

	(void)state;
	told_init(&told);
	told.rule = rule_of(POLICY_ACTION_ALLOW);
	told.rule.protocol = 0;
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_true(lab_says("iptables-legacy -S cali-pi-np/shop/db", " -j DROP"));
	assert_null(strstr(lab_output("iptables-legacy -S cali-pi-np/shop/db").s, "RETURN"));
	driver = policy_driver_close(driver);
}

/* What the programs have no room for: a rule of many options, or thousands of rules for one. */
static void what_is_too_long_denies(void **state)
{
	struct port_range ports[2000];
	struct told told;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i].first = ports[i].last = (uint16_t)(2 * i + 1);
	for (int lists = 0; lists < 2; lists++) {
		struct policy_driver driver = open_driver();

		told_init(&told);
		told.rule.destination.n_ports = 0;
		if (lists) {
			told.rule.source.ports = told.rule.destination.ports = ports;
			told.rule.source.n_ports = ARRAY_SIZE(ports);
			told.rule.destination.n_ports = ARRAY_SIZE(ports);
		} else {
			told.rule.destination.not_ports = ports;
			told.rule.destination.n_not_ports = ARRAY_SIZE(ports);
		}
		driver.ops->update(driver.self, &told.update);
		(void)apply(&driver);
		assert_true(lab_says("iptables-legacy -S cali-pi-np/shop/db", " -j DROP"));
		assert_null(
			strstr(lab_output("iptables-legacy -S cali-pi-np/shop/db").s, "RETURN"));
		driver = policy_driver_close(driver);
	}
}

/*
 * As many names of ports as a rule may have (RULE_NOT_PORT_NAMES_MAX), and what else it can have.
 */
static void the_largest_rule_is_said(void **state)
{
	struct cidr nets[] = {net("10.0.0.0/8"), net("192.0.2.0/24")};
	struct port_range ports[7]; /* an option's worth */
	struct policy_set_id names[24];
	struct policy_driver driver = open_driver();
	struct told told;

	(void)state;
	told_init(&told);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = (struct port_range){(uint16_t)(3 * i + 1), (uint16_t)(3 * i + 2)};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)snprintf(names[i].s, sizeof(names[i].s),
			       "n:%02zu34567890123456789012345678901234567", i);
	told.rule.not_protocol = 17;
	told.rule.source.nets = told.rule.source.not_nets = nets;
	told.rule.source.n_nets = told.rule.source.n_not_nets = ARRAY_SIZE(nets);
	told.rule.source.ports = told.rule.source.not_ports = ports;
	told.rule.source.n_ports = told.rule.source.n_not_ports = ARRAY_SIZE(ports);
	told.rule.destination = told.rule.source;
	told.rule.source.not_port_sets = names;
	told.rule.source.n_not_port_sets = ARRAY_SIZE(names);
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_null(strstr(lab_output("iptables-legacy -S cali-pi-np/shop/db").s, "DROP"));
	driver = policy_driver_close(driver);
}

static void what_is_gone_leaves_nothing(void **state)
{
	static const char *const policies[] = {POLICY, "pro/kns.shop"};
	static const char *const endpoints[] = {"wep/shop/db"};
	static const struct policy_set_id sets[] = {{SET_ID}};
	const struct policy_update gone = {.policies_gone = policies,
					   .n_policies_gone = 2,
					   .endpoints_gone = endpoints,
					   .n_endpoints_gone = 1,
					   .sets_gone = sets,
					   .n_sets_gone = 1};
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(apply(&driver));
	driver.ops->update(driver.self, &gone);
	assert_true(apply(&driver));
	assert_null(strstr(lab_output(SAVE).s, "cali-pi"));
	assert_null(strstr(lab_output(SAVE).s, "cali1"));
	assert_null(strstr(lab_output(SAVE).s, "s:abc"));
	driver = policy_driver_close(driver);
}

/* What can't go as somebody else's rule speaks of it is no reason to refuse what is in force. */
static void a_set_in_use_stays(void **state)
{
	static const char *const policies[] = {POLICY};
	static const struct policy_set_id sets[] = {{SET_ID}};
	const struct policy_update gone = {.policies_gone = policies,
					   .n_policies_gone = 1,
					   .sets_gone = sets,
					   .n_sets_gone = 1};
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(apply(&driver));
	assert_true(lab_run("iptables-legacy -N other && iptables-legacy -A other -m set "
			    "--match-set cali40s:abc src -j DROP"));
	told.endpoint.tiers[POLICY_STAGE_NORMAL][POLICY_WAY_INGRESS].n = 0;
	told.update.n_sets = 0;
	told.update.n_policies = 0;
	driver.ops->update(driver.self, &told.update);
	driver.ops->update(driver.self, &gone);
	assert_true(apply(&driver));
	assert_null(strstr(lab_output(SAVE).s, "cali-pi-"));
	assert_true(lab_says(SAVE, "cali40s:abc"));
	/* It goes as soon as it can. */
	assert_true(lab_run("iptables-legacy -F other"));
	assert_true(apply(&driver));
	assert_false(apply(&driver));
	assert_false(lab_run("iptables-legacy -A other -m set --match-set cali40s:abc src "
			     "-j DROP 2>/dev/null"));
	driver = policy_driver_close(driver);
}

/* What is allowed goes on to others' rules, with the mark; what was not told stays accepted. */
static void what_is_allowed_goes_on(void **state)
{
	static const char *const accepting[] = {
		"-A FORWARD -m comment --comment \"cali:[^ ]*\" -m mark --mark 0x10000/0x10000",
		"-A cali-tw-cali1 .*--ctstate RELATED,ESTABLISHED",
	};
	struct policy_config config = default_config();
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	for (int on = 0; on < 2; on++) {
		config.filter_return = on;
		driver.ops->configure(driver.self, &config);
		assert_true(apply(&driver));
		for (size_t i = 0; i < ARRAY_SIZE(accepting); i++) {
			_cleanup_free_ char *command =
				xasprintf("iptables-legacy-save | grep -q -e '^%s -j %s'",
					  accepting[i], on ? "RETURN" : "ACCEPT");

			if (!lab_run(command))
				fail_msg("%s", command);
		}
	}
	assert_true(lab_run("iptables-legacy-save | grep -q -e '-A cali-tw-cali1 .*--ctstate "
			    "RELATED,ESTABLISHED -j MARK --set-xmark 0x10000/0x10000'"));
	driver = policy_driver_close(driver);
}

static void logs_are_limited(void **state)
{
	struct policy_config config = default_config();
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	told.rule = rule_of(POLICY_ACTION_LOG);
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_false(lab_run("iptables-legacy-save | grep -q limit"));
	config.log_limit = (struct policy_log_limit){.rate = 9, .seconds = 60, .burst = 9999};
	driver.ops->configure(driver.self, &config);
	assert_true(apply(&driver));
	assert_true(lab_says(SAVE, "-m limit --limit 9/min --limit-burst 9999 -j LOG"));
	driver = policy_driver_close(driver);
}

static void services_are_guarded(void **state)
{
	struct cidr nets[] = {net("10.96.0.0/16"), net("fd96::/112")};
	struct policy_config config = default_config();
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	config.service_nets = nets;
	config.n_service_nets = ARRAY_SIZE(nets);
	driver.ops->configure(driver.self, &config);
	assert_true(apply(&driver));
	assert_true(lab_run("iptables-legacy -S cali-FORWARD | tail -1 | grep -q cali-cidr-block"));
	assert_true(lab_run(
		"iptables-legacy -S cali-cidr-block | grep -q -e '-d 10.96.0.0/16 .*-j DROP'"));
	assert_true(lab_run(
		"ip6tables-legacy -S cali-cidr-block | grep -q -e '-d fd96::/112 .*-j DROP'"));
	config.reject_services = true;
	config.n_service_nets = 1;
	driver.ops->configure(driver.self, &config);
	assert_true(apply(&driver));
	assert_true(lab_run("iptables-legacy -S cali-cidr-block | grep -q -e '-j REJECT'"));
	assert_null(strstr(lab_output("ip6tables-legacy-save").s, "cali-cidr-block"));
	driver = policy_driver_close(driver);
}

static void assert_problem(const struct policy_driver *driver, const char *key)
{
	struct policy_problem *problems;
	size_t n = driver->ops->problems(driver->self, &problems);

	assert_int_equal(n, key ? 1 : 0);
	if (key)
		assert_string_equal(problems[0].key, key);
	free(problems);
}

/* With a second policy, which allows UDP. */
static struct policy_driver started_with_other(struct told *told, struct compiled_rule *allow,
					       struct compiled_policy *other)
{
	struct policy_driver driver = open_driver();

	told_init(told);
	*allow = rule_of(POLICY_ACTION_ALLOW);
	allow->protocol = 17;
	*other = (struct compiled_policy){.key = (char *)"np/shop/other",
					  .tier = (char *)"default",
					  .applies = {true, false},
					  .rules = {{allow, 1}}};
	told->policies[1] = other;
	told->endpoint.n_profiles = 0;
	return driver;
}

static void assert_other(const struct policy_driver *driver, struct told *told,
			 struct compiled_rule *allow)
{
	struct policy_update update = {.policies = &told->policies[1], .n_policies = 1};

	allow->protocol = allow->protocol == 17 ? 132 : 17;
	driver->ops->update(driver->self, &update);
	assert_true(apply(driver));
	assert_true(lab_says("iptables-legacy -S cali-pi-np/shop/other",
			     allow->protocol == 17 ? "-p udp" : "-p sctp"));
	assert_true(lab_says("ip6tables-legacy -S cali-pi-np/shop/other", "RETURN"));
}

#define BAD "iptables-legacy -S cali-pi-np/shop/db"

/* The program names the line. */
static void a_refused_rule_denies(void **state)
{
	struct compiled_policy other;
	struct compiled_rule allow;
	struct told told;
	struct policy_driver driver = started_with_other(&told, &allow, &other);

	(void)state;
	told.port = (struct port_range){90, 80};
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_problem(&driver, POLICY);
	assert_true(lab_says(BAD, "-j DROP"));
	assert_true(lab_says("ip6tables-legacy -S cali-pi-np/shop/db", "-j DROP"));
	assert_null(strstr(lab_output(BAD).s, "RETURN"));
	assert_other(&driver, &told, &allow);
	driver.ops->invalidate(driver.self);
	(void)apply(&driver);
	assert_problem(&driver, POLICY);
	assert_other(&driver, &told, &allow);
	told.port.first = 70;
	told.update.n_sets = 0;
	told.update.n_policies = 1;
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_problem(&driver, NULL);
	assert_true(lab_says(BAD, "--dports 70:80"));
	driver = policy_driver_close(driver);
}

/* The kernel's set is of another type, and somebody else's rule keeps it there. */
static void a_refused_set_closes_its_users(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct compiled_policy other;
	struct compiled_rule allow;
	struct told told;
	struct policy_driver driver = started_with_other(&told, &allow, &other);
	struct ip_sets *others = ip_sets_new();
	bool changed = false;

	(void)state;
	assert_int_equal(nl_open(NETLINK_NETFILTER, -1, &nl, NULL), 0);
	ip_sets_hold(others, "cali40s:abc", IP_SET_PORT, AF_INET);
	assert_int_equal(ip_sets_fill(others, nl, &changed, NULL), 0);
	driver.ops->update(driver.self, &told.update);
	assert_true(apply(&driver));
	assert_problem(&driver, POLICY);
	assert_true(lab_says(BAD, "-j DROP"));
	assert_other(&driver, &told, &allow);
	(void)ip_sets_free(others);
	driver = policy_driver_close(driver);
}

/* A chain of ours that somebody else's rule leads to can't go, and keeps nothing out. */
static void a_chain_in_use_stays_empty(void **state)
{
	struct told told;
	struct policy_driver driver = started(&told);

	(void)state;
	assert_true(lab_run("iptables-legacy -N cali-pi-old && iptables-legacy -N other && "
			    "iptables-legacy -A cali-pi-old -j ACCEPT && "
			    "iptables-legacy -A other -j cali-pi-old"));
	assert_true(apply(&driver));
	assert_problem(&driver, NULL);
	assert_true(lab_says(SAVE, "-j cali-FORWARD"));
	assert_true(lab_says(SAVE, "-A cali-tw-cali1"));
	assert_null(strstr(lab_output(SAVE).s, "-A cali-pi-old"));
	assert_true(lab_run("iptables-legacy -F other"));
	driver.ops->invalidate(driver.self);
	assert_true(apply(&driver));
	assert_null(strstr(lab_output(SAVE).s, "cali-pi-old"));
	driver = policy_driver_close(driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(writes_calicos_chains, teardown),
		cmocka_unit_test_teardown(a_flush_is_seen, teardown),
		cmocka_unit_test_teardown(a_changed_set_is_seen, teardown),
		cmocka_unit_test_teardown(an_exchange_is_seen, teardown),
		cmocka_unit_test_teardown(second_start_changes_nothing, teardown),
		cmocka_unit_test_teardown(others_rules_stay, teardown),
		cmocka_unit_test_teardown(what_is_changed_is_put_right, teardown),
		cmocka_unit_test_teardown(what_cannot_be_said_denies, teardown),
		cmocka_unit_test_teardown(what_is_too_long_denies, teardown),
		cmocka_unit_test_teardown(the_largest_rule_is_said, teardown),
		cmocka_unit_test_teardown(what_is_gone_leaves_nothing, teardown),
		cmocka_unit_test_teardown(a_set_in_use_stays, teardown),
		cmocka_unit_test_teardown(what_is_allowed_goes_on, teardown),
		cmocka_unit_test_teardown(logs_are_limited, teardown),
		cmocka_unit_test_teardown(services_are_guarded, teardown),
		cmocka_unit_test_teardown(a_refused_rule_denies, teardown),
		cmocka_unit_test_teardown(a_refused_set_closes_its_users, teardown),
		cmocka_unit_test_teardown(a_chain_in_use_stays_empty, teardown),
	};

	/* The lock of the machine is anybody's; these programs are ours. */
	(void)setenv("XTABLES_LOCKFILE", "/dev/null", 1);
	lab_enter();
	if (!iptables_installed(IPTABLES_LEGACY, AF_INET) ||
	    !lab_run("iptables-legacy -S >/dev/null")) {
		(void)fprintf(stderr, "skipped: no iptables program, or a kernel without it\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
