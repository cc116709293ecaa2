/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csum.h - checksums that follow a rewrite without reading the payload.
 *
 * The Internet checksum is a one's complement sum, so a rewrite adds (new - old) to it: RFC 1624
 * equation 3, HC' = ~(~HC + ~m + m').  Differences are gathered in 64-bit sums of host-order
 * numbers and folded once.  SCTP's CRC32c (RFC 9260 appendix A) is linear too: flipping bits
 * flips in the CRC what the flipped bits alone, followed by the rest of the packet as zeros,
 * would leave there; "followed by n zero bytes" is a product with x^(8n) modulo the polynomial.
 *
 * Concurrency: private memory only.
 * Errors: cxlt_csum_finish() returns -EINVAL if the field lies outside the frame.
 */
#ifndef CXLTAB_CSUM_H
#define CXLTAB_CSUM_H

#include <cxltab/base.h>
#include <cxltab/wire.h>

enum {
	CXLT_CRC32C_POLY = 0x82f63b78, /* reflected; x^0 is bit 31 */
	CXLT_CRC32C_X8 = 1 << 23,      /* x^8: one zero byte */
};

CXLT_INLINE __u32 cxlt_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* What replacing `old` by `val` adds to a sum; the numbers stand at 16-bit boundaries. */
CXLT_INLINE __u64 cxlt_csum_diff16(__u32 old, __u32 val)
{
	return (__u64)(~old & 0xffff) + (val & 0xffff);
}

CXLT_INLINE __u64 cxlt_csum_diff32(__u32 old, __u32 val)
{
	return (__u64)(__u32)~old + val;
}

CXLT_INLINE __u64 cxlt_csum_diff64(__u64 old, __u64 val)
{
	return cxlt_csum_diff32(old >> 32, val >> 32) + cxlt_csum_diff32(old, val);
}

/* The checksum field (host order) after a difference. */
CXLT_INLINE __u32 cxlt_csum_apply(__u32 field, __u64 diff)
{
	return cxlt_csum_fold((__u64)(~field & 0xffff) + cxlt_csum_fold(diff)) ^ 0xffff;
}

/* a * b modulo the polynomial, over GF(2). */
CXLT_INLINE __u32 cxlt_crc32c_mul(__u32 a, __u32 b)
{
	__u32 i, p = 0;

	CXLT_FOR(i, 32, 32)
	{
		p ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (CXLT_CRC32C_POLY & -(b & 1));
	}
	return p;
}

/*
 * What flipping the 32 bits `delta` (as they lie in memory, little endian) changes in the CRC
 * when they are followed by len - 4 bytes; len < 65536.
 */
CXLT_INLINE __u32 cxlt_crc32c_delta(__u32 delta, __u32 len)
{
	__u32 i, pow = CXLT_CRC32C_X8;

	CXLT_FOR(i, 16, 16)
	{
		if (len & 1)
			delta = cxlt_crc32c_mul(delta, pow);
		len >>= 1;
		if (!len)
			break;
		pow = cxlt_crc32c_mul(pow, pow);
	}
	return delta;
}

#ifndef __BPF__

/*
 * The one's complement sum of len bytes, in host order, not inverted.  Such a sum may be taken in
 * either byte order and swapped at the end (RFC 1071 2B).
 */
CXLT_INLINE __u32 cxlt_csum_bytes(const __u8 *p, __u32 len)
{
	__u64 sum = 0, sum2 = 0;

	for (; len >= 8; p += 8, len -= 8) {
		sum += cxlt_get32_le(p);
		sum2 += cxlt_get32_le(p + 4);
	}
	for (; len >= 2; p += 2, len -= 2)
		sum += cxlt_bswap16((__u16)cxlt_get16(p));
	if (len)
		sum += p[0];
	return cxlt_bswap16((__u16)cxlt_csum_fold(sum + sum2));
}

/* CRC32c over len bytes, continued from crc (start with ~0, invert at the end). */
CXLT_INLINE __u32 cxlt_crc32c_bytes(__u32 crc, const __u8 *p, __u32 len)
{
	__u32 i;

	for (; len; p++, len--) {
		crc ^= *p;
		for (i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (CXLT_CRC32C_POLY & -(crc & 1));
	}
	return crc;
}

/*
 * Completes a partial checksum as a NIC does on transmit: the field holds the pseudo-header's
 * sum, not inverted, and receives the checksum over everything from csum_start.  csum_offset 8
 * is SCTP (no other checksum lies there): the field holds 0 and receives the CRC32c.
 */
CXLT_INLINE int cxlt_csum_finish(__u8 *frame, __u32 len, __u32 csum_start, __u32 csum_offset)
{
	__u32 width = csum_offset == 8 ? 4 : 2, csum;
	__u8 *start = frame + csum_start, *field = start + csum_offset;

	if (csum_start > len || csum_offset > len - csum_start ||
	    width > len - csum_start - csum_offset)
		return -EINVAL;
	if (csum_offset == 8) {
		cxlt_put32_le(field, 0);
		cxlt_put32_le(field, ~cxlt_crc32c_bytes(~0u, start, len - csum_start));
		return 0;
	}
	csum = cxlt_csum_bytes(start, len - csum_start) ^ 0xffff;
	cxlt_put16(field, csum ? csum : 0xffff);
	return 0;
}

#endif

#endif
