/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pod's part in a matrix of connections: it serves, and it asks the others, all at a time.
 *
 *	matrix PORT...		serves TCP and UDP on the ports, both families, until its standard
 *				input ends. A line there is one question, "tcp ADDRESS PORT" or
 *				"udp ADDRESS PORT"; "go MILLISECONDS" asks all of them at once and
 *				answers with a line of as many characters: 1 answered, 0 not.
 *
 * A TCP connection counts when the server's byte has come; a UDP question when it is answered.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS_MAX 512
#define SERVERS_MAX   16
#define FDS_MAX	      (1 + 2 * SERVERS_MAX + QUESTIONS_MAX)

struct question {
	bool is_tcp;
	struct sockaddr_storage addr;
	socklen_t addr_size;
	int fd; /* -1: over */
	bool answered;
};

struct matrix {
	int servers[2 * SERVERS_MAX]; /* TCP at even places, UDP at odd ones */
	size_t n_servers;
	struct question questions[QUESTIONS_MAX];
	size_t n_questions;
	char line[256];
	size_t line_size;
	int64_t deadline_ms; /* 0: nothing is being asked */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int serve(int type, uint16_t port)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1;
	const int off = 0;
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const void *)&any, sizeof(any)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 256) < 0)
		die("listen");
	return fd;
}

static void answer_tcp(int server)
{
	int fd;

	while ((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		(void)send(fd, "k", 1, MSG_NOSIGNAL);
		(void)close(fd);
	}
}

static void answer_udp(int server)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte;

	while (recvfrom(server, &byte, 1, 0, (void *)&from, &size) >= 0) {
		(void)sendto(server, "k", 1, 0, (void *)&from, size);
		size = sizeof(from);
	}
}

/* --- Asking ----------------------------------------------------------------------------------- */

static void end_question(struct question *question, bool answered)
{
	question->answered = answered;
	(void)close(question->fd);
	question->fd = -1;
}

static void ask(struct question *question)
{
	question->answered = false;
	question->fd = socket(
		question->addr.ss_family,
		(question->is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (question->fd < 0)
		die("socket");
	if (connect(question->fd, (const void *)&question->addr, question->addr_size) < 0 &&
	    errno != EINPROGRESS) {
		end_question(question, false);
		return;
	}
	if (!question->is_tcp && send(question->fd, "q", 1, 0) < 0)
		end_question(question, false);
}

static void read_answer(struct question *question)
{
	char byte;
	ssize_t n = recv(question->fd, &byte, 1, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	end_question(question, n == 1);
}

static bool all_over(const struct matrix *matrix)
{
	for (size_t i = 0; i < matrix->n_questions; i++) {
		if (matrix->questions[i].fd >= 0)
			return false;
	}
	return true;
}

static void print_answers(struct matrix *matrix)
{
	for (size_t i = 0; i < matrix->n_questions; i++) {
		struct question *question = &matrix->questions[i];

		if (question->fd >= 0)
			end_question(question, false);
		(void)putchar(question->answered ? '1' : '0');
	}
	(void)putchar('\n');
	(void)fflush(stdout);
	matrix->n_questions = 0;
	matrix->deadline_ms = 0;
}

/* --- Commands --------------------------------------------------------------------------------- */

static void add_question(struct matrix *matrix, const char *protocol, const char *host,
			 const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct question *question = &matrix->questions[matrix->n_questions];
	struct addrinfo *info;

	if (matrix->n_questions == QUESTIONS_MAX || getaddrinfo(host, port, &hints, &info) != 0) {
		(void)fprintf(stderr, "matrix: can't ask %s %s %s\n", protocol, host, port);
		exit(2);
	}
	question->is_tcp = strcmp(protocol, "tcp") == 0;
	memcpy(&question->addr, info->ai_addr, info->ai_addrlen);
	question->addr_size = info->ai_addrlen;
	question->fd = -1;
	matrix->n_questions++;
	freeaddrinfo(info);
}

static void run_line(struct matrix *matrix, char *line)
{
	char *save = NULL;
	const char *word = strtok_r(line, " ", &save);
	const char *first = strtok_r(NULL, " ", &save);
	const char *second = strtok_r(NULL, " ", &save);

	if (word && first && strcmp(word, "go") == 0) {
		for (size_t i = 0; i < matrix->n_questions; i++)
			ask(&matrix->questions[i]);
		matrix->deadline_ms = now_ms() + strtol(first, NULL, 10);
	} else if (word && first && second) {
		add_question(matrix, word, first, second);
	}
}

/* False: standard input has ended. */
static bool read_commands(struct matrix *matrix)
{
	ssize_t n = read(STDIN_FILENO, matrix->line + matrix->line_size,
			 sizeof(matrix->line) - 1 - matrix->line_size);
	char *end;

	if (n <= 0)
		return false;
	matrix->line_size += (size_t)n;
	while ((end = memchr(matrix->line, '\n', matrix->line_size))) {
		size_t used = (size_t)(end - matrix->line) + 1;

		*end = '\0';
		run_line(matrix, matrix->line);
		memmove(matrix->line, matrix->line + used, matrix->line_size - used);
		matrix->line_size -= used;
	}
	return true;
}

/* --- The loop --------------------------------------------------------------------------------- */

static size_t collect_fds(const struct matrix *matrix, struct pollfd *fds)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (size_t i = 0; i < matrix->n_servers; i++)
		fds[n++] = (struct pollfd){.fd = matrix->servers[i], .events = POLLIN};
	for (size_t i = 0; matrix->deadline_ms && i < matrix->n_questions; i++)
		fds[n++] = (struct pollfd){.fd = matrix->questions[i].fd, .events = POLLIN};
	return n;
}

static void handle(struct matrix *matrix, const struct pollfd *fds, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (i > matrix->n_servers)
			read_answer(&matrix->questions[i - 1 - matrix->n_servers]);
		else if (i % 2)
			answer_tcp(fds[i].fd);
		else
			answer_udp(fds[i].fd);
	}
}

int main(int argc, char **argv)
{
	static struct matrix matrix;
	static struct pollfd fds[FDS_MAX];

	for (int i = 1; i < argc && i <= SERVERS_MAX; i++) {
		uint16_t port = (uint16_t)strtoul(argv[i], NULL, 10);

		matrix.servers[matrix.n_servers++] = serve(SOCK_STREAM, port);
		matrix.servers[matrix.n_servers++] = serve(SOCK_DGRAM, port);
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		size_t n = collect_fds(&matrix, fds);
		int64_t left = matrix.deadline_ms ? matrix.deadline_ms - now_ms() : -1;

		if (matrix.deadline_ms && (left <= 0 || all_over(&matrix))) {
			print_answers(&matrix);
			continue;
		}
		if (poll(fds, n, (int)left) < 0 && errno != EINTR)
			die("poll");
		handle(&matrix, fds, n);
		if (fds[0].revents && !read_commands(&matrix))
			return 0;
	}
}
