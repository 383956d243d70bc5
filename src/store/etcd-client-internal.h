/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The client from inside: what calls and streams share. */

#include <stdatomic.h>

#include "store/etcd-client.h"
#include "store/etcd-refusal.h"
#include "store/etcd-transfer.h"

struct etcd_client {
	CURLM *multi;
	char **endpoints; /* "http://127.0.0.1:2379", no slash behind */
	size_t n_endpoints;
	size_t current;
	char *ca_file;
	char *cert_file;
	char *key_file;
	char *user;
	struct secret *password;
	struct secret *token;
	bool no_auth; /* the cluster has none */
	atomic_bool stopped;
};

/* What one attempt came to. */
struct etcd_attempt {
	enum etcd_remedy remedy;
	int result;	/* of the call, if this was the last attempt */
	bool elsewhere; /* the next one goes to another member */
};

/* Monotonic. */
int64_t etcd_client_now_ms(void);

void etcd_client_next_endpoint(struct etcd_client *client);

/* 'timeout_ms' 0: none. 'transfer' stays where it is until it is finished. */
void etcd_client_start(struct etcd_client *client, struct etcd_transfer *transfer, const char *path,
		       const struct buf *body, long timeout_ms, bool once);
/* One that was never started is fine. */
void etcd_client_finish(struct etcd_client *client, struct etcd_transfer *transfer);

/* Does what can be done now, and waits for more. */
void etcd_client_run_once(struct etcd_client *client, int wait_ms);

/* What became of a transfer that is done or was given up. */
struct etcd_attempt etcd_client_judge(const struct etcd_client *client,
				      const struct etcd_transfer *transfer, bool once,
				      struct err *err);

/* Gets a token where one is needed and missing. What it gives is judged as the call's own. */
struct etcd_attempt etcd_client_authenticate(struct etcd_client *client, struct err *err);
