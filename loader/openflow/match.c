// SPDX-License-Identifier: Apache-2.0
/*
 * match.c - fields into a key and its mask, refused if given twice or without what they need.
 */
#include "syntax.h"

void of_match_begin(struct of_match_parser *p, const char *base, struct of_match *match,
		    struct of_error *err)
{
	p->text = (struct of_text){base, err};
	p->match = match;
	p->packet = false;
	p->seen = 0;
	memset(match, 0, sizeof(*match));
}

/* Bits that two fields may both fix, if they agree: tcp,nw_proto=6 and the tag of VID and PCP. */
static __u64 shared_bits(unsigned int word)
{
	if (word == CXLT_W_PORT)
		return 0xffffULL << CXLT_SHIFT_ETH_TYPE | 0xffULL << CXLT_SHIFT_IP_PROTO;
	return word == CXLT_W_DMAC ? (__u64)CXLT_VLAN_PRESENT << CXLT_SHIFT_VLAN_TCI : 0;
}

static int place(struct of_match_parser *p, struct of_span name, unsigned int word, __u64 value,
		 __u64 mask)
{
	__u64 both = p->match->mask.w[word] & mask;

	if (both & ~shared_bits(word))
		return of_fail(&p->text, name.p, "%.*s overlaps an earlier field",
			       OF_SPAN_ARG(name));
	if ((p->match->value.w[word] ^ value) & both)
		return of_fail(&p->text, name.p, "%.*s contradicts an earlier field",
			       OF_SPAN_ARG(name));
	p->match->value.w[word] |= value & mask;
	p->match->mask.w[word] |= mask;
	return 0;
}

static int add_shorthand(struct of_match_parser *p, const struct of_pair *pair, int id)
{
	const struct of_shorthand *s = &of_shorthand[id];
	__u64 value = (__u64)s->eth_type << CXLT_SHIFT_ETH_TYPE;
	__u64 mask = 0xffffULL << CXLT_SHIFT_ETH_TYPE;

	if (pair->delim)
		return of_fail(&p->text, pair->value.p, "%.*s takes no value",
			       OF_SPAN_ARG(pair->key));
	if (s->ip_proto) {
		value |= (__u64)s->ip_proto << CXLT_SHIFT_IP_PROTO;
		mask |= 0xffULL << CXLT_SHIFT_IP_PROTO;
	}
	return place(p, pair->key, CXLT_W_PORT, value, mask);
}

static int add_value(struct of_match_parser *p, const struct of_spec *spec,
		     const struct of_pair *pair)
{
	struct of_value v;
	int err = of_parse_value(&p->text, spec, pair->key, pair->value, &v);

	if (err)
		return err;
	if (p->packet && v.masked && spec->kind != OF_K_TCP_FLAGS)
		return of_fail(&p->text, pair->value.p, "%.*s: a packet has no masks",
			       OF_SPAN_ARG(pair->key));
	if (spec->bits == 128) {
		err = place(p, pair->key, spec->word, v.v[0], v.m[0]);
		return err ? err : place(p, pair->key, spec->word + 1, v.v[1], v.m[1]);
	}
	/* ICMP's type and code are bytes, but fill the place of a port. */
	if (spec->prereq >= OF_P_ICMP && spec->prereq <= OF_P_ICMP_ANY)
		v.m[1] = 0xffff;
	return place(p, pair->key, spec->word, v.v[1] << spec->shift, v.m[1] << spec->shift);
}

int of_match_add_field(struct of_match_parser *p, const struct of_pair *pair, int id)
{
	if (pair->delim == '(')
		return of_fail(&p->text, pair->value.p - 1, "%.*s: \"(\" instead of \"=\"",
			       OF_SPAN_ARG(pair->key));
	if (id >= OF_SHORTHAND)
		return add_shorthand(p, pair, id - OF_SHORTHAND);
	if (p->seen >> id & 1)
		return of_fail(&p->text, pair->key.p, "%.*s given twice", OF_SPAN_ARG(pair->key));
	p->seen |= 1ULL << id;
	p->at[id] = pair->key;
	if (of_span_is(pair->value, "*") && !p->packet)
		return 0;
	return add_value(p, &of_spec[id], pair);
}

int of_match_add(struct of_match_parser *p, const struct of_pair *pair)
{
	int id = of_field_find(pair->key);
	const char *near;

	if (id >= 0)
		return of_match_add_field(p, pair, id);
	near = of_field_near(pair->key);
	return of_fail(&p->text, pair->key.p, "unknown field \"%.*s\"%s%s%s",
		       OF_SPAN_ARG(pair->key), near ? " (did you mean " : "", near ? near : "",
		       near ? "?)" : "");
}

int of_match_end(struct of_match_parser *p)
{
	struct of_env env;

	of_env_of_match(p->match, &env);
	for (__u64 rest = p->seen; rest; rest &= rest - 1) {
		int id = __builtin_ctzll(rest);

		if (!of_prereq_holds(of_spec[id].prereq, &env))
			return of_fail(&p->text, p->at[id].p, "%.*s without %s",
				       OF_SPAN_ARG(p->at[id]), of_prereq_text(of_spec[id].prereq));
	}
	return 0;
}

int of_parse_match(const char *text, struct of_match *match, struct of_error *err)
{
	const char *p = text, *end = text + strlen(text);
	struct of_match_parser parser;
	struct of_pair pair;
	int got;

	of_match_begin(&parser, text, match, err);
	while ((got = of_next_pair(&parser.text, &p, end, &pair)) > 0) {
		got = of_match_add(&parser, &pair);
		if (got)
			return got;
	}
	return got ? got : of_match_end(&parser);
}

/* ---- matches that weren't parsed ---- */

/* The masks that text can express, of the fields that take none. */
static bool mask_is_text(const struct cxlt_key *m)
{
	__u64 frag = CXLT_KEY_GET(m, IP_FRAG), tos = CXLT_KEY_GET(m, IP_TOS);
	__u64 type = CXLT_KEY_GET(m, ETH_TYPE), proto = CXLT_KEY_GET(m, IP_PROTO);
	__u64 ttl = CXLT_KEY_GET(m, IP_TTL), port = CXLT_KEY_GET(m, IN_PORT);

	return (!port || port == 0xffffffff) && (!type || type == 0xffff) &&
	       (!proto || proto == 0xff) && (!ttl || ttl == 0xff) && frag <= OF_FRAG_MASK &&
	       (!(tos & OF_TOS_DSCP) || (tos & OF_TOS_DSCP) == OF_TOS_DSCP) &&
	       (!(tos & OF_TOS_ECN) || (tos & OF_TOS_ECN) == OF_TOS_ECN) &&
	       CXLT_KEY_GET(m, TCP_FLAGS) < 1U << OF_TCP_FLAGS &&
	       CXLT_KEY_GET(m, IPV6_LABEL) < 1U << 20 && CXLT_KEY_GET(m, VXLAN_VNI) < 1U << 24 &&
	       !CXLT_KEY_GET(m, VLAN_TCI2) && !CXLT_KEY_GET(m, VLAN_TPID) &&
	       !CXLT_KEY_GET(m, VLAN_TPID2);
}

/* ip_frag=no and =later have one mask each; ICMP's type and code are exact. */
static bool value_is_text(const struct of_match *match, const struct of_env *env)
{
	const struct cxlt_key *v = &match->value, *m = &match->mask;
	__u64 frag = CXLT_KEY_GET(v, IP_FRAG), frag_mask = CXLT_KEY_GET(m, IP_FRAG);
	__u64 src = CXLT_KEY_GET(m, TP_SRC), dst = CXLT_KEY_GET(m, TP_DST);

	if (frag_mask == CXLT_FRAG_ANY && !frag)
		return false;
	if (frag_mask && frag == CXLT_FRAG_LATER)
		return false;
	if (CXLT_KEY_GET(v, IN_PORT) > OF_PORT_MAX)
		return false;
	if (!of_prereq_holds(OF_P_ICMP_ANY, env))
		return true;
	return (!src || src == 0xffff) && (!dst || dst == 0xffff) &&
	       CXLT_KEY_GET(v, TP_SRC) <= 255 && CXLT_KEY_GET(v, TP_DST) <= 255;
}

/* The spec that a field's bits go by in this packet, of those that share its place. */
static bool covered(unsigned int field, const struct of_env *env, enum of_prereq *missing)
{
	bool found = false;

	*missing = OF_P_NONE;
	for (int i = 0; i < OF_N_SPECS; i++) {
		if (of_spec[i].field != field)
			continue;
		if (of_prereq_holds(of_spec[i].prereq, env))
			return true;
		if (!found)
			*missing = of_spec[i].prereq;
		found = true;
	}
	return false;
}

static __u64 field_mask(const struct of_match *match, const struct cxlt_field_info *f)
{
	if (f->bits == 128)
		return match->mask.w[f->word] | match->mask.w[f->word + 1];
	return match->mask.w[f->word] >> f->shift & CXLT_BITMASK(f->bits);
}

int of_match_check(const struct of_match *match, struct of_error *err)
{
	struct of_text t = {NULL, err};
	struct of_env env;

	for (int i = 0; i < CXLT_KEY_WORDS; i++)
		if (match->value.w[i] & ~match->mask.w[i])
			return of_fail(&t, NULL, "value bits outside the mask");
	of_env_of_match(match, &env);
	if (!mask_is_text(&match->mask) || !value_is_text(match, &env))
		return of_fail(&t, NULL, "a mask that the flow syntax can't express");
	for (int i = 0; i < CXLT_N_FIELDS; i++) {
		enum of_prereq missing;

		if (field_mask(match, &cxlt_field_info[i]) && !covered(i, &env, &missing))
			return of_fail(&t, NULL, "%s without %s", cxlt_field_info[i].name,
				       of_prereq_text(missing));
	}
	return 0;
}
