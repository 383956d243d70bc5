/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where what decided stands: the line of a file or, of an object out of the datastore, the path of
 * its field. A path is keys and indexes:
 * 'spec.ingress[0].from[1].podSelector.matchLabels["a.b/c"]'.
 */

#include "ctl/ctl-policy.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The last of this name: what comes later has replaced the earlier. NULL: it was not read. */
static const struct ctl_item *find_item(const struct ctl_policies *policies,
					const struct object *object)
{
	const struct ctl_item *found = NULL;

	for (size_t i = 0; object && i < policies->items.n; i++) {
		const struct ctl_item *item = &policies->items.v[i];

		if (item->object->desc == object->desc &&
		    same_text(item->object->meta.name, object->meta.name) &&
		    same_text(item->object->meta.namespace, object->meta.namespace))
			found = item;
	}
	return found;
}

/* The next key or index of a path, to free(); NULL: it ends here. */
static char *next_step(const char **path)
{
	const char *at = *path + strspn(*path, ".[");
	size_t len;

	if (*at == '"') {
		at++;
		len = strcspn(at, "\"");
		*path = at + len + (at[len] ? 1 : 0);
		*path += **path == ']';
		return xstrndup(at, len);
	}
	len = strcspn(at, ".[]");
	*path = at + len + (at[len] == ']');
	return len ? xstrndup(at, len) : NULL;
}

/* The line of the field. 0: it is not written there, as where a default stands for it. */
static int line_of(const struct ctl_item *item, const char *path)
{
	char **steps = NULL;
	size_t n = 0;
	char *step;
	int line;

	while ((step = next_step(&path)))
		*ARRAY_ADD(steps, n) = step;
	*ARRAY_ADD(steps, n) = NULL;
	line = model_line_of(item->lines, (const char *const *)steps);
	for (size_t i = 0; i < n; i++)
		free(steps[i]);
	free(steps);
	return line;
}

struct ctl_place ctl_place_of_field(const struct ctl_policies *policies,
				    const struct object *object, const char *path)
{
	const struct ctl_item *item = find_item(policies, object);
	struct ctl_place place = {""};
	int line = item && item->lines ? line_of(item, path) : 0;

	if (line)
		(void)snprintf(place.s, sizeof(place.s), "%.250s:%d", item->source, line);
	else if (item && !item->lines)
		(void)snprintf(place.s, sizeof(place.s), "%.590s",
			       *item->source ? item->source : path);
	return place;
}

struct ctl_place ctl_place_of(const struct ctl_policies *policies, const struct object *object)
{
	return ctl_place_of_field(policies, object, "");
}

char *ctl_rule_path(enum policy_direction direction, size_t index)
{
	return xasprintf("spec.%s[%zu]", policy_direction_text(direction), index);
}

struct ctl_place ctl_place_of_rule(const struct ctl_policies *policies, const struct object *object,
				   enum policy_direction direction, size_t index)
{
	_cleanup_free_ char *path = ctl_rule_path(direction, index);
	struct ctl_place place = ctl_place_of_field(policies, object, path);

	/* Its number says as much. */
	return strcmp(place.s, path) == 0 ? (struct ctl_place){""} : place;
}

char *ctl_part_path(const struct reason_part *part, const char *base)
{
	return part->field ? xasprintf("%s.%s", base, part->field) : NULL;
}

struct ctl_place ctl_place_of_part(const struct ctl_policies *policies, const struct object *object,
				   const char *base, const struct reason_part *part)
{
	_cleanup_free_ char *path = ctl_part_path(part, base);

	return path ? ctl_place_of_field(policies, object, path) : (struct ctl_place){""};
}
