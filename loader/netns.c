// SPDX-License-Identifier: Apache-2.0
/* Network namespaces: find one, work in it. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "netns.h"

enum {
	NS_PATH = 300,
};

static int open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_open(const char *spec)
{
	char path[NS_PATH];

	if (strchr(spec, '/'))
		return open_path(spec);
	snprintf(path, sizeof(path), "/run/netns/%s", spec);
	if (access(path, F_OK) && *spec && strspn(spec, "0123456789") == strlen(spec))
		snprintf(path, sizeof(path), "/proc/%s/ns/net", spec);
	return open_path(path);
}

/* Is it the one with this id?  Then the open descriptor, else -ENOENT. */
static int try_path(const char *path, int nsid)
{
	int fd = open_path(path), found = -1;

	if (fd < 0)
		return fd;
	if (!link_nsid(fd, &found) && found == nsid)
		return fd;
	close(fd);
	return -ENOENT;
}

static int search(const char *folder, const char *suffix, int nsid, char *where, size_t size)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	int fd = -ENOENT;

	while (dir && fd < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || (*suffix && !isdigit((unsigned char)e->d_name[0])))
			continue;
		snprintf(where, size, "%s/%.64s%s", folder, e->d_name, suffix);
		fd = try_path(where, nsid);
	}
	if (dir)
		closedir(dir);
	return fd;
}

int netns_find(int nsid, char *where, size_t size)
{
	int fd = search("/run/netns", "", nsid, where, size);

	if (fd < 0)
		fd = search("/proc", "/ns/net", nsid, where, size);
	return fd < 0 ? -ENOENT : fd;
}

struct visit {
	int fd, rc;
	int (*fn)(void *arg);
	void *arg;
};

static void *visit(void *arg)
{
	struct visit *v = arg;

	v->rc = setns(v->fd, CLONE_NEWNET) ? -errno : v->fn(v->arg);
	return NULL;
}

int netns_run(int fd, int (*fn)(void *arg), void *arg)
{
	struct visit v = {.fd = fd, .fn = fn, .arg = arg};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, visit, &v);

	if (rc)
		return -rc;
	pthread_join(thread, NULL);
	return v.rc;
}
