/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From what a person writes to an endpoint and an address. Whatever is not found is answered with
 * what there is instead.
 */

#include "policy/policy-end.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"

#define NAMES_SHOWN	10
#define PROTOCOL_ICMP	1
#define PROTOCOL_ICMPV6 58
#define ICMP_ECHO	8
#define ICMPV6_ECHO	128

/* --- What there is ---------------------------------------------------------------------------- */

static bool in_namespace(const struct object *object, const char *namespace)
{
	return !namespace ||
	       (object->meta.namespace && strcmp(object->meta.namespace, namespace) == 0);
}

static const char *shown_name(const struct object *object)
{
	if (object->desc->kind == KIND_WORKLOAD_ENDPOINT && as_workload_endpoint(object)->spec.pod)
		return as_workload_endpoint(object)->spec.pod;
	return object->meta.name;
}

char *connection_end_names(struct policy_world *world, enum kind kind, const char *namespace)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	size_t n_objects;
	const struct object *const *objects = policy_world_objects(world, &n_objects);
	size_t n = 0;

	for (size_t i = 0; i < n_objects; i++) {
		if (objects[i]->desc->kind != kind || !in_namespace(objects[i], namespace))
			continue;
		if (n++ >= NAMES_SHOWN)
			continue;
		buf_adds(&out, n > 1 ? ", " : "");
		if (!namespace && objects[i]->meta.namespace)
			buf_addf(&out, "%s/", objects[i]->meta.namespace);
		buf_adds(&out, shown_name(objects[i]));
	}
	if (n > NAMES_SHOWN)
		buf_addf(&out, " and %zu more", n - NAMES_SHOWN);
	if (!n)
		buf_adds(&out, "none");
	return buf_take(&out);
}

static int not_found(struct policy_world *world, enum kind kind, const char *namespace,
		     const char *text, const char *what, struct err *err)
{
	_cleanup_free_ char *near = connection_end_names(world, kind, namespace);

	/* An empty namespace is probably a slip in its name. */
	if (namespace && strcmp(near, "none") == 0) {
		_cleanup_free_ char *all = connection_end_names(world, kind, NULL);

		return err_set(err, -ENOENT, "%s: no %s of namespace %s; in all there are: %s",
			       text, what, namespace, all);
	}
	return err_set(err, -ENOENT, "%s: no such %s; there are: %s", text, what, near);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static bool address_in(const char *text, uint8_t family, struct cidr *ret)
{
	struct cidr cidr;

	if (!text || cidr_parse(text, &cidr, NULL) < 0 || (family && cidr.addr.family != family))
		return false;
	*ret = cidr;
	return true;
}

bool node_address(const struct policy_world *world, const char *node, uint8_t family,
		  struct cidr *ret)
{
	const struct object *object = policy_world_find(world, KIND_NODE, NULL, node);
	const struct node_spec *spec = object ? &as_node(object)->spec : NULL;

	if (!spec)
		return false;
	if (spec->bgp && (address_in(spec->bgp->ipv4_address, family, ret) ||
			  address_in(spec->bgp->ipv6_address, family, ret)))
		return true;
	for (size_t i = 0; i < spec->addresses.n; i++)
		if (address_in(spec->addresses.v[i].address, family, ret))
			return true;
	return false;
}

static bool is_of_node(const struct object *object, const struct ip_addr *addr)
{
	const struct node_spec *spec = &as_node(object)->spec;
	const char *texts[] = {spec->bgp ? spec->bgp->ipv4_address : NULL,
			       spec->bgp ? spec->bgp->ipv6_address : NULL,
			       spec->bgp ? spec->bgp->ipv4_ipip_tunnel_addr : NULL,
			       spec->ipv4_vxlan_tunnel_addr, spec->ipv6_vxlan_tunnel_addr};
	struct cidr cidr;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (address_in(texts[i], 0, &cidr) && ip_equal(&cidr.addr, addr))
			return true;
	for (size_t i = 0; i < spec->addresses.n; i++)
		if (address_in(spec->addresses.v[i].address, 0, &cidr) &&
		    ip_equal(&cidr.addr, addr))
			return true;
	return false;
}

static bool peer_address(const struct world_peer *peer, uint8_t family, struct ip_addr *ret)
{
	for (size_t i = 0; i < peer->n_nets; i++) {
		if (!family || peer->nets[i].addr.family == family) {
			*ret = peer->nets[i].addr;
			return true;
		}
	}
	return false;
}

static void end_of_peer(const struct world_peer *peer, struct connection_end *ret)
{
	ret->type = peer->type == WORLD_WORKLOAD ? END_WORKLOAD
		    : peer->type == WORLD_HOST	 ? END_HOST
						 : END_OUTSIDE;
	ret->peer = ret->type == END_OUTSIDE ? NULL : peer;
	ret->node = ret->type == END_OUTSIDE ? "" : peer->node;
}

/* Who has an address: a workload, a host, or nobody we know. */
static void end_of_address(struct policy_world *world, const struct ip_addr *addr,
			   struct connection_end *ret)
{
	size_t n;
	size_t n_objects;
	const struct world_peer *peers = policy_world_peers(world, &n);
	const struct object *const *objects = policy_world_objects(world, &n_objects);

	*ret = (struct connection_end){.type = END_OUTSIDE, .node = "", .addr = *addr};
	for (size_t i = 0; i < n; i++) {
		if (peers[i].type == WORLD_WORKLOAD && world_peer_holds(&peers[i], addr)) {
			end_of_peer(&peers[i], ret);
			return;
		}
	}
	for (size_t i = 0; i < n_objects; i++) {
		if (objects[i]->desc->kind == KIND_NODE && is_of_node(objects[i], addr)) {
			ret->type = END_HOST;
			ret->node = objects[i]->meta.name;
			return;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (peers[i].type == WORLD_HOST && world_peer_holds(&peers[i], addr)) {
			end_of_peer(&peers[i], ret);
			return;
		}
	}
}

/* --- Names ------------------------------------------------------------------------------------ */

static const struct {
	const char *prefix;
	enum kind kind;
	bool namespaced;
	const char *what;
} end_kinds[] = {
	{"pod/", KIND_WORKLOAD_ENDPOINT, true, "pod"},
	{"workload/", KIND_WORKLOAD_ENDPOINT, true, "workload endpoint"},
	{"hep/", KIND_HOST_ENDPOINT, false, "host endpoint"},
	{"node/", KIND_NODE, false, "node"},
	{"networkset/", KIND_NETWORK_SET, true, "network set"},
	{"globalnetworkset/", KIND_GLOBAL_NETWORK_SET, false, "global network set"},
};

static bool is_named(const struct object *object, const char *namespace, const char *name,
		     bool of_pod)
{
	const char *own = of_pod ? as_workload_endpoint(object)->spec.pod : object->meta.name;

	return own && strcmp(own, name) == 0 && in_namespace(object, namespace);
}

/* With an address of the family wanted, if there are several. */
static const struct world_peer *find_peer(struct policy_world *world, enum kind kind,
					  const char *namespace, const char *name, bool of_pod,
					  uint8_t family)
{
	const struct world_peer *found = NULL;
	struct ip_addr addr;
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	for (size_t i = 0; i < n; i++) {
		if (peers[i].object->desc->kind != kind ||
		    !is_named(peers[i].object, namespace, name, of_pod))
			continue;
		found = &peers[i];
		if (peer_address(found, family, &addr))
			break;
	}
	return found;
}

static int no_address(const char *text, uint8_t family, struct err *err)
{
	return err_set(err, -ENOENT, "%s: has no %s address; name an address by ip/ADDRESS", text,
		       family == AF_INET    ? "IPv4"
		       : family == AF_INET6 ? "IPv6"
					    : "known");
}

static int find_node(struct policy_world *world, const char *text, const char *name, uint8_t family,
		     struct connection_end *ret, struct err *err)
{
	const struct object *object = policy_world_find(world, KIND_NODE, NULL, name);
	struct cidr cidr;

	if (!object)
		return not_found(world, KIND_NODE, NULL, text, "node", err);
	if (!node_address(world, name, family, &cidr))
		return no_address(text, family, err);
	*ret = (struct connection_end){
		.type = END_HOST, .node = object->meta.name, .addr = cidr.addr};
	return 0;
}

/* 'rest' is what follows the prefix of end_kinds[row]. */
static int find_named(struct policy_world *world, const char *text, size_t row, const char *rest,
		      uint8_t family, struct connection_end *ret, struct err *err)
{
	const char *slash = strchr(rest, '/');
	_cleanup_free_ char *namespace = NULL;
	const struct world_peer *peer;
	struct connection_end end = {.type = END_OUTSIDE, .node = ""};
	struct cidr cidr;

	if (end_kinds[row].namespaced != !!slash || !*rest || (slash && !slash[1]))
		return err_set(err, -EINVAL, "%s: expected %s%sNAME", text, end_kinds[row].prefix,
			       end_kinds[row].namespaced ? "NAMESPACE/" : "");
	if (slash)
	namespace = xstrndup(rest, (size_t)(slash - rest));
	if (end_kinds[row].kind == KIND_NODE)
		return find_node(world, text, rest, family, ret, err);
	peer = find_peer(world, end_kinds[row].kind, namespace, slash ? slash + 1 : rest, row == 0,
			 family);
	if (!peer)
		return not_found(world, end_kinds[row].kind, namespace, text, end_kinds[row].what,
				 err);
	end_of_peer(peer, &end);
	if (!peer_address(peer, family, &end.addr)) {
		if (peer->type != WORLD_HOST || !node_address(world, peer->node, family, &cidr))
			return no_address(text, family, err);
		end.addr = cidr.addr;
	}
	*ret = end;
	return 0;
}

int connection_address_parse(const char *text, struct ip_addr *ret)
{
	const char *address = strncmp(text, "ip/", 3) == 0 ? text + 3 : text;
	size_t len = strlen(address);
	_cleanup_free_ char *inner = NULL;

	if (len > 2 && address[0] == '[' && address[len - 1] == ']')
		inner = xstrndup(address + 1, len - 2);
	return ip_parse(inner ? inner : address, ret, NULL);
}

int connection_end_find(struct policy_world *world, const char *text, uint8_t family,
			struct connection_end *ret, struct err *err)
{
	struct ip_addr addr;

	for (size_t i = 0; i < ARRAY_SIZE(end_kinds); i++) {
		size_t len = strlen(end_kinds[i].prefix);

		if (strncmp(text, end_kinds[i].prefix, len) == 0)
			return find_named(world, text, i, text + len, family, ret, err);
	}
	if (connection_address_parse(text, &addr) < 0)
		return err_set(err, -EINVAL,
			       "\"%.200s\" is no end of a connection; expected pod/NAMESPACE/NAME, "
			       "hep/NAME, node/NAME, networkset/NAMESPACE/NAME, "
			       "globalnetworkset/NAME or ip/ADDRESS",
			       text);
	if (family && addr.family != family)
		return no_address(text, family, err);
	end_of_address(world, &addr, ret);
	return 0;
}

/* --- What is spoken --------------------------------------------------------------------------- */

static int parse_icmp(const char *rest, struct packet *ret, struct err *err)
{
	const char *slash = strchr(rest, '/');
	_cleanup_free_ char *type_text =
		slash ? xstrndup(rest, (size_t)(slash - rest)) : xstrdup(rest);
	uint64_t type;
	uint64_t code = 0;
	int r = parse_u64(type_text, 0, UINT8_MAX, &type, err);

	if (r == 0 && slash)
		r = parse_u64(slash + 1, 0, UINT8_MAX, &code, err);
	if (r < 0)
		return err_prefix(err, r, "ICMP type and code");
	ret->icmp_type = (uint8_t)type;
	ret->icmp_code = (uint8_t)code;
	return 0;
}

/* Is the name looked for a port of this endpoint? The others go to 'names'. */
static bool find_port(const struct world_peer *peer, const char *text, struct packet *ret,
		      struct buf *names)
{
	for (size_t i = 0; i < peer->n_ports; i++) {
		const struct world_port *named = &peer->ports[i];

		if (named->protocol != ret->protocol)
			continue;
		if (strcmp(named->name, text) == 0) {
			ret->destination_port = named->port;
			return true;
		}
		buf_addf(names, "%s%s", names->size ? ", " : "", named->name);
	}
	return false;
}

/* A host that is not asked for by one of its endpoints has the ports of all of them. */
static bool is_port_of(struct policy_world *world, const struct connection_end *to,
		       const char *text, struct packet *ret, struct buf *names)
{
	const struct world_peer *peers;
	size_t n;

	if (to->peer)
		return find_port(to->peer, text, ret, names);
	if (to->type != END_HOST)
		return false;
	peers = policy_world_peers(world, &n);
	for (size_t i = 0; i < n; i++)
		if (peers[i].type == WORLD_HOST && strcmp(peers[i].node, to->node) == 0 &&
		    find_port(&peers[i], text, ret, names))
			return true;
	return false;
}

static int parse_port(struct policy_world *world, const char *text, const struct connection_end *to,
		      struct packet *ret, struct err *err)
{
	_cleanup_buf_ struct buf names = BUF_INIT;
	uint64_t port;

	if (parse_u64(text, 1, UINT16_MAX, &port, NULL) == 0) {
		ret->destination_port = (uint16_t)port;
		return 0;
	}
	if (is_port_of(world, to, text, ret, &names))
		return 0;
	return err_set(err, -ENOENT,
		       "\"%.40s\" is neither a port (1 to 65535) nor the name of one; named %s "
		       "ports there are: %s",
		       text, protocol_format(ret->protocol).s,
		       names.size ? buf_str(&names) : "none");
}

int connection_port_parse(struct policy_world *world, const char *text,
			  const struct connection_end *to, struct packet *ret, struct err *err)
{
	size_t len = strcspn(text, "/");
	const char *rest = text[len] ? text + len + 1 : NULL;
	_cleanup_free_ char *name = xstrndup(text, len);
	struct packet packet = *ret;
	int r = 0;

	packet.protocol = protocol_find(name);
	if (!packet.protocol)
		return err_set(err, -EINVAL,
			       "\"%.40s\" is no protocol; expected tcp/PORT, udp/PORT, sctp/PORT, "
			       "icmp or a number",
			       text);
	if (packet.protocol == PROTOCOL_ICMP || packet.protocol == PROTOCOL_ICMPV6) {
		packet.icmp_type = packet.protocol == PROTOCOL_ICMP ? ICMP_ECHO : ICMPV6_ECHO;
		r = rest ? parse_icmp(rest, &packet, err) : 0;
	} else if (protocol_has_ports(packet.protocol)) {
		r = rest ? parse_port(world, rest, to, &packet, err)
			 : err_set(err, -EINVAL, "%s: a port is missing, as in %s/443", text, name);
	} else if (rest) {
		r = err_set(err, -EINVAL, "%s: %s has no ports", text, name);
	}
	if (r == 0)
		*ret = packet;
	return r;
}
