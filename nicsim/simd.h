/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simd.h - what the MAT does on whole sets and keys, 16 bytes at a time.
 *
 * SSE2 is part of x86-64; elsewhere the plain loops say what is meant.
 *
 * Concurrency: private memory only.
 */
#ifndef CXLTAB_NICSIM_SIMD_H
#define CXLTAB_NICSIM_SIMD_H

#include <cxltab/hash.h>
#include <cxltab/key.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
	CXLT_SIMD_REST = CXLT_KEY_WORDS - 5, /* words of a key that most packets leave 0 */
};
CXLT_STATIC_ASSERT(CXLT_KEY_WORDS % 2 == 0 && CXLT_SIMD_REST % 2, "keys are pairs of words");

/* Are all CXLT_SIMD_REST words 0? */
CXLT_INLINE int cxlt_simd_zero(const __u64 *w)
{
	__u32 i;

#ifdef __SSE2__
	__m128i any = _mm_loadl_epi64((const __m128i *)w);

#pragma GCC unroll 6
	for (i = 1; i < CXLT_SIMD_REST; i += 2)
		any = _mm_or_si128(any, _mm_loadu_si128((const __m128i *)(w + i)));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xffff;
#else
	__u64 any = 0;

	for (i = 0; i < CXLT_SIMD_REST; i++)
		any |= w[i];
	return !any;
#endif
}

/* Sum of cxlt_nh() over a key. */
CXLT_INLINE __u64 cxlt_simd_nh(const __u64 *w, const __u64 *secret)
{
	__u32 i;

#ifdef __SSE2__
	__m128i sum = _mm_setzero_si128();

#pragma GCC unroll 9
	for (i = 0; i < CXLT_KEY_WORDS; i += 2) {
		__m128i s = _mm_add_epi32(_mm_loadu_si128((const __m128i *)(w + i)),
					  _mm_loadu_si128((const __m128i *)(secret + i)));

		sum = _mm_add_epi64(sum, _mm_mul_epu32(s, _mm_srli_epi64(s, 32)));
	}
	return (__u64)_mm_cvtsi128_si64(sum) +
	       (__u64)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum));
#else
	__u64 sum = 0;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		sum += cxlt_nh(w[i], secret[i]);
	return sum;
#endif
}

CXLT_INLINE int cxlt_simd_equal(const __u64 *a, const __u64 *b)
{
	__u32 i;

#ifdef __SSE2__
	__m128i diff = _mm_setzero_si128();

#pragma GCC unroll 9
	for (i = 0; i < CXLT_KEY_WORDS; i += 2)
		diff = _mm_or_si128(diff, _mm_xor_si128(_mm_loadu_si128((const __m128i *)(a + i)),
							_mm_loadu_si128((const __m128i *)(b + i))));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(diff, _mm_setzero_si128())) == 0xffff;
#else
	__u64 diff = 0;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		diff |= a[i] ^ b[i];
	return !diff;
#endif
}

/* Bit per equal element of 16. */
CXLT_INLINE __u32 cxlt_simd_find16(const __u16 *set, __u16 tag)
{
#ifdef __SSE2__
	__m128i t = _mm_set1_epi16((short)tag);
	__m128i lo = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)set), t);
	__m128i hi = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(set + 8)), t);

	return _mm_movemask_epi8(_mm_packs_epi16(lo, hi));
#else
	__u32 i, fit = 0;

	for (i = 0; i < 16; i++)
		fit |= (__u32)(set[i] == tag) << i;
	return fit;
#endif
}

CXLT_INLINE __u32 cxlt_simd_find8(const __u8 *set, __u8 value)
{
#ifdef __SSE2__
	return _mm_movemask_epi8(
		_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)set), _mm_set1_epi8((char)value)));
#else
	__u32 i, fit = 0;

	for (i = 0; i < 16; i++)
		fit |= (__u32)(set[i] == value) << i;
	return fit;
#endif
}

/* Adds 1 to each of 16 bytes below `rank`; all are below 128. */
CXLT_INLINE void cxlt_simd_age(__u8 *set, __u8 rank)
{
#ifdef __SSE2__
	__m128i v = _mm_loadu_si128((const __m128i *)set);

	v = _mm_sub_epi8(v, _mm_cmplt_epi8(v, _mm_set1_epi8((char)rank)));
	_mm_storeu_si128((__m128i *)set, v);
#else
	__u32 i;

	for (i = 0; i < 16; i++)
		set[i] += set[i] < rank;
#endif
}

#endif
