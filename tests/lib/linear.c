// SPDX-License-Identifier: Apache-2.0
/* Linearizability by just-in-time linearization. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "linear.h"

enum {
	CONFIGS = 1 << 15, /* slots of the memory; a history that fills half of it is given up */
};

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The counter must have been read before anything after it is: loads run ahead of a read clock. */
static void barrier(void)
{
	atomic_thread_fence(memory_order_seq_cst);
#ifdef __x86_64__
	__builtin_ia32_lfence();
#endif
}

__u64 lin_begin(void)
{
	__u64 t = now();

	barrier();
	return t;
}

/* The fence empties the store buffer: what a caller can see of others' time begins there. */
__u64 lin_end(void)
{
	barrier();
	return now();
}

int lin_step(const struct lin_op *op, __u64 cell[LIN_CELLS])
{
	__u64 *c = &cell[op->cell], top = 0;
	int i;

	if (op->rc == LIN_UNKNOWN) { /* that it has no effect is the caller's other case */
		if ((op->kind == LIN_INSERT && *c) || op->kind >= LIN_READ ||
		    ((op->kind == LIN_MODIFY || op->kind == LIN_DELETE) && !*c))
			return 0;
		*c = op->kind == LIN_DELETE ? 0 : op->value;
		return 1;
	}
	switch (op->kind) {
	case LIN_INSERT:
		if (op->rc != (*c ? -EEXIST : 0))
			return 0;
		break;
	case LIN_MODIFY:
	case LIN_DELETE:
		if (op->rc != (*c ? 0 : -ENOENT))
			return 0;
		break;
	case LIN_ADD:
		if (op->rc != (*c ? 1 : 0))
			return 0;
		break;
	case LIN_PUT: break;
	case LIN_READ: return op->rc ? op->rc == -ENOENT && !*c : *c == op->value && *c;
	case LIN_WINNER:
		for (i = 0; i < LIN_CELLS; i++)
			top = cell[i] ? cell[i] : top;
		return op->rc ? op->rc == -ENOENT && !top : top == op->value && top;
	default: return 0;
	}
	if (op->rc >= 0)
		*c = op->kind == LIN_DELETE ? 0 : op->value;
	return 1;
}

struct config {
	__u64 done; /* of the open operations, those that have taken effect */
	__u64 cell[LIN_CELLS];
};

/* A set of configurations; those of an earlier event are forgotten by a new stamp. */
struct set {
	struct config *at;
	__u32 *stamp, *order;
	__u32 now, n;
};

static void set_clear(struct set *s)
{
	s->now++;
	s->n = 0;
}

/* Room for all that follow, too: a history of a few operations must not cost as many pages. */
static void set_ready(struct set *s)
{
	if (!s->at) {
		s->at = malloc(CONFIGS * sizeof(*s->at));
		s->stamp = calloc(CONFIGS, sizeof(*s->stamp));
		s->order = malloc(CONFIGS * sizeof(*s->order));
	}
	if (!s->at || !s->stamp || !s->order)
		abort();
	set_clear(s);
}

/* 1 if it is new. */
static int set_put(struct set *s, const struct config *c)
{
	__u64 h = c->done * 0x9e3779b97f4a7c15ULL;
	__u32 i;

	for (i = 0; i < LIN_CELLS; i++)
		h = (h ^ h >> 29 ^ c->cell[i]) * 0xbf58476d1ce4e5b9ULL;
	for (i = (h >> 32) & (CONFIGS - 1); s->stamp[i] == s->now; i = (i + 1) & (CONFIGS - 1))
		if (!memcmp(&s->at[i], c, sizeof(*c)))
			return 0;
	s->stamp[i] = s->now;
	s->at[i] = *c;
	s->order[s->n++] = i;
	return 1;
}

struct event {
	__u64 time;
	__u32 op;
	__u32 is_return;
};

/* Of equal times the invocation comes first: operations that touch are taken as concurrent. */
static int event_order(const void *pa, const void *pb)
{
	const struct event *a = pa, *b = pb;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->is_return != b->is_return)
		return a->is_return < b->is_return ? -1 : 1;
	return a->op < b->op ? -1 : a->op > b->op;
}

struct search {
	const struct lin_op *open[LIN_OPEN];
	__u64 busy;	      /* open[i] is in use */
	struct set set, seen; /* configurations before the event; explored at it */
	struct set next;
};

/*
 * Operation `s` returns: keeps what has it done, and otherwise lets open ones take effect, in
 * every order, until it has.  One whose outcome nobody knows may also not have happened.
 */
static int close_op(struct search *x, int s)
{
	__u64 bit = 1ULL << s;
	struct set swap;
	struct config c;
	__u32 i;
	int p;

	set_clear(&x->seen);
	set_clear(&x->next);
	for (i = 0; i < x->set.n; i++) {
		c = x->set.at[x->set.order[i]];
		if (c.done & bit) {
			c.done &= ~bit;
			set_put(&x->next, &c);
			continue;
		}
		set_put(&x->seen, &c);
		if (x->open[s]->rc == LIN_UNKNOWN)
			set_put(&x->next, &c);
	}
	for (i = 0; i < x->seen.n; i++) {
		if (x->seen.n > CONFIGS / 2 || x->next.n > CONFIGS / 2)
			return -1;
		c = x->seen.at[x->seen.order[i]];
		for (p = 0; p < LIN_OPEN; p++) {
			struct config to = c;

			if (!(x->busy >> p & 1) || c.done >> p & 1 ||
			    !lin_step(x->open[p], to.cell))
				continue;
			if (p == s) {
				set_put(&x->next, &to);
			} else {
				to.done |= 1ULL << p;
				set_put(&x->seen, &to);
			}
		}
	}
	x->busy &= ~bit;
	swap = x->set;
	x->set = x->next;
	x->next = swap;
	return x->set.n != 0;
}

int lin_check(const struct lin_op *ops, size_t n, const __u64 *initial, struct lin_op *bad)
{
	struct event *e = malloc((2 * n + 1) * sizeof(*e));
	__u8 *slot = malloc(n + 1);
	struct config start = {0};
	struct lin_op *copy = malloc((n + 1) * sizeof(*copy));
	static struct search x;
	int ok = 1, s;
	size_t i;

	if (!e || !slot || !copy)
		abort();
	set_ready(&x.set);
	set_ready(&x.seen);
	set_ready(&x.next);
	x.busy = 0;
	if (initial)
		memcpy(start.cell, initial, sizeof(start.cell));
	set_put(&x.set, &start);
	for (i = 0; i < n; i++) {
		copy[i] = ops[i];
		if (!copy[i].ret) {
			copy[i].ret = ~0ULL;
			copy[i].rc = LIN_UNKNOWN;
		}
		e[2 * i] = (struct event){copy[i].invoke, i, 0};
		e[2 * i + 1] = (struct event){copy[i].ret, i, 1};
	}
	qsort(e, 2 * n, sizeof(*e), event_order);
	for (i = 0; i < 2 * n && ok == 1; i++) {
		__u32 op = e[i].op;

		if (e[i].is_return) {
			ok = close_op(&x, slot[op]);
			if (!ok && bad)
				*bad = ops[op];
			continue;
		}
		for (s = 0; s < LIN_OPEN && x.busy >> s & 1; s++)
			;
		if (s == LIN_OPEN) {
			ok = -1;
			break;
		}
		slot[op] = s;
		x.open[s] = &copy[op];
		x.busy |= 1ULL << s;
	}
	free(copy);
	free(slot);
	free(e);
	return ok;
}

static int by_object(const void *pa, const void *pb)
{
	const struct lin_op *a = pa, *b = pb;

	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return a->invoke < b->invoke ? -1 : a->invoke > b->invoke;
}

static void show(const struct lin_op *op, __u64 zero)
{
	static const char *const name[LIN_N_KINDS] = {"insert", "modify", "delete", "add",
						      "put",	"read",	  "winner"};

	fprintf(stderr, "  %12lld .. %12lld  %3u %s[%u] %llx: %d\n", (long long)(op->invoke - zero),
		op->ret ? (long long)(op->ret - zero) : -1, op->who, name[op->kind], op->cell,
		op->value, op->rc);
}

int lin_check_all(struct lin_op *ops, size_t n, const __u64 *initial)
{
	size_t i, j, k;
	int failed = 0;

	qsort(ops, n, sizeof(*ops), by_object);
	for (i = 0; i < n; i = j) {
		struct lin_op bad = {0};
		int ok, shown = 0;

		for (j = i; j < n && ops[j].object == ops[i].object; j++)
			;
		ok = lin_check(ops + i, j - i,
			       initial ? initial + (size_t)ops[i].object * LIN_CELLS : NULL, &bad);
		if (ok == 1)
			continue;
		if (failed++ > 2)
			continue;
		fprintf(stderr, "linear: object %u, %zu operations: %s\n", ops[i].object, j - i,
			ok ? "too many are open to tell" : "no order explains the last of these:");
		for (k = j; k > i; k--) /* where the ones that may matter begin */
			if (ops[k - 1].ret && ops[k - 1].ret < bad.invoke && shown++ > 12)
				break;
		for (; !ok && k < j && ops[k].invoke <= bad.ret; k++)
			if (memcmp(&ops[k], &bad, sizeof(bad)) != 0)
				show(&ops[k], bad.invoke);
		if (!ok)
			show(&bad, bad.invoke);
	}
	return failed;
}
