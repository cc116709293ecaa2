// SPDX-License-Identifier: Apache-2.0
/*
 * Readers running freely beside a writer that never rests.  tests/test_steps.c proves the same
 * claims load by load; here real CPUs reorder, preempt and collide.
 *
 * One thread reads, one writes, each on a handle of its own; SCALE= multiplies the lookups.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <cxltab/exact.h>
#include <cxltab/resolve.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

struct race {
	struct fixture f, g; /* g: the second slice of a pair */
	struct rnd r;	     /* of the writer */
	__u32 table, stable, churn;
	_Atomic int stop;
	_Atomic __u64 writes;
	void (*write)(struct race *);
	__u8 present[4096];
	struct cxlt_rule_spec drop, allow, other;
	int shape, phase;
};

static struct race x;

static void *writer(void *arg)
{
	while (!x.stop) {
		x.write(&x);
		x.writes++;
	}
	return NULL;
}

/* What a reader counted. */
struct tally {
	__u64 lookups, missed, wrong, unstable;
};

/* Runs read() n times beside the writer; then nothing may be broken. */
static void race(const char *what, __u64 n, void (*write)(struct race *),
		 void (*read)(struct race *, struct rnd *, struct tally *))
{
	struct tally t = {0};
	struct rnd r = rnd_fork(&x.r);
	pthread_t thread;

	x.write = write;
	x.stop = 0;
	x.writes = 0;
	cr_assert_eq(pthread_create(&thread, NULL, writer, NULL), 0);
	for (; t.lookups < n || x.writes < 10; t.lookups++)
		read(&x, &r, &t);
	x.stop = 1;
	pthread_join(thread, NULL);
	fprintf(stderr, "readers: %s: %llu lookups, %llu rounds of writes, %llu unstable\n", what,
		t.lookups, x.writes, t.unstable);
	cr_expect_eq(t.missed, 0, "%s: %llu false misses", what, t.missed);
	cr_expect_eq(t.wrong, 0, "%s: %llu wrong answers", what, t.wrong);
	cr_expect_leq(t.unstable, t.lookups / 5000 + 5, "%s: %llu unstable", what, t.unstable);
	cr_expect_eq(oracle_check(x.f.s), 0);
}

static void open_race(const char *name, __u64 size)
{
	memset(&x, 0, sizeof(x));
	x.r = rnd_new(name);
	fixture_open(&x.f, size);
}

/* Exact table. */
static void exact_kv(__u64 i, __u64 *key, __u64 *val)
{
	key[0] = i * 0x10001;
	key[1] = i;
	val[0] = ~i;
	val[1] = i << 32 | i;
}

static void exact_churn(struct race *a)
{
	for (int n = 0; n < 16; n++) {
		__u64 i = rnd_below(&a->r, a->churn), key[2], val[2];

		exact_kv(a->stable + i, key, val);
		if (a->present[i])
			a->present[i] = cxlt_exact_delete(a->f.w, a->table, key) != 0;
		else
			a->present[i] = !cxlt_exact_insert(a->f.w, a->table, key, val);
	}
}

static void exact_find(struct race *a, struct rnd *r, struct tally *t)
{
	__u64 i = rnd_below(r, a->stable), key[2], val[2], got[2];
	int rc;

	exact_kv(i, key, val);
	rc = cxlt_exact_find(&a->f.host, a->table, key, 2, got, 2);
	t->missed += rc == -ENOENT;
	t->unstable += rc == -EAGAIN;
	t->wrong += (rc && rc != -ENOENT && rc != -EAGAIN) ||
		    (!rc && (got[0] != val[0] || got[1] != val[1]));
}

static void exact_find_batch(struct race *a, struct rnd *r, struct tally *t)
{
	__u64 key[CXLT_EXACT_BATCH][2], val[2], got[CXLT_EXACT_BATCH][2];
	const __u64 *keys[CXLT_EXACT_BATCH];
	__u64 *vals[CXLT_EXACT_BATCH], which[CXLT_EXACT_BATCH];
	int rc[CXLT_EXACT_BATCH];

	for (int i = 0; i < CXLT_EXACT_BATCH; i++) {
		which[i] = rnd_below(r, a->stable);
		exact_kv(which[i], key[i], val);
		keys[i] = key[i];
		vals[i] = got[i];
	}
	cxlt_exact_find_batch(&a->f.host, a->table, keys, CXLT_EXACT_BATCH, 2, vals, 2, rc);
	for (int i = 0; i < CXLT_EXACT_BATCH; i++) {
		exact_kv(which[i], key[0], val);
		t->missed += rc[i] == -ENOENT;
		t->unstable += rc[i] == -EAGAIN;
		t->wrong += !rc[i] && (got[i][0] != val[0] || got[i][1] != val[1]);
	}
	t->lookups += CXLT_EXACT_BATCH - 1;
}

/* The table is filled to the brim once, then churns there. */
static void exact_table(__u32 entries, int grow)
{
	__u64 key[2], val[2];

	cr_assert_eq(cxlt_exact_create(x.f.w, "t", 2, 2, entries, grow), 0, "%s",
		     cxlt_error_text());
	x.table = cxlt_exact_open(x.f.s, "t");
	x.stable = entries / 2;
	x.churn = entries * 5 / 8;
	for (__u64 i = 0; i < x.stable; i++) {
		exact_kv(i, key, val);
		cr_assert_eq(cxlt_exact_insert(x.f.w, x.table, key, val), 0);
	}
}

Test(readers, ten_million_lookups_miss_no_displaced_key, .timeout = 170)
{
	open_race("readers/exact", 2 << 20);
	exact_table(1612, 0); /* of 1792 slots */
	race("exact table at the brim", rnd_scaled(8000000), exact_churn, exact_find);
	race("the same in batches", rnd_scaled(2000000), exact_churn, exact_find_batch);
	fixture_close(&x.f);
}

Test(readers, entries_near_their_buckets_are_not_missed_either, .timeout = 170)
{
	open_race("readers/near", 2 << 20);
	exact_table(1612, CXLT_EXACT_NEAR);
	race("entries near their buckets", rnd_scaled(2000000), exact_churn, exact_find);
	race("the same in batches", rnd_scaled(1000000), exact_churn, exact_find_batch);
	fixture_close(&x.f);
}

Test(readers, tiny_tables_miss_no_displaced_key, .timeout = 170)
{
	open_race("readers/tiny", 1 << 20);
	exact_table(25, 0); /* of 28 slots: displacement all the time */
	race("exact table of 4 buckets", rnd_scaled(2000000), exact_churn, exact_find);
	fixture_close(&x.f);
}

/* Rules of one tuple. */
static struct cxlt_rule_spec tun_rule(__u64 i, const __u64 *prog)
{
	struct cxlt_rule_spec spec = gen_output(0, 10, i, prog);

	gen_set_field(&spec.mask, CXLT_F_TUN_ID, ~0ULL);
	gen_set_field(&spec.value, CXLT_F_TUN_ID, i);
	return spec;
}

/* On a connection: its change word is its own. */
static struct cxlt_rule_spec conn_rule(__u64 i, const __u64 *prog)
{
	struct cxlt_rule_spec spec = gen_output(0, 10, i, prog);

	spec.mask.w[CXLT_W_PORT] = ~0xffULL;
	spec.mask.w[CXLT_W_IPV4] = ~0ULL;
	spec.mask.w[CXLT_W_L4] = 0xffffffffULL << 32;
	gen_set_field(&spec.value, CXLT_F_ETH_TYPE, 0x0800);
	gen_set_field(&spec.value, CXLT_F_IPV4_SRC, 0x0a000000 + i);
	gen_set_field(&spec.value, CXLT_F_TP_SRC, i);
	return spec;
}

static const __u64 out1 = 0x0100000000000001;

static struct cxlt_rule_spec any_rule(const struct race *a, __u64 i)
{
	return a->shape ? conn_rule(i, &out1) : tun_rule(i, &out1);
}

static void rule_churn(struct race *a)
{
	__u64 i = rnd_below(&a->r, a->churn);
	struct cxlt_rule_spec spec = any_rule(a, a->stable + i);
	int rc = a->present[i] ? cxlt_rule_delete(a->f.w, &spec) : cxlt_rule_add(a->f.w, &spec);

	if (rc < 0)
		abort();
	a->present[i] = !a->present[i];
}

static void rule_find(struct race *a, struct rnd *r, struct tally *t)
{
	static struct cxlt_work w;
	__u64 i = rnd_below(r, a->stable);
	struct cxlt_rule_spec spec = any_rule(a, i);
	int rc = fixture_classify(&a->f.host, &w, 0, &spec.value);

	t->missed += !rc;
	t->unstable += rc == -CXLT_R_UNSTABLE;
	t->wrong +=
		(rc < 0 && rc != -CXLT_R_UNSTABLE) ||
		(rc > 0 && (w.rule.cookie != i || w.rule.n_prog != 1 || w.rule.prog[0] != out1));
}

Test(readers, the_classifier_misses_no_stable_rule, .timeout = 170)
{
	for (int conn = 0; conn < 2; conn++) {
		open_race("readers/rules", 2 << 20);
		x.shape = conn;
		x.stable = 600;
		x.churn = 950; /* 1550 in 1792 slots: 7/8 is where they would be doubled */
		for (__u64 i = 0; i < x.stable; i++) {
			struct cxlt_rule_spec spec = any_rule(&x, i);

			cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0);
		}
		race(conn ? "classifier, connections" : "classifier", rnd_scaled(1500000),
		     rule_churn, rule_find);
		fixture_close(&x.f);
	}
}

/* The whole list: tuples come and go beside the one that is looked for. */
static void mask_churn(struct race *a)
{
	__u64 i = rnd_below(&a->r, 16);
	struct cxlt_rule_spec spec = gen_output(0, 1 + i, 99, &out1);
	int rc;

	spec.mask.w[CXLT_W_REG23] = 0xffULL << i;
	spec.value.w[CXLT_W_REG23] = 0xaaULL << i;
	rc = a->present[i] ? cxlt_rule_delete(a->f.w, &spec) : cxlt_rule_add(a->f.w, &spec);
	if (rc < 0)
		abort();
	a->present[i] = !a->present[i];
}

Test(readers, masks_that_come_and_go_hide_no_rule, .timeout = 170)
{
	open_race("readers/masks", 2 << 20);
	x.stable = 100;
	for (__u64 i = 0; i < x.stable; i++) {
		struct cxlt_rule_spec spec = tun_rule(i, &out1);

		cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0);
	}
	race("masks", rnd_scaled(500000), mask_churn, rule_find);
	fixture_close(&x.f);
}

/* drop@100 comes before allow@50 and goes after it: allow may never win. */
static void winner_cycle(struct race *a)
{
	int rc = cxlt_rule_add(a->f.w, &a->drop);

	if (!rc)
		rc = a->shape == 3 ? cxlt_rule_modify(a->f.w, &a->allow)
				   : cxlt_rule_add(a->f.w, &a->allow);
	if (!rc)
		rc = a->shape == 3 ? cxlt_rule_modify(a->f.w, &a->other)
				   : cxlt_rule_delete(a->f.w, &a->allow);
	if (!rc)
		rc = cxlt_rule_delete(a->f.w, &a->drop);
	if (rc)
		abort();
}

static void winner_find(struct race *a, struct rnd *r, struct tally *t)
{
	static struct cxlt_work w;

	fixture_work(&a->f.host, &w, &a->drop.value);
	cxlt_resolve(&a->f.host, &w);
	t->unstable += w.res.verdict == CXLT_V_UNSTABLE;
	t->wrong += w.res.verdict == CXLT_V_OUTPUT;
}

/* Masks of drop and allow in each shape: one chain, two tuples, two dimensions, modify. */
static void winner_rules(int shape)
{
	struct cxlt_key *k = &x.drop.value;

	x.shape = shape;
	x.drop = gen_output(0, 100, 1, NULL);
	x.allow = gen_output(0, 50, 2, &out1);
	gen_set_field(k, CXLT_F_IN_PORT, 3);
	gen_set_field(k, CXLT_F_ETH_TYPE, 0x0800);
	gen_set_field(k, CXLT_F_IP_PROTO, 6);
	gen_set_field(k, CXLT_F_IPV4_SRC, 0x0a000001);
	gen_set_field(k, CXLT_F_IPV4_DST, 0x0a000002);
	gen_set_field(k, CXLT_F_ETH_DST, 0x020000000001);
	x.allow.value = *k;
	gen_set_field(&x.drop.mask, CXLT_F_IN_PORT, ~0ULL);
	if (shape >= 2) {
		x.drop.mask.w[CXLT_W_PORT] = ~0xffULL;
		x.drop.mask.w[CXLT_W_IPV4] = ~0ULL;
		x.drop.mask.w[CXLT_W_L4] = 0xffffffffULL << 32;
	}
	if (shape == 0)
		x.allow.mask = x.drop.mask;
	else
		gen_set_field(&x.allow.mask, CXLT_F_ETH_DST, ~0ULL);
	x.other = x.allow;
	x.other.n_prog = 0;
	if (shape == 3)
		cr_assert_eq(cxlt_rule_add(x.f.w, &x.other), 0);
}

Test(readers, a_lower_rule_never_wins_beside_its_better, .timeout = 170)
{
	static const char *const shapes[] = {"winner in one chain", "winner in two tuples",
					     "winner in two dimensions", "winner, modified"};

	for (int s = 0; s < 4; s++) {
		open_race("readers/winner", 1 << 20);
		winner_rules(s);
		race(shapes[s], rnd_scaled(1500000), winner_cycle, winner_find);
		fixture_close(&x.f);
	}
}

/* The same keys in two slices, with different values. */
static void pair_write(struct race *a)
{
	for (int s = 0; s < 2; s++) {
		struct fixture *f = s ? &a->g : &a->f;
		__u64 i = rnd_below(&a->r, 64), prog = out1 + s;
		struct cxlt_rule_spec spec = tun_rule(i, &prog);

		spec.cookie = s * 1000 + i;
		if (cxlt_rule_modify(f->w, &spec))
			abort();
	}
}

static void pair_read(struct race *a, struct rnd *r, struct tally *t)
{
	static struct cxlt_work w;
	__u64 i = rnd_below(r, 64), s = rnd_below(r, 2);
	struct cxlt_rule_spec spec = tun_rule(i, NULL);
	int rc = fixture_classify(s ? &a->g.host : &a->f.host, &w, 0, &spec.value);

	t->missed += !rc;
	t->unstable += rc < 0;
	t->wrong += rc > 0 && (w.rule.cookie != s * 1000 + i || w.rule.prog[0] != out1 + s);
}

Test(readers, two_slices_never_mix, .timeout = 170)
{
	open_race("readers/two slices", 1 << 20);
	fixture_open(&x.g, 1 << 20);
	for (__u64 i = 0; i < 128; i++) {
		__u64 prog = out1 + i / 64;
		struct cxlt_rule_spec spec = tun_rule(i % 64, &prog);

		spec.cookie = i / 64 * 1000 + i % 64;
		cr_assert_eq(cxlt_rule_add(i / 64 ? x.g.w : x.f.w, &spec), 0);
	}
	race("two slices", rnd_scaled(500000), pair_write, pair_read);
	fixture_close(&x.g);
	fixture_close(&x.f);
}
