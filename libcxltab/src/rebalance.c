// SPDX-License-Identifier: Apache-2.0
/*
 * Moves rules between the domains (reclaim.h).  A pass goes over the chunks of rules, not over lists
 * and buckets: a chunk says in which domain its entries lie and how large they are, keeps its kind for
 * good, and is a bounded piece of work.  What is read there is a hint; cxlt_entry_move() looks for the
 * entry again, under its chain's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/reclaim.h>
#include <cxltab/resolve.h>

#include "change_rule.h"

enum {
	MAX_MOVES = 1024,
	MAX_RULES = 1 << 19,
	SETTLE_MS = 1000,
	HOTTER = 2, /* times as many packets as whom it replaces */
};

struct candidate {
	double rate;   /* packets a second */
	__u64 packets; /* since the last look */
	__u64 seq;
	__u32 ref;
	__u32 tuple;
};

/* The n best of what was offered; the worst of them on top. */
struct best {
	struct candidate *at;
	__u32 n, room;
	int sign; /* 1: high rates are good, -1: low ones */
};

struct pass {
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	struct cxlt_view device;
	struct cxlt_rebalance_config cfg;
	struct cxlt_rebalance_result *out;
	__u64 now, settle;
	struct {
		__u32 id, ref;
	} *tuple; /* open addressing by id */
	__u32 tuple_mask;
	struct best hot, cold[CXLT_RULE_LINES_MAX + 1]; /* cold by lines of an entry */
	__u32 moves;
};

/* The best */

static bool worse(const struct best *b, __u32 i, __u32 j)
{
	return b->sign * (b->at[i].rate - b->at[j].rate) < 0;
}

static void swap(struct best *b, __u32 i, __u32 j)
{
	struct candidate c = b->at[i];

	b->at[i] = b->at[j];
	b->at[j] = c;
}

static void offer(struct best *b, const struct candidate *c)
{
	__u32 i = 0, k;

	if (b->n < b->room) {
		b->at[i = b->n++] = *c;
		for (; i && worse(b, i, (i - 1) / 2); i = (i - 1) / 2)
			swap(b, i, (i - 1) / 2);
		return;
	}
	if (!b->room || b->sign * (c->rate - b->at[0].rate) <= 0)
		return;
	b->at[0] = *c;
	while ((k = 2 * i + 1) < b->n) {
		if (k + 1 < b->n && worse(b, k + 1, k))
			k++;
		if (!worse(b, k, i))
			break;
		swap(b, k, i);
		i = k;
	}
}

static int by_rate(const void *a, const void *b)
{
	double x = ((const struct candidate *)a)->rate, y = ((const struct candidate *)b)->rate;

	return (x > y) - (x < y);
}

static bool best_init(struct best *b, __u32 room, int sign)
{
	*b = (struct best){.room = room, .sign = sign};
	b->at = room ? malloc(room * sizeof(*b->at)) : NULL;
	return b->at || !room;
}

/* Tuples by id, since that is what an entry names */

static __u32 tuple_slot(const struct pass *p, __u32 id)
{
	__u32 i = id * 0x9e3779b1U & p->tuple_mask;

	while (p->tuple[i].ref && p->tuple[i].id != id)
		i = (i + 1) & p->tuple_mask;
	return i;
}

/* The slice's tuples whose rules both domains may have; their number. */
static __u32 each_tuple(struct pass *p, bool note)
{
	__u32 i, j, n = 0;

	for (i = 0; i < p->s->dir.n_tables; i++) {
		__u64 list = cxlt_load_acquire(&cxlt_table_at(p->s, i)->list);
		const __u64 *items;

		items = CXLT_LIST_N(list) && CXLT_LIST_N(list) <= CXLT_TUPLES_MAX
				? cxlt_line(&p->s->view, CXLT_LIST_REF(list),
					    (CXLT_LIST_N(list) + 7) / 8)
				: NULL;
		for (j = 0; items && j < CXLT_LIST_N(list); j++) {
			__u64 item = cxlt_load(&items[j]);
			const struct cxlt_tuple *t =
				cxlt_line(&p->s->view, CXLT_ITEM_REF(item), CXLT_TUPLE_LINES);
			__u32 at;

			if (!t || CXLT_ITEM_FLAGS(item) & (CXLT_TUPLE_HOST | CXLT_TUPLE_SHADOW) ||
			    (note && n == p->tuple_mask / 2))
				continue;
			n++;
			if (!note)
				continue;
			at = tuple_slot(p, cxlt_load32(&t->id));
			p->tuple[at].id = cxlt_load32(&t->id);
			p->tuple[at].ref = CXLT_ITEM_REF(item);
		}
	}
	return n;
}

static int note_tuples(struct cxlt_writer *w, void *arg)
{
	struct pass *p = arg;
	__u32 n = each_tuple(p, false), size = 16;

	(void)w;
	while (size < 4 * n)
		size *= 2;
	free(p->tuple);
	p->tuple = calloc(size, sizeof(*p->tuple));
	if (!p->tuple)
		return cxlt_fail(-ENOMEM, "out of memory");
	p->tuple_mask = size - 1;
	each_tuple(p, true);
	return 0;
}

/* Looking */

/* The tuple of an entry's head word, if it is one that this release reads. */
static const struct cxlt_tuple *tuple_of(const struct pass *p, __u64 head, __u32 *ref)
{
	const struct cxlt_tuple *t;

	*ref = p->tuple[tuple_slot(p, (__u32)head)].ref;
	t = cxlt_line(&p->s->view, *ref, CXLT_TUPLE_LINES);
	return t && cxlt_load32(&t->id) == (__u32)head && t->kind == CXLT_KIND_RULE &&
			       t->n_words == ((head >> 48) & 0xff) && t->n_words <= CXLT_KEY_MAX
		       ? t
		       : NULL;
}

static bool can_execute(const struct pass *p, const __u64 *prog, __u32 n)
{
	__u32 i, op;

	for (i = 0; i < n; i += cxlt_op_words(op)) {
		__u64 word = cxlt_load(&prog[i]);

		op = cxlt_op_code(word);
		if (op == CXLT_OP_END || op >= CXLT_N_OPS || !cxlt_device_can(&p->device, word, op))
			return false;
	}
	return true;
}

/* What an entry says of itself while its sequence stands still. */
struct look {
	struct candidate c;
	__u64 created;
	__u32 counters;
	bool executable;
};

static bool look_at(const struct pass *p, __u32 ref, __u32 lines, struct look *l)
{
	const struct cxlt_rule *e = cxlt_at(p->s, ref);
	__u64 head;
	__u32 n_key, n_prog;

	l->c = (struct candidate){.ref = ref, .seq = cxlt_load_acquire(&e->seq)};
	head = cxlt_load((const __u64 *)&e->tuple_id);
	n_key = (head >> 48) & 0xff;
	n_prog = head >> 56;
	if (l->c.seq & 1 || n_prog > CXLT_PROG_MAX || !tuple_of(p, head, &l->c.tuple) ||
	    sizeof(*e) + (n_key + n_prog) * 8 > lines * (__u64)CXLT_LINE)
		return false;
	l->created = cxlt_load(&e->created);
	l->counters = cxlt_load32(&e->counters);
	l->executable = can_execute(p, &e->body[n_key], n_prog);
	cxlt_read_barrier();
	return cxlt_load(&e->seq) == l->c.seq;
}

/* The rule of a candidate, if it is still that; in a change. */
static bool change_of(struct pass *p, const struct candidate *c, struct change *out,
		      struct cxlt_rule_spec *spec)
{
	const struct cxlt_rule *e = cxlt_at(p->s, c->ref);
	__u64 head = cxlt_load((const __u64 *)&e->tuple_id);
	const struct cxlt_tuple *t;
	__u32 ref;

	t = tuple_of(p, head, &ref);
	if (!t || cxlt_load_acquire(&e->seq) != c->seq)
		return false;
	cxlt_spec_of(spec, t, e);
	cxlt_read_barrier();
	if (cxlt_load(&e->seq) != c->seq || spec->table >= p->s->dir.n_tables)
		return false;
	cxlt_change_init(out, p->w, spec, &spec->mask, 0);
	out->lines =
		(__u32)(sizeof(*e) + ((head >> 48 & 0xff) + (head >> 56)) * 8 + CXLT_LINE - 1) /
		CXLT_LINE;
	return cxlt_change_tuple(out);
}

/*
 * Packets a second since the last look, which is now; false if that was too short a time ago.  The
 * mark is a hint: who gets these counters next, before it is stored, will look hot or cold once.
 */
static bool heat(struct pass *p, struct look *l)
{
	struct cxlt_counters *c = cxlt_line(&p->s->view, l->counters, CXLT_COUNTER_LINES);
	__u64 marked = c ? cxlt_load(&c->host.marked) : 0, since = marked ? marked : l->created;
	__u64 packets, mark;

	if (since > p->now || p->now - since < p->settle)
		return false;
	if (!c)
		return true;
	if (cxlt_load(&c->host.before)) {
		struct cxlt_rule_spec spec;
		struct change change;

		if (change_of(p, &l->c, &change, &spec))
			cxlt_entry_settle(&change, l->c.ref);
	}
	packets = cxlt_counters_packets(p->s, l->counters);
	mark = cxlt_load(&c->host.mark);
	l->c.packets = packets < mark ? packets : packets - mark;
	l->c.rate = (double)l->c.packets * 1e9 / (double)(p->now - since);
	cxlt_store(&c->host.mark, packets);
	cxlt_store(&c->host.marked, p->now);
	return true;
}

static void weigh(struct pass *p, __u32 ref, __u32 lines)
{
	struct look l;

	if (!look_at(p, ref, lines, &l) || !heat(p, &l))
		return;
	if (ref < p->s->header.dev_lines) {
		/* What the device can't execute does it no good there. */
		if (!l.executable)
			l.c.rate = 0;
		offer(&p->cold[lines], &l.c);
	} else if (l.executable && l.c.rate > 0) {
		p->out->hot++;
		offer(&p->hot, &l.c);
	}
}

struct chunk_look {
	struct pass *p;
	__u32 chunk;
};

static int look_at_chunk(struct cxlt_writer *w, void *arg)
{
	const struct chunk_look *x = arg;
	struct pass *p = x->p;
	struct cxlt_chunk *c = (struct cxlt_chunk *)cxlt_at(p->s, p->s->dir.chunks) + x->chunk;
	__u32 lines = c->size, i, n;

	(void)w;
	if (c->kind != CXLT_KIND_RULE || !lines || lines > CXLT_RULE_LINES_MAX)
		return 0;
	n = CXLT_CHUNK_LINES / lines;
	for (i = 0; i < n; i++) {
		if (!(cxlt_load(&c->used[i / 64]) >> (i % 64) & 1))
			continue;
		p->out->looked++;
		weigh(p, p->s->dir.chunk0 + x->chunk * CXLT_CHUNK_LINES + i * lines, lines);
	}
	return 0;
}

/* Chunks [from, to), from *hand on and round, up to the budget. */
static int look_around(struct pass *p, __u32 from, __u32 to, __u32 *hand)
{
	__u64 end = p->out->looked + p->cfg.max_rules / 2;
	__u32 i;
	int rc = 0;

	if (*hand < from || *hand >= to)
		*hand = from;
	for (i = from; i < to && p->out->looked < end && !rc; i++) {
		struct chunk_look x = {p, *hand};

		rc = cxlt_change_run(p->w, look_at_chunk, &x);
		*hand = *hand + 1 < to ? *hand + 1 : from;
	}
	return rc;
}

/* Lines of the object that this rule is in; 0 if it is in none. */
static __u32 size_of(const struct pass *p, __u32 ref)
{
	__u32 i, object, size;

	if (!cxlt_chunk_of(p->s, CXLT_KIND_RULE, ref, &i, &object))
		return 0;
	size = ((struct cxlt_chunk *)cxlt_at(p->s, p->s->dir.chunks) + i)->size;
	return size <= CXLT_RULE_LINES_MAX ? size : 0;
}

/* Of each size as many as want to take their places. */
static int look_for_cold(struct pass *p, __u32 *hand)
{
	__u32 want[CXLT_RULE_LINES_MAX + 1] = {0}, i;

	for (i = 0; i < p->hot.n; i++)
		want[size_of(p, p->hot.at[i].ref)]++;
	for (i = 1; i <= CXLT_RULE_LINES_MAX; i++)
		if (!best_init(&p->cold[i], want[i], -1))
			return cxlt_fail(-ENOMEM, "out of memory");
	return look_around(p, 0, cxlt_device_chunks(p->s), hand);
}

/* Moving */

struct move {
	struct pass *p;
	const struct candidate *c;
	bool down;     /* to the host domain */
	bool counters; /* down: its counters as well */
};

/* An object on the wanted side of the limit, or 0. */
static __u32 object_there(struct move *m, int kind, __u32 lines)
{
	struct cxlt_slice *s = m->p->s;
	__u32 ref = cxlt_alloc_object(s, &m->p->w->alloc, kind, lines,
				      m->down ? CXLT_PLACE_HOST : CXLT_PLACE_DEVICE);

	if (ref && m->down && ref < s->header.dev_lines) {
		cxlt_free_object(s, &m->p->w->alloc, ref);
		return 0;
	}
	return ref;
}

/* Counters on that side, zeroed, if the rule needs them; 0 also if there are none. */
static __u32 counters_there(struct move *m, bool *needed)
{
	const struct cxlt_rule *e = cxlt_at(m->p->s, m->c->ref);
	__u32 old = cxlt_load32(&e->counters), dev = m->p->s->header.dev_lines, ref;

	*needed = m->down ? m->counters && old && old < dev : old >= dev;
	ref = *needed ? cxlt_counters_new(m->p->s, &m->p->w->alloc,
					  m->down ? CXLT_PLACE_HOST : CXLT_PLACE_DEVICE)
		      : 0;
	if (ref && m->down && ref < dev) {
		cxlt_free_object(m->p->s, &m->p->w->alloc, ref);
		return 0;
	}
	return ref;
}

/* -ENOSPC: no entry; -ENOBUFS: no counters. */
static int op_move(struct cxlt_writer *w, void *arg)
{
	struct move *m = arg;
	struct cxlt_rule_spec spec;
	bool needed, used = false;
	__u32 mine, fresh;
	struct change c;
	int rc;

	if (!change_of(m->p, m->c, &c, &spec))
		return -ENOENT;
	fresh = counters_there(m, &needed);
	if (needed && !fresh && !m->down)
		return -ENOBUFS;
	mine = object_there(m, CXLT_KIND_RULE, c.lines);
	rc = mine ? cxlt_entry_move(&c, m->c->ref, mine, fresh, &used) : -ENOSPC;
	/* Alone: what it names as `before` is another rule's. */
	if (fresh && (rc || !used))
		cxlt_free_object(w->slice, &w->alloc, fresh);
	if (!rc)
		cxlt_fetch_add(m->down ? &cxlt_control(w->slice)->demotions
				       : &cxlt_control(w->slice)->promotions,
			       1);
	return rc;
}

static int move(struct pass *p, const struct candidate *c, bool down, bool counters)
{
	struct move m = {p, c, down, counters};
	int rc = cxlt_change_run(p->w, op_move, &m);

	if (!rc) {
		p->moves++;
		p->out->demoted += down;
		p->out->promoted += !down;
	}
	return rc;
}

/* Makes room for `c` in the coldest one's place; -ENOENT if none is cold enough. */
static int make_way(struct pass *p, const struct candidate *c, bool counters)
{
	struct best *cold = &p->cold[size_of(p, c->ref)];
	int rc = -ENOENT;

	while (rc == -ENOENT || rc == -EAGAIN) {
		/* Sorted from warm to cold. */
		if (!cold->n || cold->at[cold->n - 1].rate * HOTTER >= c->rate)
			return -ENOENT;
		cold->n--;
		rc = move(p, &cold->at[cold->n], true, counters);
	}
	return rc;
}

/* Who waits keeps what it had: it was marked when we looked. */
static void stay_hot(struct pass *p, const struct candidate *c)
{
	const struct cxlt_rule *e = cxlt_at(p->s, c->ref);
	struct cxlt_counters *k =
		cxlt_line(&p->s->view, cxlt_load32(&e->counters), CXLT_COUNTER_LINES);

	p->out->waiting++;
	if (k && cxlt_load(&k->host.mark) >= c->packets)
		cxlt_store(&k->host.mark, cxlt_load(&k->host.mark) - c->packets);
}

static int promote(struct pass *p, const struct candidate *c)
{
	int rc = move(p, c, false, false);
	bool counters = rc == -ENOBUFS;

	if (rc == -ENOSPC || rc == -ENOBUFS) {
		rc = p->moves + 2 <= p->cfg.max_moves ? make_way(p, c, counters) : -ENOENT;
		if (rc) {
			p->out->cooler++;
			return rc == -EBUSY ? rc : 0;
		}
		rc = move(p, c, false, false);
	}
	if (rc == -ENOBUFS || rc == -EAGAIN)
		stay_hot(p, c);
	return rc == -EBUSY ? rc : 0;
}

static void sort(struct best *b)
{
	__u32 i;

	qsort(b->at, b->n, sizeof(*b->at), by_rate);
	/* The best one last. */
	for (i = 0; b->sign < 0 && i < b->n / 2; i++)
		swap(b, i, b->n - 1 - i);
}

static int move_all(struct pass *p)
{
	__u32 i;
	int rc = 0;

	sort(&p->hot);
	for (i = 1; i <= CXLT_RULE_LINES_MAX; i++)
		if (p->cold[i].n)
			sort(&p->cold[i]);
	for (i = p->hot.n; i && !rc && p->moves < p->cfg.max_moves; i--)
		rc = promote(p, &p->hot.at[i - 1]);
	return rc;
}

static int run(struct pass *p)
{
	struct cxlt_control *ctl = cxlt_control(p->s);
	__u64 hands = cxlt_load(&ctl->hands);
	__u32 dev = cxlt_device_chunks(p->s), device = (__u32)hands, host = (__u32)(hands >> 32);
	int rc = cxlt_change_run(p->w, note_tuples, p);

	if (!rc && !best_init(&p->hot, p->cfg.max_moves, 1))
		rc = cxlt_fail(-ENOMEM, "out of memory");
	if (!rc)
		rc = look_around(p, dev, p->s->dir.n_chunks, &host);
	if (!rc)
		rc = look_for_cold(p, &device);
	cxlt_store(&ctl->hands, (__u64)host << 32 | device);
	return rc ? rc : move_all(p);
}

int cxlt_slice_rebalance(struct cxlt_writer *w, const struct cxlt_rebalance_config *config,
			 struct cxlt_rebalance_result *out)
{
	struct pass p = {.w = w, .s = w->slice, .out = out, .now = cxlt_now_ns()};
	__u32 i;
	int rc;

	memset(out, 0, sizeof(*out));
	if (w->bundle.version)
		return cxlt_fail(-EBUSY, "a bundle is open");
	if (cxlt_device_chunks(p.s) == p.s->dir.n_chunks)
		return 0;
	if (config)
		p.cfg = *config;
	p.cfg.max_moves = p.cfg.max_moves ? p.cfg.max_moves : MAX_MOVES;
	p.cfg.max_rules = p.cfg.max_rules ? p.cfg.max_rules : MAX_RULES;
	p.settle = (p.cfg.settle_ms ? p.cfg.settle_ms : SETTLE_MS) * 1000000ULL;
	cxlt_slice_view(p.s, CXLT_VIEW_DEVICE, &p.device);
	rc = run(&p);
	free(p.tuple);
	free(p.hot.at);
	for (i = 1; i <= CXLT_RULE_LINES_MAX; i++)
		free(p.cold[i].at);
	return rc;
}

static int count_place(void *arg, const struct cxlt_rule_info *rule)
{
	struct cxlt_rule_places *out = arg;

	if (rule->host_match)
		out->host_match++;
	else if (rule->host_domain)
		out->spilled++;
	else
		out->device++;
	return 0;
}

int cxlt_slice_places(const struct cxlt_slice *s, struct cxlt_rule_places *out)
{
	const struct cxlt_control *ctl = cxlt_at(s, s->dir.control);

	memset(out, 0, sizeof(*out));
	out->promotions = cxlt_load(&ctl->promotions);
	out->demotions = cxlt_load(&ctl->demotions);
	return cxlt_rule_each(s, -1, count_place, out);
}
