/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any key with any value behind it (a line each): passed over, or an object that comes back to the
 * same key, whose value can be stored again and then stays as it is.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/store-calico-layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_value(const struct calico_place *place, const char *value, size_t size)
{
	_cleanup_buf_ struct buf v3 = BUF_INIT;
	_cleanup_buf_ struct buf stored = BUF_INIT;
	_cleanup_buf_ struct buf v3_again = BUF_INIT;
	_cleanup_buf_ struct buf stored_again = BUF_INIT;
	int r;

	calico_value_load(place, value, size, &v3);
	if (calico_value_store(place, buf_str(&v3), v3.size, &stored, NULL) < 0)
		return;
	calico_value_load(place, buf_str(&stored), stored.size, &v3_again);
	r = calico_value_store(place, buf_str(&v3_again), v3_again.size, &stored_again, NULL);
	assert(r == 0);
	assert(stored.size == stored_again.size);
}

static void use_name(const struct calico_place *place)
{
	struct calico_place places[CALICO_CANDIDATES_MAX];
	bool hashed;
	size_t n = calico_affinity_candidates(place->name, places, &hashed);

	for (size_t i = 0; i < n; i++)
		calico_place_deinit(&places[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size ? memchr(text, '\n', size) : NULL;
	size_t key_size = end ? (size_t)(end - text) : size;
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
	_cleanup_free_ char *key = NULL;

	if (!calico_place_from_key(text, key_size, &place))
		return 0;
	key = calico_key(&place);
	assert(strlen(key) == key_size && memcmp(key, text, key_size) == 0);
	use_name(&place);
	if (end)
		use_value(&place, end + 1, size - key_size - 1);
	return 0;
}
