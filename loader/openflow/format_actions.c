// SPDX-License-Identifier: Apache-2.0
/*
 * format_actions.c - programs into text: OpenFlow 1.0's mod_* where it has one, set_field else.
 * Programs may come from a slice: one that is malformed prints as far as it makes sense.
 */
#include <stdio.h>

#include "syntax.h"

struct step {
	struct of_action a;
	char text_room[256];
	char value_room[64];
	char mask_room[64];
	struct of_buf text;
	struct of_buf value;
	struct of_buf mask;
};

/* The spec that a SET of these bits is written with, or -1; bits are in the field's place. */
static int spec_of_set(__u32 field, __u64 bits)
{
	switch (field) {
	case CXLT_F_ETH_SRC: return OF_S_ETH_SRC;
	case CXLT_F_ETH_DST: return OF_S_ETH_DST;
	case CXLT_F_VLAN_TCI:
		if (!(bits & CXLT_VLAN_PRESENT))
			return -1;
		if (bits == (CXLT_VLAN_PCP_MASK | CXLT_VLAN_PRESENT))
			return OF_S_VLAN_PCP;
		return bits & CXLT_VLAN_PCP_MASK ? -1 : OF_S_VLAN_VID;
	case CXLT_F_IP_TOS:
		return bits == OF_TOS_DSCP ? OF_S_NW_TOS : bits == OF_TOS_ECN ? OF_S_IP_ECN : -1;
	case CXLT_F_IP_TTL: return bits == 0xff ? OF_S_IP_TTL : -1;
	case CXLT_F_IPV4_SRC: return OF_S_IPV4_SRC;
	case CXLT_F_IPV4_DST: return OF_S_IPV4_DST;
	case CXLT_F_IPV6_SRC: return OF_S_IPV6_SRC;
	case CXLT_F_IPV6_DST: return OF_S_IPV6_DST;
	case CXLT_F_IPV6_LABEL: return OF_S_IPV6_LABEL;
	case CXLT_F_TP_SRC: return OF_S_TP_SRC;
	case CXLT_F_TP_DST: return OF_S_TP_DST;
	case CXLT_F_METADATA: return OF_S_METADATA;
	case CXLT_F_TUN_ID: return OF_S_TUN_ID;
	case CXLT_F_REG0: return OF_S_REG0;
	case CXLT_F_REG1: return OF_S_REG1;
	case CXLT_F_REG2: return OF_S_REG2;
	case CXLT_F_REG3: return OF_S_REG3;
	}
	return -1;
}

static const char *mod_name(int spec)
{
	switch (spec) {
	case OF_S_ETH_SRC: return "mod_dl_src";
	case OF_S_ETH_DST: return "mod_dl_dst";
	case OF_S_VLAN_VID: return "mod_vlan_vid";
	case OF_S_VLAN_PCP: return "mod_vlan_pcp";
	case OF_S_IPV4_SRC: return "mod_nw_src";
	case OF_S_IPV4_DST: return "mod_nw_dst";
	case OF_S_NW_TOS: return "mod_nw_tos";
	case OF_S_IP_ECN: return "mod_nw_ecn";
	case OF_S_IP_TTL: return "mod_nw_ttl";
	case OF_S_TP_SRC: return "mod_tp_src";
	case OF_S_TP_DST: return "mod_tp_dst";
	}
	return NULL;
}

/* The value as text; VID and PCP without the bits that surround them. */
static void put_value(struct step *s, int id, const __u64 v[2], const __u64 m[2])
{
	if (id == OF_S_VLAN_PCP)
		of_printf(&s->value, "%u", (unsigned int)v[1] >> CXLT_VLAN_PCP_SHIFT);
	else if (id == OF_S_VLAN_VID && m[1] == (CXLT_VLAN_PRESENT | CXLT_VLAN_VID_MASK))
		of_printf(&s->value, "%u", (unsigned int)v[1] & CXLT_VLAN_VID_MASK);
	else if (id == OF_S_NW_TOS)
		of_printf(&s->value, "%u", (unsigned int)v[1]);
	else
		of_put_spec(&of_spec[id], v, m, true, &s->value, &s->mask);
	s->a.value = s->value_room;
	s->a.mask = s->mask.len ? s->mask_room : NULL;
}

/* A SET that no spelling has. */
static void raw_set(struct step *s, const __u64 *prog)
{
	__u32 field = cxlt_op_field(prog[0]);

	s->a.field = field < CXLT_N_FIELDS ? cxlt_field_info[field].name : "?";
	of_printf(&s->value, "%#llx", (unsigned long long)prog[1]);
	of_printf(&s->mask, "%#llx", (unsigned long long)prog[2]);
	s->a.value = s->value_room;
	s->a.mask = s->mask_room;
	of_printf(&s->text, "set_field:%s/%s->%s(word %u)", s->a.value, s->a.mask, s->a.field,
		  cxlt_op_aux(prog[0]));
}

/* Both halves of a 128-bit SET, if they are neighbours; returns the words taken. */
static __u32 halves(const __u64 *prog, __u32 n, __u32 word, __u64 v[2], __u64 m[2])
{
	__u32 aux = cxlt_op_aux(prog[0]), second = CXLT_SET_WORDS;
	bool high = aux == word;

	v[!high] = prog[1];
	m[!high] = prog[2];
	if (!high || n < 2 * CXLT_SET_WORDS || cxlt_op_code(prog[second]) != CXLT_OP_SET ||
	    cxlt_op_field(prog[second]) != cxlt_op_field(prog[0]) ||
	    cxlt_op_aux(prog[second]) != word + 1)
		return CXLT_SET_WORDS;
	v[1] = prog[second + 1];
	m[1] = prog[second + 2];
	return 2 * CXLT_SET_WORDS;
}

static __u32 put_set(struct step *s, const __u64 *prog, __u32 n)
{
	__u32 field = cxlt_op_field(prog[0]), aux = cxlt_op_aux(prog[0]), words = CXLT_SET_WORDS;
	const struct cxlt_field_info *f = field < CXLT_N_FIELDS ? &cxlt_field_info[field] : NULL;
	__u64 v[2] = {0}, m[2] = {0};
	const char *mod;
	int id = -1;

	s->a.name = "set_field";
	if (f && f->bits == 128 && (aux == f->word || aux == f->word + 1U)) {
		words = halves(prog, n, f->word, v, m);
		id = spec_of_set(field, 0);
	} else if (f && f->bits < 128 && aux == f->word &&
		   !(prog[2] & ~(CXLT_BITMASK(f->bits) << f->shift))) {
		v[1] = prog[1] >> f->shift;
		m[1] = prog[2] >> f->shift;
		id = spec_of_set(field, m[1]);
	}
	if (id < 0 || (v[0] & ~m[0]) || (v[1] & ~m[1]) || !(m[0] | m[1])) {
		raw_set(s, prog);
		return CXLT_SET_WORDS;
	}
	s->a.field = of_spec[id].name;
	put_value(s, id, v, m);
	mod = s->a.mask ? NULL : mod_name(id);
	if (cxlt_op_arg(prog[0]) & CXLT_SET_WRITE_METADATA) {
		s->a.name = "write_metadata";
		of_printf(&s->text, "write_metadata:%s", s->a.value);
	} else {
		of_printf(&s->text, "%s:%s", mod ? mod : "set_field", s->a.value);
	}
	if (s->a.mask)
		of_printf(&s->text, "/%s", s->a.mask);
	if (!mod && s->a.name[0] == 's')
		of_printf(&s->text, "->%s", s->a.field);
	return words;
}

static void named(struct step *s, const char *name, const char *text)
{
	s->a.name = name;
	of_puts(&s->text, text);
}

static void put_port_op(struct step *s, __u64 word)
{
	switch (cxlt_op_code(word)) {
	case CXLT_OP_OUTPUT:
		named(s, "output", "output:");
		s->a.port = cxlt_op_arg(word);
		of_printf(&s->text, "%u", s->a.port);
		return;
	case CXLT_OP_CONTROLLER:
		named(s, "controller", "CONTROLLER:");
		s->a.max_len = cxlt_op_aux(word);
		of_printf(&s->text, "%u", s->a.max_len);
		return;
	case CXLT_OP_IN_PORT: named(s, "in_port", "IN_PORT"); return;
	case CXLT_OP_FLOOD: named(s, "flood", "FLOOD"); return;
	case CXLT_OP_ALL: named(s, "all", "ALL"); return;
	case CXLT_OP_LOCAL: named(s, "local", "LOCAL"); return;
	}
}

/* One op; returns its words, or 0 if the rest of the program makes no sense. */
static __u32 put_op(struct step *s, const __u64 *prog, __u32 n)
{
	__u32 code = cxlt_op_code(prog[0]);

	s->a.op = code;
	switch (code) {
	case CXLT_OP_OUTPUT:
	case CXLT_OP_CONTROLLER:
	case CXLT_OP_IN_PORT:
	case CXLT_OP_FLOOD:
	case CXLT_OP_ALL:
	case CXLT_OP_LOCAL: put_port_op(s, prog[0]); return 1;
	case CXLT_OP_SET:
		if (n >= CXLT_SET_WORDS)
			return put_set(s, prog, n);
		break;
	case CXLT_OP_PUSH_VLAN:
		named(s, "push_vlan", "push_vlan:");
		s->a.tpid = cxlt_op_aux(prog[0]);
		of_printf(&s->text, "0x%04x", s->a.tpid);
		return 1;
	case CXLT_OP_POP_VLAN: /* strip_vlan needs no tag in the match, so it always parses */
		named(s, "pop_vlan", "strip_vlan");
		return 1;
	case CXLT_OP_DEC_TTL: named(s, "dec_ttl", "dec_ttl"); return 1;
	case CXLT_OP_GOTO:
		named(s, "goto_table", "goto_table:");
		s->a.table = cxlt_op_arg(prog[0]);
		of_printf(&s->text, "%u", s->a.table);
		return 1;
	case CXLT_OP_PUNT: named(s, "punt", "punt"); return 1;
	}
	named(s, "malformed", "");
	of_printf(&s->text, "malformed:0x%016llx", (unsigned long long)prog[0]);
	return 0;
}

int of_actions_each(const __u64 *prog, __u32 n_prog, of_action_cb *cb, void *arg)
{
	for (__u32 i = 0; i < n_prog;) {
		struct step s;
		__u32 words;
		int err;

		memset(&s.a, 0, sizeof(s.a));
		of_buf_init(&s.text, s.text_room, sizeof(s.text_room));
		of_buf_init(&s.value, s.value_room, sizeof(s.value_room));
		of_buf_init(&s.mask, s.mask_room, sizeof(s.mask_room));
		s.a.text = s.text_room;
		words = put_op(&s, prog + i, n_prog - i);
		err = cb(arg, &s.a);
		if (err)
			return err;
		if (!words)
			break;
		i += words;
	}
	return 0;
}

static int append(void *arg, const struct of_action *a)
{
	struct of_buf *b = arg;

	if (b->len)
		of_putc(b, ',');
	of_puts(b, a->text);
	return 0;
}

size_t of_format_actions(const __u64 *prog, __u32 n_prog, char *buf, size_t size)
{
	struct of_buf b;

	of_buf_init(&b, buf, size);
	if (!n_prog)
		of_puts(&b, "drop");
	of_actions_each(prog, n_prog, append, &b);
	return b.len;
}
