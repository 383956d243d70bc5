/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chain is right if it hangs where it should and its rules bear exactly the comments of the
 * wanted ones: a rule can't be edited in the kernel, only replaced, and whoever replaces one writes
 * another comment. Sets are compared member by member.
 */

#include "nft/nat-read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define NFT_TYPE(message) ((NFNL_SUBSYS_NFTABLES << 8) | (message))
#define CHAIN_ATTRS	  (NFTA_CHAIN_TYPE + 1)
#define HOOK_ATTRS	  (NFTA_HOOK_PRIORITY + 1)
#define RULE_ATTRS	  (NFTA_RULE_USERDATA + 1)

static const uint8_t chain_policy[CHAIN_ATTRS] = {
	[NFTA_CHAIN_HOOK] = NL_ATTR_NESTED,
	[NFTA_CHAIN_POLICY] = NL_ATTR_U32,
	[NFTA_CHAIN_TYPE] = NL_ATTR_STRING,
};
static const uint8_t hook_policy[HOOK_ATTRS] = {
	[NFTA_HOOK_HOOKNUM] = NL_ATTR_U32,
	[NFTA_HOOK_PRIORITY] = NL_ATTR_U32,
};
static const uint8_t rule_policy[RULE_ATTRS] = {
	[NFTA_RULE_USERDATA] = NL_ATTR_ANY,
};

struct reading {
	const struct nat_rules *wanted;
	bool found;
	bool chain_right;
	size_t n_rules;
	size_t n_right;
	struct nftnl_set *set;
};

static void reading_restart(void *ctx)
{
	struct reading *reading = ctx;

	reading->found = false;
	reading->n_rules = 0;
	reading->n_right = 0;
	if (reading->set)
		nftnl_set_free(reading->set);
	reading->set = NULL;
}

static int table_message(const struct nlmsghdr *message, void *ctx)
{
	struct reading *reading = ctx;

	reading->found = reading->found || message->nlmsg_type == NFT_TYPE(NFT_MSG_NEWTABLE);
	return 0;
}

static uint32_t be32_of(const struct nlattr *attr)
{
	return ntohl(mnl_attr_get_u32(attr));
}

static int chain_message(const struct nlmsghdr *message, void *ctx)
{
	struct reading *reading = ctx;
	const struct nlattr *tb[CHAIN_ATTRS] = {NULL};
	const struct nlattr *hook[HOOK_ATTRS] = {NULL};
	int r = nl_parse(message, sizeof(struct nfgenmsg), chain_policy, CHAIN_ATTRS, tb);

	if (r == 0)
		r = nl_parse_nested(tb[NFTA_CHAIN_HOOK], hook_policy, HOOK_ATTRS, hook);
	if (r < 0 || message->nlmsg_type != NFT_TYPE(NFT_MSG_NEWCHAIN))
		return r;
	reading->found = true;
	reading->chain_right =
		tb[NFTA_CHAIN_TYPE] && hook[NFTA_HOOK_HOOKNUM] && hook[NFTA_HOOK_PRIORITY] &&
		strcmp(mnl_attr_get_str(tb[NFTA_CHAIN_TYPE]), NAT_CHAIN_TYPE) == 0 &&
		be32_of(hook[NFTA_HOOK_HOOKNUM]) == NF_INET_POST_ROUTING &&
		be32_of(hook[NFTA_HOOK_PRIORITY]) == NAT_PRIORITY &&
		(!tb[NFTA_CHAIN_POLICY] || be32_of(tb[NFTA_CHAIN_POLICY]) == NF_ACCEPT);
	return 0;
}

/* User data is a list of type, length, value; the comment is what we put there alone. */
static bool has_comment(const struct nlattr *data, const struct nat_comment *comment)
{
	const uint8_t *bytes = mnl_attr_get_payload(data);
	size_t size = mnl_attr_get_payload_len(data);
	size_t len = strlen(comment->s) + 1;

	return size == len + 2 && bytes[0] == NFTNL_UDATA_RULE_COMMENT && bytes[1] == len &&
	       memcmp(bytes + 2, comment->s, len) == 0;
}

static int rule_message(const struct nlmsghdr *message, void *ctx)
{
	struct reading *reading = ctx;
	const struct nlattr *tb[RULE_ATTRS] = {NULL};
	struct nat_comment comment;
	int r = nl_parse(message, sizeof(struct nfgenmsg), rule_policy, RULE_ATTRS, tb);

	if (r < 0 || message->nlmsg_type != NFT_TYPE(NFT_MSG_NEWRULE))
		return r;
	comment = nat_rules_comment(reading->wanted, reading->n_rules);
	if (tb[NFTA_RULE_USERDATA] && has_comment(tb[NFTA_RULE_USERDATA], &comment))
		reading->n_right++;
	reading->n_rules++;
	return 0;
}

static int element_message(const struct nlmsghdr *message, void *ctx)
{
	struct reading *reading = ctx;

	if (message->nlmsg_type != NFT_TYPE(NFT_MSG_NEWSETELEM))
		return 0;
	if (!reading->set)
		reading->set = nftnl_set_alloc();
	if (!reading->set)
		abort();
	return nftnl_set_elems_nlmsg_parse(message, reading->set) < 0 ? -EBADMSG : 0;
}

struct question {
	uint16_t type;
	uint16_t flags;
	uint16_t name_attr; /* of the object's name; 0: the table's alone */
	const char *name;
	int (*message)(const struct nlmsghdr *message, void *ctx);
};

/* Asks for an object of our table. What is not there leaves 'reading' as restart() made it. */
static int ask(struct nl *nl, const struct question *question, struct reading *reading,
	       struct err *err)
{
	struct nl_visitor visitor = {
		.restart = reading_restart, .message = question->message, .ctx = reading};
	struct nfgenmsg header = {.nfgen_family = nft_family(reading->wanted->family),
				  .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, NFT_TYPE(question->type),
						   question->flags, &header, sizeof(header));
	int r;

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NAT_TABLE); /* 1 for every kind of object */
	if (question->name_attr)
		mnl_attr_put_strz(message, question->name_attr, question->name);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "nftables: read table " NAT_TABLE);
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "nftables: read table " NAT_TABLE);
	return 0;
}

static struct nat_bounds bounds_of_set(const struct nftnl_set *set, uint8_t family)
{
	struct nat_bounds bounds = {0};
	struct nftnl_set_elems_iter *iter = nftnl_set_elems_iter_create(set);
	struct nftnl_set_elem *element;

	if (!iter)
		abort();
	while ((element = nftnl_set_elems_iter_next(iter))) {
		uint32_t size = 0;
		const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
		struct nft_bound *bound = ARRAY_ADD(bounds.v, bounds.n);

		if (key && size == ip_size(family))
			bound->addr = ip_from_bytes(family, key);
		if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS))
			bound->is_end = nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) &
					NFT_SET_ELEM_INTERVAL_END;
	}
	nftnl_set_elems_iter_destroy(iter);
	nat_bounds_sort(&bounds);
	return bounds;
}

static int read_set(struct nl *nl, struct reading *reading, const char *name,
		    const struct nat_bounds *wanted, bool *ret_right, struct err *err)
{
	const struct question question = {.type = NFT_MSG_GETSETELEM,
					  .flags = NLM_F_DUMP,
					  .name_attr = NFTA_SET_ELEM_LIST_SET,
					  .name = name,
					  .message = element_message};
	struct nat_bounds bounds = {0};
	int r = ask(nl, &question, reading, err);

	if (r == 0 && reading->set)
		bounds = bounds_of_set(reading->set, reading->wanted->family);
	*ret_right = nat_bounds_equal(&bounds, wanted);
	nat_bounds_deinit(&bounds);
	reading_restart(reading);
	return r;
}

static int read_chain(struct nl *nl, struct reading *reading, bool *ret_right, struct err *err)
{
	static const struct question chain = {.type = NFT_MSG_GETCHAIN,
					      .name_attr = NFTA_CHAIN_NAME,
					      .name = NAT_CHAIN,
					      .message = chain_message};
	static const struct question rules = {.type = NFT_MSG_GETRULE,
					      .flags = NLM_F_DUMP,
					      .name_attr = NFTA_RULE_CHAIN,
					      .name = NAT_CHAIN,
					      .message = rule_message};
	int r = ask(nl, &chain, reading, err);

	*ret_right = false;
	if (r < 0 || !reading->found || !reading->chain_right)
		return r;
	r = ask(nl, &rules, reading, err);
	*ret_right = reading->n_rules == nat_rules_size(reading->wanted) &&
		     reading->n_right == reading->n_rules;
	return r;
}

int nat_read(struct nl *nl, const struct nat_rules *wanted, struct nat_state *ret, struct err *err)
{
	static const struct question table = {.type = NFT_MSG_GETTABLE, .message = table_message};
	struct reading reading = {.wanted = wanted};
	struct nat_state state = {0};
	bool masq_right = false;
	int r = ask(nl, &table, &reading, err);

	state.has_table = reading.found;
	if (r == 0 && state.has_table && wanted->wanted) {
		r = read_chain(nl, &reading, &state.chain_right, err);
		if (r == 0)
			r = read_set(nl, &reading, NAT_SET_ALL, &wanted->all, &state.sets_right,
				     err);
		if (r == 0)
			r = read_set(nl, &reading, NAT_SET_MASQ, &wanted->masquerade, &masq_right,
				     err);
		state.sets_right = state.sets_right && masq_right;
	}
	reading_restart(&reading);
	if (r < 0)
		return r;
	*ret = state;
	return 0;
}
