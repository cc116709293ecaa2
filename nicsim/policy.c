// SPDX-License-Identifier: Apache-2.0
/* What a full set of the MAT evicts; the policies' meanings are in profile.h. */
#include "mat.h"
#include "simd.h"

/* LRU: use[] holds each way's rank, 0 the most recent: a permutation of 0..ways-1. */
static void lru_touch(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
	cxlt_simd_age(s->use, s->use[way]);
	s->use[way] = 0;
}

static __u32 lru_victim(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	__u32 last = cxlt_simd_find8(s->use, m->ways - 1) & ((1U << m->ways) - 1);

	return last ? __builtin_ctz(last) : 0;
}

/* CLOCK: use[] is the reference bit; the hand clears as it passes. */
static void clock_touch(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
	s->use[way] = 1;
}

/* The first use counts once the entry is used again: what comes once goes first. */
static void clock_filled(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
	s->use[way] = 0;
}

/* Passes over the ways in `spare`; two rounds suffice, the first clears every bit. */
static __u32 clock_sweep(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 spare)
{
	__u32 i, way = 0;

	for (i = 0; i < 2 * m->ways; i++) {
		way = s->hand;
		s->hand = way + 1 == m->ways ? 0 : way + 1;
		if (spare >> way & 1)
			continue;
		if (!s->use[way])
			return way;
		s->use[way] = 0;
	}
	return way;
}

static __u32 clock_victim(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	return clock_sweep(m, s, 0);
}

static __u32 pinned_victim(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	__u32 all = (1U << m->ways) - 1;

	return clock_sweep(m, s, (s->pinned & all) == all ? 0 : s->pinned);
}

/* LFU: use[] counts; when one is full, all are halved, so that old fame fades. */
static void lfu_touch(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
	__u32 i;

	if (s->use[way] == 0xff)
		for (i = 0; i < CXLT_MAT_WAYS_MAX; i++)
			s->use[i] >>= 1;
	s->use[way]++;
}

static void lfu_filled(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
	s->use[way] = 1;
}

/* The least, from the hand on, so that equals take turns. */
static __u32 lfu_victim(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	__u32 i, best = s->hand;

	for (i = 0; i < m->ways; i++) {
		__u32 way = s->hand + i < m->ways ? s->hand + i : s->hand + i - m->ways;

		if (s->use[way] < s->use[best])
			best = way;
	}
	s->hand = best + 1 == m->ways ? 0 : best + 1;
	return best;
}

static void random_touch(struct cxlt_mat *m, struct cxlt_mat_set *s, __u32 way)
{
}

/* xorshift64* (Vigna 2016); a multiply and shift scale it to the ways without a division. */
static __u32 random_victim(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	m->rng ^= m->rng >> 12;
	m->rng ^= m->rng << 25;
	m->rng ^= m->rng >> 27;
	return (__u32)(((m->rng * 0x2545f4914f6cdd1dULL) >> 32) * m->ways >> 32);
}

static const struct cxlt_mat_rules rules[CXLT_N_MAT_POLICIES] = {
	[CXLT_MAT_LRU] = {lru_touch, lru_touch, lru_victim},
	[CXLT_MAT_CLOCK] = {clock_touch, clock_filled, clock_victim},
	[CXLT_MAT_LFU] = {lfu_touch, lfu_filled, lfu_victim},
	[CXLT_MAT_RANDOM] = {random_touch, random_touch, random_victim},
	[CXLT_MAT_PINNED] = {clock_touch, clock_filled, pinned_victim},
};

const struct cxlt_mat_rules *cxlt_mat_rules_of(__u32 policy)
{
	return policy < CXLT_N_MAT_POLICIES ? &rules[policy] : NULL;
}
