// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void rows_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

void *rows_must(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		rows_die("memory", "there isn't enough");
	return p;
}

void rows_open(struct rows *r)
{
	const char *size = getenv("BENCH_SIZE"), *path = getenv("BENCH_JSON");

	r->n = 0;
	r->smoke = size && !strcmp(size, "smoke");
	r->out = path ? fopen(path, "w") : stdout;
	if (!r->out)
		rows_die(path, strerror(errno));
	fprintf(r->out, "[");
}

int rows_close(struct rows *r)
{
	fprintf(r->out, "]\n");
	return fflush(r->out) || ferror(r->out) || (r->out != stdout && fclose(r->out));
}

double rows_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double rows_median(const double *values, uint32_t n)
{
	double v[ROWS_ROUNDS_MAX];

	memcpy(v, values, n * sizeof(*v));
	qsort(v, n, sizeof(*v), ascending);
	return v[n / 2];
}

void rows_note(struct rows_series *s, double ours, double peer, double ratio)
{
	if (s->n == ROWS_ROUNDS_MAX)
		rows_die("rounds", "too many");
	s->ours[s->n] = ours;
	s->peer[s->n] = peer;
	s->ratio[s->n++] = ratio;
}

void rows_add(struct rows *r, const char *name, const char *unit, double floor,
	      const struct rows_series *s, const char *how, ...)
{
	double ours = rows_median(s->ours, s->n), peer = rows_median(s->peer, s->n),
	       ratio = rows_median(s->ratio, s->n);
	va_list ap;
	uint32_t i;

	fprintf(r->out, "%s{\"name\": \"%s\", \"ours\": %.4g, \"peer\": %.4g, \"unit\": \"%s\", ",
		r->n++ ? ",\n " : "", name, ours, peer, unit);
	fprintf(r->out, "\"ratio\": %.3f, ", ratio);
	if (floor > 0)
		fprintf(r->out, "\"floor\": %.2f, ", floor);
	fprintf(r->out, "\"how\": \"");
	va_start(ap, how);
	vfprintf(r->out, how, ap);
	va_end(ap);
	fprintf(r->out, "; ratio above 1: ours is better; medians of %u alternating rounds\"}",
		s->n);
	fprintf(stderr, "%-28s %9.4g %9.4g %-9s %.3f; rounds:", name, ours, peer, unit, ratio);
	for (i = 0; i < s->n; i++)
		fprintf(stderr, " %.2f", s->ratio[i]);
	fprintf(stderr, "\n");
}
