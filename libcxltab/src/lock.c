// SPDX-License-Identifier: Apache-2.0
/*
 * Who may write.  A writer is either in a change, beside others, with locks on the buckets that it
 * touches (hold.c); or it has the slice alone, for what changes its structure.
 *
 *     change   intent.op = CHANGE (full barrier); control.owner must be 0, else op = IDLE and wait
 *     alone    control.owner = id by compare-and-swap; wait until every other op is IDLE
 *
 * Of two that do so at once, at least one sees the other.  Byte `id` of the lock file, under an open
 * file description lock that the kernel drops with the process, says whether that writer lives.
 * Pids prove nothing (reuse, namespaces); they are kept only to name a holder.  What a dead writer
 * leaves is repaired by the next one that has the slice alone.
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
	PAGE = 4096,
	SPINS = 200, /* before the holder's life is asked for */
	WAIT_US = 50,
	WAIT_MS = 1000,
	QUIESCE_MS = 500,  /* less: who waits for us meanwhile must not give up before we do */
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

	if (holder == CXLT_WRITER_BPF)
		return cxlt_fail(-EBUSY, "slice '%s' is being changed by BPF programs", s->name);
	memcpy(comm, in->comm, 16);
	return cxlt_fail(-EBUSY, "slice '%s' is locked by writer %d (pid %llu, %s), which is alive",
			 s->name, holder, (unsigned long long)cxlt_load(&in->pid), comm);
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000 + (__u64)ts.tv_nsec / 1000000;
}

/* Nobody has the byte of this id, but perhaps we. */
static bool is_gone(const struct cxlt_writer *w, int id)
{
#ifdef CXLT_MODEL
	return cxlt_model_gone(id);
#else
	return id == CXLT_WRITER_GONE || byte_lock(w->lock_fd, F_OFD_GETLK, id, F_WRLCK) == 0;
#endif
}

int cxlt_patience(struct cxlt_writer *w, struct cxlt_patience *p, const __u64 *word, __u64 seen,
		  int holder)
{
	struct timespec pause = {0, WAIT_US * 1000};

#ifdef CXLT_MODEL
	p->round = SPINS;
#endif
	if (++p->round < SPINS) {
		cxlt_wait(word, seen);
		return 0;
	}
	if (holder != CXLT_WRITER_BPF && is_gone(w, holder))
		return -ESRCH;
#ifdef CXLT_MODEL
	cxlt_wait(word, seen);
	return 0;
#endif
	if (p->round == SPINS)
		p->end = now_ms() + (p->short_ms ? p->short_ms : WAIT_MS);
	if (p->round >= SPINS + WAIT_ROUNDS && now_ms() >= p->end)
		return busy(w->slice, holder);
	nanosleep(&pause, NULL);
	return 0;
}

/* Waits until this writer isn't in a change; -ESRCH if it died in one, -EBUSY if it lives on in it. */
static int await_idle(struct cxlt_writer *w, int id)
{
	struct cxlt_intent *in = intent_of(w->slice, id);
	struct cxlt_patience p = {.short_ms = QUIESCE_MS};
	int rc = 0;

	while (!rc) {
		/* Pairs with the release in cxlt_change_leave(): all that it did is done. */
		__u64 op = cxlt_load_acquire(&in->op);

		if (op == CXLT_INTENT_IDLE)
			return 0;
		rc = op == CXLT_INTENT_LEFT || id == w->id ? -ESRCH
							   : cxlt_patience(w, &p, &in->op, op, id);
	}
	return rc;
}

/*
 * Waits until no other writer is in a change; they see control.owner and begin none.  1 if one has
 * died in it, -EBUSY if one that lives doesn't come out.
 */
static int quiesce(struct cxlt_writer *w)
{
	__u64 ids = cxlt_load(&cxlt_control(w->slice)->ids);
	int id, dead = 0, rc;

	for (id = 1; id <= (int)ids && id < CXLT_WRITER_GONE; id++) {
		rc = await_idle(w, id);
		if (rc && rc != -ESRCH)
			return rc;
		dead |= rc == -ESRCH;
	}
	rc = await_idle(w, CXLT_WRITER_BPF);
	return rc ? rc : dead;
}

/* After a repair nobody is in a change: who seems to be is dead, and has left nothing. */
static void absolve(struct cxlt_writer *w)
{
	int id;

	for (id = 1; id < CXLT_WRITER_GONE; id++) {
		struct cxlt_intent *in = intent_of(w->slice, id);

		if (cxlt_load(&in->op) != CXLT_INTENT_IDLE)
			cxlt_store_release(&in->op, CXLT_INTENT_IDLE);
	}
}

/*
 * With control.owner ours: waits for the others, and repairs if one of them is dead or the last
 * owner was.  If it can't, the slice is left to the next one, who must repair if we had to.
 */
static int alone(struct cxlt_writer *w, bool inherited)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	int rc = quiesce(w);

	if (rc > 0 || (!rc && inherited)) {
		cxlt_store(&c->handoffs, c->handoffs + 1);
		w->depth = 1; /* the repair locks no bucket */
		w->alloc.alone = true;
		rc = cxlt_slice_repair(w);
		w->depth = 0;
		w->alloc.alone = false;
		if (!rc)
			absolve(w);
	}
	if (rc)
		cxlt_store_release(&c->owner, inherited ? CXLT_WRITER_GONE : 0);
	return rc;
}

/* The owner is gone: whoever gets its byte repairs, and has the slice alone. */
static int take_over(struct cxlt_writer *w, int dead)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	int rc = 0;

#ifndef CXLT_MODEL
	if (dead != w->id)
		rc = byte_lock(w->lock_fd, F_OFD_SETLK, dead, F_WRLCK);
#endif
	if (rc)
		return -EAGAIN; /* somebody else repairs, or the id found a new owner */
	rc = cxlt_load(&c->owner) == (__u64)dead &&
			     (dead == w->id || cxlt_cas(&c->owner, (__u64)dead, (__u64)w->id))
		     ? 0
		     : -EAGAIN;
	if (!rc)
		rc = alone(w, true);
	if (dead != w->id)
		byte_lock(w->lock_fd, F_OFD_SETLK, dead, F_UNLCK);
	return rc;
}

static int lock_slow(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	struct cxlt_patience p = {0};

	for (;;) {
		__u64 owner = cxlt_load(&c->owner);
		int holder = (int)owner, rc;

		if (!owner && cxlt_cas(&c->owner, 0, (__u64)w->id))
			return alone(w, false);
		if (!owner)
			continue;
		if (owner > CXLT_WRITER_BPF)
			return cxlt_fail(-EUCLEAN, "control.owner %#llx is no writer",
					 (unsigned long long)owner);
		/* Our own id without our doing: its last user died, and we have its byte. */
		rc = holder == w->id ? -ESRCH : cxlt_patience(w, &p, &c->owner, owner, holder);
		if (rc == -ESRCH)
			rc = take_over(w, holder);
		else if (!rc)
			continue;
		if (rc != -EAGAIN)
			return rc;
	}
}

static void refresh(struct cxlt_writer *w)
{
	__u64 turns = cxlt_load(&cxlt_control(w->slice)->turns);

	if (turns == w->turn)
		return;
	w->turn = turns;
	cxlt_alloc_reset(&w->alloc);
	memset(w->tuple_cache, 0, sizeof(w->tuple_cache));
}

int cxlt_writer_lock(struct cxlt_writer *w)
{
	int rc;

	if (w->depth) {
		w->depth++;
		return 0;
	}
	rc = lock_slow(w);
	if (rc)
		return rc;
	w->depth = 1;
	w->alloc.alone = true;
	refresh(w);
	return 0;
}

void cxlt_writer_unlock(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);

	if (!w->depth || --w->depth)
		return;
	w->alloc.alone = false;
	w->turn = c->turns + 1;
	cxlt_store(&c->turns, w->turn);
	/* Pairs with the CAS of the next owner, and the load in cxlt_change_enter(). */
	cxlt_store_release(&c->owner, 0);
}

/* Until nobody has the slice alone; a dead owner is succeeded. */
static int wait_for_owner(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	struct cxlt_patience p = {0};
	__u64 owner;
	int rc = 0;

	while (!rc && (owner = cxlt_load_acquire(&c->owner)) != 0) {
		rc = (int)owner == w->id || owner > CXLT_WRITER_BPF
			     ? -ESRCH
			     : cxlt_patience(w, &p, &c->owner, owner, (int)owner);
		if (rc == -ESRCH) {
			rc = cxlt_writer_lock(w);
			if (!rc)
				cxlt_writer_unlock(w);
		}
	}
	return rc;
}

int cxlt_change_enter(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	struct cxlt_intent *in = intent_of(w->slice, w->id);
	int rc = 0;

	if (w->depth)
		return 0;
	while (!rc) {
		/* Pairs with quiesce(): op is stored before owner is loaded there and here. */
		cxlt_xchg(&in->op, CXLT_INTENT_CHANGE);
		if (cxlt_likely(!cxlt_load_acquire(&c->owner))) {
			refresh(w);
			return 0;
		}
		cxlt_store_release(&in->op, CXLT_INTENT_IDLE);
		rc = wait_for_owner(w);
	}
	return rc;
}

void cxlt_change_leave(struct cxlt_writer *w)
{
	if (!w->depth)
		cxlt_store_release(&intent_of(w->slice, w->id)->op, CXLT_INTENT_IDLE);
}

bool cxlt_may_look(const struct cxlt_writer *w)
{
	return w->depth || cxlt_load(&intent_of(w->slice, w->id)->op) == CXLT_INTENT_CHANGE;
}

int cxlt_change_run(struct cxlt_writer *w, cxlt_change_fn *fn, void *arg)
{
	int rc = cxlt_change_enter(w);

	if (rc)
		return rc;
	rc = fn(w, arg);
	cxlt_change_leave(w);
	if (rc != CXLT_ALONE)
		return rc;
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = fn(w, arg);
	cxlt_writer_unlock(w);
	return rc;
}

/* Did the last user of our id leave something behind? */
static bool is_heir(const struct cxlt_writer *w)
{
	return cxlt_load(&intent_of(w->slice, w->id)->op) != CXLT_INTENT_IDLE ||
	       cxlt_load(&cxlt_control(w->slice)->owner) == (__u64)w->id;
}

/* Has any writer died in a change, or alone? */
static bool somebody_died(struct cxlt_writer *w)
{
	__u64 ids = cxlt_load(&cxlt_control(w->slice)->ids), owner;
	int id;

	owner = cxlt_load(&cxlt_control(w->slice)->owner);
	if (is_heir(w) || (owner && owner < CXLT_WRITER_BPF && is_gone(w, (int)owner)))
		return true;
	for (id = 1; id < CXLT_WRITER_GONE && id <= (int)ids; id++)
		if (cxlt_load(&intent_of(w->slice, id)->op) && is_gone(w, id))
			return true;
	return false;
}

static int claim_id(struct cxlt_writer *w)
{
	struct cxlt_control *c = cxlt_control(w->slice);
	int id, rc = -EAGAIN;
	__u64 ids;

	for (id = 1; id < CXLT_WRITER_GONE && rc; id++)
		rc = byte_lock(w->lock_fd, F_OFD_SETLK, id, F_WRLCK);
	if (rc)
		return cxlt_fail(rc == -EAGAIN || rc == -EACCES ? -ENOSPC : rc,
				 "no writer id is free: a slice has %d, and as many handles are "
				 "open; close one",
				 CXLT_WRITER_GONE - 1);
	w->id = id - 1;
	do
		ids = cxlt_load(&c->ids);
	while (ids < (__u64)w->id && !cxlt_cas(&c->ids, ids, (__u64)w->id));
	/* Whoever waits for this op to end must not take us for the one who began it. */
	cxlt_cas(&intent_of(w->slice, w->id)->op, CXLT_INTENT_CHANGE, CXLT_INTENT_LEFT);
	sign_intent(w);
	return 0;
}

int cxlt_writer_open(struct cxlt_slice *s, struct cxlt_writer **out)
{
	struct cxlt_writer *w;
	int rc;

	if (s->mode != CXLT_ATTACH_WRITE)
		return cxlt_fail(-EBADF, "slice '%s' is attached for reading", s->name);
	w = aligned_alloc(PAGE, (sizeof(*w) + PAGE - 1) / PAGE * PAGE);
	if (!w)
		return cxlt_fail(-ENOMEM, "out of memory");
	memset(w, 0, sizeof(*w));
	w->slice = s;
	w->lock_fd = open(s->lock_path, O_RDWR | O_CLOEXEC);
	if (w->lock_fd < 0) {
		rc = cxlt_fail(-errno, "lock file %s: %s", s->lock_path, strerror(errno));
		free(w);
		return rc;
	}
	if (getrandom(&w->rng, sizeof(w->rng), GRND_NONBLOCK) != sizeof(w->rng))
		w->rng = (__u64)time(NULL);
	cxlt_alloc_reset(&w->alloc);
	device_mask(s, &w->dev_mask);
	rc = claim_id(w);
	if (!rc && somebody_died(w)) {
		rc = cxlt_writer_lock(w);
		if (!rc)
			cxlt_writer_unlock(w);
		else if (rc == -EBUSY && !is_heir(w))
			rc = 0; /* who gets in its way will see to it */
	}
	if (rc) {
		cxlt_writer_close(w);
		return rc;
	}
	*out = w;
	return 0;
}
