// SPDX-License-Identifier: Apache-2.0
/* Bundles: all or nothing, for the slice's content and for each packet, and nothing leaks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <cxltab/resolve.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

struct run {
	struct fixture f;
	struct oracle o;
	struct gen g;
	struct rnd r;
};

static void run_open(struct run *x, const char *name, int narrow_device)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20, .chg_log2 = 4};

	memset(x, 0, sizeof(*x));
	x->r = rnd_new(name);
	cfg.profile = cxlt_profile_all();
	if (narrow_device)
		cfg.profile.fields &= ~(1ULL << CXLT_F_TP_DST | 1ULL << CXLT_F_REG0);
	fixture_config(&x->f, &cfg);
	gen_init(&x->g, &x->r, 12);
	gen_set_field(&x->g.mask[2], CXLT_F_TP_DST, ~0ULL);
}

static void run_close(struct run *x)
{
	oracle_free(&x->o);
	fixture_close(&x->f);
}

/* One random change of the slice and of the oracle, which must agree on what it did. */
static void some_change(struct run *x, struct oracle *o)
{
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG];
	__u32 how = rnd_below(&x->r, 4);

	gen_rule(&x->g, rnd_below(&x->r, 3), 3, &spec, prog);
	if (o->n && !rnd_one_in(&x->r, 4)) {
		struct cxlt_rule_spec *old = &o->rule[rnd_below(&x->r, o->n)].spec;

		gen_program(&x->g, old->table, 3, &spec, prog);
		spec.table = old->table;
		spec.priority = old->priority;
		spec.value = old->value;
		spec.mask = old->mask;
		spec.prog = prog;
	}
	if (how < 2)
		cr_assert_eq(cxlt_rule_add(x->f.w, &spec), oracle_add(o, &spec), "%s",
			     cxlt_error_text());
	else if (how == 2)
		cr_assert_eq(cxlt_rule_modify(x->f.w, &spec), oracle_modify(o, &spec));
	else
		cr_assert_eq(cxlt_rule_delete(x->f.w, &spec), oracle_delete(o, &spec));
}

static void random_bundles(const char *name, int narrow_device)
{
	struct cxlt_usage before, after;
	struct run x;
	struct fixture other;

	run_open(&x, name, narrow_device);
	cxlt_slice_usage(x.f.s, &before);
	fixture_attach(&other, cxlt_slice_fd(x.f.s), 0);
	for (__u32 i = 0; i < rnd_scaled(150); i++) {
		struct oracle old, new;
		int commit = !rnd_one_in(&x.r, 3);

		oracle_copy(&old, &x.o);
		oracle_copy(&new, &x.o);
		cr_assert_eq(cxlt_bundle_begin(x.f.w), 0, "%s", cxlt_error_text());
		for (__u32 n = rnd_below(&x.r, 30); n; n--)
			some_change(&x, &new);
		/* The bundle's own view, and everybody else's. */
		cr_assert_eq(oracle_differs(&new, x.f.s, 0), 0, "in bundle %u", i);
		cr_assert_eq(oracle_differs(&old, other.s, 0), 0, "beside bundle %u", i);
		if (commit)
			cxlt_bundle_commit(x.f.w);
		else
			cxlt_bundle_abort(x.f.w);
		cr_assert_eq(oracle_differs(commit ? &new : &old, x.f.s, 0), 0, "after bundle %u",
			     i);
		cr_assert_eq(oracle_check(x.f.s), 0, "after bundle %u", i);
		oracle_free(&x.o);
		oracle_copy(&x.o, commit ? &new : &old);
		oracle_free(&old);
		oracle_free(&new);
		some_change(&x, &x.o);
	}
	while (x.o.n) {
		struct cxlt_rule_spec spec = x.o.rule[0].spec;

		cr_assert_eq(cxlt_rule_delete(x.f.w, &spec), 0);
		oracle_delete(&x.o, &spec);
	}
	cxlt_slice_usage(x.f.s, &after);
	/* Change words stay once they were needed. */
	before.used[CXLT_KIND_CHG] = after.used[CXLT_KIND_CHG];
	cr_expect(fixture_same_usage(&before, &after), "%s",
		  fixture_usage_difference(&before, &after));
	fixture_close(&other);
	run_close(&x);
}

Test(bundle, random_ones_are_committed_or_aborted_whole, .timeout = 60)
{
	random_bundles("bundle/random", 0);
}

Test(bundle, the_same_with_shadows, .timeout = 60)
{
	random_bundles("bundle/shadows", 1);
}

Test(bundle, counters_survive_modify_and_abort_and_start_anew_on_add)
{
	static const __u64 prog[2] = {0x0100000000000001, 0x0100000000000002};
	struct cxlt_rule_spec spec = gen_output(0, 5, 1, &prog[0]);
	struct cxlt_rule_info info;
	struct fixture f;
	__u32 counters;

	fixture_open(&f, 1 << 20);
	cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
	cr_assert_eq(cxlt_rule_get(f.s, &spec, &info), 0);
	counters = info.counters;
	for (int i = 0; i < 4; i++) {
		int add = i & 1, commit = i & 2;

		cr_assert_eq(cxlt_bundle_begin(f.w), 0);
		cr_assert_eq(cxlt_bundle_begin(f.w), -EBUSY, "one at a time");
		spec.prog = &prog[1];
		cr_assert_eq(add ? cxlt_rule_add(f.w, &spec) : cxlt_rule_modify(f.w, &spec), add);
		commit ? cxlt_bundle_commit(f.w) : cxlt_bundle_abort(f.w);
		cr_assert_eq(cxlt_rule_get(f.s, &spec, &info), 0);
		cr_expect_eq(info.prog[0], prog[commit ? 1 : 0], "case %d", i);
		cr_expect_eq(info.counters == counters, !(add && commit), "case %d", i);
	}
	cr_expect_eq(cxlt_table_rules(f.s, 0), 1);
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

Test(bundle, without_room_an_op_fails_and_the_rest_can_be_aborted)
{
	static const __u64 prog = 0x0100000000000001;
	struct cxlt_rule_spec spec = gen_output(0, 5, 0, &prog);
	struct cxlt_usage before, after;
	struct fixture f;
	int rc = 0;

	fixture_open(&f, 512 << 10);
	gen_set_field(&spec.mask, CXLT_F_METADATA, ~0ULL);
	cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
	cxlt_slice_usage(f.s, &before);
	cr_assert_eq(cxlt_bundle_begin(f.w), 0);
	for (int i = 0; i < 100000 && !rc; i++) {
		spec.cookie = i + 1;
		gen_set_field(&spec.value, CXLT_F_METADATA, i + 1);
		rc = cxlt_rule_add(f.w, &spec);
	}
	cr_expect_eq(rc, -ENOSPC);
	cxlt_bundle_abort(f.w);
	cxlt_slice_usage(f.s, &after);
	before.used[CXLT_KIND_BUCKETS] = after.used[CXLT_KIND_BUCKETS]; /* a tuple doesn't shrink */
	cr_expect(fixture_same_usage(&before, &after), "%s",
		  fixture_usage_difference(&before, &after));
	cr_expect_eq(cxlt_table_rules(f.s, 0), 1);
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

/*
 * A packet goes through three tables.  In the first and the last the rules that match it say which
 * generation they are of; a bundle brings the next one to both, in ever other tuples and chains.
 */
struct flip {
	struct fixture f;
	struct cxlt_key packet;
	__u64 prog[2][4];
	_Atomic int stop;
	_Atomic __u64 packets, flips;
};

static struct flip flip;

static struct cxlt_rule_spec flip_rule(__u32 table, __u64 generation, __u64 *prog)
{
	struct cxlt_rule_spec s = gen_output(table, (__u16)(10 + generation % 3), generation, prog);

	s.value = flip.packet;
	if (generation & 1)
		gen_set_field(&s.mask, CXLT_F_IPV4_DST, 0xffffffff);
	if (generation & 2)
		gen_set_field(&s.mask, CXLT_F_IPV4_SRC, 0xffffffff);
	gen_set_field(&s.mask, CXLT_F_ETH_TYPE, 0xffff);
	if (!table) {
		prog[0] = cxlt_op_word(CXLT_OP_SET, CXLT_F_METADATA, CXLT_W_METADATA, 0);
		prog[1] = generation;
		prog[2] = ~0ULL;
		prog[3] = cxlt_op_word(CXLT_OP_GOTO, 0, 0, 2);
		s.n_prog = 4;
	}
	return s;
}

static void *flip_reader(void *arg)
{
	struct cxlt_work *w = arg;
	const struct cxlt_view *view = &flip.f.host;

	while (!atomic_load(&flip.stop)) {
		w->orig = flip.packet;
		w->in_port = 1;
		cxlt_resolve(view, w);
		if (w->res.verdict == CXLT_V_UNSTABLE)
			continue;
		atomic_fetch_add_explicit(&flip.packets, 1, memory_order_relaxed);
		cr_assert(w->res.matched && w->res.table == 2, "verdict %d", w->res.verdict);
		cr_assert_eq(w->res.cookie, w->key.w[CXLT_W_METADATA],
			     "table 0 of generation %llu, table 2 of %llu",
			     w->key.w[CXLT_W_METADATA], w->res.cookie);
	}
	return NULL;
}

Test(bundle, every_packet_sees_all_of_it_or_nothing, .timeout = 60)
{
	static struct cxlt_work work[2];
	__u64 want = (__u64)rnd_scaled(400000), generation = 0;
	struct cxlt_rule_spec s[2];
	pthread_t t[2];

	fixture_open(&flip.f, 4 << 20);
	CXLT_KEY_SET(&flip.packet, IN_PORT, 1);
	CXLT_KEY_SET(&flip.packet, ETH_TYPE, 0x0800);
	CXLT_KEY_SET(&flip.packet, IPV4_SRC, 0x0a000001);
	CXLT_KEY_SET(&flip.packet, IPV4_DST, 0x0a000002);
	flip.prog[1][0] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2);
	for (int i = 0; i < 2; i++) {
		s[i] = flip_rule(i * 2, 0, flip.prog[i]);
		cr_assert_eq(cxlt_rule_add(flip.f.w, &s[i]), 0, "%s", cxlt_error_text());
	}
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, flip_reader, &work[i]), 0);
	while (atomic_load(&flip.packets) < want) {
		cr_assert_eq(cxlt_bundle_begin(flip.f.w), 0);
		for (int i = 0; i < 2; i++)
			cr_assert_eq(cxlt_rule_delete(flip.f.w, &s[i]), 0, "%s", cxlt_error_text());
		generation++;
		for (int i = 1; i >= 0; i--) {
			s[i] = flip_rule(i * 2, generation, flip.prog[i]);
			cr_assert_eq(cxlt_rule_add(flip.f.w, &s[i]), 0, "%s", cxlt_error_text());
		}
		/* One in eight is thrown away, and its number used again. */
		if (generation % 8 == 7) {
			cxlt_bundle_abort(flip.f.w);
			generation--;
			for (int i = 0; i < 2; i++)
				s[i] = flip_rule(i * 2, generation, flip.prog[i]);
			generation += 8;
			cr_assert_eq(cxlt_bundle_begin(flip.f.w), 0);
			for (int i = 0; i < 2; i++) {
				cr_assert_eq(cxlt_rule_delete(flip.f.w, &s[i]), 0);
				s[i] = flip_rule(i * 2, generation, flip.prog[i]);
				cr_assert_eq(cxlt_rule_add(flip.f.w, &s[i]), 0);
			}
		}
		cxlt_bundle_commit(flip.f.w);
		flip.flips++;
	}
	flip.stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	fprintf(stderr, "bundle: %llu packets beside %llu flips\n", flip.packets, flip.flips);
	cr_expect_gt(flip.flips, 1000);
	cr_expect_eq(oracle_check(flip.f.s), 0);
	fixture_close(&flip.f);
}
