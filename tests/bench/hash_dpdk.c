// SPDX-License-Identifier: Apache-2.0
/* DPDK's rte_hash in lock-free mode; the one file that sees DPDK's headers. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "hash_side.h"

/*
 * A deleted key's place may be used again once no reader can look at it.  A reader here never
 * holds more than one answer, so a queue stands for the grace period, and costs less.
 */
enum {
	GRACE = 1024,
};

struct hash_table {
	struct rte_hash *h;
	uint32_t words;
	uint64_t bytes_before;
	uint64_t slots;
	int32_t grace[GRACE];
	uint64_t n_grace;
};

static int populate(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	if (madvise(ms->addr, ms->len, MADV_POPULATE_WRITE))
		hash_die("DPDK's memory", strerror(errno));
	hash_touch(ms->addr, ms->len);
	return 0;
}

void hash_dpdk_start(uint32_t mib)
{
	char memory[16];
	char *argv[] = {"bench_hash",  "--no-huge", "--no-pci", "--no-shconf",	  "-l",
			"0",	       "-m",	    memory,	"--no-telemetry", "--log-level",
			"lib.*:error", NULL};
	cpu_set_t cpus;

	snprintf(memory, sizeof(memory), "%u", mib);
	/* The EAL nails its caller to one processor. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		hash_die("affinity", strerror(errno));
	if (rte_eal_init((int)(sizeof(argv) / sizeof(*argv)) - 1, argv) < 0)
		hash_die("rte_eal_init", rte_strerror(rte_errno));
	sched_setaffinity(0, sizeof(cpus), &cpus);
	rte_memseg_walk(populate, NULL);
}

static uint64_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	if (rte_malloc_get_socket_stats(0, &stats))
		hash_die("rte_malloc", "no statistics");
	return stats.heap_allocsz_bytes;
}

static struct hash_table *dpdk_open(uint32_t words, uint32_t log2_buckets)
{
	struct hash_table *t = calloc(1, sizeof(*t));
	struct rte_hash_parameters p = {
		.name = "bench",
		.entries = 8U << log2_buckets,
		.key_len = words * 8,
		.hash_func = rte_hash_crc,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};

	if (!t)
		hash_die("rte_hash", "out of memory");
	t->words = words;
	t->slots = p.entries;
	t->bytes_before = heap_bytes();
	t->h = rte_hash_create(&p);
	if (!t->h)
		hash_die("rte_hash_create", rte_strerror(rte_errno));
	return t;
}

static void dpdk_close(struct hash_table *t)
{
	rte_hash_free(t->h);
	free(t);
}

static uint64_t dpdk_all_bytes(const struct hash_table *t)
{
	return heap_bytes() - t->bytes_before;
}

/* All but the keys and values: buckets, and the ring of free places. */
static uint64_t dpdk_index_bytes(const struct hash_table *t)
{
	uint64_t key_entry = (8 + t->words * 8 + 15) / 16 * 16;

	return dpdk_all_bytes(t) - (t->slots + 1) * key_entry;
}

static uint64_t dpdk_insert(struct hash_table *t, uint32_t writer, const uint64_t *keys, uint64_t v,
			    uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		int rc = rte_hash_add_key_data(t->h, keys + i * t->words, (void *)(v + i));

		if (rc == -ENOSPC)
			break;
		if (rc)
			hash_die("rte_hash_add_key_data", rte_strerror(-rc));
	}
	return i;
}

static void dpdk_replace(struct hash_table *t, const uint64_t *old, const uint64_t *key, uint64_t v)
{
	int32_t at = rte_hash_del_key(t->h, old), *due = &t->grace[t->n_grace % GRACE];
	int rc;

	if (at < 0)
		hash_die("rte_hash_del_key", rte_strerror(-at));
	if (t->n_grace++ >= GRACE)
		rte_hash_free_key_with_position(t->h, *due);
	*due = at;
	rc = rte_hash_add_key_data(t->h, key, (void *)v);
	if (rc)
		hash_die("rte_hash_add_key_data", rte_strerror(-rc));
}

static struct hash_found dpdk_find_batch(const struct hash_table *t, const uint64_t *keys,
					 uint64_t n)
{
	struct hash_found f = {0, 0};
	const void *k[HASH_BATCH];
	void *data[HASH_BATCH];
	uint64_t i, hit;
	uint32_t j;

	for (i = 0; i + HASH_BATCH <= n; i += HASH_BATCH) {
		for (j = 0; j < HASH_BATCH; j++)
			k[j] = keys + (i + j) * t->words;
		f.hits += (uint64_t)rte_hash_lookup_bulk_data(t->h, k, HASH_BATCH, &hit, data);
		for (j = 0; j < HASH_BATCH; j++)
			f.sum += hit >> j & 1 ? (uint64_t)data[j] : 0;
	}
	return f;
}

static struct hash_found dpdk_find(const struct hash_table *t, const uint64_t *keys, uint64_t n)
{
	struct hash_found f = {0, 0};
	void *data = NULL;
	uint64_t i;

	for (i = 0; i < n; i++)
		if (rte_hash_lookup_data(t->h, keys + i * t->words, &data) >= 0) {
			f.hits++;
			f.sum += (uint64_t)data;
		}
	return f;
}

static struct hash_found dpdk_find_dependent(const struct hash_table *t, const uint64_t *keys,
					     uint64_t n)
{
	struct hash_found f = {0, 0};
	void *data = NULL;
	uint64_t i;

	for (i = 0; i < n; i++)
		if (rte_hash_lookup_data(t->h, keys + i * t->words + ((uint64_t)data >> 63),
					 &data) >= 0) {
			f.hits++;
			f.sum += (uint64_t)data;
		}
	return f;
}

const struct hash_side hash_dpdk = {
	.name = "rte_hash",
	.open = dpdk_open,
	.close = dpdk_close,
	.slots_of_bucket = 8,
	.index_bytes = dpdk_index_bytes,
	.all_bytes = dpdk_all_bytes,
	.insert = dpdk_insert,
	.replace = dpdk_replace,
	.find_batch = dpdk_find_batch,
	.find = dpdk_find,
	.find_dependent = dpdk_find_dependent,
};
