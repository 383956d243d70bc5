/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values of IPAM objects: a v3 text's spec against the flat form in etcd. Two tables say which
 * members have another name there and which are said by the key; every other member keeps its name
 * and its value, so what a newer peer has put there survives.
 */

#include "store/store-calico-layout.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "model/model-desc.h"

#define HASH_LABEL_LEN 52u

struct renamed {
	enum kind kind;
	const char *v3;
	const char *stored; /* NULL: the key says it */
};

static const struct renamed renamed[] = {
	{KIND_IPAM_BLOCK, "affinityClaimTime", "affinity_claim_time"},
	{KIND_BLOCK_AFFINITY, "node", NULL},
	{KIND_BLOCK_AFFINITY, "type", NULL},
	{KIND_BLOCK_AFFINITY, "cidr", NULL},
	{KIND_IPAM_HANDLE, "handleID", NULL},
	{KIND_IPAM_CONFIGURATION, "strictAffinity", "strict_affinity"},
	{KIND_IPAM_CONFIGURATION, "autoAllocateBlocks", "auto_allocate_blocks"},
};

static bool is_translated(enum kind kind)
{
	return kind == KIND_IPAM_BLOCK || kind == KIND_BLOCK_AFFINITY || kind == KIND_IPAM_HANDLE ||
	       kind == KIND_IPAM_CONFIGURATION;
}

static int add_text(const char *s, size_t size, void *ctx)
{
	buf_add(ctx, s, size);
	return 0;
}

static void add_json(const json_t *json, struct buf *out)
{
	int r = json_dump_callback(json, add_text, out, JSON_COMPACT | JSON_ENCODE_ANY);

	assert(r == 0);
}

/* --- To be stored ---------------------------------------------------------------------------- */

static const struct renamed *renamed_find(enum kind kind, const char *v3)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++) {
		if (renamed[i].kind == kind && strcmp(renamed[i].v3, v3) == 0)
			return &renamed[i];
	}
	return NULL;
}

static json_t *to_stored(enum kind kind, json_t *spec)
{
	json_t *stored = json_object();
	const char *name;
	json_t *value;

	json_object_foreach(spec, name, value)
	{
		const struct renamed *found = renamed_find(kind, name);

		if (!found)
			(void)json_object_set(stored, name, value);
		else if (found->stored)
			(void)json_object_set(stored, found->stored, value);
	}
	/* What Calico's own writers always say. */
	if (kind == KIND_IPAM_BLOCK && !json_object_get(stored, "affinity"))
		(void)json_object_set_new(stored, "affinity", json_null());
	if (kind != KIND_IPAM_CONFIGURATION) {
		value = json_object_get(stored, "deleted");
		/* The CRD form of an affinity holds it as text. */
		if (!json_is_boolean(value))
			(void)json_object_set_new(
				stored, "deleted",
				json_boolean(json_string_value(value) &&
					     strcmp(json_string_value(value), "true") == 0));
	}
	return stored;
}

int calico_value_store(const struct calico_place *place, const char *text, size_t size,
		       struct buf *out, struct err *err)
{
	const char *name = kind_get(place->kind)->name;
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(json_decrefp) json_t *stored = NULL;
	json_error_t why;
	json_t *spec;

	if (!is_translated(place->kind)) {
		buf_add(out, text, size);
		return 0;
	}
	if (size > CALICO_VALUE_MAX)
		return err_set(err, -EFBIG, "%s %.64s has %zu bytes; at most %u can be stored",
			       name, place->name, size, CALICO_VALUE_MAX);
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		return err_set(err, -EINVAL, "%s %.64s: its text is not JSON: %s", name,
			       place->name, why.text);
	spec = json_object_get(json, "spec");
	if (!json_is_object(spec))
		return err_set(err, -EINVAL, "%s %.64s: its text has no spec", name, place->name);
	stored = to_stored(place->kind, spec);
	add_json(stored, out);
	return 0;
}

/* --- As it was stored ------------------------------------------------------------------------ */

static const char *v3_name(enum kind kind, const char *stored)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++) {
		if (renamed[i].kind == kind && renamed[i].stored &&
		    strcmp(renamed[i].stored, stored) == 0)
			return renamed[i].v3;
	}
	return stored;
}

/* Blocks of old writers name the node alone. */
static void add_old_affinity(json_t *stored, json_t *spec)
{
	const char *host = json_string_value(json_object_get(stored, "hostAffinity"));
	_cleanup_free_ char *affinity = NULL;

	(void)json_object_del(spec, "hostAffinity");
	if (!host || !*host || json_object_get(spec, "affinity"))
		return;
	affinity = xasprintf("host:%s", host);
	(void)json_object_set_new(spec, "affinity", json_string(affinity));
}

static void add_from_key(const struct calico_place *place, json_t *spec)
{
	struct cidr_str cidr;

	if (place->kind == KIND_IPAM_HANDLE)
		(void)json_object_set_new(spec, "handleID", json_string(place->name));
	if (place->kind != KIND_BLOCK_AFFINITY)
		return;
	cidr = cidr_format(&place->cidr);
	(void)json_object_set_new(spec, "node", json_string(place->owner));
	(void)json_object_set_new(spec, "type",
				  json_string(place->is_virtual ? "virtual" : "host"));
	(void)json_object_set_new(spec, "cidr", json_string(cidr.s));
}

static json_t *from_stored(const struct calico_place *place, json_t *stored)
{
	json_t *spec = json_object();
	const char *name;
	json_t *value;

	json_object_foreach(stored, name, value)
	{
		if (!json_is_null(value))
			(void)json_object_set(spec, v3_name(place->kind, name), value);
	}
	if (place->kind == KIND_IPAM_BLOCK)
		add_old_affinity(stored, spec);
	add_from_key(place, spec);
	return spec;
}

/* base32 of SHA3-256, no padding: the label by which Calico finds a node's affinities. */
static void node_hash(const char *node, char ret[HASH_LABEL_LEN + 1])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct digest digest = digest_of(DIGEST_SHA3_256, node, strlen(node));

	for (size_t i = 0; i < HASH_LABEL_LEN; i++) {
		size_t bit = i * 5;
		unsigned int pair = (unsigned int)digest.bytes[bit / 8] << 8;

		if (bit / 8 + 1 < digest.size)
			pair |= digest.bytes[bit / 8 + 1];
		ret[i] = alphabet[pair >> (11 - bit % 8) & 31];
	}
	ret[HASH_LABEL_LEN] = '\0';
}

static json_t *affinity_labels(const struct calico_place *place)
{
	char hash[HASH_LABEL_LEN + 1];

	node_hash(place->owner, hash);
	return json_pack("{ss ss ss}", "projectcalico.org/affinity-type",
			 place->is_virtual ? "virtual" : "host", "projectcalico.org/hostname-hash",
			 hash, "projectcalico.org/ip-version",
			 place->cidr.addr.family == AF_INET6 ? "6" : "4");
}

static json_t *object_of(const struct calico_place *place, json_t *stored)
{
	json_t *metadata = json_object();
	json_t *object = json_object();

	(void)json_object_set_new(metadata, "name", json_string(place->name));
	if (place->kind == KIND_BLOCK_AFFINITY)
		(void)json_object_set_new(metadata, "labels", affinity_labels(place));
	(void)json_object_set_new(object, "kind", json_string(kind_get(place->kind)->name));
	(void)json_object_set_new(object, "apiVersion", json_string(MODEL_API_VERSION));
	(void)json_object_set_new(object, "metadata", metadata);
	(void)json_object_set_new(object, "spec", from_stored(place, stored));
	return object;
}

void calico_value_load(const struct calico_place *place, const char *data, size_t size,
		       struct buf *out)
{
	_cleanup_(json_decrefp) json_t *stored = NULL;
	_cleanup_(json_decrefp) json_t *object = NULL;

	if (is_translated(place->kind) && size <= CALICO_VALUE_MAX)
		/* An empty value is one that has nothing to say but its key. */
		stored =
			size ? json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL) : json_object();
	if (!json_is_object(stored)) {
		buf_add(out, data, size);
		return;
	}
	object = object_of(place, stored);
	add_json(object, out);
}
