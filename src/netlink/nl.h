/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A netlink connection (libmnl) to one network namespace, with batches: requests are collected,
 * sent together, and each gets its own answer. Blocking, but the kernel answers rtnetlink within
 * the call.
 *
 * Attributes are put with libmnl's mnl_attr_put*(); a request has room for NL_REQUEST_MAX bytes,
 * which everything of fixed size that a route, link or neighbour consists of fits in. Attributes
 * are read through a policy table, see nl_parse().
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct nl;
struct nlattr;
struct nlmsghdr;

/* 'netns_fd' -1: the caller's namespace. 'protocol' NETLINK_ROUTE, NETLINK_NETFILTER. */
MUST_CHECK int nl_open(int protocol, int netns_fd, struct nl **ret, struct err *err);
struct nl *nl_close(struct nl *nl);
CLEANUP_FUNC(struct nl *, nl_close);

/* --- For the modules that speak netlink ----------------------------------------------------- */

#define NL_REQUEST_MAX	2048
#define NL_RECEIVE_SIZE 65536 /* the kernel never sends more than 32 KiB at once */
#define NL_TEXT_SIZE	192

/* What the kernel said to one request. */
struct nl_answer {
	int errnum;		 /* 0: done; else a positive errno */
	uint32_t seq;		 /* of a transaction: of the message that is refused */
	char text[NL_TEXT_SIZE]; /* the kernel's own words (NETLINK_EXT_ACK), "" if none */
};

/*
 * For a refused request: "<what>: <errno text> (<kernel's words>)". Returns -errnum, so that set
 * and return are one statement.
 */
int nl_refused(struct err *err, const struct nl_answer *answer, const char *format, ...)
	PRINTF_LIKE(3, 4);

struct nl_request {
	alignas(4) uint8_t bytes[NL_REQUEST_MAX];
};
/* Starts a message in 'request' with the family's fixed header. NLM_F_REQUEST is added. */
struct nlmsghdr *nl_request_init(struct nl_request *request, uint16_t type, uint16_t flags,
				 const void *header, size_t header_size);

/* Sends one request and takes its acknowledgement. 0: answered, see 'answer'. <0: socket failed. */
MUST_CHECK int nl_call(struct nl *nl, struct nlmsghdr *request, struct nl_answer *answer,
		       struct err *err);

/*
 * Sees the messages of a dump. 'restart' (before the first, and again when the kernel says that the
 * dump was inconsistent) forgets what was collected. 'message' returns <0 to fail the dump.
 */
struct nl_visitor {
	void (*restart)(void *ctx);
	int (*message)(const struct nlmsghdr *message, void *ctx);
	void *ctx;
};
/* A dump (NLM_F_DUMP in 'request') or a get of one object. 0: answered. <0: failed. */
MUST_CHECK int nl_query(struct nl *nl, struct nlmsghdr *request, const struct nl_visitor *visitor,
			struct nl_answer *answer, struct err *err);

/* Requests sent together. One refused request does not stop those behind it. */
struct nl_batch;
struct nl_batch *nl_batch_new(void);
struct nl_batch *nl_batch_free(struct nl_batch *batch);
CLEANUP_FUNC(struct nl_batch *, nl_batch_free);
/* The new message, valid until the next one is added. */
struct nlmsghdr *nl_batch_add(struct nl_batch *batch, uint16_t type, uint16_t flags,
			      const void *header, size_t header_size);
size_t nl_batch_size(const struct nl_batch *batch); /* requests in it */
/* 0: all are answered. <0: the socket failed, and what was done is unknown. */
MUST_CHECK int nl_batch_send(struct nl *nl, struct nl_batch *batch, struct err *err);
/* The i-th answer as an errno, 0: done. */
int nl_batch_errnum(const struct nl_batch *batch, size_t i);
/* The words of a refused request: the kernel's for the first ones, "" beyond those. */
const char *nl_batch_text(const struct nl_batch *batch, size_t i);

/*
 * Sends an nfnetlink transaction as it is: messages with the consecutive sequence numbers
 * 'first_seq' (batch begin) to 'last_seq' (batch end), where the message before the end asks for an
 * acknowledgement. 0: answered; 'answer' has the first refusal and nothing was done, or 0.
 */
MUST_CHECK int nl_transact(struct nl *nl, const void *data, size_t size, uint32_t first_seq,
			   uint32_t last_seq, struct nl_answer *answer, struct err *err);
/* The next n sequence numbers; the first of them. */
uint32_t nl_take_seq(struct nl *nl, uint32_t n);

int nl_fd(const struct nl *nl);
uint32_t nl_port(const struct nl *nl);
/* Joins a multicast group and makes the receive buffer large. */
MUST_CHECK int nl_join(struct nl *nl, unsigned int group, struct err *err);
/*
 * One datagram of announcements, without waiting. 0: nothing now. >0: its size, '*ret_data' is
 * borrowed until the next call. -ENOBUFS: announcements were lost.
 */
MUST_CHECK int nl_receive(struct nl *nl, const void **ret_data);

/*
 * Is there a whole message in the 'left' bytes? For mnl_nlmsg_next(), which may leave 'left'
 * negative. libmnl's own check takes a length beyond INT_MAX for a small one.
 */
bool nl_message_ok(const struct nlmsghdr *message, int left);

/* What an attribute must hold to be taken. 0 in a policy table: not looked at. */
enum nl_attr_kind {
	NL_ATTR_SKIP,
	NL_ATTR_U8,
	NL_ATTR_U16,
	NL_ATTR_U32,
	NL_ATTR_STRING, /* NUL-terminated, not longer than IFNAMSIZ, kind or set names allow */
	NL_ATTR_ADDR,	/* 4 or 16 bytes */
	NL_ATTR_MAC,	/* at least 6 bytes */
	NL_ATTR_NESTED,
	NL_ATTR_ANY,
};
/*
 * Attributes behind a message's fixed header, or nested in an attribute: 'ret[type]' for each
 * type below 'n' that 'policy' names, NULL where it is absent. -EBADMSG: one breaks the policy.
 */
MUST_CHECK int nl_parse(const struct nlmsghdr *message, size_t header_size, const uint8_t *policy,
			size_t n, const struct nlattr **ret);
MUST_CHECK int nl_parse_nested(const struct nlattr *nest, const uint8_t *policy, size_t n,
			       const struct nlattr **ret);
/* An address attribute; family from its length. */
struct ip_addr nl_attr_addr(const struct nlattr *attr);
void nl_put_addr(struct nlmsghdr *message, uint16_t type, const struct ip_addr *addr);
