/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A stream that is silent is checked every PROBE_MS by a read that needs the cluster's majority,
 * at the same member: one that is dead, hangs or is cut off from the others is left within
 * PROBE_MS + PROBE_TIMEOUT_MS.
 */

#include "store/etcd-client-internal.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/etcd-request.h"

#define PROBE_MS	 5000
#define PROBE_TIMEOUT_MS 6000L
#define PROBE_KEY	 "/calico/ipam/v2/config"

struct stream {
	struct etcd_client *client;
	struct etcd_transfer transfer;
	struct etcd_transfer probe;
	struct buf probe_body;
	size_t scanned;	  /* bytes of the answer in which there is no end of line */
	int64_t heard_at; /* when a sign of life came last */
};

/* Hands on the whole lines that have come. */
static int take_lines(struct stream *stream,
		      int (*take)(void *ctx, const char *line, size_t size, struct err *err),
		      void *ctx, struct err *err)
{
	struct buf *answer = &stream->transfer.answer;
	size_t start_of_line = 0;
	int r = 0;

	if (answer->size > stream->scanned)
		stream->heard_at = etcd_client_now_ms();
	while (r == 0 && stream->scanned < answer->size) {
		char *end = memchr(answer->data + stream->scanned, '\n',
				   answer->size - stream->scanned);
		size_t end_at = end ? (size_t)(end - answer->data) : answer->size;

		stream->scanned = end_at;
		if (!end)
			break;
		if (end_at > start_of_line)
			r = take(ctx, answer->data + start_of_line, end_at - start_of_line, err);
		stream->scanned = start_of_line = end_at + 1;
	}
	if (start_of_line) {
		memmove(answer->data, answer->data + start_of_line, answer->size - start_of_line);
		answer->size -= start_of_line;
		answer->data[answer->size] = '\0';
		stream->scanned -= start_of_line;
	}
	return r;
}

static void start_probe(struct stream *stream)
{
	struct etcd_range_request request = {
		.key = PROBE_KEY, .key_size = sizeof(PROBE_KEY) - 1, .limit = 1, .keys_only = true};

	buf_reset(&stream->probe_body);
	etcd_request_range(&request, &stream->probe_body);
	etcd_client_start(stream->client, &stream->probe, "/v3/kv/range", &stream->probe_body,
			  PROBE_TIMEOUT_MS, false);
}

/* A member that refuses the probe lives, but not one without a leader. */
static int end_probe(struct stream *stream, struct err *err)
{
	struct etcd_attempt result = etcd_client_judge(stream->client, &stream->probe, false, err);

	etcd_client_finish(stream->client, &stream->probe);
	stream->heard_at = etcd_client_now_ms();
	return result.result < 0 && result.elsewhere ? result.result : 0;
}

static int watch_over(struct stream *stream, struct err *err)
{
	if (stream->probe.done)
		return end_probe(stream, err);
	if (!stream->probe.easy && etcd_client_now_ms() - stream->heard_at >= PROBE_MS)
		start_probe(stream);
	return 0;
}

static int stream_run(struct stream *stream,
		      int (*take)(void *ctx, const char *line, size_t size, struct err *err),
		      void *ctx, struct err *err)
{
	while (!etcd_client_is_stopped(stream->client)) {
		int r;

		etcd_client_run_once(stream->client, 0);
		r = take_lines(stream, take, ctx, err);
		if (r != 0)
			return r;
		if (stream->transfer.done) {
			r = etcd_client_judge(stream->client, &stream->transfer, false, err).result;
			return r ? r
				 : err_set(err, -EPIPE, "etcd at %.128s ended the connection",
					   etcd_client_endpoint(stream->client));
		}
		r = watch_over(stream, err);
		if (r < 0)
			return r;
		(void)curl_multi_poll(stream->client->multi, NULL, 0, 1000, NULL);
	}
	return ETCD_E_STOPPED;
}

int etcd_client_stream(struct etcd_client *client, const char *path, const struct buf *body,
		       int (*take)(void *ctx, const char *line, size_t size, struct err *err),
		       void *ctx, struct err *err)
{
	struct stream stream = {
		.client = client, .probe_body = BUF_INIT, .heard_at = etcd_client_now_ms()};
	struct etcd_attempt known = etcd_client_authenticate(client, err);
	int r = known.result;

	if (r == 0) {
		etcd_client_start(client, &stream.transfer, path, body, 0, false);
		r = stream_run(&stream, take, ctx, err);
		etcd_client_finish(client, &stream.transfer);
		etcd_client_finish(client, &stream.probe);
		buf_deinit(&stream.probe_body);
	}
	if (r < 0)
		etcd_client_next_endpoint(client);
	return r;
}
