/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost.h - what the counted work would cost a NIC behind a coherent link.  Simulated, always.
 *
 * nicsim shares the host's caches, so its own nanoseconds say nothing about CXL.  What it counts
 * does: packets, MAT misses, and slice lines that a lookup touches.  The model adds them up:
 *
 *     latency of a hit   parse_ns + mat_ns
 *     latency of a miss  a hit's + chain x line_ns        chain: lines that wait for each other
 *     throughput         the lesser of  outstanding / (lines a packet x line_ns)
 *                                       link_gbs / (lines a packet x line_bytes)
 *                                       pipeline_mpps
 * with `chain` = lines per miss / overlap.  Change words of a cached result are taken to stay in
 * the device's coherent cache until a writer moves them, and cost nothing.
 *
 * Parameters come from a file of `name = value` lines, or are built in:
 *     line_ns 250        a load over the link that misses every cache: published figures for
 *                        CXL 1.1/2.0 memory are 170 to 250 ns, 2 to 3 times local DRAM
 *                        (The Next Platform, "Just How Bad Is CXL Memory Latency?", 5 Dec 2022)
 *     link_gbs 64        GB/s of one direction: 16 lanes of PCIe 5.0 at 32 GT/s, before overhead
 *     line_bytes 80      64 and a header's share of a flit (assumed)
 *     outstanding 64     loads in flight (assumed)
 *     overlap 2          lines of a miss fetched side by side (assumed: both buckets, two tuples)
 *     parse_ns 20, mat_ns 20, pipeline_mpps 200   a fixed-function pipeline (assumed)
 */
#ifndef CXLTAB_NICSIM_COST_H
#define CXLTAB_NICSIM_COST_H

#include <stddef.h>

/* X(name, built-in value) */
#define CXLT_COST_PARAMETERS(X) \
	X(line_ns, 250)         \
	X(link_gbs, 64)         \
	X(line_bytes, 80)       \
	X(outstanding, 64)      \
	X(overlap, 2)           \
	X(parse_ns, 20)         \
	X(mat_ns, 20)           \
	X(pipeline_mpps, 200)

struct cxlt_cost {
#define X(name, value) double name;
	CXLT_COST_PARAMETERS(X)
#undef X
};

struct cxlt_cost_result {
	double hit_ns, miss_ns, mean_ns, mpps;
};

/* `spec`: "builtin" or a file's path.  0, or -EINVAL/-errno and a reason. */
int cxlt_cost_read(const char *spec, struct cxlt_cost *, char *err, size_t);
void cxlt_cost_apply(const struct cxlt_cost *, double packets, double lookups, double lines,
		     struct cxlt_cost_result *);

#endif
