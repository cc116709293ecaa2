/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exact_reader.h - lookup in an exact table from userspace: one key, or up to 32 at once.
 *
 *     struct cxlt_exact_reader r;
 *     rc = cxlt_exact_reader_open(&r, &view, cxlt_exact_open(slice, "conn"));
 *     rc = cxlt_exact_get(&r, key, N_KEY, value, N_VAL);
 *
 * A reader knows a table's array, and looks in one comparison whether it is still the table's; it is
 * one thread's, and nothing to give back.  cxlt_exact_find() and cxlt_exact_find_batch() do without
 * one, and find out about the table in each call.
 *
 * This is the straight way to a key.  A look at a bucket decides nothing: it finds the slot that
 * fits, whose entry can be fetched meanwhile, and cxlt_exact_check() validates the hit in one go.
 * Whatever is out of the ordinary (a change beside us, two keys with one tag, a strange ref) is left
 * to cxlt_exact_find_slowly(), so that the way itself hardly branches.
 *
 * Concurrency and results: exact.h.  Included by it.
 */
#ifndef CXLTAB_EXACT_READER_H
#define CXLTAB_EXACT_READER_H

#include <cxltab/exact.h>

#ifndef __BPF__

struct cxlt_exact_reader {
	const struct cxlt_view *view;
	const struct cxlt_tuple *t;
	const struct cxlt_bucket *array; /* of geo */
	__u64 geo, secret;
	__u64 clock; /* when the clock was last looked at, see cxlt_exact_too_long() */
	__u32 mask, tuple;
	__u32 cells; /* in the view */
	__u32 pad;
};

/*
 * A miss rests on 32-bit sequences, so it must not take long.  It may count from when this reader last
 * looked at the clock: that was before its first load, and what only seems too long is repeated.  So a
 * miss needs a single look, after its last load, and a hit none.
 */
CXLT_INLINE __u64 cxlt_exact_since(const struct cxlt_exact_reader *r)
{
#ifdef CXLT_MODEL
	return cxlt_ticks();
#else
	return r->clock;
#endif
}

CXLT_INLINE int cxlt_exact_too_long(struct cxlt_exact_reader *r, __u64 since)
{
#ifdef CXLT_MODEL
	return cxlt_too_long(since);
#else
	r->clock = cxlt_ticks();
	return cxlt_unlikely(r->clock - since > CXLT_TICKS_MAX);
#endif
}

/* The array that geo names; -EFAULT unless all of it is inside the view. */
CXLT_INLINE int cxlt_exact_refresh(struct cxlt_exact_reader *r)
{
	/* Pairs with the release of a filled array in cxlt_tuple_resize(). */
	__u64 geo = cxlt_load_acquire(&r->t->geo);
	__u32 mask = CXLT_BUCKET_MASK(cxlt_load32(&r->t->sparse), CXLT_GEO_LOG2(geo));

	r->array = mask + 1 ? cxlt_line(r->view, CXLT_GEO_REF(geo), mask + 1) : NULL;
	r->mask = mask;
	r->geo = geo;
	return r->array ? 0 : -CXLT_EFAULT;
}

/* `tuple` is the body of the table, from cxlt_exact_open().  0 or -EFAULT. */
CXLT_INLINE int cxlt_exact_reader_open(struct cxlt_exact_reader *r, const struct cxlt_view *v,
				       __u32 tuple)
{
	__u64 cells = (__u64)v->limit * (CXLT_LINE / CXLT_CELL);

	r->view = v;
	r->t = cxlt_line(v, tuple, CXLT_EXACT_LINES);
	r->clock = 0;
	r->tuple = tuple;
	r->cells = cells > 0xffffffff ? 0xffffffff : (__u32)cells;
	if (cxlt_unlikely(!r->t))
		return -CXLT_EFAULT;
	r->secret = cxlt_load(&r->t->secret);
	return cxlt_exact_refresh(r);
}

/* What a look at a bucket found. */
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

/* The entry of a slot, wherever that leads; to be fetched, not to be read. */
CXLT_INLINE const char *cxlt_exact_entry(const struct cxlt_exact_reader *r, __u64 slot)
{
	return (const char *)r->view->base + (__u64)CXLT_SLOT_REF(slot) * CXLT_CELL;
}

/*
 * 1 and the value, if the slot at `at` leads to `key`.  The slot is looked at again while the entry's
 * sequence stands still: at that moment it was this entry, with this key and value, that was in the
 * table, unless geo has moved.
 */
CXLT_INLINE int cxlt_exact_check(const struct cxlt_exact_reader *r, const __u64 *at, __u64 slot,
				 const __u64 *key, __u32 n_key, __u64 *val, __u32 n_val)
{
	const struct cxlt_exact *e = (const struct cxlt_exact *)cxlt_exact_entry(r, slot);
	__u64 seq, bad;
	__u32 i;

	/* Cells 0 and 1 are no entries, but inside. */
	if (cxlt_unlikely((__u64)CXLT_SLOT_REF(slot) + cxlt_exact_cells(n_key, n_val) > r->cells))
		return 0;
	/* Pairs with the writer's release of an even sequence in entry_new(). */
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

/* The whole protocol, in a call: for what is rare. */
static __attribute__((noinline, cold, unused)) int cxlt_exact_again(struct cxlt_exact_reader *r,
								    const __u64 *key, __u32 n_key,
								    __u64 *val, __u32 n_val)
{
	return cxlt_exact_find_slowly(r->view, r->tuple, key, n_key, val, n_val);
}

/* 0 if the reader's array is the table's now. */
CXLT_INLINE int cxlt_exact_ready(struct cxlt_exact_reader *r)
{
	/* Pairs with the release of a filled array in cxlt_tuple_resize(). */
	return cxlt_likely(cxlt_load_acquire(&r->t->geo) == r->geo && r->array)
		       ? 0
		       : cxlt_exact_refresh(r);
}

CXLT_INLINE int cxlt_exact_get(struct cxlt_exact_reader *r, const __u64 *key, __u32 n_key,
			       __u64 *val, __u32 n_val)
{
	const struct cxlt_bucket *b1, *b2;
	struct cxlt_exact_look l;
	__u64 h, since = cxlt_exact_since(r), m1;
	__u32 i1, tag, second;

	if (cxlt_unlikely(cxlt_exact_ready(r)))
		return cxlt_exact_again(r, key, n_key, val, n_val);
	h = cxlt_exact_hash(r->view->secrets, r->secret, key, n_key);
	i1 = (__u32)h & r->mask;
	tag = cxlt_hash_tag(h);
	b1 = &r->array[i1];
	b2 = &r->array[cxlt_hash_other(i1, tag, r->mask)];
	CXLT_EXACT_AHEAD(b2);
	l = cxlt_exact_look(b1, tag << 1);
	m1 = l.meta;
	second = !l.fit && CXLT_META_CNT(m1, tag);
	if (second)
		l = cxlt_exact_look(b2, tag << 1 | 1);
	if (l.fit) {
		if (cxlt_exact_check(r, l.at, l.slot, key, n_key, val, n_val) &&
		    cxlt_likely(cxlt_load(&r->t->geo) == r->geo))
			return 0;
		return cxlt_exact_again(r, key, n_key, val, n_val);
	}
	cxlt_read_barrier();
	if (cxlt_unlikely(cxlt_exact_moved(b1, m1) || (second && cxlt_exact_moved(b2, l.meta)) ||
			  cxlt_load(&r->t->geo) != r->geo || cxlt_exact_too_long(r, since)))
		return cxlt_exact_again(r, key, n_key, val, n_val);
	return -CXLT_ENOENT;
}

/* What a batch knows of its keys, between its steps. */
struct cxlt_exact_batch {
	__u64 h[CXLT_EXACT_BATCH], slot[CXLT_EXACT_BATCH], meta[CXLT_EXACT_BATCH];
	const __u64 *at[CXLT_EXACT_BATCH];
	__u32 fits[CXLT_EXACT_BATCH], second[CXLT_EXACT_BATCH];
	__u32 n_fit, n_second, moved;
};

CXLT_INLINE void cxlt_exact_found(struct cxlt_exact_batch *b, __u32 i,
				  const struct cxlt_exact_look *l)
{
	b->at[i] = l->at;
	b->slot[i] = l->slot;
	b->fits[b->n_fit] = i;
	b->n_fit += l->fit != 0;
}

/* First buckets: fetches the entries that fit, or else the second buckets that are needed. */
CXLT_INLINE void cxlt_exact_firsts(const struct cxlt_exact_reader *r, struct cxlt_exact_batch *b,
				   __u32 n, __u32 two, int *rc)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		__u32 tag = cxlt_hash_tag(b->h[i]), i1 = (__u32)b->h[i] & r->mask;
		struct cxlt_exact_look l = cxlt_exact_look(&r->array[i1], tag << 1);
		__u32 more = CXLT_META_CNT(l.meta, tag) && !l.fit;
		const char *next = (const char *)&r->array[cxlt_hash_other(i1, tag, r->mask)];

		next = more ? next : (const char *)&r->array[i1];
		next = l.fit ? cxlt_exact_entry(r, l.slot) : next;
		cxlt_prefetch(next);
		if (two)
			cxlt_prefetch(l.fit ? next + two : next);
		cxlt_exact_found(b, i, &l);
		b->meta[i] = l.meta;
		b->second[b->n_second] = i;
		b->n_second += more;
		rc[i] = -CXLT_ENOENT;
		cxlt_read_barrier();
		b->moved |= cxlt_exact_moved(&r->array[i1], l.meta);
	}
}

CXLT_INLINE void cxlt_exact_seconds(const struct cxlt_exact_reader *r, struct cxlt_exact_batch *b,
				    __u32 two)
{
	__u32 k;

	for (k = 0; k < b->n_second; k++) {
		__u32 i = b->second[k], tag = cxlt_hash_tag(b->h[i]);
		__u32 i1 = (__u32)b->h[i] & r->mask, i2 = cxlt_hash_other(i1, tag, r->mask);
		struct cxlt_exact_look l = cxlt_exact_look(&r->array[i2], tag << 1 | 1);
		const char *e = cxlt_exact_entry(r, l.slot);

		e = l.fit ? e : (const char *)&r->array[i2];
		cxlt_prefetch(e);
		if (two)
			cxlt_prefetch(e + two);
		cxlt_exact_found(b, i, &l);
		cxlt_read_barrier();
		b->moved |= cxlt_exact_moved(&r->array[i1], b->meta[i]) |
			    cxlt_exact_moved(&r->array[i2], l.meta);
	}
}

/*
 * Up to CXLT_EXACT_BATCH lookups at once.  Each step is done for all keys before the next one, so
 * that what it fetches has time to come: hash and fetch the first bucket; look at it, and fetch
 * the entry that fits or else the second bucket, if one may be there; look at second buckets;
 * validate.  No branch but the loops' depends on a key.  rc[i] is as cxlt_exact_get()'s; returns
 * the hits.
 */
CXLT_INLINE __u32 cxlt_exact_get_batch(struct cxlt_exact_reader *r, const __u64 *const *keys,
				       __u32 n, __u32 n_key, __u64 *const *vals, __u32 n_val,
				       int *rc)
{
	const __u32 two = cxlt_exact_cells(n_key, n_val) > 2 ? CXLT_LINE : 0;
	struct cxlt_exact_batch b;
	__u64 since = cxlt_exact_since(r);
	__u32 i, k, hits = 0;

	if (n > CXLT_EXACT_BATCH)
		n = CXLT_EXACT_BATCH;
	if (cxlt_unlikely(cxlt_exact_ready(r)))
		goto again;
	b.n_fit = b.n_second = b.moved = 0;
	for (i = 0; i < n; i++) {
		b.h[i] = cxlt_exact_hash(r->view->secrets, r->secret, keys[i], n_key);
		cxlt_prefetch(&r->array[(__u32)b.h[i] & r->mask]);
	}
	cxlt_exact_firsts(r, &b, n, two, rc);
	cxlt_exact_seconds(r, &b, two);
	for (k = 0; k < b.n_fit; k++) {
		i = b.fits[k];
		rc[i] = 0;
		hits++;
		if (cxlt_likely(cxlt_exact_check(r, b.at[i], b.slot[i], keys[i], n_key, vals[i],
						 n_val)))
			continue;
		rc[i] = cxlt_exact_again(r, keys[i], n_key, vals[i], n_val);
		hits -= rc[i] != 0;
	}
	cxlt_read_barrier();
	if (cxlt_likely(!b.moved && cxlt_load(&r->t->geo) == r->geo) &&
	    (hits == n || !cxlt_exact_too_long(r, since)))
		return hits;
again:
	for (hits = 0, i = 0; i < n; i++) {
		rc[i] = cxlt_exact_again(r, keys[i], n_key, vals[i], n_val);
		hits += !rc[i];
	}
	return hits;
}

/* ---- Without a reader of one's own ---- */

/* The clock of a thread's last reader. */
static __thread __u64 cxlt_exact_clock __attribute__((unused));

CXLT_INLINE int cxlt_exact_find(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				__u32 n_key, __u64 *val, __u32 n_val)
{
	struct cxlt_exact_reader r;
	int rc = cxlt_exact_reader_open(&r, v, tuple);

	if (cxlt_unlikely(rc))
		return rc;
	/* Once: a signal's handler may search as well. */
	r.clock = __atomic_load_n(&cxlt_exact_clock, __ATOMIC_RELAXED);
	rc = cxlt_exact_get(&r, key, n_key, val, n_val);
	if (rc)
		__atomic_store_n(&cxlt_exact_clock, r.clock, __ATOMIC_RELAXED);
	return rc;
}

CXLT_INLINE __u32 cxlt_exact_find_batch(const struct cxlt_view *v, __u32 tuple,
					const __u64 *const *keys, __u32 n, __u32 n_key,
					__u64 *const *vals, __u32 n_val, int *rc)
{
	struct cxlt_exact_reader r;
	int failed = cxlt_exact_reader_open(&r, v, tuple);
	__u32 i, hits;

	if (cxlt_unlikely(failed)) {
		for (i = 0; i < n && i < CXLT_EXACT_BATCH; i++)
			rc[i] = failed;
		return 0;
	}
	r.clock = __atomic_load_n(&cxlt_exact_clock, __ATOMIC_RELAXED);
	hits = cxlt_exact_get_batch(&r, keys, n, n_key, vals, n_val, rc);
	__atomic_store_n(&cxlt_exact_clock, r.clock, __ATOMIC_RELAXED);
	return hits;
}

#endif /* __BPF__ */

#endif
