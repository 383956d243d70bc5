/* SPDX-License-Identifier: Apache-2.0 */

/* Digests against the examples of FIPS 180-4 and FIPS 202. */

#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/macros.h"

static void test_known(void **state)
{
	static const struct {
		enum digest_kind kind;
		const char *text;
		size_t size;
		const char *hex;
	} cases[] = {
		{DIGEST_SHA1, "abc", 20, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{DIGEST_SHA1, "", 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{DIGEST_SHA224, "abc", 28,
		 "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
		{DIGEST_SHA256, "abc", 32,
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{DIGEST_SHA3_224, "abc", 28,
		 "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
		{DIGEST_SHA3_256, "abc", 32,
		 "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct digest digest =
			digest_of(cases[i].kind, cases[i].text, strlen(cases[i].text));

		assert_int_equal(digest.size, cases[i].size);
		assert_string_equal(digest_hex(&digest).s, cases[i].hex);
	}
}

/* Against coreutils: printf abc | sha224sum, sha256sum and base64 of their bytes. */
static void test_base64url(void **state)
{
	struct digest digest = digest_of(DIGEST_SHA224, "abc", 3);

	(void)state;
	assert_string_equal(digest_base64url(&digest).s, "Iwl9IjQF2CKGQqR3vaJVsyqtvOS9oLP342ydpw");
	digest = digest_of(DIGEST_SHA256, "abc", 3);
	assert_string_equal(digest_base64url(&digest).s,
			    "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_base64url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
