/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The records of the policy graph. Only for src/calc. */

#include "base/hash-table.h"
#include "calc/member-table.h"
#include "calc/policy-graph.h"
#include "model/model-desc.h"
#include "selector/label-index.h"
#include "selector/selector.h"

/* Memory of one answer, given back all at once when the graph is called again. */
struct answer_memory {
	void **blocks;
	size_t n_blocks;
	char *at;
	size_t n_left;
};
/* Zeroed. NULL: nothing was asked for. */
void *answer_alloc(struct answer_memory *memory, size_t n, size_t size);
char *answer_strdup(struct answer_memory *memory, const char *s);
void answer_memory_deinit(struct answer_memory *memory);

/* --- Things with labels and addresses --------------------------------------------------------- */

struct item_port {
	uint32_t name; /* where it is behind the item's own name */
	uint16_t number;
	uint8_t protocol;
};

/* An endpoint of any node, or a network set. One piece of memory: there are many of them. */
struct graph_item {
	struct hash_node node;
	struct label_item label; /* in 'everyone' */
	struct graph_local *local;
	uint32_t n_addrs;
	uint32_t n_ports;
	uint8_t kind;	  /* enum kind */
	uint32_t addrs[]; /* numbers of members; then struct item_port, then the names */
};

/* An endpoint of this node. It outlives its object until the flush that tells of its end. */
struct graph_local {
	struct graph_local *prev, *next;
	char *key;
	bool exists;
	bool is_host;
	char *interface; /* NULL: a host's, known by its addresses */
	struct cidr *addrs;
	size_t n_addrs;
	struct cidr *spoofable;
	size_t n_spoofable;
	char **profiles;
	size_t n_profiles;
	struct label_item label; /* in 'locals' */
	struct graph_policy **matches;
	size_t n_matches;
	struct graph_policy **used; /* those in its tiers, and profiles: each once */
	size_t n_used;
	char *emitted; /* what was told of it, as text; NULL: nothing */
	bool dirty;
	struct graph_local *next_dirty;
};

/* --- Policies, profiles, tiers ---------------------------------------------------------------- */

struct graph_tier {
	struct hash_node node;
	bool has_object;
	bool exists; /* has an object, or is there without one */
	bool pass;
	double order;
	size_t n_policies;
	char name[];
};

/* Lives while it has an object, is used or was told of. A profile may be used without an object. */
struct graph_policy {
	struct hash_node node;
	bool has_object; /* its own, or the one derived */
	bool has_own;
	bool emitted;
	bool dirty;
	bool missing;		/* a profile that is used and not there */
	struct object *derived; /* a profile that a namespace or an account stands for */
	struct graph_policy *next_dirty;
	struct compiled_policy *compiled; /* the last good one */
	struct compiled_policy *active;	  /* whose sets are in use; may be 'compiled' */
	struct graph_tier *tier;	  /* NULL: profile */
	char *sort_name;		  /* NAME/NAMESPACE/KIND */
	char *problem;
	struct selector *selector;
	struct label_query query; /* in 'locals' */
	struct graph_local **matches;
	size_t n_matches;
	size_t n_users; /* local endpoints that use it */
	char key[];
};

/* --- Sets ------------------------------------------------------------------------------------- */

struct graph_set {
	struct hash_node node;
	struct policy_set set;
	size_t n_users; /* active policies; the fixed ones have one more */
	bool is_new;
	bool dirty;
	struct graph_set *next_dirty;
	struct selector *selector;
	struct label_query query;      /* in 'everyone' */
	struct graph_service *service; /* NULL: of a selector, or fixed */
	struct member_counts counts;
};

/* What is known of a service, while it has a slice or a set. */
struct graph_service {
	struct hash_node node;
	struct graph_slice *slices;
	struct graph_set *sets[2]; /* by enum policy_set_type; NULL: not in use */
	char name[];		   /* NAMESPACE/NAME */
};

/* An EndpointSlice. */
struct graph_slice {
	struct hash_node node;
	struct graph_slice *prev, *next; /* in the service's list */
	struct graph_service *service;
	uint32_t *members[2]; /* by the type of the set they are for */
	size_t n_members[2];
	char name[]; /* NAMESPACE/NAME */
};

enum fixed_set {
	FIXED_SET_ALL_HOSTS,
	FIXED_SET_ALL_VXLAN,
	FIXED_SET_POOLS,
	FIXED_SET_MASQ_POOLS,
	FIXED_SETS_,
};

/* What a node or a pool brings into the fixed sets. */
struct graph_source {
	struct hash_node node;
	uint32_t *members[FIXED_SETS_];
	size_t n_members[FIXED_SETS_];
	enum kind kind;
	char name[];
};

/* --- The graph -------------------------------------------------------------------------------- */

struct policy_graph {
	char *node_name;
	struct label_index *everyone;
	struct label_index *locals;
	struct member_table members;
	struct hash_table items;
	struct hash_table policies;
	struct hash_table tiers;
	struct hash_table sets;
	struct hash_table sources;
	struct hash_table services;
	struct hash_table slices;
	struct graph_set *fixed[FIXED_SETS_];
	struct graph_local *local_list;
	struct graph_local *dirty_locals;
	struct graph_policy *dirty_policies;
	struct graph_set *dirty_sets;
	struct answer_memory answer;
	uint64_t n_problem_changes; /* an upper bound */
	/* Scratch of one put. */
	struct policy_member *addrs;
	size_t n_addrs;
	struct str_pair *labels;
	size_t labels_size;
};

/* policy-graph-item.c: endpoints and network sets */

const char *graph_item_namespace(const struct graph_item *item); /* "": none */
const char *graph_item_name(const struct graph_item *item);

MUST_CHECK int graph_put_workload(struct policy_graph *graph, const struct object *object,
				  struct err *err);
MUST_CHECK int graph_put_host(struct policy_graph *graph, const struct object *object,
			      struct err *err);
MUST_CHECK int graph_put_network_set(struct policy_graph *graph, const struct object *object,
				     struct err *err);
void graph_remove_item(struct policy_graph *graph, enum kind kind, const char *namespace,
		       const char *name);
void graph_item_free(struct graph_item *item);
struct item_port *graph_item_ports(const struct graph_item *item);
/* In any case, as all who read endpoints do; 0: none. */
uint8_t graph_read_protocol(const char *text);
const char *graph_item_port_name(const struct graph_item *item, const struct item_port *port);

/* policy-graph-local.c: endpoints of this node */

struct local_fields {
	bool is_host;
	const char *interface;
	const struct policy_member *addrs;
	size_t n_addrs;
	const struct str_list *spoofable;
	const struct str_list *profiles;
};
/* Gives the record, marked. */
struct graph_local *graph_put_local(struct policy_graph *graph, struct graph_local *local,
				    const char *key, const struct local_fields *fields);
void graph_remove_local(struct policy_graph *graph, struct graph_local *local);
void graph_mark_local(struct policy_graph *graph, struct graph_local *local);
void graph_mark_all_locals(struct policy_graph *graph);
void graph_local_free(struct policy_graph *graph, struct graph_local *local);
/* Whoever is dirty: the policies it uses are counted, and it is told of if it has changed. */
void graph_flush_locals(struct policy_graph *graph, struct policy_update *update);
/* Everything the endpoint has to have, of these policies, which are sorted in place. */
void graph_describe_local(struct policy_graph *graph, const struct graph_local *local,
			  struct graph_policy **matches, size_t n_matches,
			  struct policy_endpoint *ret);

/* policy-graph-policy.c: policies, profiles, tiers */

MUST_CHECK int graph_put_policy(struct policy_graph *graph, const struct object *object,
				struct err *err);
void graph_remove_policy(struct policy_graph *graph, enum kind kind, const char *namespace,
			 const char *name);
void graph_put_tier(struct policy_graph *graph, const struct object *object);
void graph_remove_tier(struct policy_graph *graph, const char *name);
/* Namespaces and service accounts: the profiles that they stand for where there is none. */
MUST_CHECK int graph_put_derived(struct policy_graph *graph, const struct object *object,
				 struct err *err);
void graph_remove_derived(struct policy_graph *graph, enum kind kind, const char *namespace,
			  const char *name);
void graph_policy_free(struct policy_graph *graph, struct graph_policy *policy);
/* That of the profile; makes one that denies if there is none. */
struct graph_policy *graph_get_profile(struct policy_graph *graph, const char *name);
void graph_use_policy(struct policy_graph *graph, struct graph_policy *policy);
void graph_unuse_policy(struct policy_graph *graph, struct graph_policy *policy);
int graph_compare_policies(const void *a, const void *b); /* of struct graph_policy * */
void graph_flush_policies(struct policy_graph *graph, struct policy_update *update);
void graph_on_policy_match(void *graph, struct label_query *query, struct label_item *item,
			   bool matches);

/* policy-graph-set.c: sets and what they contain */

struct graph_set *graph_use_set(struct policy_graph *graph, const struct policy_set *set);
void graph_unuse_set(struct policy_graph *graph, const struct policy_set_id *id);
void graph_add_member(struct policy_graph *graph, struct graph_set *set, uint32_t id);
void graph_remove_member(struct policy_graph *graph, struct graph_set *set, uint32_t id);
void graph_set_free(struct policy_graph *graph, struct graph_set *set);
void graph_flush_sets(struct policy_graph *graph, struct policy_update *update);
void graph_on_set_match(void *graph, struct label_query *query, struct label_item *item,
			bool matches);

/* policy-graph-source.c: nodes and pools */

MUST_CHECK int graph_put_source(struct policy_graph *graph, const struct object *object,
				struct err *err);
void graph_remove_source(struct policy_graph *graph, enum kind kind, const char *name);
void graph_add_fixed_sets(struct policy_graph *graph);
void graph_source_free(struct graph_source *source);

/* policy-graph-service.c: what services consist of */

MUST_CHECK int graph_put_slice(struct policy_graph *graph, const struct object *object,
			       struct err *err);
void graph_remove_slice(struct policy_graph *graph, enum kind kind, const char *namespace,
			const char *name);
/* The set is of a service: what is known of that is put in. */
void graph_attach_set(struct policy_graph *graph, struct graph_set *set);
void graph_detach_set(struct policy_graph *graph, struct graph_set *set);
void graph_free_services(struct policy_graph *graph);

/* policy-graph-snapshot.c: everything by brute force */

void graph_snapshot(struct policy_graph *graph, struct policy_update *update);
