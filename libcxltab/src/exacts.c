// SPDX-License-Identifier: Apache-2.0
/* Entries of exact tables: the writer's side of exact.h. */
#include <errno.h>
#include <string.h>

#include "internal.h"

static struct cxlt_exact_table *exact_at(const struct cxlt_slice *s, __u32 i)
{
	return (struct cxlt_exact_table *)cxlt_at(s, s->dir.exacts) + i;
}

__u32 cxlt_exact_open(const struct cxlt_slice *s, const char *name)
{
	char text[24];
	__u32 i;

	for (i = 0; i < s->dir.n_exacts; i++) {
		const struct cxlt_exact_table *x = exact_at(s, i);
		__u32 ref = (__u32)cxlt_load_acquire(&x->tuple);

		memcpy(text, x->name, sizeof(text));
		text[23] = '\0';
		if (ref && !strcmp(text, name) && cxlt_line(&s->view, ref, CXLT_TUPLE_LINES))
			return ref;
	}
	return 0;
}

/*
 * Buckets of a page, as a power of two: as many as leave room for seven of ten of the entries that are
 * homed there.  What finds no place in its page goes elsewhere.  -1: entries are too large for that.
 */
static int near_log2(__u32 cells)
{
	int g = 5;

	while (g && (int)CXLT_NEAR_ENTRIES(CXLT_NEAR(g, cells)) * 10 < 7 * (63 << g) / 10)
		g--;
	return g ? g : -1;
}

static int near_array(struct cxlt_writer *w, struct cxlt_tuple *t, __u32 log2)
{
	__u32 cells = cxlt_exact_cells(t->n_words, t->n_val), ref;
	int g = near_log2(cells);

	if (g < 0)
		return cxlt_tuple_resize(w, t, log2);
	/* Whole chunks of four pages. */
	if (log2 < (__u32)g + 2)
		log2 = (__u32)g + 2;
	ref = cxlt_alloc_near(w->slice, (1U << log2) >> g, (__u8)CXLT_NEAR(g, cells));
	if (!ref)
		return -ENOSPC;
	cxlt_store32(&t->sparse, cxlt_near_mask(log2, (__u32)g));
	cxlt_store_release(&t->geo, CXLT_GEO(ref, log2, 1));
	return 0;
}

static int create_locked(struct cxlt_writer *w, const char *name, __u32 n_key, __u32 n_val,
			 __u64 entries, int flags)
{
	struct cxlt_slice *s = w->slice;
	struct cxlt_control *ctl = cxlt_control(s);
	struct cxlt_exact_table *x = NULL;
	__u32 i, ref, log2 = 1;
	union cxlt_tuple_image image = {.w = {0}};
	struct cxlt_tuple *t = &image.t;
	char text[24] = "";

	if (cxlt_exact_open(s, name))
		return cxlt_fail(-EEXIST, "exact table '%s' exists", name);
	for (i = 0; i < s->dir.n_exacts && !x; i++)
		x = exact_at(s, i)->tuple ? NULL : exact_at(s, i);
	if (!x)
		return cxlt_fail(-ENOSPC, "all %u exact tables of the slice exist",
				 s->dir.n_exacts);
	while (((__u64)CXLT_BUCKET_SLOTS << log2) * 9 / 10 < entries && log2 < 26)
		log2++;
	ref = cxlt_alloc_object(s, &w->alloc, CXLT_KIND_TUPLE, CXLT_TUPLE_LINES, CXLT_PLACE_DEVICE);
	if (!ref)
		return cxlt_fail(-ENOSPC,
				 "no room for a tuple; create the slice with a larger --size");
	t->secret = cxlt_random(&w->rng);
	t->id = (__u32)ctl->next_tuple;
	cxlt_store(&ctl->next_tuple, ctl->next_tuple + 1);
	t->n_words = (__u8)n_key;
	t->kind = CXLT_KIND_EXACT;
	t->n_val = (__u8)n_val;
	t->grow = flags & CXLT_EXACT_GROW ? 1 : 0;
	t = cxlt_at(s, ref);
	cxlt_tuple_store(t, &image);
	if (flags & CXLT_EXACT_NEAR ? near_array(w, t, log2) : cxlt_tuple_resize(w, t, log2)) {
		cxlt_free_object(s, &w->alloc, ref);
		return cxlt_fail(-ENOSPC,
				 "no room for %llu buckets (%llu KiB); create the slice "
				 "with a larger --size",
				 1ULL << log2, (1ULL << log2) / 16);
	}
	strncpy(text, name, sizeof(text) - 1);
	memcpy(x->name, text, sizeof(text));
	/* Pairs with the acquire of cxlt_exact_open(). */
	cxlt_store_release(&x->tuple, ref);
	return 0;
}

int cxlt_exact_create(struct cxlt_writer *w, const char *name, __u32 n_key, __u32 n_val,
		      __u64 entries, int flags)
{
	int rc;

	if (!n_key || n_key > CXLT_KEY_MAX || n_val > CXLT_EXACT_VAL_MAX)
		return cxlt_fail(-EINVAL,
				 "an exact table of %u key and %u value words: at most "
				 "%d and %d",
				 n_key, n_val, CXLT_KEY_MAX, CXLT_EXACT_VAL_MAX);
	if (!*name || strlen(name) > 23)
		return cxlt_fail(-EINVAL, "an exact table's name has 1 to 23 bytes");
	if (flags & ~(CXLT_EXACT_GROW | CXLT_EXACT_NEAR) ||
	    flags == (CXLT_EXACT_GROW | CXLT_EXACT_NEAR))
		return cxlt_fail(-EINVAL,
				 "an exact table either grows or has its entries near, or "
				 "neither: flags %#x",
				 flags);
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = create_locked(w, name, n_key, n_val, entries, flags);
	cxlt_writer_unlock(w);
	return rc;
}

/* Cells for an entry, in the page of its home bucket if the table has such and there is one. */
static __u32 entry_alloc(struct cxlt_writer *w, const struct cxlt_tuple *t, __u64 hash)
{
	__u32 ref = 0;

	if (t->sparse)
		ref = cxlt_alloc_in_page(w->slice, &w->alloc,
					 CXLT_GEO_REF(t->geo) + ((__u32)hash & t->sparse),
					 cxlt_exact_cells(t->n_words, t->n_val));
	return ref ? ref
		   : cxlt_alloc_object(w->slice, &w->alloc, CXLT_KIND_EXACT,
				       cxlt_exact_cells(t->n_words, t->n_val), CXLT_PLACE_DEVICE);
}

/* A change of one entry. */
struct op {
	struct cxlt_tuple *t;
	const __u64 *key, *val;
	__u64 hash;
	__u32 ref; /* of cells that were taken for it, or 0 */
};

static __u32 entry_new(struct cxlt_writer *w, const struct op *op)
{
	const struct cxlt_tuple *t = op->t;
	const __u64 *key = op->key, *val = op->val;
	__u32 ref = op->ref ? op->ref : entry_alloc(w, t, op->hash), i, n_val = t->n_val;
	struct cxlt_exact *e;
	__u64 seq;

	if (!ref)
		return 0;
	e = cxlt_exact_at(w->slice, ref);
	seq = e->seq | 1;
	cxlt_store_release(&e->seq, seq);
	cxlt_write_barrier();
	for (i = 0; i < t->n_words; i++)
		cxlt_store(&e->body[i], key[i]);
	for (i = 0; i < n_val; i++)
		cxlt_store(&e->body[t->n_words + i], val[i]);
	/* Pairs with the acquire of cxlt_exact_read(). */
	cxlt_store_release(&e->seq, seq + 1);
	return ref;
}

static void entry_free(struct cxlt_writer *w, __u32 ref)
{
	struct cxlt_exact *e = cxlt_exact_at(w->slice, ref);

	cxlt_store_release(&e->seq, e->seq | 1);
	cxlt_free_cells(w->slice, &w->alloc, ref);
}

static struct cxlt_tuple *tuple_of(const struct cxlt_slice *s, __u32 ref)
{
	struct cxlt_tuple *t = cxlt_line(&s->view, ref, CXLT_TUPLE_LINES);
	/* Once: another writer may change it now. */
	__u64 geo = t ? cxlt_load(&t->geo) : 0;
	__u32 n = t ? CXLT_BUCKET_MASK(t->sparse, CXLT_GEO_LOG2(geo)) + 1 : 0;

	/* A file may have gone bad: nothing may lead outside. */
	return t && t->kind == CXLT_KIND_EXACT && t->n_words <= CXLT_KEY_MAX &&
			       t->n_val <= CXLT_EXACT_VAL_MAX && n &&
			       cxlt_line(&s->view, CXLT_GEO_REF(geo), n)
		       ? t
		       : NULL;
}

enum {
	ROUNDS = 8, /* of making room, which others may take */
};

/* One look and, if the key is absent and a slot free, one store; -ENOSPC: no slot is. */
static int publish_once(struct cxlt_writer *w, const struct op *op, __u32 ref)
{
	struct cxlt_place_of place;
	struct cxlt_hold hold;
	int rc = cxlt_hold(w, op->t, op->hash, &hold);

	if (rc)
		return rc;
	do
		rc = cxlt_hash_locate(&hold, op->key, &place) ? -EEXIST
							      : cxlt_hash_publish(&hold, ref);
	while (rc == 1);
	if (rc != -EBUSY && rc != CXLT_ALONE)
		cxlt_hold_end(&hold);
	return rc;
}

static int publish(struct cxlt_writer *w, const struct op *op, __u32 ref)
{
	int round, rc = publish_once(w, op, ref);

	for (round = 0; rc == -ENOSPC && round < ROUNDS; round++) {
		rc = cxlt_hash_make_room(w, op->t, op->hash, CXLT_NODES);
		if (!rc || rc == -EAGAIN)
			rc = publish_once(w, op, ref);
		else if (rc == -ENOSPC)
			break;
	}
	return rc;
}

static int op_insert(struct cxlt_writer *w, void *arg)
{
	const struct op *op = arg;
	struct cxlt_tuple *t = op->t;
	__u32 ref = entry_new(w, op);
	int rc;

	if (!ref)
		return w->depth ? cxlt_fail(-ENOSPC, "no room for an entry; create the slice with "
						     "a larger --size")
				: CXLT_ALONE;
	rc = publish(w, op, ref);
	if (rc == -ENOSPC && !w->depth)
		rc = CXLT_ALONE;
	if (rc == -ENOSPC && t->grow && !cxlt_tuple_resize(w, t, CXLT_GEO_LOG2(t->geo) + 1))
		rc = publish(w, op, ref);
	if (!rc)
		return 0;
	entry_free(w, ref);
	return rc == -ENOSPC ? cxlt_fail(rc, "the table's %llu slots are full; create it larger",
					 (unsigned long long)cxlt_tuple_capacity(t))
			     : rc;
}

static int op_modify(struct cxlt_writer *w, void *arg)
{
	const struct op *op = arg;
	__u32 ref = entry_new(w, op), old = 0;
	struct cxlt_place_of place;
	struct cxlt_hold hold;
	int rc;

	if (!ref)
		return w->depth ? cxlt_fail(-ENOSPC, "no room for an entry; create the slice with "
						     "a larger --size")
				: CXLT_ALONE;
	rc = cxlt_hold(w, op->t, op->hash, &hold);
	if (!rc) {
		do {
			rc = -ENOENT;
			if (!cxlt_hash_locate(&hold, op->key, &place))
				break;
			old = CXLT_SLOT_REF(cxlt_load(&place.bucket->slot[place.slot]));
			rc = cxlt_hash_replace(&hold, &place, ref);
		} while (rc == 1);
		if (!rc || rc == -ENOENT)
			cxlt_hold_end(&hold);
	}
	entry_free(w, rc ? ref : old);
	return rc;
}

static int op_delete(struct cxlt_writer *w, void *arg)
{
	const struct op *op = arg;
	struct cxlt_place_of place;
	struct cxlt_hold hold;
	int rc = cxlt_hold(w, op->t, op->hash, &hold);
	__u32 old = 0;

	if (rc)
		return rc;
	do {
		rc = -ENOENT;
		if (!cxlt_hash_locate(&hold, op->key, &place))
			break;
		old = CXLT_SLOT_REF(cxlt_load(&place.bucket->slot[place.slot]));
		rc = cxlt_hash_remove(&hold, &place);
	} while (rc == 1);
	if (!rc || rc == -ENOENT)
		cxlt_hold_end(&hold);
	if (!rc)
		entry_free(w, old);
	return rc;
}

/*
 * Before the first is stored, the home buckets of all are on their way, and in pages the entries.  Geo
 * may still move: then it was in vain.
 */
static void look_ahead(struct cxlt_writer *w, struct op *op, __u32 n)
{
	const struct cxlt_tuple *t = op->t;
	__u64 geo = cxlt_load(&t->geo);
	__u32 i, mask = CXLT_BUCKET_MASK(t->sparse, CXLT_GEO_LOG2(geo));

	for (i = 0; i < n; i++) {
		__u32 ref;

		op[i].hash = cxlt_hash_body(w->slice, t, op[i].key);
		ref = CXLT_GEO_REF(geo) + ((__u32)op[i].hash & mask);
		__builtin_prefetch(cxlt_at(w->slice, ref), 1);
		if (t->sparse && n > 1)
			cxlt_alloc_ahead(w->slice, ref, cxlt_exact_cells(t->n_words, t->n_val));
	}
}

static int run(struct cxlt_writer *w, __u32 tuple, const __u64 *key, const __u64 *val,
	       cxlt_change_fn *fn)
{
	struct op op = {.t = tuple_of(w->slice, tuple), .key = key, .val = val};

	if (!op.t)
		return cxlt_fail(-EINVAL, "line %u is no exact table", tuple);
	look_ahead(w, &op, 1);
	return cxlt_change_run(w, fn, &op);
}

int cxlt_exact_insert(struct cxlt_writer *w, __u32 tuple, const __u64 *key, const __u64 *val)
{
	return run(w, tuple, key, val, op_insert);
}

int cxlt_exact_modify(struct cxlt_writer *w, __u32 tuple, const __u64 *key, const __u64 *val)
{
	return run(w, tuple, key, val, op_modify);
}

int cxlt_exact_delete(struct cxlt_writer *w, __u32 tuple, const __u64 *key)
{
	return run(w, tuple, key, NULL, op_delete);
}

/* Cells for all of them, at one go if that is possible. */
static void take_ahead(struct cxlt_writer *w, struct op *op, __u32 n)
{
	const struct cxlt_tuple *t = op->t;
	__u32 refs[CXLT_EXACT_BATCH] = {0}, i, got = 0;

	if (!t->sparse)
		got = cxlt_alloc_some(w->slice, &w->alloc, cxlt_exact_cells(t->n_words, t->n_val),
				      refs, n);
	for (i = 0; i < n; i++)
		op[i].ref = i < got ? refs[i] : 0;
}

/* What op[0] took, op_insert() has given back or will take anew. */
static void give_back(struct cxlt_writer *w, struct op *op, __u32 n)
{
	__u32 i;

	for (i = 1; i < n; i++)
		if (op[i].ref)
			cxlt_free_cells(w->slice, &w->alloc, op[i].ref);
	for (i = 0; i < n; i++)
		op[i].ref = 0;
}

/* op[0 … n) in changes beside others, as long as that goes; the number inserted, or -errno. */
static long insert_some(struct cxlt_writer *w, struct op *op, __u32 n)
{
	long done = 0;
	__u32 i = 0;
	int rc = 0;

	while (i < n && !rc) {
		rc = cxlt_change_enter(w);
		if (rc)
			break;
		look_ahead(w, op + i, n - i);
		take_ahead(w, op + i, n - i);
		while (i < n && !(rc = op_insert(w, &op[i]))) {
			done++;
			i++;
		}
		give_back(w, op + i, n - i);
		cxlt_change_leave(w);
		if (rc == CXLT_ALONE)
			rc = cxlt_change_run(w, op_insert, &op[i]);
		if (i < n) {
			done += !rc;
			i++;
		}
		if (rc == -EEXIST)
			rc = 0;
	}
	return rc ? rc : done;
}

long cxlt_exact_insert_batch(struct cxlt_writer *w, __u32 tuple, __u32 n, const __u64 *keys,
			     const __u64 *vals)
{
	struct cxlt_tuple *t = tuple_of(w->slice, tuple);
	struct op op[CXLT_EXACT_BATCH];
	long done = 0, more = 0;
	__u32 i, j, m;

	if (!t)
		return cxlt_fail(-EINVAL, "line %u is no exact table", tuple);
	for (i = 0; i < n && more >= 0; i += m) {
		m = n - i < CXLT_EXACT_BATCH ? n - i : CXLT_EXACT_BATCH;
		for (j = 0; j < m; j++)
			op[j] = (struct op){.t = t,
					    .key = &keys[(__u64)(i + j) * t->n_words],
					    .val = &vals[(__u64)(i + j) * t->n_val]};
		more = insert_some(w, op, m);
		done += more;
	}
	return more < 0 ? more : done;
}
