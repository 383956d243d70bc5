/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Faults that are no system call's: a netlink request that the kernel refuses, an answer of the
 * kernel that says no where it did what was asked, a server that answers 500.
 *
 * A refusal is the kernel's own: the request's type is changed to one that nobody serves while it
 * is sent, and the errno of what comes back to the plan's.
 */

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fault.h"

#define NO_SUCH_ROUTE_TYPE 0x7ff0
#define NO_SUCH_NFT_TYPE   0x00ff /* of any subsystem */
#define STATUS		   "HTTP/1.1 2"
#define BAD_STATUS	   "HTTP/1.1 500"

/* The first buffer of what a call sends or receives. False: it is no such call, or has none. */
static bool first_buffer(const struct tracer *tracer, long nr, const uint64_t *args,
			 uint64_t *ret_at, size_t *ret_size)
{
	struct msghdr msg;
	struct iovec iov;

	switch (nr) {
	case SYS_sendto:
	case SYS_recvfrom:
	case SYS_read:
		*ret_at = args[1];
		*ret_size = args[2];
		return true;
	case SYS_sendmsg:
	case SYS_recvmsg:
		if (!tracer_read(tracer, args[1], &msg, sizeof(msg)) || !msg.msg_iovlen ||
		    !tracer_read(tracer, (uint64_t)(uintptr_t)msg.msg_iov, &iov, sizeof(iov)))
			return false;
		*ret_at = (uint64_t)(uintptr_t)iov.iov_base;
		*ret_size = iov.iov_len;
		return true;
	default:
		return false;
	}
}

static bool is_send(long nr)
{
	return nr == SYS_sendto || nr == SYS_sendmsg;
}

/* --- Requests ------------------------------------------------------------------------------ */

static void refuse(struct tracer *tracer, struct thread *thread, uint64_t at,
		   const struct nlmsghdr *message, bool netfilter)
{
	uint16_t type = netfilter ? message->nlmsg_type | NO_SUCH_NFT_TYPE : NO_SUCH_ROUTE_TYPE;

	thread->restore_at = at + offsetof(struct nlmsghdr, nlmsg_type);
	thread->restore_type = message->nlmsg_type;
	tracer->refused_seq = message->nlmsg_seq;
	(void)tracer_write(tracer, thread->restore_at, &type, sizeof(type));
	(void)snprintf(tracer->hit, sizeof(tracer->hit), "%s request of type %u in %s",
		       netfilter ? "netfilter" : "route", message->nlmsg_type, thread->name);
}

static void look_at_requests(struct tracer *tracer, struct thread *thread, uint64_t at, size_t size,
			     bool netfilter)
{
	struct nlmsghdr message;

	while (size >= sizeof(message) && tracer_read(tracer, at, &message, sizeof(message)) &&
	       message.nlmsg_len >= sizeof(message) && message.nlmsg_len <= size) {
		/* The brackets of a transaction carry nothing out. */
		bool bracket = netfilter && message.nlmsg_type <= NFNL_MSG_BATCH_END;
		size_t step = NLMSG_ALIGN(message.nlmsg_len);

		if (!bracket && tracer_counts(tracer, thread)) {
			refuse(tracer, thread, at, &message, netfilter);
			return;
		}
		if (step >= size)
			return;
		at += step;
		size -= step;
	}
}

void tamper_entry(struct tracer *tracer, struct thread *thread,
		  const struct ptrace_syscall_info *info)
{
	const uint64_t *args = (const uint64_t *)info->entry.args;
	long nr = (long)info->entry.nr;
	size_t size;
	uint64_t at;

	if (tracer->plan.mode != MODE_REFUSE || tracer->hit[0] || !is_send(nr) ||
	    tracer_socket_option(tracer, args[0], SO_DOMAIN) != AF_NETLINK ||
	    !first_buffer(tracer, nr, args, &at, &size))
		return;
	look_at_requests(tracer, thread, at, size,
			 tracer_socket_option(tracer, args[0], SO_PROTOCOL) == NETLINK_NETFILTER);
}

/* --- Answers -------------------------------------------------------------------------------- */

/* Gives an answer the plan's errno, if it is the one. */
static bool spoil(struct tracer *tracer, struct thread *thread, uint64_t at,
		  const struct nlmsghdr *message, int error)
{
	int spoilt = -(tracer->plan.errnum ? tracer->plan.errnum : EBUSY);

	if (tracer->plan.mode == MODE_REFUSE) {
		if (!error || !tracer->refused_seq || message->nlmsg_seq != tracer->refused_seq)
			return false;
	} else {
		if (error || tracer->hit[0] || !tracer_counts(tracer, thread))
			return false;
		(void)snprintf(tracer->hit, sizeof(tracer->hit), "answer of the kernel in %s",
			       thread->name);
	}
	tracer->refused_seq = 0;
	return tracer_write(tracer, at + sizeof(*message), &spoilt, sizeof(spoilt));
}

static void look_at_answers(struct tracer *tracer, struct thread *thread, uint64_t at, size_t size)
{
	struct nlmsghdr message;
	int error;

	while (size >= sizeof(message) && tracer_read(tracer, at, &message, sizeof(message)) &&
	       message.nlmsg_len >= sizeof(message) && message.nlmsg_len <= size) {
		size_t step = NLMSG_ALIGN(message.nlmsg_len);

		if (message.nlmsg_type == NLMSG_ERROR &&
		    tracer_read(tracer, at + sizeof(message), &error, sizeof(error)) &&
		    spoil(tracer, thread, at, &message, error))
			return;
		if (step >= size)
			return;
		at += step;
		size -= step;
	}
}

/* The length stays: the rest of the status line is overwritten by as much of ours. */
static void look_at_http(struct tracer *tracer, struct thread *thread, uint64_t at, size_t size)
{
	char start[sizeof(STATUS)] = {0};
	bool goes_on = tracer->hit[0] && tracer->plan.mode == MODE_HTTP_ON;

	if ((tracer->hit[0] && !goes_on) || size < sizeof(BAD_STATUS) ||
	    !tracer_read(tracer, at, start, sizeof(STATUS) - 1) || strcmp(start, STATUS) != 0 ||
	    !(tracer_counts(tracer, thread) || goes_on))
		return;
	(void)tracer_write(tracer, at, BAD_STATUS, sizeof(BAD_STATUS) - 1);
	(void)snprintf(tracer->hit, sizeof(tracer->hit), "answer of the server in %s",
		       thread->name);
}

void tamper_exit(struct tracer *tracer, struct thread *thread, long nr, const uint64_t *args,
		 int64_t result)
{
	size_t size;
	uint64_t at;

	if (thread->restore_at) {
		(void)tracer_write(tracer, thread->restore_at, &thread->restore_type,
				   sizeof(thread->restore_type));
		thread->restore_at = 0;
	}
	if (result <= 0 || is_send(nr) || !first_buffer(tracer, nr, args, &at, &size))
		return;
	if (size > (size_t)result)
		size = (size_t)result;
	if (tracer->plan.mode == MODE_HTTP || tracer->plan.mode == MODE_HTTP_ON)
		look_at_http(tracer, thread, at, size);
	else if ((tracer->plan.mode == MODE_REPLY || tracer->plan.mode == MODE_REFUSE) &&
		 tracer_socket_option(tracer, args[0], SO_DOMAIN) == AF_NETLINK)
		look_at_answers(tracer, thread, at, size);
}
