/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading of etcd's answers. Every text has been bounded before it gets here (ETCD_ANSWER_MAX), so
 * what is made of it is bounded too. An answer is taken as a whole or not at all.
 */

#include "store/etcd-answer.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "store/base64.h"

static void kv_deinit(struct etcd_kv *kv)
{
	free(kv->key);
	free(kv->value);
	*kv = (struct etcd_kv){.key = NULL};
}

void etcd_range_deinit(struct etcd_range *range)
{
	for (size_t i = 0; i < range->n; i++)
		kv_deinit(&range->v[i]);
	free(range->v);
	*range = (struct etcd_range){.v = NULL};
}

void etcd_txn_answer_deinit(struct etcd_txn_answer *answer)
{
	for (size_t i = 0; i < answer->n_ranges; i++)
		etcd_range_deinit(&answer->ranges[i]);
	free(answer->ranges);
	*answer = (struct etcd_txn_answer){.ranges = NULL};
}

void etcd_watch_answer_deinit(struct etcd_watch_answer *answer)
{
	for (size_t i = 0; i < answer->n_events; i++)
		kv_deinit(&answer->events[i]);
	free(answer->events);
	*answer = (struct etcd_watch_answer){.events = NULL};
}

/* --- Members --------------------------------------------------------------------------------- */

static int bad(const char *what, struct err *err)
{
	return err_set(err, -EBADMSG,
		       "the answer is not etcd's: %s; is the address that of an etcd of version "
		       "3.4 or newer?",
		       what);
}

/* Absent is 0. */
static int read_u64(const json_t *object, const char *name, uint64_t *ret, struct err *err)
{
	const json_t *json = json_object_get(object, name);

	*ret = 0;
	if (!json)
		return 0;
	if (json_is_integer(json) && json_integer_value(json) >= 0) {
		*ret = (uint64_t)json_integer_value(json);
		return 0;
	}
	if (json_is_string(json) &&
	    parse_u64(json_string_value(json), 0, UINT64_MAX, ret, NULL) == 0)
		return 0;
	return bad("a number was expected", err);
}

/* Absent is empty. */
static int read_bytes(const json_t *object, const char *name, char **ret, size_t *ret_size,
		      struct err *err)
{
	const json_t *json = json_object_get(object, name);
	_cleanup_buf_ struct buf bytes = BUF_INIT;

	if (json && (!json_is_string(json) ||
		     base64_decode(json_string_value(json), json_string_length(json), &bytes) < 0))
		return bad("base64 was expected", err);
	*ret_size = bytes.size;
	*ret = bytes.data ? buf_take(&bytes) : xstrdup("");
	return 0;
}

static int read_header(const json_t *object, uint64_t *ret_revision, uint64_t *ret_cluster_id,
		       struct err *err)
{
	const json_t *header = json_object_get(object, "header");
	int r = read_u64(header, "revision", ret_revision, err);

	return r < 0 ? r : read_u64(header, "cluster_id", ret_cluster_id, err);
}

static int read_kv(const json_t *json, struct etcd_kv *ret, struct err *err)
{
	int r = read_bytes(json, "key", &ret->key, &ret->key_size, err);

	if (r == 0)
		r = read_bytes(json, "value", &ret->value, &ret->value_size, err);
	if (r == 0)
		r = read_u64(json, "mod_revision", &ret->mod_revision, err);
	return r;
}

static int read_range(const json_t *object, struct etcd_range *ret, struct err *err)
{
	const json_t *kvs = json_object_get(object, "kvs");
	const json_t *kv;
	size_t i;
	int r = read_header(object, &ret->revision, &ret->cluster_id, err);

	if (r < 0)
		return r;
	ret->more = json_is_true(json_object_get(object, "more"));
	json_array_foreach(kvs, i, kv)
	{
		r = read_kv(kv, ARRAY_ADD(ret->v, ret->n), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Gives an object, or NULL with 'err' set. */
static json_t *load(const char *text, size_t size, struct err *err)
{
	json_t *json = NULL;

	if (size <= ETCD_ANSWER_MAX)
		json = json_loadb(text, size, 0, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	(void)bad("JSON was expected", err);
	return NULL;
}

/* --- Answers --------------------------------------------------------------------------------- */

int etcd_range_parse(const char *text, size_t size, struct etcd_range *ret, struct err *err)
{
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	_cleanup_(json_decrefp) json_t *json = load(text, size, err);
	int r;

	if (!json)
		return -EBADMSG;
	r = read_range(json, &range, err);
	if (r < 0)
		return r;
	if (!range.revision)
		return bad("a revision was expected", err);
	*ret = range;
	range = (struct etcd_range){.v = NULL};
	return 0;
}

int etcd_txn_parse(const char *text, size_t size, struct etcd_txn_answer *ret, struct err *err)
{
	_cleanup_(etcd_txn_answer_deinitp) struct etcd_txn_answer answer = {.ranges = NULL};
	_cleanup_(json_decrefp) json_t *json = load(text, size, err);
	const json_t *response;
	uint64_t cluster_id;
	size_t i;
	int r;

	if (!json)
		return -EBADMSG;
	r = read_header(json, &answer.revision, &cluster_id, err);
	if (r < 0)
		return r;
	if (!answer.revision)
		return bad("a revision was expected", err);
	answer.succeeded = json_is_true(json_object_get(json, "succeeded"));
	json_array_foreach(json_object_get(json, "responses"), i, response)
	{
		r = read_range(json_object_get(response, "response_range"),
			       ARRAY_ADD(answer.ranges, answer.n_ranges), err);
		if (r < 0)
			return r;
	}
	*ret = answer;
	answer = (struct etcd_txn_answer){.ranges = NULL};
	return 0;
}

/* Printable, so that it can go into a message. */
static void copy_text(const char *text, struct etcd_failure *ret)
{
	size_t n = 0;

	for (; text && text[n] && n < sizeof(ret->text) - 1; n++)
		ret->text[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
	ret->text[n] = '\0';
}

static void read_failure(const json_t *json, struct etcd_failure *ret)
{
	const char *text = json_string_value(json_object_get(json, "message"));
	const json_t *code = json_object_get(json, "code");

	if (!text)
		text = json_string_value(json_object_get(json, "error"));
	if (!code)
		code = json_object_get(json, "grpc_code");
	ret->code = json_integer_value(code);
	copy_text(text, ret);
}

static int read_events(const json_t *result, struct etcd_watch_answer *answer, struct err *err)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(result, "events"), i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		struct etcd_kv *kv = ARRAY_ADD(answer->events, answer->n_events);
		int r = read_kv(json_object_get(event, "kv"), kv, err);

		if (r < 0)
			return r;
		if (!kv->key_size || !kv->mod_revision)
			return bad("an event has no key or no revision", err);
		kv->deleted = type && strcmp(type, "DELETE") == 0;
	}
	return 0;
}

static int read_watch(const json_t *result, struct etcd_watch_answer *answer, struct err *err)
{
	const char *reason = json_string_value(json_object_get(result, "cancel_reason"));
	int r = read_header(result, &answer->revision, &answer->cluster_id, err);

	if (r < 0)
		return r;
	answer->created = json_is_true(json_object_get(result, "created"));
	answer->canceled = json_is_true(json_object_get(result, "canceled"));
	copy_text(reason, &answer->failure);
	/* -1 stands for a watch that never came to be. */
	r = read_u64(result, "compact_revision", &answer->compact_revision, err);
	return r < 0 ? r : read_events(result, answer, err);
}

int etcd_watch_parse(const char *text, size_t size, struct etcd_watch_answer *ret, struct err *err)
{
	_cleanup_(etcd_watch_answer_deinitp) struct etcd_watch_answer answer = {.events = NULL};
	_cleanup_(json_decrefp) json_t *json = load(text, size, err);
	const json_t *failure = json_object_get(json, "error");
	const json_t *result = json_object_get(json, "result");
	int r = 0;

	if (!json)
		return -EBADMSG;
	if (failure) {
		answer.failed = true;
		read_failure(json_is_object(failure) ? failure : json, &answer.failure);
	} else if (!json_is_object(result)) {
		return bad("a watch's message was expected", err);
	} else {
		r = read_watch(result, &answer, err);
	}
	if (r < 0)
		return r;
	*ret = answer;
	answer = (struct etcd_watch_answer){.events = NULL};
	return 0;
}

int etcd_token_parse(const char *text, size_t size, char **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *json = load(text, size, err);
	const char *token = json_string_value(json_object_get(json, "token"));

	if (!json)
		return -EBADMSG;
	if (!token || !*token)
		return bad("a token was expected", err);
	/* It becomes a line of the next request's head. */
	for (const char *p = token; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return bad("a token of printable characters was expected", err);
	}
	*ret = xstrdup(token);
	return 0;
}

void etcd_failure_parse(const char *text, size_t size, struct etcd_failure *ret)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_free_ char *start = NULL;

	*ret = (struct etcd_failure){.code = 0};
	if (size <= ETCD_ANSWER_MAX)
		json = json_loadb(text, size, JSON_DISABLE_EOF_CHECK, NULL);
	if (json_is_object(json)) {
		read_failure(json, ret);
		return;
	}
	start = xstrndup(text ? text : "", MIN(size, (size_t)ETCD_FAILURE_MAX));
	copy_text(start, ret);
}
