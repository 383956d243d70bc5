/* SPDX-License-Identifier: Apache-2.0 */

/* A list: worlds of tests are small. */

#include "calc/policy-record.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph.h"
#include "calc/policy-mirror.h"
#include "model/model-desc.h"

void policy_record_deinit(struct policy_record *record)
{
	for (size_t i = 0; i < record->n; i++)
		(void)model_free(record->v[i]);
	free(record->v);
	*record = (struct policy_record){.v = NULL};
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

void policy_record_remove(struct policy_record *record, enum kind kind, const char *namespace,
			  const char *name)
{
	for (size_t i = 0; i < record->n; i++) {
		struct object *object = record->v[i];

		if (object->desc->kind != kind || !same(object->meta.namespace, namespace) ||
		    !same(object->meta.name, name))
			continue;
		(void)model_free(object);
		memmove(&record->v[i], &record->v[i + 1],
			(--record->n - i) * sizeof(struct object *));
		return;
	}
}

void policy_record_put(struct policy_record *record, const struct object *object)
{
	policy_record_remove(record, object->desc->kind, object->meta.namespace, object->meta.name);
	*ARRAY_ADD(record->v, record->n) = model_copy(object);
}

char *policy_record_text(const struct policy_record *record, const char *node)
{
	struct policy_graph *graph = policy_graph_new(node);
	_cleanup_(policy_mirror_deinitp) struct policy_mirror mirror = {0};
	struct policy_update update;
	char *text;

	for (size_t i = record->n; i--;) {
		int r = policy_graph_put(graph, record->v[i], NULL);

		assert(r == 0); /* once it was taken */
	}
	policy_graph_flush(graph, &update);
	policy_mirror_apply(&mirror, &update);
	text = policy_mirror_text(&mirror);
	graph = policy_graph_free(graph);
	return text;
}
