/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An object's text as this node's file of good versions has it: with a digest behind it, of its
 * kind and name too. What has come to harm on the disk is recognised, where a text with another bit
 * in it might be one that opens.
 */

#include "store/store.h"

#define SEALED_TEXT_EXTRA 65 /* bytes that the seal adds */

/* A newline and the digest's 64 figures behind 'text'. The caller's to free. */
char *sealed_text_new(const struct store_object *stored, const char *text, size_t size);

/* Takes the seal off 'stored->value'. False: it is not the text that was sealed by that name. */
MUST_CHECK bool sealed_text_open(struct store_object *stored);
