/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many requests at once.
 *
 * The kernel works off everything in one sendmsg() in order, before the call returns. So of a batch
 * only the last request of each chunk asks for an acknowledgement: when that one is read, each
 * request before it that brought no error is done. A chunk is small enough for all of its errors to
 * fit into the receive buffer.
 */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "netlink/nl-socket.h"

#define CHUNK_REQUESTS 128
#define CHUNK_BYTES    32768
#define BATCH_TEXTS    8 /* refused requests whose words are kept */

struct batch_text {
	size_t i;
	char text[NL_TEXT_SIZE];
};

struct nl_batch {
	struct buf bytes;
	size_t *offsets;
	size_t n;
	int *errnums;
	size_t n_errnums;
	struct batch_text texts[BATCH_TEXTS];
	size_t n_texts;
	struct nlmsghdr *open; /* being filled by the caller, not counted in 'bytes' yet */
};

struct nl_batch *nl_batch_new(void)
{
	return XNEW(struct nl_batch);
}

struct nl_batch *nl_batch_free(struct nl_batch *batch)
{
	if (!batch)
		return NULL;
	buf_deinit(&batch->bytes);
	free(batch->offsets);
	free(batch->errnums);
	free(batch);
	return NULL;
}

static void batch_close_message(struct nl_batch *batch)
{
	if (batch->open)
		buf_commit(&batch->bytes, NLMSG_ALIGN(batch->open->nlmsg_len));
	batch->open = NULL;
}

struct nlmsghdr *nl_batch_add(struct nl_batch *batch, uint16_t type, uint16_t flags,
			      const void *header, size_t header_size)
{
	struct nl_request *request;

	batch_close_message(batch);
	*ARRAY_ADD(batch->offsets, batch->n) = batch->bytes.size;
	(void)ARRAY_ADD(batch->errnums, batch->n_errnums);
	request = buf_reserve(&batch->bytes, sizeof(*request));
	batch->open = nl_request_init(request, type, flags, header, header_size);
	return batch->open;
}

size_t nl_batch_size(const struct nl_batch *batch)
{
	return batch->n;
}

int nl_batch_errnum(const struct nl_batch *batch, size_t i)
{
	assert(i < batch->n);
	return batch->errnums[i];
}

const char *nl_batch_text(const struct nl_batch *batch, size_t i)
{
	for (size_t k = 0; k < batch->n_texts; k++)
		if (batch->texts[k].i == i)
			return batch->texts[k].text;
	return "";
}

static void batch_refused(struct nl_batch *batch, size_t i, const struct nl_answer *answer)
{
	struct batch_text *text = &batch->texts[batch->n_texts];

	batch->errnums[i] = answer->errnum;
	if (!answer->errnum || !answer->text[0] || batch->n_texts == BATCH_TEXTS)
		return;
	text->i = i;
	memcpy(text->text, answer->text, sizeof(text->text));
	batch->n_texts++;
}

static struct nlmsghdr *batch_message(struct nl_batch *batch, size_t i)
{
	return (void *)(batch->bytes.data + batch->offsets[i]);
}

/* Takes the answers in a datagram; true once that of the chunk's last request was among them. */
static bool batch_take(struct nl_batch *batch, size_t first, size_t end, uint32_t seq,
		       const void *data, size_t size)
{
	const struct nlmsghdr *message = data;
	int left = (int)size;
	bool last = false;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		uint32_t i = message->nlmsg_seq - seq;
		struct nl_answer answer;

		if (message->nlmsg_type != NLMSG_ERROR || i >= end - first)
			continue;
		nl_take_error(message, &answer);
		batch_refused(batch, first + i, &answer);
		last = last || first + i == end - 1;
	}
	return last;
}

static int batch_send_chunk(struct nl *nl, struct nl_batch *batch, size_t first, size_t end,
			    struct err *err)
{
	uint32_t seq = nl_take_seq(nl, (uint32_t)(end - first));
	size_t stop = end < batch->n ? batch->offsets[end] : batch->bytes.size;
	int r;

	for (size_t i = first; i < end; i++)
		batch_message(batch, i)->nlmsg_seq = seq + (uint32_t)(i - first);
	batch_message(batch, end - 1)->nlmsg_flags |= NLM_F_ACK;
	r = nl_send(nl, batch_message(batch, first), stop - batch->offsets[first], err);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = nl_receive_wait(nl, 0);

		if (n < 0)
			return nl_receive_failed(nl, n, err);
		if (batch_take(batch, first, end, seq, nl->rx, (size_t)n))
			return 0;
	}
}

int nl_batch_send(struct nl *nl, struct nl_batch *batch, struct err *err)
{
	size_t first = 0;

	batch_close_message(batch);
	while (first < batch->n) {
		size_t end = first + 1;
		int r;

		while (end < batch->n && end - first < CHUNK_REQUESTS &&
		       batch->offsets[end] - batch->offsets[first] < CHUNK_BYTES)
			end++;
		r = batch_send_chunk(nl, batch, first, end, err);
		if (r < 0)
			return r;
		first = end;
	}
	return 0;
}

/* --- nfnetlink transactions --------------------------------------------------------------- */

/* Keeps the first refusal; true once the acknowledged message or a refusal was seen. */
static bool transact_take(const void *data, size_t size, uint32_t first, uint32_t last,
			  struct nl_answer *answer)
{
	const struct nlmsghdr *message = data;
	int left = (int)size;
	bool seen = false;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		struct nl_answer one;

		if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq - first > last - first)
			continue;
		nl_take_error(message, &one);
		one.seq = message->nlmsg_seq;
		if (!answer->errnum)
			*answer = one;
		seen = true;
	}
	return seen;
}

int nl_transact(struct nl *nl, const void *data, size_t size, uint32_t first_seq, uint32_t last_seq,
		struct nl_answer *answer, struct err *err)
{
	int flags = 0;
	int r = nl_send(nl, data, size, err);

	if (r < 0)
		return r;
	*answer = (struct nl_answer){0};
	for (;;) {
		ssize_t n = nl_receive_wait(nl, flags);

		/* Commit errors come behind the acknowledgement, but before sendmsg() returned. */
		if (n == -EAGAIN && flags)
			return 0;
		if (n < 0)
			return nl_receive_failed(nl, n, err);
		if (transact_take(nl->rx, (size_t)n, first_seq, last_seq, answer))
			flags = MSG_DONTWAIT;
	}
}
