// SPDX-License-Identifier: Apache-2.0
/* A table of a slice in a memfd, searched as the pipeline does: classify.h, and batch.h ahead of it. */
#include <stddef.h>
#include <stdlib.h>

#include <cxltab/action.h>
#include <cxltab/slice.h>
#include <cxltab/work.h>
#include <cxltab/writer.h>

static int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best);
#define CXLT_TUPLE_FIND(v, w, ref, best) find_ahead(v, w, ref, best)
#include <cxltab/batch.h>
#include <cxltab/classify.h>

#include "classifier_side.h"
#include "rows.h"

enum {
	RULES = 256, /* of a batch */
	TABLE = 0,
};

struct classifier_table {
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct cxlt_view view;
	struct cxlt_work work;
	struct cxlt_batch *ahead; /* NULL: nothing was fetched ahead */
	uint32_t at;		  /* which key of the batch */
	uint32_t depth;		  /* tuples to look ahead in */
	uint64_t lookups, probes, probes_before;
};

/* The one that holds w. */
static inline const struct classifier_table *table_of(const struct cxlt_work *w)
{
	return (const void *)((const char *)w - offsetof(struct classifier_table, work));
}

static inline int find_ahead(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref, __u32 best)
{
	const struct classifier_table *t = table_of(w);

	if (!t->ahead)
		return cxlt_tuple_find(v, w, ref, best);
	return cxlt_batch_tuple_find(v, w, t->ahead, t->at, ref, best);
}

static struct classifier_table *ours_open(uint32_t n)
{
	const struct cxlt_slice_config config = {.size = (uint64_t)n * 512 + (16 << 20)};
	struct classifier_table *t = rows_must(sizeof(*t));
	uint64_t at;
	char *base;

	if (cxlt_slice_create_memfd("bench", &config, &t->slice) ||
	    cxlt_writer_open(t->slice, &t->writer))
		rows_die("slice", cxlt_error_text());
	/* A slice in use has its first stores behind it; under shadow paging they fault. */
	base = cxlt_slice_base(t->slice);
	for (at = 0; at < config.size; at += 4096)
		__atomic_fetch_add(base + at, 0, __ATOMIC_RELAXED);
	cxlt_slice_view(t->slice, 0, &t->view);
	t->depth = 1;
	return t;
}

static void ours_close(struct classifier_table *t)
{
	cxlt_writer_close(t->writer);
	cxlt_slice_close(t->slice);
	free(t);
}

static inline void key_of(const struct classifier_fields *f, uint16_t eth_type, struct cxlt_key *k)
{
	CXLT_KEY_SET(k, IN_PORT, f->in_port);
	CXLT_KEY_SET(k, ETH_TYPE, eth_type);
	CXLT_KEY_SET(k, IP_PROTO, f->proto);
	CXLT_KEY_SET(k, IPV4_SRC, f->src);
	CXLT_KEY_SET(k, IPV4_DST, f->dst);
	CXLT_KEY_SET(k, TP_SRC, f->sport);
	CXLT_KEY_SET(k, TP_DST, f->dport);
	CXLT_KEY_SET(k, ETH_DST, f->dmac);
}

static double ours_insert(struct classifier_table *t, const struct classifier_rule *rules,
			  uint32_t n)
{
	static struct cxlt_rule_spec specs[RULES];
	const __u64 prog[] = {cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2)};
	double took = 0;
	uint32_t i, j, m;

	for (i = 0; i < n; i += m) {
		double start;
		__u32 done;

		m = n - i < RULES ? n - i : RULES;
		for (j = 0; j < m; j++) {
			specs[j].table = TABLE;
			specs[j].priority = rules[i + j].priority;
			specs[j].cookie = rules[i + j].id;
			specs[j].n_prog = 1;
			specs[j].prog = prog;
			key_of(&rules[i + j].value, 0x0800, &specs[j].value);
			key_of(&rules[i + j].mask, 0xffff, &specs[j].mask);
		}
		start = rows_cpu();
		if (cxlt_rule_add_batch(t->writer, m, specs, &done) < 0)
			rows_die("rule", cxlt_error_text());
		took += rows_cpu() - start;
	}
	return took;
}

/* What resolve.h does before and after one table. */
static uint32_t winner_of(struct classifier_table *t, const struct cxlt_key *key)
{
	const struct cxlt_control *c = cxlt_line(&t->view, t->view.control, 4);
	struct cxlt_work *w = &t->work;
	int rc;

	w->budget = t->view.work_budget;
	w->n_lines = 0;
	w->n_probes = 0;
	do {
		w->key = *key;
		w->chg.n = 0;
		w->chg.sum = 0;
		w->chg.pending = 0;
		/* Pairs with the release of a commit in cxlt_bundle_commit(). */
		w->version = cxlt_load_acquire(&c->version);
		rc = cxlt_classify(&t->view, w, TABLE);
		cxlt_read_barrier();
	} while (cxlt_unlikely(cxlt_load_acquire(&c->floor) > w->version));
	if (rc < 0)
		rows_die("ours", cxlt_reason_name[-rc]);
	t->lookups++;
	t->probes += w->n_probes;
	return rc ? (uint32_t)w->rule.cookie : 0;
}

/* After packet i: looks as deep as the last 32 went. */
static void note_depth(struct classifier_table *t, uint32_t i)
{
	if (i % CLASSIFIER_BATCH != CLASSIFIER_BATCH - 1)
		return;
	t->depth = (uint32_t)((t->probes - t->probes_before + CLASSIFIER_BATCH - 1) /
			      CLASSIFIER_BATCH);
	t->probes_before = t->probes;
}

static void ours_find(struct classifier_table *t, const struct classifier_fields *p, uint32_t n,
		      uint32_t *winner)
{
	struct cxlt_key key = {0};
	struct cxlt_batch b;
	uint32_t i;

	/* A batch of one: its waits overlap with each other alone. */
	t->ahead = &b;
	t->at = 0;
	for (i = 0; i < n; i++) {
		if (i % CLASSIFIER_BATCH == 0)
			cxlt_batch_begin(&t->view, TABLE, t->depth, &b);
		key_of(&p[i], 0x0800, &key);
		cxlt_batch_buckets(&t->view, &b, 0, &key);
		cxlt_batch_entries(&t->view, &b, 0);
		winner[i] = winner_of(t, &key);
		note_depth(t, i);
	}
	t->ahead = NULL;
}

static void ours_find_batch(struct classifier_table *t, const struct classifier_fields *p,
			    uint32_t n, uint32_t *winner)
{
	struct cxlt_key key[CLASSIFIER_BATCH] = {0};
	struct cxlt_batch b;
	uint32_t i, j;

	t->ahead = &b;
	for (i = 0; i < n; i += CLASSIFIER_BATCH) {
		cxlt_batch_begin(&t->view, TABLE, t->depth, &b);
		for (j = 0; j < CLASSIFIER_BATCH; j++) {
			key_of(&p[i + j], 0x0800, &key[j]);
			cxlt_batch_buckets(&t->view, &b, j, &key[j]);
		}
		for (j = 0; j < CLASSIFIER_BATCH; j++)
			cxlt_batch_entries(&t->view, &b, j);
		for (j = 0; j < CLASSIFIER_BATCH; j++) {
			t->at = j;
			winner[i + j] = winner_of(t, &key[j]);
		}
		note_depth(t, i + CLASSIFIER_BATCH - 1);
	}
	t->ahead = NULL;
}

static double ours_probes(struct classifier_table *t)
{
	double mean = (double)t->probes / (double)t->lookups;

	t->probes = t->lookups = t->probes_before = 0;
	return mean;
}

const struct classifier_side classifier_ours = {
	.name = "ours",
	.open = ours_open,
	.close = ours_close,
	.insert = ours_insert,
	.find = ours_find,
	.find_batch = ours_find_batch,
	.probes = ours_probes,
};
