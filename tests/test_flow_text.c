// SPDX-License-Identifier: Apache-2.0
/*
 * The flow syntax beyond single spellings: programs' words, bounded text, walks, flow files.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openflow/flow.h>

TestSuite(flow_text, .timeout = 60);

/* The words that docs/format.md promises, in the order of the text. */
Test(flow_text, encoding_is_three_words_a_set)
{
	const __u64 want[] = {
		cxlt_op_word(CXLT_OP_SET, CXLT_F_IPV4_DST, CXLT_W_IPV4, 0),
		0x0a000001ULL,
		0xffffffffULL,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_ETH_SRC, CXLT_W_SMAC, 0),
		0x001122334455ULL << 16,
		0xffffffffffffULL << 16,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_VLAN_TCI, CXLT_W_DMAC, 0),
		0x100a,
		0x1fff,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_VLAN_TCI, CXLT_W_DMAC, 0),
		0x7000,
		0xf000,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_IP_TOS, CXLT_W_L4, 0),
		0x2000,
		0xfc00,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_TP_SRC, CXLT_W_L4, 0),
		80ULL << 48,
		0xffffULL << 48,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_REG0, CXLT_W_REG01, 0),
		1ULL << 32,
		0xffffffffULL << 32,
		cxlt_op_word(CXLT_OP_SET, CXLT_F_REG1, CXLT_W_REG01, 0),
		2,
		0xffffffffULL,
		cxlt_op_word(CXLT_OP_CONTROLLER, 0, 128, 0),
		cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 7),
		cxlt_op_word(CXLT_OP_PUSH_VLAN, 0, 0x88a8, 0),
		cxlt_op_word(CXLT_OP_SET, CXLT_F_METADATA, CXLT_W_METADATA,
			     CXLT_SET_WRITE_METADATA),
		0xf,
		0xff,
		cxlt_op_word(CXLT_OP_GOTO, 0, 0, 9),
	};
	struct of_error err;
	struct of_flow f;

	cr_assert_eq(of_parse_flow("tcp,actions=mod_nw_dst:10.0.0.1,mod_dl_src:0:11:22:33:44:55,"
				   "mod_vlan_vid:10,mod_vlan_pcp:3,mod_nw_tos:32,mod_tp_src:80,"
				   "set_field:0x100000002->xreg0,controller:128,output:7,"
				   "push_vlan:0x88a8,write_metadata:0xf/0xff,goto_table:9",
				   OF_ADD, &f, &err),
		     0, "%s", err.reason);
	cr_assert_eq(f.n_prog, sizeof(want) / sizeof(want[0]));
	for (__u32 i = 0; i < f.n_prog; i++)
		cr_assert_eq(f.prog[i], want[i], "word %u: %llx", i, f.prog[i]);
	cr_assert(of_program_outputs_to(f.prog, f.n_prog, 7));
	cr_assert_not(of_program_outputs_to(f.prog, f.n_prog, 128));
}

Test(flow_text, ipv6_set_is_two_neighbours_and_leaves_an_empty_half_out)
{
	struct of_error err;
	struct of_flow f;

	cr_assert_eq(of_parse_flow("ipv6,actions=set_field:fe80::1->ipv6_dst", OF_ADD, &f, &err),
		     0);
	cr_assert_eq(f.n_prog, 6);
	cr_assert_eq(f.prog[0], cxlt_op_word(CXLT_OP_SET, CXLT_F_IPV6_DST, CXLT_W_IPV6_DST_HI, 0));
	cr_assert_eq(f.prog[1], 0xfe80ULL << 48);
	cr_assert_eq(f.prog[3], cxlt_op_word(CXLT_OP_SET, CXLT_F_IPV6_DST, CXLT_W_IPV6_DST_LO, 0));
	cr_assert_eq(f.prog[4], 1);
	cr_assert_eq(of_parse_flow("ipv6,actions=set_field:fe80::/10->ipv6_dst", OF_ADD, &f, &err),
		     0);
	cr_assert(f.n_prog == 3 && cxlt_op_aux(f.prog[0]) == CXLT_W_IPV6_DST_HI);
}

/* Programs that no text makes still print, and end where they stop making sense. */
Test(flow_text, malformed_program_prints_without_overrun)
{
	const __u64 progs[][3] = {
		{cxlt_op_word(CXLT_OP_SET, CXLT_F_REG0, CXLT_W_REG01, 0), 1},
		{cxlt_op_word(250, 0, 0, 0)},
		{cxlt_op_word(CXLT_OP_SET, 200, 3, 0), 5, 7},
		{0},
	};
	static const char *const want[] = {
		"malformed:0x0713000b00000000",
		"malformed:0xfa00000000000000",
		"set_field:0x5/0x7->?(word 3)",
		"malformed:0x0000000000000000",
	};
	static const __u32 n[] = {2, 1, 3, 1};
	char text[OF_TEXT_MAX];

	for (int i = 0; i < 4; i++) {
		of_format_actions(progs[i], n[i], text, sizeof(text));
		cr_assert_str_eq(text, want[i]);
	}
}

Test(flow_text, text_is_cut_at_the_buffer_and_its_length_told)
{
	struct of_error err;
	struct of_flow f;
	char text[64];
	size_t len;

	cr_assert_eq(of_parse_flow("table=1,tcp,nw_dst=10.0.0.0/8,actions=mod_nw_dst:1.2.3.4,1",
				   OF_ADD, &f, &err),
		     0);
	len = of_format_flow(&f, NULL, 0);
	cr_assert_eq(len, strlen("table=1, tcp,nw_dst=10.0.0.0/8 actions=mod_nw_dst:1.2.3.4,"
				 "output:1"));
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, '~', sizeof(text));
		cr_assert_eq(of_format_flow(&f, text, size), len);
		cr_assert_lt(strlen(text), size);
		cr_assert_eq(text[size], '~');
		cr_assert_eq(of_format_match(&f.match, 5, text, size), strlen("priority=5,tcp,"
									      "nw_dst=10.0.0.0/8"));
	}
}

Test(flow_text, match_that_text_cannot_express_is_refused)
{
	static const struct {
		int word;
		__u64 value, mask;
		const char *reason;
	} rows[] = {
		{CXLT_W_PORT, 0x0800ULL << 16, 0xff00ULL << 16,
		 "a mask that the flow syntax can't express"},
		{CXLT_W_SMAC, 0x1000, 0x1000, "a mask that the flow syntax can't express"},
		{CXLT_W_IPV4, 1, 1, "ipv4_dst without ip"},
		{CXLT_W_L4, 0, 0xffffULL << 48, "tp_src without tcp, udp or sctp"},
		{CXLT_W_REG01, 3, 1, "value bits outside the mask"},
		{CXLT_W_PORT, 0xffffffffULL << 32, 0xffffffffULL << 32,
		 "a mask that the flow syntax can't express"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_match match = {0};
		struct of_error err = {0};

		match.value.w[rows[i].word] = rows[i].value;
		match.mask.w[rows[i].word] = rows[i].mask;
		cr_assert_eq(of_match_check(&match, &err), -EINVAL, "%s", rows[i].reason);
		cr_assert_str_eq(err.reason, rows[i].reason);
	}
}

/* ---- iterators ---- */

static int join_field(void *arg, const char *name, const char *value, const char *mask)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s=%s%s%s;", name, value, mask ? "/" : "", mask ? mask : "");
	return !strcmp(name, "reg3") ? -ECANCELED : 0;
}

Test(flow_text, fields_are_walked_without_shorthands)
{
	struct of_match match;
	char text[512] = "";

	cr_assert_eq(of_parse_match("tcp,nw_dst=10.0.0.0/8,vlan_tci=0x1000/0x1000,tp_dst=80",
				    &match, NULL),
		     0);
	cr_assert_eq(of_match_fields(&match, join_field, text), 0);
	cr_assert_str_eq(text, "vlan_tci=0x1000/0x1000;dl_type=0x0800;nw_dst=10.0.0.0/8;"
			       "nw_proto=6;tp_dst=80;");
	cr_assert_eq(of_parse_match("reg3=1,in_port=3", &match, NULL), 0);
	text[0] = 0;
	cr_assert_eq(of_match_fields(&match, join_field, text), -ECANCELED);
	cr_assert_str_eq(text, "reg3=0x1;");
}

static int join_action(void *arg, const struct of_action *a)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s %s %s %s %u %u %u %u;", a->name, a->field ? a->field : "-",
		a->value ? a->value : "-", a->mask ? a->mask : "-", a->port, a->max_len, a->tpid,
		a->table);
	return 0;
}

Test(flow_text, actions_are_walked_with_their_parts)
{
	char text[512] = "";
	struct of_flow f;

	cr_assert_eq(of_parse_flow("ip,actions=mod_nw_dst:1.2.3.4,set_field:1/3->reg0,dec_ttl,"
				   "output:4,controller:99,push_vlan:0x8100,write_metadata:1,"
				   "goto_table:5",
				   OF_ADD, &f, NULL),
		     0);
	cr_assert_eq(of_actions_each(f.prog, f.n_prog, join_action, text), 0);
	cr_assert_str_eq(text, "set_field ip_dst 1.2.3.4 - 0 0 0 0;"
			       "set_field reg0 0x1 0x3 0 0 0 0;dec_ttl - - - 0 0 0 0;"
			       "output - - - 4 0 0 0;controller - - - 0 99 0 0;"
			       "push_vlan - - - 0 0 33024 0;"
			       "write_metadata metadata 0x1 - 0 0 0 0;goto_table - - - 0 0 0 5;");
}

/* ---- files ---- */

static int gather(void *arg, const struct of_flow *flow, unsigned int line, struct of_error *err)
{
	char *text = arg;

	if (flow->priority == 666) {
		strcpy(err->reason, "not this one");
		return -EPERM;
	}
	sprintf(text + strlen(text), "%u:%d:%u;", line, flow->mode, flow->priority);
	return 0;
}

static int read_text(const char *text, bool from_file, char *out, struct of_error *err)
{
	FILE *file;
	int ret;

	out[0] = 0;
	if (!from_file)
		return of_read_flows_buf(text, strlen(text), OF_ADD, gather, out, err);
	file = fmemopen((void *)text, strlen(text), "r");
	cr_assert_not_null(file);
	ret = of_read_flows(file, OF_ADD, gather, out, err);
	fclose(file);
	return ret;
}

Test(flow_text, file_has_comments_blank_lines_and_prefixes)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "priority=1,tcp,actions=output:1 # trailing\r\n"
				   "  \t \r\n"
				   " add priority=2,actions=drop\n"
				   "delete table=3\n"
				   "modify ip,actions=1\n"
				   "delete_strict priority=4\n"
				   "modify_strict priority=5,actions=2\n"
				   "delete\n"
				   "priority=6,arp actions=3\n"
				   "flow add priority=7,actions=drop\n"
				   "  flow \tmodify_strict priority=8,actions=2\n"
				   "flow delete\n"
				   "flow priority=9,actions=2\n";
	struct of_error err;
	char out[512];

	for (int file = 0; file < 2; file++) {
		cr_assert_eq(read_text(text, file, out, &err), 0, "%d:%d: %s", err.line, err.column,
			     err.reason);
		cr_assert_str_eq(out, "3:0:1;5:0:2;6:3:32768;7:1:32768;8:4:4;9:2:5;10:3:32768;"
				      "11:0:6;12:0:7;13:2:8;14:3:32768;15:0:9;");
	}
}

Test(flow_text, file_error_names_line_and_column)
{
	struct of_error err = {0};
	char out[512], text[512];

	for (int file = 0; file < 2; file++) {
		cr_assert_eq(read_text("priority=1,actions=1\n# x\n  nw_src=10.0.0.1,actions=1\n",
				       file, out, &err),
			     -EINVAL);
		cr_assert_str_eq(of_error_text(&err, "flows.txt", text, sizeof(text)),
				 "flows.txt:3:3: nw_src without ip");
		cr_assert_str_eq(out, "1:0:1;");
		cr_assert_eq(read_text("\nadd  ip,quux=1,actions=1", file, out, &err), -EINVAL);
		cr_assert_str_eq(of_error_text(&err, NULL, text, sizeof(text)),
				 "2:9: unknown field \"quux\"");
		cr_assert_eq(read_text("flow  add  ip,quux=1,actions=1", file, out, &err), -EINVAL);
		cr_assert_str_eq(of_error_text(&err, NULL, text, sizeof(text)),
				 "1:15: unknown field \"quux\"");
		cr_assert_eq(read_text(" group add group_id=1", file, out, &err), -EINVAL);
		cr_assert_str_eq(of_error_text(&err, NULL, text, sizeof(text)),
				 "1:2: cxltab's bundles have flows only");
		cr_assert_eq(read_text("actions=1\n priority=666,actions=1\nx", file, out, &err),
			     -EPERM);
		cr_assert_str_eq(of_error_text(&err, "f", text, sizeof(text)),
				 "f:2:2: not this one");
	}
}

Test(flow_text, long_line_is_read_up_to_the_limit)
{
	size_t size = 4 * OF_LINE_MAX;
	char *text = malloc(size), out[512];
	struct of_error err = {0};

	memset(text, ' ', size);
	strcpy(text + OF_LINE_MAX - 10, "actions=1\npriority=9,actions=2\n");
	for (int file = 0; file < 2; file++) {
		cr_assert_eq(read_text(text, file, out, &err), 0, "%d: %s", err.line, err.reason);
		cr_assert_str_eq(out, "1:0:32768;2:0:9;");
	}
	memset(text, ' ', size);
	memcpy(text, "actions=1\n", 10);
	strcpy(text + size - 12, "actions=1\n");
	for (int file = 0; file < 2; file++) {
		cr_assert_eq(read_text(text, file, out, &err), -E2BIG);
		cr_assert_eq(err.line, 2);
		cr_assert_str_eq(err.reason, "line too long");
	}
	free(text);
}

static int count_flows(void *arg, const struct of_flow *flow, unsigned int line,
		       struct of_error *err)
{
	__u32 *next = arg;

	if (flow->priority != *next || line != ++*next) {
		strcpy(err->reason, "out of order");
		return -EPROTO;
	}
	return 0;
}

/* Lines that straddle the reader's blocks arrive whole and in order. */
Test(flow_text, large_file_is_read_in_order)
{
	enum { LINES = 20000 };
	FILE *file = tmpfile();
	struct of_error err = {0};
	__u32 next = 0;

	cr_assert_not_null(file);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "priority=%d,tcp,tp_dst=%d,actions=%*soutput:1\n", i, i, i % 97, "");
	rewind(file);
	cr_assert_eq(of_read_flows(file, OF_ADD, count_flows, &next, &err), 0, "%d: %s", err.line,
		     err.reason);
	cr_assert_eq(next, LINES);
	fclose(file);
}
