/* SPDX-License-Identifier: Apache-2.0 */

/* FelixConfiguration: its table, its rules, and what holds on a node. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"

#define HEAD "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"FelixConfiguration\","

static struct object *read_spec(const char *name, const char *spec, struct err *err)
{
	_cleanup_free_ char *text =
		xasprintf(HEAD "\"metadata\":{\"name\":\"%s\"},\"spec\":%s}", name, spec);
	struct object *object = NULL;

	if (model_read_json(text, strlen(text), MODEL_STRICT, "test", &object, err) < 0)
		return NULL;
	return object;
}

static struct object *must_read(const char *name, const char *spec)
{
	struct err err = ERR_INIT;
	struct object *object = read_spec(name, spec, &err);

	if (!object)
		fail_msg("%s", err.msg);
	return object;
}

static struct felix_configuration *resolved(const char *global, const char *node,
					    char *const *environ)
{
	_cleanup_(model_freep) struct object *a = global ? must_read("default", global) : NULL;
	_cleanup_(model_freep) struct object *b = node ? must_read("node.a", node) : NULL;
	struct felix_configuration *result = NULL;
	struct err err = ERR_INIT;

	if (felix_config_resolve(a ? as_felix_configuration(a) : NULL,
				 b ? as_felix_configuration(b) : NULL, environ, &result, &err) < 0)
		fail_msg("%s", err.msg);
	return result;
}

static void drop(struct felix_configuration *configuration)
{
	(void)model_free(OBJECT(configuration));
}

/* Every choice is told in words, and every default is one the rules accept. */
static void test_table(void **state)
{
	struct felix_configuration *all = resolved(NULL, NULL, NULL);

	(void)state;
	for (size_t i = 0; i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);

		assert_non_null(param.field->doc);
		for (const char *const *v = param.values; v && *v; v++)
			if (!strstr(param.field->doc, *v))
				fail_msg("%s: the words lack %s", param.config, *v);
		if (param.type == FELIX_DURATION)
			assert_true(param.unit_us == 1000000 || param.unit_us == 1000);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(param.config, felix_param_get(k).config);
	}
	drop(all);
}

static void test_defaults(void **state)
{
	struct felix_configuration *c = resolved(NULL, NULL, NULL);
	const struct felix_configuration_spec *spec = &c->spec;

	(void)state;
	assert_int_equal(spec->vxlan_port.v, 4789);
	assert_int_equal(spec->vxlan_vni.v, 4096);
	assert_false(spec->vxlan_enabled.set);
	assert_true(spec->ipv6_support.v);
	assert_string_equal(spec->interface_prefix, "cali");
	assert_string_equal(spec->default_endpoint_to_host_action, "Drop");
	assert_int_equal(spec->iptables_mark_mask.v, 0xffff0000);
	assert_int_equal(spec->failsafe_inbound_host_ports.n, 9);
	assert_int_equal(spec->failsafe_inbound_host_ports.v[1].port.v, 68);
	assert_string_equal(spec->failsafe_inbound_host_ports.v[1].protocol, "UDP");
	assert_int_equal(felix_duration_us(spec->route_refresh_interval), 90000000);
	assert_int_equal(felix_duration_us(spec->iptables_lock_probe_interval), 50000);
	assert_string_equal(spec->bpf_conntrack_timeouts->tcp_fins_seen, "Auto");
	assert_string_equal(spec->program_cluster_routes, "EnabledIPIPOnly");
	assert_string_equal(spec->typha_k8s_namespace, "kube-system");
	assert_int_equal(felix_duration_us(NULL), 0);
	drop(c);
}

static void test_precedence(void **state)
{
	char *const env[] = {(char *)"PATH=/bin",
			     (char *)"FELIX_VXLANPORT=3",
			     (char *)"felix_VxlanMtu=",
			     (char *)"FELIX_UNKNOWN=1",
			     (char *)"FELIX_ROUTETABLERANGES=1-10,20-30",
			     (char *)"FELIX_BPFCONNTRACKTIMEOUTS=TCPSynSent=1,UDPTimeout=auto",
			     NULL};
	struct felix_configuration *c =
		resolved("{\"vxlanPort\":1,\"vxlanMTU\":1400,\"vxlanVNI\":7,"
			 "\"failsafeInboundHostPorts\":[],\"serviceLoopPrevention\":\"reject\"}",
			 "{\"vxlanPort\":2,\"vxlanVNI\":8,\"logSeverityScreen\":\"\"}", env);

	(void)state;
	assert_int_equal(c->spec.vxlan_port.v, 3);
	assert_int_equal(c->spec.vxlan_mtu.v, 1400);
	assert_int_equal(c->spec.vxlan_vni.v, 8);
	assert_string_equal(c->spec.service_loop_prevention, "Reject");
	assert_string_equal(c->spec.log_severity_screen, "Info");
	/* Empty is empty: no default comes in its place. */
	assert_true(c->spec.failsafe_inbound_host_ports.set);
	assert_int_equal(c->spec.failsafe_inbound_host_ports.n, 0);
	assert_int_equal(c->spec.failsafe_outbound_host_ports.n, 9);
	assert_int_equal(c->spec.route_table_ranges.n, 2);
	assert_int_equal(c->spec.route_table_ranges.v[1].max.v, 30);
	assert_string_equal(c->spec.bpf_conntrack_timeouts->tcp_syn_sent, "1s");
	assert_string_equal(c->spec.bpf_conntrack_timeouts->udp_timeout, "Auto");
	assert_string_equal(c->spec.bpf_conntrack_timeouts->tcp_established, "1h");
	drop(c);
}

static void test_environment(void **state)
{
	char *const env[] = {
		(char *)"FELIX_IPV6SUPPORT=no",
		(char *)"FELIX_ROUTEREFRESHINTERVAL=1.5",
		(char *)"FELIX_IPTABLESLOCKPROBEINTERVALMILLIS=20",
		(char *)"FELIX_INTERFACEREFRESHINTERVAL=2m",
		(char *)"FELIX_DEFAULTENDPOINTTOHOSTACTION=ACCEPT",
		(char *)"FELIX_IPTABLESMARKMASK=0xff00",
		(char *)"FELIX_FAILSAFEINBOUNDHOSTPORTS=22, udp:68,tcp:10.0.0.0/8:80,tcp:[fd00::]/8:81",
		(char *)"FELIX_FAILSAFEOUTBOUNDHOSTPORTS=none",
		(char *)"FELIX_EXTERNALNODESCIDRLIST=10.0.0.1, 10.1.0.0/16",
		(char *)"FELIX_NATPORTRANGE=1000:2000",
		(char *)"FELIX_HEALTHTIMEOUTOVERRIDES=a=5,b=1m",
		(char *)"FELIX_BPFLOGFILTERS=all=tcp port 80",
		(char *)"FELIX_IPINIPENABLED=true",
		(char *)"FELIX_LOGFILEPATH=None",
		(char *)"FELIX_ETCDENDPOINTS=https://a:2379,https://b:2379",
		(char *)"FELIX_IPINIPMTU=1440",
		(char *)"FELIX_ISTIODSCPMARK=EF",
		NULL,
	};
	struct felix_configuration *c = resolved(NULL, NULL, env);
	const struct felix_configuration_spec *spec = &c->spec;

	(void)state;
	assert_true(spec->ipv6_support.set && !spec->ipv6_support.v);
	assert_int_equal(felix_duration_us(spec->route_refresh_interval), 1500000);
	assert_int_equal(felix_duration_us(spec->iptables_lock_probe_interval), 20000);
	assert_int_equal(felix_duration_us(spec->interface_refresh_interval), 120000000);
	assert_string_equal(spec->default_endpoint_to_host_action, "Accept");
	assert_int_equal(spec->iptables_mark_mask.v, 0xff00);
	assert_int_equal(spec->failsafe_inbound_host_ports.n, 4);
	assert_string_equal(spec->failsafe_inbound_host_ports.v[0].protocol, "TCP");
	assert_string_equal(spec->failsafe_inbound_host_ports.v[2].net, "10.0.0.0/8");
	assert_string_equal(spec->failsafe_inbound_host_ports.v[3].net, "fd00::/8");
	assert_int_equal(spec->failsafe_inbound_host_ports.v[3].port.v, 81);
	assert_true(spec->failsafe_outbound_host_ports.set);
	assert_int_equal(spec->failsafe_outbound_host_ports.n, 0);
	assert_int_equal(spec->external_nodes_list.n, 2);
	assert_string_equal(spec->nat_port_range.s, "1000:2000");
	assert_string_equal(spec->health_timeout_overrides.v[1].timeout, "60s");
	assert_string_equal(str_map_find(&spec->bpf_log_filters, "all"), "tcp port 80");
	assert_true(spec->ipip_enabled.v);
	assert_string_equal(spec->log_file_path, "");
	assert_string_equal(spec->etcd_endpoints.v[1], "https://b:2379");
	assert_int_equal(spec->ipip_mtu.v, 1440);
	assert_string_equal(spec->istio_dscp_mark.s, "EF");
	drop(c);
}

static void test_environment_errors(void **state)
{
	static const char *const cases[] = {
		"FELIX_IPV6SUPPORT=maybe",
		"FELIX_VXLANPORT=0",
		"FELIX_VXLANPORT=4789x",
		"FELIX_VXLANPORT=65536",
		"FELIX_ROUTEREFRESHINTERVAL=-1",
		"FELIX_ROUTEREFRESHINTERVAL=soon",
		"FELIX_ROUTEREFRESHINTERVAL=.",
		"FELIX_LOGSEVERITYSCREEN=loud",
		"FELIX_BPFATTACHTYPE=none",
		"FELIX_IPTABLESMARKMASK=0x",
		"FELIX_IPTABLESMARKMASK=0x1ffffffff",
		"FELIX_IPTABLESMARKMASK=0",
		"FELIX_FAILSAFEINBOUNDHOSTPORTS=icmp:1",
		"FELIX_FAILSAFEINBOUNDHOSTPORTS=tcp:",
		"FELIX_FAILSAFEINBOUNDHOSTPORTS=tcp:10.0.0.1/8:22",
		"FELIX_ROUTETABLERANGE=10-1",
		"FELIX_ROUTETABLERANGES=1",
		"FELIX_HEALTHTIMEOUTOVERRIDES=a",
		"FELIX_BPFCONNTRACKTIMEOUTS=Sometimes=1",
		"FELIX_EXTERNALNODESCIDRLIST=10.0.0.1/8",
		"FELIX_MTUIFACEPATTERN=(",
		"FELIX_NATPORTRANGE=2:1",
		"FELIX_LOGPREFIX=\xff",
		"FELIX_LOGACTIONRATELIMIT=10/week",
		"FELIX_WIREGUARDINTERFACENAME=../../etc",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *const env[] = {(char *)(uintptr_t)cases[i], NULL};
		struct felix_configuration *c = NULL;
		_cleanup_free_ char *name = xstrndup(cases[i], strcspn(cases[i], "="));
		struct err err = ERR_INIT;

		if (felix_config_resolve(NULL, NULL, env, &c, &err) == 0)
			fail_msg("%s accepted", cases[i]);
		if (!strstr(err.msg, name))
			fail_msg("\"%s\" does not name %s", err.msg, name);
		assert_null(c);
	}
}

/* What is set and not applied, but not what is as it would be without. */
static void test_ignored(void **state)
{
	static const struct {
		const char *spec;
		const char *ignored;
	} cases[] = {
		{NULL, NULL},
		{"{\"vxlanPort\":5,\"bpfLogLevel\":\"off\",\"interfaceRefreshInterval\":\"1m30s\","
		 "\"bpfForceTrackPacketsFromIfaces\":[\"docker+\"],\"wireguardEnabled\":false}",
		 NULL},
		{"{\"wireguardEnabled\":true,\"interfaceRefreshInterval\":\"91s\",\"natOutgoingAddress\":\"192.0.2.1\"}",
		 "interfaceRefreshInterval, natOutgoingAddress, wireguardEnabled"},
	};
	char *const environ_none[] = {(char *)"FELIX_TYPHAADDR=none", NULL};
	char *const environ_typha[] = {(char *)"FELIX_TYPHAADDR=a:1", NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct felix_configuration *c = resolved(cases[i].spec, NULL, environ_none);
		_cleanup_free_ char *ignored = felix_config_ignored(c);

		if (cases[i].ignored)
			assert_string_equal(ignored, cases[i].ignored);
		else
			assert_null(ignored);
		drop(c);
	}
	struct felix_configuration *c = resolved(NULL, NULL, environ_typha);
	_cleanup_free_ char *ignored = felix_config_ignored(c);

	assert_string_equal(ignored, "typhaAddr");
	drop(c);
}

static void test_file(void **state)
{
	char *const env[] = {(char *)"FELIX_VXLANVNI=9", NULL};
	struct felix_sources sources = {
		.file = "# comment\n[global]\nVXLANPort = 1\r\n vxlanvni=5\nOther = x\nLogFilePath =\n",
		.file_name = "felix.cfg",
		.environ = env,
	};
	struct felix_configuration *c = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(felix_config_resolve_from(&sources, &c, &err), 0);
	assert_int_equal(c->spec.vxlan_port.v, 1);
	assert_int_equal(c->spec.vxlan_vni.v, 9);
	assert_string_equal(c->spec.log_file_path, "/var/log/calico/felix.log");
	drop(c);
	sources.file = "\nVXLANPort = 99999";
	assert_int_equal(felix_config_resolve_from(&sources, &c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "felix.cfg, line 2"));
	sources.file = "VXLANPort";
	assert_int_equal(felix_config_resolve_from(&sources, &c, &err), -EINVAL);
}

static void test_rules(void **state)
{
	static const struct {
		const char *name;
		const char *spec;
		const char *message; /* NULL: right */
	} cases[] = {
		{"default", "{}", NULL},
		{"node.a", "{\"bpfLogLevel\":\"DEBUG\"}", NULL},
		{"some", "{\"nodeSelector\":\"has(x)\"}", NULL},
		{"some", "{}", "node.<name>"},
		{"default", "{\"nodeSelector\":\"has(x)\"}", "nodeSelector"},
		{"default", "{\"vxlanPort\":70000}", "spec.vxlanPort"},
		{"default", "{\"logSeverityScreen\":\"loud\"}", "spec.logSeverityScreen"},
		{"default", "{\"routeRefreshInterval\":\"90\"}", "spec.routeRefreshInterval"},
		{"default", "{\"etcdAddr\":\"a:1\"}", "FELIX_EtcdAddr"},
		{"default", "{\"failsafeInboundHostPorts\":[{\"protocol\":\"tcp\",\"port\":1}]}",
		 NULL},
		{"default", "{\"failsafeInboundHostPorts\":[{\"protocol\":\"gre\",\"port\":1}]}",
		 "failsafeInboundHostPorts[0].protocol"},
		{"default", "{\"failsafeInboundHostPorts\":[{\"port\":1}]}", "protocol"},
		{"default", "{\"routeTableRanges\":[{\"min\":2,\"max\":1}]}",
		 "routeTableRanges[0]"},
		{"default", "{\"routeTableRanges\":[{\"min\":1,\"max\":70000}]}", "65535"},
		{"default",
		 "{\"routeTableRange\":{\"min\":1,\"max\":2},\"routeTableRanges\":[{\"min\":1,\"max\":2}]}",
		 "routeTableRange"},
		{"default", "{\"bpfConntrackTimeouts\":{\"udpTimeout\":\"long\"}}", "udpTimeout"},
		{"default", "{\"bpfConntrackTimeouts\":{\"udpTimeout\":\"Auto\"}}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct object *object =
			must_read(cases[i].name, cases[i].spec);
		struct err err = ERR_INIT;
		int r = model_validate(object, &err);

		if (!cases[i].message && r != 0)
			fail_msg("%s refused: %s", cases[i].spec, err.msg);
		if (cases[i].message && r == 0)
			fail_msg("%s %s accepted", cases[i].name, cases[i].spec);
		if (cases[i].message && !strstr(err.msg, cases[i].message))
			fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].message);
	}
}

static void test_unknown_is_an_error(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_null(read_spec("default", "{\"vxlanport\":1}", &err));
	assert_non_null(strstr(err.msg, "vxlanport"));
}

/* What holds is an object that reads back the same, and defaults are never written. */
static void test_round_trip(void **state)
{
	struct felix_configuration *a = resolved(NULL, NULL, NULL);
	_cleanup_(model_freep) struct object *b = NULL;
	_cleanup_(model_freep) struct object *bare = must_read("node.a", "{}");
	_cleanup_(model_freep) struct object *defaulted = model_copy(bare);
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	model_write_json(OBJECT(a), &text);
	assert_int_equal(model_read_json(text.data, text.size, MODEL_STRICT, "test", &b, &err), 0);
	assert_true(model_equal(OBJECT(a), b));
	model_default(defaulted);
	assert_true(model_equal(bare, defaulted));
	drop(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_environment_errors),
		cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_unknown_is_an_error),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
