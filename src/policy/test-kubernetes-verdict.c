/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kubernetes' policies judged twice: by their own text, and as the policies of Calico's that they
 * are converted to. Random policies in a small world; both ways must give every packet the same
 * verdict.
 */

#include "policy/policy-verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "policy/kubernetes-policy.h"
#include "policy/test-world.h"

#define ROUNDS		 800
#define POLICIES	 3 /* in a world */
#define PACKETS		 40
#define KUBERNETES(kind) "---\napiVersion: v1\nkind: " kind "\n"

static const char base_world[] =
	KUBERNETES("Namespace") "metadata: {name: x, labels: {team: r}}\n" KUBERNETES("Namespace") "metadata: {name: y, labels: {team: b}}\n" KUBERNETES(
		"Namespace") "metadata: {name: z}\n"
			     "---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\n"
			     "metadata: {name: s, namespace: x, labels: {a: '1'}}\nspec: {nets: [192.0.2.0/24]}\n"
			     "---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
			     "metadata: {name: h, labels: {a: '1'}}\nspec: {node: n, interfaceName: e, expectedIPs: [10.9.0.1]}\n";

/*
 * A port with a name is a pod's, says Kubernetes. Calico takes it for a host endpoint's too where a
 * NetworkPolicy says nothing else of whom, and so does the conversion.
 */
static const char host_with_port[] =
	"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
	"metadata: {name: h, labels: {a: '1'}}\nspec: {node: n, interfaceName: e, expectedIPs: "
	"[10.9.0.1], ports: [{name: web, protocol: TCP, port: 80}]}\n";

static const char *const names[] = {"x", "y", "z"};

static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3",  "10.0.0.4", "10.0.0.5",
					"10.0.0.6", "10.9.0.1", "192.0.2.1", "8.8.8.8"};

/* xorshift: the same worlds every time. */
static uint32_t roll(uint32_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % n;
}

static void add_pod(struct buf *out, uint32_t *seed, unsigned int number)
{
	static const char *const labels[] = {"", "a: '1'", "a: '2'", "a: '1', b: '1'", "b: '2'"};
	static const char *const ports[] = {"", "{name: web, containerPort: 80}",
					    "{name: web, containerPort: 81}",
					    "{name: web, containerPort: 53, protocol: UDP}"};

	buf_addf(out,
		 KUBERNETES("Pod") "metadata: {name: p%u, namespace: %s, labels: {%s}}\n"
				   "spec: {nodeName: n, containers: [{name: c, ports: [%s]}]}\n"
				   "status: {phase: Running, podIP: 10.0.0.%u}\n",
		 number, names[roll(seed, ARRAY_SIZE(names))],
		 labels[roll(seed, ARRAY_SIZE(labels))], ports[roll(seed, ARRAY_SIZE(ports))],
		 number);
}

static const char *label_selector(uint32_t *seed, bool of_namespace)
{
	static const char *const pods[] = {
		"{}",
		"{matchLabels: {a: '1'}}",
		"{matchLabels: {a: '1', b: '1'}}",
		"{matchExpressions: [{key: a, operator: In, values: ['1', '2']}]}",
		"{matchExpressions: [{key: a, operator: NotIn, values: ['1']}]}",
		"{matchExpressions: [{key: b, operator: Exists}]}",
		"{matchLabels: {a: '1'}, matchExpressions: [{key: b, operator: DoesNotExist}]}",
	};
	static const char *const namespaces[] = {
		"{}",
		"{matchLabels: {team: r}}",
		"{matchExpressions: [{key: team, operator: NotIn, values: [r]}]}",
		"{matchExpressions: [{key: team, operator: DoesNotExist}]}",
		"{matchLabels: {kubernetes.io/metadata.name: y}}",
	};

	return of_namespace ? namespaces[roll(seed, ARRAY_SIZE(namespaces))]
			    : pods[roll(seed, ARRAY_SIZE(pods))];
}

static void add_peer(struct buf *out, uint32_t *seed)
{
	static const char *const blocks[] = {
		"{cidr: 10.0.0.0/29}", "{cidr: 0.0.0.0/0, except: [10.0.0.0/30, 8.8.8.0/24]}",
		"{cidr: 10.0.0.0/8, except: [10.0.0.4/31]}", "{cidr: '::/0'}"};

	switch (roll(seed, 4)) {
	case 0:
		buf_addf(out, "{podSelector: %s}", label_selector(seed, false));
		break;
	case 1:
		buf_addf(out, "{namespaceSelector: %s}", label_selector(seed, true));
		break;
	case 2:
		buf_addf(out, "{namespaceSelector: %s, podSelector: %s}",
			 label_selector(seed, true), label_selector(seed, false));
		break;
	default:
		buf_addf(out, "{ipBlock: %s}", blocks[roll(seed, ARRAY_SIZE(blocks))]);
		break;
	}
}

static void add_rules(struct buf *out, uint32_t *seed, const char *field, const char *peers)
{
	static const char *const ports[] = {
		"{port: 80}",
		"{port: 53, protocol: UDP}",
		"{protocol: SCTP}",
		"{protocol: UDP}",
		"{port: web}",
		"{port: web, protocol: UDP}",
		"{port: 79, endPort: 81}",
		"{port: 53, endPort: 60, protocol: UDP}",
		"{port: none, protocol: TCP}",
		"{protocol: TCP}",
	};

	buf_addf(out, "  %s:\n", field);
	for (uint32_t n = roll(seed, 3) + 1; n; n--) {
		buf_adds(out, "  - {ports: [");
		for (uint32_t i = roll(seed, 3); i; i--)
			buf_addf(out, "%s, ", ports[roll(seed, ARRAY_SIZE(ports))]);
		buf_addf(out, "], %s: [", peers);
		for (uint32_t i = roll(seed, 3); i; i--) {
			add_peer(out, seed);
			buf_adds(out, ", ");
		}
		buf_adds(out, "]}\n");
	}
}

static char *make_policy(uint32_t *seed, unsigned int number)
{
	static const char *const types[] = {"[Ingress]", "[Egress]", "[Ingress, Egress]"};
	_cleanup_buf_ struct buf out = BUF_INIT;

	buf_addf(&out,
		 "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
		 "metadata: {name: q%u, namespace: %s}\nspec:\n  podSelector: %s\n"
		 "  policyTypes: %s\n",
		 number, names[roll(seed, ARRAY_SIZE(names))], label_selector(seed, false),
		 types[roll(seed, ARRAY_SIZE(types))]);
	if (roll(seed, 4))
		add_rules(&out, seed, "ingress", "from");
	if (roll(seed, 4))
		add_rules(&out, seed, "egress", "to");
	return buf_take(&out);
}

/* --- ClusterNetworkPolicy --------------------------------------------------------------------- */

static void add_cluster_peer(struct buf *out, uint32_t *seed, bool is_egress)
{
	static const char *const others[] = {
		"networks: [10.0.0.0/29]",
		"networks: [10.0.0.4/31, 192.0.2.0/24]",
		"networks: ['::/0', 8.8.8.8/32]",
		"", /* a peer of another version of the API */
		"namespaces: {matchExpressions: [{key: team, operator: Near, values: [r]}]}",
	};

	switch (roll(seed, is_egress ? 4 : 3)) {
	case 0:
		buf_addf(out, "{namespaces: %s}", label_selector(seed, true));
		break;
	case 1:
		buf_addf(out, "{pods: {namespaceSelector: %s, podSelector: %s}}",
			 label_selector(seed, true), label_selector(seed, false));
		break;
	case 2: /* seldom, since it spoils the rule */
		if (roll(seed, 8) == 0)
			buf_addf(out, "{%s}", others[3 + roll(seed, 2)]);
		else
			buf_addf(out, "{namespaces: {}}");
		break;
	default:
		buf_addf(out, "{%s}", others[roll(seed, 3)]);
		break;
	}
}

static void add_cluster_rules(struct buf *out, uint32_t *seed, bool is_egress)
{
	static const char *const actions[] = {"Accept", "Deny", "Pass"};
	static const char *const protocols[] = {
		"{tcp: {destinationPort: {number: 80}}}",
		"{tcp: {destinationPort: {range: {start: 79, end: 81}}}}",
		"{udp: {destinationPort: {range: {start: 53, end: 60}}}}",
		"{sctp: {destinationPort: {number: 7}}}",
		"{destinationNamedPort: web}",
		"{destinationNamedPort: none}",
	};

	buf_addf(out, "  %s:\n", is_egress ? "egress" : "ingress");
	for (uint32_t n = roll(seed, 3) + 1; n; n--) {
		buf_addf(out, "  - {action: %s, protocols: [", actions[roll(seed, 3)]);
		for (uint32_t i = roll(seed, 3); i; i--)
			buf_addf(out, "%s, ", protocols[roll(seed, ARRAY_SIZE(protocols))]);
		buf_addf(out, "], %s: [", is_egress ? "to" : "from");
		for (uint32_t i = roll(seed, 2) + 1; i; i--) {
			add_cluster_peer(out, seed, is_egress);
			buf_adds(out, ", ");
		}
		buf_adds(out, "]}\n");
	}
}

static char *make_cluster_policy(uint32_t *seed, unsigned int number)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	buf_addf(&out,
		 "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"
		 "metadata: {name: c%u}\nspec:\n  tier: %s\n  priority: %u\n  subject: ",
		 number, roll(seed, 2) ? "Admin" : "Baseline", roll(seed, 3));
	if (roll(seed, 2))
		buf_addf(&out, "{namespaces: %s}\n", label_selector(seed, true));
	else
		buf_addf(&out, "{pods: {namespaceSelector: %s, podSelector: %s}}\n",
			 label_selector(seed, true), label_selector(seed, false));
	if (roll(seed, 4))
		add_cluster_rules(&out, seed, false);
	if (roll(seed, 4))
		add_cluster_rules(&out, seed, true);
	return buf_take(&out);
}

static void put_converted(struct policy_world *world, const char *text)
{
	_cleanup_free_ struct object **objects = NULL;
	_cleanup_(model_freep) struct object *converted = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (model_read_yaml(text, strlen(text), "policy", &objects, &n, &err) < 0 ||
	    kubernetes_policy_convert(objects[0], &converted, NULL, &err) < 0 ||
	    policy_world_put(world, converted, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	(void)model_free(objects[0]);
}

static struct packet make_packet(uint32_t *seed)
{
	static const uint8_t protocols[] = {6, 6, 17, 132, 1};
	static const uint16_t ports[] = {80, 81, 82, 53, 60, 61, 7};
	struct packet packet = {.source_port = 50000};

	assert_int_equal(
		ip_parse(addresses[roll(seed, ARRAY_SIZE(addresses))], &packet.source, NULL), 0);
	assert_int_equal(
		ip_parse(addresses[roll(seed, ARRAY_SIZE(addresses))], &packet.destination, NULL),
		0);
	packet.protocol = protocols[roll(seed, ARRAY_SIZE(protocols))];
	if (protocol_has_ports(packet.protocol))
		packet.destination_port = ports[roll(seed, ARRAY_SIZE(ports))];
	return packet;
}

/* What is to be read when the two are at odds. */
static void tell(struct policy_world *const *worlds, size_t pod, enum policy_direction direction,
		 const struct packet *packet)
{
	for (size_t w = 0; w < 2; w++) {
		_cleanup_(verdict_trace_deinitp) struct verdict_trace trace = {.peer = NULL};
		size_t n;
		const struct world_peer *peers = policy_world_peers(worlds[w], &n);

		(void)policy_verdict(worlds[w], &peers[pod], direction, VERDICT_STAGE_NORMAL,
				     packet, &trace);
		print_message("%s %s: %s -> %s %s %u: %s\n", peers[pod].text,
			      policy_direction_text(direction), ip_format(&packet->source).s,
			      ip_format(&packet->destination).s,
			      protocol_format(packet->protocol).s, packet->destination_port,
			      trace.reason);
	}
}

static void compare(struct policy_world *const *worlds, uint32_t *seed, const char *policies,
		    size_t n_verdicts[])
{
	static const enum policy_direction directions[] = {POLICY_INGRESS, POLICY_EGRESS};

	for (size_t i = 0; i < PACKETS; i++) {
		struct packet packet = make_packet(seed);
		enum policy_direction direction = directions[roll(seed, 2)];
		enum verdict verdicts[2];
		size_t n;
		size_t pod;
		const struct world_peer *peers[2] = {policy_world_peers(worlds[0], &n),
						     policy_world_peers(worlds[1], &n)};

		do
			pod = roll(seed, (uint32_t)n);
		while (peers[0][pod].type != WORLD_WORKLOAD);
		*(direction == POLICY_INGRESS ? &packet.destination : &packet.source) =
			peers[0][pod].nets[0].addr;
		for (size_t w = 0; w < 2; w++)
			verdicts[w] = policy_verdict(worlds[w], &peers[w][pod], direction,
						     VERDICT_STAGE_NORMAL, &packet, NULL);
		n_verdicts[verdicts[0]]++;
		if (verdicts[0] == verdicts[1])
			continue;
		tell(worlds, pod, direction, &packet);
		fail_msg("%s", policies);
	}
}

/* 'clusters': how many of the policies are an administrator's. */
static void compare_worlds(uint32_t seed, unsigned int rounds, unsigned int clusters)
{
	size_t n_verdicts[VERDICT_NONE + 1] = {0};

	for (unsigned int round = 0; round < rounds; round++) {
		_cleanup_(policy_world_freep) struct policy_world *native = policy_world_new();
		_cleanup_(policy_world_freep) struct policy_world *converted = policy_world_new();
		struct policy_world *const worlds[] = {native, converted};
		_cleanup_buf_ struct buf text = BUF_INIT;
		_cleanup_buf_ struct buf policies = BUF_INIT;

		buf_adds(&text, base_world);
		for (unsigned int i = 1; i <= 6; i++)
			add_pod(&text, &seed, i);
		if (clusters == POLICIES)
			buf_adds(&text, host_with_port);
		for (size_t w = 0; w < 2; w++)
			put_yaml(worlds[w], buf_str(&text));
		for (unsigned int i = 0; i < POLICIES; i++) {
			_cleanup_free_ char *policy = i < clusters ? make_cluster_policy(&seed, i)
								   : make_policy(&seed, i);

			put_yaml(native, policy);
			put_converted(converted, policy);
			buf_addf(&policies, "%s---\n", policy);
		}
		compare(worlds, &seed, buf_str(&policies), n_verdicts);
	}
	/* A world in which everything is allowed, or nothing, would prove nothing. */
	assert_true(n_verdicts[VERDICT_ALLOW] > rounds && n_verdicts[VERDICT_DENY] > rounds);
}

static void test_conversion(void **state)
{
	(void)state;
	compare_worlds(20260101, ROUNDS, 0);
}

/* Before and behind a NetworkPolicy, and several in one tier. */
static void test_cluster_conversion(void **state)
{
	(void)state;
	compare_worlds(20260102, ROUNDS, 2);
	compare_worlds(20260103, ROUNDS, POLICIES);
}

/*
 * "NetworkPolicy always makes a final decision for selected pods. Further evaluation only happens
 * for pods not selected"; "if Admin has made a final decision, then no further evaluation is done".
 */
static void test_cluster_tiers(void **state)
{
#define CLUSTER(name, tier, action)                                                                \
	"---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"         \
	"metadata: {name: " name "}\nspec: {tier: " tier ", priority: 1, subject: {namespaces: "   \
	"{}}, ingress: [{action: " action ", from: [{namespaces: {}}]}]}\n"
#define NOTHING                                                                                    \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"                             \
	"metadata: {name: q, namespace: x}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n"
	static const struct {
		const char *policies;
		enum verdict verdict;
	} cases[] = {
		{CLUSTER("a", "Baseline", "Deny"), VERDICT_DENY},
		{CLUSTER("a", "Admin", "Deny"), VERDICT_DENY},
		{CLUSTER("a", "Admin", "Accept") NOTHING, VERDICT_ALLOW},
		{CLUSTER("a", "Admin", "Pass") NOTHING, VERDICT_DENY},
		{CLUSTER("a", "Admin", "Pass") CLUSTER("b", "Admin", "Deny"), VERDICT_ALLOW},
		{CLUSTER("a", "Baseline", "Accept") NOTHING, VERDICT_DENY},
		{CLUSTER("a", "Baseline", "Pass"), VERDICT_ALLOW},
		{CLUSTER("a", "Admin", "Accept") CLUSTER("b", "Baseline", "Deny"), VERDICT_ALLOW},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
		struct packet packet = {.protocol = 6, .destination_port = 80};
		const struct world_peer *peers;
		size_t n;

		put_yaml(world, base_world);
		for (unsigned int pod = 1; pod <= 2; pod++) {
			_cleanup_free_ char *text = xasprintf(
				KUBERNETES("Pod") "metadata: {name: p%u, namespace: x}\nspec: "
						  "{nodeName: n}\nstatus: {podIP: 10.0.0.%u}\n",
				pod, pod);

			put_yaml(world, text);
		}
		put_yaml(world, cases[i].policies);
		peers = policy_world_peers(world, &n);
		assert_int_equal(ip_parse("10.0.0.1", &packet.source, NULL), 0);
		assert_int_equal(ip_parse("10.0.0.2", &packet.destination, NULL), 0);
		if (policy_verdict(world, &peers[n - 1], POLICY_INGRESS, VERDICT_STAGE_NORMAL,
				   &packet, NULL) != cases[i].verdict)
			fail_msg("%s", cases[i].policies);
	}
}

/* A pod, its namespace and its account come and go under their own names. */
static void test_objects(void **state)
{
	_cleanup_(policy_world_freep) struct policy_world *world = policy_world_new();
	size_t n;

	(void)state;
	put_yaml(world, base_world);
	put_yaml(world, KUBERNETES("Pod") "metadata: {name: p, namespace: y}\n"
					  "spec: {nodeName: n}\nstatus: {podIP: 10.0.0.1}\n");
	(void)policy_world_peers(world, &n);
	assert_int_equal(n, 3);
	assert_string_equal(
		str_map_find(&policy_world_peers(world, &n)[2].namespace_labels, "team"), "b");
	put_yaml(world, KUBERNETES("Pod") "metadata: {name: p, namespace: y}\n"
					  "spec: {nodeName: other}\nstatus: {podIP: 10.0.0.1}\n");
	(void)policy_world_peers(world, &n);
	assert_int_equal(n, 3);
	policy_world_remove(world, KIND_NAMESPACE, NULL, "y");
	assert_null(str_map_find(&policy_world_peers(world, &n)[2].namespace_labels, "team"));
	policy_world_remove(world, KIND_POD, "y", "p");
	(void)policy_world_peers(world, &n);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversion),
		cmocka_unit_test(test_cluster_conversion),
		cmocka_unit_test(test_cluster_tiers),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
