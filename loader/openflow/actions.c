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
#define ACTS_4(X)          \
	X("drop", DROP, 0) \
	X("load", LOAD, 0)
#define ACTS_5(X)                       \
	X("flood", PORT, CXLT_OP_FLOOD) \
	X("local", PORT, CXLT_OP_LOCAL)
#define ACTS_6(X) X("output", OUTPUT, 0)
#define ACTS_7(X)                           \
	X("in_port", PORT, CXLT_OP_IN_PORT) \
	X("dec_ttl", DEC_TTL, 0)
#define ACTS_8(X) X("pop_vlan", POP_VLAN, 0)
#define ACTS_9(X)                    \
	X("set_field", SET_FIELD, 0) \
	X("push_vlan", PUSH_VLAN, 0)
#define ACTS_10(X)                          \
	X("mod_dl_src", MOD, OF_S_ETH_SRC)  \
	X("mod_dl_dst", MOD, OF_S_ETH_DST)  \
	X("mod_nw_src", MOD, OF_S_IPV4_SRC) \
	X("mod_nw_dst", MOD, OF_S_IPV4_DST) \
	X("mod_tp_src", MOD, OF_S_TP_SRC)   \
	X("mod_tp_dst", MOD, OF_S_TP_DST)   \
	X("mod_nw_tos", MOD, OF_S_NW_TOS)   \
	X("mod_nw_ecn", MOD, OF_S_IP_ECN)   \
	X("mod_nw_ttl", MOD, OF_S_IP_TTL)   \
	X("goto_table", GOTO, 0)            \
	X("controller", CONTROLLER, 0)      \
	X("strip_vlan", STRIP_VLAN, 0)      \
	X("set_tunnel", MOD, OF_S_TUN_ID)
#define ACTS_12(X)                            \
	X("mod_vlan_vid", MOD, OF_S_VLAN_VID) \
	X("mod_vlan_pcp", MOD, OF_S_VLAN_PCP) \
	X("set_tunnel64", MOD, OF_S_TUN_ID)
#define ACTS_14(X) X("write_metadata", WRITE_METADATA, 0)

/* clang-format off */
#define ACTS(X)                                                                                    \
	ACTS_3(X) ACTS_4(X) ACTS_5(X) ACTS_6(X) ACTS_7(X) ACTS_8(X) ACTS_9(X) ACTS_10(X)           \
	ACTS_12(X) ACTS_14(X)
/* clang-format on */

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

int of_emit(struct of_program *g, const char *at, const __u64 *words, __u32 n)
{
	if (g->n + n > CXLT_PROG_MAX) {
		of_fail(g->t, at, "too many actions: they need more than %d words", CXLT_PROG_MAX);
		return -E2BIG;
	}
	for (__u32 i = 0; i < n; i++)
		g->w[g->n++] = words[i];
	return 0;
}

static int emit_op(struct of_program *g, const char *at, __u32 op, __u32 aux, __u32 arg)
{
	__u64 word = cxlt_op_word(op, 0, aux, arg);

	return of_emit(g, at, &word, 1);
}

/* ---- output ---- */

static const struct {
	const char *name;
	__u32 op;
} reserved_ports[] = {
	{"IN_PORT", CXLT_OP_IN_PORT},	    {"FLOOD", CXLT_OP_FLOOD}, {"ALL", CXLT_OP_ALL},
	{"CONTROLLER", CXLT_OP_CONTROLLER}, {"LOCAL", CXLT_OP_LOCAL},
};

__u32 of_reserved_port(struct of_span s)
{
	for (size_t i = 0; i < sizeof(reserved_ports) / sizeof(reserved_ports[0]); i++)
		if (s.n == strlen(reserved_ports[i].name) &&
		    !strncasecmp(s.p, reserved_ports[i].name, s.n))
			return reserved_ports[i].op;
	return 0;
}

const char *of_reserved_port_name(__u32 op)
{
	for (size_t i = 0; i < sizeof(reserved_ports) / sizeof(reserved_ports[0]); i++)
		if (reserved_ports[i].op == op)
			return reserved_ports[i].name;
	return "?";
}

static int output_to(struct of_program *g, const char *at, struct of_span s)
{
	__u64 port;
	int err = of_scan_decimal(s, OF_PORT_MAX, &port);
	__u32 op;

	if (!err)
		return emit_op(g, at, CXLT_OP_OUTPUT, 0, port);
	if (err == -ERANGE)
		return of_fail(g->t, s.p, "output: %.*s is too large (ports are 0 to %d)",
			       OF_SPAN_ARG(s), OF_PORT_MAX);
	op = of_reserved_port(s);
	if (op)
		return emit_op(g, at, op, op == CXLT_OP_CONTROLLER ? OF_WHOLE_PACKET : 0, 0);
	if (!s.n)
		return of_fail(g->t, s.p, "output needs a port");
	if (memchr(s.p, '[', s.n) || memchr(s.p, '=', s.n) || of_field_find(s) >= 0)
		return of_fail(g->t, s.p, "output to \"%.*s\" is not supported: only to a port",
			       OF_SPAN_ARG(s));
	return of_fail(g->t, s.p, "output: \"%.*s\" is not a port", OF_SPAN_ARG(s));
}

static int controller_arg(struct of_program *g, const struct of_pair *arg, __u64 *max_len)
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

static int controller(struct of_program *g, const struct of_pair *a)
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

/* ---- tags, TTL, instructions ---- */

static int push_vlan(struct of_program *g, const struct of_pair *a)
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
static int pop_vlan(struct of_program *g, const struct of_pair *a, bool strict)
{
	int err = strict ? of_action_needs(g, a, (struct of_span){"", 0}, OF_P_VLAN) : 0;

	if (err)
		return err;
	g->env.n_tags -= !!g->env.n_tags;
	return emit_op(g, a->key.p, CXLT_OP_POP_VLAN, 0, 0);
}

static int dec_ttl(struct of_program *g, const struct of_pair *a)
{
	int err = of_action_needs(g, a, (struct of_span){"", 0}, OF_P_IP);

	if (!err && a->value.n)
		err = of_fail(g->t, a->value.p, "dec_ttl with controller ids is not supported");
	return err ? err : emit_op(g, a->key.p, CXLT_OP_DEC_TTL, 0, 0);
}

static int write_metadata(struct of_program *g, const struct of_pair *a)
{
	struct of_value v;
	int err;

	if (g->stage == OF_STAGE_GOTO)
		return of_fail(g->t, a->key.p, "write_metadata must come before goto_table");
	if (g->stage == OF_STAGE_METADATA)
		return of_fail(g->t, a->key.p, "write_metadata given twice");
	g->stage = OF_STAGE_METADATA;
	err = of_parse_value(g->t, &of_spec[OF_S_METADATA], a->key, a->value, &v);
	if (!err && !v.m[1])
		err = of_fail(g->t, a->value.p, "write_metadata: a mask of 0 sets nothing");
	return err ? err : of_emit_spec(g, a->key.p, OF_S_METADATA, &v, CXLT_SET_WRITE_METADATA);
}

static int goto_table(struct of_program *g, const struct of_pair *a)
{
	__u64 table;

	if (g->stage == OF_STAGE_GOTO)
		return of_fail(g->t, a->key.p, "goto_table given twice");
	g->stage = OF_STAGE_GOTO;
	if (of_scan_decimal(a->value, OF_TABLE_MAX, &table))
		return of_fail(g->t, a->value.p, "goto_table: \"%.*s\" is not a table (1 to %d)",
			       OF_SPAN_ARG(a->value), OF_TABLE_MAX);
	if (!table || (g->table != OF_TABLE_ANY && table <= g->table))
		return of_fail(g->t, a->value.p, "goto_table:%.*s is not higher than table %d",
			       OF_SPAN_ARG(a->value), g->table == OF_TABLE_ANY ? 0 : g->table);
	return emit_op(g, a->key.p, CXLT_OP_GOTO, 0, table);
}

/* ---- one action ---- */

static int no_value(struct of_program *g, const struct of_pair *a)
{
	if (a->value.n)
		return of_fail(g->t, a->value.p, "%.*s takes no value", OF_SPAN_ARG(a->key));
	return 0;
}

static int run(struct of_program *g, const struct of_pair *a, const struct of_name *act)
{
	int err = 0;

	switch (act->id) {
	case H_OUTPUT: return output_to(g, a->key.p, a->value);
	case H_PORT: err = no_value(g, a); return err ? err : emit_op(g, a->key.p, act->arg, 0, 0);
	case H_CONTROLLER: return controller(g, a);
	case H_DROP: g->drop = a->key.p; return no_value(g, a);
	case H_MOD: return of_action_mod(g, a, act->arg);
	case H_SET_FIELD: return of_action_set_field(g, a);
	case H_LOAD: return of_action_load(g, a);
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

static int unknown(struct of_program *g, const struct of_pair *a)
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

static int one(struct of_program *g, const struct of_pair *a)
{
	bool port = a->key.n && a->key.p[0] >= '0' && a->key.p[0] <= '9';
	const struct of_name *act = port ? NULL : find(a->key);
	int err;

	if (!port && !act)
		return unknown(g, a);
	g->count++;
	if (g->stage != OF_STAGE_APPLY && (port || act->id < H_WRITE_METADATA))
		return of_fail(g->t, a->key.p, "%.*s must come before %s", OF_SPAN_ARG(a->key),
			       g->stage == OF_STAGE_GOTO ? "goto_table" : "write_metadata");
	if (act)
		return run(g, a, act);
	err = no_value(g, a);
	return err ? err : output_to(g, a->key.p, a->key);
}

int of_actions_parse(const struct of_text *t, struct of_span text, const struct of_match *match,
		     __u8 table, __u64 *prog, __u32 *n_prog)
{
	const char *p = text.p, *end = p + text.n;
	struct of_program g = {.t = t, .w = prog, .table = table};
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
	for (__u32 i = 0; i < n_prog; i += cxlt_op_words(cxlt_op_code(prog[i]))) {
		__u32 op = cxlt_op_code(prog[i]);

		if (op == CXLT_OP_OUTPUT ? cxlt_op_arg(prog[i]) == port
					 : (OF_PORT_RESERVED | op) == port)
			return true;
	}
	return false;
}
