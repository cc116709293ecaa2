// SPDX-License-Identifier: Apache-2.0
/*
 * actions.c - the text of actions into a program, in OpenFlow's order of instructions: actions
 * first, then write_metadata, then goto_table.
 */
#include <strings.h>

#include "syntax.h"

enum handler {
	H_OUTPUT,
	H_PORT, /* arg: the op of a reserved port */
	H_CONTROLLER,
	H_DROP,
	H_MOD, /* arg: the spec that is set */
	H_SET_FIELD,
	H_LOAD,
	H_STRIP_VLAN,
	H_POP_VLAN,
	H_PUSH_VLAN,
	H_DEC_TTL,
	H_WRITE_METADATA,
	H_GOTO,
};

/* X(name, handler, argument), by the length of the name. */
#define ACTS_3(X) X("all", PORT, CXLT_OP_ALL)
#define ACTS_4(X) X("drop", DROP, 0) X("load", LOAD, 0)
#define ACTS_5(X) X("flood", PORT, CXLT_OP_FLOOD) X("local", PORT, CXLT_OP_LOCAL)
#define ACTS_6(X) X("output", OUTPUT, 0)
#define ACTS_7(X) X("in_port", PORT, CXLT_OP_IN_PORT) X("dec_ttl", DEC_TTL, 0)
#define ACTS_8(X) X("pop_vlan", POP_VLAN, 0)
#define ACTS_9(X) X("set_field", SET_FIELD, 0) X("push_vlan", PUSH_VLAN, 0)
#define ACTS_10(X)                                                                                 \
	X("mod_dl_src", MOD, OF_S_ETH_SRC)                                                         \
	X("mod_dl_dst", MOD, OF_S_ETH_DST) X("mod_nw_src", MOD, OF_S_IPV4_SRC)                     \
		X("mod_nw_dst", MOD, OF_S_IPV4_DST) X("mod_tp_src", MOD, OF_S_TP_SRC)              \
			X("mod_tp_dst", MOD, OF_S_TP_DST) X("mod_nw_tos", MOD, OF_S_NW_TOS)        \
				X("mod_nw_ecn", MOD, OF_S_IP_ECN)                                  \
					X("mod_nw_ttl", MOD, OF_S_IP_TTL) X("goto_table", GOTO, 0) \
						X("controller", CONTROLLER, 0)                     \
							X("strip_vlan", STRIP_VLAN, 0)             \
								X("set_tunnel", MOD, OF_S_TUN_ID)
#define ACTS_12(X)                            \
	X("mod_vlan_vid", MOD, OF_S_VLAN_VID) \
	X("mod_vlan_pcp", MOD, OF_S_VLAN_PCP) X("set_tunnel64", MOD, OF_S_TUN_ID)
#define ACTS_14(X) X("write_metadata", WRITE_METADATA, 0)

#define ACTS(X)                                                                           \
	ACTS_3(X)                                                                         \
	ACTS_4(X) ACTS_5(X) ACTS_6(X) ACTS_7(X) ACTS_8(X) ACTS_9(X) ACTS_10(X) ACTS_12(X) \
		ACTS_14(X)

#define ONE(name, handler, arg) +1
#define ROW(name, handler, arg) {name, H_##handler, arg},
static const struct of_name names[] = {ACTS(ROW)};

enum {
	END_3 = 0 ACTS_3(ONE),
	END_4 = END_3 ACTS_4(ONE),
	END_5 = END_4 ACTS_5(ONE),
	END_6 = END_5 ACTS_6(ONE),
	END_7 = END_6 ACTS_7(ONE),
	END_8 = END_7 ACTS_8(ONE),
	END_9 = END_8 ACTS_9(ONE),
	END_10 = END_9 ACTS_10(ONE),
	END_12 = END_10 ACTS_12(ONE),
	N_ACTS = END_12 ACTS_14(ONE),
	NAME_MAX_LEN = 14,
};

static const __u8 starts[NAME_MAX_LEN + 2] = {
	0,     0,     0,     0,	     END_3,  END_4,  END_5,  END_6,
	END_7, END_8, END_9, END_10, END_10, END_12, END_12, N_ACTS,
};

/* What Open vSwitch has and cxltab refuses by name. */
static const char *const unsupported[] = {
	"normal",
	"none",
	"any",
	"table",
	"group",
	"meter",
	"resubmit",
	"learn",
	"ct",
	"ct_clear",
	"nat",
	"note",
	"enqueue",
	"set_queue",
	"pop_queue",
	"bundle",
	"bundle_load",
	"multipath",
	"move",
	"push",
	"pop",
	"fin_timeout",
	"exit",
	"sample",
	"conjunction",
	"clone",
	"output_trunc",
	"push_mpls",
	"pop_mpls",
	"set_mpls_label",
	"set_mpls_tc",
	"set_mpls_ttl",
	"dec_mpls_ttl",
	"encap",
	"decap",
	"dec_nsh_ttl",
	"check_pkt_larger",
	"delete_field",
	"debug_recirc",
	"debug_slow",
	"write_actions",
	"clear_actions",
	"set_vlan_vid",
	"set_vlan_pcp",
	"stack_push",
	"stack_pop",
};

enum stage {
	APPLY,
	WRITE_METADATA,
	GOTO,
};

struct program {
	const struct of_text *t;
	struct of_env env;
	__u64 *w;
	__u32 n;
	__u32 count; /* actions and instructions so far */
	__u8 table;
	enum stage stage;
	const char *drop;
};

static int emit(struct program *g, const char *at, const __u64 *words, __u32 n)
{
	if (g->n + n > CXLT_PROG_MAX) {
		of_fail(g->t, at, "too many actions: they need more than %d words", CXLT_PROG_MAX);
		return -E2BIG;
	}
	for (__u32 i = 0; i < n; i++)
		g->w[g->n++] = words[i];
	return 0;
}

static int emit_op(struct program *g, const char *at, __u32 op, __u32 aux, __u32 arg)
{
	__u64 word = cxlt_op_word(op, 0, aux, arg);

	return emit(g, at, &word, 1);
}

static int emit_set(struct program *g, const char *at, __u32 field, __u32 word, __u64 value,
		    __u64 mask, __u32 arg)
{
	const __u64 words[CXLT_SET_WORDS] = {
		cxlt_op_word(CXLT_OP_SET, field, word, arg),
		value & mask,
		mask,
	};

	return mask ? emit(g, at, words, CXLT_SET_WORDS) : 0;
}

static int needs(struct program *g, const struct of_pair *a, struct of_span what,
		 enum of_prereq prereq)
{
	if (of_prereq_holds(prereq, &g->env))
		return 0;
	return of_fail(g->t, a->key.p, "%.*s%s%.*s without %s", OF_SPAN_ARG(a->key),
		       what.n ? " of " : "", OF_SPAN_ARG(what), of_prereq_text(prereq));
}

/* Emits the SETs of one spec; value and mask are checked, but not yet in their place. */
static int set_spec(struct program *g, const char *at, int id, const struct of_value *v, __u32 arg)
{
	const struct of_spec *s = &of_spec[id];
	int err;

	if (s->bits == 128) {
		err = emit_set(g, at, s->field, s->word, v->v[0], v->m[0], arg);
		if (err)
			return err;
		return emit_set(g, at, s->field, s->word + 1, v->v[1], v->m[1], arg);
	}
	if (id == OF_S_XREG0 || id == OF_S_XREG1) { /* the halves are fields of their own */
		__u64 high = 0xffffffffULL << 32;

		err = emit_set(g, at, s->field - 1, s->word, v->v[1], v->m[1] & high, arg);
		if (err)
			return err;
		return emit_set(g, at, s->field, s->word, v->v[1], v->m[1] & ~high, arg);
	}
	return emit_set(g, at, s->field, s->word, v->v[1] << s->shift, v->m[1] << s->shift, arg);
}

/* ---- output ---- */

/* A reserved port by name: its op, or 0. */
static __u32 reserved_port(struct of_span s)
{
	static const struct {
		const char *name;
		__u32 op;
	} ports[] = {
		{"in_port", CXLT_OP_IN_PORT},	    {"flood", CXLT_OP_FLOOD}, {"all", CXLT_OP_ALL},
		{"controller", CXLT_OP_CONTROLLER}, {"local", CXLT_OP_LOCAL},
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (s.n == strlen(ports[i].name) && !strncasecmp(s.p, ports[i].name, s.n))
			return ports[i].op;
	return 0;
}

static int output_to(struct program *g, const char *at, struct of_span s)
{
	__u64 port;
	int err = of_scan_decimal(s, OF_PORT_MAX, &port);
	__u32 op;

	if (!err)
		return emit_op(g, at, CXLT_OP_OUTPUT, 0, port);
	if (err == -ERANGE)
		return of_fail(g->t, s.p, "output: %.*s is too large (ports are 0 to %d)",
			       OF_SPAN_ARG(s), OF_PORT_MAX);
	op = reserved_port(s);
	if (op)
		return emit_op(g, at, op, op == CXLT_OP_CONTROLLER ? OF_WHOLE_PACKET : 0, 0);
	if (!s.n)
		return of_fail(g->t, s.p, "output needs a port");
	if (memchr(s.p, '[', s.n) || memchr(s.p, '=', s.n) || of_field_find(s) >= 0)
		return of_fail(g->t, s.p, "output to \"%.*s\" is not supported: only to a port",
			       OF_SPAN_ARG(s));
	return of_fail(g->t, s.p, "output: \"%.*s\" is not a port", OF_SPAN_ARG(s));
}

static int controller_arg(struct program *g, const struct of_pair *arg, __u64 *max_len)
{
	if (of_span_is(arg->key, "max_len") && arg->delim) {
		if (of_scan_decimal(arg->value, OF_WHOLE_PACKET, max_len))
			return of_fail(g->t, arg->value.p,
				       "controller: max_len \"%.*s\" is not between 0 and 65535",
				       OF_SPAN_ARG(arg->value));
		return 0;
	}
	if (of_span_is(arg->key, "reason") && of_span_is(arg->value, "action"))
		return 0;
	if (of_span_is(arg->key, "id") && of_span_is(arg->value, "0"))
		return 0;
	return of_fail(g->t, arg->key.p, "controller(%.*s%s%.*s) is not supported",
		       OF_SPAN_ARG(arg->key), arg->delim ? "=" : "", OF_SPAN_ARG(arg->value));
}

static int controller(struct program *g, const struct of_pair *a)
{
	const char *p = a->value.p, *end = p + a->value.n;
	__u64 max_len = OF_WHOLE_PACKET;
	struct of_pair arg = {{"max_len", 7}, a->value, ':'};
	int got = 0;

	if (a->delim == '(') {
		while ((got = of_next_pair(g->t, &p, end, &arg)) > 0) {
			got = controller_arg(g, &arg, &max_len);
			if (got)
				break;
		}
	} else if (a->delim) {
		got = controller_arg(g, &arg, &max_len);
	}
	return got ? got : emit_op(g, a->key.p, CXLT_OP_CONTROLLER, max_len, 0);
}

/* ---- set ---- */

static int tos_is_dscp(struct program *g, const struct of_pair *a, const struct of_value *v)
{
	if (v->v[1] & OF_TOS_ECN)
		return of_fail(g->t, a->value.p, "%.*s: the two low bits are ECN, not DSCP",
			       OF_SPAN_ARG(a->key));
	return 0;
}

/* mod_vlan_*: as in OpenFlow 1.0 they add a tag to a packet that has none. */
static int mod(struct program *g, const struct of_pair *a, int id)
{
	enum of_prereq prereq = of_spec[id].prereq;
	struct of_spec spec = of_spec[id];
	struct of_value v;
	int err;

	spec.flags = 0; /* no masks */
	if (id == OF_S_VLAN_VID) {
		spec.kind = OF_K_DEC;
		spec.bits = 12;
	}
	err = of_parse_value(g->t, &spec, a->key, a->value, &v);
	if (!err && id == OF_S_NW_TOS)
		err = tos_is_dscp(g, a, &v);
	if (!err)
		err = needs(g, a, (struct of_span){"", 0},
			    prereq == OF_P_IPV4_ARP ? OF_P_IPV4 : prereq);
	if (err)
		return err;
	if (id == OF_S_VLAN_VID) {
		v.v[1] |= CXLT_VLAN_PRESENT;
		v.m[1] |= CXLT_VLAN_PRESENT;
	}
	if (id == OF_S_VLAN_VID || id == OF_S_VLAN_PCP)
		g->env.n_tags += !g->env.n_tags;
	return set_spec(g, a->key.p, id, &v, 0);
}

/* "VALUE->FIELD": 0 and both parts, or an error. */
static int arrow(struct program *g, const struct of_pair *a, struct of_span *value,
		 struct of_span *field)
{
	const char *at = a->value.n ? memmem(a->value.p, a->value.n, "->", 2) : NULL;
	const char *end = a->value.p + a->value.n;

	if (!at)
		return of_fail(g->t, a->value.p, "%.*s: missing \"->\"", OF_SPAN_ARG(a->key));
	*value = (struct of_span){a->value.p, at - a->value.p};
	*field = (struct of_span){at + 2, end - at - 2};
	return 0;
}

static int settable(struct program *g, const struct of_pair *a, struct of_span field, int id)
{
	const char *near;

	if (id >= 0 && id < OF_SHORTHAND && (of_spec[id].flags & OF_SETTABLE))
		return 0;
	if (id >= 0)
		return of_fail(g->t, field.p, "%.*s: %.*s can't be set", OF_SPAN_ARG(a->key),
			       OF_SPAN_ARG(field));
	near = of_field_near(field);
	return of_fail(g->t, field.p, "%.*s: unknown field \"%.*s\"%s%s%s", OF_SPAN_ARG(a->key),
		       OF_SPAN_ARG(field), near ? " (did you mean " : "", near ? near : "",
		       near ? "?)" : "");
}

static enum of_prereq set_prereq(int id)
{
	if (of_spec[id].field == CXLT_F_VLAN_TCI)
		return OF_P_VLAN;
	return of_spec[id].prereq == OF_P_IPV4_ARP ? OF_P_IPV4 : of_spec[id].prereq;
}

static int set_vid(struct program *g, struct of_span text, struct of_value *v)
{
	if (!(v->v[1] & CXLT_VLAN_PRESENT))
		return of_fail(g->t, text.p, "set_field: vlan_vid needs bit 0x1000, write 0x%llx",
			       (unsigned long long)v->v[1] | CXLT_VLAN_PRESENT);
	v->m[1] |= CXLT_VLAN_PRESENT;
	return 0;
}

static int set_field(struct program *g, const struct of_pair *a)
{
	struct of_span text, field;
	struct of_value v;
	int err, id;

	err = arrow(g, a, &text, &field);
	if (err)
		return err;
	id = of_field_find(field);
	err = settable(g, a, field, id);
	if (!err)
		err = of_parse_value(g->t, &of_spec[id], field, text, &v);
	if (!err && id == OF_S_VLAN_VID)
		err = set_vid(g, text, &v);
	if (!err && id == OF_S_NW_TOS)
		err = tos_is_dscp(g, a, &v);
	if (!err && !(v.m[0] | v.m[1]))
		err = of_fail(g->t, text.p, "set_field: a mask of 0 sets nothing");
	if (!err)
		err = needs(g, a, field, set_prereq(id));
	return err ? err : set_spec(g, a->key.p, id, &v, 0);
}

/* Names of Nicira's and OpenFlow's extensible match that `load` goes by. */
static int nxm_find(struct of_span s)
{
	static const struct {
		const char *name;
		__u8 id;
	} nxm[] = {
		{"NXM_NX_REG0", OF_S_REG0},	    {"NXM_NX_REG1", OF_S_REG1},
		{"NXM_NX_REG2", OF_S_REG2},	    {"NXM_NX_REG3", OF_S_REG3},
		{"OXM_OF_METADATA", OF_S_METADATA}, {"NXM_NX_TUN_ID", OF_S_TUN_ID},
		{"NXM_OF_ETH_SRC", OF_S_ETH_SRC},   {"NXM_OF_ETH_DST", OF_S_ETH_DST},
		{"NXM_OF_IP_SRC", OF_S_IPV4_SRC},   {"NXM_OF_IP_DST", OF_S_IPV4_DST},
		{"NXM_OF_TCP_SRC", OF_S_TCP_SRC},   {"NXM_OF_TCP_DST", OF_S_TCP_DST},
		{"NXM_OF_UDP_SRC", OF_S_UDP_SRC},   {"NXM_OF_UDP_DST", OF_S_UDP_DST},
		{"NXM_NX_IP_TTL", OF_S_IP_TTL},	    {"NXM_NX_IP_ECN", OF_S_IP_ECN},
		{"OXM_OF_PKT_REG0", OF_S_XREG0},    {"OXM_OF_PKT_REG1", OF_S_XREG1},
	};

	for (size_t i = 0; i < sizeof(nxm) / sizeof(nxm[0]); i++)
		if (of_span_is(s, nxm[i].name))
			return nxm[i].id;
	return of_field_find(s);
}

/* "[]", "[5]" or "[0..5]" behind a field's name, which is cut off. */
static int bit_range(struct program *g, struct of_span *field, struct of_span bits, __u64 width,
		     __u64 *first, __u64 *last)
{
	const char *dots = bits.n ? memmem(bits.p, bits.n, "..", 2) : NULL;
	struct of_span lo = {bits.p, dots ? (size_t)(dots - bits.p) : bits.n};
	struct of_span hi = dots ? (struct of_span){dots + 2, bits.n - lo.n - 2} : lo;

	*first = 0;
	*last = width - 1;
	if (!bits.n)
		return 0;
	if (of_scan_decimal(lo, width - 1, first) || of_scan_decimal(hi, width - 1, last) ||
	    *first > *last)
		return of_fail(g->t, bits.p, "load: [%.*s] is no range of the %llu bits of %.*s",
			       OF_SPAN_ARG(bits), (unsigned long long)width, OF_SPAN_ARG(*field));
	return 0;
}

static int load(struct program *g, const struct of_pair *a)
{
	struct of_span text, field, bits = {NULL, 0};
	struct of_value v = {{0}, {0}, true};
	__u64 first, last;
	const char *open;
	int err, id;

	err = arrow(g, a, &text, &field);
	if (err)
		return err;
	open = memchr(field.p, '[', field.n);
	if (open && field.p[field.n - 1] == ']') {
		bits = (struct of_span){open + 1, field.p + field.n - 1 - (open + 1)};
		field.n = open - field.p;
	}
	id = nxm_find(field);
	err = settable(g, a, field, id);
	if (err)
		return err;
	if (of_spec[id].bits > 64 || of_spec[id].field == CXLT_F_VLAN_TCI || id == OF_S_NW_TOS)
		return of_fail(g->t, field.p, "load to %.*s is not supported: use set_field",
			       OF_SPAN_ARG(field));
	err = bit_range(g, &field, bits, of_spec[id].bits, &first, &last);
	if (err)
		return err;
	if (of_scan_number(text, &v.v[1]) || v.v[1] > CXLT_BITMASK(last - first + 1))
		return of_fail(g->t, text.p, "load: \"%.*s\" is not a number of %llu bits",
			       OF_SPAN_ARG(text), (unsigned long long)(last - first + 1));
	v.v[1] <<= first;
	v.m[1] = CXLT_BITMASK(last - first + 1) << first;
	if (of_spec[id].bits == 6 || of_spec[id].bits == 2 || id == OF_S_IP_TTL) {
		if (v.m[1] != CXLT_BITMASK(of_spec[id].bits))
			return of_fail(g->t, bits.p, "load: %.*s can only be set whole",
				       OF_SPAN_ARG(field));
	}
	err = needs(g, a, field, set_prereq(id));
	return err ? err : set_spec(g, a->key.p, id, &v, 0);
}

/* ---- tags, TTL, instructions ---- */

static int push_vlan(struct program *g, const struct of_pair *a)
{
	__u64 tpid = 0;

	if (of_scan_number(a->value, &tpid) || (tpid != 0x8100 && tpid != 0x88a8))
		return of_fail(g->t, a->value.p, "push_vlan: \"%.*s\" is neither 0x8100 nor 0x88a8",
			       OF_SPAN_ARG(a->value));
	if (++g->env.n_tags > 2)
		return of_fail(g->t, a->key.p, "push_vlan: a packet has two tags at most");
	return emit_op(g, a->key.p, CXLT_OP_PUSH_VLAN, tpid, 0);
}

/* strip_vlan is OpenFlow 1.0's: without a tag it does nothing.  pop_vlan needs one. */
static int pop_vlan(struct program *g, const struct of_pair *a, bool strict)
{
	int err = strict ? needs(g, a, (struct of_span){"", 0}, OF_P_VLAN) : 0;

	if (err)
		return err;
	g->env.n_tags -= !!g->env.n_tags;
	return emit_op(g, a->key.p, CXLT_OP_POP_VLAN, 0, 0);
}

static int dec_ttl(struct program *g, const struct of_pair *a)
{
	int err = needs(g, a, (struct of_span){"", 0}, OF_P_IP);

	if (!err && a->value.n)
		err = of_fail(g->t, a->value.p, "dec_ttl with controller ids is not supported");
	return err ? err : emit_op(g, a->key.p, CXLT_OP_DEC_TTL, 0, 0);
}

static int write_metadata(struct program *g, const struct of_pair *a)
{
	struct of_value v;
	int err;

	if (g->stage == GOTO)
		return of_fail(g->t, a->key.p, "write_metadata must come before goto_table");
	if (g->stage == WRITE_METADATA)
		return of_fail(g->t, a->key.p, "write_metadata given twice");
	g->stage = WRITE_METADATA;
	err = of_parse_value(g->t, &of_spec[OF_S_METADATA], a->key, a->value, &v);
	if (!err && !v.m[1])
		err = of_fail(g->t, a->value.p, "write_metadata: a mask of 0 sets nothing");
	return err ? err : set_spec(g, a->key.p, OF_S_METADATA, &v, CXLT_SET_WRITE_METADATA);
}

static int goto_table(struct program *g, const struct of_pair *a)
{
	__u64 table;

	if (g->stage == GOTO)
		return of_fail(g->t, a->key.p, "goto_table given twice");
	g->stage = GOTO;
	if (of_scan_decimal(a->value, OF_TABLE_MAX, &table))
		return of_fail(g->t, a->value.p, "goto_table: \"%.*s\" is not a table (1 to %d)",
			       OF_SPAN_ARG(a->value), OF_TABLE_MAX);
	if (!table || (g->table != OF_TABLE_ANY && table <= g->table))
		return of_fail(g->t, a->value.p, "goto_table:%.*s is not higher than table %d",
			       OF_SPAN_ARG(a->value), g->table == OF_TABLE_ANY ? 0 : g->table);
	return emit_op(g, a->key.p, CXLT_OP_GOTO, 0, table);
}

/* ---- one action ---- */

static int no_value(struct program *g, const struct of_pair *a)
{
	if (a->value.n)
		return of_fail(g->t, a->value.p, "%.*s takes no value", OF_SPAN_ARG(a->key));
	return 0;
}

static int run(struct program *g, const struct of_pair *a, const struct of_name *act)
{
	int err = 0;

	switch (act->id) {
	case H_OUTPUT: return output_to(g, a->key.p, a->value);
	case H_PORT: err = no_value(g, a); return err ? err : emit_op(g, a->key.p, act->arg, 0, 0);
	case H_CONTROLLER: return controller(g, a);
	case H_DROP: g->drop = a->key.p; return no_value(g, a);
	case H_MOD: return mod(g, a, act->arg);
	case H_SET_FIELD: return set_field(g, a);
	case H_LOAD: return load(g, a);
	case H_STRIP_VLAN:
	case H_POP_VLAN:
		err = no_value(g, a);
		return err ? err : pop_vlan(g, a, act->id == H_POP_VLAN);
	case H_PUSH_VLAN: return push_vlan(g, a);
	case H_DEC_TTL: return dec_ttl(g, a);
	case H_WRITE_METADATA: return write_metadata(g, a);
	case H_GOTO: return goto_table(g, a);
	}
	return -EINVAL;
}

/* The action called so, in any case; NULL if there is none. */
static const struct of_name *find(struct of_span key)
{
	char lower[NAME_MAX_LEN];

	if (key.n > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < key.n; i++)
		lower[i] = key.p[i] >= 'A' && key.p[i] <= 'Z' ? key.p[i] | 32 : key.p[i];
	return of_name_find(names, starts, NAME_MAX_LEN, (struct of_span){lower, key.n});
}

static int unknown(struct program *g, const struct of_pair *a)
{
	const char *near;

	if (a->key.n == strlen("apply_actions") &&
	    !strncasecmp(a->key.p, "apply_actions", a->key.n))
		return of_fail(g->t, a->key.p,
			       "apply_actions(...) is not supported: it is the default, list its "
			       "actions");
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (a->key.n == strlen(unsupported[i]) &&
		    !strncasecmp(a->key.p, unsupported[i], a->key.n))
			return of_fail(g->t, a->key.p, "action %s is not supported",
				       unsupported[i]);
	near = of_name_near(names, N_ACTS, a->key);
	return of_fail(g->t, a->key.p, "unknown action \"%.*s\"%s%s%s", OF_SPAN_ARG(a->key),
		       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int one(struct program *g, const struct of_pair *a)
{
	bool port = a->key.n && a->key.p[0] >= '0' && a->key.p[0] <= '9';
	const struct of_name *act = port ? NULL : find(a->key);
	int err;

	if (!port && !act)
		return unknown(g, a);
	g->count++;
	if (g->stage != APPLY && (port || act->id < H_WRITE_METADATA))
		return of_fail(g->t, a->key.p, "%.*s must come before %s", OF_SPAN_ARG(a->key),
			       g->stage == GOTO ? "goto_table" : "write_metadata");
	if (act)
		return run(g, a, act);
	err = no_value(g, a);
	return err ? err : output_to(g, a->key.p, a->key);
}

int of_actions_parse(const struct of_text *t, struct of_span text, const struct of_match *match,
		     __u8 table, __u64 *prog, __u32 *n_prog)
{
	const char *p = text.p, *end = p + text.n;
	struct program g = {.t = t, .w = prog, .table = table};
	struct of_pair a;
	int got;

	of_env_of_match(match, &g.env);
	while ((got = of_next_pair(t, &p, end, &a)) > 0) {
		got = one(&g, &a);
		if (got)
			return got;
	}
	if (got)
		return got;
	if (g.drop && g.count > 1)
		return of_fail(t, g.drop, "drop must be the only action");
	*n_prog = g.n;
	return 0;
}

int of_parse_actions(const char *text, const struct of_match *match, __u8 table, __u64 *prog,
		     __u32 *n_prog, struct of_error *err)
{
	struct of_text t = {text, err};

	return of_actions_parse(&t, (struct of_span){text, strlen(text)}, match, table, prog,
				n_prog);
}

int of_program_goto(const __u64 *prog, __u32 n_prog)
{
	for (__u32 i = 0; i < n_prog; i += cxlt_op_words(cxlt_op_code(prog[i])))
		if (cxlt_op_code(prog[i]) == CXLT_OP_GOTO)
			return cxlt_op_arg(prog[i]);
	return -1;
}

bool of_program_outputs_to(const __u64 *prog, __u32 n_prog, __u32 port)
{
	for (__u32 i = 0; i < n_prog; i += cxlt_op_words(cxlt_op_code(prog[i])))
		if (cxlt_op_code(prog[i]) == CXLT_OP_OUTPUT && cxlt_op_arg(prog[i]) == port)
			return true;
	return false;
}
