/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What tests of the evaluator share. After cmocka.h and what it needs. */

#include <string.h>

#include "base/alloc.h"
#include "model/model.h"
#include "policy/policy-world.h"

/* All objects of the text; what the world does not take fails the test. */
static inline void put_yaml(struct policy_world *world, const char *text)
{
	_cleanup_free_ struct object **objects = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (model_read_yaml(text, strlen(text), "objects", &objects, &n, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	for (size_t i = 0; i < n; i++) {
		if (policy_world_put(world, objects[i], &err) < 0)
			fail_msg("%s", err.msg);
		(void)model_free(objects[i]);
	}
}
