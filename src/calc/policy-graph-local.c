/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The endpoints of this node: which policies select each, in which order, where they act. What was
 * told of one is kept as text; it is told again when the text differs. The rules in a policy are no
 * part of it: they have an update of their own.
 */

#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "calc/policy-graph-internal.h"

static void clear_strings(char ***v, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*v)[i]);
	free(*v);
	*v = NULL;
	*n = 0;
}

static void clear_fields(struct graph_local *local)
{
	clear_strings(&local->profiles, &local->n_profiles);
	free(local->interface);
	free(local->addrs);
	free(local->spoofable);
	local->interface = NULL;
	local->addrs = NULL;
	local->n_addrs = 0;
	local->spoofable = NULL;
	local->n_spoofable = 0;
}

void graph_local_free(struct policy_graph *graph, struct graph_local *local)
{
	DL_DELETE(graph->local_list, local);
	clear_fields(local);
	free(local->matches);
	free(local->used);
	free(local->emitted);
	free(local->key);
	free(local);
}

void graph_mark_local(struct policy_graph *graph, struct graph_local *local)
{
	if (local->dirty)
		return;
	local->dirty = true;
	local->next_dirty = graph->dirty_locals;
	graph->dirty_locals = local;
}

void graph_mark_all_locals(struct policy_graph *graph)
{
	struct graph_local *local;

	DL_FOREACH(graph->local_list, local)
	{
		graph_mark_local(graph, local);
	}
}

/* --- Put and remove --------------------------------------------------------------------------- */

static struct graph_local *get_local(struct policy_graph *graph, const char *key)
{
	struct graph_local *local;

	DL_FOREACH(graph->local_list, local)
	{
		if (strcmp(local->key, key) == 0)
			return local;
	}
	local = XNEW(struct graph_local);
	local->key = xstrdup(key);
	DL_APPEND(graph->local_list, local);
	return local;
}

static void read_spoofable(struct graph_local *local, const struct str_list *list)
{
	struct cidr cidr;

	/* A prefix that can't be read allows nothing. */
	for (size_t i = 0; list && i < list->n; i++) {
		if (cidr_parse(list->v[i] ? list->v[i] : "", &cidr, NULL) == 0)
			*ARRAY_ADD(local->spoofable, local->n_spoofable) = cidr_masked(&cidr);
	}
}

struct graph_local *graph_put_local(struct policy_graph *graph, struct graph_local *local,
				    const char *key, const struct local_fields *fields)
{
	if (!local)
		local = get_local(graph, key);
	clear_fields(local);
	local->exists = true;
	local->is_host = fields->is_host;
	local->interface = xstrdup(fields->interface);
	for (size_t i = 0; i < fields->n_addrs; i++)
		*ARRAY_ADD(local->addrs, local->n_addrs) = fields->addrs[i].net;
	read_spoofable(local, fields->spoofable);
	for (size_t i = 0; i < fields->profiles->n; i++)
		*ARRAY_ADD(local->profiles, local->n_profiles) = xstrdup(fields->profiles->v[i]);
	graph_mark_local(graph, local);
	return local;
}

void graph_remove_local(struct policy_graph *graph, struct graph_local *local)
{
	label_index_remove(graph->locals, &local->label);
	clear_fields(local);
	local->exists = false;
	graph_mark_local(graph, local);
}

/* --- Describing ------------------------------------------------------------------------------- */

static bool acts_at(const struct graph_local *local, const struct compiled_policy *policy,
		    enum policy_stage stage, enum policy_way way)
{
	bool plain = !policy->do_not_track && !policy->pre_dnat;

	if (!policy->applies[way])
		return false;
	switch (stage) {
	case POLICY_STAGE_NORMAL:
		return plain;
	case POLICY_STAGE_FORWARD:
		return local->is_host && plain && policy->apply_on_forward;
	case POLICY_STAGE_PRE_DNAT:
		return local->is_host && policy->pre_dnat && !policy->do_not_track &&
		       way == POLICY_WAY_INGRESS;
	case POLICY_STAGE_UNTRACKED:
		/* All interfaces at once have no untracked policy. */
		return local->is_host && policy->do_not_track &&
		       !(local->interface && strcmp(local->interface, "*") == 0);
	case POLICY_STAGES_:
		break;
	}
	return false;
}

/* Room for the policies that act there, and for their tiers; 'policies' are sorted. */
static void reserve_tiers(struct policy_graph *graph, const struct graph_local *local,
			  struct graph_policy *const *policies, size_t n, enum policy_stage stage,
			  enum policy_way way, struct endpoint_tier **ret_tiers,
			  const struct compiled_policy ***ret_list)
{
	const struct graph_tier *last = NULL;
	size_t n_tiers = 0;
	size_t n_list = 0;

	for (size_t i = 0; i < n; i++) {
		if (!acts_at(local, policies[i]->compiled, stage, way))
			continue;
		n_list++;
		n_tiers += policies[i]->tier != last;
		last = policies[i]->tier;
	}
	*ret_tiers = answer_alloc(&graph->answer, n_tiers, sizeof(**ret_tiers));
	*ret_list = answer_alloc(&graph->answer, n_list, sizeof(const void *));
}

static struct endpoint_tiers describe_tiers(struct policy_graph *graph,
					    const struct graph_local *local,
					    struct graph_policy *const *policies, size_t n,
					    enum policy_stage stage, enum policy_way way)
{
	const struct compiled_policy **list;
	const struct graph_tier *last = NULL;
	struct endpoint_tier *tiers;
	size_t n_tiers = 0;
	size_t n_list = 0;

	reserve_tiers(graph, local, policies, n, stage, way, &tiers, &list);
	for (size_t i = 0; i < n; i++) {
		const struct compiled_policy *policy = policies[i]->compiled;

		if (!acts_at(local, policy, stage, way))
			continue;
		if (policies[i]->tier != last) {
			last = policies[i]->tier;
			tiers[n_tiers++] = (struct endpoint_tier){
				.name = answer_strdup(&graph->answer, last->name),
				.pass = last->pass,
				.policies = &list[n_list],
			};
		}
		list[n_list++] = policy;
		tiers[n_tiers - 1].n_policies++;
		if (!policy->staged)
			tiers[n_tiers - 1].enforced = true;
	}
	return (struct endpoint_tiers){.v = tiers, .n = n_tiers};
}

static void *copy_to_answer(struct policy_graph *graph, const void *v, size_t n, size_t size)
{
	void *copy = answer_alloc(&graph->answer, n, size);

	if (n)
		memcpy(copy, v, n * size);
	return copy;
}

void graph_describe_local(struct policy_graph *graph, const struct graph_local *local,
			  struct graph_policy **matches, size_t n_matches,
			  struct policy_endpoint *ret)
{
	const struct compiled_policy **profiles =
		answer_alloc(&graph->answer, local->n_profiles, sizeof(const void *));

	if (n_matches > 1)
		qsort(matches, n_matches, sizeof(struct graph_policy *), graph_compare_policies);
	*ret = (struct policy_endpoint){
		.key = answer_strdup(&graph->answer, local->key),
		.is_host = local->is_host,
		.interface = answer_strdup(&graph->answer, local->interface),
		.addrs = copy_to_answer(graph, local->addrs, local->n_addrs, sizeof(struct cidr)),
		.n_addrs = local->n_addrs,
		.spoofable = copy_to_answer(graph, local->spoofable, local->n_spoofable,
					    sizeof(struct cidr)),
		.n_spoofable = local->n_spoofable,
		.profiles = profiles,
		.n_profiles = local->n_profiles,
	};
	for (size_t i = 0; i < local->n_profiles; i++)
		profiles[i] = graph_get_profile(graph, local->profiles[i])->compiled;
	for (unsigned int stage = 0; stage < POLICY_STAGES_; stage++) {
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			ret->tiers[stage][way] =
				describe_tiers(graph, local, matches, n_matches, stage, way);
	}
}

/* --- As text ---------------------------------------------------------------------------------- */

/* With its length, so that no two endpoints have the same text whatever is in the names. */
static void write_name(const char *name, struct buf *out)
{
	if (name)
		buf_addf(out, " %zu:%s", strlen(name), name);
	else
		buf_adds(out, " -");
}

static void write_cidrs(const struct cidr *v, size_t n, struct buf *out)
{
	buf_addf(out, "\n%zu", n);
	for (size_t i = 0; i < n; i++)
		buf_addf(out, " %s", cidr_format(&v[i]).s);
}

static void write_tiers(const struct endpoint_tiers *tiers, struct buf *out)
{
	buf_addf(out, "\n%zu", tiers->n);
	for (size_t i = 0; i < tiers->n; i++) {
		const struct endpoint_tier *tier = &tiers->v[i];

		write_name(tier->name, out);
		buf_addf(out, " %d %d %zu", tier->pass, tier->enforced, tier->n_policies);
		for (size_t j = 0; j < tier->n_policies; j++)
			write_name(tier->policies[j]->key, out);
	}
}

static char *write_endpoint(const struct policy_endpoint *endpoint)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	buf_adds(&out, endpoint->is_host ? "host" : "workload");
	write_name(endpoint->interface, &out);
	write_cidrs(endpoint->addrs, endpoint->n_addrs, &out);
	write_cidrs(endpoint->spoofable, endpoint->n_spoofable, &out);
	for (unsigned int stage = 0; stage < POLICY_STAGES_; stage++) {
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			write_tiers(&endpoint->tiers[stage][way], &out);
	}
	buf_addc(&out, '\n');
	for (size_t i = 0; i < endpoint->n_profiles; i++)
		write_name(endpoint->profiles[i]->key, &out);
	return buf_take(&out);
}

/* --- Flush ------------------------------------------------------------------------------------ */

static bool acts_anywhere(const struct graph_local *local, const struct compiled_policy *policy)
{
	for (unsigned int stage = 0; stage < POLICY_STAGES_; stage++) {
		for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
			if (acts_at(local, policy, stage, way))
				return true;
		}
	}
	return false;
}

/* Those that stay in use are counted anew before they are counted off, so none comes and goes. */
static void count_uses(struct policy_graph *graph, struct graph_local *local)
{
	struct graph_policy **old = local->used;
	size_t n_old = local->n_used;

	local->used = NULL;
	local->n_used = 0;
	for (size_t i = 0; local->exists && i < local->n_matches; i++) {
		if (acts_anywhere(local, local->matches[i]->compiled))
			*ARRAY_ADD(local->used, local->n_used) = local->matches[i];
	}
	for (size_t i = 0; i < local->n_profiles; i++)
		*ARRAY_ADD(local->used, local->n_used) =
			graph_get_profile(graph, local->profiles[i]);
	for (size_t i = 0; i < local->n_used; i++)
		graph_use_policy(graph, local->used[i]);
	for (size_t i = 0; i < n_old; i++)
		graph_unuse_policy(graph, old[i]);
	free(old);
}

static void flush_local(struct policy_graph *graph, struct graph_local *local,
			struct policy_update *update, const struct policy_endpoint **endpoints,
			const char **gone)
{
	struct policy_endpoint *endpoint;
	char *text;

	local->dirty = false;
	count_uses(graph, local);
	if (!local->exists) {
		if (local->emitted)
			gone[update->n_endpoints_gone++] =
				answer_strdup(&graph->answer, local->key);
		graph_local_free(graph, local);
		return;
	}
	endpoint = answer_alloc(&graph->answer, 1, sizeof(*endpoint));
	graph_describe_local(graph, local, local->matches, local->n_matches, endpoint);
	text = write_endpoint(endpoint);
	if (!local->emitted || strcmp(local->emitted, text) != 0)
		endpoints[update->n_endpoints++] = endpoint;
	replace_str(&local->emitted, text);
}

void graph_flush_locals(struct policy_graph *graph, struct policy_update *update)
{
	const struct policy_endpoint **endpoints;
	const char **gone;
	size_t n = 0;

	for (struct graph_local *local = graph->dirty_locals; local; local = local->next_dirty)
		n++;
	endpoints = answer_alloc(&graph->answer, n, sizeof(const void *));
	gone = answer_alloc(&graph->answer, n, sizeof(const void *));
	update->endpoints = endpoints;
	update->endpoints_gone = gone;
	while (graph->dirty_locals) {
		struct graph_local *local = graph->dirty_locals;

		graph->dirty_locals = local->next_dirty;
		flush_local(graph, local, update, endpoints, gone);
	}
}
