/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON of a datastore: whatever is accepted must survive being written and read again, unchanged,
 * and be copied, defaulted and validated without harm.
 */

#include "base/buf.h"
#include "model/model-desc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_object(struct object *object)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_(model_freep) struct object *again = NULL;
	_cleanup_(model_freep) struct object *copy = model_copy(object);
	struct err err = ERR_INIT;
	int r;

	assert(model_equal(object, copy));
	model_write_json(object, &text);
	r = model_read_json(buf_str(&text), text.size, MODEL_LENIENT, "again", &again, &err);
	assert(r == 0);
	assert(model_equal(object, again));
	model_default(copy);
	(void)!model_validate(copy, &err);
	(void)!model_validate_update(object, copy, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(model_freep) struct object *object = NULL;
	struct err err = ERR_INIT;

	if (model_read_json((const char *)data, size, MODEL_LENIENT, "fuzz", &object, &err) == 0)
		check_object(object);
	return 0;
}
