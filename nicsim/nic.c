// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nic.h"

static int classify_and_count(const struct cxlt_view *v, struct cxlt_work *w, __u32 table);
static int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best);
#define CXLT_CLASSIFY(v, w, table)	 classify_and_count(v, w, table)
#define CXLT_TUPLE_FIND(v, w, ref, best) find_ahead(v, w, ref, best)
/* Up to here the lookahead of batch.h reaches, which makes a probe cheaper than the question. */
#define CXLT_FILTER_WORTH		 17

#include "adapter.h"
#include <cxltab/batch.h>
#include <cxltab/pipeline.h>

/* What is known of the packets of a batch between its stages. */
struct stage {
	struct cxlt_key key;
	struct cxlt_layers lay;
	struct cxlt_mat_probe probe;
	__u8 reason; /* parse's */
	__u8 maybe;  /* the MAT may have it */
	__u8 fill;   /* if it hasn't, it shall */
};

/* How a packet ends, wherever that was found. */
struct answer {
	__u8 verdict;
	__u8 reason;
	__u8 flags;
	__u8 n_ops;
	__u8 n_hits;
	const __u32 *hits;
	const __u64 *ops;
};

static inline struct cxlt_nic *nic_of(struct cxlt_work *w)
{
	return (void *)((char *)w - offsetof(struct cxlt_nic, work));
}

/* The hash of table 0's tuples is known already, unless phase 1 looked at a packet out of batch. */
static inline int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best)
{
	const struct cxlt_nic *nic = nic_of(w);

	if (w->res.table || !nic->ahead)
		return cxlt_tuple_find(v, w, ref, best);
	return cxlt_batch_tuple_find(v, w, nic->ahead, nic->ahead_at, ref, best);
}

static int classify_and_count(const struct cxlt_view *v, struct cxlt_work *w, __u32 table)
{
	struct cxlt_nic *nic = nic_of(w);
	int rc = cxlt_classify(v, w, table);

	if (table < CXLT_STATS_TABLES) {
		nic->stats->table[table].lookups++;
		nic->stats->table[table].matches += rc > 0;
	}
	return rc;
}

static int by_number(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

int cxlt_nic_init(struct cxlt_nic *nic, const struct cxlt_slice *slice,
		  const struct cxlt_mat_config *mat, const __u32 *ports, __u32 n_ports,
		  struct cxlt_nic_stats *stats)
{
	__u32 i;

	if (n_ports > CXLT_PORTS_MAX)
		return -EINVAL;
	memset(nic, 0, sizeof(*nic));
	memcpy(nic->port, ports, n_ports * sizeof(*ports));
	qsort(nic->port, n_ports, sizeof(*nic->port), by_number);
	nic->n_ports = n_ports;
	nic->stats = stats;
	nic->depth = 1;
	for (i = 0; i < n_ports; i++) {
		if (i && nic->port[i] == nic->port[i - 1])
			return -EINVAL;
		if (nic->port[i] < CXLT_NIC_PORT_TABLE)
			nic->index[nic->port[i]] = i + 1;
		stats->port[i].port = nic->port[i];
	}
	nic->mat = cxlt_mat_create(mat);
	if (!nic->mat)
		return -ENOMEM;
	cxlt_slice_view(slice, CXLT_VIEW_DEVICE, &nic->view);
	stats->slice_id = cxlt_slice_header(slice)->id;
	stats->n_ports = n_ports;
	stats->mat_entries = mat->entries;
	stats->mat_ways = mat->ways;
	return 0;
}

void cxlt_nic_fini(struct cxlt_nic *nic)
{
	cxlt_mat_destroy(nic->mat);
	nic->mat = NULL;
}

/*
 * Counts are gathered, and made in the middle of the next batch, when their lines have arrived.  As
 * cxlt_count() but for the atomic adds: a slice has one device, and it alone writes device lines.
 */
void cxlt_nic_flush(struct cxlt_nic *nic)
{
	__u32 i;

	for (i = 0; i < nic->n_counts; i++) {
		struct cxlt_counters *c = cxlt_line(&nic->view, nic->count[i].ref, 2);
		struct cxlt_counter_line *l = &c->device;

		if (!c)
			continue;
		cxlt_store(&l->packets, cxlt_load(&l->packets) + nic->count[i].packets);
		cxlt_store(&l->bytes, cxlt_load(&l->bytes) + nic->count[i].bytes);
		if (cxlt_load(&l->used) != nic->now)
			cxlt_store(&l->used, nic->now);
	}
	nic->n_counts = 0;
}

static void count_hits(struct cxlt_nic *nic, const struct cxlt_nic_packet *p,
		       const struct answer *a)
{
	const __u32 room = sizeof(nic->count) / sizeof(nic->count[0]);
	__u32 i;

	for (i = 0; i < a->n_hits; i++) {
		struct cxlt_nic_count *c = &nic->count[nic->n_counts];
		const char *line;

		if (nic->n_counts && c[-1].ref == a->hits[i]) {
			c[-1].packets += p->segments;
			c[-1].bytes += cxlt_nic_wire_bytes(p);
			continue;
		}
		if (nic->n_counts == room) {
			cxlt_nic_flush(nic);
			c = nic->count;
		}
		c->ref = a->hits[i];
		c->packets = p->segments;
		c->bytes = cxlt_nic_wire_bytes(p);
		nic->n_counts++;
		line = cxlt_line(&nic->view, c->ref, 2);
		if (line)
			__builtin_prefetch(line + sizeof(struct cxlt_counter_line), 1);
	}
}

/* Does the NIC have every port that the packet shall leave by?  If not the host may. */
static int ports_exist(const struct cxlt_nic *nic, const struct answer *a)
{
	__u32 i;

	for (i = 0; i < a->n_ops; i += cxlt_op_words(cxlt_op_code(a->ops[i])))
		if (cxlt_op_code(a->ops[i]) == CXLT_OP_OUTPUT &&
		    cxlt_nic_port_index(nic, cxlt_op_arg(a->ops[i])) < 0)
			return 0;
	return 1;
}

/* Phase 2 by the common source: w->res and w->orig are set; the packet's header is copied. */
static int commit(struct cxlt_nic *nic, struct cxlt_nic_packet *p, const struct stage *s,
		  __u32 flags, __u32 *sent)
{
	struct cxlt_work *w = &nic->work;
	struct cxlt_adapter a = {.nic = nic, .packet = p};
	int rc;

	w->in_port = nic->port[p->port];
	w->lay = s->lay;
	w->orig = s->key;
	if (flags & CXLT_RES_EDITS) {
		a.copied = p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX;
		w->frame.len = p->len;
		w->frame.hdr_len = a.copied;
		w->frame.head = CXLT_HDR_ROOM;
		memcpy(w->frame.buf + CXLT_HDR_ROOM, p->data, a.copied);
	}
	rc = cxlt_commit(&a, w);
	*sent = a.sent;
	return rc;
}

/* Carries the answer out.  `entry` is the MAT's, NULL if the answer is w->res. */
static void act(struct cxlt_nic *nic, struct cxlt_nic_packet *p, const struct stage *s,
		struct answer *a, const struct cxlt_mat_entry *entry)
{
	__u32 sent = 0;
	int rc = 0;

	if (a->verdict != CXLT_V_PUNT && !ports_exist(nic, a)) {
		a->verdict = CXLT_V_PUNT;
		a->reason = CXLT_R_NO_PORT;
	}
	if (a->verdict == CXLT_V_PUNT) {
		nic->punt(nic->arg, p);
		nic->stats->out_of_domain += a->reason == CXLT_R_DEV_DOMAIN;
		return;
	}
	count_hits(nic, p, a);
	if (cxlt_likely(a->n_ops == 1 && cxlt_op_code(a->ops[0]) == CXLT_OP_OUTPUT)) {
		/* What cxlt_commit() does with one output and no edit. */
		struct cxlt_nic_out out = {
			.packet = p,
			.port = cxlt_nic_port_index(nic, cxlt_op_arg(a->ops[0])),
		};

		rc = nic->transmit(nic->arg, &out);
		sent = !rc;
	} else if (a->n_ops) {
		if (entry)
			cxlt_mat_load(entry, &nic->work.res);
		rc = commit(nic, p, s, a->flags, &sent);
	}
	if (rc && !sent) {
		a->verdict = CXLT_V_DROP;
		a->reason = rc;
	}
}

static void answer_of_entry(const struct cxlt_mat_entry *e, struct answer *a)
{
	a->verdict = e->head.verdict;
	a->reason = e->head.reason;
	a->flags = e->head.flags;
	a->n_ops = e->head.n_ops;
	a->n_hits = e->head.n_hits;
	a->hits = cxlt_mat_hits(e);
	a->ops = cxlt_mat_ops(e);
}

static void answer_of_result(const struct cxlt_result *r, struct answer *a)
{
	a->verdict = r->verdict;
	a->reason = r->reason;
	a->flags = r->flags;
	a->n_ops = r->n_ops;
	a->n_hits = r->n_hits;
	a->hits = r->hits;
	a->ops = r->ops;
}

static void resolve(struct cxlt_nic *nic, struct cxlt_nic_packet *p, const struct stage *s)
{
	struct cxlt_work *w = &nic->work;

	w->in_port = nic->port[p->port];
	w->orig = s->key;
	cxlt_resolve(&nic->view, w);
	nic->lines += w->n_lines;
	nic->lookups++;
	nic->probes += w->n_probes;
	if (s->fill)
		cxlt_mat_fill(nic->mat, &nic->view, &s->probe, w);
}

static void finish_one(struct cxlt_nic *nic, struct cxlt_nic_packet *p, const struct stage *s)
{
	struct cxlt_port_stats *stats = &nic->stats->port[p->port].net;
	const struct cxlt_mat_entry *e = NULL;
	struct answer a;

	p->mat_hit = 0;
	if (cxlt_unlikely(s->reason)) {
		cxlt_work_refuse(&nic->view, &nic->work, s->reason);
		answer_of_result(&nic->work.res, &a);
	} else {
		/* A packet of this batch may have filled it since, but not so often that it pays. */
		if (s->maybe)
			e = cxlt_mat_lookup(nic->mat, &nic->view, &s->probe, &s->key);
		else
			cxlt_mat_missed(nic->mat);
		if (e) {
			p->mat_hit = 1;
			stats->mat_hits += p->segments;
			answer_of_entry(e, &a);
		} else {
			resolve(nic, p, s);
			answer_of_result(&nic->work.res, &a);
		}
	}
	act(nic, p, s, &a, e);
	p->verdict = a.verdict;
	p->reason = a.reason;
	stats->rx_packets += p->segments;
	stats->rx_bytes += cxlt_nic_wire_bytes(p);
	stats->reasons[a.reason] += p->segments;
}

static __u64 coarse_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Hits below one in sixteen: thrashing. */
static void decide_sparing(struct cxlt_nic *nic)
{
	const struct cxlt_mat *m = nic->mat;

	if (m->lookups - nic->window_lookups < CXLT_NIC_WINDOW)
		return;
	nic->sparing = (m->hits - nic->window_hits) * 16 < m->lookups - nic->window_lookups;
	nic->window_lookups = m->lookups;
	nic->window_hits = m->hits;
}

static int worth_a_fill(const struct cxlt_nic *nic, const struct stage *s)
{
	/* Which one is chance, and differs from time to time. */
	return !nic->sparing || (s->probe.hash + nic->mat->lookups) % CXLT_NIC_SPARE == 0;
}

static void publish_stats(struct cxlt_nic *nic)
{
	struct cxlt_nic_stats *st = nic->stats;

	st->updated = nic->now;
	st->mat_lookups = nic->mat->lookups;
	st->mat_hits = nic->mat->hits;
	st->mat_fills = nic->mat->fills;
	st->mat_stale = nic->mat->stale;
	st->mat_evictions = nic->mat->evictions;
}

void cxlt_nic_batch(struct cxlt_nic *nic, struct cxlt_nic_packet *p, __u32 n)
{
	struct stage st[CXLT_NIC_BATCH];
	__u64 lookups = nic->lookups, probes = nic->probes;
	struct cxlt_batch b;
	__u32 i, misses = 0;

	if (n > CXLT_NIC_BATCH)
		n = CXLT_NIC_BATCH;
	for (i = 0; i < n; i++) {
		__u32 hdr = p[i].len < CXLT_HDR_MAX ? p[i].len : CXLT_HDR_MAX;

		st[i].reason = cxlt_parse(p[i].data, hdr, p[i].len, nic->port[p[i].port],
					  &st[i].key, &st[i].lay);
		cxlt_mat_hash(nic->mat, 0, &st[i].key, &st[i].probe);
		cxlt_mat_prefetch(nic->mat, st[i].probe.hash);
	}
	for (i = 0; i < n; i++) {
		st[i].maybe = st[i].reason || cxlt_mat_maybe(nic->mat, &st[i].probe);
		st[i].fill = st[i].maybe || worth_a_fill(nic, &st[i]);
		if (st[i].maybe)
			continue;
		if (st[i].fill)
			cxlt_mat_choose(nic->mat, &st[i].probe);
		if (!misses++)
			cxlt_batch_begin(&nic->view, 0, nic->depth, &b);
		cxlt_batch_buckets(&nic->view, &b, i, &st[i].key);
	}
	for (i = 0; misses && i < n; i++)
		if (!st[i].maybe)
			cxlt_batch_entries(&nic->view, &b, i);
	cxlt_nic_flush(nic);
	nic->now = coarse_now();
	for (i = 0; i < n; i++) {
		nic->ahead = st[i].maybe ? NULL : &b;
		nic->ahead_at = i;
		finish_one(nic, &p[i], &st[i]);
	}
	nic->ahead = NULL;
	if (nic->lookups != lookups)
		nic->depth = (nic->probes - probes + nic->lookups - lookups - 1) /
			     (nic->lookups - lookups);
	decide_sparing(nic);
	publish_stats(nic);
}
