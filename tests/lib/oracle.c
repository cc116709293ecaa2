// SPDX-License-Identifier: Apache-2.0
/* The linear oracle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "oracle.h"

void oracle_free(struct oracle *o)
{
	free(o->rule);
	memset(o, 0, sizeof(*o));
}

void oracle_copy(struct oracle *to, const struct oracle *from)
{
	*to = *from;
	to->room = from->n;
	to->rule = malloc((from->n + 1) * sizeof(*to->rule));
	if (!to->rule)
		abort();
	if (from->n)
		memcpy(to->rule, from->rule, from->n * sizeof(*to->rule));
}

/* Differs for different identities, almost always: saves comparing them. */
static __u64 identity(const struct cxlt_rule_spec *s)
{
	__u64 h = (__u64)s->table << 16 | s->priority;
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		h = (h ^ s->mask.w[i] ^ (s->value.w[i] & s->mask.w[i]) << 1) *
		    0x9e3779b97f4a7c15ULL;
	return h;
}

static void store(struct oracle_rule *r, const struct cxlt_rule_spec *spec)
{
	__u32 i;

	if (spec->n_prog > ORACLE_PROG)
		abort();
	r->identity = identity(spec);
	r->spec = *spec;
	r->spec.prog = NULL;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		r->spec.value.w[i] &= spec->mask.w[i];
	if (spec->n_prog)
		memcpy(r->prog, spec->prog, spec->n_prog * sizeof(__u64));
}

static int same_match(const struct cxlt_rule_spec *a, const struct cxlt_rule_spec *b)
{
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if (a->mask.w[i] != b->mask.w[i] || (a->value.w[i] ^ b->value.w[i]) & a->mask.w[i])
			return 0;
	return 1;
}

struct oracle_rule *oracle_get(const struct oracle *o, const struct cxlt_rule_spec *spec)
{
	__u64 id = identity(spec);
	__u32 i;

	for (i = 0; i < o->n; i++) {
		struct cxlt_rule_spec *s = &o->rule[i].spec;

		if (o->rule[i].identity == id && s->table == spec->table &&
		    s->priority == spec->priority && same_match(s, spec))
			return &o->rule[i];
	}
	return NULL;
}

int oracle_add(struct oracle *o, const struct cxlt_rule_spec *spec)
{
	struct oracle_rule *r = oracle_get(o, spec);
	int replaced = r != NULL;

	if (!r && o->n == o->room) {
		o->room = o->room * 2 + 16;
		o->rule = realloc(o->rule, o->room * sizeof(*o->rule));
		if (!o->rule)
			abort();
	}
	if (!r)
		r = &o->rule[o->n++];
	memset(r, 0, sizeof(*r));
	store(r, spec);
	return replaced;
}

int oracle_modify(struct oracle *o, const struct cxlt_rule_spec *spec)
{
	struct oracle_rule *r = oracle_get(o, spec);

	if (!r)
		return -ENOENT;
	store(r, spec);
	return 0;
}

int oracle_delete(struct oracle *o, const struct cxlt_rule_spec *spec)
{
	struct oracle_rule *r = oracle_get(o, spec);

	if (!r)
		return -ENOENT;
	*r = o->rule[--o->n];
	return 0;
}

int oracle_matches(const struct cxlt_rule_spec *spec, const struct cxlt_key *k)
{
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if ((k->w[i] ^ spec->value.w[i]) & spec->mask.w[i])
			return 0;
	return 1;
}

__u32 oracle_best(const struct oracle *o, __u32 table, const struct cxlt_key *k)
{
	__u32 i, best = 0;

	for (i = 0; i < o->n; i++) {
		const struct cxlt_rule_spec *s = &o->rule[i].spec;

		if (s->table == table && s->priority >= best && oracle_matches(s, k))
			best = s->priority + 1;
	}
	return best;
}

struct oracle_rule *oracle_winner(const struct oracle *o, __u32 table, const struct cxlt_key *k,
				  __u64 cookie)
{
	struct oracle_rule *any = NULL;
	__u32 best = oracle_best(o, table, k), i;

	for (i = 0; i < o->n; i++) {
		struct oracle_rule *r = &o->rule[i];

		if (r->spec.table != table || r->spec.priority + 1U != best ||
		    !oracle_matches(&r->spec, k))
			continue;
		if (r->spec.cookie == cookie)
			return r;
		any = r;
	}
	return any;
}

struct compare {
	struct oracle *o;
	__u32 n;
	int bad, quiet;
};

static void complain(struct compare *c, const char *what, const struct cxlt_rule_info *r)
{
	if (c->bad++ < 4 && !c->quiet)
		fprintf(stderr, "oracle: table %u priority %u cookie %llu: %s\n", r->table,
			r->priority, r->cookie, what);
}

static int compare_rule(void *arg, const struct cxlt_rule_info *info)
{
	struct compare *c = arg;
	struct cxlt_rule_spec spec = {.table = info->table,
				      .priority = info->priority,
				      .value = info->value,
				      .mask = info->mask};
	struct oracle_rule *r = oracle_get(c->o, &spec);

	c->n++;
	if (!r) {
		complain(c, "should not be there", info);
		return 0;
	}
	if (r->seen++)
		complain(c, "shown twice", info);
	if (r->spec.cookie != info->cookie)
		complain(c, "wrong cookie", info);
	if (memcmp(&r->spec.value, &info->value, sizeof(info->value)) != 0)
		complain(c, "value outside the mask", info);
	if (r->spec.n_prog != info->n_prog ||
	    memcmp(r->prog, info->prog, info->n_prog * sizeof(__u64)) != 0)
		complain(c, "wrong program", info);
	if (r->packets != info->packets[0] || r->bytes != info->bytes[0])
		complain(c, "wrong counters", info);
	return 0;
}

int oracle_differs(struct oracle *o, const struct cxlt_slice *s, int quiet)
{
	struct compare c = {.o = o, .quiet = quiet};
	__u32 i, t, per_table[CXLT_TABLES] = {0};

	for (i = 0; i < o->n; i++) {
		o->rule[i].seen = 0;
		per_table[o->rule[i].spec.table]++;
	}
	cxlt_rule_each(s, -1, compare_rule, &c);
	if (c.n != o->n) {
		c.bad++;
		if (!quiet)
			fprintf(stderr, "oracle: %u rules, want %u\n", c.n, o->n);
	}
	for (t = 0; t < CXLT_TABLES; t++)
		if (cxlt_table_rules(s, t) != per_table[t]) {
			c.bad++;
			if (!quiet)
				fprintf(stderr, "oracle: table %u counts %llu rules, want %u\n", t,
					cxlt_table_rules(s, t), per_table[t]);
		}
	return c.bad;
}

static void report(void *arg, const char *text)
{
	int *n = arg;

	if ((*n)++ < 10)
		fprintf(stderr, "check: %s\n", text);
}

int oracle_check(const struct cxlt_slice *s)
{
	int shown = 0, n = cxlt_slice_check(s, report, &shown);

	return n ? n : shown;
}
