/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - look ahead for a batch of keys in a table (userspace).
 *
 * cxlt_classify() waits for one line after the other: a bucket, then an entry.  Whoever has
 * several keys at hand calls cxlt_batch_buckets() for all, then cxlt_batch_entries() for all, then
 * cxlt_classify() one by one, and the waits overlap.  The lookahead reaches the first `depth` tuples
 * that the prefilter leaves of a key, among the table's first 64; the caller knows from w->n_probes how
 * many its packets need.
 *
 * Fetching ahead decides nothing: a stale or nonsensical slice costs a useless fetch, and the filter
 * is asked again once the search has read its change words.  What may be used again is the hash of a
 * key in a tuple, as long as the tuple's id, which is never reused, still is what it was:
 * cxlt_batch_tuple_find() is cxlt_tuple_find() without that sum.  A program defines CXLT_TUPLE_FIND
 * before it includes this header, and calls the one or the other.
 *
 * Concurrency: as any reader; a batch is one thread's.  Results of cxlt_classify() don't depend on any
 * of this.
 */
#ifndef CXLTAB_BATCH_H
#define CXLTAB_BATCH_H

#ifndef __BPF__

#include <cxltab/base.h>
#include <cxltab/classify.h>
#include <cxltab/filter.h>

enum {
	CXLT_BATCH_KEYS = 32,
	CXLT_BATCH_TUPLES = 64, /* of the list: one word of the filter's answer */
	CXLT_BATCH_DEPTH = 32,	/* of a key */
};

/* What is looked at ahead, found once per batch; and of each key, in which tuples. */
struct cxlt_batch {
	__u64 list;
	__u64 sound; /* bit i: tuple i of the list can be looked at, and is for this view */
	__u32 depth;
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
	__u64 left[CXLT_BATCH_KEYS]; /* tuples that were looked at, lowest first in hash[] */
	__u64 hash[CXLT_BATCH_KEYS][CXLT_BATCH_DEPTH];
	struct {
		__u64 left; /* of left[], those that the search has not come to */
		__u32 at;   /* of hash[] */
		__u32 pad;
	} next[CXLT_BATCH_KEYS];
};

CXLT_INLINE void cxlt_batch_begin(const struct cxlt_view *v, __u32 table, __u32 depth,
				  struct cxlt_batch *b)
{
	const struct cxlt_table *t = cxlt_line(v, v->tables + table * 2, 2);
	__u32 skip = v->flags & CXLT_VIEW_DEVICE ? CXLT_TUPLE_HOST : CXLT_TUPLE_SHADOW, i, n;
	const __u64 *items;

	b->list = b->sound = 0;
	b->depth = depth < CXLT_BATCH_DEPTH ? depth : CXLT_BATCH_DEPTH;
	if (!t || table >= v->n_tables)
		return;
	b->list = cxlt_load_acquire(&t->list);
	n = CXLT_LIST_N(b->list);
	items = n ? cxlt_line(v, CXLT_LIST_REF(b->list), (n + 7) / 8) : NULL;
	for (i = 0; items && i < n && i < CXLT_BATCH_TUPLES; i++) {
		__u64 item = cxlt_load(&items[i]), head, geo;
		const struct cxlt_tuple *tuple =
			cxlt_line(v, CXLT_ITEM_REF(item), 2 + CXLT_KEY_MAX / 8);

		b->tuple[i].ref = CXLT_ITEM_REF(item);
		if (!tuple || CXLT_ITEM_FLAGS(item) & skip)
			continue;
		head = cxlt_load((const __u64 *)&tuple->id);
		geo = cxlt_load_acquire(&tuple->geo);
		if (((head >> 32) & 0xff) > CXLT_KEY_MAX || CXLT_GEO_LOG2(geo) > 26 ||
		    !cxlt_line(v, CXLT_GEO_REF(geo), 1U << CXLT_GEO_LOG2(geo)))
			continue;
		b->tuple[i].tuple = tuple;
		b->tuple[i].id = (__u32)head;
		b->tuple[i].n_words = (head >> 32) & 0xff;
		b->tuple[i].array = CXLT_GEO_REF(geo);
		b->tuple[i].mask = (__u32)((1ULL << CXLT_GEO_LOG2(geo)) - 1);
		b->sound |= 1ULL << i;
	}
}

CXLT_INLINE const struct cxlt_bucket *cxlt_batch_bucket(const struct cxlt_view *v,
							const struct cxlt_batch *b, __u32 t,
							__u64 hash)
{
	return (const void *)(unsigned long)(v->base + ((__u64)(b->tuple[t].array +
								((__u32)hash & b->tuple[t].mask))
							<< 6));
}

/* Key i of the batch: fetches its first bucket in each tuple that may match. */
CXLT_INLINE void cxlt_batch_buckets(const struct cxlt_view *v, struct cxlt_batch *b, __u32 i,
				    const struct cxlt_key *k)
{
	struct cxlt_filter f;
	__u64 left = b->sound, looked = 0;
	__u32 n;

	if (b->depth && !cxlt_filter_ask(v, k, b->list, &f))
		left &= ~f.first;
	for (n = 0; left && n < b->depth; n++, left &= left - 1) {
		__u32 t = cxlt_low_bit(left);

		b->hash[i][n] = cxlt_tuple_hash(v, b->tuple[t].tuple, k, b->tuple[t].n_words);
		cxlt_prefetch(cxlt_batch_bucket(v, b, t, b->hash[i][n]));
		looked |= 1ULL << t;
	}
	b->left[i] = b->next[i].left = looked;
	b->next[i].at = 0;
}

/* Key i of the batch: fetches the first two lines of an entry whose tag fits, in each of them. */
CXLT_INLINE void cxlt_batch_entries(const struct cxlt_view *v, const struct cxlt_batch *b, __u32 i)
{
	__u64 left;
	__u32 n = 0;

	for (left = b->left[i]; left; left &= left - 1, n++) {
		const struct cxlt_bucket *bucket =
			cxlt_batch_bucket(v, b, cxlt_low_bit(left), b->hash[i][n]);
		__u32 slot = cxlt_slot_find(bucket, cxlt_hash_tag(b->hash[i][n]) << 1);
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
 * was given to cxlt_batch_buckets() as number i.  A search comes to tuples in the list's order, so
 * the next one is looked for from the last one on.
 */
CXLT_INLINE int cxlt_batch_tuple_find(const struct cxlt_view *v, struct cxlt_work *w,
				      struct cxlt_batch *b, __u32 i, __u32 ref, __u32 best)
{
	struct cxlt_probe p = {.ref = ref, .best = best};
	__u64 left = b->next[i].left;
	__u32 at = b->next[i].at, t = 0;

	for (; left; left &= left - 1, at++) {
		t = cxlt_low_bit(left);
		if (b->tuple[t].ref == ref)
			break;
	}
	if (!left || cxlt_load32(&b->tuple[t].tuple->id) != b->tuple[t].id)
		return cxlt_tuple_find(v, w, ref, best);
	b->next[i].left = left & (left - 1);
	b->next[i].at = at + 1;
	p.tuple = b->tuple[t].tuple;
	p.id = b->tuple[t].id;
	p.n_words = b->tuple[t].n_words;
	return cxlt_tuple_probe(v, w, &p, b->hash[i][at]);
}

#endif

#endif
