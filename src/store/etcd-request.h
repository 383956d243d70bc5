/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Requests to etcd's JSON gateway. Pure; each appends one JSON object. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct buf;
struct secret;

struct etcd_range_request {
	const char *key;
	size_t key_size;
	const char *end;   /* NULL: this key alone */
	size_t limit;	   /* 0: none */
	uint64_t revision; /* 0: the newest */
	bool keys_only;
	uint64_t min_mod_revision; /* 0: any */
};
void etcd_request_range(const struct etcd_range_request *request, struct buf *out);

/* "key": "...", without braces: for what carries a key among other members. */
void etcd_request_member(const char *name, const char *bytes, size_t size, struct buf *out);

/*
 * A watch of all keys from 'key' up to 'end'. One a stream: the gateway may begin to answer, and to
 * drop the rest of the request, before it has read a second one.
 */
void etcd_request_watch(const char *key, const char *end, uint64_t start_revision, struct buf *out);

void etcd_request_authenticate(const char *user, const struct secret *password, struct buf *out);

/* The first key behind all that begin with 'prefix'. Heap string. */
char *etcd_prefix_end(const char *prefix);
