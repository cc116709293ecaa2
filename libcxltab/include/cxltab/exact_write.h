/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exact_write.h - insert, modify and delete in an exact table, from BPF programs.
 *
 * What connection tracking and learned flows need: a program that misses stores the answer itself.
 * The same buckets, bucket locks and order of stores as libcxltab's own writers (hashtab.c, hold.c;
 * PROTOCOL.md, "Writers"), with three differences.  A program may have interrupted the very holder
 * that it would wait for, so it never waits: everything is one try, and "busy" is a result.  It
 * can't walk bitmaps, so its entries come from a stock of its CPU, which a userspace writer
 * has filled (cxlt_exact_stock()); deleted entries go back there, or are freed if it is full.  And
 * it neither repairs nor grows anything.
 *
 *     gate     intents[255].op += 1 (full barrier); control.owner must be 0; at the end op -= 1
 *     bucket   compare-and-swap of meta, owner 255; home first, the alternate next; no second try
 *     room     at most two searches, 112 buckets each, and two displacements each
 *
 * Concurrency: any number of BPF programs on any CPUs, nested ones too, beside any number of
 * userspace writers and readers.  Calls on one key are linearizable with those of writer.h.
 *
 *   operation           beside                  a reader observes
 *   cxlt_exact_put      all but `alone`: busy   no entry, then the entry
 *   cxlt_exact_set      likewise                the old value, then the new one, never a mix
 *   cxlt_exact_remove   likewise                the entry, then none
 *
 * `cpu` is the caller's (bpf_get_smp_processor_id()); any number is safe, another CPU's is slower.
 * In BPF n_key and n_val must be constants, and each call wants a global function around it, so that
 * it is verified once (tests/bpf/exact_write.bpf.c).  The program's slice must be populated.
 *
 * The header compiles for userspace as well, for tests and simulations: all callers share writer
 * id 255, and nobody can tell whether one of them died.  A process that is killed inside a call leaves
 * the slice to nobody alone for good; a BPF program can't be.  Processes use writer.h.
 *
 * Errors: 0 or -errno, and then nothing is changed.
 *   -EBUSY    another writer is in the way, or has the slice alone: try later, or go without
 *   -ENOSPC   no room: the CPU's stock is empty, or no slot is within reach
 *   -EEXIST   put: the key is there;  -ENOENT  set, remove: it isn't
 *   -EINVAL   no exact table of so many words, or one of CXLT_EXACT_NEAR;  -EFAULT  a ref leaves the slice
 */
#ifndef CXLTAB_EXACT_WRITE_H
#define CXLTAB_EXACT_WRITE_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/exact.h>
#include <cxltab/hash.h>
#include <cxltab/layout.h>
#include <cxltab/view.h>

enum {
	CXLT_EXACT_SEARCHES = 2, /* of a way to a free slot, of two displacements at most */
};

/* What a call works with; made by cxlt_exact_begin(). */
struct cxlt_exact_op {
	struct cxlt_tuple __arena *t;
	struct cxlt_bucket __arena *array;
	__u32 mask, tag;
	__u32 i1, i2; /* the key's home and its alternate */
};

/* ---- The gate ---- */

CXLT_INLINE void cxlt_exact_end(const struct cxlt_view *v)
{
	struct cxlt_intent __arena *in = cxlt_line(v, v->intents + CXLT_WRITER_BPF, 1);

	/* Pairs with the acquire of await_idle(): all that the caller did is done. */
	if (in)
		cxlt_fetch_add(&in->op, (__u64)-1);
}

CXLT_INLINE int cxlt_exact_gate(const struct cxlt_view *v)
{
	struct cxlt_intent __arena *in = cxlt_line(v, v->intents + CXLT_WRITER_BPF, 1);
	struct cxlt_control __arena *c = cxlt_line(v, v->control, 4);

	if (cxlt_unlikely(!in || !c))
		return -CXLT_EFAULT;
	/* Only for courtesy: who waits for op to be 0 should see it so. */
	if (cxlt_load(&c->owner))
		return -CXLT_EBUSY;
	/* Pairs with quiesce(): op is raised before owner is loaded, there and here. */
	cxlt_fetch_add(&in->op, 1);
	if (cxlt_likely(!cxlt_load_acquire(&c->owner)))
		return 0;
	cxlt_fetch_add(&in->op, (__u64)-1);
	return -CXLT_EBUSY;
}

/* Through the gate, with everything about the key; on success cxlt_exact_end() is due. */
CXLT_INLINE int cxlt_exact_begin(const struct cxlt_view *v, __u32 tuple, const __u64 *key,
				 __u32 n_key, __u32 n_val, struct cxlt_exact_op *op)
{
	__u64 head, geo, h;
	int rc;

	op->t = cxlt_line(v, tuple, CXLT_EXACT_LINES);
	if (cxlt_unlikely(!op->t))
		return -CXLT_EFAULT;
	rc = cxlt_exact_gate(v);
	if (rc)
		return rc;
	/* id 32 | words 8 | kind 8 | table, flags; then words of a value 8. */
	head = cxlt_load((const __u64 __arena *)&op->t->id);
	/* Nobody changes geo while we are inside. */
	geo = cxlt_load_acquire(&op->t->geo);
	op->mask = (1U << (CXLT_GEO_LOG2(geo) & 31)) - 1;
	op->array = cxlt_line(v, CXLT_GEO_REF(geo), op->mask + 1);
	rc = 0;
	if (((head >> 40) & 0xff) != CXLT_KIND_EXACT || ((head >> 32) & 0xff) != n_key ||
	    (cxlt_load((const __u64 __arena *)&op->t->n_val) & 0xff) != n_val ||
	    cxlt_load32(&op->t->sparse))
		rc = -CXLT_EINVAL;
	else if (!op->array)
		rc = -CXLT_EFAULT;
	if (cxlt_unlikely(rc)) {
		cxlt_exact_end(v);
		return rc;
	}
	h = cxlt_exact_hash(v->secrets, cxlt_load(&op->t->secret), key, n_key);
	op->tag = cxlt_hash_tag(h);
	op->i1 = (__u32)h & op->mask;
	op->i2 = cxlt_hash_other(op->i1, op->tag, op->mask);
	return 0;
}

/* ---- Bucket locks (hold.c) ---- */

CXLT_INLINE int cxlt_exact_lock(struct cxlt_bucket __arena *b)
{
	__u64 m = cxlt_load(&b->meta);

	return !CXLT_META_OWNER(m) && cxlt_cas(&b->meta, m, m | CXLT_META_OWNED(CXLT_WRITER_BPF));
}

CXLT_INLINE void cxlt_exact_unlock(struct cxlt_bucket __arena *b)
{
	/* Pairs with the CAS of the next holder. */
	cxlt_store_release(&b->meta, cxlt_load(&b->meta) & ~CXLT_META_OWNED(0xff));
}

/* ---- The stock ---- */

CXLT_INLINE struct cxlt_stock __arena *cxlt_stock_of(const struct cxlt_view *v,
						     const struct cxlt_exact_op *op, __u32 cpu,
						     __u32 *room)
{
	/* Pairs with the release of cxlt_exact_stock(). */
	__u64 word = cxlt_load_acquire(&op->t->stock);
	__u32 cpus = CXLT_STOCK_CPUS(word), log2 = CXLT_STOCK_LOG2(word) & 15;

	*room = CXLT_STOCK_ROOM(log2);
	if (!cpus)
		return NULL;
	return cxlt_line(v, CXLT_STOCK_REF(word) + ((cpu % cpus) << log2), 1U << log2);
}

/* A line of this CPU's stock into *ref; -EBUSY if somebody is at it, -ENOSPC if it is empty. */
CXLT_INLINE int cxlt_stock_take(const struct cxlt_view *v, const struct cxlt_exact_op *op,
				__u32 cpu, __u32 *ref)
{
	__u32 room;
	struct cxlt_stock __arena *s = cxlt_stock_of(v, op, cpu, &room);
	__u64 n;

	*ref = 0;
	if (!s)
		return -CXLT_ENOSPC;
	if (cxlt_unlikely(!cxlt_cas(&s->lock, 0, 1)))
		return -CXLT_EBUSY;
	n = cxlt_load(&s->n);
	if (n && n <= room) {
		*ref = cxlt_load32(&s->ref[n - 1]);
		cxlt_store(&s->n, n - 1);
	}
	/* Pairs with the CAS of the next one. */
	cxlt_store_release(&s->lock, 0);
	return *ref ? 0 : -CXLT_ENOSPC;
}

/* Clears the bit of an object, as cxlt_free_object(). */
CXLT_INLINE void cxlt_stock_free(const struct cxlt_view *v, __u32 ref)
{
	__u32 at = ref - v->chunk0 * 2, i = at / CXLT_CHUNK_CELLS, size;
	struct cxlt_chunk __arena *c;
	__u64 __arena *used;

	if (ref < v->chunk0 * 2 || i >= v->n_chunks)
		return;
	c = cxlt_line(v, v->chunks + i, 1);
	size = c ? (__u32)(cxlt_load((const __u64 __arena *)c) >> 16) & 0xffff : 0;
	if (!size)
		return;
	used = c->used;
	if (size == 1)
		used = cxlt_line(v, v->chunk0 + (i + 1) * CXLT_CHUNK_LINES - 1, 1);
	i = at % CXLT_CHUNK_CELLS / size;
	if (used)
		cxlt_and(&used[i / 64], ~(1ULL << (i % 64)));
}

/* An entry that nothing refers to (any more): back to the stock, or free. */
CXLT_INLINE void cxlt_stock_give(const struct cxlt_view *v, const struct cxlt_exact_op *op,
				 __u32 cpu, __u32 ref, __u32 cells)
{
	__u32 room, given = 0;
	struct cxlt_exact __arena *e = cxlt_cell(v, ref, cells);
	struct cxlt_stock __arena *s = cxlt_stock_of(v, op, cpu, &room);
	__u64 n;

	if (cxlt_unlikely(!e))
		return;
	/* Pairs with the loads of seq in cxlt_exact_read(): what it read is no longer an entry. */
	cxlt_store_release(&e->seq, cxlt_load(&e->seq) | 1);
	if (s && cxlt_cas(&s->lock, 0, 1)) {
		n = cxlt_load(&s->n);
		if (n < room) {
			cxlt_store32(&s->ref[n], ref);
			cxlt_store(&s->n, n + 1);
			given = 1;
		}
		cxlt_store_release(&s->lock, 0);
	}
	if (!given)
		cxlt_stock_free(v, ref);
}

/* ---- One entry, one bucket ---- */

/* An entry from the stock, filled; *ref is 0 on an error. */
CXLT_INLINE int cxlt_exact_new(const struct cxlt_view *v, const struct cxlt_exact_op *op, __u32 cpu,
			       const __u64 *key, __u32 n_key, const __u64 *val, __u32 n_val,
			       __u32 *ref)
{
	int rc = cxlt_stock_take(v, op, cpu, ref);
	struct cxlt_exact __arena *e = NULL;
	__u64 seq;
	__u32 i;

	if (rc)
		return rc;
	e = cxlt_cell(v, *ref, cxlt_exact_cells(n_key, n_val));
	if (cxlt_unlikely(!e))
		return -CXLT_EFAULT;
	seq = cxlt_load(&e->seq) | 1;
	cxlt_store_release(&e->seq, seq);
	cxlt_write_barrier();
	for (i = 0; i < n_key && i < CXLT_KEY_MAX; i++)
		cxlt_store(&e->body[i], key[i]);
	for (i = 0; i < n_val && i < CXLT_EXACT_VAL_MAX; i++)
		cxlt_store(&e->body[n_key + i], val[i]);
	/* Pairs with the acquire of cxlt_exact_read(). */
	cxlt_store_release(&e->seq, seq + 1);
	return 0;
}

/* 1 + the index of the first free slot, 0 if there is none; no branch depends on which it is. */
CXLT_INLINE __u32 cxlt_exact_free_slot(const struct cxlt_bucket __arena *b)
{
	__u32 i, at = 0;

	for (i = CXLT_BUCKET_SLOTS; i > 0; i--) {
		__u64 slot = cxlt_load(&b->slot[i - 1]);
		__u32 taken = (__u32)((__s64)(slot | (0 - slot)) >> 63);

		at = (at & taken) | (i & ~taken);
	}
	return at;
}

/* 1 + the index of the slot whose entry has the key; 0 if there is none. */
CXLT_INLINE __u32 cxlt_exact_in(const struct cxlt_view *v, const struct cxlt_bucket __arena *b,
				__u32 head, const __u64 *key, __u32 n_key)
{
	__u32 i, j;

	if (cxlt_likely(!cxlt_slot_find(b, head)))
		return 0;
	CXLT_FOR(i, CXLT_BUCKET_SLOTS, CXLT_BUCKET_SLOTS)
	{
		__u64 slot = cxlt_load(&b->slot[i]), diff = 0;
		const struct cxlt_exact __arena *e;

		if (!slot || CXLT_SLOT_HEAD(slot) != head)
			continue;
		e = cxlt_cell(v, CXLT_SLOT_REF(slot), cxlt_exact_cells(n_key, 0));
		if (!e)
			continue;
		for (j = 0; j < n_key && j < CXLT_KEY_MAX; j++)
			diff |= cxlt_load(&e->body[j]) ^ key[j];
		if (!diff)
			return i + 1;
	}
	return 0;
}

/*
 * The key's slot, under the lock of its home: 1 + its index, 0 if the key is absent; *second if it is
 * in the alternate.  What fits there is homed here, so our lock covers it.
 */
CXLT_INLINE __u32 cxlt_exact_locate(const struct cxlt_view *v, const struct cxlt_exact_op *op,
				    const __u64 *key, __u32 n_key, __u32 *second)
{
	__u32 at = cxlt_exact_in(v, &op->array[op->i1], op->tag << 1, key, n_key);

	*second = 0;
	if (at || !CXLT_META_CNT(cxlt_load(&op->array[op->i1].meta), op->tag))
		return at;
	*second = 1;
	return cxlt_exact_in(v, &op->array[op->i2], op->tag << 1 | 1, key, n_key);
}

/* A counter that reached 7 no longer knows; it stays until the array is rebuilt. */
CXLT_INLINE void cxlt_exact_count(struct cxlt_bucket __arena *home, __u32 tag, __u32 up)
{
	__u64 m = cxlt_load(&home->meta), one = 1ULL << CXLT_META_SHIFT(tag);
	__u32 n = CXLT_META_CNT(m, tag);

	if (n == 7 || (!up && !n))
		return;
	/* Pairs with the acquire of meta in cxlt_exact_try(). */
	cxlt_store_release(&home->meta, up ? m + one : m - one);
}

CXLT_INLINE void cxlt_exact_event(struct cxlt_bucket __arena *b)
{
	/* Pairs with the loads of meta in cxlt_exact_try(). */
	cxlt_store_release(&b->meta, cxlt_load(&b->meta) + CXLT_META_EVENT);
}

/* ---- Room: MOVE(A,i -> B,j) of PROTOCOL.md ---- */

/* Moves what is in slot i of bucket a to its other bucket, which is to be b. */
CXLT_INLINE int cxlt_exact_move(const struct cxlt_exact_op *op, __u32 a, __u32 i, __u32 b)
{
	struct cxlt_bucket __arena *from = &op->array[a], *to = &op->array[b], *home;
	__u64 slot;
	__u32 j, tag, was_second;
	int rc = -CXLT_EAGAIN;

	if (!cxlt_exact_lock(from))
		return -CXLT_EBUSY;
	if (!cxlt_exact_lock(to)) {
		cxlt_exact_unlock(from);
		return -CXLT_EBUSY;
	}
	slot = cxlt_load(&from->slot[i]);
	tag = CXLT_SLOT_TAG(slot);
	was_second = CXLT_SLOT_SEC(slot);
	home = was_second ? to : from;
	j = cxlt_exact_free_slot(to);
	/* Any entry whose other place this is will do. */
	if (slot && j && cxlt_hash_other(a, tag, op->mask) == b) {
		if (!was_second)
			cxlt_exact_count(home, tag, 1);
		cxlt_store_release(&to->slot[j - 1], slot ^ 1ULL << 32);
		cxlt_exact_event(from);
		cxlt_exact_event(to);
		cxlt_store_release(&from->slot[i], 0);
		if (was_second)
			cxlt_exact_count(home, tag, 0);
		rc = 0;
	}
	cxlt_exact_unlock(to);
	cxlt_exact_unlock(from);
	return rc;
}

/*
 * Makes a slot of i1 or i2 free, which others may take: by one displacement, else by two.  Holds
 * nothing before and after.  -ENOSPC; -EAGAIN the way was no longer there; -EBUSY.
 */
CXLT_INLINE int cxlt_exact_make_room(const struct cxlt_exact_op *op)
{
	__u32 k;

	CXLT_FOR(k, 2 * CXLT_BUCKET_SLOTS, 2 * CXLT_BUCKET_SLOTS)
	{
		__u32 from = k < CXLT_BUCKET_SLOTS ? op->i1 : op->i2, i = k % CXLT_BUCKET_SLOTS;
		__u64 slot = cxlt_load(&op->array[from].slot[i]);
		__u32 mid = cxlt_hash_other(from, CXLT_SLOT_TAG(slot), op->mask);

		if (!slot)
			return 0;
		if (cxlt_exact_free_slot(&op->array[mid]))
			return cxlt_exact_move(op, from, i, mid);
	}
	CXLT_FOR(k, 2 * CXLT_BUCKET_SLOTS * CXLT_BUCKET_SLOTS,
		 2 * CXLT_BUCKET_SLOTS * CXLT_BUCKET_SLOTS)
	{
		__u32 i = k / CXLT_BUCKET_SLOTS, j = k % CXLT_BUCKET_SLOTS;
		__u32 from = i < CXLT_BUCKET_SLOTS ? op->i1 : op->i2, mid, far;
		int rc;

		i %= CXLT_BUCKET_SLOTS;
		mid = cxlt_hash_other(from, CXLT_SLOT_TAG(cxlt_load(&op->array[from].slot[i])),
				      op->mask);
		far = cxlt_hash_other(mid, CXLT_SLOT_TAG(cxlt_load(&op->array[mid].slot[j])),
				      op->mask);
		if (!cxlt_exact_free_slot(&op->array[far]))
			continue;
		rc = cxlt_exact_move(op, mid, j, far);
		return rc ? rc : cxlt_exact_move(op, from, i, mid);
	}
	return -CXLT_ENOSPC;
}

/* ---- The three operations ---- */

/* One look and, if the key is absent and a slot free, one store; -ENOSPC: no slot is. */
CXLT_INLINE int cxlt_exact_publish(const struct cxlt_view *v, const struct cxlt_exact_op *op,
				   const __u64 *key, __u32 n_key, __u32 ref)
{
	struct cxlt_bucket __arena *home = &op->array[op->i1], *other = &op->array[op->i2];
	__u32 i, second;
	int rc = 0;

	if (!cxlt_exact_lock(home))
		return -CXLT_EBUSY;
	i = cxlt_exact_free_slot(home);
	if (cxlt_exact_locate(v, op, key, n_key, &second)) {
		rc = -CXLT_EEXIST;
	} else if (i) {
		/* Pairs with the acquire of the slot in cxlt_exact_slot(). */
		cxlt_store_release(&home->slot[i - 1], CXLT_SLOT(op->tag, 0, ref));
	} else if (!cxlt_exact_lock(other)) {
		rc = -CXLT_EBUSY;
	} else {
		i = cxlt_exact_free_slot(other);
		if (i) {
			cxlt_exact_count(home, op->tag, 1);
			cxlt_store_release(&other->slot[i - 1], CXLT_SLOT(op->tag, 1, ref));
		} else {
			rc = -CXLT_ENOSPC;
		}
		cxlt_exact_unlock(other);
	}
	cxlt_exact_unlock(home);
	return rc;
}

CXLT_INLINE int cxlt_exact_put(const struct cxlt_view *v, __u32 tuple, __u32 cpu, const __u64 *key,
			       __u32 n_key, const __u64 *val, __u32 n_val)
{
	struct cxlt_exact_op op;
	__u32 ref, round;
	int rc = cxlt_exact_begin(v, tuple, key, n_key, n_val, &op);

	if (rc)
		return rc;
	rc = cxlt_exact_new(v, &op, cpu, key, n_key, val, n_val, &ref);
	if (!rc) {
		CXLT_FOR(round, CXLT_EXACT_SEARCHES + 1, CXLT_EXACT_SEARCHES + 1)
		{
			rc = cxlt_exact_publish(v, &op, key, n_key, ref);
			if (cxlt_likely(rc != -CXLT_ENOSPC) || round == CXLT_EXACT_SEARCHES)
				break;
			rc = cxlt_exact_make_room(&op);
			if (rc && rc != -CXLT_EAGAIN)
				break;
		}
		if (rc)
			cxlt_stock_give(v, &op, cpu, ref, cxlt_exact_cells(n_key, n_val));
	}
	cxlt_exact_end(v);
	return rc;
}

/* The slot at `at` of one of the key's buckets becomes `ref`, or empty; the old ref into *old. */
CXLT_INLINE int cxlt_exact_swap(const struct cxlt_exact_op *op, __u32 at, __u32 second, __u32 ref,
				__u32 *old)
{
	struct cxlt_bucket __arena *home = &op->array[op->i1];
	struct cxlt_bucket __arena *b = second ? &op->array[op->i2] : home;

	if (second && !cxlt_exact_lock(b))
		return -CXLT_EBUSY;
	*old = CXLT_SLOT_REF(cxlt_load(&b->slot[at - 1]));
	cxlt_store_release(&b->slot[at - 1], ref ? CXLT_SLOT(op->tag, second, ref) : 0);
	cxlt_exact_event(b);
	if (second) {
		if (!ref)
			cxlt_exact_count(home, op->tag, 0);
		cxlt_exact_unlock(b);
	}
	return 0;
}

/* Replaces the key's entry by `ref`, or removes it; the old ref into *old. */
CXLT_INLINE int cxlt_exact_change(const struct cxlt_view *v, const struct cxlt_exact_op *op,
				  const __u64 *key, __u32 n_key, __u32 ref, __u32 *old)
{
	struct cxlt_bucket __arena *home = &op->array[op->i1];
	__u32 at, second;
	int rc = -CXLT_ENOENT;

	if (!cxlt_exact_lock(home))
		return -CXLT_EBUSY;
	at = cxlt_exact_locate(v, op, key, n_key, &second);
	if (at)
		rc = cxlt_exact_swap(op, at, second, ref, old);
	cxlt_exact_unlock(home);
	return rc;
}

CXLT_INLINE int cxlt_exact_set(const struct cxlt_view *v, __u32 tuple, __u32 cpu, const __u64 *key,
			       __u32 n_key, const __u64 *val, __u32 n_val)
{
	struct cxlt_exact_op op;
	__u32 ref, old = 0;
	int rc = cxlt_exact_begin(v, tuple, key, n_key, n_val, &op);

	if (rc)
		return rc;
	rc = cxlt_exact_new(v, &op, cpu, key, n_key, val, n_val, &ref);
	if (!rc) {
		rc = cxlt_exact_change(v, &op, key, n_key, ref, &old);
		cxlt_stock_give(v, &op, cpu, rc ? ref : old, cxlt_exact_cells(n_key, n_val));
	}
	cxlt_exact_end(v);
	return rc;
}

CXLT_INLINE int cxlt_exact_remove(const struct cxlt_view *v, __u32 tuple, __u32 cpu,
				  const __u64 *key, __u32 n_key, __u32 n_val)
{
	struct cxlt_exact_op op;
	__u32 old = 0;
	int rc = cxlt_exact_begin(v, tuple, key, n_key, n_val, &op);

	if (rc)
		return rc;
	rc = cxlt_exact_change(v, &op, key, n_key, 0, &old);
	if (!rc)
		cxlt_stock_give(v, &op, cpu, old, cxlt_exact_cells(n_key, n_val));
	cxlt_exact_end(v);
	return rc;
}

#endif
