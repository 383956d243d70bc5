/* SPDX-License-Identifier: Apache-2.0 */

/* Writes docs/reference: one page per kind and an index, to the directory given. */

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "model/model-desc.h"

static int write_page(const char *dir, const char *name, const struct buf *text, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s.md", dir, name);

	return file_write_atomic(path, buf_str(text), text->size, 0644, err);
}

static int write_all(const char *dir, struct err *err)
{
	_cleanup_buf_ struct buf index = BUF_INIT;
	_cleanup_buf_ struct buf page = BUF_INIT;
	int r;

	r = dir_make(dir, 0755, err);
	if (r < 0)
		return r;
	buf_adds(
		&index,
		"# Reference of all kinds\n\nWritten by `./dev docs` from the tables in "
		"`src/model`. What shows and changes their objects: "
		"[koratctl](koratctl.md).\nWhat the agent counts: [metrics](metrics.md).\n\n| Kind | What |\n|---|---|\n");
	for (unsigned int kind = 1; kind < KIND_COUNT_; kind++) {
		const struct kind_desc *desc = kind_get((enum kind)kind);

		buf_addf(&index, "| [%s](%s.md) | %s |\n", desc->name, desc->singular,
			 desc->doc ? desc->doc : "");
		buf_reset(&page);
		model_write_reference(desc, &page);
		r = write_page(dir, desc->singular, &page, err);
		if (r < 0)
			return r;
	}
	return write_page(dir, "index", &index, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc != 2) {
		fprintf(stderr, "usage: korat-reference DIRECTORY\n");
		return EXIT_FAILURE;
	}
	if (write_all(argv[1], &err) < 0) {
		fprintf(stderr, "korat-reference: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
