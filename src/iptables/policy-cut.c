/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections of before: whether they are to be judged anew, and by what was told. A rule that
 * iptables can't say is judged as it was meant.
 */

#include "iptables/policy-internal.h"
#include "policy/policy-judge.h"
#include "policy/policy-match.h"

static const struct layout_rules *rules_of(const void *ctx, const char *key, uint8_t family,
					   enum policy_way way)
{
	const struct ipt_policy *policy = ipt_policy_find(ctx, key);

	return policy && ipt_policy_is_enforced(policy, way)
		       ? &policy->rules[family == AF_INET ? 0 : 1][way]
		       : NULL;
}

/* Those of staged ones are kept, though no chain is made of them. */
static const struct layout_rules *staged_rules_of(const void *ctx, const char *key, uint8_t family,
						  enum policy_way way)
{
	const struct ipt_policy *policy = ipt_policy_find(ctx, key);

	return policy && policy->applies[way] ? &policy->rules[family == AF_INET ? 0 : 1][way]
					      : NULL;
}

static bool set_has(const void *ctx, const char *id, const struct ip_set_member *member)
{
	const struct policy_iptables *self = ctx;

	return ip_sets_have(self->sets, ip_set_name(member->net.addr.family, id).s, member);
}

static bool set_has_addr(const void *ctx, const char *id, const struct ip_addr *addr)
{
	return set_has(ctx, id, &(struct ip_set_member){.net = cidr_host(addr)});
}

static bool set_has_port(const void *ctx, const char *id, const struct ip_addr *addr,
			 uint8_t protocol, uint16_t port)
{
	return set_has(ctx, id,
		       &(struct ip_set_member){
			       .net = cidr_host(addr), .protocol = protocol, .port = port});
}

static const struct judge_ops judge_ops = {
	.rules = rules_of,
	.staged_rules = staged_rules_of,
	.set_has_addr = set_has_addr,
	.set_has_port = set_has_port,
};

static struct policy_judge *judge_new(const struct policy_iptables *self)
{
	struct policy_judge *judge = policy_judge_new(&judge_ops, self);
	const struct ipt_endpoint *endpoint;

	for (endpoint = self->endpoints; endpoint; endpoint = endpoint->hh.next) {
		const struct layout_steps *steps[POLICY_WAYS_];

		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			steps[way] = &endpoint->steps[POLICY_STAGE_NORMAL][way];
		for (size_t i = 0;
		     endpoint->in_force && !endpoint->is_host && i < endpoint->n_addrs; i++)
			policy_judge_add(judge, &endpoint->addrs[i].addr, steps);
	}
	return judge;
}

void ipt_judge(const void *ctx, const struct packet *packets, size_t n, bool *denied)
{
	_cleanup_(policy_judge_freep) struct policy_judge *judge = judge_new(ctx);

	for (size_t i = 0; i < n; i++)
		denied[i] = policy_judge_denies(judge, &packets[i]);
}

void ipt_judge_staged(const void *ctx, struct judge_staged *asked, size_t n,
		      bool (*has)(const void *has_ctx, const char *key), const void *has_ctx)
{
	_cleanup_(policy_judge_freep) struct policy_judge *judge = judge_new(ctx);

	for (size_t i = 0; i < n; i++)
		policy_judge_staged(judge, &asked[i], has, has_ctx);
}

bool ipt_take_cut(void *ctx)
{
	struct policy_iptables *self = ctx;
	bool cut = self->enforces && (self->reopened || (self->cut && self->config.cut_denied));

	self->cut = false;
	self->reopened = false;
	return cut;
}
