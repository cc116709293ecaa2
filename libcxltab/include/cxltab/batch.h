/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - look ahead for a batch of keys in a table (userspace).
 *
 * cxlt_classify() waits for one line after the other: a bucket, then an entry.  Whoever has
 * several keys at hand calls cxlt_batch_buckets() for all, then cxlt_batch_entries() for all, then
 * cxlt_classify() one by one, and the waits overlap.  The lookahead reaches `depth` tuples, those
 * with the highest priorities; the caller knows from w->n_probes how many its packets need.
 *
 * Fetching ahead decides nothing: a stale or nonsensical slice costs a useless fetch.  What may be
 * used again is the hash of a key in a tuple, as long as the tuple's id, which is never reused,
 * still is what it was: cxlt_batch_tuple_find() is cxlt_tuple_find() without that sum.  A program
 * defines CXLT_TUPLE_FIND before it includes this header, and calls the one or the other.
 *
 * Concurrency: as any reader.  Results of cxlt_classify() don't depend on any of this.
 */
#ifndef CXLTAB_BATCH_H
#define CXLTAB_BATCH_H

#ifndef __BPF__

#include <cxltab/base.h>
#include <cxltab/classify.h>

enum {
	CXLT_BATCH_KEYS = 32,
	CXLT_BATCH_TUPLES = 16,
};

/* What is looked at ahead, found once per batch. */
struct cxlt_batch {
	__u32 n_tuples;
	__u32 pad;
	struct {
		const struct cxlt_tuple *tuple;
		__u32 ref;
		__u32 id;
		__u32 n_words;
		__u32 array; /* ref of the bucket array */
		__u32 mask;
		__u32 pad;
	} tuple[CXLT_BATCH_TUPLES];
	__u64 hash[CXLT_BATCH_KEYS][CXLT_BATCH_TUPLES];
};

CXLT_INLINE void cxlt_batch_begin(const struct cxlt_view *v, __u32 table, __u32 depth,
				  struct cxlt_batch *b)
{
	const struct cxlt_table *t = cxlt_line(v, v->tables + table * 2, 2);
	__u32 skip = v->flags & CXLT_VIEW_DEVICE ? CXLT_TUPLE_HOST : CXLT_TUPLE_SHADOW, i, n;
	const __u64 *items;
	__u64 list;

	b->n_tuples = 0;
	if (!t || table >= v->n_tables)
		return;
	list = cxlt_load_acquire(&t->list);
	n = CXLT_LIST_N(list);
	items = n ? cxlt_line(v, CXLT_LIST_REF(list), (n + 7) / 8) : NULL;
	for (i = 0; items && i < n && b->n_tuples < depth && b->n_tuples < CXLT_BATCH_TUPLES; i++) {
		__u64 item = cxlt_load(&items[i]), head, geo;
		const struct cxlt_tuple *tuple =
			cxlt_line(v, CXLT_ITEM_REF(item), 2 + CXLT_KEY_MAX / 8);

		if (!tuple || CXLT_ITEM_FLAGS(item) & skip)
			continue;
		head = cxlt_load((const __u64 *)&tuple->id);
		geo = cxlt_load_acquire(&tuple->geo);
		if (((head >> 32) & 0xff) > CXLT_KEY_MAX || CXLT_GEO_LOG2(geo) > 26 ||
		    !cxlt_line(v, CXLT_GEO_REF(geo), 1U << CXLT_GEO_LOG2(geo)))
			continue;
		b->tuple[b->n_tuples].tuple = tuple;
		b->tuple[b->n_tuples].ref = CXLT_ITEM_REF(item);
		b->tuple[b->n_tuples].id = (__u32)head;
		b->tuple[b->n_tuples].n_words = (head >> 32) & 0xff;
		b->tuple[b->n_tuples].array = CXLT_GEO_REF(geo);
		b->tuple[b->n_tuples].mask = (__u32)((1ULL << CXLT_GEO_LOG2(geo)) - 1);
		b->n_tuples++;
	}
}

CXLT_INLINE const struct cxlt_bucket *cxlt_batch_bucket(const struct cxlt_view *v,
							const struct cxlt_batch *b, __u32 i,
							__u32 t)
{
	return (const void *)(unsigned long)(v->base +
					     ((__u64)(b->tuple[t].array +
						      ((__u32)b->hash[i][t] & b->tuple[t].mask))
					      << 6));
}

/* Key i of the batch: fetches its first bucket in each tuple. */
CXLT_INLINE void cxlt_batch_buckets(const struct cxlt_view *v, struct cxlt_batch *b, __u32 i,
				    const struct cxlt_key *k)
{
	__u32 t;

	for (t = 0; t < b->n_tuples; t++) {
		b->hash[i][t] = cxlt_tuple_hash(v, b->tuple[t].tuple, k, b->tuple[t].n_words);
		cxlt_prefetch(cxlt_batch_bucket(v, b, i, t));
	}
}

/* Key i of the batch: fetches the first two lines of an entry whose tag fits, in each tuple. */
CXLT_INLINE void cxlt_batch_entries(const struct cxlt_view *v, const struct cxlt_batch *b, __u32 i)
{
	__u32 t;

	for (t = 0; t < b->n_tuples; t++) {
		const struct cxlt_bucket *bucket = cxlt_batch_bucket(v, b, i, t);
		__u32 slot = cxlt_slot_find(bucket, cxlt_hash_tag(b->hash[i][t]) << 1);
		const char *e;

		if (!slot)
			continue;
		e = cxlt_line(v, CXLT_SLOT_REF(cxlt_load(&bucket->slot[slot - 1])), 2);
		if (e) {
			cxlt_prefetch(e);
			cxlt_prefetch(e + CXLT_LINE);
		}
	}
}

/*
 * cxlt_tuple_find() for a key whose hash in this tuple may be known: w->key must be the key that
 * was given to cxlt_batch_buckets() as number i.
 */
CXLT_INLINE int cxlt_batch_tuple_find(const struct cxlt_view *v, struct cxlt_work *w,
				      const struct cxlt_batch *b, __u32 i, __u32 ref, __u32 best)
{
	struct cxlt_probe p = {.ref = ref, .best = best};
	__u32 t;

	for (t = 0; t < b->n_tuples && b->tuple[t].ref != ref; t++)
		;
	if (t == b->n_tuples || cxlt_load32(&b->tuple[t].tuple->id) != b->tuple[t].id)
		return cxlt_tuple_find(v, w, ref, best);
	p.tuple = b->tuple[t].tuple;
	p.id = b->tuple[t].id;
	p.n_words = b->tuple[t].n_words;
	return cxlt_tuple_probe(v, w, &p, b->hash[i][t]);
}

#endif

#endif
