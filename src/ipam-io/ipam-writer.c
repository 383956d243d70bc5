/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Carries out the plan of the ipam module on a store: reads what it asks for, commits what it says,
 * tells it how that went. Texts whose revision the plan still has are not parsed again. There is
 * no decision here.
 */

#include "ipam-io/ipam-writer.h"

#include <errno.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ipam/ipam-plan.h"
#include "store/store.h"

struct ipam_writer {
	struct store *store;
	struct ipam_plan *plan;
	struct ipam_companion companion; /* 'make' NULL: there is none */
	struct ipam_writer_counts counts;
};

struct ipam_writer *ipam_writer_new(struct store *store, const char *node)
{
	struct ipam_writer *writer = XNEW(struct ipam_writer);

	writer->store = store;
	writer->plan = ipam_plan_new(node);
	return writer;
}

struct ipam_writer *ipam_writer_free(struct ipam_writer *writer)
{
	if (!writer)
		return NULL;
	ipam_plan_free(writer->plan);
	free(writer);
	return NULL;
}

void ipam_writer_set_companion(struct ipam_writer *writer, const struct ipam_companion *companion)
{
	writer->companion = *companion;
}

const struct ipam_writer_counts *ipam_writer_counts(const struct ipam_writer *writer)
{
	return &writer->counts;
}

/* --- Reading --------------------------------------------------------------------------------- */

struct reading {
	struct store_list *lists; /* one per read; that of one object has at most one */
	size_t n_lists;
	uint64_t revision; /* of the store when the first was read, if there is a list of a kind */
	struct ipam_found *found;
	size_t n_found;
	char **messages; /* of what is corrupt */
	size_t n_messages;
};

static void reading_deinit(struct reading *reading)
{
	for (size_t i = 0; i < reading->n_lists; i++)
		store_list_deinit(&reading->lists[i]);
	free(reading->lists);
	for (size_t i = 0; i < reading->n_messages; i++)
		free(reading->messages[i]);
	free(reading->messages);
	/* An object that no event took. */
	for (size_t i = 0; i < reading->n_found; i++)
		model_free(reading->found[i].object);
	free(reading->found);
}
CLEANUP_DEINIT(struct reading, reading_deinit);

static void add_found(struct ipam_writer *writer, const struct store_object *stored,
		      struct reading *reading)
{
	struct ipam_found *found = ARRAY_ADD(reading->found, reading->n_found);
	struct err err = ERR_INIT;

	*found = (struct ipam_found){
		.kind = stored->kind, .name = stored->name, .revision = stored->revision};
	if (ipam_plan_known(writer->plan, stored->kind, stored->name) == stored->revision)
		return;
	if (store_object_read(stored, &found->object, &err) < 0) {
		found->corrupt = xstrdup(err.msg);
		*ARRAY_ADD(reading->messages, reading->n_messages) =
			(char *)(uintptr_t)found->corrupt;
		return;
	}
	/* The revision is kept beside the object; its text is written without. */
	replace_str(&found->object->meta.resource_version, NULL);
}

static int do_reads(struct ipam_writer *writer, const struct ipam_update *update,
		    struct reading *reading, struct err *err)
{
	_cleanup_free_ struct store_query *queries = xcalloc(update->n_reads, sizeof(*queries));
	int r;

	for (size_t i = 0; i < update->n_reads; i++)
		queries[i] = (struct store_query){.kind = update->reads[i].kind,
						  .name = update->reads[i].name};
	reading->lists = xcalloc(update->n_reads, sizeof(*reading->lists));
	writer->counts.n_reads++;
	r = store_read(writer->store, queries, update->n_reads, reading->lists, err);
	if (r < 0)
		return r;
	reading->n_lists = update->n_reads;
	for (size_t i = 0; i < reading->n_lists; i++) {
		uint64_t revision = reading->lists[i].revision;

		if (revision && (!reading->revision || revision < reading->revision))
			reading->revision = revision;
		for (size_t j = 0; j < reading->lists[i].n; j++)
			add_found(writer, &reading->lists[i].v[j], reading);
	}
	return 0;
}

/* --- Writing --------------------------------------------------------------------------------- */

static const enum store_op_type op_types[] = {
	[IPAM_OP_CREATE] = STORE_CREATE,
	[IPAM_OP_UPDATE] = STORE_UPDATE,
	[IPAM_OP_DELETE] = STORE_DELETE,
	[IPAM_OP_EXPECT] = STORE_EXPECT,
	[IPAM_OP_EXPECT_NONE_NEWER] = STORE_EXPECT_NONE_NEWER,
};

struct writing {
	struct store_op *ops; /* those of the plan, then the companions */
	struct buf *texts;
	size_t n_texts;
	const struct ipam_request **accompanied;
	size_t n_accompanied;
};

static void writing_deinit(struct writing *writing)
{
	for (size_t i = 0; i < writing->n_texts; i++)
		buf_deinit(&writing->texts[i]);
	free(writing->texts);
	free(writing->ops);
	free(writing->accompanied);
}
CLEANUP_DEINIT(struct writing, writing_deinit);

static void prepare_op(const struct ipam_op *op, struct buf *text, struct store_op *ret)
{
	*ret = (struct store_op){.type = op_types[op->type],
				 .kind = op->kind,
				 .name = op->name,
				 .revision = op->revision};
	if (!op->object)
		return;
	model_write_json(op->object, text);
	ret->value = buf_str(text);
	ret->size = text->size;
}

static void prepare(struct ipam_writer *writer, const struct ipam_update *update,
		    struct writing *ret)
{
	const struct ipam_companion *companion = &writer->companion;

	*ret = (struct writing){
		.ops = xcalloc(update->n_ops + update->n_deciding, sizeof(*ret->ops)),
		.texts = xcalloc(update->n_ops, sizeof(*ret->texts)),
		.n_texts = update->n_ops,
	};
	for (size_t i = 0; i < update->n_ops; i++)
		prepare_op(&update->ops[i], &ret->texts[i], &ret->ops[i]);
	for (size_t i = 0; companion->make && i < update->n_deciding; i++) {
		if (companion->make(companion->ctx, update->deciding[i],
				    &ret->ops[update->n_ops + ret->n_accompanied]))
			*ARRAY_ADD(ret->accompanied, ret->n_accompanied) = update->deciding[i];
	}
}

static void count_objects(struct ipam_writer *writer, const struct ipam_update *update)
{
	for (size_t i = 0; i < update->n_ops; i++)
		writer->counts.n_objects += update->ops[i].type < IPAM_OP_EXPECT;
}

/* Gives an event: written, conflict or failed. */
static int do_commit(struct ipam_writer *writer, const struct ipam_update *update,
		     struct ipam_event *ret, struct err *err)
{
	_cleanup_(writing_deinitp) struct writing writing = {.n_texts = 0};
	int r;

	prepare(writer, update, &writing);
	r = store_commit(writer->store, writing.ops, writing.n_texts + writing.n_accompanied,
			 &ret->revision, &ret->failed, err);
	if (r < 0)
		return r;
	writer->counts.n_commits += r == 0;
	writer->counts.n_conflicts += r != 0;
	if (r != 0) {
		ret->type = IPAM_EVENT_CONFLICT;
		return 0;
	}
	ret->type = IPAM_EVENT_WRITTEN;
	count_objects(writer, update);
	for (size_t i = 0; i < writing.n_accompanied; i++)
		writer->companion.made(writer->companion.ctx, writing.accompanied[i],
				       ret->revision);
	return 0;
}

/* --- Serving --------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_step(struct ipam_writer *writer, struct ipam_update *update, int *ret_failure,
		      struct err *err)
{
	_cleanup_(reading_deinitp) struct reading reading = {.n_lists = 0};
	int r = do_reads(writer, update, &reading, err);
	struct ipam_event event = {
		.type = IPAM_EVENT_READ,
		.found = reading.found,
		.n_found = reading.n_found,
		.revision = reading.revision,
	};

	if (r < 0) {
		*ret_failure = r;
		event = (struct ipam_event){.type = IPAM_EVENT_FAILED, .message = err->msg};
		ipam_plan_step(writer->plan, &event, update);
		return;
	}
	ipam_plan_step(writer->plan, &event, update);
	for (size_t i = 0; i < reading.n_found; i++)
		reading.found[i].object = NULL;
}

static void commit_step(struct ipam_writer *writer, struct ipam_update *update, int *ret_failure,
			struct err *err)
{
	struct ipam_event event = {.type = IPAM_EVENT_FAILED};
	int r = do_commit(writer, update, &event, err);

	if (r < 0) {
		*ret_failure = r;
		event = (struct ipam_event){.type = IPAM_EVENT_FAILED, .message = err->msg};
	}
	ipam_plan_step(writer->plan, &event, update);
}

int ipam_writer_serve(struct ipam_writer *writer, struct ipam_request *requests, size_t n,
		      struct err *err)
{
	struct ipam_event begin = {.type = IPAM_EVENT_BEGIN,
				   .requests = requests,
				   .n_requests = n,
				   .now_ns = now_ns()};
	struct ipam_update update;
	struct err own = ERR_INIT;
	int failure = 0;

	ipam_plan_step(writer->plan, &begin, &update);
	while (update.next != IPAM_NEXT_DONE) {
		if (update.next == IPAM_NEXT_READ)
			read_step(writer, &update, &failure, &own);
		else
			commit_step(writer, &update, &failure, &own);
	}
	return failure < 0 ? err_set(err, failure, "%s", own.msg) : 0;
}
