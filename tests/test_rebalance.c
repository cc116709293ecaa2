// SPDX-License-Identifier: Apache-2.0
/*
 * Rules that don't fit into the device domain, and those that move between the domains: what a
 * packet gets and what was counted never depends on where a rule lies.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <cxltab/counter.h>
#include <cxltab/reclaim.h>
#include <cxltab/resolve.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

enum {
	SETTLE_MS = 10, /* more than two ticks of the coarse clock */
};

static const struct cxlt_rebalance_config quick = {.settle_ms = SETTLE_MS};
static const __u64 prog = (__u64)CXLT_OP_OUTPUT << 56 | 1;
static struct cxlt_work work;

/* Until what was looked at may be looked at again. */
static void settle(void)
{
	struct timespec ts = {0, (SETTLE_MS + 10) * 1000000L};

	nanosleep(&ts, NULL);
}

/* Rule i of a family that has one size, each with a match of its own. */
static struct cxlt_rule_spec nth(__u32 i)
{
	struct cxlt_rule_spec s = gen_output(0, 10, i + 1, &prog);

	gen_set_field(&s.mask, CXLT_F_TUN_ID, ~0ULL);
	gen_set_field(&s.value, CXLT_F_TUN_ID, i);
	return s;
}

static struct cxlt_rule_info info_of(const struct fixture *f, __u32 i)
{
	struct cxlt_rule_spec s = nth(i);
	struct cxlt_rule_info info;

	cr_assert_eq(cxlt_rule_get(f->s, &s, &info), 0, "rule %u: %s", i, cxlt_error_text());
	return info;
}

/* n rules in a small device domain; the first `device` of them have their entries there. */
static __u32 fill(struct fixture *f, __u32 n)
{
	struct cxlt_slice_config cfg = {.size = 1 << 20, .device_size = 352 << 10, .chg_log2 = 4};
	__u32 device = 0;

	fixture_config(f, &cfg);
	for (__u32 i = 0; i < n; i++) {
		struct cxlt_rule_spec s = nth(i);

		cr_assert_eq(cxlt_rule_add(f->w, &s), 0, "%u: %s", i, cxlt_error_text());
		if (!info_of(f, i).host_domain)
			device = i + 1;
	}
	cr_assert_lt(device, n, "all fit");
	cr_assert_eq(oracle_check(f->s), 0);
	return device;
}

/* What the device makes of a packet of rule i: 1 found, or why it punts. */
static int on_device(const struct fixture *f, __u32 i)
{
	struct cxlt_rule_spec s = nth(i);

	return fixture_classify(&f->device, &work, 0, &s.value);
}

/* n packets of rule i, by whoever can execute it. */
static void traffic(const struct fixture *f, __u32 i, __u64 n)
{
	struct cxlt_rule_spec s = nth(i);
	const struct cxlt_view *v = on_device(f, i) == 1 ? &f->device : &f->host;

	cr_assert_eq(fixture_classify(v, &work, 0, &s.value), 1);
	cr_assert_eq(work.rule.cookie, i + 1);
	cxlt_count(v, work.rule.counters, n, n * 100, 5);
}

static struct cxlt_rebalance_result pass(struct fixture *f, const struct cxlt_rebalance_config *c)
{
	struct cxlt_rebalance_result r;

	settle();
	cr_assert_eq(cxlt_slice_rebalance(f->w, c, &r), 0, "%s", cxlt_error_text());
	cr_assert_eq(oracle_check(f->s), 0);
	return r;
}

static __u64 packets_of(const struct fixture *f, __u32 i)
{
	struct cxlt_rule_info info = info_of(f, i);

	cr_assert_eq(info.bytes[0] + info.bytes[1], 100 * (info.packets[0] + info.packets[1]));
	return info.packets[0] + info.packets[1];
}

/* Entries, counters and programs beyond the limit: the host executes, the device punts. */
Test(spill, what_the_device_cant_reach_it_punts)
{
	struct cxlt_rule_places p;
	struct fixture f;
	__u32 n = 700, device = fill(&f, n), counters = 0;

	for (__u32 i = 0; i < n; i++) {
		struct cxlt_rule_info info = info_of(&f, i);

		cr_assert_eq(on_device(&f, i), info.host_domain ? -CXLT_R_DEV_DOMAIN : 1);
		traffic(&f, i, 3);
		cr_assert_eq(packets_of(&f, i), 3);
		/* What the device executes it can count. */
		cr_assert(info.host_domain || info.counters < cxlt_slice_header(f.s)->dev_lines);
		counters += info.counters >= cxlt_slice_header(f.s)->dev_lines;
	}
	cr_expect_gt(counters, 0, "all counters fit");
	cr_assert_eq(cxlt_slice_places(f.s, &p), 0);
	cr_expect_eq(p.device, device);
	cr_expect_eq(p.spilled, n - device);
	cr_expect_eq(p.host_match, 0);
	fixture_close(&f);
}

/* A rule's program is stored with it: one as long as can be spills whole. */
Test(spill, a_long_program_lies_where_its_rule_lies)
{
	struct cxlt_rule_spec s = nth(1000);
	__u64 words[CXLT_PROG_MAX];
	struct fixture f;

	fill(&f, 700);
	for (int i = 0; i < CXLT_PROG_MAX; i++)
		words[i] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2 + i);
	s.prog = words;
	s.n_prog = CXLT_PROG_MAX;
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	cr_expect(info_of(&f, 1000).host_domain);
	cr_expect_eq(on_device(&f, 1000), -CXLT_R_DEV_DOMAIN);
	cr_expect_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
	cr_expect_eq(work.rule.n_prog, CXLT_PROG_MAX);
	cr_expect_arr_eq(work.rule.prog, words, sizeof(words));
	fixture_close(&f);
}

Test(rebalance, a_hot_rule_goes_where_there_is_room)
{
	struct cxlt_rebalance_result r;
	struct fixture f;
	__u32 n = 700, device = fill(&f, n), hot = n - 1;
	struct cxlt_rule_spec gone = nth(3);

	traffic(&f, hot, 1000);
	cr_assert_eq(cxlt_rule_delete(f.w, &gone), 0);
	r = pass(&f, &quick);
	cr_expect_eq(r.looked, n - 1);
	cr_expect_eq(r.hot, 1);
	cr_expect_eq(r.promoted, 1);
	cr_expect_eq(r.demoted, 0);
	cr_expect_eq(on_device(&f, hot), 1);
	cr_expect_eq(on_device(&f, hot - 1), -CXLT_R_DEV_DOMAIN);
	cr_expect_eq(packets_of(&f, hot), 1000);
	traffic(&f, hot, 5);
	cr_expect_eq(packets_of(&f, hot), 1005);
	cr_expect_lt(device, n);
	fixture_close(&f);
}

Test(rebalance, without_room_a_colder_one_makes_way)
{
	struct cxlt_rebalance_result r = {0};
	struct cxlt_rule_places p;
	struct fixture f;
	__u32 n = 700, device = fill(&f, n), promoted = 0, demoted = 0;

	/* All are warm in the device domain but 5; in the host domain two are hot. */
	for (__u32 i = 5; i < device; i++)
		traffic(&f, i, 100);
	traffic(&f, n - 1, 1000);
	traffic(&f, device, 1000);
	for (int i = 0; i < 4 && promoted < 2; i++) {
		r = pass(&f, &quick);
		promoted += r.promoted;
		demoted += r.demoted;
		/* What waited for counters is hot still. */
		traffic(&f, device, 1000);
		traffic(&f, n - 1, 1000);
		for (__u32 j = 5; j < device; j++)
			traffic(&f, j, 100);
	}
	cr_expect_eq(promoted, 2);
	cr_expect_geq(demoted, 2);
	cr_expect_leq(demoted, 5);
	cr_expect_eq(on_device(&f, n - 1), 1);
	cr_expect_eq(on_device(&f, device), 1);
	for (__u32 i = 5; i < device; i++)
		cr_assert_eq(on_device(&f, i), 1, "%u: a warm one was demoted", i);
	cxlt_slice_places(f.s, &p);
	cr_expect_eq(p.promotions, promoted);
	cr_expect_eq(p.demotions, demoted);
	fixture_close(&f);
}

/* Who isn't twice as hot stays where it is, and nobody goes back and forth. */
Test(rebalance, what_is_as_hot_stays)
{
	struct fixture f;
	__u32 n = 700, device = fill(&f, n);
	struct cxlt_rule_places p;

	pass(&f, &quick); /* from here on all are looked at at the same times */
	for (int round = 0; round < 4; round++) {
		for (__u32 i = 0; i < n; i++)
			traffic(&f, i, i < device ? 100 : 180);
		pass(&f, &quick);
	}
	/* One may find the room that an odd number of chunks leaves. */
	cxlt_slice_places(f.s, &p);
	cr_expect_eq(p.demotions, 0);
	for (__u32 i = 0; i < n; i++)
		cr_assert_eq(packets_of(&f, i), 4 * (i < device ? 100 : 180));
	fixture_close(&f);
}

Test(rebalance, a_pass_is_bounded)
{
	struct cxlt_rebalance_config c = {.settle_ms = SETTLE_MS, .max_moves = 3};
	struct cxlt_rebalance_result r;
	struct fixture f;
	__u32 n = 900, device = fill(&f, n);
	__u64 looked = 0;

	for (__u32 i = device; i < n; i++)
		traffic(&f, i, 100);
	r = pass(&f, &c);
	cr_expect_leq(r.promoted + r.demoted, 3);
	cr_expect_gt(r.demoted, 0);
	c.max_rules = 256;
	for (int i = 0; i < 8; i++) {
		r = pass(&f, &c);
		cr_expect_leq(r.looked, 256 + 2 * 128);
		looked += r.looked;
	}
	cr_expect_geq(looked, n, "the hand stands still");
	cr_expect_leq(r.promoted + r.demoted, 3);
	fixture_close(&f);
}

/* Until the counters are settled, late packets count on the old ones, and are counted. */
Test(rebalance, a_late_packet_is_counted_where_it_was_resolved)
{
	struct fixture f;
	__u32 n = 700, hot, promoted = 0, old;

	fill(&f, n);
	for (hot = n - 1; info_of(&f, hot).counters < cxlt_slice_header(f.s)->dev_lines; hot--)
		;
	old = info_of(&f, hot).counters;
	/* Who waits for counters is as hot as it was. */
	traffic(&f, hot, 1000);
	for (int i = 0; i < 2 && !promoted; i++)
		promoted = pass(&f, &quick).promoted;
	cr_assert_eq(promoted, 1);
	cr_assert_neq(info_of(&f, hot).counters, old);
	/* A packet that was resolved before. */
	__u64 before = packets_of(&f, hot);

	cxlt_count(&f.host, old, 7, 700, 6);
	cr_expect_eq(packets_of(&f, hot), before + 7);
	traffic(&f, hot, 2);
	cr_expect_eq(packets_of(&f, hot), before + 9);
	pass(&f, &quick); /* settles */
	cr_expect_eq(packets_of(&f, hot), before + 9);
	traffic(&f, hot, 2);
	cr_expect_eq(packets_of(&f, hot), before + 11);
	fixture_close(&f);
}

/* Only what the device can execute is brought there. */
Test(rebalance, what_only_the_host_executes_stays_there)
{
	__u64 upcall = cxlt_op_word(CXLT_OP_CONTROLLER, 0, 128, 0);
	struct cxlt_rule_spec s = nth(2000), gone = nth(1);
	struct cxlt_rebalance_result r;
	struct fixture f;

	fill(&f, 700);
	s.prog = &upcall;
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	cr_assert(info_of(&f, 2000).host_domain);
	cr_assert_eq(cxlt_rule_delete(f.w, &gone), 0);
	traffic(&f, 699, 1);
	cr_assert_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
	cxlt_count(&f.host, work.rule.counters, 1000, 1000, 1);
	r = pass(&f, &quick);
	cr_expect_eq(r.hot, 1);
	cr_expect(info_of(&f, 2000).host_domain);
	cr_expect_eq(on_device(&f, 699), 1);
	fixture_close(&f);
}

/* Of rules with one match, whichever is hot moves alone, and the best of them wins as before. */
Test(rebalance, a_rule_of_a_chain_moves_alone)
{
	struct cxlt_rebalance_result r;
	struct cxlt_rule_spec s = nth(3000), gone;
	struct cxlt_rule_info info;
	struct fixture f;

	fill(&f, 700);
	for (int p = 1; p <= 5; p++) {
		s.priority = p * 100;
		s.cookie = 3000 + p;
		cr_assert_eq(cxlt_rule_add(f.w, &s), 0, "%s", cxlt_error_text());
	}
	for (__u32 i = 0; i < 3; i++) {
		gone = nth(i);
		cr_assert_eq(cxlt_rule_delete(f.w, &gone), 0);
	}
	/* The best, the third and the last one of the chain. */
	for (int p = 500; p > 0; p -= 200) {
		s.priority = p;
		cr_assert_eq(cxlt_rule_get(f.s, &s, &info), 0);
		cr_assert(info.host_domain);
		cxlt_count(&f.host, info.counters, 100, 10000, 1);
		r = pass(&f, &quick);
		cr_expect_eq(r.promoted, 1, "priority %d", p);
		cr_assert_eq(cxlt_rule_get(f.s, &s, &info), 0);
		cr_expect(!info.host_domain);
		cr_expect_eq(info.packets[0], 100);
		cr_assert_eq(fixture_classify(&f.device, &work, 0, &s.value), 1);
		cr_expect_eq(work.rule.cookie, 3005);
		cr_assert_eq(fixture_classify(&f.host, &work, 0, &s.value), 1);
		cr_expect_eq(work.rule.cookie, 3005);
	}
	fixture_close(&f);
}

Test(rebalance, an_undivided_slice_has_nothing_to_move)
{
	struct cxlt_rule_spec s = nth(0);
	struct cxlt_rebalance_result r;
	struct fixture f;

	fixture_open(&f, 1 << 20);
	cr_assert_eq(cxlt_rule_add(f.w, &s), 0);
	cr_expect_eq(cxlt_slice_rebalance(f.w, NULL, &r), 0);
	cr_expect_eq(r.looked, 0);
	cr_assert_eq(cxlt_bundle_begin(f.w), 0);
	cr_expect_eq(cxlt_slice_rebalance(f.w, NULL, &r), -EBUSY);
	cxlt_bundle_abort(f.w);
	fixture_close(&f);
}

/* Random rules of several sizes, random changes, passes in between: the oracle's rules, always. */
Test(rebalance, agrees_with_the_oracle, .timeout = 120)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20, .device_size = 256 << 10, .chg_log2 = 4};
	__u32 ops = rnd_scaled(3000), moved = 0, counted = 0;
	struct rnd r = rnd_new("rebalance/agrees_with_the_oracle");
	struct oracle o = {0};
	struct fixture f;
	struct gen g;

	fixture_config(&f, &cfg);
	gen_init(&g, &r, 12);
	for (__u32 i = 0; i < ops; i++) {
		struct cxlt_rule_spec spec;
		__u64 words[GEN_PROG];
		struct cxlt_key k;

		gen_rule(&g, rnd_below(&r, 3), 3, &spec, words);
		if (o.n > 1000 && rnd_one_in(&r, 2)) {
			spec = o.rule[rnd_below(&r, o.n)].spec;
			cr_assert_eq(cxlt_rule_delete(f.w, &spec), 0);
			oracle_delete(&o, &spec);
		} else {
			cr_assert_geq(cxlt_rule_add(f.w, &spec), 0, "%s", cxlt_error_text());
			oracle_add(&o, &spec);
		}
		for (int j = 0; j < 4; j++) {
			/* The same few are hot for a while. */
			__u32 at = rnd_below(&r, 1 + rnd_below(&r, o.n));
			struct cxlt_rule_spec *s = &o.rule[at].spec;
			struct oracle_rule *win;
			int rc;

			gen_key_for(&g, &s->value, &s->mask, &k);
			cr_assert_eq(fixture_classify(&f.host, &work, s->table, &k), 1);
			cr_assert_eq(work.rule.prio + 1U, oracle_best(&o, s->table, &k));
			win = oracle_winner(&o, s->table, &k, work.rule.cookie);
			cr_assert_eq(win->spec.cookie, work.rule.cookie);
			win->packets += 3;
			win->bytes += 9;
			cxlt_count(&f.host, work.rule.counters, 3, 9, 1);
			rc = fixture_classify(&f.device, &work, s->table, &k);
			cr_assert(rc == -CXLT_R_DEV_DOMAIN || rc == 1);
			cr_assert(rc < 0 || work.rule.cookie == win->spec.cookie);
			counted += rc == 1;
		}
		if (i % 100 == 99) {
			struct cxlt_rebalance_result res = pass(&f, &quick);

			moved += res.promoted + res.demoted;
			cr_assert_eq(oracle_differs(&o, f.s, 0), 0);
		}
	}
	fprintf(stderr, "rebalance: %u moves, %u of %u lookups on the device\n", moved, counted,
		4 * ops);
	cr_expect_gt(moved, 0);
	oracle_free(&o);
	fixture_close(&f);
}

/* Beside readers on both paths and a writer: no gap, no wrong winner, no packet lost. */
struct beside {
	struct fixture f;
	_Atomic int stop;
	__u32 n;
	_Atomic __u64 sent[1024];
	__u64 wrong, unstable, writes, lookups;
};

static struct beside b;

static void *read_beside(void *arg)
{
	struct rnd r = {(__u64)(unsigned long)arg};
	struct cxlt_work w;

	while (!b.stop) {
		__u32 i = b.n - 1 - rnd_below(&r, 1 + rnd_below(&r, b.n));
		struct cxlt_rule_spec s = nth(i);
		const struct cxlt_view *v = &b.f.device;
		int rc = fixture_classify(v, &w, 0, &s.value);

		if (rc != 1) {
			b.wrong += rc != -CXLT_R_DEV_DOMAIN && rc != -CXLT_R_UNSTABLE;
			v = &b.f.host;
			rc = fixture_classify(v, &w, 0, &s.value);
		}
		b.lookups++;
		b.unstable += rc == -CXLT_R_UNSTABLE;
		if (rc == -CXLT_R_UNSTABLE)
			continue;
		b.wrong += rc != 1 || w.rule.cookie != i + 1;
		if (rc == 1 && w.rule.cookie == i + 1) {
			b.sent[i]++;
			cxlt_count(v, w.rule.counters, 1, 100, 1);
		}
	}
	return NULL;
}

static void *write_beside(void *arg)
{
	struct fixture g;

	fixture_attach(&g, cxlt_slice_fd(b.f.s), 1);
	for (__u32 i = 0; !b.stop; i++, b.writes++) {
		struct cxlt_rule_spec s = nth(10000 + i % 200), m = nth(i % b.n);
		struct timespec ts = {0, 50000};

		b.wrong +=
			i % 400 < 200 ? cxlt_rule_add(g.w, &s) < 0 : cxlt_rule_delete(g.w, &s) != 0;
		/* The same rule again: its counters go on. */
		b.wrong += i % 8 == 0 && cxlt_rule_modify(g.w, &m) != 0;
		nanosleep(&ts, NULL);
	}
	fixture_close(&g);
	return arg;
}

Test(rebalance, beside_readers_and_a_writer_nothing_is_lost, .timeout = 120)
{
	struct cxlt_rebalance_config c = {.settle_ms = 150, .max_moves = 200};
	struct cxlt_rebalance_result r;
	pthread_t reader, writer;
	__u64 moved = 0;

	b.n = 900;
	fill(&b.f, b.n);
	pthread_create(&reader, NULL, read_beside, (void *)7L);
	pthread_create(&writer, NULL, write_beside, NULL);
	for (__u32 i = 0; i < rnd_scaled(10); i++) {
		struct timespec ts = {0, 160000000};

		nanosleep(&ts, NULL);
		cr_assert_eq(cxlt_slice_rebalance(b.f.w, &c, &r), 0, "%s", cxlt_error_text());
		moved += r.promoted + r.demoted;
	}
	b.stop = 1;
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	fprintf(stderr, "rebalance: %llu moves beside %llu lookups (%llu unstable), %llu writes\n",
		moved, b.lookups, b.unstable, b.writes);
	cr_expect_gt(moved, 100);
	cr_expect_eq(b.wrong, 0, "%llu wrong", b.wrong);
	for (__u32 i = 0; i < b.n; i++)
		cr_assert_eq(packets_of(&b.f, i), b.sent[i], "rule %u: %llu, sent %llu", i,
			     packets_of(&b.f, i), b.sent[i]);
	cr_expect_eq(oracle_check(b.f.s), 0);
	fixture_close(&b.f);
}
