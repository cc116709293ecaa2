// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes are parsed and, if accepted, edited to any key.  Whatever checksums the frame had,
 * right or wrong, the error in them must stay what it was: that is all an incremental update
 * promises.
 *
 * Input: 1 byte frame length beyond the window, in units of 300 bytes; 1 byte number of actions;
 * 19 bytes each; then the frame.
 */
#include <stdlib.h>
#include <string.h>
#include <cxltab/edit.h>
#include <cxltab/parse.h>
#include "packets.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

enum {
	ACTION_BYTES = 19,
};

static void check(int ok)
{
	if (!ok)
		abort();
}

static __u64 word(const __u8 *b)
{
	__u64 v;

	memcpy(&v, b, sizeof(v));
	return v;
}

static void act(struct cxlt_key *key, const __u8 *a)
{
	switch (a[0] & 7) {
	case 0: cxlt_key_push_vlan(key, a[1] & 1 ? 0x8100 : 0x88a8); break;
	case 1: cxlt_key_pop_vlan(key); break;
	case 2: cxlt_key_dec_ttl(key); break;
	default: cxlt_key_set(key, a[1], word(a + 2), word(a + 10));
	}
}

/* Sum of the IPv4 header, and of the L4 part as far as an edit may touch it. */
static __u32 header_sum(const __u8 *b, const struct cxlt_layers *lay)
{
	__u32 len = (b[lay->l3] & 15) * 4;

	return packet_sum(b + lay->l3, len) % 0xffff;
}

static __u32 l4_sum(const __u8 *b, __u32 n, const struct cxlt_layers *lay)
{
	__u32 sum = packet_sum(b + lay->l4, n - lay->l4 < 20 ? n - lay->l4 : 20);

	if (lay->l3_kind == CXLT_L3_IPV6)
		sum += packet_sum(b + lay->l3 + 8, lay->flags & CXLT_LAY_ROUTED ? 16 : 32);
	else if (lay->l4_proto != CXLT_IPPROTO_ICMP)
		sum += packet_sum(b + lay->l3 + 12, 8);
	return sum % 0xffff;
}

static int has_l4_sum(const __u8 *b, const struct cxlt_layers *lay)
{
	if (!lay->l4 || lay->l4_proto == CXLT_IPPROTO_SCTP)
		return 0;
	return lay->l4_proto != CXLT_IPPROTO_UDP || b[lay->l4 + 6] || b[lay->l4 + 7];
}

static void edit(const __u8 *b, __u32 n, __u32 len, const struct cxlt_key *from,
		 const struct cxlt_layers *lay, const struct cxlt_key *to)
{
	struct cxlt_layers after = *lay;
	struct cxlt_csum_fix fix;
	struct cxlt_frame f = {.len = len, .hdr_len = n, .head = CXLT_HDR_ROOM};
	const __u8 *out;

	memcpy(f.buf + f.head, b, n);
	if (cxlt_edit(&f, &after, from, to, &fix) || cxlt_edit_csum(&f, &fix))
		return;
	check(f.head <= CXLT_HDR_ROOM + 8 && f.head + f.hdr_len <= sizeof(f.buf));
	check(f.len - len == f.hdr_len - n);
	out = f.buf + f.head;
	check(cxlt_get64(out) >> 16 == CXLT_KEY_GET(to, ETH_DST));
	if (lay->l3_kind == CXLT_L3_IPV4)
		check(header_sum(out, &after) == header_sum(b, lay));
	if (has_l4_sum(b, lay))
		check(l4_sum(out, f.hdr_len, &after) == l4_sum(b, n, lay));
	check(!memcmp(out + after.l3 + 60, b + lay->l3 + 60,
		      n > lay->l3 + 60u && lay->l4 + 20 < lay->l3 + 60 ? n - lay->l3 - 60 : 0));
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	struct cxlt_layers lay;
	struct cxlt_key from, to;
	__u32 n, len, actions, i;
	__u8 *b;
	int reason;

	if (size < 2)
		return 0;
	actions = data[1] & 7;
	if (size < 2 + actions * ACTION_BYTES)
		return 0;
	n = size - 2 - actions * ACTION_BYTES;
	n = n < CXLT_HDR_MAX ? n : CXLT_HDR_MAX;
	len = n == CXLT_HDR_MAX ? n + data[0] * 300 : n;
	b = malloc(n);
	memcpy(b, data + 2 + actions * ACTION_BYTES, n);
	reason = cxlt_parse(b, n, len, 1, &from, &lay);
	check(!reason || (reason >= CXLT_R_SHORT_FRAME && reason <= CXLT_R_TRUNC_VXLAN));
	if (!reason) {
		to = from;
		for (i = 0; i < actions; i++)
			act(&to, data + 2 + i * ACTION_BYTES);
		edit(b, n, len, &from, &lay, &to);
	}
	free(b);
	return 0;
}
