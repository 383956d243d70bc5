/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HTTP to the members of an etcd cluster: one connection that is kept, the next member when one
 * does not answer, TLS, user and password. A client belongs to one thread; only stopping it may
 * come from another. Blocking.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct buf;
struct etcd_client;
struct store_config;

#define ETCD_ENDPOINTS_MAX 32u

enum etcd_outcome {
	ETCD_E_COMPACTED = 1, /* the revision is no longer kept, or there never was such a one */
	ETCD_E_TOO_LARGE,     /* the answer is longer than ETCD_ANSWER_MAX; ask for less */
	ETCD_E_UNKNOWN,	      /* a write was sent and not answered: it may have been carried out */
	ETCD_E_STOPPED,
};

/* -EINVAL: 'err' names the setting. Speaks to nobody yet. */
MUST_CHECK int etcd_client_new(const struct store_config *config, struct etcd_client **ret,
			       struct err *err);
struct etcd_client *etcd_client_free(struct etcd_client *client);
CLEANUP_FUNC(struct etcd_client *, etcd_client_free);

/* From another thread: what runs and what comes ends soon with ETCD_E_STOPPED. */
void etcd_client_stop(struct etcd_client *client);
bool etcd_client_is_stopped(const struct etcd_client *client);

enum etcd_call {
	ETCD_READ,  /* asked again wherever there may be an answer */
	ETCD_WRITE, /* sent again only where it certainly was not carried out */
};

/* 0: 'answer' (emptied first) holds the text. ETCD_E_*. <0: 'err' names endpoint and remedy. */
MUST_CHECK int etcd_client_call(struct etcd_client *client, enum etcd_call call, const char *path,
				const struct buf *body, struct buf *answer, struct err *err);

/*
 * Sends 'body' and hands each line of the answer to 'take' until that gives something else than 0
 * (passed up), the connection is lost or a sign of life is overdue (<0), or the client is stopped.
 * The next call starts with another member after a failure.
 */
MUST_CHECK int
etcd_client_stream(struct etcd_client *client, const char *path, const struct buf *body,
		   int (*take)(void *ctx, const char *line, size_t size, struct err *err),
		   void *ctx, struct err *err);

/* Waits; true: it was stopped meanwhile. */
bool etcd_client_sleep(struct etcd_client *client, unsigned int ms);

/* The token is no good any more, or was never asked for. */
void etcd_client_forget_token(struct etcd_client *client);

/* Where the last request went. Borrowed. */
const char *etcd_client_endpoint(const struct etcd_client *client);
