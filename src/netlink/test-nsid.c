/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A veth's other end is found by its namespace's id, whether the namespace has a name or a process.
 */

#include "netlink/nsid.h"

#include <linux/netlink.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "netlink/link.h"
#include "netlink/test-lab.h"

#define MTU 1333

struct visits {
	const struct link *links;
	unsigned int n;
};

static void visit(size_t i, int netns_fd, void *ctx)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct visits *visits = ctx;
	struct link peer;

	assert_int_equal(nl_open(NETLINK_ROUTE, netns_fd, &nl, NULL), 0);
	assert_int_equal(link_get_index(nl, visits->links[i].peer_ifindex, &peer, NULL), 0);
	assert_int_equal(peer.peer_ifindex, visits->links[i].ifindex);
	assert_int_equal(link_set_mtu(nl, peer.ifindex, MTU, NULL), 0);
	visits->n++;
}

/* A process in a namespace of its own, which has no other file. */
static pid_t start_process(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void test_visit(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct link links[3];
	struct nsid_wanted wanted[3] = {{.nsid = 0}};
	struct visits visits = {.links = links};
	char command[512];
	pid_t pid = start_process();
	struct err err = ERR_INIT;

	(void)state;
	(void)snprintf(command, sizeof(command),
		       "ip link add p0 type veth peer name p1 netns %d; "
		       "ip link add n0 type veth peer name n1 netns %d; "
		       "ip link add s0 type veth peer name s1",
		       (int)pid, (int)pid);
	assert_true(lab_run(command));
	assert_int_equal(nl_open(NETLINK_ROUTE, -1, &nl, NULL), 0);
	assert_int_equal(link_get(nl, "p0", &links[0], NULL), 0);
	assert_int_equal(link_get(nl, "n0", &links[1], NULL), 0);
	assert_int_equal(link_get(nl, "s0", &links[2], NULL), 0);
	assert_int_equal(links[2].peer_nsid, -1);
	for (size_t i = 0; i < 3; i++)
		wanted[i].nsid = links[i].peer_nsid;
	if (nsid_visit(nl, wanted, 3, visit, &visits, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(visits.n, 2);
	assert_true(wanted[0].found && wanted[1].found && !wanted[2].found);
	wanted[0].nsid = 12345;
	assert_int_equal(nsid_visit(nl, wanted, 1, visit, &visits, &err), 0);
	assert_false(wanted[0].found);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_visit)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
