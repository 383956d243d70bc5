/* SPDX-License-Identifier: Apache-2.0 */

/* Pages of keys. The limit adapts: values may be large, and no answer may be (ETCD_ANSWER_MAX). */

#include "store/etcd-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/etcd-answer.h"
#include "store/etcd-client.h"
#include "store/etcd-request.h"
#include "store/store-calico-layout.h"

#define PAGE_KEYS 500u

void etcd_pager_init(struct etcd_pager *pager, const char *prefix, uint64_t revision)
{
	*pager = (struct etcd_pager){
		.revision = revision,
		.next = xstrdup(prefix),
		.next_size = strlen(prefix),
		.end = etcd_prefix_end(prefix),
		.limit = PAGE_KEYS,
	};
}

void etcd_pager_deinit(struct etcd_pager *pager)
{
	free(pager->next);
	free(pager->end);
	*pager = (struct etcd_pager){.done = true};
}

static int read_range(struct etcd_client *client, const struct etcd_range_request *request,
		      struct etcd_range *ret, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_buf_ struct buf answer = BUF_INIT;
	int r;

	etcd_request_range(request, &body);
	r = etcd_client_call(client, ETCD_READ, "/v3/kv/range", &body, &answer, err);
	return r ? r : etcd_range_parse(buf_str(&answer), answer.size, ret, err);
}

/* The key behind the last one: that with a NUL added. */
static void turn_page(struct etcd_pager *pager, const struct etcd_range *range)
{
	const struct etcd_kv *last;

	if (!range->n || !range->more) {
		pager->done = true;
		return;
	}
	last = &range->v[range->n - 1];
	free(pager->next);
	pager->next = xmemdup(last->key, last->key_size + 1);
	pager->next_size = last->key_size + 1;
}

int etcd_pager_read(struct etcd_pager *pager, struct etcd_client *client, struct etcd_range *ret,
		    struct err *err)
{
	struct etcd_range_request request;
	int r;

	for (;;) {
		request = (struct etcd_range_request){
			.key = pager->next,
			.key_size = pager->next_size,
			.end = pager->end,
			.limit = pager->limit,
			.revision = pager->revision,
		};
		r = read_range(client, &request, ret, err);
		if (r != ETCD_E_TOO_LARGE)
			break;
		if (pager->limit == 1)
			return err_set(err, -EFBIG, "etcd at %.128s: a value is too large to read",
				       etcd_client_endpoint(client));
		pager->limit /= 4;
		if (!pager->limit)
			pager->limit = 1;
	}
	if (r)
		return r;
	if (!pager->revision)
		pager->revision = ret->revision;
	turn_page(pager, ret);
	return 0;
}

int etcd_read_key(struct etcd_client *client, const char *key, uint64_t revision,
		  struct etcd_range *ret, struct err *err)
{
	struct etcd_range_request request = {
		.key = key, .key_size = strlen(key), .revision = revision};
	int r = read_range(client, &request, ret, err);

	if (r == ETCD_E_TOO_LARGE)
		return err_set(err, -EFBIG, "etcd at %.128s: the value of %.128s is too large",
			       etcd_client_endpoint(client), key);
	return r;
}

bool etcd_object(const struct etcd_kv *kv, struct store_object *ret)
{
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
	_cleanup_buf_ struct buf value = BUF_INIT;

	if (!calico_place_from_key(kv->key, kv->key_size, &place))
		return false;
	*ret = (struct store_object){.kind = place.kind,
				     .namespace = TAKE_PTR(place.namespace),
				     .revision = kv->mod_revision};
	if (!kv->deleted) {
		calico_value_load(&place, kv->value, kv->value_size, &value);
		ret->size = value.size;
		ret->value = value.data ? buf_take(&value) : xstrdup("");
	}
	ret->name = TAKE_PTR(place.name);
	return true;
}
