// SPDX-License-Identifier: Apache-2.0
/*
 * The write lock.  control.owner holds a writer id; byte `id` of the lock file, under an open file
 * description lock that the kernel drops with the process, says whether that writer lives.
 * Pids prove nothing (reuse, namespaces); they are kept only to name a holder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Lock bytes lie beyond any slice, because a file slice is its own lock file. */
#define LOCK_BASE (1LL << 40)

enum {
	SPINS = 200, /* before the holder's life is asked for */
	WAIT_US = 50,
	WAIT_MS = 1000,
	WAIT_ROUNDS = 100, /* at least, should this process be the one that was stopped */
};

static int byte_lock(int fd, int cmd, int id, short type)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = LOCK_BASE + id,
		.l_len = 1,
	};

	if (fcntl(fd, cmd, &fl))
		return -errno;
	return cmd == F_OFD_GETLK ? fl.l_type != F_UNLCK : 0;
}

__u64 cxlt_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static struct cxlt_intent *intent_of(const struct cxlt_slice *s, int id)
{
	return (struct cxlt_intent *)cxlt_at(s, s->dir.intents) + id;
}

static void sign_intent(struct cxlt_writer *w)
{
	struct cxlt_intent *in = intent_of(w->slice, w->id);
	char comm[16] = "";
	FILE *f = fopen("/proc/self/comm", "re");
	__u64 words[2];

	if (f) {
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = '\0';
		fclose(f);
	}
	comm[strcspn(comm, "\n")] = '\0';
	memcpy(words, comm, sizeof(words));
	cxlt_store(&in->op, 0);
	cxlt_store(&in->pid, (__u64)getpid());
	cxlt_store(&in->comm[0], words[0]);
	cxlt_store(&in->comm[1], words[1]);
}

/* The bits of the key that the hardware of this slice can match on. */
static void device_mask(const struct cxlt_slice *s, struct cxlt_key *m)
{
	__u32 f;

	memset(m, 0, sizeof(*m));
	for (f = 0; f < CXLT_N_FIELDS; f++) {
		const struct cxlt_field_info *i = &cxlt_field_info[f];

		if (!(s->dir.profile.fields >> f & 1))
			continue;
		if (i->bits == 128)
			m->w[i->word] = m->w[i->word + 1] = ~0ULL;
		else
			m->w[i->word] |= CXLT_BITMASK(i->bits) << i->shift;
	}
}

void cxlt_writer_close(struct cxlt_writer *w)
{
	if (!w)
		return;
	while (w->depth)
		cxlt_writer_unlock(w);
	close(w->lock_fd);
	free(w);
}

int cxlt_writer_id(const struct cxlt_writer *w)
{
	return w->id;
}

static int busy(const struct cxlt_slice *s, int holder)
{
	struct cxlt_intent *in = intent_of(s, holder);
	char comm[17] = "";

	memcpy(comm, in->comm, 16);
	return cxlt_fail(-EBUSY, "slice '%s' is locked by writer %d (pid %llu, %s), which is alive",
			 s->name, holder, (unsigned long long)cxlt_load(&in->pid), comm);
}

/* The holder is gone: whoever gets its byte repairs, and keeps the lock. */
static int take_over(struct cxlt_writer *w, int dead)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	int rc = dead == w->id ? 0 : byte_lock(w->lock_fd, F_OFD_SETLK, dead, F_WRLCK);

	if (rc)
		return -EAGAIN; /* somebody else repairs, or the id found a new owner */
	rc = cxlt_load(&c->owner) == (__u64)dead &&
			     (dead == w->id || cxlt_cas(&c->owner, (__u64)dead, (__u64)w->id))
		     ? 0
		     : -EAGAIN;
	if (!rc) {
		cxlt_store(&c->handoffs, c->handoffs + 1);
		rc = cxlt_slice_repair(w);
		if (rc)
			cxlt_store_release(&c->owner, 0);
	}
	if (dead != w->id)
		byte_lock(w->lock_fd, F_OFD_SETLK, dead, F_UNLCK);
	return rc;
}

int cxlt_writer_open(struct cxlt_slice *s, struct cxlt_writer **out)
{
	struct cxlt_writer *w;
	int id, rc = -EAGAIN;

	if (s->mode != CXLT_ATTACH_WRITE)
		return cxlt_fail(-EBADF, "slice '%s' is attached for reading", s->name);
	w = calloc(1, sizeof(*w));
	if (!w)
		return cxlt_fail(-ENOMEM, "out of memory");
	w->slice = s;
	w->lock_fd = open(s->lock_path, O_RDWR | O_CLOEXEC);
	if (w->lock_fd < 0) {
		rc = cxlt_fail(-errno, "lock file %s: %s", s->lock_path, strerror(errno));
		free(w);
		return rc;
	}
	for (id = 1; id < CXLT_WRITER_BPF && rc; id++)
		rc = byte_lock(w->lock_fd, F_OFD_SETLK, id, F_WRLCK);
	if (rc) {
		rc = cxlt_fail(rc == -EAGAIN || rc == -EACCES ? -EBUSY : rc,
			       "no writer id is free: %d handles are open", CXLT_WRITER_BPF - 1);
		close(w->lock_fd);
		free(w);
		return rc;
	}
	w->id = id - 1;
	if (getrandom(&w->rng, sizeof(w->rng), GRND_NONBLOCK) != sizeof(w->rng))
		w->rng = (__u64)time(NULL);
	cxlt_alloc_reset(&w->alloc);
	device_mask(s, &w->dev_mask);
	sign_intent(w);
	/* The last user of this id died with the lock: others now see its byte held. */
	if (cxlt_load(&cxlt_control(s)->owner) == (__u64)w->id) {
		rc = take_over(w, w->id);
		if (rc) {
			cxlt_writer_close(w);
			return rc;
		}
		w->depth = 1;
		cxlt_writer_unlock(w);
	}
	*out = w;
	return 0;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000 + (__u64)ts.tv_nsec / 1000000;
}

static int lock_slow(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	__u64 end = now_ms() + WAIT_MS;
	int holder = 0, round = 0;

	do {
		struct timespec pause = {0, WAIT_US * 1000};
		int rc;

		if (cxlt_cas(&c->owner, 0, (__u64)w->id))
			return 0;
		holder = (int)(cxlt_load(&c->owner) & 0xff);
		if (!holder)
			continue;
		/* Our own id without our doing: its last user died, and we have its byte. */
		if (holder == w->id || byte_lock(w->lock_fd, F_OFD_GETLK, holder, F_WRLCK) == 0) {
			rc = take_over(w, holder);
			if (rc != -EAGAIN)
				return rc;
		}
		nanosleep(&pause, NULL);
	} while (++round < WAIT_ROUNDS || now_ms() < end);
	return busy(w->slice, holder);
}

int cxlt_writer_lock(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	int spin, rc = -EBUSY;

	if (w->depth) {
		w->depth++;
		return 0;
	}
	for (spin = 0; spin < SPINS && rc; spin++)
		rc = cxlt_cas(&c->owner, 0, (__u64)w->id) ? 0 : -EBUSY;
	if (rc)
		rc = lock_slow(w);
	if (rc)
		return rc;
	w->depth = 1;
	if (cxlt_load(&c->turns) != w->turn) {
		cxlt_alloc_reset(&w->alloc);
		memset(w->tuple_cache, 0, sizeof(w->tuple_cache));
	}
	return 0;
}

void cxlt_writer_unlock(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);

	if (!w->depth || --w->depth)
		return;
	w->turn = c->turns + 1;
	cxlt_store(&c->turns, w->turn);
	/* Pairs with the CAS of the next holder. */
	cxlt_store_release(&c->owner, 0);
}
