/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rand.h - random numbers for tests that can be repeated.
 *
 * A test seeds its generator once; the seed is printed, and SEED= in the environment replaces it:
 *	make check TEST=exact SEED=1234
 * SCALE= multiplies the loop counts, for hours of torture by hand.
 */
#ifndef CXLTAB_TESTS_RAND_H
#define CXLTAB_TESTS_RAND_H

#include <linux/types.h>

struct rnd {
	__u64 s;
};

/* $SEED or the clock; printed with the test's name. */
struct rnd rnd_new(const char *test);
/* A generator of its own, for a thread or a child. */
struct rnd rnd_fork(struct rnd *);
/* n, times $SCALE; under a sanitizer, which is slower, a fifth of it. */
__u64 rnd_scaled(__u64 n);

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline __u64 rnd_next(struct rnd *r)
{
	__u64 z = r->s += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 to n - 1. */
static inline __u32 rnd_below(struct rnd *r, __u32 n)
{
	return ((rnd_next(r) >> 32) * n) >> 32;
}

static inline int rnd_one_in(struct rnd *r, __u32 n)
{
	return rnd_below(r, n) == 0;
}

#endif
