// SPDX-License-Identifier: Apache-2.0
/*
 * The memory format of a slice, in literals: whoever changes a number here changes the format.
 *
 * Every member of every struct has its place and size below; bit positions, constants, key fields
 * and op encodings as well.  At the end a reader that knows nothing but such numbers walks a real
 * slice, and the checksum is computed anew.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>
#include <cxltab/action.h>
#include <cxltab/change.h>
#include <cxltab/filter.h>
#include <cxltab/layout.h>
#include <cxltab/slice.h>
#include <cxltab/work.h>

struct member {
	const char *name;
	size_t at, len, want_at, want_len;
};

#define M(s, m, at, len) {#s "." #m, offsetof(struct s, m), sizeof(((struct s *)0)->m), at, len}

/* Each member is where it should be, and together they fill the struct: none is forgotten. */
static void expect_members(const struct member *m, size_t n, size_t size)
{
	size_t i, end = 0;

	for (i = 0; i < n; i++) {
		cr_expect_eq(m[i].at, m[i].want_at, "%s is at %zu", m[i].name, m[i].at);
		cr_expect_eq(m[i].len, m[i].want_len, "%s has %zu bytes", m[i].name, m[i].len);
		cr_expect_eq(m[i].at, end, "%s: something is between", m[i].name);
		end = m[i].at + m[i].len;
	}
	cr_expect_eq(end, size, "%s: the struct goes on", m[n - 1].name);
}

#define EXPECT_MEMBERS(type, size, ...)                                                   \
	do {                                                                              \
		static const struct member list_[] = {__VA_ARGS__};                       \
		expect_members(list_, sizeof(list_) / sizeof(list_[0]), size);            \
		cr_expect_eq(sizeof(type), (size), #type " has %zu bytes", sizeof(type)); \
	} while (0)

Test(layout, header_and_directory)
{
	EXPECT_MEMBERS(struct cxlt_header, 64, M(cxlt_header, magic, 0, 8),
		       M(cxlt_header, byte_order, 8, 4), M(cxlt_header, major, 12, 2),
		       M(cxlt_header, minor, 14, 2), M(cxlt_header, feat_incompat, 16, 4),
		       M(cxlt_header, feat_ro_compat, 20, 4), M(cxlt_header, feat_compat, 24, 4),
		       M(cxlt_header, n_lines, 28, 4), M(cxlt_header, dev_lines, 32, 4),
		       M(cxlt_header, dir, 36, 4), M(cxlt_header, owner, 40, 4),
		       M(cxlt_header, reserved, 44, 4), M(cxlt_header, id, 48, 8),
		       M(cxlt_header, checksum, 56, 8));
	EXPECT_MEMBERS(struct cxlt_profile, 32, M(cxlt_profile, fields, 0, 8),
		       M(cxlt_profile, sets, 8, 8), M(cxlt_profile, ops, 16, 8),
		       M(cxlt_profile, reserved, 24, 8));
	EXPECT_MEMBERS(struct cxlt_directory, 128, M(cxlt_directory, control, 0, 4),
		       M(cxlt_directory, secrets, 4, 4), M(cxlt_directory, tables, 8, 4),
		       M(cxlt_directory, n_tables, 12, 4), M(cxlt_directory, exacts, 16, 4),
		       M(cxlt_directory, n_exacts, 20, 4), M(cxlt_directory, intents, 24, 4),
		       M(cxlt_directory, n_intents, 28, 4), M(cxlt_directory, chunks, 32, 4),
		       M(cxlt_directory, n_chunks, 36, 4), M(cxlt_directory, chunk0, 40, 4),
		       M(cxlt_directory, chg_log2, 44, 4), M(cxlt_directory, max_tuples, 48, 4),
		       M(cxlt_directory, work_budget, 52, 4), M(cxlt_directory, reserved, 56, 8),
		       M(cxlt_directory, profile, 64, 32), M(cxlt_directory, reserved2, 96, 32));
}

Test(layout, control_and_intents)
{
	EXPECT_MEMBERS(struct cxlt_control, 256, M(cxlt_control, version, 0, 8),
		       M(cxlt_control, floor, 8, 8), M(cxlt_control, pad0, 16, 48),
		       M(cxlt_control, owner, 64, 8), M(cxlt_control, handoffs, 72, 8),
		       M(cxlt_control, turns, 80, 8), M(cxlt_control, ids, 88, 8),
		       M(cxlt_control, pad1, 96, 32), M(cxlt_control, next_tuple, 128, 8),
		       M(cxlt_control, resizes, 136, 8), M(cxlt_control, promotions, 144, 8),
		       M(cxlt_control, demotions, 152, 8), M(cxlt_control, hands, 160, 8),
		       M(cxlt_control, pad2, 168, 88));
	EXPECT_MEMBERS(struct cxlt_intent, 64, M(cxlt_intent, op, 0, 8), M(cxlt_intent, arg, 8, 32),
		       M(cxlt_intent, pid, 40, 8), M(cxlt_intent, comm, 48, 16));
}

Test(layout, tables_and_tuples)
{
	EXPECT_MEMBERS(struct cxlt_table, 128, M(cxlt_table, list, 0, 8), M(cxlt_table, wide, 8, 8),
		       M(cxlt_table, chg, 16, 16), M(cxlt_table, dims, 32, 4),
		       M(cxlt_table, unseen, 36, 4), M(cxlt_table, reserved, 40, 24),
		       M(cxlt_table, n_rules, 64, 8), M(cxlt_table, pad, 72, 56));
	EXPECT_MEMBERS(struct cxlt_exact_table, 64, M(cxlt_exact_table, tuple, 0, 8),
		       M(cxlt_exact_table, name, 8, 24), M(cxlt_exact_table, pad, 32, 32));
	EXPECT_MEMBERS(struct cxlt_tuple, 128, M(cxlt_tuple, geo, 0, 8),
		       M(cxlt_tuple, geo_old, 8, 8), M(cxlt_tuple, secret, 16, 8),
		       M(cxlt_tuple, id, 24, 4), M(cxlt_tuple, n_words, 28, 1),
		       M(cxlt_tuple, kind, 29, 1), M(cxlt_tuple, table, 30, 1),
		       M(cxlt_tuple, flags, 31, 1), M(cxlt_tuple, idx, 32, 24),
		       M(cxlt_tuple, n_val, 56, 1), M(cxlt_tuple, grow, 57, 1),
		       M(cxlt_tuple, reserved, 58, 2), M(cxlt_tuple, sparse, 60, 4),
		       M(cxlt_tuple, count, 64, 8), M(cxlt_tuple, slots, 72, 8),
		       M(cxlt_tuple, stock, 80, 8), M(cxlt_tuple, pairs, 88, 8),
		       M(cxlt_tuple, pad, 96, 32));
	cr_expect_eq(offsetof(struct cxlt_tuple, mask), 128);
	EXPECT_MEMBERS(struct cxlt_bucket, 64, M(cxlt_bucket, slot, 0, 56),
		       M(cxlt_bucket, meta, 56, 8));
}

Test(layout, entries_counters_and_chunks)
{
	EXPECT_MEMBERS(struct cxlt_rule, 64, M(cxlt_rule, seq, 0, 8), M(cxlt_rule, tuple_id, 8, 4),
		       M(cxlt_rule, prio, 12, 2), M(cxlt_rule, n_key, 14, 1),
		       M(cxlt_rule, n_prog, 15, 1), M(cxlt_rule, cookie, 16, 8),
		       M(cxlt_rule, from, 24, 8), M(cxlt_rule, to, 32, 8),
		       M(cxlt_rule, next, 40, 4), M(cxlt_rule, counters, 44, 4),
		       M(cxlt_rule, chain, 48, 4), M(cxlt_rule, flags, 52, 4),
		       M(cxlt_rule, created, 56, 8));
	cr_expect_eq(offsetof(struct cxlt_rule, body), 64);
	EXPECT_MEMBERS(struct cxlt_exact, 8, M(cxlt_exact, seq, 0, 8));
	cr_expect_eq(offsetof(struct cxlt_exact, body), 8);
	EXPECT_MEMBERS(struct cxlt_stock, 16, M(cxlt_stock, lock, 0, 8), M(cxlt_stock, n, 8, 8));
	cr_expect_eq(offsetof(struct cxlt_stock, ref), 16);
	cr_expect_eq(sizeof(((struct cxlt_stock *)0)->ref[0]), 4);
	EXPECT_MEMBERS(struct cxlt_counter_line, 64, M(cxlt_counter_line, packets, 0, 8),
		       M(cxlt_counter_line, bytes, 8, 8), M(cxlt_counter_line, used, 16, 8),
		       M(cxlt_counter_line, moved_packets, 24, 8),
		       M(cxlt_counter_line, moved_bytes, 32, 8),
		       M(cxlt_counter_line, before, 40, 8), M(cxlt_counter_line, mark, 48, 8),
		       M(cxlt_counter_line, marked, 56, 8));
	EXPECT_MEMBERS(struct cxlt_counters, 128, M(cxlt_counters, host, 0, 64),
		       M(cxlt_counters, device, 64, 64));
	EXPECT_MEMBERS(struct cxlt_chunk, 64, M(cxlt_chunk, kind, 0, 1), M(cxlt_chunk, near, 1, 1),
		       M(cxlt_chunk, size, 2, 2), M(cxlt_chunk, span, 4, 4),
		       M(cxlt_chunk, reserved, 8, 24), M(cxlt_chunk, used, 32, 32));
}

Test(layout, constants)
{
	cr_expect_eq(CXLT_LINE, 64);
	cr_expect_eq(CXLT_LINE_WORDS, 8);
	cr_expect_eq(CXLT_MAGIC, 0x01316261746c7863ULL);
	cr_expect(!memcmp(&(__u64){CXLT_MAGIC}, "cxltab1\1", 8));
	cr_expect_eq(CXLT_MAJOR, 1);
	cr_expect_eq(CXLT_MINOR, 2);
	cr_expect_eq(CXLT_BYTE_ORDER, 0x01020304);
	cr_expect_eq(CXLT_FEAT_CELLS, 1);
	cr_expect_eq(CXLT_FEAT_INCOMPAT, 1);
	cr_expect_eq(CXLT_FEAT_PARALLEL, 1);
	cr_expect_eq(CXLT_FEAT_FILTER, 2);
	cr_expect_eq(CXLT_FEAT_RO_COMPAT, 3);
	cr_expect_eq(CXLT_INTENT_IDLE, 0);
	cr_expect_eq(CXLT_INTENT_CHANGE, 1);
	cr_expect_eq(CXLT_INTENT_LEFT, 2);
	cr_expect_eq(CXLT_META_OWNED(7), 7 << 24);
	cr_expect_eq(CXLT_WRITER_GONE, 254);
	cr_expect_eq(CXLT_CELL, 32);
	cr_expect_eq(CXLT_CHUNK_LINES, 256);
	cr_expect_eq(CXLT_CHUNK_CELLS, 512);
	cr_expect_eq(CXLT_CHUNK_OBJECTS(CXLT_KIND_EXACT, 1), 510);
	cr_expect_eq(CXLT_CHUNK_OBJECTS(CXLT_KIND_EXACT, 2), 256);
	cr_expect_eq(CXLT_CHUNK_OBJECTS(CXLT_KIND_EXACT, 3), 170);
	cr_expect_eq(CXLT_CHUNK_OBJECTS(CXLT_KIND_RULE, 3), 85);
	cr_expect_eq(CXLT_TABLES, 64);
	cr_expect_eq(CXLT_EXACTS, 16);
	cr_expect_eq(CXLT_STOCK_LOG2_MAX, 12);
	cr_expect_eq(CXLT_STOCK_CPUS_MAX, 1024);
	cr_expect_eq(CXLT_WRITERS, 256);
	cr_expect_eq(CXLT_WRITER_BPF, 255);
	cr_expect_eq(CXLT_BUCKET_SLOTS, 7);
	cr_expect_eq(CXLT_TUPLES_MAX, 1024);
	cr_expect_eq(CXLT_PAIRS_MAX, 64);
	cr_expect_eq(CXLT_TUPLE_PAIRS, 8);
	cr_expect_eq(CXLT_FILTER_FROM, 4);
	cr_expect_eq(CXLT_CELLS_LOG2_MIN, 10);
	cr_expect_eq(CXLT_CELLS_LOG2_MAX, 16);
	cr_expect_eq(CXLT_CELL_STUCK, 255);
	cr_expect_eq(CXLT_CHAIN_MAX, 32);
	cr_expect_eq(CXLT_DIMS, 5);
	cr_expect_eq(CXLT_RULE_LINES_MAX, 16);
	cr_expect_eq(CXLT_PROG_MAX, 96);
	cr_expect_eq(CXLT_KEY_MAX, 24);
	cr_expect_eq(CXLT_KEY_WORDS, 18);
	cr_expect_eq(CXLT_TUPLE_HOST, 1);
	cr_expect_eq(CXLT_TUPLE_SHADOW, 2);
	cr_expect_eq(CXLT_ITEM_FILTER, 0x8000);
	cr_expect_eq(CXLT_RULE_UNSEEN, 1);
	cr_expect_eq(CXLT_RULE_REFS_SHIFT, 8);
	cr_expect_eq(CXLT_DIM_WIDE, 0);
	cr_expect_eq(CXLT_DIM_CONN, 1);
	cr_expect_eq(CXLT_DIM_DST, 2);
	cr_expect_eq(CXLT_DIM_SRC, 3);
	cr_expect_eq(CXLT_DIM_DMAC, 4);
	cr_expect_eq(CXLT_CONN_PORT_SHIFT, 8);
	cr_expect_eq(CXLT_CONN_L4_SHIFT, 32);
	cr_expect_eq(CXLT_KIND_FREE, 0);
	cr_expect_eq(CXLT_KIND_RULE, 1);
	cr_expect_eq(CXLT_KIND_EXACT, 2);
	cr_expect_eq(CXLT_KIND_COUNTERS, 3);
	cr_expect_eq(CXLT_KIND_TUPLE, 4);
	cr_expect_eq(CXLT_KIND_LIST, 5);
	cr_expect_eq(CXLT_KIND_BUCKETS, 6);
	cr_expect_eq(CXLT_KIND_CHG, 7);
	cr_expect_eq(CXLT_KIND_STOCK, 8);
	cr_expect_eq(CXLT_KIND_NEAR, 9);
	cr_expect_eq(CXLT_NEAR(4, 1), 0x81);
	cr_expect_eq(CXLT_NEAR_ENTRIES(0x81), 96);
	cr_expect_eq(CXLT_NEAR_ENTRIES(0x63), 37);
	cr_expect_eq(CXLT_PAGE_LINES, 64);
	cr_expect_eq(CXLT_PAGE_BITS, 96);
	cr_expect_eq(CXLT_BUCKET_MASK(0, 4), 15);
	cr_expect_eq(CXLT_BUCKET_MASK(0xc7, 4), 0xc7);
	cr_expect_eq(CXLT_KIND_FILTER, 10);
	cr_expect_eq(CXLT_N_KINDS, 11);
}

Test(layout, bits_of_slot_meta_geo_list_item_and_change_word)
{
	__u64 slot = CXLT_SLOT(0x7fffffffULL, 1, 0x89abcdef);

	cr_expect_eq(slot, 0xffffffff89abcdefULL);
	cr_expect_eq(CXLT_SLOT(0x12345678ULL, 0, 5), 0x2468acf000000005ULL);
	cr_expect_eq(CXLT_SLOT_REF(0x1122334455667788ULL), 0x55667788);
	cr_expect_eq(CXLT_SLOT_TAG(0x1122334455667788ULL), 0x089119a2);
	cr_expect_eq(CXLT_SLOT_SEC(0x1122334455667788ULL), 0);
	cr_expect_eq(CXLT_SLOT_SEC(0x0000000100000000ULL), 1);
	cr_expect_eq(CXLT_SLOT_HEAD(0x1122334455667788ULL), 0x11223344);

	cr_expect_eq(CXLT_META_SEQ(0x1122334455667788ULL), 0x11223344);
	cr_expect_eq(CXLT_META_OWNER(0x1122334455667788ULL), 0x55);
	cr_expect_eq(CXLT_META_EVENT, 0x100000000ULL);
	for (__u64 tag = 0; tag < 16; tag++) {
		cr_expect_eq(CXLT_META_SHIFT(tag), 3 * (tag % 8));
		cr_expect_eq(CXLT_META_CNT(5ULL << (3 * (tag % 8)), tag), 5);
		cr_expect_eq(CXLT_META_CNT(~(7ULL << (3 * (tag % 8))), tag), 0);
	}

	cr_expect_eq(CXLT_GEO_REF(0x1122334455667788ULL), 0x55667788);
	cr_expect_eq(CXLT_GEO_LOG2(0x1122334455667788ULL), 4);
	cr_expect_eq(CXLT_GEO_LOG2(0x3f00000000ULL), 63);
	cr_expect_eq(CXLT_GEO_RESIZING, 0x4000000000ULL);
	cr_expect_eq(CXLT_GEO_GEN(0x1122334455667788ULL), 0x224466);
	cr_expect_eq(CXLT_GEO(0x55667788, 9, 0x2000001), 0x8955667788ULL);

	cr_expect_eq(CXLT_STOCK(0x11223344, 0x5566, 0x7788), 0x7788556611223344ULL);
	cr_expect_eq(CXLT_STOCK_REF(0x7788556611223344ULL), 0x11223344);
	cr_expect_eq(CXLT_STOCK_CPUS(0x7788556611223344ULL), 0x5566);
	cr_expect_eq(CXLT_STOCK_LOG2(0x7788556611223344ULL), 0x7788);
	cr_expect_eq(CXLT_STOCK_ROOM(0), 12);
	cr_expect_eq(CXLT_STOCK_ROOM(3), 124);

	cr_expect_eq(CXLT_LIST(0x11223344, 0x5566, 0x17788), 0x7788556611223344ULL);
	cr_expect_eq(CXLT_LIST_REF(0x7788556611223344ULL), 0x11223344);
	cr_expect_eq(CXLT_LIST_N(0x7788556611223344ULL), 0x5566);

	cr_expect_eq(CXLT_ITEM(0x11223344, 0x5566, 0x7788), 0x7788556611223344ULL);
	cr_expect_eq(CXLT_ITEM_REF(0x7788556611223344ULL), 0x11223344);
	cr_expect_eq(CXLT_ITEM_PRIO(0x7788556611223344ULL), 0x5566);
	cr_expect_eq(CXLT_ITEM_FLAGS(0x7788556611223344ULL), 0x7788);

	cr_expect_eq(CXLT_PAIR(0x11223344, 10, 0x66), 0x663611223344ULL);
	cr_expect_eq(CXLT_PAIR_REF(0x778866f511223344ULL), 0x11223344);
	cr_expect_eq(CXLT_PAIR_SHIFT(0x778866f511223344ULL), 0x35);
	cr_expect_eq(CXLT_PAIR_LOG2(0x778866f511223344ULL), 11);
	cr_expect_eq(CXLT_PAIR_WORD(0x778866f511223344ULL), 0x66);

	cr_expect_eq(CXLT_CHG_BEGIN, 1);
	cr_expect_eq(CXLT_CHG_END, 65535);
	cr_expect_eq(CXLT_CHG_BEGIN + CXLT_CHG_END, 0x10000);
	cr_expect_eq(CXLT_CHG_PENDING(0x123450007ULL), 7);
}

/* name, word, shift, bits, in the order of enum cxlt_field. */
static const struct {
	const char *name;
	int word, shift, bits;
} fields[] = {
	{"in_port", 0, 32, 32},	  {"eth_type", 0, 16, 16},   {"ip_proto", 0, 8, 8},
	{"ip_frag", 0, 0, 8},	  {"ipv4_src", 1, 32, 32},   {"ipv4_dst", 1, 0, 32},
	{"tp_src", 2, 48, 16},	  {"tp_dst", 2, 32, 16},     {"tcp_flags", 2, 16, 16},
	{"ip_tos", 2, 8, 8},	  {"ip_ttl", 2, 0, 8},	     {"eth_dst", 3, 16, 48},
	{"vlan_tci", 3, 0, 16},	  {"eth_src", 4, 16, 48},    {"vlan_tci2", 4, 0, 16},
	{"ipv6_src", 5, 0, 128},  {"ipv6_dst", 7, 0, 128},   {"metadata", 9, 0, 64},
	{"tun_id", 10, 0, 64},	  {"reg0", 11, 32, 32},	     {"reg1", 11, 0, 32},
	{"reg2", 12, 32, 32},	  {"reg3", 12, 0, 32},	     {"ipv6_label", 13, 32, 32},
	{"vxlan_vni", 13, 0, 32}, {"nd_target", 14, 0, 128}, {"arp_sha", 16, 16, 48},
	{"vlan_tpid", 16, 0, 16}, {"arp_tha", 17, 16, 48},   {"vlan_tpid2", 17, 0, 16},
};

Test(layout, places_of_key_fields)
{
	__u64 taken[CXLT_KEY_WORDS] = {0};
	size_t i, n = sizeof(fields) / sizeof(fields[0]);

	cr_assert_eq(n, CXLT_N_FIELDS);
	cr_expect_eq(sizeof(struct cxlt_key), 18 * 8);
	for (i = 0; i < n; i++) {
		const struct cxlt_field_info *f = &cxlt_field_info[i];
		__u64 bits = f->bits >= 64 ? ~0ULL : ((1ULL << f->bits) - 1) << f->shift;

		cr_expect_str_eq(f->name, fields[i].name);
		cr_expect_eq(f->word, fields[i].word, "%s", f->name);
		cr_expect_eq(f->shift, fields[i].shift, "%s", f->name);
		cr_expect_eq(f->bits, fields[i].bits, "%s", f->name);
		cr_expect_eq(taken[f->word] & bits, 0, "%s overlaps", f->name);
		taken[f->word] |= bits;
		if (f->bits == 128)
			taken[f->word + 1] |= bits;
	}
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		cr_expect_eq(taken[i], ~0ULL, "word %zu has unnamed bits", i);
	cr_expect_eq(CXLT_VLAN_PRESENT, 0x1000);
	cr_expect_eq(CXLT_FRAG_ANY, 1);
	cr_expect_eq(CXLT_FRAG_LATER, 2);
}

Test(layout, encoding_of_actions)
{
	static const char *const names[] = {"end",	 "output",     "in_port", "flood",
					    "all",	 "controller", "local",	  "set_field",
					    "push_vlan", "pop_vlan",   "dec_ttl", "goto_table",
					    "punt"};
	size_t i;

	cr_assert_eq(sizeof(names) / sizeof(names[0]), CXLT_N_OPS);
	for (i = 0; i < CXLT_N_OPS; i++)
		cr_expect_str_eq(cxlt_op_name[i], names[i]);
	cr_expect_eq(cxlt_op_word(1, 0, 0, 0xfffffffe), 0x01000000fffffffeULL);
	cr_expect_eq(cxlt_op_word(7, 0x12, 0x3456, 0x789abcde), 0x07123456789abcdeULL);
	cr_expect_eq(cxlt_op_code(0x07123456789abcdeULL), 7);
	cr_expect_eq(cxlt_op_field(0x07123456789abcdeULL), 0x12);
	cr_expect_eq(cxlt_op_aux(0x07123456789abcdeULL), 0x3456);
	cr_expect_eq(cxlt_op_arg(0x07123456789abcdeULL), 0x789abcde);
	for (i = 0; i < CXLT_N_OPS; i++)
		cr_expect_eq(cxlt_op_words(i), i == 7 ? 3 : 1);
}

static __u64 get(const __u8 *p, size_t at, size_t n)
{
	__u64 v = 0;

	while (n--)
		v = v << 8 | p[at + n];
	return v;
}

static __u64 fnv1a(__u64 h, const __u8 *p, size_t n)
{
	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

Test(layout, a_new_slice_has_the_documented_bytes)
{
	struct cxlt_slice_config cfg = {.size = 4 << 20,
					.device_size = 3 << 20,
					.owner = 77,
					.chg_log2 = 8,
					.max_tuples = 100,
					.work_budget = 5000,
					.profile = {.fields = 0x3, .sets = 0x5, .ops = 0x1082}};
	struct cxlt_slice *s;
	const __u8 *p;
	size_t dir;
	__u64 sum;

	cr_assert_eq(cxlt_slice_create_memfd("layout", &cfg, &s), 0, "%s", cxlt_error_text());
	p = cxlt_slice_base(s);
	cr_expect_arr_eq(p, "cxltab1\1", 8);
	cr_expect_arr_eq(p + 8, "\x04\x03\x02\x01", 4);
	cr_expect_eq(get(p, 12, 2), 1);
	cr_expect_eq(get(p, 14, 2), 2);
	cr_expect_eq(get(p, 16, 4), 1);
	cr_expect_eq(get(p, 20, 4), 3);
	cr_expect_eq(get(p, 24, 4), 0);
	cr_expect_eq(get(p, 28, 4) * 64, 4 << 20);
	/* Whole chunks of the device domain, at most what was asked for. */
	cr_expect_leq(get(p, 32, 4) * 64, 3 << 20);
	cr_expect_gt(get(p, 32, 4) * 64, (3 << 20) - 256 * 64);
	cr_expect_eq((get(p, 32, 4) - get(p, 64 + 40, 4)) % 256, 0);
	cr_expect_eq(get(p, 36, 4), 1);
	cr_expect_eq(get(p, 40, 4), 77);
	cr_expect_neq(get(p, 48, 8), 0);
	dir = get(p, 36, 4) * 64;
	cr_expect_eq(get(p, dir + 12, 4), 64, "tables");
	cr_expect_eq(get(p, dir + 20, 4), 16, "exact tables");
	cr_expect_eq(get(p, dir + 28, 4), 256, "intents");
	cr_expect_eq(get(p, dir + 44, 4), 8);
	cr_expect_eq(get(p, dir + 48, 4), 100);
	cr_expect_eq(get(p, dir + 52, 4), 5000);
	cr_expect_eq(get(p, dir + 64, 8), 0x3);
	cr_expect_eq(get(p, dir + 72, 8), 0x5);
	cr_expect_eq(get(p, dir + 80, 8), 0x1082);
	/* In the order of the map at the top of layout.h, the chunks last and up to the end. */
	cr_expect_lt(dir, get(p, dir + 4, 4) * 64);
	cr_expect_lt(get(p, dir + 4, 4), get(p, dir, 4));
	cr_expect_lt(get(p, dir, 4), get(p, dir + 8, 4));
	cr_expect_lt(get(p, dir + 8, 4), get(p, dir + 24, 4));
	cr_expect_lt(get(p, dir + 24, 4), get(p, dir + 32, 4));
	cr_expect_leq(get(p, dir + 32, 4) + get(p, dir + 36, 4), get(p, dir + 40, 4));
	cr_expect_leq(get(p, dir + 40, 4) + get(p, dir + 36, 4) * 256, get(p, 28, 4));
	sum = fnv1a(0xcbf29ce484222325ULL, p, 56);
	sum = fnv1a(sum, p + dir, 128);
	sum = fnv1a(sum, p + get(p, dir + 4, 4) * 64, 24 * 8);
	cr_expect_eq(get(p, 56, 8), sum);
	cxlt_slice_close(s);
}

Test(layout, two_slices_differ_in_id_and_secrets)
{
	struct cxlt_slice_config cfg = {.size = 2 << 20};
	struct cxlt_slice *a, *b;
	const __u8 *p, *q;
	size_t at;

	cr_assert_eq(cxlt_slice_create_memfd("a", &cfg, &a), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_slice_create_memfd("b", &cfg, &b), 0, "%s", cxlt_error_text());
	p = cxlt_slice_base(a);
	q = cxlt_slice_base(b);
	at = get(p, 64 + 4, 4) * 64;
	cr_expect_neq(get(p, 48, 8), get(q, 48, 8));
	for (int i = 0; i < 24; i++)
		cr_expect_neq(get(p, at + i * 8, 8), get(q, at + i * 8, 8), "secret %d", i);
	cxlt_slice_close(a);
	cxlt_slice_close(b);
}
