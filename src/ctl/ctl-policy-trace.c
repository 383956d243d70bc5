/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy trace: what the kernel announces about packets is gathered packet by packet, since those
 * of several may come mixed; one that is silent for a moment is at its end. Packets with one way
 * are shown once.
 */

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "ctl/ctl-policy.h"
#include "loop/loop.h"
#include "nft/policy-trace.h"
#include "policy/policy-key.h"

#define SECONDS_DEFAULT 10
#define SECONDS_MAX	3600
#define SILENCE_US	100000
#define EVENTS_MAX	1000 /* of a packet */
#define PACKETS_MAX	200  /* on their way at a time */
#define WAYS_MAX	1000

/* A packet on its way. */
struct tracked {
	uint32_t id;
	uint64_t last_us;
	struct trace_event *events;
	size_t n;
};

/* A way that packets have taken. */
struct way {
	char *text;
	json_t *steps;
	bool denied;
	uint64_t count;
};

struct tracer {
	struct policy_trace *trace;
	bool json;
	struct tracked *packets;
	size_t n_packets;
	struct way *ways;
	size_t n_ways;
	uint64_t n_denied;
	uint64_t n_allowed;
	bool lost;
};

static void tracer_deinit(struct tracer *tracer)
{
	(void)policy_trace_close(tracer->trace);
	for (size_t i = 0; i < tracer->n_packets; i++)
		free(tracer->packets[i].events);
	for (size_t i = 0; i < tracer->n_ways; i++) {
		free(tracer->ways[i].text);
		json_decref(tracer->ways[i].steps);
	}
	free(tracer->packets);
	free(tracer->ways);
}
CLEANUP_DEINIT(struct tracer, tracer_deinit);

/* --- One step in words ------------------------------------------------------------------------ */

/* What our chains are, by the beginnings of their names: in iptables' tables they are the same. */
struct chain_kind {
	const char *prefix;
	const char *direction;
	const char *key; /* what stands before the rest of the name in a policy's key; NULL: none */
	const char *who; /* NULL: a policy */
	bool in;	 /* the interface that tells who: the packet came in by it */
};
static const struct chain_kind chain_kinds[] = {
	{"cali-pi-", "ingress", "", NULL, false},
	{"cali-po-", "egress", "", NULL, false},
	{"cali-pri-", "ingress", "pro/", NULL, false},
	{"cali-pro-", "egress", "pro/", NULL, false},
	{"cali-tw-", "ingress", NULL, "the pod at", false},
	{"cali-fw-", "egress", NULL, "the pod at", true},
	{"cali-fh", "ingress", NULL, "the host at", true},
	{"cali-th", "egress", NULL, "the host at", false},
	{"mangle-cali-fh-", "ingress before DNAT", NULL, "the host at", true},
	{"raw-cali-fh-", "untracked ingress", NULL, "the host at", true},
	{"raw-cali-th-", "untracked egress", NULL, "the host at", false},
};

static const struct chain_kind *kind_of(const struct trace_event *event)
{
	for (size_t i = 0; i < ARRAY_SIZE(chain_kinds); i++)
		if (strncmp(event->chain, chain_kinds[i].prefix, strlen(chain_kinds[i].prefix)) ==
		    0)
			return &chain_kinds[i];
	return NULL;
}

static char *policy_of(const struct trace_event *event, const struct chain_kind *kind)
{
	return kind && kind->key ? xasprintf("%s%s", kind->key, event->chain + strlen(kind->prefix))
				 : NULL;
}

static const char *verdict_word(int verdict)
{
	switch (verdict) {
	case NF_ACCEPT:
		return "accept";
	case NF_DROP:
		return "deny";
	case NFT_JUMP:
		return "jump";
	case NFT_GOTO:
		return "goto";
	case NFT_RETURN:
		return "return";
	case NF_QUEUE:
		return "queue";
	default:
		return "continue";
	}
}

static void add_interface(struct buf *text, uint32_t number)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(number, name))
		buf_adds(text, name);
	else
		buf_addf(text, "interface %u", number);
}

static void add_where(struct buf *text, const struct trace_event *event,
		      const struct chain_kind *kind)
{
	_cleanup_free_ char *policy = policy_of(event, kind);
	uint32_t interface = kind && kind->in ? event->in : event->out;

	if (policy)
		buf_addf(text, "%s, %s", policy_key_format(policy).s, kind->direction);
	else if (kind)
		buf_addf(text, "%s of %s ", kind->direction, kind->who);
	else if (event->ours)
		buf_adds(text, event->chain);
	else
		buf_addf(text, "table %s, chain %s", event->table, event->chain);
	if (kind && !policy)
		add_interface(text, interface);
}

/* "  NetworkPolicy shop/db, ingress rule 2: accept" */
static void add_step(struct buf *text, const struct trace_event *event)
{
	const struct chain_kind *kind = kind_of(event);
	bool is_policy = kind && kind->key;

	buf_adds(text, "  ");
	add_where(text, event, kind);
	if (event->type == TRACE_POLICY)
		buf_adds(text, ", at its end");
	else if (*event->label)
		buf_addf(text, "%s%s", is_policy ? " " : ", ", event->label);
	else if (!event->ours)
		buf_addf(text, "%s rule with handle %llu", is_policy ? "" : ",",
			 (unsigned long long)event->rule);
	buf_addf(text, ": %s%s%s\n", verdict_word(event->verdict), *event->target ? " " : "",
		 event->target);
}

static void put_text(json_t *to, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(to, key, json_string(text));
}

static void put_policy(json_t *to, const struct trace_event *event, const struct chain_kind *kind)
{
	_cleanup_free_ char *key = policy_of(event, kind);
	struct policy_key_parts parts;
	json_t *policy;

	if (!key || !policy_key_parse(key, &parts))
		return;
	policy = json_object();
	put_text(policy, "kind", parts.kind);
	put_text(policy, "namespace", parts.namespace);
	put_text(policy, "name", parts.name);
	(void)json_object_set_new(to, "policy", policy);
}

static json_t *step_json(const struct trace_event *event)
{
	const struct chain_kind *kind = kind_of(event);
	json_t *json = json_object();

	put_text(json, "table", event->table);
	put_text(json, "chain", event->chain);
	if (kind)
		put_text(json, "direction", kind->direction);
	put_policy(json, event, kind);
	put_text(json, "rule", event->label);
	if (event->type == TRACE_RULE)
		(void)json_object_set_new(json, "handle", json_integer((json_int_t)event->rule));
	put_text(json, "verdict", verdict_word(event->verdict));
	put_text(json, "target", event->target);
	return json;
}

/* --- Packets ---------------------------------------------------------------------------------- */

/* What is worth a line: rules that matched, and a chain that denies at its end. */
static bool is_shown(const struct trace_event *event)
{
	return (event->type == TRACE_RULE && !event->begins) ||
	       (event->type == TRACE_POLICY && event->verdict == NF_DROP);
}

/* The kernel says interfaces once for each hook. */
static void fill_interfaces(struct tracked *packet)
{
	uint32_t in = 0;
	uint32_t out = 0;

	for (size_t i = 0; i < packet->n; i++) {
		struct trace_event *event = &packet->events[i];

		in = event->in ? event->in : in;
		out = event->out ? event->out : out;
		event->in = in;
		event->out = out;
	}
}

static struct way *way_of(struct tracer *tracer, const struct tracked *packet)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct way *way;

	for (size_t i = 0; i < packet->n; i++)
		if (is_shown(&packet->events[i]))
			add_step(&text, &packet->events[i]);
	for (size_t i = 0; i < tracer->n_ways; i++)
		if (strcmp(tracer->ways[i].text, buf_str(&text)) == 0)
			return &tracer->ways[i];
	if (tracer->n_ways == WAYS_MAX)
		return NULL;
	way = ARRAY_ADD(tracer->ways, tracer->n_ways);
	way->text = xstrdup(buf_str(&text));
	way->steps = json_array();
	for (size_t i = 0; i < packet->n; i++) {
		const struct trace_event *event = &packet->events[i];

		way->denied = way->denied || event->verdict == NF_DROP;
		if (is_shown(event))
			(void)json_array_append_new(way->steps, step_json(event));
	}
	return way;
}

static void end_packet(struct tracer *tracer, struct tracked *packet)
{
	struct way *way;

	fill_interfaces(packet);
	way = way_of(tracer, packet);
	if (way && !way->count++ && !tracer->json) {
		_cleanup_buf_ struct buf head = BUF_INIT;

		if (packet->events[0].in) {
			buf_adds(&head, ", in by ");
			add_interface(&head, packet->events[0].in);
		}
		printf("packet%s\n%s  %s\n\n", buf_str(&head), way->text,
		       way->denied  ? "Denied."
		       : *way->text ? "Allowed."
				    : "It met no rule of nftables.");
		(void)fflush(stdout);
	}
	if (way && way->denied)
		tracer->n_denied++;
	else if (way)
		tracer->n_allowed++;
	free(packet->events);
	*packet = tracer->packets[--tracer->n_packets];
}

static void see(const struct trace_event *event, void *ctx)
{
	struct tracer *tracer = ctx;
	struct tracked *packet = NULL;

	for (size_t i = 0; !packet && i < tracer->n_packets; i++)
		if (tracer->packets[i].id == event->packet)
			packet = &tracer->packets[i];
	if (!packet) {
		if (tracer->n_packets == PACKETS_MAX) {
			tracer->lost = true;
			return;
		}
		packet = ARRAY_ADD(tracer->packets, tracer->n_packets);
		packet->id = event->packet;
	}
	packet->last_us = loop_now();
	if (packet->n < EVENTS_MAX)
		*ARRAY_ADD(packet->events, packet->n) = *event;
}

static void end_packets(struct tracer *tracer, uint64_t before_us)
{
	for (size_t i = tracer->n_packets; i-- > 0;)
		if (tracer->packets[i].last_us <= before_us)
			end_packet(tracer, &tracer->packets[i]);
}

/* --- The time that is given ------------------------------------------------------------------- */

static int watch_signals(struct err *err)
{
	sigset_t mask;
	int fd;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "watch for signals") : fd;
}

static int follow(struct tracer *tracer, uint64_t seconds, int signals, struct err *err)
{
	uint64_t end_us = loop_now() + seconds * 1000000;
	struct pollfd fds[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = policy_trace_fd(tracer->trace), .events = POLLIN},
	};

	while (loop_now() < end_us && !(fds[0].revents & POLLIN)) {
		int r;

		(void)poll(fds, ARRAY_SIZE(fds), (int)(SILENCE_US / 1000 / 2));
		r = policy_trace_read(tracer->trace, see, tracer, err);
		if (r < 0)
			return r;
		tracer->lost = tracer->lost || r == TRACE_E_LOST;
		end_packets(tracer, loop_now() - SILENCE_US);
	}
	end_packets(tracer, UINT64_MAX);
	return 0;
}

/* --- The whole -------------------------------------------------------------------------------- */

static void print_json(const struct tracer *tracer, const struct trace_flow *flow)
{
	json_t *json = json_object();
	json_t *ways = json_array();
	char *text;

	put_text(json, "source", ip_format(&flow->source).s);
	put_text(json, "destination", ip_format(&flow->destination).s);
	if (flow->protocol)
		put_text(json, "protocol", protocol_format(flow->protocol).s);
	if (flow->port)
		(void)json_object_set_new(json, "port", json_integer(flow->port));
	for (size_t i = 0; i < tracer->n_ways; i++) {
		json_t *way = json_object();

		put_text(way, "verdict", tracer->ways[i].denied ? "deny" : "allow");
		(void)json_object_set_new(way, "packets",
					  json_integer((json_int_t)tracer->ways[i].count));
		(void)json_object_set(way, "steps", tracer->ways[i].steps);
		(void)json_array_append_new(ways, way);
	}
	(void)json_object_set_new(json, "ways", ways);
	(void)json_object_set_new(json, "lost", json_boolean(tracer->lost));
	text = json_dumps(json, JSON_INDENT(2));
	puts(text);
	free(text);
	json_decref(json);
}

static void print_sum(const struct tracer *tracer)
{
	if (!tracer->n_denied && !tracer->n_allowed)
		printf("No such packet came by on this node.\n");
	else
		printf("%llu packets: %llu allowed, %llu denied\n",
		       (unsigned long long)(tracer->n_denied + tracer->n_allowed),
		       (unsigned long long)tracer->n_allowed, (unsigned long long)tracer->n_denied);
	if (tracer->lost)
		printf("There were more, too many to follow.\n");
}

/* Two addresses need no datastore. */
static bool are_addresses(const struct ctl_question *question, struct connection_end *from,
			  struct connection_end *to)
{
	return connection_address_parse(question->from, &from->addr) == 0 &&
	       connection_address_parse(question->to, &to->addr) == 0 &&
	       from->addr.family == to->addr.family;
}

static int find_flow(struct ctl *ctl, const struct ctl_question *question, struct trace_flow *ret,
		     struct err *err)
{
	_cleanup_(ctl_policies_deinitp) struct ctl_policies policies = {.world = NULL};
	struct connection_end from = {.node = ""};
	struct connection_end to = {.node = ""};
	struct packet packet = {0};
	int r = 0;

	if (!are_addresses(question, &from, &to)) {
		r = ctl_policies_read(ctl, &policies, err);
		if (r == 0)
			r = ctl_question_ends(policies.world, question, &from, &to, err);
	}
	if (r == 0 && question->port)
		r = connection_port_parse(policies.world, question->port, &to, &packet, err);
	if (r < 0)
		return r;
	*ret = (struct trace_flow){
		.source = from.addr,
		.destination = to.addr,
		.protocol = packet.protocol,
		.port = protocol_has_ports(packet.protocol) ? packet.destination_port : 0,
	};
	return 0;
}

int ctl_run_policy_trace(struct ctl *ctl, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	_cleanup_(ctl_question_deinitp) struct ctl_question question = {.from = NULL};
	_cleanup_(tracer_deinitp) struct tracer tracer = {.trace = NULL};
	_cleanup_close_ int signals = -1;
	uint64_t seconds = SECONDS_DEFAULT;
	struct trace_flow flow = {.protocol = 0};
	int r = ctl_check_format(args, &tracer.json, err);

	if (r == 0 && args->set[FLAG_SECONDS])
		r = parse_u64(args->values[FLAG_SECONDS], 1, SECONDS_MAX, &seconds, err);
	if (r == 0)
		r = ctl_question_parse(args, /* needs_port= */ false, &question, err);
	if (r == 0)
		r = find_flow(ctl, &question, &flow, err);
	if (r == 0)
		r = signals = watch_signals(err);
	if (r >= 0)
		r = policy_trace_open(&flow, &tracer.trace, err);
	if (r < 0)
		return r;
	fprintf(stderr, "following packets from %s to %s on this node for %llu seconds\n",
		ip_format(&flow.source).s, ip_format(&flow.destination).s,
		(unsigned long long)seconds);
	r = follow(&tracer, seconds, signals, err);
	if (r < 0)
		return r;
	if (tracer.n_denied)
		ctl->exit_code = CTL_EXIT_DENIED;
	if (tracer.json)
		print_json(&tracer, &flow);
	else
		print_sum(&tracer);
	return 0;
}
