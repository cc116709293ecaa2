/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exact.h - lookup in an exact table: n_key words in, n_val words out.
 *
 * The same cuckoo buckets as a tuple's, without mask, priority or version: what connection
 * tracking and cached results are kept in, and what is measured against other hash tables.
 * A hit costs a bucket line and the entry's lines; most misses cost one line.
 *
 * Concurrency: readers only load, any number beside one writer; a result is validated as in
 * classify.h.  Results: 0, -ENOENT a proven miss, -EAGAIN after CXLT_TRIES tries, -EFAULT a
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
	__u32 mask = (__u32)((1ULL << (CXLT_GEO_LOG2(geo) & 31)) - 1), tag = cxlt_hash_tag(h);
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

/*
 * When this thread last looked at the clock; 0 before that.  A search may count from then: that was
 * before its first load, and a search that only seems too long is repeated.  So one needs a single
 * look at the clock, after its last load.
 */
static __thread __u64 cxlt_exact_clock __attribute__((unused));

CXLT_INLINE __u64 cxlt_exact_since(void)
{
#ifdef CXLT_MODEL
	return cxlt_ticks();
#else
	/* Once: a signal's handler may search as well. */
	return __atomic_load_n(&cxlt_exact_clock, __ATOMIC_RELAXED);
#endif
}

CXLT_INLINE int cxlt_exact_too_long(__u64 since)
{
#ifdef CXLT_MODEL
	return cxlt_too_long(since);
#else
	__u64 now = cxlt_ticks();

	__atomic_store_n(&cxlt_exact_clock, now, __ATOMIC_RELAXED);
	return cxlt_unlikely(now - since > CXLT_TICKS_MAX);
#endif
}

/*
 * The straight way to a key, for userspace.  A look at a bucket decides nothing: it finds the slot
 * that fits, whose entry can be fetched meanwhile, and cxlt_exact_check() validates the hit in one
 * go.  Whatever is out of the ordinary (a change beside us, two keys with one tag, a strange ref)
 * is left to cxlt_exact_find_slowly(), so that the way itself hardly branches.
 */
struct cxlt_exact_look {
	const __u64 *at; /* the slot */
	__u64 slot;	 /* what was in it; nonsense if nothing fits */
	__u64 meta;
	__u32 fit; /* 0: none */
	__u32 pad;
};

CXLT_INLINE struct cxlt_exact_look cxlt_exact_look(const struct cxlt_bucket *b, __u32 want)
{
	struct cxlt_exact_look l = {.pad = 0};

	/* Before the slots: pairs with the writer, who moves the sequence with every move. */
	l.meta = cxlt_load_acquire(&b->meta);
	l.fit = cxlt_slot_find(b, want);
	l.at = (const __u64 *)b + (l.fit + 7) % 8; /* of none: meta */
	l.slot = cxlt_load_acquire(l.at);
	return l;
}

/* Not zero if entries have moved in `b` since it was looked at. */
CXLT_INLINE __u32 cxlt_exact_moved(const struct cxlt_bucket *b, __u64 meta)
{
	return CXLT_META_SEQ(cxlt_load(&b->meta)) ^ CXLT_META_SEQ(meta);
}

/*
 * 1 and the value, if the slot at `at` leads to `key`, unless geo has moved.  The slot is looked at
 * again while the entry's sequence stands still: at that moment it was this entry, with this key
 * and value, that was in the table.
 */
CXLT_INLINE int cxlt_exact_check(const struct cxlt_view *v, const __u64 *at, __u64 slot,
				 const __u64 *key, __u32 n_key, __u64 *val, __u32 n_val)
{
	const struct cxlt_exact *e =
		cxlt_cell(v, CXLT_SLOT_REF(slot), cxlt_exact_cells(n_key, n_val));
	__u64 seq, bad;
	__u32 i;

	if (cxlt_unlikely(!e))
		return 0;
	/* Pairs with the writer's release of an even sequence in cxlt_exact_fill(). */
	seq = cxlt_load_acquire(&e->seq);
	bad = seq & 1;
	for (i = 0; i < n_key && i < CXLT_KEY_MAX; i++)
		bad |= cxlt_load(&e->body[i]) ^ key[i];
	for (i = 0; i < n_val && i < CXLT_EXACT_VAL_MAX; i++)
		val[i] = cxlt_load(&e->body[n_key + i]);
	cxlt_read_barrier();
	bad |= cxlt_load_acquire(at) ^ slot;
	bad |= cxlt_load(&e->seq) ^ seq;
	return cxlt_likely(!bad);
}

/* As cxlt_exact_find(), a call: for what is rare. */
static __attribute__((noinline, cold, unused)) int cxlt_exact_find_again(const struct cxlt_view *v,
									 __u32 tuple,
									 const __u64 *key,
									 __u32 n_key, __u64 *val,
									 __u32 n_val)
{
	return cxlt_exact_find_slowly(v, tuple, key, n_key, val, n_val);
}

/* The array of buckets that geo names, if all of it is inside the view. */
CXLT_INLINE const struct cxlt_bucket *cxlt_exact_array(const struct cxlt_view *v, __u64 geo,
						       __u32 *mask)
{
	__u32 log2 = CXLT_GEO_LOG2(geo);

	*mask = (__u32)((1ULL << (log2 & 31)) - 1);
	return log2 > 26 ? NULL : cxlt_line(v, CXLT_GEO_REF(geo), 1U << log2);
}

/* `tuple` is the body of the exact table, from cxlt_exact_open(). */
CXLT_INLINE int cxlt_exact_find(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				__u32 n_key, __u64 *val, __u32 n_val)
{
	const struct cxlt_tuple *t = cxlt_line(v, tuple, CXLT_EXACT_LINES);
	const struct cxlt_bucket *array, *b1, *b2;
	struct cxlt_exact_look l1, l2;
	__u64 geo, h, since = cxlt_exact_since();
	__u32 mask, moved;
	int hit = 0;

	if (cxlt_unlikely(!t))
		return -CXLT_EFAULT;
	h = cxlt_exact_hash(v->secrets, cxlt_load(&t->secret), key, n_key);
	/* Pairs with the release of a filled array in cxlt_tuple_resize(). */
	geo = cxlt_load_acquire(&t->geo);
	array = cxlt_exact_array(v, geo, &mask);
	if (cxlt_unlikely(!array))
		return cxlt_exact_find_again(v, tuple, key, n_key, val, n_val);
	b1 = &array[(__u32)h & mask];
	b2 = &array[cxlt_hash_other((__u32)h & mask, cxlt_hash_tag(h), mask)];
	CXLT_EXACT_AHEAD(b2);
	l1 = cxlt_exact_look(b1, cxlt_hash_tag(h) << 1);
	if (l1.fit) {
		hit = cxlt_exact_check(v, l1.at, l1.slot, key, n_key, val, n_val);
		moved = !hit;
	} else if (!CXLT_META_CNT(l1.meta, cxlt_hash_tag(h))) {
		cxlt_read_barrier();
		moved = cxlt_exact_moved(b1, l1.meta);
	} else {
		l2 = cxlt_exact_look(b2, cxlt_hash_tag(h) << 1 | 1);
		if (l2.fit) {
			hit = cxlt_exact_check(v, l2.at, l2.slot, key, n_key, val, n_val);
			moved = !hit;
		} else {
			cxlt_read_barrier();
			moved = cxlt_exact_moved(b1, l1.meta) | cxlt_exact_moved(b2, l2.meta);
		}
	}
	cxlt_read_barrier();
	if (cxlt_unlikely(moved || cxlt_load(&t->geo) != geo))
		return cxlt_exact_find_again(v, tuple, key, n_key, val, n_val);
	if (hit)
		return 0;
	if (cxlt_exact_too_long(since))
		return cxlt_exact_find_again(v, tuple, key, n_key, val, n_val);
	return -CXLT_ENOENT;
}

/*
 * Up to CXLT_EXACT_BATCH lookups at once.  Each step is done for all keys before the next one, so
 * that what it fetches has time to come: hash and fetch the first bucket; look at it, and fetch
 * the entry that fits or else the second bucket, if one may be there; look at second buckets;
 * validate.  No branch but the loops' depends on a key.  rc[i] is as cxlt_exact_find()'s; returns
 * the hits.
 */
CXLT_INLINE __u32 cxlt_exact_find_batch(const struct cxlt_view *v, __u32 tuple,
					const __u64 *const *keys, __u32 n, __u32 n_key,
					__u64 *const *vals, __u32 n_val, int *rc)
{
	const struct cxlt_tuple *t = cxlt_line(v, tuple, CXLT_EXACT_LINES);
	const __u32 two = cxlt_exact_cells(n_key, n_val) > 2 ? CXLT_LINE : 0;
	__u32 i, k, mask, n_fit = 0, n_second = 0, moved = 0, hits = 0;
	__u64 h[CXLT_EXACT_BATCH], slot[CXLT_EXACT_BATCH], meta[CXLT_EXACT_BATCH];
	__u64 geo, secret, since = cxlt_exact_since();
	const __u64 *at[CXLT_EXACT_BATCH];
	__u32 fits[CXLT_EXACT_BATCH], second[CXLT_EXACT_BATCH];
	const struct cxlt_bucket *array;

	if (n > CXLT_EXACT_BATCH)
		n = CXLT_EXACT_BATCH;
	if (cxlt_unlikely(!t)) {
		for (i = 0; i < n; i++)
			rc[i] = -CXLT_EFAULT;
		return 0;
	}
	secret = cxlt_load(&t->secret);
	geo = cxlt_load_acquire(&t->geo);
	array = cxlt_exact_array(v, geo, &mask);
	if (cxlt_unlikely(!array))
		goto again;
	for (i = 0; i < n; i++) {
		h[i] = cxlt_exact_hash(v->secrets, secret, keys[i], n_key);
		cxlt_prefetch(&array[(__u32)h[i] & mask]);
	}
	for (i = 0; i < n; i++) {
		__u32 tag = cxlt_hash_tag(h[i]), i1 = (__u32)h[i] & mask;
		struct cxlt_exact_look l = cxlt_exact_look(&array[i1], tag << 1);
		__u32 more = CXLT_META_CNT(l.meta, tag) && !l.fit;
		const char *next = (const char *)&array[cxlt_hash_other(i1, tag, mask)];
		const char *e = (const char *)v->base + (__u64)CXLT_SLOT_REF(l.slot) * CXLT_CELL;

		next = more ? next : (const char *)&array[i1];
		next = l.fit ? e : next;
		cxlt_prefetch(next);
		if (two)
			cxlt_prefetch(l.fit ? next + two : next);
		at[i] = l.at;
		slot[i] = l.slot;
		meta[i] = l.meta;
		fits[n_fit] = i;
		n_fit += l.fit != 0;
		second[n_second] = i;
		n_second += more;
		rc[i] = -CXLT_ENOENT;
		cxlt_read_barrier();
		moved |= cxlt_exact_moved(&array[i1], l.meta);
	}
	for (k = 0; k < n_second; k++) {
		__u32 tag, i1, i2;
		struct cxlt_exact_look l;
		const char *e;

		i = second[k];
		tag = cxlt_hash_tag(h[i]);
		i1 = (__u32)h[i] & mask;
		i2 = cxlt_hash_other(i1, tag, mask);
		l = cxlt_exact_look(&array[i2], tag << 1 | 1);
		e = (const char *)v->base + (__u64)CXLT_SLOT_REF(l.slot) * CXLT_CELL;
		e = l.fit ? e : (const char *)&array[i2];
		cxlt_prefetch(e);
		if (two)
			cxlt_prefetch(e + two);
		at[i] = l.at;
		slot[i] = l.slot;
		fits[n_fit] = i;
		n_fit += l.fit != 0;
		cxlt_read_barrier();
		moved |= cxlt_exact_moved(&array[i1], meta[i]) |
			 cxlt_exact_moved(&array[i2], l.meta);
	}
	for (k = 0; k < n_fit; k++) {
		i = fits[k];
		rc[i] = 0;
		hits++;
		if (cxlt_likely(
			    cxlt_exact_check(v, at[i], slot[i], keys[i], n_key, vals[i], n_val)))
			continue;
		rc[i] = cxlt_exact_find_again(v, tuple, keys[i], n_key, vals[i], n_val);
		hits -= rc[i] != 0;
	}
	cxlt_read_barrier();
	if (cxlt_likely(!moved && cxlt_load(&t->geo) == geo) && !cxlt_exact_too_long(since))
		return hits;
again:
	for (hits = 0, i = 0; i < n; i++) {
		rc[i] = cxlt_exact_find_again(v, tuple, keys[i], n_key, vals[i], n_val);
		hits += !rc[i];
	}
	return hits;
}

#else

/* `tuple` is the body of the exact table, from cxlt_exact_open(). */
CXLT_INLINE int cxlt_exact_find(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				__u32 n_key, __u64 *val, __u32 n_val)
{
	return cxlt_exact_find_slowly(v, tuple, key, n_key, val, n_val);
}

#endif

#endif
