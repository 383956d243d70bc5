/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Node start-up. Every step first looks whether its object is there, creates it if not, and takes
 * "somebody else was faster" as done, so nodes can start together and a broken start can be run
 * again.
 */

#include "agent/node-startup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "agent/cluster-guid.h"
#include "agent/node-address.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "model/kinds.h"
#include "store/store.h"

#define LOG_MODULE "startup"
#include "base/log.h"

#define UPDATE_RETRIES 20

/* --- Objects ---------------------------------------------------------------------------------- */

static void random_bytes(void *bytes, size_t size)
{
	ssize_t n = getrandom(bytes, size, 0);

	assert(n == (ssize_t)size);
}

/* Creates the object unless one of its name is there. */
static int ensure(struct store *store, struct object *object, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct store_op op = {
		.type = STORE_CREATE,
		.kind = object->desc->kind,
		.name = object->meta.name,
	};
	int r;

	store_stamp(object);
	model_default(object);
	r = model_validate(object, err);
	if (r < 0)
		return r;
	text = store_object_text(object, &op.size);
	op.value = text;
	r = store_commit(store, &op, 1, NULL, NULL, err);
	if (r == 0)
		log_info("created", "kind", object->desc->name, "name", object->meta.name);
	return r < 0 ? r : 0;
}

static int ensure_text(struct store *store, const char *text, struct err *err)
{
	_cleanup_(model_freep) struct object *object = NULL;
	int r = model_read_json(text, strlen(text), MODEL_STRICT, "built-in default", &object, err);

	return r < 0 ? r : ensure(store, object, err);
}

static int ensure_defaults(struct store *store, const struct agent_args *args, struct err *err)
{
	static const char *const texts[] = {
		"{\"kind\":\"Tier\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
		"\"default\"},\"spec\":{\"order\":1000000,\"defaultAction\":\"Deny\"}}",
		"{\"kind\":\"Tier\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
		"\"kube-admin\"},\"spec\":{\"order\":1000,\"defaultAction\":\"Pass\"}}",
		"{\"kind\":\"Tier\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
		"\"kube-baseline\"},\"spec\":{\"order\":10000000,\"defaultAction\":\"Pass\"}}",
		"{\"kind\":\"FelixConfiguration\",\"apiVersion\":\"projectcalico.org/v3\","
		"\"metadata\":{\"name\":\"default\"},\"spec\":{\"logSeverityScreen\":\"Info\"}}",
	};
	_cleanup_(model_freep) struct object *object = NULL;
	struct cluster_information *cluster;
	char guid[33];
	uint8_t bytes[16];
	int r;

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(guid + 2 * i, 3, "%02x", bytes[i]);
	object = model_new(KIND_CLUSTER_INFORMATION, NULL, "default");
	cluster = as_cluster_information(object);
	cluster->spec.cluster_guid = xstrdup(guid);
	cluster->spec.cluster_type = *args->cluster_type ? xstrdup(args->cluster_type) : NULL;
	cluster->spec.calico_version = xstrdup("korat-" KORAT_VERSION);
	cluster->spec.datastore_ready = (struct opt_bool){true, true};
	r = ensure(store, object, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = ensure_text(store, texts[i], err);
	return r;
}

/* --- Default pools ---------------------------------------------------------------------------- */

struct default_pool {
	const char *name;
	const char *cidr;
	const char *ipip; /* NULL: the family has none */
	const char *vxlan;
	const char *vxlan_variable;
	const char *block_size;
	const char *nat_outgoing;
	const char *node_selector;
};

static int encap_parse(const char *text, const char *variable, enum encap_mode *ret,
		       struct err *err)
{
	static const struct {
		const char *text;
		enum encap_mode mode;
	} modes[] = {
		{"Never", ENCAP_MODE_NEVER},
		{"Off", ENCAP_MODE_NEVER},
		{"off", ENCAP_MODE_NEVER},
		{"Always", ENCAP_MODE_ALWAYS},
		{"always", ENCAP_MODE_ALWAYS},
		{"CrossSubnet", ENCAP_MODE_CROSS_SUBNET},
		{"cross-subnet", ENCAP_MODE_CROSS_SUBNET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(text, modes[i].text) == 0) {
			*ret = modes[i].mode;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "%s=%.32s: expected Always, CrossSubnet or Never", variable,
		       text);
}

static int create_pool(struct store *store, const struct default_pool *from, struct err *err)
{
	_cleanup_(model_freep) struct object *object = model_new(KIND_IP_POOL, NULL, from->name);
	struct ip_pool_spec *spec = &as_ip_pool(object)->spec;
	uint64_t size;
	int r;

	if (strcmp(from->cidr, "none") == 0)
		return 0;
	r = parse_u64(from->block_size, 0, 128, &size, err);
	if (r < 0)
		return err_prefix(err, r, "block size of %s", from->name);
	r = encap_parse(from->vxlan, from->vxlan_variable, &spec->vxlan_mode, err);
	if (r == 0)
		r = encap_parse(from->ipip ? from->ipip : "Never", "CALICO_IPV4POOL_IPIP",
				&spec->ipip_mode, err);
	if (r < 0)
		return r;
	/* IPIP is on unless told otherwise; who asks for VXLAN means it instead. */
	if (spec->vxlan_mode != ENCAP_MODE_NEVER)
		spec->ipip_mode = ENCAP_MODE_NEVER;
	spec->cidr = xstrdup(from->cidr);
	spec->block_size = (struct opt_int){true, (int64_t)size};
	spec->nat_outgoing = (struct opt_bool){true, strcmp(from->nat_outgoing, "true") == 0};
	spec->node_selector = xstrdup(from->node_selector);
	return ensure(store, object, err);
}

/* A pool that can't be read may be of either family: no default one beside it. */
static void note_family(const struct store_object *stored, bool has[2])
{
	_cleanup_(model_freep) struct object *object = NULL;
	struct cidr cidr;

	if (store_object_read(stored, &object, NULL) < 0 || !as_ip_pool(object)->spec.cidr ||
	    cidr_parse(as_ip_pool(object)->spec.cidr, &cidr, NULL) < 0)
		has[0] = has[1] = true;
	else
		has[cidr.addr.family == AF_INET ? 0 : 1] = true;
}

/* Of each family that has no pool at all. */
static int ensure_pools(struct store *store, const struct agent_args *args, struct err *err)
{
	const struct default_pool pools[] = {
		{"default-ipv4-ippool", args->v4_pool_cidr, args->v4_pool_ipip, args->v4_pool_vxlan,
		 "CALICO_IPV4POOL_VXLAN", args->v4_pool_block_size, args->v4_pool_nat_outgoing,
		 args->v4_pool_node_selector},
		{"default-ipv6-ippool", args->v6_pool_cidr, NULL, args->v6_pool_vxlan,
		 "CALICO_IPV6POOL_VXLAN", args->v6_pool_block_size, args->v6_pool_nat_outgoing,
		 args->v6_pool_node_selector},
	};
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	bool has[ARRAY_SIZE(pools)] = {false, false};
	int r;

	if (args->no_default_pools)
		return 0;
	r = store_list(store, KIND_IP_POOL, NULL, &list, err);
	for (size_t i = 0; i < list.n; i++)
		note_family(&list.v[i], has);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pools); i++) {
		if (!has[i])
			r = create_pool(store, &pools[i], err);
	}
	return r;
}

/* --- This node -------------------------------------------------------------------------------- */

static int check_unique(struct store *store, const char *name, const struct cidr *addr,
			struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	int r = store_list(store, KIND_NODE, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		const struct node_bgp *bgp;
		struct cidr theirs;

		if (strcmp(list.v[i].name, name) == 0 ||
		    store_object_read(&list.v[i], &object, NULL) < 0)
			continue;
		bgp = as_node(object)->spec.bgp;
		node_address_read(!bgp				 ? NULL
				  : addr->addr.family == AF_INET ? bgp->ipv4_address
								 : bgp->ipv6_address,
				  &theirs);
		if (ip_equal(&theirs.addr, &addr->addr))
			return err_set(err, -EADDRINUSE,
				       "address %s is already node %s's; set IP to this node's own "
				       "address, or delete that node if it is gone",
				       ip_format(&addr->addr).s, list.v[i].name);
	}
	return r;
}

static int set_addresses(struct store *store, const struct agent_args *args, struct node *node,
			 struct err *err)
{
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f == 0 ? AF_INET : AF_INET6;
		struct node_address_known known;
		struct cidr found;
		char **member;
		int r;

		if (!node->spec.bgp)
			node->spec.bgp = XNEW(struct node_bgp);
		member = f == 0 ? &node->spec.bgp->ipv4_address : &node->spec.bgp->ipv6_address;
		node_address_read(*member, &known.stored);
		known.told = node_internal_address(node, family);
		r = node_find_address(args, family, &known, &found, err);
		if (r < 0)
			return r;
		if (!found.addr.family)
			continue;
		if (!args->no_address_check) {
			r = check_unique(store, args->node_name, &found, err);
			if (r < 0)
				return r;
		}
		replace_str(member, xstrdup(cidr_format(&found).s));
	}
	return 0;
}

static int set_as_number(const struct agent_args *args, struct node *node, struct err *err)
{
	uint64_t as_number;
	int r;

	if (!*args->as_number)
		return 0;
	r = parse_u64(args->as_number, 1, UINT32_MAX, &as_number, err);
	if (r < 0)
		return err_prefix(err, r, "AS");
	node->spec.bgp->as_number = (struct opt_int){true, (int64_t)as_number};
	return 0;
}

/* One try: read, change, write. STORE_E_*: somebody else wrote meanwhile. */
static int update_node(struct store *store, const struct agent_args *args, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_(model_freep) struct object *before = NULL;
	_cleanup_free_ char *text = NULL;
	struct store_op op = {.kind = KIND_NODE, .name = args->node_name};
	int r = store_get(store, KIND_NODE, NULL, args->node_name, &stored, err);

	if (r < 0)
		return r;
	if (r == 0) {
		struct err bad = ERR_INIT;

		if (store_object_read(&stored, &object, &bad) < 0) {
			log_error_limited("this node's Node can't be understood and is left as it "
					  "is; correct it",
					  "error", bad.msg);
			return 0;
		}
		before = model_copy(object);
		op.type = STORE_UPDATE;
		op.revision = stored.revision;
	} else {
		object = model_new(KIND_NODE, NULL, args->node_name);
		store_stamp(object);
		op.type = STORE_CREATE;
	}
	r = set_addresses(store, args, as_node(object), err);
	if (r == 0)
		r = set_as_number(args, as_node(object), err);
	if (r < 0 || (before && model_equal(before, object)))
		return r;
	text = store_object_text(object, &op.size);
	op.value = text;
	r = store_commit(store, &op, 1, NULL, NULL, err);
	if (r == 0)
		log_info("node written", "node", args->node_name, "ipv4",
			 as_node(object)->spec.bgp->ipv4_address, "ipv6",
			 as_node(object)->spec.bgp->ipv6_address);
	return r;
}

static int write_node_name(const struct agent_args *args, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/nodename", args->state_dir);

	return file_write_atomic(path, args->node_name, strlen(args->node_name), 0644, err);
}

int node_register(struct store *store, const struct agent_args *args, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < UPDATE_RETRIES; i++) {
		r = update_node(store, args, err);
		if (r <= 0)
			return r;
	}
	return err_set(err, -EBUSY, "node %s is written by someone else all the time",
		       args->node_name);
}

int node_startup(struct store *store, const struct agent_args *args, struct err *err)
{
	int r = cluster_guid_check(store, args, err);

	if (r == 0)
		r = ensure_defaults(store, args, err);
	if (r == 0)
		r = ensure_pools(store, args, err);
	if (r == 0)
		r = node_register(store, args, err);
	if (r == 0)
		r = write_node_name(args, err);
	return r < 0 ? r : cluster_guid_keep(store, args, err);
}
