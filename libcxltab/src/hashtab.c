// SPDX-License-Identifier: Apache-2.0
/*
 * The cuckoo buckets of one tuple, from the writer's side.  Every change is ordered so that a
 * reader between any two of its stores finds every key that was there (PROTOCOL.md, "Writers"):
 * a displaced entry is published in its new place before it leaves the old one, the counter that
 * sends readers to the second bucket rises before and falls after, and the sequences of both
 * buckets move in between.  All stores are releases; the partners are the acquire loads of
 * cxlt_array_find() and cxlt_exact_try().  Caller: the holder of the write lock.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static struct cxlt_bucket *buckets(const struct cxlt_slice *s, const struct cxlt_tuple *t)
{
	return cxlt_at(s, CXLT_GEO_REF(t->geo));
}

static __u32 bucket_mask(const struct cxlt_tuple *t)
{
	return (1U << CXLT_GEO_LOG2(t->geo)) - 1;
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
	cxlt_store_release(&b->meta, b->meta + CXLT_META_EVENT);
}

/* A counter that reached 7 no longer knows; it stays until the array is rebuilt. */
static void meta_count(struct cxlt_bucket *home, __u32 tag, int by)
{
	__u64 m = home->meta;
	__u32 n = CXLT_META_CNT(m, tag), shift = CXLT_META_SHIFT(tag);

	if (n == 7 || (by < 0 && n == 0))
		return;
	cxlt_store_release(&home->meta, m + ((__u64)(__s64)by << shift));
}

static bool bucket_locate(const struct cxlt_slice *s, const struct cxlt_tuple *t,
			  struct cxlt_bucket *b, __u32 index, __u32 head, const __u64 *body,
			  struct cxlt_place_of *out)
{
	__u32 i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
		__u64 slot = b->slot[i];

		if (!slot || CXLT_SLOT_HEAD(slot) != head)
			continue;
		if (memcmp(cxlt_entry_body(s, t, CXLT_SLOT_REF(slot)), body, t->n_words * 8))
			continue;
		*out = (struct cxlt_place_of){b, index, i};
		return true;
	}
	return false;
}

bool cxlt_hash_locate(const struct cxlt_slice *s, const struct cxlt_tuple *t, __u64 h,
		      const __u64 *body, struct cxlt_place_of *out)
{
	__u32 mask = bucket_mask(t), tag = cxlt_hash_tag(h), i1 = (__u32)h & mask, i2;
	struct cxlt_bucket *b = buckets(s, t);

	if (bucket_locate(s, t, &b[i1], i1, tag << 1, body, out))
		return true;
	if (!CXLT_META_CNT(b[i1].meta, tag))
		return false;
	i2 = cxlt_hash_other(i1, tag, mask);
	return bucket_locate(s, t, &b[i2], i2, tag << 1 | 1, body, out);
}

static int free_slot(const struct cxlt_bucket *b)
{
	int i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++)
		if (!b->slot[i])
			return i;
	return -1;
}

/* MOVE(A,i -> B,j) of PROTOCOL.md. */
static void move_slot(struct cxlt_bucket *array, __u32 mask, __u32 a, __u32 i, int j)
{
	__u64 w = array[a].slot[i];
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

/* One bucket of the search for room, and the slot of its parent that would move into it. */
struct node {
	__u32 bucket;
	__s16 parent;
	__u8 slot;
};

enum {
	NODES_MAX = 4096,
};

/* Moves the chain of entries that ends in `last`, far end first. */
static void move_path(struct cxlt_bucket *array, __u32 mask, const struct node *nodes, int last)
{
	int to = free_slot(&array[nodes[last].bucket]);

	while (nodes[last].parent >= 0 && to >= 0) {
		const struct node *n = &nodes[last];

		move_slot(array, mask, nodes[n->parent].bucket, n->slot, to);
		to = n->slot;
		last = n->parent;
	}
}

/* Breadth first from both buckets, so that the chain is the shortest; true if one has room now. */
static bool make_room(struct cxlt_bucket *array, __u32 mask, __u32 i1, __u32 i2, __u32 max_nodes)
{
	static __thread struct node nodes[NODES_MAX];
	__u32 head = 0, tail = 2, i, k;

	if (max_nodes > NODES_MAX)
		max_nodes = NODES_MAX;
	nodes[0] = (struct node){i1, -1, 0};
	nodes[1] = (struct node){i2, -1, 0};
	for (; head < tail; head++) {
		const struct cxlt_bucket *b = &array[nodes[head].bucket];

		for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
			__u32 other = cxlt_hash_other(nodes[head].bucket, CXLT_SLOT_TAG(b->slot[i]),
						      mask);
			bool seen = false;

			/* A bucket twice on one path would move what is no longer there. */
			for (k = head;; k = (__u32)nodes[k].parent) {
				seen |= nodes[k].bucket == other;
				if (seen || nodes[k].parent < 0)
					break;
			}
			if (seen || tail >= max_nodes)
				continue;
			nodes[tail] = (struct node){other, (__s16)head, (__u8)i};
			if (free_slot(&array[other]) >= 0) {
				move_path(array, mask, nodes, (int)tail);
				return true;
			}
			tail++;
		}
	}
	return false;
}

int cxlt_hash_publish(struct cxlt_slice *s, struct cxlt_tuple *t, __u64 h, __u32 ref,
		      __u32 max_nodes)
{
	__u32 mask = bucket_mask(t), tag = cxlt_hash_tag(h), i1 = (__u32)h & mask;
	__u32 i2 = cxlt_hash_other(i1, tag, mask), round;
	struct cxlt_bucket *b = buckets(s, t);

	for (round = 0; round < 2; round++) {
		int i = free_slot(&b[i1]), j;

		if (i >= 0) {
			cxlt_store_release(&b[i1].slot[i], CXLT_SLOT(tag, 0, ref));
			break;
		}
		j = free_slot(&b[i2]);
		if (j >= 0) {
			meta_count(&b[i1], tag, 1);
			cxlt_store_release(&b[i2].slot[j], CXLT_SLOT(tag, 1, ref));
			break;
		}
		if (round || !make_room(b, mask, i1, i2, max_nodes))
			return -ENOSPC;
	}
	cxlt_store(&t->slots, t->slots + 1);
	return 0;
}

void cxlt_hash_replace(struct cxlt_place_of *p, __u32 ref)
{
	__u64 w = p->bucket->slot[p->slot];

	cxlt_store_release(&p->bucket->slot[p->slot],
			   CXLT_SLOT(CXLT_SLOT_TAG(w), CXLT_SLOT_SEC(w), ref));
	meta_event(p->bucket);
}

void cxlt_hash_remove(struct cxlt_slice *s, struct cxlt_tuple *t, struct cxlt_place_of *p)
{
	__u64 w = p->bucket->slot[p->slot];
	__u32 tag = CXLT_SLOT_TAG(w);

	cxlt_store_release(&p->bucket->slot[p->slot], 0);
	meta_event(p->bucket);
	if (CXLT_SLOT_SEC(w))
		meta_count(&buckets(s, t)[cxlt_hash_other(p->index, tag, bucket_mask(t))], tag, -1);
	cxlt_store(&t->slots, t->slots - 1);
}

enum {
	AHEAD = 4, /* buckets */
};

/* Puts `w`'s entry into a private array; slots and counters need no order there. */
static bool fill_one(struct cxlt_bucket *array, __u32 mask, __u64 h, __u32 ref)
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
		if (round || !make_room(array, mask, i1, i2, NODES_MAX))
			return false;
	}
	return false;
}

/* The keys, in an entry's second line for rules, are what a rebuild waits for. */
static void prefetch_entries(const struct cxlt_slice *s, const struct cxlt_bucket *b)
{
	__u32 i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
		const char *e = cxlt_at(s, CXLT_SLOT_REF(b->slot[i]));

		cxlt_prefetch(e);
		cxlt_prefetch(e + CXLT_LINE);
	}
}

int cxlt_tuple_resize(struct cxlt_slice *s, struct cxlt_alloc *a, struct cxlt_tuple *t, __u32 log2)
{
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
		prefetch_entries(s, &old[i + AHEAD < n ? i + AHEAD : n - 1]);
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			__u32 e = CXLT_SLOT_REF(old[i].slot[j]);

			if (e && !fill_one(array, (1U << log2) - 1, cxlt_hash_entry(s, t, e), e)) {
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
