/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of the fault plan's tracer share. */

#include <linux/ptrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define NAME_SIZE   16
#define THREADS_MAX 128
#define NAMES_MAX   32
#define HIT_SIZE    160

enum mode {
	MODE_NONE,    /* counts calls, fails none */
	MODE_CALL,    /* a system call fails and is not made */
	MODE_REFUSE,  /* the kernel refuses a netlink request: it is not carried out */
	MODE_REPLY,   /* the kernel carries a netlink request out and its answer says it did not */
	MODE_HTTP,    /* a server's 2xx arrives as a 500 */
	MODE_HTTP_ON, /* and so does every one after it */
	MODE_KILL,    /* the process dies instead of making a call */
};

/* One fault: the n-th event of a kind in a thread of a name. */
struct plan {
	enum mode mode;
	char thread[NAME_SIZE]; /* "any": whichever */
	unsigned int n;		/* 0: none, only count */
	int errnum;		/* 0: what fits the call */
};

struct thread {
	pid_t tid;	       /* 0: no thread */
	char name[NAME_SIZE];  /* empty: not known since the plan was set */
	int inject;	       /* the running call is to return this errno */
	uint64_t restore_at;   /* where a byte of a request was changed, until the call returns */
	uint16_t restore_type; /* what was there */
};

struct counter {
	char name[NAME_SIZE];
	unsigned int n;
};

struct tracer {
	pid_t pid;
	int pidfd;
	bool armed;	/* counting has begun */
	bool from_exec; /* it begins with the program, and not with its first words */
	FILE *report;	/* where the first hit is written to, or that there was none; NULL: done */
	struct plan plan;
	struct thread threads[THREADS_MAX];
	struct counter counters[NAMES_MAX];
	unsigned int n_any;
	char hit[HIT_SIZE];   /* what was failed; empty: nothing yet */
	uint32_t refused_seq; /* whose refusal is to get the plan's errno; 0: none */
};

/* A row of the table of calls that may fail. */
struct fault_call {
	long nr;
	const char *name;
	int errnum; /* what it fails with when the plan names nothing else */
};

/* NULL: a call that can't fail. */
const struct fault_call *fault_call_find(const struct tracer *tracer, long nr,
					 const uint64_t *args);

/* Counts an event of this thread; true when it is the one that the plan wants failed. */
bool tracer_counts(struct tracer *tracer, struct thread *thread);

/* The tracee's memory. True: all of it was copied. */
bool tracer_read(const struct tracer *tracer, uint64_t address, void *ret, size_t size);
bool tracer_write(const struct tracer *tracer, uint64_t address, const void *data, size_t size);

/* SO_DOMAIN, SO_PROTOCOL and the like of one of the tracee's sockets; -1: no socket. */
int tracer_socket_option(const struct tracer *tracer, uint64_t fd, int option);

/* The modes that change what is sent or received; called on entry to and on return from a call. */
void tamper_entry(struct tracer *tracer, struct thread *thread,
		  const struct ptrace_syscall_info *info);
void tamper_exit(struct tracer *tracer, struct thread *thread, long nr, const uint64_t *args,
		 int64_t result);
