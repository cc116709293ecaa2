// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cxltab/slice.h>

#include "statfile.h"

enum {
	ALIVE_NAPS = 20, /* of 10 ms: a signal may be on its way to the one who has the lock */
	DYING_NAPS = 500,
};

static void set_path(struct cxlt_statfile *f, const char *slice)
{
	const char *slash = strrchr(slice, '/');

	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), CXLT_RUN_DIR "/%.64s.nicsim", slash ? slash + 1 : slice);
}

static int fail(struct cxlt_statfile *f, char *err, size_t room, int rc, const char *what)
{
	snprintf(err, room, "%s: %s", f->path, what);
	cxlt_statfile_close(f);
	return rc;
}

static int map(struct cxlt_statfile *f, int prot)
{
	void *p = mmap(NULL, sizeof(*f->stats), prot, MAP_SHARED, f->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	f->stats = p;
	return 0;
}

/* Is process `pid` gone, or on its way out (PF_EXITING, the ninth field of its stat)? */
static int is_leaving(__u64 pid)
{
	char path[32], text[512], *after;
	unsigned int flags = 0;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
	f = fopen(path, "re");
	if (!f)
		return 1;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	after = strrchr(text, ')'); /* the name before it may have spaces */
	return after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & 4;
}

/*
 * Takes the lock; -EBUSY and the holder's pid.  A nicsim that was killed keeps its descriptors
 * while the kernel takes its programs off the devices, a few RCU grace periods each: for such a one
 * we wait, so that a supervisor may start the next one at once.
 */
static int lock(const struct cxlt_statfile *f, __u64 *pid)
{
	const struct timespec nap = {.tv_nsec = 10 * 1000 * 1000};
	int naps;

	for (naps = 0; flock(f->fd, LOCK_EX | LOCK_NB); naps++) {
		*pid = 0; /* until it has started */
		if (pread(f->fd, pid, sizeof(*pid), offsetof(struct cxlt_nic_stats, pid)) < 0)
			return -errno;
		if (naps >= (*pid && !is_leaving(*pid) ? ALIVE_NAPS : DYING_NAPS))
			return -EBUSY;
		nanosleep(&nap, NULL);
	}
	return 0;
}

int cxlt_statfile_create(struct cxlt_statfile *f, const char *slice, char *err, size_t room)
{
	struct stat st, named;
	char who[64];
	__u64 pid;

	set_path(f, slice);
	if (mkdir(CXLT_RUN_DIR, 0755) && errno != EEXIST)
		return fail(f, err, room, -errno, strerror(errno));
	for (;;) {
		f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (f->fd < 0)
			return fail(f, err, room, -errno, strerror(errno));
		if (lock(f, &pid)) {
			snprintf(who, sizeof(who), "another nicsim (pid %llu) serves this slice",
				 (unsigned long long)pid);
			return fail(f, err, room, -EBUSY, who);
		}
		/* Its last owner may have removed it between our open and our lock. */
		if (!fstat(f->fd, &st) && !stat(f->path, &named) && st.st_ino == named.st_ino)
			break;
		close(f->fd);
	}
	if (ftruncate(f->fd, 0) || ftruncate(f->fd, sizeof(*f->stats)))
		return fail(f, err, room, -errno, strerror(errno));
	if (map(f, PROT_READ | PROT_WRITE))
		return fail(f, err, room, -errno, strerror(errno));
	f->alive = 1;
	return 0;
}

int cxlt_statfile_open(struct cxlt_statfile *f, const char *slice, char *err, size_t room)
{
	struct stat st;

	set_path(f, slice);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return fail(f, err, room, -errno,
			    errno == ENOENT ? "no nicsim serves this slice" : strerror(errno));
	if (fstat(f->fd, &st) || st.st_size != sizeof(*f->stats) || map(f, PROT_READ) ||
	    f->stats->magic != CXLT_NIC_STATS_MAGIC)
		return fail(f, err, room, -EPROTO,
			    "not the statistics of a nicsim of this release");
	f->alive = cxlt_statfile_alive(f);
	return 0;
}

int cxlt_statfile_alive(const struct cxlt_statfile *f)
{
	if (flock(f->fd, LOCK_SH | LOCK_NB))
		return 1;
	flock(f->fd, LOCK_UN);
	return 0;
}

int cxlt_statfile_is_served(const char *slice, __u64 *pid)
{
	struct cxlt_statfile f;
	int served;

	*pid = 0;
	set_path(&f, slice);
	f.fd = open(f.path, O_RDONLY | O_CLOEXEC);
	if (f.fd < 0)
		return 0;
	served = cxlt_statfile_alive(&f);
	/* Without it there is still the answer. */
	if (served && pread(f.fd, pid, sizeof(*pid), offsetof(struct cxlt_nic_stats, pid)) < 0)
		*pid = 0;
	cxlt_statfile_close(&f);
	return served;
}

void cxlt_statfile_close(struct cxlt_statfile *f)
{
	if (f->stats)
		munmap(f->stats, sizeof(*f->stats));
	if (f->fd > 0)
		close(f->fd);
	f->stats = NULL;
	f->fd = -1;
}

void cxlt_statfile_remove(struct cxlt_statfile *f)
{
	if (f->fd >= 0)
		unlink(f->path);
	cxlt_statfile_close(f);
}
