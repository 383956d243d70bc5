/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "policy/policy-key.h"

static void test_format(void **state)
{
	static const struct {
		const char *key;
		const char *text;
	} cases[] = {
		{"np/shop/db", "NetworkPolicy shop/db"},
		{"gnp/deny.all", "GlobalNetworkPolicy deny.all"},
		{"knp/shop/web", "KubernetesNetworkPolicy shop/web"},
		{"kcnp/admin", "KubernetesClusterNetworkPolicy admin"},
		{"snp/shop/db", "StagedNetworkPolicy shop/db"},
		{"sgnp/all", "StagedGlobalNetworkPolicy all"},
		{"sknp/shop/db", "StagedKubernetesNetworkPolicy shop/db"},
		{"pro/kns.shop", "Profile kns.shop"},
		/* Not keys: as they are. */
		{"np/shop", "np/shop"},
		{"_0123456789abcdef", "_0123456789abcdef"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(policy_key_format(cases[i].key).s, cases[i].text);
}

static void test_parts(void **state)
{
	struct policy_key_parts parts;

	(void)state;
	assert_true(policy_key_parse("np/shop/db", &parts));
	assert_string_equal(parts.namespace, "shop");
	assert_string_equal(parts.name, "db");
	assert_true(policy_key_parse("gnp/db", &parts));
	assert_string_equal(parts.namespace, "");
	assert_false(policy_key_parse("wep/shop/db", &parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
