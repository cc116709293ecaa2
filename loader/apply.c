// SPDX-License-Identifier: Apache-2.0
/* Gathering flow modifications, storing them, taking them back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/counter.h>

#include "apply.h"

/* One modification, as parsed. */
struct apply_op {
	__u32 size; /* words, this header included */
	__u32 line;
	__u32 words; /* bit per key word whose mask isn't 0 */
	__u32 out_port;
	__u8 mode;
	__u8 table;
	__u16 priority;
	__u8 n_prog;
	__u8 has_cookie;
	__u16 pad;
	__u64 cookie;
	__u64 cookie_value;
	__u64 cookie_mask;
	__u64 body[]; /* mask and value of each such word, then the program */
};

enum {
	UNDO_ADD,    /* a rule that wasn't there: delete it */
	UNDO_CHANGE, /* a rule that was replaced or deleted: bring it back */
	UNDO_MODIFY, /* a rule that still has its counters: give it back program and cookie */
};

/*
 * A rule that a modification took away.  In the undo buffer each record ends with a word that
 * says its kind and size, for walking backwards; UNDO_ADD's is one word, the place of its op.
 */
struct apply_undo {
	__u32 words; /* as in apply_op */
	__u8 table;
	__u8 n_prog;
	__u16 priority;
	__u64 cookie;
	__u64 created;
	__u64 packets[2], bytes[2], used[2];
	__u64 body[];
};

#define UNDO_TRAILER(kind, size) ((__u64)(size) << 8 | (kind))
#define UNDO_KIND(trailer)	 ((trailer) & 0xff)
#define UNDO_SIZE(trailer)	 ((size_t)((trailer) >> 8))

/* One apply_run() or apply_bundle(). */
struct apply_job {
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct apply_result *result;
	bool bundle;		 /* nothing will have to be taken back: */
	struct pack_buffer undo; /* it holds only what the present op selects */
	bool had_rules[256];	 /* before the first modification */
};

static void op_spec(const struct apply_op *op, struct cxlt_rule_spec *spec)
{
	spec->table = op->table;
	spec->priority = op->priority;
	spec->cookie = op->cookie;
	spec->n_prog = op->n_prog;
	spec->prog = pack_unmatch(op->body, op->words, &spec->value, &spec->mask);
}

static void undo_spec(const struct apply_undo *u, struct cxlt_rule_spec *spec)
{
	spec->table = u->table;
	spec->priority = u->priority;
	spec->cookie = u->cookie;
	spec->n_prog = u->n_prog;
	spec->prog = pack_unmatch(u->body, u->words, &spec->value, &spec->mask);
}

/* ---- The list ---- */

int apply_add(struct apply_list *list, const struct of_flow *flow, unsigned int line)
{
	__u32 words = pack_words(&flow->match.mask);
	size_t size = sizeof(struct apply_op) / 8 + pack_size(words) + flow->n_prog;
	struct apply_op *op = pack_push(&list->ops, size);
	__u64 *prog;

	if (!op)
		return -ENOMEM;
	*op = (struct apply_op){
		.size = size,
		.line = line,
		.words = words,
		.out_port = flow->out_port,
		.mode = flow->mode,
		.table = flow->table,
		.priority = flow->priority,
		.n_prog = flow->n_prog,
		.has_cookie = flow->has_cookie,
		.cookie = flow->cookie,
		.cookie_value = flow->cookie_value,
		.cookie_mask = flow->cookie_mask,
	};
	prog = pack_match(op->body, words, &flow->match.value, &flow->match.mask);
	memcpy(prog, flow->prog, flow->n_prog * sizeof(*prog));
	list->count++;
	return 0;
}

void apply_free(struct apply_list *list)
{
	free(list->ops.word);
	*list = (struct apply_list){0};
}

static bool match_covers(const struct of_match *wide, const struct cxlt_key *value,
			 const struct cxlt_key *mask)
{
	__u64 outside = 0;
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++) {
		__u64 m = wide->mask.w[i];

		outside |= (m & ~mask->w[i]) | ((wide->value.w[i] ^ value->w[i]) & m);
	}
	return !outside;
}

static bool filter_passes(const struct of_flow *filter, const struct cxlt_rule_info *rule)
{
	if ((rule->cookie ^ filter->cookie_value) & filter->cookie_mask)
		return false;
	return filter->out_port == OF_PORT_ANY ||
	       of_program_outputs_to(rule->prog, rule->n_prog, filter->out_port);
}

bool apply_selects(const struct of_flow *filter, const struct cxlt_rule_info *rule)
{
	if (filter->table != OF_TABLE_ANY && filter->table != rule->table)
		return false;
	return filter_passes(filter, rule) &&
	       match_covers(&filter->match, &rule->value, &rule->mask);
}

/* ---- Taking back ---- */

static size_t undo_size(const struct apply_undo *u)
{
	return sizeof(*u) / 8 + pack_size(u->words) + u->n_prog + 1;
}

static int undo_save_add(struct apply_job *job, __u64 op_at)
{
	__u64 *word = pack_push(&job->undo, 2);

	if (!word)
		return -ENOMEM;
	word[0] = op_at;
	word[1] = UNDO_TRAILER(UNDO_ADD, 2);
	return 0;
}

/* Remembers a rule as it is. */
static int undo_save(struct apply_job *job, const struct cxlt_rule_info *rule, int kind)
{
	struct apply_undo head = {
		.words = pack_words(&rule->mask),
		.table = rule->table,
		.n_prog = rule->n_prog,
		.priority = rule->priority,
		.cookie = rule->cookie,
		.created = rule->created,
	};
	size_t size = undo_size(&head);
	struct apply_undo *u = pack_push(&job->undo, size);
	__u64 *prog;
	__u32 i;

	if (!u)
		return -ENOMEM;
	*u = head;
	for (i = 0; i < 2; i++) {
		u->packets[i] = rule->packets[i];
		u->bytes[i] = rule->bytes[i];
		u->used[i] = rule->used[i];
	}
	prog = pack_match(u->body, u->words, &rule->value, &rule->mask);
	memcpy(prog, rule->prog, rule->n_prog * sizeof(*prog));
	prog[rule->n_prog] = UNDO_TRAILER(kind, size);
	return 0;
}

/* Counters and age of a rule that was just brought back with fresh ones. */
static void restore_stats(struct apply_job *job, const struct cxlt_rule_spec *spec,
			  const struct apply_undo *u)
{
	struct cxlt_rule __arena *entry;
	struct cxlt_rule_info rule;
	struct cxlt_view view;
	__u32 i;

	if (cxlt_rule_get(job->slice, spec, &rule))
		return;
	for (i = 0; i < 2; i++) {
		cxlt_slice_view(job->slice, i ? CXLT_VIEW_DEVICE : 0, &view);
		if (u->packets[i] || u->used[i])
			cxlt_count(&view, rule.counters, u->packets[i], u->bytes[i], u->used[i]);
	}
	/* No datapath reads it, so the entry may still be called immutable. */
	cxlt_slice_view(job->slice, 0, &view);
	entry = cxlt_line(&view, rule.ref, 1);
	if (entry)
		cxlt_store(&entry->created, u->created);
}

static int undo_change(struct apply_job *job, const struct apply_undo *u)
{
	struct cxlt_rule_spec spec;
	int rc;

	undo_spec(u, &spec);
	rc = cxlt_rule_add(job->writer, &spec);
	/* Its lines may still be held by the rule that replaced it. */
	if (rc == -ENOSPC && !cxlt_rule_delete(job->writer, &spec))
		rc = cxlt_rule_add(job->writer, &spec);
	if (rc < 0)
		return rc;
	restore_stats(job, &spec, u);
	return 0;
}

static int undo_one(struct apply_job *job, const struct apply_list *list, const __u64 *record,
		    int kind)
{
	struct cxlt_rule_spec spec;
	int rc;

	if (kind == UNDO_CHANGE)
		return undo_change(job, (const struct apply_undo *)record);
	if (kind == UNDO_MODIFY) {
		undo_spec((const struct apply_undo *)record, &spec);
		rc = cxlt_rule_modify(job->writer, &spec);
	} else {
		op_spec((const struct apply_op *)(list->ops.word + *record), &spec);
		rc = cxlt_rule_delete(job->writer, &spec);
	}
	return rc == -ENOENT ? 0 : rc;
}

/* All of it, last modification first; the first error, after trying everything. */
static int undo_all(struct apply_job *job, const struct apply_list *list)
{
	struct pack_buffer *b = &job->undo;
	int first = 0;

	while (b->n) {
		__u64 trailer = b->word[b->n - 1];
		int rc;

		b->n -= UNDO_SIZE(trailer);
		rc = undo_one(job, list, b->word + b->n, UNDO_KIND(trailer));
		if (rc < 0 && !first)
			first = rc;
	}
	return first;
}

/* ---- Storing ---- */

static int store_add(struct apply_job *job, const struct apply_list *list,
		     const struct apply_op *op)
{
	size_t before = job->undo.n;
	struct cxlt_rule_spec spec;
	struct cxlt_rule_info old;
	int rc;

	op_spec(op, &spec);
	/*
	 * In a table that was empty every rule is of this list, and undoing its first addition is
	 * enough: no need to look for the rule that this one might replace.
	 */
	if (job->bundle)
		rc = 0;
	else if (job->had_rules[op->table] && !cxlt_rule_get(job->slice, &spec, &old))
		rc = undo_save(job, &old, UNDO_CHANGE);
	else
		rc = undo_save_add(job, (const __u64 *)op - list->ops.word);
	if (rc)
		return rc;
	rc = cxlt_rule_add(job->writer, &spec);
	if (rc < 0) {
		job->undo.n = before;
		return rc;
	}
	if (rc)
		job->result->replaced++;
	else
		job->result->added++;
	return 0;
}

struct apply_select {
	struct apply_job *job;
	struct of_flow *filter;
	int kind;
};

static int select_rule(void *arg, const struct cxlt_rule_info *rule)
{
	struct apply_select *s = arg;

	return apply_selects(s->filter, rule) ? undo_save(s->job, rule, s->kind) : 0;
}

/* A strict modify or delete: one rule a table at most. */
static int select_strict(struct apply_select *s, const struct apply_op *op)
{
	__u32 n = cxlt_slice_directory(s->job->slice)->n_tables, t = op->table, end = t + 1;
	struct cxlt_rule_spec spec;
	struct cxlt_rule_info rule;
	int rc = 0;

	op_spec(op, &spec);
	if (op->table == OF_TABLE_ANY) {
		t = 0;
		end = n;
	}
	for (; t < end && t < n && !rc; t++) {
		spec.table = t;
		if (!cxlt_rule_get(s->job->slice, &spec, &rule) && filter_passes(s->filter, &rule))
			rc = undo_save(s->job, &rule, s->kind);
	}
	return rc;
}

static int store_modify(struct apply_job *job, const struct apply_op *op,
			struct cxlt_rule_spec *spec)
{
	struct cxlt_key value, mask;
	int next, rc;

	spec->prog = pack_unmatch(op->body, op->words, &value, &mask);
	spec->n_prog = op->n_prog;
	if (op->has_cookie)
		spec->cookie = op->cookie;
	next = of_program_goto(spec->prog, spec->n_prog);
	if (next >= 0 && next <= spec->table) {
		snprintf(job->result->reason, sizeof(job->result->reason),
			 "goto_table:%d from a rule of table %u", next, spec->table);
		return -EINVAL;
	}
	rc = cxlt_rule_modify(job->writer, spec);
	job->result->modified += !rc;
	return rc;
}

/* Modify and delete: first remember all that is selected, then change one after the other. */
static int store_selected(struct apply_job *job, const struct apply_op *op)
{
	bool modify = op->mode == OF_MODIFY || op->mode == OF_MODIFY_STRICT;
	struct of_flow filter = {
		.table = op->table,
		.out_port = op->out_port,
		.cookie_value = op->cookie_value,
		.cookie_mask = op->cookie_mask,
	};
	struct apply_select select = {job, &filter, modify ? UNDO_MODIFY : UNDO_CHANGE};
	size_t before = job->undo.n, at = before;
	int rc;

	pack_unmatch(op->body, op->words, &filter.match.value, &filter.match.mask);
	if (op->mode == OF_MODIFY_STRICT || op->mode == OF_DELETE_STRICT)
		rc = select_strict(&select, op);
	else
		rc = cxlt_rule_each(job->slice, op->table == OF_TABLE_ANY ? -1 : op->table,
				    select_rule, &select);
	while (!rc && at < job->undo.n) {
		const struct apply_undo *u = (const void *)(job->undo.word + at);
		struct cxlt_rule_spec spec;

		undo_spec(u, &spec);
		if (modify) {
			rc = store_modify(job, op, &spec);
		} else {
			rc = cxlt_rule_delete(job->writer, &spec);
			job->result->deleted += !rc;
		}
		if (!rc)
			at += undo_size(u);
	}
	job->undo.n = job->bundle ? before : at;
	return rc;
}

static int store_all(struct apply_job *job, const struct apply_list *list)
{
	size_t at;
	int rc;

	for (at = 0; at < list->ops.n;) {
		const struct apply_op *op = (const void *)(list->ops.word + at);

		job->result->line = op->line;
		rc = op->mode == OF_ADD ? store_add(job, list, op) : store_selected(job, op);
		if (rc)
			return rc;
		at += op->size;
	}
	return 0;
}

static void explain(struct apply_result *result, int rc)
{
	if (!*result->reason)
		snprintf(result->reason, sizeof(result->reason), "%s",
			 rc == -ENOMEM ? "out of memory" : cxlt_error_text());
}

int apply_run(const struct apply_list *list, struct cxlt_slice *slice, struct cxlt_writer *writer,
	      struct apply_result *result)
{
	struct apply_job job = {.slice = slice, .writer = writer, .result = result};
	__u32 i;
	int rc;

	memset(result, 0, sizeof(*result));
	rc = cxlt_writer_lock(writer);
	if (rc) {
		explain(result, rc);
		result->undone = true;
		return rc;
	}
	for (i = 0; i < cxlt_slice_directory(slice)->n_tables; i++)
		job.had_rules[i] = cxlt_table_rules(slice, i) != 0;
	rc = store_all(&job, list);
	if (rc) {
		explain(result, rc);
		result->undone = undo_all(&job, list) == 0;
	}
	cxlt_writer_unlock(writer);
	free(job.undo.word);
	return rc;
}

int apply_bundle(const struct apply_list *list, struct cxlt_slice *slice,
		 struct cxlt_writer *writer, struct apply_result *result)
{
	struct apply_job job = {.slice = slice, .writer = writer, .result = result, .bundle = true};
	int rc;

	memset(result, 0, sizeof(*result));
	rc = cxlt_bundle_begin(writer);
	if (rc) {
		explain(result, rc);
		result->undone = true;
		return rc;
	}
	rc = store_all(&job, list);
	if (rc) {
		explain(result, rc);
		result->undone = true;
		cxlt_bundle_abort(writer);
	} else {
		cxlt_bundle_commit(writer);
	}
	free(job.undo.word);
	return rc;
}
