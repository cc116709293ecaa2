// SPDX-License-Identifier: Apache-2.0
/*
 * A reader that is stopped before any of its loads, while writers go on.
 *
 * hooks.h stops the reader before its n-th load, for every n in turn; the slice is changed by
 * whole operations; the reader goes on, and is stopped again, up to four times.  What it says in
 * the end must have been true at one moment in between.  Races that a free-running test meets
 * once in millions of lookups are met here at each run.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "hooks.h"
#include <cxltab/classify.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

enum {
	VAL = 6,
};

/* What the reader is asked, and what it says. */
struct answer {
	__u64 want; /* key that is looked for */
	int rc;
	__u64 cookie;
	__u64 val[VAL];
	__u32 n_prog;
	__u64 prog[GEN_PROG];
};

static struct answer ans;
static struct fixture f;
static struct rnd r;
static __u32 table;
static struct cxlt_key key;

static void setup(const char *name, __u64 size)
{
	r = rnd_new(name);
	fixture_open(&f, size);
}

__u32 hook_left;
__u64 hook_loads;
static void (*meanwhile)(void);
static __u32 stops_left, gap;
static __u64 stops;
static __u32 first_load; /* load that is stopped at first */

void hook_fire(void)
{
	meanwhile();
	stops++;
	/* Stopped again soon. */
	hook_left = stops_left ? 1 + rnd_below(&r, gap) : 0;
	stops_left -= stops_left > 0;
}

/* One lookup that is stopped before load `at` (from 1), and `more` times after that. */
static void stopped(void (*read)(void), __u32 at, __u32 more)
{
	stops_left = more;
	gap = 1 + rnd_below(&r, 40);
	hook_left = at;
	read();
	hook_left = 0;
}

/*
 * Each load of the lookup in turn, then random ones with further stops; begin() before each
 * lookup, change() at each stop, judge() after it.
 */
static void interleave(__u32 rounds, void (*begin)(void), void (*read)(void), void (*change)(void),
		       void (*judge)(void))
{
	__u32 loads;

	meanwhile = change;
	stops = 0;
	begin();
	hook_loads = 0;
	read();
	loads = hook_loads;
	judge();
	for (__u32 i = 0; i < rounds; i++) {
		begin();
		if (i < rounds / 2)
			stopped(read, 1 + (first_load + i) % (loads + 10), 0);
		else
			stopped(read, 1 + rnd_below(&r, loads), 1 + rnd_below(&r, 3));
		judge();
	}
	cr_expect_gt(stops, 0);
	cr_expect_gt(loads, 5);
	fprintf(stderr, "steps: %u lookups of %u loads, stopped %llu times\n", rounds, loads,
		stops);
	cr_assert_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

/* fixture_classify() without hooks in between would miss the point: it is another file's code. */
static int classify(struct cxlt_work *w, const struct cxlt_key *k)
{
	fixture_work(&f.host, w, k);
	return cxlt_classify(&f.host, w, 0);
}

/* Exact table: 20 stable keys in 28 slots, others come and go and displace them. */
enum {
	STABLE = 20,
	CHURN = 24,
};

static int present[STABLE + CHURN];

static void exact_val(__u64 k, __u64 version, __u64 *val)
{
	for (int i = 0; i < VAL; i++)
		val[i] = k << 32 | version << 8 | i;
}

static void exact_pick(void)
{
	ans.want = rnd_below(&r, STABLE);
}

static void exact_read(void)
{
	__u64 k[2] = {ans.want, ~ans.want};

	ans.rc = cxlt_exact_find(&f.host, table, k, 2, ans.val, VAL);
}

/* One change, or many: a second one may hide what the first did. */
static __u32 some(__u32 n)
{
	return rnd_one_in(&r, 2) ? 1 : 1 + rnd_below(&r, n);
}

static void exact_churn(void)
{
	for (__u32 i = some(12); i; i--) {
		__u64 c = STABLE + rnd_below(&r, CHURN), k[2] = {c, ~c}, val[VAL];

		exact_val(c, 0, val);
		if (present[c])
			cr_assert_eq(cxlt_exact_delete(f.w, table, k), 0);
		else if (cxlt_exact_insert(f.w, table, k, val))
			continue;
		present[c] = !present[c];
	}
}

static void exact_judge(void)
{
	__u64 val[VAL];

	exact_val(ans.want, 0, val);
	cr_assert_eq(ans.rc, 0, "stable key %llu: %d", ans.want, ans.rc);
	cr_assert_arr_eq(ans.val, val, sizeof(val));
}

static void exact_open(const char *name, __u32 entries, int grow)
{
	setup(name, 1 << 20);
	cr_assert_eq(cxlt_exact_create(f.w, "t", 2, VAL, entries, grow), 0, "%s",
		     cxlt_error_text());
	table = cxlt_exact_open(f.s, "t");
	memset(present, 0, sizeof(present));
	for (__u64 i = 0; i < STABLE; i++) {
		__u64 k[2] = {i, ~i}, val[VAL];

		exact_val(i, 0, val);
		cr_assert_eq(cxlt_exact_insert(f.w, table, k, val), 0);
	}
}

Test(steps, a_displaced_key_is_found_wherever_the_reader_stands, .timeout = 120)
{
	exact_open("steps/displaced", 22, 0);
	interleave(rnd_scaled(15000), exact_pick, exact_read, exact_churn, exact_judge);
}

/* Each time the table doubles, and its old array becomes another table's. */
static void exact_grow(void)
{
	static __u64 next = 1000;
	const struct cxlt_tuple *t = cxlt_line(&f.host, table, 2);
	__u64 geo = t->geo, first = next, val[VAL] = {0};

	if (CXLT_GEO_LOG2(geo) >= 9)
		return;
	while (t->geo == geo) {
		__u64 k[2] = {next, next};

		next++;
		cr_assert_eq(cxlt_exact_insert(f.w, table, k, val), 0, "%s", cxlt_error_text());
	}
	if (next - first > 100)
		return;
	for (; first < next; first++)
		cr_assert_eq(cxlt_exact_delete(f.w, table, (__u64[]){first, first}), 0);
}

Test(steps, a_key_is_found_while_its_table_grows, .timeout = 120)
{
	/* It can double a few times only, before it fills the slice. */
	for (__u32 i = 0; i < rnd_scaled(60); i++) {
		exact_open("steps/grows", 20, 1);
		first_load = i * 3;
		interleave(8, exact_pick, exact_read, exact_grow, exact_judge);
	}
}

/* Modify: one version or the other, never words of both. */
static __u64 version_low, version_high;

static void modify_begin(void)
{
	exact_pick();
	/* The version that this key has by now. */
	version_low = 0;
	exact_read();
	version_low = ans.val[0] >> 8 & 0xffffff;
}

static void modify_key(__u64 i)
{
	__u64 k[2] = {i, ~i}, val[VAL];

	exact_val(i, version_high, val);
	cr_assert_eq(cxlt_exact_modify(f.w, table, k, val), 0, "%s", cxlt_error_text());
}

/*
 * All keys once; or the one that is read twice or more, so that its slot is what it was and
 * another entry stands in the same line.
 */
static void modify_some(void)
{
	if (rnd_one_in(&r, 2)) {
		version_high++;
		for (__u64 i = 0; i < STABLE; i++)
			modify_key(i);
		return;
	}
	for (__u32 n = 1 + rnd_below(&r, 4); n; n--) {
		version_high++;
		modify_key(ans.want);
	}
}

static void modify_judge(void)
{
	__u64 version = ans.val[0] >> 8 & 0xffffff, val[VAL];

	cr_assert_eq(ans.rc, 0, "%d", ans.rc);
	cr_assert(version >= version_low && version <= version_high, "%llu of %llu to %llu",
		  version, version_low, version_high);
	exact_val(ans.want, version, val);
	cr_assert_arr_eq(ans.val, val, sizeof(val), "words of two versions");
}

Test(steps, a_modified_value_is_never_torn, .timeout = 120)
{
	version_high = 0;
	exact_open("steps/modified", 22, 0);
	interleave(rnd_scaled(60000), modify_begin, exact_read, modify_some, modify_judge);
}

/* Rules. */
static const __u64 out[4] = {0x0100000000000001, 0x0100000000000002, 0x0100000000000003,
			     0x0100000000000004};

static struct cxlt_rule_spec tun_rule(__u64 i)
{
	struct cxlt_rule_spec spec = gen_output(0, 10, i, out);

	gen_set_field(&spec.mask, CXLT_F_TUN_ID, ~0ULL);
	gen_set_field(&spec.value, CXLT_F_TUN_ID, i);
	return spec;
}

/* A rule whose change word is its own: only sequences say that another one displaced it. */
static int by_connection;

static struct cxlt_rule_spec conn_rule(__u64 i)
{
	struct cxlt_rule_spec spec = gen_output(0, 10, i, out);

	spec.mask.w[CXLT_W_PORT] = ~0xffULL;
	spec.mask.w[CXLT_W_IPV4] = ~0ULL;
	spec.mask.w[CXLT_W_L4] = 0xffffffffULL << 32;
	gen_set_field(&spec.value, CXLT_F_IN_PORT, 1);
	gen_set_field(&spec.value, CXLT_F_ETH_TYPE, 0x0800);
	gen_set_field(&spec.value, CXLT_F_IP_PROTO, 6);
	gen_set_field(&spec.value, CXLT_F_IPV4_SRC, 0x0a000000 + i);
	gen_set_field(&spec.value, CXLT_F_IPV4_DST, 0x0b000000 + i * 7);
	gen_set_field(&spec.value, CXLT_F_TP_SRC, 1000 + i);
	return spec;
}

static void rules_read(void)
{
	static struct cxlt_work w;
	struct cxlt_key k = key;

	if (by_connection)
		k = conn_rule(ans.want).value;
	else
		gen_set_field(&k, CXLT_F_TUN_ID, ans.want);
	ans.rc = classify(&w, &k);
	ans.cookie = w.rule.cookie;
	ans.n_prog = w.rule.n_prog;
	memcpy(ans.prog, w.rule.prog, sizeof(ans.prog));
}

/* 4 buckets, which are doubled when more than 24 slots are taken: 10 stable rules and 14. */
enum {
	RULES_STABLE = 10,
	RULES_CHURN = 14,
	RULES_POOL = 34,
};

static int there;

static void rules_pick(void)
{
	ans.want = rnd_below(&r, RULES_STABLE);
}

static void rules_churn(void)
{
	for (__u32 i = some(8); i;) {
		__u64 c = RULES_STABLE + rnd_below(&r, RULES_POOL);
		struct cxlt_rule_spec spec = by_connection ? conn_rule(c) : tun_rule(c);

		if (present[c] == (there < RULES_CHURN))
			continue; /* as many as possible, always others */
		cr_assert_geq(present[c] ? cxlt_rule_delete(f.w, &spec) : cxlt_rule_add(f.w, &spec),
			      0, "%s", cxlt_error_text());
		there += present[c] ? -1 : 1;
		present[c] = !present[c];
		i--;
	}
}

static void rules_judge(void)
{
	cr_assert_eq(ans.rc, 1, "stable rule %llu: %d", ans.want, ans.rc);
	cr_assert_eq(ans.cookie, ans.want);
	cr_assert_eq(ans.n_prog, 1);
	cr_assert_eq(ans.prog[0], out[0]);
}

Test(steps, a_displaced_rule_wins_wherever_the_reader_stands, .timeout = 120)
{
	for (by_connection = 0; by_connection < 2; by_connection++) {
		setup("steps/rules", 1 << 20);
		memset(present, 0, sizeof(present));
		memset(&key, 0, sizeof(key));
		there = 0;
		for (__u64 i = 0; i < RULES_STABLE; i++) {
			struct cxlt_rule_spec spec = by_connection ? conn_rule(i) : tun_rule(i);

			cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
		}
		interleave(rnd_scaled(60000), rules_pick, rules_read, rules_churn, rules_judge);
	}
	by_connection = 0;
}

/*
 * Winner: each shape is a cycle of four operations; after each, `answer` wins.  A reader that saw
 * several of the states may give any of their answers, but "allow" (2) is never one.
 */
static struct cxlt_rule_spec drop, allow, other;
static int shape, phase;
static unsigned int may; /* bit per answer that was true since the reader began */

static int answer_now(void)
{
	return shape == 3 ? 1 : phase == 0 ? 0 : 1;
}

static void winner_begin(void)
{
	may = 1U << answer_now();
}

static void winner_next(void)
{
	struct cxlt_rule_spec gone;

	for (__u32 n = 1 + rnd_below(&r, 4); n; n--) {
		int rc = 0;

		switch (phase) {
		case 0: rc = cxlt_rule_add(f.w, &drop); break;
		case 1:
			rc = shape == 3 ? cxlt_rule_modify(f.w, &allow)
					: cxlt_rule_add(f.w, &allow);
			break;
		case 2:
			gone = shape == 3 ? other : allow;
			rc = shape == 3 ? cxlt_rule_modify(f.w, &gone)
					: cxlt_rule_delete(f.w, &gone);
			break;
		default: rc = cxlt_rule_delete(f.w, &drop);
		}
		cr_assert_eq(rc, 0, "phase %d: %s", phase, cxlt_error_text());
		phase = (phase + 1) % 4;
		may |= 1U << answer_now();
	}
}

static void winner_judge(void)
{
	__u32 answer = ans.rc == 1 ? (__u32)ans.cookie : 0;

	cr_assert_geq(ans.rc, 0, "shape %d: %d", shape, ans.rc);
	cr_assert_neq(answer, 2, "shape %d: allow@50 wins over drop@100", shape);
	cr_assert(may >> answer & 1, "shape %d: answer %u was never true", shape, answer);
}

/* Masks of drop and allow in each shape. */
static void winner_open(int s)
{
	setup("steps/winner", 1 << 20);
	memset(&key, 0, sizeof(key));
	gen_set_field(&key, CXLT_F_IN_PORT, 1);
	gen_set_field(&key, CXLT_F_ETH_TYPE, 0x0800);
	gen_set_field(&key, CXLT_F_IP_PROTO, 6);
	gen_set_field(&key, CXLT_F_IPV4_SRC, 0x0a000001);
	gen_set_field(&key, CXLT_F_IPV4_DST, 0x0a000002);
	gen_set_field(&key, CXLT_F_ETH_DST, 0x020000000001);
	shape = s;
	phase = 0;
	drop = gen_output(0, 100, 1, NULL);
	allow = gen_output(0, 50, 2, out);
	drop.value = allow.value = key;
	gen_set_field(&drop.mask, CXLT_F_IN_PORT, ~0ULL);
	if (s == 0) /* one chain */
		allow.mask = drop.mask;
	else /* another tuple */
		gen_set_field(&allow.mask, CXLT_F_ETH_DST, ~0ULL);
	if (s >= 2) { /* a connection: another dimension */
		drop.mask.w[CXLT_W_PORT] = ~0xffULL;
		drop.mask.w[CXLT_W_IPV4] = ~0ULL;
		drop.mask.w[CXLT_W_L4] = 0xffffffffULL << 32;
	}
	other = allow;
	other.cookie = 1;
	other.n_prog = 0;
	ans.want = 0;
	if (s == 3) /* allow's place is taken by a rule that drops */
		cr_assert_eq(cxlt_rule_add(f.w, &other), 0);
}

Test(steps, a_lower_rule_never_wins_wherever_the_reader_stands, .timeout = 120)
{
	for (int s = 0; s < 4; s++) {
		winner_open(s);
		interleave(rnd_scaled(40000), winner_begin, rules_read, winner_next, winner_judge);
	}
}

/*
 * The rule that is looked for goes, its lines are used for others, it comes back with another
 * cookie and program: cookie and program fit together, and were installed meanwhile.
 */
static __u64 low, high;

static void recycle_begin(void)
{
	ans.want = 5;
	low = high;
}

static void recycle(void)
{
	struct cxlt_rule_spec spec = tun_rule(5), more;
	__u64 prog[GEN_PROG];

	cr_assert_eq(cxlt_rule_delete(f.w, &spec), 0);
	for (__u64 i = 0; i < 6; i++) {
		more = tun_rule(100 + i);
		more.cookie = 0xbad;
		cr_assert_geq(cxlt_rule_add(f.w, &more), 0);
	}
	high++;
	for (int i = 0; i < 8; i++)
		prog[i] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, high);
	spec.cookie = high;
	spec.prog = prog;
	spec.n_prog = 1 + high % 8;
	cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
	for (__u64 i = 0; i < 6; i++) {
		more = tun_rule(100 + i);
		cr_assert_eq(cxlt_rule_delete(f.w, &more), 0);
	}
}

static void recycle_judge(void)
{
	cr_assert_geq(ans.rc, 0, "%d", ans.rc);
	if (!ans.rc) {
		cr_assert_lt(low, high, "a miss, and it was there all the time");
		return;
	}
	cr_assert(ans.cookie >= low && ans.cookie <= high, "cookie %llx of %llu to %llu",
		  ans.cookie, low, high);
	cr_assert_eq(ans.n_prog, 1 + ans.cookie % 8, "cookie of one rule, program of another");
	for (__u32 i = 0; i < ans.n_prog; i++)
		cr_assert_eq(ans.prog[i], cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, ans.cookie));
}

Test(steps, a_recycled_entry_is_never_taken_for_the_old_one, .timeout = 120)
{
	struct cxlt_rule_spec spec = tun_rule(5);

	setup("steps/recycled", 1 << 20);
	memset(&key, 0, sizeof(key));
	low = high = 0;
	spec.cookie = 0;
	spec.prog = (__u64[]){0x0100000000000000};
	cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
	interleave(rnd_scaled(60000), recycle_begin, rules_read, recycle, recycle_judge);
}
