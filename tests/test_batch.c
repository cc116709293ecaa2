// SPDX-License-Identifier: Apache-2.0
/* Looking ahead changes no answer (cxltab/batch.h), even when what was seen ahead is gone. */
#include <criterion/criterion.h>
#include <string.h>

#include <cxltab/base.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

static int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best);
#define CXLT_TUPLE_FIND(v, w, ref, best) find_ahead(v, w, ref, best)
#include <cxltab/batch.h>

#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static struct cxlt_batch batch;
static __u32 number;
static int ahead;

static int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best)
{
	return ahead ? cxlt_batch_tuple_find(v, w, &batch, number, ref, best)
		     : cxlt_tuple_find(v, w, ref, best);
}

struct world {
	struct fixture f;
	struct oracle o;
	struct gen g;
	struct rnd r;
};

static void change(struct world *x)
{
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG];
	int rc;

	if (x->o.n && rnd_one_in(&x->r, 2)) {
		spec = x->o.rule[rnd_below(&x->r, x->o.n)].spec;
		cr_assert_eq(cxlt_rule_delete(x->f.w, &spec), 0, "%s", cxlt_error_text());
		cr_assert_eq(oracle_delete(&x->o, &spec), 0);
		return;
	}
	gen_rule(&x->g, 0, 1, &spec, prog);
	rc = cxlt_rule_add(x->f.w, &spec);
	cr_assert_geq(rc, 0, "%s", cxlt_error_text());
	cr_assert_eq(oracle_add(&x->o, &spec), rc);
}

static void keys(struct world *x, struct cxlt_key *k, __u32 n)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		const struct cxlt_rule_spec *s;

		if (!x->o.n || rnd_one_in(&x->r, 4)) {
			gen_key(&x->g, &k[i]);
			continue;
		}
		s = &x->o.rule[rnd_below(&x->r, x->o.n)].spec;
		gen_key_for(&x->g, &s->value, &s->mask, &k[i]);
	}
}

/* One batch: looked ahead, then changed in between, then looked up both ways. */
static void round_trip(struct world *x, __u32 changes)
{
	static struct cxlt_work with, without;
	struct cxlt_key k[CXLT_BATCH_KEYS];
	__u32 depth = rnd_below(&x->r, CXLT_BATCH_TUPLES + 2), i;

	keys(x, k, CXLT_BATCH_KEYS);
	cxlt_batch_begin(&x->f.host, 0, depth, &batch);
	for (i = 0; i < CXLT_BATCH_KEYS; i++)
		cxlt_batch_buckets(&x->f.host, &batch, i, &k[i]);
	for (i = 0; i < CXLT_BATCH_KEYS; i++)
		cxlt_batch_entries(&x->f.host, &batch, i);
	for (i = 0; i < changes; i++)
		change(x);
	for (i = 0; i < CXLT_BATCH_KEYS; i++) {
		int a, b;

		number = i;
		ahead = 1;
		fixture_work(&x->f.host, &with, &k[i]);
		a = cxlt_classify(&x->f.host, &with, 0);
		ahead = 0;
		fixture_work(&x->f.host, &without, &k[i]);
		b = cxlt_classify(&x->f.host, &without, 0);
		cr_assert_eq(a, b);
		cr_assert_eq(a, oracle_best(&x->o, 0, &k[i]) != 0);
		cr_assert_eq(with.n_lines, without.n_lines);
		cr_assert_eq(with.n_probes, without.n_probes);
		if (a <= 0)
			continue;
		cr_assert_eq(with.rule.cookie, without.rule.cookie);
		cr_assert_eq(with.rule.prio, without.rule.prio);
		cr_assert_eq(with.rule.n_prog, without.rule.n_prog);
	}
}

Test(batch, looking_ahead_changes_no_answer)
{
	struct world x = {.r = rnd_new("batch")};
	__u32 i, n = rnd_scaled(3000);

	fixture_open(&x.f, 16 << 20);
	gen_init(&x.g, &x.r, 12);
	for (i = 0; i < 200; i++)
		change(&x);
	for (i = 0; i < n; i++)
		round_trip(&x, rnd_below(&x.r, 4) ? 0 : rnd_below(&x.r, 12));
	oracle_free(&x.o);
	fixture_close(&x.f);
}

/* Tuples come and go: with few rules a mask's last one often takes its tuple with it. */
Test(batch, vanished_tuples_are_not_believed)
{
	struct world x = {.r = rnd_new("batch")};
	__u32 i, n = rnd_scaled(3000);

	fixture_open(&x.f, 8 << 20);
	gen_init(&x.g, &x.r, 40);
	for (i = 0; i < n; i++)
		round_trip(&x, 1 + rnd_below(&x.r, 8));
	oracle_free(&x.o);
	fixture_close(&x.f);
}
