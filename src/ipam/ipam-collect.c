/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The collector keeps a suspicion for everything that was unused in the last audit: what it is, as
 * a text that names the address with its handle and sequence number, and since when. A suspicion
 * that the next audit does not renew is dropped.
 */

#include "ipam/ipam-collect.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ipam/ipam-block.h"
#include "model/kinds.h"

#define WINDOWS_RESERVED "windows-reserved-ipam-handle"

struct suspicion {
	char *key;
	int64_t since;
	bool confirmed;
};

struct suspicions {
	struct suspicion *v; /* in order of key, once complete */
	size_t n;
};

struct ipam_collector {
	struct ipam_collect_config config;
	struct suspicions old;
	struct suspicions new;
	const struct ipam_audit *audit; /* of the step */
	int64_t now;
	struct ipam_request *requests;
	char **texts; /* that the requests borrow */
	size_t n_requests;
	size_t n_texts;
	size_t n_suspects;
};

static void clear_suspicions(struct suspicions *suspicions)
{
	for (size_t i = 0; i < suspicions->n; i++)
		free(suspicions->v[i].key);
	free(suspicions->v);
	*suspicions = (struct suspicions){.v = NULL};
}

static void clear_requests(struct ipam_collector *collector)
{
	for (size_t i = 0; i < collector->n_texts; i++)
		free(collector->texts[i]);
	free(collector->texts);
	free(collector->requests);
	collector->texts = NULL;
	collector->n_texts = 0;
	collector->requests = NULL;
	collector->n_requests = 0;
}

struct ipam_collector *ipam_collector_new(const struct ipam_collect_config *config)
{
	struct ipam_collector *collector = XNEW(struct ipam_collector);

	collector->config = *config;
	return collector;
}

struct ipam_collector *ipam_collector_free(struct ipam_collector *collector)
{
	if (!collector)
		return NULL;
	clear_suspicions(&collector->old);
	clear_suspicions(&collector->new);
	clear_requests(collector);
	free(collector);
	return NULL;
}

/* --- Suspicions ------------------------------------------------------------------------------ */

static int compare_suspicions(const void *a, const void *b)
{
	const struct suspicion *left = a;
	const struct suspicion *right = b;

	return strcmp(left->key, right->key);
}

/*
 * Notes the suspicion; takes 'key'. 'age_from' is when the thing came to be, 0: not known. True:
 * it was there before and has the age.
 */
static bool suspect(struct ipam_collector *collector, char *key, int64_t age_from)
{
	struct suspicion *suspicion = ARRAY_ADD(collector->new.v, collector->new.n);
	struct suspicion wanted = {.key = key};
	const struct suspicion *before =
		collector->old.n ? bsearch(&wanted, collector->old.v, collector->old.n,
					   sizeof(wanted), compare_suspicions)
				 : NULL;

	suspicion->key = key;
	suspicion->since = before ? before->since : collector->now;
	if (collector->config.by_assignment)
		suspicion->since = age_from;
	suspicion->confirmed =
		before && collector->now - suspicion->since >= collector->config.grace;
	collector->n_suspects += !suspicion->confirmed;
	return suspicion->confirmed;
}

/* --- Requests -------------------------------------------------------------------------------- */

static struct ipam_request *ask(struct ipam_collector *collector, enum ipam_request_type type)
{
	struct ipam_request *request = ARRAY_ADD(collector->requests, collector->n_requests);

	request->type = type;
	request->now = collector->now;
	return request;
}

/* A copy that lives as long as the requests. */
static const char *keep(struct ipam_collector *collector, const char *text)
{
	char **at = ARRAY_ADD(collector->texts, collector->n_texts);

	*at = xstrdup(text);
	return *at;
}

/* --- Addresses ------------------------------------------------------------------------------- */

static bool is_leaked(const struct ipam_audit *audit, const struct ipam_allocation *allocation)
{
	if (allocation->handle && strcmp(allocation->handle, WINDOWS_RESERVED) == 0)
		return false;
	switch (allocation->holder) {
	case IPAM_HOLDER_POD:
		return allocation->n_users == 0;
	case IPAM_HOLDER_TUNNEL:
	case IPAM_HOLDER_RESERVE:
		return !ipam_audit_has_node(audit, allocation->node);
	case IPAM_HOLDER_OTHER:
	case IPAM_HOLDER_COOLING:
		break;
	}
	return false;
}

static bool suspect_address(struct ipam_collector *collector,
			    const struct ipam_allocation *allocation)
{
	const char *timestamp = str_map_find(allocation->attrs, "timestamp");
	int64_t time = 0;

	if (timestamp && parse_time(timestamp, &time, NULL) != 0)
		time = collector->now;
	return suspect(collector,
		       xasprintf("address %s %" PRIu64 " %s", ip_format(&allocation->addr).s,
				 allocation->sequence,
				 allocation->handle ? allocation->handle : ""),
		       time);
}

static void release_address(struct ipam_collector *collector,
			    const struct ipam_allocation *allocation)
{
	struct ipam_request *request = ask(collector, IPAM_RELEASE_ADDRESS);

	request->addr = allocation->addr;
	request->has_sequence = true;
	request->sequence = allocation->sequence;
	if (allocation->handle)
		request->handle = keep(collector, allocation->handle);
}

static int compare_by_handle(const void *a, const void *b)
{
	const struct ipam_allocation *const *left = a;
	const struct ipam_allocation *const *right = b;

	return strcmp((*left)->handle ? (*left)->handle : "",
		      (*right)->handle ? (*right)->handle : "");
}

/* All addresses of one handle, or one address without: all are released, or none. */
static void collect_group(struct ipam_collector *collector, const struct ipam_allocation *const *v,
			  size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all = all && is_leaked(collector->audit, v[i]);
	for (size_t i = 0; i < n; i++) {
		if (is_leaked(collector->audit, v[i]))
			all = suspect_address(collector, v[i]) && all;
	}
	for (size_t i = 0; i < n && all; i++)
		release_address(collector, v[i]);
}

static void collect_addresses(struct ipam_collector *collector)
{
	const struct ipam_audit *audit = collector->audit;
	_cleanup_free_ const struct ipam_allocation **v =
		xcalloc(audit->n_allocations + 1, sizeof(*v));
	size_t n = audit->n_allocations;

	for (size_t i = 0; i < n; i++)
		v[i] = &audit->allocations[i];
	if (n > 1)
		qsort(v, n, sizeof(const struct ipam_allocation *), compare_by_handle);
	for (size_t i = 0; i < n;) {
		size_t end = i + 1;

		while (end < n && v[i]->handle && v[end]->handle &&
		       strcmp(v[i]->handle, v[end]->handle) == 0)
			end++;
		collect_group(collector, v + i, end - i);
		i = end;
	}
}

/* --- Handles --------------------------------------------------------------------------------- */

static void collect_handles(struct ipam_collector *collector)
{
	for (size_t i = 0; i < collector->audit->n_handles; i++) {
		const struct ipam_handle_count *handle = &collector->audit->handles[i];

		if (handle->state == IPAM_HANDLE_GOOD)
			continue;
		/* A handle is written before its block, so one that changes is only under way. */
		if (!suspect(collector,
			     xasprintf("handle %" PRIu64 " %u %s", handle->revision, handle->n,
				       handle->name),
			     0))
			continue;
		ask(collector, IPAM_REPAIR_HANDLE)->handle = keep(collector, handle->name);
	}
}

/* --- Blocks ---------------------------------------------------------------------------------- */

static void sweep_block(struct ipam_collector *collector, const struct ipam_block *block)
{
	for (unsigned int i = 0; i < ipam_block_size(block); i++) {
		if (!ipam_block_released_at(block, i))
			continue;
		ask(collector, IPAM_SWEEP_BLOCK)->block = *ipam_block_cidr(block);
		return;
	}
}

/* The blocks of one host stand apart in the list, so each is compared with all: they are few. */
static bool has_other_block(const struct ipam_audit *audit, size_t index)
{
	const struct ipam_block *block = audit->blocks[index];
	const char *affinity = ipam_block_affinity(block);

	for (size_t i = 0; i < audit->n_blocks; i++) {
		const struct ipam_block *other = audit->blocks[i];

		if (i == index || !ipam_block_has_affinity(other, affinity) ||
		    ipam_block_cidr(other)->addr.family != ipam_block_cidr(block)->addr.family)
			continue;
		/* Of several empty ones the first stays. */
		if (!ipam_block_is_empty(other) || i < index)
			return true;
	}
	return false;
}

static void collect_blocks(struct ipam_collector *collector)
{
	const struct ipam_audit *audit = collector->audit;

	for (size_t i = 0; i < audit->n_blocks; i++) {
		const struct ipam_block *block = audit->blocks[i];
		const char *affinity = ipam_block_affinity(block);
		struct ipam_request *request;

		sweep_block(collector, block);
		if (!affinity || strncmp(affinity, "host:", 5) != 0 ||
		    !ipam_block_is_empty(block) || !ipam_audit_has_node(audit, affinity + 5) ||
		    !has_other_block(audit, i))
			continue;
		if (!suspect(collector,
			     xasprintf("block %s %s", cidr_format(ipam_block_cidr(block)).s,
				       affinity),
			     ipam_block_claim_time(block)))
			continue;
		request = ask(collector, IPAM_RELEASE_AFFINITIES);
		request->host = keep(collector, affinity + 5);
		request->block = *ipam_block_cidr(block);
		request->must_be_empty = true;
	}
}

static bool has_addresses(const struct ipam_audit *audit, const char *node)
{
	for (size_t i = 0; i < audit->n_allocations; i++) {
		if (strcmp(audit->allocations[i].node, node) == 0 &&
		    audit->allocations[i].holder != IPAM_HOLDER_COOLING)
			return true;
	}
	return false;
}

/*
 * Blocks of a host that is gone. In use by itself they wait for their addresses to be collected;
 * what others have borrowed stays with them in a block that is nobody's.
 */
static void collect_hosts(struct ipam_collector *collector)
{
	const struct ipam_audit *audit = collector->audit;

	for (size_t i = 0; i < audit->n_hosts; i++) {
		struct ipam_request *request;

		if (ipam_audit_has_node(audit, audit->hosts[i]) ||
		    !suspect(collector, xasprintf("host %s", audit->hosts[i]), 0))
			continue;
		request = ask(collector, IPAM_RELEASE_AFFINITIES);
		request->host = keep(collector, audit->hosts[i]);
		request->must_be_empty = has_addresses(audit, audit->hosts[i]);
	}
}

void ipam_collector_step(struct ipam_collector *collector, const struct ipam_audit *audit,
			 int64_t now, struct ipam_collect_update *ret)
{
	clear_requests(collector);
	collector->audit = audit;
	collector->now = now;
	collector->n_suspects = 0;
	*ret = (struct ipam_collect_update){.requests = NULL};
	if (audit->n_corrupt) {
		clear_suspicions(&collector->old);
		ret->blocked = keep(collector, audit->corrupt[0]);
		return;
	}
	collect_addresses(collector);
	collect_handles(collector);
	collect_blocks(collector);
	collect_hosts(collector);
	clear_suspicions(&collector->old);
	collector->old = collector->new;
	collector->new = (struct suspicions){.v = NULL};
	if (collector->old.n > 1)
		qsort(collector->old.v, collector->old.n, sizeof(*collector->old.v),
		      compare_suspicions);
	collector->audit = NULL;
	ret->requests = collector->requests;
	ret->n_requests = collector->n_requests;
	ret->n_suspects = collector->n_suspects;
}
