/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Claims: whatever state a crash has left, both tables lead to an end, by allowed moves only, in a
 * few writes.
 */

#include "ipam/ipam-affinity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ipam/ipam-block.h"
#include "model/kinds.h"

struct pair {
	enum ipam_affinity_state state;
	enum ipam_tenure tenure;
};

/* What the write of that action makes of the pair. */
static struct pair after(struct pair pair, enum ipam_affinity_action action)
{
	struct pair next = pair;

	switch (action) {
	case IPAM_ACTION_NONE:
	case IPAM_ACTION_REFUSE:
		return pair;
	case IPAM_ACTION_PEND:
		next.state = IPAM_AFFINITY_PENDING;
		break;
	case IPAM_ACTION_CREATE:
		assert_int_equal(pair.tenure, IPAM_TENURE_NO_BLOCK);
		next = (struct pair){IPAM_AFFINITY_CONFIRMED, IPAM_TENURE_OURS_EMPTY};
		break;
	case IPAM_ACTION_CONFIRM:
		next.state = IPAM_AFFINITY_CONFIRMED;
		break;
	case IPAM_ACTION_DROP:
		next.state = IPAM_AFFINITY_ABSENT;
		break;
	case IPAM_ACTION_MARK:
		next.state = IPAM_AFFINITY_PENDING_DELETION;
		break;
	case IPAM_ACTION_DELETE:
		assert_int_equal(pair.tenure, IPAM_TENURE_OURS_EMPTY);
		next = (struct pair){IPAM_AFFINITY_ABSENT, IPAM_TENURE_NO_BLOCK};
		break;
	}
	if (next.state != pair.state)
		assert_true(ipam_affinity_may(pair.state, next.state));
	return next;
}

static void test_every_claim_ends(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < IPAM_AFFINITY_STATES; s++) {
		for (unsigned int t = 0; t < IPAM_TENURES; t++) {
			struct pair pair = {(enum ipam_affinity_state)s, (enum ipam_tenure)t};
			enum ipam_affinity_action action;
			unsigned int n = 0;

			while (action = ipam_affinity_claim(pair.state, pair.tenure),
			       action != IPAM_ACTION_NONE && action != IPAM_ACTION_REFUSE) {
				pair = after(pair, action);
				assert_true(++n <= 2);
			}
			if (t == IPAM_TENURE_FOREIGN) {
				assert_int_equal(pair.state, IPAM_AFFINITY_ABSENT);
				continue;
			}
			assert_int_equal(action, IPAM_ACTION_NONE);
			assert_int_equal(pair.state, IPAM_AFFINITY_CONFIRMED);
		}
	}
}

static void test_every_release_ends(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < IPAM_AFFINITY_STATES; s++) {
		for (unsigned int t = 0; t < IPAM_TENURES; t++) {
			struct pair pair = {(enum ipam_affinity_state)s, (enum ipam_tenure)t};
			enum ipam_affinity_action action;
			unsigned int n = 0;

			while (action = ipam_affinity_release(pair.state, pair.tenure),
			       action != IPAM_ACTION_NONE && action != IPAM_ACTION_REFUSE) {
				pair = after(pair, action);
				assert_true(++n <= 2);
			}
			if (t == IPAM_TENURE_OURS_USED)
				assert_int_equal(pair.state, s);
			else if (s != IPAM_AFFINITY_ABSENT)
				assert_int_equal(pair.state, IPAM_AFFINITY_ABSENT);
		}
	}
}

/* A claim always begins with the affinity, never with the block. */
static void test_order(void **state)
{
	(void)state;
	assert_int_equal(ipam_affinity_claim(IPAM_AFFINITY_ABSENT, IPAM_TENURE_NO_BLOCK),
			 IPAM_ACTION_PEND);
	assert_int_equal(ipam_affinity_claim(IPAM_AFFINITY_PENDING, IPAM_TENURE_NO_BLOCK),
			 IPAM_ACTION_CREATE);
	assert_int_equal(ipam_affinity_release(IPAM_AFFINITY_CONFIRMED, IPAM_TENURE_OURS_EMPTY),
			 IPAM_ACTION_MARK);
	assert_false(ipam_affinity_may(IPAM_AFFINITY_ABSENT, IPAM_AFFINITY_CONFIRMED));
	assert_false(ipam_affinity_may(IPAM_AFFINITY_PENDING_DELETION, IPAM_AFFINITY_CONFIRMED));
}

static void test_object(void **state)
{
	struct cidr cidr;
	_cleanup_(model_freep) struct object *other = NULL;
	_cleanup_(model_freep) struct object *object = NULL;
	struct block_affinity *affinity;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(cidr_parse("10.1.2.0/26", &cidr, NULL), 0);
	object = ipam_affinity_new("node-a", &cidr);
	affinity = as_block_affinity(object);
	if (model_validate(object, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(object->meta.name, "node-a-10-1-2-0-26");
	assert_string_equal(str_map_find(&object->meta.labels, "projectcalico.org/ip-version"),
			    "4");
	assert_int_equal(ipam_affinity_state(affinity), IPAM_AFFINITY_PENDING);
	assert_int_equal(cidr_parse("fd00:1::/122", &cidr, NULL), 0);
	other = ipam_affinity_new("node-a", &cidr);
	assert_string_equal(str_map_find(&other->meta.labels, "projectcalico.org/ip-version"), "6");
	ipam_affinity_move(affinity, IPAM_AFFINITY_CONFIRMED);
	assert_int_equal(affinity->spec.state, AFFINITY_STATE_CONFIRMED);
	affinity->spec.state = AFFINITY_STATE_UNSET;
	assert_int_equal(ipam_affinity_state(affinity), IPAM_AFFINITY_CONFIRMED);
	affinity->spec.deleted.v = true;
	assert_int_equal(ipam_affinity_state(affinity), IPAM_AFFINITY_ABSENT);
	assert_int_equal(ipam_affinity_state(NULL), IPAM_AFFINITY_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_claim_ends),
		cmocka_unit_test(test_every_release_ends),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
