/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an answer of etcd, the first one saying which: refused, or whole, and its objects
 * can be read.
 */

#include <stdlib.h>
#include <string.h>

#include "store/etcd-answer.h"
#include "store/etcd-read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_kvs(const struct etcd_kv *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct store_object object = {.name = NULL};

		assert(!v[i].key[v[i].key_size] && !v[i].value[v[i].value_size]);
		if (etcd_object(&v[i], &object))
			assert(object.name && *object.name);
		store_object_deinit(&object);
	}
}

static void use_range(const char *text, size_t size)
{
	struct etcd_range range;

	if (etcd_range_parse(text, size, &range, NULL) < 0)
		return;
	use_kvs(range.v, range.n);
	etcd_range_deinit(&range);
}

static void use_txn(const char *text, size_t size)
{
	struct etcd_txn_answer answer;

	if (etcd_txn_parse(text, size, &answer, NULL) < 0)
		return;
	for (size_t i = 0; i < answer.n_ranges; i++)
		use_kvs(answer.ranges[i].v, answer.ranges[i].n);
	etcd_txn_answer_deinit(&answer);
}

static void use_watch(const char *text, size_t size)
{
	struct etcd_watch_answer answer;

	if (etcd_watch_parse(text, size, &answer, NULL) < 0)
		return;
	use_kvs(answer.events, answer.n_events);
	etcd_watch_answer_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct etcd_failure failure;
	char *token = NULL;

	if (!size)
		return 0;
	size--;
	switch (data[0]) {
	case 'r':
		use_range(text, size);
		break;
	case 't':
		use_txn(text, size);
		break;
	case 'w':
		use_watch(text, size);
		break;
	case 'a':
		(void)!etcd_token_parse(text, size, &token, NULL);
		free(token);
		break;
	default:
		etcd_failure_parse(text, size, &failure);
		assert(memchr(failure.text, '\0', sizeof(failure.text)));
	}
	return 0;
}
