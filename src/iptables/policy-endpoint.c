/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endpoints: a chain for each place a packet meets them, and the chains that find them by the name
 * of the interface, a tree of one letter behind what all names have in common.
 */

#include <linux/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/policy-internal.h"

#define LOG_MODULE "iptables"
#include "base/log.h"

#define VXLAN_PORT    4789
#define ANY_SUFFIX    "any-interface-at-all"
#define INTERFACE_MAX 15

struct place {
	bool is_host;
	enum policy_stage stage;
	enum policy_way way;
	enum ipt_table table;
	const char *dispatch;
	const char *prefix;
};

static const struct place places[] = {
	{false, POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS, IPT_FILTER, "cali-from-wl-dispatch",
	 "cali-fw-"},
	{false, POLICY_STAGE_NORMAL, POLICY_WAY_INGRESS, IPT_FILTER, "cali-to-wl-dispatch",
	 "cali-tw-"},
	{true, POLICY_STAGE_NORMAL, POLICY_WAY_INGRESS, IPT_FILTER, "cali-from-host-endpoint",
	 "cali-fh-"},
	{true, POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS, IPT_FILTER, "cali-to-host-endpoint",
	 "cali-th-"},
	{true, POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS, IPT_MANGLE, "cali-to-host-endpoint",
	 "cali-th-"},
	{true, POLICY_STAGE_FORWARD, POLICY_WAY_INGRESS, IPT_FILTER, "cali-from-hep-forward",
	 "cali-fhfw-"},
	{true, POLICY_STAGE_FORWARD, POLICY_WAY_EGRESS, IPT_FILTER, "cali-to-hep-forward",
	 "cali-thfw-"},
	{true, POLICY_STAGE_PRE_DNAT, POLICY_WAY_INGRESS, IPT_MANGLE, "cali-from-host-endpoint",
	 "cali-fh-"},
	{true, POLICY_STAGE_UNTRACKED, POLICY_WAY_INGRESS, IPT_RAW, "cali-from-host-endpoint",
	 "cali-fh-"},
	{true, POLICY_STAGE_UNTRACKED, POLICY_WAY_EGRESS, IPT_RAW, "cali-to-host-endpoint",
	 "cali-th-"},
};

/* A place is there as long as something leads to it. */
static bool is_used(const struct policy_iptables *self, const struct place *place)
{
	if (!place->is_host)
		return true;
	return place->stage == POLICY_STAGE_NORMAL ? self->has_hosts
						   : ipt_has_host_stage(self, place->stage);
}

/* --- The steps through an endpoint -------------------------------------------------------- */

struct render {
	struct policy_iptables *self;
	unsigned int f;
	const struct place *place;
	struct ipt_rules rules;
};

static void deny(struct render *render, const char *match, const char *letters, const char *id)
{
	bool may_answer = render->place->stage == POLICY_STAGE_NORMAL ||
			  render->place->stage == POLICY_STAGE_FORWARD;

	ipt_put_deny(render->self, &render->rules, may_answer ? render->place->table : IPT_RAW,
		     render->place->way, match, letters, id);
}

static bool is_ingress(const struct render *render)
{
	return render->place->way == POLICY_WAY_INGRESS;
}

static void return_accepted(struct render *render)
{
	if (render->place->stage == POLICY_STAGE_UNTRACKED)
		ipt_rules_add(&render->rules, "-m mark --mark " MARK_ACCEPT " -j CT --notrack");
	ipt_rules_add(&render->rules, "-m mark --mark " MARK_ACCEPT " -j RETURN");
}

/* Gives whether it can decide: a policy that nobody told denies. */
static bool add_policy(struct render *render, const char *key, bool in_tier)
{
	const struct ipt_policy *policy = ipt_policy_find(render->self, key);
	enum policy_way way = render->place->way;

	if (!policy) {
		if (in_tier)
			deny(render, "-m mark --mark " MARK_PASS_0,
			     is_ingress(render) ? "DPI" : "DPE", key);
		return in_tier;
	}
	if (!ipt_policy_is_enforced(policy, way))
		return false;
	if (!policy->rules[render->f][way].n)
		return true;
	if (!ipt_policy_is_in(render->self, policy, render->place->table, render->f, way)) {
		deny(render, "-m mark --mark " MARK_PASS_0, is_ingress(render) ? "DPI" : "DPE",
		     key);
		return true;
	}
	ipt_rules_add(&render->rules, "%s-j %s", in_tier ? "-m mark --mark " MARK_PASS_0 " " : "",
		      ipt_policy_chain(policy, way).s);
	return_accepted(render);
	return true;
}

static void add_steps(struct render *render, const struct layout_steps *steps)
{
	bool enforced = false;

	for (size_t i = 0; i < steps->n; i++) {
		const struct layout_step *step = &steps->v[i];

		switch (step->kind) {
		case LAYOUT_STEP_TIER:
			enforced = false;
			ipt_rules_add(&render->rules, "-j MARK --set-xmark " MARK_PASS_0);
			break;
		case LAYOUT_STEP_POLICY:
			enforced = add_policy(render, step->name, /* in_tier= */ true) || enforced;
			break;
		case LAYOUT_STEP_TIER_END:
			if (enforced)
				deny(render, "-m mark --mark " MARK_PASS_0,
				     is_ingress(render) ? "DTI" : "DTE", step->name);
			break;
		case LAYOUT_STEP_PROFILE:
			(void)add_policy(render, step->name, /* in_tier= */ false);
			break;
		case LAYOUT_STEP_ALLOW:
			ipt_rules_add(&render->rules, "-j MARK --set-xmark " MARK_ACCEPT);
			ipt_rules_add(&render->rules, "-j RETURN");
			break;
		case LAYOUT_STEP_DENY:
			deny(render, "", is_ingress(render) ? "DRI" : "DRE", "no-profile");
			break;
		case LAYOUT_STEP_RETURN:
			break;
		}
	}
}

/* --- Chains of endpoints ------------------------------------------------------------------ */

/* 'reply': packets back from the port, where nothing keeps track of connections. */
static void add_failsafe(struct render *render, const struct failsafe *failsafe, bool reply)
{
	const struct cidr *net = &failsafe->net;
	_cleanup_free_ char *match = NULL;

	if (net->addr.family && net->addr.family != family_of(render->f))
		return;
	if (net->addr.family && net->len) {
		struct cidr masked = cidr_masked(net);

		match = xasprintf(" -%c %s", is_ingress(render) ? 's' : 'd',
				  cidr_format(&masked).s);
	}
	ipt_rules_add(&render->rules, "-p %u%s -m multiport --%s %u -j ACCEPT", failsafe->protocol,
		      match ? match : "", reply ? "sports" : "dports", failsafe->port);
}

static void add_failsafes(struct render *render)
{
	const struct ipt_config *config = &render->self->config;
	enum policy_way way = render->place->way;
	enum policy_way back = is_ingress(render) ? POLICY_WAY_EGRESS : POLICY_WAY_INGRESS;

	for (size_t i = 0; i < config->n_failsafes[way]; i++)
		add_failsafe(render, &config->failsafes[way][i], /* reply= */ false);
	for (size_t i = 0;
	     render->place->stage == POLICY_STAGE_UNTRACKED && i < config->n_failsafes[back]; i++)
		add_failsafe(render, &config->failsafes[back][i], /* reply= */ true);
}

/* What goes on to others' rules has the mark, as what a policy allows. */
static void allow_connections(struct render *render)
{
	static const char match[] = "-m conntrack --ctstate RELATED,ESTABLISHED";
	const char *target = ipt_allow(&render->self->config, render->place->table);

	if (strcmp(target, "RETURN") == 0)
		ipt_rules_add(&render->rules, "%s -j MARK --set-xmark " MARK_ACCEPT, match);
	ipt_rules_add(&render->rules, "%s -j %s", match, target);
}

static void add_preamble(struct render *render)
{
	const struct ipt_config *config = &render->self->config;
	const struct place *place = render->place;

	if (place->stage == POLICY_STAGE_NORMAL || place->stage == POLICY_STAGE_FORWARD) {
		allow_connections(render);
		if (config->drop_invalid)
			ipt_rules_add(&render->rules, "-m conntrack --ctstate INVALID -j DROP");
		/* See nft/policy-endpoint.c: what was cut would be taken up the other way round. */
		if (config->cut_denied && !place->is_host)
			ipt_rules_add(&render->rules, "-p tcp -m conntrack --ctstate NEW -m tcp "
						      "! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP");
	}
	if (place->is_host && place->stage != POLICY_STAGE_FORWARD)
		add_failsafes(render);
	ipt_rules_add(&render->rules, "-j MARK --set-xmark " MARK_BOTH_0);
	if (place->is_host || place->way != POLICY_WAY_EGRESS)
		return;
	if (!config->workloads_may_send_vxlan)
		ipt_rules_add(&render->rules, "-p udp -m multiport --dports %d -j DROP",
			      config->vxlan_port ? config->vxlan_port : VXLAN_PORT);
	if (!config->workloads_may_send_ipip)
		ipt_rules_add(&render->rules, "-p 4 -j DROP");
}

static bool is_any_host(const struct ipt_endpoint *endpoint)
{
	return endpoint->is_host && strcmp(endpoint->interface, HOST_ANY) == 0;
}

static struct ipt_name endpoint_chain(const struct place *place,
				      const struct ipt_endpoint *endpoint)
{
	return ipt_chain_name(place->prefix,
			      is_any_host(endpoint) ? ANY_SUFFIX : endpoint->interface);
}

static void render_endpoint(struct policy_iptables *self, const struct ipt_endpoint *endpoint,
			    const struct place *place, unsigned int f)
{
	struct render render = {.self = self, .f = f, .place = place};

	add_preamble(&render);
	add_steps(&render, &endpoint->steps[place->stage][place->way]);
	chain_table_want(self->tables[f][place->table], endpoint_chain(place, endpoint).s,
			 &render.rules);
}

/* --- Dispatch ----------------------------------------------------------------------------- */

/* Those in force at a place, by name; the one for all interfaces is apart. */
struct dispatch {
	const struct place *place;
	const struct ipt_endpoint **v;
	size_t n;
	const struct ipt_endpoint *any;
	size_t common; /* letters that all names begin with */
};

static char option_of(const struct place *place)
{
	/* What comes from a workload is its egress, what comes to a host its ingress. */
	return place->is_host == (place->way == POLICY_WAY_INGRESS) ? 'i' : 'o';
}

static void add_leaf(const struct dispatch *dispatch, const struct ipt_endpoint *endpoint,
		     struct ipt_rules *rules)
{
	ipt_rules_add(rules, "-%c %s -g %s", option_of(dispatch->place), endpoint->interface,
		      endpoint_chain(dispatch->place, endpoint).s);
}

/* An interface of workloads that nobody told is denied. */
static void add_end(const struct dispatch *dispatch, struct ipt_rules *rules)
{
	if (!dispatch->place->is_host)
		ipt_rules_add(rules, "-j DROP");
	else if (dispatch->any && dispatch->place->stage != POLICY_STAGE_UNTRACKED)
		ipt_rules_add(rules, "-g %s", endpoint_chain(dispatch->place, dispatch->any).s);
}

static void add_branch(struct policy_iptables *self, unsigned int f,
		       const struct dispatch *dispatch, size_t from, size_t to,
		       struct ipt_rules *root)
{
	struct ipt_rules rules = {.v = NULL};
	_cleanup_free_ char *prefix = xasprintf("%s-", dispatch->place->dispatch);
	const char *first = dispatch->v[from]->interface;
	char letter[2] = {first[dispatch->common], '\0'};
	struct ipt_name name = ipt_chain_name(prefix, letter);

	for (size_t i = from; i < to; i++)
		add_leaf(dispatch, dispatch->v[i], &rules);
	add_end(dispatch, &rules);
	ipt_rules_add(root, "-%c %.*s+ -g %s", option_of(dispatch->place),
		      (int)dispatch->common + 1, first, name.s);
	chain_table_want(self->tables[f][dispatch->place->table], name.s, &rules);
}

static void render_dispatch(struct policy_iptables *self, unsigned int f,
			    const struct dispatch *dispatch)
{
	struct ipt_rules rules = {.v = NULL};

	for (size_t i = 0; i < dispatch->n;) {
		char letter = dispatch->v[i]->interface[dispatch->common];
		size_t from = i++;

		while (i < dispatch->n && letter &&
		       dispatch->v[i]->interface[dispatch->common] == letter)
			i++;
		if (i - from == 1)
			add_leaf(dispatch, dispatch->v[from], &rules);
		else
			add_branch(self, f, dispatch, from, i, &rules);
	}
	add_end(dispatch, &rules);
	chain_table_want(self->tables[f][dispatch->place->table], dispatch->place->dispatch,
			 &rules);
}

static int compare_interfaces(const void *a, const void *b)
{
	const struct ipt_endpoint *const *x = a;
	const struct ipt_endpoint *const *y = b;

	return strcmp((*x)->interface, (*y)->interface);
}

static size_t common_letters(const struct dispatch *dispatch)
{
	const char *first = dispatch->n ? dispatch->v[0]->interface : "";
	const char *last = dispatch->n ? dispatch->v[dispatch->n - 1]->interface : "";
	size_t n = 0;

	while (first[n] && first[n] == last[n])
		n++;
	return dispatch->n > 1 ? n : 0;
}

static void render_place(struct policy_iptables *self, const struct place *place)
{
	struct dispatch dispatch = {.place = place};
	struct ipt_endpoint *endpoint;
	struct ipt_endpoint *next;

	HASH_ITER(hh, self->endpoints, endpoint, next)
	{
		if (!endpoint->in_force || endpoint->is_host != place->is_host)
			continue;
		for (unsigned int f = 0; f < FAMILIES; f++)
			if (!is_any_host(endpoint) || place->stage != POLICY_STAGE_UNTRACKED)
				render_endpoint(self, endpoint, place, f);
		if (is_any_host(endpoint))
			dispatch.any = endpoint;
		else
			*ARRAY_ADD(dispatch.v, dispatch.n) = endpoint;
	}
	if (dispatch.n)
		qsort(dispatch.v, dispatch.n, sizeof(*dispatch.v), compare_interfaces);
	dispatch.common = common_letters(&dispatch);
	for (unsigned int f = 0; f < FAMILIES; f++)
		render_dispatch(self, f, &dispatch);
	free(dispatch.v);
}

void ipt_endpoints_render(struct policy_iptables *self)
{
	/* First none, because two places may have one name in different tables. */
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		for (unsigned int f = 0; f < FAMILIES; f++) {
			struct chain_table *table = self->tables[f][places[i].table];

			chain_table_unwant_all(table, places[i].prefix);
			chain_table_unwant_all(table, places[i].dispatch);
		}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (is_used(self, &places[i]))
			render_place(self, &places[i]);
}

/* --- Who is in force ---------------------------------------------------------------------- */

/* An interface whose name can be an option's argument, and means itself alone. */
static bool is_sayable(const char *interface)
{
	size_t n = strlen(interface);

	return n > 0 && n <= INTERFACE_MAX && interface[0] != '-' &&
	       interface[strspn(interface, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_.-:@=~#%")] == '\0';
}

bool ipt_has_host_stage(const struct policy_iptables *self, enum policy_stage stage)
{
	const struct ipt_endpoint *endpoint;

	for (endpoint = self->endpoints; endpoint; endpoint = endpoint->hh.next)
		if (endpoint->is_host && endpoint->in_force && endpoint->has_tiers[stage])
			return true;
	return false;
}

static void set_sources(struct policy_iptables *self, struct ipt_endpoint *endpoint, bool add)
{
	if (endpoint->is_host || endpoint->has_source == add)
		return;
	endpoint->has_source = add;
	for (size_t i = 0; i < endpoint->n_addrs; i++) {
		struct ip_set_member member = {.net = endpoint->addrs[i]};
		struct ip_set_name set =
			ip_set_name(endpoint->addrs[i].addr.family, SET_WORKLOAD_SOURCES);

		memcpy(member.interface, endpoint->interface,
		       strnlen(endpoint->interface, sizeof(member.interface) - 1));
		if (add)
			ip_sets_add(self->sets, set.s, &member);
		else
			ip_sets_remove(self->sets, set.s, &member);
	}
}

static int compare_told(const void *a, const void *b)
{
	const struct ipt_endpoint *const *x = a;
	const struct ipt_endpoint *const *y = b;
	int r = compare_interfaces(a, b);

	if (r == 0)
		r = (int)(*x)->is_host - (int)(*y)->is_host;
	if (r == 0) /* the newest first */
		r = (*x)->told < (*y)->told ? 1 : -1;
	return r;
}

void ipt_endpoints_choose(struct policy_iptables *self)
{
	struct ipt_endpoint **v = NULL;
	struct ipt_endpoint *endpoint;
	struct ipt_endpoint *next;
	size_t n = 0;
	bool had_hosts = self->has_hosts;

	self->has_hosts = false;
	HASH_ITER(hh, self->endpoints, endpoint, next)
	{
		endpoint->in_force = false;
		if (is_any_host(endpoint) || is_sayable(endpoint->interface))
			*ARRAY_ADD(v, n) = endpoint;
	}
	if (n)
		qsort(v, n, sizeof(struct ipt_endpoint *), compare_told);
	for (size_t i = 0; i < n; i++) {
		v[i]->in_force = i == 0 || v[i]->is_host != v[i - 1]->is_host ||
				 strcmp(v[i]->interface, v[i - 1]->interface) != 0;
		self->has_hosts = self->has_hosts || (v[i]->is_host && v[i]->in_force);
	}
	HASH_ITER(hh, self->endpoints, endpoint, next)
	set_sources(self, endpoint, endpoint->in_force);
	free(v);
	if (had_hosts != self->has_hosts)
		ipt_policies_render(self);
}

/* --- As told ------------------------------------------------------------------------------ */

static void drop_content(struct policy_iptables *self, struct ipt_endpoint *endpoint)
{
	set_sources(self, endpoint, /* add= */ false);
	for (size_t i = 0; !endpoint->is_host && i < endpoint->n_addrs; i++)
		*ARRAY_ADD(self->flush, self->n_flush) = endpoint->addrs[i].addr;
	for (unsigned int s = 0; s < POLICY_STAGES_; s++)
		for (unsigned int w = 0; w < POLICY_WAYS_; w++)
			layout_steps_deinit(&endpoint->steps[s][w]);
	free(endpoint->interface);
	free(endpoint->addrs);
	free(endpoint->spoofable);
}

static void take_content(struct ipt_endpoint *endpoint, const struct policy_endpoint *told)
{
	endpoint->is_host = told->is_host;
	endpoint->interface = xstrdup(told->interface ? told->interface : "");
	endpoint->addrs = xmemdup(told->addrs, told->n_addrs * sizeof(*told->addrs));
	endpoint->n_addrs = told->n_addrs;
	endpoint->spoofable =
		xmemdup(told->spoofable, told->n_spoofable * sizeof(*told->spoofable));
	endpoint->n_spoofable = told->n_spoofable;
	for (unsigned int s = 0; s < POLICY_STAGES_; s++) {
		endpoint->has_tiers[s] = told->tiers[s][0].n || told->tiers[s][1].n;
		for (unsigned int w = 0; w < POLICY_WAYS_; w++)
			layout_steps_init(&endpoint->steps[s][w], told, (enum policy_stage)s,
					  (enum policy_way)w);
	}
}

void ipt_endpoint_put(struct policy_iptables *self, const struct policy_endpoint *told)
{
	struct ipt_endpoint *endpoint;

	HASH_FIND_STR(self->endpoints, told->key, endpoint);
	if (endpoint) {
		drop_content(self, endpoint);
	} else {
		endpoint = XNEW(struct ipt_endpoint);
		endpoint->key = xstrdup(told->key);
		HASH_ADD_KEYPTR(hh, self->endpoints, endpoint->key, strlen(endpoint->key),
				endpoint);
	}
	take_content(endpoint, told);
	endpoint->told = ++self->n_told;
	self->dirty = true;
	if (endpoint->interface[0] && !is_any_host(endpoint) && !is_sayable(endpoint->interface))
		log_error("the name of an interface can't be said in iptables, and no policy acts "
			  "on it: use nftables",
			  "endpoint", endpoint->key, "interface", endpoint->interface);
}

static void free_endpoint(struct policy_iptables *self, struct ipt_endpoint *endpoint)
{
	drop_content(self, endpoint);
	HASH_DEL(self->endpoints, endpoint);
	free(endpoint->key);
	free(endpoint);
}

void ipt_endpoint_remove(struct policy_iptables *self, const char *key)
{
	struct ipt_endpoint *endpoint;

	HASH_FIND_STR(self->endpoints, key, endpoint);
	if (!endpoint)
		return;
	free_endpoint(self, endpoint);
	self->dirty = true;
}

void ipt_endpoints_deinit(struct policy_iptables *self)
{
	struct ipt_endpoint *endpoint;
	struct ipt_endpoint *next;

	HASH_ITER(hh, self->endpoints, endpoint, next)
	free_endpoint(self, endpoint);
}
