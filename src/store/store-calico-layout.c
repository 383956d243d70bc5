/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys and names. What a value looks like is store-calico-value.c. Spec: Calico's etcd layout.
 * A key that was written comes back as the place it was written for; keys of anything else below
 * the same prefixes (per-host records of old versions) are no places.
 */

#include "store/store-calico-layout.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/affinity-name.h"
#include "model/model-desc.h"

#define RESOURCES    "/calico/resources/v3/projectcalico.org/"
#define IPAM_BLOCKS  "/calico/ipam/v2/assignment/"
#define IPAM_HOSTS   "/calico/ipam/v2/host/"
#define IPAM_VIRTUAL "/calico/ipam/v2/virtual/"
#define IPAM_HANDLES "/calico/ipam/v2/handle/"
#define IPAM_CONFIG  "/calico/ipam/v2/config"
#define CONFIG_NAME  "default"
#define KEY_MAX	     2048u

/* The prefixes of a kind that lies elsewhere than the v3 resources. */
struct ipam_layout {
	enum kind kind;
	const char *prefixes[CALICO_PREFIXES_MAX]; /* NULL: no more */
};

static const struct ipam_layout ipam_layouts[] = {
	{KIND_IPAM_BLOCK, {IPAM_BLOCKS}},
	{KIND_BLOCK_AFFINITY, {IPAM_HOSTS, IPAM_VIRTUAL}},
	{KIND_IPAM_HANDLE, {IPAM_HANDLES}},
	{KIND_IPAM_CONFIGURATION, {IPAM_CONFIG}},
};

static const struct ipam_layout *layout_find(enum kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(ipam_layouts); i++) {
		if (ipam_layouts[i].kind == kind)
			return &ipam_layouts[i];
	}
	return NULL;
}

void calico_place_deinit(struct calico_place *place)
{
	free(place->namespace);
	free(place->name);
	free(place->owner);
	*place = (struct calico_place){.name = NULL};
}

/* --- Blocks' names --------------------------------------------------------------------------- */

static bool is_block(const struct cidr *cidr)
{
	return cidr_is_masked(cidr);
}

/* "10.1.2.0-26", as in a key. */
static bool cidr_from_key(const char *text, struct cidr *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *dash = strrchr(copy, '-');

	if (!dash)
		return false;
	*dash = '/';
	if (cidr_parse(copy, ret, NULL) < 0 || !is_block(ret))
		return false;
	copy[dash - copy] = '/';
	return strcmp(cidr_format(ret).s, copy) == 0;
}

static void cidr_to_key(const struct cidr *cidr, struct buf *out)
{
	struct cidr_str text = cidr_format(cidr);
	char *slash = strchr(text.s, '/');

	if (slash)
		*slash = '-';
	buf_adds(out, text.s);
}

/* "10-1-2-0-26", "fd00-42---122", as in a name; one family. */
static bool cidr_from_name_as(const char *text, char separator, struct cidr *ret)
{
	struct cidr_str copy = {""};
	size_t len = strlen(text);
	char *dash;

	if (len >= sizeof(copy.s))
		return false;
	memcpy(copy.s, text, len + 1);
	dash = strrchr(copy.s, '-');
	if (!dash)
		return false;
	*dash = '/';
	for (char *p = copy.s; p < dash; p++) {
		if (*p == '-')
			*p = separator;
	}
	return cidr_parse(copy.s, ret, NULL) == 0 && is_block(ret) &&
	       strcmp(cidr_name(ret).s, text) == 0;
}

static bool cidr_from_name(const char *text, struct cidr *ret)
{
	return cidr_from_name_as(text, '.', ret) || cidr_from_name_as(text, ':', ret);
}

/* --- From a key ------------------------------------------------------------------------------ */

/* The rest of 'text' behind 'prefix'; NULL: it has another. */
static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* "ipv4/block/10.1.2.0-26" */
static bool block_from_rest(const char *rest, struct cidr *ret)
{
	const char *cidr = behind(rest, "ipv4/block/");
	uint8_t family = AF_INET;

	if (!cidr) {
		cidr = behind(rest, "ipv6/block/");
		family = AF_INET6;
	}
	return cidr && cidr_from_key(cidr, ret) && ret->addr.family == family;
}

static bool affinity_from_rest(const char *rest, bool is_virtual, struct calico_place *ret)
{
	const char *slash = strchr(rest, '/');

	if (!slash || slash == rest || !block_from_rest(slash + 1, &ret->cidr))
		return false;
	ret->kind = KIND_BLOCK_AFFINITY;
	ret->owner = xstrndup(rest, (size_t)(slash - rest));
	ret->is_virtual = is_virtual;
	ret->name = affinity_name(ret->owner, &ret->cidr);
	return true;
}

static bool resource_from_rest(const char *rest, struct calico_place *ret)
{
	const char *slash = strchr(rest, '/');
	_cleanup_free_ char *plural = NULL;
	const struct kind_desc *desc;

	if (!slash)
		return false;
	plural = xstrndup(rest, (size_t)(slash - rest));
	desc = kind_find_plural(plural);
	if (!desc || layout_find(desc->kind))
		return false;
	rest = slash + 1;
	ret->kind = desc->kind;
	if (desc->namespaced) {
		slash = strchr(rest, '/');
		if (!slash || slash == rest)
			return false;
		ret->namespace = xstrndup(rest, (size_t)(slash - rest));
		rest = slash + 1;
	}
	if (!*rest || strchr(rest, '/'))
		return false;
	ret->name = xstrdup(rest);
	return true;
}

static bool place_from_text(const char *key, struct calico_place *ret)
{
	const char *rest;

	rest = behind(key, RESOURCES);
	if (rest)
		return resource_from_rest(rest, ret);
	rest = behind(key, IPAM_HOSTS);
	if (rest)
		return affinity_from_rest(rest, false, ret);
	rest = behind(key, IPAM_VIRTUAL);
	if (rest)
		return affinity_from_rest(rest, true, ret);
	rest = behind(key, IPAM_BLOCKS);
	if (rest) {
		ret->kind = KIND_IPAM_BLOCK;
		if (!block_from_rest(rest, &ret->cidr))
			return false;
		ret->name = xstrdup(cidr_name(&ret->cidr).s);
		return true;
	}
	rest = behind(key, IPAM_HANDLES);
	if (rest && *rest && !rest[strcspn(rest, "/")]) {
		ret->kind = KIND_IPAM_HANDLE;
		ret->name = xstrdup(rest);
		return true;
	}
	if (strcmp(key, IPAM_CONFIG) != 0)
		return false;
	ret->kind = KIND_IPAM_CONFIGURATION;
	ret->name = xstrdup(CONFIG_NAME);
	return true;
}

bool calico_place_from_key(const char *key, size_t size, struct calico_place *ret)
{
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
	_cleanup_free_ char *text = NULL;

	if (size > KEY_MAX || memchr(key, '\0', size))
		return false;
	text = xstrndup(key, size);
	if (!place_from_text(text, &place))
		return false;
	*ret = place;
	place = (struct calico_place){.name = NULL};
	return true;
}

/* --- From a name ----------------------------------------------------------------------------- */

size_t calico_affinity_candidates(const char *name, struct calico_place ret[CALICO_CANDIDATES_MAX],
				  bool *ret_hashed)
{
	size_t n = 0;

	*ret_hashed = strlen(name) >= AFFINITY_NAME_MAX - 1;
	for (const char *p = name + strlen(name); p > name && n + 2 <= CALICO_CANDIDATES_MAX; p--) {
		struct cidr cidr;

		if (*p != '-' || !cidr_from_name(p + 1, &cidr))
			continue;
		for (int is_virtual = 0; is_virtual < 2; is_virtual++) {
			ret[n++] = (struct calico_place){
				.kind = KIND_BLOCK_AFFINITY,
				.name = xstrdup(name),
				.owner = xstrndup(name, (size_t)(p - name)),
				.cidr = cidr,
				.is_virtual = is_virtual != 0,
			};
		}
	}
	return n;
}

static int affinity_from_text(const char *name, const char *text, size_t size,
			      struct calico_place *place, struct err *err)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	const json_t *spec = json_object_get(json, "spec");
	const char *owner = json_string_value(json_object_get(spec, "node"));
	const char *cidr = json_string_value(json_object_get(spec, "cidr"));
	const char *type = json_string_value(json_object_get(spec, "type"));
	_cleanup_free_ char *right = NULL;
	int r = 0;

	if (size > CALICO_VALUE_MAX || !owner || !*owner || strchr(owner, '/') || !cidr ||
	    cidr_parse(cidr, &place->cidr, NULL) < 0 || !is_block(&place->cidr)) {
		r = err_set(err, -EINVAL,
			    "BlockAffinity %.64s: its text must have spec.node and spec.cidr",
			    name);
	} else {
		place->owner = xstrdup(owner);
		place->is_virtual = type && strcmp(type, "virtual") == 0;
		right = affinity_name(owner, &place->cidr);
		if (strcmp(right, name) != 0)
			r = err_set(err, -EINVAL,
				    "BlockAffinity %.64s: node and cidr of its text give it the "
				    "name %.64s",
				    name, right);
	}
	json_decref(json);
	return r;
}

/* Without a text: a place it may have, or one of the v3 resources, where no affinity ever is. */
static void affinity_guess(const char *name, struct calico_place *place)
{
	struct calico_place candidates[CALICO_CANDIDATES_MAX];
	bool hashed;
	size_t n = calico_affinity_candidates(name, candidates, &hashed);

	if (n) {
		place->cidr = candidates[0].cidr;
		place->owner = TAKE_PTR(candidates[0].owner);
	}
	for (size_t i = 0; i < n; i++)
		calico_place_deinit(&candidates[i]);
}

static int check_parts(const struct kind_desc *desc, const char *namespace, const char *name,
		       struct err *err)
{
	if (strchr(name, '/') || (namespace && (!*namespace || strchr(namespace, '/'))))
		return err_set(err, -EINVAL,
			       "%s %.64s: a name or namespace with \"/\" can't be stored in etcd",
			       desc->name, name);
	if (desc->namespaced && !namespace)
		return err_set(err, -EINVAL, "%s %.64s: it needs a namespace", desc->name, name);
	if (!desc->namespaced && namespace)
		return err_set(err, -EINVAL, "%s %.64s: objects of this kind have no namespace",
			       desc->name, name);
	return 0;
}

int calico_place_from_name(enum kind kind, const char *namespace, const char *name,
			   const char *text, size_t size, struct calico_place *ret, struct err *err)
{
	_cleanup_(calico_place_deinitp) struct calico_place place = {.kind = kind};
	int r = check_parts(kind_get(kind), namespace, name, err);

	if (r < 0)
		return r;
	place.namespace = xstrdup(namespace);
	place.name = xstrdup(name);
	if (kind == KIND_IPAM_BLOCK && !cidr_from_name(name, &place.cidr) && text)
		return err_set(err, -EINVAL,
			       "IPAMBlock %.64s: the name of a block is its CIDR with dashes, as "
			       "10-1-2-0-26",
			       name);
	if (kind == KIND_IPAM_CONFIGURATION && strcmp(name, CONFIG_NAME) != 0 && text)
		return err_set(err, -EINVAL,
			       "IPAMConfiguration %.64s: there is only the one named default",
			       name);
	if (kind == KIND_BLOCK_AFFINITY && text) {
		r = affinity_from_text(name, text, size, &place, err);
		if (r < 0)
			return r;
	} else if (kind == KIND_BLOCK_AFFINITY) {
		affinity_guess(name, &place);
	}
	*ret = place;
	place = (struct calico_place){.name = NULL};
	return 0;
}

/* --- To a key -------------------------------------------------------------------------------- */

static void add_block(const struct cidr *cidr, struct buf *out)
{
	buf_adds(out, cidr->addr.family == AF_INET6 ? "ipv6/block/" : "ipv4/block/");
	cidr_to_key(cidr, out);
}

static void add_resource(const struct calico_place *place, struct buf *out)
{
	buf_addf(out, RESOURCES "%s/", kind_get(place->kind)->plural);
	if (place->namespace)
		buf_addf(out, "%s/", place->namespace);
	buf_adds(out, place->name);
}

char *calico_key(const struct calico_place *place)
{
	_cleanup_buf_ struct buf key = BUF_INIT;

	if (place->kind == KIND_IPAM_BLOCK && place->cidr.addr.family) {
		buf_adds(&key, IPAM_BLOCKS);
		add_block(&place->cidr, &key);
	} else if (place->kind == KIND_BLOCK_AFFINITY && place->owner) {
		buf_addf(&key, "%s%s/", place->is_virtual ? IPAM_VIRTUAL : IPAM_HOSTS,
			 place->owner);
		add_block(&place->cidr, &key);
	} else if (place->kind == KIND_IPAM_HANDLE) {
		buf_addf(&key, IPAM_HANDLES "%s", place->name);
	} else if (place->kind == KIND_IPAM_CONFIGURATION &&
		   strcmp(place->name, CONFIG_NAME) == 0) {
		buf_adds(&key, IPAM_CONFIG);
	} else {
		add_resource(place, &key);
	}
	return buf_take(&key);
}

size_t calico_prefixes(enum kind kind, const char *namespace, char *ret[CALICO_PREFIXES_MAX])
{
	const struct ipam_layout *layout = layout_find(kind);
	size_t n = 0;

	if (!layout) {
		ret[0] = xasprintf(RESOURCES "%s/%s%s", kind_get(kind)->plural,
				   namespace ? namespace : "", namespace ? "/" : "");
		return 1;
	}
	while (n < CALICO_PREFIXES_MAX && layout->prefixes[n]) {
		ret[n] = xstrdup(layout->prefixes[n]);
		n++;
	}
	return n;
}
