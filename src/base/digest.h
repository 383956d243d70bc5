/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Message digests (FIPS 180-4, FIPS 202) for names that must be as Calico's: interface names, VTEP
 * MAC addresses, labels, set ids. Not for security. Computed by Nettle.
 */

#include <stddef.h>
#include <stdint.h>

enum digest_kind {
	DIGEST_SHA1,	 /* 20 bytes */
	DIGEST_SHA224,	 /* 28 */
	DIGEST_SHA256,	 /* 32 */
	DIGEST_SHA3_224, /* 28 */
	DIGEST_SHA3_256, /* 32 */
};

#define DIGEST_MAX_SIZE 32

struct digest {
	size_t size;
	uint8_t bytes[DIGEST_MAX_SIZE];
};

struct digest digest_of(enum digest_kind kind, const void *data, size_t size);

struct digest_hex {
	char s[2 * DIGEST_MAX_SIZE + 1];
};
struct digest_hex digest_hex(const struct digest *digest);

/* RFC 4648's alphabet for names of files and addresses, unpadded. */
struct digest_base64url {
	char s[(DIGEST_MAX_SIZE * 8 + 5) / 6 + 1];
};
struct digest_base64url digest_base64url(const struct digest *digest);
