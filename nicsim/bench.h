/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - the fast path without devices: generated or recorded packets, a null port behind it.
 *
 * The packets are pointers into frames that lie ready, as in a receive ring; each is fetched a
 * batch ahead, as a NIC's DMA leaves it in the last-level cache.  Everything else is what
 * `nicsim run` does: parse, MAT, tables, edits, device counters.  Sending is counting.
 *
 * Concurrency: one thread.
 */
#ifndef CXLTAB_NICSIM_BENCH_H
#define CXLTAB_NICSIM_BENCH_H

#include <cxltab/profile.h>
#include <cxltab/slice.h>
#include <cxltab/stats.h>

#include "traffic.h"

struct cxlt_bench_result {
	double seconds, mpps;			     /* by the clock on the wall */
	double cpu_seconds, cpu_mpps, ns_per_packet; /* by the thread's own: without preemption */
	__u64 huge_bytes;			     /* of the slice, mapped in huge pages */
	__u64 packets, sent, sent_bytes, punts;
	__u64 mat_lookups, mat_hits, mat_fills, mat_stale, mat_evictions;
	__u64 lookups, lines; /* walks of the tables, lines that they touched */
	__u64 reasons[CXLT_REASON_MAX];
};

/* Runs the order for `seconds` or `packets`, whichever comes first (0: no limit), warmed up.  huge:
 * the slice is mapped a second time, in huge pages if there are any. */
int cxlt_bench(const struct cxlt_slice *, const struct cxlt_mat_config *,
	       const struct cxlt_traffic *, double seconds, __u64 packets, int huge,
	       struct cxlt_bench_result *);

#endif
