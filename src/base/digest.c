/* SPDX-License-Identifier: Apache-2.0 */

/* Digests by libcrypto. A failure of the library is a bug of the build and aborts. */

#include "base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/macros.h"

struct digest digest_of(enum digest_kind kind, const void *data, size_t size)
{
	static const struct {
		const EVP_MD *(*type)(void);
	} kinds[] = {
		[DIGEST_SHA1] = {EVP_sha1},	    [DIGEST_SHA224] = {EVP_sha224},
		[DIGEST_SHA256] = {EVP_sha256},	    [DIGEST_SHA3_224] = {EVP_sha3_224},
		[DIGEST_SHA3_256] = {EVP_sha3_256},
	};
	struct digest digest = {0};
	unsigned int len = 0;
	int ok = EVP_Digest(data, size, digest.bytes, &len, kinds[kind].type(), NULL);

	assert(ok == 1 && len <= sizeof(digest.bytes));
	digest.size = len;
	return digest;
}

struct digest_hex digest_hex(const struct digest *digest)
{
	struct digest_hex hex = {""};

	for (size_t i = 0; i < digest->size; i++)
		(void)snprintf(hex.s + 2 * i, 3, "%02x", digest->bytes[i]);
	return hex;
}

struct digest_base64url digest_base64url(const struct digest *digest)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct digest_base64url text = {""};
	unsigned int n_bits = 0;
	uint32_t bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < digest->size; i++) {
		bits = (bits << 8 | digest->bytes[i]) & 0xffff;
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			text.s[n++] = alphabet[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		text.s[n] = alphabet[bits << (6 - n_bits) & 63];
	return text;
}
