/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One byte there and back over TCP, many times:
 *
 *	pingpong serve PORT		answers one connection after another, until it is ended
 *	pingpong ask ADDRESS PORT COUNT	prints median and p99 of COUNT round trips, in nanoseconds
 *
 * Both ends run on the first processor, so that the way is measured and not how long it takes to
 * wake another processor.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 1000000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void stay_on_one_processor(void)
{
	cpu_set_t allowed;
	cpu_set_t one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		die("sched_getaffinity");
	while (!CPU_ISSET(cpu, &allowed))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		die("sched_setaffinity");
}

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_socket(void)
{
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (address && inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die(address);
	return to;
}

static void serve(const char *port)
{
	struct sockaddr_in at = address_of(NULL, port);
	int fd = open_socket();

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0)
		die("listen");
	for (;;) {
		int one = 1;
		char byte;
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			die("accept");
		(void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while (read(peer, &byte, 1) == 1 && write(peer, &byte, 1) == 1)
			;
		(void)close(peer);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void ask(const char *address, const char *port, long count)
{
	struct sockaddr_in to = address_of(address, port);
	int64_t *times = calloc((size_t)count, sizeof(*times));
	int fd = open_socket();
	char byte = 'x';

	if (!times)
		die("calloc");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	for (long i = 0; i < count; i++) {
		int64_t start = now();

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("round trip");
		times[i] = now() - start;
	}
	qsort(times, (size_t)count, sizeof(*times), compare);
	(void)printf("%lld %lld\n", (long long)times[count / 2],
		     (long long)times[count * 99 / 100]);
	free(times);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	long count = argc == 5 ? strtol(argv[4], NULL, 10) : 0;

	stay_on_one_processor();
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		serve(argv[2]);
	} else if (argc == 5 && strcmp(argv[1], "ask") == 0 && count > 0 && count <= COUNT_MAX) {
		ask(argv[2], argv[3], count);
	} else {
		(void)fprintf(stderr, "usage: pingpong serve PORT | ask ADDRESS PORT COUNT\n");
		return 2;
	}
	return 0;
}
