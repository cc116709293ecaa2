/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classifier_side.h - a classifier under measurement, ours (classifier_ours.c) or Open vSwitch's
 * (classifier_ovs.c).
 *
 * Rules and packets are TCP or UDP over IPv4, as plain numbers, which each side turns into its own
 * form: rules before the clock starts; packets into one key that is hot, as a parser would have left
 * it, while it runs.
 */
#ifndef CXLTAB_BENCH_CLASSIFIER_SIDE_H
#define CXLTAB_BENCH_CLASSIFIER_SIDE_H

#include <stdint.h>

enum {
	CLASSIFIER_BATCH = 32,
};

struct classifier_fields {
	uint64_t dmac; /* 48 bits */
	uint32_t in_port;
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

struct classifier_rule {
	struct classifier_fields value, mask; /* and eth_type 0x0800, exact */
	uint16_t priority;
	uint32_t id; /* not 0 */
};

struct classifier_table;

struct classifier_side {
	const char *name;
	/* An empty one that will hold n rules. */
	struct classifier_table *(*open)(uint32_t n);
	void (*close)(struct classifier_table *);
	/* Seconds of CPU time. */
	double (*insert)(struct classifier_table *, const struct classifier_rule *, uint32_t n);
	/* The winner's id for each packet, 0 if none matches; n is a multiple of CLASSIFIER_BATCH. */
	void (*find)(struct classifier_table *, const struct classifier_fields *, uint32_t n,
		     uint32_t *winner);
	void (*find_batch)(struct classifier_table *, const struct classifier_fields *, uint32_t n,
			   uint32_t *winner); /* NULL: it has no such thing */
	/* Tuples that a packet was looked up in since the last call, on average; NULL: it doesn't know. */
	double (*probes)(struct classifier_table *);
};

extern const struct classifier_side classifier_ours, classifier_ovs;

/* The version of what was built. */
const char *classifier_ovs_version(void);

#endif
