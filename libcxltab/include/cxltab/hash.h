/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - the hash of keys: a seeded NH sum and a short finaliser (PROTOCOL.md, "Hash").
 *
 *     h = sum over the words i of the key of
 *             (lo32(w_i) + lo32(k_i)) * (hi32(w_i) + hi32(k_i))     32-bit adds, 64-bit products
 *         + secret of the tuple, then two multiplies
 *     b1  = lo32(h) & mask,  tag = h >> 33,  b2 = (b1 ^ (mix32(tag) | 1)) & mask
 *
 * NH (Black et al., UMAC, CRYPTO '99) is almost universal, its products are independent (no
 * serial chain), and a sum can be shared between tuples.  An entry can be moved by its slot
 * alone, because b2 needs only the tag.  Secrets are per slice and word position.
 *
 * Concurrency: pure functions.
 */
#ifndef CXLTAB_HASH_H
#define CXLTAB_HASH_H

#include <cxltab/base.h>
#include <cxltab/layout.h>

CXLT_INLINE __u64 cxlt_nh(__u64 w, __u64 k)
{
	__u32 lo = (__u32)w + (__u32)k;
	__u32 hi = (__u32)(w >> 32) + (__u32)(k >> 32);

	return (__u64)lo * hi;
}

CXLT_INLINE __u64 cxlt_hash_finish(__u64 h)
{
	h ^= h >> 32;
	h *= 0xe9846af9b1a615dULL;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	return h;
}

CXLT_INLINE __u32 cxlt_hash_tag(__u64 h)
{
	return (__u32)(h >> 33);
}

/* The other bucket of an entry, from the one it is in; its own inverse. */
CXLT_INLINE __u32 cxlt_hash_other(__u32 bucket, __u32 tag, __u32 mask)
{
	__u32 x = tag * 0x9e3779b1U;

	x ^= x >> 15;
	return (bucket ^ (x | 1)) & mask;
}

#endif
