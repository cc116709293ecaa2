// SPDX-License-Identifier: Apache-2.0
/* Keys, tables at 90%, medians and rows of bench_hash. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hash_bench.h"

static const struct hash_side *const sides[] = {&hash_ours, &hash_dpdk, &hash_near};

void hash_die(const char *what, const char *why)
{
	fprintf(stderr, "bench_hash: %s: %s\n", what, why);
	exit(1);
}

double hash_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void hash_touch(void *at, uint64_t bytes)
{
	volatile uint64_t *word = at;
	uint64_t i;

	for (i = 0; i < bytes / 8; i += 512)
		word[i] = word[i];
}

void *hash_must(size_t size)
{
	void *p = malloc(size);

	if (!p)
		hash_die("memory", "there isn't enough");
	return p;
}

/* Key number i; its first word alone tells it from all others. */
void hash_key(uint64_t *key, uint32_t words, uint64_t i)
{
	uint32_t w;

	for (w = 0; w < words; w++) {
		struct rnd r = {.s = (i + 1) * 0xd1342543de82ef95ULL + w * 0x9e3779b97f4a7c15ULL};

		key[w] = rnd_next(&r);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double hash_median(const double *values, uint32_t n)
{
	double v[ROUNDS_MAX];

	memcpy(v, values, n * sizeof(*v));
	qsort(v, n, sizeof(*v), ascending);
	return v[n / 2];
}

void hash_row(struct bench *b, const char *name, const char *unit, double floor, double ours,
	      double peer, double ratio, const char *how, ...)
{
	const char *near = b->side == NEAR ? ", near" : "";
	char text[512];
	va_list ap;

	va_start(ap, how);
	vsnprintf(text, sizeof(text), how, ap);
	va_end(ap);
	fprintf(b->out, "%s{\"name\": \"%s%s\", \"ours\": %.4g, ", ftell(b->out) > 1 ? ",\n " : "",
		name, near, ours);
	if (peer > 0)
		fprintf(b->out, "\"peer\": %.4g, \"unit\": \"%s\", \"ratio\": %.3f, ", peer, unit,
			ratio);
	else
		fprintf(b->out, "\"peer\": null, \"unit\": \"%s\", \"ratio\": null, ", unit);
	if (floor > 0)
		fprintf(b->out, "\"floor\": %.2f, ", floor);
	fprintf(b->out, "\"how\": \"%s\"}", text);
	fprintf(stderr, "%-44s%-6s %10.4g %10.4g %-9s %.3f\n", name, near, ours, peer, unit, ratio);
}

void hash_row_of(struct bench *b, const char *name, const char *unit, double floor,
		 const struct result *r, const char *how)
{
	hash_row(b, name, unit, floor, hash_median(r->ours, b->rounds),
		 hash_median(r->peer, b->rounds), hash_median(r->ratio, b->rounds),
		 "%s; ratio above 1: ours is better; median of %u rounds", how, b->rounds);
}

void hash_note(struct result *r, uint32_t round, double ours, double peer)
{
	r->ours[round] = ours;
	r->peer[round] = peer;
	r->ratio[round] = ours / peer;
}

/* Puts keys [from, to) in; the CPU time that it took. */
double hash_fill(const struct subject *s, uint64_t from, uint64_t to, int batch)
{
	uint64_t keys[BLOCK / 8 * HASH_WORDS_MAX], i, j, n, done;
	double took = 0;

	for (i = from; i < to; i += n) {
		double start;

		n = to - i < BLOCK / 8 ? to - i : BLOCK / 8;
		for (j = 0; j < n; j++)
			hash_key(keys + j * s->words, s->words, i + j);
		start = hash_now(CLOCK_THREAD_CPUTIME_ID);
		if (batch && s->side->insert_batch)
			done = s->side->insert_batch(s->t, keys, i, n);
		else
			done = s->side->insert(s->t, 0, keys, i, n);
		took += hash_now(CLOCK_THREAD_CPUTIME_ID) - start;
		if (done != n)
			hash_die(s->side->name, "full below 90%");
	}
	return took;
}

void hash_subject_open(struct subject *s, uint32_t side, uint32_t words, uint32_t log2)
{
	memset(s, 0, sizeof(*s));
	s->side = sides[side];
	s->words = words;
	s->slots = s->side->slots_of_bucket << log2;
	s->n = s->slots * 9 / 10;
	s->t = s->side->open(words, log2);
}

void hash_subject_close(struct subject *s)
{
	s->side->close(s->t);
	free(s->keys);
	free(s->sums);
}

const char *hash_size(const struct bench *b, uint32_t log2)
{
	return b->smoke ? "small" : log2 == b->big ? "8M" : "1M";
}
