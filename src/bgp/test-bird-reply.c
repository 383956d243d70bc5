/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "bgp/bgp-config.h"
#include "bgp/bird.h"

static void seed_read(const char *name, struct buf *out)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", CORPUS_DIR, name);
	struct err err = ERR_INIT;

	if (file_read(path, 1 << 20, out, &err) != 0)
		fail_msg("%s", err.msg);
}

static void test_reply_grows(void **state)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct err err = ERR_INIT;
	size_t line = 0;

	(void)state;
	seed_read("protocols", &reply);
	for (size_t size = 0; size < reply.size; size++)
		assert_int_equal(bird_reply_check(reply.data, size, &line, &err), BIRD_E_MORE);
	assert_int_equal(bird_reply_check(reply.data, reply.size, &line, &err), 0);
}

static void test_refused(void **state)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct err err = ERR_INIT;
	size_t line = 0;

	(void)state;
	seed_read("refused", &reply);
	assert_int_equal(bird_reply_check(reply.data, reply.size, &line, &err), BIRD_E_REFUSED);
	assert_non_null(strstr(err.msg, "/etc/bird.conf:1:12 syntax error"));

	line = 0;
	assert_true(bird_reply_check("no code\n", 8, &line, &err) < 0);
	line = 0;
	assert_true(bird_reply_check(" blank\n", 7, &line, &err) < 0);
}

static void test_protocols(void **state)
{
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	seed_read("protocols", &reply);
	assert_int_equal(bird_parse_protocols(reply.data, reply.size, &protocols, &err), 0);
	assert_int_equal(protocols.n, 6);
	assert_string_equal(protocols.v[0].name, "device1");
	assert_string_equal(protocols.v[0].info, "");
	assert_string_equal(protocols.v[2].since, "2026-11-23 03:43:33");
	assert_string_equal(protocols.v[2].info, "Established");
	assert_string_equal(protocols.v[3].since, "03:43:33.123");
	assert_string_equal(protocols.v[3].info, "Active        Socket: Network is unreachable");
	assert_string_equal(protocols.v[4].state, "down");

	assert_true(bird_parse_protocols("1002-a BGP\n", 11, &protocols, &err) < 0);
	assert_non_null(strstr(err.msg, "no protocol of BIRD"));
}

static void test_status(void **state)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	_cleanup_buf_ struct buf recovery = BUF_INIT;
	struct bird_daemon_status status;
	struct err err = ERR_INIT;

	(void)state;
	seed_read("status", &reply);
	assert_int_equal(bird_parse_status(reply.data, reply.size, &status, &err), 0);
	assert_string_equal(status.version, "2.0.12");
	assert_string_equal(status.router_id, "1.1.1.1");
	assert_string_equal(status.last_reboot, "2026-11-23 03:43:33");
	assert_true(status.ready);

	seed_read("recovery", &recovery);
	assert_int_equal(bird_parse_status(recovery.data, recovery.size, &status, &err), 0);
	assert_false(status.ready);
	assert_true(bird_parse_status("0000 \n", 6, &status, &err) < 0);
}

static void test_sessions(void **state)
{
	static const struct {
		const char *name, *info, *peer, *state;
		enum bgp_session_type type;
	} cases[] = {
		{"Mesh_10_0_0_2", "Established", "10.0.0.2", "Established", BGP_SESSION_MESH},
		{"Node_10_0_0_4_port_12", "Active   Socket", "10.0.0.4", "Active",
		 BGP_SESSION_NODE},
		{"Global_fd00__1", "Passive", "fd00::1", "Idle", BGP_SESSION_GLOBAL},
		{"Mesh_fd00_1_2_3_4_5_6_7", "", "fd00:1:2:3:4:5:6:7", "Idle", BGP_SESSION_MESH},
		{"Mesh___1", "OpenConfirm", "::1", "OpenConfirm", BGP_SESSION_MESH},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bird_protocol protocol = {.proto = "BGP"};
		struct bgp_session session;

		strcpy(protocol.name, cases[i].name);
		strcpy(protocol.info, cases[i].info);
		assert_true(bgp_session_of(&protocol, &session));
		assert_string_equal(ip_format(&session.peer).s, cases[i].peer);
		assert_string_equal(session.state, cases[i].state);
		assert_int_equal(session.type, cases[i].type);
	}
	assert_false(bgp_session_of(&(struct bird_protocol){.proto = "Kernel", .name = "Mesh_1"},
				    &(struct bgp_session){.state = ""}));
	assert_false(bgp_session_of(&(struct bird_protocol){.proto = "BGP", .name = "Mesh_x"},
				    &(struct bgp_session){.state = ""}));
}

static void test_status_fill(void **state)
{
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
	_cleanup_(model_freep) struct object *object =
		model_new(KIND_CALICO_NODE_STATUS, NULL, "x");
	struct calico_node_status *node = as_calico_node_status(object);
	struct bird_daemon_status daemon = {.version = "2.0.12", .ready = true};
	_cleanup_buf_ struct buf reply = BUF_INIT;

	(void)state;
	seed_read("protocols", &reply);
	assert_int_equal(bird_parse_protocols(reply.data, reply.size, &protocols, NULL), 0);
	node->status = XNEW(struct calico_node_status_status);
	bgp_status_fill(&protocols, &daemon, node->status);

	assert_string_equal(node->status->agent->bird_v4->state, "Ready");
	assert_int_equal(node->status->bgp->number_established_v4.v, 1);
	assert_int_equal(node->status->bgp->number_not_established_v4.v, 2);
	assert_int_equal(node->status->bgp->number_established_v6.v, 0);
	assert_int_equal(node->status->bgp->number_not_established_v6.v, 1);
	assert_int_equal(node->status->bgp->peers_v4.n, 3);
	assert_string_equal(node->status->bgp->peers_v4.v[0].peer_ip, "10.0.0.2");
	assert_string_equal(node->status->bgp->peers_v4.v[0].type, "NodeMesh");
	assert_string_equal(node->status->bgp->peers_v6.v[0].peer_ip, "fd00::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_grows), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_protocols),   cmocka_unit_test(test_status),
		cmocka_unit_test(test_sessions),    cmocka_unit_test(test_status_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
