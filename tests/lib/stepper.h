/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stepper.h - run code in a child and stop it after any instruction (ptrace, no privilege).
 *
 * Where random kills meet a few moments, stepping meets all of them, and the same ones every time:
 *   step_stores()    every store that an operation makes into shared memory can be its last one
 *   step_open() ...  a reader is stopped anywhere, others go on, and it must still be right
 */
#ifndef CXLTAB_TESTS_STEPPER_H
#define CXLTAB_TESTS_STEPPER_H

#include <linux/types.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Forks; the child calls prepare(arg), then op(arg) step by step.  at(arg, n) is called in the
 * parent after the n-th instruction that changed mem, while the child stands still; last time
 * when op has returned.  The number of states seen.
 */
int step_stores(const void *mem, size_t size, void (*prepare)(void *), void (*op)(void *),
		void (*at)(void *, int n), void *arg);

/* A child that executes op(arg) again and again, as far as it is told to. */
struct stepper {
	pid_t pid;
	int ended; /* it stands behind its op */
};

void step_open(struct stepper *, void (*prepare)(void *), void (*op)(void *), void *arg);
/* n more instructions of the present op; 1 if it ended. */
int step_more(struct stepper *, __u32 n);
/* Lets it finish this op and stand before the next one. */
void step_finish(struct stepper *);
void step_close(struct stepper *);

#endif
