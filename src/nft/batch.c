/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages in the order they are added, between a batch-begin and a batch-end. Sequence numbers are
 * given at the commit, when it is known how many there are. Elements that follow each other share a
 * message while it has room.
 */

#include "nft/batch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"

#define MESSAGE_MAX	  65536
#define ELEMENTS_MAX	  32768 /* bytes of elements in a message; an attribute has 64 KiB */
#define NAME_ATTRS	  4
#define COMMIT_TRIES	  5
#define UDATA_BYTE_ORDER  0
#define UDATA_COMMENT	  0 /* as libnftnl numbers them */
#define NFT_TYPE(message) ((NFNL_SUBSYS_NFTABLES << 8) | (message))

struct nft_batch {
	uint8_t family;
	char *table;
	uint32_t flags;
	struct buf bytes;
	size_t n;
	size_t last;		 /* offset of the last change, which asks for the acknowledgement */
	struct nl_answer answer; /* to the last commit */
	/* The message of elements that is still open. */
	struct nlmsghdr *elements;
	struct nlattr *list;
	uint16_t elements_type;
	const char *elements_set;
};

uint8_t nft_family(uint8_t family)
{
	return family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static void put_batch_message(struct nft_batch *batch, uint16_t type)
{
	struct nfgenmsg header = {.nfgen_family = AF_UNSPEC,
				  .version = NFNETLINK_V0,
				  .res_id = htons(NFNL_SUBSYS_NFTABLES)};
	struct nl_request request;
	struct nlmsghdr *message = nl_request_init(&request, type, 0, &header, sizeof(header));

	buf_add(&batch->bytes, message, message->nlmsg_len);
}

struct nft_batch *nft_batch_new(uint8_t family)
{
	return nft_batch_new_of(family, NFT_TABLE, 0);
}

struct nft_batch *nft_batch_new_of(uint8_t family, const char *table, uint32_t flags)
{
	struct nft_batch *batch = XNEW(struct nft_batch);

	batch->family = family;
	batch->table = xstrdup(table);
	batch->flags = flags;
	put_batch_message(batch, NFNL_MSG_BATCH_BEGIN);
	return batch;
}

struct nft_batch *nft_batch_free(struct nft_batch *batch)
{
	if (!batch)
		return NULL;
	buf_deinit(&batch->bytes);
	free(batch->table);
	free(batch);
	return NULL;
}

size_t nft_batch_size(const struct nft_batch *batch)
{
	return batch->n;
}

static void close_message(struct nft_batch *batch, const struct nlmsghdr *message)
{
	assert(message->nlmsg_len <= MESSAGE_MAX);
	batch->last = batch->bytes.size;
	batch->n++;
	buf_commit(&batch->bytes, NLMSG_ALIGN(message->nlmsg_len));
}

static void close_elements(struct nft_batch *batch)
{
	if (!batch->elements)
		return;
	mnl_attr_nest_end(batch->elements, batch->list);
	close_message(batch, batch->elements);
	batch->elements = NULL;
}

static struct nlmsghdr *open_message(struct nft_batch *batch, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message;
	struct nfgenmsg *header;

	close_elements(batch);
	message = mnl_nlmsg_put_header(buf_reserve(&batch->bytes, MESSAGE_MAX));
	message->nlmsg_type = NFT_TYPE(type);
	message->nlmsg_flags = flags | NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = nft_family(batch->family);
	header->version = NFNETLINK_V0;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, batch->table); /* 1 for every kind of object */
	return message;
}

static void put_u32(struct nlmsghdr *message, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(message, type, htonl(value));
}

void nft_batch_add_table(struct nft_batch *batch)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);

	if (batch->flags)
		put_u32(message, NFTA_TABLE_FLAGS, batch->flags);
	close_message(batch, message);
}

void nft_batch_wake_table(struct nft_batch *batch)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_NEWTABLE, 0);

	put_u32(message, NFTA_TABLE_FLAGS, 0);
	close_message(batch, message);
}

void nft_batch_delete_table(struct nft_batch *batch)
{
	close_message(batch, open_message(batch, NFT_MSG_DELTABLE, 0));
}

/* --- Sets --------------------------------------------------------------------------------- */

static uint32_t field_type(enum nft_field field, uint8_t family)
{
	switch (field) { /* as the nft program numbers its types */
	case NFT_FIELD_NONE:
		return 0;
	case NFT_FIELD_ADDRESS:
		return family == AF_INET ? 7 : 8;
	case NFT_FIELD_PROTOCOL:
		return 12;
	case NFT_FIELD_PORT:
		return 13;
	case NFT_FIELD_INTERFACE:
		return 41;
	}
	return 0;
}

uint32_t nft_schema_key_type(const struct nft_schema *schema, uint8_t family)
{
	uint32_t type = 0;

	for (size_t i = 0; i < NFT_FIELDS_MAX && schema->fields[i]; i++)
		type = type << 6 | field_type(schema->fields[i], family);
	return type;
}

static bool is_concatenation(const struct nft_schema *schema)
{
	return schema->ranges || schema->fields[1];
}

uint32_t nft_schema_flags(const struct nft_schema *schema)
{
	uint32_t flags = 0;

	if (schema->ranges || schema->intervals)
		flags |= NFT_SET_INTERVAL;
	if (schema->verdicts)
		flags |= NFT_SET_MAP;
	if (is_concatenation(schema))
		flags |= NFT_SET_CONCAT;
	if (schema->counters)
		flags |= NFT_SET_EXPR;
	return flags;
}

static void put_fields(struct nlmsghdr *message, const struct nft_schema *schema, uint8_t family)
{
	struct nlattr *desc = mnl_attr_nest_start(message, NFTA_SET_DESC);
	struct nlattr *concat = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);

	for (size_t i = 0; i < NFT_FIELDS_MAX && schema->fields[i]; i++) {
		struct nlattr *field = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

		put_u32(message, NFTA_SET_FIELD_LEN,
			(uint32_t)nft_field_bytes(schema->fields[i], family));
		mnl_attr_nest_end(message, field);
	}
	mnl_attr_nest_end(message, concat);
	mnl_attr_nest_end(message, desc);
}

static void put_counter(struct nlmsghdr *message)
{
	struct nlattr *expr = mnl_attr_nest_start(message, NFTA_SET_EXPR);
	struct nlattr *data;

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, "counter");
	data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, expr);
}

/* Names are in the machine's order, as the nft program sees it; it is told so to show them. */
static void put_byte_order(struct nlmsghdr *message)
{
	static const uint32_t host_order = 1;
	uint8_t udata[2 + sizeof(host_order)] = {UDATA_BYTE_ORDER, sizeof(host_order)};

	memcpy(udata + 2, &host_order, sizeof(host_order));
	mnl_attr_put(message, NFTA_SET_USERDATA, sizeof(udata), udata);
}

void nft_batch_add_set(struct nft_batch *batch, const char *name, const struct nft_schema *schema)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE);

	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	put_u32(message, NFTA_SET_ID, (uint32_t)batch->n + 1);
	put_u32(message, NFTA_SET_FLAGS, nft_schema_flags(schema));
	put_u32(message, NFTA_SET_KEY_TYPE, nft_schema_key_type(schema, batch->family));
	put_u32(message, NFTA_SET_KEY_LEN, (uint32_t)nft_schema_key_size(schema, batch->family));
	if (schema->verdicts)
		put_u32(message, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
	if (is_concatenation(schema))
		put_fields(message, schema, batch->family);
	else if (schema->fields[0] == NFT_FIELD_INTERFACE)
		put_byte_order(message);
	if (schema->counters)
		put_counter(message);
	close_message(batch, message);
}

void nft_batch_flush_set(struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_DELSETELEM, 0);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
	close_message(batch, message);
}

void nft_batch_delete_set(struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_DELSET, 0);

	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	close_message(batch, message);
}

static void put_key(struct nlmsghdr *message, uint16_t type, const uint8_t *key, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, key);
	mnl_attr_nest_end(message, nest);
}

static void put_element(struct nlmsghdr *message, const struct nft_wire_element *element)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	put_key(message, NFTA_SET_ELEM_KEY, element->key, element->size);
	if (element->key_end)
		put_key(message, NFTA_SET_ELEM_KEY_END, element->key_end, element->size);
	if (element->is_end)
		put_u32(message, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	if (element->chain) {
		struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
		struct nlattr *verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);

		put_u32(message, NFTA_VERDICT_CODE, (uint32_t)NFT_GOTO);
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, element->chain);
		mnl_attr_nest_end(message, verdict);
		mnl_attr_nest_end(message, data);
	}
	mnl_attr_nest_end(message, nest);
}

static void change_element(struct nft_batch *batch, uint16_t type, uint16_t flags, const char *set,
			   const struct nft_wire_element *element)
{
	if (!batch->elements || batch->elements_type != type || batch->elements_set != set ||
	    batch->elements->nlmsg_len > ELEMENTS_MAX) {
		struct nlmsghdr *message = open_message(batch, type, flags);

		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
		batch->list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
		batch->elements = message;
		batch->elements_type = type;
		batch->elements_set = set;
	}
	put_element(batch->elements, element);
}

void nft_batch_add_element(struct nft_batch *batch, const char *set,
			   const struct nft_wire_element *element)
{
	change_element(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, element);
}

void nft_batch_delete_element(struct nft_batch *batch, const char *set,
			      const struct nft_wire_element *element)
{
	change_element(batch, NFT_MSG_DELSETELEM, 0, set, element);
}

/* --- Chains and rules --------------------------------------------------------------------- */

void nft_batch_add_chain(struct nft_batch *batch, const char *name, const struct nft_base *base)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
	if (base) {
		struct nlattr *hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);

		put_u32(message, NFTA_HOOK_HOOKNUM, base->hook);
		put_u32(message, NFTA_HOOK_PRIORITY, (uint32_t)base->priority);
		mnl_attr_nest_end(message, hook);
		put_u32(message, NFTA_CHAIN_POLICY, NF_ACCEPT);
		mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, base->type);
	}
	close_message(batch, message);
}

void nft_batch_delete_chain(struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_DELCHAIN, 0);

	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
	close_message(batch, message);
}

void nft_batch_flush_chain(struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_DELRULE, 0);

	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, name);
	close_message(batch, message);
}

struct nft_comment nft_comment_of(uint64_t id, const char *label)
{
	struct nft_comment comment;

	(void)snprintf(comment.s, sizeof(comment.s), "cali:%016" PRIx64 "%s%s", id,
		       label ? " " : "", label ? label : "");
	return comment;
}

/* User data is a list of type, length, value; the comment is what we put there alone. */
bool nft_comment_read(const struct nlattr *data, struct nft_comment *ret, uint64_t *ret_id,
		      const char **ret_label)
{
	const size_t plain = strlen("cali:") + 16;
	struct nft_comment again;
	const uint8_t *bytes;
	size_t size;

	if (!data)
		return false;
	bytes = mnl_attr_get_payload(data);
	size = mnl_attr_get_payload_len(data);
	if (size < 2 + plain + 1 || size - 2 > sizeof(ret->s) || bytes[0] != UDATA_COMMENT ||
	    bytes[1] != size - 2 || bytes[size - 1])
		return false;
	memcpy(ret->s, bytes + 2, size - 2);
	*ret_id = strtoull(ret->s + strlen("cali:"), NULL, 16);
	*ret_label = ret->s[plain] == ' ' ? ret->s + plain + 1 : NULL;
	again = nft_comment_of(*ret_id, *ret_label);
	return strlen(ret->s) == size - 3 && strcmp(again.s, ret->s) == 0;
}

/* The counter's two attributes lie behind each other, bytes first. */
static void set_counter(uint8_t *expressions, const struct nft_rule *rule, uint64_t packets,
			uint64_t bytes)
{
	const size_t step = MNL_ATTR_HDRLEN + sizeof(uint64_t);
	uint8_t *at = expressions + rule->counter + MNL_ATTR_HDRLEN;
	uint64_t wire = htobe64(bytes);

	if (!rule->counter)
		return;
	memcpy(at, &wire, sizeof(wire));
	wire = htobe64(packets);
	memcpy(at + step, &wire, sizeof(wire));
}

void nft_batch_append_rule(struct nft_batch *batch, const char *chain, const struct nft_rule *rule,
			   uint64_t packets, uint64_t bytes)
{
	struct nft_comment comment = nft_comment_of(rule->id, rule->label);
	uint8_t udata[2 + NFT_COMMENT_SIZE] = {UDATA_COMMENT, (uint8_t)(strlen(comment.s) + 1)};
	struct nlmsghdr *message =
		open_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	uint8_t *expressions;

	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	expressions = (uint8_t *)mnl_nlmsg_get_payload_tail(message) + MNL_ATTR_HDRLEN;
	mnl_attr_put(message, NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, rule->size, rule->expressions);
	set_counter(expressions, rule, packets, bytes);
	memcpy(udata + 2, comment.s, udata[1]);
	mnl_attr_put(message, NFTA_RULE_USERDATA, 2u + udata[1], udata);
	close_message(batch, message);
}

/* --- Flow tables -------------------------------------------------------------------------- */

static void change_flowtable(struct nft_batch *batch, uint16_t type, const char *name,
			     const char *const *devices, size_t n)
{
	uint16_t flags = type == NFT_MSG_NEWFLOWTABLE ? NLM_F_CREATE : 0;
	struct nlmsghdr *message = open_message(batch, type, flags);
	struct nlattr *hook;
	struct nlattr *list;

	assert(n <= NFT_DEVICES_MAX);
	mnl_attr_put_strz(message, NFTA_FLOWTABLE_NAME, name);
	hook = mnl_attr_nest_start(message, NFTA_FLOWTABLE_HOOK);
	put_u32(message, NFTA_FLOWTABLE_HOOK_NUM, NF_NETDEV_INGRESS);
	put_u32(message, NFTA_FLOWTABLE_HOOK_PRIORITY, 0);
	if (n) {
		list = mnl_attr_nest_start(message, NFTA_FLOWTABLE_HOOK_DEVS);
		for (size_t i = 0; i < n; i++)
			mnl_attr_put_strz(message, NFTA_DEVICE_NAME, devices[i]);
		mnl_attr_nest_end(message, list);
	}
	mnl_attr_nest_end(message, hook);
	close_message(batch, message);
}

void nft_batch_add_flowtable(struct nft_batch *batch, const char *name)
{
	change_flowtable(batch, NFT_MSG_NEWFLOWTABLE, name, NULL, 0);
}

void nft_batch_delete_flowtable(struct nft_batch *batch, const char *name)
{
	struct nlmsghdr *message = open_message(batch, NFT_MSG_DELFLOWTABLE, 0);

	mnl_attr_put_strz(message, NFTA_FLOWTABLE_NAME, name);
	close_message(batch, message);
}

static void change_devices(struct nft_batch *batch, uint16_t type, const char *name,
			   const char *const *devices, size_t n)
{
	for (size_t i = 0; i < n; i += NFT_DEVICES_MAX)
		change_flowtable(batch, type, name, devices + i, MIN(n - i, NFT_DEVICES_MAX));
}

void nft_batch_add_devices(struct nft_batch *batch, const char *name, const char *const *devices,
			   size_t n)
{
	change_devices(batch, NFT_MSG_NEWFLOWTABLE, name, devices, n);
}

void nft_batch_delete_devices(struct nft_batch *batch, const char *name, const char *const *devices,
			      size_t n)
{
	change_devices(batch, NFT_MSG_DELFLOWTABLE, name, devices, n);
}

/* --- The commit --------------------------------------------------------------------------- */

static uint32_t number_messages(struct buf *bytes, uint32_t seq)
{
	struct nlmsghdr *message = (void *)bytes->data;
	int left = (int)bytes->size;
	uint32_t n = 0;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		message->nlmsg_seq = seq + n++;
	return n;
}

static int send_once(struct nft_batch *batch, struct nl *nl, struct nl_answer *answer,
		     struct err *err)
{
	uint32_t n = (uint32_t)batch->n + 2;
	uint32_t seq = nl_take_seq(nl, n);
	uint32_t numbered = number_messages(&batch->bytes, seq);

	assert(numbered == n);
	return nl_transact(nl, batch->bytes.data, batch->bytes.size, seq, seq + n - 1, answer, err);
}

static struct nft_refused refused_of(const struct nlmsghdr *message)
{
	static const struct {
		uint16_t type;
		uint8_t name; /* the attribute, below NAME_ATTRS */
		bool is_set;
	} types[] = {
		{NFT_TYPE(NFT_MSG_NEWCHAIN), NFTA_CHAIN_NAME, false},
		{NFT_TYPE(NFT_MSG_NEWRULE), NFTA_RULE_CHAIN, false},
		{NFT_TYPE(NFT_MSG_DELRULE), NFTA_RULE_CHAIN, false},
		{NFT_TYPE(NFT_MSG_NEWSET), NFTA_SET_NAME, true},
		{NFT_TYPE(NFT_MSG_NEWSETELEM), NFTA_SET_ELEM_LIST_SET, true},
		{NFT_TYPE(NFT_MSG_DELSETELEM), NFTA_SET_ELEM_LIST_SET, true},
	};
	struct nft_refused refused = {.errnum = 0};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct nlattr *tb[NAME_ATTRS];
		uint8_t policy[NAME_ATTRS] = {0};

		policy[types[i].name] = NL_ATTR_STRING;
		if (types[i].type != message->nlmsg_type ||
		    nl_parse(message, sizeof(struct nfgenmsg), policy, NAME_ATTRS, tb) < 0 ||
		    !tb[types[i].name])
			continue;
		refused.is_set = types[i].is_set;
		(void)snprintf(refused.name, sizeof(refused.name), "%s",
			       mnl_attr_get_str(tb[types[i].name]));
	}
	return refused;
}

/* What is said of the first message is said of all of them. */
struct nft_refused nft_batch_refused(const struct nft_batch *batch)
{
	const struct nlmsghdr *message = (const void *)batch->bytes.data;
	struct nft_refused refused = {.errnum = 0};
	int left = (int)batch->bytes.size;

	switch (batch->answer.errnum) { /* no object's fault */
	case 0:
	case EPERM:
	case ENOMEM:
	case ENOBUFS:
	case EAGAIN:
	case EINTR:
	case ERESTART:
		return refused;
	default:
		break;
	}
	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_seq == batch->answer.seq)
			refused = refused_of(message);
	if (refused.name[0])
		refused.errnum = batch->answer.errnum;
	memcpy(refused.text, batch->answer.text, sizeof(refused.text));
	return refused;
}

int nft_batch_commit(struct nft_batch *batch, struct nl *nl, struct err *err)
{
	struct buf *bytes = &batch->bytes;
	struct nl_answer answer = {0};
	int room;

	batch->answer = answer;
	close_elements(batch);
	if (!batch->n)
		return 0;
	put_batch_message(batch, NFNL_MSG_BATCH_END);
	((struct nlmsghdr *)(void *)(bytes->data + batch->last))->nlmsg_flags |= NLM_F_ACK;
	room = (int)(bytes->size * 2 + MESSAGE_MAX);
	(void)setsockopt(nl_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	for (int i = 0; i < COMMIT_TRIES; i++) {
		int r = send_once(batch, nl, &answer, err);

		if (r < 0)
			return err_prefix(err, r, "nftables");
		if (answer.errnum != EAGAIN && answer.errnum != EINTR && answer.errnum != ERESTART)
			break;
	}
	batch->answer = answer;
	if (answer.errnum == EPERM)
		return err_set(err, -EPERM,
			       "nftables: the kernel refuses changes of the table calico: another "
			       "program owns it (\"flags owner\" in nft list tables), which has to "
			       "end, or CAP_NET_ADMIN is missing");
	return answer.errnum
		       ? nl_refused(err, &answer, "nftables transaction of %zu changes", batch->n)
		       : 0;
}
