// SPDX-License-Identifier: Apache-2.0
/* Random rules and keys from pools of a few values per field. */
#include <string.h>
#include "gen.h"

enum {
	POOL = 4,
};

/* The pools; where it is empty (all 0), a field is 0 in packets and rarely matched on. */
static const __u64 pool[CXLT_N_FIELDS][POOL] = {
	[CXLT_F_IN_PORT] = {1, 2, 3, 0xfffffffe},
	[CXLT_F_ETH_TYPE] = {0x0800, 0x0800, 0x86dd, 0x0806},
	[CXLT_F_IP_PROTO] = {6, 17, 1, 132},
	[CXLT_F_IP_FRAG] = {0, 0, 1, 3},
	[CXLT_F_IPV4_SRC] = {0x0a000001, 0x0a000002, 0x0a000101, 0xc0a80001},
	[CXLT_F_IPV4_DST] = {0x0a000001, 0x0a000003, 0x0a010101, 0xc0a80001},
	[CXLT_F_TP_SRC] = {80, 443, 1024, 65535},
	[CXLT_F_TP_DST] = {80, 443, 53, 4789},
	[CXLT_F_TCP_FLAGS] = {2, 16, 18, 0},
	[CXLT_F_IP_TOS] = {0, 0xb8, 1, 0xff},
	[CXLT_F_IP_TTL] = {64, 1, 255, 63},
	[CXLT_F_ETH_DST] = {0x020000000001, 0x020000000002, 0xffffffffffff, 0x01005e000001},
	[CXLT_F_VLAN_TCI] = {0, 0x1001, 0x1002, 0xf001},
	[CXLT_F_ETH_SRC] = {0x020000000001, 0x020000000002, 0x020000000003, 0xfe0000000001},
	[CXLT_F_IPV6_SRC] = {1, 2, 0x8000000000000001, 3},
	[CXLT_F_IPV6_DST] = {1, 2, 0x8000000000000001, 3},
	[CXLT_F_METADATA] = {0, 1, 0xff00, ~0ULL},
	[CXLT_F_TUN_ID] = {0, 0, 7, 1ULL << 63},
	[CXLT_F_REG0] = {0, 1, 2, 0xffffffff},
	[CXLT_F_REG3] = {0, 0, 1, 5},
};

void gen_set_field(struct cxlt_key *k, __u32 field, __u64 v)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];
	__u64 bits = f->bits >= 64 ? ~0ULL : (1ULL << f->bits) - 1;

	if (f->bits == 128) {
		k->w[f->word] = v ? 0x20010db800000000ULL + (v & 1) : 0;
		k->w[f->word + 1] = v;
		return;
	}
	k->w[f->word] &= ~(bits << f->shift);
	k->w[f->word] |= (v & bits) << f->shift;
}

int gen_touches_field(const struct cxlt_key *mask, __u32 field)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];
	__u64 bits = f->bits >= 64 ? ~0ULL : (1ULL << f->bits) - 1;

	return (mask->w[f->word] & bits << f->shift) || (f->bits == 128 && mask->w[f->word + 1]);
}

/* Some bits of a field, biased to all of them, to prefixes and to a single one. */
static void mask_field(struct rnd *r, struct cxlt_key *m, __u32 field)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];
	__u32 bits = f->bits > 64 ? 64 : f->bits, how = rnd_below(r, 8);
	__u64 all = bits >= 64 ? ~0ULL : (1ULL << bits) - 1, v = all;

	if (how == 0)
		v = rnd_next(r) & all;
	else if (how <= 3 && (field == CXLT_F_IPV4_SRC || field == CXLT_F_IPV4_DST))
		v = all & ~((1ULL << rnd_below(r, 32)) - 1);
	else if (how == 1)
		v = 1ULL << rnd_below(r, bits);
	if (!v)
		v = all;
	if (f->bits == 128) {
		m->w[f->word] = how == 2 ? v : ~0ULL;
		m->w[f->word + 1] = how == 2 ? 0 : v;
		return;
	}
	m->w[f->word] |= v << f->shift;
}

void gen_init(struct gen *g, struct rnd *r, __u32 n_masks)
{
	__u32 i, j;

	memset(g, 0, sizeof(*g));
	g->r = rnd_fork(r);
	g->n_masks = n_masks;
	g->next_cookie = 1;
	for (i = 1; i < n_masks; i++) {
		struct cxlt_key *m = &g->mask[i];

		if (i > 2 && rnd_one_in(&g->r, 3)) { /* wider or narrower than another one */
			*m = g->mask[rnd_below(&g->r, i)];
			for (j = 0; j < CXLT_KEY_WORDS; j++)
				if (rnd_one_in(&g->r, 2))
					m->w[j] &= rnd_next(&g->r);
			if (rnd_one_in(&g->r, 2))
				mask_field(&g->r, m, rnd_below(&g->r, CXLT_N_FIELDS));
			continue;
		}
		for (j = 1 + rnd_below(&g->r, 4); j; j--) {
			__u32 f = rnd_below(&g->r, CXLT_N_FIELDS);

			if (pool[f][1] || pool[f][2] || rnd_one_in(&g->r, 8))
				mask_field(&g->r, m, f);
		}
	}
}

void gen_key(struct gen *g, struct cxlt_key *k)
{
	__u32 f;

	memset(k, 0, sizeof(*k));
	for (f = 0; f < CXLT_N_FIELDS; f++)
		gen_set_field(k, f, pool[f][rnd_below(&g->r, POOL)]);
}

void gen_key_for(struct gen *g, const struct cxlt_key *value, const struct cxlt_key *mask,
		 struct cxlt_key *k)
{
	__u32 i;

	gen_key(g, k);
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		k->w[i] = (k->w[i] & ~mask->w[i]) | (value->w[i] & mask->w[i]);
}

void gen_match(struct gen *g, struct cxlt_key *value, struct cxlt_key *mask)
{
	__u32 i;

	*mask = g->mask[rnd_below(&g->r, g->n_masks)];
	gen_key(g, value);
	if (rnd_one_in(&g->r, 2)) /* bits outside the mask are ignored */
		return;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		value->w[i] &= mask->w[i];
}

static __u32 put_set(__u64 *prog, __u32 field, __u64 v, __u64 m)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];

	prog[0] = cxlt_op_word(CXLT_OP_SET, field, f->word, 0);
	prog[1] = v << f->shift;
	prog[2] = m << f->shift;
	return 3;
}

void gen_program(struct gen *g, __u32 table, __u32 n_tables, struct cxlt_rule_spec *spec,
		 __u64 prog[GEN_PROG])
{
	__u32 n = 0;

	while (n < 9 && !rnd_one_in(&g->r, 3)) {
		switch (rnd_below(&g->r, 4)) {
		case 0: n += put_set(&prog[n], CXLT_F_METADATA, rnd_below(&g->r, 3), ~0ULL); break;
		case 1: n += put_set(&prog[n], CXLT_F_REG0, rnd_below(&g->r, 3), 3); break;
		default: prog[n++] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 1 + rnd_below(&g->r, 4));
		}
	}
	if (table + 1 < n_tables && rnd_one_in(&g->r, 2))
		prog[n++] = cxlt_op_word(CXLT_OP_GOTO, 0, 0,
					 table + 1 + rnd_below(&g->r, n_tables - table - 1));
	spec->n_prog = n;
	spec->prog = prog;
}

void gen_rule(struct gen *g, __u32 table, __u32 n_tables, struct cxlt_rule_spec *spec,
	      __u64 prog[GEN_PROG])
{
	memset(spec, 0, sizeof(*spec));
	spec->table = table;
	spec->priority = rnd_one_in(&g->r, 16) ? 65535 : rnd_below(&g->r, 8);
	spec->cookie = g->next_cookie++;
	gen_match(g, &spec->value, &spec->mask);
	gen_program(g, table, n_tables, spec, prog);
}

struct cxlt_rule_spec gen_output(__u32 table, __u32 prio, __u64 cookie, const __u64 *prog)
{
	struct cxlt_rule_spec spec = {.table = table,
				      .priority = prio,
				      .cookie = cookie,
				      .n_prog = prog ? 1 : 0,
				      .prog = prog};

	return spec;
}
