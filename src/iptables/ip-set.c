/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sets and members, each with "wanted" and "there"; a set with a difference is looked through when
 * it is sent, the others are not. A prefix of length 0 is two of length 1: the kernel's type of
 * prefixes has no other way to say it.
 */

#include "iptables/ip-set.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/ip-set-internal.h"

#define SETS_SEEN_MAX 65536

const struct ip_set_kind ip_set_kinds[IP_SET_TYPES_] = {
	[IP_SET_NET] = {"hash:net", 0},
	[IP_SET_PORT] = {"hash:ip,port", 1},
	[IP_SET_INTERFACE] = {"hash:net,iface", 0},
};

/* --- Wanted ------------------------------------------------------------------------------- */

struct ip_set_name ip_set_name(uint8_t family, const char *id)
{
	struct ip_set_name name;

	(void)snprintf(name.s, sizeof(name.s), "cali%u0%.25s", ip_version(family), id);
	return name;
}

struct ip_sets *ip_sets_new(void)
{
	return XNEW(struct ip_sets);
}

void ip_set_drop(struct ip_sets *sets, struct ip_set *set)
{
	struct member *member;
	struct member *next;

	HASH_ITER(hh, set->members, member, next)
	{
		HASH_DEL(set->members, member);
		free(member);
	}
	HASH_DEL(sets->v, set);
	free(set);
}

struct ip_sets *ip_sets_free(struct ip_sets *sets)
{
	struct ip_set *set;
	struct ip_set *next;

	if (!sets)
		return NULL;
	HASH_ITER(hh, sets->v, set, next)
	ip_set_drop(sets, set);
	free(sets);
	return NULL;
}

static struct ip_set *find_set(const struct ip_sets *sets, const char *name)
{
	struct ip_set *set;

	HASH_FIND_STR(sets->v, name, set);
	return set;
}

static struct ip_set *get_set(struct ip_sets *sets, const char *name)
{
	struct ip_set *set = find_set(sets, name);

	if (set)
		return set;
	set = XNEW(struct ip_set);
	(void)snprintf(set->name.s, sizeof(set->name.s), "%s", name);
	HASH_ADD_STR(sets->v, name.s, set);
	return set;
}

void ip_set_list_differing(struct ip_set *set, struct member *member)
{
	if (member->listed)
		return;
	member->listed = true;
	member->next_differing = set->differing;
	set->differing = member;
}

struct member *ip_set_take_differing(struct ip_set *set)
{
	struct member *first = set->differing;

	set->differing = NULL;
	for (struct member *member = first; member; member = member->next_differing)
		member->listed = false;
	return first;
}

void ip_sets_hold(struct ip_sets *sets, const char *name, enum ip_set_type type, uint8_t family)
{
	struct ip_set *set = get_set(sets, name);

	if (!set->wanted && !set->there) {
		set->type = type;
		set->family = family;
	}
	set->mistyped = set->type != type || set->family != family;
	set->differs = set->differs || !set->wanted;
	set->wanted++;
}

void ip_sets_clear(struct ip_sets *sets, const char *name)
{
	struct ip_set *set = find_set(sets, name);

	if (!set)
		return;
	set->differs = true;
	memset(set->n_wanted_lens, 0, sizeof(set->n_wanted_lens));
	for (struct member *member = set->members; member; member = member->hh.next) {
		member->wanted = 0;
		ip_set_list_differing(set, member);
	}
}

void ip_sets_release(struct ip_sets *sets, const char *name)
{
	struct ip_set *set = find_set(sets, name);

	if (!set || !set->wanted || --set->wanted)
		return;
	set->left_out = false;
	ip_sets_clear(sets, name);
}

static struct key key_of(const struct ip_set_member *from)
{
	struct cidr net = cidr_masked(&from->net);
	struct key key;

	memset(&key, 0, sizeof(key));
	memcpy(key.addr, net.addr.bytes, sizeof(key.addr));
	key.len = net.len;
	key.protocol = from->protocol;
	key.port = from->port;
	memcpy(key.interface, from->interface, strnlen(from->interface, sizeof(key.interface) - 1));
	return key;
}

static struct member *get_member(struct ip_set *set, const struct key *key)
{
	struct member *member;

	HASH_FIND(hh, set->members, key, sizeof(*key), member);
	if (member)
		return member;
	member = XNEW(struct member);
	member->key = *key;
	HASH_ADD(hh, set->members, key, sizeof(member->key), member);
	return member;
}

static void want(struct ip_set *set, const struct key *key, bool add)
{
	struct member *member = get_member(set, key);

	if (add && member->wanted++ == 0)
		set->n_wanted_lens[key->len]++;
	else if (!add && member->wanted && --member->wanted == 0)
		set->n_wanted_lens[key->len]--;
	if (!member->wanted != !member->there) {
		set->differs = true;
		ip_set_list_differing(set, member);
	}
	if (!member->wanted && !member->there && !member->listed) {
		HASH_DEL(set->members, member);
		free(member);
	}
}

static void change(struct ip_sets *sets, const char *name, const struct ip_set_member *from,
		   bool add)
{
	struct ip_set *set = find_set(sets, name);
	struct key key = key_of(from);

	if (!set)
		return;
	if (key.len) {
		want(set, &key, add);
		return;
	}
	key.len = 1;
	want(set, &key, add);
	key.addr[0] = 0x80;
	want(set, &key, add);
}

void ip_sets_add(struct ip_sets *sets, const char *name, const struct ip_set_member *member)
{
	change(sets, name, member, /* add= */ true);
}

void ip_sets_remove(struct ip_sets *sets, const char *name, const struct ip_set_member *member)
{
	change(sets, name, member, /* add= */ false);
}

bool ip_sets_have(const struct ip_sets *sets, const char *name, const struct ip_set_member *member)
{
	const struct ip_set *set = find_set(sets, name);
	struct ip_set_member wider = *member;

	for (int len = member->net.len; set && len >= 0; len--) {
		const struct member *found;
		struct key key;

		if (!set->n_wanted_lens[len])
			continue;
		wider.net.len = (uint8_t)len;
		key = key_of(&wider);
		HASH_FIND(hh, set->members, &key, sizeof(key), found);
		if (found && found->wanted)
			return true;
	}
	return false;
}

/* --- Reading back ------------------------------------------------------------------------- */

struct reader {
	struct ip_sets *sets;
	char (*names)[IP_SET_NAME_SIZE];
	size_t n;
	struct ip_set *set; /* the one being read */
};

static const uint8_t set_policy[IPSET_ATTR_CMD_MAX + 1] = {
	[IPSET_ATTR_SETNAME] = NL_ATTR_STRING, [IPSET_ATTR_TYPENAME] = NL_ATTR_STRING,
	[IPSET_ATTR_FAMILY] = NL_ATTR_U8,      [IPSET_ATTR_ADT] = NL_ATTR_NESTED,
	[IPSET_ATTR_DATA] = NL_ATTR_NESTED,
};
static const uint8_t header_policy[IPSET_ATTR_CREATE_MAX + 1] = {
	[IPSET_ATTR_ELEMENTS] = NL_ATTR_U32,
};
static const uint8_t member_policy[IPSET_ATTR_IFACE + 1] = {
	[IPSET_ATTR_IP] = NL_ATTR_NESTED,    [IPSET_ATTR_CIDR] = NL_ATTR_U8,
	[IPSET_ATTR_PORT] = NL_ATTR_U16,     [IPSET_ATTR_PROTO] = NL_ATTR_U8,
	[IPSET_ATTR_IFACE] = NL_ATTR_STRING,
};
static const uint8_t addr_policy[IPSET_ATTR_IPADDR_MAX + 1] = {
	[IPSET_ATTR_IPADDR_IPV4] = NL_ATTR_ADDR,
	[IPSET_ATTR_IPADDR_IPV6] = NL_ATTR_ADDR,
};

static bool is_ours(const char *name)
{
	return strncmp(name, "cali4", 5) == 0 || strncmp(name, "cali6", 5) == 0;
}

static void forget_names(void *ctx)
{
	struct reader *reader = ctx;

	free(reader->names);
	reader->names = NULL;
	reader->n = 0;
}

static int see_name(const struct nlmsghdr *message, void *ctx)
{
	struct reader *reader = ctx;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	int r = nl_parse(message, sizeof(struct nfgenmsg), set_policy, ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (!tb[IPSET_ATTR_SETNAME] || !is_ours(mnl_attr_get_str(tb[IPSET_ATTR_SETNAME])))
		return 0;
	if (reader->n >= SETS_SEEN_MAX)
		return -E2BIG;
	(void)snprintf(*ARRAY_ADD(reader->names, reader->n), IP_SET_NAME_SIZE, "%.31s",
		       mnl_attr_get_str(tb[IPSET_ATTR_SETNAME]));
	return 0;
}

static int parse_member(const struct nlattr *nest, struct key *ret)
{
	const struct nlattr *tb[IPSET_ATTR_IFACE + 1];
	const struct nlattr *ip[IPSET_ATTR_IPADDR_MAX + 1];
	const struct nlattr *addr;
	struct ip_set_member member;
	int r = nl_parse_nested(nest, member_policy, ARRAY_SIZE(tb), tb);

	memset(&member, 0, sizeof(member));
	if (r < 0 || !tb[IPSET_ATTR_IP])
		return -EBADMSG;
	r = nl_parse_nested(tb[IPSET_ATTR_IP], addr_policy, ARRAY_SIZE(ip), ip);
	addr = r < 0 ? NULL
		     : (ip[IPSET_ATTR_IPADDR_IPV4] ? ip[IPSET_ATTR_IPADDR_IPV4]
						   : ip[IPSET_ATTR_IPADDR_IPV6]);
	if (!addr)
		return -EBADMSG;
	member.net.addr = nl_attr_addr(addr);
	member.net.len = (uint8_t)ip_bits(member.net.addr.family);
	if (tb[IPSET_ATTR_CIDR])
		member.net.len = (uint8_t)MIN(member.net.len, mnl_attr_get_u8(tb[IPSET_ATTR_CIDR]));
	if (tb[IPSET_ATTR_PROTO])
		member.protocol = mnl_attr_get_u8(tb[IPSET_ATTR_PROTO]);
	if (tb[IPSET_ATTR_PORT])
		member.port = ntohs(mnl_attr_get_u16(tb[IPSET_ATTR_PORT]));
	if (tb[IPSET_ATTR_IFACE])
		(void)snprintf(member.interface, sizeof(member.interface), "%.15s",
			       mnl_attr_get_str(tb[IPSET_ATTR_IFACE]));
	*ret = key_of(&member);
	return 0;
}

static int read_member(struct ip_set *set, const struct nlattr *nest)
{
	struct member *seen;
	struct key key;
	int r = parse_member(nest, &key);

	if (r == 0) {
		seen = get_member(set, &key);
		seen->there = true;
		ip_set_list_differing(set, seen);
	}
	return r;
}

static void see_type(struct ip_set *set, const struct nlattr *const *tb)
{
	const char *type = mnl_attr_get_str(tb[IPSET_ATTR_TYPENAME]);
	uint8_t family = tb[IPSET_ATTR_FAMILY] ? mnl_attr_get_u8(tb[IPSET_ATTR_FAMILY]) : 0;

	set->there = true;
	if (set->wanted) {
		set->mistyped =
			strcmp(type, ip_set_kinds[set->type].name) != 0 || family != set->family;
		return;
	}
	set->family = family;
	set->type = IP_SET_TYPES_;
	for (unsigned int i = 0; i < IP_SET_TYPES_; i++)
		if (strcmp(type, ip_set_kinds[i].name) == 0)
			set->type = (enum ip_set_type)i;
}

static int see_set(const struct nlmsghdr *message, void *ctx)
{
	struct reader *reader = ctx;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	const struct nlattr *attr;
	const char *end;
	int r = nl_parse(message, sizeof(struct nfgenmsg), set_policy, ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (tb[IPSET_ATTR_TYPENAME])
		see_type(reader->set, tb);
	if (!tb[IPSET_ATTR_ADT])
		return 0;
	attr = mnl_attr_get_payload(tb[IPSET_ATTR_ADT]);
	end = (const char *)attr + mnl_attr_get_payload_len(tb[IPSET_ATTR_ADT]);
	for (; r == 0 && mnl_attr_ok(attr, (int)(end - (const char *)attr));
	     attr = mnl_attr_next(attr))
		r = read_member(reader->set, attr);
	return r;
}

static void forget_members(void *ctx)
{
	struct reader *reader = ctx;
	struct member *member;
	struct member *next;

	reader->set->there = false;
	(void)ip_set_take_differing(reader->set);
	HASH_ITER(hh, reader->set->members, member, next)
	{
		member->there = false;
		if (member->wanted) {
			ip_set_list_differing(reader->set, member);
			continue;
		}
		HASH_DEL(reader->set->members, member);
		free(member);
	}
}

static int list(struct nl *nl, const char *name, uint32_t flag, const struct nl_visitor *visitor,
		struct err *err)
{
	struct nfgenmsg header = {.version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, COMMAND(IPSET_CMD_LIST), NLM_F_DUMP,
						   &header, sizeof(header));
	int r;

	mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, PROTOCOL);
	if (name)
		mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, name);
	else
		mnl_attr_put_u32(message, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, htonl(flag));
	r = nl_query(nl, message, visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "list IP sets");
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "list IP set %s", name ? name : "names");
	return 0;
}

int ip_sets_read(struct ip_sets *sets, struct nl *nl, struct err *err)
{
	struct reader reader = {.sets = sets};
	struct nl_visitor names = {.restart = forget_names, .message = see_name, .ctx = &reader};
	struct nl_visitor members = {.restart = forget_members, .message = see_set, .ctx = &reader};
	struct ip_set *next;
	int r = list(nl, NULL, IPSET_FLAG_LIST_SETNAME, &names, err);

	if (r == 0)
		HASH_ITER(hh, sets->v, reader.set, next)
		{
			forget_members(&reader);
			reader.set->differs = true;
		}
	for (size_t i = 0; r == 0 && i < reader.n; i++) {
		reader.set = get_set(sets, reader.names[i]);
		reader.set->differs = true;
		r = list(nl, reader.names[i], 0, &members, err);
	}
	free(reader.names);
	return r;
}

struct counter {
	const struct ip_sets *sets;
	size_t n_right;
};

static void forget_counts(void *ctx)
{
	struct counter *counter = ctx;

	counter->n_right = 0;
}

/* What was sent has no member but those that are wanted and there. */
static bool is_sent(const struct ip_set *set)
{
	return set->wanted && set->there && !set->differs && !set->left_out;
}

static int see_count(const struct nlmsghdr *message, void *ctx)
{
	struct counter *counter = ctx;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	const struct nlattr *header[IPSET_ATTR_CREATE_MAX + 1];
	const struct ip_set *set;
	int r = nl_parse(message, sizeof(struct nfgenmsg), set_policy, ARRAY_SIZE(tb), tb);

	if (r < 0 || !tb[IPSET_ATTR_SETNAME] || !tb[IPSET_ATTR_DATA])
		return r;
	set = find_set(counter->sets, mnl_attr_get_str(tb[IPSET_ATTR_SETNAME]));
	if (!set || !is_sent(set))
		return 0;
	r = nl_parse_nested(tb[IPSET_ATTR_DATA], header_policy, ARRAY_SIZE(header), header);
	if (r == 0 && header[IPSET_ATTR_ELEMENTS] &&
	    ntohl(mnl_attr_get_u32(header[IPSET_ATTR_ELEMENTS])) == HASH_COUNT(set->members))
		counter->n_right++;
	return r;
}

bool ip_sets_differ(const struct ip_sets *sets, struct nl *nl)
{
	struct counter counter = {.sets = sets};
	struct nl_visitor visitor = {
		.restart = forget_counts, .message = see_count, .ctx = &counter};
	const struct ip_set *set;
	size_t n = 0;

	for (set = sets->v; set; set = set->hh.next)
		n += is_sent(set);
	return list(nl, NULL, IPSET_FLAG_LIST_HEADER, &visitor, NULL) < 0 || counter.n_right != n;
}

struct comparison {
	const struct ip_set *set;
	size_t n_right;
	bool differs;
};

static void forget_comparison(void *ctx)
{
	struct comparison *comparison = ctx;

	comparison->n_right = 0;
	comparison->differs = false;
}

static int compare_members(const struct nlmsghdr *message, void *ctx)
{
	struct comparison *comparison = ctx;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	const struct nlattr *attr;
	const char *end;
	int r = nl_parse(message, sizeof(struct nfgenmsg), set_policy, ARRAY_SIZE(tb), tb);

	if (r < 0 || !tb[IPSET_ATTR_ADT])
		return r;
	attr = mnl_attr_get_payload(tb[IPSET_ATTR_ADT]);
	end = (const char *)attr + mnl_attr_get_payload_len(tb[IPSET_ATTR_ADT]);
	for (; mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr)) {
		const struct member *member = NULL;
		struct key key;

		if (parse_member(attr, &key) == 0)
			HASH_FIND(hh, comparison->set->members, &key, sizeof(key), member);
		comparison->n_right += member && member->wanted;
		comparison->differs = comparison->differs || !member || !member->wanted;
	}
	return 0;
}

/* The one behind the last one, of those that were sent. */
static const struct ip_set *next_sent(const struct ip_sets *sets)
{
	const struct ip_set *last = find_set(sets, sets->compared.s);
	const struct ip_set *set = last ? last->hh.next : NULL;

	for (size_t i = 0; i <= HASH_COUNT(sets->v); i++) {
		set = set ? set : sets->v;
		if (!set || is_sent(set))
			return set;
		set = set->hh.next;
	}
	return NULL;
}

static bool next_differs(struct ip_sets *sets, struct nl *nl)
{
	struct comparison comparison = {.set = next_sent(sets)};
	struct nl_visitor visitor = {
		.restart = forget_comparison, .message = compare_members, .ctx = &comparison};

	if (!comparison.set)
		return false;
	sets->compared = comparison.set->name;
	return list(nl, sets->compared.s, 0, &visitor, NULL) < 0 || comparison.differs ||
	       comparison.n_right != HASH_COUNT(comparison.set->members);
}

bool ip_sets_members_differ(struct ip_sets *sets, struct nl *nl)
{
	bool differs = false;

	if (!pace_is_due(&sets->pace))
		return false;
	pace_begin(&sets->pace);
	/* All of them, if there is the time. */
	for (size_t i = 0; !differs && i < HASH_COUNT(sets->v) && pace_goes_on(&sets->pace); i++)
		differs = next_differs(sets, nl);
	pace_end(&sets->pace);
	return differs;
}

const char *ip_sets_refused(const struct ip_sets *sets)
{
	return sets->refused.s[0] ? sets->refused.s : NULL;
}

void ip_sets_leave_out(struct ip_sets *sets, const char *name)
{
	struct ip_set *set = find_set(sets, name);

	if (set)
		set->left_out = true;
}

bool ip_sets_take_in(struct ip_sets *sets)
{
	bool any = false;

	for (struct ip_set *set = sets->v; set; set = set->hh.next) {
		any = any || set->left_out;
		set->left_out = false;
	}
	return any;
}

bool ip_sets_is_left_out(const struct ip_sets *sets, const char *name)
{
	const struct ip_set *set = find_set(sets, name);

	return set && set->left_out;
}

bool ip_sets_are_there(const struct ip_sets *sets)
{
	return HASH_COUNT(sets->v) > 0;
}
