/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How kinds and their fields are described, and the field holders that all kinds share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

struct opt_bool {
	bool set;
	bool v;
};

struct opt_int {
	bool set;
	int64_t v;
};

struct opt_real {
	bool set;
	double v;
};

/* Every list is laid out as this one, with its own element type. */
struct str_list {
	char **v;
	size_t n;
	bool set;
};

struct int_list {
	int64_t *v;
	size_t n;
	bool set;
};

/* Elements may be null (IPAM allocations). */
struct opt_int_list {
	struct opt_int *v;
	size_t n;
	bool set;
};

struct str_pair {
	char *key;
	char *value;
};

struct str_map { /* sorted by key, keys unique */
	struct str_pair *v;
	size_t n;
	bool set;
};

struct int_pair {
	char *key;
	int64_t value; /* unsigned 64-bit values keep their bits */
};

struct int_map {
	struct int_pair *v;
	size_t n;
	bool set;
};

/* NULL: not there. */
const char *str_map_find(const struct str_map *map, const char *key);
void str_map_put(struct str_map *map, const char *key, const char *value); /* copies */
bool str_map_remove(struct str_map *map, const char *key);
const struct int_pair *int_map_find(const struct int_map *map, const char *key);
void int_map_put(struct int_map *map, const char *key, int64_t value);
bool int_map_remove(struct int_map *map, const char *key);
void str_list_add(struct str_list *list, const char *s); /* copies; sets 'set' */

struct meta {
	char *name;
	char *namespace; /* NULL for kinds without */
	char *uid;
	char *resource_version; /* as a person sees it; the store fills it in when listing */
	char *creation_timestamp;
	char *generate_name;
	struct str_map labels;
	struct str_map annotations;
};

/* The head of every kind's struct. */
struct object {
	const struct kind_desc *desc;
	struct meta meta;
	struct json_t *unknown; /* what MODEL_LENIENT kept, with its place; NULL: nothing */
};

struct kind_desc {
	enum kind kind;
	const char *name;	    /* "IPPool" */
	const char *plural;	    /* "ippools" */
	const char *singular;	    /* "ippool" */
	const char *const *aliases; /* NULL-terminated, may be NULL */
	bool namespaced;
	/* Of Kubernetes' kinds, what texts call them; NULL: projectcalico.org/v3, and 'name'. */
	const char *api_version;
	const char *api_kind;
	/*
	 * Only the fields we use are described: every other is kept and written back, whatever the
	 * mode of reading.
	 */
	bool open;
	/*
	 * Objects lie over each other ("default", then node.NAME): what one leaves absent the one
	 * below says. So only "default" is defaulted.
	 */
	bool layered;
	size_t size; /* of the C struct */
	const struct struct_desc
		*root; /* fields of the whole object below metadata: spec, status */
	const char *doc;
	/* Defaults that depend on other fields, after those of the table; NULL: none. */
	void (*fill)(struct object *object);
	/*
	 * Rules across fields; NULL: none. The table's own checks have passed before. A message
	 * begins with the field's path ("spec.cidr: ..."); the caller puts Kind/name before it.
	 */
	int (*validate)(const struct object *object, struct err *err);
	int (*validate_update)(const struct object *old, const struct object *object,
			       struct err *err);
	/* Columns of `koratctl get`, each a name and a field path, NULL-terminated by name. */
	const struct kind_column *columns;
};

struct kind_column {
	const char *title;     /* "CIDR" */
	const char *path;      /* "spec.cidr"; NULL ends the table */
	bool wide;	       /* only with -o wide */
	bool count;	       /* of a list: how many items it has */
	size_t max_len;	       /* a longer list is cut there, "..." at its end; 0: never */
	const char *or_path;   /* where to look when there is nothing at 'path'; NULL: nowhere */
	const char *otherwise; /* shown when nothing is there; NULL: "" */
};

/* A JSON number or string, as it was written: ports, protocols. */
struct int_or_string {
	char *s; /* the text, also of a number; NULL: absent */
	bool is_int;
};
struct int_or_string_list {
	struct int_or_string *v;
	size_t n;
	bool set;
};

/* --- Description of fields ------------------------------------------------------------------ */

enum field_type {
	FIELD_STRING,	     /* char *; of CHECK_PROTOCOL a number in JSON where it is one */
	FIELD_BOOL,	     /* struct opt_bool */
	FIELD_INT,	     /* struct opt_int; of CHECK_AS_NUMBER also read from "a.b" */
	FIELD_REAL,	     /* struct opt_real; written without a point where it is whole */
	FIELD_ENUM,	     /* unsigned int sized enum, value i is values[i - 1] */
	FIELD_OBJECT,	     /* pointer to struct, or embedded with FIELD_EMBEDDED */
	FIELD_STR_MAP,	     /* struct str_map */
	FIELD_INT_MAP,	     /* struct int_map */
	FIELD_INT_OR_STRING, /* struct int_or_string */
	/* With FIELD_LIST the member is the list of the type: str_list, int_list, X_list of
	   objects... */
};

enum field_flag {
	FIELD_LIST = 1 << 0,
	FIELD_REQUIRED = 1 << 1,  /* validation: must be there */
	FIELD_IMMUTABLE = 1 << 2, /* validation of an update */
	FIELD_EMBEDDED = 1 << 3,  /* object inside the struct; written as {} when empty */
	FIELD_NULLABLE = 1 << 4,  /* list of integers with nulls: struct opt_int_list */
	FIELD_UNSIGNED = 1 << 5,  /* 64 bits without sign */
	FIELD_READ_ONLY = 1 << 6, /* status and the like: documented as such */
	FIELD_DEPRECATED = 1 << 7,
};

/* What a string (or each string of a list) must be; one checker each in model-check.c. */
enum field_check {
	CHECK_NONE,
	CHECK_NAME,	  /* DNS-1123 subdomain */
	CHECK_LABEL_NAME, /* DNS-1123 label */
	CHECK_CIDR,	  /* prefix, host bits clear; an address alone counts as /32, /128 */
	CHECK_CIDR_V4,
	CHECK_CIDR_V6,
	CHECK_IP,
	CHECK_IP_V4,
	CHECK_IP_V6,
	CHECK_IP_CIDR, /* address with its subnet: host bits are kept */
	CHECK_IP_PORT, /* address, or address:port, [v6]:port */
	CHECK_MAC,
	CHECK_INTERFACE, /* [a-zA-Z0-9_.-]{1,15} */
	CHECK_INTERFACE_GLOB,
	CHECK_SELECTOR,	 /* the selector language (syntax only) */
	CHECK_DURATION,	 /* Go duration */
	CHECK_TIME,	 /* RFC 3339 */
	CHECK_AS_NUMBER, /* integer, or "a.b" */
	CHECK_COMMUNITY, /* aa:nn or aa:nn:mm */
	CHECK_PORT,	 /* number, "a:b" range or name */
	CHECK_PROTOCOL,	 /* name or 1..255 */
	CHECK_LABEL_KEY,
	CHECK_LABEL_VALUE, /* up to 63 characters, may be empty */
	CHECK_REGEX,
	CHECK_CLUSTER_ID, /* IPv4 form, of a route reflector */
	CHECK_RATE,	  /* 1..9999/second, minute, hour or day */
};

struct struct_desc;

struct field_desc {
	const char *name; /* JSON name */
	enum field_type type;
	unsigned int flags; /* enum field_flag */
	enum field_check check;
	size_t offset;
	const struct struct_desc *sub; /* FIELD_OBJECT */
	const char *const *values; /* FIELD_ENUM, or what a FIELD_STRING may be; NULL-terminated */
	const char *def;	   /* default as JSON text; NULL: none */
	int64_t min, max;	   /* FIELD_INT: allowed range where max > min. List: max count */
	const char *doc;	   /* one or two sentences */
	const char *alias;	   /* older spelling also read; NULL: none */
};

struct struct_desc {
	const struct field_desc *fields;
	size_t n_fields;
	size_t size; /* of the C struct */
};

#define STRUCT_DESC(type, table)                                                                   \
	{                                                                                          \
		.fields = (table), .n_fields = ARRAY_SIZE(table), .size = sizeof(struct type)      \
	}

#define OBJECT(ptr) (&(ptr)->object)
