// SPDX-License-Identifier: Apache-2.0
/*
 * Bucket locks: the owner byte of meta.  The lock of a bucket covers its slots, its counters, and all
 * entries that are homed in it, wherever they sit; so a writer of one key locks its home and, only
 * when it must store there, the alternate.  (An entry in the alternate with this key's tag is homed
 * here too, since tag and place give the home: it can be read without a lock of its own.)
 *
 * Two locks are taken in ascending order, or the second by one try.  The holder stores to meta
 * plainly; all others only compare-and-swap an owner into a word that has none.
 */
#include <errno.h>

#include "internal.h"

static bool try_lock(struct cxlt_writer *w, struct cxlt_bucket *b)
{
	__u64 m = cxlt_load(&b->meta);

	return !CXLT_META_OWNER(m) && cxlt_cas(&b->meta, m, m | CXLT_META_OWNED(w->id));
}

static int lock(struct cxlt_writer *w, struct cxlt_bucket *b)
{
	struct cxlt_patience p = {0};

	while (!try_lock(w, b)) {
		__u64 m = cxlt_load(&b->meta);
		int owner = (int)CXLT_META_OWNER(m), rc;

		if (!owner)
			continue;
		/* Our own without our doing is of one who died, or of a hostile hand. */
		rc = owner == w->id ? -ESRCH : cxlt_patience(w, &p, &b->meta, m, owner);
		if (rc)
			return rc == -ESRCH ? CXLT_ALONE : rc;
	}
	return 0;
}

static void unlock(struct cxlt_bucket *b)
{
	/* Pairs with the CAS of the next holder. */
	cxlt_store_release(&b->meta, cxlt_own(&b->meta) & ~CXLT_META_OWNED(0xff));
}

int cxlt_lock_pair(struct cxlt_writer *w, struct cxlt_bucket *array, __u32 a, __u32 b)
{
	int rc;

	if (w->depth)
		return 0;
	rc = lock(w, &array[a < b ? a : b]);
	if (rc)
		return rc;
	rc = lock(w, &array[a < b ? b : a]);
	if (rc)
		unlock(&array[a < b ? a : b]);
	return rc;
}

void cxlt_unlock_pair(struct cxlt_writer *w, struct cxlt_bucket *array, __u32 a, __u32 b)
{
	if (w->depth)
		return;
	unlock(&array[a]);
	unlock(&array[b]);
}

int cxlt_hold(struct cxlt_writer *w, struct cxlt_tuple *t, __u64 h, struct cxlt_hold *out)
{
	/* Only a writer that has the slice alone changes geo. */
	__u64 geo = cxlt_load_acquire(&t->geo);

	out->w = w;
	out->t = t;
	out->array = cxlt_at(w->slice, CXLT_GEO_REF(geo));
	out->h = h;
	out->mask = CXLT_BUCKET_MASK(t->sparse, CXLT_GEO_LOG2(geo));
	out->tag = cxlt_hash_tag(h);
	out->i1 = (__u32)h & out->mask;
	out->i2 = cxlt_hash_other(out->i1, out->tag, out->mask);
	out->other = false;
	return w->depth ? 0 : lock(w, &out->array[out->i1]);
}

int cxlt_hold_other(struct cxlt_hold *h)
{
	struct cxlt_bucket *home = &h->array[h->i1], *other = &h->array[h->i2];
	int rc;

	if (h->other || h->w->depth)
		return 0;
	if (h->i2 > h->i1) {
		rc = lock(h->w, other);
		if (rc)
			unlock(home);
		else
			h->other = true;
		return rc;
	}
	h->other = true;
	if (try_lock(h->w, other))
		return 0;
	unlock(home);
	rc = cxlt_lock_pair(h->w, h->array, h->i1, h->i2);
	return rc ? rc : 1;
}

void cxlt_hold_end(struct cxlt_hold *h)
{
	if (h->w->depth)
		return;
	unlock(&h->array[h->i1]);
	if (h->other)
		unlock(&h->array[h->i2]);
}
