/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A steady flow of numbered packets for tests that must lose none.
 *
 *	flow recv PORT				answers every datagram with itself, until killed
 *	flow send ADDR PORT PPS SECONDS		sends numbered datagrams and counts the answers
 *	flow fresh ADDR PORT PPS SECONDS	sends numbered datagrams, each from another port, so
 *						that each is the first of a connection
 *	flow count PORT				counts the datagrams that arrive, answers none
 *
 * All but the first print one line of JSON at their end, which SIGTERM or SIGINT brings early.
 *
 * A packet counts as lost when its answer has not come GRACE_MS after the last one was sent. The
 * longest silence between two answers is given too: a short outage shows there before it loses.
 * Of what arrives, the times are given from when to when (CLOCK_MONOTONIC), with a silence of
 * SPAN_GAP_MS between them.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS     1000
#define PACKETS_MAX  10000000u
#define LOST_SHOWN   20u
#define NS_PER_S     1000000000ll
#define SOCKET_BYTES (8 << 20)
#define SPAN_GAP_MS  200
#define SPANS_MAX    64u
#define PORT_FIRST   20000u
#define PORTS	     40000u
#define ANY_PORT     "0"

struct flow {
	int fd;
	uint64_t n_sent;
	uint64_t n_received;
	uint64_t n_refused; /* sends the kernel turned down: no route, for one */
	int last_error;
	int64_t last_answer_ns;
	int64_t max_gap_ns;
	uint8_t *seen; /* one byte for each number */
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static unsigned long parse_number(const char *text, unsigned long max, const char *what)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value == 0 || value > max) {
		fprintf(stderr, "flow: %s '%s' is not a number from 1 to %lu\n", what, text, max);
		exit(2);
	}
	return value;
}

static int open_socket(const char *host, const char *port, bool listening)
{
	struct addrinfo hints = {
		.ai_family = listening ? AF_INET6 : AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | (listening ? AI_PASSIVE : 0),
	};
	struct addrinfo *info = NULL;
	int bytes = SOCKET_BYTES, fd, r;

	r = getaddrinfo(host, port, &hints, &info);
	if (r) {
		fprintf(stderr, "flow: %s: %s\n", host ? host : port, gai_strerror(r));
		exit(2);
	}
	fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		perror("flow: socket");
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	r = listening ? bind(fd, info->ai_addr, info->ai_addrlen)
		      : connect(fd, info->ai_addr, info->ai_addrlen);
	if (r < 0) {
		perror(listening ? "flow: bind" : "flow: connect");
		exit(1);
	}
	freeaddrinfo(info);
	return fd;
}

static int receive(const char *port)
{
	int fd = open_socket(NULL, port, true);

	printf("ready\n");
	(void)fflush(stdout);
	while (!stop) {
		struct sockaddr_storage from;
		socklen_t from_size = sizeof(from);
		uint8_t packet[2048];
		ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from,
				     &from_size);

		if (n > 0)
			(void)sendto(fd, packet, (size_t)n, 0, (struct sockaddr *)&from, from_size);
	}
	close(fd);
	return 0;
}

/* --- Datagrams from ever other ports ------------------------------------------------------ */

struct udp_datagram {
	uint16_t source_port;
	uint16_t destination_port;
	uint16_t length;
	uint16_t checksum;
	uint64_t number;
} __attribute__((packed));

/* The kernel makes the IP header; IPv4 does without a checksum, of IPv6's the kernel sees to. */
static int open_raw(const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *info = NULL;
	int bytes = SOCKET_BYTES, at = offsetof(struct udp_datagram, checksum), fd, r;

	r = getaddrinfo(host, ANY_PORT, &hints, &info);
	if (r) {
		fprintf(stderr, "flow: %s: %s\n", host, gai_strerror(r));
		exit(2);
	}
	fd = socket(info->ai_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	if (fd < 0 || connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
		perror("flow: raw socket");
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (info->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof(at));
	freeaddrinfo(info);
	return fd;
}

static void sleep_until(int64_t when)
{
	const struct timespec ts = {.tv_sec = when / NS_PER_S, .tv_nsec = when % NS_PER_S};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int send_fresh(const char *host, uint16_t port, uint64_t n, uint64_t pps)
{
	struct udp_datagram datagram = {.destination_port = htons(port),
					.length = htons(sizeof(datagram))};
	int64_t start = now_ns();
	uint64_t n_refused = 0, i;
	int fd = open_raw(host);

	for (i = 0; i < n && !stop; i++) {
		sleep_until(start + (int64_t)(i * (uint64_t)NS_PER_S / pps));
		datagram.source_port = htons((uint16_t)(PORT_FIRST + i % PORTS));
		datagram.number = i;
		if (send(fd, &datagram, sizeof(datagram), 0) < 0)
			n_refused++;
	}
	printf("{\"sent\": %llu, \"refused\": %llu, \"start_ns\": %lld}\n", (unsigned long long)i,
	       (unsigned long long)n_refused, (long long)start);
	close(fd);
	return 0;
}

/* --- What arrives ------------------------------------------------------------------------- */

struct span {
	int64_t first_ns;
	int64_t last_ns;
	uint64_t n;
};

struct arrivals {
	struct span spans[SPANS_MAX];
	unsigned int n_spans; /* the last one takes in all that comes after */
	uint64_t n;
	uint64_t n_repeated;
	uint64_t end; /* behind the highest number */
	uint8_t *seen;
};

static void note_arrival(struct arrivals *arrivals, uint64_t number, int64_t now)
{
	struct span *span = &arrivals->spans[arrivals->n_spans ? arrivals->n_spans - 1 : 0];

	if (number >= PACKETS_MAX || arrivals->seen[number]) {
		arrivals->n_repeated++;
		return;
	}
	arrivals->seen[number] = 1;
	arrivals->n++;
	if (number >= arrivals->end)
		arrivals->end = number + 1;
	if (!arrivals->n_spans ||
	    (now - span->last_ns > SPAN_GAP_MS * 1000000ll && arrivals->n_spans < SPANS_MAX)) {
		span = &arrivals->spans[arrivals->n_spans++];
		span->first_ns = now;
	}
	span->last_ns = now;
	span->n++;
}

static int count(const char *port)
{
	struct arrivals arrivals = {.seen = calloc(PACKETS_MAX, 1)};
	/* So that a signal just before recv() is seen. */
	const struct timeval limit = {.tv_usec = 100000};
	int fd = open_socket(NULL, port, true);
	unsigned int n_shown = 0;
	uint64_t number;

	if (!arrivals.seen)
		abort();
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	printf("ready\n");
	(void)fflush(stdout);
	while (!stop) {
		if (recv(fd, &number, sizeof(number), 0) == (ssize_t)sizeof(number))
			note_arrival(&arrivals, number, now_ns());
	}
	while (recv(fd, &number, sizeof(number), MSG_DONTWAIT) == (ssize_t)sizeof(number))
		note_arrival(&arrivals, number, now_ns());
	printf("{\"received\": %llu, \"repeated\": %llu, \"spans\": [",
	       (unsigned long long)arrivals.n, (unsigned long long)arrivals.n_repeated);
	for (unsigned int i = 0; i < arrivals.n_spans; i++)
		printf("%s[%lld, %lld, %llu]", i ? ", " : "", (long long)arrivals.spans[i].first_ns,
		       (long long)arrivals.spans[i].last_ns,
		       (unsigned long long)arrivals.spans[i].n);
	printf("], \"missing\": [");
	for (uint64_t i = 0; i < arrivals.end && n_shown < LOST_SHOWN; i++) {
		if (!arrivals.seen[i])
			printf("%s%llu", n_shown++ ? ", " : "", (unsigned long long)i);
	}
	printf("]}\n");
	free(arrivals.seen);
	close(fd);
	return 0;
}

/* --- A flow and its answers --------------------------------------------------------------- */

/* Takes in every answer that is there; a number seen twice counts once. */
static void take_answers(struct flow *flow)
{
	uint64_t number;

	while (recv(flow->fd, &number, sizeof(number), MSG_DONTWAIT) == (ssize_t)sizeof(number)) {
		int64_t now = now_ns();

		if (number >= flow->n_sent || flow->seen[number])
			continue;
		flow->seen[number] = 1;
		flow->n_received++;
		if (flow->last_answer_ns && now - flow->last_answer_ns > flow->max_gap_ns)
			flow->max_gap_ns = now - flow->last_answer_ns;
		flow->last_answer_ns = now;
	}
}

static void wait_until(struct flow *flow, int64_t when)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = flow->fd, .events = POLLIN};
		int64_t left = when - now_ns();
		struct timespec ts = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};

		take_answers(flow);
		if (left <= 0)
			return;
		(void)ppoll(&poll_fd, 1, &ts, NULL);
	}
}

static void send_all(struct flow *flow, uint64_t n, uint64_t pps)
{
	int64_t start = now_ns();

	for (uint64_t i = 0; i < n && !stop; i++) {
		wait_until(flow, start + (int64_t)(i * (uint64_t)NS_PER_S / pps));
		flow->n_sent = i + 1;
		if (send(flow->fd, &i, sizeof(i), 0) < 0) {
			flow->n_refused++;
			flow->last_error = errno;
		}
	}
	for (int64_t end = now_ns() + GRACE_MS * 1000000ll;
	     flow->n_received < flow->n_sent && now_ns() < end;)
		wait_until(flow, now_ns() + 10 * 1000000ll);
}

static void print_report(const struct flow *flow)
{
	unsigned int n_shown = 0;

	printf("{\"sent\": %llu, \"received\": %llu, \"lost\": %llu, \"refused\": %llu, "
	       "\"error\": \"%s\", \"max_gap_ms\": %.3f, \"lost_numbers\": [",
	       (unsigned long long)flow->n_sent, (unsigned long long)flow->n_received,
	       (unsigned long long)(flow->n_sent - flow->n_received),
	       (unsigned long long)flow->n_refused,
	       flow->last_error ? strerror(flow->last_error) : "", (double)flow->max_gap_ns / 1e6);
	for (uint64_t i = 0; i < flow->n_sent && n_shown < LOST_SHOWN; i++) {
		if (!flow->seen[i])
			printf("%s%llu", n_shown++ ? ", " : "", (unsigned long long)i);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	/* No SA_RESTART: a signal is to end the system call that waits. */
	const struct sigaction action = {.sa_handler = on_signal};
	struct flow flow = {0};
	uint64_t pps, n;
	bool fresh;

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	if (argc == 3 && strcmp(argv[1], "recv") == 0)
		return receive(argv[2]);
	if (argc == 3 && strcmp(argv[1], "count") == 0)
		return count(argv[2]);
	fresh = argc == 6 && strcmp(argv[1], "fresh") == 0;
	if (argc != 6 || (strcmp(argv[1], "send") != 0 && !fresh)) {
		fprintf(stderr, "usage: flow recv|count PORT | "
				"flow send|fresh ADDR PORT PPS SECONDS\n");
		return 2;
	}
	pps = parse_number(argv[4], 100000, "packets per second");
	n = pps * parse_number(argv[5], PACKETS_MAX / pps, "seconds");
	if (fresh)
		return send_fresh(argv[2], (uint16_t)parse_number(argv[3], UINT16_MAX, "port"), n,
				  pps);
	flow.seen = calloc(n, 1);
	if (!flow.seen)
		abort();
	flow.fd = open_socket(argv[2], argv[3], false);
	send_all(&flow, n, pps);
	print_report(&flow);
	free(flow.seen);
	close(flow.fd);
	return flow.n_received == flow.n_sent ? 0 : 1;
}
