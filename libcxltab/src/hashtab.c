// SPDX-License-Identifier: Apache-2.0
/*
 * The cuckoo buckets of one tuple, from the writer's side.  Every change is ordered so that a
 * reader between any two of its stores finds every key that was there (PROTOCOL.md, "Writers"):
 * a displaced entry is published in its new place before it leaves the old one, the counter that
 * sends readers to the second bucket rises before and falls after, and the sequences of both
 * buckets move in between.  All stores are releases; the partners are the acquire loads of
 * cxlt_array_find() and cxlt_exact_try().  Other writers are kept off by bucket locks (hold.c); a new
 * array is filled by one that has the slice alone.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static struct cxlt_bucket *buckets(const struct cxlt_slice *s, const struct cxlt_tuple *t)
{
	return cxlt_at(s, CXLT_GEO_REF(t->geo));
}

__u64 cxlt_hash_body(const struct cxlt_slice *s, const struct cxlt_tuple *t, const __u64 *body)
{
	__u64 h = t->secret;
	__u32 i;

	for (i = 0; i < t->n_words; i++)
		h += cxlt_nh(body[i], s->view.secrets[t->kind == CXLT_KIND_RULE ? t->idx[i] : i]);
	return cxlt_hash_finish(h);
}

__u64 cxlt_hash_entry(const struct cxlt_slice *s, const struct cxlt_tuple *t, __u32 ref)
{
	return cxlt_hash_body(s, t, cxlt_entry_body(s, t, ref));
}

static void meta_event(struct cxlt_bucket *b)
{
	cxlt_store_release(&b->meta, cxlt_own(&b->meta) + CXLT_META_EVENT);
}

/* A counter that reached 7 no longer knows; it stays until the array is rebuilt. */
static void meta_count(struct cxlt_bucket *home, __u32 tag, int by)
{
	__u64 m = cxlt_own(&home->meta);
	__u32 n = CXLT_META_CNT(m, tag), shift = CXLT_META_SHIFT(tag);

	if (n == 7 || (by < 0 && n == 0))
		return;
	cxlt_store_release(&home->meta, m + ((__u64)(__s64)by << shift));
}

static bool bucket_locate(const struct cxlt_hold *h, __u32 index, __u32 head, const __u64 *body,
			  struct cxlt_place_of *out)
{
	struct cxlt_bucket *b = &h->array[index];
	__u32 i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
		__u64 slot = cxlt_load(&b->slot[i]);

		if (!slot || CXLT_SLOT_HEAD(slot) != head)
			continue;
		if (memcmp(cxlt_entry_body(h->w->slice, h->t, CXLT_SLOT_REF(slot)), body,
			   h->t->n_words * 8))
			continue;
		*out = (struct cxlt_place_of){b, index, i};
		return true;
	}
	return false;
}

bool cxlt_hash_locate(const struct cxlt_hold *h, const __u64 *body, struct cxlt_place_of *out)
{
	if (bucket_locate(h, h->i1, h->tag << 1, body, out))
		return true;
	if (!CXLT_META_CNT(cxlt_load(&h->array[h->i1].meta), h->tag))
		return false;
	/* What fits there is homed here: our lock covers it. */
	return bucket_locate(h, h->i2, h->tag << 1 | 1, body, out);
}

static int free_slot(const struct cxlt_bucket *b)
{
	int i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++)
		if (!cxlt_load(&b->slot[i]))
			return i;
	return -1;
}

/* MOVE(A,i -> B,j) of PROTOCOL.md. */
static void move_slot(struct cxlt_bucket *array, __u32 mask, __u32 a, __u32 i, int j)
{
	__u64 w = cxlt_own(&array[a].slot[i]);
	__u32 tag = CXLT_SLOT_TAG(w), b = cxlt_hash_other(a, tag, mask);
	bool was_second = CXLT_SLOT_SEC(w);
	struct cxlt_bucket *home = &array[was_second ? b : a];

	if (!was_second)
		meta_count(home, tag, 1);
	cxlt_store_release(&array[b].slot[j], w ^ 1ULL << 32);
	meta_event(&array[a]);
	meta_event(&array[b]);
	cxlt_store_release(&array[a].slot[i], 0);
	if (was_second)
		meta_count(home, tag, -1);
}

/* Moves the entries of the path that ends in `last`, far end first; -EAGAIN if it is no longer one. */
static int move_path(struct cxlt_writer *w, struct cxlt_bucket *array, __u32 mask,
		     const struct cxlt_node *nodes, int last)
{
	int rc = 0;

	while (!rc && nodes[last].parent >= 0) {
		const struct cxlt_node *n = &nodes[last];
		__u32 from = nodes[n->parent].bucket, to = n->bucket;
		__u64 slot;
		int j;

		rc = cxlt_lock_pair(w, array, from, to);
		if (rc)
			return rc;
		slot = cxlt_load(&array[from].slot[n->slot]);
		j = free_slot(&array[to]);
		/* Any entry whose other place this is will do. */
		if (slot && j >= 0 && cxlt_hash_other(from, CXLT_SLOT_TAG(slot), mask) == to)
			move_slot(array, mask, from, n->slot, j);
		else
			rc = -EAGAIN;
		cxlt_unlock_pair(w, array, from, to);
		last = n->parent;
	}
	return rc;
}

/* Breadth first from both buckets, so that the path is the shortest; 0 if one has room now. */
static int make_room(struct cxlt_writer *w, struct cxlt_bucket *array, __u32 mask, __u32 i1,
		     __u32 i2, __u32 max_nodes)
{
	struct cxlt_node *nodes = w->nodes;
	__u32 head = 0, tail = 2, i, k;

	if (max_nodes > CXLT_NODES)
		max_nodes = CXLT_NODES;
	nodes[0] = (struct cxlt_node){i1, -1, 0};
	nodes[1] = (struct cxlt_node){i2, -1, 0};
	for (; head < tail; head++) {
		const struct cxlt_bucket *b = &array[nodes[head].bucket];

		for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
			__u64 slot = cxlt_load(&b->slot[i]);
			__u32 other =
				cxlt_hash_other(nodes[head].bucket, CXLT_SLOT_TAG(slot), mask);
			bool seen = !slot;

			if (!slot && nodes[head].parent < 0)
				return 0;
			/* A bucket twice on one path would move what is no longer there. */
			for (k = head; !seen; k = (__u32)nodes[k].parent) {
				seen = nodes[k].bucket == other;
				if (nodes[k].parent < 0)
					break;
			}
			if (seen || tail >= max_nodes)
				continue;
			nodes[tail] = (struct cxlt_node){other, (__s16)head, (__u8)i};
			if (free_slot(&array[other]) >= 0)
				return move_path(w, array, mask, nodes, (int)tail);
			tail++;
		}
	}
	return -ENOSPC;
}

int cxlt_hash_make_room(struct cxlt_writer *w, struct cxlt_tuple *t, __u64 h, __u32 max_nodes)
{
	__u32 mask = cxlt_tuple_mask(t), i1 = (__u32)h & mask;

	return make_room(w, buckets(w->slice, t), mask, i1,
			 cxlt_hash_other(i1, cxlt_hash_tag(h), mask), max_nodes);
}

static void count_slot(const struct cxlt_hold *h, __u64 by)
{
	if (h->t->kind == CXLT_KIND_RULE)
		cxlt_bump(h->w, &h->t->slots, by);
}

int cxlt_hash_publish(struct cxlt_hold *h, __u32 ref)
{
	struct cxlt_bucket *home = &h->array[h->i1], *other = &h->array[h->i2];
	int i = free_slot(home), rc;

	if (i >= 0) {
		cxlt_store_release(&home->slot[i], CXLT_SLOT(h->tag, 0, ref));
		count_slot(h, 1);
		return 0;
	}
	rc = cxlt_hold_other(h);
	if (rc)
		return rc;
	i = free_slot(other);
	if (i < 0)
		return -ENOSPC;
	meta_count(home, h->tag, 1);
	cxlt_store_release(&other->slot[i], CXLT_SLOT(h->tag, 1, ref));
	count_slot(h, 1);
	return 0;
}

/* The slot's own bucket, besides home. */
static int hold_place(struct cxlt_hold *h, const struct cxlt_place_of *p)
{
	return p->index == h->i1 ? 0 : cxlt_hold_other(h);
}

int cxlt_hash_replace(struct cxlt_hold *h, struct cxlt_place_of *p, __u32 ref)
{
	__u64 w = cxlt_load(&p->bucket->slot[p->slot]);
	int rc = hold_place(h, p);

	if (rc)
		return rc;
	cxlt_store_release(&p->bucket->slot[p->slot],
			   CXLT_SLOT(CXLT_SLOT_TAG(w), CXLT_SLOT_SEC(w), ref));
	meta_event(p->bucket);
	return 0;
}

int cxlt_hash_remove(struct cxlt_hold *h, struct cxlt_place_of *p)
{
	int rc = hold_place(h, p);

	if (rc)
		return rc;
	cxlt_store_release(&p->bucket->slot[p->slot], 0);
	meta_event(p->bucket);
	if (p->index != h->i1)
		meta_count(&h->array[h->i1], h->tag, -1);
	count_slot(h, (__u64)-1);
	return 0;
}

enum {
	AHEAD = 4, /* buckets */
};

/* Puts an entry into a private array; slots and counters need no order there. */
static bool fill_one(struct cxlt_writer *w, struct cxlt_bucket *array, __u32 mask, __u64 h,
		     __u32 ref)
{
	__u32 tag = cxlt_hash_tag(h), i1 = (__u32)h & mask, i2 = cxlt_hash_other(i1, tag, mask);
	__u32 round;

	for (round = 0; round < 2; round++) {
		int i = free_slot(&array[i1]), j;

		if (i >= 0) {
			cxlt_store(&array[i1].slot[i], CXLT_SLOT(tag, 0, ref));
			return true;
		}
		j = free_slot(&array[i2]);
		if (j >= 0) {
			meta_count(&array[i1], tag, 1);
			cxlt_store(&array[i2].slot[j], CXLT_SLOT(tag, 1, ref));
			return true;
		}
		if (round || make_room(w, array, mask, i1, i2, CXLT_NODES))
			return false;
	}
	return false;
}

/* The keys, in an entry's second line for rules, are what a rebuild waits for. */
static void prefetch_entries(const struct cxlt_slice *s, const struct cxlt_tuple *t,
			     const struct cxlt_bucket *b)
{
	__u32 i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
		const char *e = (const char *)cxlt_entry_body(s, t, CXLT_SLOT_REF(b->slot[i]));

		cxlt_prefetch(e);
		cxlt_prefetch(e + CXLT_LINE);
	}
}

int cxlt_tuple_resize(struct cxlt_writer *w, struct cxlt_tuple *t, __u32 log2)
{
	struct cxlt_slice *s = w->slice;
	struct cxlt_alloc *a = &w->alloc;
	__u32 n = t->geo ? 1U << CXLT_GEO_LOG2(t->geo) : 0, ref, i, j;
	struct cxlt_bucket *old = buckets(s, t), *array;
	__u32 was = CXLT_GEO_REF(t->geo);

	if (log2 > 26)
		return -ENOSPC;
	ref = cxlt_alloc_lines(s, a, CXLT_KIND_BUCKETS, log2);
	if (!ref)
		return -ENOSPC;
	array = cxlt_at(s, ref);
	for (i = 0; i < n; i++) {
		prefetch_entries(s, t, &old[i + AHEAD < n ? i + AHEAD : n - 1]);
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			__u32 e = CXLT_SLOT_REF(old[i].slot[j]);

			if (e &&
			    !fill_one(w, array, (1U << log2) - 1, cxlt_hash_entry(s, t, e), e)) {
				cxlt_free_lines(s, a, ref);
				return -ENOSPC;
			}
		}
	}
	/* One store changes the array; readers of the old one see geo move and try again. */
	cxlt_store_release(&t->geo, CXLT_GEO(ref, log2, CXLT_GEO_GEN(t->geo) + 1));
	if (was)
		cxlt_free_lines(s, a, was);
	return 0;
}
