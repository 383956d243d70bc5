/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BGPFilters as functions of BIRD's language. A rule is one if: its conditions joined by &&, then
 * its operations and its verdict. A route that no rule matches falls through to what the peering
 * does anyway. A rule without any condition matches every route, as Calico defines it.
 */

#include <errno.h>
#include <string.h>

#include "bgp/bgp-internal.h"

#define OPERATIONS_MAX 10
#define AS_PATH_MAX    10

static const uint8_t families[] = {AF_INET, AF_INET6};

const struct bgp_filter_rule_list *bgp_filter_rules(const struct bgp_filter *filter, bool import,
						    uint8_t family)
{
	if (family == AF_INET)
		return import ? &filter->spec.import_v4 : &filter->spec.export_v4;
	return import ? &filter->spec.import_v6 : &filter->spec.export_v6;
}

bool bgp_filter_wants_peer_type(const struct bgp_filter_rule_list *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].peer_type)
			return true;
	return false;
}

/* "" before the first condition, " && " before each other one. */
struct condition_writer {
	struct buf *out;
	bool any;
};

static void condition_begin(struct condition_writer *writer)
{
	buf_adds(writer->out, writer->any ? " && " : "");
	writer->any = true;
}

static int condition_lengths(const struct bgp_filter_rule *rule, const struct cidr *cidr,
			     int64_t *ret_min, int64_t *ret_max, struct err *err)
{
	int64_t bits = ip_bits(cidr->addr.family);

	*ret_min = rule->prefix_length->min.set ? rule->prefix_length->min.v : cidr->len;
	*ret_max = rule->prefix_length->max.set ? rule->prefix_length->max.v : bits;
	if (*ret_min < 0 || *ret_max > bits || *ret_min > *ret_max)
		return err_set(err, -EINVAL,
			       "prefixLength %lld..%lld is not an ascending range within 0..%lld",
			       (long long)*ret_min, (long long)*ret_max, (long long)bits);
	return 0;
}

static int condition_cidr(const struct bgp_filter_rule *rule, uint8_t family,
			  struct condition_writer *writer, struct err *err)
{
	static const struct {
		const char *name;
		const char *op;
		bool within; /* prefixLength widens what matches */
	} ops[] = {{"Equal", "=", false},
		   {"NotEqual", "!=", false},
		   {"In", "~", true},
		   {"NotIn", "!~", true}};
	struct cidr cidr;
	int64_t min, max;
	int r;

	if (!rule->cidr)
		return 0;
	r = cidr_parse(rule->cidr, &cidr, err);
	if (r < 0)
		return r;
	if (cidr.addr.family != family)
		return err_set(err, -EINVAL, "cidr \"%s\" is of the other family", rule->cidr);
	cidr = cidr_masked(&cidr);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!rule->match_operator || strcmp(rule->match_operator, ops[i].name) != 0)
			continue;
		condition_begin(writer);
		if (!rule->prefix_length) {
			buf_addf(writer->out, "(net %s %s)", ops[i].op, cidr_format(&cidr).s);
			return 0;
		}
		r = condition_lengths(rule, &cidr, &min, &max, err);
		if (r < 0)
			return r;
		if (ops[i].within)
			buf_addf(writer->out, "(net %s [ %s{%lld,%lld} ])", ops[i].op,
				 cidr_format(&cidr).s, (long long)min, (long long)max);
		else
			buf_addf(writer->out, "(net %s %s && net.len >= %lld && net.len <= %lld)",
				 ops[i].op, cidr_format(&cidr).s, (long long)min, (long long)max);
		return 0;
	}
	return err_set(err, -EINVAL, "matchOperator must be Equal, NotEqual, In or NotIn");
}

static int condition_origin(const struct bgp_filter_rule *rule, struct condition_writer *writer,
			    struct err *err)
{
	if (rule->source) {
		if (strcmp(rule->source, "RemotePeers") != 0)
			return err_set(err, -EINVAL, "source must be RemotePeers");
		condition_begin(writer);
		buf_adds(writer->out, "(source ~ [ RTS_BGP ])");
	}
	if (rule->interface) {
		if (!bgp_text_is_interface_glob(rule->interface))
			return err_set(err, -EINVAL,
				       "interface must be an interface name, * and ? allowed");
		condition_begin(writer);
		buf_addf(writer->out, "(ifname ~ \"%s\")", rule->interface);
	}
	if (rule->peer_type) {
		if (strcmp(rule->peer_type, "eBGP") != 0 && strcmp(rule->peer_type, "iBGP") != 0)
			return err_set(err, -EINVAL, "peerType must be eBGP or iBGP");
		condition_begin(writer);
		buf_adds(writer->out, rule->peer_type[0] == 'i' ? "same_as" : "!same_as");
	}
	return 0;
}

static int as_numbers_check(const struct int_list *list, const char *what, struct err *err)
{
	if (list->n > AS_PATH_MAX)
		return err_set(err, -EINVAL, "%s has more than %d AS numbers", what, AS_PATH_MAX);
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i] < 0 || list->v[i] > UINT32_MAX)
			return err_set(err, -EINVAL, "%s[%zu] is not an AS number", what, i);
	return 0;
}

static int condition_attributes(const struct bgp_filter_rule *rule, struct condition_writer *writer,
				struct err *err)
{
	int r;

	for (size_t i = 0; rule->communities && i < rule->communities->values.n; i++) {
		struct bgp_tag tag = {.n = 0};

		r = bgp_tag_parse(rule->communities->values.v[i], &tag, err);
		if (r < 0)
			return err_prefix(err, r, "communities.values[%zu]", i);
		condition_begin(writer);
		buf_addf(writer->out, "(%s ~ %s)", bgp_tag_format(&tag).s, bgp_tag_attribute(&tag));
	}
	if (rule->as_path_prefix.n) {
		r = as_numbers_check(&rule->as_path_prefix, "asPathPrefix", err);
		if (r < 0)
			return r;
		condition_begin(writer);
		buf_adds(writer->out, "(bgp_path ~ [=");
		for (size_t i = 0; i < rule->as_path_prefix.n; i++)
			buf_addf(writer->out, " %lld", (long long)rule->as_path_prefix.v[i]);
		buf_adds(writer->out, " * =])");
	}
	if (rule->priority.set) {
		if (rule->priority.v < 1 || rule->priority.v >= INT32_MAX)
			return err_set(err, -EINVAL, "priority is not within 1..2147483646");
		condition_begin(writer);
		buf_addf(writer->out, "(defined(bgp_local_pref) && bgp_local_pref = %lld)",
			 (long long)(INT32_MAX - rule->priority.v));
	}
	return 0;
}

static int render_operation(const struct bgp_filter_operation *operation, struct buf *out,
			    struct err *err)
{
	int r;

	if (operation->add_community) {
		const char *value = operation->add_community->value;
		struct bgp_tag tag = {.n = 0};

		r = bgp_tag_parse(value ? value : "", &tag, err);
		if (r < 0)
			return err_prefix(err, r, "addCommunity.value");
		buf_addf(out, "\t\t%s.add(%s);\n", bgp_tag_attribute(&tag), bgp_tag_format(&tag).s);
	}
	if (operation->prepend_as_path) {
		const struct int_list *prefix = &operation->prepend_as_path->prefix;

		r = as_numbers_check(prefix, "prependASPath.prefix", err);
		if (r < 0)
			return r;
		/* Each goes before the others, so the last comes first. */
		for (size_t i = prefix->n; i-- > 0;)
			buf_addf(out, "\t\tbgp_path.prepend(%lld);\n", (long long)prefix->v[i]);
	}
	if (operation->set_priority) {
		struct opt_int value = operation->set_priority->value;

		if (!value.set || value.v < 1 || value.v >= INT32_MAX)
			return err_set(err, -EINVAL,
				       "setPriority.value is not within 1..2147483646");
		buf_addf(out, "\t\tbgp_local_pref = %lld;\n", (long long)(INT32_MAX - value.v));
	}
	return 0;
}

static int render_rule(const struct bgp_filter_rule *rule, uint8_t family, struct buf *out,
		       struct err *err)
{
	struct condition_writer writer = {.out = out};
	bool accept;
	int r;

	if (!rule->action ||
	    (strcmp(rule->action, "Accept") != 0 && strcmp(rule->action, "Reject") != 0))
		return err_set(err, -EINVAL, "action must be Accept or Reject");
	accept = rule->action[0] == 'A';
	if (rule->operations.n > OPERATIONS_MAX)
		return err_set(err, -EINVAL, "more than %d operations", OPERATIONS_MAX);

	buf_adds(out, "\tif ");
	r = condition_cidr(rule, family, &writer, err);
	if (r == 0)
		r = condition_origin(rule, &writer, err);
	if (r == 0)
		r = condition_attributes(rule, &writer, err);
	if (r < 0)
		return r;
	buf_adds(out, writer.any ? " then {\n" : "true then {\n");
	for (size_t i = 0; accept && i < rule->operations.n; i++) {
		r = render_operation(&rule->operations.v[i], out, err);
		if (r < 0)
			return err_prefix(err, r, "operations[%zu]", i);
	}
	buf_addf(out, "\t\t%s;\n\t}\n", accept ? "accept" : "reject");
	return 0;
}

static int render_function(const struct bgp_filter *filter, bool import, uint8_t family,
			   struct buf *out, struct err *err)
{
	const struct bgp_filter_rule_list *rules = bgp_filter_rules(filter, import, family);
	const char *name = filter->object.meta.name;

	if (rules->n == 0)
		return 0;
	buf_addf(out, "function %s(%s)\n{\n", bgp_filter_symbol(name, import, family).s,
		 bgp_filter_wants_peer_type(rules) ? "bool same_as" : "");
	for (size_t i = 0; i < rules->n; i++) {
		int r = render_rule(&rules->v[i], family, out, err);

		if (r < 0)
			return err_prefix(err, r, "BGPFilter/%s: spec.%sV%u[%zu]", name,
					  import ? "import" : "export", ip_version(family), i);
	}
	buf_adds(out, "}\n\n");
	return 0;
}

int bgp_filter_check(const struct bgp_filter *filter, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = 0;

	for (size_t f = 0; r == 0 && f < ARRAY_SIZE(families); f++) {
		r = render_function(filter, true, families[f], &out, err);
		if (r == 0)
			r = render_function(filter, false, families[f], &out, err);
	}
	return r;
}

static bool filter_is_used(const struct bgp_peerings *peerings, const struct bgp_filter *filter)
{
	for (size_t i = 0; i < peerings->n; i++)
		for (size_t k = 0; k < peerings->v[i].n_filters; k++)
			if (peerings->v[i].filters[k] == filter)
				return true;
	return false;
}

static const struct bgp_filter *next_filter(const struct bgp_context *context, const char *after)
{
	const struct bgp_filter *next = NULL;

	for (size_t i = 0; i < context->input->n_filters; i++) {
		const struct bgp_filter *filter = context->input->filters[i];
		const char *name = filter->object.meta.name;

		if (after && strcmp(name, after) <= 0)
			continue;
		if (!next || strcmp(name, next->object.meta.name) < 0)
			next = filter;
	}
	return next;
}

int bgp_render_filters(const struct bgp_context *context, const struct bgp_peerings *peerings,
		       struct buf *out, struct err *err)
{
	const struct bgp_filter *filter = NULL;

	while ((filter = next_filter(context, filter ? filter->object.meta.name : NULL))) {
		if (!filter_is_used(peerings, filter))
			continue;
		for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
			int r = render_function(filter, true, families[f], out, err);

			if (r == 0)
				r = render_function(filter, false, families[f], out, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
