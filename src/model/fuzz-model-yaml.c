/* SPDX-License-Identifier: Apache-2.0 */

/* Files of people: what is accepted must come back from its own YAML unchanged. */

#include <stdlib.h>

#include "base/buf.h"
#include "model/model-desc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_object(const struct object *object)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct object **again = NULL;
	size_t n = 0;
	int r;

	model_write_yaml(object, &text);
	r = model_read_yaml(buf_str(&text), text.size, "again", &again, &n, &err);
	assert(r == 0 && n == 1);
	assert(model_equal(object, again[0]));
	model_free(again[0]);
	free(again);
	(void)!model_validate(object, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object **objects = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (model_read_yaml((const char *)data, size, "fuzz", &objects, &n, &err) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		check_object(objects[i]);
		model_free(objects[i]);
	}
	free(objects);
	return 0;
}
