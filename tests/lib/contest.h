/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contest.h - an exact table that two kinds of writers change: libcxltab's own (writer.h), and
 * whatever carries out commands by exact_write.h, a loaded BPF program or the test itself.
 *
 * Each function fails the test with what is wrong.  The caller makes the slice and, at the end,
 * checks it.
 */
#ifndef CXLTAB_TESTS_CONTEST_H
#define CXLTAB_TESTS_CONTEST_H

#include "fixture.h"
#include "../bpf/exact_write.h"

struct contest {
	struct fixture f;
	__u32 tuple;
	__u32 slots;
	__u32 cpus, per_cpu; /* of the stock */
	/* Carries out at most WRITE_COMMANDS, in order, on this CPU; 0, or what went wrong. */
	int (*commands)(struct contest *, __u32 cpu, struct write_command *, __u32 n);
};

/* The table, of which 90% are `entries`, and its stock. */
void contest_table(struct contest *, __u32 entries, __u32 cpus, __u32 per_cpu);
/* The refs that a CPU's stock has. */
__u64 contest_stocked(const struct contest *, __u32 cpu);

/* Random commands against an array that knows what is in. */
void contest_alone(struct contest *, const char *name);
/*
 * Two that command and two userspace writers at once, on keys of their own, of which none may
 * be lost, and on a few shared ones, whose history must be linearizable; a reader, for whom keys that
 * nobody changes may never be absent; and somebody who has the slice alone now and then.
 */
void contest_beside(struct contest *, const char *name);
/* Slice, bucket, alternate or stock in others' hands: busy, and nothing is changed. */
void contest_busy(struct contest *);
/* Buckets full, stock empty, stock full. */
void contest_no_room(struct contest *);

#endif
