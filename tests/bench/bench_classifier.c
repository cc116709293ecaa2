// SPDX-License-Identifier: Apache-2.0
/*
 * The search of one OpenFlow table beside Open vSwitch's own classifier, in one run: the same rules
 * in 32 masks with random priorities, the same packets, and each packet's winner compared.  Rounds
 * alternate between the two; a result is the median of the rounds' ratios, in CPU time of the thread.
 *
 * Rules are made from flows: a flow's fields under one of the masks.  A packet is a flow whole, so it
 * meets the rules of several tuples, and the priorities decide.  No two rules that match one packet
 * have the same priority, so there is one right answer.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "classifier_side.h"
#include "rand.h"
#include "rows.h"

enum {
	TUPLES = 32,
	SETS = 4, /* of packets; rounds take turns */
	OURS = 0,
	PEER = 1,
};

static const struct classifier_side *const sides[] = {&classifier_ours, &classifier_ovs};

struct bench {
	struct rows rows;
	struct rnd rnd;
	uint32_t n_rules, n_flows, probes, rounds;
	struct classifier_fields mask[TUPLES];
	struct classifier_fields *flow;
	struct classifier_rule *rule; /* rule[id - 1] */
	uint32_t *origin;	      /* the flow that it was made from */
	struct classifier_fields *packet;
	struct classifier_table *table[2];
	uint32_t *winner[2];
	int hits; /* what the packets are made for */
};

enum way {
	BATCH,
	SINGLE,
};

static uint32_t prefix(uint32_t bits)
{
	return bits ? ~0U << (32 - bits) : 0;
}

/* Of both addresses together at least 24 bits, and 16 of one: there are enough different values. */
static void random_mask(struct rnd *r, struct classifier_fields *m)
{
	static const uint8_t length[] = {0, 16, 24, 32};
	uint32_t src, dst;

	do {
		src = length[rnd_below(r, 4)];
		dst = length[rnd_below(r, 4)];
	} while (src + dst < 24);
	memset(m, 0, sizeof(*m));
	m->src = prefix(src);
	m->dst = prefix(dst);
	m->proto = rnd_one_in(r, 2) ? 0 : 0xff;
	m->sport = rnd_one_in(r, 3) ? 0xffff : 0;
	m->dport = rnd_one_in(r, 2) ? 0xffff : 0;
	m->in_port = rnd_one_in(r, 3) ? ~0U : 0;
	m->dmac = rnd_one_in(r, 4) ? 0xffffffffffff : 0;
}

static void make_masks(struct bench *b)
{
	uint32_t i = 0, j;

	while (i < TUPLES) {
		random_mask(&b->rnd, &b->mask[i]);
		for (j = 0; memcmp(&b->mask[j], &b->mask[i], sizeof(b->mask[i])); j++)
			;
		i += j == i;
	}
}

/* The highest bit of both addresses is `side`: flows of one side match no rule of the other's. */
static void random_flow(struct rnd *r, uint32_t side, struct classifier_fields *f)
{
	memset(f, 0, sizeof(*f));
	f->dmac = 0x020000000000 + rnd_below(r, 4096);
	f->in_port = 1 + rnd_below(r, 8);
	f->src = side << 31 | (uint32_t)rnd_next(r) >> 1;
	f->dst = side << 31 | (uint32_t)rnd_next(r) >> 1;
	f->sport = (uint16_t)(1024 + rnd_below(r, 64512));
	f->dport = (uint16_t)(1 + rnd_below(r, 1024));
	f->proto = rnd_one_in(r, 3) ? 17 : 6;
}

static struct classifier_fields masked(const struct classifier_fields *f,
				       const struct classifier_fields *m)
{
	struct classifier_fields out;

	memset(&out, 0, sizeof(out));
	out.dmac = f->dmac & m->dmac;
	out.in_port = f->in_port & m->in_port;
	out.src = f->src & m->src;
	out.dst = f->dst & m->dst;
	out.sport = f->sport & m->sport;
	out.dport = f->dport & m->dport;
	out.proto = f->proto & m->proto;
	return out;
}

static int matches(const struct classifier_rule *r, const struct classifier_fields *packet)
{
	struct classifier_fields f = masked(packet, &r->mask);

	return !memcmp(&f, &r->value, sizeof(f));
}

static uint64_t sum_of(const struct classifier_fields *f, uint32_t tuple)
{
	const uint64_t *w = (const void *)f;
	struct rnd r = {.s = tuple};
	uint32_t i;

	for (i = 0; i < sizeof(*f) / 8; i++)
		r.s = rnd_next(&r) ^ w[i];
	return rnd_next(&r) | 1;
}

/* The lowest bits of a priority are the tuple's number, and a tuple has no match twice. */
static void make_rules(struct bench *b)
{
	uint64_t room = 1, *seen, sum, at;
	uint32_t i = 0;

	while (room < 4ULL * b->n_rules)
		room *= 2;
	seen = rows_must(room * sizeof(*seen));
	b->rule = rows_must(b->n_rules * sizeof(*b->rule));
	b->origin = rows_must(b->n_rules * sizeof(*b->origin));
	while (i < b->n_rules) {
		struct classifier_rule *r = &b->rule[i];
		uint32_t tuple = rnd_below(&b->rnd, TUPLES);

		r->mask = b->mask[tuple];
		b->origin[i] = rnd_below(&b->rnd, b->n_flows);
		r->value = masked(&b->flow[b->origin[i]], &r->mask);
		r->priority = (uint16_t)(rnd_below(&b->rnd, 65536 / TUPLES) * TUPLES + tuple);
		r->id = i + 1;
		sum = sum_of(&r->value, tuple);
		for (at = sum % room; seen[at] && seen[at] != sum; at = (at + 1) % room)
			;
		i += !seen[at];
		seen[at] = sum;
	}
	free(seen);
}

/* Hits are flows that rules were made from. */
static void make_packets(struct bench *b, int hits)
{
	uint32_t i;

	b->hits = hits;
	for (i = 0; i < b->probes * SETS; i++) {
		if (hits)
			b->packet[i] = b->flow[b->origin[rnd_below(&b->rnd, b->n_rules)]];
		else
			random_flow(&b->rnd, 1, &b->packet[i]);
	}
}

/* Packet by packet: one winner on both sides, and one that matches. */
static void compare(const struct bench *b, const struct classifier_fields *packet)
{
	uint32_t i;

	for (i = 0; i < b->probes; i++) {
		uint32_t ours = b->winner[OURS][i], peer = b->winner[PEER][i];

		if (ours != peer || (ours != 0) != b->hits) {
			fprintf(stderr, "packet %u: rule %u here, %u there\n", i, ours, peer);
			rows_die("classifier", "the answers differ");
		}
		if (ours && !matches(&b->rule[ours - 1], &packet[i]))
			rows_die("classifier", "the winner doesn't match");
	}
}

/* Lookups a second, in millions. */
static double look(const struct bench *b, int who, enum way way,
		   const struct classifier_fields *packet)
{
	const struct classifier_side *s = sides[who];
	double start;

	memset(b->winner[who], 0xff, b->probes * sizeof(uint32_t));
	start = rows_cpu();
	(way == BATCH && s->find_batch ? s->find_batch : s->find)(b->table[who], packet, b->probes,
								  b->winner[who]);
	return b->probes / (rows_cpu() - start) / 1e6;
}

static void lookups(struct bench *b, enum way way, double floor)
{
	struct rows_series s = {0};
	char name[48];
	uint32_t i;

	for (i = 0; i <= b->rounds; i++) {
		const struct classifier_fields *packet = b->packet + i % SETS * b->probes;
		double ours = look(b, OURS, way, packet), peer = look(b, PEER, way, packet);

		compare(b, packet);
		if (i) /* the first one warms up */
			rows_note(&s, ours, peer, ours / peer);
	}
	snprintf(name, sizeof(name), "classifier: %s, %s", b->hits ? "hits" : "misses",
		 way == BATCH ? "batches of 32" : "one by one");
	rows_add(
		&b->rows, name, "M/s", floor, &s,
		"%u rules in %d tuples, random priorities, %.1f tuples probed a packet, winners "
		"compared; vs classifier_lookup of Open vSwitch %s one by one, wc NULL, built with "
		"-O2 and assertions; filling in the key included on both sides, CPU time",
		b->n_rules, TUPLES, classifier_ours.probes(b->table[OURS]),
		classifier_ovs_version());
}

/* Rules a second, in thousands. */
static double fill(struct bench *b, int who)
{
	b->table[who] = sides[who]->open(b->n_rules);
	return b->n_rules / sides[who]->insert(b->table[who], b->rule, b->n_rules) / 1e3;
}

/* The last round's tables stay. */
static void inserts(struct bench *b)
{
	struct rows_series s = {0};
	uint32_t i;

	for (i = 0; i <= 5; i++) {
		double ours, peer;

		if (i) {
			sides[OURS]->close(b->table[OURS]);
			sides[PEER]->close(b->table[PEER]);
		}
		ours = fill(b, OURS);
		peer = fill(b, PEER);
		if (i) /* the first one warms up */
			rows_note(&s, ours, peer, ours / peer);
	}
	rows_add(&b->rows, "classifier: inserts", "K/s", 0, &s,
		 "%u rules into an empty table, each rule with counters and actions by "
		 "cxlt_rule_add_batch of 256; vs cls_rule_init and classifier_insert alone, 256 "
		 "between classifier_defer and _publish, without tries of addresses and staged "
		 "lookup; "
		 "CPU time",
		 b->n_rules);
}

int main(void)
{
	static struct bench b = {
		.rnd = {.s = 1}, .n_rules = 100000, .probes = 1 << 16, .rounds = 15};
	uint32_t i;

	rows_open(&b.rows);
	if (b.rows.smoke) {
		b.n_rules = 5000;
		b.probes = 1 << 12;
		b.rounds = 5;
	}
	/* Pages of 4 KiB on both sides, whatever the machine's settings. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	b.n_flows = b.n_rules / 4;
	b.flow = rows_must(b.n_flows * sizeof(*b.flow));
	for (i = 0; i < b.n_flows; i++)
		random_flow(&b.rnd, 0, &b.flow[i]);
	make_masks(&b);
	make_rules(&b);
	b.packet = rows_must(b.probes * SETS * sizeof(*b.packet));
	for (i = 0; i < 2; i++)
		b.winner[i] = rows_must(b.probes * sizeof(uint32_t));
	inserts(&b);
	make_packets(&b, 1);
	lookups(&b, BATCH, 4);
	lookups(&b, SINGLE, 4);
	make_packets(&b, 0);
	lookups(&b, BATCH, 0);
	lookups(&b, SINGLE, 0);
	for (i = 0; i < 2; i++)
		sides[i]->close(b.table[i]);
	return rows_close(&b.rows);
}
