/* SPDX-License-Identifier: Apache-2.0 */

/*
 * main() of a fuzz target that is built without libFuzzer: feeds every file named, or found below a
 * directory named, to LLVMFuzzerTestOneInput(). A crash found once is a test for ever: its input is
 * kept under tests/corpus/ and replayed by every build, sanitizers included.
 */

#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, off_t size)
{
	FILE *file;
	uint8_t *data;
	size_t n;

	if (size < 0 || (uint64_t)size > INPUT_MAX) {
		fprintf(stderr, "%s: larger than %u bytes; keep seeds small\n", path, INPUT_MAX);
		return -EFBIG;
	}
	file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	/* Exactly the input's size, so that the sanitizer sees a read of the byte behind it. */
	n = (size_t)size;
	data = malloc(n ? n : 1);
	if (!data)
		abort();
	n = fread(data, 1, n, file);
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long n_inputs = 0;
	int r = 0;
	FTS *tree;
	FTSENT *entry;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	tree = fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!tree) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while ((entry = fts_read(tree))) {
		if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR ||
		    entry->fts_info == FTS_ERR) {
			fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
			r = -entry->fts_errno;
		} else if (entry->fts_info == FTS_F) {
			int s = replay_file(entry->fts_path, entry->fts_statp->st_size);

			if (s < 0)
				r = s;
			n_inputs++;
		}
	}
	(void)fts_close(tree);
	printf("%lu inputs\n", n_inputs);
	return r < 0 ? 1 : 0;
}
