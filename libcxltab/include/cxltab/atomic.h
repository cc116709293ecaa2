/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atomic.h - every load, store and barrier on slice memory goes through this header.
 *
 * What is assumed of the other side: the device sees the slice through CXL.cache or CXL.mem,
 * coherently, and orders its own loads as an acquire load orders them on the host.  On x86-TSO
 * acquire and release are plain accesses that the compiler may not move; clang's BPF backend
 * (19) has no atomic load, store or fence, and the JIT of this release's only host architecture
 * is x86, so in BPF they are volatile accesses with a compiler barrier.  An arm64 host needs
 * BPF_LOAD_ACQ/BPF_STORE_REL there (Linux 6.15) before it may be supported.
 *
 * Naming: _acquire and _release pair with each other, always; a plain load or store is relaxed.
 * Each use names its partner.  docs/concurrency.md lists the pairs.
 */
#ifndef CXLTAB_ATOMIC_H
#define CXLTAB_ATOMIC_H

#include <cxltab/base.h>

#ifndef __BPF__
#include <time.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#endif

#ifdef __BPF__

#if !defined(__TARGET_ARCH_x86)
#error "BPF readers rely on x86-TSO (see above)"
#endif

#define cxlt_compiler_barrier() asm volatile("" ::: "memory")

CXLT_INLINE __u64 cxlt_load(const __u64 __arena *p)
{
	return *(const volatile __u64 __arena *)p;
}

CXLT_INLINE __u32 cxlt_load32(const __u32 __arena *p)
{
	return *(const volatile __u32 __arena *)p;
}

/* One byte of a word that is otherwise stored whole. */
CXLT_INLINE __u32 cxlt_load8(const __u8 __arena *p)
{
	return *(const volatile __u8 __arena *)p;
}

CXLT_INLINE void cxlt_store(__u64 __arena *p, __u64 v)
{
	*(volatile __u64 __arena *)p = v;
}

CXLT_INLINE void cxlt_store32(__u32 __arena *p, __u32 v)
{
	*(volatile __u32 __arena *)p = v;
}

CXLT_INLINE __u64 cxlt_load_acquire(const __u64 __arena *p)
{
	__u64 v = cxlt_load(p);

	cxlt_compiler_barrier();
	return v;
}

CXLT_INLINE void cxlt_store_release(__u64 __arena *p, __u64 v)
{
	cxlt_compiler_barrier();
	cxlt_store(p, v);
}

/* Orders all earlier loads before all later loads (the read side of a sequence check). */
CXLT_INLINE void cxlt_read_barrier(void)
{
	cxlt_compiler_barrier();
}

/* Orders all earlier stores before all later stores. */
CXLT_INLINE void cxlt_write_barrier(void)
{
	cxlt_compiler_barrier();
}

CXLT_INLINE void cxlt_add(__u64 __arena *p, __u64 v)
{
	__sync_fetch_and_add(p, v);
}

/* Full barrier; 1 if *p was `from` and is now `to`. */
CXLT_INLINE int cxlt_cas(__u64 __arena *p, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(p, from, to) == from;
}

/* Full barrier: that of an add whose result is used, as the kernel's memory model says. */
CXLT_INLINE __u64 cxlt_fetch_add(__u64 __arena *p, __u64 v)
{
	__u64 old = __sync_fetch_and_add(p, v);

	CXLT_OPAQUE(old);
	return old;
}

/* On arena memory there is no fetching `and`: the result must stay unused. */
CXLT_INLINE void cxlt_and(__u64 __arena *p, __u64 v)
{
	__sync_fetch_and_and(p, v);
}

CXLT_INLINE void cxlt_prefetch(const void __arena *p)
{
	(void)p;
}

/* A BPF program is not descheduled between its loads. */
CXLT_INLINE __u64 cxlt_ticks(void)
{
	return 0;
}

#else

/*
 * A build for the interleaving explorer (tests/model) gets control before each access and is told
 * what it saw; in every other build these are nothing.
 */
#ifdef CXLT_MODEL
void cxlt_model_point(const volatile void *p, int writes);
__u64 cxlt_model_saw(__u64 value);
void cxlt_model_try(void);			 /* a reader begins anew */
void cxlt_model_wait(const __u64 *p, __u64 old); /* nothing to do until *p isn't `old` */
int cxlt_model_gone(int writer);		 /* did the holder of this writer id die? */
#else
#define cxlt_model_point(p, writes) ((void)0)
#define cxlt_model_saw(value)	    (value)
#endif

CXLT_INLINE __u64 cxlt_load(const __u64 *p)
{
	cxlt_model_point(p, 0);
	return cxlt_model_saw(__atomic_load_n(p, __ATOMIC_RELAXED));
}

/* Of a word that the caller alone may store to: to the model no point, for there is no choice. */
CXLT_INLINE __u64 cxlt_own(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

CXLT_INLINE __u32 cxlt_load32(const __u32 *p)
{
	cxlt_model_point(p, 0);
	return (__u32)cxlt_model_saw(__atomic_load_n(p, __ATOMIC_RELAXED));
}

/* One byte of a word that is otherwise stored whole. */
CXLT_INLINE __u32 cxlt_load8(const __u8 *p)
{
#ifdef CXLT_MODEL
	const __u64 *word = (const __u64 *)((unsigned long)p & ~7UL);

	return cxlt_load(word) >> ((unsigned long)p & 7) * 8 & 0xff;
#else
	return __atomic_load_n(p, __ATOMIC_RELAXED);
#endif
}

CXLT_INLINE void cxlt_store(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

CXLT_INLINE void cxlt_store32(__u32 *p, __u32 v)
{
	cxlt_model_point(p, 1);
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

CXLT_INLINE __u64 cxlt_load_acquire(const __u64 *p)
{
	cxlt_model_point(p, 0);
	return cxlt_model_saw(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

CXLT_INLINE void cxlt_store_release(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

CXLT_INLINE void cxlt_read_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/*
 * A line's eight words, two at a time: bit i is set if the upper half of word i is `want`.  As eight
 * acquire loads in any order: x86 reads each aligned 8 bytes of a vector at once, and orders loads.
 */
#if defined(__SSE2__) && !defined(CXLT_MODEL) && !defined(__SANITIZE_THREAD__)
#define CXLT_HAVE_LOAD_HEADS
CXLT_INLINE __u32 cxlt_load_heads(const __u64 *line, __u32 want)
{
	const volatile __m128i *v = (const volatile __m128i *)line;
	const __m128i w = _mm_set1_epi32((int)want);
	const __m128 a = _mm_castsi128_ps(v[0]), b = _mm_castsi128_ps(v[1]);
	const __m128 c = _mm_castsi128_ps(v[2]), d = _mm_castsi128_ps(v[3]);
	__m128i ab = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xdd)); /* upper halves only */
	__m128i cd = _mm_castps_si128(_mm_shuffle_ps(c, d, 0xdd));

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ab = _mm_cmpeq_epi32(ab, w);
	cd = _mm_cmpeq_epi32(cd, w);
	return (__u32)_mm_movemask_ps(_mm_castsi128_ps(ab)) |
	       (__u32)_mm_movemask_ps(_mm_castsi128_ps(cd)) << 4;
}
#endif

/* Orders all earlier stores before all later stores (the write side of a sequence check). */
CXLT_INLINE void cxlt_write_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Relaxed: for counters, which no one orders anything by. */
CXLT_INLINE void cxlt_add(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

/* Full barrier on success; 1 if *p was `from` and is now `to`. */
CXLT_INLINE int cxlt_cas(__u64 *p, __u64 from, __u64 to)
{
	cxlt_model_point(p, 1);
	return (int)cxlt_model_saw(
		__atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

/* Full barrier; the old value. */
CXLT_INLINE __u64 cxlt_xchg(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	return cxlt_model_saw(__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST));
}

/* Words that several writers change at once; full barriers on x86, the old value. */
CXLT_INLINE __u64 cxlt_fetch_add(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	return cxlt_model_saw(__atomic_fetch_add(p, v, __ATOMIC_ACQ_REL));
}

CXLT_INLINE __u64 cxlt_fetch_or(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	return cxlt_model_saw(__atomic_fetch_or(p, v, __ATOMIC_ACQ_REL));
}

CXLT_INLINE __u64 cxlt_fetch_and(__u64 *p, __u64 v)
{
	cxlt_model_point(p, 1);
	return cxlt_model_saw(__atomic_fetch_and(p, v, __ATOMIC_ACQ_REL));
}

CXLT_INLINE void cxlt_and(__u64 *p, __u64 v)
{
	cxlt_fetch_and(p, v);
}

/* One turn of a loop that waits for *p to be something else than `old`. */
CXLT_INLINE void cxlt_wait(const __u64 *p, __u64 old)
{
#ifdef CXLT_MODEL
	cxlt_model_wait(p, old);
#else
	(void)p;
	(void)old;
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
#endif
}

CXLT_INLINE void cxlt_prefetch(const void *p)
{
	__builtin_prefetch(p);
}

/*
 * Coarse time in ns, for one purpose: a reader that was descheduled between its first and last
 * sequence load for long enough that a sequence may have come round must not believe in
 * "unchanged".  The coarse clock is two loads in the vDSO, a time stamp counter four times that.
 */
CXLT_INLINE __u64 cxlt_ticks(void)
{
#ifdef CXLT_MODEL
	cxlt_model_try();
	return 0;
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
#endif
}

#endif

/* A second: no bucket sees 2^32 events in that time. */
#define CXLT_TICKS_MAX 1000000000ULL

/* True if what was read since `since` may be from before and after a sequence came round. */
CXLT_INLINE int cxlt_too_long(__u64 since)
{
#ifdef CXLT_MODEL
	return (int)since;
#else
	return cxlt_unlikely(cxlt_ticks() - since > CXLT_TICKS_MAX);
#endif
}

#endif
