// SPDX-License-Identifier: Apache-2.0
/*
 * The prefilter, against a list of rules that is read from end to end, and against itself switched
 * off: it may never rule out a tuple that has a rule for the packet.  And what it is for: the work
 * that masks cost which can't match, and its bound when rules and packets are made to defeat it by
 * somebody who knows all but the secrets.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/filter.h>
#include <cxltab/reason.h>
#include "change_rule.h"
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static struct fixture f;
static struct cxlt_work work;
static const __u64 out = 0x0100000000000001; /* output:1 */

static void setup(__u64 size)
{
	struct cxlt_slice_config cfg = {.size = size};

	fixture_config(&f, &cfg);
}

static __u64 random_mask(struct rnd *r)
{
	return rnd_next(r) & rnd_next(r) & rnd_next(r);
}

/* A mask of arbitrary bits in a few words, from a set of n. */
static void arbitrary_mask(__u32 seed, __u32 n, struct cxlt_key *mask)
{
	static const __u8 words[] = {CXLT_W_PORT, CXLT_W_IPV4,	      CXLT_W_L4,
				     CXLT_W_DMAC, CXLT_W_IPV6_DST_LO, CXLT_W_REG23};
	struct rnd r = {seed % n * 77 + 5};
	__u32 i;

	memset(mask, 0, sizeof(*mask));
	for (i = 0; i < sizeof(words); i++)
		if (rnd_one_in(&r, 3))
			mask->w[words[i]] = random_mask(&r);
}

static void few_bits(struct rnd *r, struct cxlt_key *k)
{
	for (__u32 i = 0; i < CXLT_KEY_WORDS; i++)
		k->w[i] = rnd_next(r) & rnd_next(r) & rnd_next(r) & rnd_next(r);
}

/* The filtered answer is the oracle's, and the unfiltered one. */
static void expect_right(const struct oracle *o, const struct cxlt_key *k)
{
	struct cxlt_view plain = f.host;
	__u32 best = oracle_best(o, 0, k), probes;
	int rc = fixture_classify(&f.host, &work, 0, k);
	__u16 prio = work.rule.prio;

	cr_assert_eq(rc, best != 0, "rc %d, best %u", rc, best);
	cr_assert(!best || prio == best - 1, "priority %u, not %u", prio, best - 1);
	probes = work.n_probes;
	plain.flags &= ~(__u32)CXLT_VIEW_FILTER;
	cr_assert_eq(fixture_classify(&plain, &work, 0, k), rc);
	cr_assert(!rc || work.rule.prio == prio);
	cr_assert_leq(probes, work.n_probes);
}

static void churn(const char *name, __u32 masks, __u32 rounds)
{
	struct rnd r = rnd_new(name);
	struct oracle o = {0};
	struct cxlt_key k;
	__u32 i;

	setup(16 << 20);
	for (i = 0; i < rounds; i++) {
		struct cxlt_rule_spec s = gen_output(0, rnd_below(&r, 50), i, &out);
		__u32 live = 1 + i / 64 % masks;

		/* Masks come and go: the list crosses the length at which it has a filter. */
		arbitrary_mask(rnd_below(&r, live), masks, &s.mask);
		few_bits(&r, &s.value);
		for (__u32 w = 0; w < CXLT_KEY_WORDS; w++)
			s.value.w[w] &= s.mask.w[w];
		if (o.n && rnd_one_in(&r, 2)) {
			s = o.rule[rnd_below(&r, o.n)].spec;
			cr_assert_eq(cxlt_rule_delete(f.w, &s), 0, "%s", cxlt_error_text());
			cr_assert_eq(oracle_delete(&o, &s), 0);
		} else {
			cr_assert_geq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
			oracle_add(&o, &s);
		}
		few_bits(&r, &k);
		if (o.n && rnd_one_in(&r, 2)) {
			s = o.rule[rnd_below(&r, o.n)].spec;
			for (__u32 w = 0; w < CXLT_KEY_WORDS; w++)
				k.w[w] = (k.w[w] & ~s.mask.w[w]) | s.value.w[w];
		}
		expect_right(&o, &k);
		if (i % 256 == 0)
			cr_assert_eq(oracle_check(f.s), 0);
	}
	while (o.n) {
		struct cxlt_rule_spec s = o.rule[0].spec;

		cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
		oracle_delete(&o, &s);
		few_bits(&r, &k);
		expect_right(&o, &k);
	}
	cr_assert_eq(oracle_check(f.s), 0);
	oracle_free(&o);
	fixture_close(&f);
}

Test(filter, never_hides_a_rule_of_a_few_arbitrary_masks, .timeout = 120)
{
	churn("filter/few", 6, rnd_scaled(6000));
}

Test(filter, never_hides_a_rule_of_many_arbitrary_masks, .timeout = 120)
{
	churn("filter/many", 200, rnd_scaled(12000));
}

/* Rule i of 1024 masks: a prefix of source and of destination each, or a port mask. */
static struct cxlt_rule_spec one_of_1024(__u32 i, __u32 src, __u32 dst)
{
	struct cxlt_rule_spec s = gen_output(0, i, i, &out);

	gen_set_field(&s.mask, CXLT_F_ETH_TYPE, 0xffff);
	gen_set_field(&s.value, CXLT_F_ETH_TYPE, 0x800);
	gen_set_field(&s.mask, CXLT_F_IPV4_SRC, ~0U << (i % 32));
	gen_set_field(&s.mask, CXLT_F_IPV4_DST, ~0U << (i / 32));
	gen_set_field(&s.value, CXLT_F_IPV4_SRC, src & ~0U << (i % 32));
	gen_set_field(&s.value, CXLT_F_IPV4_DST, dst & ~0U << (i / 32));
	return s;
}

Test(filter, finds_one_rule_among_1024_masks_by_looking_at_few, .timeout = 60)
{
	__u32 i, probes = 0;

	setup(16 << 20);
	for (i = 0; i < 1024; i++) {
		struct cxlt_rule_spec s =
			one_of_1024(i, 0x0b000000 * (i + 1), 0x0d100000 * (i + 7));

		cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%u: %s", i, cxlt_error_text());
	}
	cr_assert_eq(cxlt_table_tuples(f.s, 0), 1024);
	cr_assert_eq(oracle_check(f.s), 0);
	for (i = 0; i < 1024; i++) {
		struct cxlt_rule_spec s =
			one_of_1024(i, 0x0b000000 * (i + 1), 0x0d100000 * (i + 7));

		cr_assert_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
		cr_assert_geq(work.rule.prio, i);
		probes += work.n_probes;
		cr_assert_eq(fixture_classify(&f.device, &work, 0, &s.value), 1);
	}
	cr_expect_lt(probes, 1024 * 128, "%u probes", probes);
	fixture_close(&f);
}

Test(filter, what_is_deleted_costs_no_probe)
{
	struct cxlt_key k = {0};
	__u32 i;

	setup(4 << 20);
	gen_set_field(&k, CXLT_F_ETH_TYPE, 0x800);
	gen_set_field(&k, CXLT_F_IPV4_SRC, 0x0a000001);
	for (i = 0; i < 8; i++) {
		struct cxlt_rule_spec there = one_of_1024(i, 0x0a000001, 0),
				      other = one_of_1024(i, 0xc0a80001, 0x01010101);

		cr_assert_eq(cxlt_rule_add(f.w, &other), 0);
		cr_assert_eq(cxlt_rule_add(f.w, &there),
			     0 + 1 * (there.value.w[1] == other.value.w[1]));
	}
	cr_assert_eq(fixture_classify(&f.host, &work, 0, &k), 1);
	for (i = 0; i < 8; i++) {
		struct cxlt_rule_spec there = one_of_1024(i, 0x0a000001, 0);

		cr_assert_eq(cxlt_rule_delete(f.w, &there), 0);
	}
	cr_assert_eq(cxlt_table_tuples(f.s, 0), 8);
	cr_assert_eq(fixture_classify(&f.host, &work, 0, &k), 0);
	cr_expect_leq(work.n_probes, 1, "%u probes", work.n_probes); /* one may collide */
	fixture_close(&f);
}

/* The cells of a pair that many rules share stick; a repair counts them anew. */
Test(filter, stuck_cells_let_packets_through_until_repair)
{
	struct cxlt_key k = {0};
	__u32 i;

	setup(4 << 20);
	for (i = 0; i < 4; i++) {
		struct cxlt_rule_spec s = gen_output(0, i, i, &out);

		s.mask.w[CXLT_W_METADATA] = 0xff << i;
		s.value.w[CXLT_W_METADATA] = 0x10 << i;
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	k.w[CXLT_W_REG23] = 7;
	for (i = 0; i < 600; i++) {
		struct cxlt_rule_spec s = gen_output(0, 9, i, &out);

		s.mask.w[CXLT_W_REG23] = s.mask.w[CXLT_W_TUN_ID] = ~0ULL;
		s.value.w[CXLT_W_REG23] = 7;
		s.value.w[CXLT_W_TUN_ID] = i + 1;
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	for (i = 1; i < 600; i++) {
		struct cxlt_rule_spec s = gen_output(0, 9, i, &out);

		s.mask.w[CXLT_W_REG23] = s.mask.w[CXLT_W_TUN_ID] = ~0ULL;
		s.value.w[CXLT_W_REG23] = 7;
		s.value.w[CXLT_W_TUN_ID] = i + 1;
		cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
	}
	cr_assert_eq(oracle_check(f.s), 0);
	cr_assert_eq(cxlt_slice_repair(f.w), 0);
	cr_assert_eq(oracle_check(f.s), 0);
	k.w[CXLT_W_TUN_ID] = 1;
	cr_assert_eq(fixture_classify(&f.host, &work, 0, &k), 1);
	fixture_close(&f);
}

static struct cxlt_rule_spec connection(__u32 i)
{
	struct cxlt_rule_spec s = gen_output(0, 9, i, &out);
	__u64 h = cxlt_hash_finish(i);

	/* No progression: an unlucky secret of the filter would make those that are absent fall on the
	 * cells of those that are there. */
	gen_set_field(&s.mask, CXLT_F_IPV4_DST, ~0U);
	gen_set_field(&s.value, CXLT_F_IPV4_DST, (__u32)h);
	gen_set_field(&s.mask, CXLT_F_ETH_TYPE, 0xffff);
	gen_set_field(&s.value, CXLT_F_ETH_TYPE, 0x800);
	return s;
}

Test(filter, cells_grow_with_the_rules_that_they_count, .timeout = 60)
{
	__u32 i, absent = 0, n = 10000;

	setup(16 << 20);
	for (i = 0; i < 4; i++) {
		struct cxlt_rule_spec s = gen_output(0, i, i, &out);

		s.mask.w[CXLT_W_METADATA] = 0xff << i;
		s.value.w[CXLT_W_METADATA] = 0x10 << i;
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	for (i = 0; i < n; i++) {
		struct cxlt_rule_spec s = connection(i);

		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	cr_assert_eq(oracle_check(f.s), 0);
	for (i = 0; i < n; i++) {
		struct cxlt_rule_spec s = connection(i), t = connection(n + i);

		cr_assert_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
		cr_assert_eq(fixture_classify(&f.host, &work, 0, &t.value), 0);
		absent += work.n_probes == 0;
	}
	cr_expect_gt(absent, n / 2, "%u of %u were ruled out", absent, n);
	fixture_close(&f);
}

/* Readers may be asked to trust nothing: refs, counts and shifts that make no sense. */
Test(filter, nonsense_in_it_is_bounded, .timeout = 60)
{
	struct rnd r = rnd_new("filter/nonsense");
	struct cxlt_table *t;
	__u64 *w, old;
	__u32 i;

	setup(4 << 20);
	for (i = 0; i < 100; i++) {
		struct cxlt_rule_spec s = one_of_1024(i * 5, 0x0a000001 + i, 0x0b000001);

		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	t = cxlt_table_at(f.s, 0);
	w = cxlt_at(f.s, CXLT_LIST_REF(t->list));
	for (i = 0; i < rnd_scaled(20000); i++) {
		__u32 at = 104 + rnd_below(&r, cxlt_list_words(100, 60) - 104);
		struct cxlt_rule_spec s = one_of_1024(i % 100 * 5, 0x0a000001, 0x0b000001);

		old = w[at];
		w[at] = rnd_one_in(&r, 2) ? rnd_next(&r) : old ^ 1ULL << rnd_below(&r, 64);
		fixture_classify(&f.host, &work, 0, &s.value);
		fixture_classify(&f.device, &work, 0, &s.value);
		cr_assert_leq(work.n_lines, f.host.work_budget + 64);
		if (i % 16 == 0) {
			cxlt_slice_check(f.s, NULL, NULL);
			s.priority = 1 + i % 3;
			cxlt_rule_modify(f.w, &s);
		}
		w[at] = old;
		if (cxlt_at(f.s, CXLT_LIST_REF(t->list)) != w)
			break; /* a writer made another list of it */
	}
	fixture_close(&f);
}

/*
 * The attack: 1024 masks, and for each a rule that differs from the packet in one bit that only the
 * whole combination tells, while each field by itself is there.  Nothing is ruled out; each tuple
 * is probed.  The tables' cells are what they are for a benign user: secrets decide only who
 * collides.
 */
static void make_attack(struct cxlt_key *k)
{
	__u32 i;

	memset(k, 0, sizeof(*k));
	gen_set_field(k, CXLT_F_ETH_TYPE, 0x800);
	gen_set_field(k, CXLT_F_IPV4_SRC, 0x0a0a0a0a);
	gen_set_field(k, CXLT_F_IPV4_DST, 0x14141414);
	for (i = 0; i < 1024; i++) {
		struct cxlt_rule_spec a = one_of_1024(i, 0x0a0a0a0a, 0xeeeeeeee),
				      b = one_of_1024(i, 0xdddddddd, 0x14141414);

		a.priority = b.priority = 7;
		cr_assert_geq(cxlt_rule_add(f.w, &a), 0, "%s", cxlt_error_text());
		cr_assert_geq(cxlt_rule_add(f.w, &b), 0, "%s", cxlt_error_text());
	}
}

Test(filter, a_tuple_explosion_costs_what_is_documented, .timeout = 60)
{
	struct cxlt_key k;

	setup(16 << 20);
	make_attack(&k);
	cr_assert_eq(cxlt_table_tuples(f.s, 0), 1024);
	cr_assert_eq(fixture_classify(&f.host, &work, 0, &k), 0);
	cr_expect_gt(work.n_probes, 900);
	/* 64 cells, the pairs, who uses them; and of each tuple: itself, a bucket, at most another. */
	cr_expect_leq(work.n_lines, 64 + 25 + 15 * 8 + 1024 * 3, "%u lines", work.n_lines);
	/* Reads as "unmatched", within the default budget, for up to two such tables a packet. */
	cr_expect_lt(work.n_lines, f.host.work_budget / 2);
	fixture_close(&f);
}

Test(filter, a_tuple_explosion_meets_the_work_budget, .timeout = 60)
{
	struct cxlt_slice_config cfg = {.size = 16 << 20, .work_budget = 500};
	struct cxlt_key k;

	fixture_config(&f, &cfg);
	make_attack(&k);
	cr_expect_eq(fixture_classify(&f.host, &work, 0, &k), -CXLT_R_BUDGET);
	cr_expect_leq(work.n_lines, 500 + 64);
	cr_expect_eq(fixture_classify(&f.device, &work, 0, &k), -CXLT_R_BUDGET);
	fixture_close(&f);
}

Test(filter, the_mask_budget_names_the_table_and_the_way_out)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20, .max_tuples = 3};
	__u32 i;

	fixture_config(&f, &cfg);
	for (i = 0; i < 3; i++) {
		struct cxlt_rule_spec s = one_of_1024(i, 1, 1);

		s.table = 5;
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	}
	struct cxlt_rule_spec s = one_of_1024(3, 1, 1);

	s.table = 5;
	cr_assert_eq(cxlt_rule_add(f.w, &s), -ENOSPC);
	cr_expect(strstr(cxlt_error_text(), "table 5 has 3 different masks"), "%s",
		  cxlt_error_text());
	cr_expect(strstr(cxlt_error_text(), "--tuples"), "%s", cxlt_error_text());
	s.table = 6;
	cr_expect_eq(cxlt_rule_add(f.w, &s), 0, "another table has its own budget");
	fixture_close(&f);
}
