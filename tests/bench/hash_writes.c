// SPDX-License-Identifier: Apache-2.0
/* The writers' part of bench_hash, and what tables take. */
#include <pthread.h>
#include <stdlib.h>

#include "hash_bench.h"

static double filling(uint32_t side, uint32_t words, uint32_t log2, int batch)
{
	struct subject s;
	double took;

	hash_subject_open(&s, side, words, log2);
	took = hash_fill(&s, 0, s.n, batch);
	hash_subject_close(&s);
	return (double)s.n / took / 1e6;
}

void hash_inserts(struct bench *b, uint32_t words, uint32_t log2)
{
	struct result single, batch;
	uint32_t i, rounds = b->rounds;
	char name[64];

	b->rounds = 5;
	for (i = 0; i < b->rounds; i++) {
		double peer = filling(PEER, words, log2, 0);

		hash_note(&single, i, filling(b->side, words, log2, 0), peer);
		hash_note(&batch, i, filling(b->side, words, log2, 1), peer);
	}
	snprintf(name, sizeof(name), "inserts %u B %s", words * 8, hash_size(b, log2));
	hash_row_of(
		b, name, "M/s", 1.5, &single,
		"empty to 90% of each one's slots, cxlt_exact_insert vs rte_hash_add_key_data, CPU "
		"time");
	snprintf(name, sizeof(name), "inserts in batches %u B %s", words * 8, hash_size(b, log2));
	hash_row_of(b, name, "M/s", 2.5, &batch,
		    "empty to 90% of each one's slots, cxlt_exact_insert_batch of 256 vs single "
		    "rte_hash_add_key_data, CPU time");
	b->rounds = rounds;
}

/*
 * Two threads at one piece of work, or one at all of it.  The plain work is adding to random lines of as
 * much memory as the table has buckets: what one writer stores to, the other finds in the wrong cache.
 */
struct share {
	struct bench *b;
	struct subject *s; /* NULL: add to random words */
	uint32_t thread, threads;
	pthread_barrier_t *barrier;
	const uint64_t *keys;
	double end;
};

static void *share_run(void *arg)
{
	struct share *w = arg;
	uint64_t n, from, i;

	pthread_barrier_wait(w->barrier);
	if (w->s) {
		n = w->s->n / w->threads;
		from = n * w->thread;
		if (w->s->side->insert(w->s->t, w->thread, w->keys + from * w->s->words, from, n) !=
		    n)
			hash_die("insert", "full below 90%");
	} else {
		n = (1 << 20) / w->threads;
		from = n * w->thread;
		for (i = from; i < from + n; i++)
			w->b->memory[((uint64_t)w->b->lines[i] << w->b->small >> 32) * 8 + 1]++;
	}
	w->end = hash_now(CLOCK_MONOTONIC);
	return NULL;
}

/* Seconds by the clock on the wall. */
static double shared(struct bench *b, struct subject *s, const uint64_t *keys, uint32_t threads)
{
	pthread_barrier_t barrier;
	struct share w[2];
	pthread_t thread[2];
	double start, end = 0;
	uint32_t i;

	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (i = 0; i < threads; i++) {
		w[i] = (struct share){b, s, i, threads, &barrier, keys, 0};
		if (pthread_create(&thread[i], NULL, share_run, &w[i]))
			hash_die("thread", "can't be made");
	}
	start = hash_now(CLOCK_MONOTONIC);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		end = w[i].end > end ? w[i].end : end;
	}
	pthread_barrier_destroy(&barrier);
	return end - start;
}

void hash_two_writers(struct bench *b)
{
	uint32_t rounds = b->rounds, i, threads;
	struct subject s;
	struct result r;
	uint64_t *keys, k;

	hash_subject_open(&s, b->side, 2, b->small);
	keys = hash_must(s.n * 16);
	for (k = 0; k < s.n; k++)
		hash_key(keys + k * 2, 2, k);
	hash_subject_close(&s);
	b->rounds = 7;
	for (i = 0; i < b->rounds; i++) {
		double took[3], plain[3];

		for (threads = 1; threads <= 2; threads++) {
			hash_subject_open(&s, b->side, 2, b->small);
			took[threads] = shared(b, &s, keys, threads);
			hash_subject_close(&s);
			plain[threads] = shared(b, NULL, NULL, threads);
		}
		hash_note(&r, i, took[1] / took[2], plain[1] / plain[2]);
	}
	free(keys);
	hash_row_of(
		b, "two writers, 16 B", "x one's", 0.85, &r,
		"two threads, a handle each, insert disjoint halves of the keys, by the clock on "
		"the "
		"wall, against the same for adding to random words of memory");
	b->rounds = rounds;
}

/* How far it can be filled. */
static double limit_of(const struct bench *b, uint32_t side)
{
	uint64_t key[2], i;
	struct subject s;

	hash_subject_open(&s, side, 2, b->small);
	for (i = 0; i < s.slots; i++) {
		hash_key(key, 2, i);
		if (!s.side->insert(s.t, 0, key, i, 1))
			break;
	}
	hash_subject_close(&s);
	return 100.0 * (double)i / (double)s.slots;
}

void hash_sizes(struct bench *b)
{
	double ours = limit_of(b, b->side), peer = limit_of(b, PEER);
	uint32_t words, i;
	char name[64];

	hash_row(b, "load before -ENOSPC", "%", 0, ours, peer, ours / peer,
		 "single inserts into 2^%u buckets until the first is refused, entries of slots; "
		 "ratio "
		 "above 1: ours is better",
		 b->small);
	for (words = 2; words <= 8; words += 6) {
		double index[2], all[2];

		for (i = 0; i < 2; i++) {
			struct subject s;

			hash_subject_open(&s, i == OURS ? b->side : i, words, b->small);
			hash_fill(&s, 0, s.n, 1);
			index[i] = (double)s.side->index_bytes(s.t) / (double)s.n;
			all[i] = (double)s.side->all_bytes(s.t) / (double)s.n;
			hash_subject_close(&s);
		}
		snprintf(name, sizeof(name), "index bytes per entry, %u B", words * 8);
		hash_row(b, name, "B", 0, index[OURS], index[PEER], index[PEER] / index[OURS],
			 "at 90%%: buckets and bitmaps; there buckets and the ring of free places; "
			 "ratio "
			 "above 1: ours is better");
		snprintf(name, sizeof(name), "bytes per entry, %u B", words * 8);
		hash_row(b, name, "B", 0, all[OURS], all[PEER], all[PEER] / all[OURS],
			 "at 90%%, key and 8-byte value included (lines of 64 B here; there each "
			 "slot "
			 "has "
			 "its entry, used or not); ratio above 1: ours is better");
	}
	if (b->side == NEAR)
		return;
	hash_row(b, "bytes per rule", "B", 0, hash_rule_bytes(b->smoke ? 10000 : 100000), 0, 0,
		 "rules of a 5-tuple with one action: entry, host's and device's counters, its "
		 "share of "
		 "buckets; no peer");
}
