// SPDX-License-Identifier: Apache-2.0
/*
 * Frames become keys.  Vectors come from scapy (tests/gen_packets.py); what a cut frame must
 * answer is worked out here from the frame's own lengths, byte by byte.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <cxltab/parse.h>
#include "packets.h"
#include "parse_edit.skel.h"

#define PACKETS "tests/data/packets.txt"

static const char *const reason_name[] = {
#define X(id, name, meaning) name,
	CXLT_REASONS(X)
#undef X
};

/* Parses the frame where reading one byte too many is a fault. */
static int parse(const __u8 *b, __u32 n, __u32 in_port, struct cxlt_key *key,
		 struct cxlt_layers *lay)
{
	__u32 hdr = n < CXLT_HDR_MAX ? n : CXLT_HDR_MAX;

	memset(key, 0xa5, sizeof(*key));
	memset(lay, 0xa5, sizeof(*lay));
	return cxlt_parse(packet_guarded(b, hdr), hdr, n, in_port, key, lay);
}

Test(parse, scapy_and_parse_see_the_same_fields)
{
	FILE *f = vector_open(PACKETS);
	struct vector v;
	int line = 0, n = 0;

	cr_assert_not_null(f);
	for (; vector_next(f, &v, &line); n++) {
		struct cxlt_key key, want = {0};
		struct cxlt_layers lay;
		struct packet p;
		int reason;

		cr_assert_eq(v.n_fields, 4, "line %d", line);
		p.len = hex_bytes(v.field[3], p.b, sizeof(p.b));
		reason = parse(p.b, p.len, 7, &key, &lay);
		want.w[CXLT_W_PORT] = 7ULL << 32;
		cr_assert_not(key_from_text(&want, v.field[2]));
		cr_expect_str_eq(reason_name[reason], v.field[1], "%s: %s", v.field[0],
				 reason_name[reason]);
		cr_expect_arr_eq(&key, &want, sizeof(key), "%s: key and scapy: %s", v.field[0],
				 key_difference(&key, &want));
		cr_expect_eq(lay.frag, CXLT_KEY_GET(&key, IP_FRAG));
		free(v.line);
	}
	fclose(f);
	cr_assert_gt(n, 150);
}

Test(parse, layers_are_where_scapy_put_them)
{
	static const struct {
		const char *name;
		struct cxlt_layers lay;
	} want[] = {
		{"ipv4_tcp_untagged", {14, 34, 25, 0, 0, CXLT_L3_IPV4, 6, 0, 0, 0}},
		{"ipv4_udp_dot1q", {18, 38, 15, 0, 1, CXLT_L3_IPV4, 17, 0, 0, 0}},
		{"ipv4_options_10", {14, 74, 9, 0, 0, CXLT_L3_IPV4, 17, 0, 0, 0}},
		{"ipv4_padded", {14, 34, 8, 0, 0, CXLT_L3_IPV4, 17, 0, 0, 0}},
		{"ipv4_gre", {14, 0, 0, 0, 0, CXLT_L3_IPV4, 0, 0, 0, 0}},
		{"ipv4_last_fragment", {14, 0, 0, 0, 0, CXLT_L3_IPV4, 0, 3, 0, 0}},
		{"ipv6_first_tcp", {14, 62, 24, 54, 0, CXLT_L3_IPV6, 6, 1, 0, 0}},
		{"ipv6_atomic_udp", {22, 70, 12, 62, 2, CXLT_L3_IPV6, 17, 0, 0, 0}},
		{"ipv6_rh_tcp", {14, 78, 24, 0, 0, CXLT_L3_IPV6, 6, 0, 0, 0}},
		{"ipv6_rhleft_tcp", {14, 94, 24, 0, 0, CXLT_L3_IPV6, 6, 0, CXLT_LAY_ROUTED, 0}},
		{"ipv6_later_after_hbh", {14, 0, 0, 62, 0, CXLT_L3_IPV6, 0, 3, 0, 0}},
		{"arp_reply", {14, 0, 0, 0, 0, CXLT_L3_ARP, 0, 0, 0, 0}},
		{"other_qinq", {22, 0, 0, 0, 2, CXLT_L3_NONE, 0, 0, 0, 0}},
		{"snap_ipv4", {22, 42, 8, 0, 0, CXLT_L3_IPV4, 17, 0, 0, 0}},
	};
	FILE *f = vector_open(PACKETS);
	struct vector v;
	int line = 0, seen = 0;

	cr_assert_not_null(f);
	while (vector_next(f, &v, &line)) {
		size_t i;

		for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
			struct cxlt_layers lay;
			struct cxlt_key key;
			struct packet p;

			if (strcmp(want[i].name, v.field[0]))
				continue;
			p.len = hex_bytes(v.field[3], p.b, sizeof(p.b));
			parse(p.b, p.len, 7, &key, &lay);
			cr_expect_arr_eq(&lay, &want[i].lay, sizeof(lay), "%s: %u %u %u %u",
					 v.field[0], lay.l3, lay.l4, lay.l4_len, lay.ip6_frag);
			seen++;
		}
		free(v.line);
	}
	fclose(f);
	cr_assert_eq(seen, sizeof(want) / sizeof(want[0]));
}

/* Truncation. */

static __u32 get16(const __u8 *b)
{
	return b[0] << 8 | b[1];
}

static void set16(__u8 *b, __u32 v)
{
	b[0] = v >> 8;
	b[1] = v;
}

static __u32 find_l3(const __u8 *b, __u32 n, __u32 *type, int *cut_tag)
{
	__u32 off = 12;
	int i;

	*cut_tag = 0;
	*type = get16(b + 12);
	for (i = 0; i < 2 && (*type == 0x8100 || *type == 0x88a8); i++) {
		if (n < off + 6) {
			*cut_tag = 1;
			return 0;
		}
		off += 4;
		*type = get16(b + off);
	}
	off += 2;
	if (*type >= 0x600)
		return off;
	if (n < off + 8 || memcmp(b + off, "\xaa\xaa\x03\0\0\0", 6) || get16(b + off + 6) < 0x600) {
		*type = 0;
		return off;
	}
	*type = get16(b + off + 6);
	return off + 8;
}

/* The reason for the first n bytes of a good frame. */
static int cut_reason(const __u8 *b, __u32 n)
{
	__u32 type, l3;
	int cut_tag;

	if (n < 14)
		return CXLT_R_SHORT_FRAME;
	l3 = find_l3(b, n, &type, &cut_tag);
	if (cut_tag)
		return CXLT_R_TRUNC_VLAN;
	switch (type) {
	case 0x0806:
	case 0x8035: return n < l3 + 28 ? CXLT_R_TRUNC_ARP : CXLT_R_NONE;
	case 0x0800:
		if (n < l3 + 20 || n < l3 + (b[l3] & 15) * 4)
			return CXLT_R_TRUNC_IPV4;
		return n < l3 + get16(b + l3 + 2) ? CXLT_R_BAD_IPV4 : CXLT_R_NONE;
	case 0x86dd:
		if (n < l3 + 40)
			return CXLT_R_TRUNC_IPV6;
		return n < l3 + 40 + get16(b + l3 + 4) ? CXLT_R_BAD_IPV6 : CXLT_R_NONE;
	}
	return CXLT_R_NONE;
}

static int cut_nd(const __u8 *h, __u32 n)
{
	__u32 off = 24;

	if (n < 24)
		return CXLT_R_TRUNC_ND;
	for (; off < n; off += h[off + 1] * 8)
		if (n - off < 8 || n - off < h[off + 1] * 8u)
			return CXLT_R_TRUNC_ND;
	return CXLT_R_NONE;
}

static int cut_l4(const __u8 *h, __u32 n, __u32 proto, int v6)
{
	switch (proto) {
	case 6: return n < 20 || n < (h[12] >> 4) * 4u ? CXLT_R_TRUNC_TCP : CXLT_R_NONE;
	case 17:
		if (n < 8)
			return CXLT_R_TRUNC_UDP;
		return get16(h + 2) == 4789 && n < 16 ? CXLT_R_TRUNC_VXLAN : CXLT_R_NONE;
	case 132: return n < 12 ? CXLT_R_TRUNC_SCTP : CXLT_R_NONE;
	case 1:
	case 58:
		if ((proto == 1) == v6)
			return CXLT_R_NONE;
		if (n < 8)
			return CXLT_R_TRUNC_ICMP;
		return v6 && (h[0] == 135 || h[0] == 136) && !h[1] ? cut_nd(h, n) : CXLT_R_NONE;
	}
	return CXLT_R_NONE;
}

static int cut_ipv6_payload(const __u8 *h, __u32 n, __u32 proto, __u32 *l4, __u32 *l4_proto)
{
	__u32 off = 0, len;

	while (proto == 0 || proto == 43 || proto == 44 || proto == 51 || proto == 60) {
		if (n - off < 8)
			return CXLT_R_TRUNC_EXT;
		len = proto == 44 ? 8 : proto == 51 ? 8 + h[off + 1] * 4 : 8 + h[off + 1] * 8;
		if (n - off < len)
			return CXLT_R_TRUNC_EXT;
		if (proto == 44 && get16(h + off + 2) & 0xfff8)
			return CXLT_R_NONE;
		proto = h[off];
		off += len;
	}
	*l4 = off;
	*l4_proto = proto;
	return cut_l4(h + off, n - off, proto, 1);
}

/*
 * Shortens the IP packet to n bytes of frame, with IP and UDP lengths that agree; the reason, or
 * -1 if n is within the IP header or the frame isn't IP.
 */
static int cut_payload(__u8 *b, __u32 n)
{
	__u32 type, l3, l4 = 0, proto, len;
	int cut_tag, reason;

	l3 = find_l3(b, n, &type, &cut_tag);
	if (type == 0x0800) {
		len = (b[l3] & 15) * 4;
		if (n < l3 + len)
			return -1;
		set16(b + l3 + 2, n - l3);
		if (get16(b + l3 + 6) & 0x1fff)
			return CXLT_R_NONE;
		l4 = l3 + len;
		proto = b[l3 + 9];
		reason = cut_l4(b + l4, n - l4, proto, 0);
	} else if (type == 0x86dd && n >= l3 + 40) {
		set16(b + l3 + 4, n - l3 - 40);
		proto = 0;
		reason = cut_ipv6_payload(b + l3 + 40, n - l3 - 40, b[l3 + 6], &l4, &proto);
		l4 += l3 + 40;
	} else {
		return -1;
	}
	if (proto == 17 && reason != CXLT_R_TRUNC_UDP)
		set16(b + l4 + 4, n - l4);
	return reason;
}

Test(parse, a_frame_cut_at_any_byte_has_its_reason)
{
	FILE *f = vector_open(PACKETS);
	int line = 0, seen[CXLT_N_REASONS] = {0}, i;
	struct vector v;

	cr_assert_not_null(f);
	for (; vector_next(f, &v, &line); free(v.line)) {
		__u8 whole[PACKET_MAX];
		__u32 n, len = hex_bytes(v.field[3], whole, sizeof(whole));

		if (strcmp(v.field[1], "none") || len > CXLT_HDR_MAX)
			continue;
		for (n = 0; n < len; n++) {
			int want = cut_reason(whole, n);
			struct cxlt_layers lay;
			struct cxlt_key key;
			__u8 b[PACKET_MAX];
			int reason = parse(whole, n, 1, &key, &lay);

			cr_expect_eq(reason, want, "%s cut to %u: %s", v.field[0], n,
				     reason_name[reason]);
			seen[reason]++;
			memcpy(b, whole, len);
			want = n < 14 ? -1 : cut_payload(b, n);
			if (want < 0)
				continue;
			reason = parse(b, n, 1, &key, &lay);
			cr_expect_eq(reason, want, "%s shortened to %u: %s", v.field[0], n,
				     reason_name[reason]);
			seen[reason]++;
		}
	}
	fclose(f);
	for (i = CXLT_R_SHORT_FRAME; i <= CXLT_R_TRUNC_VXLAN; i++)
		if (!strncmp(reason_name[i], "trunc", 5))
			cr_expect(seen[i], "no frame was cut to %s", reason_name[i]);
}

Test(parse, no_frame_reads_beyond_its_end)
{
	__u64 seed = packet_seed("no_frame_reads_beyond_its_end");
	int i;

	for (i = 0; i < 200000; i++) {
		struct cxlt_layers lay;
		struct cxlt_key key;
		struct packet p;
		int reason;

		packet_random(&p, &seed);
		packet_mutate(&p, &seed);
		reason = parse(p.b, p.len, 1, &key, &lay);
		cr_assert(reason == CXLT_R_NONE ||
			  (reason >= CXLT_R_SHORT_FRAME && reason <= CXLT_R_TRUNC_VXLAN));
		cr_assert_lt(lay.l4, CXLT_HDR_MAX);
		if (!reason && lay.l4)
			cr_assert_leq(lay.l4 + lay.l4_len, p.len);
	}
}

Test(parse, every_well_formed_frame_is_accepted)
{
	__u64 seed = packet_seed("every_well_formed_frame_is_accepted");
	int i;

	for (i = 0; i < 200000; i++) {
		struct cxlt_layers lay;
		struct cxlt_key key;
		struct packet p;
		int reason;

		packet_random(&p, &seed);
		cr_assert_null(packet_bad_checksum(&p));
		reason = parse(p.b, p.len, 1, &key, &lay);
		cr_assert_eq(reason, CXLT_R_NONE, "packet %d: %s", i, reason_name[reason]);
	}
}

/* GRO and GSO: what TC sees, of which only the first bytes are at hand. */

static int parse_super(struct packet *p, __u32 frame_len, struct cxlt_layers *lay)
{
	struct cxlt_key key;

	return cxlt_parse(packet_guarded(p->b, p->len), p->len, frame_len, 1, &key, lay);
}

Test(parse, super_packets_without_a_length_reach_to_the_end)
{
	__u64 seed = packet_seed("super_packets");
	struct cxlt_layers lay;
	struct packet p;

	packet_plain(&p, &seed, 0, 6, CXLT_HDR_MAX - 54);
	set16(p.b + 16, 0);
	cr_expect_eq(parse_super(&p, 100000, &lay), CXLT_R_NONE);
	cr_expect_eq(lay.l4_len, 0xffff);
	cr_expect_eq(parse_super(&p, 14 + 65535, &lay), CXLT_R_BAD_IPV4);
	set16(p.b + 16, 65535);
	cr_expect_eq(parse_super(&p, 14 + 65535, &lay), CXLT_R_NONE);
	cr_expect_eq(lay.l4_len, 65535 - 20);

	packet_plain(&p, &seed, 1, 6, CXLT_HDR_MAX - 74);
	set16(p.b + 18, 0);
	cr_expect_eq(parse_super(&p, 100000, &lay), CXLT_R_NONE);
	cr_expect_eq(parse_super(&p, 14 + 40 + 65535, &lay), CXLT_R_TRUNC_TCP);

	packet_plain(&p, &seed, 0, 17, CXLT_HDR_MAX - 42);
	set16(p.b + 16, 0);
	set16(p.b + 38, 0);
	cr_expect_eq(parse_super(&p, 100000, &lay), CXLT_R_NONE);
}

/* The same source under the verifier. */

struct test_work {
	struct cxlt_work w;
	struct {
		__u64 fix[2];
	} rest;
};

static struct parse_edit_bpf *skel;

static void open_bpf(void)
{
	if (geteuid())
		cr_skip_test("needs root to load BPF programs");
	skel = parse_edit_bpf__open_and_load();
	cr_assert_not_null(skel, "the verifier refused parse_edit.bpf.c");
}

static void close_bpf(void)
{
	parse_edit_bpf__destroy(skel);
}

Test(parse, bpf_and_c_agree, .init = open_bpf, .fini = close_bpf)
{
	__u64 seed = packet_seed("bpf_and_c_agree");
	int map = bpf_map__fd(skel->maps.test_work), prog = bpf_program__fd(skel->progs.parse);
	static char value[sizeof(struct test_work) + 64];
	struct cxlt_work *w = (struct cxlt_work *)value;
	__u32 zero = 0;
	int i;

	cr_assert_leq(bpf_map__value_size(skel->maps.test_work), sizeof(value));
	w->in_port = 0xfffffffe;
	cr_assert_eq(bpf_map_update_elem(map, &zero, value, BPF_ANY), 0);
	for (i = 0; i < 20000; i++) {
		struct cxlt_layers lay;
		struct cxlt_key key;
		struct packet p;
		int reason;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.b);

		packet_random(&p, &seed);
		if (i % 2)
			packet_mutate(&p, &seed);
		if (p.len < 14)
			continue;
		opts.data_size_in = p.len;
		cr_assert_eq(bpf_prog_test_run_opts(prog, &opts), 0, "%u bytes", p.len);
		cr_assert_eq(bpf_map_lookup_elem(map, &zero, value), 0);
		reason = parse(p.b, p.len, 0xfffffffe, &key, &lay);
		cr_assert_eq((int)opts.retval, reason, "packet %d: %s, C says %s", i,
			     reason_name[opts.retval], reason_name[reason]);
		cr_assert_arr_eq(&w->orig, &key, sizeof(key), "packet %d (%s): BPF and C: %s", i,
				 reason_name[reason], key_difference(&w->orig, &key));
		cr_assert_arr_eq(&w->lay, &lay, sizeof(lay), "packet %d (%s)", i,
				 reason_name[reason]);
	}
}
