/* SPDX-License-Identifier: Apache-2.0 */

/* Tables in the two dresses of calicoctl: aligned by blanks, and boxed. */

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

#define PADDING	  3
#define MIN_WIDTH 5

void ctl_table_deinit(struct ctl_table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct ctl_table){.cells = NULL};
}

void ctl_table_add(struct ctl_table *table, const char *text)
{
	char *cell = xstrdup(text ? text : "");

	/* Text out of the datastore must not steer a terminal. */
	for (char *c = cell; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	*ARRAY_ADD(table->cells, table->n_cells) = cell;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t *column_widths(const struct ctl_table *table)
{
	size_t *widths = xcalloc(table->n_columns, sizeof(*widths));

	for (size_t i = 0; i < table->n_cells; i++) {
		size_t *width = &widths[i % table->n_columns];

		*width = MAX(*width, width_of(table->cells[i]));
	}
	return widths;
}

static void put(FILE *out, const char *text, size_t before, size_t after)
{
	for (size_t i = 0; i < before; i++)
		fputc(' ', out);
	fputs(text, out);
	for (size_t i = 0; i < after; i++)
		fputc(' ', out);
}

void ctl_table_print(const struct ctl_table *table, FILE *out)
{
	_cleanup_free_ size_t *widths = column_widths(table);

	for (size_t i = 0; i < table->n_cells; i++) {
		size_t column = i % table->n_columns;
		size_t width = MAX(widths[column] + PADDING, (size_t)MIN_WIDTH);

		put(out, table->cells[i], 0, width - width_of(table->cells[i]));
		if (column + 1 == table->n_columns)
			fputc('\n', out);
	}
}

static void print_rule(const size_t *widths, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		fputc('+', out);
		for (size_t k = 0; k < widths[i] + 2; k++)
			fputc('-', out);
	}
	fputs("+\n", out);
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

void ctl_table_print_boxed(const struct ctl_table *table, FILE *out)
{
	_cleanup_free_ size_t *widths = column_widths(table);
	size_t n = table->n_columns;

	print_rule(widths, n, out);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t spare = widths[i % n] - width_of(table->cells[i]);
		/* The header is centred, numbers stand on the right. */
		size_t before = i < n ? spare / 2 : is_number(table->cells[i]) ? spare : 0;

		fputs(i % n == 0 ? "| " : " | ", out);
		put(out, table->cells[i], before, spare - before);
		if (i % n == n - 1)
			fputs(" |\n", out);
		if (i == n - 1)
			print_rule(widths, n, out);
	}
	print_rule(widths, n, out);
}
