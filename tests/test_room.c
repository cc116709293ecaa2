// SPDX-License-Identifier: Apache-2.0
/*
 * Every pool of a slice, exhausted: -ENOSPC names the pool and what makes it larger, and afterwards the
 * slice is what it was: the same free lines, the same rules, nothing for the check to find.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static const __u64 prog = (__u64)CXLT_OP_OUTPUT << 56 | 1;
static struct cxlt_work work;

/* A slice of which little is left over, device_size 0: undivided. */
static void small(struct fixture *f, __u64 device_size)
{
	struct cxlt_slice_config cfg = {
		.size = 512 << 10, .device_size = device_size, .chg_log2 = 4, .max_tuples = 12};

	fixture_config(f, &cfg);
}

static struct cxlt_rule_spec nth(__u32 i)
{
	struct cxlt_rule_spec s = gen_output(0, 10, i + 1, &prog);

	s.mask.w[CXLT_W_TUN_ID] = ~0ULL;
	s.value.w[CXLT_W_TUN_ID] = i;
	return s;
}

struct before {
	struct cxlt_usage usage;
	__u64 rules, sum;
};

static int add_up(void *arg, const struct cxlt_rule_info *r)
{
	struct before *b = arg;

	b->sum += r->cookie * 0x9e3779b97f4a7c15ULL ^ r->ref ^ r->counters;
	return 0;
}

static void look(const struct fixture *f, struct before *b)
{
	*b = (struct before){0};
	cxlt_slice_usage(f->s, &b->usage);
	for (__u32 t = 0; t < CXLT_TABLES; t++)
		b->rules += cxlt_table_rules(f->s, t);
	cxlt_rule_each(f->s, -1, add_up, b);
}

/* It was refused with these words, and nothing has changed. */
static void refused(const struct fixture *f, const struct before *b, long rc, const char *pool,
		    const char *cure)
{
	struct before now;

	cr_assert_eq(rc, -ENOSPC, "%s: %ld: %s", pool, rc, cxlt_error_text());
	cr_expect(strstr(cxlt_error_text(), pool), "'%s' doesn't name '%s'", cxlt_error_text(),
		  pool);
	cr_expect(strstr(cxlt_error_text(), cure), "'%s' doesn't say '%s'", cxlt_error_text(),
		  cure);
	look(f, &now);
	cr_expect(fixture_same_usage(&b->usage, &now.usage), "%s: %s", pool,
		  fixture_usage_difference(&b->usage, &now.usage));
	cr_expect_eq(b->rules, now.rules);
	cr_expect_eq(b->sum, now.sum, "%s: the rules are others", pool);
	cr_expect_eq(oracle_check(f->s), 0, "%s", pool);
}

/* Adds rules until one is refused. */
static int fill(struct fixture *f, struct before *b, __u32 *n)
{
	int rc = 0;

	for (*n = 0; !rc; (*n)++) {
		struct cxlt_rule_spec s = nth(*n);

		look(f, b);
		rc = cxlt_rule_add(f->w, &s);
	}
	return rc;
}

Test(room, entries_and_counters)
{
	struct before b;
	struct fixture f;
	__u32 n;
	int rc;

	small(&f, 0);
	rc = fill(&f, &b, &n);
	refused(&f, &b, rc, "only domain", "larger --size");
	fixture_close(&f);
	/* Divided: not before both domains are full. */
	small(&f, 352 << 10);
	rc = fill(&f, &b, &n);
	refused(&f, &b, rc, "device domain", "larger --size");
	cr_expect(strstr(cxlt_error_text(), "host domain"), "%s", cxlt_error_text());
	cr_expect_gt(b.usage.host_used, 0);
	/* What is there can't be modified either, where a new entry is needed. */
	struct cxlt_rule_spec s = nth(0);

	look(&f, &b);
	rc = cxlt_rule_modify(f.w, &s);
	if (rc)
		refused(&f, &b, rc, "an entry", "larger --size");
	/* After one is deleted there is room for one. */
	cr_expect_eq(cxlt_rule_delete(f.w, &s), 0);
	cr_expect_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	fixture_close(&f);
}

/* What finds rules lies in the device domain, and what is missing there is said. */
Test(room, tuples_lists_and_buckets)
{
	static const __u32 fields[] = {CXLT_F_IN_PORT, CXLT_F_ETH_TYPE, CXLT_F_IP_PROTO,
				       CXLT_F_TP_SRC,  CXLT_F_TP_DST,	CXLT_F_IP_TOS};
	struct before b;
	struct fixture f;
	__u32 exact;
	int rc = 0;

	small(&f, 208 << 10);
	cr_assert_eq(cxlt_exact_create(f.w, "t", 1, 1, 10, 1), 0, "%s", cxlt_error_text());
	exact = cxlt_exact_open(f.s, "t");
	for (__u64 i = 0; !rc; i++) {
		look(&f, &b);
		rc = cxlt_exact_insert(f.w, exact, &i, &i);
	}
	refused(&f, &b, rc, "", "");
	/* Masks, each with a tuple, buckets and a place in the list. */
	rc = 0;
	for (__u32 i = 0; i < 6 && !rc; i++) {
		struct cxlt_rule_spec s = nth(i);

		gen_set_field(&s.mask, fields[i], 1);
		look(&f, &b);
		rc = cxlt_rule_add(f.w, &s);
	}
	refused(&f, &b, rc, "device domain", "larger --device-size");
	fixture_close(&f);
}

Test(room, masks_of_a_table)
{
	struct before b;
	struct fixture f;
	int rc = 0;

	small(&f, 0);
	for (__u32 i = 0; !rc; i++) {
		struct cxlt_rule_spec s = nth(0);

		s.mask.w[CXLT_W_TUN_ID] = 1ULL << i;
		look(&f, &b);
		rc = cxlt_rule_add(f.w, &s);
	}
	cr_expect_eq(cxlt_table_tuples(f.s, 0), 12);
	refused(&f, &b, rc, "table 0 has 12 different masks", "larger --tuples");
	fixture_close(&f);
}

Test(room, rules_with_one_match)
{
	struct before b;
	struct fixture f;
	int rc = 0;

	small(&f, 0);
	for (__u16 i = 0; !rc; i++) {
		struct cxlt_rule_spec s = nth(0);

		s.priority = i;
		look(&f, &b);
		rc = cxlt_rule_add(f.w, &s);
	}
	cr_expect_eq(b.rules, CXLT_CHAIN_MAX);
	refused(&f, &b, rc, "more than 32 rules with this match", "table 0");
	fixture_close(&f);
}

/* Change words are no pool that a rule can be refused for: the table's wide word serves. */
Test(room, without_change_words_the_wide_one_serves)
{
	struct cxlt_rule_spec s = nth(0);
	const struct cxlt_table *t;
	struct fixture f;
	__u32 exact, n = 0;
	__u64 i;

	small(&f, 0);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	/* Chunks for all but change words. */
	cr_assert_eq(cxlt_exact_create(f.w, "t", 1, 1, 10, 0), 0);
	for (__u32 lines = 2; lines < 12; lines++) {
		__u64 longer[CXLT_PROG_MAX];

		for (__u32 j = 0; j < CXLT_PROG_MAX; j++)
			longer[j] = prog;
		for (int rc = 0; !rc; n++) {
			struct cxlt_rule_spec r = nth(1000 + n);

			r.prog = longer;
			r.n_prog = lines * 8 - 9;
			rc = cxlt_rule_add(f.w, &r);
		}
	}
	/* Room for an entry of the first size. */
	exact = cxlt_exact_open(f.s, "t");
	for (i = 0; !cxlt_exact_insert(f.w, exact, &i, &i); i++)
		;
	s = nth(1000);
	cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
	s = nth(0);
	cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
	/* It pins a dimension that nobody has used yet. */
	s = gen_output(0, 10, 1, &prog);
	gen_set_field(&s.mask, CXLT_F_ETH_DST, ~0ULL);
	gen_set_field(&s.value, CXLT_F_ETH_DST, 5);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	t = cxlt_line(&f.host, f.host.tables, 2);
	cr_expect_eq(t->dims, 0);
	cr_expect_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

Test(room, exact_tables_and_their_entries)
{
	struct before b;
	struct fixture f;
	char name[16];
	__u32 t;
	int rc = 0;

	small(&f, 0);
	look(&f, &b);
	rc = cxlt_exact_create(f.w, "huge", 1, 1, 1 << 20, 0);
	refused(&f, &b, rc, "buckets", "larger --size");
	rc = 0;
	for (int i = 0; !rc; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		look(&f, &b);
		rc = cxlt_exact_create(f.w, name, 1, i % 24, 20, 0);
	}
	refused(&f, &b, rc, "all 16 exact tables", "");
	/* One that may not grow. */
	t = cxlt_exact_open(f.s, "t0");
	rc = 0;
	for (__u64 i = 0; !rc; i++) {
		look(&f, &b);
		rc = cxlt_exact_insert(f.w, t, &i, &i);
	}
	refused(&f, &b, rc, "28 slots are full", "create it larger");
	look(&f, &b);
	rc = cxlt_exact_stock(f.w, t, 64, 4000);
	refused(&f, &b, rc, "stock", "larger --size");
	fixture_close(&f);
	/* One that may, until memory ends. */
	small(&f, 0);
	cr_assert_eq(cxlt_exact_create(f.w, "t", 1, 24, 20, 1), 0);
	t = cxlt_exact_open(f.s, "t");
	rc = 0;
	for (__u64 i = 0, val[24] = {0}; !rc; i++) {
		look(&f, &b);
		rc = cxlt_exact_insert(f.w, t, &i, val);
	}
	refused(&f, &b, rc, "", "larger");
	__u64 key = 0, val[24] = {1};

	/* An insert beyond the last one may have grown the array: nothing else can be modified. */
	look(&f, &b);
	rc = cxlt_exact_modify(f.w, t, &key, val);
	if (rc)
		refused(&f, &b, rc, "entry", "larger --size");
	fixture_close(&f);
}

Test(room, writer_ids)
{
	static struct cxlt_writer *w[CXLT_WRITERS];
	struct before b;
	struct fixture f;
	int n = 0, rc = 0;

	small(&f, 0);
	while (!rc)
		rc = cxlt_writer_open(f.s, &w[n++]);
	look(&f, &b);
	refused(&f, &b, rc, "no writer id is free: a slice has 253", "close one");
	cr_expect_eq(n, 253);
	cxlt_writer_close(w[100]);
	cr_expect_eq(cxlt_writer_open(f.s, &w[100]), 0, "%s", cxlt_error_text());
	for (int i = 0; i < n - 1; i++)
		cxlt_writer_close(w[i]);
	fixture_close(&f);
}

/* A bundle that finds no room goes on, and what it did before can be kept or not. */
Test(room, within_a_bundle)
{
	struct before b, begin;
	struct fixture f;
	__u32 n;
	int rc;

	small(&f, 0);
	look(&f, &begin);
	cr_assert_eq(cxlt_bundle_begin(f.w), 0);
	rc = fill(&f, &b, &n);
	cr_expect_eq(rc, -ENOSPC);
	cr_expect(strstr(cxlt_error_text(), "larger --size"));
	cxlt_bundle_abort(f.w);
	look(&f, &b);
	cr_expect(fixture_same_usage(&begin.usage, &b.usage), "%s",
		  fixture_usage_difference(&begin.usage, &b.usage));
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}
