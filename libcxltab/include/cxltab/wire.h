/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - numbers in packets: network byte order, any alignment, any aliasing.
 *
 * The BPF back end splits a load that it believes unaligned into single bytes; the kernels that
 * this project runs on allow unaligned access to map values, so there the alignment is claimed.
 *
 * Concurrency: packet memory is private to whoever handles the packet.
 */
#ifndef CXLTAB_WIRE_H
#define CXLTAB_WIRE_H

#include <cxltab/base.h>

#ifdef __BPF__
#define CXLT_WIRE __attribute__((may_alias))
#else
#define CXLT_WIRE __attribute__((may_alias, aligned(1)))
#endif

typedef __u16 CXLT_WIRE cxlt_wire16;
typedef __u32 CXLT_WIRE cxlt_wire32;
typedef __u64 CXLT_WIRE cxlt_wire64;

CXLT_INLINE __u32 cxlt_get16(const __u8 *p)
{
	return cxlt_bswap16(*(const cxlt_wire16 *)p);
}

CXLT_INLINE __u32 cxlt_get32(const __u8 *p)
{
	return cxlt_bswap32(*(const cxlt_wire32 *)p);
}

CXLT_INLINE __u64 cxlt_get64(const __u8 *p)
{
	return __builtin_bswap64(*(const cxlt_wire64 *)p);
}

CXLT_INLINE void cxlt_put16(__u8 *p, __u32 v)
{
	*(cxlt_wire16 *)p = cxlt_bswap16((__u16)v);
}

CXLT_INLINE void cxlt_put32(__u8 *p, __u32 v)
{
	*(cxlt_wire32 *)p = cxlt_bswap32(v);
}

CXLT_INLINE void cxlt_put64(__u8 *p, __u64 v)
{
	*(cxlt_wire64 *)p = __builtin_bswap64(v);
}

/* 32 bits as they lie in memory, which on our machines is little endian (SCTP's CRC32c). */
CXLT_INLINE __u32 cxlt_get32_le(const __u8 *p)
{
	return *(const cxlt_wire32 *)p;
}

CXLT_INLINE void cxlt_put32_le(__u8 *p, __u32 v)
{
	*(cxlt_wire32 *)p = v;
}

#endif
