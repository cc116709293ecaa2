// SPDX-License-Identifier: Apache-2.0
/*
 * Open vSwitch's lib/classifier.c; the one file of the benchmark that sees its headers.
 *
 * Without tries of addresses and staged lookup: they find out what a lookup didn't depend on, cost
 * inserts time, and lookups without wildcards (wc NULL) don't use them.  One thread, so that a
 * quiescent state frees at once what was replaced.
 */
#include <config.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/version.h"
#include "ovs-rcu.h"
#include "random.h"

#include "classifier_side.h"
#include "rows.h"

enum {
	RULES = 256, /* between two quiescent states */
};

struct rule {
	struct cls_rule cls;
	uint32_t id;
};

struct classifier_table {
	struct classifier cls;
	struct rule *rule;
	uint32_t n;
};

const char *classifier_ovs_version(void)
{
	return OVS_PACKAGE_VERSION;
}

static struct classifier_table *ovs_open(uint32_t n)
{
	struct classifier_table *t = rows_must(sizeof(*t));

	/* What is freed stays the process's: after the first round its memory is there, as ours is. */
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_MAX, 0);
	random_set_seed(1);
	t->rule = rows_must(n * sizeof(*t->rule));
	classifier_init(&t->cls, NULL);
	return t;
}

static void ovs_close(struct classifier_table *t)
{
	uint32_t i;

	classifier_defer(&t->cls);
	for (i = 0; i < t->n; i++) {
		classifier_remove_assert(&t->cls, &t->rule[i].cls);
		cls_rule_destroy(&t->rule[i].cls);
		if (i % RULES == 0)
			ovsrcu_quiesce();
	}
	classifier_publish(&t->cls);
	classifier_destroy(&t->cls);
	ovsrcu_quiesce();
	free(t->rule);
	free(t);
}

static struct eth_addr eth_of(uint64_t mac)
{
	struct eth_addr a;
	int i;

	for (i = 0; i < 6; i++)
		a.ea[i] = (uint8_t)(mac >> (40 - 8 * i));
	return a;
}

static void match_of(const struct classifier_rule *r, struct match *m)
{
	match_init_catchall(m);
	match_set_dl_type(m, htons(ETH_TYPE_IP));
	if (r->mask.dmac)
		match_set_dl_dst_masked(m, eth_of(r->value.dmac), eth_of(r->mask.dmac));
	if (r->mask.in_port)
		match_set_in_port(m, r->value.in_port);
	match_set_nw_src_masked(m, htonl(r->value.src), htonl(r->mask.src));
	match_set_nw_dst_masked(m, htonl(r->value.dst), htonl(r->mask.dst));
	if (r->mask.proto)
		match_set_nw_proto(m, r->value.proto);
	match_set_tp_src_masked(m, htons(r->value.sport), htons(r->mask.sport));
	match_set_tp_dst_masked(m, htons(r->value.dport), htons(r->mask.dport));
}

static double ovs_insert(struct classifier_table *t, const struct classifier_rule *rules,
			 uint32_t n)
{
	static struct match match[RULES];
	double took = 0;
	uint32_t i, j, m;

	for (i = 0; i < n; i += m) {
		double start;

		m = n - i < RULES ? n - i : RULES;
		for (j = 0; j < m; j++)
			match_of(&rules[i + j], &match[j]);
		start = rows_cpu();
		classifier_defer(&t->cls);
		for (j = 0; j < m; j++) {
			struct rule *r = &t->rule[t->n++];

			r->id = rules[i + j].id;
			cls_rule_init(&r->cls, &match[j], rules[i + j].priority);
			classifier_insert(&t->cls, &r->cls, OVS_VERSION_MIN, NULL, 0);
		}
		classifier_publish(&t->cls);
		ovsrcu_quiesce();
		took += rows_cpu() - start;
	}
	return took;
}

static void ovs_find(struct classifier_table *t, const struct classifier_fields *p, uint32_t n,
		     uint32_t *winner)
{
	struct flow flow;
	uint32_t i;

	memset(&flow, 0, sizeof(flow));
	flow.dl_type = htons(ETH_TYPE_IP);
	for (i = 0; i < n; i++, p++) {
		const struct cls_rule *r;

		flow.dl_dst = eth_of(p->dmac);
		flow.in_port.ofp_port = p->in_port;
		flow.nw_src = htonl(p->src);
		flow.nw_dst = htonl(p->dst);
		flow.nw_proto = p->proto;
		flow.tp_src = htons(p->sport);
		flow.tp_dst = htons(p->dport);
		r = classifier_lookup(&t->cls, OVS_VERSION_MIN, &flow, NULL);
		winner[i] = r ? CONTAINER_OF(r, struct rule, cls)->id : 0;
	}
}

const struct classifier_side classifier_ovs = {
	.name = "Open vSwitch",
	.open = ovs_open,
	.close = ovs_close,
	.insert = ovs_insert,
	.find = ovs_find,
};
