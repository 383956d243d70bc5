/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many rules in one lookup. Rules in a row with one action that match prefixes, protocols and ports
 * are boxes in a space of up to five dimensions; a packet that is in any of them gets the action. A
 * box inside another is left out; boxes that overlap otherwise go to different sets, because the
 * kernel wants the members of one apart. Every member counts its packets.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define MERGE_MIN	  4
#define MERGE_BOXES_MAX	  65536
#define MERGE_COMPARISONS 20000000 /* more than a tenth of a second is not worth it */

enum merge_dim {
	DIM_SOURCE,
	DIM_DESTINATION,
	DIM_PROTOCOL,
	DIM_SOURCE_PORT,
	DIM_DESTINATION_PORT,
	DIMS_,
};

static const uint8_t dim_fields[DIMS_] = {
	[DIM_SOURCE] = NFT_FIELD_ADDRESS,	 [DIM_DESTINATION] = NFT_FIELD_ADDRESS,
	[DIM_PROTOCOL] = NFT_FIELD_PROTOCOL,	 [DIM_SOURCE_PORT] = NFT_FIELD_PORT,
	[DIM_DESTINATION_PORT] = NFT_FIELD_PORT,
};

/* Where a dimension lies in a key. */
struct space {
	uint8_t family;
	bool dims[DIMS_];
	size_t at[DIMS_];
	size_t sizes[DIMS_];
	size_t key_size;
};

/* --- Runs --------------------------------------------------------------------------------- */

static int dim_of(const struct layout_match *match)
{
	bool source = match->side == LAYOUT_SOURCE;

	if (match->negated)
		return -1;
	switch (match->kind) {
	case LAYOUT_MATCH_PROTOCOL:
		return DIM_PROTOCOL;
	case LAYOUT_MATCH_NETS:
		return source ? DIM_SOURCE : DIM_DESTINATION;
	case LAYOUT_MATCH_PORTS:
		return source ? DIM_SOURCE_PORT : DIM_DESTINATION_PORT;
	case LAYOUT_MATCH_ICMP:
	case LAYOUT_MATCH_SET:
	case LAYOUT_MATCH_PORT_SET:
		return -1;
	}
	return -1;
}

/* How many boxes the rule is; 0: it is none. 'dims' gets those that it uses. */
static size_t boxes_of(const struct layout_rule *rule, bool dims[DIMS_])
{
	size_t n = 1;

	memset(dims, 0, DIMS_ * sizeof(*dims));
	if (rule->action == POLICY_ACTION_LOG || !rule->n)
		return 0;
	for (size_t i = 0; i < rule->n; i++) {
		int dim = dim_of(&rule->matches[i]);

		if (dim < 0 || dims[dim])
			return 0;
		dims[dim] = true;
		if (rule->matches[i].n)
			n *= MIN(rule->matches[i].n, (size_t)MERGE_BOXES_MAX);
		if (n > MERGE_BOXES_MAX)
			return 0;
	}
	return n;
}

/*
 * A packet without ports breaks a lookup that asks for them, so rules with ports are not mixed with
 * rules that have none.
 */
size_t merge_run(const struct layout_rules *layout, size_t at)
{
	bool first[DIMS_];
	size_t boxes = 0;
	size_t n;

	for (n = 0; at + n < layout->n; n++) {
		const struct layout_rule *rule = &layout->v[at + n];
		bool dims[DIMS_];
		size_t more = boxes_of(rule, dims);

		if (n == 0)
			memcpy(first, dims, sizeof(first));
		boxes += more;
		if (!more || boxes > MERGE_BOXES_MAX || rule->action != layout->v[at].action ||
		    dims[DIM_SOURCE_PORT] != first[DIM_SOURCE_PORT] ||
		    dims[DIM_DESTINATION_PORT] != first[DIM_DESTINATION_PORT])
			break;
	}
	return n >= MERGE_MIN ? n : 0;
}

/* --- Boxes -------------------------------------------------------------------------------- */

static size_t n_dims(const bool dims[DIMS_])
{
	size_t n = 0;

	for (size_t d = 0; d < DIMS_; d++)
		n += dims[d];
	return n;
}

static struct space space_of(uint8_t family, const struct layout_rule *rules, size_t n)
{
	struct space space = {.family = family};

	for (size_t i = 0; i < n; i++) {
		bool dims[DIMS_];

		(void)boxes_of(&rules[i], dims);
		for (size_t d = 0; d < DIMS_; d++)
			space.dims[d] = space.dims[d] || dims[d];
	}
	/* The kernel wants ranges of at least two fields; these two every packet has. */
	space.dims[space.dims[DIM_PROTOCOL] ? DIM_SOURCE : DIM_PROTOCOL] |= n_dims(space.dims) == 1;
	for (size_t d = 0; d < DIMS_; d++) {
		if (!space.dims[d])
			continue;
		space.at[d] = space.key_size;
		space.sizes[d] = nft_field_size(dim_fields[d], family);
		space.key_size += space.sizes[d];
	}
	/* The bytes that count; the rest of a field is zero. */
	space.sizes[DIM_PROTOCOL] = space.dims[DIM_PROTOCOL] ? 1 : 0;
	space.sizes[DIM_SOURCE_PORT] = space.dims[DIM_SOURCE_PORT] ? 2 : 0;
	space.sizes[DIM_DESTINATION_PORT] = space.dims[DIM_DESTINATION_PORT] ? 2 : 0;
	return space;
}

static struct nft_element everything(const struct space *space)
{
	struct nft_element box = {.chain = NULL};

	for (size_t d = 0; d < DIMS_; d++)
		memset(box.key_end + space->at[d], 0xff, space->sizes[d]);
	return box;
}

static void set_port(uint8_t *key, uint16_t port)
{
	key[0] = (uint8_t)(port >> 8);
	key[1] = (uint8_t)port;
}

/* Narrows the box to the i-th choice of the match. */
static void narrow(const struct space *space, const struct layout_match *match, size_t i,
		   struct nft_element *box)
{
	size_t at = space->at[dim_of(match)];
	size_t size = ip_size(space->family);

	switch (match->kind) {
	case LAYOUT_MATCH_PROTOCOL:
		box->key[at] = box->key_end[at] = (uint8_t)match->a;
		break;
	case LAYOUT_MATCH_PORTS:
		set_port(box->key + at, match->ports[i].first);
		set_port(box->key_end + at, match->ports[i].last);
		break;
	case LAYOUT_MATCH_NETS:
		memcpy(box->key + at, match->nets[i].addr.bytes, size);
		memcpy(box->key_end + at, match->nets[i].addr.bytes, size);
		for (unsigned int bit = match->nets[i].len; bit < size * 8; bit++)
			box->key_end[at + bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
		break;
	case LAYOUT_MATCH_ICMP:
	case LAYOUT_MATCH_SET:
	case LAYOUT_MATCH_PORT_SET:
		break;
	}
}

static void add_boxes(const struct space *space, const struct layout_rule *rule, size_t n,
		      struct nft_element *boxes)
{
	for (size_t i = 0; i < n; i++) {
		size_t rest = i;

		boxes[i] = everything(space);
		for (size_t k = 0; k < rule->n; k++) {
			const struct layout_match *match = &rule->matches[k];
			size_t choices = match->n ? match->n : 1;

			narrow(space, match, rest % choices, &boxes[i]);
			rest /= choices;
		}
	}
}

/* --- Layers ------------------------------------------------------------------------------- */

enum relation { APART, OVERLAPS, INSIDE };

static enum relation relation_of(const struct space *space, const struct nft_element *box,
				 const struct nft_element *other)
{
	enum relation relation = INSIDE;

	for (size_t d = 0; d < DIMS_; d++) {
		size_t at = space->at[d];
		size_t size = space->sizes[d];

		if (!size)
			continue;
		if (memcmp(box->key_end + at, other->key + at, size) < 0 ||
		    memcmp(other->key_end + at, box->key + at, size) < 0)
			return APART;
		if (memcmp(box->key + at, other->key + at, size) < 0 ||
		    memcmp(box->key_end + at, other->key_end + at, size) > 0)
			relation = OVERLAPS;
	}
	return relation;
}

struct order {
	const struct space *space;
	size_t dim;
};

/* By where they begin in the dimension, the longer first. */
static int compare_boxes(const void *a, const void *b, void *ctx)
{
	const struct order *order = ctx;
	const struct nft_element *x = a;
	const struct nft_element *y = b;
	size_t at = order->space->at[order->dim];
	size_t size = order->space->sizes[order->dim];
	int r = memcmp(x->key + at, y->key + at, size);

	if (r == 0)
		r = memcmp(y->key_end + at, x->key_end + at, size);
	if (r == 0)
		r = memcmp(x->key, y->key, order->space->key_size);
	return r ? r : memcmp(y->key_end, x->key_end, order->space->key_size);
}

static size_t n_beginnings(const struct space *space, struct nft_element *boxes, size_t n,
			   size_t dim)
{
	struct order order = {space, dim};
	size_t count = 1;

	qsort_r(boxes, n, sizeof(*boxes), compare_boxes, &order);
	for (size_t i = 1; i < n; i++)
		count += memcmp(boxes[i].key + space->at[dim], boxes[i - 1].key + space->at[dim],
				space->sizes[dim]) != 0;
	return count;
}

/* Sorts by the dimension that keeps most boxes apart. */
static size_t sort_boxes(const struct space *space, struct nft_element *boxes, size_t n)
{
	size_t best = 0;
	size_t best_count = 0;
	size_t last = DIMS_;

	for (size_t d = 0; d < DIMS_; d++) {
		size_t count = space->dims[d] ? n_beginnings(space, boxes, n, d) : 0;

		if (space->dims[d])
			last = d;
		if (count > best_count) {
			best_count = count;
			best = d;
		}
	}
	if (last != best)
		(void)n_beginnings(space, boxes, n, best);
	return best;
}

/* Boxes of one layer that the sweep has not passed yet. */
struct front {
	const struct nft_element **v;
	size_t n;
};

static void pass_by(const struct space *space, struct front *front, size_t dim,
		    const struct nft_element *box)
{
	size_t kept = 0;

	for (size_t i = 0; i < front->n; i++)
		if (memcmp(front->v[i]->key_end + space->at[dim], box->key + space->at[dim],
			   space->sizes[dim]) >= 0)
			front->v[kept++] = front->v[i];
	front->n = kept;
}

static enum relation relation_to(const struct space *space, const struct front *front,
				 const struct nft_element *box)
{
	for (size_t i = 0; i < front->n; i++) {
		enum relation relation = relation_of(space, box, front->v[i]);

		if (relation != APART)
			return relation;
	}
	return APART;
}

#define LAYER_NONE 0xff /* inside another box */

/* The box's layer; MERGE_SETS_MAX: none is free of overlaps with it. */
static uint8_t layer_for(const struct space *space, struct front *fronts, size_t dim,
			 const struct nft_element *box, size_t *comparisons)
{
	for (uint8_t layer = 0; layer < MERGE_SETS_MAX; layer++) {
		enum relation relation;

		*comparisons += fronts[layer].n;
		pass_by(space, &fronts[layer], dim, box);
		relation = relation_to(space, &fronts[layer], box);
		if (relation == INSIDE)
			return LAYER_NONE;
		if (relation == OVERLAPS)
			continue;
		fronts[layer].v[fronts[layer].n++] = box;
		return layer;
	}
	return MERGE_SETS_MAX;
}

/* False: it can't be done, or takes too long. */
static bool divide(const struct space *space, struct nft_element *boxes, size_t n, uint8_t *layers)
{
	struct front fronts[MERGE_SETS_MAX];
	size_t dim = sort_boxes(space, boxes, n);
	size_t comparisons = 0;
	bool done = true;

	for (size_t i = 0; i < MERGE_SETS_MAX; i++)
		fronts[i] = (struct front){.v = xcalloc(n, sizeof(*fronts[i].v))};
	for (size_t i = 0; done && i < n; i++) {
		layers[i] = layer_for(space, fronts, dim, &boxes[i], &comparisons);
		done = layers[i] != MERGE_SETS_MAX && comparisons < MERGE_COMPARISONS;
	}
	for (size_t i = 0; i < MERGE_SETS_MAX; i++)
		free(fronts[i].v);
	return done;
}

/* --- Sets --------------------------------------------------------------------------------- */

static struct nft_set *set_of(struct nft_ruleset *ruleset, const struct space *space,
			      const struct nft_element *boxes, const uint8_t *layers, size_t n,
			      uint8_t layer)
{
	struct nft_schema schema = {.ranges = true, .counters = true};
	_cleanup_free_ struct nft_element *members = xcalloc(n, sizeof(*members));
	char prefix[32];
	size_t n_members = 0;
	size_t n_fields = 0;

	for (size_t d = 0; d < DIMS_; d++)
		if (space->dims[d])
			schema.fields[n_fields++] = dim_fields[d];
	for (size_t i = 0; i < n; i++)
		if (layers[i] == layer)
			members[n_members++] = boxes[i];
	if (!n_members)
		return NULL;
	/* The dimensions are in the name: two of them have one type. */
	(void)snprintf(prefix, sizeof(prefix), "cali-m%d%d%d%d%d-", space->dims[0], space->dims[1],
		       space->dims[2], space->dims[3], space->dims[4]);
	return content_set(ruleset, prefix, &schema, members, n_members);
}

void merge_sets(struct nft_ruleset *ruleset, const struct layout_rule *rules, size_t n,
		struct merged_sets *ret)
{
	struct space space = space_of(nft_ruleset_family(ruleset), rules, n);
	_cleanup_free_ struct nft_element *boxes = NULL;
	_cleanup_free_ uint8_t *layers = NULL;
	bool dims[DIMS_];
	size_t n_boxes = 0;
	size_t at = 0;

	*ret = (struct merged_sets){0};
	memcpy(ret->dims, space.dims, sizeof(space.dims));
	for (size_t i = 0; i < n; i++)
		n_boxes += boxes_of(&rules[i], dims);
	boxes = xcalloc(n_boxes, sizeof(*boxes));
	layers = xcalloc(n_boxes, 1);
	for (size_t i = 0; i < n; i++) {
		size_t more = boxes_of(&rules[i], dims);

		add_boxes(&space, &rules[i], more, boxes + at);
		at += more;
	}
	if (!divide(&space, boxes, n_boxes, layers))
		return;
	for (uint8_t layer = 0; layer < MERGE_SETS_MAX; layer++) {
		struct nft_set *set = set_of(ruleset, &space, boxes, layers, n_boxes, layer);

		if (set)
			ret->v[ret->n++] = set;
	}
}

/* The dimensions side by side in the registers, as the key has them. */
void put_merged_lookup(struct nft_builder *b, uint8_t family, const struct merged_sets *merged,
		       size_t i)
{
	uint32_t offset = family == AF_INET ? 12 : 8;
	uint32_t size = ip_size(family);
	uint32_t reg = 0;

	for (size_t d = 0; d < DIMS_; d++) {
		if (!merged->dims[d])
			continue;
		switch ((enum merge_dim)d) {
		case DIM_SOURCE:
			nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, size, reg);
			break;
		case DIM_DESTINATION:
			nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset + size, size, reg);
			break;
		case DIM_PROTOCOL:
			nft_put_meta(b, NFT_META_L4PROTO, reg);
			break;
		case DIM_SOURCE_PORT:
			nft_put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, reg);
			break;
		case DIM_DESTINATION_PORT:
			nft_put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, reg);
			break;
		case DIMS_:
			break;
		}
		reg += (uint32_t)nft_field_size(dim_fields[d], family) / 4;
	}
	nft_put_lookup(b, 0, nft_set_name(merged->v[i]), /* inverted= */ false);
}
