// SPDX-License-Identifier: Apache-2.0
/*
 * Keys that changed become frames again.  Expected frames come from scapy; beyond those, random
 * edits are judged by reading the frame again and summing every checksum from scratch.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <cxltab/edit.h>
#include <cxltab/parse.h>
#include "packets.h"
#include "parse_edit.skel.h"

#define EDITS "tests/data/edits.txt"

static const char *const reason_name[] = {
#define X(id, name, meaning) name,
	CXLT_REASONS(X)
#undef X
};

static int parse(const struct packet *p, struct cxlt_key *key, struct cxlt_layers *lay)
{
	return cxlt_parse(p->b, p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX, p->len, 1, key, lay);
}

static __u32 get16(const __u8 *b)
{
	return b[0] << 8 | b[1];
}

static void set16(__u8 *b, __u32 v)
{
	b[0] = v >> 8;
	b[1] = v;
}

/* Edits a whole packet in place; *fix, if given, receives what had to be fixed. */
static int edit(struct packet *p, const struct cxlt_key *to, struct cxlt_csum_fix *fix)
{
	struct packet before = *p;
	struct cxlt_csum_fix own;
	struct cxlt_layers lay, again;
	struct cxlt_frame f;
	struct cxlt_key from;
	int reason = parse(p, &from, &lay);

	fix = fix ? fix : &own;
	cr_assert_eq(reason, CXLT_R_NONE, "%s", reason_name[reason]);
	packet_to_frame(p, &f);
	reason = cxlt_edit(&f, &lay, &from, to, fix);
	if (reason)
		return reason;
	reason = cxlt_edit_csum(&f, fix);
	if (reason)
		return reason;
	packet_from_frame(p, &before, &f);
	cr_assert_eq(parse(p, &from, &again), CXLT_R_NONE);
	cr_assert_arr_eq(&lay, &again, sizeof(lay), "layers don't describe the edited frame");
	return CXLT_R_NONE;
}

/* One action of a vector: push=TPID, pop, dec_ttl, or FIELD=HEX. */
static int act(struct cxlt_key *key, const char *action)
{
	struct cxlt_key value = *key;
	__u32 i;

	if (!strncmp(action, "push=", 5))
		return cxlt_key_push_vlan(key, strtoul(action + 5, NULL, 16));
	if (!strcmp(action, "dec_ttl"))
		return cxlt_key_dec_ttl(key);
	if (!strcmp(action, "pop")) {
		cxlt_key_pop_vlan(key);
		return 0;
	}
	cr_assert_not(key_from_text(&value, action));
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if (value.w[i] != key->w[i])
			cxlt_key_set(key, i, value.w[i], value.w[i] ^ key->w[i]);
	return 0;
}

Test(edit, frames_become_what_scapy_builds)
{
	FILE *f = vector_open(EDITS);
	int line = 0, n = 0;
	struct vector v;

	cr_assert_not_null(f);
	for (; vector_next(f, &v, &line); n++) {
		struct packet p, want;
		struct cxlt_layers lay;
		struct cxlt_key key;
		char *rest = v.field[1], *action;
		int reason;

		cr_assert_eq(v.n_fields, 4, "line %d", line);
		p.len = hex_bytes(v.field[2], p.b, sizeof(p.b));
		want.len = hex_bytes(v.field[3], want.b, sizeof(want.b));
		cr_assert_eq(parse(&p, &key, &lay), CXLT_R_NONE, "%s", v.field[0]);
		while ((action = strsep(&rest, " ")))
			cr_assert_eq(act(&key, action), CXLT_R_NONE, "%s: %s", v.field[0], action);
		reason = edit(&p, &key, NULL);
		cr_expect_eq(reason, CXLT_R_NONE, "%s: %s", v.field[0], reason_name[reason]);
		cr_expect_eq(p.len, want.len, "%s: %u bytes", v.field[0], p.len);
		cr_expect_arr_eq(p.b, want.b, p.len, "%s", v.field[0]);
		free(v.line);
	}
	fclose(f);
	cr_assert_gt(n, 80);
}

/* Random edits. */

static void set_field(struct cxlt_key *key, __u64 *seed, __u32 word, __u32 shift, __u32 bits)
{
	__u64 mask = packet_below(seed, 4) ? ~0ULL : packet_rand(seed);

	mask &= bits == 64 ? ~0ULL : (1ULL << bits) - 1;
	cxlt_key_set(key, word, packet_rand(seed), mask << shift);
}

/* Something that may be done to a packet of this kind. */
static void random_action(struct cxlt_key *key, const struct cxlt_layers *lay, __u64 *seed)
{
	int ip = lay->l3_kind == CXLT_L3_IPV4 || lay->l3_kind == CXLT_L3_IPV6;
	int arp = lay->l3_kind == CXLT_L3_ARP, v6 = lay->l3_kind == CXLT_L3_IPV6;

	switch (packet_below(seed, 16)) {
	case 0: set_field(key, seed, CXLT_W_DMAC, 16, 48); break;
	case 1: set_field(key, seed, CXLT_W_SMAC, 16, 48); break;
	case 2: cxlt_key_push_vlan(key, packet_below(seed, 2) ? 0x8100 : 0x88a8); break;
	case 3: cxlt_key_pop_vlan(key); break;
	case 4: set_field(key, seed, CXLT_W_DMAC, 0, 16); break;
	case 5: set_field(key, seed, CXLT_W_SMAC, 0, 16); break;
	case 6: cxlt_key_dec_ttl(key); break;
	case 7:
		if (ip)
			set_field(key, seed, CXLT_W_L4, 0, 16);
		break;
	case 8:
		if (lay->l3_kind == CXLT_L3_IPV4 || arp)
			set_field(key, seed, CXLT_W_IPV4, 0, 64);
		break;
	case 9:
		if (v6)
			set_field(key, seed, CXLT_W_LABEL_VNI, 32, 20);
		break;
	case 10:
	case 11:
		if (v6)
			set_field(key, seed, CXLT_W_IPV6_SRC_HI + packet_below(seed, 4), 0, 64);
		break;
	case 12:
	case 13:
		if (lay->l4 && lay->l4_proto != 1 && lay->l4_proto != 58)
			set_field(key, seed, CXLT_W_L4, 32, 32);
		break;
	case 14:
		if (arp)
			set_field(key, seed, CXLT_W_SHA + packet_below(seed, 2), 16, 48);
		break;
	case 15:
		cxlt_key_set(key, CXLT_W_METADATA + packet_below(seed, 4), packet_rand(seed),
			     ~0ULL);
		break;
	}
}

/* What can be read back: the pipeline's own words are in no frame. */
static void forget_words(struct cxlt_key *key)
{
	__u32 i;

	for (i = CXLT_W_METADATA; i <= CXLT_W_REG23; i++)
		key->w[i] = 0;
}

static int may_edit(const struct cxlt_layers *lay, const struct cxlt_key *from,
		    const struct cxlt_key *to)
{
	return lay->l4_proto != 132 || !lay->frag ||
	       from->w[CXLT_W_L4] >> 32 == to->w[CXLT_W_L4] >> 32;
}

/* The VXLAN header is another thing once the port has changed. */
static int port_decides(const struct cxlt_layers *lay, const struct cxlt_key *from,
			const struct cxlt_key *to)
{
	return lay->l4_proto == 17 &&
	       (CXLT_KEY_GET(from, TP_DST) == 4789 || CXLT_KEY_GET(to, TP_DST) == 4789) &&
	       CXLT_KEY_GET(from, TP_DST) != CXLT_KEY_GET(to, TP_DST);
}

static void check_random_edit(struct packet *p, __u64 *seed, int n)
{
	struct cxlt_key from, to, now;
	struct cxlt_layers lay, lay2;
	__u32 tail = p->len, actions = 1 + packet_below(seed, 6);
	struct packet before = *p;
	const char *bad;
	int reason;

	cr_assert_eq(parse(p, &from, &lay), CXLT_R_NONE);
	to = from;
	while (actions--)
		random_action(&to, &lay, seed);
	if (port_decides(&lay, &from, &to))
		return;
	reason = edit(p, &to, NULL);
	if (!may_edit(&lay, &from, &to)) {
		cr_assert_eq(reason, CXLT_R_CANT_EDIT);
		return;
	}
	cr_assert_eq(reason, CXLT_R_NONE, "packet %d: %s", n, reason_name[reason]);
	bad = packet_bad_checksum(p);
	cr_assert_null(bad, "packet %d: %s", n, bad);
	cr_assert_eq(parse(p, &now, &lay2), CXLT_R_NONE);
	forget_words(&to);
	cr_assert_arr_eq(&now, &to, sizeof(to), "packet %d: read and wanted: %s", n,
			 key_difference(&now, &to));
	tail = before.len - lay.l3 - (lay.l4 ? lay.l4 - lay.l3 + 20 : 40);
	if (lay.l3_kind == CXLT_L3_NONE)
		tail = before.len - lay.l3;
	if ((int)tail > 0)
		cr_assert_arr_eq(p->b + p->len - tail, before.b + before.len - tail, tail);
}

Test(edit, random_edits_leave_right_checksums_and_the_payload)
{
	__u64 seed = packet_seed("random_edits");
	int i;

	for (i = 0; i < 300000; i++) {
		struct packet p;

		packet_random(&p, &seed);
		check_random_edit(&p, &seed, i);
	}
}

/* Fragments: the checksum in the first one belongs to the whole datagram. */

/* Cuts an IPv4 packet without options after `at` bytes of its payload (a multiple of 8). */
static void fragment_v4(const struct packet *whole, __u32 at, struct packet *one,
			struct packet *two)
{
	*one = *whole;
	one->len = 34 + at;
	set16(one->b + 16, 20 + at);
	set16(one->b + 20, 0x2000);
	memcpy(two->b, whole->b, 34);
	memcpy(two->b + 34, whole->b + 34 + at, whole->len - 34 - at);
	two->len = whole->len - at;
	set16(two->b + 16, two->len - 14);
	set16(two->b + 20, at / 8);
	set16(one->b + 24, 0);
	set16(one->b + 24, ~packet_sum(one->b + 14, 20));
	set16(two->b + 24, 0);
	set16(two->b + 24, ~packet_sum(two->b + 14, 20));
}

static void fragment_v6(const struct packet *whole, __u32 at, struct packet *one,
			struct packet *two)
{
	struct packet *piece[2] = {one, two};
	int i;

	for (i = 0; i < 2; i++) {
		struct packet *p = piece[i];
		__u32 n = i ? whole->len - 54 - at : at;

		memcpy(p->b, whole->b, 54);
		p->b[20] = 44;
		memset(p->b + 54, 0, 8);
		p->b[54] = whole->b[20];
		set16(p->b + 56, i ? at : 1);
		memcpy(p->b + 62, whole->b + 54 + (i ? at : 0), n);
		p->len = 62 + n;
		set16(p->b + 18, 8 + n);
	}
}

static void reassemble(struct packet *whole, const struct packet *one, const struct packet *two,
		       int v6)
{
	__u32 hdr = v6 ? 62 : 34, keep = v6 ? 54 : 34;

	memcpy(whole->b, one->b, keep);
	memcpy(whole->b + keep, one->b + hdr, one->len - hdr);
	memcpy(whole->b + keep + one->len - hdr, two->b + hdr, two->len - hdr);
	whole->len = keep + one->len - hdr + two->len - hdr;
	if (v6) {
		whole->b[20] = one->b[54];
		set16(whole->b + 18, whole->len - 54);
		return;
	}
	set16(whole->b + 16, whole->len - 14);
	set16(whole->b + 20, 0);
	set16(whole->b + 24, 0);
	set16(whole->b + 24, ~packet_sum(whole->b + 14, 20));
}

static void rewrite_all(struct cxlt_key *key, const struct cxlt_key *values, int v6, int ports)
{
	__u32 i;

	if (v6)
		for (i = CXLT_W_IPV6_SRC_HI; i <= CXLT_W_IPV6_DST_LO; i++)
			key->w[i] = values->w[i];
	else
		key->w[CXLT_W_IPV4] = values->w[CXLT_W_IPV4];
	if (ports)
		key->w[CXLT_W_L4] =
			(key->w[CXLT_W_L4] & 0xffffffff) | (values->w[CXLT_W_L4] & ~0xffffffffULL);
}

Test(edit, fragments_reassemble_to_a_right_checksum)
{
	__u64 seed = packet_seed("fragments");
	static const __u8 protos[] = {6, 17};
	int i;

	for (i = 0; i < 20000; i++) {
		int v6 = packet_below(&seed, 2), k;
		__u8 proto = protos[packet_below(&seed, 2)];
		struct packet whole, piece[2];
		struct cxlt_key values, key;
		struct cxlt_layers lay;
		const char *bad;

		packet_plain(&whole, &seed, v6, proto, 80 + packet_below(&seed, 400));
		for (k = 0; k < CXLT_KEY_WORDS; k++)
			values.w[k] = packet_rand(&seed);
		if (v6)
			fragment_v6(&whole, 64, &piece[0], &piece[1]);
		else
			fragment_v4(&whole, 64, &piece[0], &piece[1]);
		for (k = 0; k < 2; k++) {
			cr_assert_eq(parse(&piece[k], &key, &lay), CXLT_R_NONE);
			cr_assert_eq(lay.frag, k ? 3 : 1);
			rewrite_all(&key, &values, v6, 1);
			cr_assert_eq(edit(&piece[k], &key, NULL), CXLT_R_NONE);
		}
		reassemble(&whole, &piece[0], &piece[1], v6);
		bad = packet_bad_checksum(&whole);
		cr_assert_null(bad, "packet %d: %s", i, bad);
		cr_assert_eq(parse(&whole, &key, &lay), CXLT_R_NONE);
		cr_assert_eq(key.w[CXLT_W_L4] >> 32, values.w[CXLT_W_L4] >> 32);
	}
}

/* SCTP. */

Test(edit, sctp_crc_follows_at_every_length)
{
	__u64 seed = packet_seed("sctp_crc");
	__u32 n;

	for (n = 0; n < 1600; n++) {
		struct cxlt_layers lay;
		struct cxlt_key key;
		struct packet p;

		packet_plain(&p, &seed, n % 2, 132, n);
		parse(&p, &key, &lay);
		key.w[CXLT_W_L4] ^= packet_rand(&seed) << 32;
		cr_assert_eq(edit(&p, &key, NULL), CXLT_R_NONE);
		cr_assert_null(packet_bad_checksum(&p), "%u bytes of payload", n);
	}
}

Test(edit, sctp_crc_at_64k)
{
	static __u8 big[65535];
	__u64 seed = packet_seed("sctp_crc_at_64k");
	__u32 i, before, after;

	for (i = 0; i < sizeof(big); i++)
		big[i] = packet_rand(&seed);
	before = packet_crc32c(big, sizeof(big));
	big[1] ^= 0x55;
	after = packet_crc32c(big, sizeof(big));
	cr_assert_eq(before ^ cxlt_crc32c_delta(0x5500, sizeof(big)), after);
}

Test(edit, sctp_checksum_0_stays_0)
{
	__u64 seed = packet_seed("sctp_zero");
	struct cxlt_layers lay;
	struct cxlt_key key;
	struct packet p;

	packet_plain(&p, &seed, 0, 132, 30);
	memset(p.b + 42, 0, 4);
	parse(&p, &key, &lay);
	key.w[CXLT_W_L4] ^= 1ULL << 40;
	cr_assert_eq(edit(&p, &key, NULL), CXLT_R_NONE);
	cr_assert(!get16(p.b + 42) && !get16(p.b + 44));
}

/* What can't be edited. */

static int edit_word(struct packet *p, __u32 word, __u64 flip)
{
	struct cxlt_layers lay;
	struct cxlt_key key;

	parse(p, &key, &lay);
	key.w[word] ^= flip;
	return edit(p, &key, NULL);
}

Test(edit, fields_that_are_not_there_cannot_be_edited)
{
	static const struct {
		__u32 word;
		__u64 flip;
	} never[] =
		{
			{CXLT_W_PORT, 1 << 16},
			{CXLT_W_PORT, 1 << 8},
			{CXLT_W_PORT, 1},
			{CXLT_W_L4, 1 << 16},
			{CXLT_W_LABEL_VNI, 1},
			{CXLT_W_ND_TARGET_LO, 1},
			{CXLT_W_SHA, 1 << 16},
			{CXLT_W_THA, 1 << 16},
			{CXLT_W_LABEL_VNI, 1ULL << 52},
		},
	  v4[] = {{CXLT_W_IPV6_SRC_LO, 1}, {CXLT_W_LABEL_VNI, 1ULL << 32}},
	  v6[] = {{CXLT_W_IPV4, 1}};
	__u64 seed = packet_seed("not_there");
	struct packet udp4, udp6, gre, p;
	size_t i;

	packet_plain(&udp4, &seed, 0, 17, 20);
	packet_plain(&udp6, &seed, 1, 17, 20);
	packet_plain(&gre, &seed, 0, 47, 20);
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		p = udp4;
		cr_expect_eq(edit_word(&p, never[i].word, never[i].flip), CXLT_R_CANT_EDIT);
		p = udp6;
		cr_expect_eq(edit_word(&p, never[i].word, never[i].flip), CXLT_R_CANT_EDIT);
	}
	for (i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		p = udp4;
		cr_expect_eq(edit_word(&p, v4[i].word, v4[i].flip), CXLT_R_CANT_EDIT);
	}
	p = udp6;
	cr_expect_eq(edit_word(&p, v6[0].word, v6[0].flip), CXLT_R_CANT_EDIT);
	cr_expect_eq(edit_word(&gre, CXLT_W_L4, 1ULL << 40), CXLT_R_CANT_EDIT);
	set16(gre.b + 12, 0x88b5);
	cr_expect_eq(edit_word(&gre, CXLT_W_IPV4, 1), CXLT_R_CANT_EDIT);
	cr_expect_eq(edit_word(&gre, CXLT_W_L4, 1), CXLT_R_CANT_EDIT);
	cr_expect_eq(edit_word(&gre, CXLT_W_METADATA, 1), CXLT_R_NONE);
}

Test(edit, no_room_for_a_tag_is_a_reason)
{
	__u64 seed = packet_seed("no_room");
	struct cxlt_csum_fix fix;
	struct cxlt_layers lay;
	struct cxlt_key from, to;
	struct cxlt_frame f;
	struct packet p;
	__u32 head;

	packet_plain(&p, &seed, 0, 17, 20);
	for (head = 0; head <= CXLT_HDR_ROOM; head++) {
		parse(&p, &from, &lay);
		to = from;
		cxlt_key_push_vlan(&to, 0x8100);
		cxlt_key_push_vlan(&to, 0x88a8);
		packet_to_frame(&p, &f);
		memmove(f.buf + head, f.buf + f.head, f.hdr_len);
		f.head = head;
		cr_expect_eq(cxlt_edit(&f, &lay, &from, &to, &fix),
			     head < 8 ? CXLT_R_CANT_EDIT : CXLT_R_NONE);
	}
}

/* Actions on the key. */

Test(edit, key_tags_stay_in_order)
{
	__u64 seed = packet_seed("key_tags");
	struct cxlt_key key;
	int i, j;

	for (i = 0; i < 20000; i++) {
		memset(&key, 0, sizeof(key));
		for (j = 0; j < 12; j++) {
			__u32 tci, tci2;

			switch (packet_below(&seed, 3)) {
			case 0: cxlt_key_push_vlan(&key, 0x8100); break;
			case 1: cxlt_key_pop_vlan(&key); break;
			case 2:
				cxlt_key_set(&key, packet_below(&seed, CXLT_KEY_WORDS),
					     packet_rand(&seed), packet_rand(&seed));
				break;
			}
			tci = CXLT_KEY_GET(&key, VLAN_TCI);
			tci2 = CXLT_KEY_GET(&key, VLAN_TCI2);
			cr_assert(tci & CXLT_VLAN_PRESENT || (!tci && !tci2));
			cr_assert(tci2 & CXLT_VLAN_PRESENT || !tci2);
			cr_assert_eq(!!tci, !!CXLT_KEY_GET(&key, VLAN_TPID));
			cr_assert_eq(!!tci2, !!CXLT_KEY_GET(&key, VLAN_TPID2));
		}
	}
}

Test(edit, key_actions_refuse_what_no_packet_can_be)
{
	struct cxlt_key key = {0};

	cr_expect_eq(cxlt_key_set(&key, CXLT_KEY_WORDS, 1, 1), CXLT_R_BAD_PROGRAM);
	cr_expect_eq(cxlt_key_set(&key, ~0u, 1, 1), CXLT_R_BAD_PROGRAM);
	cr_expect_eq(cxlt_key_push_vlan(&key, 0x0800), CXLT_R_BAD_PROGRAM);
	cr_expect_eq(cxlt_key_push_vlan(&key, 0x8100), CXLT_R_NONE);
	cr_expect_eq(cxlt_key_push_vlan(&key, 0x88a8), CXLT_R_NONE);
	cr_expect_eq(cxlt_key_push_vlan(&key, 0x8100), CXLT_R_TOO_MANY_TAGS);
	CXLT_KEY_SET(&key, ETH_TYPE, 0x0800);
	CXLT_KEY_SET(&key, IP_TTL, 2);
	cr_expect_eq(cxlt_key_dec_ttl(&key), CXLT_R_NONE);
	cr_expect_eq(cxlt_key_dec_ttl(&key), CXLT_R_TTL_EXPIRED);
	cr_expect_eq(CXLT_KEY_GET(&key, IP_TTL), 1);
	CXLT_KEY_SET(&key, IP_TTL, 0);
	cr_expect_eq(cxlt_key_dec_ttl(&key), CXLT_R_TTL_EXPIRED);
}

/* Partial checksums: what a TC program and then a NIC do. */

/* inet_proto_csum_replace_by_diff() of the kernel, on network-order words. */
static void replace_by_diff(__u8 *field, __u32 diff, int pseudo, int partial, int mangled_0)
{
	__u32 sum = get16(field), d = (diff & 0xff) << 8 | (diff >> 8 & 0xff);

	if (mangled_0 && !sum)
		return;
	if (partial && !pseudo)
		return;
	sum = partial ? sum + d : (~sum & 0xffff) + d;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = partial ? sum : ~sum & 0xffff;
	set16(field, mangled_0 && !sum ? 0xffff : sum);
}

static void edit_as_tc(struct packet *p, const struct cxlt_key *to, int partial)
{
	struct packet before = *p;
	struct cxlt_csum_fix fix;
	struct cxlt_layers lay;
	struct cxlt_frame f;
	struct cxlt_key from;

	parse(p, &from, &lay);
	packet_to_frame(p, &f);
	cr_assert_eq(cxlt_edit(&f, &lay, &from, to, &fix), CXLT_R_NONE);
	packet_from_frame(p, &before, &f);
	if (fix.off && fix.diff_pseudo)
		replace_by_diff(p->b + fix.off, fix.diff_pseudo, 1, partial, fix.udp);
	if (fix.off && fix.diff)
		replace_by_diff(p->b + fix.off, fix.diff, 0, partial, fix.udp);
}

Test(edit, differences_suit_the_kernels_helpers)
{
	__u64 seed = packet_seed("tc");
	static const __u8 protos[] = {6, 17, 17, 58};
	int i;

	for (i = 0; i < 100000; i++) {
		__u8 proto = protos[packet_below(&seed, 4)];
		int v6 = proto == 58 || packet_below(&seed, 2), partial = packet_below(&seed, 2);
		__u32 l4 = v6 ? 54 : 34, at = proto == 6 ? 16 : proto == 17 ? 6 : 2;
		struct cxlt_key key, values;
		struct cxlt_layers lay;
		struct packet p;
		__u32 k;

		packet_plain(&p, &seed, v6, proto, packet_below(&seed, 300));
		if (partial) {
			/* pseudo-header's sum = the sum of everything less that of the rest */
			__u32 all = ~packet_l4_checksum(&p, 14, l4, proto) & 0xffff, rest;

			set16(p.b + l4 + at, 0);
			rest = packet_sum(p.b + l4, p.len - l4);
			all += ~rest & 0xffff;
			set16(p.b + l4 + at, (all & 0xffff) + (all >> 16));
		}
		parse(&p, &key, &lay);
		for (k = 0; k < CXLT_KEY_WORDS; k++)
			values.w[k] = packet_rand(&seed);
		rewrite_all(&key, &values, v6, proto != 58);
		if (lay.l4_proto == 17 && CXLT_KEY_GET(&key, TP_DST) == 4789)
			continue;
		edit_as_tc(&p, &key, partial);
		if (partial)
			cr_assert_eq(cxlt_csum_finish(p.b, p.len, l4, at), 0);
		cr_assert_null(packet_bad_checksum(&p), "packet %d, %s", i,
			       partial ? "partial" : "complete");
	}
}

Test(edit, finish_completes_what_a_sender_left)
{
	__u64 seed = packet_seed("finish");
	struct packet p;
	__u32 crc;

	packet_plain(&p, &seed, 0, 132, 100);
	crc = p.b[42];
	memset(p.b + 42, 0, 4);
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, 34, 8), 0);
	cr_expect_eq(p.b[42], crc);
	cr_expect_null(packet_bad_checksum(&p));
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, p.len - 1, 0), -EINVAL);
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, p.len - 2, 0), 0);
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, 34, p.len - 35), -EINVAL);
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, ~0u, 2), -EINVAL);
	cr_expect_eq(cxlt_csum_finish(p.b, p.len, 34, ~0u), -EINVAL);
}

Test(edit, sum_of_bytes_is_right_at_every_length_and_alignment)
{
	__u64 seed = packet_seed("sum_of_bytes");
	__u8 b[128];
	__u32 n, at;

	for (n = 0; n < sizeof(b); n++)
		b[n] = packet_rand(&seed);
	for (at = 0; at < 8; at++)
		for (n = 0; n + at <= sizeof(b); n++)
			cr_assert_eq(cxlt_csum_bytes(b + at, n), packet_sum(b + at, n));
}

/* The same source under the verifier. */

struct test_work {
	struct cxlt_work w;
	struct cxlt_csum_fix fix;
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

Test(edit, bpf_and_c_agree, .init = open_bpf, .fini = close_bpf)
{
	__u64 seed = packet_seed("bpf_and_c_agree");
	int map = bpf_map__fd(skel->maps.test_work), prog = bpf_program__fd(skel->progs.edit);
	static struct test_work t;
	__u32 zero = 0, actions, k;
	int i;

	cr_assert_eq(bpf_map__value_size(skel->maps.test_work), sizeof(t));
	for (i = 0; i < 20000; i++) {
		struct cxlt_csum_fix fix;
		struct cxlt_layers lay;
		struct cxlt_frame f;
		struct cxlt_key from;
		struct packet p;
		int reason;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.b);

		packet_random(&p, &seed);
		parse(&p, &from, &lay);
		t.w.in_port = 1;
		t.w.key = from;
		for (actions = packet_below(&seed, 6); actions--;)
			random_action(&t.w.key, &lay, &seed);
		if (!packet_below(&seed, 20))
			for (k = 0; k < CXLT_KEY_WORDS; k++)
				t.w.key.w[k] ^= packet_rand(&seed) & packet_rand(&seed) &
						packet_rand(&seed) & packet_rand(&seed);
		cr_assert_eq(bpf_map_update_elem(map, &zero, &t, BPF_ANY), 0);
		opts.data_size_in = p.len;
		cr_assert_eq(bpf_prog_test_run_opts(prog, &opts), 0, "%u bytes", p.len);
		packet_to_frame(&p, &f);
		reason = cxlt_edit(&f, &lay, &from, &t.w.key, &fix);
		if (!reason)
			reason = cxlt_edit_csum(&f, &fix);
		cr_assert_eq((int)opts.retval, reason, "packet %d: %s, C says %s", i,
			     reason_name[opts.retval], reason_name[reason]);
		if (reason)
			continue;
		cr_assert_eq(bpf_map_lookup_elem(map, &zero, &t), 0);
		cr_assert_arr_eq(&t.w.lay, &lay, sizeof(lay), "packet %d", i);
		cr_assert_arr_eq(&t.fix, &fix, sizeof(fix), "packet %d", i);
		cr_assert_eq(t.w.frame.head, f.head);
		cr_assert_eq(t.w.frame.hdr_len, f.hdr_len);
		cr_assert_eq(t.w.frame.len, f.len);
		cr_assert_arr_eq(t.w.frame.buf + f.head, f.buf + f.head, f.hdr_len, "packet %d", i);
	}
}
