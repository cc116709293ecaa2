// SPDX-License-Identifier: Apache-2.0
/*
 * scenarios.c - what must hold in every interleaving of the library's own code; see explore.h.
 *
 *     model [NAME...]    explores all scenarios, or those whose names begin so; 1 if one fails
 *     MODEL_STOP=1       ends with the first that fails
 *
 * tests/model/mutants.py builds the library with one rule of the protocol broken at a time, and
 * expects a scenario to fail for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cxltab/exact_write.h>
#include <cxltab/pipeline.h>

#include "../../libcxltab/src/internal.h"
#include "explore.h"

/* ---- The slice that scenarios work on ---- */

static struct cxlt_slice *slice;
static struct cxlt_writer *writer, *heir, *second;
static int thread_of[CXLT_WRITERS]; /* 1 + the thread that uses this writer id */
static struct cxlt_view view;
static __u64 result[2]; /* what two writers' calls returned; in memory that is restored, as is: */
static __u64 done;	/* 1 once the writer's call has returned */
static struct cxlt_work work[2];

static void fatal(const char *what)
{
	fprintf(stderr, "model: %s: %s\n", what, cxlt_error_text());
	exit(2);
}

int cxlt_model_gone(int id)
{
	return id == CXLT_WRITER_GONE || (thread_of[id] && model_died(thread_of[id] - 1));
}

/* The same secrets in every run, so that a schedule can be repeated. */
static void fix_secrets(void)
{
	__u64 state = 42, *live = cxlt_at(slice, slice->dir.secrets);
	__u32 i;

	for (i = 0; i < CXLT_KEY_MAX; i++)
		live[i] = slice->view.secrets[i] = cxlt_random(&state);
	writer->rng = 1;
	heir->rng = 2;
	second->rng = 3;
}

static void setup(void)
{
	struct cxlt_slice_config c = {.size = 640 << 10, .chg_log2 = 3};

	if (cxlt_slice_create_memfd("model", &c, &slice) || cxlt_writer_open(slice, &writer) ||
	    cxlt_writer_open(slice, &heir) || cxlt_writer_open(slice, &second))
		fatal("setup");
	memset(thread_of, 0, sizeof(thread_of));
	thread_of[writer->id] = 1;
	fix_secrets();
	cxlt_slice_view(slice, 0, &view);
	done = 0;
}

static void teardown(void)
{
	cxlt_writer_close(writer);
	cxlt_writer_close(heir);
	cxlt_writer_close(second);
	cxlt_slice_close(slice);
}

static void use_memory(struct model *m)
{
	m->mem[0] = slice->mem;
	m->size[0] = slice->size;
	m->mem[1] = writer;
	m->size[1] = (sizeof(*writer) + 4095) & ~4095UL;
	m->mem[2] = heir;
	m->size[2] = m->size[1];
	m->mem[3] = &done;
	m->size[3] = sizeof(done);
	m->mem[4] = second;
	m->size[4] = m->size[1];
	m->mem[5] = result;
	m->size[5] = sizeof(result);
	m->mem[6] = &slice->ahead; /* and what follows: what a bundle notes in the handle */
	m->size[6] = offsetof(struct cxlt_slice, fd) - offsetof(struct cxlt_slice, ahead);
	m->n_mem = 7;
}

static void complain(void *arg, const char *text)
{
	(void)arg;
	printf("  check: %s\n", text);
}

static int slice_is_clean(void *arg)
{
	(void)arg;
	return cxlt_slice_check(slice, complain, NULL);
}

/* ---- Exact table: 4 buckets, keys chosen by where they may live ---- */

enum {
	KEYS = 28,
};

static __u32 table;
static __u64 old_keys[KEYS], new_key, moved_key, absent_key;
static int n_old;

static __u64 value_of(__u64 key)
{
	return key * 1000 + 7;
}

/* Values are two words that belong together. */
static const __u64 *value_words(__u64 first)
{
	static __u64 v[4][2]; /* two writers may be under way */
	static int next;

	next = (next + 1) % 4;
	v[next][0] = first;
	v[next][1] = first * 3 + 1;
	return v[next];
}

static int find(__u64 key, __u64 *val)
{
	__u64 v[2] = {0};
#ifdef MODEL_SLOWLY /* never the straight way */
	int rc = cxlt_exact_find_slowly(&view, table, &key, 1, v, 2);
#else
	int rc = cxlt_exact_find(&view, table, &key, 1, v, 2);
#endif

	if (!rc && v[1] != v[0] * 3 + 1)
		model_violated("two halves of different values");
	*val = v[0];
	return rc;
}

static __u64 hash_of(__u64 key)
{
	return cxlt_hash_body(slice, cxlt_at(slice, table), &key);
}

static __u32 home_of(__u64 key)
{
	return (__u32)hash_of(key) & 3;
}

static __u32 other_of(__u64 key)
{
	return cxlt_hash_other(home_of(key), cxlt_hash_tag(hash_of(key)), 3);
}

/* Next key from `from` on with this home and other bucket. */
static __u64 find_key(__u64 from, __u32 home, __u32 other)
{
	while (home_of(from) != home || other_of(from) != other)
		from++;
	return from;
}

static void insert_old(__u64 key)
{
	if (cxlt_exact_insert(writer, table, &key, value_words(value_of(key))))
		fatal("insert");
	old_keys[n_old++] = key;
}

/*
 * Buckets 0 and 1 are full; one key of bucket 0 could live in bucket 3, which has room, so that
 * inserting new_key (buckets 0 and 1) displaces it.
 */
static void exact_setup(int grow)
{
	__u64 k = 1;
	int i;

	setup();
	n_old = 0;
	if (cxlt_exact_create(writer, "t", 1, 2, 20, grow))
		fatal("create");
	table = cxlt_exact_open(slice, "t");
	moved_key = find_key(1, 0, 3);
	insert_old(moved_key);
	for (i = 0; i < 6; i++, k++)
		insert_old(k = find_key(k, 0, 1));
	for (i = 0; i < 7; i++, k++)
		insert_old(k = find_key(k, 1, 0));
	new_key = find_key(k, 0, 1);
	absent_key = find_key(new_key + 1, 0, 3);
	writer->turn = 0;
}

static void insert_new(void *arg)
{
	(void)arg;
	if (cxlt_exact_insert(writer, table, &new_key, value_words(value_of(new_key))))
		model_violated("the insert failed");
	cxlt_store(&done, 1);
}

static void read_present(void *arg)
{
	__u64 key = *(__u64 *)arg, val = 0;
	int rc = find(key, &val);

	if (rc)
		model_violated(rc == -ENOENT ? "false miss" : "a reader gave up");
	else if (val != value_of(key))
		model_violated("wrong value");
}

static void read_absent(void *arg)
{
	__u64 val = 0;
	int rc = find(*(__u64 *)arg, &val);

	if (rc != -ENOENT)
		model_violated(rc ? "a reader gave up" : "a hit on a key that never was");
}

/* Found iff the insert returned before we began; else either. */
static void read_new(void *arg)
{
	__u64 was_done = cxlt_load_acquire(&done), val = 0;
	int rc;

	model_knows(was_done);
	rc = find(new_key, &val);

	(void)arg;
	if (!rc && val != value_of(new_key))
		model_violated("wrong value of a new key");
	if (rc && rc != -ENOENT)
		model_violated("a reader gave up");
	if (rc && was_done)
		model_violated("not found after its insert returned");
}

static int all_old_there(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < n_old; i++) {
		__u64 val = 0;

		if (find(old_keys[i], &val) || val != value_of(old_keys[i]))
			return 1;
	}
	return slice_is_clean(NULL);
}

static void s_displace(struct model *m)
{
	exact_setup(0);
	m->thread[0] = (struct model_thread){.name = "insert", .run = insert_new};
	m->thread[1] =
		(struct model_thread){.name = "reader", .run = read_present, .arg = &moved_key};
	m->n_threads = 2;
	m->reader = 2;
	m->check = all_old_there;
}

static void s_displace_absent(struct model *m)
{
	s_displace(m);
	m->thread[1].run = read_absent;
	m->thread[1].arg = &absent_key;
}

static void s_insert_visible(struct model *m)
{
	s_displace(m);
	m->thread[1].run = read_new;
}

static int room_at(__u32 bucket)
{
	const struct cxlt_tuple *t = cxlt_at(slice, table);
	const struct cxlt_bucket *b = cxlt_at(slice, CXLT_GEO_REF(t->geo));
	int i, n = 0;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++)
		n += !b[bucket].slot[i];
	return n;
}

/* The old array's lines become another table's, zeroed. */
static void grow_and_reuse(void *arg)
{
	insert_new(arg);
	if (cxlt_exact_create(writer, "u", 1, 1, 20, 0))
		model_violated("create failed");
}

static void s_grow(struct model *m)
{
	__u64 k = 100000;

	s_displace(m);
	teardown();
	exact_setup(1);
	/* No room anywhere: the insert must grow the array. */
	while (room_at(2) || room_at(3)) {
		k = find_key(k + 1, room_at(2) ? 2 : 3, room_at(2) ? 3 : 2);
		insert_old(k);
	}
	m->thread[0].run = grow_and_reuse;
}

static void delete_then_insert(void *arg)
{
	(void)arg;
	if (cxlt_exact_delete(writer, table, &moved_key) ||
	    cxlt_exact_insert(writer, table, &new_key, value_words(value_of(new_key))))
		model_violated("delete or insert failed");
}

/* The line of the deleted entry is the first to be used again. */
static void read_recycled(void *arg)
{
	__u64 val = 0;
	int rc = find(moved_key, &val);

	(void)arg;
	if (!rc && val != value_of(moved_key))
		model_violated("another key's value");
	if (rc && rc != -ENOENT)
		model_violated("a reader gave up");
}

static int clean(void *arg)
{
	return slice_is_clean(arg);
}

static void s_recycle(struct model *m)
{
	s_displace(m);
	m->thread[0].run = delete_then_insert;
	m->thread[1].run = read_recycled;
	m->check = clean;
}

static void modify_twice(void *arg)
{
	(void)arg;
	if (cxlt_exact_modify(writer, table, &moved_key, value_words(1)))
		model_violated("modify failed");
	/* The line that the first one freed is used again: slot A, B, A. */
	if (cxlt_exact_modify(writer, table, &moved_key, value_words(2)))
		model_violated("modify failed");
}

static void read_modified(void *arg)
{
	__u64 val = 0, last = 0;
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		if (find(moved_key, &val))
			model_violated("false miss beside a modify");
		val = val == value_of(moved_key) ? 0 : val;
		if (val > 2 || val < last)
			model_violated("a value from nowhere, or an older one");
		last = val;
		model_knows(last);
	}
}

/* A line is filled for an insert that is refused, and filled again for the slot it once had. */
static void modify_refused(void *arg)
{
	(void)arg;
	if (cxlt_exact_modify(writer, table, &moved_key, value_words(1)) ||
	    cxlt_exact_insert(writer, table, &moved_key, value_words(9)) != -EEXIST ||
	    cxlt_exact_modify(writer, table, &moved_key, value_words(2)))
		model_violated("modify failed, or an insert was not refused");
}

static void s_modify(struct model *m)
{
	s_displace(m);
	m->thread[0].run = modify_twice;
	m->thread[1].run = read_modified;
	m->check = clean;
}

static void s_modify_refused(struct model *m)
{
	s_modify(m);
	m->thread[0].run = modify_refused;
}

/* ---- A writer that dies, a repair, a repair that dies ---- */

static void repair(void *arg)
{
	struct cxlt_writer *w = arg ? second : heir;

	if (cxlt_writer_lock(w))
		model_violated("the heir got no lock");
	cxlt_writer_unlock(w);
}

static void add_repair(struct model *m, int twice)
{
	m->thread[0].may_die = 1;
	thread_of[heir->id] = m->n_threads + 1;
	m->thread[m->n_threads++] =
		(struct model_thread){.name = "repair", .run = repair, .heir = 1, .may_die = twice};
	if (twice)
		m->thread[m->n_threads++] = (struct model_thread){
			.name = "repair2", .run = repair, .arg = &second, .heir = 1};
}

static void s_displace_die(struct model *m)
{
	s_displace(m);
	add_repair(m, 0);
}

static void s_grow_die(struct model *m)
{
	s_grow(m);
	add_repair(m, 0);
}

static void s_recycle_die(struct model *m)
{
	s_recycle(m);
	add_repair(m, 0);
}

static void s_displace_die_twice(struct model *m)
{
	s_displace(m);
	m->n_threads = 1;
	m->reader = 0;
	add_repair(m, 1);
}

/* ---- Two writers at once ---- */

struct call {
	struct cxlt_writer **w; /* NULL: a BPF program */
	int slot;		/* of result */
	int (*fn)(struct cxlt_writer *, const struct call *);
	__u64 key;
};

static struct call calls[2];

static int call_insert(struct cxlt_writer *w, const struct call *c)
{
	return cxlt_exact_insert(w, table, &c->key, value_words(value_of(c->key) + (__u64)c->slot));
}

static int call_modify(struct cxlt_writer *w, const struct call *c)
{
	return cxlt_exact_modify(w, table, &c->key, value_words(value_of(c->key) + 1));
}

static int call_delete(struct cxlt_writer *w, const struct call *c)
{
	return cxlt_exact_delete(w, table, &c->key);
}

static void run_call(void *arg)
{
	const struct call *c = arg;
	int rc = c->fn(c->w ? *c->w : NULL, c);

	if (rc && rc != -EEXIST && rc != -ENOENT && (c->w || (rc != -EBUSY && rc != -ENOSPC)))
		model_violated("a call failed");
	result[c->slot] = (__u64)(__s64)rc;
}

static void two_writers(struct model *m, int (*a)(struct cxlt_writer *, const struct call *),
			__u64 key_a, int (*b)(struct cxlt_writer *, const struct call *),
			__u64 key_b)
{
	calls[0] = (struct call){&writer, 0, a, key_a};
	calls[1] = (struct call){&second, 1, b, key_b};
	thread_of[second->id] = 2;
	m->thread[0] = (struct model_thread){.name = "one", .run = run_call, .arg = &calls[0]};
	m->thread[1] = (struct model_thread){.name = "two", .run = run_call, .arg = &calls[1]};
	m->n_threads = 2;
	m->reader = 0;
}

static int found(__u64 key)
{
	__u64 val;

	return !find(key, &val);
}

/* Of two inserts of one key exactly one is done, and its value stands. */
static int one_inserted(void *arg)
{
	__u64 val = 0;

	(void)arg;
	if (!result[0] == !result[1] || find(calls[0].key, &val) ||
	    val != value_of(calls[0].key) + (result[0] ? 1 : 0))
		return 1;
	return slice_is_clean(NULL);
}

static void s_two_insert_one(struct model *m)
{
	exact_setup(0);
	two_writers(m, call_insert, absent_key, call_insert, absent_key);
	m->check = one_inserted;
}

/*
 * Bucket 1 is full, bucket 0 has room.  One inserts a key of bucket 1; while it waits for bucket 0,
 * which the other holds for another key, it lets go of bucket 1, and the other inserts the same.
 */
static __u64 side_key;

static int call_insert_after_side(struct cxlt_writer *w, const struct call *c)
{
	int rc = cxlt_exact_insert(w, table, &side_key, value_words(value_of(side_key)));

	return rc ? rc : call_insert(w, c);
}

static void s_two_insert_back(struct model *m)
{
	__u64 k;
	int i;

	exact_setup(0);
	for (i = 1; i <= 3; i++)
		if (cxlt_exact_delete(writer, table, &old_keys[i]))
			fatal("delete");
	k = find_key(new_key + 1, 1, 0);
	side_key = new_key;
	two_writers(m, call_insert, k, call_insert_after_side, k);
	m->check = one_inserted;
}

/* The table has nothing but old_keys and the two keys, if their inserts returned 0. */
static int both_inserted(void *arg)
{
	if (result[0] || result[1] || !found(calls[0].key) || !found(calls[1].key))
		return 1;
	return all_old_there(arg);
}

/* Both find their buckets full. */
static void s_two_displace(struct model *m)
{
	__u64 k;

	exact_setup(0);
	k = find_key(new_key + 1, 1, 0);
	/* A second way out, to bucket 2. */
	if (cxlt_exact_delete(writer, table, &old_keys[13]))
		fatal("delete");
	n_old--;
	insert_old(find_key(k + 1, 1, 2));
	two_writers(m, call_insert, new_key, call_insert, k);
	m->switches = 3;
	m->check = both_inserted;
}

/* One displaces moved_key, which the other deletes. */
static int moved_is_gone(void *arg)
{
	(void)arg;
	return result[0] || result[1] || !found(new_key) || found(moved_key) ||
	       slice_is_clean(NULL);
}

static void s_displace_and_delete(struct model *m)
{
	exact_setup(0);
	two_writers(m, call_insert, new_key, call_delete, moved_key);
	m->check = moved_is_gone;
}

/* Modify, then delete, or the other way round: the key is gone, and modify says which. */
static int deleted(void *arg)
{
	(void)arg;
	return result[1] || found(moved_key) || slice_is_clean(NULL);
}

static void s_modify_and_delete(struct model *m)
{
	exact_setup(0);
	two_writers(m, call_modify, moved_key, call_delete, moved_key);
	m->check = deleted;
}

/* One needs the slice alone, to grow; the other goes on in changes. */
static void s_grow_and_insert(struct model *m)
{
	__u64 last;

	s_grow(m);
	n_old--;
	last = old_keys[n_old];
	/* No way leads out of buckets 0 and 1; one of the others has room. */
	if (cxlt_exact_delete(writer, table, &last) || cxlt_exact_delete(writer, table, &moved_key))
		fatal("delete");
	insert_old(find_key(new_key + 1, 0, 1));
	old_keys[0] = old_keys[--n_old];
	two_writers(m, call_insert, new_key, call_insert, last);
	m->switches = 3;
	m->check = both_inserted;
}

static void s_two_die(struct model *m)
{
	exact_setup(0);
	two_writers(m, call_insert, absent_key, call_insert, find_key(absent_key + 1, 3, 0));
	m->thread[0].may_die = 1;
	m->check = NULL;
}

/* The second one meets what the first one left, or not; then somebody looks. */
static void s_meet_the_dead(struct model *m)
{
	s_two_die(m);
	thread_of[heir->id] = 3;
	m->thread[2] =
		(struct model_thread){.name = "repair", .run = repair, .after = 2, .heir = 1};
	m->n_threads = 3;
	m->check = all_old_there;
}

/* ---- BPF programs: one CPU's stock of three lines ---- */

static void bpf_setup(int grow)
{
	exact_setup(grow);
	if (cxlt_exact_stock(writer, table, 1, 3))
		fatal("stock");
	writer->turn = 0;
}

static int bpf_put(struct cxlt_writer *w, const struct call *c)
{
	(void)w;
	return cxlt_exact_put(&view, table, 0, &c->key, 1,
			      value_words(value_of(c->key) + (__u64)c->slot), 2);
}

static int bpf_set(struct cxlt_writer *w, const struct call *c)
{
	(void)w;
	return cxlt_exact_set(&view, table, 0, &c->key, 1, value_words(value_of(c->key) + 1), 2);
}

static int bpf_remove(struct cxlt_writer *w, const struct call *c)
{
	(void)w;
	return cxlt_exact_remove(&view, table, 0, &c->key, 1, 2);
}

static void bpf_insert_new(void *arg)
{
	(void)arg;
	if (cxlt_exact_put(&view, table, 0, &new_key, 1, value_words(value_of(new_key)), 2))
		model_violated("the insert failed");
	cxlt_store(&done, 1);
}

static void s_bpf_displace(struct model *m)
{
	bpf_setup(0);
	m->thread[0] = (struct model_thread){.name = "insert", .run = bpf_insert_new};
	m->thread[1] =
		(struct model_thread){.name = "reader", .run = read_present, .arg = &moved_key};
	m->n_threads = 2;
	m->reader = 2;
	m->check = all_old_there;
}

static void s_bpf_displace_absent(struct model *m)
{
	s_bpf_displace(m);
	m->thread[1].run = read_absent;
	m->thread[1].arg = &absent_key;
}

static void s_bpf_visible(struct model *m)
{
	s_bpf_displace(m);
	m->thread[1].run = read_new;
}

/* Two displacements: moved_key's other bucket is full as well, but for one that may leave it. */
static void s_bpf_displace_two(struct model *m)
{
	__u64 k = 100000;

	s_bpf_displace(m);
	insert_old(k = find_key(k + 1, 3, 2));
	while (room_at(3))
		insert_old(k = find_key(k + 1, 3, 0));
	writer->turn = 0;
}

static void bpf_delete_then_insert(void *arg)
{
	(void)arg;
	if (cxlt_exact_remove(&view, table, 0, &moved_key, 1, 2) ||
	    cxlt_exact_put(&view, table, 0, &new_key, 1, value_words(value_of(new_key)), 2))
		model_violated("delete or insert failed");
}

static void s_bpf_recycle(struct model *m)
{
	s_bpf_displace(m);
	m->thread[0].run = bpf_delete_then_insert;
	m->thread[1].run = read_recycled;
	m->check = clean;
}

static void bpf_modify_twice(void *arg)
{
	__u64 v;

	(void)arg;
	for (v = 1; v <= 2; v++)
		if (cxlt_exact_set(&view, table, 0, &moved_key, 1, value_words(v), 2))
			model_violated("modify failed");
}

static void s_bpf_modify(struct model *m)
{
	s_bpf_displace(m);
	m->thread[0].run = bpf_modify_twice;
	m->thread[1].run = read_modified;
	m->check = clean;
}

/* The first of two writers is a BPF program, or both are. */
static void bpf_and(struct model *m, int (*a)(struct cxlt_writer *, const struct call *),
		    __u64 key_a, int (*b)(struct cxlt_writer *, const struct call *), __u64 key_b,
		    int both)
{
	two_writers(m, a, key_a, b, key_b);
	calls[0].w = NULL;
	calls[1].w = both ? NULL : &second;
}

/* What was inserted is there, what was busy isn't; userspace is never busy. */
static int each_as_it_said(void *arg)
{
	int i;

	for (i = 0; i < 2; i++)
		if ((calls[i].w && result[i]) || !found(calls[i].key) == !result[i])
			return 1;
	return all_old_there(arg);
}

static void s_bpf_insert_one(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_put, absent_key, call_insert, absent_key, 0);
	m->check = one_inserted;
}

static void s_bpf_two_displace(struct model *m)
{
	__u64 k;

	bpf_setup(0);
	k = find_key(new_key + 1, 1, 0);
	/* A second way out, to bucket 2. */
	if (cxlt_exact_delete(writer, table, &old_keys[13]))
		fatal("delete");
	n_old--;
	insert_old(find_key(k + 1, 1, 2));
	writer->turn = 0;
	bpf_and(m, bpf_put, new_key, call_insert, k, 0);
	m->switches = 3;
	m->check = each_as_it_said;
}

/* One displaces moved_key, which the other deletes; either of them is a program. */
static int moved_as_it_said(void *arg)
{
	(void)arg;
	return (calls[1].w && result[1]) || (calls[0].w && result[0]) ||
	       !found(new_key) == !result[0] || found(moved_key) == !result[1] ||
	       slice_is_clean(NULL);
}

static void s_bpf_displace_and_delete(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_put, new_key, call_delete, moved_key, 0);
	m->check = moved_as_it_said;
}

static void s_bpf_remove_and_displace(struct model *m)
{
	bpf_setup(0);
	two_writers(m, call_insert, new_key, bpf_remove, moved_key);
	calls[1].w = NULL;
	m->check = moved_as_it_said;
}

/* The key is gone, whatever the program that modifies it says. */
static void s_bpf_set_and_delete(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_set, moved_key, call_delete, moved_key, 0);
	m->check = deleted;
}

/* Two programs take from one stock at once. */
static void s_bpf_two_programs(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_put, absent_key, bpf_put, find_key(absent_key + 1, 3, 0), 1);
	m->check = each_as_it_said;
}

/* One has a line of the stock, which the other fills. */
static void s_bpf_give_and_take(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_put, absent_key, bpf_remove, moved_key, 1);
	m->check = clean;
}

/* A userspace writer needs the slice alone, to grow; a program goes on in changes. */
static void s_bpf_grow(struct model *m)
{
	s_grow(m);
	n_old--; /* bucket 3 gets room, but none that bucket 0 or 1 could use */
	if (cxlt_exact_delete(writer, table, &old_keys[n_old]) ||
	    cxlt_exact_stock(writer, table, 1, 3))
		fatal("setup");
	writer->turn = 0;
	bpf_and(m, bpf_put, old_keys[n_old], call_insert, new_key, 0);
	m->switches = 3;
	m->check = each_as_it_said;
}

/* Stock and buckets beside one that fills the stock up. */
static int call_stock(struct cxlt_writer *w, const struct call *c)
{
	(void)c;
	return cxlt_exact_stock(w, table, 1, 4);
}

static void s_bpf_stock(struct model *m)
{
	bpf_setup(0);
	bpf_and(m, bpf_put, absent_key, call_stock, moved_key, 0);
	m->check = all_old_there;
}

/* ---- OpenFlow tables ---- */

static __u64 allow_prog[1], allow2_prog[1];
static struct cxlt_rule_spec drop_wide, drop_narrow, allow_narrow, allow_wide, other, other_wide;
static struct cxlt_key packet;

static void must(int rc)
{
	if (rc < 0)
		model_violated("a call of the writer failed");
}

/*
 * The packet is TCP to 10.0.0.1; "narrow" matches pin the destination (dimension dst), "wide" ones
 * do not.  drop@100, allow@50: allow must never win while a drop is installed.
 */
static void rules_setup(void)
{
	setup();
	allow_prog[0] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 1);
	allow2_prog[0] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2);
	memset(&packet, 0, sizeof(packet));
	CXLT_KEY_SET(&packet, IN_PORT, 3);
	CXLT_KEY_SET(&packet, ETH_TYPE, 0x0800);
	CXLT_KEY_SET(&packet, IP_PROTO, 6);
	CXLT_KEY_SET(&packet, IPV4_DST, 0x0a000001);
	memset(&drop_wide, 0, sizeof(drop_wide));
	CXLT_KEY_SET(&drop_wide.mask, ETH_TYPE, 0xffff);
	CXLT_KEY_SET(&drop_wide.mask, IP_PROTO, 0xff);
	drop_wide.value = packet;
	drop_wide.priority = 100;
	drop_wide.cookie = 100;
	drop_narrow = drop_wide;
	CXLT_KEY_SET(&drop_narrow.mask, IPV4_DST, 0xffffffff);
	allow_narrow = drop_narrow;
	allow_narrow.priority = 50;
	allow_narrow.cookie = 50;
	allow_narrow.prog = allow_prog;
	allow_narrow.n_prog = 1;
	allow_wide = allow_narrow;
	allow_wide.mask = drop_wide.mask;
	other = allow_narrow;
	CXLT_KEY_SET(&other.value, IPV4_DST, 0x0b000001);
	other.priority = 100;
	other.cookie = 7;
	other_wide = other;
	other_wide.mask = drop_wide.mask;
	CXLT_KEY_SET(&other_wide.value, IP_PROTO, 17);
}

/* Both tuples stay, at priority 100, whatever comes and goes: the list never changes. */
static void keep_tuples(void)
{
	must(cxlt_rule_add(writer, &other));
	must(cxlt_rule_add(writer, &other_wide));
}

static void classify(struct cxlt_work *w)
{
	w->in_port = 3;
	w->orig = packet;
	cxlt_resolve(&view, w);
	/* Eight changes in a row may exhaust the tries; "unstable" is then the right answer. */
}

static int gave_up(const struct cxlt_work *w)
{
	return w->res.verdict == CXLT_V_UNSTABLE;
}

/* Drop comes first and goes last; whoever sees allow win has seen a state that never was. */
static void never_allow(void *arg)
{
	(void)arg;
	classify(&work[0]);
	if (work[0].res.matched && work[0].res.cookie == 50)
		model_violated("allow@50 wins over drop@100");
}

static void never_allow_never_miss(void *arg)
{
	never_allow(arg);
	if (!work[0].res.matched && !gave_up(&work[0]))
		model_violated("a miss while a rule matched all the time");
}

static void add_in_order(void *arg)
{
	const struct cxlt_rule_spec *const *s = arg;

	must(cxlt_rule_add(writer, s[0]));
	must(cxlt_rule_add(writer, s[1]));
	cxlt_store(&done, 1);
}

static void remove_in_order(void *arg)
{
	const struct cxlt_rule_spec *const *s = arg;

	must(cxlt_rule_delete(writer, s[1]));
	must(cxlt_rule_delete(writer, s[0]));
}

static const struct cxlt_rule_spec *pair[2];

static void pair_model(struct model *m, const struct cxlt_rule_spec *drop,
		       const struct cxlt_rule_spec *allow, void (*run)(void *))
{
	pair[0] = drop;
	pair[1] = allow;
	m->thread[0] = (struct model_thread){.name = "writer", .run = run, .arg = pair};
	m->thread[1] = (struct model_thread){.name = "reader", .run = never_allow};
	m->n_threads = 2;
	m->reader = 2;
	m->check = clean;
}

static void s_winner_add(struct model *m)
{
	rules_setup();
	pair_model(m, &drop_wide, &allow_narrow, add_in_order);
}

static void s_winner_kept(struct model *m)
{
	rules_setup();
	keep_tuples();
	pair_model(m, &drop_narrow, &allow_wide, add_in_order);
}

static void s_winner_kept_remove(struct model *m)
{
	rules_setup();
	keep_tuples();
	must(cxlt_rule_add(writer, &drop_wide));
	must(cxlt_rule_add(writer, &allow_narrow));
	pair_model(m, &drop_wide, &allow_narrow, remove_in_order);
}

static void s_winner_add_swapped(struct model *m)
{
	rules_setup();
	pair_model(m, &drop_narrow, &allow_wide, add_in_order);
}

static void s_winner_chain(struct model *m)
{
	rules_setup();
	pair_model(m, &drop_narrow, &allow_narrow, add_in_order);
}

static void s_winner_remove(struct model *m)
{
	rules_setup();
	must(cxlt_rule_add(writer, &drop_wide));
	must(cxlt_rule_add(writer, &allow_narrow));
	pair_model(m, &drop_wide, &allow_narrow, remove_in_order);
}

static void s_winner_chain_remove(struct model *m)
{
	rules_setup();
	must(cxlt_rule_add(writer, &drop_narrow));
	must(cxlt_rule_add(writer, &allow_narrow));
	pair_model(m, &drop_narrow, &allow_narrow, remove_in_order);
}

/* The drop moves to another tuple: the new one comes before the old one goes. */
static void make_before_break(void *arg)
{
	const struct cxlt_rule_spec *const *s = arg;

	must(cxlt_rule_add(writer, s[1]));
	must(cxlt_rule_delete(writer, s[0]));
}

static void handover_model(struct model *m, const struct cxlt_rule_spec *from,
			   const struct cxlt_rule_spec *to)
{
	rules_setup();
	must(cxlt_rule_add(writer, from));
	must(cxlt_rule_add(writer, &allow_wide));
	keep_tuples();
	pair_model(m, from, to, make_before_break);
	m->thread[1].run = never_allow_never_miss;
}

static void s_handover(struct model *m)
{
	handover_model(m, &drop_narrow, &drop_wide);
}

static void s_handover_back(struct model *m)
{
	handover_model(m, &drop_wide, &drop_narrow);
}

static void modify_drop(void *arg)
{
	struct cxlt_rule_spec s = drop_narrow;

	(void)arg;
	s.cookie = 101;
	must(cxlt_rule_modify(writer, &s));
	s.cookie = 102;
	must(cxlt_rule_modify(writer, &s));
}

static void s_modify_rule(struct model *m)
{
	handover_model(m, &drop_narrow, &drop_wide);
	m->thread[0].run = modify_drop;
}

/* A cached result must not outlive the install call that changes it (PROTOCOL.md, MAT). */
static void cached_reader(void *arg)
{
	struct cxlt_chgset set;
	struct cxlt_work *w = &work[0];
	__u64 was_done, cookie;

	(void)arg;
	classify(w);
	set = w->chg;
	cookie = w->res.matched ? w->res.cookie : 0;
	was_done = cxlt_load_acquire(&done);
	model_knows(set.sum * 1000003 + set.n * 8191 + set.pending * 512 + cookie * 2 + was_done);
	if (set.pending || cxlt_chg_sum(&view, &set, 0) != set.sum) {
		classify(w);
		cookie = w->res.matched ? w->res.cookie : 0;
	}
	if (was_done && cookie != 100 && !gave_up(w))
		model_violated("a cached result outlived the install call");
}

static void add_one(void *arg)
{
	must(cxlt_rule_add(writer, arg));
	cxlt_store(&done, 1);
}

static void cached_model(struct model *m, struct cxlt_rule_spec *drop)
{
	rules_setup();
	must(cxlt_rule_add(writer, &allow_wide));
	m->thread[0] = (struct model_thread){.name = "writer", .run = add_one, .arg = drop};
	m->thread[1] = (struct model_thread){.name = "MAT", .run = cached_reader};
	m->n_threads = 2;
	m->reader = 2;
	m->check = clean;
}

static void s_mat_wide(struct model *m)
{
	cached_model(m, &drop_wide);
}

/* The rule's dimension comes into use with it. */
static void s_mat_new_dim(struct model *m)
{
	cached_model(m, &drop_narrow);
}

static void s_mat_dim(struct model *m)
{
	cached_model(m, &drop_narrow);
	must(cxlt_rule_add(writer, &other));
}

/* The tuple was below allow@50 until now. */
static void s_mat_raise(struct model *m)
{
	cached_model(m, &drop_narrow);
	other.priority = 10;
	must(cxlt_rule_add(writer, &other));
}

/*
 * A bundle: the packet goes through two tables, whose rules say of which generation they are; the
 * bundle brings the second one to both, in the last table's chain or in another tuple.
 */
static struct cxlt_rule_spec first_old, first_new, last_old, last_new;
static __u64 goto_prog[2][4];

static void bundle_rules(int other_tuple)
{
	int i;

	rules_setup();
	for (i = 0; i < 2; i++) {
		goto_prog[i][0] = cxlt_op_word(CXLT_OP_SET, CXLT_F_METADATA, CXLT_W_METADATA, 0);
		goto_prog[i][1] = (__u64)i + 1;
		goto_prog[i][2] = ~0ULL;
		goto_prog[i][3] = cxlt_op_word(CXLT_OP_GOTO, 0, 0, 1);
	}
	first_old = drop_wide;
	first_old.prog = goto_prog[0];
	first_old.n_prog = 4;
	first_new = first_old;
	first_new.prog = goto_prog[1];
	last_old = allow_wide;
	last_old.table = 1;
	last_old.cookie = 1;
	last_new = other_tuple ? allow_narrow : last_old;
	last_new.table = 1;
	last_new.cookie = 2;
	must(cxlt_rule_add(writer, &first_old));
	must(cxlt_rule_add(writer, &last_old));
}

static void flip(void *arg)
{
	const int *abort = arg;

	must(cxlt_bundle_begin(writer));
	must(cxlt_rule_delete(writer, &last_old));
	must(cxlt_rule_add(writer, &last_new));
	must(cxlt_rule_modify(writer, &first_new));
	if (*abort) {
		cxlt_bundle_abort(writer);
		return;
	}
	cxlt_bundle_commit(writer);
	cxlt_store(&done, 1);
}

static void of_one_generation(void *arg)
{
	struct cxlt_work *w = &work[0];
	__u64 was_done = cxlt_load_acquire(&done);

	(void)arg;
	model_knows(was_done);
	classify(w);
	if (gave_up(w))
		return;
	if (!w->res.matched || w->res.table != 1)
		model_violated("a packet missed a rule that was there all the time");
	if (w->key.w[CXLT_W_METADATA] != w->res.cookie)
		model_violated("a packet saw half of a bundle");
	if (was_done && w->res.cookie != 2)
		model_violated("a packet missed a bundle that was committed");
}

static void bundle_model(struct model *m, int other_tuple, int abort)
{
	static int aborts;

	bundle_rules(other_tuple);
	aborts = abort;
	m->thread[0] = (struct model_thread){.name = "bundle", .run = flip, .arg = &aborts};
	m->thread[1] = (struct model_thread){.name = "reader", .run = of_one_generation};
	m->n_threads = 2;
	m->reader = 2;
	m->check = clean;
}

static void s_bundle(struct model *m)
{
	bundle_model(m, 0, 0);
}

static void s_bundle_tuples(struct model *m)
{
	bundle_model(m, 1, 0);
}

static void s_bundle_abort(struct model *m)
{
	bundle_model(m, 0, 1);
}

static int of_one_generation_and_clean(void *arg)
{
	classify(&work[0]);
	return !work[0].res.matched || work[0].key.w[CXLT_W_METADATA] != work[0].res.cookie ||
	       slice_is_clean(arg);
}

/* The repair dies anywhere, too. */
static void s_bundle_die(struct model *m)
{
	bundle_model(m, 0, 0);
	m->n_threads = 1;
	m->reader = 0;
	add_repair(m, 1);
	m->check = of_one_generation_and_clean;
}

/* Two writers in one chain, whose tuple is there. */
static const struct cxlt_rule_spec *two_rules[2];

static void add_first(void *arg)
{
	(void)arg;
	must(cxlt_rule_add(writer, two_rules[0]));
}

static void add_second(void *arg)
{
	(void)arg;
	must(cxlt_rule_add(second, two_rules[1]));
}

static int both_rules(void *arg)
{
	struct cxlt_rule_info info;

	(void)arg;
	classify(&work[0]);
	return work[0].res.cookie != 100 || cxlt_rule_get(slice, two_rules[0], &info) ||
	       cxlt_rule_get(slice, two_rules[1], &info) || cxlt_table_rules(slice, 0) != 4 ||
	       slice_is_clean(NULL);
}

static void two_rules_model(struct model *m, const struct cxlt_rule_spec *a,
			    const struct cxlt_rule_spec *b)
{
	rules_setup();
	keep_tuples();
	two_rules[0] = a;
	two_rules[1] = b;
	thread_of[second->id] = 2;
	m->thread[0] = (struct model_thread){.name = "one", .run = add_first};
	m->thread[1] = (struct model_thread){.name = "two", .run = add_second};
	m->n_threads = 2;
	m->check = both_rules;
	m->switches = 2;
}

static void s_two_rules_chain(struct model *m)
{
	two_rules_model(m, &drop_narrow, &allow_narrow);
}

static void s_two_rules_apart(struct model *m)
{
	two_rules_model(m, &drop_narrow, &allow_wide);
}

/* Both make the same new tuple. */
static void s_two_rules_new(struct model *m)
{
	two_rules_model(m, &drop_narrow, &allow_narrow);
	must(cxlt_rule_delete(writer, &other));
	CXLT_KEY_SET(&other_wide.value, IP_PROTO, 18);
	must(cxlt_rule_add(writer, &other_wide));
	m->switches = 2;
}

/*
 * A table that is long enough for a prefilter: two more tuples, which the packet's rules have nothing to
 * do with.  The destination of drop_narrow is in the cells only while it is there.
 */
static struct cxlt_rule_spec third, fourth;

static void filter_setup(void)
{
	rules_setup();
	third = other;
	memset(&third.mask, 0, sizeof(third.mask));
	third.mask.w[CXLT_W_METADATA] = third.value.w[CXLT_W_METADATA] = 1;
	fourth = third;
	fourth.mask.w[CXLT_W_METADATA] = 0;
	fourth.mask.w[CXLT_W_TUN_ID] = fourth.value.w[CXLT_W_TUN_ID] = 1;
	keep_tuples();
	must(cxlt_rule_add(writer, &third));
	must(cxlt_rule_add(writer, &allow_wide));
}

/* What a reader found and may cache, as no word has moved since, is what is there now. */
static int cached_is_right(void *arg)
{
	const struct cxlt_work *w = &work[0];

	if (!gave_up(w) && !w->chg.pending && cxlt_chg_sum(&view, &w->chg, 0) == w->chg.sum) {
		classify(&work[1]);
		if (work[1].res.matched != w->res.matched || work[1].res.cookie != w->res.cookie)
			return 1;
	}
	return slice_is_clean(arg);
}

static void filter_model(struct model *m, void (*run)(void *), const struct cxlt_rule_spec *drop)
{
	pair_model(m, drop, &allow_wide, run);
	m->thread[1].run = never_allow_never_miss;
	m->check = cached_is_right;
}

static void add_drop(void *arg)
{
	const struct cxlt_rule_spec *const *s = arg;

	must(cxlt_rule_add(writer, s[0]));
}

static void remove_drop(void *arg)
{
	const struct cxlt_rule_spec *const *s = arg;

	must(cxlt_rule_delete(writer, s[0]));
}

static void classify_once(void *arg)
{
	(void)arg;
	classify(&work[0]);
}

static void s_filter_add(struct model *m)
{
	filter_setup();
	must(cxlt_rule_add(writer, &fourth));
	filter_model(m, add_drop, &drop_narrow);
	m->thread[1].run = classify_once;
}

static void s_filter_remove(struct model *m)
{
	s_filter_add(m);
	must(cxlt_rule_add(writer, &drop_narrow));
	m->thread[0].run = remove_drop;
}

static void modify_once(void *arg)
{
	struct cxlt_rule_spec s = drop_narrow;

	(void)arg;
	s.cookie = 101;
	must(cxlt_rule_modify(writer, &s));
}

static void s_filter_modify(struct model *m)
{
	filter_setup();
	must(cxlt_rule_add(writer, &fourth));
	must(cxlt_rule_add(writer, &drop_narrow));
	filter_model(m, modify_once, &drop_narrow);
}

/* From a tuple that the filter leaves to one that it ruled out. */
static void s_filter_handover(struct model *m)
{
	filter_setup();
	must(cxlt_rule_add(writer, &fourth));
	must(cxlt_rule_add(writer, &drop_wide));
	filter_model(m, make_before_break, &drop_wide);
	pair[1] = &drop_narrow;
}

/* The list gets a filter with its fourth tuple, and loses it. */
static void join_and_leave(void *arg)
{
	(void)arg;
	must(cxlt_rule_add(writer, &fourth));
	must(cxlt_rule_delete(writer, &fourth));
}

static void s_filter_join(struct model *m)
{
	filter_setup();
	must(cxlt_rule_add(writer, &drop_narrow));
	filter_model(m, join_and_leave, &drop_narrow);
}

static int both_and_clean(void *arg)
{
	struct cxlt_rule_info info;

	classify(&work[0]);
	return work[0].res.cookie != 100 || cxlt_rule_get(slice, two_rules[0], &info) ||
	       cxlt_rule_get(slice, two_rules[1], &info) || slice_is_clean(arg);
}

/* Two writers raise one cell, or two of one word. */
static void s_filter_two(struct model *m)
{
	two_rules_model(m, &drop_narrow, &allow_narrow);
	must(cxlt_rule_add(writer, &allow_wide));
	third = fourth = other;
	memset(&third.mask, 0, sizeof(third.mask));
	third.mask.w[CXLT_W_METADATA] = third.value.w[CXLT_W_METADATA] = 1;
	memset(&fourth.mask, 0, sizeof(fourth.mask));
	fourth.mask.w[CXLT_W_TUN_ID] = fourth.value.w[CXLT_W_TUN_ID] = 1;
	must(cxlt_rule_add(writer, &third));
	must(cxlt_rule_add(writer, &fourth));
	m->check = both_and_clean;
}

static void s_filter_add_die(struct model *m)
{
	s_filter_add(m);
	add_repair(m, 0);
	m->check = cached_is_right;
}

static void s_filter_remove_die(struct model *m)
{
	s_filter_remove(m);
	add_repair(m, 0);
	m->check = cached_is_right;
}

static void s_winner_die(struct model *m)
{
	s_winner_kept(m);
	add_repair(m, 0);
}

static void s_handover_die(struct model *m)
{
	s_handover(m);
	add_repair(m, 0);
}

static void s_chain_die(struct model *m)
{
	s_winner_chain_remove(m);
	add_repair(m, 0);
}

static const struct {
	const char *name, *claim;
	void (*make)(struct model *);
} scenarios[] = {
	{"displace", "a displaced key is found", s_displace},
	{"displace-absent", "a key that isn't there is not found", s_displace_absent},
	{"insert-visible", "an inserted key is found once its insert returned", s_insert_visible},
	{"grow", "a key is found while the array grows", s_grow},
	{"recycle", "a recycled line never shows another key's value", s_recycle},
	{"modify", "a modified key is found, its values in order", s_modify},
	{"modify-refused", "a value that was refused is never seen", s_modify_refused},
	{"displace-die", "the same, the writer dies anywhere and is repaired", s_displace_die},
	{"grow-die", "the same for growth", s_grow_die},
	{"recycle-die", "the same for delete and insert", s_recycle_die},
	{"displace-die-twice", "the repair dies anywhere, too", s_displace_die_twice},
	{"two-insert-one", "of two inserts of a key one is done", s_two_insert_one},
	{"two-insert-back", "the same, where one lets go of its bucket", s_two_insert_back},
	{"two-rules-chain", "two rules of one match are both there", s_two_rules_chain},
	{"two-rules-apart", "the same of two tuples", s_two_rules_apart},
	{"two-rules-new", "the same of a tuple that both make", s_two_rules_new},
	{"two-displace", "two displace at once, nothing is lost", s_two_displace},
	{"displace-and-delete", "a key deleted while it is displaced is gone",
	 s_displace_and_delete},
	{"modify-and-delete", "a key modified and deleted is gone", s_modify_and_delete},
	{"grow-and-insert", "one grows the array, the other inserts", s_grow_and_insert},
	{"meet-the-dead", "a writer dies, the other goes on", s_meet_the_dead},
	{"bpf-displace", "a key that a program displaces is found", s_bpf_displace},
	{"bpf-displace-two", "the same, two steps", s_bpf_displace_two},
	{"bpf-displace-absent", "a key that isn't there is not found", s_bpf_displace_absent},
	{"bpf-visible", "a key is found once a program's insert returned", s_bpf_visible},
	{"bpf-recycle", "a stock's line never shows another key's value", s_bpf_recycle},
	{"bpf-modify", "a key that a program modifies is found, values in order", s_bpf_modify},
	{"bpf-insert-one", "of two inserts of a key one is done", s_bpf_insert_one},
	{"bpf-two-displace", "program and writer displace at once", s_bpf_two_displace},
	{"bpf-displace-and-delete", "the writer deletes what the program displaces",
	 s_bpf_displace_and_delete},
	{"bpf-remove-and-displace", "the other way round", s_bpf_remove_and_displace},
	{"bpf-set-and-delete", "a key modified and deleted is gone", s_bpf_set_and_delete},
	{"bpf-two-programs", "two take from one stock", s_bpf_two_programs},
	{"bpf-give-and-take", "one takes, one gives", s_bpf_give_and_take},
	{"bpf-grow", "a writer grows the array, a program inserts", s_bpf_grow},
	{"bpf-stock", "a writer fills up the stock, a program inserts", s_bpf_stock},
	{"winner-add", "drop@100 before allow@50: allow never wins", s_winner_add},
	{"winner-swapped", "the same, tuples the other way round", s_winner_add_swapped},
	{"winner-kept", "the same, in tuples that were there", s_winner_kept},
	{"winner-kept-remove", "allow removed before drop there", s_winner_kept_remove},
	{"winner-chain", "the same, one match", s_winner_chain},
	{"winner-remove", "allow removed before drop: allow never wins", s_winner_remove},
	{"winner-chain-remove", "the same, one match", s_winner_chain_remove},
	{"handover", "a rule replaced by one of another tuple is never missed", s_handover},
	{"handover-back", "the same, the other way round", s_handover_back},
	{"modify-rule", "a modified rule is never missed", s_modify_rule},
	{"mat-wide", "a cached result ends with the install call", s_mat_wide},
	{"mat-new-dim", "the same when a dimension comes into use", s_mat_new_dim},
	{"mat-dim", "the same in a dimension in use", s_mat_dim},
	{"mat-raise", "the same in a tuple that could not win before", s_mat_raise},
	{"bundle", "of a bundle a packet sees all or nothing, in two tables", s_bundle},
	{"bundle-tuples", "the same, into another tuple", s_bundle_tuples},
	{"bundle-abort", "of one that is aborted, nothing", s_bundle_abort},
	{"bundle-die", "a bundle dies anywhere, and its repair: all or nothing", s_bundle_die},
	{"filter-add", "a cached result is right beside a rule that the filter ruled out",
	 s_filter_add},
	{"filter-remove", "the same beside one that goes", s_filter_remove},
	{"filter-modify", "a modified rule is never ruled out", s_filter_modify},
	{"filter-handover", "nor one that another tuple's replaces", s_filter_handover},
	{"filter-join", "nor one in a list that gets a filter, and loses it", s_filter_join},
	{"filter-two", "two writers raise one cell: no rule is lost", s_filter_two},
	{"filter-add-die", "one dies anywhere: a cached result is right", s_filter_add_die},
	{"filter-remove-die", "the same when it removes", s_filter_remove_die},
	{"winner-die", "the writer dies anywhere: allow never wins", s_winner_die},
	{"handover-die", "the writer dies anywhere: never missed", s_handover_die},
	{"chain-die", "the writer dies in a chain", s_chain_die},
};

static int selected(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(name, argv[i], strlen(argv[i])))
			return 1;
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned int i, passed = 0, failed = 0;

	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct model m = {.name = scenarios[i].name};
		struct model_report r;
		struct timespec a, b;
		int rc;

		if (!selected(m.name, argc, argv))
			continue;
		clock_gettime(CLOCK_MONOTONIC, &a);
		scenarios[i].make(&m);
		use_memory(&m);
		rc = model_explore(&m, &r);
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%-4s %-20s %s: %lu states, %lu runs, %lu words in conflict, %.1f s\n",
		       rc ? "FAIL" : "ok", m.name, scenarios[i].claim, r.states, r.runs, r.words,
		       (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
		fflush(stdout);
		passed += !rc;
		failed += !!rc;
		teardown();
		if (failed && getenv("MODEL_STOP")) /* a mutant is caught once */
			break;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
