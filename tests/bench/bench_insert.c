// SPDX-License-Identifier: Apache-2.0
/*
 * How fast entries are stored: exact keys and whole rules through the library, beside
 * bpf_map_update_batch() into a preallocated BPF_MAP_TYPE_HASH.  Rounds alternate, medians are
 * compared.  Each round starts with an empty table; laying it out is not timed on either side.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cxltab/action.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

enum {
	ROUNDS = 7,
	BATCH = 4096,
	RULES = 256, /* of a batch; they stay in the cache */
	KEY_WORDS = 2,
	VAL_WORDS = 2,
};

struct bench {
	__u32 n;
	__u64 *keys, *vals;
	double exact[ROUNDS], rules[ROUNDS], peer[ROUNDS]; /* inserts a second */
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	/* CPU time, the kernel's on our behalf included: a neighbour must not count. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Distinct and in no order: an odd multiplier permutes. */
static void make_keys(struct bench *b)
{
	__u32 i;

	b->keys = malloc((size_t)b->n * KEY_WORDS * 8);
	b->vals = malloc((size_t)b->n * VAL_WORDS * 8);
	if (!b->keys || !b->vals)
		die("keys", "out of memory");
	for (i = 0; i < b->n; i++) {
		__u64 x = (__u64)(i + 1) * 0x9e3779b97f4a7c15ULL;

		b->keys[2 * i] = x;
		b->keys[2 * i + 1] = (x >> 29) * 0xbf58476d1ce4e5b9ULL;
		b->vals[2 * i] = i;
		b->vals[2 * i + 1] = ~(__u64)i;
	}
}

static struct cxlt_slice *make_slice(__u64 size, struct cxlt_writer **w)
{
	const struct cxlt_slice_config config = {.size = size};
	struct cxlt_slice *s;

	char *base;
	__u64 at;

	if (cxlt_slice_create_memfd("bench", &config, &s) || cxlt_writer_open(s, w))
		die("slice", cxlt_error_text());
	/*
	 * The map's elements were written to by its creation.  Under shadow paging a populated page
	 * still faults at its first store from here, which a slice in use has behind it.
	 */
	base = cxlt_slice_base(s);
	for (at = 0; at < size; at += 4096)
		__atomic_fetch_add(base + at, 0, __ATOMIC_RELAXED);
	return s;
}

static double run_exact(const struct bench *b)
{
	struct cxlt_writer *w;
	struct cxlt_slice *s = make_slice(((__u64)b->n * 160) + (16 << 20), &w);
	double start, took;
	__u32 tuple, i;

	if (cxlt_exact_create(w, "bench", KEY_WORDS, VAL_WORDS, b->n, 0) < 0)
		die("exact table", cxlt_error_text());
	tuple = cxlt_exact_open(s, "bench");
	start = now();
	for (i = 0; i < b->n; i += BATCH) {
		__u32 n = b->n - i < BATCH ? b->n - i : BATCH;
		long done = cxlt_exact_insert_batch(w, tuple, n, b->keys + 2 * (size_t)i,
						    b->vals + 2 * (size_t)i);

		if (done != n)
			die("insert", cxlt_error_text());
	}
	took = now() - start;
	cxlt_writer_close(w);
	cxlt_slice_close(s);
	return b->n / took;
}

static double run_rules(const struct bench *b)
{
	static struct cxlt_rule_spec specs[RULES];
	const __u64 prog[] = {cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2)};
	struct cxlt_writer *w;
	struct cxlt_slice *s = make_slice(((__u64)b->n * 384) + (16 << 20), &w);
	double start, took;
	__u32 i, j, done;

	/* The 5-tuple of IPv4 connections. */
	for (i = 0; i < RULES; i++) {
		struct cxlt_rule_spec *spec = &specs[i];

		spec->priority = 100;
		spec->n_prog = 1;
		spec->prog = prog;
		spec->mask.w[CXLT_W_PORT] = 0xffffff00;
		spec->mask.w[CXLT_W_IPV4] = ~0ULL;
		spec->mask.w[CXLT_W_L4] = 0xffffffff00000000;
		spec->value.w[CXLT_W_PORT] = 0x08000600;
	}
	start = now();
	for (i = 0; i < b->n; i += j) {
		for (j = 0; j < RULES && i + j < b->n; j++) {
			const __u64 *key = &b->keys[2 * (size_t)(i + j)];

			specs[j].value.w[CXLT_W_IPV4] = key[0];
			specs[j].value.w[CXLT_W_L4] = key[1] & specs[j].mask.w[CXLT_W_L4];
			specs[j].cookie = i + j;
		}
		if (cxlt_rule_add_batch(w, j, specs, &done) < 0)
			die("rule", cxlt_error_text());
	}
	took = now() - start;
	cxlt_writer_close(w);
	cxlt_slice_close(s);
	return b->n / took;
}

static double run_peer(const struct bench *b)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "bench", KEY_WORDS * 8, VAL_WORDS * 8, b->n,
				NULL);
	double start, took;
	__u32 i;

	if (fd < 0)
		die("BPF hash", strerror(errno));
	start = now();
	for (i = 0; i < b->n; i += BATCH) {
		__u32 n = b->n - i < BATCH ? b->n - i : BATCH;

		if (bpf_map_update_batch(fd, b->keys + 2 * (size_t)i, b->vals + 2 * (size_t)i, &n,
					 NULL))
			die("bpf_map_update_batch", strerror(errno));
	}
	took = now() - start;
	close(fd);
	return b->n / took;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void report(FILE *out, const char *name, double ours, double peer, double floor, __u32 n)
{
	fprintf(out,
		"%s{\"name\": \"%s\", \"ours\": %.0f, \"peer\": %.0f, \"unit\": \"inserts/s\", "
		"\"ratio\": %.3f, \"floor\": %.1f, \"how\": \"%u into an empty table, against "
		"bpf_map_update_batch of 16-byte keys and values into a preallocated hash; medians "
		"of %d alternating rounds\"}",
		ftell(out) > 1 ? ",\n" : "", name, ours, peer, ours / peer, floor, n, ROUNDS);
}

/* All three at one size. */
static void measure(FILE *out, __u32 n, const char *exact_name, const char *rules_name)
{
	struct bench b = {.n = n};
	int i;

	make_keys(&b);
	for (i = 0; i < ROUNDS; i++) {
		b.peer[i] = run_peer(&b);
		b.exact[i] = run_exact(&b);
		b.rules[i] = run_rules(&b);
		fprintf(stderr, "%u, round %d: exact %.0f/s, rules %.0f/s, bpf %.0f/s\n", n, i + 1,
			b.exact[i], b.rules[i], b.peer[i]);
	}
	report(out, exact_name, median(b.exact), median(b.peer), 3.0, n);
	report(out, rules_name, median(b.rules), median(b.peer), 1.0, n);
	free(b.keys);
	free(b.vals);
}

int main(void)
{
	const char *size = getenv("BENCH_SIZE"), *path = getenv("BENCH_JSON");
	FILE *out = path ? fopen(path, "w") : stdout;

	if (!out)
		die(path, strerror(errno));
	fprintf(out, "[");
	if (size && !strcmp(size, "smoke")) {
		measure(out, 50000, "insert exact keys", "insert whole rules");
	} else {
		measure(out, 100000, "insert exact keys, 100,000", "insert whole rules, 100,000");
		measure(out, 1000000, "insert exact keys, 1M", "insert whole rules, 1M");
	}
	fprintf(out, "]\n");
	if (out != stdout && fclose(out))
		die(path, strerror(errno));
	return 0;
}
