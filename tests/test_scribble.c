// SPDX-License-Identifier: Apache-2.0
/*
 * A slice whose owner writes nonsense into it.  Whatever is in there, no reader crashes, hangs,
 * leaves its bounds or touches more lines than the budget allows; the sanitizers look on.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cxltab/batch.h>
#include <cxltab/counter.h>
#include <cxltab/exact.h>
#include <cxltab/resolve.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

enum {
	SIZE = 512 << 10,
};

static struct fixture f;
static struct rnd r;
static struct gen g;
static __u8 pristine[SIZE];
static __u64 *word;  /* the slice as words */
static __u32 lowest; /* first mutable word */
static __u32 used;   /* words up to the last chunk in use */
static __u32 table;
static struct cxlt_work work;

static void furnish(const char *name)
{
	struct cxlt_slice_config cfg = {.size = SIZE, .device_size = 400 << 10, .chg_log2 = 4};
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG], kv[4];

	r = rnd_new(name);
	cfg.profile = cxlt_profile_all();
	cfg.profile.fields &= ~(1ULL << CXLT_F_TP_DST);
	fixture_config(&f, &cfg);
	gen_init(&g, &r, 12);
	cr_assert_eq(cxlt_exact_create(f.w, "t", 2, 2, 200, rnd_below(&r, 2) * CXLT_EXACT_NEAR), 0,
		     "%s", cxlt_error_text());
	table = cxlt_exact_open(f.s, "t");
	for (__u64 i = 0; i < 200; i++) {
		kv[0] = kv[1] = kv[2] = kv[3] = i;
		cr_assert_eq(cxlt_exact_insert(f.w, table, kv, kv), 0);
	}
	for (int i = 0; i < 300; i++) {
		gen_rule(&g, rnd_below(&r, 4), 4, &spec, prog);
		if (cxlt_rule_add(f.w, &spec) < 0)
			break; /* the device domain is small */
	}
	word = cxlt_slice_base(f.s);
	memcpy(pristine, word, SIZE);
	lowest = cxlt_slice_directory(f.s)->control * 8;
	for (used = SIZE / 8; used > lowest && !word[used - 1]; used--)
		;
}

/* One word becomes something else, more likely something that could pass. */
static void scribble(struct rnd *s)
{
	__u32 at = lowest + rnd_below(s, rnd_one_in(s, 8) ? SIZE / 8 - lowest : used - lowest);
	__u64 v = word[at];

	if (rnd_one_in(s, 2)) /* most words are 0 and stay unread */
		for (int i = 0; i < 50 && !v; i++) {
			at = lowest + rnd_below(s, used - lowest);
			v = word[at];
		}
	switch (rnd_below(s, 9)) {
	case 0: v ^= 1ULL << rnd_below(s, 64); break;
	case 1: v = rnd_next(s); break;
	case 2: v += rnd_one_in(s, 2) ? 1 : -1; break;
	case 3: v = word[lowest + rnd_below(s, used - lowest)]; break;
	case 4: v = (v & ~0xffffffffULL) | rnd_below(s, SIZE / 64 + 4); break;
	case 5: v = (v & 0xffffffffULL) | rnd_next(s) << 32; break;
	case 6: v = ~0ULL; break;
	case 7: v |= 0xffffULL << 16 * rnd_below(s, 4); break;
	default: v = rnd_below(s, 300);
	}
	__atomic_store_n(&word[at], v, __ATOMIC_RELAXED);
}

static int look(void *arg, const struct cxlt_rule_info *info)
{
	cr_assert_leq(info->n_prog, CXLT_PROG_MAX);
	/* Copies that are shown are inside their arrays; stop if the walk goes round in circles. */
	return ++*(int *)arg > 100000;
}

static void read_one(const struct cxlt_view *v)
{
	struct cxlt_batch b;
	struct cxlt_key k;
	__u32 t = rnd_below(&r, 5);
	int rc;

	gen_key(&g, &k);
	rc = fixture_classify(v, &work, t, &k);
	cr_assert(rc == 0 || rc == 1 || (rc < 0 && rc > -CXLT_N_REASONS), "%d", rc);
	if (rc == 1)
		cr_assert_leq(work.rule.n_prog, CXLT_PROG_MAX);
	fixture_work(v, &work, &k);
	cxlt_resolve(v, &work);
	cr_assert_lt(work.res.verdict, CXLT_N_VERDICTS);
	cr_assert_lt(work.res.reason, CXLT_N_REASONS);
	cr_assert_leq(work.res.n_ops, CXLT_OPS_MAX);
	cr_assert_leq(work.res.n_hits, CXLT_HOPS_MAX);
	cr_assert_leq(work.chg.n, CXLT_CHG_MAX);
	cr_assert_leq(work.n_lines, v->work_budget + 64, "%u lines", work.n_lines);
	for (int i = 0; i < work.res.n_hits; i++)
		if (!cxlt_line(v, work.res.hits[i], 2))
			cxlt_count(v, work.res.hits[i], 1, 1, 1); /* must be harmless */
	cxlt_batch_begin(v, t, 4, &b);
	cxlt_batch_buckets(v, &b, 0, &k);
	cxlt_batch_entries(v, &b, 0);
}

static void read_exact(void)
{
	__u64 val[2][2], k[2][2];
	const __u64 *keys[2] = {k[0], k[1]};
	__u64 *vals[2] = {val[0], val[1]};
	int rc[2];

	for (int i = 0; i < 2; i++)
		k[i][0] = k[i][1] = rnd_below(&r, 220);
	rc[0] = cxlt_exact_find(&f.host, table, k[0], 2, val[0], 2);
	cr_assert(!rc[0] || rc[0] == -ENOENT || rc[0] == -EAGAIN || rc[0] == -EFAULT, "%d", rc[0]);
	cxlt_exact_find_batch(&f.host, table, keys, 2, 2, vals, 2, rc);
	cxlt_exact_find(&f.host, rnd_below(&r, SIZE / 64 + 9), k[0], 2, val[0], 2);
	cxlt_exact_open(f.s, "t");
	cxlt_exact_open(f.s, "no such table");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Everything that reads. */
static void read_all(int walk)
{
	struct cxlt_rule_spec spec;
	struct cxlt_rule_info info;
	struct cxlt_usage u;
	__u64 prog[GEN_PROG];
	double start = now();
	int n = 0;

	for (int i = 0; i < 6; i++)
		read_one(i & 1 ? &f.device : &f.host);
	read_exact();
	if (walk) {
		cxlt_rule_each(f.s, -1, look, &n);
		cr_assert_leq(n, 100000, "the walk goes round in circles");
		gen_rule(&g, rnd_below(&r, 4), 4, &spec, prog);
		cxlt_rule_get(f.s, &spec, &info);
		cxlt_slice_check(f.s, NULL, NULL);
		cxlt_slice_usage(f.s, &u);
		cxlt_table_rules(f.s, 1);
		cxlt_table_tuples(f.s, 1);
	}
	cr_assert_lt(now() - start, 5, "%.1f s", now() - start);
}

Test(scribble, readers_survive_any_words, .timeout = 170)
{
	__u32 rounds = rnd_scaled(20000);

	furnish("scribble/any_words");
	for (__u32 i = 0; i < rounds; i++) {
		__u32 n = 1 + rnd_below(&r, i % 4 ? 12 : 200);

		while (n--)
			scribble(&r);
		read_all(i % 3 == 0);
		memcpy(word + lowest, pristine + lowest * 8, SIZE - lowest * 8);
	}
	cr_assert_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

Test(scribble, readers_survive_memory_of_one_value, .timeout = 170)
{
	static const __u64 values[] = {~0ULL,
				       1,
				       0x0101010101010101,
				       0x8000000000000000,
				       0x00000000ffffffff,
				       0xffffffff00000000,
				       0x100};

	furnish("scribble/one_value");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (__u32 at = lowest; at < SIZE / 8; at++)
			word[at] = values[i];
		for (int n = 0; n < 20; n++)
			read_all(n == 0);
	}
	for (int i = 0; i < 20; i++) {
		for (__u32 at = lowest; at < SIZE / 8; at++)
			word[at] = rnd_next(&r);
		read_all(1);
	}
	fixture_close(&f);
}

static _Atomic int stop;

/* Spoils and mends, for ever. */
static void *scribbler(void *arg)
{
	struct rnd s = rnd_fork(arg);

	for (__u32 i = 0; !stop; i++) {
		scribble(&s);
		if (i % 300 == 299)
			for (__u32 at = lowest; at < SIZE / 8; at++)
				__atomic_store_n(&word[at], ((__u64 *)pristine)[at],
						 __ATOMIC_RELAXED);
	}
	return NULL;
}

Test(scribble, readers_survive_a_scribbler_beside_them, .timeout = 170)
{
	__u32 rounds = rnd_scaled(60000);
	pthread_t thread;

#ifdef __SANITIZE_THREAD__
	cr_skip("what the scribbler does is a data race, by design");
#endif
	furnish("scribble/beside");
	stop = 0;
	cr_assert_eq(pthread_create(&thread, NULL, scribbler, &r), 0);
	for (__u32 i = 0; i < rounds; i++)
		read_all(i % 20 == 0);
	stop = 1;
	pthread_join(thread, NULL);
	fixture_close(&f);
}

/* The worst walk that a hostile owner can lay: a list of one tuple, a thousand times, whose array
 * is the whole slice and whose every slot leads into a ring of rules. */
static void lay_a_maze(void)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);
	__u32 chunk0 = d->chunk0, i;
	struct cxlt_tuple *t = (void *)&word[chunk0 * 8];
	struct cxlt_rule *e = (void *)&word[(chunk0 + 8) * 8];
	__u64 *list = &word[(chunk0 + 16) * 8];
	struct cxlt_table *tables = (void *)&word[d->tables * 8];

	memset(t, 0, 4096);
	t->id = 7;
	t->geo = CXLT_GEO(chunk0 + 200, 12, 1);
	e->tuple_id = 7;
	e->to = 0; /* no packet can see it: on to the next one */
	e->next = chunk0 + 8;
	for (i = 0; i < CXLT_TUPLES_MAX; i++)
		list[i] = CXLT_ITEM(chunk0, 1, 0);
	for (i = (chunk0 + 200) * 8; i < SIZE / 8; i++)
		word[i] = chunk0 + 8;
	for (i = 0; i < CXLT_TABLES; i++) {
		tables[i].list = CXLT_LIST(chunk0 + 16, CXLT_TUPLES_MAX, 1);
		tables[i].dims = 0;
	}
}

static int look_on(void *arg, const struct cxlt_rule_info *info)
{
	++*(__u64 *)arg;
	return 0;
}

Test(scribble, a_maze_has_an_end, .timeout = 60)
{
	double start;
	__u64 n = 0;

	furnish("scribble/maze");
	for (int log2 = 12; log2 >= 1; log2 -= 4) {
		lay_a_maze();
		/* An array as large as fits. */
		((struct cxlt_tuple *)&word[cxlt_slice_directory(f.s)->chunk0 * 8])->geo =
			CXLT_GEO(cxlt_slice_directory(f.s)->chunk0 + 200, log2, 1);
		start = now();
		for (int i = 0; i < 50; i++)
			read_one(&f.host);
		cr_expect_lt(now() - start, 0.2, "lookups took %.1f s", now() - start);
		start = now();
		cxlt_slice_check(f.s, NULL, NULL);
		cr_expect_lt(now() - start, 2, "check took %.1f s", now() - start);
		start = now();
		cxlt_rule_each(f.s, -1, look_on, &n);
		cr_expect_lt(now() - start, 2, "a walk took %.1f s", now() - start);
	}
	fixture_close(&f);
}
