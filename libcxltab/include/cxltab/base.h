/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - the few words that let one source compile for BPF and for userspace.
 *
 * BPF programs include their vmlinux.h before any header of ours; userspace gets its fixed-width
 * types from the kernel's UAPI.  Everything that lives in a slice is reached through pointers
 * marked __arena: an address space of its own under clang -target bpf, nothing elsewhere.
 */
#ifndef CXLTAB_BASE_H
#define CXLTAB_BASE_H

#ifdef __BPF__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;

#define __arena	    __attribute__((address_space(1)))
#define CXLT_INLINE static __attribute__((always_inline, unused)) inline

#ifndef NULL
#define NULL ((void *)0)
#endif

/* errno values that readers and BPF writers return; the same numbers as asm-generic's. */
enum {
	CXLT_ENOENT = 2,
	CXLT_E2BIG = 7,
	CXLT_EAGAIN = 11,
	CXLT_EFAULT = 14,
	CXLT_EBUSY = 16,
	CXLT_EEXIST = 17,
	CXLT_EINVAL = 22,
	CXLT_ENOSPC = 28,
};

/*
 * A loop that the verifier accepts without unrolling: may_goto bounds it for the verifier, the
 * explicit maximum bounds it for us.  cxlt_loop_zero hides the constant start, without which the
 * verifier walks every iteration (KERNEL.md, "Loops").
 */
#define CXLT_CAN_LOOP                                                   \
	({                                                              \
		__label__ l_break, l_continue;                          \
		_Bool ret_ = 1;                                         \
		asm volatile goto("may_goto %l[l_break]" :: ::l_break); \
		goto l_continue;                                        \
l_break:                                                                \
		ret_ = 0;                                               \
l_continue:;                                                            \
		ret_;                                                   \
	})

static volatile __u32 cxlt_hidden_zero __attribute__((unused)); /* not const: unknown to it */

CXLT_INLINE __u32 cxlt_loop_zero(void)
{
	return cxlt_hidden_zero;
}

/* Keeps the compiler from folding a bound check into another register's range. */
#define CXLT_OPAQUE(x) asm volatile("" : "+r"(x))

#else /* userspace */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define __arena
#define CXLT_INLINE static inline __attribute__((always_inline, unused))

enum {
	CXLT_ENOENT = ENOENT,
	CXLT_E2BIG = E2BIG,
	CXLT_EAGAIN = EAGAIN,
	CXLT_EFAULT = EFAULT,
	CXLT_EBUSY = EBUSY,
	CXLT_EEXIST = EEXIST,
	CXLT_EINVAL = EINVAL,
	CXLT_ENOSPC = ENOSPC,
};

#define CXLT_CAN_LOOP 1

CXLT_INLINE __u32 cxlt_loop_zero(void)
{
	return 0;
}

#define CXLT_OPAQUE(x) ((void)0)

#endif

/* A bound check that the compiler can't move to another variable. */
#define CXLT_BELOW(i, max)      \
	({                      \
		CXLT_OPAQUE(i); \
		(i) < (max);    \
	})

/*
 * for (i = 0; i < n; i++) with at most max rounds, whatever n says.  The bound comes last: the
 * verifier forgets i's range at may_goto.
 */
#define CXLT_FOR(i, n, max) \
	for ((i) = cxlt_loop_zero(); CXLT_CAN_LOOP && (i) < (n) && CXLT_BELOW(i, max); (i)++)

#define cxlt_likely(x)	 __builtin_expect(!!(x), 1)
#define cxlt_unlikely(x) __builtin_expect(!!(x), 0)

#ifdef __cplusplus
#define CXLT_STATIC_ASSERT(c, msg) static_assert(c, msg)
#else
#define CXLT_STATIC_ASSERT(c, msg) _Static_assert(c, msg)
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the slice format is little endian, and so are the machines that this release supports"
#endif

CXLT_INLINE __u16 cxlt_bswap16(__u16 v)
{
	return __builtin_bswap16(v);
}

CXLT_INLINE __u32 cxlt_bswap32(__u32 v)
{
	return __builtin_bswap32(v);
}

#endif
