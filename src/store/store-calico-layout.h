/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where Calico keeps objects in etcd, and in which form. Pure: keys and texts, no I/O.
 *
 *	/calico/resources/v3/projectcalico.org/<plural>/[<namespace>/]<name>	the v3 text as it is
 *	/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-26			IPAMBlock
 *	/calico/ipam/v2/host/<node>/ipv4/block/10.1.2.0-26			BlockAffinity
 *	/calico/ipam/v2/virtual/<owner>/ipv4/block/10.1.2.0-26			BlockAffinity
 *	/calico/ipam/v2/handle/<id>						IPAMHandle
 *	/calico/ipam/v2/config							IPAMConfiguration
 *
 * The last five have JSON forms of their own: no metadata, and what the key says is not repeated.
 * They become v3 texts and back; members nobody knows pass through. Metadata of such objects is not
 * kept, but for the name and the labels of an affinity, which follow from its key.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ip.h"
#include "model/model.h"

struct buf;

#define CALICO_PREFIXES_MAX   2u	 /* of one kind */
#define CALICO_CANDIDATES_MAX 16u	 /* affinities that one name may mean */
#define CALICO_VALUE_MAX      (8u << 20) /* bytes of one text that is translated */

/* An object's place. Owned strings. */
struct calico_place {
	enum kind kind;
	char *namespace; /* NULL for kinds without */
	char *name;
	/* Blocks and affinities. */
	struct cidr cidr;
	/* Affinities. */
	char *owner;
	bool is_virtual; /* the owner is no node */
};
void calico_place_deinit(struct calico_place *place);
CLEANUP_DEINIT(struct calico_place, calico_place_deinit);

/* False: no object of a kind we know lies there; it is to be passed over. */
bool calico_place_from_key(const char *key, size_t size, struct calico_place *ret);

/*
 * The place of an object by its name. An affinity's name does not say where its owner's name ends
 * and whether it is a node; 'text' (its v3 text; may be NULL) does. Without it, one of those the
 * name may mean.
 * -EINVAL: such a name can't be stored here, or the text contradicts it; 'err' says why.
 */
MUST_CHECK int calico_place_from_name(enum kind kind, const char *namespace, const char *name,
				      const char *text, size_t size, struct calico_place *ret,
				      struct err *err);

/*
 * All places an affinity of that name may lie at; gives how many. Of names that may have been cut
 * and hashed (*ret_hashed) only a list finds the place.
 */
size_t calico_affinity_candidates(const char *name, struct calico_place ret[CALICO_CANDIDATES_MAX],
				  bool *ret_hashed);

char *calico_key(const struct calico_place *place); /* heap string */

/* The prefixes below which a kind lies; namespace NULL: all. Heap strings; gives how many. */
size_t calico_prefixes(enum kind kind, const char *namespace, char *ret[CALICO_PREFIXES_MAX]);

/* Appends the form that is stored. -EINVAL: the text is no v3 object; 'err' names it. */
MUST_CHECK int calico_value_store(const struct calico_place *place, const char *text, size_t size,
				  struct buf *out, struct err *err);

/*
 * Appends the v3 text. What can't be translated is appended as it is, so whoever reads the object
 * finds out and says which one it is.
 */
void calico_value_load(const struct calico_place *place, const char *data, size_t size,
		       struct buf *out);
