/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Thousands of histories (test-ipam-history.h). A history that proves something wrong ends its
 * process; its seed is printed, and it is run again without this and that of its steps until each
 * step that is left is needed for the failure, which is then told step by step.
 *
 * Arguments: a seed, to repeat one history; "-n N" for N of them; "-b" with a store that is broken,
 * which has to be found out.
 */

#include "ipam/test-ipam-history.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the sanitizers make it slow, fewer; another build of the same run has them all. */
#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if SANITIZED
#define HISTORIES 1500u
#else
#define HISTORIES 10000u
#endif
#define BROKEN_STEPS_MAX 80u /* that a failure of the broken store takes */

/* Runs in a process of its own. True: it proved nothing wrong. */
static bool survives(const struct history_config *config)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!config->verbose && !freopen("/dev/null", "w", stderr))
			_exit(2);
		if (!config->verbose && !freopen("/dev/null", "w", stdout))
			_exit(2);
		run_history(config);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* Skips steps, in ever smaller pieces, as long as the failure stays. How many are left. */
static unsigned int shrink(uint64_t seed, bool broken, bool *skip)
{
	struct history_config config = {.seed = seed, .skip = skip, .broken = broken};
	bool *before = xcalloc(STEPS, sizeof(*before));
	unsigned int left = 0;

	for (unsigned int size = STEPS / 2; size; size /= 2) {
		for (unsigned int i = 0; i < STEPS; i += size) {
			unsigned int end = MIN(i + size, STEPS);
			bool any = false;

			for (unsigned int j = i; j < end; j++)
				any = any || !skip[j];
			if (!any)
				continue;
			memcpy(before, skip, STEPS * sizeof(*skip));
			memset(skip + i, 1, (end - i) * sizeof(*skip));
			if (survives(&config))
				memcpy(skip, before, STEPS * sizeof(*skip));
		}
	}
	for (unsigned int i = 0; i < STEPS; i++)
		left += !skip[i];
	free(before);
	return left;
}

/* The first failing seed of first..last; 0: none. */
static uint64_t search(uint64_t first, uint64_t last, bool broken)
{
	uint64_t *current = mmap(NULL, sizeof(*current), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t failed;
	int status = 0;
	pid_t pid;

	assert_true(current != MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (broken && !freopen("/dev/null", "w", stderr))
			_exit(2);
		for (*current = first; *current <= last; ++*current) {
			struct history_config config = {.seed = *current, .broken = broken};

			run_history(&config);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	failed = status ? *current : 0;
	(void)munmap(current, sizeof(*current));
	return failed;
}

static int report(uint64_t seed)
{
	bool *skip = xcalloc(STEPS, sizeof(*skip));
	struct history_config config = {.seed = seed, .skip = skip, .verbose = true};
	unsigned int left;

	print_message("history %llu proves something wrong; shrinking it\n",
		      (unsigned long long)seed);
	left = shrink(seed, false, skip);
	print_message("%u of its %u steps are enough:\n", left, STEPS);
	(void)survives(&config);
	free(skip);
	return 1;
}

/* A store that loses its guards is found out, and by a history that a person can read. */
static int find_broken(void)
{
	bool *skip = xcalloc(STEPS, sizeof(*skip));
	uint64_t seed = search(1, 500, true);
	unsigned int left = seed ? shrink(seed, true, skip) : 0;

	free(skip);
	print_message("broken store: history %llu, %u steps\n", (unsigned long long)seed, left);
	return seed && left <= BROKEN_STEPS_MAX ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t n = HISTORIES;
	uint64_t seed;

	if (argc > 1 && strcmp(argv[1], "-b") == 0)
		return find_broken();
	if (argc > 2)
		n = strtoull(argv[2], NULL, 10);
	else if (argc > 1)
		return report(strtoull(argv[1], NULL, 10));
	seed = search(1, n, false);
	if (seed)
		return report(seed);
	print_message("%llu histories, seeds 1 to %llu\n", (unsigned long long)n,
		      (unsigned long long)n);
	return 0;
}
