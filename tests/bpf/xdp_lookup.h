/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What xdp_lookup.bpf.c and bench_xdp_lookup.c agree on. */
#ifndef TESTS_XDP_LOOKUP_H
#define TESTS_XDP_LOOKUP_H

#include <cxltab/base.h>

enum {
	LOOKUPS = 64, /* of one program run */
};

struct lookup_key2 {
	__u64 w[2];
};

struct lookup_key8 {
	__u64 w[8];
};

/* Word w of key n. */
CXLT_INLINE __u64 lookup_word(__u32 n, __u32 w)
{
	__u64 x = (__u64)n * 8 + w + 1;

	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

#endif
