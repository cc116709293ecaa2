/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reclaim.h - where rules lie, and what deletions leave behind (userspace).
 *
 * What doesn't fit into the device domain goes to the host domain: the device finds the slot, can't
 * reach the entry, and punts; the host executes the rule.  So the domain's size decides nothing about
 * what a packet gets, only about who does the work.  Which rules lie where is decided by who came
 * first, until cxlt_slice_rebalance() looks at their counters:
 *
 *     promotion   a rule in the host domain that has had packets goes to the device domain, if
 *                 there is room
 *     demotion    if there is none, a rule of the device domain with an entry of the same size goes
 *                 to the host domain first, if it had less than half as many packets a second
 *
 * A move is a MODIFY of PROTOCOL.md that changes nothing: a new entry, one store of the slot (or of
 * the predecessor's `next`) between begin and end of the rule's change word, and the old entry is
 * free.  Counters stay where they are as long as the path that counts can reach them; if not, new
 * ones succeed them, and what packets under way still count on the old ones is counted, too: after
 * `settle_ms` the old ones are free.  Only a rule that the device can execute is promoted.
 *
 * A pass is bounded: it looks at `max_rules` entries at most, going on where the last one stopped (of
 * any process: the hand is in the slice), and moves `max_moves` rules at most.  A rule that was moved or
 * looked at less than settle_ms ago is left alone.
 *
 * Concurrency: beside readers and other writers; each look and each move is a change of its own.
 * A rule's winner, program, age and numbers are never other than without the pass.
 * Errors: -EBUSY as in writer.h, also in an open bundle of this handle; what was moved stays.
 */
#ifndef CXLTAB_RECLAIM_H
#define CXLTAB_RECLAIM_H

#ifndef __BPF__

#include <cxltab/base.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

struct cxlt_rebalance_config {
	__u32 max_moves; /* promotions and demotions; 0: 1024 */
	__u32 max_rules; /* entries looked at, half of them in each domain; 0: 524288 */
	__u32 settle_ms; /* longer than a packet is ever under way; 0: 1000 */
};

struct cxlt_rebalance_result {
	__u64 looked; /* at entries */
	__u64 promoted, demoted;
	__u64 hot;     /* rules in the host domain that had packets and may be promoted */
	__u64 waiting; /* of these, how many can be when counters have settled: call again then */
	__u64 cooler;  /* of these, how many aren't so much hotter than what lies in their place */
};

/* One pass.  config may be NULL.  A slice that isn't divided has nothing to move. */
int cxlt_slice_rebalance(struct cxlt_writer *, const struct cxlt_rebalance_config *config,
			 struct cxlt_rebalance_result *out);

struct cxlt_sweep_result {
	__u64 tuples;	/* that had no rule any more */
	__u64 arrays;	/* of buckets, made smaller */
	__u64 counters; /* that were settled */
	__u64 lines;	/* that are free and weren't */
};

/*
 * Gives back, with the slice alone, what deletions leave: tuples without rules, bucket arrays larger
 * than their entries need (of rules, and of exact tables that may grow), counters of moved rules that
 * have settled.  What stays: a table's change words once they are in use, since caches rest on them;
 * chunks keep their kind.  0, or -EBUSY.
 */
int cxlt_slice_sweep(struct cxlt_writer *, struct cxlt_sweep_result *out);

/* Where the rules lie; walks them all. */
struct cxlt_rule_places {
	__u64 device;		     /* rules whose entry the device can reach */
	__u64 spilled;		     /* that lie in the host domain for want of room */
	__u64 host_match;	     /* that the device can't match on: a shadow speaks for them */
	__u64 promotions, demotions; /* in all */
};
int cxlt_slice_places(const struct cxlt_slice *, struct cxlt_rule_places *out);

#endif

#endif
