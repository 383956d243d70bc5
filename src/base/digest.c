/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Digests by Nettle: GnuTLS, which the web server's library brings along, has it in memory anyway,
 * and it has no machinery to start.
 */

#include "base/digest.h"

#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <stdio.h>

#include "base/macros.h"

struct digest digest_of(enum digest_kind kind, const void *data, size_t size)
{
	static const struct nettle_hash *const hashes[] = {
		[DIGEST_SHA1] = &nettle_sha1,	      [DIGEST_SHA224] = &nettle_sha224,
		[DIGEST_SHA256] = &nettle_sha256,     [DIGEST_SHA3_224] = &nettle_sha3_224,
		[DIGEST_SHA3_256] = &nettle_sha3_256,
	};
	const struct nettle_hash *hash = hashes[kind];
	struct digest digest = {.size = hash->digest_size};
	union {
		struct sha1_ctx sha1;
		struct sha256_ctx sha2;
		struct sha3_224_ctx sha3_224;
		struct sha3_256_ctx sha3_256;
	} state;

	assert(hash->context_size <= sizeof(state) && digest.size <= sizeof(digest.bytes));
	hash->init(&state);
	hash->update(&state, size, data);
	hash->digest(&state, digest.size, digest.bytes);
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
