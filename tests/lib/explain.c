// SPDX-License-Identifier: Apache-2.0
/* The linear oracle's pipeline: OUTPUT, SET and GOTO, which gen.h's programs are made of. */
#include <stdio.h>
#include <string.h>
#include "explain.h"
#include "gen.h"

struct path {
	const struct oracle *o;
	const struct cxlt_profile *profile;
	const struct cxlt_work *seen;
	struct cxlt_key key;
	__u32 table;
	__u32 n_ops;
	__u32 only_in_port;
	__u64 ops[CXLT_OPS_MAX];
};

static int ended(const struct path *p, int verdict, int reason, int matched, __u64 cookie)
{
	const struct cxlt_result *r = &p->seen->res;

	if (r->verdict != verdict || r->reason != reason)
		return 0;
	if (verdict == CXLT_V_PUNT)
		return 1; /* the host starts anew */
	return r->table == p->table && r->matched == matched && r->cookie == cookie &&
	       r->n_ops == p->n_ops && !memcmp(r->ops, p->ops, p->n_ops * sizeof(__u64));
}

static int lacks(const struct path *p, __u32 op, __u32 field)
{
	return p->profile && (!(p->profile->ops >> op & 1) ||
			      (op == CXLT_OP_SET && !(p->profile->sets >> field & 1)));
}

static int explore(struct path *p);

/* The rule won: does its program lead to what was seen? */
static int explore_rule(const struct path *from, const struct oracle_rule *r)
{
	__u32 in_port = from->key.w[0] >> 32, i, next = 0;
	struct path p = *from;

	for (i = 0; i < r->spec.n_prog; i++) {
		__u64 word = r->prog[i];
		__u32 op = word >> 56, arg = (__u32)word, at = (word >> 32) & 0xffff;

		if (lacks(&p, op, (word >> 48) & 0xff))
			return ended(&p, CXLT_V_PUNT, CXLT_R_DEV_ACTION, 0, 0);
		switch (op) {
		case CXLT_OP_OUTPUT:
			if (arg == in_port)
				p.only_in_port = 1;
			else
				p.ops[p.n_ops++] = word;
			break;
		case CXLT_OP_SET:
			p.key.w[at] =
				(p.key.w[at] & ~r->prog[i + 2]) | (r->prog[i + 1] & r->prog[i + 2]);
			i += 2;
			break;
		case CXLT_OP_GOTO: next = arg; break;
		}
	}
	if (next) {
		p.table = next;
		return explore(&p);
	}
	if (p.n_ops)
		return ended(&p, CXLT_V_OUTPUT, CXLT_R_RULE, 1, r->spec.cookie);
	return ended(&p, CXLT_V_DROP, p.only_in_port ? CXLT_R_ONLY_IN_PORT : CXLT_R_RULE_DROP, 1,
		     r->spec.cookie);
}

/* Does the rule's mask hold a field that the hardware lacks?  *wide: what is left of it. */
static int host_only(const struct path *p, const struct cxlt_rule_spec *s,
		     struct cxlt_rule_spec *wide)
{
	__u32 f, lacking = 0;

	*wide = *s;
	for (f = 0; p->profile && f < CXLT_N_FIELDS; f++) {
		struct cxlt_key all = {0};
		__u32 i;

		if (p->profile->fields >> f & 1 || !gen_touches_field(&s->mask, f))
			continue;
		lacking = 1;
		gen_set_field(&all, f, ~0ULL);
		if (cxlt_field_info[f].bits == 128)
			all.w[cxlt_field_info[f].word] = ~0ULL;
		for (i = 0; i < CXLT_KEY_WORDS; i++)
			wide->mask.w[i] &= ~all.w[i];
	}
	return lacking;
}

static int explore(struct path *p)
{
	__u32 i, best = 0, shadow = 0;
	struct cxlt_rule_spec wide;

	for (i = 0; i < p->o->n; i++) {
		const struct cxlt_rule_spec *s = &p->o->rule[i].spec;

		if (s->table != p->table)
			continue;
		if (host_only(p, s, &wide)) {
			if (s->priority >= shadow && oracle_matches(&wide, &p->key))
				shadow = s->priority + 1;
		} else if (s->priority >= best && oracle_matches(s, &p->key)) {
			best = s->priority + 1;
		}
	}
	if (shadow && shadow >= best && ended(p, CXLT_V_PUNT, CXLT_R_DEV_FIELD, 0, 0))
		return 1;
	if (shadow > best)
		return 0;
	if (!best && p->profile)
		return ended(p, CXLT_V_PUNT, CXLT_R_DEV_MISS, 0, 0);
	if (!best)
		return ended(p, p->n_ops ? CXLT_V_OUTPUT : CXLT_V_DROP, CXLT_R_TABLE_MISS, 0, 0);
	for (i = 0; i < p->o->n; i++) {
		const struct cxlt_rule_spec *s = &p->o->rule[i].spec;

		if (s->table == p->table && s->priority + 1U == best && !host_only(p, s, &wide) &&
		    oracle_matches(s, &p->key) && explore_rule(p, &p->o->rule[i]))
			return 1;
	}
	return 0;
}

int explain(const struct oracle *o, const struct cxlt_profile *profile, const struct cxlt_key *k,
	    const struct cxlt_work *w)
{
	struct path p = {.o = o, .profile = profile, .seen = w, .key = *k};

	return explore(&p);
}

void explain_print(const struct cxlt_work *w)
{
	fprintf(stderr, "explain: verdict %s reason %s table %u matched %u cookie %llu, %u ops\n",
		cxlt_verdict_name[w->res.verdict], cxlt_reason_name[w->res.reason], w->res.table,
		w->res.matched, w->res.cookie, w->res.n_ops);
}
