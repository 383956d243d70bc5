/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "cni/cni-request.h"

#define POD_ENV                                                                                    \
	"CNI_CONTAINERID=c0ffee\0CNI_IFNAME=eth0\0CNI_NETNS=/var/run/netns/a\0"                    \
	"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0;K8S_POD_UID=u-1"
#define ADD_ENV	  "CNI_COMMAND=ADD\0" POD_ENV
#define DEL_ENV	  "CNI_COMMAND=DEL\0" POD_ENV
#define CHECK_ENV "CNI_COMMAND=CHECK\0" POD_ENV
#define MINIMAL	  "{\"name\":\"n\",\"ipam\":{\"type\":\"calico-ipam\"}}"
/* A literal's bytes with its last NUL. */
#define ENV(s) s, sizeof(s)

static int parse(const char *env, size_t env_size, const char *conf, struct cni_request **ret,
		 struct err *err)
{
	return cni_request_parse(CNI_ROLE_MAIN, env, env_size, conf, strlen(conf), ret, err);
}

/* The first plugin's configuration of a list, with its name and version put in as runtimes do. */
static char *read_conflist(const char *path)
{
	_cleanup_buf_ struct buf file = BUF_INIT;
	struct err err = ERR_INIT;
	json_t *list, *conf;
	char *text;

	if (file_read(path, 65536, &file, &err) != 0)
		fail_msg("%s", err.msg);
	list = json_loads(buf_str(&file), 0, NULL);
	assert_non_null(list);
	conf = json_array_get(json_object_get(list, "plugins"), 0);
	json_object_set(conf, "name", json_object_get(list, "name"));
	json_object_set(conf, "cniVersion", json_object_get(list, "cniVersion"));
	text = json_dumps(conf, 0);
	json_decref(list);
	return text;
}

static void test_korat_conflist(void **state)
{
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	_cleanup_free_ char *text = read_conflist(SOURCE_ROOT "/deploy/cni/10-korat.conflist");
	struct err err = ERR_INIT;

	(void)state;
	if (parse(ENV(ADD_ENV), text, &request, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(request->ipam_type, "korat-ipam");
	assert_true(request->assign_v4 && !request->assign_v6 && request->policy_k8s);
	assert_int_equal(request->mtu, 0);
}

static void test_calico_conflist(void **state)
{
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	_cleanup_free_ char *text = read_conflist(SOURCE_ROOT "/tests/data/cni/10-calico.conflist");
	struct err err = ERR_INIT;

	(void)state;
	if (parse(ENV(ADD_ENV), text, &request, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(request->verb, CNI_ADD);
	assert_string_equal(request->cni_version, "1.0.0");
	assert_string_equal(request->network, "k8s-pod-network");
	assert_string_equal(request->container_id, "c0ffee");
	assert_string_equal(request->ifname, "eth0");
	assert_string_equal(request->netns_path, "/var/run/netns/a");
	assert_string_equal(request->pod_name, "web-0");
	assert_string_equal(request->pod_namespace, "ns");
	assert_string_equal(request->pod_uid, "u-1");
	assert_string_equal(request->ipam_type, "calico-ipam");
	assert_string_equal(request->ifprefix, "cali");
	assert_int_equal(request->wanted_ip.family, 0);
	assert_int_equal(request->mtu, 1440);
	assert_int_equal(request->n_queues, 1);
	assert_true(request->assign_v4 && !request->assign_v6 && request->policy_k8s);
	assert_false(request->allow_ip_forwarding);
	assert_null(request->v4_pools);
	assert_null(request->prev);
}

static void test_every_key(void **state)
{
	static const char conf[] =
		"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"type\":\"calico\",\"mtu\":9000,"
		"\"num_queues\":4,\"require_mtu_file\":true,\"qps\":1.5,\"burst\":3,"
		"\"nodename\":\"x\",\"nodename_file\":\"f\",\"nodename_file_optional\":true,"
		"\"ipam_lock_file\":\"l\",\"datastore_type\":\"etcdv3\",\"etcd_endpoints\":\"e\","
		"\"log_level\":\"debug\",\"log_file_max_size\":1,\"log_file_max_age\":1,"
		"\"log_file_max_count\":1,\"calico_api_group\":\"g\",\"device_type\":\"veth\","
		"\"readiness_gates\":[\"http://a\"],\"policy_setup_timeout_seconds\":5,"
		"\"endpoint_status_dir\":\"d\",\"include_default_routes\":false,"
		"\"dataplane_options\":{\"type\":\"\"},\"args\":{},\"runtimeConfig\":{},"
		"\"container_settings\":{\"allow_ip_forwarding\":true},"
		"\"feature_control\":{\"ip_addrs_no_ipam\":true,\"floating_ips\":true},"
		"\"kubernetes\":{\"kubeconfig\":\"k\"},\"policy\":{\"type\":\"k8s\"},"
		"\"no such key\":[1],\"hostname\":null,"
		"\"ipam\":{\"type\":\"calico-ipam\",\"assign_ipv4\":\"false\","
		"\"assign_ipv6\":\"True\",\"ipv4_pools\":[],"
		"\"ipv6_pools\":[\"p\",\"fd00::/64\"],\"subnet\":\"usePodCidr\"}}";
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	struct err err = ERR_INIT;

	(void)state;
	if (parse(ENV(ADD_ENV ";IP=fd00::7;X=y\0FELIX_INTERFACEPREFIX=tap,cali"), conf, &request,
		  &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(request->mtu, 9000);
	assert_int_equal(request->n_queues, 4);
	assert_true(request->allow_ip_forwarding && request->allow_floating_ips &&
		    request->allow_ip_addrs_no_ipam);
	assert_true(!request->assign_v4 && request->assign_v6);
	assert_null(request->v4_pools);
	assert_string_equal(request->v6_pools[0], "p");
	assert_string_equal(request->v6_pools[1], "fd00::/64");
	assert_null(request->v6_pools[2]);
	assert_string_equal(ip_format(&request->wanted_ip).s, "fd00::7");
	assert_string_equal(request->ifprefix, "tap");
}

static void test_defaults(void **state)
{
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(parse(ENV("CNI_COMMAND=DEL\0CNI_CONTAINERID=c\0CNI_IFNAME=eth0\0"
				   "CNI_ARGS=K8S_POD_NAME=a;K8S_POD_NAMESPACE="),
			       "{\"name\":\"n\",\"num_queues\":-1}", &request, &err),
			 0);
	assert_string_equal(request->cni_version, "0.2.0");
	assert_string_equal(request->netns_path, "");
	assert_null(request->pod_name);
	assert_null(request->pod_namespace);
	assert_null(request->ipam_type);
	assert_int_equal(request->n_queues, 1);
}

static void test_check_and_gc(void **state)
{
	_cleanup_(cni_request_freep) struct cni_request *check = NULL, *gc = NULL;
	struct err err = ERR_INIT;

	(void)state;
	if (parse(ENV(CHECK_ENV),
		  "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"prevResult\":{\"interfaces\":["
		  "{\"name\":\"cali1\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"}],"
		  "\"ips\":[{\"address\":\"10.0.0.1/32\"},{\"address\":\"fd00::1/128\"}]}}",
		  &check, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(check->prev->host_ifname, "cali1");
	assert_int_equal(check->prev->n_addrs, 2);
	assert_string_equal(cidr_format(&check->prev->addrs[1]).s, "fd00::1/128");
	if (parse(ENV("CNI_COMMAND=GC"),
		  "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"cni.dev/valid-attachments\":["
		  "{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}",
		  &gc, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(gc->n_valid, 1);
	assert_string_equal(gc->valid[0].container_id, "a");
	assert_string_equal(gc->valid[0].ifname, "eth0");
}

struct bad {
	const char *env;
	size_t env_size;
	const char *conf;
	int code;
	const char *part; /* of the message */
};

#define CONF(rest) "{\"name\":\"n\"," rest "}"

static const struct bad bads[] = {
	{ENV("A=b"), MINIMAL, 4, "CNI_COMMAND is not set"},
	{ENV("CNI_COMMAND=ADDD"), MINIMAL, 4, "CNI_COMMAND=\"ADDD\""},
	{"CNI_COMMAND=ADD", 15, MINIMAL, 6, "does not end with a NUL"},
	{ENV("CNI_COMMAND=ADD"), MINIMAL, 4, "CNI_CONTAINERID is not set"},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=../x"), MINIMAL, 4, "CNI_CONTAINERID=\"../x\""},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=a"), MINIMAL, 4, "CNI_IFNAME is not set"},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=a\0CNI_IFNAME=a/b"), MINIMAL, 4,
	 "CNI_IFNAME=\"a/b\""},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=a\0CNI_IFNAME=1234567890123456"), MINIMAL, 4,
	 "CNI_IFNAME=\"1234567890123456\""},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=a\0CNI_IFNAME=a-"), MINIMAL, 4, "CNI_IFNAME"},
	{ENV("CNI_COMMAND=ADD\0CNI_CONTAINERID=a\0CNI_IFNAME=a"), MINIMAL, 4,
	 "CNI_NETNS is not set"},
	{ENV("CNI_COMMAND=DEL\0CNI_CONTAINERID=a-\0CNI_IFNAME=a"), MINIMAL, 4,
	 "no '-' at the end where there is no pod"},
	{ENV(ADD_ENV ";IP=10.0.0"), MINIMAL, 4, "CNI_ARGS: IP=\"10.0.0\": expected an IP"},
	{ENV(ADD_ENV ";nonsense"), MINIMAL, 4, "CNI_ARGS=\"nonsense\""},
	{ENV(ADD_ENV ";K8S_POD_NAME=a/b"), MINIMAL, 4, "CNI_ARGS: K8S_POD_NAME=\"a/b\""},
	{ENV(ADD_ENV ";K8S_POD_NAMESPACE=a.b"), MINIMAL, 4, "CNI_ARGS: K8S_POD_NAMESPACE"},
	{ENV(ADD_ENV ";K8S_POD_UID=.."), MINIMAL, 4, "CNI_ARGS: K8S_POD_UID"},
	{ENV(ADD_ENV "\0FELIX_INTERFACEPREFIX=toolong"), MINIMAL, 4, "FELIX_INTERFACEPREFIX"},
	{ENV(ADD_ENV), "", 6, "stdin, line 1"},
	{ENV(ADD_ENV), "{\"name\":\n\"a", 6, "stdin, line 2"},
	{ENV(ADD_ENV), "[]", 6, "expected an object"},
	{ENV(ADD_ENV), CONF("\"cniVersion\":\"2.0.0\""), 1, "\"2.0.0\" is not supported"},
	{ENV(ADD_ENV), CONF("\"cniVersion\":1"), 7, "cniVersion: expected a string"},
	{ENV(CHECK_ENV), CONF("\"cniVersion\":\"0.3.1\""), 1, "0.3.1 has no CHECK"},
	{ENV("CNI_COMMAND=STATUS"), CONF("\"cniVersion\":\"1.0.0\""), 1, "has no GC or STATUS"},
	{ENV("CNI_COMMAND=GC"), CONF("\"cniVersion\":\"1.1.0\""), 7, "GC needs this list"},
	{ENV("CNI_COMMAND=GC"), CONF("\"cniVersion\":\"1.1.0\",\"cni.dev/valid-attachments\":[{}]"),
	 7, "valid-attachments[0]"},
	{ENV(DEL_ENV), "{}", 7, "name: missing"},
	{ENV(DEL_ENV), "{\"name\":\"a/b\"}", 7, "name: expected"},
	{ENV(DEL_ENV), "{\"name\":1}", 7, "name: expected a string"},
	{ENV(ADD_ENV), "{\"name\":\"n\"}", 7, "ipam.type: missing"},
	{ENV(ADD_ENV), CONF("\"ipam\":[]"), 7, "ipam: expected an object"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"type\":1}"), 7, "ipam.type: expected a string"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"assign_ipv4\":true}"), 7,
	 "ipam.assign_ipv4: expected \"t"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"assign_ipv6\":\"yes\"}"), 7, "ipam.assign_ipv6"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"ipv4_pools\":\"a\"}"), 7, "ipam.ipv4_pools: expected a l"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"ipv4_pools\":[1]}"), 7, "ipam.ipv4_pools: expected a l"},
	{ENV(ADD_ENV), CONF("\"ipam\":{\"ipv6_pools\":[\"\"]}"), 7, "not empty"},
	{ENV(ADD_ENV), CONF("\"mtu\":70000"), 7, "mtu: expected a number from 0 to 65535"},
	{ENV(ADD_ENV), CONF("\"mtu\":\"1440\""), 7, "mtu: expected a number"},
	{ENV(ADD_ENV), CONF("\"mtu\":10,\"ipam\":{\"type\":\"calico-ipam\"}"), 7, "68 to 65535"},
	{ENV(ADD_ENV), CONF("\"num_queues\":5000"), 7, "num_queues"},
	{ENV(ADD_ENV), CONF("\"policy_setup_timeout_seconds\":-1"), 7, "policy_setup_timeout"},
	{ENV(ADD_ENV), CONF("\"qps\":\"1\""), 7, "qps: expected a number"},
	{ENV(ADD_ENV), CONF("\"require_mtu_file\":1"), 7, "require_mtu_file: expected true or"},
	{ENV(ADD_ENV), CONF("\"container_settings\":{\"allow_ip_forwarding\":\"true\"}"), 7,
	 "container_settings.allow_ip_forwarding: expected true or false"},
	{ENV(ADD_ENV), CONF("\"device_type\":\"tap\",\"ipam\":{\"type\":\"calico-ipam\"}"), 7,
	 "device_type: expected \"veth\""},
	{ENV(CHECK_ENV),
	 CONF("\"cniVersion\":\"1.0.0\",\"prevResult\":{\"ips\":[{\"address\":\"x\"}]}"), 7,
	 "prevResult.ips"},
	{ENV(CHECK_ENV),
	 CONF("\"cniVersion\":\"1.0.0\",\"prevResult\":{\"interfaces\":[{\"name\":\"a/b\"}]}"), 7,
	 "prevResult.interfaces"},
	{ENV(CHECK_ENV),
	 CONF("\"cniVersion\":\"1.0.0\",\"prevResult\":{\"ips\":[0,0,0,0,0,0,0,0,0]}"), 7,
	 "prevResult.ips: expected at most 8"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		_cleanup_(cni_request_freep) struct cni_request *request = NULL;
		struct err err = ERR_INIT;
		int r = parse(bads[i].env, bads[i].env_size, bads[i].conf, &request, &err);

		if (r != bads[i].code || !strstr(err.msg, bads[i].part))
			fail_msg("bads[%zu]: got %d \"%s\", expected %d \"%s\"", i, r, err.msg,
				 bads[i].code, bads[i].part);
		assert_null(request);
	}
}

static void test_version_of_bad(void **state)
{
	static const char good[] = "{\"cniVersion\":\"1.0.0\",\"name\":1}";

	(void)state;
	assert_string_equal(cni_request_version(good, sizeof(good) - 1), "1.0.0");
	assert_string_equal(cni_request_version("{", 1), "0.3.1");
	assert_string_equal(cni_request_version(NULL, 0), "0.3.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calico_conflist), cmocka_unit_test(test_korat_conflist),
		cmocka_unit_test(test_every_key),	cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_check_and_gc),	cmocka_unit_test(test_bad),
		cmocka_unit_test(test_version_of_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
