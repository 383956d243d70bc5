/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The members of sets. As long as a set of prefixes has single addresses only it is a hash in the
 * kernel; with the first wider one it becomes a set of intervals under another name, and stays
 * that. An interval set refuses overlaps: the kernel gets the prefixes that no other one covers,
 * and when one of these goes, those that it covered.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "nft/policy-internal.h"

static const struct nft_schema hosts_schema = {.fields = {NFT_FIELD_ADDRESS}};
static const struct nft_schema nets_schema = {.fields = {NFT_FIELD_ADDRESS}, .intervals = true};
static const struct nft_schema ports_schema = {
	.fields = {NFT_FIELD_ADDRESS, NFT_FIELD_PROTOCOL, NFT_FIELD_PORT}};
static const struct nft_schema port_ranges_schema = {.fields = {NFT_FIELD_PORT}, .intervals = true};

static struct nft_element interval_of(const struct cidr *net)
{
	struct cidr masked = cidr_masked(net);
	struct nft_element interval = {.chain = NULL};
	size_t size = ip_size(net->addr.family);

	memcpy(interval.key, masked.addr.bytes, size);
	memcpy(interval.key_end, masked.addr.bytes, size);
	for (unsigned int bit = net->len; bit < size * 8; bit++)
		interval.key_end[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	return interval;
}

/* --- By content --------------------------------------------------------------------------- */

struct nft_set *content_set(struct nft_ruleset *ruleset, const char *prefix,
			    const struct nft_schema *schema, const struct nft_element *members,
			    size_t n)
{
	size_t size = nft_schema_key_size(schema, nft_ruleset_family(ruleset));
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *name = NULL;
	struct digest digest;
	struct nft_set *set;

	for (size_t i = 0; i < n; i++) {
		buf_add(&text, members[i].key, size);
		buf_add(&text, members[i].key_end, size);
	}
	digest = digest_of(DIGEST_SHA224, text.data, text.size);
	name = xasprintf("%s%.16s", prefix, digest_hex(&digest).s);
	set = nft_set_ref(ruleset, name, schema);
	for (size_t i = 0; i < n; i++)
		nft_set_add(ruleset, set, &members[i]);
	return set;
}

void set_add_nets(struct nft_ruleset *ruleset, struct nft_set *set, const struct cidr *nets,
		  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct nft_element interval = interval_of(&nets[i]);

		nft_set_add(ruleset, set, &interval);
	}
}

struct nft_set *content_set_of_nets(struct nft_ruleset *ruleset, const struct cidr *nets, size_t n)
{
	_cleanup_free_ struct nft_element *intervals = xcalloc(n, sizeof(*intervals));

	for (size_t i = 0; i < n; i++)
		intervals[i] = interval_of(&nets[i]);
	return content_set(ruleset, "cali-n-", &nets_schema, intervals, n);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct port_range *x = a;
	const struct port_range *y = b;

	return (int)x->first - (int)y->first;
}

static void put_port(uint8_t *key, unsigned int port)
{
	key[0] = (uint8_t)(port >> 8);
	key[1] = (uint8_t)port;
}

struct nft_set *content_set_of_ports(struct nft_ruleset *ruleset, const struct port_range *ports,
				     size_t n)
{
	_cleanup_free_ struct port_range *sorted = xmemdup(ports, n * sizeof(*ports));
	_cleanup_free_ struct nft_element *intervals = xcalloc(n, sizeof(*intervals));
	size_t n_intervals = 0;

	qsort(sorted, n, sizeof(*sorted), compare_ranges);
	for (size_t i = 0; i < n; n_intervals++) {
		unsigned int first = sorted[i].first;
		unsigned int last = sorted[i].last;

		for (i++; i < n && sorted[i].first <= last + 1; i++)
			last = MAX(last, (unsigned int)sorted[i].last);
		put_port(intervals[n_intervals].key, first);
		put_port(intervals[n_intervals].key_end, last);
	}
	return content_set(ruleset, "cali-p-", &port_ranges_schema, intervals, n_intervals);
}

/* --- Policy sets -------------------------------------------------------------------------- */

struct table_set *table_set_find(const struct policy_table *table, const char *id)
{
	struct table_set *set;

	HASH_FIND_STR(table->sets, id, set);
	return set;
}

static const struct nft_schema *schema_of(const struct table_set *set)
{
	if (set->type == POLICY_SET_TYPE_PORT)
		return &ports_schema;
	return set->wide ? &nets_schema : &hosts_schema;
}

static void hold_sets(struct policy_table *table, struct table_set *set)
{
	for (unsigned int f = 0; f < FAMILIES; f++) {
		_cleanup_free_ char *name = xasprintf("cali%u0%s%s", ip_version(family_of(f)),
						      set->id.s, set->wide ? "-net" : "");

		set->sets[f] = nft_set_ref(table->rulesets[f], name, schema_of(set));
	}
}

static void release_sets(struct policy_table *table, struct table_set *set)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		nft_set_unref(table->rulesets[f], set->sets[f]);
}

struct table_set *table_set_get(struct policy_table *table, const struct policy_set_id *id,
				enum policy_set_type type)
{
	struct table_set *set = table_set_find(table, id->s);

	if (set)
		return set;
	set = XNEW(struct table_set);
	set->id = *id;
	set->type = type;
	HASH_ADD_STR(table->sets, id.s, set);
	hold_sets(table, set);
	return set;
}

struct nft_set *table_set_ref(struct policy_table *table, unsigned int f,
			      const struct policy_set_id *id, enum policy_set_type type)
{
	const struct table_set *set = table_set_get(table, id, type);

	return nft_set_ref(table->rulesets[f], nft_set_name(set->sets[f]), schema_of(set));
}

static unsigned int index_of(const struct cidr *net)
{
	return net->addr.family == AF_INET ? 0 : 1;
}

static struct table_net *find_net(const struct table_set *set, const struct cidr *net)
{
	struct table_net *found;

	HASH_FIND(hh, set->nets, net, sizeof(*net), found);
	return found;
}

/* As a hash key: masked, and without the compiler's padding. */
static struct cidr key_of(const struct cidr *net)
{
	struct cidr masked = cidr_masked(net);
	struct cidr key;

	memset(&key, 0, sizeof(key));
	key.addr.family = masked.addr.family;
	memcpy(key.addr.bytes, masked.addr.bytes, sizeof(key.addr.bytes));
	key.len = masked.len;
	return key;
}

static bool is_covered(const struct table_set *set, const struct cidr *net)
{
	unsigned int f = index_of(net);

	for (uint8_t len = 0; len < net->len; len++) {
		struct cidr wider = {.addr = net->addr, .len = len};

		if (!set->n_lens[f][len])
			continue;
		wider = key_of(&wider);
		if (find_net(set, &wider))
			return true;
	}
	return false;
}

bool table_set_has_addr(const struct table_set *set, const struct ip_addr *addr)
{
	struct cidr host = cidr_host(addr);
	struct cidr key = key_of(&host);

	return find_net(set, &key) || is_covered(set, &key);
}

static struct nft_element port_element(const struct ip_addr *addr, uint8_t protocol, uint16_t port)
{
	size_t size = ip_size(addr->family);
	struct nft_element element = {.chain = NULL};

	memcpy(element.key, addr->bytes, size);
	element.key[size] = protocol;
	put_port(element.key + size + 4, port);
	return element;
}

bool table_set_has_port(const struct table_set *set, const struct ip_addr *addr, uint8_t protocol,
			uint16_t port)
{
	struct nft_element element = port_element(addr, protocol, port);

	return nft_set_has(set->sets[addr->family == AF_INET ? 0 : 1], &element);
}

static void show(struct policy_table *table, struct table_set *set, struct table_net *net,
		 bool shown)
{
	struct nft_ruleset *ruleset = table->rulesets[index_of(&net->net)];
	struct nft_set *kernel = set->sets[index_of(&net->net)];
	struct nft_element interval = interval_of(&net->net);

	net->shown = shown;
	if (shown)
		nft_set_add(ruleset, kernel, &interval);
	else
		nft_set_remove(ruleset, kernel, &interval);
}

/* Shows what nothing else covers, and hides the rest. */
static void show_uncovered(struct policy_table *table, struct table_set *set)
{
	struct table_net *net;
	struct table_net *next;

	HASH_ITER(hh, set->nets, net, next)
	{
		bool shown = !is_covered(set, &net->net);

		if (shown != net->shown)
			show(table, set, net, shown);
	}
}

static void widen(struct policy_table *table, struct table_set *set)
{
	struct table_net *net;
	struct table_net *next;

	release_sets(table, set);
	set->wide = true;
	hold_sets(table, set);
	HASH_ITER(hh, set->nets, net, next)
	if (net->shown)
		show(table, set, net, /* shown= */ true);
}

/* Single addresses cover nothing, so they are shown at once; behind wider ones all is looked at. */
static void add_net(struct policy_table *table, struct table_set *set, const struct cidr *cidr)
{
	struct cidr key = key_of(cidr);
	struct table_net *net;

	if (find_net(set, &key))
		return;
	net = XNEW(struct table_net);
	net->net = key;
	HASH_ADD(hh, set->nets, net, sizeof(net->net), net);
	set->n_lens[index_of(&key)][key.len]++;
	if (cidr_is_host(&key) && !is_covered(set, &key))
		show(table, set, net, /* shown= */ true);
}

static void remove_net(struct policy_table *table, struct table_set *set, const struct cidr *cidr)
{
	struct cidr key = key_of(cidr);
	struct table_net *net = find_net(set, &key);

	if (!net)
		return;
	HASH_DEL(set->nets, net);
	set->n_lens[index_of(&key)][key.len]--;
	if (net->shown)
		show(table, set, net, /* shown= */ false);
	free(net);
}

static void change_port(struct policy_table *table, struct table_set *set,
			const struct policy_member *member, bool add)
{
	unsigned int f = index_of(&member->net);
	struct nft_element element =
		port_element(&member->net.addr, member->protocol, member->port);

	if (add)
		nft_set_add(table->rulesets[f], set->sets[f], &element);
	else
		nft_set_remove(table->rulesets[f], set->sets[f], &element);
}

static void clear(struct policy_table *table, struct table_set *set)
{
	struct table_net *net;
	struct table_net *next;

	HASH_ITER(hh, set->nets, net, next)
	{
		HASH_DEL(set->nets, net);
		free(net);
	}
	memset(set->n_lens, 0, sizeof(set->n_lens));
	/* Rules may hold them, and have not been told otherwise yet. */
	for (unsigned int f = 0; f < FAMILIES; f++)
		nft_set_clear(table->rulesets[f], set->sets[f]);
	release_sets(table, set);
}

static bool has_wide(const struct policy_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!cidr_is_host(&members[i].net))
			return true;
	return false;
}

static bool needs_width(const struct table_set *set, const struct policy_set_change *change)
{
	return set->type == POLICY_SET_TYPE_NET && !set->wide &&
	       has_wide(change->added, change->n_added);
}

static void take_members(struct policy_table *table, struct table_set *set,
			 const struct policy_set_change *change)
{
	bool ports = set->type == POLICY_SET_TYPE_PORT;

	for (size_t i = 0; i < change->n_removed; i++) {
		if (ports)
			change_port(table, set, &change->removed[i], /* add= */ false);
		else
			remove_net(table, set, &change->removed[i].net);
	}
	for (size_t i = 0; i < change->n_added; i++) {
		if (ports)
			change_port(table, set, &change->added[i], /* add= */ true);
		else
			add_net(table, set, &change->added[i].net);
	}
	/* Once for all of them: each may cover, or have covered, any other. */
	if (!ports && (has_wide(change->added, change->n_added) ||
		       has_wide(change->removed, change->n_removed)))
		show_uncovered(table, set);
}

int table_set_change(struct policy_table *table, const struct policy_set_change *change)
{
	struct table_set *set = table_set_get(table, &change->set->id, change->set->type);
	bool renamed = false;

	if (change->is_new && set->told) {
		clear(table, set);
		hold_sets(table, set);
	}
	set->told = true;
	if (needs_width(set, change)) {
		widen(table, set);
		renamed = true;
	}
	take_members(table, set, change);
	if (nft_set_is_left_out(set->sets[0]) || nft_set_is_left_out(set->sets[1]))
		table_forgive(table, &set->id);
	return renamed ? TABLE_SET_E_RENAMED : 0;
}

void table_set_gone(struct policy_table *table, const struct policy_set_id *id)
{
	struct table_set *set = table_set_find(table, id->s);

	if (!set)
		return;
	clear(table, set);
	HASH_DEL(table->sets, set);
	free(set);
}

void table_sets_deinit(struct policy_table *table)
{
	struct table_set *set;
	struct table_set *next;

	HASH_ITER(hh, table->sets, set, next)
	table_set_gone(table, &set->id);
}
