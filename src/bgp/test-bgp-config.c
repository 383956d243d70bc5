/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every case of tests/golden/bgp: <case>.yaml holds the objects, <case>.conf what node1 must get;
 * BIRD itself must take it. KORAT_GOLDEN_UPDATE=1 writes the .conf files anew. Then hostile values:
 * the rendering refuses them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/secret.h"
#include "bgp/bgp-config.h"
#include "bgp/bird.h"

#define NODE "node1"

/* All objects of a text, and an input that points at them. */
struct world {
	struct object **objects;
	size_t n;
	const struct node *nodes[16];
	const struct bgp_configuration *peer_configs[16];
	const struct ip_pool *pools[16];
	const struct bgp_peer *peers[16];
	const struct bgp_filter *filters[16];
	struct cidr blocks[16];
	struct bgp_secret secret;
	struct secret *password;
	struct bgp_input input;
};

/* As much of the selector language as the cases need: key == 'value'. */
static bool selects(const char *selector, const struct str_map *labels)
{
	char key[32] = "", value[32] = "";
	const char *found;

	if (sscanf(selector, "%31s == '%31[^']'", key, value) != 2)
		return false;
	found = str_map_find(labels, key);
	return found && strcmp(found, value) == 0;
}

static void world_take(struct world *world, const struct object *object)
{
	struct bgp_input *input = &world->input;

	switch ((int)object->desc->kind) {
	case KIND_NODE:
		world->nodes[input->n_nodes++] = as_node(object);
		break;
	case KIND_IP_POOL:
		world->pools[input->n_pools++] = as_ip_pool(object);
		break;
	case KIND_BGP_CONFIGURATION:
		if (strcmp(object->meta.name, "default") == 0)
			input->config = as_bgp_configuration(object);
		else if (strcmp(object->meta.name, "node." NODE) == 0)
			input->node_config = as_bgp_configuration(object);
		else
			world->peer_configs[input->n_peer_configs++] = as_bgp_configuration(object);
		break;
	case KIND_BGP_PEER:
		world->peers[input->n_peers++] = as_bgp_peer(object);
		break;
	case KIND_BGP_FILTER:
		world->filters[input->n_filters++] = as_bgp_filter(object);
		break;
	case KIND_BLOCK_AFFINITY:
		if (strcmp(as_block_affinity(object)->spec.node, NODE) == 0)
			assert_int_equal(cidr_parse(as_block_affinity(object)->spec.cidr,
						    &world->blocks[input->n_own_blocks++], NULL),
					 0);
		break;
	default:
		fail_msg("unexpected kind %s", object->desc->name);
	}
}

static void world_init(struct world *world, const char *text, const char *where)
{
	struct err err = ERR_INIT;

	*world = (struct world){.n = 0};
	if (model_read_yaml(text, strlen(text), where, &world->objects, &world->n, &err) != 0)
		fail_msg("%s", err.msg);
	world->password = secret_new("s3cr3t", 6);
	world->secret = (struct bgp_secret){.name = "bgp", .key = "tor", .value = world->password};
	world->input = (struct bgp_input){
		.node_name = NODE,
		.nodes = world->nodes,
		.peer_configs = world->peer_configs,
		.pools = world->pools,
		.peers = world->peers,
		.filters = world->filters,
		.own_blocks = world->blocks,
		.secrets = &world->secret,
		.n_secrets = 1,
		.selects = selects,
		.ipip_device = "tunl0",
		.graceful_restart = true,
	};
	for (size_t i = 0; i < world->n; i++) {
		model_default(world->objects[i]);
		world_take(world, world->objects[i]);
	}
}

static void world_deinit(struct world *world)
{
	for (size_t i = 0; i < world->n; i++)
		(void)model_free(world->objects[i]);
	free(world->objects);
	(void)secret_free(world->password);
}

static char *golden_path(const char *name, const char *suffix)
{
	return xasprintf("%s/%s%s", GOLDEN_DIR, name, suffix);
}

static void bird_takes(const struct buf *text)
{
	char dir[] = "/tmp/korat-bgp-XXXXXX";
	char path[64];
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/bird.conf", dir);
	if (bird_config_write("bird", path, text->data, text->size, &err) != BIRD_CONFIG_E_WRITTEN)
		fail_msg("%s\n%s", err.msg, text->data);
	assert_int_equal(bird_config_write("bird", path, text->data, text->size, &err), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_golden(void **state)
{
	const char *name = *state;
	_cleanup_free_ char *yaml_path = golden_path(name, ".yaml");
	_cleanup_free_ char *conf_path = golden_path(name, ".conf");
	_cleanup_buf_ struct buf yaml = BUF_INIT;
	_cleanup_buf_ struct buf expected = BUF_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_buf_ struct buf again = BUF_INIT;
	struct err err = ERR_INIT;
	struct world world;

	assert_int_equal(file_read(yaml_path, 1 << 20, &yaml, &err), 0);
	world_init(&world, buf_str(&yaml), yaml_path);
	if (bgp_config_render(&world.input, &out, &err) != 0)
		fail_msg("%s", err.msg);

	/* The order of the lists makes no difference. */
	for (size_t i = 0; i < world.input.n_nodes / 2; i++) {
		const struct node *first = world.nodes[i];

		world.nodes[i] = world.nodes[world.input.n_nodes - 1 - i];
		world.nodes[world.input.n_nodes - 1 - i] = first;
	}
	assert_int_equal(bgp_config_render(&world.input, &again, &err), 0);
	assert_string_equal(buf_str(&again), buf_str(&out));
	world_deinit(&world);

	if (getenv("KORAT_GOLDEN_UPDATE"))
		assert_int_equal(file_write_atomic(conf_path, out.data, out.size, 0644, &err), 0);
	assert_int_equal(file_read(conf_path, 1 << 20, &expected, &err), 0);
	assert_string_equal(buf_str(&out), buf_str(&expected));
	bird_takes(&out);
}

/* --- Refusals --------------------------------------------------------------------------------- */

#define NODE_YAML                                                                                  \
	"apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node1}\n"                  \
	"spec: {bgp: {ipv4Address: 10.0.0.1/24}}\n---\napiVersion: projectcalico.org/v3\n"

static const struct {
	const char *yaml;
	const char *message; /* NULL: taken, and BIRD takes it too */
	bool left_out;	     /* 'message' is a comment, and BIRD takes the rest */
} hostile[] = {
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {ignoredInterfaces: [\"x\\\"; }\"]}\n",
	 "spec.ignoredInterfaces[0]", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {ignoredInterfaces: [\"a\\nb\"]}\n",
	 "spec.ignoredInterfaces[0]", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {serviceClusterIPs: [{cidr: \"10.0.0.0/8; }\"}]}\n",
	 "spec.serviceClusterIPs[0]", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [\"1,1)); }\"]}]}\n",
	 "spec.prefixAdvertisements[0]", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {communities: [{name: x, value: \"1:2:3:4\"}], prefixAdvertisements: "
	 "[{cidr: 10.0.0.0/8, communities: [x]}]}\n",
	 "is not aa:nn", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\n"
	 "spec: {nodeMeshMaxRestartTime: \"1 ; }\"}\n",
	 "spec.nodeMeshMaxRestartTime", false},
	{"kind: BGPConfiguration\nmetadata: {name: default}\nspec: {bindMode: \"x; }\", "
	 "logSeverityScreen: \"all; }\"}\n",
	 NULL, false},
	{"kind: IPPool\nmetadata: {name: p}\nspec: {cidr: \"10.0.0.0/8 then accept;\"}\n",
	 "IPPool/p: spec.cidr", false},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: \"10.0.0.2 as 1;\", asNumber: 1}\n",
	 "BGPPeer/p: spec.peerIP", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: \"10.0.0.2:0\", asNumber: 1}\n",
	 "BGPPeer/p: spec.peerIP", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: \"[fd00::1\", asNumber: 1}\n",
	 "BGPPeer/p: spec.peerIP", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2}\n", "spec.asNumber", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2, asNumber: 1, "
	 "filters: [gone]}\n",
	 "there is no BGPFilter \"gone\"", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2, asNumber: 1, "
	 "reachableBy: \"1; }\"}\n",
	 "spec.reachableBy", true},
	{"kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2, asNumber: 1, "
	 "reachableBy: \"fd00::1\"}\n",
	 "spec.reachableBy", true},
	{"kind: Node\nmetadata: {name: node2}\nspec: {bgp: {ipv4Address: \"fd00::1/64\"}}\n",
	 "Node/node2: spec.bgp.ipv4Address", true},
};

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		_cleanup_free_ char *text = xasprintf("%s%s", NODE_YAML, hostile[i].yaml);
		_cleanup_buf_ struct buf out = BUF_INIT;
		_cleanup_buf_ struct buf problems = BUF_INIT;
		struct err err = ERR_INIT;
		struct world world;
		int r;

		world_init(&world, text, "hostile");
		world.input.problems = &problems;
		r = bgp_config_render(&world.input, &out, &err);
		if (!hostile[i].message || hostile[i].left_out) {
			assert_int_equal(r, 0);
			bird_takes(&out);
			if (hostile[i].left_out && !strstr(buf_str(&problems), hostile[i].message))
				fail_msg("case %zu: \"%s\"", i, buf_str(&problems));
			assert_int_equal(hostile[i].left_out,
					 strstr(buf_str(&out), "# Left out: ") != NULL);
		} else if (r >= 0 || !strstr(err.msg, hostile[i].message)) {
			fail_msg("case %zu: %d, \"%s\"", i, r, err.msg);
		}
		world_deinit(&world);
	}
}

static const char *const hostile_names[] = {
	"x'; }",
	"x\n}\nprotocol",
	"\"",
	"a_b",
	"a-b",
	"a.b",
	"\xc3\xa9",
	"accept",
	"%s%s%n",
	"",
	"1",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

/* Names that could not pass validation still end up as plain symbols, one each. */
static void test_hostile_filter_names(void **state)
{
	static const char yaml[] =
		NODE_YAML "kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2, "
			  "asNumber: 1}\n---\napiVersion: projectcalico.org/v3\n"
			  "kind: BGPFilter\nmetadata: {name: f}\nspec: {importV4: [{action: "
			  "Reject}]}\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile_names); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct err err = ERR_INIT;
		struct world world;

		world_init(&world, yaml, "hostile");
		replace_str(&world.objects[2]->meta.name, xstrdup(hostile_names[i]));
		str_list_add(&as_bgp_peer(world.objects[1])->spec.filters, hostile_names[i]);
		if (bgp_config_render(&world.input, &out, &err) != 0)
			fail_msg("case %zu: %s", i, err.msg);
		bird_takes(&out);
		world_deinit(&world);
	}
}

static void test_hostile_password(void **state)
{
	static const char *const passwords[] = {"a\"b", "a\nb", "", "\x7f", "\xc3\xa9"};
	static const char yaml[] =
		NODE_YAML "kind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.2, asNumber: "
			  "1, password: {secretKeyRef: {name: bgp, key: tor}}}\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(passwords); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct err err = ERR_INIT;
		struct world world;

		world_init(&world, yaml, "hostile");
		(void)secret_free(world.password);
		world.password = secret_new(passwords[i], strlen(passwords[i]));
		world.secret.value = world.password;
		assert_int_equal(bgp_config_render(&world.input, &out, &err), 0);
		assert_non_null(strstr(buf_str(&out), "the password must be"));
		assert_null(strstr(buf_str(&out), "protocol bgp"));
		world_deinit(&world);
	}
}

static void test_bad_config_is_not_written(void **state)
{
	char dir[] = "/tmp/korat-bgp-XXXXXX";
	char path[64];
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/bird.conf", dir);
	assert_true(bird_config_write("bird", path, "router id 1", 11, &err) < 0);
	assert_non_null(strstr(err.msg, "BIRD refuses the configuration"));
	assert_true(bird_config_write("/nonexistent/bird", path, "", 0, &err) < 0);
	assert_non_null(strstr(err.msg, "bird2"));
	assert_int_equal(rmdir(dir), 0); /* nothing is left in it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_golden, (void *)(uintptr_t) "mesh-ipip"),
		cmocka_unit_test_prestate(test_golden, (void *)(uintptr_t) "pools"),
		cmocka_unit_test_prestate(test_golden, (void *)(uintptr_t) "peers"),
		cmocka_unit_test_prestate(test_golden, (void *)(uintptr_t) "no-address"),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_filter_names),
		cmocka_unit_test(test_hostile_password),
		cmocka_unit_test(test_bad_config_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
