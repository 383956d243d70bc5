/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which member is asked, how often, and what its refusals mean.
 *
 * A read is asked again until an answer or CALL_MS. A write is sent again only after a failure that
 * shows it was not carried out: nothing of it was sent, there was no leader to take it, or its
 * token was refused. After every other failure of a write its fate is not known
 * (ETCD_E_UNKNOWN).
 *
 * A stream that is silent is checked every PROBE_MS by a read that needs the cluster's majority,
 * at the same member: one that is dead, hangs or is cut off from the others is left within
 * PROBE_MS + PROBE_TIMEOUT_MS.
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
#include "store/etcd-request.h"
#include "store/etcd-transfer.h"
#include "store/store.h"

#define CONNECT_MS	 3000L
#define ANSWER_MS	 10000L /* of one request; etcd itself gives up after 7 s */
#define CALL_MS		 12000	/* of a call with all its repetitions */
#define RETRY_MS	 100
#define PROBE_MS	 5000
#define PROBE_TIMEOUT_MS 6000L
#define PROBE_KEY	 "/calico/ipam/v2/config"
#define BODY_AUTH_MAX	 8192u
#define SETTING_MAX	 4096u /* bytes of one setting */

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

/* What to do about a refusal. */
enum remedy {
	REMEDY_NONE,  /* it is final */
	REMEDY_TOKEN, /* a new token, once */
	REMEDY_WAIT,  /* again, a write too: it was not carried out */
	REMEDY_ASK,   /* again, but a write's fate is not known */
	REMEDY_COMPACTED,
};

struct refusal {
	const char *text; /* part of etcd's message */
	enum remedy remedy;
	int code;
	const char *advice;
};

static const struct refusal refusals[] = {
	{"revision has been compacted", REMEDY_COMPACTED, 0, ""},
	{"is a future revision", REMEDY_COMPACTED, 0, ""},
	{"invalid auth token", REMEDY_TOKEN, -EACCES, "check ETCD_USERNAME and ETCD_PASSWORD"},
	{"user name is empty", REMEDY_TOKEN, -EACCES, "set ETCD_USERNAME and ETCD_PASSWORD"},
	{"revision in auth store is old", REMEDY_TOKEN, -EACCES, "try again"},
	{"authentication failed", REMEDY_NONE, -EACCES, "check ETCD_USERNAME and ETCD_PASSWORD"},
	{"permission denied", REMEDY_NONE, -EACCES,
	 "grant the user a role that reads and writes the prefix /calico/"},
	{"database space exceeded", REMEDY_NONE, -ENOSPC,
	 "compact and defragment etcd or raise --quota-backend-bytes, then: etcdctl alarm disarm"},
	{"too many operations in txn", REMEDY_NONE, -E2BIG,
	 "start etcd with --max-txn-ops=256 or write fewer objects at once"},
	{"request is too large", REMEDY_NONE, -EFBIG,
	 "start etcd with a larger --max-request-bytes"},
	{"message larger than max", REMEDY_NONE, -EFBIG,
	 "start etcd with a larger --max-request-bytes"},
	{"CommonName of client", REMEDY_NONE, -EACCES,
	 "etcd's gateway takes a user's requests only with a client certificate that has no CN"},
	{"no leader", REMEDY_WAIT, -EAGAIN, "most members of the cluster must be up"},
	{"too many requests", REMEDY_WAIT, -EAGAIN, "etcd is overloaded"},
	{"leader changed", REMEDY_ASK, -EAGAIN, "try again"},
	{"request timed out", REMEDY_ASK, -ETIMEDOUT, "most members of the cluster must be up"},
	{"server stopped", REMEDY_ASK, -EAGAIN, "try again"},
	{"transport is closing", REMEDY_ASK, -EAGAIN, "try again"},
	{"context deadline exceeded", REMEDY_ASK, -ETIMEDOUT, "etcd is overloaded"},
	{"corrupt", REMEDY_NONE, -EIO, "see etcd's documentation on recovery"},
};
static const struct refusal unavailable = {"", REMEDY_ASK, -EAGAIN, "etcd is not ready"};
static const struct refusal no_gateway = {
	"", REMEDY_NONE, -EPROTO,
	"is this an etcd of version 3.4 or newer, with its JSON gateway?"};
static const struct refusal other_refusal = {"", REMEDY_NONE, -EIO, "see etcd's log"};

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

static void next_endpoint(struct etcd_client *client)
{
	client->current = (client->current + 1) % client->n_endpoints;
}

static int64_t now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool etcd_client_sleep(struct etcd_client *client, unsigned int ms)
{
	int64_t until = now_ms() + ms;

	while (!etcd_client_is_stopped(client)) {
		int64_t left = until - now_ms();

		if (left <= 0)
			return false;
		(void)curl_multi_poll(client->multi, NULL, 0, (int)left, NULL);
	}
	return true;
}

/* --- One request ----------------------------------------------------------------------------- */

static void start(struct etcd_client *client, struct etcd_transfer *transfer, const char *path,
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

static void finish(struct etcd_client *client, struct etcd_transfer *transfer)
{
	if (transfer->easy)
		(void)curl_multi_remove_handle(client->multi, transfer->easy);
	etcd_transfer_deinit(transfer);
}

static void run_once(struct etcd_client *client, int wait_ms)
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
		run_once(client, 0);
		if (!transfer->done)
			(void)curl_multi_poll(client->multi, NULL, 0, 1000, NULL);
	}
}

static const struct refusal *refusal_find(long status, const struct etcd_failure *failure)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strstr(failure->text, refusals[i].text))
			return &refusals[i];
	}
	if (status == 404 || status == 405)
		return &no_gateway;
	return status >= 500 ? &unavailable : &other_refusal;
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

static int refused(const struct etcd_client *client, const struct refusal *refusal,
		   const struct etcd_failure *failure, long status, struct err *err)
{
	return err_set(err, refusal->code, "etcd at %.128s: %s (HTTP %ld); %s",
		       etcd_client_endpoint(client),
		       *failure->text ? failure->text : "the request was refused", status,
		       refusal->advice);
}

/* What one attempt came to. */
struct attempt {
	enum remedy remedy;
	int result;	/* of the call, if this was the last attempt */
	bool elsewhere; /* the next one goes to another member */
};

static struct attempt judge(const struct etcd_client *client, const struct etcd_transfer *transfer,
			    bool once, struct err *err)
{
	const struct refusal *refusal;
	struct etcd_failure failure;
	bool unknown = once && (!transfer->done || transfer->was_sent);

	if (transfer->too_large) {
		(void)err_set(err, 0, "etcd at %.128s: the answer is longer than %u bytes",
			      etcd_client_endpoint(client), ETCD_ANSWER_MAX);
		return (struct attempt){.result = unknown ? ETCD_E_UNKNOWN : ETCD_E_TOO_LARGE};
	}
	if (!transfer->done)
		return (struct attempt){.result = ETCD_E_STOPPED};
	if (transfer->result != CURLE_OK)
		return (struct attempt){.remedy = unknown ? REMEDY_ASK : REMEDY_WAIT,
					.result = lost(client, transfer, err),
					.elsewhere = true};
	if (transfer->status == 200)
		return (struct attempt){.result = 0};
	etcd_failure_parse(buf_str(&transfer->answer), transfer->answer.size, &failure);
	refusal = refusal_find(transfer->status, &failure);
	if (refusal->remedy == REMEDY_COMPACTED)
		return (struct attempt){.result = ETCD_E_COMPACTED};
	return (struct attempt){.remedy = refusal->remedy,
				.result = refused(client, refusal, &failure, transfer->status, err),
				.elsewhere = refusal->remedy == REMEDY_WAIT ||
					     refusal->remedy == REMEDY_ASK};
}

static struct attempt attempt(struct etcd_client *client, bool once, const char *path,
			      const struct buf *body, struct buf *answer, struct err *err)
{
	struct etcd_transfer transfer;
	struct attempt result;

	start(client, &transfer, path, body, ANSWER_MS, once);
	run_to_end(client, &transfer);
	result = judge(client, &transfer, once, err);
	if (result.result == 0 && result.remedy == REMEDY_NONE) {
		buf_deinit(answer);
		*answer = transfer.answer;
		transfer.answer = (struct buf)BUF_INIT;
	}
	finish(client, &transfer);
	return result;
}

/* --- Who we are ------------------------------------------------------------------------------ */

/* Gets a token where one is needed and missing. What it gives is judged as the call's own. */
static struct attempt authenticate(struct etcd_client *client, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_free_ char *token = NULL;
	struct etcd_failure failure;
	struct attempt result;
	struct etcd_transfer transfer;

	if (!client->user || client->token || client->no_auth)
		return (struct attempt){.result = 0};
	/* So that no copy is left behind by a buffer that grows. */
	(void)buf_reserve(&body, BODY_AUTH_MAX);
	etcd_request_authenticate(client->user, client->password, &body);
	start(client, &transfer, "/v3/auth/authenticate", &body, ANSWER_MS, false);
	run_to_end(client, &transfer);
	etcd_failure_parse(buf_str(&transfer.answer), transfer.answer.size, &failure);
	if (transfer.done && strstr(failure.text, "authentication is not enabled")) {
		client->no_auth = true;
		result = (struct attempt){.result = 0};
	} else {
		result = judge(client, &transfer, false, err);
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
	finish(client, &transfer);
	return result;
}

/* --- Calls ----------------------------------------------------------------------------------- */

static struct attempt attempt_as_user(struct etcd_client *client, bool once, const char *path,
				      const struct buf *body, struct buf *answer, struct err *err)
{
	struct attempt result = authenticate(client, err);

	if (result.result == 0)
		return attempt(client, once, path, body, answer, err);
	/* The call itself was not made. */
	if (result.remedy == REMEDY_ASK)
		result.remedy = REMEDY_WAIT;
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
		       const struct attempt *last)
{
	bool lost = last->result == -EHOSTUNREACH;

	if (last->elsewhere)
		next_endpoint(client);
	if (last->remedy == REMEDY_TOKEN && !repetition->renewed) {
		etcd_client_forget_token(client);
		repetition->renewed = true;
		return true;
	}
	if (last->remedy == REMEDY_NONE || last->remedy == REMEDY_TOKEN)
		return false;
	repetition->n_lost = lost ? repetition->n_lost + 1 : 0;
	/* Where nobody listens at all, waiting is left to the caller. */
	if (repetition->n_lost >= client->n_endpoints || now_ms() > repetition->deadline)
		return false;
	return lost || !etcd_client_sleep(client, RETRY_MS);
}

int etcd_client_call(struct etcd_client *client, enum etcd_call call, const char *path,
		     const struct buf *body, struct buf *answer, struct err *err)
{
	struct repetition repetition = {.deadline = now_ms() + CALL_MS};
	struct attempt last;
	bool again;

	do {
		last = attempt_as_user(client, call == ETCD_WRITE, path, body, answer, err);
		if (last.result >= 0)
			break;
		again = may_repeat(client, &repetition, &last);
		if (last.remedy == REMEDY_ASK && call == ETCD_WRITE)
			return ETCD_E_UNKNOWN;
	} while (again && !etcd_client_is_stopped(client));
	return etcd_client_is_stopped(client) ? ETCD_E_STOPPED : last.result;
}

/* --- Streams --------------------------------------------------------------------------------- */

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
		stream->heard_at = now_ms();
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
	start(stream->client, &stream->probe, "/v3/kv/range", &stream->probe_body, PROBE_TIMEOUT_MS,
	      false);
}

/* A member that refuses the probe lives, but not one without a leader. */
static int end_probe(struct stream *stream, struct err *err)
{
	struct attempt result = judge(stream->client, &stream->probe, false, err);

	finish(stream->client, &stream->probe);
	stream->heard_at = now_ms();
	return result.result < 0 && result.elsewhere ? result.result : 0;
}

static int watch_over(struct stream *stream, struct err *err)
{
	if (stream->probe.done)
		return end_probe(stream, err);
	if (!stream->probe.easy && now_ms() - stream->heard_at >= PROBE_MS)
		start_probe(stream);
	return 0;
}

static int stream_run(struct stream *stream,
		      int (*take)(void *ctx, const char *line, size_t size, struct err *err),
		      void *ctx, struct err *err)
{
	while (!etcd_client_is_stopped(stream->client)) {
		int r;

		run_once(stream->client, 0);
		r = take_lines(stream, take, ctx, err);
		if (r != 0)
			return r;
		if (stream->transfer.done) {
			r = judge(stream->client, &stream->transfer, false, err).result;
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
	struct stream stream = {.client = client, .probe_body = BUF_INIT, .heard_at = now_ms()};
	struct attempt known = authenticate(client, err);
	int r = known.result;

	if (r == 0) {
		start(client, &stream.transfer, path, body, 0, false);
		r = stream_run(&stream, take, ctx, err);
		finish(client, &stream.transfer);
		finish(client, &stream.probe);
		buf_deinit(&stream.probe_body);
	}
	if (r < 0)
		next_endpoint(client);
	return r;
}
