// SPDX-License-Identifier: Apache-2.0
/*
 * Lookup in XDP: cxlt_exact_find() in a BPF arena against BPF_MAP_TYPE_HASH, under
 * BPF_PROG_TEST_RUN, with uniformly random keys that are all there.  The map is made for as many
 * entries as there are, as its users make it (a bucket for each), and for twice as many (so that
 * both are about half full).  Rounds alternate; medians are compared, less that of the same loop
 * without a lookup.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "../bpf/xdp_lookup.h"
#include "rows.h"
#include "sandbox.h"
#include "xdp_lookup.skel.h"

enum {
	ROUNDS_MAX = ROWS_ROUNDS_MAX,
	BATCH = 4096,
	WORDS_MAX = 8,
};

struct setup {
	__u32 words;
	__u32 n;    /* keys, and what the table is made for */
	__u32 room; /* what the map is made for */
	const char *map;
	double ceiling; /* of the ratio */
};

struct world {
	double load; /* of the table's slots */
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct xdp_lookup_bpf *skel;
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

static struct bpf_program *prog_of(struct xdp_lookup_bpf *skel, const char *kind, __u32 words)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_%u", kind, words);
	return bpf_object__find_program_by_name(skel->obj, name);
}

static void fill(struct world *w, const struct setup *s, __u32 tuple)
{
	static __u64 keys[BATCH * WORDS_MAX], vals[BATCH];
	struct bpf_map *map = s->words == 2 ? w->skel->maps.hash2 : w->skel->maps.hash8;
	__u32 i, k, word, n;

	for (i = 0; i < s->n; i += n) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		long done;

		n = s->n - i < BATCH ? s->n - i : BATCH;
		for (k = 0; k < n; k++) {
			vals[k] = i + k;
			for (word = 0; word < s->words; word++)
				keys[k * s->words + word] = lookup_word(i + k, word);
		}
		done = cxlt_exact_insert_batch(w->writer, tuple, n, keys, vals);
		if (done != (long)n)
			die("insert", done < 0 ? (int)done : -ENOSPC);
		k = n;
		if (bpf_map_update_batch(bpf_map__fd(map), keys, vals, &k, &opts))
			die("map update", -errno);
	}
}

static __u32 table_log2(const struct cxlt_slice *slice, __u32 tuple)
{
	const struct cxlt_tuple *t;
	struct cxlt_view view;

	cxlt_slice_view(slice, 0, &view);
	t = cxlt_line(&view, tuple, 2);
	return t ? CXLT_GEO_LOG2(cxlt_load(&t->geo)) : 0;
}

static void open_world(struct world *w, const struct setup *s)
{
	__u64 lines = (__u64)s->n * ((1 + s->words + 1 + 3) / 4) / 2 + s->n / 3;
	struct cxlt_slice_config config = {.size = lines * CXLT_LINE * 5 / 4 + (64 << 20)};
	__u32 tuple;
	int rc;

	memset(w, 0, sizeof(*w));
	snprintf(w->name, sizeof(w->name), "bench_lookup_%d", (int)getpid());
	rc = cxlt_slice_create(w->name, &config, &w->slice);
	if (rc)
		die("slice", rc);
	rc = cxlt_writer_open(w->slice, &w->writer);
	if (!rc)
		rc = cxlt_exact_create(w->writer, "bench", s->words, 1, s->n, 0);
	if (rc < 0)
		die("exact table", rc);
	tuple = cxlt_exact_open(w->slice, "bench");
	w->skel = xdp_lookup_bpf__open();
	if (!w->skel)
		die("open", -errno);
	cxlt_slice_view(w->slice, 0, &w->skel->rodata->slice_view);
	w->skel->rodata->slice_view.base = 0;
	w->skel->rodata->tuple = tuple;
	w->skel->rodata->n_keys = s->n;
	bpf_map__reuse_fd(w->skel->maps.arena, cxlt_slice_fd(w->slice));
	bpf_map__set_max_entries(s->words == 2 ? w->skel->maps.hash2 : w->skel->maps.hash8,
				 s->room);
	rc = xdp_lookup_bpf__load(w->skel);
	if (rc)
		die("load", rc);
	fill(w, s, tuple);
	w->load = s->n / (7.0 * (1ULL << table_log2(w->slice, tuple)));
}

static void close_world(struct world *w)
{
	xdp_lookup_bpf__destroy(w->skel);
	cxlt_writer_close(w->writer);
	cxlt_slice_close(w->slice);
	cxlt_slice_destroy(w->name);
}

/* ns a lookup; dies unless all were hits. */
static double measure(struct world *w, const char *kind, const struct setup *s, __u32 runs)
{
	char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)runs);
	__u64 before = w->skel->bss->hits;
	int rc = bpf_prog_test_run_opts(bpf_program__fd(prog_of(w->skel, kind, s->words)), &opts);

	if (rc)
		die("test run", rc);
	if (w->skel->bss->hits - before != (__u64)runs * LOOKUPS) {
		fprintf(stderr, "%s: %llu hits of %llu\n", kind, w->skel->bss->hits - before,
			(__u64)runs * LOOKUPS);
		exit(1);
	}
	return (double)opts.duration / LOOKUPS;
}

static void run(FILE *out, const struct setup *s, __u32 rounds, __u32 runs, int last)
{
	static const char *const kinds[] = {"base", "slice", "hash"};
	double ns[3][ROUNDS_MAX], base, ours, peer;
	struct world w;
	__u32 r, k;

	open_world(&w, s);
	for (k = 0; k < 3; k++)
		measure(&w, kinds[k], s, runs / 4 + 1);
	for (r = 0; r < rounds; r++)
		for (k = 0; k < 3; k++)
			ns[k][r] = measure(&w, kinds[k], s, runs);
	base = rows_median(ns[0], rounds);
	ours = rows_median(ns[1], rounds) - base;
	peer = rows_median(ns[2], rounds) - base;
	close_world(&w);
	fprintf(stderr, "%u B, %s: slice %.1f ns, hash %.1f ns, loop %.1f ns\n", s->words * 8,
		s->map, ours, peer, base);
	fprintf(out,
		" {\"name\": \"xdp-lookup %u B, %s\", \"ours\": %.2f, \"peer\": %.2f, "
		"\"unit\": \"ns\", \"ratio\": %.3f, \"ceiling\": %.2f, \"how\": \"cxlt_exact_find "
		"in XDP, %.0f%% of slots taken, against BPF_MAP_TYPE_HASH of %u entries, under "
		"test "
		"run; %u keys, random, hits; medians of %u interleaved rounds, less %.2f ns of the "
		"loop itself\"}%s\n",
		s->words * 8, s->map, ours, peer, ours / peer, s->ceiling, 100 * w.load, s->room,
		s->n, rounds, base, last ? "" : ",");
}

int main(void)
{
	const char *path = getenv("BENCH_JSON"), *size = getenv("BENCH_SIZE");
	int smoke = size && !strcmp(size, "smoke");
	__u32 n = smoke ? 1 << 16 : 1000000, i;
	const struct setup setups[] = {
		{2, n, n, "map of as many", 0.9},
		{2, n, 2 * n, "map of twice as many", 0.9},
		{8, n, n, "map of as many", 0.7},
		{8, n, 2 * n, "map of twice as many", 0.7},
	};
	FILE *out = path ? fopen(path, "w") : stdout;
	const char *what;
	int rc;

	/* Before the sandbox, where the path may lead elsewhere. */
	if (!out)
		die(path, -errno);
	rc = sandbox_enter(&what);
	if (rc)
		die(what, rc);
	libbpf_set_print(quiet);
	fprintf(out, "[\n");
	for (i = 0; i < 4; i++)
		run(out, &setups[i], smoke ? 9 : 41, smoke ? 500 : 1500, i == 3);
	fprintf(out, "]\n");
	return fclose(out) ? 1 : 0;
}
