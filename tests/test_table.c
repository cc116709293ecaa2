// SPDX-License-Identifier: Apache-2.0
/* OpenFlow tables against the linear oracle, on the host's and on the device's view. */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/counter.h>
#include <cxltab/resolve.h>
#include "explain.h"
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

struct run {
	struct fixture f;
	struct oracle o;
	struct gen g;
	struct rnd r;
	__u32 n_tables;
	__u32 refused, punts, lookups;
	const struct cxlt_profile *profile;
};

static struct cxlt_work work;

static void run_open(struct run *x, const char *name, const struct cxlt_slice_config *cfg,
		     __u32 n_masks, __u32 n_tables)
{
	memset(x, 0, sizeof(*x));
	x->r = rnd_new(name);
	fixture_config(&x->f, cfg);
	gen_init(&x->g, &x->r, n_masks);
	x->n_tables = n_tables;
}

static void run_close(struct run *x)
{
	oracle_free(&x->o);
	fixture_close(&x->f);
}

static void expect_same(struct run *x)
{
	cr_assert_eq(oracle_differs(&x->o, x->f.s, 0), 0);
	cr_assert_eq(oracle_check(x->f.s), 0);
}

/* A key from the pools, or one that an installed rule matches. */
static void some_key(struct run *x, struct cxlt_key *k)
{
	const struct cxlt_rule_spec *s;

	if (!x->o.n || rnd_one_in(&x->r, 3)) {
		gen_key(&x->g, k);
		return;
	}
	s = &x->o.rule[rnd_below(&x->r, x->o.n)].spec;
	gen_key_for(&x->g, &s->value, &s->mask, k);
	if (rnd_one_in(&x->r, 4))
		k->w[rnd_below(&x->r, CXLT_KEY_WORDS)] ^= 1ULL << rnd_below(&x->r, 64);
}

static void lookup(struct run *x)
{
	__u32 table = rnd_below(&x->r, x->n_tables), best;
	struct oracle_rule *r;
	struct cxlt_key k;
	int rc;

	some_key(x, &k);
	rc = fixture_classify(&x->f.host, &work, table, &k);
	best = oracle_best(&x->o, table, &k);
	cr_assert_eq(rc, best != 0, "table %u: %d, oracle %u", table, rc, best);
	if (!rc)
		return;
	cr_assert_eq(work.rule.prio + 1U, best, "table %u: a rule of another priority won", table);
	r = oracle_winner(&x->o, table, &k, work.rule.cookie);
	cr_assert_eq(r->spec.cookie, work.rule.cookie, "a rule that doesn't match won");
	cr_assert_eq(r->spec.n_prog, work.rule.n_prog);
	cr_assert_arr_eq(r->prog, work.rule.prog, work.rule.n_prog * sizeof(__u64));
	if (rnd_one_in(&x->r, 3)) {
		cxlt_count(&x->f.host, work.rule.counters, 2, 100, 1);
		r->packets += 2;
		r->bytes += 100;
	}
}

static void walk(struct run *x)
{
	struct cxlt_key k;

	some_key(x, &k);
	fixture_work(&x->f.host, &work, &k);
	cxlt_resolve(&x->f.host, &work);
	if (!explain(&x->o, NULL, &k, &work)) {
		explain_print(&work);
		cr_assert_fail("no rule allows the host's result");
	}
	fixture_work(&x->f.device, &work, &k);
	cxlt_resolve(&x->f.device, &work);
	x->lookups++;
	x->punts += work.res.verdict == CXLT_V_PUNT;
	if (x->profile && !explain(&x->o, x->profile, &k, &work)) {
		explain_print(&work);
		cr_assert_fail("no rule allows the device's result");
	}
	if (!x->profile && work.res.verdict != CXLT_V_PUNT && !explain(&x->o, NULL, &k, &work)) {
		explain_print(&work);
		cr_assert_fail("the device neither agrees with the host nor punts");
	}
}

/* An installed rule's identity, with a new program and cookie. */
static void again(struct run *x, struct cxlt_rule_spec *spec, __u64 *prog)
{
	*spec = x->o.rule[rnd_below(&x->r, x->o.n)].spec;
	spec->cookie = x->g.next_cookie++;
	gen_program(&x->g, spec->table, x->n_tables, spec, prog);
}

/* No room: nothing may have changed. */
static void expect_refused(struct run *x, int rc, const struct cxlt_usage *before)
{
	struct cxlt_usage after;

	cr_assert_eq(rc, -ENOSPC, "%d: %s", rc, cxlt_error_text());
	x->refused++;
	cxlt_slice_usage(x->f.s, &after);
	/* An empty tuple may come or go, and a dimension's change words stay: never wrong. */
	for (int kind = CXLT_KIND_TUPLE; kind <= CXLT_KIND_CHG; kind++)
		after.used[kind] = before->used[kind];
	/* A list that had no room for its prefilter goes without. */
	after.used[CXLT_KIND_FILTER] = before->used[CXLT_KIND_FILTER];
	cr_assert(fixture_same_usage(before, &after), "refused, but: %s",
		  fixture_usage_difference(before, &after));
	if (x->refused < 20 || rnd_one_in(&x->r, 50))
		expect_same(x);
}

static void change(struct run *x)
{
	__u32 how = rnd_below(&x->r, 16);
	struct cxlt_rule_spec spec;
	struct cxlt_usage before;
	__u64 prog[GEN_PROG];
	int rc;

	cxlt_slice_usage(x->f.s, &before);
	gen_rule(&x->g, rnd_below(&x->r, x->n_tables), x->n_tables, &spec, prog);
	if (x->o.n && how >= 9)
		again(x, &spec, prog);
	if (how < 11) {
		rc = cxlt_rule_add(x->f.w, &spec);
		if (rc < 0)
			return expect_refused(x, rc, &before);
		cr_assert_eq(rc, oracle_add(&x->o, &spec));
	} else if (how < 13) {
		rc = cxlt_rule_modify(x->f.w, &spec);
		if (rc < 0 && rc != -ENOENT)
			return expect_refused(x, rc, &before);
		cr_assert_eq(rc, oracle_modify(&x->o, &spec));
	} else {
		if (how == 15) /* most likely of no rule */
			gen_match(&x->g, &spec.value, &spec.mask);
		cr_assert_eq(cxlt_rule_delete(x->f.w, &spec), oracle_delete(&x->o, &spec));
	}
}

static void random_run(struct run *x, __u32 ops)
{
	for (__u32 i = 0; i < ops; i++) {
		change(x);
		lookup(x);
		lookup(x);
		walk(x);
		if (i % 256 == 0)
			expect_same(x);
	}
	expect_same(x);
}

static void fill_up(struct run *x)
{
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG];
	int rc = 0;

	for (int i = 0; i < 20000 && rc >= 0; i++) {
		gen_rule(&x->g, rnd_below(&x->r, x->n_tables), x->n_tables, &spec, prog);
		spec.priority = rnd_below(&x->r, 65536);
		rc = cxlt_rule_add(x->f.w, &spec);
		if (rc >= 0)
			oracle_add(&x->o, &spec);
	}
	cr_assert_eq(rc, -ENOSPC, "never full");
	expect_same(x);
}

static void delete_all(struct run *x)
{
	struct cxlt_usage u;

	while (x->o.n) {
		struct cxlt_rule_spec spec = x->o.rule[rnd_below(&x->r, x->o.n)].spec;

		cr_assert_eq(cxlt_rule_delete(x->f.w, &spec), 0, "%s", cxlt_error_text());
		oracle_delete(&x->o, &spec);
	}
	expect_same(x);
	cxlt_slice_usage(x->f.s, &u);
	cr_expect_eq(u.used[CXLT_KIND_RULE], 0, "%llu", u.used[CXLT_KIND_RULE]);
	cr_expect_eq(u.used[CXLT_KIND_COUNTERS], 0, "%llu", u.used[CXLT_KIND_COUNTERS]);
	/* Where a new list had no room, an empty tuple stays: it is never wrong. */
	if (x->refused)
		return;
	cr_expect_eq(u.used[CXLT_KIND_TUPLE], 0, "%llu", u.used[CXLT_KIND_TUPLE]);
	cr_expect_eq(u.used[CXLT_KIND_BUCKETS], 0, "%llu", u.used[CXLT_KIND_BUCKETS]);
	cr_expect_eq(u.used[CXLT_KIND_LIST], 0, "%llu", u.used[CXLT_KIND_LIST]);
}

Test(table, agrees_with_the_oracle, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 16 << 20};
	static struct run x;

	run_open(&x, "table/agrees_with_the_oracle", &cfg, 24, 4);
	random_run(&x, rnd_scaled(5000));
	cr_expect_eq(x.refused, 0);
	delete_all(&x);
	run_close(&x);
}

Test(table, agrees_with_the_oracle_in_one_table_with_many_masks, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 16 << 20};
	static struct run x;

	run_open(&x, "table/many_masks", &cfg, GEN_MASKS, 1);
	random_run(&x, rnd_scaled(4000));
	delete_all(&x);
	run_close(&x);
}

Test(table, chains_of_one_match_agree_with_the_oracle, .timeout = 60)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20};
	static struct run x;

	run_open(&x, "table/chains", &cfg, 3, 2);
	random_run(&x, rnd_scaled(4000));
	delete_all(&x);
	run_close(&x);
}

Test(table, without_room_nothing_changes, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 512 << 10, .chg_log2 = 4};
	static struct run x;

	run_open(&x, "table/without_room", &cfg, 40, 6);
	fill_up(&x);
	random_run(&x, rnd_scaled(4000));
	cr_expect_gt(x.refused, 10, "%u", x.refused);
	delete_all(&x);
	run_close(&x);
}

Test(table, mask_budget_refuses_one_mask_too_many)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20, .max_tuples = 5};
	static struct run x;

	run_open(&x, "table/mask_budget", &cfg, 24, 2);
	random_run(&x, rnd_scaled(1500));
	cr_expect_gt(x.refused, 10);
	cr_expect_leq(cxlt_table_tuples(x.f.s, 0), 5);
	run_close(&x);
}

Test(table, chain_limit_refuses_one_rule_too_many)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20};
	struct cxlt_rule_spec spec;
	static struct run x;
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 1);
	struct cxlt_usage before;
	int rc = 0;

	run_open(&x, "table/chain_limit", &cfg, 2, 1);
	for (int i = 0; i < CXLT_CHAIN_MAX; i++) {
		spec = gen_output(0, (i * 7) % 64, i, &prog);
		cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0, "%d: %s", i, cxlt_error_text());
		oracle_add(&x.o, &spec);
	}
	for (int i = 0; i < 3; i++) {
		cxlt_slice_usage(x.f.s, &before);
		spec = gen_output(0, 100 - i * 50 + 1, 99, &prog);
		rc = cxlt_rule_add(x.f.w, &spec);
		if (!oracle_get(&x.o, &spec))
			expect_refused(&x, rc, &before);
	}
	/* One that is there may be replaced and modified. */
	spec = gen_output(0, 7, 1000, &prog);
	cr_expect_eq(cxlt_rule_add(x.f.w, &spec), 1, "%s", cxlt_error_text());
	oracle_add(&x.o, &spec);
	cr_expect_eq(cxlt_rule_modify(x.f.w, &spec), 0);
	expect_same(&x);
	delete_all(&x);
	run_close(&x);
}

Test(table, modify_keeps_counters_and_add_starts_anew)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20};
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 1);
	struct cxlt_rule_spec spec = gen_output(0, 5, 1, &prog);
	struct cxlt_rule_info info;
	static struct run x;

	run_open(&x, "table/modify_keeps", &cfg, 2, 1);
	cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0);
	cr_assert_eq(cxlt_rule_get(x.f.s, &spec, &info), 0);
	cxlt_count(&x.f.host, info.counters, 3, 300, 77);
	cxlt_count(&x.f.device, info.counters, 4, 400, 88);
	spec.cookie = 2;
	cr_assert_eq(cxlt_rule_modify(x.f.w, &spec), 0);
	cr_assert_eq(cxlt_rule_get(x.f.s, &spec, &info), 0);
	cr_expect_eq(info.cookie, 2);
	cr_expect_eq(info.packets[0], 3);
	cr_expect_eq(info.packets[1], 4);
	cr_expect_eq(info.bytes[0], 300);
	cr_expect_eq(info.bytes[1], 400);
	cr_expect_eq(info.used[0], 77);
	cr_expect_eq(info.used[1], 88);
	spec.cookie = 3;
	cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 1);
	cr_assert_eq(cxlt_rule_get(x.f.s, &spec, &info), 0);
	cr_expect_eq(info.cookie, 3);
	cr_expect_eq(info.packets[0] | info.packets[1] | info.bytes[0] | info.bytes[1], 0);
	cr_expect_eq(cxlt_rule_delete(x.f.w, &spec), 0);
	cr_expect_eq(cxlt_rule_delete(x.f.w, &spec), -ENOENT);
	cr_expect_eq(cxlt_rule_modify(x.f.w, &spec), -ENOENT);
	cr_expect_eq(cxlt_rule_get(x.f.s, &spec, &info), -ENOENT);
	run_close(&x);
}

Test(table, longest_program_and_fullest_mask_fit)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20};
	struct cxlt_rule_spec spec = {.table = 3, .priority = 9, .n_prog = CXLT_PROG_MAX};
	struct cxlt_rule_info info;
	__u64 prog[CXLT_PROG_MAX];
	static struct run x;

	run_open(&x, "table/longest_program", &cfg, 2, 1);
	for (int i = 0; i < CXLT_PROG_MAX; i++)
		prog[i] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, i + 1);
	for (int i = 0; i < CXLT_KEY_WORDS; i++) {
		spec.mask.w[i] = ~0ULL;
		spec.value.w[i] = rnd_next(&x.r);
	}
	spec.prog = prog;
	cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_rule_get(x.f.s, &spec, &info), 0);
	cr_expect_eq(info.n_prog, CXLT_PROG_MAX);
	cr_expect_arr_eq(info.prog, prog, sizeof(prog));
	cr_expect_arr_eq(&info.value, &spec.value, sizeof(spec.value));
	cr_assert_eq(fixture_classify(&x.f.host, &work, 3, &spec.value), 1);
	cr_expect_arr_eq(work.rule.prog, prog, sizeof(prog));
	run_close(&x);
}

Test(table, refuses_rules_that_cannot_be)
{
	static const struct {
		const char *what;
		__u32 n;
		__u64 prog[4];
	} bad[] = {
		{"goto itself", 1, {0x0b00000000000002}},
		{"goto backwards", 1, {0x0b00000000000001}},
		{"goto a table that isn't", 1, {0x0b00000000000040}},
		{"an op after goto", 2, {0x0b00000000000003, 0x0100000000000001}},
		{"an op that isn't", 1, {0xc800000000000000}},
		{"end", 1, {0}},
		{"a set cut short", 2, {0x0711000900000000, 1}},
		{"a set of a word that isn't", 3, {0x0711001200000000, 1, 1}},
	};
	struct cxlt_slice_config cfg = {.size = 4 << 20};
	struct cxlt_rule_spec spec = {.table = 2, .priority = 1};
	static struct run x;

	run_open(&x, "table/refuses", &cfg, 2, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		spec.n_prog = bad[i].n;
		spec.prog = bad[i].prog;
		cr_expect_eq(cxlt_rule_add(x.f.w, &spec), -EINVAL, "%s", bad[i].what);
	}
	spec.n_prog = CXLT_PROG_MAX + 1;
	cr_expect_eq(cxlt_rule_add(x.f.w, &spec), -EINVAL, "a program of 97 words");
	spec.n_prog = 0;
	spec.table = CXLT_TABLES;
	cr_expect_eq(cxlt_rule_add(x.f.w, &spec), -EINVAL, "table 64");
	expect_same(&x);
	run_close(&x);
}

/* A profile without the given fields and ops. */
static struct cxlt_profile without(__u64 fields, __u64 sets, __u64 ops)
{
	struct cxlt_profile p = cxlt_profile_all();

	p.fields &= ~fields;
	p.sets &= ~sets;
	p.ops &= ~ops;
	return p;
}

#define BIT(f) (1ULL << (f))

Test(table, device_punts_exactly_where_a_rule_it_cannot_match_might_win, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 16 << 20};
	__u32 punts = 0, lookups = 0;
	static struct run x;

	cfg.profile = without(BIT(CXLT_F_TP_DST) | BIT(CXLT_F_IPV6_SRC) | BIT(CXLT_F_METADATA) |
				      BIT(CXLT_F_IP_TOS) | BIT(CXLT_F_IPV4_DST),
			      0, 0);
	for (int i = 0; i < 4; i++) {
		run_open(&x, "table/device_fields", &cfg, 24, 3);
		x.profile = &cfg.profile;
		random_run(&x, rnd_scaled(1000));
		punts += x.punts;
		lookups += x.lookups;
		delete_all(&x);
		run_close(&x);
	}
	cr_expect_gt(punts, lookups / 50, "%u of %u", punts, lookups);
	cr_expect_lt(punts, lookups, "%u of %u", punts, lookups);
}

Test(table, device_punts_exactly_before_an_action_it_lacks, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 16 << 20};
	static struct run x;

	cfg.profile = without(BIT(CXLT_F_VLAN_TCI), BIT(CXLT_F_REG0), 0);
	run_open(&x, "table/device_sets", &cfg, 24, 3);
	x.profile = &cfg.profile;
	random_run(&x, rnd_scaled(2000));
	run_close(&x);
	cfg.profile = without(BIT(CXLT_F_VLAN_TCI), 0, BIT(CXLT_OP_GOTO));
	run_open(&x, "table/device_gotos", &cfg, 24, 3);
	x.profile = &cfg.profile;
	random_run(&x, rnd_scaled(2000));
	cr_expect_gt(x.punts, 0);
	run_close(&x);
}

/* With little room in the device domain: it agrees or punts, whatever had to be spilled. */
static void split(const char *name, __u64 fields, __u64 device_size)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20, .device_size = device_size, .chg_log2 = 4};
	struct cxlt_usage u;
	static struct run x;

	cfg.profile = without(fields, 0, 0);
	run_open(&x, name, &cfg, 20, 3);
	random_run(&x, rnd_scaled(3000));
	cxlt_slice_usage(x.f.s, &u);
	cr_expect(u.host_used || x.refused, "there was room for all");
	cr_expect_gt(x.punts, 0);
	fprintf(stderr, "%s: %u punts of %u, %u refused, %llu lines beyond the limit\n", name,
		x.punts, x.lookups, x.refused, u.host_used);
	delete_all(&x);
	run_close(&x);
}

Test(table, device_agrees_or_punts_when_rules_are_spilled, .timeout = 120)
{
	split("table/split 192K", 0, 192 << 10);
	split("table/split 256K", 0, 256 << 10);
}

Test(table, device_agrees_or_punts_when_shadows_are_spilled, .timeout = 120)
{
	split("table/split shadows 192K", BIT(CXLT_F_TP_DST) | BIT(CXLT_F_IPV4_DST), 192 << 10);
	split("table/split shadows 256K", BIT(CXLT_F_IN_PORT) | BIT(CXLT_F_ETH_TYPE), 256 << 10);
}
