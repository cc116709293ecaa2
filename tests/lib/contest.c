// SPDX-License-Identifier: Apache-2.0
/* Writers of exact_write.h and of writer.h in one table. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cxltab/exact.h>
#include "contest.h"
#include "linear.h"
#include "rand.h"

enum {
	KEYS = 600,    /* contest_alone() */
	OWN = 60,      /* keys of a party */
	SHARED = 8,    /* keys of all parties */
	BALLAST = 290, /* keys that stay */
	WRITERS = 2,
	PARTIES = 4, /* the first WRITERS of them are userspace writers */
};

/* Key numbers, by what they are for. */
#define KEY_OWN(who) ((who) * 1000)
#define KEY_SHARED   100000
#define KEY_BALLAST  200000

static void key_of(__u64 n, __u64 key[WRITE_KEY])
{
	__u32 w;

	for (w = 0; w < WRITE_KEY; w++)
		key[w] = write_word(n, w);
}

/* The stock that a command uses is that of the CPU where it runs. */
static void pin(__u32 cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* with one CPU, so be it */
}

static struct cxlt_tuple *tuple_of(const struct contest *c)
{
	return cxlt_line(&c->f.host, c->tuple, CXLT_EXACT_LINES);
}

static struct cxlt_stock *stock_of(const struct contest *c, __u32 cpu)
{
	__u64 word = tuple_of(c)->stock;

	return cxlt_line(&c->f.host, CXLT_STOCK_REF(word) + (cpu << CXLT_STOCK_LOG2(word)), 1);
}

__u64 contest_stocked(const struct contest *c, __u32 cpu)
{
	return cxlt_load(&stock_of(c, cpu)->n);
}

void contest_table(struct contest *c, __u32 entries, __u32 cpus, __u32 per_cpu)
{
	cr_assert_eq(cxlt_exact_create(c->f.w, "t", WRITE_KEY, WRITE_VAL, entries, 0), 0, "%s",
		     cxlt_error_text());
	c->tuple = cxlt_exact_open(c->f.s, "t");
	c->slots = (__u32)CXLT_BUCKET_SLOTS << CXLT_GEO_LOG2(tuple_of(c)->geo);
	c->cpus = cpus;
	c->per_cpu = per_cpu;
	cr_assert_eq(cxlt_exact_stock(c->f.w, c->tuple, cpus, per_cpu), 0, "%s", cxlt_error_text());
}

/* One command on CPU 0; its result. */
static int command(struct contest *c, enum write_op op, __u64 n, __u64 val)
{
	struct write_command cmd = {.op = op, .result = 99, .val = {val}};

	key_of(n, cmd.key);
	cr_assert_eq(c->commands(c, 0, &cmd, 1), 0);
	return cmd.result;
}

/* The value of key n, or 0; -EAGAIN proves nothing and is asked again. */
static __u64 look(const struct contest *c, __u64 n)
{
	__u64 key[WRITE_KEY], val = 0;
	int rc, try;

	key_of(n, key);
	for (try = 0; try < 1000; try++) {
		rc = cxlt_exact_find(&c->f.host, c->tuple, key, WRITE_KEY, &val, WRITE_VAL);
		if (rc != -EAGAIN)
			break;
	}
	return rc ? 0 : val;
}

static int user_insert(struct contest *c, __u64 n, __u64 val)
{
	__u64 key[WRITE_KEY];

	key_of(n, key);
	return cxlt_exact_insert(c->f.w, c->tuple, key, &val);
}

static int user_delete(struct contest *c, __u64 n)
{
	__u64 key[WRITE_KEY];

	key_of(n, key);
	return cxlt_exact_delete(c->f.w, c->tuple, key);
}

/* ---- Alone ---- */

/* What the command should have said, where there is room; the key's value afterwards. */
static int expected(const struct write_command *cmd, __u64 *value)
{
	int rc = cmd->op == WRITE_PUT ? (*value ? -EEXIST : 0) : (*value ? 0 : -ENOENT);

	if (!rc && !cmd->result)
		*value = cmd->op == WRITE_REMOVE ? 0 : cmd->val[0];
	return rc;
}

void contest_alone(struct contest *c, const char *name)
{
	__u64 value[KEYS] = {0}, ops = rnd_scaled(30000), done, last = 0;
	struct write_command cmd[WRITE_COMMANDS];
	__u32 in = 0, full = 0, number[WRITE_COMMANDS], n, i;
	struct rnd r = rnd_new(name);

	pin(0);
	for (done = 0; done < ops; done += n) {
		n = 1 + rnd_below(&r, WRITE_COMMANDS);
		for (i = 0; i < n; i++) {
			number[i] = rnd_below(&r, KEYS);
			cmd[i] = (struct write_command){
				.op = WRITE_PUT + rnd_below(&r, 3), .result = 99, .val = {++last}};
			if (cmd[i].op == WRITE_REMOVE && in < c->slots * 9 / 10)
				cmd[i].op = WRITE_PUT;
			key_of(number[i], cmd[i].key);
		}
		cr_assert_eq(c->commands(c, 0, cmd, n), 0);
		for (i = 0; i < n; i++) {
			__u64 was = value[number[i]];
			int want = expected(&cmd[i], &value[number[i]]);

			in += !was && value[number[i]];
			in -= was && !value[number[i]];
			full += cmd[i].result == -ENOSPC;
			if (!want && cmd[i].op == WRITE_PUT && cmd[i].result == -ENOSPC)
				cr_assert_gt(in, c->slots * 7 / 8, "no room at %u of %u", in,
					     c->slots);
			else
				cr_assert_eq(cmd[i].result, want, "op %u: %d instead of %d",
					     cmd[i].op, cmd[i].result, want);
		}
		for (i = 0; i < n; i++)
			cr_assert_eq(look(c, number[i]), value[number[i]]);
		cr_assert_eq(contest_stocked(c, 0) + in, c->per_cpu, "a line is lost");
	}
	for (i = 0; i < KEYS; i++)
		cr_assert_eq(look(c, i), value[i]);
	fprintf(stderr, "%u of %u slots taken at the end; no room: %u times\n", in, c->slots, full);
}

/* ---- Beside userspace writers ---- */

struct party {
	struct contest *c;
	struct cxlt_writer *w; /* NULL: one that commands */
	__u32 who;
	struct rnd r;
	__u64 value[OWN]; /* of the keys of its own; 0: absent */
	__u64 last;
	struct lin_op *op; /* on shared keys */
	size_t n_op, room;
	__u64 left;	/* operations to do */
	__u64 count[4]; /* done, busy, no room, misses and duplicates */
	char bad[128];
	_Atomic int ended;
	pthread_t thread;
};

static _Atomic int over;

static void bad(struct party *p, const char *format, ...)
{
	va_list ap;

	if (p->bad[0])
		return;
	va_start(ap, format);
	vsnprintf(p->bad, sizeof(p->bad), format, ap);
	va_end(ap);
}

static void write_one(struct party *p, struct write_command *cmd)
{
	if (cmd->op == WRITE_PUT)
		cmd->result = cxlt_exact_insert(p->w, p->c->tuple, cmd->key, cmd->val);
	else if (cmd->op == WRITE_SET)
		cmd->result = cxlt_exact_modify(p->w, p->c->tuple, cmd->key, cmd->val);
	else
		cmd->result = cxlt_exact_delete(p->w, p->c->tuple, cmd->key);
}

static void record(struct party *p, const struct lin_op *op)
{
	/* Of reads between busy commands there may be any number. */
	if (op->kind != LIN_READ || p->n_op < p->room - 2 * WRITE_COMMANDS)
		p->op[p->n_op++] = *op;
}

static void judge(struct party *p, const struct write_command *cmd, __u32 key, __u64 from,
		  __u64 until)
{
	static const __u8 kind[] = {
		[WRITE_PUT] = LIN_INSERT, [WRITE_SET] = LIN_MODIFY, [WRITE_REMOVE] = LIN_DELETE};
	int want;

	if (cmd->result == -EBUSY && !p->w) {
		p->count[1]++;
	} else if (cmd->result == -ENOSPC && cmd->op != WRITE_REMOVE) {
		p->count[2]++;
	} else if (key >= OWN) {
		record(p, &(struct lin_op){.invoke = from,
					   .ret = until,
					   .value = cmd->val[0],
					   .object = key - OWN,
					   .rc = (__s16)cmd->result,
					   .kind = kind[cmd->op],
					   .who = p->who});
		p->count[cmd->result ? 3 : 0]++;
	} else {
		want = expected(cmd, &p->value[key]);
		if (cmd->result != want)
			bad(p, "own key %u, op %u: %d instead of %d", key, cmd->op, cmd->result,
			    want);
		p->count[cmd->result ? 3 : 0]++;
	}
}

static void read_shared(struct party *p, __u32 object)
{
	struct lin_op op = {.object = object, .kind = LIN_READ, .who = p->who};
	__u64 key[WRITE_KEY];
	int rc;

	key_of(KEY_SHARED + object, key);
	op.invoke = lin_begin();
	rc = cxlt_exact_find(&p->c->f.host, p->c->tuple, key, WRITE_KEY, &op.value, WRITE_VAL);
	op.ret = lin_end();
	op.rc = (__s16)rc;
	if (rc != -EAGAIN)
		record(p, &op);
}

static void step(struct party *p)
{
	struct write_command cmd[WRITE_COMMANDS];
	__u32 n = p->w ? 1 : 1 + rnd_below(&p->r, WRITE_COMMANDS), key[WRITE_COMMANDS], i, mine;
	__u64 from, until, used = 0, busy = p->count[1];
	int rc = 0;

	for (i = 0; i < n; i++) {
		do /* a key once in a packet, for its result is judged by what came before */
			key[i] = rnd_one_in(&p->r, 4) ? OWN + rnd_below(&p->r, SHARED)
						      : rnd_below(&p->r, OWN);
		while (key[i] < OWN && used >> key[i] & 1);
		if (key[i] < OWN)
			used |= 1ULL << key[i];
		cmd[i] = (struct write_command){.op = WRITE_PUT + rnd_below(&p->r, 3),
						.result = 99,
						.val = {(__u64)(p->who + 1) << 40 | ++p->last}};
		key_of(key[i] < OWN ? KEY_OWN(p->who) + key[i] : KEY_SHARED + key[i] - OWN,
		       cmd[i].key);
	}
	from = lin_begin();
	if (p->w)
		write_one(p, cmd);
	else
		rc = p->c->commands(p->c, p->who, cmd, n);
	until = lin_end();
	if (rc)
		bad(p, "the commands weren't carried out: %d", rc);
	for (i = 0; i < n; i++)
		judge(p, &cmd[i], key[i], from, until);
	busy = p->count[1] - busy;
	p->left -= n - busy < p->left ? n - busy : p->left;
	if (busy) /* for this one's time slice, perhaps */
		sched_yield();
	mine = rnd_below(&p->r, OWN);
	if (look(p->c, KEY_OWN(p->who) + mine) != p->value[mine])
		bad(p, "own key %u has another value", mine);
	read_shared(p, rnd_below(&p->r, SHARED));
}

static void *party_main(void *arg)
{
	struct party *p = arg;

	pin(p->who % 2);
	while (p->left && !p->bad[0])
		step(p);
	p->ended = 1;
	return NULL;
}

/* For whom keys that nobody changes must always be there, wherever they are moved. */
static void *reader_main(void *arg)
{
	struct party *p = arg;

	while (!over && !p->bad[0]) {
		__u32 i = rnd_below(&p->r, BALLAST);

		if (look(p->c, KEY_BALLAST + i) != 1 + i)
			bad(p, "key %u, which stays, is not there", i);
		p->count[0]++;
	}
	return NULL;
}

static void party_begin(struct party *p, struct contest *c, __u32 who, struct rnd *r, __u64 ops)
{
	p->c = c;
	p->who = who;
	p->r = rnd_fork(r);
	p->left = ops;
	/* Each operation is one on a shared key at most, and each step reads one. */
	p->room = 2 * ops + 4 * WRITE_COMMANDS;
	p->op = calloc(p->room, sizeof(*p->op));
	cr_assert_not_null(p->op);
	if (who < WRITERS)
		cr_assert_eq(cxlt_writer_open(c->f.s, &p->w), 0, "%s", cxlt_error_text());
}

static void party_end(struct party *p)
{
	static const char *const what[] = {"userspace writer", "commander"};
	__u32 i;

	cr_assert_eq(p->bad[0], 0, "%s %u: %s", what[!p->w], p->who, p->bad);
	for (i = 0; i < OWN; i++)
		cr_assert_eq(look(p->c, KEY_OWN(p->who) + i), p->value[i], "%s %u lost key %u",
			     what[!p->w], p->who, i);
	fprintf(stderr, "%s %u: %llu done, %llu absent or there, %llu busy, %llu without room\n",
		what[!p->w], p->who, p->count[0], p->count[3], p->count[1], p->count[2]);
	cxlt_writer_close(p->w);
}

/* The history of the shared keys, with what is there at the end. */
static void judge_history(struct party *p, struct party *last)
{
	struct lin_op *all;
	size_t n = 0, i;

	for (i = 0; i < SHARED; i++)
		read_shared(last, i);
	for (i = 0; i < PARTIES; i++)
		n += p[i].n_op;
	all = calloc(n, sizeof(*all));
	cr_assert_not_null(all);
	for (n = 0, i = 0; i < PARTIES; i++) {
		memcpy(all + n, p[i].op, p[i].n_op * sizeof(*all));
		n += p[i].n_op;
		free(p[i].op);
	}
	cr_expect_eq(lin_check_all(all, n, NULL), 0, "no order explains what was seen");
	free(all);
}

void contest_beside(struct contest *c, const char *name)
{
	static struct party p[PARTIES + 1];
	struct timespec pause = {0, 2000000};
	__u64 ops = rnd_scaled(20000), turns = 0;
	struct rnd r = rnd_new(name);
	__u32 i, running;
	int rc;

	for (i = 0; i < BALLAST; i++)
		cr_assert_eq(user_insert(c, KEY_BALLAST + i, 1 + i), 0, "%s", cxlt_error_text());
	for (i = 0; i <= PARTIES; i++)
		party_begin(&p[i], c, i, &r, ops);
	for (i = 0; i <= PARTIES; i++)
		cr_assert_eq(pthread_create(&p[i].thread, NULL,
					    i < PARTIES ? party_main : reader_main, &p[i]),
			     0);
	do { /* what userspace has deleted of their lines, they get again; alone */
		rc = cxlt_exact_stock(c->f.w, c->tuple, c->cpus, c->per_cpu);
		cr_assert_eq(rc, 0, "%d: %s", rc, cxlt_error_text());
		turns++;
		nanosleep(&pause, NULL);
		for (i = running = 0; i < PARTIES; i++)
			running += !p[i].ended;
	} while (running);
	over = 1;
	for (i = 0; i <= PARTIES; i++)
		pthread_join(p[i].thread, NULL);
	for (i = 0; i < PARTIES; i++)
		party_end(&p[i]);
	cr_assert_eq(p[PARTIES].bad[0], 0, "reader: %s", p[PARTIES].bad);
	for (i = 0; i < BALLAST; i++)
		cr_assert_eq(look(c, KEY_BALLAST + i), 1 + i);
	judge_history(p, &p[0]);
	fprintf(stderr, "reader: %llu lookups; the slice was had alone %llu times\n",
		p[PARTIES].count[0], turns);
}

/* ---- Busy ---- */

static void expect_all_busy(struct contest *c, __u64 there, __u64 absent)
{
	__u64 val = look(c, there), stocked = contest_stocked(c, 0);

	cr_expect_eq(command(c, WRITE_PUT, absent, 1), -EBUSY);
	cr_expect_eq(command(c, WRITE_SET, there, 1), -EBUSY);
	cr_expect_eq(command(c, WRITE_REMOVE, there, 0), -EBUSY);
	cr_expect_eq(look(c, there), val);
	cr_expect_eq(look(c, absent), 0);
	cr_expect_eq(contest_stocked(c, 0), stocked);
}

struct homes {
	struct cxlt_bucket *home, *other;
};

static struct homes homes_of(const struct contest *c, __u64 n)
{
	const struct cxlt_tuple *t = tuple_of(c);
	__u32 mask = (1U << CXLT_GEO_LOG2(t->geo)) - 1, i1;
	struct cxlt_bucket *b = cxlt_line(&c->f.host, CXLT_GEO_REF(t->geo), mask + 1);
	__u64 key[WRITE_KEY], h;

	key_of(n, key);
	h = cxlt_exact_hash(c->f.host.secrets, t->secret, key, WRITE_KEY);
	i1 = (__u32)h & mask;
	return (struct homes){&b[i1], &b[cxlt_hash_other(i1, cxlt_hash_tag(h), mask)]};
}

static int is_full(const struct cxlt_bucket *b)
{
	__u32 i;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++)
		if (!b->slot[i])
			return 0;
	return 1;
}

/* The absent key whose home is the same bucket as key n's. */
static __u64 neighbour(const struct contest *c, __u64 n)
{
	__u64 k = 1000000;

	while (homes_of(c, k).home != homes_of(c, n).home)
		k++;
	return k;
}

void contest_busy(struct contest *c)
{
	struct cxlt_intent *in = cxlt_line(&c->f.host, c->f.host.intents + CXLT_WRITER_BPF, 1);
	__u64 k, m;
	struct homes at;

	pin(0);
	cr_assert_eq(command(c, WRITE_PUT, 1, 11), 0);
	cr_assert_eq(cxlt_writer_lock(c->f.w), 0);
	expect_all_busy(c, 1, 2);
	cxlt_writer_unlock(c->f.w);
	cr_expect_eq(command(c, WRITE_SET, 1, 12), 0);
	cr_expect_eq(look(c, 1), 12);

	/* The holder of the home bucket may be what this program has interrupted. */
	m = neighbour(c, 1);
	homes_of(c, 1).home->meta |= CXLT_META_OWNED(7);
	expect_all_busy(c, 1, m);
	homes_of(c, 1).home->meta &= ~CXLT_META_OWNED(0xff);
	cr_expect_eq(command(c, WRITE_PUT, m, 5), 0);
	cr_expect_eq(command(c, WRITE_REMOVE, m, 0), 0);

	/* A key that lives in its alternate. */
	for (k = 2; !is_full(homes_of(c, k - 1).home); k++)
		cr_assert_eq(command(c, WRITE_PUT, k, k), 0);
	m = neighbour(c, k - 1);
	at = homes_of(c, m);
	at.other->meta |= CXLT_META_OWNED(7);
	cr_expect_eq(command(c, WRITE_PUT, m, 5), -EBUSY);
	at.other->meta &= ~CXLT_META_OWNED(0xff);
	cr_expect_eq(command(c, WRITE_PUT, m, 5), 0);
	at.other->meta |= CXLT_META_OWNED(7);
	cr_expect_eq(command(c, WRITE_SET, m, 6), -EBUSY);
	cr_expect_eq(command(c, WRITE_REMOVE, m, 6), -EBUSY);
	at.other->meta &= ~CXLT_META_OWNED(0xff);
	cr_expect_eq(look(c, m), 5);
	cr_expect_eq(command(c, WRITE_SET, m, 6), 0);
	cr_expect_eq(look(c, m), 6);
	cr_expect_eq(command(c, WRITE_REMOVE, m, 0), 0);
	cr_expect_eq(look(c, m), 0);

	/* A stock in whose midst this CPU was interrupted: nothing is taken; what is given is freed. */
	stock_of(c, 0)->lock = 1;
	cr_expect_eq(command(c, WRITE_PUT, m, 5), -EBUSY);
	cr_expect_eq(command(c, WRITE_SET, 1, 5), -EBUSY);
	cr_expect_eq(command(c, WRITE_REMOVE, 1, 0), 0);
	stock_of(c, 0)->lock = 0;
	cr_expect_eq(in->op, 0, "somebody is still inside");
}

/* ---- No room ---- */

static __u64 entries_used(const struct contest *c)
{
	struct cxlt_usage u;

	cxlt_slice_usage(c->f.s, &u);
	return u.objects[CXLT_KIND_EXACT];
}

void contest_no_room(struct contest *c)
{
	__u64 n = 0, used = entries_used(c), i;
	__u64 room = CXLT_STOCK_ROOM(CXLT_STOCK_LOG2(tuple_of(c)->stock));
	int rc;

	pin(0);
	while (!(rc = command(c, WRITE_PUT, n, n + 1)))
		n++;
	cr_assert_eq(rc, -ENOSPC);
	fprintf(stderr, "no room at %llu of %u slots: %.1f%%\n", n, c->slots, 100. * n / c->slots);
	cr_expect_gt(n, c->slots * 9 / 10);
	for (i = 0; i < n; i++)
		cr_assert_eq(look(c, i), i + 1);
	cr_expect_eq(contest_stocked(c, 0), c->per_cpu - n, "the line came back");
	cr_expect_eq(command(c, WRITE_SET, 0, 77), 0, "needs no slot");
	cr_expect_eq(command(c, WRITE_REMOVE, 1, 0), 0);
	cr_expect_eq(command(c, WRITE_PUT, 1, 78), 0, "where the other was");
	for (i = 0; i < n; i++)
		cr_assert_eq(command(c, WRITE_REMOVE, i, 0), 0);
	cr_expect_eq(contest_stocked(c, 0), c->per_cpu);
	cr_expect_eq(entries_used(c), used);

	/* Others' deletions take lines away. */
	for (i = 0; i < c->per_cpu; i++) {
		cr_assert_eq(command(c, WRITE_PUT, i, 1), 0);
		if (i)
			cr_assert_eq(user_delete(c, i), 0);
	}
	cr_expect_eq(contest_stocked(c, 0), 0);
	cr_expect_eq(command(c, WRITE_PUT, 1, 1), -ENOSPC);
	cr_expect_eq(command(c, WRITE_SET, 0, 2), -ENOSPC);
	cr_expect_eq(look(c, 0), 1);
	cr_expect_eq(command(c, WRITE_REMOVE, 0, 0), 0);
	cr_expect_eq(command(c, WRITE_PUT, 1, 1), 0, "with that line");
	cr_assert_eq(cxlt_exact_stock(c->f.w, c->tuple, c->cpus, c->per_cpu), 0);
	cr_expect_eq(contest_stocked(c, 0), c->per_cpu);

	/* What comes in beyond the room of the stock is free for everybody. */
	for (i = c->per_cpu; i < room + 100; i++) {
		cr_assert_eq(user_insert(c, i, i), 0);
		cr_assert_eq(command(c, WRITE_REMOVE, i, 0), 0);
	}
	cr_expect_eq(contest_stocked(c, 0), room);
	cr_expect_eq(entries_used(c), used + 1 + room - c->per_cpu);
}
