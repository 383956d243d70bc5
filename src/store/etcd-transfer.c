/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A request by libcurl, which would repeat one by itself when a kept connection turns out dead.
 * What must not be sent twice is stopped before the second time. (A body given by a function that
 * can't go back would do as well, but goes out in a packet of its own, which costs etcd a wake-up.)
 */

#include "store/etcd-transfer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "store/etcd-answer.h"

#define KEEPALIVE_IDLE_S     5L
#define KEEPALIVE_INTERVAL_S 3L

static size_t on_data(char *data, size_t one, size_t size, void *userdata)
{
	struct etcd_transfer *transfer = userdata;

	(void)one;
	if (size > ETCD_ANSWER_MAX - transfer->answer.size) {
		transfer->too_large = true;
		return 0;
	}
	buf_add(&transfer->answer, data, size);
	return size;
}

static int on_request(void *userdata, char *remote, char *local, int remote_port, int local_port)
{
	struct etcd_transfer *transfer = userdata;

	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	if (transfer->was_sent)
		return CURL_PREREQFUNC_ABORT;
	transfer->was_sent = true;
	return CURL_PREREQFUNC_OK;
}

static void set_headers(struct etcd_transfer *transfer, const struct secret *token)
{
	static const char *const fixed[] = {"Content-Type: application/json", "Expect:"};
	_cleanup_free_ char *line = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		transfer->headers = curl_slist_append(transfer->headers, fixed[i]);
	if (token) {
		line = xasprintf("Authorization: %s", secret_reveal(token));
		transfer->headers = curl_slist_append(transfer->headers, line);
		explicit_bzero(line, strlen(line));
	}
	assert(transfer->headers);
	(void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_tls(CURL *easy, const struct etcd_transfer_config *config)
{
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (config->ca_file)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
	if (config->cert_file)
		(void)curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert_file);
	if (config->key_file)
		(void)curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key_file);
}

static void set_body(struct etcd_transfer *transfer, bool once)
{
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body->size);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_str(transfer->body));
	if (!once)
		return;
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
}

void etcd_transfer_init(struct etcd_transfer *transfer, const struct etcd_transfer_config *config,
			const struct buf *body)
{
	CURL *easy = curl_easy_init();

	assert(easy);
	*transfer = (struct etcd_transfer){.easy = easy, .body = body, .answer = BUF_INIT};
	(void)curl_easy_setopt(easy, CURLOPT_URL, config->url);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* The way to the datastore is what the settings say, not what a proxy's variable says. */
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, config->connect_timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, config->timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->message);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	set_tls(easy, config);
	set_headers(transfer, config->token);
	set_body(transfer, config->once);
}

void etcd_transfer_deinit(struct etcd_transfer *transfer)
{
	for (struct curl_slist *line = transfer->headers; line; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	if (transfer->easy)
		curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	buf_deinit(&transfer->answer);
	*transfer = (struct etcd_transfer){.easy = NULL};
}

void etcd_transfer_collect(CURLM *multi)
{
	CURLMsg *message;
	int n;

	while ((message = curl_multi_info_read(multi, &n))) {
		struct etcd_transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		assert(transfer);
		transfer->done = true;
		transfer->result = message->data.result;
		if (transfer->result == CURLE_ABORTED_BY_CALLBACK) {
			transfer->result = CURLE_RECV_ERROR;
			(void)snprintf(transfer->message, sizeof(transfer->message),
				       "the connection was lost");
		}
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE,
					&transfer->status);
	}
}
