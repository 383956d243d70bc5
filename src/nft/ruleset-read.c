/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel holds of our table. A rule is known by its comment: a rule can't be edited in the
 * kernel, only replaced, and whoever replaces one writes another comment. Members of sets are read
 * one by one.
 */

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/batch.h"
#include "nft/ruleset-internal.h"

#define NFT_TYPE(message) ((NFNL_SUBSYS_NFTABLES << 8) | (message))
#define UNKNOWN_RULE	  0

#define TABLE_ATTRS	(NFTA_TABLE_FLAGS + 1)
#define CHAIN_ATTRS	(NFTA_CHAIN_TYPE + 1)
#define HOOK_ATTRS	(NFTA_HOOK_PRIORITY + 1)
#define RULE_ATTRS	(NFTA_RULE_USERDATA + 1)
#define EXPR_ATTRS	(NFTA_EXPR_DATA + 1)
#define FLOW_ATTRS	(NFTA_FLOWTABLE_FLAGS + 1)
#define FLOW_HOOK_ATTRS (NFTA_FLOWTABLE_HOOK_PRIORITY + 1)
#define COUNTER_ATTRS	(NFTA_COUNTER_PACKETS + 1)
#define SET_ATTRS	(NFTA_SET_KEY_LEN + 1)
#define LIST_ATTRS	(NFTA_SET_ELEM_LIST_ELEMENTS + 1)
#define ELEMENT_ATTRS	(NFTA_SET_ELEM_KEY_END + 1)
#define DATA_ATTRS	(NFTA_DATA_VERDICT + 1)
#define VERDICT_ATTRS	(NFTA_VERDICT_CHAIN + 1)

static const uint8_t table_policy[TABLE_ATTRS] = {
	[NFTA_TABLE_NAME] = NL_ATTR_STRING,
	[NFTA_TABLE_FLAGS] = NL_ATTR_U32,
};
static const uint8_t chain_policy[CHAIN_ATTRS] = {
	[NFTA_CHAIN_TABLE] = NL_ATTR_STRING, [NFTA_CHAIN_NAME] = NL_ATTR_STRING,
	[NFTA_CHAIN_HOOK] = NL_ATTR_NESTED,  [NFTA_CHAIN_POLICY] = NL_ATTR_U32,
	[NFTA_CHAIN_TYPE] = NL_ATTR_STRING,
};
static const uint8_t hook_policy[HOOK_ATTRS] = {
	[NFTA_HOOK_HOOKNUM] = NL_ATTR_U32,
	[NFTA_HOOK_PRIORITY] = NL_ATTR_U32,
};
static const uint8_t rule_policy[RULE_ATTRS] = {
	[NFTA_RULE_TABLE] = NL_ATTR_STRING,
	[NFTA_RULE_CHAIN] = NL_ATTR_STRING,
	[NFTA_RULE_EXPRESSIONS] = NL_ATTR_NESTED,
	[NFTA_RULE_USERDATA] = NL_ATTR_ANY,
};
static const uint8_t expr_policy[EXPR_ATTRS] = {
	[NFTA_EXPR_NAME] = NL_ATTR_STRING,
	[NFTA_EXPR_DATA] = NL_ATTR_NESTED,
};
static const uint8_t counter_policy[COUNTER_ATTRS] = {
	[NFTA_COUNTER_BYTES] = NL_ATTR_ANY,
	[NFTA_COUNTER_PACKETS] = NL_ATTR_ANY,
};
static const uint8_t set_policy[SET_ATTRS] = {
	[NFTA_SET_TABLE] = NL_ATTR_STRING, [NFTA_SET_NAME] = NL_ATTR_STRING,
	[NFTA_SET_FLAGS] = NL_ATTR_U32,	   [NFTA_SET_KEY_TYPE] = NL_ATTR_U32,
	[NFTA_SET_KEY_LEN] = NL_ATTR_U32,
};
static const uint8_t list_policy[LIST_ATTRS] = {
	[NFTA_SET_ELEM_LIST_ELEMENTS] = NL_ATTR_NESTED,
};
static const uint8_t element_policy[ELEMENT_ATTRS] = {
	[NFTA_SET_ELEM_KEY] = NL_ATTR_NESTED,
	[NFTA_SET_ELEM_KEY_END] = NL_ATTR_NESTED,
	[NFTA_SET_ELEM_DATA] = NL_ATTR_NESTED,
	[NFTA_SET_ELEM_FLAGS] = NL_ATTR_U32,
};
static const uint8_t data_policy[DATA_ATTRS] = {
	[NFTA_DATA_VALUE] = NL_ATTR_ANY,
	[NFTA_DATA_VERDICT] = NL_ATTR_NESTED,
};
static const uint8_t verdict_policy[VERDICT_ATTRS] = {
	[NFTA_VERDICT_CODE] = NL_ATTR_U32,
	[NFTA_VERDICT_CHAIN] = NL_ATTR_STRING,
};

static const uint8_t flowtable_policy[FLOW_ATTRS] = {
	[NFTA_FLOWTABLE_TABLE] = NL_ATTR_STRING,
	[NFTA_FLOWTABLE_NAME] = NL_ATTR_STRING,
	[NFTA_FLOWTABLE_HOOK] = NL_ATTR_NESTED,
	[NFTA_FLOWTABLE_FLAGS] = NL_ATTR_U32,
};
static const uint8_t flowtable_hook_policy[FLOW_HOOK_ATTRS] = {
	[NFTA_FLOWTABLE_HOOK_NUM] = NL_ATTR_U32,
	[NFTA_FLOWTABLE_HOOK_PRIORITY] = NL_ATTR_U32,
};

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static bool is_ours(const struct nlattr *table)
{
	return table && strcmp(mnl_attr_get_str(table), NFT_TABLE) == 0;
}

/* --- Objects ------------------------------------------------------------------------------ */

static void forget_objects(struct nft_reading *reading)
{
	for (size_t i = 0; i < reading->n_chains; i++) {
		free(reading->chains[i].name);
		free(reading->chains[i].rules);
	}
	for (size_t i = 0; i < reading->n_sets; i++)
		free(reading->sets[i].name);
	for (size_t i = 0; i < reading->n_flowtables; i++)
		free(reading->flowtables[i].name);
	free(reading->chains);
	free(reading->sets);
	free(reading->flowtables);
	reading->chains = NULL;
	reading->n_chains = 0;
	reading->sets = NULL;
	reading->n_sets = 0;
	reading->flowtables = NULL;
	reading->n_flowtables = 0;
}

void nft_reading_deinit(struct nft_reading *reading)
{
	forget_objects(reading);
	free(reading->borders);
	free(reading->counts);
}

static int table_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[TABLE_ATTRS];
	int r = nl_parse(message, sizeof(struct nfgenmsg), table_policy, TABLE_ATTRS, tb);

	reading->has_table = true;
	if (r == 0)
		reading->dormant = u32_of(tb[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_DORMANT;
	return r;
}

static int chain_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[CHAIN_ATTRS];
	const struct nlattr *hook[HOOK_ATTRS] = {NULL};
	struct nft_read_chain *chain;
	int r = nl_parse(message, sizeof(struct nfgenmsg), chain_policy, CHAIN_ATTRS, tb);

	if (r == 0 && tb[NFTA_CHAIN_HOOK])
		r = nl_parse_nested(tb[NFTA_CHAIN_HOOK], hook_policy, HOOK_ATTRS, hook);
	if (r < 0 || !is_ours(tb[NFTA_CHAIN_TABLE]) || !tb[NFTA_CHAIN_NAME])
		return r;
	chain = ARRAY_ADD(reading->chains, reading->n_chains);
	chain->name = xstrdup(mnl_attr_get_str(tb[NFTA_CHAIN_NAME]));
	chain->is_base = tb[NFTA_CHAIN_HOOK];
	chain->hook = u32_of(hook[NFTA_HOOK_HOOKNUM]);
	chain->priority = (int32_t)u32_of(hook[NFTA_HOOK_PRIORITY]);
	chain->drops = tb[NFTA_CHAIN_POLICY] && u32_of(tb[NFTA_CHAIN_POLICY]) != NF_ACCEPT;
	if (tb[NFTA_CHAIN_TYPE])
		(void)snprintf(chain->type, sizeof(chain->type), "%s",
			       mnl_attr_get_str(tb[NFTA_CHAIN_TYPE]));
	return 0;
}

static uint64_t id_of(const struct nlattr *data)
{
	struct nft_comment comment;
	const char *label;
	uint64_t id;

	return nft_comment_read(data, &comment, &id, &label) ? id : UNKNOWN_RULE;
}

static uint64_t stamp_of(const struct nlattr *data)
{
	struct nft_comment comment;
	const char *label;
	uint64_t id;

	return nft_comment_read(data, &comment, &id, &label) ? nft_stamp(id, label) : UNKNOWN_RULE;
}

static uint64_t u64_of(const struct nlattr *attr)
{
	uint64_t value;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(value))
		return 0;
	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return be64toh(value);
}

/* The counter among a rule's expressions, if there is one. */
static int take_counter(const struct nlattr *expressions, struct nft_count *ret)
{
	const struct nlattr *attr = mnl_attr_get_payload(expressions);
	const char *end = (const char *)attr + mnl_attr_get_payload_len(expressions);
	int r = 0;

	for (; r == 0 && mnl_attr_ok(attr, (int)(end - (const char *)attr));
	     attr = mnl_attr_next(attr)) {
		const struct nlattr *tb[EXPR_ATTRS];
		const struct nlattr *counter[COUNTER_ATTRS];

		r = nl_parse_nested(attr, expr_policy, EXPR_ATTRS, tb);
		if (r < 0 || !tb[NFTA_EXPR_NAME] || !tb[NFTA_EXPR_DATA] ||
		    strcmp(mnl_attr_get_str(tb[NFTA_EXPR_NAME]), "counter") != 0)
			continue;
		r = nl_parse_nested(tb[NFTA_EXPR_DATA], counter_policy, COUNTER_ATTRS, counter);
		if (r < 0)
			break;
		ret->packets = u64_of(counter[NFTA_COUNTER_PACKETS]);
		ret->bytes = u64_of(counter[NFTA_COUNTER_BYTES]);
	}
	return r;
}

static int rule_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[RULE_ATTRS];
	int r = nl_parse(message, sizeof(struct nfgenmsg), rule_policy, RULE_ATTRS, tb);
	const char *name;

	if (r < 0 || !is_ours(tb[NFTA_RULE_TABLE]) || !tb[NFTA_RULE_CHAIN])
		return r;
	if (reading->wants_counts) {
		struct nft_count *count = ARRAY_ADD(reading->counts, reading->n_counts);

		count->id = id_of(tb[NFTA_RULE_USERDATA]);
		return tb[NFTA_RULE_EXPRESSIONS] ? take_counter(tb[NFTA_RULE_EXPRESSIONS], count)
						 : 0;
	}
	name = mnl_attr_get_str(tb[NFTA_RULE_CHAIN]);
	/* Rules come chain by chain, in the order of the chains. */
	for (size_t i = 0; i < reading->n_chains; i++) {
		struct nft_read_chain *chain =
			&reading->chains[(reading->at + i) % reading->n_chains];

		if (strcmp(chain->name, name) != 0)
			continue;
		*ARRAY_ADD(chain->rules, chain->n_rules) = stamp_of(tb[NFTA_RULE_USERDATA]);
		reading->at = (size_t)(chain - reading->chains);
		break;
	}
	return 0;
}

static int set_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[SET_ATTRS];
	struct nft_read_set *set;
	int r = nl_parse(message, sizeof(struct nfgenmsg), set_policy, SET_ATTRS, tb);

	if (r < 0 || !is_ours(tb[NFTA_SET_TABLE]) || !tb[NFTA_SET_NAME])
		return r;
	if (u32_of(tb[NFTA_SET_FLAGS]) & NFT_SET_ANONYMOUS)
		return 0; /* goes with its rule */
	set = ARRAY_ADD(reading->sets, reading->n_sets);
	set->name = xstrdup(mnl_attr_get_str(tb[NFTA_SET_NAME]));
	set->flags = u32_of(tb[NFTA_SET_FLAGS]);
	set->key_type = u32_of(tb[NFTA_SET_KEY_TYPE]);
	set->key_size = u32_of(tb[NFTA_SET_KEY_LEN]);
	return 0;
}

static int flowtable_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[FLOW_ATTRS];
	const struct nlattr *hook[FLOW_HOOK_ATTRS] = {NULL};
	struct nft_read_flowtable *flowtable;
	int r = nl_parse(message, sizeof(struct nfgenmsg), flowtable_policy, FLOW_ATTRS, tb);

	if (r == 0 && tb[NFTA_FLOWTABLE_HOOK])
		r = nl_parse_nested(tb[NFTA_FLOWTABLE_HOOK], flowtable_hook_policy, FLOW_HOOK_ATTRS,
				    hook);
	if (r < 0 || !is_ours(tb[NFTA_FLOWTABLE_TABLE]) || !tb[NFTA_FLOWTABLE_NAME])
		return r;
	flowtable = ARRAY_ADD(reading->flowtables, reading->n_flowtables);
	flowtable->name = xstrdup(mnl_attr_get_str(tb[NFTA_FLOWTABLE_NAME]));
	flowtable->ours = u32_of(hook[NFTA_FLOWTABLE_HOOK_NUM]) == NF_NETDEV_INGRESS &&
			  !u32_of(hook[NFTA_FLOWTABLE_HOOK_PRIORITY]) &&
			  !u32_of(tb[NFTA_FLOWTABLE_FLAGS]);
	return 0;
}

/* --- Members ------------------------------------------------------------------------------ */

static int take_key(const struct nlattr *attr, size_t size, uint8_t *ret)
{
	const struct nlattr *data[DATA_ATTRS];
	int r;

	if (!attr)
		return -EBADMSG;
	r = nl_parse_nested(attr, data_policy, DATA_ATTRS, data);
	if (r < 0)
		return r;
	if (!data[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(data[NFTA_DATA_VALUE]) != size)
		return -EBADMSG;
	memcpy(ret, mnl_attr_get_payload(data[NFTA_DATA_VALUE]), size);
	return 0;
}

/* A verdict that is not ours gives a chain name that is none. */
static int take_verdict(const struct nlattr *attr, const char **ret)
{
	const struct nlattr *data[DATA_ATTRS];
	const struct nlattr *verdict[VERDICT_ATTRS];
	int r;

	*ret = "";
	if (!attr)
		return 0;
	r = nl_parse_nested(attr, data_policy, DATA_ATTRS, data);
	if (r < 0 || !data[NFTA_DATA_VERDICT])
		return r;
	r = nl_parse_nested(data[NFTA_DATA_VERDICT], verdict_policy, VERDICT_ATTRS, verdict);
	if (r < 0)
		return r;
	if ((int)u32_of(verdict[NFTA_VERDICT_CODE]) == NFT_GOTO && verdict[NFTA_VERDICT_CHAIN])
		*ret = mnl_attr_get_str(verdict[NFTA_VERDICT_CHAIN]);
	return 0;
}

static int element_attr(struct nft_reading *reading, const struct nlattr *attr)
{
	const struct nft_schema *schema = &reading->set->schema;
	const struct nlattr *tb[ELEMENT_ATTRS];
	struct nft_element element = {.chain = NULL};
	int r = nl_parse_nested(attr, element_policy, ELEMENT_ATTRS, tb);

	if (r == 0 && !tb[NFTA_SET_ELEM_KEY]) { /* nft's "*" */
		reading->set->remake = true;
		return 0;
	}
	if (r == 0)
		r = take_key(tb[NFTA_SET_ELEM_KEY], reading->set->key_size, element.key);
	if (r == 0 && schema->ranges)
		r = take_key(tb[NFTA_SET_ELEM_KEY_END] ? tb[NFTA_SET_ELEM_KEY_END]
						       : tb[NFTA_SET_ELEM_KEY],
			     reading->set->key_size, element.key_end);
	if (r == 0 && schema->verdicts)
		r = take_verdict(tb[NFTA_SET_ELEM_DATA], &element.chain);
	if (r < 0)
		return r;
	if (schema->intervals) {
		struct nft_border *border = ARRAY_ADD(reading->borders, reading->n_borders);

		memcpy(border->key, element.key, sizeof(border->key));
		border->is_end = u32_of(tb[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END;
		return 0;
	}
	nft_set_learn(reading->ruleset, reading->set, &element);
	return 0;
}

static int elements_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	const struct nlattr *tb[LIST_ATTRS];
	const struct nlattr *attr;
	const char *end;
	int r = nl_parse(message, sizeof(struct nfgenmsg), list_policy, LIST_ATTRS, tb);

	if (r < 0 || !tb[NFTA_SET_ELEM_LIST_ELEMENTS] || !reading->set)
		return r;
	attr = mnl_attr_get_payload(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	end = (const char *)attr + mnl_attr_get_payload_len(tb[NFTA_SET_ELEM_LIST_ELEMENTS]);
	while (r == 0 && mnl_attr_ok(attr, (int)(end - (const char *)attr))) {
		r = element_attr(reading, attr);
		attr = mnl_attr_next(attr);
	}
	return r;
}

static int compare_borders(const void *a, const void *b)
{
	const struct nft_border *x = a;
	const struct nft_border *y = b;
	int r = memcmp(x->key, y->key, sizeof(x->key));

	return r ? r : (int)y->is_end - (int)x->is_end;
}

/* The key before, with the fewest steps from the right. */
static void step_back(uint8_t *key, size_t size)
{
	for (size_t i = size; i-- > 0;)
		if (key[i]--)
			return;
}

static void forget_borders(struct nft_reading *reading)
{
	free(reading->borders);
	reading->borders = NULL;
	reading->n_borders = 0;
}

/*
 * Borders to intervals. What is no pair can't be taken back one by one: all members go, and come
 * anew.
 */
void nft_reading_end_set(struct nft_reading *reading)
{
	size_t size = reading->set->key_size;

	if (reading->n_borders)
		qsort(reading->borders, reading->n_borders, sizeof(*reading->borders),
		      compare_borders);
	for (size_t i = 0; i < reading->n_borders; i++) {
		const struct nft_border *border = &reading->borders[i];
		struct nft_element element = {.chain = NULL};
		bool last = i + 1 == reading->n_borders;

		if (border->is_end || (!last && !border[1].is_end)) {
			reading->set->remake = true;
			continue;
		}
		memcpy(element.key, border->key, size);
		memset(element.key_end, 0xff, size);
		if (!last) {
			memcpy(element.key_end, border[1].key, size);
			step_back(element.key_end, size);
			i++;
		}
		nft_set_learn(reading->ruleset, reading->set, &element);
	}
	forget_borders(reading);
}

int nft_reading_message(struct nft_reading *reading, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case NFT_TYPE(NFT_MSG_NEWTABLE):
		return table_message(reading, message);
	case NFT_TYPE(NFT_MSG_NEWCHAIN):
		return chain_message(reading, message);
	case NFT_TYPE(NFT_MSG_NEWRULE):
		return rule_message(reading, message);
	case NFT_TYPE(NFT_MSG_NEWSET):
		return set_message(reading, message);
	case NFT_TYPE(NFT_MSG_NEWFLOWTABLE):
		return flowtable_message(reading, message);
	case NFT_TYPE(NFT_MSG_NEWSETELEM):
		return elements_message(reading, message);
	default:
		return 0;
	}
}

/* --- Questions ---------------------------------------------------------------------------- */

struct question {
	uint16_t type;
	uint16_t flags;
	void (*restart)(void *ctx);
};

static int visit(const struct nlmsghdr *message, void *ctx)
{
	return nft_reading_message(ctx, message);
}

/*
 * Asks about our table, or about the set or chain 'name' in it. What is not there leaves what
 * restart() made.
 */
static int ask(struct nft_reading *reading, struct nl *nl, const struct question *question,
	       const char *name, struct err *err)
{
	struct nl_visitor visitor = {
		.restart = question->restart, .message = visit, .ctx = reading};
	struct nfgenmsg header = {.nfgen_family = nft_family(reading->family),
				  .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, NFT_TYPE(question->type),
						   question->flags, &header, sizeof(header));
	int r;

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE); /* 1 for every kind of object */
	if (name)						/* 2 is the name in both */
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "nftables: read table " NFT_TABLE);
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "nftables: read table " NFT_TABLE);
	return 0;
}

static void restart_table(void *ctx)
{
	struct nft_reading *reading = ctx;

	reading->has_table = false;
	reading->dormant = false;
}

static void restart_chains(void *ctx)
{
	forget_objects(ctx);
}

static void restart_rules(void *ctx)
{
	struct nft_reading *reading = ctx;

	for (size_t i = 0; i < reading->n_chains; i++) {
		free(reading->chains[i].rules);
		reading->chains[i].rules = NULL;
		reading->chains[i].n_rules = 0;
	}
}

static void restart_sets(void *ctx)
{
	struct nft_reading *reading = ctx;

	for (size_t i = 0; i < reading->n_sets; i++)
		free(reading->sets[i].name);
	free(reading->sets);
	reading->sets = NULL;
	reading->n_sets = 0;
}

static void restart_flowtables(void *ctx)
{
	struct nft_reading *reading = ctx;

	for (size_t i = 0; i < reading->n_flowtables; i++)
		free(reading->flowtables[i].name);
	free(reading->flowtables);
	reading->flowtables = NULL;
	reading->n_flowtables = 0;
}

static void restart_elements(void *ctx)
{
	struct nft_reading *reading = ctx;
	struct nft_member *member;
	struct nft_member *next;

	HASH_ITER(hh, reading->set->members, member, next)
	member->known = false;
	reading->set->remake = false;
	forget_borders(reading);
}

static void restart_counts(void *ctx)
{
	struct nft_reading *reading = ctx;

	free(reading->counts);
	reading->counts = NULL;
	reading->n_counts = 0;
}

size_t nft_ruleset_read_counts(const struct nft_ruleset *ruleset, struct nl *nl, const char *chain,
			       struct nft_count **ret)
{
	static const struct question rules = {
		.type = NFT_MSG_GETRULE, .flags = NLM_F_DUMP, .restart = restart_counts};
	struct nft_reading reading = {.family = ruleset->family, .wants_counts = true};
	size_t n = 0;

	*ret = NULL;
	if (ask(&reading, nl, &rules, chain, NULL) == 0) {
		n = reading.n_counts;
		*ret = TAKE_PTR(reading.counts);
	}
	nft_reading_deinit(&reading);
	return n;
}

static bool is_told(struct nft_ruleset *ruleset, const char *name)
{
	bool told = ruleset->told[nft_part_of(name)];

	ruleset->has_untold = ruleset->has_untold || !told;
	return told;
}

static void learn_chain(struct nft_ruleset *ruleset, struct nft_read_chain *read)
{
	struct nft_base base = {.type = "", .hook = read->hook, .priority = read->priority};
	struct nft_chain *chain;

	if (!is_told(ruleset, read->name))
		return;
	chain = nft_chain_find(ruleset, read->name);
	if (!chain)
		chain = nft_chain_make(ruleset, read->name, read->is_base ? &base : NULL);
	chain->known = true;
	chain->remake = chain->is_base != read->is_base || read->drops;
	if (chain->is_base && chain->refs)
		chain->remake = chain->remake || chain->base.hook != read->hook ||
				chain->base.priority != read->priority ||
				strcmp(chain->base.type, read->type) != 0;
	free(chain->known_rules);
	chain->known_rules = read->rules;
	chain->n_known_rules = read->n_rules;
	read->rules = NULL;
	/* Whoever jumps to a chain that has to be made anew is in the way. */
	if (chain->refs && chain->remake && !chain->is_base)
		ruleset->remake = true;
}

/* Another's of the same name can't become ours: its hook stays as it is. */
static void learn_flowtable(struct nft_ruleset *ruleset, const struct nft_read_flowtable *read)
{
	if (!is_told(ruleset, read->name))
		return;
	nft_flowtable_learn(ruleset, read->name);
	ruleset->remake = ruleset->remake || !read->ours;
}

static int learn_set(struct nft_reading *reading, const struct nft_read_set *read, struct nl *nl,
		     struct err *err)
{
	static const struct question members = {
		.type = NFT_MSG_GETSETELEM, .flags = NLM_F_DUMP, .restart = restart_elements};
	static const struct nft_schema unknown = {.ranges = false};
	struct nft_ruleset *ruleset = reading->ruleset;
	struct nft_set *set;
	int r;

	if (!is_told(ruleset, read->name))
		return 0;
	set = nft_set_find(ruleset, read->name);
	if (!set) { /* it goes as a whole */
		nft_set_make(ruleset, read->name, &unknown)->known = true;
		return 0;
	}
	set->known = true;
	if (nft_schema_key_type(&set->schema, ruleset->family) != read->key_type ||
	    set->key_size != read->key_size || nft_schema_flags(&set->schema) != read->flags) {
		ruleset->remake = true;
		return 0;
	}
	reading->set = set;
	r = ask(reading, nl, &members, set->name, err);
	if (r == 0)
		nft_reading_end_set(reading);
	if (r == 0 && set->remake)
		nft_set_forget_members(set);
	return r;
}

int nft_ruleset_read(struct nft_ruleset *ruleset, struct nl *nl, struct err *err)
{
	static const struct question questions[] = {
		{NFT_MSG_GETTABLE, 0, restart_table},
		{NFT_MSG_GETCHAIN, NLM_F_DUMP, restart_chains},
		{NFT_MSG_GETRULE, NLM_F_DUMP, restart_rules},
		{NFT_MSG_GETSET, NLM_F_DUMP, restart_sets},
		{NFT_MSG_GETFLOWTABLE, NLM_F_DUMP, restart_flowtables},
	};
	struct nft_reading reading = {.family = ruleset->family, .ruleset = ruleset};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(questions); i++) {
		r = ask(&reading, nl, &questions[i], NULL, err);
		if (!reading.has_table)
			break;
	}
	ruleset->has_table = reading.has_table;
	ruleset->dormant = reading.dormant;
	for (size_t i = 0; r == 0 && i < reading.n_chains; i++)
		learn_chain(ruleset, &reading.chains[i]);
	for (size_t i = 0; r == 0 && i < reading.n_sets; i++)
		r = learn_set(&reading, &reading.sets[i], nl, err);
	for (size_t i = 0; r == 0 && i < reading.n_flowtables; i++)
		learn_flowtable(ruleset, &reading.flowtables[i]);
	nft_reading_deinit(&reading);
	return r;
}
