/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * YAML text to JSON trees and back. Beside each tree comes one of the same shape with the lines of
 * its nodes: a mapping is {"": own line, key: ...}, a sequence [own line, item...], a scalar its
 * line. That is what lets a message about a field name its line.
 */

#include <jansson.h>

#include "base/err.h"

struct buf;

#define YAML_DEPTH_MAX	 64U
#define YAML_NODES_MAX	 (1U << 20) /* of all documents, what aliases repeat counted again */
#define YAML_ANCHORS_MAX 1000U
#define YAML_KEY_MAX	 1024U /* bytes */

struct yaml_document {
	json_t *value;
	json_t *lines;
};

struct yaml_documents {
	struct yaml_document *v;
	size_t n;
};
void yaml_documents_deinit(struct yaml_documents *documents);
CLEANUP_DEINIT(struct yaml_documents, yaml_documents_deinit);

/* 0: '*ret' filled, empty documents left out. <0: 'err' begins with where:line. */
MUST_CHECK int yaml_read(const char *text, size_t size, const char *where,
			 struct yaml_documents *ret, struct err *err);

/* Block style. Texts are quoted where they would be read as something else. */
void yaml_write(const json_t *json, struct buf *out);
