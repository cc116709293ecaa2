/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.h - phase 1 of the pipeline: walk the tables on the key alone.
 *
 * Set-field and the VLAN and TTL actions change the key, everything that phase 2 must do is
 * gathered in w->res, nothing has an effect.  So phase 1 can be restarted from table 0 when a
 * bundle's version was reclaimed under it, handed to another hook, or punted with the original
 * packet.  The caller has parsed the packet: w->in_port, w->orig and w->lay are set.
 *
 * Concurrency: as classify.h.  One version is loaded per packet; it is still whole (floor <=
 * version) after the last table, or the walk starts anew.
 * Source: OpenFlow 1.5.1 section 5.1 (pipeline), 5.9-5.10 (instructions, actions).
 */
#ifndef CXLTAB_RESOLVE_H
#define CXLTAB_RESOLVE_H

#include <cxltab/base.h>
#include <cxltab/action.h>
#include <cxltab/classify.h>
#include <cxltab/edit.h>
#include <cxltab/reason.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

/* A BPF program replaces these by global functions, each verified once and on its own. */
#ifndef CXLT_CLASSIFY
#define CXLT_CLASSIFY(v, w, table) cxlt_classify(v, w, table)
#endif
#ifndef CXLT_WALK_PROGRAM
#define CXLT_WALK_PROGRAM(v, w, table) cxlt_walk_program(v, w, table)
#endif

CXLT_INLINE int cxlt_gather(struct cxlt_result *r, __u64 word)
{
	__u32 n = r->n_ops;

	CXLT_OPAQUE(n);
	if (n >= CXLT_OPS_MAX)
		return CXLT_R_TOO_MANY_OPS;
	r->ops[n] = word;
	r->n_ops = n + 1;
	return 0;
}

/* A copy leaves by a port or to the host; XDP and a queue can carry only one. */
CXLT_INLINE int cxlt_gather_sink(struct cxlt_work *w, struct cxlt_walk *k, __u64 word, __u32 op)
{
	struct cxlt_result *r = &w->res;

	if (op == CXLT_OP_FLOOD || op == CXLT_OP_ALL || k->sinks)
		r->flags |= CXLT_RES_COPIES;
	if (op == CXLT_OP_LOCAL)
		r->flags |= CXLT_RES_LOCAL;
	else
		r->n_outputs++;
	k->sinks++;
	k->edited = 0;
	return cxlt_gather(r, word);
}

CXLT_INLINE int cxlt_walk_set(struct cxlt_work *w, struct cxlt_walk *k, __u32 i, __u64 word)
{
	__u32 at = cxlt_op_aux(word), field = cxlt_op_field(word);
	__u64 value, mask;
	int rc;

	CXLT_OPAQUE(i);
	if (i + 2 >= CXLT_PROG_MAX || i + 2 >= w->rule.n_prog || at >= CXLT_KEY_WORDS)
		return CXLT_R_BAD_PROGRAM;
	value = w->rule.prog[i + 1];
	mask = w->rule.prog[i + 2];
	cxlt_key_set(&w->key, at, value, mask);
	/* The pipeline's own fields never reach the packet; nothing to do in phase 2. */
	if (field == CXLT_F_METADATA || field == CXLT_F_TUN_ID ||
	    (field >= CXLT_F_REG0 && field <= CXLT_F_REG3))
		return 0;
	k->edited = 1;
	w->res.flags |= CXLT_RES_EDITS;
	rc = cxlt_gather(&w->res, word);
	if (!rc)
		rc = cxlt_gather(&w->res, value);
	if (!rc)
		rc = cxlt_gather(&w->res, mask);
	return rc;
}

CXLT_INLINE int cxlt_walk_edit(struct cxlt_work *w, struct cxlt_walk *k, __u64 word, __u32 op)
{
	int rc = 0;

	if (op == CXLT_OP_PUSH_VLAN)
		rc = cxlt_key_push_vlan(&w->key, cxlt_op_aux(word));
	else if (op == CXLT_OP_POP_VLAN)
		cxlt_key_pop_vlan(&w->key);
	else
		rc = cxlt_key_dec_ttl(&w->key);
	if (rc)
		return rc;
	k->edited = 1;
	w->res.flags |= CXLT_RES_EDITS;
	return cxlt_gather(&w->res, word);
}

/* Can the hardware do this op?  Upcalls and the host's stack are never its own. */
CXLT_INLINE int cxlt_device_can(const struct cxlt_view *v, __u64 word, __u32 op)
{
	if (op == CXLT_OP_CONTROLLER || op == CXLT_OP_LOCAL || !(v->profile.ops >> (op & 63) & 1))
		return 0;
	return op != CXLT_OP_SET || (v->profile.sets >> (cxlt_op_field(word) & 63) & 1);
}

/* One op of the winner's program; 0 or the reason that ends the packet. */
CXLT_INLINE int cxlt_walk_op(const struct cxlt_view *v, struct cxlt_work *w, struct cxlt_walk *k,
			     __u32 table, __u32 i, __u64 word)
{
	__u32 op = cxlt_op_code(word);

	if (v->flags & CXLT_VIEW_DEVICE && op != CXLT_OP_PUNT && !cxlt_device_can(v, word, op))
		return CXLT_R_DEV_ACTION;
	switch (op) {
	case CXLT_OP_OUTPUT:
		if (cxlt_op_arg(word) == w->in_port) {
			k->only_in_port = 1;
			return 0;
		}
		return cxlt_gather_sink(w, k, word, op);
	case CXLT_OP_IN_PORT:
	case CXLT_OP_FLOOD:
	case CXLT_OP_ALL:
	case CXLT_OP_LOCAL: return cxlt_gather_sink(w, k, word, op);
	case CXLT_OP_CONTROLLER:
		/* XDP sends the copy at once, but only of the bytes that its one output sends. */
		if (k->sinks && k->edited)
			w->res.flags |= CXLT_RES_COPIES;
		w->res.flags |= CXLT_RES_UPCALL;
		return cxlt_gather(&w->res, word);
	case CXLT_OP_SET: return cxlt_walk_set(w, k, i, word);
	case CXLT_OP_PUSH_VLAN:
	case CXLT_OP_POP_VLAN:
	case CXLT_OP_DEC_TTL: return cxlt_walk_edit(w, k, word, op);
	case CXLT_OP_GOTO:
		if (cxlt_op_arg(word) <= table || cxlt_op_arg(word) >= v->n_tables)
			return CXLT_R_BAD_GOTO;
		k->next = cxlt_op_arg(word);
		return 0;
	case CXLT_OP_PUNT: return CXLT_R_DEV_FIELD;
	default: return CXLT_R_BAD_PROGRAM;
	}
}

/* All ops of the rule in w->rule; 0 or the reason that ends the packet. */
CXLT_INLINE int cxlt_walk_program(const struct cxlt_view *v, struct cxlt_work *w, __u32 table)
{
	struct cxlt_walk *k = &w->walk;
	__u32 i, skip = 0;

	k->next = 0;
	CXLT_FOR(i, w->rule.n_prog, CXLT_PROG_MAX)
	{
		__u64 word;
		int rc;

		if (skip) {
			skip--;
			continue;
		}
		word = w->rule.prog[i];
		if (k->next)
			return CXLT_R_BAD_PROGRAM;
		rc = cxlt_walk_op(v, w, k, table, i, word);
		if (rc)
			return rc;
		skip = cxlt_op_words(cxlt_op_code(word)) - 1;
	}
	return 0;
}

CXLT_INLINE void cxlt_hit(struct cxlt_work *w)
{
	__u32 n = w->res.n_hits;

	w->res.cookie = w->rule.cookie;
	w->res.matched = 1;
	CXLT_OPAQUE(n);
	if (!w->rule.counters || n >= CXLT_HOPS_MAX)
		return;
	w->res.hits[n] = w->rule.counters;
	w->res.n_hits = n + 1;
}

/* Verdict and reason of a walk that ended with `reason` (0: it ran out of tables to visit). */
CXLT_INLINE void cxlt_conclude(const struct cxlt_view *v, struct cxlt_work *w,
			       const struct cxlt_walk *k, int reason)
{
	struct cxlt_result *r = &w->res;
	int device = v->flags & CXLT_VIEW_DEVICE;

	if (device && reason == CXLT_R_TABLE_MISS)
		reason = CXLT_R_DEV_MISS;
	switch (reason) {
	case 0:
	case CXLT_R_TABLE_MISS:
	case CXLT_R_TTL_EXPIRED:
		/* What was output before the end is output. */
		if (r->n_outputs)
			r->verdict = CXLT_V_OUTPUT;
		else if (r->flags & CXLT_RES_UPCALL)
			r->verdict = CXLT_V_CONTROLLER;
		else if (r->flags & CXLT_RES_LOCAL)
			r->verdict = CXLT_V_LOCAL;
		else
			r->verdict = CXLT_V_DROP;
		if (!reason)
			reason = r->verdict != CXLT_V_DROP ? CXLT_R_RULE
				 : k->only_in_port	   ? CXLT_R_ONLY_IN_PORT
							   : CXLT_R_RULE_DROP;
		break;
	case CXLT_R_UNSTABLE: r->verdict = device ? CXLT_V_PUNT : CXLT_V_UNSTABLE; break;
	case CXLT_R_BUDGET: r->verdict = device ? CXLT_V_PUNT : CXLT_V_OVERBUDGET; break;
	default: r->verdict = device ? CXLT_V_PUNT : CXLT_V_DROP;
	}
	r->reason = reason;
	if (reason >= CXLT_R_UNSTABLE || reason == CXLT_R_BAD_REF) {
		/* Nothing of an abandoned walk is executed or counted. */
		r->n_ops = 0;
		r->n_hits = 0;
		r->n_outputs = 0;
		r->flags = 0;
	}
}

/* One walk at one version; the reason that ended it. */
CXLT_INLINE int cxlt_walk_tables(const struct cxlt_view *v, struct cxlt_work *w,
				 struct cxlt_walk *k)
{
	__u32 hop, table = 0;

	CXLT_FOR(hop, CXLT_HOPS_MAX, CXLT_HOPS_MAX)
	{
		int rc;

		w->res.table = table;
		w->res.matched = 0;
		w->res.cookie = 0;
		rc = CXLT_CLASSIFY(v, w, table);
		if (rc < 0)
			return -rc;
		if (!rc)
			return CXLT_R_TABLE_MISS;
		cxlt_hit(w);
		rc = CXLT_WALK_PROGRAM(v, w, table);
		if (rc || !k->next)
			return rc;
		table = k->next;
	}
	return CXLT_R_BAD_GOTO;
}

/* Phase 1.  Afterwards w->res.verdict and .reason are set. */
CXLT_INLINE void cxlt_resolve(const struct cxlt_view *v, struct cxlt_work *w)
{
	const struct cxlt_control __arena *c = cxlt_line(v, v->control, 4);
	struct cxlt_walk *k = &w->walk;
	__u32 try, i;
	int reason = CXLT_R_UNSTABLE;

	w->budget = v->work_budget;
	w->n_lines = 0;
	w->n_probes = 0;
	CXLT_FOR(try, CXLT_TRIES, CXLT_TRIES)
	{
		*k = (struct cxlt_walk){0};
		for (i = 0; i < CXLT_KEY_WORDS; i++)
			w->key.w[i] = w->orig.w[i];
		w->chg.n = 0;
		w->chg.sum = 0;
		w->chg.pending = 0;
		w->res.n_ops = 0;
		w->res.n_hits = 0;
		w->res.n_outputs = 0;
		w->res.flags = 0;
		if (!c) {
			reason = CXLT_R_BAD_REF;
			break;
		}
		/* Pairs with the release of a commit in cxlt_bundle_commit(). */
		w->version = cxlt_load_acquire(&c->version);
		reason = cxlt_walk_tables(v, w, k);
		cxlt_read_barrier();
		if (cxlt_load_acquire(&c->floor) <= w->version)
			break;
		reason = CXLT_R_UNSTABLE;
	}
	cxlt_conclude(v, w, k, reason);
}

#endif
