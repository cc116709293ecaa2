// SPDX-License-Identifier: Apache-2.0
/*
 * What a bundle costs: the same rules added between cxlt_bundle_begin() and cxlt_bundle_commit(), and
 * one by one with cxlt_rule_add(), each in a slice of its own: first into an empty table, then
 * once more with other cookies, in place of the first ones.  Rounds alternate; a result is the median
 * of their ratios, in CPU time of the thread, begin and commit included.
 */
#include <stdlib.h>
#include <sys/prctl.h>

#include <cxltab/action.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "rand.h"
#include "rows.h"

enum {
	MASKS = 8,
};

struct bench {
	struct rows rows;
	uint32_t n, rounds;
	struct cxlt_rule_spec *spec;
	__u64 prog[1];
};

/* Five-tuples and some of what is wider, in random order, priorities by mask. */
static void make_rules(struct bench *b)
{
	static const __u64 ipv4[] = {~0ULL, ~0ULL, 0xffffffffffffff00, 0xffffff00ffffffff};
	struct rnd r = {.s = 1};
	uint32_t i;

	b->spec = rows_must(b->n * sizeof(*b->spec));
	b->prog[0] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2);
	for (i = 0; i < b->n; i++) {
		struct cxlt_rule_spec *s = &b->spec[i];
		uint32_t mask = rnd_below(&r, MASKS);

		s->priority = (__u16)(100 + mask);
		s->cookie = i;
		s->n_prog = 1;
		s->prog = b->prog;
		CXLT_KEY_SET(&s->mask, ETH_TYPE, 0xffff);
		CXLT_KEY_SET(&s->mask, IP_PROTO, 0xff);
		s->mask.w[CXLT_W_IPV4] = ipv4[mask & 3];
		CXLT_KEY_SET(&s->mask, TP_DST, 0xffff);
		if (mask & 4)
			CXLT_KEY_SET(&s->mask, TP_SRC, 0xffff);
		CXLT_KEY_SET(&s->value, ETH_TYPE, 0x0800);
		CXLT_KEY_SET(&s->value, IP_PROTO, 6);
		s->value.w[CXLT_W_IPV4] = rnd_next(&r);
		s->value.w[CXLT_W_L4] = rnd_next(&r);
	}
}

struct subject {
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
};

static void subject_open(const struct bench *b, struct subject *s)
{
	const struct cxlt_slice_config config = {.size = (__u64)b->n * 1024 + (16 << 20)};
	__u64 at;
	char *base;

	if (cxlt_slice_create_memfd("bench", &config, &s->slice) ||
	    cxlt_writer_open(s->slice, &s->writer))
		rows_die("slice", cxlt_error_text());
	/* A slice in use has its first stores behind it; under shadow paging they fault. */
	base = cxlt_slice_base(s->slice);
	for (at = 0; at < config.size; at += 4096)
		__atomic_fetch_add(base + at, 0, __ATOMIC_RELAXED);
}

static void subject_close(const struct bench *b, struct subject *s)
{
	if (cxlt_table_rules(s->slice, 0) != b->n)
		rows_die("rules", "are missing");
	cxlt_writer_close(s->writer);
	cxlt_slice_close(s->slice);
}

/* Milliseconds. */
static double add(const struct bench *b, struct subject *s, int bundle, int replaced)
{
	double start = rows_cpu();
	uint32_t i;

	if (bundle && cxlt_bundle_begin(s->writer))
		rows_die("bundle", cxlt_error_text());
	for (i = 0; i < b->n; i++)
		if (cxlt_rule_add(s->writer, &b->spec[i]) != replaced)
			rows_die("rule", cxlt_error_text());
	if (bundle)
		cxlt_bundle_commit(s->writer);
	return (rows_cpu() - start) * 1e3;
}

/* took[0] into an empty table, took[1] in place of what is there. */
static void run(struct bench *b, int bundle, double took[2])
{
	struct subject s;
	uint32_t i;

	subject_open(b, &s);
	took[0] = add(b, &s, bundle, 0);
	for (i = 0; i < b->n; i++)
		b->spec[i].cookie += b->n;
	took[1] = add(b, &s, bundle, 1);
	subject_close(b, &s);
}

int main(void)
{
	static struct bench b = {.n = 10000, .rounds = 21};
	struct rows_series fresh = {0}, replaced = {0};
	uint32_t round;

	rows_open(&b.rows);
	if (b.rows.smoke) {
		b.n = 2000;
		b.rounds = 5;
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	make_rules(&b);
	for (round = 0; round <= b.rounds; round++) {
		double single[2], bundle[2];

		/* Who comes first takes turns. */
		if (round & 1)
			run(&b, 0, single);
		run(&b, 1, bundle);
		if (!(round & 1))
			run(&b, 0, single);
		if (!round)
			continue; /* warms up */
		rows_note(&fresh, bundle[0], single[0], single[0] / bundle[0]);
		rows_note(&replaced, bundle[1], single[1], single[1] / bundle[1]);
	}
	rows_add(&b.rows, "bundle: new rules", "ms", 1 / 1.1, &fresh,
		 "a bundle of %u rules in %d masks into an empty table, begin and commit included; "
		 "vs as many cxlt_rule_add; CPU time",
		 b.n, MASKS);
	rows_add(&b.rows, "bundle: rules replaced", "ms", 1 / 1.1, &replaced,
		 "the same %u rules again with other cookies; vs as many cxlt_rule_add; CPU time",
		 b.n);
	return rows_close(&b.rows);
}
