/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One HTTP request to etcd, by libcurl. Internal to the etcd client. Memory of an answer is bounded
 * by ETCD_ANSWER_MAX.
 */

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct secret;

/* Strings are borrowed; NULL: not set. */
struct etcd_transfer_config {
	const char *url;
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
	const struct secret *token;
	long connect_timeout_ms;
	long timeout_ms; /* 0: none */
	bool once;	 /* its body is sent once at most */
};

struct etcd_transfer {
	CURL *easy;
	struct curl_slist *headers;
	const struct buf *body;
	bool was_sent; /* maybe; only known of a body that is sent once at most */
	struct buf answer;
	bool too_large;
	bool done;
	CURLcode result;
	long status; /* of HTTP */
	char message[CURL_ERROR_SIZE];
};
void etcd_transfer_deinit(struct etcd_transfer *transfer);
CLEANUP_DEINIT(struct etcd_transfer, etcd_transfer_deinit);

/* 'transfer' must stay where it is until it is deinitialised. */
void etcd_transfer_init(struct etcd_transfer *transfer, const struct etcd_transfer_config *config,
			const struct buf *body);

/* Takes what libcurl has finished, and marks those transfers as done. */
void etcd_transfer_collect(CURLM *multi);
