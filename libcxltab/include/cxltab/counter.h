/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counter.h - packets, bytes and last use of a rule, one line for each path.
 *
 * The host counts in the host line and the device in the device line, so that neither path's
 * counting takes the other's line away, and no entry line is ever written by a datapath.
 * `used` is CLOCK_MONOTONIC in ns on both paths, coarse (a clock tick).
 *
 * Concurrency: any number of counters on each side; adds are atomic and relaxed.  A read is a
 * load of each line and a sum: exact once traffic has stopped, never torn within a word.
 */
#ifndef CXLTAB_COUNTER_H
#define CXLTAB_COUNTER_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/layout.h>
#include <cxltab/view.h>

CXLT_INLINE void cxlt_count(const struct cxlt_view *v, __u32 ref, __u64 packets, __u64 bytes,
			    __u64 now)
{
	struct cxlt_counters __arena *c = cxlt_line(v, ref, 2);
	struct cxlt_counter_line __arena *l;

	if (!c)
		return;
	l = v->flags & CXLT_VIEW_DEVICE ? &c->device : &c->host;
	cxlt_add(&l->packets, packets);
	cxlt_add(&l->bytes, bytes);
	if (cxlt_load(&l->used) != now)
		cxlt_store(&l->used, now);
}

#endif
