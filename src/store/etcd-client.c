/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which member is asked, how often, and what its refusals mean.
 *
 * A read is asked again until an answer or CALL_MS. A write is sent again only after a failure that
 * shows it was not carried out: nothing of it was sent, there was no leader to take it, or its
 * token was refused. After every other failure of a write its fate is not known
 * (ETCD_E_UNKNOWN).
 */

#include "store/etcd-client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "store/etcd-answer.h"
#include "store/etcd-client-internal.h"
#include "store/etcd-refusal.h"
#include "store/etcd-request.h"
#include "store/etcd-transfer.h"
#include "store/store.h"

#define CONNECT_MS    3000L
#define ANSWER_MS     10000L /* of one request; etcd itself gives up after 7 s */
#define CALL_MS	      12000  /* of a call with all its repetitions */
#define RETRY_MS      100
#define BODY_AUTH_MAX 8192u
#define SETTING_MAX   4096u /* bytes of one setting */

/* --- Settings -------------------------------------------------------------------------------- */

static int add_endpoint(struct etcd_client *client, const char *text, size_t len, struct err *err)
{
	while (len && text[len - 1] == '/')
		len--;
	if (len > SETTING_MAX ||
	    (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) ||
	    memchr(text, '@', len))
		return err_set(err, -EINVAL,
			       "ETCD_ENDPOINTS: \"%.*s\" is no address; expected as in "
			       "https://192.0.2.1:2379",
			       (int)MIN(len, (size_t)64), text);
	if (client->n_endpoints == ETCD_ENDPOINTS_MAX)
		return err_set(err, -EINVAL, "ETCD_ENDPOINTS: at most %u addresses",
			       ETCD_ENDPOINTS_MAX);
	*ARRAY_ADD(client->endpoints, client->n_endpoints) = xstrndup(text, len);
	return 0;
}

static int add_endpoints(struct etcd_client *client, const char *list, struct err *err)
{
	while (list && *list) {
		size_t len;
		int r;

		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (!len)
			break;
		r = add_endpoint(client, list, len, err);
		if (r < 0)
			return r;
		list += len;
	}
	if (!client->n_endpoints)
		return err_set(err, -EINVAL,
			       "no address of etcd; set ETCD_ENDPOINTS, as in "
			       "https://192.0.2.1:2379,https://192.0.2.2:2379");
	return 0;
}

static char *or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static int check_files(const struct etcd_client *client, struct err *err)
{
	if (!client->cert_file != !client->key_file)
		return err_set(err, -EINVAL,
			       "ETCD_CERT_FILE and ETCD_KEY_FILE belong together; one is not set");
	if (client->password && !client->user)
		return err_set(err, -EINVAL, "ETCD_PASSWORD is set and ETCD_USERNAME is not");
	return 0;
}

int etcd_client_new(const struct store_config *config, struct etcd_client **ret, struct err *err)
{
	_cleanup_(etcd_client_freep) struct etcd_client *client = XNEW(struct etcd_client);
	int r;

	if (config->etcd_discovery_srv && *config->etcd_discovery_srv)
		return err_set(err, -EINVAL,
			       "ETCD_DISCOVERY_SRV: servers are not looked up in the DNS; unset it "
			       "and list them in ETCD_ENDPOINTS");
	r = add_endpoints(client, config->etcd_endpoints, err);
	if (r < 0)
		return r;
	client->ca_file = or_null(config->etcd_ca_file);
	client->cert_file = or_null(config->etcd_cert_file);
	client->key_file = or_null(config->etcd_key_file);
	client->user = or_null(config->etcd_user);
	if (config->etcd_password)
		client->password = secret_new(secret_reveal(config->etcd_password),
					      strlen(secret_reveal(config->etcd_password)));
	r = check_files(client, err);
	if (r < 0)
		return r;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, -EIO, "libcurl can't be used");
	client->multi = curl_multi_init();
	assert(client->multi);
	*ret = TAKE_PTR(client);
	return 0;
}

struct etcd_client *etcd_client_free(struct etcd_client *client)
{
	if (!client)
		return NULL;
	if (client->multi)
		(void)curl_multi_cleanup(client->multi);
	for (size_t i = 0; i < client->n_endpoints; i++)
		free(client->endpoints[i]);
	free(client->endpoints);
	free(client->ca_file);
	free(client->cert_file);
	free(client->key_file);
	free(client->user);
	secret_free(client->password);
	secret_free(client->token);
	free(client);
	return NULL;
}

void etcd_client_stop(struct etcd_client *client)
{
	atomic_store(&client->stopped, true);
	(void)curl_multi_wakeup(client->multi);
}

bool etcd_client_is_stopped(const struct etcd_client *client)
{
	return atomic_load(&client->stopped);
}

const char *etcd_client_endpoint(const struct etcd_client *client)
{
	return client->endpoints[client->current];
}

void etcd_client_forget_token(struct etcd_client *client)
{
	client->token = secret_free(client->token);
	client->no_auth = false;
}

void etcd_client_next_endpoint(struct etcd_client *client)
{
	client->current = (client->current + 1) % client->n_endpoints;
}

int64_t etcd_client_now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool etcd_client_sleep(struct etcd_client *client, unsigned int ms)
{
	int64_t until = etcd_client_now_ms() + ms;

	while (!etcd_client_is_stopped(client)) {
		int64_t left = until - etcd_client_now_ms();

		if (left <= 0)
			return false;
		(void)curl_multi_poll(client->multi, NULL, 0, (int)left, NULL);
	}
	return true;
}

/* --- One request ----------------------------------------------------------------------------- */

void etcd_client_start(struct etcd_client *client, struct etcd_transfer *transfer, const char *path,
		       const struct buf *body, long timeout_ms, bool once)
{
	_cleanup_free_ char *url = xasprintf("%s%s", etcd_client_endpoint(client), path);
	struct etcd_transfer_config config = {
		.url = url,
		.ca_file = client->ca_file,
		.cert_file = client->cert_file,
		.key_file = client->key_file,
		.token = client->token,
		.connect_timeout_ms = CONNECT_MS,
		.timeout_ms = timeout_ms,
		.once = once,
	};

	etcd_transfer_init(transfer, &config, body);
	(void)curl_multi_add_handle(client->multi, transfer->easy);
}

void etcd_client_finish(struct etcd_client *client, struct etcd_transfer *transfer)
{
	if (transfer->easy)
		(void)curl_multi_remove_handle(client->multi, transfer->easy);
	etcd_transfer_deinit(transfer);
}

void etcd_client_run_once(struct etcd_client *client, int wait_ms)
{
	int n_running;

	(void)curl_multi_perform(client->multi, &n_running);
	etcd_transfer_collect(client->multi);
	if (wait_ms)
		(void)curl_multi_poll(client->multi, NULL, 0, wait_ms, NULL);
}

static void run_to_end(struct etcd_client *client, struct etcd_transfer *transfer)
{
	while (!transfer->done && !etcd_client_is_stopped(client)) {
		etcd_client_run_once(client, 0);
		if (!transfer->done)
			(void)curl_multi_poll(client->multi, NULL, 0, 1000, NULL);
	}
}

static int lost(const struct etcd_client *client, const struct etcd_transfer *transfer,
		struct err *err)
{
	const char *advice = "is it up, and is ETCD_ENDPOINTS right?";

	switch ((int)transfer->result) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		advice = "check ETCD_CA_CERT_FILE and the server's certificate";
		break;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_RECV_ERROR:
		if (strncmp(etcd_client_endpoint(client), "https", 5) == 0)
			advice = "check ETCD_CERT_FILE and ETCD_KEY_FILE";
		break;
	default:
		break;
	}
	return err_set(
		err, -EHOSTUNREACH, "etcd at %.128s: %.256s; %s", etcd_client_endpoint(client),
		*transfer->message ? transfer->message : curl_easy_strerror(transfer->result),
		advice);
}

static int refused(const struct etcd_client *client, const struct etcd_refusal *refusal,
		   const struct etcd_failure *failure, long status, struct err *err)
{
	return err_set(err, refusal->code, "etcd at %.128s: %s (HTTP %ld); %s",
		       etcd_client_endpoint(client),
		       *failure->text ? failure->text : "the request was refused", status,
		       refusal->advice);
}

struct etcd_attempt etcd_client_judge(const struct etcd_client *client,
				      const struct etcd_transfer *transfer, bool once,
				      struct err *err)
{
	const struct etcd_refusal *refusal;
	struct etcd_failure failure;
	bool unknown = once && (!transfer->done || transfer->was_sent);

	if (transfer->too_large) {
		(void)err_set(err, 0, "etcd at %.128s: the answer is longer than %u bytes",
			      etcd_client_endpoint(client), ETCD_ANSWER_MAX);
		return (struct etcd_attempt){.result = unknown ? ETCD_E_UNKNOWN : ETCD_E_TOO_LARGE};
	}
	if (!transfer->done)
		return (struct etcd_attempt){.result = ETCD_E_STOPPED};
	if (transfer->result != CURLE_OK)
		return (struct etcd_attempt){.remedy = unknown ? ETCD_REMEDY_ASK : ETCD_REMEDY_WAIT,
					     .result = lost(client, transfer, err),
					     .elsewhere = true};
	if (transfer->status == 200)
		return (struct etcd_attempt){.result = 0};
	etcd_failure_parse(buf_str(&transfer->answer), transfer->answer.size, &failure);
	refusal = etcd_refusal_find(transfer->status, &failure);
	if (refusal->remedy == ETCD_REMEDY_COMPACTED)
		return (struct etcd_attempt){.result = ETCD_E_COMPACTED};
	return (struct etcd_attempt){
		.remedy = refusal->remedy,
		.result = refused(client, refusal, &failure, transfer->status, err),
		.elsewhere =
			refusal->remedy == ETCD_REMEDY_WAIT || refusal->remedy == ETCD_REMEDY_ASK};
}

static struct etcd_attempt attempt(struct etcd_client *client, bool once, const char *path,
				   const struct buf *body, struct buf *answer, struct err *err)
{
	struct etcd_transfer transfer;
	struct etcd_attempt result;

	etcd_client_start(client, &transfer, path, body, ANSWER_MS, once);
	run_to_end(client, &transfer);
	result = etcd_client_judge(client, &transfer, once, err);
	if (result.result == 0 && result.remedy == ETCD_REMEDY_NONE) {
		buf_deinit(answer);
		*answer = transfer.answer;
		transfer.answer = (struct buf)BUF_INIT;
	}
	etcd_client_finish(client, &transfer);
	return result;
}

/* --- Who we are ------------------------------------------------------------------------------ */

/* Gets a token where one is needed and missing. What it gives is judged as the call's own. */
struct etcd_attempt etcd_client_authenticate(struct etcd_client *client, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_free_ char *token = NULL;
	struct etcd_failure failure;
	struct etcd_attempt result;
	struct etcd_transfer transfer;

	if (!client->user || client->token || client->no_auth)
		return (struct etcd_attempt){.result = 0};
	/* So that no copy is left behind by a buffer that grows. */
	(void)buf_reserve(&body, BODY_AUTH_MAX);
	etcd_request_authenticate(client->user, client->password, &body);
	etcd_client_start(client, &transfer, "/v3/auth/authenticate", &body, ANSWER_MS, false);
	run_to_end(client, &transfer);
	etcd_failure_parse(buf_str(&transfer.answer), transfer.answer.size, &failure);
	if (transfer.done && strstr(failure.text, "authentication is not enabled")) {
		client->no_auth = true;
		result = (struct etcd_attempt){.result = 0};
	} else {
		result = etcd_client_judge(client, &transfer, false, err);
		if (result.result == 0)
			result.result = etcd_token_parse(buf_str(&transfer.answer),
							 transfer.answer.size, &token, err);
	}
	if (token) {
		client->token = secret_new(token, strlen(token));
		explicit_bzero(token, strlen(token));
	}
	explicit_bzero(body.data, body.size);
	if (transfer.answer.data)
		explicit_bzero(transfer.answer.data, transfer.answer.size);
	etcd_client_finish(client, &transfer);
	return result;
}

/* --- Calls ----------------------------------------------------------------------------------- */

static struct etcd_attempt attempt_as_user(struct etcd_client *client, bool once, const char *path,
					   const struct buf *body, struct buf *answer,
					   struct err *err)
{
	struct etcd_attempt result = etcd_client_authenticate(client, err);

	if (result.result == 0)
		return attempt(client, once, path, body, answer, err);
	/* The call itself was not made. */
	if (result.remedy == ETCD_REMEDY_ASK)
		result.remedy = ETCD_REMEDY_WAIT;
	return result;
}

/* A call over its attempts. */
struct repetition {
	int64_t deadline;
	bool renewed;  /* the token */
	size_t n_lost; /* members in a row that could not be reached */
};

/* After an attempt that failed: is there to be another? Waits before it where that helps. */
static bool may_repeat(struct etcd_client *client, struct repetition *repetition,
		       const struct etcd_attempt *last)
{
	bool lost = last->result == -EHOSTUNREACH;

	if (last->elsewhere)
		etcd_client_next_endpoint(client);
	if (last->remedy == ETCD_REMEDY_TOKEN && !repetition->renewed) {
		etcd_client_forget_token(client);
		repetition->renewed = true;
		return true;
	}
	if (last->remedy == ETCD_REMEDY_NONE || last->remedy == ETCD_REMEDY_TOKEN)
		return false;
	repetition->n_lost = lost ? repetition->n_lost + 1 : 0;
	/* Where nobody listens at all, waiting is left to the caller. */
	if (repetition->n_lost >= client->n_endpoints ||
	    etcd_client_now_ms() > repetition->deadline)
		return false;
	return lost || !etcd_client_sleep(client, RETRY_MS);
}

int etcd_client_call(struct etcd_client *client, enum etcd_call call, const char *path,
		     const struct buf *body, struct buf *answer, struct err *err)
{
	struct repetition repetition = {.deadline = etcd_client_now_ms() + CALL_MS};
	struct etcd_attempt last;
	bool again;

	do {
		last = attempt_as_user(client, call == ETCD_WRITE, path, body, answer, err);
		if (last.result >= 0)
			break;
		again = may_repeat(client, &repetition, &last);
		if (last.remedy == ETCD_REMEDY_ASK && call == ETCD_WRITE)
			return ETCD_E_UNKNOWN;
	} while (again && !etcd_client_is_stopped(client));
	return etcd_client_is_stopped(client) ? ETCD_E_STOPPED : last.result;
}
