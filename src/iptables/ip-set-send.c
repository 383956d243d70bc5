/* SPDX-License-Identifier: Apache-2.0 */

/* What differs between wanted and there, to the kernel. */

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/ip-set-internal.h"

#define MEMBERS_MAX 1048576u
#define HASH_SIZE   64u
#define BATCH_MAX   4096

struct sender {
	struct nl *nl;
	struct nl_batch *batch;
	const struct ip_set *set;
	bool *changed;
};

static struct nlmsghdr *begin(struct nl_batch *batch, uint8_t command, uint16_t flags,
			      const struct ip_set *set)
{
	struct nfgenmsg header = {.nfgen_family = set->family, .version = NFNETLINK_V0};
	struct nlmsghdr *message =
		nl_batch_add(batch, COMMAND(command), flags, &header, sizeof(header));

	mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, PROTOCOL);
	mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, set->name.s);
	return message;
}

static const char *reason(int errnum)
{
	switch (errnum) {
	case IPSET_ERR_FIND_TYPE:
		return "the kernel has no such type of set";
	case IPSET_ERR_MAX_SETS:
		return "the kernel has no room for another set";
	case IPSET_ERR_BUSY:
	case IPSET_ERR_REFERENCED:
		return "a rule speaks of it that is not ours";
	case IPSET_ERR_TYPE_SPECIFIC:
		return "the set is full";
	default:
		return errnum < IPSET_ERR_PRIVATE ? strerror(errnum) : "refused";
	}
}

/* Sends what is in the batch; the first refusal fails. */
static int flush(struct sender *sender, struct err *err)
{
	size_t n = nl_batch_size(sender->batch);
	int r = n ? nl_batch_send(sender->nl, sender->batch, err) : 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		int errnum = nl_batch_errnum(sender->batch, i);

		if (errnum)
			r = err_set(err, -EIO, "IP set %s: %s (%d)", sender->set->name.s,
				    reason(errnum), errnum);
	}
	*sender->changed = *sender->changed || n;
	sender->batch = nl_batch_free(sender->batch);
	sender->batch = nl_batch_new();
	return r;
}

static void put_key(struct nlmsghdr *message, const struct ip_set *set, const struct key *key)
{
	struct nlattr *data = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
	struct nlattr *ip = mnl_attr_nest_start(message, IPSET_ATTR_IP);
	uint16_t type = set->family == AF_INET ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6;

	mnl_attr_put(message, type | NLA_F_NET_BYTEORDER, ip_size(set->family), key->addr);
	mnl_attr_nest_end(message, ip);
	if (set->type != IP_SET_PORT)
		mnl_attr_put_u8(message, IPSET_ATTR_CIDR, key->len);
	if (set->type == IP_SET_PORT) {
		mnl_attr_put_u8(message, IPSET_ATTR_PROTO, key->protocol);
		mnl_attr_put_u16(message, IPSET_ATTR_PORT | NLA_F_NET_BYTEORDER, htons(key->port));
	}
	if (set->type == IP_SET_INTERFACE)
		mnl_attr_put_strz(message, IPSET_ATTR_IFACE, key->interface);
	mnl_attr_nest_end(message, data);
}

static int create(struct sender *sender, struct ip_set *set, struct err *err)
{
	struct nlmsghdr *message = begin(sender->batch, IPSET_CMD_CREATE, NLM_F_CREATE, set);
	struct nlattr *data;
	int r;

	mnl_attr_put_strz(message, IPSET_ATTR_TYPENAME, ip_set_kinds[set->type].name);
	mnl_attr_put_u8(message, IPSET_ATTR_REVISION, ip_set_kinds[set->type].revision);
	mnl_attr_put_u8(message, IPSET_ATTR_FAMILY, set->family);
	data = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
	mnl_attr_put_u32(message, IPSET_ATTR_HASHSIZE | NLA_F_NET_BYTEORDER, htonl(HASH_SIZE));
	mnl_attr_put_u32(message, IPSET_ATTR_MAXELEM | NLA_F_NET_BYTEORDER, htonl(MEMBERS_MAX));
	mnl_attr_nest_end(message, data);
	r = flush(sender, err);
	set->there = r == 0;
	return r;
}

/* Adds what is wanted, or takes away what is not. */
static int send_members(struct sender *sender, struct ip_set *set, bool add, struct err *err)
{
	struct member *member;
	int r = 0;

	for (member = set->differing; r == 0 && member; member = member->next_differing) {
		if (!member->wanted == !member->there || (member->wanted > 0) != add)
			continue;
		put_key(begin(sender->batch, add ? IPSET_CMD_ADD : IPSET_CMD_DEL, 0, set), set,
			&member->key);
		if (nl_batch_size(sender->batch) >= BATCH_MAX)
			r = flush(sender, err);
	}
	return r == 0 ? flush(sender, err) : r;
}

static void note_added(struct ip_set *set)
{
	for (struct member *member = set->differing; member; member = member->next_differing)
		member->there = member->there || member->wanted;
}

static void note_taken_away(struct ip_set *set)
{
	struct member *next;

	for (struct member *member = ip_set_take_differing(set); member; member = next) {
		next = member->next_differing;
		if (!member->wanted) {
			HASH_DEL(set->members, member);
			free(member);
		} else if (!member->there) {
			ip_set_list_differing(set, member);
		}
	}
}

static int fill(struct sender *sender, struct ip_set *set, struct err *err)
{
	int r = 0;

	if (set->mistyped)
		return err_set(err, -EEXIST,
			       "IP set %s is there with another type: delete it with what uses it",
			       set->name.s);
	if (!set->there)
		r = create(sender, set, err);
	if (r == 0)
		r = send_members(sender, set, /* add= */ true, err);
	if (r == 0)
		note_added(set);
	return r;
}

int ip_sets_fill(struct ip_sets *sets, struct nl *nl, bool *changed, struct err *err)
{
	struct sender sender = {.nl = nl, .batch = nl_batch_new(), .changed = changed};
	struct ip_set *set;
	int r = 0;

	sets->refused = (struct ip_set_name){""};
	for (set = sets->v; r == 0 && set; set = set->hh.next) {
		sender.set = set;
		if (set->differs && set->wanted && !set->left_out)
			r = fill(&sender, set, err);
		if (r < 0)
			sets->refused = set->name;
	}
	(void)nl_batch_free(sender.batch);
	return r;
}

static int shrink(struct sender *sender, struct ip_sets *sets, struct ip_set *set, struct err *err)
{
	int r = 0;

	if (!set->wanted && set->there) {
		(void)begin(sender->batch, IPSET_CMD_DESTROY, 0, set);
		r = flush(sender, err);
	} else if (set->wanted) {
		r = send_members(sender, set, /* add= */ false, err);
	}
	if (r < 0)
		return r;
	set->differs = false;
	if (set->wanted)
		note_taken_away(set);
	else
		ip_set_drop(sets, set);
	return 0;
}

int ip_sets_shrink(struct ip_sets *sets, struct nl *nl, bool *changed, struct err *err)
{
	struct sender sender = {.nl = nl, .batch = nl_batch_new(), .changed = changed};
	struct ip_set *set;
	struct ip_set *next;
	int outcome = 0;

	HASH_ITER(hh, sets->v, set, next)
	{
		struct err reason = ERR_INIT;
		bool wanted = set->wanted;
		int r = 0;

		sender.set = set;
		if (set->differs)
			r = shrink(&sender, sets, set, &reason);
		/* What can't go does no harm to the others. */
		if (r < 0 && outcome >= 0) {
			(void)err_set(err, r, "%s", reason.msg);
			outcome = wanted ? r : IP_SETS_E_LEFT;
		}
	}
	(void)nl_batch_free(sender.batch);
	return outcome;
}
