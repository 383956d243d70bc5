/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The whole of BIRD's configuration, top to bottom: identity, what goes where (bgp-policy.c), the
 * kernel's and the devices' protocols, own blocks as static aggregates, templates, one protocol per
 * session (bgp-peering.c).
 *
 * The static aggregates exist to be told to peers; the kernel filter rejects them, because the
 * agent's own blackhole routes do the same work there and outlive BIRD.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/secret.h"
#include "bgp/bgp-internal.h"

#define IGNORED_INTERFACES_MAX 256

/*
 * After a start BIRD leaves the kernel's routes alone until every session is up again, or this time
 * has passed; its own 240 s would let one dead node keep a new one without routes for as long.
 */
#define RECOVERY_SECONDS 20

static const uint8_t families[] = {AF_INET, AF_INET6};

/* Multicast and reserved numbers are no router ids, so the hash is folded below them. */
static struct ip_addr hash_router_id(const char *node_name)
{
	struct digest digest = digest_of(DIGEST_SHA256, node_name, strlen(node_name));

	if (digest.bytes[0] > 223)
		digest.bytes[0] = (uint8_t)(digest.bytes[0] - 32);
	if (digest.bytes[0] == 0)
		digest.bytes[0] = 1;
	return ip_from_bytes(AF_INET, digest.bytes);
}

static int render_router_id(const struct bgp_context *context, struct buf *out, struct err *err)
{
	const char *wanted = context->input->router_id;
	struct ip_addr id = context->addr[0].addr;
	int r;

	if (wanted && strcmp(wanted, "hash") != 0) {
		r = ip_parse(wanted, &id, err);
		if (r < 0)
			return err_prefix(err, r, "router id");
		if (id.family != AF_INET)
			return err_set(err, -EINVAL, "router id \"%s\" is not an IPv4 address",
				       wanted);
	} else if (wanted || id.family == 0) {
		id = hash_router_id(context->input->node_name);
	}
	buf_addf(out, "router id %s;\n\n", ip_format(&id).s);
	return 0;
}

/* What BIRD says of its protocols, by Calico's level. */
static const char *debug_words(const struct bgp_context *context)
{
	static const struct {
		const char *level;
		const char *words;
	} table[] = {
		{"debug", "all"},
		{"none", "off"},
	};
	const struct bgp_configuration *const configs[] = {context->input->node_config,
							   context->input->config};

	for (size_t c = 0; c < ARRAY_SIZE(configs); c++) {
		const char *level = configs[c] ? configs[c]->spec.log_severity_screen : NULL;

		for (size_t i = 0; level && i < ARRAY_SIZE(table); i++)
			if (strcasecmp(level, table[i].level) == 0)
				return table[i].words;
		if (level)
			break;
	}
	return "{ states }";
}

static const struct str_list *ignored_interfaces(const struct bgp_context *context)
{
	const struct bgp_configuration *own = context->input->node_config;

	if (own && own->spec.ignored_interfaces.set)
		return &own->spec.ignored_interfaces;
	return context->input->config ? &context->input->config->spec.ignored_interfaces : NULL;
}

static int render_direct(const struct bgp_context *context, struct buf *out, struct err *err)
{
	const struct str_list *ignored = ignored_interfaces(context);

	buf_adds(out, "protocol device {\n\tscan time 2;\n}\n\nprotocol direct {\n");
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		if (context->addr[f].addr.family)
			buf_addf(out, "\tipv%u;\n", ip_version(families[f]));
	buf_adds(out, "\tinterface ");
	if (ignored && ignored->n > IGNORED_INTERFACES_MAX)
		return err_set(err, -EINVAL,
			       "BGPConfiguration: spec.ignoredInterfaces has more than %d entries",
			       IGNORED_INTERFACES_MAX);
	for (size_t i = 0; ignored && i < ignored->n; i++) {
		if (!bgp_text_is_interface_glob(ignored->v[i]))
			return err_set(err, -EINVAL,
				       "BGPConfiguration: spec.ignoredInterfaces[%zu] is not an "
				       "interface name (letters, digits, _ . - * ?, at most 15)",
				       i);
		buf_addf(out, "-\"%s\", ", ignored->v[i]);
	}
	buf_adds(out, "-\"cali*\", -\"kube-ipvs*\", \"*\";\n}\n\n");
	return 0;
}

static void render_kernel_protocol(const struct bgp_context *context, uint8_t family,
				   struct buf *out)
{
	unsigned int version = ip_version(family);

	buf_addf(out, "protocol kernel kernel_v%u {\n", version);
	buf_adds(out, "\tlearn;\n\tpersist;\n\tscan time 10;\n\tmerge paths on;\n");
	if (context->input->graceful_restart)
		buf_adds(out, "\tgraceful restart;\n");
	buf_addf(out, "\tmetric %lld;\n", (long long)context->priority[bgp_family_index(family)]);
	buf_addf(out,
		 "\tipv%u {\n\t\timport filter calico_kernel_learning_v%u;\n"
		 "\t\texport filter calico_kernel_programming_v%u;\n\t};\n}\n\n",
		 version, version, version);
}

static void render_static(const struct bgp_context *context, const struct bgp_peerings *peerings,
			  uint8_t family, struct buf *out)
{
	unsigned int version = ip_version(family);

	buf_addf(out, "protocol static static_v%u {\n\tipv%u;\n", version, version);
	for (size_t i = 0; i < context->n_blocks; i++)
		if (context->blocks[i].addr.family == family)
			buf_addf(out, "\troute %s blackhole;\n",
				 cidr_format(&context->blocks[i]).s);
	for (size_t i = 0; i < context->n_services; i++)
		if (context->services[i].addr.family == family && !context->exclude_services)
			buf_addf(out, "\troute %s blackhole;\n",
				 cidr_format(&context->services[i]).s);
	for (size_t i = 0; i < peerings->n; i++) {
		const struct bgp_peering *peering = &peerings->v[i];
		struct cidr host = cidr_host(&peering->ip);

		if (peering->reachable_by.family == family)
			buf_addf(out, "\troute %s via %s;\n", cidr_format(&host).s,
				 ip_format(&peering->reachable_by).s);
	}
	buf_adds(out, "}\n\n");
}

static bool bind_to_node_ip(const struct bgp_context *context)
{
	const struct bgp_configuration *own = context->input->node_config;
	const struct bgp_configuration *config = context->input->config;
	const char *mode = own && own->spec.bind_mode	      ? own->spec.bind_mode
			   : config && config->spec.bind_mode ? config->spec.bind_mode
							      : "None";

	return strcmp(mode, "NodeIP") == 0;
}

/*
 * Short delays: a mesh stands within a second or two of its last node, and a passive side waits for
 * the active one in any case. A refused connection costs one packet.
 */
static void render_templates(const struct bgp_context *context, struct buf *out)
{
	buf_adds(out, "template bgp bgp_template {\n");
	buf_addf(out, "\tdebug %s;\n", debug_words(context));
	buf_adds(out, "\tconnect delay time 1;\n\tconnect retry time 2;\n");
	buf_adds(out, "\terror wait time 1, 30;\n");
	if (context->input->graceful_restart)
		buf_adds(out, "\tgraceful restart on;\n");
	if (bind_to_node_ip(context))
		buf_adds(out, "\tstrict bind on;\n");
	buf_adds(out, "}\n\n");
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		unsigned int version = ip_version(families[f]);

		if (context->addr[f].addr.family == 0)
			continue;
		buf_addf(out,
			 "template bgp bgp_template_v%u from bgp_template {\n\tipv%u {\n"
			 "\t\timport all;\n\t\texport filter calico_export_ibgp_v%u;\n"
			 "\t\tgateway recursive;\n\t\tadd paths on;\n\t};\n}\n\n",
			 version, version, version);
	}
}

/* --- One session ------------------------------------------------------------------------------ */

static void render_filter_calls(const struct bgp_peering *peering, bool import, bool internal,
				struct buf *out)
{
	uint8_t family = peering->ip.family;

	for (size_t i = 0; i < peering->n_filters; i++) {
		const struct bgp_filter *filter = peering->filters[i];
		const struct bgp_filter_rule_list *rules = bgp_filter_rules(filter, import, family);
		const char *argument = "";

		if (rules->n == 0)
			continue;
		if (bgp_filter_wants_peer_type(rules))
			argument = internal ? "true" : "false";
		buf_addf(out, "\t\t\t%s(%s);\n",
			 bgp_filter_symbol(filter->object.meta.name, import, family).s, argument);
	}
}

static void render_channel(const struct bgp_context *context, const struct bgp_peering *peering,
			   struct buf *out)
{
	unsigned int version = ip_version(peering->ip.family);
	uint32_t own_as = peering->local_as ? peering->local_as : context->as;
	bool internal = peering->as == own_as;

	if (internal && peering->n_filters == 0 && !peering->next_hop_keep &&
	    !peering->next_hop_self)
		return; /* all of it is in the template */
	buf_addf(out, "\tipv%u {\n", version);
	if (peering->n_filters) {
		buf_adds(out, "\t\timport filter {\n");
		render_filter_calls(peering, true, internal, out);
		buf_adds(out, "\t\t\taccept;\n\t\t};\n\t\texport filter {\n");
		buf_addf(out, "\t\t\tcalico_own_preference_v%u();\n", version);
		render_filter_calls(peering, false, internal, out);
		buf_addf(out, "\t\t\tcalico_export_to_bgp_peers_v%u(%s);\n", version,
			 internal ? "true" : "false");
		buf_adds(out, "\t\t\treject;\n\t\t};\n");
	} else if (!internal) {
		buf_addf(out, "\t\texport filter calico_export_ebgp_v%u;\n", version);
	}
	if (peering->next_hop_keep)
		buf_adds(out, "\t\tnext hop keep;\n");
	else if (peering->next_hop_self)
		buf_adds(out, "\t\tnext hop self;\n");
	buf_adds(out, "\t};\n");
}

static int render_reflection(const struct bgp_context *context, const struct bgp_peering *peering,
			     struct buf *out, struct err *err)
{
	struct ip_addr id;
	int r;

	if (!peering->rr_client)
		return 0;
	r = ip_parse(context->node->spec.bgp->route_reflector_cluster_id, &id, err);
	if (r == 0 && id.family != AF_INET)
		r = err_set(err, -EINVAL, "not of the form of an IPv4 address");
	if (r < 0)
		return err_prefix(err, r, "Node/%s: spec.bgp.routeReflectorClusterID",
				  context->input->node_name);
	buf_addf(out, "\trr client;\n\trr cluster id %s;\n", ip_format(&id).s);
	return 0;
}

static void render_options(const struct bgp_context *context, const struct bgp_peering *peering,
			   struct buf *out)
{
	const struct cidr *own = &context->addr[bgp_family_index(peering->ip.family)];
	bool source = peering->source_address || bind_to_node_ip(context);

	buf_addf(out, "\tlocal %s port %u as %u;\n", source ? ip_format(&own->addr).s : "",
		 (unsigned int)context->port, peering->local_as ? peering->local_as : context->as);
	buf_addf(out, "\tneighbor %s port %u as %u;\n", ip_format(&peering->ip).s,
		 (unsigned int)peering->port, peering->as);
	if (peering->ttl_security)
		buf_addf(out, "\tttl security on;\n\tmultihop %u;\n", peering->ttl_security);
	else
		buf_adds(out, "\tmultihop;\n");
	if (peering->passive)
		buf_adds(out, "\tpassive on;\n");
	if (peering->restart_seconds)
		buf_addf(out, "\tgraceful restart time %lld;\n",
			 (long long)peering->restart_seconds);
	if (peering->keepalive_seconds)
		buf_addf(out, "\tkeepalive time %lld;\n", (long long)peering->keepalive_seconds);
	if (peering->allow_local_as)
		buf_addf(out, "\tallow local as %lld;\n", (long long)peering->allow_local_as);
	if (peering->password)
		buf_addf(out, "\tpassword \"%s\";\n", secret_reveal(peering->password));
}

static int render_peering(const struct bgp_context *context, const struct bgp_peering *peering,
			  struct buf *out, struct err *err)
{
	int r;

	buf_addf(out, "protocol bgp %s from bgp_template_v%u {\n", peering->name.s,
		 ip_version(peering->ip.family));
	render_options(context, peering, out);
	r = render_reflection(context, peering, out, err);
	if (r < 0)
		return r;
	render_channel(context, peering, out);
	buf_adds(out, "}\n\n");
	return 0;
}

/* A line each, and none holds what could end a comment. */
static void render_problems(const struct bgp_peerings *peerings, struct buf *out)
{
	const char *line = buf_str(&peerings->problems);

	while (*line) {
		size_t len = strcspn(line, "\n");

		buf_addf(out, "# Left out: %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static int render(const struct bgp_context *context, const struct bgp_peerings *peerings,
		  struct buf *out, struct err *err)
{
	int r;

	buf_adds(out, "# Written by korat; changes are overwritten.\n\n");
	buf_adds(out, "log stderr all;\ntimeformat base iso long;\n");
	buf_adds(out, "timeformat protocol iso long;\n");
	if (context->input->graceful_restart)
		buf_addf(out, "graceful restart wait %d;\n", RECOVERY_SECONDS);
	r = render_router_id(context, out, err);
	if (r == 0)
		r = bgp_render_policy(context, out, err);
	if (r == 0)
		r = bgp_render_filters(context, peerings, out, err);
	if (r == 0)
		r = render_direct(context, out, err);
	if (r < 0)
		return r;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		if (context->addr[f].addr.family == 0)
			continue;
		render_kernel_protocol(context, families[f], out);
		render_static(context, peerings, families[f], out);
	}
	render_templates(context, out);
	for (size_t i = 0; i < peerings->n; i++) {
		r = render_peering(context, &peerings->v[i], out, err);
		if (r < 0)
			return r;
	}
	render_problems(peerings, out);
	return 0;
}

int bgp_config_render(const struct bgp_input *input, struct buf *out, struct err *err)
{
	_cleanup_(bgp_context_deinitp) struct bgp_context context = {.input = NULL};
	_cleanup_(bgp_peerings_deinitp) struct bgp_peerings peerings = {.v = NULL};
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	r = bgp_context_init(input, &context, err);
	if (r < 0)
		return r;
	r = bgp_peerings_init(&context, &peerings, err);
	if (r < 0)
		return r;
	r = render(&context, &peerings, &text, err);
	if (r < 0)
		return r;
	buf_add(out, text.data, text.size);
	if (input->problems)
		buf_adds(input->problems, buf_str(&peerings.problems));
	return 0;
}
