// SPDX-License-Identifier: Apache-2.0
/*
 * Change words: what a cached result depends on moves, and nothing else does.
 *
 * The MAT keeps the set of words that a lookup of its packet collects, and their sum.  So for each
 * change of a rule the test asks: did the sum of this packet's set move?
 */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/change.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static struct fixture f;
static struct cxlt_work work;

static void setup(void)
{
	struct cxlt_slice_config cfg = {.size = 2 << 20};

	fixture_config(&f, &cfg);
}

/* A connection's packet. */
static struct cxlt_key packet(int v6, __u32 i)
{
	struct cxlt_key k = {0};

	gen_set_field(&k, CXLT_F_IN_PORT, 1 + i % 3);
	gen_set_field(&k, CXLT_F_ETH_TYPE, v6 ? 0x86dd : 0x0800);
	gen_set_field(&k, CXLT_F_IP_PROTO, 6);
	gen_set_field(&k, CXLT_F_ETH_DST, 0x020000000000 + i);
	gen_set_field(&k, CXLT_F_ETH_SRC, 0x020000000099);
	gen_set_field(&k, CXLT_F_TP_SRC, 1000 + i);
	gen_set_field(&k, CXLT_F_TP_DST, i == 999 ? 81 : 80);
	gen_set_field(&k, CXLT_F_IP_TTL, 64);
	if (v6) {
		k.w[CXLT_W_IPV6_SRC_HI] = 0x20010db800000000 + i;
		k.w[CXLT_W_IPV6_SRC_LO] = 1;
		k.w[CXLT_W_IPV6_DST_HI] = 0x20010db8ffff0000 + i;
		k.w[CXLT_W_IPV6_DST_LO] = 2;
	} else {
		gen_set_field(&k, CXLT_F_IPV4_SRC, 0x0a000001 + (i << 8));
		gen_set_field(&k, CXLT_F_IPV4_DST, 0xc0a80001 + (i << 8));
	}
	return k;
}

/* A rule on this packet's fields in one dimension, and no others. */
static struct cxlt_rule_spec rule_in(enum cxlt_dim dim, const struct cxlt_key *k)
{
	static const __u64 out = 0x0100000000000001;
	struct cxlt_rule_spec s = gen_output(0, 10, 1, &out);
	int v6 = CXLT_KEY_GET(k, ETH_TYPE) == 0x86dd;

	s.value = *k;
	if (dim != CXLT_DIM_WIDE && dim != CXLT_DIM_DMAC)
		gen_set_field(&s.mask, CXLT_F_ETH_TYPE, 0xffff);
	switch (dim) {
	case CXLT_DIM_WIDE: gen_set_field(&s.mask, CXLT_F_TP_DST, 0xffff); break;
	case CXLT_DIM_DMAC: gen_set_field(&s.mask, CXLT_F_ETH_DST, ~0ULL); break;
	case CXLT_DIM_DST:
		s.mask.w[v6 ? CXLT_W_IPV6_DST_HI : CXLT_W_IPV4] = v6 ? ~0ULL : 0xffffff00;
		break;
	case CXLT_DIM_SRC:
		s.mask.w[v6 ? CXLT_W_IPV6_SRC_HI : CXLT_W_IPV4] = v6 ? ~0ULL : 0xffffff00ULL << 32;
		break;
	case CXLT_DIM_CONN:
		s.mask.w[CXLT_W_PORT] = ~0xffULL;
		s.mask.w[CXLT_W_L4] = 0xffffffffULL << 32;
		if (v6)
			for (int i = CXLT_W_IPV6_SRC_HI; i <= CXLT_W_IPV6_DST_LO; i++)
				s.mask.w[i] = ~0ULL;
		else
			s.mask.w[CXLT_W_IPV4] = ~0ULL;
	}
	return s;
}

static struct cxlt_chgset collect(const struct cxlt_key *k)
{
	struct cxlt_work *w = &work;

	fixture_classify(&f.host, w, 0, k);
	return w->chg;
}

static int moved(const struct cxlt_chgset *set)
{
	return cxlt_chg_sum(&f.host, set, 0) != set->sum;
}

/* Brings all dimensions into use, so that what follows does not. */
static void use_all_dims(void)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (int d = CXLT_DIM_WIDE; d < CXLT_DIMS; d++) {
			struct cxlt_key k = packet(v6, 999);
			struct cxlt_rule_spec s = rule_in(d, &k);

			cr_assert_geq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
		}
}

static const char *const dim_name[] = {"wide", "conn", "dst", "src", "dmac"};

/* Each call that changes a rule moves this packet's set, and moves `away` as `others` says. */
static void expect_moves(struct cxlt_rule_spec *s, const struct cxlt_key *own,
			 const struct cxlt_key *away, int others, const char *what)
{
	for (int op = 0; op < 4; op++) {
		struct cxlt_chgset mine = collect(own), theirs = collect(away);
		int rc;

		cr_assert_eq(mine.pending | theirs.pending, 0);
		s->cookie++;
		rc = op == 2   ? cxlt_rule_modify(f.w, s)
		     : op == 3 ? cxlt_rule_delete(f.w, s)
			       : cxlt_rule_add(f.w, s);
		cr_assert_eq(rc, op == 1, "%s", cxlt_error_text());
		cr_expect(moved(&mine), "%s: op %d: the own set stays", what, op);
		cr_expect_eq(moved(&theirs), others, "%s: op %d: another's set", what, op);
	}
}

Test(change, a_rule_moves_the_words_of_its_own_dimension_alone)
{
	setup();
	use_all_dims();
	for (int v6 = 0; v6 < 2; v6++)
		for (int d = CXLT_DIM_CONN; d < CXLT_DIMS; d++) {
			struct cxlt_key own = packet(v6, 1), other, k;
			struct cxlt_rule_spec s = rule_in(d, &own);
			int strangers = 0;

			/* Two of 1024 words may be one: of a few strangers most must stay. */
			for (__u32 i = 2; i < 12; i++) {
				struct cxlt_chgset set;

				other = packet(v6, i);
				set = collect(&other);
				cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
				strangers += moved(&set);
				cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
				if (!moved(&set))
					k = other;
			}
			cr_expect_leq(strangers, 2, "%s moves %d of 10 strangers", dim_name[d],
				      strangers);
			expect_moves(&s, &own, &k, 0, dim_name[d]);
		}
	fixture_close(&f);
}

Test(change, a_wide_rule_moves_everybody)
{
	struct cxlt_key a = packet(0, 1), b = packet(1, 2);
	struct cxlt_rule_spec s = rule_in(CXLT_DIM_WIDE, &a);

	setup();
	use_all_dims();
	expect_moves(&s, &a, &b, 1, "wide");
	fixture_close(&f);
}

Test(change, the_first_rule_of_a_dimension_moves_the_wide_word)
{
	for (int d = CXLT_DIM_CONN; d < CXLT_DIMS; d++) {
		struct cxlt_key own = packet(0, 1), other = packet(0, 2);
		struct cxlt_rule_spec s = rule_in(d, &own);
		struct cxlt_chgset mine, theirs;

		setup();
		mine = collect(&own);
		theirs = collect(&other);
		cr_expect_eq(mine.n, 1, "only the wide word so far");
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
		cr_expect(moved(&mine), "%s: collected before the dimension was used", dim_name[d]);
		cr_expect(moved(&theirs), "%s", dim_name[d]);
		mine = collect(&own);
		cr_expect_eq(mine.n, 2, "%s: now its word as well", dim_name[d]);
		cr_assert_eq(cxlt_rule_delete(f.w, &s), 0);
		cr_expect(moved(&mine), "%s", dim_name[d]);
		fixture_close(&f);
	}
}

/* Half a dimension's fields do not pin it. */
Test(change, a_rule_that_pins_less_uses_a_wider_dimension)
{
	struct cxlt_key own = packet(0, 1), sibling;
	struct cxlt_rule_spec s;
	struct cxlt_chgset set;

	setup();
	use_all_dims();
	/* All of the connection but its source port: same dst net, other port must see it. */
	s = rule_in(CXLT_DIM_CONN, &own);
	s.mask.w[CXLT_W_L4] = 0xffffULL << 32;
	sibling = own;
	gen_set_field(&sibling, CXLT_F_TP_SRC, 4444);
	set = collect(&sibling);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	cr_expect(moved(&set), "source port open");
	/* A /23: both of its /24s must see it. */
	s = rule_in(CXLT_DIM_DST, &own);
	s.mask.w[CXLT_W_IPV4] = 0xfffffe00;
	sibling = own;
	gen_set_field(&sibling, CXLT_F_IPV4_DST, 0xc0a80001); /* own is in 192.168.1.0/24 */
	set = collect(&sibling);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	cr_expect(moved(&set), "/23");
	/* Without eth_type, the address word of any packet may match. */
	s = rule_in(CXLT_DIM_DST, &own);
	s.mask.w[CXLT_W_PORT] = 0;
	sibling = own;
	gen_set_field(&sibling, CXLT_F_ETH_TYPE, 0x0806);
	set = collect(&sibling);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	cr_expect(moved(&set), "no eth_type");
	fixture_close(&f);
}

/* Actions may leave addresses of the other family in a key (found by the parity test). */
Test(change, addresses_that_eth_type_does_not_mean_change_nothing)
{
	int v6, dim;

	setup();
	use_all_dims();
	for (v6 = 0; v6 < 2; v6++) {
		struct cxlt_key k = packet(v6, 5);
		struct cxlt_key rewritten = k;

		if (v6) {
			rewritten.w[CXLT_W_IPV4] = 0x0123456789abcdef;
		} else {
			rewritten.w[CXLT_W_IPV6_SRC_HI] = 0x20010db800000000;
			rewritten.w[CXLT_W_IPV6_SRC_LO] = 1;
			rewritten.w[CXLT_W_IPV6_DST_HI] = 0x20010db800000001;
			rewritten.w[CXLT_W_IPV6_DST_LO] = 2;
		}
		for (dim = CXLT_DIM_CONN; dim <= CXLT_DIM_SRC; dim++) {
			struct cxlt_rule_spec s = rule_in(dim, &k);
			struct cxlt_chgset set = collect(&rewritten);

			cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
			cr_assert(moved(&set), "%s: a key with IPv%d addresses besides",
				  dim_name[dim], v6 ? 4 : 6);
		}
	}
	fixture_close(&f);
}

/*
 * The law itself: whatever the rules and packets, if a change alters a packet's answer, or could
 * have (its rule matches the packet), the packet's set moved.
 */
Test(change, whoever_matches_a_changed_rule_sees_it, .timeout = 60)
{
	struct rnd r = rnd_new("change/whoever_matches");
	struct cxlt_slice_config cfg = {.size = 8 << 20};
	struct gen g;
	__u32 stayed = 0, all = 0;

	fixture_config(&f, &cfg);
	gen_init(&g, &r, 40);
	for (__u32 i = 0; i < rnd_scaled(20000); i++) {
		struct cxlt_rule_spec s;
		struct cxlt_chgset set, away;
		__u64 prog[GEN_PROG];
		struct cxlt_key k, o;
		int rc;

		if (i % 4 == 0) { /* of one dimension, on a real packet */
			o = packet(rnd_below(&r, 2), rnd_below(&r, 50));
			s = rule_in(rnd_below(&r, CXLT_DIMS), &o);
			k = o;
			gen_set_field(&k, CXLT_F_IP_TTL, rnd_below(&r, 255));
		} else {
			gen_rule(&g, 0, 1, &s, prog);
			gen_key_for(&g, &s.value, &s.mask, &k);
			/* What no packet has: addresses of the other family. */
			if (CXLT_KEY_GET(&k, ETH_TYPE) == 0x86dd)
				k.w[CXLT_W_IPV4] = 0;
			else
				memset(&k.w[CXLT_W_IPV6_SRC_HI], 0, 32);
			if (!oracle_matches(&s, &k))
				continue;
		}
		o = packet(rnd_below(&r, 2), 100 + rnd_below(&r, 1000));
		set = collect(&k);
		away = collect(&o);
		rc = rnd_one_in(&r, 3) ? cxlt_rule_delete(f.w, &s) : cxlt_rule_add(f.w, &s);
		if (rc == -ENOENT)
			continue;
		cr_assert_geq(rc, 0, "%s", cxlt_error_text());
		cr_assert(moved(&set), "a rule on %u changed unseen", s.priority);
		all++;
		stayed += !moved(&away);
	}
	fprintf(stderr, "change: %u of %u changes left a stranger's set alone\n", stayed, all);
	cr_expect_gt(stayed, all / 20);
	fixture_close(&f);
}
