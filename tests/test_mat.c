// SPDX-License-Identifier: Apache-2.0
/* The NIC's MAT: what it keeps, what it evicts, and when what it kept is no longer true. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <cxltab/resolve.h>

#include "fixture.h"
#include "mat.h"
#include "rand.h"

static struct fixture f;
static struct cxlt_work w;
static struct cxlt_mat *mat;
static __u64 output = (__u64)CXLT_OP_OUTPUT << 56 | 2;

static void open_mat(const char *geometry)
{
	struct cxlt_mat_config c = cxlt_mat_config_default();
	char err[128];

	cr_assert_eq(cxlt_mat_config_parse(geometry, &c, err, sizeof(err)), 0, "%s", err);
	c.pin_cookie = 0x1000;
	c.pin_mask = 0xf000;
	mat = cxlt_mat_create(&c);
	cr_assert_not_null(mat);
}

static void setup(void)
{
	fixture_open(&f, 8 << 20);
	open_mat("1024,8,lru");
}

static void teardown(void)
{
	cxlt_mat_destroy(mat);
	fixture_close(&f);
}

TestSuite(mat, .init = setup, .fini = teardown);

/* A TCP connection's direction. */
static struct cxlt_key connection(__u32 i)
{
	struct cxlt_key k = {0};

	CXLT_KEY_SET(&k, IN_PORT, 1);
	CXLT_KEY_SET(&k, ETH_TYPE, 0x0800);
	CXLT_KEY_SET(&k, IP_PROTO, 6);
	CXLT_KEY_SET(&k, IPV4_SRC, 0x0a000000 + i);
	CXLT_KEY_SET(&k, IPV4_DST, 0x0a800000 + 7 * i);
	CXLT_KEY_SET(&k, TP_SRC, 1024 + i % 50000);
	CXLT_KEY_SET(&k, TP_DST, 80);
	CXLT_KEY_SET(&k, ETH_DST, 0x020000000001);
	return k;
}

/* A rule of table 0 that pins the connection. */
static void add_connection(__u32 i, __u32 prio)
{
	struct cxlt_rule_spec r = {.priority = prio, .cookie = i, .n_prog = 1, .prog = &output};

	r.value = connection(i);
	r.mask.w[CXLT_W_PORT] = ~0xffULL;
	r.mask.w[CXLT_W_IPV4] = ~0ULL;
	r.mask.w[CXLT_W_L4] = ~0ULL << 32;
	cr_assert_geq(cxlt_rule_add(f.w, &r), 0, "%s", cxlt_error_text());
}

static void add_wide(__u32 prio, __u64 cookie)
{
	struct cxlt_rule_spec r = {
		.priority = prio, .cookie = cookie, .n_prog = 1, .prog = &output};

	CXLT_KEY_SET(&r.value, ETH_TYPE, 0x0800);
	CXLT_KEY_SET(&r.mask, ETH_TYPE, 0xffff);
	cr_assert_geq(cxlt_rule_add(f.w, &r), 0, "%s", cxlt_error_text());
}

static void resolve(const struct cxlt_key *k)
{
	w.in_port = CXLT_KEY_GET(k, IN_PORT);
	w.orig = *k;
	cxlt_resolve(&f.device, &w);
}

static int fill(const struct cxlt_key *k)
{
	struct cxlt_mat_probe p;

	cxlt_mat_hash(mat, 0, k, &p);
	return cxlt_mat_fill(mat, &f.device, &p, &w);
}

static int learn(const struct cxlt_key *k)
{
	resolve(k);
	return fill(k);
}

static const struct cxlt_mat_entry *look(const struct cxlt_key *k)
{
	struct cxlt_mat_probe p;

	cxlt_mat_hash(mat, 0, k, &p);
	return cxlt_mat_lookup(mat, &f.device, &p, k);
}

Test(mat, hit_is_what_the_tables_said)
{
	static struct cxlt_result r;
	struct cxlt_key k = connection(1);

	add_connection(1, 7);
	cr_assert_null(look(&k));
	cr_assert(learn(&k));
	cr_assert_not_null(look(&k));
	cxlt_mat_load(look(&k), &r);
	cr_assert_eq(r.verdict, CXLT_V_OUTPUT);
	cr_assert_eq(r.reason, CXLT_R_RULE);
	cr_assert_eq(r.cookie, 1);
	cr_assert_eq(r.matched, 1);
	cr_assert_eq(r.n_ops, w.res.n_ops);
	cr_assert_arr_eq(r.ops, w.res.ops, r.n_ops * sizeof(*r.ops));
	cr_assert_eq(r.n_hits, 1);
	cr_assert_arr_eq(r.hits, w.res.hits, r.n_hits * sizeof(*r.hits));
}

Test(mat, every_bit_of_the_key_and_the_slice_tell_keys_apart)
{
	struct cxlt_key k = connection(1), other;
	struct cxlt_mat_probe p;
	__u32 bit;

	add_wide(1, 0);
	cr_assert(learn(&k));
	for (bit = 0; bit < CXLT_KEY_WORDS * 64; bit++) {
		other = k;
		other.w[bit / 64] ^= 1ULL << (bit % 64);
		cr_assert_null(look(&other), "bit %u", bit);
	}
	cxlt_mat_hash(mat, 1, &k, &p);
	cr_assert_null(cxlt_mat_lookup(mat, &f.device, &p, &k));
	cr_assert_not_null(look(&k));
}

Test(mat, keys_with_all_words_are_kept_whole)
{
	struct cxlt_key k = connection(1), other;
	__u32 i;

	add_wide(1, 0);
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		k.w[i] |= 1ULL << 63 | i;
	CXLT_KEY_SET(&k, ETH_TYPE, 0x0800);
	cr_assert(learn(&k));
	cr_assert_not_null(look(&k));
	for (i = 0; i < CXLT_KEY_WORDS * 64; i++) {
		other = k;
		other.w[i / 64] ^= 1ULL << (i % 64);
		cr_assert_null(look(&other), "bit %u", i);
	}
}

Test(mat, result_that_does_not_fit_is_not_kept)
{
	struct cxlt_key k = connection(1);

	add_connection(1, 7);
	resolve(&k);
	w.res.n_ops = 48;
	cr_assert_not(fill(&k));
	w.res.n_ops = 30;
	cr_assert(fill(&k));
	w.chg.n = CXLT_MAT_CHGS + 1;
	cr_assert_not(fill(&k));
}

/* ---- Validity ------------------------------------------------------------------------------- */

Test(mat, entry_goes_when_a_rule_of_its_connection_changes)
{
	struct cxlt_rule_spec gone = {.priority = 9};
	struct cxlt_key k = connection(1);

	add_connection(1, 7);
	cr_assert(learn(&k));
	add_connection(1, 9);
	cr_assert_null(look(&k));
	cr_assert_eq(mat->stale, 1);
	cr_assert(learn(&k));
	gone.value = k;
	gone.mask.w[CXLT_W_PORT] = ~0xffULL;
	gone.mask.w[CXLT_W_IPV4] = ~0ULL;
	gone.mask.w[CXLT_W_L4] = ~0ULL << 32;
	cr_assert_eq(cxlt_rule_delete(f.w, &gone), 0);
	cr_assert_null(look(&k));
	cr_assert(learn(&k));
	cr_assert_eq(w.rule.prio, 7);
}

/* Exactly those of other connections go that share the connection's change word. */
Test(mat, entry_stays_when_another_connection_changes)
{
	struct cxlt_key k = connection(0), other;
	__u32 mine, theirs, i, shared = 0;

	add_connection(0, 7);
	add_connection(1, 7);
	mine = cxlt_chg_index(f.device.secrets, &k, CXLT_DIM_CONN, f.device.chg_log2);
	cr_assert(learn(&k));
	for (i = 2; i < 3000; i++) {
		other = connection(i);
		theirs = cxlt_chg_index(f.device.secrets, &other, CXLT_DIM_CONN, f.device.chg_log2);
		add_connection(i, 9);
		if (mine != theirs) {
			cr_assert_not_null(look(&k), "connection %u", i);
			continue;
		}
		shared++;
		cr_assert_null(look(&k), "connection %u", i);
		cr_assert(learn(&k));
	}
	cr_assert_lt(shared, 30);
}

Test(mat, wide_rule_drops_every_entry)
{
	struct cxlt_key k;
	__u32 i;

	for (i = 0; i < 100; i++) {
		add_connection(i, 7);
		k = connection(i);
		cr_assert(learn(&k) || i == 0);
	}
	add_wide(9, 0);
	for (i = 0; i < 100; i++) {
		k = connection(i);
		cr_assert_null(look(&k));
	}
}

static __u64 *wide_word(void)
{
	return &((struct cxlt_table *)cxlt_line(&f.device, f.device.tables, 2))->wide;
}

Test(mat, nothing_is_kept_while_a_change_is_pending)
{
	struct cxlt_key k = connection(1);

	add_wide(1, 0);
	*wide_word() += CXLT_CHG_BEGIN;
	cr_assert_not(learn(&k));
	cr_assert_null(look(&k));
	*wide_word() += CXLT_CHG_END;
	cr_assert(learn(&k));
	cr_assert_not_null(look(&k));
	*wide_word() += CXLT_CHG_BEGIN;
	cr_assert_null(look(&k));
	*wide_word() += CXLT_CHG_END;
	cr_assert_null(look(&k));
}

/*
 * A packet loads the version, sleeps while a bundle begins, commits and ends, and wakes before
 * floor is raised: its sum is of words at rest, its answer of the version before.
 */
Test(mat, answer_of_an_older_version_is_not_kept)
{
	struct cxlt_control *c = cxlt_line(&f.device, f.device.control, 4);
	struct cxlt_key k = connection(1);

	add_wide(1, 0);
	resolve(&k);
	c->version++;
	cr_assert_not(fill(&k));
	resolve(&k);
	cr_assert(fill(&k));
}

Test(mat, verdicts_that_change_words_do_not_cover_are_not_kept)
{
	const __u8 never[] = {CXLT_R_UNSTABLE,	  CXLT_R_BUDGET,   CXLT_R_BAD_REF,
			      CXLT_R_BAD_PROGRAM, CXLT_R_BAD_GOTO, CXLT_R_TOO_MANY_OPS,
			      CXLT_R_DEV_DOMAIN,  CXLT_R_DEV_PARSE};
	struct cxlt_key k = connection(1);
	__u32 i;

	add_wide(1, 0);
	for (i = 0; i < sizeof(never); i++) {
		resolve(&k);
		w.res.reason = never[i];
		cr_assert_not(fill(&k), "%s", cxlt_reason_name[never[i]]);
	}
	resolve(&k);
	w.res.flags |= CXLT_RES_VOLATILE;
	cr_assert_not(fill(&k));
}

Test(mat, miss_is_kept_until_a_rule_comes)
{
	struct cxlt_key k = connection(1);

	cr_assert(learn(&k));
	cr_assert_eq(look(&k)->head.reason, CXLT_R_DEV_MISS);
	add_connection(1, 7);
	cr_assert_null(look(&k));
}

/* ---- Policies, on one set ------------------------------------------------------------------- */

/* Keeps key i with cookie `cookie`, as if tables had said so. */
static void put(__u32 i, __u64 cookie)
{
	const struct cxlt_control *c = cxlt_line(&f.device, f.device.control, 4);
	struct cxlt_key k = connection(i);

	memset(&w.chg, 0, sizeof(w.chg));
	memset(&w.res, 0, sizeof(w.res));
	w.orig = k;
	w.version = c->version;
	w.res.reason = CXLT_R_RULE_DROP;
	w.res.matched = 1;
	w.res.cookie = cookie;
	cr_assert(fill(&k));
}

static int has(__u32 i)
{
	struct cxlt_key k = connection(i);

	return look(&k) != NULL;
}

static void remake(const char *geometry)
{
	cxlt_mat_destroy(mat);
	open_mat(geometry);
}

Test(mat, lru_evicts_the_least_recently_used)
{
	remake("4,4,lru");
	put(0, 0), put(1, 0), put(2, 0), put(3, 0);
	cr_assert(has(0) && has(2));
	put(4, 0);
	cr_assert(has(0) && has(2) && has(3) && has(4));
	cr_assert_not(has(1));
	put(5, 0);
	cr_assert(has(2) && has(3) && has(4) && has(5));
	cr_assert_not(has(0));
}

Test(mat, clock_gives_a_second_chance)
{
	remake("4,4,clock");
	put(0, 0), put(1, 0), put(2, 0), put(3, 0);
	cr_assert(has(0) && has(1) && has(3));
	put(4, 0);
	cr_assert_not(has(2));
	cr_assert(has(4));
}

Test(mat, lfu_keeps_what_is_used_often_through_a_scan)
{
	__u32 i;

	remake("4,4,lfu");
	put(0, 0);
	for (i = 0; i < 1000; i++)
		cr_assert(has(0));
	for (i = 1; i < 500; i++)
		put(i, 0);
	cr_assert(has(0));
	cr_assert(has(499));
}

Test(mat, random_evicts_from_every_way)
{
	__u32 i, gone = 0;

	remake("8,8,random");
	for (i = 0; i < 8; i++)
		put(i, 0);
	for (i = 8; i < 200; i++)
		put(i, 0);
	for (i = 0; i < 8; i++)
		gone += !has(i);
	cr_assert_eq(gone, 8);
}

Test(mat, pinned_results_go_last)
{
	__u32 i;

	remake("4,4,pinned-first");
	put(0, 0x1001), put(1, 0x1002);
	for (i = 2; i < 100; i++)
		put(i, 0);
	cr_assert(has(0) && has(1) && has(99));
	put(100, 0x1003), put(101, 0x1004);
	for (i = 0; i < 2; i++)
		cr_assert(has(i) && has(100 + i));
	put(102, 0x1005);
	cr_assert(has(102));
	put(103, 0);
	cr_assert(has(103), "a set full of pinned results takes what comes");
}

Test(mat, wrong_entries_are_never_returned)
{
	static const char *const policy[] = {"lru", "clock", "lfu", "random", "pinned-first"};
	struct rnd r = rnd_new("mat");
	char geometry[32];
	__u32 p, ways, i, hits;

	for (p = 0; p < 5; p++)
		for (ways = 1; ways <= CXLT_MAT_WAYS_MAX; ways++) {
			snprintf(geometry, sizeof(geometry), "%u,%u,%s", ways * 8, ways, policy[p]);
			remake(geometry);
			for (i = hits = 0; i < 3000; i++) {
				__u32 n = rnd_below(&r, 200);
				struct cxlt_key k = connection(n);
				const struct cxlt_mat_entry *e = look(&k);

				if (e)
					cr_assert_eq(e->body[e->n_key], n, "%s", geometry);
				else
					put(n, n);
				hits += e != NULL;
				cr_assert(has(n), "%s: gone at once", geometry);
			}
			cr_assert_gt(hits, 10, "%s", geometry);
		}
}

Test(mat, none_is_a_geometry_too)
{
	struct cxlt_key k = connection(1);

	remake("0");
	add_wide(1, 0);
	cr_assert_not(learn(&k));
	cr_assert_null(look(&k));
}

Test(mat, geometry_is_checked)
{
	static const char *const wrong[] = {
		"",	     "x",	    "4096",	  "4096,8",	  "4096,8,best",
		"100,8,lru", "4096,17,lru", "4096,0,lru", "4096,8,lru x", "99999999,8,lru",
		"24,8,lru"};
	struct cxlt_mat_config c;
	char err[128];
	__u32 i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(cxlt_mat_config_parse(wrong[i], &c, err, sizeof(err)), -22, "'%s'",
			     wrong[i]);
	cr_assert_eq(cxlt_mat_config_parse("4096 8 clock", &c, err, sizeof(err)), 0);
	cr_assert_eq(c.entries, 4096);
	cr_assert_eq(c.ways, 8);
	cr_assert_eq(c.policy, CXLT_MAT_CLOCK);
}
