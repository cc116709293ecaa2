// SPDX-License-Identifier: Apache-2.0
/* Seeds: from the environment or the clock, always printed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "rand.h"

struct rnd rnd_new(const char *test)
{
	const char *env = getenv("SEED");
	struct timespec now;
	struct rnd r;

	clock_gettime(CLOCK_REALTIME, &now);
	r.s = env && *env ? strtoull(env, NULL, 0)
			  : (__u64)now.tv_sec * 1000000007ULL + now.tv_nsec + getpid();
	fprintf(stderr, "%s: SEED=%llu\n", test, r.s);
	return r;
}

struct rnd rnd_fork(struct rnd *r)
{
	return (struct rnd){rnd_next(r)};
}

__u64 rnd_scaled(__u64 n)
{
	const char *env = getenv("SCALE");

	if (env && *env)
		return n * strtoull(env, NULL, 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return n / 5 ? n / 5 : 1;
#endif
	return n;
}
