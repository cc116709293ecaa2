// SPDX-License-Identifier: Apache-2.0
/* Slices: creating and attaching them, over three backends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

static void view_make(struct cxlt_slice *s, const __u64 *secrets)
{
	struct cxlt_view *v = &s->view;

	v->base = (__u64)(unsigned long)s->mem;
	v->limit = s->header.n_lines;
	v->flags = s->header.feat_ro_compat & CXLT_FEAT_FILTER ? CXLT_VIEW_FILTER : 0;
	v->n_lines = s->header.n_lines;
	v->control = s->dir.control;
	v->tables = s->dir.tables;
	v->n_tables = s->dir.n_tables;
	v->exacts = s->dir.exacts;
	v->n_exacts = s->dir.n_exacts;
	v->chg_log2 = s->dir.chg_log2;
	v->max_tuples = s->dir.max_tuples;
	v->work_budget = s->dir.work_budget;
	v->intents = s->dir.intents;
	v->chunks = s->dir.chunks;
	v->n_chunks = s->dir.n_chunks;
	v->chunk0 = s->dir.chunk0;
	v->profile = s->dir.profile;
	memcpy(v->secrets, secrets, sizeof(v->secrets));
}

/* Copies header, directory and secrets once, and checks the copies. */
static int attach_mem(struct cxlt_slice *s)
{
	__u64 secrets[CXLT_KEY_MAX];
	int rc;

	memcpy(&s->header, s->mem, sizeof(s->header));
	rc = cxlt_header_check(&s->header, s->size, s->mode);
	if (rc)
		return rc;
	memcpy(&s->dir, s->mem + (__u64)s->header.dir * CXLT_LINE, sizeof(s->dir));
	rc = cxlt_directory_check(&s->header, &s->dir);
	if (rc)
		return rc;
	memcpy(secrets, s->mem + (__u64)s->dir.secrets * CXLT_LINE, sizeof(secrets));
	if (cxlt_checksum(&s->header, &s->dir, secrets) != s->header.checksum)
		return cxlt_fail(-EPROTO, "header.checksum is wrong");
	view_make(s, secrets);
	return 0;
}

static struct cxlt_slice *slice_new(const char *name, int backend, int mode)
{
	struct cxlt_slice *s = calloc(1, sizeof(*s) + strlen(name) + 1);

	if (!s)
		return NULL;
	s->fd = -1;
	s->backend = backend;
	s->mode = mode;
	strcpy(s->name, name);
	return s;
}

void cxlt_slice_close(struct cxlt_slice *s)
{
	if (!s)
		return;
	if (s->mem)
		munmap(s->mem, s->size);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* A path may name anything; what doesn't begin like a slice isn't mapped, so that no page is filled. */
static int header_probe(struct cxlt_slice *s)
{
	struct cxlt_header h = {0};
	struct stat st;
	ssize_t n;

	if (fstat(s->fd, &st))
		return cxlt_fail(-errno, "fstat: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return cxlt_fail(-EPROTO, "not a regular file");
	s->size = (__u64)st.st_size;
	n = pread(s->fd, &h, sizeof(h), 0);
	if (n < 0)
		return cxlt_fail(-errno, "reading its header: %s", strerror(errno));
	return cxlt_header_check(&h, s->size, s->mode);
}

static int map_file(struct cxlt_slice *s)
{
	int prot = s->mode == CXLT_ATTACH_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p = mmap(NULL, s->size, prot, MAP_SHARED | MAP_POPULATE, s->fd, 0);

	if (p == MAP_FAILED)
		return cxlt_fail(-errno, "mmap: %s", strerror(errno));
	s->mem = p;
	return 0;
}

/*
 * Writers lock bytes of the very file that is mapped, whatever its path names by then: the memory and
 * its lock can't come apart.
 */
static void lock_the_file(struct cxlt_slice *s)
{
	snprintf(s->lock_path, sizeof(s->lock_path), "/proc/self/fd/%d", s->fd);
}

/* Who may shrink the memory can kill its readers by SIGBUS: a memfd must forbid it. */
static int seal_check(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, &st) || st.st_nlink || seals < 0 || seals & F_SEAL_SHRINK)
		return 0;
	return cxlt_fail(-EPROTO, "the memfd isn't sealed against shrinking");
}

static bool is_path(const char *spec)
{
	return strchr(spec, '/') != NULL;
}

static int name_check(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (!n || name[n] || n > 31 || *name == '-')
		return cxlt_fail(
			-EINVAL,
			"slice name '%.40s': 1 to 31 letters, digits, - and _, but no - first "
			"(a file's path has a '/')",
			name);
	return 0;
}

static void name_paths(const char *name, char *dir, char *pin, size_t n)
{
	snprintf(dir, n, CXLT_PIN_DIR "/%s", name);
	snprintf(pin, n, CXLT_PIN_DIR "/%s/slice", name);
}

static int make_lock_file(const char *name, char *path, size_t n)
{
	int fd;

	if (mkdir(CXLT_RUN_DIR, 0755) && errno != EEXIST)
		return cxlt_fail(-errno, CXLT_RUN_DIR ": %s", strerror(errno));
	snprintf(path, n, CXLT_RUN_DIR "/%s.lock", name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return cxlt_fail(-errno, "%s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

/* All pages at once, so that no reader faults on its owner's memory limit (DESIGN section 6). */
static int populate(struct cxlt_slice *s)
{
	if (madvise(s->mem, s->size, MADV_POPULATE_WRITE))
		return cxlt_fail(-errno, "populating %llu MiB: %s",
				 (unsigned long long)(s->size >> 20), strerror(errno));
	return 0;
}

/* The pin comes last: a slice that can be found is whole. */
static int publish_arena(const char *name, struct cxlt_slice *s)
{
	char dir[128], pin[128];
	int rc;

	name_paths(name, dir, pin, sizeof(dir));
	rc = make_lock_file(name, s->lock_path, sizeof(s->lock_path));
	if (rc)
		return rc;
	if (mkdir(dir, 0700) && errno != EEXIST)
		rc = cxlt_fail(-errno, "%s: %s", dir, strerror(errno));
	else
		rc = cxlt_arena_pin(s->fd, pin);
	if (rc == -EEXIST)
		return cxlt_fail(rc, "slice '%s' exists", name);
	if (rc) {
		rmdir(dir);
		unlink(s->lock_path);
	}
	return rc;
}

static int create_arena(const char *name, const struct cxlt_slice_config *c, struct cxlt_slice *s)
{
	char dir[128], pin[128];
	int rc = name_check(name);

	if (rc)
		return rc;
	name_paths(name, dir, pin, sizeof(dir));
	if (mkdir(CXLT_PIN_DIR, 0700) && errno != EEXIST)
		return cxlt_fail(-errno, CXLT_PIN_DIR ": %s (is bpffs mounted?)", strerror(errno));
	if (access(pin, F_OK) == 0)
		return cxlt_fail(-EEXIST, "slice '%s' exists", name);
	s->size = cxlt_config_size(c);
	s->fd = cxlt_arena_create(name, s->size, &s->mem);
	if (s->fd < 0)
		return s->fd;
	rc = populate(s);
	if (!rc)
		rc = cxlt_format(s->mem, s->size, c);
	return rc ? rc : publish_arena(name, s);
}

static int create_file(const char *path, const struct cxlt_slice_config *c, struct cxlt_slice *s)
{
	int rc;

	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return errno == EEXIST ? cxlt_fail(-EEXIST, "slice '%s' exists", path)
				       : cxlt_fail(-errno, "%s: %s", path, strerror(errno));
	lock_the_file(s);
	s->size = cxlt_config_size(c);
	rc = posix_fallocate(s->fd, 0, (off_t)s->size);
	if (rc)
		rc = cxlt_fail(-rc, "%s: %s", path, strerror(rc));
	else
		rc = map_file(s);
	if (!rc)
		rc = cxlt_format(s->mem, s->size, c);
	if (rc)
		unlink(path);
	return rc;
}

int cxlt_slice_create(const char *spec, const struct cxlt_slice_config *c, struct cxlt_slice **out)
{
	struct cxlt_slice *s;
	int rc = cxlt_config_check(c);

	if (rc)
		return rc;
	s = slice_new(spec, is_path(spec) ? CXLT_BACKEND_FILE : CXLT_BACKEND_ARENA,
		      CXLT_ATTACH_WRITE);
	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	rc = is_path(spec) ? create_file(spec, c, s) : create_arena(spec, c, s);
	if (!rc)
		rc = attach_mem(s);
	if (rc) {
		cxlt_slice_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

int cxlt_slice_create_memfd(const char *name, const struct cxlt_slice_config *c,
			    struct cxlt_slice **out)
{
	struct cxlt_slice *s;
	int rc = cxlt_config_check(c);

	if (rc)
		return rc;
	s = slice_new(name, CXLT_BACKEND_MEMFD, CXLT_ATTACH_WRITE);
	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	s->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	s->size = cxlt_config_size(c);
	if (s->fd < 0 || ftruncate(s->fd, (off_t)s->size) ||
	    fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		rc = cxlt_fail(-errno, "memfd: %s", strerror(errno));
	} else {
		lock_the_file(s);
		rc = map_file(s);
	}
	if (!rc)
		rc = populate(s);
	if (!rc)
		rc = cxlt_format(s->mem, s->size, c);
	if (!rc)
		rc = attach_mem(s);
	if (rc) {
		cxlt_slice_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

/* Nothing is opened that would wait (a FIFO), and for reading the right to read is enough. */
static int attach_path(const char *path, struct cxlt_slice *s)
{
	int rc, access = s->mode == CXLT_ATTACH_WRITE ? O_RDWR : O_RDONLY;

	s->fd = open(path, access | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0)
		return cxlt_fail(-errno, "slice '%s': %s", path, strerror(errno));
	lock_the_file(s);
	rc = header_probe(s);
	return rc ? rc : map_file(s);
}

static int attach_pin(const char *name, struct cxlt_slice *s)
{
	char dir[128], pin[128];
	int rc = name_check(name);

	if (rc)
		return rc;
	name_paths(name, dir, pin, sizeof(dir));
	s->fd = cxlt_arena_open_pin(pin);
	if (s->fd < 0)
		return cxlt_fail(s->fd,
				 s->fd == -ENOENT ? "no slice '%s'"
						  : "slice '%s': can't open its pin",
				 name);
	if (s->mode == CXLT_ATTACH_WRITE)
		rc = make_lock_file(name, s->lock_path, sizeof(s->lock_path));
	return rc ? rc : cxlt_arena_map(s->fd, s->mode, &s->mem, &s->size);
}

int cxlt_slice_attach(const char *spec, int mode, struct cxlt_slice **out)
{
	bool path = is_path(spec);
	struct cxlt_slice *s = slice_new(spec, path ? CXLT_BACKEND_FILE : CXLT_BACKEND_ARENA, mode);
	int rc;

	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	rc = path ? attach_path(spec, s) : attach_pin(spec, s);
	if (!rc)
		rc = attach_mem(s);
	if (rc) {
		cxlt_slice_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

int cxlt_slice_attach_fd(int fd, int mode, struct cxlt_slice **out)
{
	bool arena = cxlt_fd_is_bpf_map(fd);
	struct cxlt_slice *s = slice_new("", arena ? CXLT_BACKEND_ARENA : CXLT_BACKEND_MEMFD, mode);
	int rc = 0;

	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->fd < 0)
		rc = cxlt_fail(-errno, "descriptor %d: %s", fd, strerror(errno));
	else if (arena)
		rc = cxlt_arena_map(s->fd, mode, &s->mem, &s->size);
	else
		rc = seal_check(s->fd);
	if (!rc && !arena)
		rc = header_probe(s);
	if (!rc && !arena)
		rc = map_file(s);
	lock_the_file(s);
	if (!rc)
		rc = attach_mem(s);
	if (rc) {
		cxlt_slice_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

/* A path may name anything: only what begins like a slice is removed. */
static int destroy_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	__u64 magic = 0;
	ssize_t n;

	if (fd < 0)
		return cxlt_fail(-errno, "slice '%s': %s", path, strerror(errno));
	n = pread(fd, &magic, sizeof(magic), 0);
	close(fd);
	if (n != sizeof(magic) || magic != CXLT_MAGIC)
		return cxlt_fail(-EPROTO, "'%s' is no slice: not removed", path);
	return unlink(path) ? cxlt_fail(-errno, "slice '%s': %s", path, strerror(errno)) : 0;
}

int cxlt_slice_destroy(const char *spec)
{
	char dir[128], pin[128], lock[128];

	if (is_path(spec))
		return destroy_file(spec);
	if (name_check(spec))
		return -EINVAL;
	name_paths(spec, dir, pin, sizeof(dir));
	if (unlink(pin))
		return errno == ENOENT ? cxlt_fail(-ENOENT, "no slice '%s'", spec)
				       : cxlt_fail(-errno, "%s: %s", pin, strerror(errno));
	snprintf(lock, sizeof(lock), CXLT_RUN_DIR "/%s.lock", spec);
	unlink(lock);
	if (rmdir(dir))
		return cxlt_fail(-errno, "%s: %s", dir, strerror(errno));
	return 0;
}

const struct cxlt_header *cxlt_slice_header(const struct cxlt_slice *s)
{
	return &s->header;
}

const struct cxlt_directory *cxlt_slice_directory(const struct cxlt_slice *s)
{
	return &s->dir;
}

int cxlt_slice_fd(const struct cxlt_slice *s)
{
	return s->fd;
}

const char *cxlt_slice_name(const struct cxlt_slice *s)
{
	return s->name;
}

void *cxlt_slice_base(const struct cxlt_slice *s)
{
	return s->mem;
}

void cxlt_slice_view(const struct cxlt_slice *s, __u32 flags, struct cxlt_view *out)
{
	*out = s->view;
	out->flags |= flags;
	if (flags & CXLT_VIEW_DEVICE)
		out->limit = s->header.dev_lines;
}
