/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A compiled policy in words, a line a rule, with what its sets are made of instead of their ids:
 * for people who debug, and for tests that compare.
 */

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "policy/compiled-policy.h"

static void dump_set(const struct compiled_policy *policy, const struct policy_set_id *id,
		     struct buf *out)
{
	for (size_t i = 0; i < policy->n_sets; i++) {
		const struct policy_set *set = &policy->sets[i];

		if (strcmp(set->id.s, id->s) != 0)
			continue;
		if (set->service_name)
			buf_addf(out, "{service %s/%s}", set->service_namespace, set->service_name);
		else if (set->port_name)
			buf_addf(out, "{port %s/%u of %s}", set->port_name, set->protocol,
				 set->selector);
		else
			buf_addf(out, "{%s}", set->selector);
		return;
	}
	buf_addf(out, "{%s}", id->s);
}

static void dump_sets(const struct compiled_policy *policy, const char *title,
		      const struct policy_set_id *sets, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? " " : title);
		dump_set(policy, &sets[i], out);
	}
}

static void dump_nets(const char *title, const struct cidr *nets, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%s", i ? "," : title, cidr_format(&nets[i]).s);
}

static void dump_ranges(const char *title, const struct port_range *ranges, size_t n,
			struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s%u", i ? "," : title, ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			buf_addf(out, ":%u", ranges[i].last);
	}
}

static void dump_side(const struct compiled_policy *policy, const char *name,
		      const struct compiled_side *side, struct buf *out)
{
	size_t begin = out->size;

	dump_nets(" nets ", side->nets, side->n_nets, out);
	dump_nets(" not-nets ", side->not_nets, side->n_not_nets, out);
	dump_sets(policy, " in ", side->sets, side->n_sets, out);
	dump_sets(policy, " not-in ", side->not_sets, side->n_not_sets, out);
	dump_ranges(" ports ", side->ports, side->n_ports, out);
	dump_sets(policy, " ports ", side->port_sets, side->n_port_sets, out);
	dump_ranges(" not-ports ", side->not_ports, side->n_not_ports, out);
	dump_sets(policy, " not-ports ", side->not_port_sets, side->n_not_port_sets, out);
	if (side->service.s[0])
		dump_sets(policy, " at ", &side->service, 1, out);
	if (out->size > begin) {
		_cleanup_buf_ struct buf words = BUF_INIT;

		buf_adds(&words, out->data + begin);
		out->size = begin;
		buf_addf(out, "; %s%s", name, buf_str(&words));
	}
}

static void dump_number(const char *title, int number, struct buf *out)
{
	if (number != POLICY_ANY)
		buf_addf(out, " %s %d", title, number);
}

static const char *action_name(enum policy_action action)
{
	switch (action) {
	case POLICY_ACTION_ALLOW:
		return "allow";
	case POLICY_ACTION_DENY:
		return "deny";
	case POLICY_ACTION_PASS:
		return "pass";
	case POLICY_ACTION_LOG:
		return "log";
	}
	return "?";
}

void compiled_rule_dump(const struct compiled_policy *policy, const struct compiled_rule *rule,
			struct buf *out)
{
	buf_adds(out, action_name(rule->action));
	if (rule->unreadable) {
		buf_addf(out, " unreadable: %s", rule->why);
		return;
	}
	if (rule->family)
		buf_addf(out, " ipv%u", ip_version(rule->family));
	dump_number("protocol", rule->protocol, out);
	dump_number("not-protocol", rule->not_protocol, out);
	dump_number("icmp-type", rule->icmp_type, out);
	dump_number("icmp-code", rule->icmp_code, out);
	dump_number("not-icmp-type", rule->not_icmp_type, out);
	dump_number("not-icmp-code", rule->not_icmp_code, out);
	dump_side(policy, "from", &rule->source, out);
	dump_side(policy, "to", &rule->destination, out);
}

void compiled_policy_dump(const struct compiled_policy *policy, struct buf *out)
{
	static const char *const ways[] = {"ingress", "egress"};

	buf_addf(out, "%s tier %s order ", policy->key, policy->tier ? policy->tier : "-");
	if (isinf(policy->order))
		buf_adds(out, "last");
	else
		buf_addf(out, "%.17g", policy->order);
	buf_adds(out, policy->staged ? " staged" : "");
	buf_adds(out, policy->do_not_track ? " do-not-track" : "");
	buf_adds(out, policy->pre_dnat ? " pre-dnat" : "");
	buf_adds(out, policy->apply_on_forward ? " forward" : "");
	if (policy->selector)
		buf_addf(out, " selector %s", policy->selector);
	buf_addc(out, '\n');
	for (size_t k = 0; k < POLICY_WAYS_; k++) {
		if (!policy->applies[k])
			continue;
		buf_addf(out, " %s\n", ways[k]);
		for (size_t i = 0; i < policy->rules[k].n; i++) {
			buf_adds(out, "  ");
			compiled_rule_dump(policy, &policy->rules[k].v[i], out);
			buf_addc(out, '\n');
		}
	}
}
