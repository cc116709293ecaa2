/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stepper.h - stops a writer after any store (ptrace of a child, no privilege).
 *
 * Where random kills meet a few moments, stepping meets all of them, and the same ones at each
 * run.  A step costs some 30 us, so this is for operations, not for loops.
 */
#ifndef CXLTAB_TESTS_STEPPER_H
#define CXLTAB_TESTS_STEPPER_H

#include <linux/types.h>
#include <stddef.h>

/*
 * Forks; the child calls prepare(arg), then op(arg) step by step.  at(arg, n) is called in the
 * parent after the n-th instruction that changed mem, while the child stands still; last time
 * when op has returned.  The number of states seen.
 */
int step_stores(const void *mem, size_t size, void (*prepare)(void *), void (*op)(void *),
		void (*at)(void *, int n), void *arg);

#endif
