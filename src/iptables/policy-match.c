/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Matches of a plain rule as options of iptables. An option has one prefix and fifteen ports:
 * several prefixes become a set by their content, more ports several rules. What iptables can't say
 * is refused, and the caller denies in its place.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "iptables/policy-internal.h"

#define PORT_SLOTS     15
#define WORDS_MAX      230  /* of a rule: the programs take 255, with the chain and the target */
#define TEXTS_MAX      1024 /* rules that one becomes */
#define ICMP_ANY       255  /* to iptables: every type */
#define IPPROTO_ICMP_4 1
#define IPPROTO_ICMP_6 58

/* --- Sets --------------------------------------------------------------------------------- */

static struct ip_set_name hold(struct policy_iptables *self, struct ipt_policy *policy,
			       const char *id, enum ip_set_type type, uint8_t family)
{
	struct ip_set_name name = ip_set_name(family, id);

	ip_sets_hold(self->sets, name.s, type, family);
	*ARRAY_ADD(policy->sets, policy->n_sets) = name;
	return name;
}

/* A set of these prefixes, shared by all rules that want the same. */
static struct ip_set_name hold_nets(struct policy_iptables *self, struct ipt_policy *policy,
				    const struct layout_match *match, uint8_t family)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *id = NULL;
	struct digest digest;
	struct ip_set_name name;

	for (size_t i = 0; i < match->n; i++)
		buf_addf(&text, "%s\n", cidr_format(&match->nets[i]).s);
	digest = digest_of(DIGEST_SHA224, text.data, text.size);
	id = xasprintf("x:%.22s", digest_base64url(&digest).s);
	name = hold(self, policy, id, IP_SET_NET, family);
	/* Each holder adds; they go all at once. */
	for (size_t i = 0; i < match->n; i++) {
		struct ip_set_member member = {.net = match->nets[i]};

		ip_sets_add(self->sets, name.s, &member);
	}
	return name;
}

/* --- Ports -------------------------------------------------------------------------------- */

static int compare_ranges(const void *a, const void *b)
{
	const struct port_range *x = a;
	const struct port_range *y = b;

	return (int)x->first - (int)y->first;
}

/* Lists for --dports: as many as it takes, apart from each other. */
static void port_lists(const struct layout_match *match, struct ipt_rules *lists)
{
	_cleanup_free_ struct port_range *v = xmemdup(match->ports, match->n * sizeof(*v));
	_cleanup_buf_ struct buf text = BUF_INIT;
	unsigned int slots = 0;

	qsort(v, match->n, sizeof(*v), compare_ranges);
	for (size_t i = 0; i < match->n;) {
		unsigned int first = v[i].first;
		unsigned int last = v[i].last;
		unsigned int needs;

		for (i++; i < match->n && v[i].first <= last + 1; i++)
			last = MAX(last, (unsigned int)v[i].last);
		needs = first == last ? 1 : 2;
		if (slots + needs > PORT_SLOTS) {
			ipt_rules_add(lists, "%s", buf_str(&text));
			buf_reset(&text);
			slots = 0;
		}
		slots += needs;
		buf_addf(&text, first == last ? "%s%u" : "%s%u:%u", text.size ? "," : "", first,
			 last);
	}
	ipt_rules_add(lists, "%s", buf_str(&text));
}

/* 'texts' times the lists. */
static void multiply(struct ipt_rules *texts, const struct ipt_rules *lists, const char *option)
{
	struct ipt_rules product = {.v = NULL};

	for (size_t i = 0; i < texts->n; i++)
		for (size_t k = 0; k < lists->n; k++)
			ipt_rules_add(&product, "%s -m multiport --%s %s", texts->v[i], option,
				      lists->v[k]);
	ipt_rules_deinit(texts);
	*texts = product;
}

static void append(struct ipt_rules *texts, const char *format, ...) PRINTF_LIKE(2, 3);
static void append(struct ipt_rules *texts, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	for (size_t i = 0; i < texts->n; i++)
		replace_str(&texts->v[i], xasprintf("%s %s", texts->v[i], text));
}

static int put_ports(struct ipt_rules *texts, const struct layout_match *match)
{
	_cleanup_(ipt_rules_deinitp) struct ipt_rules lists = {.v = NULL};
	const char *option = match->side == LAYOUT_SOURCE ? "sports" : "dports";

	port_lists(match, &lists);
	if (!match->negated && texts->n * lists.n > TEXTS_MAX)
		return -EOPNOTSUPP;
	if (!match->negated)
		multiply(texts, &lists, option);
	for (size_t i = 0; match->negated && i < lists.n; i++)
		append(texts, "-m multiport ! --%s %s", option, lists.v[i]);
	return 0;
}

/* --- The others --------------------------------------------------------------------------- */

/* There is one -p in a rule: a protocol that it must be says all of those it must not be. */
struct protocols {
	int16_t is; /* POLICY_ANY */
	int16_t is_not;
	bool never;
	bool unsayable;
};

static struct protocols protocols_of(const struct layout_rule *rule)
{
	struct protocols protocols = {.is = POLICY_ANY, .is_not = POLICY_ANY};

	for (size_t i = 0; i < rule->n; i++) {
		const struct layout_match *match = &rule->matches[i];
		int16_t *which = match->negated ? &protocols.is_not : &protocols.is;

		if (match->kind != LAYOUT_MATCH_PROTOCOL)
			continue;
		/* 0 is every protocol to iptables, and two of a kind are one too many. */
		protocols.unsayable = protocols.unsayable || match->a == 0 ||
				      (*which != POLICY_ANY && *which != match->a);
		*which = match->a;
	}
	protocols.never = protocols.is != POLICY_ANY && protocols.is == protocols.is_not;
	return protocols;
}

static int put_icmp(struct ipt_rules *texts, unsigned int f, const struct layout_match *match,
		    const struct protocols *protocols)
{
	const char *name = f == 0 ? "icmp" : "icmp6";
	const char *option = f == 0 ? "icmp-type" : "icmpv6-type";
	const char *not = match->negated ? "! " : "";

	if (match->a == ICMP_ANY || protocols->is != (f == 0 ? IPPROTO_ICMP_4 : IPPROTO_ICMP_6))
		return -EOPNOTSUPP;
	if (match->b == POLICY_ANY)
		append(texts, "-m %s %s--%s %d", name, not, option, match->a);
	else
		append(texts, "-m %s %s--%s %d/%d", name, not, option, match->a, match->b);
	return 0;
}

static void put_nets(struct policy_iptables *self, unsigned int f, struct ipt_policy *policy,
		     struct ipt_rules *texts, const struct layout_match *match, bool *used)
{
	const char *not = match->negated ? "! " : "";
	bool source = match->side == LAYOUT_SOURCE;
	struct ip_set_name set;

	if (match->n == 1 && !*used) {
		*used = true;
		append(texts, "%s-%c %s", not, source ? 's' : 'd', cidr_format(match->nets).s);
		return;
	}
	set = hold_nets(self, policy, match, family_of(f));
	append(texts, "-m set %s--match-set %s %s", not, set.s, source ? "src" : "dst");
}

static void put_set(struct policy_iptables *self, unsigned int f, struct ipt_policy *policy,
		    struct ipt_rules *texts, const struct layout_match *match)
{
	bool ports = match->kind == LAYOUT_MATCH_PORT_SET;
	const char *side = match->side == LAYOUT_SOURCE ? "src" : "dst";
	struct ip_set_name set =
		hold(self, policy, match->set.s, ports ? IP_SET_PORT : IP_SET_NET, family_of(f));

	append(texts, "-m set %s--match-set %s %s%s%s", match->negated ? "! " : "", set.s, side,
	       ports ? "," : "", ports ? side : "");
}

static size_t n_words(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

int ipt_matches(struct policy_iptables *self, unsigned int f, struct ipt_policy *policy,
		const struct layout_rule *rule, struct ipt_rules *texts)
{
	struct protocols protocols = protocols_of(rule);
	bool used[LAYOUT_SIDES_] = {false};
	int r = 0;

	if (protocols.unsayable)
		return -EOPNOTSUPP;
	if (protocols.never)
		return 0;
	ipt_rules_add(texts, "%s", "");
	if (protocols.is != POLICY_ANY)
		append(texts, "-p %d", protocols.is);
	else if (protocols.is_not != POLICY_ANY)
		append(texts, "! -p %d", protocols.is_not);
	for (size_t i = 0; r == 0 && i < rule->n; i++) {
		const struct layout_match *match = &rule->matches[i];

		switch (match->kind) {
		case LAYOUT_MATCH_PROTOCOL:
			break;
		case LAYOUT_MATCH_ICMP:
			r = put_icmp(texts, f, match, &protocols);
			break;
		case LAYOUT_MATCH_NETS:
			put_nets(self, f, policy, texts, match, &used[match->side]);
			break;
		case LAYOUT_MATCH_PORTS:
			r = put_ports(texts, match);
			break;
		case LAYOUT_MATCH_SET:
		case LAYOUT_MATCH_PORT_SET:
			put_set(self, f, policy, texts, match);
			break;
		}
	}
	/* All of them have as many words. */
	if (r == 0 && texts->n && n_words(texts->v[0]) > WORDS_MAX)
		r = -EOPNOTSUPP;
	if (r < 0)
		ipt_rules_deinit(texts);
	return r;
}
