/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The claim of a block as two tables: what to write next, for every state of the affinity and
 * every state of the block. There is no combination without an answer, so there is no crash that
 * needs a person.
 *
 *	absent ---> pending ---> confirmed ---> pendingDeletion
 *	  ^----------'  ^  ^---------'   |         |   |
 *	  |             '----------------|---------'   |
 *	  '------------------------------'-------------'
 */

#include "ipam/ipam-affinity.h"

#include "base/alloc.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "model/affinity-name.h"
#include "model/kinds.h"

static const enum ipam_affinity_action claim_table[IPAM_AFFINITY_STATES][IPAM_TENURES] = {
	[IPAM_AFFINITY_ABSENT] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_PEND,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_PEND,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_PEND,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_REFUSE,
		},
	[IPAM_AFFINITY_PENDING] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_CREATE,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_CONFIRM,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_CONFIRM,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
	[IPAM_AFFINITY_CONFIRMED] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_PEND,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_NONE,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_NONE,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
	/* A release that was not finished: the block is wanted again, so it is taken back. */
	[IPAM_AFFINITY_PENDING_DELETION] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_PEND,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_PEND,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_PEND,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
};

static const enum ipam_affinity_action release_table[IPAM_AFFINITY_STATES][IPAM_TENURES] = {
	[IPAM_AFFINITY_ABSENT] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_NONE,
			/* The affinity was lost: the block would be nobody's to release. */
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_DELETE,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_REFUSE,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_NONE,
		},
	[IPAM_AFFINITY_PENDING] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_DROP,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_MARK,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_REFUSE,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
	[IPAM_AFFINITY_CONFIRMED] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_DROP,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_MARK,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_REFUSE,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
	[IPAM_AFFINITY_PENDING_DELETION] =
		{
			[IPAM_TENURE_NO_BLOCK] = IPAM_ACTION_DROP,
			[IPAM_TENURE_OURS_EMPTY] = IPAM_ACTION_DELETE,
			[IPAM_TENURE_OURS_USED] = IPAM_ACTION_REFUSE,
			[IPAM_TENURE_FOREIGN] = IPAM_ACTION_DROP,
		},
};

static const bool moves[IPAM_AFFINITY_STATES][IPAM_AFFINITY_STATES] = {
	[IPAM_AFFINITY_ABSENT] = {[IPAM_AFFINITY_PENDING] = true},
	[IPAM_AFFINITY_PENDING] = {[IPAM_AFFINITY_ABSENT] = true,
				   [IPAM_AFFINITY_CONFIRMED] = true,
				   [IPAM_AFFINITY_PENDING_DELETION] = true},
	[IPAM_AFFINITY_CONFIRMED] = {[IPAM_AFFINITY_ABSENT] = true,
				     [IPAM_AFFINITY_PENDING] = true,
				     [IPAM_AFFINITY_PENDING_DELETION] = true},
	[IPAM_AFFINITY_PENDING_DELETION] =
		{[IPAM_AFFINITY_ABSENT] = true, [IPAM_AFFINITY_PENDING] = true},
};

static const enum affinity_state stored[IPAM_AFFINITY_STATES] = {
	[IPAM_AFFINITY_ABSENT] = AFFINITY_STATE_UNSET,
	[IPAM_AFFINITY_PENDING] = AFFINITY_STATE_PENDING,
	[IPAM_AFFINITY_CONFIRMED] = AFFINITY_STATE_CONFIRMED,
	[IPAM_AFFINITY_PENDING_DELETION] = AFFINITY_STATE_PENDING_DELETION,
};

enum ipam_affinity_action ipam_affinity_claim(enum ipam_affinity_state state,
					      enum ipam_tenure tenure)
{
	return claim_table[state][tenure];
}

enum ipam_affinity_action ipam_affinity_release(enum ipam_affinity_state state,
						enum ipam_tenure tenure)
{
	return release_table[state][tenure];
}

enum ipam_affinity_state ipam_affinity_state(const struct block_affinity *affinity)
{
	if (!affinity || (affinity->spec.deleted.set && affinity->spec.deleted.v))
		return IPAM_AFFINITY_ABSENT;
	switch (affinity->spec.state) {
	case AFFINITY_STATE_PENDING:
		return IPAM_AFFINITY_PENDING;
	case AFFINITY_STATE_PENDING_DELETION:
		return IPAM_AFFINITY_PENDING_DELETION;
	case AFFINITY_STATE_UNSET:
	case AFFINITY_STATE_CONFIRMED:
		break;
	}
	return IPAM_AFFINITY_CONFIRMED;
}

enum ipam_tenure ipam_tenure(const struct ipam_block *block, const char *owner)
{
	if (!block || ipam_block_is_deleted(block))
		return IPAM_TENURE_NO_BLOCK;
	if (!ipam_block_has_affinity(block, owner))
		return IPAM_TENURE_FOREIGN;
	return ipam_block_is_empty(block) ? IPAM_TENURE_OURS_EMPTY : IPAM_TENURE_OURS_USED;
}

bool ipam_affinity_may(enum ipam_affinity_state from, enum ipam_affinity_state to)
{
	return moves[from][to];
}

void ipam_affinity_move(struct block_affinity *affinity, enum ipam_affinity_state to)
{
	assert(to != IPAM_AFFINITY_ABSENT);
	assert(ipam_affinity_may(ipam_affinity_state(affinity), to));
	affinity->spec.state = stored[to];
	affinity->spec.deleted = (struct opt_bool){.set = true, .v = false};
}

struct object *ipam_affinity_new(const char *node, const struct cidr *cidr)
{
	_cleanup_free_ char *name = affinity_name(node, cidr);
	struct object *object = model_new(KIND_BLOCK_AFFINITY, NULL, name);
	struct block_affinity *affinity = as_block_affinity(object);
	struct str_map *labels = &object->meta.labels;

	str_map_put(labels, "projectcalico.org/affinity-type", "host");
	str_map_put(labels, "projectcalico.org/hostname-hash", ipam_node_hash(node).s);
	str_map_put(labels, "projectcalico.org/ip-version",
		    cidr->addr.family == AF_INET6 ? "6" : "4");
	replace_str(&affinity->spec.node, xstrdup(node));
	replace_str(&affinity->spec.type, xstrdup("host"));
	replace_str(&affinity->spec.cidr, xstrdup(cidr_format(cidr).s));
	affinity->spec.state = AFFINITY_STATE_PENDING;
	affinity->spec.deleted = (struct opt_bool){.set = true, .v = false};
	return object;
}

void ipam_affinity_make_virtual(struct block_affinity *affinity)
{
	str_map_put(&affinity->object.meta.labels, "projectcalico.org/affinity-type", "virtual");
	replace_str(&affinity->spec.type, xstrdup("virtual"));
}
