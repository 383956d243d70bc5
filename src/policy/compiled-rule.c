/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A rule, from what a person writes to what a dataplane matches: selectors, named ports and
 * services become sets, which the policy lists once each; protocols become numbers. What can't be
 * said in the compiled form can't be understood, and the rule denies.
 */

#include "policy/compiled-rule.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"
#include "policy/policy-selector.h"

#define ICMP_TYPE_MAX 254
#define ICMP_CODE_MAX 255

/* What a rule is compiled for. */
struct place {
	struct compiled_policy *policy;
	enum policy_way way;
	const char *namespace; /* NULL: none */
	uint8_t protocol;      /* 0: any */
};

/* --- Sets ------------------------------------------------------------------------------------ */

void policy_set_clear(struct policy_set *set)
{
	free(set->selector);
	free(set->port_name);
	free(set->service_namespace);
	free(set->service_name);
}

static bool str_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool policy_set_equal(const struct policy_set *a, const struct policy_set *b)
{
	return strcmp(a->id.s, b->id.s) == 0 && a->type == b->type &&
	       str_equal(a->selector, b->selector) && str_equal(a->port_name, b->port_name) &&
	       a->protocol == b->protocol &&
	       str_equal(a->service_namespace, b->service_namespace) &&
	       str_equal(a->service_name, b->service_name);
}

/* The set of this id; a new one is for the caller to fill in, '*ret_new' tells. */
static struct policy_set *intern_set(struct compiled_policy *policy, struct policy_set_id id,
				     bool *ret_new)
{
	struct policy_set *set;

	*ret_new = false;
	for (size_t i = 0; i < policy->n_sets; i++)
		if (strcmp(policy->sets[i].id.s, id.s) == 0)
			return &policy->sets[i];
	set = ARRAY_ADD(policy->sets, policy->n_sets);
	set->id = id;
	*ret_new = true;
	return set;
}

/* "PREFIX:" and the digest of "PREFIX:CONTENT". */
static struct policy_set_id make_id(const char *prefix, const char *content)
{
	_cleanup_free_ char *seed = xasprintf("%s:%s", prefix, content);
	struct digest digest = digest_of(DIGEST_SHA224, seed, strlen(seed));
	struct policy_set_id id;

	(void)snprintf(id.s, sizeof(id.s), "%s:%s", prefix, digest_base64url(&digest).s);
	return id;
}

static struct policy_set_id selector_set(struct compiled_policy *policy,
					 const struct selector *selector)
{
	struct policy_set_id id = {""};
	struct policy_set *set;
	bool is_new;

	(void)snprintf(id.s, sizeof(id.s), "%s", selector_id(selector).s);
	set = intern_set(policy, id, &is_new);
	if (is_new) {
		set->type = POLICY_SET_TYPE_NET;
		set->selector = xstrdup(selector_text(selector));
	}
	return id;
}

static struct policy_set_id port_set(struct compiled_policy *policy,
				     const struct selector *selector, uint8_t protocol,
				     const char *port_name)
{
	const char *protocol_name = protocol == IPPROTO_UDP    ? "udp"
				    : protocol == IPPROTO_SCTP ? "sctp"
							       : "tcp";
	_cleanup_free_ char *content =
		xasprintf("%s,%s,%s", selector_id(selector).s, protocol_name, port_name);
	struct policy_set_id id = make_id("n", content);
	bool is_new;
	struct policy_set *set = intern_set(policy, id, &is_new);

	if (is_new) {
		set->type = POLICY_SET_TYPE_PORT;
		set->selector = xstrdup(selector_text(selector));
		set->port_name = xstrdup(port_name);
		set->protocol = protocol;
	}
	return id;
}

static struct policy_set_id service_set(struct compiled_policy *policy, const char *prefix,
					enum policy_set_type type, const char *namespace,
					const char *name)
{
	_cleanup_free_ char *content = xasprintf("%s/%s", namespace, name);
	struct policy_set_id id = make_id(prefix, content);
	bool is_new;
	struct policy_set *set = intern_set(policy, id, &is_new);

	if (is_new) {
		set->type = type;
		set->service_namespace = xstrdup(namespace);
		set->service_name = xstrdup(name);
	}
	return id;
}

/* Forgets sets that came after the first 'n'. */
static void cut_sets(struct compiled_policy *policy, size_t n)
{
	while (policy->n_sets > n)
		policy_set_clear(&policy->sets[--policy->n_sets]);
}

/* --- One side -------------------------------------------------------------------------------- */

static void side_clear(struct compiled_side *side)
{
	free(side->nets);
	free(side->not_nets);
	free(side->ports);
	free(side->not_ports);
	free(side->sets);
	free(side->not_sets);
	free(side->port_sets);
	free(side->not_port_sets);
}

static int compile_nets(const struct str_list *nets, const char *field, struct cidr **v, size_t *n,
			struct err *err)
{
	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;
		int r = cidr_parse(nets->v[i] ? nets->v[i] : "", &cidr, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", field, i);
		*ARRAY_ADD(*v, *n) = cidr_masked(&cidr);
	}
	return 0;
}

/* Where the ports of a list go to. */
struct port_target {
	struct port_range **ranges;
	size_t *n_ranges;
	struct policy_set_id **sets;
	size_t *n_sets;
};

/* Without a protocol a name is one of TCP, and a number is of none. */
static int compile_ports(const struct place *place, const struct int_or_string_list *ports,
			 const struct selector *peers, const char *field,
			 const struct port_target *to, struct err *err)
{
	uint8_t protocol = place->protocol ? place->protocol : IPPROTO_TCP;

	for (size_t i = 0; i < ports->n; i++) {
		const char *text = ports->v[i].s ? ports->v[i].s : "";
		struct port_range range = {0};
		int r = model_check_port(text, &range.first, &range.last, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", field, i);
		if ((r == 0 && !place->protocol) ||
		    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP &&
		     protocol != IPPROTO_SCTP))
			return err_set(err, -EINVAL,
				       "%s: ports need the rule's protocol to be TCP, UDP or SCTP",
				       field);
		if (r == 0)
			*ARRAY_ADD(*to->ranges, *to->n_ranges) = range;
		else
			*ARRAY_ADD(*to->sets, *to->n_sets) =
				port_set(place->policy, peers, protocol, text);
	}
	return 0;
}

/* Named ports are looked for among the peers that the side selects at all. */
static int compile_all_ports(const struct place *place, const struct entity_rule *in,
			     const struct selector *peers, struct compiled_side *out,
			     struct err *err)
{
	_cleanup_(selector_freep) struct selector *all = NULL;
	const struct port_target is = {&out->ports, &out->n_ports, &out->port_sets,
				       &out->n_port_sets};
	const struct port_target is_not = {&out->not_ports, &out->n_not_ports, &out->not_port_sets,
					   &out->n_not_port_sets};
	int r = 0;

	if (!peers) {
		r = selector_compile("all()", &all, err);
		peers = all;
	}
	if (r == 0)
		r = compile_ports(place, &in->ports, peers, "ports", &is, err);
	if (r == 0)
		r = compile_ports(place, &in->not_ports, peers, "notPorts", &is_not, err);
	return r;
}

static int compile_peers(const struct place *place, const struct entity_rule *in,
			 struct compiled_side *out, struct err *err)
{
	_cleanup_(selector_freep) struct selector *peers = NULL;
	_cleanup_(selector_freep) struct selector *none = NULL;
	int r = policy_selector_of_side(in, place->namespace, &peers, &none, err);

	if (r == 0)
		r = compile_all_ports(place, in, peers, out, err);
	if (r < 0)
		return r;
	/* Where all ports are names, their sets have the selected peers only. */
	if (peers && (out->n_ports > 0 || out->n_port_sets == 0))
		*ARRAY_ADD(out->sets, out->n_sets) = selector_set(place->policy, peers);
	if (none)
		*ARRAY_ADD(out->not_sets, out->n_not_sets) = selector_set(place->policy, none);
	return 0;
}

/* Egress rules match a service's addresses and ports, ingress rules its addresses. */
static int compile_service(const struct place *place, const struct service_match *service,
			   enum policy_way right_way, struct compiled_side *out, struct err *err)
{
	const char *namespace;

	if (!service)
		return 0;
	namespace =
		service->namespace && *service->namespace ? service->namespace : place->namespace;
	if (place->way != right_way)
		return err_set(err, -EINVAL,
			       "services: allowed only in the source of ingress rules and the "
			       "destination of egress rules");
	if (!service->name || !*service->name)
		return err_set(err, -EINVAL, "services.name: must be there");
	if (!namespace)
		return err_set(err, -EINVAL,
			       "services.namespace: must be there, this policy has no namespace");
	if (right_way == POLICY_WAY_EGRESS)
		out->service = service_set(place->policy, "svc", POLICY_SET_TYPE_PORT, namespace,
					   service->name);
	else
		*ARRAY_ADD(out->sets, out->n_sets) = service_set(
			place->policy, "svcnoport", POLICY_SET_TYPE_NET, namespace, service->name);
	return 0;
}

static int compile_side(const struct place *place, const struct entity_rule *in,
			enum policy_way service_way, struct compiled_side *out, struct err *err)
{
	int r = compile_nets(&in->nets, "nets", &out->nets, &out->n_nets, err);

	if (r == 0)
		r = compile_nets(&in->not_nets, "notNets", &out->not_nets, &out->n_not_nets, err);
	if (r == 0)
		r = compile_peers(place, in, out, err);
	if (r == 0)
		r = compile_service(place, in->services, service_way, out, err);
	return r;
}

/* --- What a rule says of the packet ---------------------------------------------------------- */

static int compile_action(enum rule_action action, enum policy_action *ret, struct err *err)
{
	switch (action) {
	case RULE_ACTION_UNSET:
		break;
	case RULE_ACTION_ALLOW:
		*ret = POLICY_ACTION_ALLOW;
		return 0;
	case RULE_ACTION_DENY:
		*ret = POLICY_ACTION_DENY;
		return 0;
	case RULE_ACTION_LOG:
		*ret = POLICY_ACTION_LOG;
		return 0;
	case RULE_ACTION_PASS:
		*ret = POLICY_ACTION_PASS;
		return 0;
	}
	return err_set(err, -EINVAL, "action: must be Allow, Deny, Log or Pass");
}

static int compile_protocol(const struct int_or_string *protocol, const char *field, int16_t *ret,
			    struct err *err)
{
	uint8_t number;

	*ret = POLICY_ANY;
	if (!protocol->s)
		return 0;
	number = protocol_number(protocol);
	if (number == 0)
		return err_set(err, -EINVAL, "%s: \"%.32s\" is not a protocol", field, protocol->s);
	*ret = number;
	return 0;
}

static int compile_number(const struct opt_int *in, int64_t max, const char *field, int16_t *ret,
			  struct err *err)
{
	if (!in->set)
		return 0;
	if (in->v < 0 || in->v > max)
		return err_set(err, -EINVAL, "%s: %" PRId64 " is not within 0 and %" PRId64, field,
			       in->v, max);
	*ret = (int16_t)in->v;
	return 0;
}

static int compile_icmp(const struct icmp_match *icmp, const char *field, int16_t protocol,
			int16_t *ret_type, int16_t *ret_code, struct err *err)
{
	int r;

	*ret_type = POLICY_ANY;
	*ret_code = POLICY_ANY;
	if (!icmp)
		return 0;
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6)
		return err_set(err, -EINVAL, "%s: needs the rule's protocol to be ICMP or ICMPv6",
			       field);
	if (icmp->code.set && !icmp->type.set)
		return err_set(err, -EINVAL, "%s.code: needs a type beside it", field);
	r = compile_number(&icmp->type, ICMP_TYPE_MAX, "type", ret_type, err);
	if (r == 0)
		r = compile_number(&icmp->code, ICMP_CODE_MAX, "code", ret_code, err);
	return r < 0 ? err_prefix(err, r, "%s", field) : 0;
}

/* A protocol that only one family has says which. */
static int compile_family(const struct opt_int *version, int16_t protocol, uint8_t *ret,
			  struct err *err)
{
	if (version->set && version->v != 4 && version->v != 6)
		return err_set(err, -EINVAL, "ipVersion: %" PRId64 " is not an IP version",
			       version->v);
	if (version->set)
		*ret = version->v == 4 ? AF_INET : AF_INET6;
	else if (protocol == IPPROTO_ICMP)
		*ret = AF_INET;
	else if (protocol == IPPROTO_ICMPV6)
		*ret = AF_INET6;
	else
		*ret = 0;
	return 0;
}

static int compile_packet(const struct rule *in, struct compiled_rule *out, struct err *err)
{
	int r = compile_action(in->action, &out->action, err);

	if (r == 0)
		r = compile_protocol(&in->protocol, "protocol", &out->protocol, err);
	if (r == 0)
		r = compile_protocol(&in->not_protocol, "notProtocol", &out->not_protocol, err);
	if (r == 0)
		r = compile_icmp(in->icmp, "icmp", out->protocol, &out->icmp_type, &out->icmp_code,
				 err);
	if (r == 0)
		r = compile_icmp(in->not_icmp, "notICMP", out->protocol, &out->not_icmp_type,
				 &out->not_icmp_code, err);
	if (r == 0)
		r = compile_family(&in->ip_version, out->protocol, &out->family, err);
	return r;
}

/* --- Rules ----------------------------------------------------------------------------------- */

static void rule_clear(struct compiled_rule *rule)
{
	side_clear(&rule->source);
	side_clear(&rule->destination);
	free(rule->why);
}

void compiled_rules_clear(struct compiled_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		rule_clear(&rules->v[i]);
	free(rules->v);
	*rules = (struct compiled_rules){0};
}

static void set_unreadable(struct compiled_rule *rule, char *why)
{
	*rule = (struct compiled_rule){
		.action = POLICY_ACTION_DENY,
		.protocol = POLICY_ANY,
		.not_protocol = POLICY_ANY,
		.icmp_type = POLICY_ANY,
		.icmp_code = POLICY_ANY,
		.not_icmp_type = POLICY_ANY,
		.not_icmp_code = POLICY_ANY,
		.unreadable = true,
		.why = why,
	};
}

/* A part of a rule for HTTP is left to who looks into HTTP; the rest is matched here. */
static int compile_rule(struct place *place, const struct rule *in, struct compiled_rule *out,
			struct err *err)
{
	int r = compile_packet(in, out, err);

	if (r == 0)
		r = rule_check_port_names(in, err);
	if (r < 0)
		return r;
	place->protocol = out->protocol == POLICY_ANY ? 0 : (uint8_t)out->protocol;
	r = compile_side(place, &in->source, POLICY_WAY_INGRESS, &out->source, err);
	if (r < 0)
		return err_prefix(err, r, "source");
	r = compile_side(place, &in->destination, POLICY_WAY_EGRESS, &out->destination, err);
	return r < 0 ? err_prefix(err, r, "destination") : 0;
}

void compiled_rules_add(struct compiled_policy *policy, enum policy_way way,
			const struct rule_list *rules, const char *namespace)
{
	struct place place = {.policy = policy, .way = way, .namespace = namespace};
	struct compiled_rules *to = &policy->rules[way];

	for (size_t i = 0; i < rules->n; i++) {
		struct compiled_rule *rule = ARRAY_ADD(to->v, to->n);
		size_t n_sets = policy->n_sets;
		struct err err = ERR_INIT;

		if (compile_rule(&place, &rules->v[i], rule, &err) == 0)
			continue;
		rule_clear(rule);
		cut_sets(policy, n_sets);
		set_unreadable(rule, xasprintf("%s[%zu].%s",
					       way == POLICY_WAY_INGRESS ? "ingress" : "egress", i,
					       err.msg));
	}
}

/* --- Comparing ------------------------------------------------------------------------------- */

static bool ranges_equal(const struct port_range *a, size_t n_a, const struct port_range *b,
			 size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (a[i].first != b[i].first || a[i].last != b[i].last)
			return false;
	return true;
}

static bool nets_equal(const struct cidr *a, size_t n_a, const struct cidr *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!cidr_equal(&a[i], &b[i]))
			return false;
	return true;
}

static bool ids_equal(const struct policy_set_id *a, size_t n_a, const struct policy_set_id *b,
		      size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (strcmp(a[i].s, b[i].s) != 0)
			return false;
	return true;
}

static bool side_equal(const struct compiled_side *a, const struct compiled_side *b)
{
	return nets_equal(a->nets, a->n_nets, b->nets, b->n_nets) &&
	       nets_equal(a->not_nets, a->n_not_nets, b->not_nets, b->n_not_nets) &&
	       ranges_equal(a->ports, a->n_ports, b->ports, b->n_ports) &&
	       ranges_equal(a->not_ports, a->n_not_ports, b->not_ports, b->n_not_ports) &&
	       ids_equal(a->sets, a->n_sets, b->sets, b->n_sets) &&
	       ids_equal(a->not_sets, a->n_not_sets, b->not_sets, b->n_not_sets) &&
	       ids_equal(a->port_sets, a->n_port_sets, b->port_sets, b->n_port_sets) &&
	       ids_equal(a->not_port_sets, a->n_not_port_sets, b->not_port_sets,
			 b->n_not_port_sets) &&
	       strcmp(a->service.s, b->service.s) == 0;
}

bool compiled_rule_equal(const struct compiled_rule *a, const struct compiled_rule *b)
{
	return a->action == b->action && a->family == b->family && a->protocol == b->protocol &&
	       a->not_protocol == b->not_protocol && a->icmp_type == b->icmp_type &&
	       a->icmp_code == b->icmp_code && a->not_icmp_type == b->not_icmp_type &&
	       a->not_icmp_code == b->not_icmp_code && side_equal(&a->source, &b->source) &&
	       side_equal(&a->destination, &b->destination) && a->unreadable == b->unreadable &&
	       str_equal(a->why, b->why);
}
