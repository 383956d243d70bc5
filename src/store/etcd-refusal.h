/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What etcd's refusals mean: a table by its words, since its codes don't tell them apart. Pure. */

struct etcd_failure;

/* What to do about a refusal. */
enum etcd_remedy {
	ETCD_REMEDY_NONE,  /* it is final */
	ETCD_REMEDY_TOKEN, /* a new token, once */
	ETCD_REMEDY_WAIT,  /* again, a write too: it was not carried out */
	ETCD_REMEDY_ASK,   /* again, but a write's fate is not known */
	ETCD_REMEDY_COMPACTED,
};

struct etcd_refusal {
	const char *text; /* part of etcd's message */
	enum etcd_remedy remedy;
	int code;
	const char *advice;
};

/* 'status' is that of HTTP. There is always one that fits. */
const struct etcd_refusal *etcd_refusal_find(long status, const struct etcd_failure *failure);
