/* SPDX-License-Identifier: Apache-2.0 */

/* Names: the values were computed by other implementations of the hashes. */

#include "ipam/ipam-name.h"
#include "model/affinity-name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static struct cidr cidr(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(text, &c, NULL), 0);
	return c;
}

static void test_names(void **state)
{
	struct cidr v4 = cidr("10.1.2.0/26");
	struct cidr v6 = cidr("fd00:42::/122");
	_cleanup_free_ char *name = affinity_name("node-a", &v4);

	(void)state;
	assert_string_equal(ipam_block_name(&v4).s, "10-1-2-0-26");
	assert_string_equal(ipam_block_name(&v6).s, "fd00-42---122");
	assert_string_equal(name, "node-a-10-1-2-0-26");
}

static void test_long_name(void **state)
{
	struct cidr v4 = cidr("10.1.2.0/26");
	char node[251];
	_cleanup_free_ char *name = NULL;

	(void)state;
	memset(node, 'n', sizeof(node) - 1);
	node[sizeof(node) - 1] = '\0';
	name = affinity_name(node, &v4);
	assert_int_equal(strlen(name), 252);
	assert_string_equal(name + 228, "-10-1-2-0-26-30f49ae9715");
}

static void test_hashes(void **state)
{
	(void)state;
	assert_string_equal(ipam_node_hash("node-a").s,
			    "PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA");
	assert_int_equal(ipam_fnv1(""), 2166136261u);
	assert_int_equal(ipam_fnv1("node-a"), 568266999u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
