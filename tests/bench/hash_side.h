/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash_side.h - a hash table under measurement, ours (hash_ours.c) or DPDK's (hash_dpdk.c).
 *
 * Both have buckets of one line, so a table is made by its number of buckets: the indexes are
 * equally large, and each is filled to the same share of its own slots (7 a bucket here, 8 there).
 * Keys are `words` words, 2 or 8; the value of a key is one word, HASH_VALUE() of its number.
 * What the loops return are sums of the values found, so that nobody can answer without looking.
 */
#ifndef CXLTAB_BENCH_HASH_SIDE_H
#define CXLTAB_BENCH_HASH_SIDE_H

#include <stdint.h>

enum {
	HASH_BATCH = 32,
	HASH_WORDS_MAX = 8,
};

struct hash_table;

struct hash_found {
	uint64_t hits;
	uint64_t sum;
};

struct hash_side {
	const char *name;
	struct hash_table *(*open)(uint32_t words, uint32_t log2_buckets);
	void (*close)(struct hash_table *);
	uint64_t slots_of_bucket;
	/* Bytes of the index alone; of everything, for the entries that are in. */
	uint64_t (*index_bytes)(const struct hash_table *);
	uint64_t (*all_bytes)(const struct hash_table *);
	/* n keys, values v, v + 1, ...; how many went in before the table was full. */
	uint64_t (*insert)(struct hash_table *, uint32_t writer, const uint64_t *keys, uint64_t v,
			   uint64_t n);
	uint64_t (*insert_batch)(struct hash_table *, const uint64_t *keys, uint64_t v, uint64_t n);
	void (*replace)(struct hash_table *, const uint64_t *old, const uint64_t *key, uint64_t v);
	struct hash_found (*find_batch)(const struct hash_table *, const uint64_t *keys,
					uint64_t n);
	struct hash_found (*find)(const struct hash_table *, const uint64_t *keys, uint64_t n);
	/* The address of each key depends on the value found before. */
	struct hash_found (*find_dependent)(const struct hash_table *, const uint64_t *keys,
					    uint64_t n);
};

extern const struct hash_side hash_ours, hash_near, hash_dpdk;

/* Once, before the first table; `mib` is what its largest table will take. */
void hash_dpdk_start(uint32_t mib);

/* Bytes per installed rule of OpenFlow's 5-tuple, everything included. */
double hash_rule_bytes(uint32_t n);

/*
 * Stores to each page what it holds.  Under a hypervisor with shadow page tables a page that is
 * populated still faults at its first store; that isn't measured.
 */
void hash_touch(void *at, uint64_t bytes);

void hash_die(const char *what, const char *why) __attribute__((noreturn));

#endif
