/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linear.h - is a recorded history of concurrent operations linearizable?
 *
 * An object is LIN_CELLS registers, each absent (0) or holding a value: a key of an exact table
 * uses one; the rules that one packet can match use several, in ascending order of priority.
 * Objects don't depend on each other, so each one's history is checked on its own (Herlihy and
 * Wing, 1990).
 *
 * The search is Wing and Gong's with Lowe's just-in-time rule (Testing for linearizability, 2017):
 * it walks through invocations and returns by time and keeps the set of all configurations
 * (operations that have already taken effect, cells) that can explain what was seen so far; an
 * operation takes effect at the latest when it returns.  The set is the memory: a configuration is
 * explored once.  An empty set is a proof that no order explains the history.
 *
 * Concurrency: lin_begin() and lin_end() belong to the thread that records; lin_check() to one.
 */
#ifndef CXLTAB_TESTS_LINEAR_H
#define CXLTAB_TESTS_LINEAR_H

#include <linux/types.h>
#include <stddef.h>

enum {
	LIN_CELLS = 4,
	LIN_OPEN = 60,	    /* operations of an object that may be under way at once */
	LIN_UNKNOWN = 1000, /* rc: nobody knows; it has taken effect by `ret`, or never will */
};

enum lin_kind {
	LIN_INSERT, /* 0 or -EEXIST */
	LIN_MODIFY, /* 0 or -ENOENT */
	LIN_DELETE, /* 0 or -ENOENT */
	LIN_ADD,    /* 1 replaced, 0 new */
	LIN_PUT,    /* as ADD, but nobody said which; rc 0 */
	LIN_READ,   /* 0 and the value, or -ENOENT */
	LIN_WINNER, /* 0 and the value of the last cell that isn't absent, or -ENOENT */
	LIN_N_KINDS,
};

struct lin_op {
	__u64 invoke, ret; /* ret 0: has not returned */
	__u64 value;	   /* written or seen; unique and not 0 */
	__u32 object;
	__s16 rc;
	__u8 kind;
	__u8 cell;
	__u32 who;
	__u32 pad;
};

/*
 * Times in ns that order what this thread does among what others see: no load of the operation
 * happens before lin_begin()'s, and its stores are visible before lin_end()'s.
 */
__u64 lin_begin(void);
__u64 lin_end(void);

/*
 * Checks the operations of one object, in any order; `initial` may be NULL (all absent).
 * 1 linearizable, 0 not: then *bad, if not NULL, is the operation that could not be placed;
 * -1: too many configurations or open operations to tell.
 */
int lin_check(const struct lin_op *, size_t n, const __u64 *initial, struct lin_op *bad);

/*
 * Sorts a history by object, checks each, and prints what is around the operation that can't be
 * explained.  initial: LIN_CELLS words for each object, or NULL.  Number of objects that failed.
 */
int lin_check_all(struct lin_op *, size_t n, const __u64 *initial);

/* Does the operation, taking effect in this state, return what it did?  Changes the cells. */
int lin_step(const struct lin_op *, __u64 cell[LIN_CELLS]);

#endif
