/* SPDX-License-Identifier: Apache-2.0 */
/* hash_bench.h - what the parts of bench_hash share. */
#ifndef CXLTAB_BENCH_HASH_BENCH_H
#define CXLTAB_BENCH_HASH_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "hash_side.h"
#include "rand.h"

enum {
	ROUNDS_MAX = 31,
	OURS = 0,
	PEER = 1,
	NEAR = 2,     /* ours, entries in the page of their bucket */
	BLOCK = 4096, /* keys made at once */
};

struct bench {
	FILE *out;
	int smoke;
	uint32_t side;		     /* OURS or NEAR: what is measured */
	uint32_t rounds, big, small; /* log2 of buckets */
	uint64_t probes;
	struct rnd rnd;
	const uint32_t *lines; /* what to load in random order, 1 << 20 indexes */
	volatile uint64_t *memory;
	uint64_t n_lines;
};

/* A table at 90%, and what it is asked for. */
struct subject {
	const struct hash_side *side;
	struct hash_table *t;
	uint32_t words;
	uint64_t n, slots;
	uint64_t *keys;	     /* to ask for, in order */
	uint64_t *sums;	     /* of the values of each quarter of them */
	uint64_t expect_hit; /* all of them, or none */
};

struct result {
	double ours[ROUNDS_MAX], peer[ROUNDS_MAX], ratio[ROUNDS_MAX];
};

double hash_now(clockid_t clock);
void *hash_must(size_t size);
/* Key number i; its first word alone tells it from all others. */
void hash_key(uint64_t *key, uint32_t words, uint64_t i);
double hash_median(const double *values, uint32_t n);
void hash_note(struct result *r, uint32_t round, double ours, double peer);

/* ratio > 1: ours is better; floor is what it should reach at least, 0 if nothing is asked. */
void hash_row(struct bench *b, const char *name, const char *unit, double floor, double ours,
	      double peer, double ratio, const char *how, ...)
	__attribute__((format(printf, 8, 9)));
/* The medians of b->rounds rounds. */
void hash_row_of(struct bench *b, const char *name, const char *unit, double floor,
		 const struct result *r, const char *how);
const char *hash_size(const struct bench *b, uint32_t log2);

/* An empty table of 2^log2 buckets. */
void hash_subject_open(struct subject *s, uint32_t side, uint32_t words, uint32_t log2);
void hash_subject_close(struct subject *s);
/* Puts keys [from, to) in; the CPU time that it took. */
double hash_fill(const struct subject *s, uint64_t from, uint64_t to, int batch);

void hash_inserts(struct bench *b, uint32_t words, uint32_t log2);
void hash_two_writers(struct bench *b);
void hash_sizes(struct bench *b);

#endif
