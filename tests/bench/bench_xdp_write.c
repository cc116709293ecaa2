// SPDX-License-Identifier: Apache-2.0
/*
 * Writes from XDP: insert, modify and delete of an exact table in a BPF arena (exact_write.h)
 * against BPF_MAP_TYPE_HASH, under BPF_PROG_TEST_RUN, with random keys in tables that are half full.
 * Rounds alternate; medians are compared, less that of the same loop without a write.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "../bpf/exact_write.h"
#include "rows.h"
#include "sandbox.h"
#include "exact_write.skel.h"

enum {
	ROUNDS_MAX = ROWS_ROUNDS_MAX,
	BATCH = 4096,
	RUNS = 200, /* of WRITE_KEYS writes each, in a phase of a round */
	PHASES = 3,
};

static const char *const phase_name[PHASES] = {"insert", "modify", "delete"};

struct world {
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct exact_write_bpf *skel;
	__u32 n; /* entries that both are made for */
	char name[32];
};

/* The verifier's log would be megabytes. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static void die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(rc < 0 ? -rc : rc), cxlt_error_text());
	exit(1);
}

/* The key numbers that stay are beyond all that are written. */
static void half_fill(struct world *w, __u32 tuple)
{
	static __u64 keys[BATCH * WRITE_KEY], vals[BATCH];
	__u32 i, k, word, n;

	for (i = 0; i < w->n / 2; i += n) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		long done;

		n = w->n / 2 - i < BATCH ? w->n / 2 - i : BATCH;
		for (k = 0; k < n; k++) {
			vals[k] = i + k;
			for (word = 0; word < WRITE_KEY; word++)
				keys[k * WRITE_KEY + word] = write_word((1ULL << 40) + i + k, word);
		}
		done = cxlt_exact_insert_batch(w->writer, tuple, n, keys, vals);
		if (done != (long)n)
			die("insert", done < 0 ? (int)done : -ENOSPC);
		k = n;
		if (bpf_map_update_batch(bpf_map__fd(w->skel->maps.hash), keys, vals, &k, &opts))
			die("map update", -errno);
	}
}

static void open_world(struct world *w)
{
	struct cxlt_slice_config config = {.size = (__u64)w->n * CXLT_LINE * 3 + (64 << 20)};
	__u32 tuple;
	int rc;

	snprintf(w->name, sizeof(w->name), "bench_write_%d", (int)getpid());
	rc = cxlt_slice_create(w->name, &config, &w->slice);
	if (rc)
		die("slice", rc);
	rc = cxlt_writer_open(w->slice, &w->writer);
	if (!rc)
		rc = cxlt_exact_create(w->writer, "bench", WRITE_KEY, WRITE_VAL, w->n, 0);
	tuple = cxlt_exact_open(w->slice, "bench");
	if (!rc)
		rc = cxlt_exact_stock(w->writer, tuple, (__u32)libbpf_num_possible_cpus(),
				      (RUNS + 1) * WRITE_KEYS);
	if (rc < 0)
		die("exact table", rc);
	w->skel = exact_write_bpf__open();
	if (!w->skel)
		die("open", -errno);
	cxlt_slice_view(w->slice, 0, &w->skel->rodata->slice_view);
	w->skel->rodata->slice_view.base = 0;
	w->skel->rodata->tuple = tuple;
	bpf_map__reuse_fd(w->skel->maps.arena, cxlt_slice_fd(w->slice));
	bpf_map__set_max_entries(w->skel->maps.hash, w->n);
	rc = exact_write_bpf__load(w->skel);
	if (rc)
		die("load", rc);
	half_fill(w, tuple);
}

static void close_world(struct world *w)
{
	exact_write_bpf__destroy(w->skel);
	cxlt_writer_close(w->writer);
	cxlt_slice_close(w->slice);
	cxlt_slice_destroy(w->name);
}

/* ns a write, of keys from `first` on; dies unless all were done. */
static double measure(struct world *w, const char *kind, const char *phase, __u64 first)
{
	char packet[64] = {0}, name[32];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = RUNS);
	const struct bpf_program *prog;
	int rc;

	snprintf(name, sizeof(name), "%s%s%s", kind, *phase ? "_" : "", phase);
	prog = bpf_object__find_program_by_name(w->skel->obj, name);
	w->skel->bss->next_key = first;
	w->skel->bss->done = 0;
	rc = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	if (rc)
		die("test run", rc);
	if (w->skel->bss->done != RUNS * WRITE_KEYS) {
		fprintf(stderr, "%s: %llu done of %u\n", name, w->skel->bss->done,
			RUNS * WRITE_KEYS);
		exit(1);
	}
	return (double)opts.duration / WRITE_KEYS;
}

int main(void)
{
	const char *path = getenv("BENCH_JSON"), *size = getenv("BENCH_SIZE");
	int smoke = size && !strcmp(size, "smoke");
	__u32 rounds = smoke ? 9 : ROUNDS_MAX, r, k;
	struct world w = {.n = smoke ? 1 << 16 : 1000000};
	double slice[PHASES][ROUNDS_MAX], hash[PHASES][ROUNDS_MAX], base[ROUNDS_MAX], loop;
	const char *what;
	FILE *out = path ? fopen(path, "w") : stdout;
	cpu_set_t one;
	int rc;

	if (!out)
		die(path, -errno);
	/* Behind the path, which may lead elsewhere there. */
	rc = sandbox_enter(&what);
	if (rc)
		die(what, rc);
	/* One CPU's stock. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	libbpf_set_print(quiet);
	open_world(&w);
	for (r = 0; r < rounds; r++) {
		__u64 first = (__u64)r * RUNS * WRITE_KEYS;

		base[r] = measure(&w, "base", "", first);
		for (k = 0; k < PHASES; k++)
			slice[k][r] = measure(&w, "slice", phase_name[k], first);
		for (k = 0; k < PHASES; k++)
			hash[k][r] = measure(&w, "hash", phase_name[k], first);
	}
	close_world(&w);
	loop = rows_median(base, rounds);
	fprintf(out, "[\n");
	for (k = 0; k < PHASES; k++) {
		double ours = rows_median(slice[k], rounds) - loop;
		double peer = rows_median(hash[k], rounds) - loop;

		fprintf(stderr, "%s: slice %.1f ns, hash %.1f ns, loop %.1f ns\n", phase_name[k],
			ours, peer, loop);
		fprintf(out,
			" {\"name\": \"xdp-write %s\", \"ours\": %.2f, \"peer\": %.2f, "
			"\"unit\": \"ns\", \"ratio\": %.3f, \"how\": \"exact_write.h in XDP "
			"against "
			"BPF_MAP_TYPE_HASH, both for %u entries of 16 B and half full, under test "
			"run; random keys, in modify and delete those just inserted; medians of %u "
			"interleaved rounds, less %.2f ns of the "
			"loop itself\"}%s\n",
			phase_name[k], ours, peer, ours / peer, w.n, rounds, loop,
			k == PHASES - 1 ? "" : ",");
	}
	fprintf(out, "]\n");
	return fclose(out) ? 1 : 0;
}
