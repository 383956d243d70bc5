/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is asked of the address management, and how it ended. ASSIGN does not look whether the
 * handle already has addresses: a caller that may be repeated (CNI ADD) finds that out from its
 * own records, or releases the handle first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "model/model-desc.h"

enum ipam_use { IPAM_USE_WORKLOAD, IPAM_USE_TUNNEL, IPAM_USE_LOAD_BALANCER };

enum ipam_request_type {
	IPAM_ASSIGN_AUTO,    /* n_v4 and n_v6 addresses from this node's blocks */
	IPAM_ASSIGN_ADDRESS, /* exactly 'addr' */
	IPAM_HAND_OVER, /* 'addr' of handle 'from' becomes 'handle''s, which it may be already */
	IPAM_RELEASE_HANDLE, /* every address of 'handle' */
	IPAM_RELEASE_ADDRESS,
	IPAM_REPAIR_HANDLE,	 /* its counts become what the blocks have */
	IPAM_SWEEP_BLOCK,	 /* frees what has cooled down in 'block' */
	IPAM_RELEASE_AFFINITIES, /* what 'host' has of blocks: all, or the one of 'block' */
};

/* How a request ended; 'err' of the result has the words: the pool and the reason. */
enum ipam_result_code {
	IPAM_OK,
	IPAM_E_NO_POOL = 1, /* no enabled pool selects this node for this use */
	IPAM_E_FULL,	    /* every candidate pool is full */
	IPAM_E_BLOCK_LIMIT, /* this node has as many blocks as it may */
	IPAM_E_TAKEN,	    /* the explicit address is in use; to hand over: by another handle */
	IPAM_E_RESERVED,    /* by an IPReservation */
	IPAM_E_NOT_IN_POOL,
	IPAM_E_NOT_FOUND, /* release of what is not assigned; a success for CNI DEL */
	IPAM_E_STORE,	  /* the datastore failed */
	IPAM_E_CHANGED,	  /* the address was assigned anew since that sequence number */
	IPAM_E_IN_USE,	  /* a block that was to be empty is not; the others were released */
};

#define IPAM_ADDRS_MAX 16 /* of one request */

struct ipam_request {
	enum ipam_request_type type;
	const char *handle; /* "k8s-pod-network.<container>", borrowed as all pointers here */
	unsigned int n_v4;
	unsigned int n_v6;
	struct ip_addr addr;
	enum ipam_use use;
	/* Names or CIDRs to restrict a family to; NULL-terminated. NULL: automatic. */
	const char *const *v4_pools;
	const char *const *v6_pools;
	const char *namespace; /* attributes stored with the address; NULL: none */
	const char *pod;
	const char *service;   /* of the address of a load balancer */
	const char *attr_type; /* "vxlanTunnelAddress"...; NULL: a workload */
	int64_t now;	       /* seconds; the 'timestamp' attribute */
	/*
	 * For a pool's namespaceSelector. NULL: of the namespace only its name is known, which is
	 * its label kubernetes.io/metadata.name and projectcalico.org/name.
	 */
	const struct str_map *namespace_labels;
	bool own_blocks_only; /* ASSIGN_AUTO: no new block, none of another node */
	const char *from;     /* HAND_OVER */

	/* RELEASE_ADDRESS: only if it was assigned at that sequence number of its block. */
	bool has_sequence;
	uint64_t sequence;
	/* RELEASE_AFFINITIES. A block in use is only disowned, unless it must be empty. */
	const char *host;
	struct cidr block; /* no family: all */
	bool must_be_empty;

	/* Result, set by the writer. */
	enum ipam_result_code result;
	struct cidr addrs[IPAM_ADDRS_MAX]; /* assigned: address with the block's prefix length */
	unsigned int n_addrs;
	unsigned int n_blocks; /* RELEASE_AFFINITIES: released */
	struct err err;
};
