// SPDX-License-Identifier: Apache-2.0
/* What deletions leave, and that a sweep gives it back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <cxltab/exact.h>
#include <cxltab/reclaim.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static const __u64 prog = (__u64)CXLT_OP_OUTPUT << 56 | 1;
static struct cxlt_work work;

static struct cxlt_rule_spec nth(__u32 i)
{
	struct cxlt_rule_spec s = gen_output(i % 3, 10, i + 1, &prog);

	gen_set_field(&s.mask, CXLT_F_TUN_ID, ~0ULL);
	gen_set_field(&s.value, CXLT_F_TUN_ID, i);
	return s;
}

static void sweep(struct fixture *f, struct cxlt_sweep_result *r)
{
	cr_assert_eq(cxlt_slice_sweep(f->w, r), 0, "%s", cxlt_error_text());
	cr_assert_eq(oracle_check(f->s), 0);
}

/* Rules grow arrays; when most are gone, the arrays shrink, and who is left is found. */
Test(sweep, arrays_shrink_to_what_is_left)
{
	struct cxlt_usage before, after;
	struct cxlt_sweep_result r;
	struct fixture f;

	fixture_open(&f, 4 << 20);
	cxlt_slice_usage(f.s, &before);
	for (__u32 i = 0; i < 3000; i++) {
		struct cxlt_rule_spec s = nth(i);

		cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	}
	for (__u32 i = 30; i < 3000; i++) {
		struct cxlt_rule_spec s = nth(i);

		cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
	}
	sweep(&f, &r);
	cr_expect_eq(r.arrays, 3);
	cr_expect_eq(r.tuples, 0);
	cr_expect_gt(r.lines, 300);
	for (__u32 i = 0; i < 30; i++) {
		struct cxlt_rule_spec s = nth(i);

		cr_assert_eq(fixture_classify(&f.host, &work, s.table, &s.value), 1);
		cr_assert_eq(work.rule.cookie, i + 1);
	}
	sweep(&f, &r);
	cr_expect_eq(r.lines, 0, "the second sweep found %llu lines", r.lines);
	for (__u32 i = 0; i < 30; i++) {
		struct cxlt_rule_spec s = nth(i);

		cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
	}
	cxlt_slice_usage(f.s, &after);
	cr_expect(fixture_same_usage(&before, &after), "%s",
		  fixture_usage_difference(&before, &after));
	fixture_close(&f);
}

/* An exact table that may grow shrinks as well; one that may not keeps what it was made with. */
Test(sweep, exact_tables_shrink_if_they_may_grow)
{
	struct cxlt_usage before, grown, after;
	struct cxlt_sweep_result r;
	struct fixture f;

	fixture_open(&f, 4 << 20);
	cr_assert_eq(cxlt_exact_create(f.w, "grows", 1, 1, 10, 1), 0);
	cr_assert_eq(cxlt_exact_create(f.w, "stays", 1, 1, 1000, 0), 0);
	cxlt_slice_usage(f.s, &before);
	for (int t = 0; t < 2; t++) {
		__u32 tuple = cxlt_exact_open(f.s, t ? "stays" : "grows");

		for (__u64 i = 0; i < 900; i++)
			cr_assert_eq(cxlt_exact_insert(f.w, tuple, &i, &i), 0, "%s",
				     cxlt_error_text());
		for (__u64 i = 5; i < 900; i++)
			cr_assert_eq(cxlt_exact_delete(f.w, tuple, &i), 0);
	}
	cxlt_slice_usage(f.s, &grown);
	sweep(&f, &r);
	cr_expect_eq(r.arrays, 1);
	for (int t = 0; t < 2; t++) {
		__u32 tuple = cxlt_exact_open(f.s, t ? "stays" : "grows");

		for (__u64 i = 0; i < 5; i++) {
			__u64 val = ~0ULL;

			cr_assert_eq(cxlt_exact_find(&f.host, tuple, &i, 1, &val, 1), 0);
			cr_assert_eq(val, i);
			cr_assert_eq(cxlt_exact_delete(f.w, tuple, &i), 0);
		}
	}
	cxlt_slice_usage(f.s, &after);
	cr_expect_eq(after.used[CXLT_KIND_BUCKETS], before.used[CXLT_KIND_BUCKETS]);
	cr_expect_gt(grown.used[CXLT_KIND_BUCKETS], before.used[CXLT_KIND_BUCKETS]);
	fixture_close(&f);
}

Test(sweep, not_within_a_bundle)
{
	struct cxlt_sweep_result r;
	struct fixture f;

	fixture_open(&f, 1 << 20);
	cr_assert_eq(cxlt_bundle_begin(f.w), 0);
	cr_expect_eq(cxlt_slice_sweep(f.w, &r), -EBUSY);
	cxlt_bundle_commit(f.w);
	cr_expect_eq(cxlt_slice_sweep(f.w, &r), 0);
	fixture_close(&f);
}
