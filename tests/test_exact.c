// SPDX-License-Identifier: Apache-2.0
/* Exact tables against an array that knows which key is in and with which value. */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "oracle.h"
#include "rand.h"

enum {
	KEYS_MAX = 8192,
	VAL_MAX = 8,
};

struct model {
	struct fixture f;
	struct rnd r;
	__u32 t, n_key, n_val, n_keys, in;
	__u32 version[KEYS_MAX]; /* 0: absent */
	__u32 last_version;
};

/* Key i, in one of its words alone: neighbours differ in few bits. */
static void key_of(const struct model *m, __u32 i, __u64 *k)
{
	memset(k, 0, m->n_key * sizeof(*k));
	k[i % m->n_key] = (__u64)(i / m->n_key + 1) << (i % 3 * 16);
	k[m->n_key - 1] ^= (__u64)(i % 3) << 62;
}

static __u64 val_of(const struct model *m, __u32 i, __u32 j)
{
	return (__u64)m->version[i] << 32 | i << 4 | j;
}

static void model_open(struct model *m, const char *name, __u32 n_key, __u32 n_val, __u64 entries,
		       int grow)
{
	memset(m, 0, sizeof(*m));
	m->r = rnd_new(name);
	m->n_key = n_key;
	m->n_val = n_val;
	fixture_open(&m->f, 16 << 20);
	cr_assert_eq(cxlt_exact_create(m->f.w, "t", n_key, n_val, entries, grow), 0, "%s",
		     cxlt_error_text());
	m->t = cxlt_exact_open(m->f.s, "t");
	cr_assert_neq(m->t, 0);
}

static void expect_found(struct model *m, __u32 i, int rc, const __u64 *val)
{
	__u32 j;

	cr_assert_eq(rc, m->version[i] ? 0 : -ENOENT, "key %u: %d", i, rc);
	for (j = 0; !rc && j < m->n_val; j++)
		cr_assert_eq(val[j], val_of(m, i, j), "key %u word %u", i, j);
}

static void find(struct model *m, __u32 i)
{
	__u64 k[CXLT_KEY_MAX], val[VAL_MAX];

	key_of(m, i, k);
	expect_found(m, i, cxlt_exact_find(&m->f.host, m->t, k, m->n_key, val, m->n_val), val);
}

static void find_batch(struct model *m)
{
	__u64 k[CXLT_EXACT_BATCH][CXLT_KEY_MAX], val[CXLT_EXACT_BATCH][VAL_MAX];
	const __u64 *keys[CXLT_EXACT_BATCH];
	__u64 *vals[CXLT_EXACT_BATCH];
	__u32 which[CXLT_EXACT_BATCH], n = 1 + rnd_below(&m->r, CXLT_EXACT_BATCH), i, hits = 0;
	int rc[CXLT_EXACT_BATCH];

	for (i = 0; i < n; i++) {
		which[i] = rnd_below(&m->r, m->n_keys);
		key_of(m, which[i], k[i]);
		keys[i] = k[i];
		vals[i] = val[i];
		hits += m->version[which[i]] != 0;
	}
	cr_assert_eq(cxlt_exact_find_batch(&m->f.host, m->t, keys, n, m->n_key, vals, m->n_val, rc),
		     hits);
	for (i = 0; i < n; i++)
		expect_found(m, which[i], rc[i], val[i]);
}

/* Inserts or modifies key i; 0, or -ENOSPC. */
static int put(struct model *m, __u32 i, int insert)
{
	__u32 old = m->version[i], j;
	__u64 k[CXLT_KEY_MAX], val[VAL_MAX];
	int rc;

	key_of(m, i, k);
	m->version[i] = ++m->last_version;
	for (j = 0; j < m->n_val; j++)
		val[j] = val_of(m, i, j);
	rc = insert ? cxlt_exact_insert(m->f.w, m->t, k, val)
		    : cxlt_exact_modify(m->f.w, m->t, k, val);
	if (!rc) {
		m->in += insert;
		return 0;
	}
	m->version[i] = old;
	if (rc != -ENOSPC)
		cr_assert_eq(rc, insert ? -EEXIST : -ENOENT, "key %u: %s", i, cxlt_error_text());
	cr_assert(rc == -ENOSPC || insert == (old != 0), "key %u: %d", i, rc);
	return rc;
}

static void del(struct model *m, __u32 i)
{
	__u64 k[CXLT_KEY_MAX];

	key_of(m, i, k);
	cr_assert_eq(cxlt_exact_delete(m->f.w, m->t, k), m->version[i] ? 0 : -ENOENT);
	m->in -= m->version[i] != 0;
	m->version[i] = 0;
}

static void find_all(struct model *m)
{
	for (__u32 i = 0; i < m->n_keys; i++)
		find(m, i);
	cr_assert_eq(oracle_check(m->f.s), 0);
}

static void random_ops(struct model *m, __u32 n)
{
	while (n--) {
		__u32 i = rnd_below(&m->r, m->n_keys);

		switch (rnd_below(&m->r, 8)) {
		case 0:
		case 1:
		case 2: put(m, i, 1); break;
		case 3: put(m, i, 0); break;
		case 4: del(m, i); break;
		case 5: find_batch(m); break;
		default: find(m, i);
		}
	}
}

static void empty(struct model *m)
{
	struct cxlt_usage u;

	for (__u32 i = 0; i < m->n_keys; i++)
		del(m, i);
	cxlt_slice_usage(m->f.s, &u);
	cr_assert_eq(u.objects[CXLT_KIND_EXACT], 0, "%llu leaked", u.objects[CXLT_KIND_EXACT]);
	cr_assert_eq(oracle_check(m->f.s), 0);
}

Test(exact, agrees_with_the_oracle_at_every_key_size, .timeout = 120)
{
	static struct model m;

	for (__u32 n_key = 1; n_key <= CXLT_KEY_MAX; n_key++) {
		model_open(&m, "exact/every_key_size", n_key, 1 + n_key % VAL_MAX, 500,
			   n_key & 1 ? CXLT_EXACT_GROW : 0);
		m.n_keys = 700;
		random_ops(&m, 6000);
		find_all(&m);
		empty(&m);
		fixture_close(&m.f);
	}
}

/* Tables that aren't full, and those whose pages are, so that entries lie elsewhere too. */
Test(exact, near_its_buckets_agrees_with_the_oracle_at_every_key_size, .timeout = 120)
{
	static struct model m;

	for (__u32 n_key = 1; n_key <= CXLT_KEY_MAX; n_key++) {
		model_open(&m, "exact/near", n_key, 1 + n_key % VAL_MAX, n_key & 1 ? 500 : 1500,
			   CXLT_EXACT_NEAR);
		m.n_keys = n_key & 2 ? 700 : 2000;
		random_ops(&m, 8000);
		find_all(&m);
		empty(&m);
		fixture_close(&m.f);
	}
}

Test(exact, near_its_buckets_means_in_their_page)
{
	static struct model m;
	struct cxlt_usage u;

	model_open(&m, "exact/in_their_page", 2, 1, 4000, CXLT_EXACT_NEAR);
	m.n_keys = 4000;
	for (__u32 i = 0; i < m.n_keys; i++)
		cr_assert_eq(put(&m, i, 1), 0, "%s", cxlt_error_text());
	cxlt_slice_usage(m.f.s, &u);
	cr_expect_eq(u.objects[CXLT_KIND_EXACT], 4000);
	cr_expect_eq(u.objects[CXLT_KIND_NEAR], 1);
	cr_expect_lt(u.used[CXLT_KIND_EXACT] * 2, 400, "%llu lines of entries elsewhere",
		     u.used[CXLT_KIND_EXACT]);
	find_all(&m);
	cr_expect_eq(cxlt_exact_stock(m.f.w, m.t, 1, 10), -EINVAL);
	empty(&m);
	fixture_close(&m.f);
}

Test(exact, grows_from_nothing_and_gives_all_back, .timeout = 60)
{
	static struct model m;
	struct cxlt_usage before, u;
	__u32 i;

	model_open(&m, "exact/grows", 2, 1, 1, 1);
	cxlt_slice_usage(m.f.s, &before);
	m.n_keys = KEYS_MAX;
	for (i = 0; i < m.n_keys; i++) {
		cr_assert_eq(put(&m, i, 1), 0, "%s", cxlt_error_text());
		find(&m, rnd_below(&m.r, i + 1));
	}
	random_ops(&m, 5000);
	find_all(&m);
	/* Arrays that were left behind are free again: what is laid out is the last one. */
	cxlt_slice_usage(m.f.s, &u);
	cr_expect_leq(u.used[CXLT_KIND_BUCKETS], 2 * KEYS_MAX / CXLT_BUCKET_SLOTS * 2);
	cr_expect_gt(u.used[CXLT_KIND_BUCKETS], before.used[CXLT_KIND_BUCKETS]);
	empty(&m);
	fixture_close(&m.f);
}

/* Fills a table of 1 << log2 buckets that may not grow, checks, and churns at the brim. */
static void fill(__u32 log2, double want, int flags)
{
	static struct model m;
	__u32 slots = CXLT_BUCKET_SLOTS << log2, i, n;
	const struct cxlt_tuple *t;
	struct cxlt_usage before, after;

	model_open(&m, "exact/fill", 3, 2, slots * 9 / 10, flags);
	t = cxlt_line(&m.f.host, m.t, 2);
	cr_assert_eq(CXLT_GEO_LOG2(t->geo), log2);
	m.n_keys = slots + 64 < KEYS_MAX ? slots + 64 : KEYS_MAX;
	for (i = 0; i < m.n_keys; i++)
		if (put(&m, i, 1))
			break;
	n = i;
	cr_assert_lt(n, m.n_keys, "more than its slots");
	cr_assert_geq(n, want * slots, "full at %.1f%%", 100.0 * n / slots);
	cxlt_slice_usage(m.f.s, &before);
	for (; i < m.n_keys; i++)
		if (put(&m, i, 1))
			put(&m, i, 1); /* fails again, and changes nothing */
	find_all(&m);
	for (; i-- > n;)
		del(&m, i);
	cxlt_slice_usage(m.f.s, &after);
	cr_expect(fixture_same_usage(&before, &after), "lines leaked by failed inserts");
	random_ops(&m, 20000);
	find_all(&m);
	empty(&m);
	fixture_close(&m.f);
}

Test(exact, of_fixed_size_fills_to_98_percent, .timeout = 60)
{
	fill(8, 0.98, 0);
	fill(9, 0.98, 0);
	fill(10, 0.98, 0);
	fill(9, 0.98, CXLT_EXACT_NEAR);
	fill(10, 0.98, CXLT_EXACT_NEAR);
}

Test(exact, tiny_tables_hold_what_they_promise)
{
	fill(1, 0.85, 0);
	fill(2, 0.85, 0);
	fill(4, 0.9, 0);
}

Test(exact, capacity_promised_is_capacity_kept)
{
	static struct model m;

	for (__u32 entries = 1; entries < 3000; entries = entries * 3 + 1) {
		model_open(&m, "exact/capacity", 2, 2, entries, entries & 2);
		for (__u32 i = 0; i < entries; i++)
			cr_assert_eq(put(&m, i, 1), 0, "%u of %u: %s", i, entries,
				     cxlt_error_text());
		m.n_keys = entries;
		find_all(&m);
		fixture_close(&m.f);
	}
}

Test(exact, batch_insert_is_many_inserts)
{
	static struct model m;
	static __u64 keys[1000 * 2], vals[1000 * 2];

	model_open(&m, "exact/batch_insert", 2, 2, 2000, 1);
	m.n_keys = 1000;
	for (__u32 i = 0; i < 1000; i++) {
		m.version[i] = 1;
		key_of(&m, i, &keys[i * 2]);
		vals[i * 2] = val_of(&m, i, 0);
		vals[i * 2 + 1] = val_of(&m, i, 1);
	}
	cr_expect_eq(cxlt_exact_insert_batch(m.f.w, m.t, 0, keys, vals), 0);
	cr_expect_eq(cxlt_exact_insert_batch(m.f.w, m.t, 1000, keys, vals), 1000);
	find_all(&m);
	for (__u32 i = 500; i < 1000; i++)
		del(&m, i);
	/* Key 0 is there: the batch stops at it. */
	cr_expect_leq(cxlt_exact_insert_batch(m.f.w, m.t, 1, keys, vals), 0);
	find_all(&m);
	fixture_close(&m.f);
}

Test(exact, refuses_what_cannot_be)
{
	static struct model m;
	__u64 k[CXLT_KEY_MAX] = {0}, val[CXLT_EXACT_VAL_MAX];
	char name[32];
	int rc = 0;

	model_open(&m, "exact/refuses", 2, 1, 10, 0);
	cr_expect_eq(cxlt_exact_create(m.f.w, "t", 2, 1, 10, 0), -EEXIST);
	cr_expect_eq(cxlt_exact_create(m.f.w, "zero", 0, 1, 10, 0), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "wide", 25, 1, 10, 0), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "fat", 1, 65, 10, 0), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "", 1, 1, 10, 0), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "both", 1, 1, 10, 3), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "more", 1, 1, 10, 4), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "123456789012345678901234", 1, 1, 10, 0), -EINVAL);
	cr_expect_eq(cxlt_exact_create(m.f.w, "huge", 1, 1, 1ULL << 40, 0), -ENOSPC);
	cr_expect_eq(cxlt_exact_open(m.f.s, "huge"), 0);
	cr_expect_eq(cxlt_exact_open(m.f.s, "nowhere"), 0);
	cr_expect_eq(cxlt_exact_insert(m.f.w, 0, k, val), -EINVAL);
	cr_expect_lt(cxlt_exact_insert(m.f.w, 0xffffffff, k, val), 0);
	cr_expect_eq(cxlt_exact_find(&m.f.host, 0, k, 2, val, 1), -EFAULT);
	cr_expect_eq(cxlt_exact_find(&m.f.host, 0xfffffff0, k, 2, val, 1), -EFAULT);
	for (int i = 1; i < CXLT_EXACTS + 1 && !rc; i++) {
		snprintf(name, sizeof(name), "table-%d-of-23-bytes---", i);
		rc = cxlt_exact_create(m.f.w, name, 1, 1, 10, 0);
		cr_expect_eq(rc, i < CXLT_EXACTS ? 0 : -ENOSPC, "%d: %d", i, rc);
	}
	cr_expect_eq(oracle_check(m.f.s), 0);
	fixture_close(&m.f);
}
