/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A ruleset against the kernel: what somebody else did to its table, and what the kernel refuses.
 */

#include "nft/ruleset.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "netlink/test-lab.h"

static const struct nft_schema hosts = {.fields = {NFT_FIELD_ADDRESS}};
static const struct nft_schema nets = {.fields = {NFT_FIELD_ADDRESS}, .intervals = true};
static const struct nft_schema ranges = {.fields = {NFT_FIELD_ADDRESS, NFT_FIELD_PORT},
					 .ranges = true};
static const struct nft_schema map = {.fields = {NFT_FIELD_INTERFACE}, .verdicts = true};
static const struct nft_base hook = {.type = "filter", .hook = NF_INET_FORWARD, .priority = 0};

struct lab {
	struct nl *nl;
	struct nft_ruleset *ruleset;
	struct nft_builder *builder;
	struct nft_chain *base;
	struct nft_chain *policy;
	struct nft_set *hosts;
	struct nft_set *nets;
	struct nft_set *ranges;
	struct nft_set *map;
	char *whole; /* the table, as it should be */
};

static struct nft_element element(const char *from, const char *to)
{
	struct nft_element element = {.chain = NULL};
	struct ip_addr addr;

	assert_int_equal(ip_parse(from, &addr, NULL), 0);
	memcpy(element.key, addr.bytes, 4);
	assert_int_equal(ip_parse(to, &addr, NULL), 0);
	memcpy(element.key_end, addr.bytes, 4);
	return element;
}

static void add_verdict(struct lab *lab, struct nft_chain *chain, int verdict)
{
	struct nft_rules rules = {0};

	nft_begin(lab->builder);
	nft_put_counter(lab->builder);
	nft_put_verdict(lab->builder, verdict, NULL);
	nft_rules_add(&rules, nft_end(lab->builder));
	nft_chain_set_rules(lab->ruleset, chain, &rules);
}

static void want(struct lab *lab)
{
	struct nft_element member = element("10.0.0.1", "10.0.0.9");

	nft_ruleset_tell(lab->ruleset, NFT_PART_POLICY);
	lab->base = nft_chain_ref(lab->ruleset, "forward", &hook);
	lab->policy = nft_chain_ref(lab->ruleset, "pol", NULL);
	lab->hosts = nft_set_ref(lab->ruleset, "hosts", &hosts);
	lab->nets = nft_set_ref(lab->ruleset, "nets", &nets);
	lab->ranges = nft_set_ref(lab->ruleset, "ranges", &ranges);
	lab->map = nft_set_ref(lab->ruleset, "ways", &map);
	add_verdict(lab, lab->base, NF_ACCEPT);
	add_verdict(lab, lab->policy, NF_DROP);
	nft_set_add(lab->ruleset, lab->hosts, &member);
	nft_set_add(lab->ruleset, lab->nets, &member);
	member.key_end[5] = 80;
	nft_set_add(lab->ruleset, lab->ranges, &member);
	member = (struct nft_element){.key = "eth0", .chain = "pol"};
	nft_set_add(lab->ruleset, lab->map, &member);
}

static int commit(struct lab *lab)
{
	struct err err = ERR_INIT;
	int r = nft_ruleset_commit(lab->ruleset, lab->nl, &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

static char *listing(void)
{
	return xstrdup(lab_output("nft -s list ruleset | sort").s);
}

static int setup(void **state)
{
	struct lab *lab = XNEW(struct lab);

	*state = lab;
	if (!lab_run("nft flush ruleset") || nl_open(NETLINK_NETFILTER, -1, &lab->nl, NULL) < 0)
		return -1;
	lab->builder = XNEW(struct nft_builder);
	lab->ruleset = nft_ruleset_new(AF_INET);
	want(lab);
	if (commit(lab) != NFT_E_CHANGED)
		return -1;
	lab->whole = listing();
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	nft_ruleset_free(lab->ruleset);
	nl_close(lab->nl);
	free(lab->builder);
	free(lab->whole);
	free(lab);
	return 0;
}

/* What 'command' did is undone by the next commit, and by no more than that. */
static void assert_undone(struct lab *lab, const char *command)
{
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *after = NULL;

	assert_true(lab_run(command));
	before = listing();
	if (strcmp(before, lab->whole) == 0)
		fail_msg("%s did nothing", command);
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), NFT_E_CHANGED);
	after = listing();
	assert_string_equal(after, lab->whole);
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), 0);
}

static void test_dormant(void **state)
{
	struct lab *lab = *state;

	assert_undone(lab, "nft 'add table ip calico { flags dormant; }'");
	assert_undone(lab, "nft 'add table ip calico { flags dormant; }; flush table ip calico'");
	/* Packets passed there meanwhile. */
	assert_true(lab_run("nft 'add table ip calico { flags dormant; }'"));
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), NFT_E_CHANGED);
	assert_true(nft_ruleset_was_open(lab->ruleset));
}

static void test_foreign_members(void **state)
{
	struct lab *lab = *state;

	assert_undone(lab, "nft 'add element ip calico hosts { 10.0.0.2 }'");
	assert_undone(lab, "nft 'add element ip calico hosts { * }'");
	assert_undone(
		lab,
		"nft delete set ip calico nets; nft 'table ip calico { set nets { type ipv4_addr; flags interval; "
		"elements = { * }; }; }'");
	assert_undone(lab, "nft 'add element ip calico ranges { 10.0.0.10 . 22 }'");
	assert_undone(lab, "nft 'add element ip calico ways { * : accept }'");
	assert_undone(lab, "nft 'add element ip calico ways { eth1 : accept }'");
	assert_undone(lab, "nft 'add element ip calico nets { 10.0.1.0/24, 10.0.0.10-10.0.0.11 }'");
	assert_undone(lab, "nft 'flush set ip calico nets; "
			   "add element ip calico nets { 10.0.0.3-10.0.0.5, 10.0.0.6-10.0.0.20 }'");
	assert_undone(
		lab,
		"nft 'flush map ip calico ways; add element ip calico ways { eth0 : accept, * : accept }'");
}

/* What nobody spoke of yet stays, even where something of ours has to be made anew. */
static void test_untold(void **state)
{
	struct lab *lab = *state;

	assert_true(
		lab_run("nft 'add chain ip calico nat-x { type nat hook postrouting priority 0; }; "
			"add rule ip calico nat-x masquerade'"));
	free(lab->whole);
	lab->whole = listing();
	assert_true(lab_run("nft 'delete set ip calico hosts; "
			    "add set ip calico hosts { type inet_service; }'"));
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), NFT_E_CHANGED);
	assert_true(lab_says("nft list chain ip calico nat-x", "masquerade"));
	assert_true(lab_says("nft list set ip calico hosts", "10.0.0.1"));
	assert_true(lab_says("nft list chain ip calico pol", "drop"));
	assert_true(lab_says("nft list map ip calico ways", "goto pol"));
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), 0);
}

static void assert_refused(struct lab *lab, bool is_set, const char *name)
{
	const struct nft_refused *refused = nft_ruleset_refused(lab->ruleset);
	struct err err = ERR_INIT;

	assert_true(nft_ruleset_commit(lab->ruleset, lab->nl, &err) < 0);
	assert_true(refused->errnum);
	assert_int_equal(refused->is_set, is_set);
	assert_string_equal(refused->name, name);
}

/* A rule that looks into a set that is not there. */
static void test_refused_rule(void **state)
{
	struct lab *lab = *state;
	struct nft_rules rules = {0};

	nft_begin(lab->builder);
	nft_put_lookup(lab->builder, 0, "nowhere", /* inverted= */ false);
	nft_rules_add(&rules, nft_end(lab->builder));
	nft_chain_set_rules(lab->ruleset, lab->policy, &rules);
	assert_refused(lab, /* is_set= */ false, "pol");
	/* That of a moment is none of an object's. */
	add_verdict(lab, lab->policy, NF_DROP);
	assert_int_equal(commit(lab), 0);
	assert_int_equal(nft_ruleset_refused(lab->ruleset)->errnum, 0);
}

/* Intervals that overlap: the set is left out, with all members, until it is taken in. */
static void test_refused_set(void **state)
{
	struct lab *lab = *state;
	struct nft_element bad = element("10.0.0.5", "10.0.0.20");
	struct nft_element good = element("10.0.1.0", "10.0.1.9");

	nft_set_add(lab->ruleset, lab->nets, &bad);
	nft_set_add(lab->ruleset, lab->nets, &good);
	assert_refused(lab, /* is_set= */ true, "nets");
	nft_set_leave_out(lab->ruleset, lab->nets);
	assert_int_equal(commit(lab), NFT_E_CHANGED);
	assert_null(strstr(lab_output("nft list table ip calico").s, "nets"));
	assert_true(lab_says("nft list table ip calico", "ranges"));
	nft_set_remove(lab->ruleset, lab->nets, &bad);
	assert_int_equal(commit(lab), 0);
	nft_ruleset_take_in(lab->ruleset);
	assert_int_equal(commit(lab), NFT_E_CHANGED);
	assert_true(
		lab_says("nft list set ip calico nets", "10.0.0.1-10.0.0.9, 10.0.1.0-10.0.1.9"));
	nft_ruleset_invalidate(lab->ruleset);
	assert_int_equal(commit(lab), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_dormant, setup, teardown),
	cmocka_unit_test_setup_teardown(test_foreign_members, setup, teardown),
	cmocka_unit_test_setup_teardown(test_untold, setup, teardown),
	cmocka_unit_test_setup_teardown(test_refused_rule, setup, teardown),
	cmocka_unit_test_setup_teardown(test_refused_set, setup, teardown),
};

int main(void)
{
	lab_enter();
	if (!lab_run("nft 'add table ip probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
