/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ports of Kubernetes' rules: each comes with its protocol there, while a rule of Calico's has one
 * protocol. So they are grouped, and a group's ports are merged to as few ranges as there can be.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "model/model-check.h"
#include "policy/kubernetes-convert.h"

static const char *const protocols[PORT_PROTOCOLS_] = {
	[PORT_SCTP] = "SCTP",
	[PORT_TCP] = "TCP",
	[PORT_UDP] = "UDP",
};

void port_groups_deinit(struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_PROTOCOLS_; i++) {
		free(groups->groups[i].names);
		free(groups->groups[i].spans);
	}
}

/* --- Collecting ------------------------------------------------------------------------------ */

static void add_name(struct port_group *group, const char *name)
{
	group->used = true;
	*ARRAY_ADD(group->names, group->n_names) = name;
}

static void add_span(struct port_group *group, uint16_t first, uint16_t last)
{
	group->used = true;
	*ARRAY_ADD(group->spans, group->n_spans) = (struct port_span){first, last};
}

static void add_all(struct port_group *group)
{
	group->used = true;
	group->all = true;
}

static int compare_spans(const void *a, const void *b)
{
	const struct port_span *left = a, *right = b;

	return left->first != right->first ? (int)left->first - (int)right->first
					   : (int)left->last - (int)right->last;
}

static void merge(struct port_group *group)
{
	size_t n = 0;

	if (group->n_spans < 2)
		return;
	qsort(group->spans, group->n_spans, sizeof(*group->spans), compare_spans);
	for (size_t i = 1; i < group->n_spans; i++) {
		struct port_span *last = &group->spans[n];
		const struct port_span *next = &group->spans[i];

		if (next->first > last->last + 1)
			group->spans[++n] = *next;
		else if (next->last > last->last)
			last->last = next->last;
	}
	group->n_spans = n + 1;
}

static void merge_all(struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_PROTOCOLS_; i++)
		merge(&groups->groups[i]);
}

/* --- NetworkPolicy --------------------------------------------------------------------------- */

static int find_group(struct port_groups *groups, const char *protocol, struct port_group **ret,
		      struct err *err)
{
	for (size_t i = 0; i < PORT_PROTOCOLS_; i++) {
		if (strcmp(protocols[i], protocol ? protocol : "TCP") == 0) {
			*ret = &groups->groups[i];
			return 0;
		}
	}
	return err_set(err, -EINVAL, "protocol: \"%.32s\" is none of TCP, UDP and SCTP", protocol);
}

static int add_port(struct port_groups *groups, const struct kubernetes_port *port, struct err *err)
{
	struct port_group *group = NULL;
	uint16_t first = 0;
	uint16_t last = 0;
	int r = find_group(groups, port->protocol, &group, err);

	if (r < 0)
		return r;
	if (!port->port.s && port->end_port.set)
		return err_set(err, -EINVAL, "endPort: needs a port");
	if (!port->port.s) {
		add_all(group);
		return 0;
	}
	r = model_check_port(port->port.s, &first, &last, err);
	if (r < 0)
		return r;
	if (port->end_port.set &&
	    (r == 1 || first != last || port->end_port.v < first || port->end_port.v > UINT16_MAX))
		return err_set(err, -EINVAL,
			       "endPort: %" PRId64 " ends no range that begins at %.64s",
			       port->end_port.v, port->port.s);
	if (r == 1)
		add_name(group, port->port.s);
	else
		add_span(group, first, port->end_port.set ? (uint16_t)port->end_port.v : last);
	return 0;
}

int port_groups_of_policy(const struct kubernetes_port_list *ports, struct port_groups *ret,
			  struct err *err)
{
	_cleanup_(port_groups_deinitp) struct port_groups groups = {.any = ports->n == 0};

	for (size_t i = 0; i < ports->n; i++) {
		int r = add_port(&groups, &ports->v[i], err);

		if (r < 0)
			return err_prefix(err, r, "ports[%zu]", i);
	}
	merge_all(&groups);
	*ret = groups;
	groups = (struct port_groups){0};
	return 0;
}

/* --- ClusterNetworkPolicy -------------------------------------------------------------------- */

static bool is_port(const struct opt_int *port)
{
	return port->set && port->v > 0 && port->v <= UINT16_MAX;
}

static int add_transport(struct port_group *group, const struct cluster_transport *transport,
			 struct err *err)
{
	const struct cluster_port *port = transport->destination_port;

	if (port && is_port(&port->number) && !port->range) {
		add_span(group, (uint16_t)port->number.v, (uint16_t)port->number.v);
		return 0;
	}
	if (port && !port->number.set && port->range && is_port(&port->range->start) &&
	    is_port(&port->range->end) && port->range->start.v <= port->range->end.v) {
		add_span(group, (uint16_t)port->range->start.v, (uint16_t)port->range->end.v);
		return 0;
	}
	return err_set(err, -EINVAL, "destinationPort: must be a number or a range of ports");
}

/* A name alone does not say the protocol: the pods do. */
static int add_protocol(struct port_groups *groups, const struct cluster_protocol *protocol,
			struct err *err)
{
	const struct cluster_transport *const transports[PORT_PROTOCOLS_] = {
		[PORT_SCTP] = protocol->sctp,
		[PORT_TCP] = protocol->tcp,
		[PORT_UDP] = protocol->udp,
	};
	const char *name = protocol->destination_named_port;
	bool found = name && *name;
	uint16_t first;
	uint16_t last;

	if (found && model_check_port(name, &first, &last, err) != 1)
		return err_set(err, -EINVAL, "destinationNamedPort: \"%.32s\" is not a name", name);
	for (size_t i = 0; i < PORT_PROTOCOLS_; i++) {
		if (name && *name)
			add_name(&groups->groups[i], name);
		if (transports[i]) {
			int r = add_transport(&groups->groups[i], transports[i], err);

			if (r < 0)
				return r;
			found = true;
		}
	}
	return found ? 0 : err_set(err, -EINVAL, "has none of the protocols that are known here");
}

int port_groups_of_cluster_policy(const struct cluster_protocol_list *list, struct port_groups *ret,
				  struct err *err)
{
	_cleanup_(port_groups_deinitp) struct port_groups groups = {.any = list->n == 0};

	for (size_t i = 0; i < list->n; i++) {
		int r = add_protocol(&groups, &list->v[i], err);

		if (r < 0)
			return err_prefix(err, r, "protocols[%zu]", i);
	}
	merge_all(&groups);
	*ret = groups;
	groups = (struct port_groups){0};
	return 0;
}

/* --- Using ----------------------------------------------------------------------------------- */

size_t port_groups_rules(const struct port_groups *groups)
{
	size_t n = groups->any ? 1 : 0;

	for (size_t i = 0; i < PORT_PROTOCOLS_; i++)
		n += groups->groups[i].used;
	return n;
}

size_t port_groups_size(const struct port_groups *groups)
{
	size_t n = 0;

	for (size_t i = 0; i < PORT_PROTOCOLS_; i++)
		n += groups->groups[i].n_names + groups->groups[i].n_spans;
	return n;
}

static void apply_group(const struct port_group *group, struct int_or_string_list *ports)
{
	if (group->all)
		return;
	ports->set = true;
	for (size_t i = 0; i < group->n_names; i++)
		*ARRAY_ADD(ports->v, ports->n) =
			(struct int_or_string){.s = xstrdup(group->names[i])};
	for (size_t i = 0; i < group->n_spans; i++) {
		const struct port_span *span = &group->spans[i];
		bool single = span->first == span->last;

		*ARRAY_ADD(ports->v, ports->n) = (struct int_or_string){
			.s = single ? xasprintf("%u", span->first)
				    : xasprintf("%u:%u", span->first, span->last),
			.is_int = single,
		};
	}
}

void port_groups_apply(const struct port_groups *groups, size_t index, struct rule *rule)
{
	if (groups->any)
		return;
	for (size_t i = 0; i < PORT_PROTOCOLS_; i++) {
		if (!groups->groups[i].used || index-- > 0)
			continue;
		rule->protocol.s = xstrdup(protocols[i]);
		apply_group(&groups->groups[i], &rule->destination.ports);
		return;
	}
}
