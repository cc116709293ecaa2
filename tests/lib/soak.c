// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cxltab/action.h>
#include <cxltab/counter.h>
#include <cxltab/key.h>
#include <cxltab/reclaim.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>
#include "soak.h"

enum {
	KEYS = 40000, /* of a family */
	EXACTS = 3,
	RULES = 5,
	FAMILIES = EXACTS + RULES,
	PHASES = 20,	     /* at least */
	PHASE = 1000000,     /* operations of one, at most */
	REBALANCE = 1 << 14, /* operations between two passes */
};

struct family {
	__u32 table; /* of rules, or the exact table's tuple */
	__u32 n_key, n_val, grow;
	__u32 n_prog, chain; /* rules: priorities of one match */
	__u32 keys;	     /* that may be there in this phase */
	__u64 n;	     /* that are there */
	__u8 there[KEYS];
};

struct soak {
	struct cxlt_slice *s;
	struct cxlt_writer *w;
	struct cxlt_view host;
	struct rnd r;
	struct soak_result *out;
	struct family f[FAMILIES];
	__u64 prog[CXLT_PROG_MAX];
};

static const struct family family[FAMILIES] = {
	{.n_key = 1, .n_val = 1, .grow = 1},
	{.n_key = 4, .n_val = 8, .grow = 1},
	{.n_key = 8, .n_val = 24},
	/* Words that pin nothing, a /24, a connection, and long programs. */
	{.table = 0, .n_key = 1, .n_prog = 1, .chain = 1},
	{.table = 0, .n_key = 2, .n_prog = 3, .chain = 4},
	{.table = 1, .n_key = 3, .n_prog = 20, .chain = 1},
	{.table = 2, .n_key = 4, .n_prog = 1, .chain = 2},
	{.table = 2, .n_key = 5, .n_prog = 96, .chain = 1},
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int failed(const char *what, int rc)
{
	fprintf(stderr, "soak: %s: %s\n", what, cxlt_error_text());
	return rc;
}

static void rule_of(const struct soak *x, const struct family *f, __u32 i, struct cxlt_rule_spec *s)
{
	__u32 key = i / f->chain;

	memset(s, 0, sizeof(*s));
	s->table = (__u8)f->table;
	s->priority = (__u16)(1 + i % f->chain);
	s->cookie = i;
	s->n_prog = f->n_prog;
	s->prog = x->prog;
	s->mask.w[CXLT_W_TUN_ID] = ~0ULL;
	s->value.w[CXLT_W_TUN_ID] = key;
	if (f->n_key > 1) {
		CXLT_KEY_SET(&s->mask, ETH_TYPE, 0xffff);
		CXLT_KEY_SET(&s->value, ETH_TYPE, 0x0800);
	}
	if (f->n_key == 3 || f->n_key == 4) {
		CXLT_KEY_SET(&s->mask, IPV4_DST, 0xffffff00);
		CXLT_KEY_SET(&s->value, IPV4_DST, key << 8);
	}
	if (f->n_key == 4)
		s->mask.w[CXLT_W_REG01] = ~0ULL;
	if (f->n_key == 5)
		CXLT_KEY_SET(&s->mask, ETH_DST, 0xffffffffffffULL);
}

static int exact_op(struct soak *x, struct family *f, __u32 i)
{
	__u64 key[8], val[24];
	__u32 j;

	for (j = 0; j < f->n_key; j++)
		key[j] = (__u64)i * (j + 1);
	if (f->there[i])
		return cxlt_exact_delete(x->w, f->table, key);
	for (j = 0; j < f->n_val; j++)
		val[j] = key[0] + j;
	return cxlt_exact_insert(x->w, f->table, key, val);
}

/* Some rules are hot. */
static void count(struct soak *x, const struct cxlt_rule_spec *s)
{
	struct cxlt_rule_info info;

	if (!cxlt_rule_get(x->s, s, &info))
		cxlt_count(&x->host, info.counters, 1000, 1000, 1);
}

static int rule_op(struct soak *x, struct family *f, __u32 i)
{
	struct cxlt_rule_spec s;
	int rc;

	rule_of(x, f, i, &s);
	rc = f->there[i] ? cxlt_rule_delete(x->w, &s) : cxlt_rule_add(x->w, &s);
	if (!rc && !f->there[i] && rnd_one_in(&x->r, 64))
		count(x, &s);
	return rc;
}

/* Inserts or deletes key i of family k. */
static int toggle(struct soak *x, __u32 k, __u32 i)
{
	struct family *f = &x->f[k];
	int rc = k < EXACTS ? exact_op(x, f, i) : rule_op(x, f, i);

	if (rc == -ENOSPC && !f->there[i]) {
		x->out->refused++;
		return 0;
	}
	if (rc)
		return failed(k < EXACTS ? "exact table" : "rule", rc < 0 ? rc : -EEXIST);
	x->out->exact_inserts += k < EXACTS && !f->there[i];
	x->out->exact_deletes += k < EXACTS && f->there[i];
	x->out->rule_inserts += k >= EXACTS && !f->there[i];
	x->out->rule_deletes += k >= EXACTS && f->there[i];
	x->out->ops++;
	f->there[i] = !f->there[i];
	f->n += f->there[i] ? 1 : -1ULL;
	return 0;
}

/* A family's keys from `keys` on go. */
static int shrink(struct soak *x, __u32 k, __u32 keys)
{
	__u32 i;
	int rc = 0;

	for (i = keys; i < KEYS && !rc; i++)
		rc = x->f[k].there[i] ? toggle(x, k, i) : 0;
	x->f[k].keys = keys;
	return rc;
}

static void measure(const struct soak *x, __u64 *used, __u64 *device)
{
	struct cxlt_usage u;
	__u32 k;

	cxlt_slice_usage(x->s, &u);
	for (*used = 0, k = 1; k < CXLT_N_KINDS; k++)
		*used += u.used[k];
	*device = *used - u.host_used;
}

static void report(void *arg, const char *text)
{
	struct soak *x = arg;

	if (x->out->problems++ < 10)
		fprintf(stderr, "soak: check: %s\n", text);
}

static int rebalance(struct soak *x)
{
	struct cxlt_rebalance_config c = {.settle_ms = 20, .max_moves = 256, .max_rules = 8192};
	struct cxlt_rebalance_result r;
	int rc = cxlt_slice_rebalance(x->w, &c, &r);

	x->out->promoted += r.promoted;
	x->out->demoted += r.demoted;
	return rc ? failed("rebalance", rc) : 0;
}

static int phase(struct soak *x, __u64 ops)
{
	static const __u32 sizes[] = {KEYS, 50, 5000, 0, 500, KEYS / 2};
	__u64 i, used, device;
	__u32 k;
	int rc = 0;

	for (k = 0; k < FAMILIES && !rc; k++)
		rc = shrink(x, k, sizes[rnd_below(&x->r, 6)]);
	for (i = 0; i < ops && !rc; i++) {
		k = rnd_below(&x->r, FAMILIES);
		if (x->f[k].keys)
			rc = toggle(x, k, rnd_below(&x->r, x->f[k].keys));
		if (!rc && i % REBALANCE == REBALANCE - 1)
			rc = rebalance(x);
	}
	measure(x, &used, &device);
	if (used > x->out->peak)
		x->out->peak = used;
	cxlt_slice_check(x->s, report, x);
	return rc;
}

/* Once each, so that all dimensions of change words are in use, which stay; then nothing is there. */
static int empty(struct soak *x, bool once)
{
	struct cxlt_sweep_result r;
	__u32 k;
	int rc = 0;

	for (k = 0; k < FAMILIES && !rc; k++) {
		if (once)
			rc = toggle(x, k, 0);
		if (!rc)
			rc = shrink(x, k, 0);
	}
	return rc ? rc : cxlt_slice_sweep(x->w, &r);
}

static int prepare(struct soak *x)
{
	struct cxlt_slice_config cfg = {.size = 64 << 20, .device_size = 16 << 20};
	__u32 k, i;
	char name[8];
	int rc = cxlt_slice_create_memfd("soak", &cfg, &x->s);

	if (!rc)
		rc = cxlt_writer_open(x->s, &x->w);
	if (rc)
		return failed("slice", rc);
	cxlt_slice_view(x->s, 0, &x->host);
	x->out->lines = cxlt_slice_directory(x->s)->n_chunks * (__u64)CXLT_CHUNK_LINES;
	for (i = 0; i < CXLT_PROG_MAX; i++)
		x->prog[i] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, i + 1);
	for (k = 0; k < FAMILIES && !rc; k++) {
		struct family *f = &x->f[k];

		*f = family[k];
		snprintf(name, sizeof(name), "t%u", k);
		if (k < EXACTS)
			rc = cxlt_exact_create(x->w, name, f->n_key, f->n_val,
					       f->grow ? 1 : KEYS / 2, f->grow);
		if (k < EXACTS)
			f->table = cxlt_exact_open(x->s, name);
	}
	return rc ? failed("exact table", rc) : empty(x, true);
}

static int run(struct soak *x, __u64 ops, FILE *log)
{
	struct soak_result *out = x->out;
	double begin = now();
	__u64 used, device;
	__u32 i;
	int rc = prepare(x);

	if (rc)
		return rc;
	measure(x, &used, &device);
	out->begin_free = out->lines - used;
	out->begin_device = device;
	memset(out, 0, offsetof(struct soak_result, lines));
	for (i = 0; out->ops < ops && !rc; i++) {
		rc = phase(x, ops / PHASES < PHASE ? ops / PHASES + 1 : PHASE);
		if (log)
			fprintf(log, "soak: %llu of %llu operations, %.0f s\n", out->ops, ops,
				now() - begin);
	}
	if (!rc)
		rc = empty(x, false);
	if (rc)
		return rc;
	measure(x, &used, &device);
	out->end_free = out->lines - used;
	out->end_device = device;
	cxlt_slice_check(x->s, report, x);
	out->seconds = now() - begin;
	return 0;
}

int soak_run(struct rnd r, __u64 ops, FILE *log, struct soak_result *out)
{
	struct soak *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	memset(out, 0, sizeof(*out));
	x->r = r;
	x->out = out;
	rc = run(x, ops, log);
	cxlt_writer_close(x->w);
	cxlt_slice_close(x->s);
	free(x);
	return rc;
}

int soak_is_even(const struct soak_result *r)
{
	return !r->problems && r->begin_free == r->end_free && r->begin_device == r->end_device;
}

void soak_print(FILE *f, const struct soak_result *r)
{
	fprintf(f,
		"soak: %llu operations in %.1f s: exact tables %llu inserts, %llu deletes; rules "
		"%llu, "
		"%llu; %llu refused for want of room; %llu promotions, %llu demotions\n",
		r->ops, r->seconds, r->exact_inserts, r->exact_deletes, r->rule_inserts,
		r->rule_deletes, r->refused, r->promoted, r->demoted);
	fprintf(f,
		"soak: %llu lines, %llu in use at the most; free at the beginning %llu, at the end "
		"%llu; in use in the device domain %llu, %llu; %d problems\n",
		r->lines, r->peak, r->begin_free, r->end_free, r->begin_device, r->end_device,
		r->problems);
}
