/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DELs for later, when there is an agent: a file each, named after container, interface and role,
 * written whole or not at all. The agent's side is cni_server_replay().
 */

#include "cni/korat-cni.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t hash_add(uint64_t hash, const char *s)
{
	/* FNV-1a, the NUL included so that ("ab", "c") is not ("a", "bc"). */
	do
		hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
	while (*s++);
	return hash;
}

static void queue_name(const struct call *call, char *ret, size_t size)
{
	const char *id = getenv("CNI_CONTAINERID");
	const char *ifname = getenv("CNI_IFNAME");
	uint64_t hash = 0xcbf29ce484222325u;

	if (!id)
		id = "";
	if (!ifname)
		ifname = "";
	hash = hash_add(hash_add(hash, id), ifname);
	(void)snprintf(ret, size, "%.64s_%.15s_%u_%016llx", id, ifname, call->head.role,
		       (unsigned long long)hash);
	for (char *p = ret; *p; p++) {
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", *p))
			*p = '_';
	}
}

/* Room for one more? A file that would be replaced needs none. */
static bool queue_has_room(int dir_fd, const char *name)
{
	unsigned int n = 0;
	struct stat st;
	DIR *dir;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return false;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n < CNI_QUEUE_MAX;
}

static int open_queue(const char *path)
{
	char parent[512];
	char *slash;

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return -1;
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		(void)mkdir(parent, 0755);
	}
	(void)mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool queue_write(struct call *call, int dir_fd, const char *name)
{
	char tmp[32];
	bool ok;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), ".tmp-%ld", (long)getpid());
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	call->head.has_netns = 0;
	ok = write_all(fd, (const char *)&call->head, sizeof(call->head)) &&
	     write_all(fd, call->env, call->head.env_size) &&
	     write_all(fd, call->conf, call->head.stdin_size) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (ok && renameat(dir_fd, tmp, dir_fd, name) == 0)
		return true;
	(void)unlinkat(dir_fd, tmp, 0);
	return false;
}

bool queue_del(struct call *call)
{
	char name[128];
	int dir_fd = open_queue(call->queue);
	bool ok;

	queue_name(call, name, sizeof(name));
	ok = dir_fd >= 0 && queue_has_room(dir_fd, name) && queue_write(call, dir_fd, name);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return ok;
}

void drop_queued_del(struct call *call)
{
	int dir_fd = open(call->queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[128];

	if (dir_fd < 0)
		return;
	queue_name(call, name, sizeof(name));
	call->head.had_del = unlinkat(dir_fd, name, 0) == 0;
	(void)close(dir_fd);
}
