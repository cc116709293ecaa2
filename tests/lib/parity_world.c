// SPDX-License-Identifier: Apache-2.0
/* A slice, a generated table in it, and what its counters should say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parity_world.h"

enum {
	HIGH = 40000, /* rules that come and go start here */
};

static const __u32 port_list[] = {1, 2, 3, 4, 7, 9, 300, 5000};

/* ---- Configurations ---- */

#define F(id) (1ULL << CXLT_F_##id)
#define A(id) (1ULL << CXLT_OP_##id)

/* As nicsim/profiles/l2-l4-nic.profile. */
static struct cxlt_profile l2_l4_nic(void)
{
	return (struct cxlt_profile){
		.fields = F(IN_PORT) | F(ETH_DST) | F(ETH_SRC) | F(ETH_TYPE) | F(VLAN_TCI) |
			  F(VLAN_TPID) | F(IPV4_SRC) | F(IPV4_DST) | F(IPV6_SRC) | F(IPV6_DST) |
			  F(IP_PROTO) | F(IP_FRAG) | F(IP_TOS) | F(IP_TTL) | F(TP_SRC) | F(TP_DST) |
			  F(TCP_FLAGS),
		.sets = F(ETH_DST) | F(ETH_SRC) | F(VLAN_TCI) | F(IPV4_SRC) | F(IPV4_DST) |
			F(IPV6_SRC) | F(IPV6_DST) | F(IP_TOS) | F(IP_TTL) | F(TP_SRC) | F(TP_DST),
		.ops = A(OUTPUT) | A(IN_PORT) | A(FLOOD) | A(ALL) | A(SET) | A(PUSH_VLAN) |
		       A(POP_VLAN) | A(DEC_TTL) | A(GOTO),
	};
}

/* As nicsim/profiles/tiny.profile. */
static struct cxlt_profile tiny(void)
{
	return (struct cxlt_profile){
		.fields = F(IN_PORT) | F(ETH_DST) | F(ETH_TYPE) | F(IPV4_SRC) | F(IPV4_DST) |
			  F(IP_PROTO) | F(TP_SRC) | F(TP_DST),
		.ops = A(OUTPUT),
	};
}

static struct cxlt_profile any_profile(struct rnd *r)
{
	struct cxlt_profile all = cxlt_profile_all(), p = all;
	__u32 i;

	for (i = 0; i < CXLT_N_FIELDS; i++) {
		p.fields &= ~((__u64)rnd_one_in(r, 5) << i);
		p.sets &= ~((__u64)rnd_one_in(r, 5) << i);
	}
	for (i = 0; i < CXLT_N_OPS; i++)
		p.ops &= ~((__u64)rnd_one_in(r, 8) << i);
	return p;
}

void parity_world_config(struct parity_world *w, __u32 n, struct rnd *r)
{
	static const __u32 mats[][2] = {{4096, 8}, {256, 4}, {64, 16}, {16, 1}, {0, 1}, {8192, 8}};
	/* KiB of device domain that are soon full, 0: all */
	static const __u32 domain[] = {0, 0, 0, 0, 0, 168, 184, 200, 216, 0};

	n %= sizeof(domain) / sizeof(*domain);
	memset(w, 0, sizeof(*w));
	w->ports = (struct parity_ports){port_list, sizeof(port_list) / sizeof(*port_list)};
	w->config.size = 2 << 20;
	w->config.device_size = domain[n] << 10;
	w->config.chg_log2 = n % 3 && !domain[n] ? 10 : 3;
	w->mat.entries = mats[n % 6][0];
	w->mat.ways = mats[n % 6][1];
	w->mat.policy = n % CXLT_N_MAT_POLICIES;
	w->mat.pin_mask = 3;
	switch (n) {
	case 1:
	case 6: w->config.profile = l2_l4_nic(); break;
	case 2: w->config.profile = tiny(); break;
	case 3:
	case 4:
	case 8: w->config.profile = any_profile(r); break;
	}
}

/* ---- Opening and closing ---- */

int parity_world_open(struct parity_world *w, const char *arena)
{
	int rc;

	rc = arena ? cxlt_slice_create(arena, &w->config, &w->slice)
		   : cxlt_slice_create_memfd("parity", &w->config, &w->slice);
	if (!rc)
		rc = cxlt_writer_open(w->slice, &w->writer);
	if (rc)
		return rc;
	cxlt_slice_view(w->slice, 0, &w->host);
	w->rule_at = calloc(cxlt_slice_header(w->slice)->n_lines, sizeof(*w->rule_at));
	return w->rule_at ? 0 : -ENOMEM;
}

static void report(void *arg, const char *text)
{
	struct parity_world *w = arg;

	fprintf(stderr, "slice check: %s\n", text);
	w->bad++;
}

void parity_world_close(struct parity_world *w)
{
	parity_world_clear(w);
	cxlt_slice_check(w->slice, report, w);
	cxlt_writer_close(w->writer);
	cxlt_slice_close(w->slice);
	free(w->rule_at);
}

/* ---- What the device may be asked to match ---- */

static struct cxlt_key device_fields(const struct cxlt_slice *s)
{
	struct cxlt_key mask = {0};
	__u32 f;

	for (f = 0; f < CXLT_N_FIELDS; f++) {
		const struct cxlt_field_info *i = &cxlt_field_info[f];

		if (!(cxlt_slice_directory(s)->profile.fields >> f & 1))
			continue;
		mask.w[i->word] |= CXLT_BITMASK(i->bits) << (i->bits < 64 ? i->shift : 0);
		if (i->bits == 128)
			mask.w[i->word + 1] = ~0ULL;
	}
	return mask;
}

static void check_tuple(struct parity_world *w, const struct cxlt_key *can, __u32 ref)
{
	const struct cxlt_tuple *t = cxlt_line(&w->host, ref, 5);
	__u32 i;

	for (i = 0; i < t->n_words; i++) {
		if (!(t->mask[i] & ~can->w[t->idx[i]]))
			continue;
		fprintf(stderr, "the device can't match what tuple %u asks for\n", t->id);
		w->bad++;
	}
}

/* nicsim's parser knows all fields, so packets can't tell. */
static void check_device_tuples(struct parity_world *w)
{
	struct cxlt_key can = device_fields(w->slice);
	__u32 t, i;

	for (t = 0; t < w->gen.n_tables; t++) {
		const struct cxlt_table *table =
			cxlt_line(&w->host, w->host.tables + w->gen.table[t] * 2, 2);
		const __u64 *item = cxlt_line(&w->host, CXLT_LIST_REF(table->list), 1);

		for (i = 0; i < CXLT_LIST_N(table->list); i++)
			if (!(CXLT_ITEM_FLAGS(item[i]) & CXLT_TUPLE_HOST))
				check_tuple(w, &can, CXLT_ITEM_REF(item[i]));
	}
}

/* ---- Rules ---- */

static struct parity_rule *rule_of(struct parity_world *w, __u32 counters)
{
	return w->rule_at[counters] ? &w->gen.rule[w->rule_at[counters] - 1] : NULL;
}

static void compare_counters(struct parity_world *w, const struct parity_rule *rule)
{
	struct cxlt_rule_spec s = parity_spec(rule);
	struct cxlt_rule_info i;

	if (cxlt_rule_get(w->slice, &s, &i) || i.cookie != s.cookie) {
		fprintf(stderr, "a rule has gone: ");
	} else if (memcmp(i.packets, rule->packets, sizeof(i.packets)) ||
		   memcmp(i.bytes, rule->bytes, sizeof(i.bytes))) {
		fprintf(stderr,
			"counters: host %llu packets, %llu bytes, device %llu, %llu; should be "
			"host %llu, %llu, device %llu, %llu: ",
			i.packets[0], i.bytes[0], i.packets[1], i.bytes[1], rule->packets[0],
			rule->bytes[0], rule->packets[1], rule->bytes[1]);
	} else {
		return;
	}
	w->bad++;
	parity_print_rule(stderr, rule);
}

/* What the device is told about the table's rules that it can't see. */
static __u32 unseen(const struct parity_world *w, __u8 table)
{
	const struct cxlt_table *t = cxlt_line(&w->host, w->host.tables + table * 2, 2);

	return t->unseen;
}

static bool add_rule(struct parity_world *w, const struct parity_rule *rule)
{
	struct cxlt_rule_spec s = parity_spec(rule);
	__u32 before = unseen(w, s.table);
	struct parity_gen *g = &w->gen;
	struct cxlt_rule_info info;

	if (g->n_rules == PARITY_RULES)
		return false;
	if (cxlt_rule_add(w->writer, &s) < 0 || cxlt_rule_get(w->slice, &s, &info)) {
		w->bad += unseen(w, s.table) != before; /* no room, so nothing has changed */
		w->refused++;
		return false;
	}
	g->rule[g->n_rules] = *rule;
	g->rule[g->n_rules].counters = info.counters;
	w->rule_at[info.counters] = ++g->n_rules;
	return true;
}

static void delete_rule(struct parity_world *w, __u32 at)
{
	struct parity_gen *g = &w->gen;
	struct cxlt_rule_spec s = parity_spec(&g->rule[at]);

	compare_counters(w, &g->rule[at]);
	if (cxlt_rule_delete(w->writer, &s)) {
		fprintf(stderr, "delete: %s\n", cxlt_error_text());
		w->bad++;
	}
	w->rule_at[g->rule[at].counters] = 0;
	g->rule[at] = g->rule[--g->n_rules];
	if (at < g->n_rules)
		w->rule_at[g->rule[at].counters] = at + 1;
}

void parity_world_clear(struct parity_world *w)
{
	while (w->gen.n_rules)
		delete_rule(w, w->gen.n_rules - 1);
}

void parity_world_table(struct parity_world *w, __u64 seed)
{
	struct parity_gen *g = &w->gen;
	static struct parity_rule rule;
	__u32 n;

	parity_world_clear(w);
	parity_gen_init(g, seed, &w->ports);
	for (n = 4 + rnd_below(&g->r, rnd_one_in(&g->r, 4) ? PARITY_RULES : 60); n; n--)
		if (parity_gen_rule(g, &rule))
			add_rule(w, &rule);
	check_device_tuples(w);
}

/* ---- Changes ---- */

/* A rule that is stored anew has fresh counters; one that is modified keeps them. */
static void replace_rule(struct parity_world *w, __u32 at, bool anew)
{
	struct parity_rule *rule = &w->gen.rule[at];
	static struct parity_rule new;
	struct cxlt_rule_info info;
	struct cxlt_rule_spec s;

	compare_counters(w, rule);
	new = *rule;
	parity_gen_program(&w->gen, &new);
	s = parity_spec(&new);
	if ((anew ? cxlt_rule_add(w->writer, &s) : cxlt_rule_modify(w->writer, &s)) < 0) {
		w->refused++;
		return;
	}
	if (cxlt_rule_get(w->slice, &s, &info))
		w->bad++;
	w->rule_at[rule->counters] = 0;
	*rule = new;
	rule->counters = info.counters;
	w->rule_at[rule->counters] = at + 1;
	if (anew) {
		memset(rule->packets, 0, sizeof(rule->packets));
		memset(rule->bytes, 0, sizeof(rule->bytes));
	}
}

/* The number of rules stays about what it was. */
static bool delete_high(struct parity_world *w)
{
	__u32 i, n = 0, found = 0;

	for (i = 0; i < w->gen.n_rules; i++)
		if (w->gen.rule[i].spec.priority >= HIGH && ++n && rnd_one_in(&w->gen.r, n))
			found = i;
	if (n)
		delete_rule(w, found);
	return n;
}

void parity_world_change(struct parity_world *w, __u8 table, const struct cxlt_key *key)
{
	struct parity_gen *g = &w->gen;
	static struct parity_rule rule;
	__u32 how = rnd_below(&g->r, 8), n = g->n_rules;

	w->changes++;
	if (how < 3 || !n) {
		if (parity_gen_rule_for(g, table, key, HIGH, &rule))
			add_rule(w, &rule);
	} else if (how < 6) {
		if (!delete_high(w))
			replace_rule(w, rnd_below(&g->r, n), false);
	} else {
		replace_rule(w, rnd_below(&g->r, n), how == 7);
	}
}

/* ---- Counters ---- */

void parity_world_count(struct parity_world *w, const struct parity_result *r, __u32 len,
			bool device)
{
	__u32 i;

	for (i = 0; i < r->n_hits; i++) {
		struct parity_rule *rule = rule_of(w, r->hits[i]);

		if (!rule) {
			w->bad++;
			continue;
		}
		rule->packets[device]++;
		rule->bytes[device] += len;
	}
}
