/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What xdp_classify.bpf.c and bench_tuples.c agree on. */
#ifndef TESTS_XDP_CLASSIFY_H
#define TESTS_XDP_CLASSIFY_H

enum {
	CLASSIFY_KEYS = 64, /* of one program run */
};

#endif
