// SPDX-License-Identifier: Apache-2.0
/* Slices: layout of a new one, validation of one that is attached, the three backends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum {
	DIR_REF = 1,
	DIR_LINES = 2,
	SECRET_LINES = CXLT_KEY_MAX / CXLT_LINE_WORDS,
	CONTROL_LINES = 4,
	MIN_CHUNKS = 8,
	CHG_LOG2_MIN = 3,
	CHG_LOG2_MAX = 13,
};

#define DEFAULT_SIZE (64ULL << 20)
#define MAX_SIZE     (4ULL << 30)

struct cxlt_profile cxlt_profile_all(void)
{
	return (struct cxlt_profile){
		.fields = CXLT_BITMASK(CXLT_N_FIELDS),
		.sets = CXLT_BITMASK(CXLT_N_FIELDS),
		.ops = CXLT_BITMASK(CXLT_N_OPS) &
		       ~(1ULL << CXLT_OP_END | 1ULL << CXLT_OP_LOCAL | 1ULL << CXLT_OP_CONTROLLER),
	};
}

static __u64 fnv1a(__u64 h, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

static __u64 checksum(const struct cxlt_header *h, const struct cxlt_directory *d,
		      const __u64 *secrets)
{
	__u64 x = 0xcbf29ce484222325ULL;

	x = fnv1a(x, h, offsetof(struct cxlt_header, checksum));
	x = fnv1a(x, d, sizeof(*d));
	return fnv1a(x, secrets, CXLT_KEY_MAX * sizeof(__u64));
}

/* Everything but the chunks, in order; the number of lines before chunk 0. */
static __u32 lay_out(struct cxlt_directory *d, __u32 n_lines)
{
	__u32 at = DIR_REF + DIR_LINES;

	d->secrets = at;
	at += SECRET_LINES;
	d->control = at;
	at += CONTROL_LINES;
	d->tables = at;
	d->n_tables = CXLT_TABLES;
	at += CXLT_TABLES * 2;
	d->exacts = at;
	d->n_exacts = CXLT_EXACTS;
	at += CXLT_EXACTS;
	d->intents = at;
	d->n_intents = CXLT_WRITERS;
	at += CXLT_WRITERS;
	d->chunks = at;
	/* Each chunk costs its lines and one descriptor; chunk 0 starts on a page. */
	d->n_chunks = (n_lines - at) / (CXLT_CHUNK_LINES + 1);
	while (d->n_chunks &&
	       ((at + d->n_chunks + 63) / 64 * 64) + d->n_chunks * CXLT_CHUNK_LINES > n_lines)
		d->n_chunks--;
	d->chunk0 = (at + d->n_chunks + 63) / 64 * 64;
	return d->chunk0;
}

static int config_check(const struct cxlt_slice_config *c, __u64 size)
{
	__u32 log2 = c->chg_log2 ? c->chg_log2 : 10;

	if (size < 512 << 10 || size > MAX_SIZE)
		return cxlt_fail(-EINVAL, "size of %llu bytes: a slice has 512 KiB to 4 GiB",
				 (unsigned long long)c->size);
	if (c->device_size > size)
		return cxlt_fail(-EINVAL, "the device domain is larger than the slice");
	if (log2 < CHG_LOG2_MIN || log2 > CHG_LOG2_MAX)
		return cxlt_fail(-EINVAL, "chg_log2 of %u: %d to %d", log2, CHG_LOG2_MIN,
				 CHG_LOG2_MAX);
	if (c->max_tuples > CXLT_TUPLES_MAX)
		return cxlt_fail(-EINVAL, "mask budget of %u: at most %d", c->max_tuples,
				 CXLT_TUPLES_MAX);
	if (c->work_budget > CXLT_BUDGET_MAX)
		return cxlt_fail(-EINVAL, "work budget of %u lines: at most %d", c->work_budget,
				 CXLT_BUDGET_MAX);
	return 0;
}

static __u64 config_size(const struct cxlt_slice_config *c)
{
	__u64 size = c->size ? c->size : DEFAULT_SIZE;

	return (size + 4095) & ~4095ULL;
}

/* Fills zeroed memory; the magic last, so that a half-made slice is none. */
static int format(char *mem, __u64 size, const struct cxlt_slice_config *c)
{
	struct cxlt_header *h = (struct cxlt_header *)mem, hdr = {0};
	struct cxlt_directory d = {0};
	__u64 secrets[CXLT_KEY_MAX];
	struct cxlt_control *ctl;
	__u32 dev;

	if (getrandom(secrets, sizeof(secrets), 0) != sizeof(secrets) ||
	    getrandom(&hdr.id, sizeof(hdr.id), 0) != sizeof(hdr.id))
		return cxlt_fail(-EIO, "no random numbers for the secrets");
	hdr.magic = CXLT_MAGIC;
	hdr.byte_order = CXLT_BYTE_ORDER;
	hdr.major = CXLT_MAJOR;
	hdr.minor = CXLT_MINOR;
	hdr.n_lines = (__u32)(size / CXLT_LINE);
	hdr.dir = DIR_REF;
	hdr.owner = c->owner;
	hdr.id |= 1;
	lay_out(&d, hdr.n_lines);
	dev = c->device_size ? (__u32)(c->device_size / CXLT_LINE) : hdr.n_lines;
	if (dev < d.chunk0 + MIN_CHUNKS * CXLT_CHUNK_LINES)
		return cxlt_fail(-EINVAL, "a device domain of %u KiB: at least %u KiB are needed",
				 dev / 16, (d.chunk0 + MIN_CHUNKS * CXLT_CHUNK_LINES) / 16);
	if (dev < hdr.n_lines)
		dev -= (dev - d.chunk0) % CXLT_CHUNK_LINES;
	hdr.dev_lines = dev;
	d.chg_log2 = c->chg_log2 ? c->chg_log2 : 10;
	d.max_tuples = c->max_tuples ? c->max_tuples : CXLT_TUPLES_MAX;
	d.work_budget = c->work_budget ? c->work_budget : 8192;
	d.profile = c->profile.fields || c->profile.ops ? c->profile : cxlt_profile_all();
	memcpy(mem + DIR_REF * CXLT_LINE, &d, sizeof(d));
	memcpy(mem + (__u64)d.secrets * CXLT_LINE, secrets, sizeof(secrets));
	ctl = (struct cxlt_control *)(mem + (__u64)d.control * CXLT_LINE);
	ctl->version = 1;
	ctl->floor = 1;
	ctl->next_tuple = 1;
	hdr.checksum = checksum(&hdr, &d, secrets);
	memcpy(mem + sizeof(hdr.magic), (char *)&hdr + sizeof(hdr.magic),
	       sizeof(hdr) - sizeof(hdr.magic));
	cxlt_store_release(&h->magic, CXLT_MAGIC);
	return 0;
}

static int header_check(const struct cxlt_header *h, __u64 size, int mode)
{
	if (h->magic != CXLT_MAGIC)
		return cxlt_fail(-EPROTO, "header.magic is %#llx: not a cxltab slice",
				 (unsigned long long)h->magic);
	if (h->byte_order != CXLT_BYTE_ORDER)
		return cxlt_fail(-EPROTO,
				 "header.byte_order is %#x: written by a machine of the "
				 "other byte order",
				 h->byte_order);
	if (h->major != CXLT_MAJOR)
		return cxlt_fail(-EPROTO, "header.major is %u, this program reads format %d",
				 h->major, CXLT_MAJOR);
	if (h->feat_incompat & ~(__u32)CXLT_FEAT_INCOMPAT)
		return cxlt_fail(-EPROTO, "header.feat_incompat has unknown bits %#x",
				 h->feat_incompat & ~(__u32)CXLT_FEAT_INCOMPAT);
	if (mode == CXLT_ATTACH_WRITE && (h->feat_ro_compat & ~(__u32)CXLT_FEAT_RO_COMPAT))
		return cxlt_fail(-EPROTO, "header.feat_ro_compat has unknown bits %#x: read only",
				 h->feat_ro_compat & ~(__u32)CXLT_FEAT_RO_COMPAT);
	if (h->n_lines != size / CXLT_LINE)
		return cxlt_fail(-EPROTO, "header.n_lines is %u, the memory has %llu lines",
				 h->n_lines, (unsigned long long)(size / CXLT_LINE));
	if (h->dev_lines > h->n_lines)
		return cxlt_fail(-EPROTO, "header.dev_lines is %u, beyond n_lines %u", h->dev_lines,
				 h->n_lines);
	if (h->dir != DIR_REF)
		return cxlt_fail(-EPROTO, "header.dir is %u, must be %d", h->dir, DIR_REF);
	if (!h->id)
		return cxlt_fail(-EPROTO, "header.id is 0");
	return 0;
}

/* A part of the slice that the directory names. */
struct part {
	const char *name;
	__u32 ref;
	__u64 lines;
};

/* Each part lies between the directory and the end of the device domain, and in no other one. */
static int parts_check(const struct cxlt_header *h, const struct part *p, int n)
{
	int i, j;

	for (i = 0; i < n; i++) {
		if (p[i].ref < DIR_REF + DIR_LINES || p[i].ref + p[i].lines > h->dev_lines)
			return cxlt_fail(-EPROTO,
					 "directory.%s: lines %u+%llu are outside the device "
					 "domain",
					 p[i].name, p[i].ref, (unsigned long long)p[i].lines);
		for (j = 0; j < i; j++)
			if (p[i].ref < p[j].ref + p[j].lines && p[j].ref < p[i].ref + p[i].lines)
				return cxlt_fail(-EPROTO, "directory.%s overlaps directory.%s",
						 p[i].name, p[j].name);
	}
	return 0;
}

static int directory_check(const struct cxlt_header *h, const struct cxlt_directory *d)
{
	const struct part parts[] = {
		{"control", d->control, CONTROL_LINES},	   {"secrets", d->secrets, SECRET_LINES},
		{"tables", d->tables, d->n_tables * 2ULL}, {"exacts", d->exacts, d->n_exacts},
		{"intents", d->intents, d->n_intents},	   {"chunks", d->chunks, d->n_chunks},
	};
	__u32 i;
	int rc;

	if (!d->n_tables || d->n_tables > 255)
		return cxlt_fail(-EPROTO, "directory.n_tables is %u", d->n_tables);
	if (!d->n_exacts || d->n_exacts > 255)
		return cxlt_fail(-EPROTO, "directory.n_exacts is %u", d->n_exacts);
	if (d->n_intents != CXLT_WRITERS)
		return cxlt_fail(-EPROTO, "directory.n_intents is %u", d->n_intents);
	if (d->chg_log2 < CHG_LOG2_MIN || d->chg_log2 > CHG_LOG2_MAX)
		return cxlt_fail(-EPROTO, "directory.chg_log2 is %u", d->chg_log2);
	if (!d->max_tuples || d->max_tuples > CXLT_TUPLES_MAX)
		return cxlt_fail(-EPROTO, "directory.max_tuples is %u", d->max_tuples);
	if (!d->work_budget || d->work_budget > CXLT_BUDGET_MAX)
		return cxlt_fail(-EPROTO, "directory.work_budget is %u", d->work_budget);
	rc = parts_check(h, parts, sizeof(parts) / sizeof(parts[0]));
	if (rc)
		return rc;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (d->chunk0 < parts[i].ref + parts[i].lines)
			return cxlt_fail(-EPROTO, "directory.chunk0: line %u is in directory.%s",
					 d->chunk0, parts[i].name);
	if (d->chunk0 + (__u64)d->n_chunks * CXLT_CHUNK_LINES > h->n_lines)
		return cxlt_fail(-EPROTO, "directory.chunk0: %u chunks from line %u don't fit",
				 d->n_chunks, d->chunk0);
	return 0;
}

static void view_make(struct cxlt_slice *s, const __u64 *secrets)
{
	struct cxlt_view *v = &s->view;

	v->base = (__u64)(unsigned long)s->mem;
	v->limit = s->header.n_lines;
	v->n_lines = s->header.n_lines;
	v->control = s->dir.control;
	v->tables = s->dir.tables;
	v->n_tables = s->dir.n_tables;
	v->exacts = s->dir.exacts;
	v->n_exacts = s->dir.n_exacts;
	v->chg_log2 = s->dir.chg_log2;
	v->max_tuples = s->dir.max_tuples;
	v->work_budget = s->dir.work_budget;
	v->profile = s->dir.profile;
	memcpy(v->secrets, secrets, sizeof(v->secrets));
}

/* Copies header, directory and secrets once, and checks the copies. */
static int attach_mem(struct cxlt_slice *s)
{
	__u64 secrets[CXLT_KEY_MAX];
	int rc;

	if (s->size < 64 * CXLT_LINE || s->size > MAX_SIZE)
		return cxlt_fail(-EPROTO, "%llu bytes: not the size of a slice",
				 (unsigned long long)s->size);
	memcpy(&s->header, s->mem, sizeof(s->header));
	rc = header_check(&s->header, s->size, s->mode);
	if (rc)
		return rc;
	memcpy(&s->dir, s->mem + (__u64)s->header.dir * CXLT_LINE, sizeof(s->dir));
	rc = directory_check(&s->header, &s->dir);
	if (rc)
		return rc;
	memcpy(secrets, s->mem + (__u64)s->dir.secrets * CXLT_LINE, sizeof(secrets));
	if (checksum(&s->header, &s->dir, secrets) != s->header.checksum)
		return cxlt_fail(-EPROTO, "header.checksum is wrong");
	view_make(s, secrets);
	return 0;
}

static struct cxlt_slice *slice_new(const char *name, int backend, int mode)
{
	struct cxlt_slice *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = -1;
	s->backend = backend;
	s->mode = mode;
	snprintf(s->name, sizeof(s->name), "%s", name);
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

static int map_file(struct cxlt_slice *s)
{
	struct stat st;
	void *p;

	if (fstat(s->fd, &st))
		return cxlt_fail(-errno, "fstat: %s", strerror(errno));
	s->size = (__u64)st.st_size;
	if (s->size < 64 * CXLT_LINE)
		return cxlt_fail(-EPROTO, "%llu bytes: not the size of a slice",
				 (unsigned long long)s->size);
	p = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (p == MAP_FAILED)
		return cxlt_fail(-errno, "mmap: %s", strerror(errno));
	s->mem = p;
	return 0;
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

	if (!n || name[n] || n > 31)
		return cxlt_fail(-EINVAL,
				 "slice name '%.40s': 1 to 31 letters, digits, - and _ "
				 "(a file's path has a '/')",
				 name);
	return 0;
}

static void name_paths(const char *name, char *dir, char *pin, size_t n)
{
	snprintf(dir, n, CXLT_PIN_DIR "/%s", name);
	snprintf(pin, n, CXLT_PIN_DIR "/%s/slice", name);
}

static int open_lock_file(const char *name, char *path, size_t n)
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
	rc = open_lock_file(name, s->lock_path, sizeof(s->lock_path));
	if (rc)
		return rc;
	s->size = config_size(c);
	s->fd = cxlt_arena_create(name, s->size, &s->mem);
	if (s->fd < 0)
		return s->fd;
	rc = populate(s);
	if (!rc)
		rc = format(s->mem, s->size, c);
	if (rc)
		return rc;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return cxlt_fail(-errno, "%s: %s", dir, strerror(errno));
	rc = cxlt_arena_pin(s->fd, pin);
	return rc == -EEXIST ? cxlt_fail(rc, "slice '%s' exists", name) : rc;
}

static int create_file(const char *path, const struct cxlt_slice_config *c, struct cxlt_slice *s)
{
	int rc;

	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return errno == EEXIST ? cxlt_fail(-EEXIST, "slice '%s' exists", path)
				       : cxlt_fail(-errno, "%s: %s", path, strerror(errno));
	snprintf(s->lock_path, sizeof(s->lock_path), "%s", path);
	rc = posix_fallocate(s->fd, 0, (off_t)config_size(c));
	if (rc)
		rc = cxlt_fail(-rc, "%s: %s", path, strerror(rc));
	else
		rc = map_file(s);
	if (!rc)
		rc = format(s->mem, s->size, c);
	if (rc)
		unlink(path);
	return rc;
}

int cxlt_slice_create(const char *spec, const struct cxlt_slice_config *c, struct cxlt_slice **out)
{
	struct cxlt_slice *s;
	int rc = config_check(c, config_size(c));

	if (rc)
		return rc;
	if (is_path(spec) && strlen(spec) >= sizeof(s->lock_path))
		return cxlt_fail(-ENAMETOOLONG, "%s: path too long", spec);
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
	int rc = config_check(c, config_size(c));

	if (rc)
		return rc;
	s = slice_new(name, CXLT_BACKEND_MEMFD, CXLT_ATTACH_WRITE);
	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	s->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0 || ftruncate(s->fd, (off_t)config_size(c)) ||
	    fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		rc = cxlt_fail(-errno, "memfd: %s", strerror(errno));
	} else {
		snprintf(s->lock_path, sizeof(s->lock_path), "/proc/self/fd/%d", s->fd);
		rc = map_file(s);
	}
	if (!rc)
		rc = populate(s);
	if (!rc)
		rc = format(s->mem, s->size, c);
	if (!rc)
		rc = attach_mem(s);
	if (rc) {
		cxlt_slice_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

int cxlt_slice_attach(const char *spec, int mode, struct cxlt_slice **out)
{
	bool path = is_path(spec);
	char dir[128], pin[128];
	struct cxlt_slice *s;
	int rc = path ? 0 : name_check(spec);

	if (rc)
		return rc;
	s = slice_new(spec, path ? CXLT_BACKEND_FILE : CXLT_BACKEND_ARENA, mode);
	if (!s)
		return cxlt_fail(-ENOMEM, "out of memory");
	if (path) {
		s->fd = open(spec, O_RDWR | O_CLOEXEC);
		if (s->fd < 0)
			rc = cxlt_fail(-errno, "slice '%s': %s", spec, strerror(errno));
		snprintf(s->lock_path, sizeof(s->lock_path), "%s", spec);
	} else {
		name_paths(spec, dir, pin, sizeof(dir));
		s->fd = cxlt_arena_open_pin(pin);
		if (s->fd < 0)
			rc = cxlt_fail(s->fd,
				       s->fd == -ENOENT ? "no slice '%s'"
							: "slice '%s': can't open its pin",
				       spec);
		else
			rc = open_lock_file(spec, s->lock_path, sizeof(s->lock_path));
	}
	if (!rc)
		rc = path ? map_file(s) : cxlt_arena_map(s->fd, &s->mem, &s->size);
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
		rc = cxlt_arena_map(s->fd, &s->mem, &s->size);
	else
		rc = seal_check(s->fd);
	if (!rc && !arena)
		rc = map_file(s);
	if (!rc)
		snprintf(s->lock_path, sizeof(s->lock_path), "/proc/self/fd/%d", s->fd);
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
	out->flags = flags;
	if (flags & CXLT_VIEW_DEVICE)
		out->limit = s->header.dev_lines;
}
