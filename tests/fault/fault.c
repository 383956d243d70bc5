/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A fault plan: traces a process and all its threads, counts what may fail, and makes the n-th of
 * it fail. Two ways to use it:
 *
 *	fault attach PID
 *		takes plans from standard input, a line each, "plan MODE THREAD N ERRNO", and
 *		"report", and answers each with a line on standard output
 *	fault run REPORT MODE THREAD N ERRNO exec|log -- PROGRAM...
 *		one plan for a program's whole life, from its start or its first line on
 *		standard error (before that is the dynamic linker's time); REPORT is a file
 *
 * Threads are counted each for itself, by name, since their steps interleave differently every
 * time: "main" is the first one, "any" counts all.
 */

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

#define OPTIONS	      (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

static const char *const mode_names[] = {
	[MODE_NONE] = "none",	[MODE_CALL] = "call", [MODE_REFUSE] = "refuse",
	[MODE_REPLY] = "reply", [MODE_HTTP] = "http", [MODE_HTTP_ON] = "http-on",
	[MODE_KILL] = "kill",
};

static void die(const char *what)
{
	(void)fprintf(stderr, "fault: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* --- The tracee ----------------------------------------------------------------------------- */

bool tracer_read(const struct tracer *tracer, uint64_t address, void *ret, size_t size)
{
	struct iovec local = {ret, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};

	return process_vm_readv(tracer->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

bool tracer_write(const struct tracer *tracer, uint64_t address, const void *data, size_t size)
{
	struct iovec local = {(void *)(uintptr_t)data, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};

	return process_vm_writev(tracer->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

int tracer_socket_option(const struct tracer *tracer, uint64_t fd, int option)
{
	int own = (int)syscall(SYS_pidfd_getfd, tracer->pidfd, (int)fd, 0);
	socklen_t size = sizeof(int);
	int value = -1;

	if (own < 0)
		return -1;
	if (getsockopt(own, SOL_SOCKET, option, &value, &size) < 0)
		value = -1;
	(void)close(own);
	return value;
}

static struct thread *find_thread(struct tracer *tracer, pid_t tid)
{
	struct thread *unused = NULL;

	for (size_t i = 0; i < THREADS_MAX; i++) {
		if (tracer->threads[i].tid == tid)
			return &tracer->threads[i];
		if (!tracer->threads[i].tid && !unused)
			unused = &tracer->threads[i];
	}
	if (!unused) {
		errno = E2BIG;
		die("too many threads");
	}
	*unused = (struct thread){.tid = tid};
	return unused;
}

static void find_name(const struct tracer *tracer, struct thread *thread)
{
	char path[64];
	FILE *file;

	(void)snprintf(thread->name, NAME_SIZE, "%s",
		       thread->tid == tracer->pid ? "main" : "thread");
	if (thread->tid == tracer->pid)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", tracer->pid, thread->tid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(thread->name, NAME_SIZE, file))
		thread->name[strcspn(thread->name, "\n")] = '\0';
	(void)fclose(file);
}

/* --- Counting -------------------------------------------------------------------------------- */

static struct counter *find_counter(struct tracer *tracer, const char *name)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct counter *counter = &tracer->counters[i];

		if (!counter->name[0])
			(void)snprintf(counter->name, NAME_SIZE, "%s", name);
		if (strcmp(counter->name, name) == 0)
			return counter;
	}
	return &tracer->counters[NAMES_MAX - 1];
}

bool tracer_counts(struct tracer *tracer, struct thread *thread)
{
	const struct plan *plan = &tracer->plan;
	struct counter *counter;

	if (!thread->name[0])
		find_name(tracer, thread);
	counter = find_counter(tracer, thread->name);
	counter->n++;
	tracer->n_any++;
	if (tracer->hit[0] || !plan->n)
		return false;
	if (strcmp(plan->thread, "any") == 0)
		return tracer->n_any == plan->n;
	return strcmp(plan->thread, thread->name) == 0 && counter->n == plan->n;
}

static void write_report(const struct tracer *tracer, FILE *out)
{
	const char *comma = "";

	(void)fprintf(out, "{\"pid\": %d, \"hit\": \"%s\", \"counts\": {", tracer->pid,
		      tracer->hit);
	for (size_t i = 0; i < NAMES_MAX && tracer->counters[i].name[0]; i++) {
		(void)fprintf(out, "%s\"%s\": %u", comma, tracer->counters[i].name,
			      tracer->counters[i].n);
		comma = ", ";
	}
	(void)fprintf(out, "}}\n");
	(void)fflush(out);
}

static bool read_plan(char *const *words, struct plan *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(words[0], mode_names[i]) != 0)
			continue;
		*ret = (struct plan){.mode = (enum mode)i,
				     .n = (unsigned int)strtoul(words[2], NULL, 10),
				     .errnum = (int)strtol(words[3], NULL, 10)};
		(void)snprintf(ret->thread, NAME_SIZE, "%s", words[1]);
		return true;
	}
	return false;
}

static void set_plan(struct tracer *tracer, const struct plan *plan)
{
	tracer->plan = *plan;
	tracer->n_any = 0;
	tracer->refused_seq = 0;
	tracer->hit[0] = '\0';
	memset(tracer->counters, 0, sizeof(tracer->counters));
	for (size_t i = 0; i < THREADS_MAX; i++)
		tracer->threads[i].name[0] = '\0';
}

/* --- Calls ----------------------------------------------------------------------------------- */

/* The kernel makes no call of this number and says so; the caller is told 'inject' instead. */
static void skip_call(pid_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
		return;
	regs.orig_rax = (unsigned long long)-1;
	(void)ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

static void set_result(pid_t tid, long result)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
		return;
	regs.rax = (unsigned long long)result;
	(void)ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

static int fitting_errno(const struct tracer *tracer, const struct fault_call *call,
			 const struct ptrace_syscall_info *info)
{
	if (tracer->plan.errnum)
		return tracer->plan.errnum;
	if (call->nr == SYS_recvmsg || call->nr == SYS_recvfrom) {
		if (tracer_socket_option(tracer, info->entry.args[0], SO_DOMAIN) == AF_NETLINK)
			return ENOBUFS;
	}
	return call->errnum;
}

static void fail_call(struct tracer *tracer, struct thread *thread,
		      const struct ptrace_syscall_info *info)
{
	const struct fault_call *call =
		fault_call_find(tracer, (long)info->entry.nr, (const uint64_t *)info->entry.args);
	bool kills = tracer->plan.mode == MODE_KILL;
	int errnum;

	if (!call || !tracer_counts(tracer, thread))
		return;
	errnum = fitting_errno(tracer, call, info);
	(void)snprintf(tracer->hit, sizeof(tracer->hit), "%s(%#llx, %#llx, %#llx) in %s: %s",
		       call->name, info->entry.args[0], info->entry.args[1], info->entry.args[2],
		       thread->name, kills ? "death" : strerrorname_np(errnum));
	if (kills) {
		(void)kill(tracer->pid, SIGKILL);
		return;
	}
	thread->inject = errnum;
	skip_call(thread->tid);
}

static void on_syscall(struct tracer *tracer, struct thread *thread)
{
	struct ptrace_syscall_info info;
	struct user_regs_struct regs;
	uint64_t args[3];

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info) < 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		if (!tracer->armed && !tracer->from_exec && info.entry.nr == SYS_write &&
		    info.entry.args[0] == STDERR_FILENO)
			tracer->armed = true;
		if (!tracer->armed)
			return;
		if (tracer->plan.mode == MODE_REFUSE)
			tamper_entry(tracer, thread, &info);
		else if (tracer->plan.mode == MODE_CALL || tracer->plan.mode == MODE_KILL)
			fail_call(tracer, thread, &info);
		return;
	}
	if (info.op != PTRACE_SYSCALL_INFO_EXIT)
		return;
	if (thread->inject) {
		set_result(thread->tid, -thread->inject);
		thread->inject = 0;
		return;
	}
	if (tracer->plan.mode != MODE_REFUSE && tracer->plan.mode != MODE_REPLY &&
	    tracer->plan.mode != MODE_HTTP && tracer->plan.mode != MODE_HTTP_ON)
		return;
	if (!tracer->armed || ptrace(PTRACE_GETREGS, thread->tid, NULL, &regs) < 0)
		return;
	args[0] = regs.rdi;
	args[1] = regs.rsi;
	args[2] = regs.rdx;
	tamper_exit(tracer, thread, (long)regs.orig_rax, args, info.exit.rval);
}

/* --- Stops ----------------------------------------------------------------------------------- */

/* True: the process itself is gone, with this status. */
static bool on_status(struct tracer *tracer, pid_t tid, int status, int *ret_status)
{
	struct thread *thread = find_thread(tracer, tid);
	int signal = 0;

	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		thread->tid = 0;
		*ret_status = status;
		return tid == tracer->pid;
	}
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		on_syscall(tracer, thread);
	else if (status >> 16 == PTRACE_EVENT_EXEC)
		tracer->armed |= tracer->from_exec;
	else if (!(status >> 16))
		signal = WSTOPSIG(status);
	if (tracer->report && tracer->hit[0]) {
		write_report(tracer, tracer->report);
		(void)fclose(tracer->report);
		tracer->report = NULL;
	}
	(void)ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)signal);
	return false;
}

static bool take_stops(struct tracer *tracer, int *ret_status)
{
	pid_t tid;
	int status;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (on_status(tracer, tid, status, ret_status))
			return true;
	}
	return tid < 0 && errno == ECHILD;
}

/* One command; false: the end of them. */
static bool take_command(struct tracer *tracer)
{
	char line[256], name[16], mode[16], thread[NAME_SIZE], n[16], errnum[16];
	char *words[] = {mode, thread, n, errnum};
	struct plan plan;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (sscanf(line, "%15s %15s %15s %15s %15s", name, mode, thread, n, errnum) == 5 &&
	    read_plan(words, &plan))
		set_plan(tracer, &plan);
	write_report(tracer, stdout);
	return true;
}

/* Until the process has ended, or the commands have. The status is that of the process. */
static int trace(struct tracer *tracer, int signals, bool commands)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
			       {.fd = commands ? STDIN_FILENO : -1, .events = POLLIN}};
	struct signalfd_siginfo info;
	int status = 0;

	for (;;) {
		if (take_stops(tracer, &status))
			return status;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents && read(signals, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD)
			(void)kill(tracer->pid, (int)info.ssi_signo);
		if (fds[1].revents && !take_command(tracer))
			exit(0);
	}
}

static void watch_process(struct tracer *tracer, pid_t pid)
{
	tracer->pid = pid;
	tracer->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (tracer->pidfd < 0)
		die("pidfd_open");
}

static int take_signals(bool all)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	if (all) {
		(void)sigaddset(&mask, SIGTERM);
		(void)sigaddset(&mask, SIGINT);
	}
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void seize_threads(const struct tracer *tracer)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", tracer->pid);
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)OPTIONS) < 0 ||
		    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
			die("PTRACE_SEIZE");
	}
	(void)closedir(dir);
}

static int attach(struct tracer *tracer, pid_t pid)
{
	int signals = take_signals(/* all= */ false);

	watch_process(tracer, pid);
	seize_threads(tracer);
	tracer->armed = true;
	write_report(tracer, stdout);
	(void)trace(tracer, signals, /* commands= */ true);
	/* The commands' side learns of the end by the end of our output. */
	return 0;
}

static pid_t start(char **argv)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid)
		return pid;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)raise(SIGSTOP); /* until it is traced */
	(void)execv(argv[0], argv);
	_exit(127);
}

static int run(struct tracer *tracer, char **words, bool from_log, char **argv, const char *report)
{
	int signals = take_signals(/* all= */ true);
	struct plan plan;
	int status;
	pid_t pid;

	tracer->report = fopen(report, "we");
	if (!tracer->report || !read_plan(words, &plan))
		die(report);
	pid = start(argv);
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid)
		die("fork");
	watch_process(tracer, pid);
	set_plan(tracer, &plan);
	tracer->from_exec = !from_log;
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(OPTIONS | PTRACE_O_EXITKILL)) < 0 ||
	    kill(pid, SIGCONT) < 0)
		die("PTRACE_SEIZE");
	status = trace(tracer, signals, /* commands= */ false);
	if (tracer->report) {
		write_report(tracer, tracer->report);
		(void)fclose(tracer->report);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	static struct tracer tracer;

	(void)setvbuf(stdin, NULL, _IONBF, 0);
	if (argc == 3 && strcmp(argv[1], "attach") == 0)
		return attach(&tracer, (pid_t)strtol(argv[2], NULL, 10));
	if (argc > 9 && strcmp(argv[1], "run") == 0)
		return run(&tracer, argv + 3, strcmp(argv[7], "log") == 0, argv + 9, argv[2]);
	(void)fprintf(stderr,
		      "usage: fault attach PID\n"
		      "       fault run REPORT MODE THREAD N ERRNO exec|log -- PROGRAM...\n");
	return 2;
}
