// SPDX-License-Identifier: Apache-2.0
/*
 * Writers and readers beside each other: is what they saw explained by one operation at a time?
 *
 * Actors, threads or processes with a writer handle each, fall upon a few keys, and record when each
 * operation began, when it returned and what it said; lin_check() (linear.h) looks for an order.
 * A timer makes each actor give up its CPU at random instructions, so that others meet it halfway.
 * SCALE= multiplies the operations.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "gen.h"
#include "linear.h"
#include "oracle.h"

/* ---- The checker itself ---- */

/* One line of a hand-made history: who matters only for the reader. */
#define OP(from, until, k, v, result) \
	{.invoke = (from), .ret = (until), .kind = LIN_##k, .value = (v), .rc = (result)}
#define JUDGE(...)                                                   \
	({                                                           \
		const struct lin_op h_[] = {__VA_ARGS__};            \
		lin_check(h_, sizeof(h_) / sizeof(*h_), NULL, NULL); \
	})

Test(linear, accepts_what_some_order_explains)
{
	cr_expect_eq(JUDGE(OP(1, 2, READ, 0, -ENOENT)), 1);
	/* The insert takes effect between two reads that run beside it. */
	cr_expect_eq(
		JUDGE(OP(1, 9, INSERT, 7, 0), OP(2, 3, READ, 0, -ENOENT), OP(4, 5, READ, 7, 0)), 1);
	/* Three at once, in the one order that fits: insert 1, delete, insert 2. */
	cr_expect_eq(JUDGE(OP(1, 9, INSERT, 2, 0), OP(1, 9, DELETE, 0, 0), OP(1, 9, INSERT, 1, 0),
			   OP(10, 11, READ, 2, 0)),
		     1);
	cr_expect_eq(JUDGE(OP(1, 2, ADD, 1, 0), OP(3, 4, ADD, 2, 1), OP(5, 6, INSERT, 3, -EEXIST),
			   OP(7, 8, MODIFY, 4, 0), OP(9, 10, DELETE, 0, 0),
			   OP(11, 12, DELETE, 0, -ENOENT), OP(13, 14, MODIFY, 5, -ENOENT)),
		     1);
	/* Whose outcome nobody knows: it may have happened, late, or not at all. */
	cr_expect_eq(JUDGE(OP(1, 9, INSERT, 7, LIN_UNKNOWN), OP(2, 3, READ, 0, -ENOENT),
			   OP(4, 5, READ, 7, 0), OP(10, 11, READ, 7, 0)),
		     1);
	cr_expect_eq(JUDGE(OP(1, 9, INSERT, 7, LIN_UNKNOWN), OP(10, 11, READ, 0, -ENOENT)), 1);
	cr_expect_eq(
		JUDGE(OP(1, 0, INSERT, 7, 0), OP(10, 11, READ, 0, -ENOENT), OP(12, 13, READ, 7, 0)),
		1, "has not returned");
}

Test(linear, refuses_a_lost_update)
{
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 6, MODIFY, 2, 0), OP(4, 7, MODIFY, 3, 0),
			   OP(8, 9, READ, 1, 0)),
		     0);
	/* Deleted once, found again. */
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 4, DELETE, 0, 0), OP(5, 6, READ, 1, 0)),
		     0);
	cr_expect_eq(JUDGE(OP(1, 2, ADD, 1, 0), OP(3, 5, ADD, 2, 0)), 0, "that replaced");
}

Test(linear, refuses_a_stale_read)
{
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 4, READ, 0, -ENOENT)), 0);
	/* One reader has seen the new value: the next one may not see the old. */
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 12, MODIFY, 2, 0), OP(4, 5, READ, 2, 0),
			   OP(6, 7, READ, 1, 0)),
		     0);
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 12, MODIFY, 2, 0), OP(4, 7, READ, 2, 0),
			   OP(6, 8, READ, 1, 0)),
		     1, "those two overlap");
	cr_expect_eq(JUDGE(OP(1, 2, READ, 1, 0), OP(3, 4, INSERT, 1, 0)), 0, "from the future");
	/* What nobody knows has happened by its end, or never. */
	cr_expect_eq(JUDGE(OP(1, 9, INSERT, 7, LIN_UNKNOWN), OP(10, 11, READ, 0, -ENOENT),
			   OP(12, 13, READ, 7, 0)),
		     0);
}

Test(linear, refuses_a_double_insert)
{
	cr_expect_eq(JUDGE(OP(1, 4, INSERT, 1, 0), OP(2, 5, INSERT, 2, 0)), 0);
	cr_expect_eq(JUDGE(OP(1, 4, INSERT, 1, 0), OP(2, 5, INSERT, 2, -EEXIST)), 1);
	cr_expect_eq(JUDGE(OP(1, 4, INSERT, 1, 0), OP(2, 5, INSERT, 2, 0), OP(1, 6, DELETE, 0, 0)),
		     1);
	cr_expect_eq(JUDGE(OP(1, 2, INSERT, 1, 0), OP(3, 9, DELETE, 0, 0), OP(4, 8, DELETE, 0, 0)),
		     0, "deleted twice");
}

Test(linear, refuses_a_winner_of_two_moments)
{
	struct lin_op h[] = {
		OP(1, 2, ADD, 50, 0),  /* allow, cell 0 */
		OP(3, 4, ADD, 100, 0), /* drop, above it */
		OP(5, 6, WINNER, 50, 0),
	};

	cr_expect_eq(lin_check(h, 3, NULL, NULL), 0, "one cell");
	h[1].cell = 3;
	cr_expect_eq(lin_check(h, 3, NULL, NULL), 0);
	h[2].value = 100;
	cr_expect_eq(lin_check(h, 3, NULL, NULL), 1);
	h[2] = (struct lin_op)OP(3, 6, WINNER, 50, 0);
	cr_expect_eq(lin_check(h, 3, NULL, NULL), 1, "it began before the drop returned");
}

/* Wing and Gong without memory: tries every order. */
static int brute_force(const struct lin_op *h, int n, __u32 done, const __u64 *cell)
{
	__u64 first_return = ~0ULL, next[LIN_CELLS];
	int i;

	if (done == (1U << n) - 1)
		return 1;
	for (i = 0; i < n; i++)
		if (!(done >> i & 1) && h[i].ret < first_return)
			first_return = h[i].ret;
	for (i = 0; i < n; i++) {
		if (done >> i & 1 || h[i].invoke > first_return)
			continue;
		memcpy(next, cell, sizeof(next));
		if (lin_step(&h[i], next) && brute_force(h, n, done | 1U << i, next))
			return 1;
		if (h[i].rc == LIN_UNKNOWN && brute_force(h, n, done | 1U << i, cell))
			return 1;
	}
	return 0;
}

Test(linear, judges_small_histories_as_a_trial_of_all_orders_does)
{
	static const int results[LIN_N_KINDS][2] = {{0, -EEXIST}, {0, -ENOENT}, {0, -ENOENT},
						    {0, 1},	  {0, 0},	{0, -ENOENT},
						    {0, -ENOENT}};
	const __u64 none[LIN_CELLS] = {0};
	struct rnd r = rnd_new("linear/judges");
	__u32 yes = 0, n_all = rnd_scaled(8000);

	for (__u32 k = 0; k < n_all; k++) {
		int n = 3 + rnd_below(&r, 4), want, i;
		__u64 cell[LIN_CELLS] = {0};
		struct lin_op h[6];

		for (i = 0; i < n; i++) { /* true results in the order i, some of them spoilt */
			int kind = rnd_below(&r, LIN_N_KINDS), c = rnd_below(&r, 2);
			__u64 at = 4 * i + 20,
			      seen = kind == LIN_WINNER && cell[1] ? cell[1] : cell[c];

			h[i] = (struct lin_op){.invoke = at - rnd_below(&r, 20),
					       .ret = at + rnd_below(&r, 20),
					       .kind = kind,
					       .cell = c,
					       .value = i + 1};
			if (kind == LIN_WINNER)
				seen = cell[1] ? cell[1] : cell[0];
			if (kind >= LIN_READ)
				h[i].value = seen;
			h[i].rc = results[kind]
					 [kind == LIN_INSERT || kind == LIN_ADD ? !!seen : !seen];
			lin_step(&h[i], cell);
			if (rnd_one_in(&r, 8))
				h[i].rc = kind < LIN_READ ? LIN_UNKNOWN : h[i].rc;
			else if (rnd_one_in(&r, 6))
				h[i].rc = results[kind][rnd_below(&r, 2)];
			else if (kind >= LIN_READ && seen && rnd_one_in(&r, 3))
				h[i].value = 1 + rnd_below(&r, n);
		}
		want = brute_force(h, n, 0, none);
		yes += want;
		cr_assert_eq(lin_check(h, n, NULL, NULL), want, "history %u", k);
	}
	cr_expect(yes > n_all / 5 && yes < n_all * 4 / 5, "%u of %u can be explained", yes, n_all);
}

/* ---- Actors ---- */

enum {
	ACTORS_MAX = 8,
	BATCH = 8,
};

enum subject {
	EXACT,
	ONE_TUPLE, /* rules with one match, of different priorities: chains */
	TUPLES,	   /* rules with different masks, few enough for their tuples to come and go */
};

struct actor;

struct shape {
	const char *name;
	void (*write)(struct actor *); /* NULL: write_once() */
	enum subject subject;
	int processes;
	__u32 writers, readers;
	__u32 hot;     /* objects that are written */
	__u32 ballast; /* exact keys that stay, to be displaced */
	__u64 entries;
	int grow;      /* CXLT_EXACT_* */
	__u32 inserts; /* of 16 operations of a writer */
	__u64 ops;     /* of each actor */
};

/* What an actor says to the others; the operation that is under way is the last one. */
struct record {
	_Atomic __u64 n;
	_Atomic pid_t pid;
	_Atomic __u64 longest; /* ns that an operation took */
	_Atomic __u64 busy;
	char busy_text[256];
	struct lin_op op[];
};

struct world {
	struct shape s;
	struct fixture f;
	struct rnd r;
	__u32 table, n_actors;
	struct cxlt_usage before;
	void *memory;
	size_t size, stride;
	_Atomic __u32 *flags; /* 0: ready, 1: stop, 2: 1 + who is stopped */
};

struct actor {
	struct world *w;
	struct record *rec;
	struct fixture f;
	struct rnd r;
	__u32 who;
	pthread_t thread;
	pid_t pid;
	struct cxlt_work work;
};

static struct world w0;
static struct actor actors[ACTORS_MAX];

static struct record *record_of(const struct world *w, __u32 who)
{
	return (void *)((char *)w->memory + 64 + who * w->stride);
}

static void exact_key(__u32 object, __u64 key[2])
{
	key[0] = (object + 1) * 0x10001ULL;
	key[1] = object;
}

/* The rule of a cell: each of the object's rules matches the object's packet, `value`. */
static struct cxlt_rule_spec rule_of(const struct world *w, __u32 object, __u32 cell, __u64 cookie,
				     __u64 *prog)
{
	struct cxlt_rule_spec spec = gen_output(0, 10 + 10 * cell, cookie, prog);

	*prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, (__u32)cookie);
	CXLT_KEY_SET(&spec.value, ETH_TYPE, 0x800);
	CXLT_KEY_SET(&spec.value, IN_PORT, 3);
	CXLT_KEY_SET(&spec.value, IPV4_SRC, 0x0a000001 + object);
	CXLT_KEY_SET(&spec.value, IPV4_DST, 0x0b000001 + (object << 8));
	CXLT_KEY_SET(&spec.value, ETH_DST, 0x020000000001ULL + object);
	gen_set_field(&spec.mask, CXLT_F_IPV4_SRC, 0xffffffff);
	if (w->s.subject == TUPLES) { /* each cell in a tuple and a dimension of its own */
		if (cell == 1)
			gen_set_field(&spec.mask, CXLT_F_IN_PORT, 0xffffffff);
		if (cell == 2)
			gen_set_field(&spec.mask, CXLT_F_ETH_DST, 0xffffffffffffULL);
		if (cell == 3)
			gen_set_field(&spec.mask, CXLT_F_IPV4_DST, 0xffffffff);
		if (cell != 1)
			gen_set_field(&spec.mask, CXLT_F_ETH_TYPE, 0xffff);
	}
	return spec;
}

static int exact_perform(struct actor *a, struct lin_op *op)
{
	__u64 key[2], val[2] = {op->value, ~op->value};
	int rc;

	exact_key(op->object, key);
	switch (op->kind) {
	case LIN_INSERT: return cxlt_exact_insert(a->f.w, a->w->table, key, val);
	case LIN_MODIFY: return cxlt_exact_modify(a->f.w, a->w->table, key, val);
	case LIN_DELETE: return cxlt_exact_delete(a->f.w, a->w->table, key);
	default:
		rc = cxlt_exact_find(&a->f.host, a->w->table, key, 2, val, 2);
		op->value = rc ? 0 : val[1] == ~val[0] ? val[0] : ~0ULL;
		return rc;
	}
}

static int rule_perform(struct actor *a, struct lin_op *op)
{
	struct cxlt_rule_info info;
	struct cxlt_rule_spec spec;
	__u32 added;
	__u64 prog;
	int rc;

	spec = rule_of(a->w, op->object, op->cell, op->value, &prog);
	spec.prog = &prog;
	switch (op->kind) {
	case LIN_ADD: return cxlt_rule_add(a->f.w, &spec);
	case LIN_PUT:
		rc = cxlt_rule_add_batch(a->f.w, 1, &spec, &added);
		return rc < 0 ? rc : added == 1 ? 0 : -EIO;
	case LIN_MODIFY: return cxlt_rule_modify(a->f.w, &spec);
	case LIN_DELETE: return cxlt_rule_delete(a->f.w, &spec);
	case LIN_READ:
		rc = cxlt_rule_get(a->f.s, &spec, &info);
		if (!rc)
			op->value = (__u32)info.cookie == (__u32)info.prog[0] ? info.cookie : ~0ULL;
		return rc;
	default:
		rc = fixture_classify(&a->f.host, &a->work, 0, &spec.value);
		if (rc > 0)
			op->value = (__u32)a->work.rule.cookie == (__u32)a->work.rule.prog[0]
					    ? a->work.rule.cookie
					    : ~0ULL;
		return rc > 0 ? 0 : !rc ? -ENOENT : -EAGAIN;
	}
}

/* Carries out one operation, with a record of it before and after. */
static int perform(struct actor *a, int kind, __u32 object, __u32 cell)
{
	struct record *rec = a->rec;
	struct lin_op *op = &rec->op[rec->n], o = {.kind = kind, .object = object, .cell = cell};
	__u64 took;

	o.who = a->who;
	o.value = kind < LIN_READ ? (__u64)(a->who + 1) << 28 | (rec->n + 1) : 0;
	*op = o;
	op->invoke = o.invoke = lin_begin();
	rec->n++; /* from here on it may have happened */
	o.rc = a->w->s.subject == EXACT ? exact_perform(a, &o) : rule_perform(a, &o);
	o.ret = lin_end();
	op->value = o.value;
	op->rc = o.rc;
	__atomic_store_n(&op->ret, o.ret, __ATOMIC_RELEASE);
	took = o.ret - o.invoke;
	if (took > rec->longest && a->w->flags[2] != a->who + 1)
		rec->longest = took;
	if (o.rc == -EBUSY && !rec->busy++)
		snprintf(rec->busy_text, sizeof(rec->busy_text), "%s", cxlt_error_text());
	return o.rc;
}

static void find_batch(struct actor *a)
{
	__u64 key[BATCH][2], val[BATCH][2], begin;
	const __u64 *keys[BATCH];
	__u64 *vals[BATCH];
	struct lin_op *op = &a->rec->op[a->rec->n];
	__u32 i;
	int rc[BATCH];

	for (i = 0; i < BATCH; i++) {
		op[i] = (struct lin_op){
			.kind = LIN_READ,
			.object = rnd_below(&a->r, a->w->s.hot + a->w->s.ballast),
			.who = a->who,
		};
		exact_key(op[i].object, key[i]);
		keys[i] = key[i];
		vals[i] = val[i];
	}
	begin = lin_begin();
	cxlt_exact_find_batch(&a->f.host, a->w->table, keys, BATCH, 2, vals, 2, rc);
	for (i = 0; i < BATCH; i++) {
		op[i].rc = rc[i];
		op[i].value = rc[i] ? 0 : val[i][1] == ~val[i][0] ? val[i][0] : ~0ULL;
		op[i].invoke = begin;
	}
	begin = lin_end();
	for (i = 0; i < BATCH; i++)
		op[i].ret = begin;
	a->rec->n += BATCH;
}

static void write_once(struct actor *a)
{
	const struct shape *s = &a->w->s;
	__u32 object = rnd_below(&a->r, s->hot), cell = rnd_below(&a->r, LIN_CELLS);
	__u32 how = rnd_below(&a->r, 16);

	if (s->subject == EXACT)
		perform(a,
			how < s->inserts ? LIN_INSERT
			: how < 12	 ? LIN_DELETE
			: how < 14	 ? LIN_MODIFY
					 : LIN_READ,
			object, 0);
	else
		perform(a,
			how < s->inserts ? LIN_ADD
			: how < 12	 ? LIN_DELETE
			: how < 13	 ? LIN_PUT
			: how < 14	 ? LIN_MODIFY
			: how < 15	 ? LIN_READ
					 : LIN_WINNER,
			object, cell);
}

static void read_once(struct actor *a)
{
	const struct shape *s = &a->w->s;

	if (s->subject == EXACT && rnd_one_in(&a->r, 4))
		find_batch(a);
	else
		perform(a, s->subject != EXACT && rnd_one_in(&a->r, 2) ? LIN_WINNER : LIN_READ,
			rnd_below(&a->r, s->hot + s->ballast),
			s->subject == EXACT ? 0 : rnd_below(&a->r, LIN_CELLS));
}

/* Gives up the CPU at some instruction or other; async-signal-safe. */
static void yield(int sig)
{
	int saved = errno;

	sched_yield();
	errno = saved;
}

static void nudge(struct rnd *r, timer_t *timer)
{
	long ns = 50000 + rnd_below(r, 200000);
	struct itimerspec when = {{0, ns}, {0, ns}};
	struct sigaction sa = {.sa_handler = yield, .sa_flags = SA_RESTART};
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};

	ev._sigev_un._tid = gettid();
	sigaction(SIGUSR1, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, timer) || timer_settime(*timer, 0, &when, NULL))
		_exit(3);
}

static void *act(void *arg)
{
	struct actor *a = arg;
	const struct shape *s = &a->w->s;
	_Atomic __u32 *flags = a->w->flags;
	timer_t timer;

	nudge(&a->r, &timer);
	flags[0]++;
	while (flags[0] < a->w->n_actors)
		sched_yield();
	while (a->rec->n < s->ops && !flags[1]) {
		if (a->who < s->writers && s->write)
			s->write(a);
		else if (a->who < s->writers)
			write_once(a);
		else
			read_once(a);
		if (flags[2] &&
		    flags[2] != a->who + 1) /* a second isn't to be filled with history */
			usleep(500);
	}
	timer_delete(timer);
	return NULL;
}

static void start(struct world *w, __u32 who)
{
	struct actor *a = &actors[who];

	a->w = w;
	a->who = who;
	a->rec = record_of(w, who);
	a->r = rnd_fork(&w->r);
	if (!w->s.processes) {
		fixture_attach(&a->f, cxlt_slice_fd(w->f.s), 1);
		cr_assert_eq(pthread_create(&a->thread, NULL, act, a), 0);
		return;
	}
	a->pid = fork();
	cr_assert_geq(a->pid, 0);
	if (!a->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fixture_attach(&a->f, cxlt_slice_fd(w->f.s), 1);
		act(a);
		fixture_close(&a->f);
		_exit(0);
	}
	a->rec->pid = a->pid;
}

static void join(struct world *w)
{
	for (__u32 i = 0; i < w->n_actors; i++) {
		struct actor *a = &actors[i];
		int status;

		if (w->s.processes) {
			cr_assert_eq(waitpid(a->pid, &status, 0), a->pid);
			cr_assert(WIFEXITED(status) && !WEXITSTATUS(status), "actor %u: %x", i,
				  status);
		} else {
			pthread_join(a->thread, NULL);
			fixture_close(&a->f);
		}
	}
}

static __u64 ballast_value(__u32 object)
{
	return 1ULL << 60 | object;
}

/* A slice in which all that is laid out on first need has been laid out. */
static struct world *begin(const struct shape *shape)
{
	struct world *w = &w0;
	__u32 i, j;

	memset(w, 0, sizeof(*w));
	w->s = *shape;
	w->s.ops = rnd_scaled(shape->ops);
	w->r = rnd_new(shape->name);
	w->n_actors = shape->writers + shape->readers;
	/* + 1: the end is recorded by the test itself; find_batch() may go beyond by a batch. */
	w->stride = sizeof(struct record) + (w->s.ops + BATCH + 1) * sizeof(struct lin_op);
	w->size = 64 + w->stride * w->n_actors;
	w->memory = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(w->memory, MAP_FAILED);
	w->flags = w->memory;
	fixture_open(&w->f, 4 << 20);
	if (shape->subject == EXACT) {
		cr_assert_eq(cxlt_exact_create(w->f.w, "t", 2, 2, shape->entries, shape->grow), 0,
			     "%s", cxlt_error_text());
		w->table = cxlt_exact_open(w->f.s, "t");
	}
	for (j = 0; j < LIN_CELLS && shape->subject != EXACT; j++) {
		__u64 prog;
		struct cxlt_rule_spec spec = rule_of(w, 0, j, 1, &prog);

		spec.prog = &prog;
		cr_assert_eq(cxlt_rule_add(w->f.w, &spec), 0, "%s", cxlt_error_text());
		cr_assert_eq(cxlt_rule_delete(w->f.w, &spec), 0, "%s", cxlt_error_text());
	}
	cxlt_slice_usage(w->f.s, &w->before);
	for (i = 0; i < shape->ballast; i++) {
		__u64 key[2],
			val[2] = {ballast_value(shape->hot + i), ~ballast_value(shape->hot + i)};

		exact_key(shape->hot + i, key);
		cr_assert_eq(cxlt_exact_insert(w->f.w, w->table, key, val), 0, "%s",
			     cxlt_error_text());
	}
	return w;
}

/* All operations that had or may have had an effect, and room for the last look. */
static struct lin_op *collect(struct world *w, size_t *n, __u64 counts[4])
{
	size_t room = (size_t)(w->s.hot + w->s.ballast) * LIN_CELLS;
	struct lin_op *all;
	__u32 i;
	__u64 k;

	for (i = 0; i < w->n_actors; i++)
		room += record_of(w, i)->n;
	all = malloc(room * sizeof(*all));
	cr_assert_not_null(all);
	*n = 0;
	for (i = 0; i < w->n_actors; i++)
		for (k = 0; k < record_of(w, i)->n; k++) {
			const struct lin_op *op = &record_of(w, i)->op[k];
			int none = op->rc == -EBUSY    ? 1
				   : op->rc == -ENOSPC ? 2
				   : op->rc == -EAGAIN ? 3
						       : 0;

			counts[none]++;
			if (!none || !op->ret)
				all[(*n)++] = *op;
		}
	return all;
}

/* Everything is deleted: the slice must be what it was. */
static void empty(struct world *w, __u32 object, __u32 cell)
{
	__u64 prog, key[2];
	struct cxlt_rule_spec spec;
	int rc;

	if (w->s.subject == EXACT) {
		exact_key(object, key);
		rc = cxlt_exact_delete(w->f.w, w->table, key);
	} else {
		spec = rule_of(w, object, cell, 0, &prog);
		rc = cxlt_rule_delete(w->f.w, &spec);
	}
	cr_assert(!rc || rc == -ENOENT, "%d: %s", rc, cxlt_error_text());
}

/* The last look at each cell is part of the history, which must be explained as a whole. */
static void finish(struct world *w)
{
	__u32 n_objects = w->s.hot + w->s.ballast, cells = w->s.subject == EXACT ? 1 : LIN_CELLS, i,
	      j;
	__u64 *initial = calloc(n_objects, LIN_CELLS * sizeof(__u64)), counts[4] = {0}, there = 0;
	struct record *last = record_of(w, 0);
	struct actor self = {.w = w, .rec = last, .f = w->f, .who = 99};
	struct cxlt_usage after;
	struct lin_op *all;
	size_t n;

	cr_assert_not_null(initial);
	all = collect(w, &n, counts);
	for (i = 0; i < n_objects; i++) {
		if (i >= w->s.hot)
			initial[i * LIN_CELLS] = ballast_value(i);
		for (j = 0; j < cells; j++) {
			last->n = 0;
			there += !perform(&self, LIN_READ, i, j);
			all[n++] = last->op[0];
		}
	}
	fprintf(stderr, "%s: %zu operations, %llu busy, %llu without room, %llu unstable\n",
		w->s.name, n, counts[1], counts[2], counts[3]);
	cr_expect_eq(lin_check_all(all, n, initial), 0, "%s", w->s.name);
	cr_expect_leq(counts[3], counts[0] / 20 + 10, "%llu unstable", counts[3]);
	cr_expect_eq(oracle_check(w->f.s), 0);
	if (w->s.subject != EXACT)
		cr_expect_eq(cxlt_table_rules(w->f.s, 0), there);
	for (i = 0; i < n_objects; i++)
		for (j = 0; j < cells; j++)
			empty(w, i, j);
	if (w->s.subject != EXACT)
		cr_expect_eq(cxlt_table_tuples(w->f.s, 0), 0);
	cr_expect_eq(oracle_check(w->f.s), 0);
	cxlt_slice_usage(w->f.s, &after);
	if (w->s.grow == CXLT_EXACT_GROW) { /* the one array that is left */
		const struct cxlt_tuple *t = cxlt_line(&w->f.host, w->table, CXLT_EXACT_LINES);
		__u32 log2 = CXLT_GEO_LOG2(t->geo);

		cr_expect_geq(7ULL << log2, there, "it has not grown");
		cr_expect_eq(after.used[CXLT_KIND_BUCKETS], 1ULL << log2);
		w->before.used[CXLT_KIND_BUCKETS] = after.used[CXLT_KIND_BUCKETS];
	}
	cr_expect(fixture_same_usage(&w->before, &after), "%s",
		  fixture_usage_difference(&w->before, &after));
	free(all);
	free(initial);
	munmap(w->memory, w->size);
	fixture_close(&w->f);
}

static void live(const struct shape *shape)
{
	struct world *w = begin(shape);

	for (__u32 i = 0; i < w->n_actors; i++)
		start(w, i);
	join(w);
	finish(w);
}

/* A name for each of the two worlds, one body. */
#define BOTH(claim, ...)                                                                   \
	Test(linear, threads_##claim, .timeout = 120)                                      \
	{                                                                                  \
		live(&(struct shape){.name = "linear/threads_" #claim, __VA_ARGS__});      \
	}                                                                                  \
	Test(linear, processes_##claim, .timeout = 120)                                    \
	{                                                                                  \
		live(&(struct shape){                                                      \
			.name = "linear/processes_" #claim, .processes = 1, __VA_ARGS__}); \
	}

/* 8 buckets with 56 slots: nearly every insert displaces something. */
BOTH(on_four_keys, .subject = EXACT, .writers = 4, .readers = 2, .hot = 4, .ballast = 50,
     .entries = 50, .inserts = 6, .ops = 24000)
BOTH(in_a_table_that_overflows, .subject = EXACT, .writers = 4, .readers = 2, .hot = 64,
     .entries = 50, .inserts = 10, .ops = 24000)
BOTH(with_entries_near_their_buckets, .subject = EXACT, .writers = 4, .readers = 2, .hot = 64,
     .ballast = 500, .entries = 500, .grow = CXLT_EXACT_NEAR, .inserts = 10, .ops = 16000)
BOTH(in_a_table_that_grows, .subject = EXACT, .writers = 4, .readers = 2, .hot = 1500, .entries = 4,
     .grow = 1, .inserts = 10, .ops = 20000)
BOTH(on_rules_of_one_match, .subject = ONE_TUPLE, .writers = 4, .readers = 2, .hot = 5,
     .inserts = 6, .ops = 16000)
BOTH(on_tuples_that_come_and_go, .subject = TUPLES, .writers = 4, .readers = 2, .hot = 2,
     .inserts = 5, .ops = 16000)
/* The list stands still, so that the change words alone tell that a winner is of one moment. */
BOTH(on_tuples_that_stay, .subject = TUPLES, .writers = 3, .readers = 4, .hot = 12, .inserts = 7,
     .ops = 12000)

/* ---- What is more than one call ---- */

static void must(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "linear: %s: %s\n", what, cxlt_error_text());
		abort();
	}
}

/* Reads, adds one and stores, under the lock; others do the same, or write beside it without. */
static void count_once(struct actor *a)
{
	__u64 key[2], val[2], other[2] = {a->who, 99};
	int rc;

	if (rnd_one_in(&a->r, 3)) {
		rc = cxlt_exact_insert(a->f.w, a->w->table, other, other);
		must(!rc || rc == -EBUSY || rc == -EEXIST, "insert beside the lock");
		rc = cxlt_exact_delete(a->f.w, a->w->table, other);
		must(!rc || rc == -EBUSY || rc == -ENOENT, "delete beside the lock");
		return;
	}
	if (cxlt_writer_lock(a->f.w) == -EBUSY)
		return;
	exact_key(0, key);
	do
		rc = cxlt_exact_find(&a->f.host, a->w->table, key, 2, val, 2);
	while (rc == -EAGAIN);
	must(!rc && val[1] == ~val[0], "find under the lock");
	val[0]++;
	val[1] = ~val[0];
	must(!cxlt_exact_modify(a->f.w, a->w->table, key, val), "modify under the lock");
	cxlt_writer_unlock(a->f.w);
	a->rec->n++;
}

static void all_count(int processes)
{
	struct world *w = begin(&(struct shape){.name = "linear/lock",
						.write = count_once,
						.subject = EXACT,
						.processes = processes,
						.writers = 4,
						.hot = 1,
						.entries = 50,
						.ops = 20000});
	__u64 key[2], val[2] = {0, ~0ULL};
	__u32 i;

	exact_key(0, key);
	cr_assert_eq(cxlt_exact_insert(w->f.w, w->table, key, val), 0);
	for (i = 0; i < w->n_actors; i++)
		start(w, i);
	join(w);
	cr_assert_eq(cxlt_exact_find(&w->f.host, w->table, key, 2, val, 2), 0);
	cr_expect_eq(val[0], w->n_actors * w->s.ops, "%llu of %llu", val[0],
		     w->n_actors * w->s.ops);
	cr_expect_eq(oracle_check(w->f.s), 0);
	fixture_close(&w->f);
}

Test(linear, threads_exclude_each_other_by_the_lock, .timeout = 120)
{
	all_count(0);
}

Test(linear, processes_exclude_each_other_by_the_lock, .timeout = 120)
{
	all_count(1);
}

static void key_in_batch(__u32 who, __u64 i, __u64 key[2])
{
	key[0] = i + 1;
	key[1] = who;
}

static struct cxlt_rule_spec rule_in_batch(__u32 who, __u64 i, const __u64 *prog)
{
	struct cxlt_rule_spec spec = gen_output(1, 7 + i % 3, i, prog);

	gen_set_field(&spec.mask, CXLT_F_IPV4_SRC, 0xffffffff);
	gen_set_field(&spec.value, CXLT_F_IPV4_SRC, who << 24 | (__u32)i);
	if (i & 4)
		gen_set_field(&spec.mask, CXLT_F_IN_PORT, 0xffffffff);
	return spec;
}

/* A batch of each sort; what a -EBUSY has left out is stored one by one. */
static void store_batches(struct actor *a)
{
	static const __u64 out1 = 0x0100000000000001;
	struct cxlt_rule_spec spec[BATCH];
	__u64 key[BATCH][2], i;
	__u32 added = 0, k;
	long n;
	int rc;

	for (i = 0; i < BATCH; i++) {
		key_in_batch(a->who, a->rec->n + i, key[i]);
		spec[i] = rule_in_batch(a->who, a->rec->n + i, &out1);
	}
	n = cxlt_exact_insert_batch(a->f.w, a->w->table, BATCH, key[0], key[0]);
	must(n == BATCH || n == -EBUSY, "insert_batch");
	for (i = 0; n != BATCH && i < BATCH; i++) {
		do
			rc = cxlt_exact_insert(a->f.w, a->w->table, key[i], key[i]);
		while (rc == -EBUSY);
		must(!rc || rc == -EEXIST, "insert");
	}
	rc = cxlt_rule_add_batch(a->f.w, BATCH, spec, &added);
	must((!rc && added == BATCH) || rc == -EBUSY, "add_batch");
	for (k = added; k < BATCH; k++) {
		do
			rc = cxlt_rule_add(a->f.w, &spec[k]);
		while (rc == -EBUSY);
		must(rc == 0, "add");
	}
	a->rec->n += BATCH;
}

static void all_store(int processes)
{
	struct world *w = begin(&(struct shape){.name = "linear/batches",
						.write = store_batches,
						.subject = EXACT,
						.processes = processes,
						.writers = 4,
						.hot = 1,
						.entries = 10,
						.grow = 1,
						.ops = 1200});
	__u64 key[2], val[2], k, missing = 0;
	struct cxlt_rule_info info;
	__u32 i;

	for (i = 0; i < w->n_actors; i++)
		start(w, i);
	join(w);
	for (i = 0; i < w->n_actors; i++)
		for (k = 0; k < record_of(w, i)->n; k++) {
			struct cxlt_rule_spec spec = rule_in_batch(i, k, NULL);

			key_in_batch(i, k, key);
			missing += cxlt_exact_find(&w->f.host, w->table, key, 2, val, 2) != 0 ||
				   val[0] != key[0] || cxlt_rule_get(w->f.s, &spec, &info) != 0 ||
				   info.cookie != k;
		}
	cr_expect_eq(missing, 0, "%llu are lost", missing);
	cr_expect_eq(cxlt_table_rules(w->f.s, 1), w->n_actors * record_of(w, 0)->n);
	cr_expect_eq(oracle_check(w->f.s), 0);
	fixture_close(&w->f);
}

Test(linear, threads_lose_nothing_of_their_batches, .timeout = 120)
{
	all_store(0);
}

Test(linear, processes_lose_nothing_of_their_batches, .timeout = 120)
{
	all_store(1);
}

/* ---- Death and sleep ---- */

static __u64 clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Whoever takes the lock has met all that the dead have left. */
static void settle(struct world *w, struct lin_op **dead, __u32 *n)
{
	int rc, tries;
	__u64 end;

	/* Nobody is stopped, but on a busy machine the lock may be somebody else's for a second. */
	for (tries = 0; (rc = cxlt_writer_lock(w->f.w)) == -EBUSY && tries < 10; tries++)
		;
	cr_assert_eq(rc, 0, "%s", cxlt_error_text());
	cxlt_writer_unlock(w->f.w);
	end = lin_end();
	while (*n) {
		struct lin_op *op = dead[--*n];

		op->rc = LIN_UNKNOWN;
		op->ret = end;
	}
}

/*
 * Writers die at random instructions.  An operation that was under way has happened or has not;
 * what it has done shows before somebody has taken the lock, or never.
 */
static void live_and_die(const struct shape *shape)
{
	struct world *w = begin(shape);
	__u64 until = clock_ms() + 900;
	__u32 kills = 0, halfway = 0, n_dead = 0, i;
	struct lin_op *dead[8];

	for (i = 0; i < w->n_actors; i++)
		start(w, i);
	while (clock_ms() < until) {
		struct actor *a = &actors[rnd_below(&w->r, w->s.writers)];
		struct record *rec = a->rec;
		int status;

		usleep(1000 + rnd_below(&w->r, 8000));
		kill(a->pid, SIGKILL);
		cr_assert_eq(waitpid(a->pid, &status, 0), a->pid);
		cr_assert(WIFSIGNALED(status) || !WEXITSTATUS(status), "%x", status);
		kills += WIFSIGNALED(status);
		if (rec->n && !rec->op[rec->n - 1].ret) {
			dead[n_dead++] = &rec->op[rec->n - 1];
			halfway++;
		}
		/* Mostly it is the other writers who find the traces first. */
		if (n_dead == 4 || rnd_one_in(&w->r, 4))
			settle(w, dead, &n_dead);
		start(w, a->who);
	}
	w->flags[1] = 1;
	join(w);
	settle(w, dead, &n_dead);
	fprintf(stderr, "%s: %u killed, %u halfway\n", shape->name, kills, halfway);
	/* Under a sanitizer, which makes births slow, too few die for that to mean anything. */
	if (kills >= 40)
		cr_expect_gt(halfway, kills / 10, "hardly any died in the middle");
	finish(w);
}

Test(linear, killed_writers_of_an_exact_table, .timeout = 120)
{
	live_and_die(&(struct shape){.name = "linear/killed_writers_of_an_exact_table",
				     .subject = EXACT,
				     .processes = 1,
				     .writers = 3,
				     .readers = 1,
				     .hot = 40,
				     .ballast = 20,
				     .entries = 50,
				     .inserts = 9,
				     .ops = 150000});
}

Test(linear, killed_writers_of_a_table_that_grows, .timeout = 120)
{
	live_and_die(&(struct shape){.name = "linear/killed_writers_of_a_table_that_grows",
				     .subject = EXACT,
				     .processes = 1,
				     .writers = 3,
				     .readers = 1,
				     .hot = 3000,
				     .entries = 4,
				     .grow = 1,
				     .inserts = 12,
				     .ops = 150000});
}

Test(linear, killed_writers_of_rules, .timeout = 120)
{
	live_and_die(&(struct shape){.name = "linear/killed_writers_of_rules",
				     .subject = ONE_TUPLE,
				     .processes = 1,
				     .writers = 3,
				     .readers = 1,
				     .hot = 5,
				     .inserts = 6,
				     .ops = 100000});
}

Test(linear, killed_writers_of_tuples, .timeout = 120)
{
	live_and_die(&(struct shape){.name = "linear/killed_writers_of_tuples",
				     .subject = TUPLES,
				     .processes = 1,
				     .writers = 3,
				     .readers = 1,
				     .hot = 2,
				     .inserts = 5,
				     .ops = 100000});
}

/* Does the text hold the number of one of the actors' processes? */
static int names_an_actor(const struct world *w, const char *text)
{
	while (*text) {
		char *end;
		long n = strtol(text, &end, 10);

		if (end == text) {
			text++;
			continue;
		}
		for (__u32 i = 0; i < w->n_actors; i++)
			if (record_of(w, i)->pid == n)
				return 1;
		text = end;
	}
	return 0;
}

/*
 * A stopped writer is not dead.  Nobody waits for it longer than told, and when it wakes it goes on
 * where it was: its operation takes effect then, in its own time.
 */
static void live_and_sleep(const struct shape *shape)
{
	struct world *w = begin(shape);
	__u64 busy = 0, longest = 0, until = clock_ms() + 4000;
	__u32 stops, i;

	for (i = 0; i < w->n_actors; i++)
		start(w, i);
	while (w->flags[0] < w->n_actors)
		usleep(1000);
	for (stops = 0; stops < 20 && !busy && clock_ms() < until; stops++) {
		struct actor *a = &actors[rnd_below(&w->r, w->s.writers)];
		__u64 since, slept = clock_ms();

		usleep(1000 + rnd_below(&w->r, 3000));
		w->flags[2] = a->who + 1;
		cr_assert_eq(kill(a->pid, SIGSTOP), 0);
		/* As long as somebody waits; if it stopped where it is in nobody's way, not long. */
		for (since = clock_ms(); clock_ms() < since + 60 && !busy;) {
			__u64 n[ACTORS_MAX];

			for (i = 0; i < w->n_actors; i++)
				n[i] = record_of(w, i)->n;
			usleep(20000);
			for (i = 0; i < w->s.writers; i++) {
				struct record *rec = record_of(w, i);

				busy += rec->busy;
				if (i != a->who && rec->n == n[i] && clock_ms() < slept + 6000)
					since = clock_ms();
			}
		}
		cr_assert_eq(kill(a->pid, SIGCONT), 0);
		usleep(1000);
		w->flags[2] = 0;
	}
	w->flags[1] = 1;
	join(w);
	for (i = 0; i < w->n_actors; i++) {
		struct record *rec = record_of(w, i);

		longest = rec->longest > longest ? rec->longest : longest;
		if (rec->busy)
			cr_expect(names_an_actor(w, rec->busy_text),
				  "'%s' names none of the writers", rec->busy_text);
	}
	fprintf(stderr, "%s: stopped %u times, %llu busy, longest %.2f s\n", shape->name, stops,
		busy, longest / 1e9);
	cr_expect_lt(longest, 5000000000ULL, "%.1f s", longest / 1e9);
	finish(w);
}

Test(linear, stopped_writers_of_an_exact_table, .timeout = 120)
{
	live_and_sleep(&(struct shape){.name = "linear/stopped_writers_of_an_exact_table",
				       .subject = EXACT,
				       .processes = 1,
				       .writers = 3,
				       .readers = 1,
				       .hot = 40,
				       .ballast = 20,
				       .entries = 50,
				       .inserts = 9,
				       .ops = 1600000});
}

Test(linear, stopped_writers_of_rules, .timeout = 120)
{
	live_and_sleep(&(struct shape){.name = "linear/stopped_writers_of_rules",
				       .subject = TUPLES,
				       .processes = 1,
				       .writers = 3,
				       .readers = 1,
				       .hot = 2,
				       .inserts = 5,
				       .ops = 1600000});
}
