/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h - stops readers at their loads: included before any other header of the library.
 *
 * Readers are inline, and every load of slice memory goes through atomic.h.  Here each one first
 * counts down, and at zero calls hook_fire(): whoever changes the slice there comes between two
 * loads of the reader, which is all that another CPU could do (on x86-TSO, loads stay in order).
 */
#ifndef CXLTAB_TESTS_HOOKS_H
#define CXLTAB_TESTS_HOOKS_H

#include <cxltab/atomic.h>

extern __u32 hook_left;	 /* loads until hook_fire(), 0: never */
extern __u64 hook_loads; /* loads so far */
void hook_fire(void);

static inline void hook_step(void)
{
	hook_loads++;
	if (hook_left && !--hook_left)
		hook_fire();
}

static inline __u64 hook_load(const __u64 *p)
{
	hook_step();
	return cxlt_load(p);
}

static inline __u32 hook_load32(const __u32 *p)
{
	hook_step();
	return cxlt_load32(p);
}

static inline __u64 hook_load_acquire(const __u64 *p)
{
	hook_step();
	return cxlt_load_acquire(p);
}

#define cxlt_load(p)	     hook_load(p)
#define cxlt_load32(p)	     hook_load32(p)
#define cxlt_load_acquire(p) hook_load_acquire(p)

#endif
