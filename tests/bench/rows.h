/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - rounds that alternate between ours and a peer's, and the medians of their ratios as rows
 * of the file that BENCH_JSON names.
 */
#ifndef CXLTAB_BENCH_ROWS_H
#define CXLTAB_BENCH_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	ROWS_ROUNDS_MAX = 41,
};

struct rows {
	FILE *out;
	int smoke; /* BENCH_SIZE=smoke */
	uint32_t n;
};

struct rows_series {
	uint32_t n;
	double ours[ROWS_ROUNDS_MAX], peer[ROWS_ROUNDS_MAX], ratio[ROWS_ROUNDS_MAX];
};

void rows_open(struct rows *);
/* The program's exit status. */
int rows_close(struct rows *);
void rows_die(const char *what, const char *why) __attribute__((noreturn));
void *rows_must(size_t size);

/* Seconds of CPU time of this thread. */
double rows_cpu(void);
double rows_median(const double *values, uint32_t n);

/* A round; the ratio is above 1 if ours is better. */
void rows_note(struct rows_series *, double ours, double peer, double ratio);
/* floor: what the ratio should reach at least, 0 if nothing is asked. */
void rows_add(struct rows *, const char *name, const char *unit, double floor,
	      const struct rows_series *, const char *how, ...)
	__attribute__((format(printf, 6, 7)));

#endif
