/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exact.h - lookup in an exact table: n_key words in, n_val words out.
 *
 * The same cuckoo buckets as a tuple's, without mask, priority or version: what connection
 * tracking and cached results are kept in, and what is measured against other hash tables.
 * A hit costs a bucket line and the entry's lines; most misses cost one line.
 *
 * Concurrency: readers only load, any number beside one writer; a result is validated as in
 * tuple.h.  Results: 0, -ENOENT a proven miss, -EAGAIN after CXLT_TRIES tries, -EFAULT a
 * ref that leaves the view.
 * Keys and values are arrays of 64-bit words; with a constant n_key the compiler unrolls.
 */
#ifndef CXLTAB_EXACT_H
#define CXLTAB_EXACT_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/hash.h>
#include <cxltab/layout.h>
#include <cxltab/view.h>

enum {
	CXLT_EXACT_TRIES = 8,
	CXLT_EXACT_LINES = 5, /* of a tuple: 2 and the room for CXLT_KEY_MAX mask words */
	CXLT_EXACT_VAL_MAX = 64,
	CXLT_EXACT_BATCH = 32,
};

CXLT_INLINE __u64 cxlt_exact_hash(const __u64 *secrets, __u64 secret, const __u64 *key, __u32 n_key)
{
	__u32 i;

	for (i = 0; i < n_key && i < CXLT_KEY_MAX; i++)
		secret += cxlt_nh(key[i], secrets[i]);
	return cxlt_hash_finish(secret);
}

CXLT_INLINE __u32 cxlt_exact_cells(__u32 n_key, __u32 n_val)
{
	return ((1 + n_key + n_val) * 8 + CXLT_CELL - 1) / CXLT_CELL;
}

/*
 * Entry at `ref`: 1 and the value if it seems to hold `key`, 0 another key, -EAGAIN it moved.  The
 * caller looks at slot and sequence again.
 */
CXLT_INLINE int cxlt_exact_read(const struct cxlt_view *v, __u32 ref, const __u64 *key, __u32 n_key,
				__u64 *val, __u32 n_val)
{
	const struct cxlt_exact __arena *e = cxlt_cell(v, ref, cxlt_exact_cells(n_key, n_val));
	__u64 seq, diff = 0;
	__u32 i;

	if (cxlt_unlikely(!e))
		return -CXLT_EFAULT;
	/* Pairs with the writer's release of an even sequence in cxlt_exact_fill(). */
	seq = cxlt_load_acquire(&e->seq);
	if (cxlt_unlikely(seq & 1))
		return -CXLT_EAGAIN;
	for (i = 0; i < n_key && i < CXLT_KEY_MAX; i++)
		diff |= cxlt_load(&e->body[i]) ^ key[i];
	if (!diff)
		for (i = 0; i < n_val && i < CXLT_EXACT_VAL_MAX; i++)
			val[i] = cxlt_load(&e->body[n_key + i]);
	cxlt_read_barrier();
	return !diff;
}

#ifndef CXLT_EXACT_AHEAD
#define CXLT_EXACT_AHEAD(b) cxlt_prefetch(b)
#endif

/* A BPF program replaces this by a global function, which is verified once and on its own. */
#ifndef CXLT_EXACT_READ
#define CXLT_EXACT_READ(v, at, key, n_key, val, n_val) \
	cxlt_exact_read(v, at, key, n_key, val, n_val)
#endif

/* The entry behind slot i: as cxlt_exact_read(), and the slot is still what it was. */
CXLT_INLINE int cxlt_exact_slot(const struct cxlt_view *v, const struct cxlt_bucket __arena *b,
				__u32 i, __u32 want, const __u64 *key, __u32 n_key, __u64 *val,
				__u32 n_val)
{
	__u64 slot = cxlt_load_acquire(&b->slot[i]), seq;
	const struct cxlt_exact __arena *e;
	int rc;

	if (CXLT_SLOT_HEAD(slot) != want || !slot)
		return 0;
	e = cxlt_cell(v, CXLT_SLOT_REF(slot), 1);
	seq = e ? cxlt_load_acquire(&e->seq) : 0;
	rc = CXLT_EXACT_READ(v, CXLT_SLOT_REF(slot), key, n_key, val, n_val);
	if (cxlt_unlikely(cxlt_load_acquire(&b->slot[i]) != slot))
		return -CXLT_EAGAIN;
	/* Once more, last: the line may have been filled, refused and filled again for this slot. */
	return rc > 0 && cxlt_unlikely(cxlt_load(&e->seq) != seq) ? -CXLT_EAGAIN : rc;
}

CXLT_INLINE int cxlt_exact_scan(const struct cxlt_view *v, const struct cxlt_bucket __arena *b,
				__u32 want, const __u64 *key, __u32 n_key, __u64 *val, __u32 n_val)
{
	__u32 i = cxlt_slot_find(b, want);
	int rc;

	if (!i)
		return 0;
	rc = cxlt_exact_slot(v, b, i - 1, want, key, n_key, val, n_val);
	if (cxlt_likely(rc))
		return rc;
	/* Two keys with one tag, or a slot that went away meanwhile. */
	CXLT_FOR(i, CXLT_BUCKET_SLOTS, CXLT_BUCKET_SLOTS)
	{
		rc = cxlt_exact_slot(v, b, i, want, key, n_key, val, n_val);
		if (rc)
			return rc;
	}
	return 0;
}

/* One try with a known hash and geometry. */
CXLT_INLINE int cxlt_exact_try(const struct cxlt_view *v, const struct cxlt_tuple __arena *t,
			       __u64 geo, __u64 h, const __u64 *key, __u32 n_key, __u64 *val,
			       __u32 n_val)
{
	__u32 mask = CXLT_BUCKET_MASK(cxlt_load32(&t->sparse), CXLT_GEO_LOG2(geo));
	__u32 tag = cxlt_hash_tag(h);
	__u32 i1 = (__u32)h & mask;
	const struct cxlt_bucket __arena *b1 = cxlt_line(v, CXLT_GEO_REF(geo) + i1, 1), *b2 = NULL;
	__u64 m1, m2 = 0;
	int rc;

	if (cxlt_unlikely(!b1))
		return -CXLT_EFAULT;
	m1 = cxlt_load_acquire(&b1->meta);
	rc = cxlt_exact_scan(v, b1, tag << 1, key, n_key, val, n_val);
	if (!rc && cxlt_unlikely(CXLT_META_CNT(m1, tag))) {
		b2 = cxlt_line(v, CXLT_GEO_REF(geo) + cxlt_hash_other(i1, tag, mask), 1);
		if (cxlt_unlikely(!b2))
			return -CXLT_EFAULT;
		m2 = cxlt_load_acquire(&b2->meta);
		rc = cxlt_exact_scan(v, b2, tag << 1 | 1, key, n_key, val, n_val);
	}
	cxlt_read_barrier();
	if (cxlt_unlikely(cxlt_load(&t->geo) != geo))
		return -CXLT_EAGAIN;
	if (rc)
		return rc;
	if (cxlt_unlikely(CXLT_META_SEQ(cxlt_load(&b1->meta)) != CXLT_META_SEQ(m1)))
		return -CXLT_EAGAIN;
	if (b2 && cxlt_unlikely(CXLT_META_SEQ(cxlt_load(&b2->meta)) != CXLT_META_SEQ(m2)))
		return -CXLT_EAGAIN;
	return 0;
}

/* The whole protocol, as often as it takes. */
CXLT_INLINE int cxlt_exact_find_slowly(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				       __u32 n_key, __u64 *val, __u32 n_val)
{
	const struct cxlt_tuple __arena *t = cxlt_line(v, tuple, CXLT_EXACT_LINES);
	__u32 try;
	__u64 h;

	if (cxlt_unlikely(!t))
		return -CXLT_EFAULT;
	h = cxlt_exact_hash(v->secrets, cxlt_load(&t->secret), key, n_key);
	CXLT_FOR(try, CXLT_EXACT_TRIES, CXLT_EXACT_TRIES)
	{
		__u64 since = cxlt_ticks();
		int rc;

		/* Pairs with the release of a filled array in cxlt_tuple_resize(). */
		rc = cxlt_exact_try(v, t, cxlt_load_acquire(&t->geo), h, key, n_key, val, n_val);
		if (rc > 0)
			return 0;
		if (rc != -CXLT_EAGAIN && !cxlt_too_long(since))
			return rc ? rc : -CXLT_ENOENT;
	}
	return -CXLT_EAGAIN;
}

#ifndef __BPF__
#include <cxltab/exact_reader.h>
#else

/* `tuple` is the body of the exact table, from cxlt_exact_open(). */
CXLT_INLINE int cxlt_exact_find(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				__u32 n_key, __u64 *val, __u32 n_val)
{
	return cxlt_exact_find_slowly(v, tuple, key, n_key, val, n_val);
}

#endif

#endif
