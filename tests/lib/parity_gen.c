// SPDX-License-Identifier: Apache-2.0
/* Rule tables and packets for the parity tests. */
#include <string.h>

#include "openflow/flow.h"
#include "parity_gen.h"

/* ---- Pools ---- */

static __u64 random_mac(struct rnd *r)
{
	if (rnd_one_in(r, 8))
		return rnd_one_in(r, 2) ? 0xffffffffffffULL : 0x01005e000001ULL;
	return (rnd_next(r) & 0xfeffffffffffULL) | 0x020000000000ULL;
}

static __u64 one_of(struct rnd *r, const __u64 *list, __u32 n)
{
	return list[rnd_below(r, n)];
}

/* A value of field f that packets and rules may share. */
static void pool_value(struct parity_gen *g, __u32 f, __u64 *v)
{
	static const __u64 ttls[] = {0, 1, 2, 64, 128, 255};
	static const __u64 l4_ports[] = {53, 80, 443, 4789, 1024, 65535};
	static const __u64 nets[] = {0x0a000000, 0x0a000100, 0xc0a80000, 0xe0000000};
	static const __u64 tpids[] = {0x8100, 0x88a8};
	struct rnd *r = &g->r;

	v[0] = rnd_next(r) & CXLT_BITMASK(cxlt_field_info[f].bits);
	v[1] = rnd_next(r);
	switch (f) {
	case CXLT_F_IN_PORT: v[0] = g->ports->port[rnd_below(r, g->ports->n)]; break;
	case CXLT_F_ETH_SRC:
	case CXLT_F_ETH_DST:
	case CXLT_F_ARP_SHA:
	case CXLT_F_ARP_THA: v[0] = random_mac(r); break;
	case CXLT_F_IPV4_SRC:
	case CXLT_F_IPV4_DST: v[0] = one_of(r, nets, 4) | rnd_below(r, 512); break;
	case CXLT_F_IPV6_SRC:
	case CXLT_F_IPV6_DST:
	case CXLT_F_ND_TARGET:
		v[0] = 0x20010db800000000ULL | rnd_below(r, 3) << 16;
		v[1] = rnd_one_in(r, 2) ? rnd_below(r, 9) : rnd_next(r);
		break;
	case CXLT_F_TP_SRC:
	case CXLT_F_TP_DST:
		if (!rnd_one_in(r, 3))
			v[0] = one_of(r, l4_ports, 6);
		break;
	case CXLT_F_IP_TTL: v[0] = one_of(r, ttls, 6); break;
	case CXLT_F_TCP_FLAGS: v[0] &= 0xfff; break;
	case CXLT_F_VLAN_TCI:
	case CXLT_F_VLAN_TCI2: v[0] = (v[0] & 0xe007) | CXLT_VLAN_PRESENT; break;
	case CXLT_F_VLAN_TPID:
	case CXLT_F_VLAN_TPID2: v[0] = one_of(r, tpids, 2); break;
	case CXLT_F_IPV6_LABEL: v[0] &= 0xfffff; break;
	case CXLT_F_VXLAN_VNI: v[0] &= 0xffffff; break;
	case CXLT_F_METADATA:
	case CXLT_F_TUN_ID:
	case CXLT_F_REG0:
	case CXLT_F_REG1:
	case CXLT_F_REG2:
	case CXLT_F_REG3:
		if (!rnd_one_in(r, 3))
			v[0] = rnd_below(r, 4);
	}
}

static const __u64 *pick(struct parity_gen *g, __u32 f)
{
	return g->pool[f][rnd_below(&g->r, PARITY_POOL)];
}

static void key_put(struct cxlt_key *k, __u32 f, const __u64 *v)
{
	const struct cxlt_field_info *i = &cxlt_field_info[f];
	__u64 bits = CXLT_BITMASK(i->bits);

	if (i->bits == 128) {
		k->w[i->word] = v[0];
		k->w[i->word + 1] = v[1];
		return;
	}
	k->w[i->word] &= ~(bits << i->shift);
	k->w[i->word] |= (v[0] & bits) << i->shift;
}

/* ---- Shapes ---- */

static bool has_ip(const struct parity_shape *s)
{
	return s->type == 0x0800 || s->type == 0x86dd;
}

static bool has_arp(const struct parity_shape *s)
{
	return s->type == 0x0806 || s->type == 0x8035;
}

static bool has_l4(const struct parity_shape *s)
{
	if (!has_ip(s) || s->frag & CXLT_FRAG_LATER)
		return false;
	return s->proto == 6 || s->proto == 17 || s->proto == 132 ||
	       s->proto == (s->type == 0x0800 ? 1 : 58);
}

static struct parity_shape random_shape(struct rnd *r)
{
	static const __u16 types[] = {0x0800, 0x0800, 0x0800, 0x0800, 0x0800, 0x86dd,
				      0x86dd, 0x86dd, 0x86dd, 0x0806, 0x0806, 0x8035,
				      0x88cc, 0x05ff, 0x8847, 0x9100};
	static const __u8 protos[] = {6, 6, 6, 17, 17, 17, 1, 58, 58, 132, 47, 89};
	struct parity_shape s = {.type = types[rnd_below(r, 16)]};

	if (rnd_one_in(r, 4))
		s.tags = 1 + rnd_one_in(r, 3);
	if (has_arp(&s))
		s.proto = 1 + rnd_below(r, 2);
	if (!has_ip(&s))
		return s;
	s.proto = protos[rnd_below(r, sizeof(protos))];
	if (rnd_one_in(r, 10))
		s.frag = CXLT_FRAG_ANY | (rnd_one_in(r, 2) ? CXLT_FRAG_LATER : 0);
	if (!has_l4(&s))
		return s;
	s.nd = s.proto == 58 && rnd_one_in(r, 2);
	s.vxlan = s.proto == 17 && rnd_one_in(r, 3);
	return s;
}

/* The fields that packets of this shape have; their number. */
static __u32 shape_fields(const struct parity_shape *s, __u8 f[CXLT_N_FIELDS])
{
	__u32 n = 0;

	f[n++] = CXLT_F_IN_PORT;
	f[n++] = CXLT_F_ETH_SRC;
	f[n++] = CXLT_F_ETH_DST;
	if (s->tags >= 1)
		f[n++] = CXLT_F_VLAN_TCI;
	if (s->tags >= 2)
		f[n++] = CXLT_F_VLAN_TCI2;
	if (has_arp(s)) {
		f[n++] = CXLT_F_ARP_SHA;
		f[n++] = CXLT_F_ARP_THA;
	}
	if (s->type == 0x86dd) {
		f[n++] = CXLT_F_IPV6_SRC;
		f[n++] = CXLT_F_IPV6_DST;
		f[n++] = CXLT_F_IPV6_LABEL;
	} else if (has_ip(s) || has_arp(s)) {
		f[n++] = CXLT_F_IPV4_SRC;
		f[n++] = CXLT_F_IPV4_DST;
	}
	if (has_ip(s)) {
		f[n++] = CXLT_F_IP_TOS;
		f[n++] = CXLT_F_IP_TTL;
	}
	if (has_l4(s)) {
		f[n++] = CXLT_F_TP_SRC;
		f[n++] = CXLT_F_TP_DST;
	}
	if (has_l4(s) && s->proto == 6)
		f[n++] = CXLT_F_TCP_FLAGS;
	if (s->nd) {
		f[n++] = CXLT_F_ND_TARGET;
		f[n++] = CXLT_F_ARP_SHA;
		f[n++] = CXLT_F_ARP_THA;
	}
	if (s->vxlan)
		f[n++] = CXLT_F_VXLAN_VNI;
	return n;
}

/* The key of a packet of this shape, from the pools. */
static void shape_key(struct parity_gen *g, const struct parity_shape *s, struct cxlt_key *k)
{
	__u8 f[CXLT_N_FIELDS];
	__u32 n = shape_fields(s, f), i;

	memset(k, 0, sizeof(*k));
	for (i = 0; i < n; i++)
		key_put(k, f[i], pick(g, f[i]));
	CXLT_KEY_SET(k, ETH_TYPE, s->type);
	CXLT_KEY_SET(k, IP_PROTO, s->proto);
	CXLT_KEY_SET(k, IP_FRAG, s->frag);
	if (s->type == 0x86dd && s->frag & CXLT_FRAG_LATER)
		CXLT_KEY_SET(k, IP_PROTO, 44);
	if (s->tags >= 1)
		key_put(k, CXLT_F_VLAN_TPID, pick(g, CXLT_F_VLAN_TPID));
	if (s->tags >= 2)
		key_put(k, CXLT_F_VLAN_TPID2, pick(g, CXLT_F_VLAN_TPID2));
	if (has_l4(s) && (s->proto == 1 || s->proto == 58)) {
		CXLT_KEY_SET(k, TP_SRC, rnd_below(&g->r, 4) + (s->proto == 1 ? 0 : 126));
		CXLT_KEY_SET(k, TP_DST, rnd_below(&g->r, 3));
	}
	if (s->nd) {
		CXLT_KEY_SET(k, TP_SRC, 135 + rnd_below(&g->r, 2));
		CXLT_KEY_SET(k, TP_DST, 0);
	}
	if (s->vxlan)
		CXLT_KEY_SET(k, TP_DST, 4789);
}

/* ---- Templates ---- */

static void mask_field(struct rnd *r, struct cxlt_key *m, __u32 f)
{
	static const __u64 tci[] = {0x1fff, 0x1fff, 0x1000, 0xffff, 0xf000, 0x1001};
	__u32 bits = cxlt_field_info[f].bits, how = rnd_below(r, 16);
	__u64 all = CXLT_BITMASK(bits), v[2] = {all, ~0ULL};

	if (bits == 128)
		bits = 64;
	if (f == CXLT_F_VLAN_TCI || f == CXLT_F_VLAN_TCI2) {
		v[0] = one_of(r, tci, 6);
	} else if (how < 4) { /* a prefix */
		v[0] = v[1] = all & ~((1ULL << rnd_below(r, bits)) - 1);
		if (rnd_one_in(r, 2))
			v[0] = all;
		else
			v[1] = 0;
	} else if (how == 4) {
		v[0] = rnd_next(r) & all;
		v[1] = rnd_next(r);
	} else if (how == 5) {
		v[0] = 1ULL << rnd_below(r, bits);
		v[1] = 0;
	}
	key_put(m, f, v);
}

/* Fields without which the others say nothing. */
static void mask_prerequisites(struct rnd *r, const struct parity_shape *s, struct cxlt_key *m)
{
	if (rnd_one_in(r, 20))
		return;
	CXLT_KEY_SET(m, ETH_TYPE, ~0ULL);
	if (has_ip(s) && !rnd_one_in(r, 4))
		CXLT_KEY_SET(m, IP_PROTO, ~0ULL);
	if (s->proto && !has_ip(s) && rnd_one_in(r, 2))
		CXLT_KEY_SET(m, IP_PROTO, ~0ULL);
	if (has_ip(s) && rnd_one_in(r, 6))
		CXLT_KEY_SET(m, IP_FRAG, 1 + rnd_below(r, 3));
}

static void make_template(struct parity_gen *g, __u32 at)
{
	static const __u8 own[] = {CXLT_F_METADATA, CXLT_F_TUN_ID, CXLT_F_REG0,
				   CXLT_F_REG1,	    CXLT_F_REG2,   CXLT_F_REG3};
	struct parity_shape *s = &g->template[at].shape;
	struct cxlt_key *m = &g->template[at].mask;
	struct rnd *r = &g->r;
	__u8 f[CXLT_N_FIELDS];
	__u32 n, i, j;

	memset(m, 0, sizeof(*m));
	*s = random_shape(r);
	if (!at) /* everything */
		return;
	if (at > 2 && rnd_one_in(r, 4)) { /* another one, widened */
		g->template[at] = g->template[rnd_below(r, at)];
		for (j = 0; j < CXLT_KEY_WORDS; j++)
			if (rnd_one_in(r, 3))
				m->w[j] = 0;
		return;
	}
	n = shape_fields(s, f);
	if (!rnd_one_in(r, 5))
		mask_prerequisites(r, s, m);
	for (i = rnd_below(r, 5); i; i--)
		mask_field(r, m, f[rnd_below(r, n)]);
	if (rnd_one_in(r, 6))
		mask_field(r, m, own[rnd_below(r, sizeof(own))]);
	if (rnd_one_in(r, 40)) /* whatever it may be */
		mask_field(r, m, rnd_below(r, CXLT_N_FIELDS));
}

void parity_gen_init(struct parity_gen *g, __u64 seed, const struct parity_ports *ports)
{
	__u32 f, i, t = 0;

	memset(g, 0, sizeof(*g));
	g->r = (struct rnd){seed};
	g->ports = ports;
	g->next_cookie = 1;
	for (f = 0; f < CXLT_N_FIELDS; f++)
		for (i = 0; i < PARITY_POOL; i++)
			pool_value(g, f, g->pool[f][i]);
	g->n_tables = 1 + rnd_below(&g->r, PARITY_TABLES);
	for (i = 1; i < g->n_tables; i++)
		g->table[i] = t += 1 + rnd_below(&g->r, 8);
	g->n_templates = 3 + rnd_below(&g->r, rnd_one_in(&g->r, 3) ? 3 : PARITY_TEMPLATES - 2);
	for (i = 0; i < g->n_templates; i++)
		make_template(g, i);
}

/* ---- Programs ---- */

struct program {
	__u64 *word;
	__u32 n;
};

static void op(struct program *p, __u32 code, __u32 aux, __u32 arg)
{
	if (p->n < CXLT_PROG_MAX - 1) /* a goto always fits */
		p->word[p->n++] = cxlt_op_word(code, 0, aux, arg);
}

static void op_set(struct program *p, __u32 f, __u32 word, __u64 v, __u64 m)
{
	if (p->n + CXLT_SET_WORDS >= CXLT_PROG_MAX || !m)
		return;
	p->word[p->n++] = cxlt_op_word(CXLT_OP_SET, f, word, 0);
	p->word[p->n++] = v & m;
	p->word[p->n++] = m;
}

static void add_set(struct parity_gen *g, struct program *p, __u32 f)
{
	const struct cxlt_field_info *i = &cxlt_field_info[f];
	struct cxlt_key v = {0}, m = {0};

	key_put(&v, f, pick(g, f));
	if (f == CXLT_F_VLAN_TCI && rnd_one_in(&g->r, 2)) /* mod_vlan_vid, mod_vlan_pcp */
		m.w[i->word] = rnd_one_in(&g->r, 2) ? 0x1fff : 0xf000;
	else if (f == CXLT_F_VLAN_TCI || f == CXLT_F_VLAN_TCI2)
		m.w[i->word] = rnd_one_in(&g->r, 2) ? 0xfff : 0xefff;
	else
		mask_field(&g->r, &m, f);
	op_set(p, f, i->word, v.w[i->word], m.w[i->word]);
	if (i->bits == 128)
		op_set(p, f, i->word + 1, v.w[i->word + 1], m.w[i->word + 1]);
}

/* A field that packets of the shape have, or one of the pipeline's own, or any. */
static __u32 field_to_set(struct parity_gen *g, const struct parity_shape *s)
{
	__u8 f[CXLT_N_FIELDS];
	__u32 how = rnd_below(&g->r, 64), n, at;

	if (how == 0)
		return rnd_below(&g->r, CXLT_N_FIELDS);
	if (how < 12)
		return CXLT_F_METADATA + rnd_below(&g->r, CXLT_F_REG3 - CXLT_F_METADATA + 1);
	n = shape_fields(s, f);
	at = 1 + rnd_below(&g->r, n - 1); /* not in_port */
	/* What can't be rewritten is worth an attempt now and then. */
	if ((f[at] == CXLT_F_TCP_FLAGS || f[at] == CXLT_F_VXLAN_VNI || s->nd) && how < 50)
		return rnd_one_in(&g->r, 2) ? CXLT_F_ETH_SRC : CXLT_F_ETH_DST;
	return f[at];
}

static void add_action(struct parity_gen *g, struct program *p, const struct parity_shape *s)
{
	static const __u16 tpids[] = {0x8100, 0x8100, 0x88a8, 0x88a8, 0x88a8, 0x8100, 0x1234};
	const struct parity_ports *ports = g->ports;
	struct rnd *r = &g->r;
	__u32 how = rnd_below(r, 100);

	if (how < 40)
		op(p, CXLT_OP_OUTPUT, 0, ports->port[rnd_below(r, ports->n)]);
	else if (how < 42)
		op(p, CXLT_OP_OUTPUT, 0, 77); /* there is none */
	else if (how < 45)
		op(p, CXLT_OP_IN_PORT, 0, 0);
	else if (how < 49)
		op(p, rnd_one_in(r, 2) ? CXLT_OP_FLOOD : CXLT_OP_ALL, 0, 0);
	else if (how < 51)
		op(p, CXLT_OP_CONTROLLER, rnd_one_in(r, 2) ? 65535 : rnd_below(r, 200), 0);
	else if (how < 52)
		op(p, CXLT_OP_LOCAL, 0, 0);
	else if (how < 57)
		op(p, CXLT_OP_PUSH_VLAN, tpids[rnd_below(r, rnd_one_in(r, 8) ? 7 : 6)], 0);
	else if (how < 62)
		op(p, CXLT_OP_POP_VLAN, 0, 0);
	else if (how < 72)
		op(p, CXLT_OP_DEC_TTL, 0, 0);
	else
		add_set(g, p, field_to_set(g, s));
}

void parity_gen_program(struct parity_gen *g, struct parity_rule *rule)
{
	struct program p = {.word = rule->prog};
	struct rnd *r = &g->r;
	__u32 i, n, above = 0;

	n = rnd_one_in(r, 50) ? 20 + rnd_below(r, 60) : rnd_below(r, rnd_one_in(r, 4) ? 9 : 4);
	for (i = 0; i < n; i++)
		add_action(g, &p, &rule->shape);
	while (above < g->n_tables && g->table[above] <= rule->spec.table)
		above++;
	if (above < g->n_tables && rnd_one_in(r, 2)) {
		__u32 to = g->table[above + rnd_below(r, g->n_tables - above)];

		if (rnd_one_in(r, 30))
			to = CXLT_TABLES - 1; /* an empty one */
		p.word[p.n++] = cxlt_op_word(CXLT_OP_GOTO, 0, 0, to);
	} else if (!rnd_one_in(r, 5)) {
		op(&p, CXLT_OP_OUTPUT, 0, g->ports->port[rnd_below(r, g->ports->n)]);
	}
	rule->spec.n_prog = p.n;
	rule->spec.cookie = g->next_cookie++;
}

/* ---- Rules ---- */

static bool tie(const struct cxlt_rule_spec *a, const struct cxlt_rule_spec *b)
{
	__u32 i;

	if (a->table != b->table || a->priority != b->priority)
		return false;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if ((a->value.w[i] ^ b->value.w[i]) & a->mask.w[i] & b->mask.w[i])
			return false;
	return true;
}

/* A priority from `least` on, that no rule has which may match the same packets. */
static bool choose_priority(struct parity_gen *g, struct cxlt_rule_spec *s, __u32 least)
{
	__u32 try, i;

	for (try = 0; try < 24; try++) {
		s->priority = least + rnd_below(&g->r, try < 4 ? 6 : 4000);
		if (!least && rnd_one_in(&g->r, 16))
			s->priority = rnd_one_in(&g->r, 2) ? 65535 : 0;
		for (i = 0; i < g->n_rules; i++)
			if (tie(s, &g->rule[i].spec))
				break;
		if (i == g->n_rules)
			return true;
	}
	return false;
}

static void mask_spec(struct cxlt_rule_spec *s)
{
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		s->value.w[i] &= s->mask.w[i];
}

bool parity_gen_rule(struct parity_gen *g, struct parity_rule *rule)
{
	__u32 at = rnd_below(&g->r, g->n_templates);

	memset(rule, 0, sizeof(*rule));
	rule->shape = g->template[at].shape;
	rule->spec.table = g->table[rnd_below(&g->r, g->n_tables)];
	rule->spec.mask = g->template[at].mask;
	if (rnd_one_in(&g->r, 12)) /* every packet of the table */
		memset(&rule->spec.mask, 0, sizeof(rule->spec.mask));
	shape_key(g, &rule->shape, &rule->spec.value);
	key_put(&rule->spec.value, CXLT_F_METADATA, pick(g, CXLT_F_METADATA));
	key_put(&rule->spec.value, CXLT_F_REG0, pick(g, CXLT_F_REG0));
	key_put(&rule->spec.value, CXLT_F_REG3, pick(g, CXLT_F_REG3));
	mask_spec(&rule->spec);
	parity_gen_program(g, rule);
	return choose_priority(g, &rule->spec, 0);
}

bool parity_gen_rule_for(struct parity_gen *g, __u8 table, const struct cxlt_key *key, __u16 least,
			 struct parity_rule *rule)
{
	__u32 at = rnd_below(&g->r, g->n_templates);

	memset(rule, 0, sizeof(*rule));
	rule->shape = g->template[at].shape;
	rule->spec.table = table;
	rule->spec.mask = g->template[at].mask;
	if (rnd_one_in(&g->r, 4)) /* one connection */
		memset(rule->spec.mask.w, 0xff, 9 * sizeof(__u64));
	rule->spec.value = *key;
	mask_spec(&rule->spec);
	parity_gen_program(g, rule);
	return choose_priority(g, &rule->spec, least);
}

struct cxlt_rule_spec parity_spec(const struct parity_rule *rule)
{
	struct cxlt_rule_spec s = rule->spec;

	s.prog = rule->prog;
	return s;
}

void parity_print_rule(FILE *f, const struct parity_rule *rule)
{
	static char text[OF_TEXT_MAX];
	struct of_match m = {rule->spec.value, rule->spec.mask};

	of_format_match(&m, rule->spec.priority, text, sizeof(text));
	fprintf(f, "cookie=0x%llx,table=%u,%s%s", rule->spec.cookie, rule->spec.table, text,
		*text ? "," : "");
	of_format_actions(rule->prog, rule->spec.n_prog, text, sizeof(text));
	fprintf(f, "actions=%s\n", text);
}

/* ---- Packets ---- */

/* The key of a packet that a rule of a table matches, but for what other tables do to it. */
static void packet_key(struct parity_gen *g, struct parity_shape *s, struct cxlt_key *k)
{
	const struct parity_rule *rule;
	struct rnd *r = &g->r;
	__u32 i;

	*s = random_shape(r);
	if (!g->n_rules || rnd_one_in(r, 8)) {
		shape_key(g, s, k);
		return;
	}
	rule = &g->rule[rnd_below(r, g->n_rules)];
	if (!rnd_one_in(r, 4)) {
		__u8 tags = s->tags;

		*s = rule->shape;
		if (!(rule->spec.mask.w[CXLT_W_DMAC] & CXLT_VLAN_PRESENT))
			s->tags = tags;
	}
	shape_key(g, s, k);
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		k->w[i] = (k->w[i] & ~rule->spec.mask.w[i]) | rule->spec.value.w[i];
}

void parity_gen_packet(struct parity_gen *g, struct parity_packet *p)
{
	__u32 how = rnd_below(&g->r, 100), i;
	struct parity_shape s;
	struct cxlt_key k;

	packet_key(g, &s, &k);
	p->in_port = g->ports->port[rnd_below(&g->r, g->ports->n)];
	for (i = 0; how >= 30 && i < g->ports->n; i++)
		if (g->ports->port[i] == CXLT_KEY_GET(&k, IN_PORT))
			p->in_port = g->ports->port[i];
	parity_compose(&g->r, &s, &k, &p->p);
	if (how < 6)
		packet_mutate(&p->p, &g->r.s);
	if (how == 99) {
		p->p.len = rnd_below(&g->r, 128);
		for (i = 0; i < p->p.len; i++)
			p->p.b[i] = rnd_next(&g->r);
	}
}
