/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The CalicoAPIConfig file (-c), which says where the datastore is. What the environment sets
 * counts more, as for calicoctl. A field that would have no effect is refused, never passed over:
 * a person would go on to change another datastore than the one the file means.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/secret.h"
#include "ctl/ctl-internal.h"
#include "model/yaml-tree.h"

#define DEFAULT_FILE	"/etc/calico/calicoctl.cfg"
#define CONFIG_FILE_MAX (64u << 10) /* bytes */

enum field_use {
	USE_TEXT,
	USE_PASSWORD,
	USE_REFUSED,
	USE_KUBERNETES,
};

#define TEXT(name, env, member, doc)                                                               \
	{                                                                                          \
		name, USE_TEXT, env, offsetof(struct store_config, member), doc                    \
	}
#define REFUSED(name, remedy)                                                                      \
	{                                                                                          \
		name, USE_REFUSED, NULL, 0, remedy                                                 \
	}
#define KUBERNETES(name)                                                                           \
	{                                                                                          \
		name, USE_KUBERNETES, NULL, 0, NULL                                                \
	}

/* The fields of spec. */
static const struct config_field {
	const char *name;
	enum field_use use;
	const char *variable; /* that counts more when it is set, also with CALICO_ before it */
	size_t offset;	      /* of the text in store_config */
	const char *remedy;   /* or what a field that is read means */
} fields[] = {
	TEXT("datastoreType", "DATASTORE_TYPE", type, "sqlite or etcdv3"),
	TEXT("sqliteFile", "KORAT_SQLITE_FILE", path,
	     "sqlite: the file, default /var/lib/korat/korat.db"),
	TEXT("etcdEndpoints", "ETCD_ENDPOINTS", etcd_endpoints,
	     "etcdv3: servers, with commas between them"),
	TEXT("etcdUsername", "ETCD_USERNAME", etcd_user, "etcdv3: user"),
	{"etcdPassword", USE_PASSWORD, "ETCD_PASSWORD", 0, "etcdv3: password"},
	TEXT("etcdKeyFile", "ETCD_KEY_FILE", etcd_key_file,
	     "etcdv3: file of the private key for TLS"),
	TEXT("etcdCertFile", "ETCD_CERT_FILE", etcd_cert_file,
	     "etcdv3: file of the certificate for TLS"),
	TEXT("etcdCACertFile", "ETCD_CA_CERT_FILE", etcd_ca_file,
	     "etcdv3: file of the authorities of the servers"),
	REFUSED("etcdDiscoverySrv", "list the servers in etcdEndpoints"),
	REFUSED("etcdKey", "write it to a file and name that in etcdKeyFile"),
	REFUSED("etcdCert", "write it to a file and name that in etcdCertFile"),
	REFUSED("etcdCACert", "write it to a file and name that in etcdCACertFile"),
	KUBERNETES("kubeconfig"),
	KUBERNETES("kubeconfigInline"),
	KUBERNETES("k8sAPIEndpoint"),
	KUBERNETES("k8sAPIToken"),
	KUBERNETES("k8sCAFile"),
	KUBERNETES("k8sCertFile"),
	KUBERNETES("k8sKeyFile"),
	KUBERNETES("k8sInsecureSkipTLSVerify"),
	KUBERNETES("k8sDisableNodePoll"),
	KUBERNETES("k8sClientQPS"),
	KUBERNETES("k8sClientBurst"),
	KUBERNETES("k8sCurrentContext"),
	KUBERNETES("usePodCIDR"),
	KUBERNETES("calicoAPIGroup"),
};

/* A file being read: its name and the lines of its fields, for messages. */
struct reader {
	const char *path;
	const json_t *lines; /* of spec */
	struct ctl_config *config;
};

void ctl_config_deinit(struct ctl_config *config)
{
	store_config_deinit(&config->store);
	json_decref(config->file);
	config->file = NULL;
}

static bool environment_has(const char *variable)
{
	_cleanup_free_ char *longer = xasprintf("CALICO_%s", variable);
	const char *names[] = {variable, longer};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return true;
	}
	return false;
}

static int line_of(const struct reader *reader, const char *field)
{
	const json_t *line = json_object_get(reader->lines, field);

	if (json_is_object(line))
		line = json_object_get(line, "");
	if (json_is_array(line))
		line = json_array_get(line, 0);
	return (int)json_integer_value(line);
}

static int unknown_field(const struct reader *reader, const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(fields) + 1] = {NULL};
	const char *nearest;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		names[i] = fields[i].name;
	nearest = ctl_nearest(name, names);
	return err_set(err, -EINVAL, "%s:%d: spec.%.64s: there is no such field; %s%s%s",
		       reader->path, line_of(reader, name), name,
		       nearest ? "did you mean spec." : "remove it", nearest ? nearest : "",
		       nearest ? "?" : "");
}

static void take_field(struct ctl_config *config, const struct config_field *field,
		       const char *value)
{
	if (field->use == USE_PASSWORD) {
		config->store.etcd_password = secret_new(value, strlen(value));
		return;
	}
	memcpy((char *)&config->store + field->offset, &value, sizeof(value));
}

static int read_field(const struct reader *reader, const char *name, const json_t *value,
		      struct err *err)
{
	const struct config_field *field = NULL;
	int line = line_of(reader, name);

	for (size_t i = 0; i < ARRAY_SIZE(fields) && !field; i++)
		if (strcmp(fields[i].name, name) == 0)
			field = &fields[i];
	if (!field)
		return unknown_field(reader, name, err);
	if (json_is_null(value) || (json_is_string(value) && !*json_string_value(value)))
		return 0;
	switch (field->use) {
	case USE_REFUSED:
		return err_set(err, -ENOTSUP, "%s:%d: spec.%s is not supported yet; %s",
			       reader->path, line, name, field->remedy);
	case USE_KUBERNETES:
		if (environment_has("DATASTORE_TYPE"))
			return 0;
		return err_set(err, -ENOTSUP,
			       "%s:%d: spec.%s: the Kubernetes datastore is not supported yet; "
			       "remove the field, or set DATASTORE_TYPE to sqlite or etcdv3",
			       reader->path, line, name);
	case USE_TEXT:
	case USE_PASSWORD:
		break;
	}
	if (!json_is_string(value))
		return err_set(err, -EINVAL, "%s:%d: spec.%s: expected a text; put it in quotes",
			       reader->path, line, name);
	if (!environment_has(field->variable))
		take_field(reader->config, field, json_string_value(value));
	return 0;
}

/* apiVersion, kind and what else may stand outside spec. */
static int read_top(const struct reader *reader, const json_t *file, struct err *err)
{
	static const char *const wanted[][2] = {{"apiVersion", "projectcalico.org/v3"},
						{"kind", "CalicoAPIConfig"}};
	static const char *const known[] = {"apiVersion", "kind", "metadata", "spec"};
	const char *name;
	const json_t *value;

	if (!json_is_object(file))
		return err_set(err, -EINVAL,
			       "%s: expected an object of kind CalicoAPIConfig, see koratctl help "
			       "config",
			       reader->path);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const char *has = json_string_value(json_object_get(file, wanted[i][0]));

		if (!has || strcmp(has, wanted[i][1]) != 0)
			return err_set(err, -EINVAL, "%s: %s: expected %s, not \"%.64s\"",
				       reader->path, wanted[i][0], wanted[i][1], has ? has : "");
	}
	json_object_foreach((json_t *)file, name, value)
	{
		bool ok = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			ok = ok || strcmp(name, known[i]) == 0;
		if (!ok)
			return err_set(err, -EINVAL,
				       "%s: %.64s: there is no such field; the fields of the "
				       "datastore stand below spec",
				       reader->path, name);
	}
	return 0;
}

static int read_spec(const struct reader *reader, struct err *err)
{
	const json_t *spec = json_object_get(reader->config->file, "spec");
	struct store_config *store = &reader->config->store;
	const char *name;
	const json_t *value;
	int r = 0;

	if (!json_is_object(spec))
		return err_set(err, -EINVAL,
			       "%s: spec: expected an object with datastoreType and what belongs "
			       "to it",
			       reader->path);
	/* To Calico, a file with servers of etcd needs to say no more. */
	if (json_object_get(spec, "etcdEndpoints") && !environment_has("DATASTORE_TYPE"))
		store->type = "etcdv3";
	json_object_foreach((json_t *)spec, name, value)
	{
		r = read_field(reader, name, value, err);
		if (r < 0)
			return r;
	}
	if (strcmp(store->type, "kubernetes") == 0 && !environment_has("DATASTORE_TYPE"))
		return err_set(err, -ENOTSUP,
			       "%s:%d: spec.datastoreType: the Kubernetes datastore is not "
			       "supported yet; use sqlite or etcdv3",
			       reader->path, line_of(reader, "datastoreType"));
	return 0;
}

static int read_file(const char *path, struct ctl_config *config, struct err *err)
{
	_cleanup_(yaml_documents_deinitp) struct yaml_documents documents = {.v = NULL};
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct reader reader = {.path = path, .config = config};
	int r;

	r = file_read(path, CONFIG_FILE_MAX, &text, err);
	if (r == 0)
		r = yaml_read(buf_str(&text), text.size, path, &documents, err);
	/* It may hold a password. */
	if (text.size)
		explicit_bzero(text.data, text.size);
	if (r < 0)
		return r;
	if (documents.n != 1)
		return err_set(err, -EINVAL,
			       "%s: expected one CalicoAPIConfig, found %zu documents", path,
			       documents.n);
	config->file = json_incref(documents.v[0].value);
	reader.lines = json_object_get(documents.v[0].lines, "spec");
	r = read_top(&reader, config->file, err);
	return r < 0 ? r : read_spec(&reader, err);
}

void ctl_help_config(FILE *out)
{
	fputs("Where the datastore is: a file (-c, " DEFAULT_FILE " if it is there), and the\n"
	      "environment, which counts more. Without both it is SQLite's\n"
	      "/var/lib/korat/korat.db.\n\n"
	      "  apiVersion: projectcalico.org/v3\n"
	      "  kind: CalicoAPIConfig\n"
	      "  metadata:\n"
	      "  spec:\n"
	      "    datastoreType: etcdv3\n"
	      "    etcdEndpoints: https://192.0.2.1:2379,https://192.0.2.2:2379\n"
	      "    etcdCACertFile: /etc/calico/ca.crt\n\n"
	      "Fields of spec, and the variables of the same meaning (with CALICO_ before the name,\n"
	      "too, except KORAT_SQLITE_FILE):\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].variable)
			fprintf(out, "  %-16s %-18s %s\n", fields[i].name, fields[i].variable,
				fields[i].remedy);
	fputs("\nThe Kubernetes datastore is not supported yet.\n", out);
}

int ctl_config_read(const char *path, struct ctl_config *ret, struct err *err)
{
	_cleanup_(ctl_config_deinitp) struct ctl_config config = {.file = NULL};
	struct stat st;
	int r = 0;

	store_config_from_environment(&config.store);
	if (path || stat(DEFAULT_FILE, &st) == 0)
		r = read_file(path ? path : DEFAULT_FILE, &config, err);
	if (r < 0)
		return r;
	*ret = config;
	config = (struct ctl_config){.file = NULL};
	return 0;
}

char *ctl_run_path(const char *name)
{
	const char *dir = getenv("KORAT_RUN_DIR");

	return xasprintf("%s/%s", dir && *dir ? dir : "/run/korat", name);
}
