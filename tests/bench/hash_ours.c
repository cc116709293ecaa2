// SPDX-License-Identifier: Apache-2.0
/* Exact tables of a slice in a memfd, and what a rule takes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cxltab/action.h>
#include <cxltab/exact.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "hash_side.h"

enum {
	WRITERS = 2,
};

struct hash_table {
	struct cxlt_slice *slice;
	struct cxlt_writer *w[WRITERS];
	struct cxlt_view view;
	uint32_t tuple;
	uint32_t words;
};

static struct cxlt_slice *slice_of(uint64_t size)
{
	const struct cxlt_slice_config config = {.size = size};
	struct cxlt_slice *s;
	uint64_t bytes;

	if (cxlt_slice_create_memfd("bench", &config, &s))
		hash_die("slice", cxlt_error_text());
	/* Its pages are there, as DPDK's are: the kernel's work isn't measured. */
	bytes = (uint64_t)cxlt_slice_header(s)->n_lines * CXLT_LINE;
	if (madvise(cxlt_slice_base(s), bytes, MADV_POPULATE_WRITE))
		hash_die("slice", strerror(errno));
	hash_touch(cxlt_slice_base(s), bytes);
	return s;
}

static struct hash_table *open_as(uint32_t words, uint32_t log2_buckets, int flags)
{
	struct hash_table *t = calloc(1, sizeof(*t));
	uint64_t slots = 7ULL << log2_buckets, cells = cxlt_exact_cells(words, 1);
	uint32_t i;

	if (!t)
		hash_die("slice", "out of memory");
	t->words = words;
	t->slice =
		slice_of((slots * cells * 2 / 3 + (2ULL << log2_buckets)) * CXLT_LINE + (4 << 20));
	for (i = 0; i < WRITERS; i++)
		if (cxlt_writer_open(t->slice, &t->w[i]))
			hash_die("writer", cxlt_error_text());
	if (cxlt_exact_create(t->w[0], "bench", words, 1, slots * 9 / 10, flags) < 0)
		hash_die("exact table", cxlt_error_text());
	t->tuple = cxlt_exact_open(t->slice, "bench");
	cxlt_slice_view(t->slice, 0, &t->view);
	return t;
}

static struct hash_table *ours_open(uint32_t words, uint32_t log2_buckets)
{
	return open_as(words, log2_buckets, 0);
}

static struct hash_table *near_open(uint32_t words, uint32_t log2_buckets)
{
	return open_as(words, log2_buckets, CXLT_EXACT_NEAR);
}

static void ours_close(struct hash_table *t)
{
	uint32_t i;

	for (i = 0; i < WRITERS; i++)
		cxlt_writer_close(t->w[i]);
	cxlt_slice_close(t->slice);
	free(t);
}

/* Each line has its share of a chunk's descriptor, free list and all. */
static uint64_t bytes_of(uint64_t lines)
{
	return lines * CXLT_LINE + lines * CXLT_LINE / CXLT_CHUNK_LINES;
}

/* Buckets, and the bitmap that the entries are taken from.  Pages of both count as if full. */
static uint64_t ours_index_bytes(const struct hash_table *t)
{
	struct cxlt_usage u;

	cxlt_slice_usage(t->slice, &u);
	if (u.used[CXLT_KIND_NEAR])
		return bytes_of(u.used[CXLT_KIND_NEAR]) * (t->words == 2 ? 16 : 8) / 64;
	/* Entries of one cell leave a line of each chunk to their bitmap. */
	return bytes_of(u.used[CXLT_KIND_BUCKETS]) + bytes_of(u.used[CXLT_KIND_EXACT]) -
	       u.used[CXLT_KIND_EXACT] * CXLT_LINE * (CXLT_CHUNK_LINES - 1) / CXLT_CHUNK_LINES;
}

static uint64_t used_bytes(const struct cxlt_slice *s)
{
	struct cxlt_usage u;
	uint64_t lines = 0;
	uint32_t kind;

	cxlt_slice_usage(s, &u);
	for (kind = 1; kind < CXLT_N_KINDS; kind++)
		lines += u.used[kind];
	return bytes_of(lines);
}

static uint64_t ours_all_bytes(const struct hash_table *t)
{
	return used_bytes(t->slice);
}

static uint64_t ours_insert(struct hash_table *t, uint32_t writer, const uint64_t *keys, uint64_t v,
			    uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		__u64 val = v + i;
		int rc = cxlt_exact_insert(t->w[writer], t->tuple,
					   (const __u64 *)keys + i * t->words, &val);

		if (rc == -ENOSPC)
			break;
		if (rc)
			hash_die("insert", cxlt_error_text());
	}
	return i;
}

static uint64_t ours_insert_batch(struct hash_table *t, const uint64_t *keys, uint64_t v,
				  uint64_t n)
{
	uint64_t i, j, m;
	__u64 vals[256];

	for (i = 0; i < n; i += m) {
		long done;

		m = n - i < 256 ? n - i : 256;
		for (j = 0; j < m; j++)
			vals[j] = v + i + j;
		done = cxlt_exact_insert_batch(t->w[0], t->tuple, (__u32)m,
					       (const __u64 *)keys + i * t->words, vals);
		if (done != (long)m)
			hash_die("insert", cxlt_error_text());
	}
	return n;
}

static void ours_replace(struct hash_table *t, const uint64_t *old, const uint64_t *key, uint64_t v)
{
	__u64 val = v;

	if (cxlt_exact_delete(t->w[0], t->tuple, (const __u64 *)old) ||
	    cxlt_exact_insert(t->w[0], t->tuple, (const __u64 *)key, &val))
		hash_die("replace", cxlt_error_text());
}

CXLT_INLINE struct hash_found find_batch_of(const struct hash_table *t, const __u64 *keys,
					    uint64_t n, uint32_t words)
{
	struct hash_found f = {0, 0};
	struct cxlt_exact_reader r;
	const __u64 *k[HASH_BATCH];
	__u64 val[HASH_BATCH], *v[HASH_BATCH];
	int rc[HASH_BATCH];
	uint64_t i;
	uint32_t j;

	if (cxlt_exact_reader_open(&r, &t->view, t->tuple))
		return f;
	for (j = 0; j < HASH_BATCH; j++)
		v[j] = &val[j];
	for (i = 0; i + HASH_BATCH <= n; i += HASH_BATCH) {
		for (j = 0; j < HASH_BATCH; j++)
			k[j] = keys + (i + j) * words;
		f.hits += cxlt_exact_get_batch(&r, k, HASH_BATCH, words, v, 1, rc);
		for (j = 0; j < HASH_BATCH; j++)
			f.sum += rc[j] ? 0 : val[j];
	}
	return f;
}

/* A constant number of words lets the compiler unroll, as a user's own code would. */
static __attribute__((noinline)) struct hash_found find_batch2(const struct hash_table *t,
							       const __u64 *keys, uint64_t n)
{
	return find_batch_of(t, keys, n, 2);
}

static __attribute__((noinline)) struct hash_found find_batch8(const struct hash_table *t,
							       const __u64 *keys, uint64_t n)
{
	return find_batch_of(t, keys, n, 8);
}

static struct hash_found ours_find_batch(const struct hash_table *t, const uint64_t *keys,
					 uint64_t n)
{
	const __u64 *k = (const __u64 *)keys;

	return t->words == 2 ? find_batch2(t, k, n) : find_batch8(t, k, n);
}

CXLT_INLINE struct hash_found find_of(const struct hash_table *t, const __u64 *keys, uint64_t n,
				      uint32_t words, uint32_t depend)
{
	struct hash_found f = {0, 0};
	struct cxlt_exact_reader r;
	__u64 val = 0;
	uint64_t i;

	if (cxlt_exact_reader_open(&r, &t->view, t->tuple))
		return f;

	for (i = 0; i < n; i++)
		if (!cxlt_exact_get(&r, keys + i * words + (depend ? val >> 63 : 0), words, &val,
				    1)) {
			f.hits++;
			f.sum += val;
		}
	return f;
}

static struct hash_found ours_find(const struct hash_table *t, const uint64_t *keys, uint64_t n)
{
	const __u64 *k = (const __u64 *)keys;

	return t->words == 2 ? find_of(t, k, n, 2, 0) : find_of(t, k, n, 8, 0);
}

static struct hash_found ours_find_dependent(const struct hash_table *t, const uint64_t *keys,
					     uint64_t n)
{
	const __u64 *k = (const __u64 *)keys;

	return t->words == 2 ? find_of(t, k, n, 2, 1) : find_of(t, k, n, 8, 1);
}

double hash_rule_bytes(uint32_t n)
{
	const __u64 prog[] = {cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2)};
	struct cxlt_rule_spec spec = {.priority = 100, .n_prog = 1, .prog = prog};
	struct cxlt_slice *s = slice_of((uint64_t)n * 512 + (16 << 20));
	struct cxlt_writer *w;
	uint64_t before;
	uint32_t i;

	if (cxlt_writer_open(s, &w))
		hash_die("writer", cxlt_error_text());
	before = used_bytes(s);
	spec.mask.w[CXLT_W_PORT] = 0xffffff00;
	spec.mask.w[CXLT_W_IPV4] = ~0ULL;
	spec.mask.w[CXLT_W_L4] = 0xffffffff00000000;
	spec.value.w[CXLT_W_PORT] = 0x08000600;
	for (i = 0; i < n; i++) {
		spec.value.w[CXLT_W_IPV4] = (i + 1) * 0x9e3779b97f4a7c15ULL;
		if (cxlt_rule_add(w, &spec) < 0)
			hash_die("rule", cxlt_error_text());
	}
	before = used_bytes(s) - before;
	cxlt_writer_close(w);
	cxlt_slice_close(s);
	return (double)before / n;
}

/* Where entries lie is chosen when a table is made; all else is the same. */
#define SIDE(as, how)                                  \
	{                                              \
		.name = (as),                          \
		.open = (how),                         \
		.close = ours_close,                   \
		.slots_of_bucket = CXLT_BUCKET_SLOTS,  \
		.index_bytes = ours_index_bytes,       \
		.all_bytes = ours_all_bytes,           \
		.insert = ours_insert,                 \
		.insert_batch = ours_insert_batch,     \
		.replace = ours_replace,               \
		.find_batch = ours_find_batch,         \
		.find = ours_find,                     \
		.find_dependent = ours_find_dependent, \
	}

const struct hash_side hash_ours = SIDE("ours", ours_open);
const struct hash_side hash_near = SIDE("near", near_open);
