// SPDX-License-Identifier: Apache-2.0
/*
 * actions_set.c - actions that write fields: mod_*, set_field and load, all of them SET ops.
 */
#include "syntax.h"

static int emit_set(struct of_program *g, const char *at, __u32 field, __u32 word, __u64 value,
		    __u64 mask, __u32 arg)
{
	const __u64 words[CXLT_SET_WORDS] = {
		cxlt_op_word(CXLT_OP_SET, field, word, arg),
		value & mask,
		mask,
	};

	return mask ? of_emit(g, at, words, CXLT_SET_WORDS) : 0;
}

int of_action_needs(struct of_program *g, const struct of_pair *a, struct of_span what,
		    enum of_prereq prereq)
{
	if (of_prereq_holds(prereq, &g->env))
		return 0;
	return of_fail(g->t, a->key.p, "%.*s%s%.*s without %s", OF_SPAN_ARG(a->key),
		       what.n ? " of " : "", OF_SPAN_ARG(what), of_prereq_text(prereq));
}

/* Emits the SETs of one spec; value and mask are checked, but not yet in their place. */
int of_emit_spec(struct of_program *g, const char *at, int id, const struct of_value *v, __u32 arg)
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

static int tos_is_dscp(struct of_program *g, const struct of_pair *a, const struct of_value *v)
{
	if (v->v[1] & OF_TOS_ECN)
		return of_fail(g->t, a->value.p, "%.*s: the two low bits are ECN, not DSCP",
			       OF_SPAN_ARG(a->key));
	return 0;
}

/* mod_vlan_*: as in OpenFlow 1.0 they add a tag to a packet that has none. */
int of_action_mod(struct of_program *g, const struct of_pair *a, int id)
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
		err = of_action_needs(g, a, (struct of_span){"", 0},
				      prereq == OF_P_IPV4_ARP ? OF_P_IPV4 : prereq);
	if (err)
		return err;
	if (id == OF_S_VLAN_VID) {
		v.v[1] |= CXLT_VLAN_PRESENT;
		v.m[1] |= CXLT_VLAN_PRESENT;
	}
	if (id == OF_S_VLAN_VID || id == OF_S_VLAN_PCP)
		g->env.n_tags += !g->env.n_tags;
	return of_emit_spec(g, a->key.p, id, &v, 0);
}

/* "VALUE->FIELD": 0 and both parts, or an error. */
static int arrow(struct of_program *g, const struct of_pair *a, struct of_span *value,
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

static int settable(struct of_program *g, const struct of_pair *a, struct of_span field, int id)
{
	const char *near;

	if (id >= 0 && id < OF_N_SPECS && (of_spec[id].flags & OF_SETTABLE))
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

static int set_vid(struct of_program *g, struct of_span text, struct of_value *v)
{
	if (!(v->v[1] & CXLT_VLAN_PRESENT))
		return of_fail(g->t, text.p, "set_field: vlan_vid needs bit 0x1000, write 0x%llx",
			       (unsigned long long)v->v[1] | CXLT_VLAN_PRESENT);
	v->m[1] |= CXLT_VLAN_PRESENT;
	return 0;
}

int of_action_set_field(struct of_program *g, const struct of_pair *a)
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
		err = of_action_needs(g, a, field, set_prereq(id));
	return err ? err : of_emit_spec(g, a->key.p, id, &v, 0);
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
static int bit_range(struct of_program *g, struct of_span *field, struct of_span bits, __u64 width,
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

int of_action_load(struct of_program *g, const struct of_pair *a)
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
	err = of_action_needs(g, a, field, set_prereq(id));
	return err ? err : of_emit_spec(g, a->key.p, id, &v, 0);
}
