// SPDX-License-Identifier: Apache-2.0
/*
 * Exact tables beside DPDK's rte_hash (lock-free mode), in one run.  Rounds alternate between the
 * two; a result is the median of the rounds' ratios, so what slows the machine slows both.
 * Reading and inserting are measured in CPU time of the thread; only where two threads work is it
 * the clock on the wall.  Memory comes in pages of 4 KiB on both sides, and is there beforehand.
 *
 * Equal true load: both have 2^k buckets of 64 bytes; each holds 90% of its own slots (7 a bucket
 * here, 8 there), so rte_hash holds 8/7 of our entries.  Each is asked for keys of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "hash_bench.h"

enum kind {
	HITS,
	MISSES,
	ZIPF,
};

/* The cumulative weights of ranks 1 to n at exponent 1. */
static double *zipf_weights(uint64_t n)
{
	double *w = hash_must(n * sizeof(*w)), sum = 0;
	uint64_t i;

	for (i = 0; i < n; i++)
		w[i] = sum += 1.0 / (double)(i + 1);
	return w;
}

static uint64_t zipf(const double *w, uint64_t n, struct rnd *r)
{
	double x = (double)(rnd_next(r) >> 11) * 0x1p-53 * w[n - 1];
	uint64_t lo = 0, hi = n - 1;

	while (lo < hi) {
		uint64_t mid = (lo + hi) / 2;

		if (w[mid] > x)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* b->probes keys for each of four rounds; then they come again. */
static void ask(struct bench *b, struct subject *s, enum kind kind, uint64_t n)
{
	double *weights = kind == ZIPF ? zipf_weights(n) : NULL;
	uint64_t i;

	free(s->keys);
	free(s->sums);
	/* A dependent search may look at one word past the end. */
	s->keys = hash_must((b->probes * 4 * s->words + 1) * 8);
	s->sums = hash_must(4 * 8);
	memset(s->sums, 0, 4 * 8);
	s->expect_hit = kind != MISSES;
	for (i = 0; i < b->probes * 4; i++) {
		uint64_t which = kind == ZIPF ? zipf(weights, n, &b->rnd) : rnd_next(&b->rnd) % n;

		hash_key(s->keys + i * s->words, s->words,
			 which + (s->expect_hit ? 0 : 1ULL << 40));
		s->sums[i / b->probes] += s->expect_hit ? which : 0;
	}
	free(weights);
}

enum way {
	BATCH,
	SINGLE,
	DEPENDENT,
};

/* Lookups a second in round r. */
static double look(const struct bench *b, const struct subject *s, enum way way, uint32_t r)
{
	const uint64_t *keys = s->keys + (r % 4) * b->probes * s->words;
	double start = hash_now(CLOCK_THREAD_CPUTIME_ID), took;
	struct hash_found f;

	f = (way == BATCH    ? s->side->find_batch
	     : way == SINGLE ? s->side->find
			     : s->side->find_dependent)(s->t, keys, b->probes);
	took = hash_now(CLOCK_THREAD_CPUTIME_ID) - start;
	if (f.hits != (s->expect_hit ? b->probes : 0) || f.sum != s->sums[r % 4])
		hash_die(s->side->name, "an answer is wrong");
	return (double)b->probes / took;
}

static void compare(struct bench *b, const struct subject *s, enum way way, struct result *r)
{
	uint32_t i;

	look(b, &s[OURS], way, 3);
	look(b, &s[PEER], way, 3);
	for (i = 0; i < b->rounds; i++) {
		double ours = look(b, &s[OURS], way, i);

		hash_note(r, i, ours / 1e6, look(b, &s[PEER], way, i) / 1e6);
	}
}

static void lines_open(struct bench *b)
{
	uint32_t *at = hash_must(4 << 20), i;

	b->n_lines = b->smoke ? 1 << 18 : 1 << 24;
	b->memory = mmap(NULL, b->n_lines * 64, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (b->memory == MAP_FAILED)
		hash_die("memory", strerror(errno));
	hash_touch((void *)b->memory, b->n_lines * 64);
	for (i = 0; i < 1 << 20; i++)
		at[i] = (uint32_t)rnd_next(&b->rnd);
	b->lines = at;
}

/* Random ones of `lines` lines, a second, each asked for 32 loads ahead. */
static double line_rate(const struct bench *b, uint64_t lines, uint32_t r)
{
	const uint32_t *at = b->lines + (r % 4 << 18);
	double start = hash_now(CLOCK_THREAD_CPUTIME_ID);
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < (1 << 18) - 32; i++) {
		__builtin_prefetch((const void *)(b->memory + (at[i + 32] * lines >> 32) * 8));
		sum += b->memory[(at[i] * lines >> 32) * 8];
	}
	if (sum)
		hash_die("memory", "isn't zero");
	return i / (hash_now(CLOCK_THREAD_CPUTIME_ID) - start);
}

static const char *describe(const struct subject *s, const char *what)
{
	static char text[320];

	snprintf(text, sizeof(text),
		 "%s; %u-byte keys, %.2fM of %.2fM slots here, %.2fM of %.2fM there, CPU time",
		 what, s->words * 8, (double)s[OURS].n / 1e6, (double)s[OURS].slots / 1e6,
		 (double)s[PEER].n / 1e6, (double)s[PEER].slots / 1e6);
	return text;
}

/* The share of our hits that needed a second bucket is estimated by PROTOCOL.md's simulation. */
static void against_lines(struct bench *b, const struct subject *s, const char *size)
{
	double per = 1.14 + (s->words == 2 ? 1 : 2);
	uint64_t lines = s[OURS].side->all_bytes(s[OURS].t) / 64;
	struct result r;
	uint32_t i;
	char name[64];

	if (lines > b->n_lines)
		lines = b->n_lines;
	line_rate(b, lines, 3);
	for (i = 0; i < b->rounds; i++) {
		double ours = look(b, &s[OURS], BATCH, i) * per;

		hash_note(&r, i, ours / 1e6, line_rate(b, lines, i) / 1e6);
	}
	snprintf(name, sizeof(name), "lines, batch hits %u B %s", s->words * 8, size);
	hash_row(b, name, "Mlines/s", 0.8, hash_median(r.ours, b->rounds),
		 hash_median(r.peer, b->rounds), hash_median(r.ratio, b->rounds),
		 "%.2f lines a lookup (14%% look at a second bucket), against independent loads of "
		 "random "
		 "lines of as much memory (%llu MiB), prefetched 32 ahead; median of %u rounds",
		 per, (unsigned long long)(lines >> 14), b->rounds);
}

static void lookups(struct bench *b, uint32_t words, uint32_t log2)
{
	const char *size = hash_size(b, log2);
	struct subject s[2];
	struct result r;
	char name[64];
	uint32_t i;

	for (i = 0; i < 2; i++) {
		hash_subject_open(&s[i], i == OURS ? b->side : i, words, log2);
		hash_fill(&s[i], 0, s[i].n, 1);
		ask(b, &s[i], HITS, s[i].n);
	}
	compare(b, s, BATCH, &r);
	snprintf(name, sizeof(name), "batch hits %u B %s", words * 8, size);
	hash_row_of(b, name, "M/s", log2 == b->big ? 1.2 : 0, &r,
		    describe(s, "32 at once, uniform, vs rte_hash_lookup_bulk_data"));
	if (log2 == b->big)
		against_lines(b, s, size);
	compare(b, s, SINGLE, &r);
	snprintf(name, sizeof(name), "single hits %u B %s", words * 8, size);
	hash_row_of(b, name, "M/s", 1.8, &r,
		    describe(s, "independent keys, vs rte_hash_lookup_data"));
	compare(b, s, DEPENDENT, &r);
	snprintf(name, sizeof(name), "single dependent hits %u B %s", words * 8, size);
	hash_row_of(b, name, "M/s", 1.1, &r, describe(s, "each key's address from the last value"));
	for (i = 0; i < 2; i++)
		ask(b, &s[i], MISSES, s[i].n);
	compare(b, s, BATCH, &r);
	snprintf(name, sizeof(name), "batch misses %u B %s", words * 8, size);
	hash_row_of(b, name, "M/s", 0.8, &r,
		    describe(s, "32 at once, vs rte_hash_lookup_bulk_data"));
	if (log2 == b->small) {
		for (i = 0; i < 2; i++)
			ask(b, &s[i], ZIPF, s[i].n);
		compare(b, s, BATCH, &r);
		snprintf(name, sizeof(name), "batch hits Zipf %u B %s", words * 8, size);
		hash_row_of(b, name, "M/s", 1.2, &r, describe(s, "32 at once, Zipf(1.0)"));
	}
	for (i = 0; i < 2; i++)
		hash_subject_close(&s[i]);
}

/* A writer that replaces keys at an even rate, beside a reader of others. */
struct churn {
	const struct subject *s;
	uint64_t stable, oldest, next; /* numbers of keys */
	double rate, got;	       /* replacements a second */
	int stop;
};

static void *churn_run(void *arg)
{
	struct churn *c = arg;
	double start = hash_now(CLOCK_MONOTONIC), t = start;
	uint64_t old[HASH_WORDS_MAX], key[HASH_WORDS_MAX], done = 0;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		t = hash_now(CLOCK_MONOTONIC);
		if ((double)done > (t - start) * c->rate)
			continue;
		hash_key(old, c->s->words, c->oldest++);
		hash_key(key, c->s->words, c->next);
		c->s->side->replace(c->s->t, old, key, c->next++);
		done++;
	}
	c->got = (double)done / (t - start);
	return NULL;
}

static double look_beside(const struct bench *b, struct churn *c, enum way way, uint32_t r)
{
	pthread_t thread;
	double rate;

	c->stop = 0;
	if (pthread_create(&thread, NULL, churn_run, c))
		hash_die("thread", "can't be made");
	rate = look(b, c->s, way, r);
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return rate;
}

/* A ninth of the keys come and go. */
static void beside_a_writer(struct bench *b, uint32_t words)
{
	static const struct {
		enum way way;
		const char *name;
		double floor;
	} ways[] = {
		{SINGLE, "single", 1.8}, {DEPENDENT, "single dependent", 1.8}, {BATCH, "batch", 0}};
	struct subject s[2];
	struct churn c[2];
	struct result r, rates;
	char name[64], how[160];
	uint32_t i, k;

	for (i = 0; i < 2; i++) {
		hash_subject_open(&s[i], i == OURS ? b->side : i, words, b->small);
		hash_fill(&s[i], 0, s[i].n, 1);
		c[i] = (struct churn){.s = &s[i], .stable = s[i].n * 8 / 9, .rate = 500e3};
		c[i].oldest = c[i].stable;
		c[i].next = s[i].n;
		ask(b, &s[i], HITS, c[i].stable);
	}
	for (k = 0; k < 3; k++) {
		for (i = 0; i < b->rounds; i++) {
			double ours = look_beside(b, &c[OURS], ways[k].way, i);

			hash_note(&r, i, ours / 1e6,
				  look_beside(b, &c[PEER], ways[k].way, i) / 1e6);
			hash_note(&rates, i, c[OURS].got / 1e3, c[PEER].got / 1e3);
		}
		snprintf(name, sizeof(name), "%s hits beside a writer %u B %s", ways[k].name,
			 words * 8, hash_size(b, b->small));
		snprintf(how, sizeof(how),
			 "beside a thread that replaces keys, %.0fK/s here, "
			 "%.0fK/s there (at most 500)",
			 hash_median(rates.ours, b->rounds), hash_median(rates.peer, b->rounds));
		hash_row_of(b, name, "M/s", ways[k].floor, &r, describe(s, how));
	}
	for (i = 0; i < 2; i++)
		hash_subject_close(&s[i]);
}

static void measure(struct bench *b)
{
	lookups(b, 2, b->big);
	lookups(b, 8, b->big);
	if (!b->smoke) {
		lookups(b, 2, b->small);
		lookups(b, 8, b->small);
	}
	beside_a_writer(b, 2);
	beside_a_writer(b, 8);
	hash_inserts(b, 2, b->small);
	hash_inserts(b, 8, b->small);
	if (!b->smoke)
		hash_inserts(b, 2, b->big);
	hash_two_writers(b);
	hash_sizes(b);
}

int main(void)
{
	const char *size = getenv("BENCH_SIZE"), *path = getenv("BENCH_JSON");
	struct bench b = {.rounds = 15, .big = 20, .small = 17, .probes = 1 << 18, .rnd = {.s = 1}};

	b.out = path ? fopen(path, "w") : stdout;
	if (!b.out)
		hash_die(path, strerror(errno));
	if (size && !strcmp(size, "smoke")) {
		b.smoke = 1;
		b.rounds = 5;
		b.big = b.small = 13;
		b.probes = 1 << 15;
	}
	/* Pages of 4 KiB, whatever the machine's settings. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	hash_dpdk_start(b.smoke ? 256 : 1536);
	lines_open(&b);
	fprintf(b.out, "[");
	measure(&b);
	b.side = NEAR;
	measure(&b);
	fprintf(b.out, "]\n");
	return b.out != stdout && fclose(b.out) ? 1 : 0;
}
