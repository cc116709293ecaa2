/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What exact_write.bpf.c and those who run it agree on. */
#ifndef TESTS_EXACT_WRITE_H
#define TESTS_EXACT_WRITE_H

#include <cxltab/base.h>

enum write_op {
	WRITE_NOTHING,
	WRITE_PUT,
	WRITE_SET,
	WRITE_REMOVE,
};

enum {
	WRITE_KEY = 2, /* words */
	WRITE_VAL = 1,
	WRITE_COMMANDS = 32, /* of a packet */
	WRITE_KEYS = 64,     /* of one run of `fill`, `drain` and their peers */
};

/* A packet is WRITE_COMMANDS of these; the program writes the results into it. */
struct write_command {
	__u32 op;
	__s32 result;
	__u64 key[WRITE_KEY];
	__u64 val[WRITE_VAL];
};

/* Word w of key n. */
CXLT_INLINE __u64 write_word(__u64 n, __u32 w)
{
	__u64 x = n * WRITE_KEY + w + 1;

	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

#endif
