// SPDX-License-Identifier: Apache-2.0
/*
 * torture.c - one slice under everything at once, for as long as one likes.
 *
 *	make torture                      a minute
 *	make torture SECONDS=36000        a night
 *	make torture SECONDS=600 SEED=7   the same choices again (not the same interleaving)
 *	make torture SAN=address,undefined SECONDS=600
 *
 * Processes: four writers, which know the right answer for keys and rules of their own, walk
 * drop@100 and allow@50 up and down, and fight for a few shared ones, whose history is checked for
 * linearizability; a grower, which fills and empties a table and brings new masks; readers of
 * exact tables and rules; on a slice of its own a scribbler, and one who reads what it writes.  The
 * parent kills writers (-9) and starts them anew, and stops others for up to 2.5 s.
 *
 * It signals only its own children, which die with it, and ends when the time is up: 0 if nothing
 * was wrong, else 1.  The last line is the sum.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cxltab/exact.h>
#include "torture.h"

struct torture *x;

static const struct {
	const char *name;
	void (*run)(struct self *);
	int writes, hostile;
} roles[N_ROLES] = {
	[ROLE_WRITER] = {"writer", write_forever, 1, 0},
	[ROLE_GROWER] = {"grower", grow_forever, 1, 0},
	[ROLE_EXACT_READER] = {"exact reader", read_exact_forever, 0, 0},
	[ROLE_RULE_READER] = {"rule reader", read_rules_forever, 0, 0},
	[ROLE_SCRIBBLER] = {"scribbler", scribble_forever, 0, 1},
	[ROLE_VICTIM] = {"victim", suffer_forever, 0, 1},
};

static const __u32 cast[CHILDREN] = {
	ROLE_WRITER,	   ROLE_WRITER,	      ROLE_WRITER,	ROLE_WRITER,
	ROLE_GROWER,	   ROLE_EXACT_READER, ROLE_RULE_READER, ROLE_RULE_READER,
	ROLE_EXACT_READER, ROLE_SCRIBBLER,    ROLE_VICTIM,	ROLE_VICTIM,
};

static __u64 kills, stops, lives, epochs, judged;

void bad(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (x->violations++ < 20)
		fprintf(stderr, "torture: %s\n", text);
}

__u64 torture_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* ---- What every process does ---- */

void self_open(struct self *a, struct child *c, int fd, int writer)
{
	int write = writer || (c && c->role == ROLE_SCRIBBLER);

	a->c = c;
	a->w = NULL;
	if (cxlt_slice_attach_fd(fd, write ? CXLT_ATTACH_WRITE : CXLT_ATTACH_READ, &a->s) ||
	    (writer && cxlt_writer_open(a->s, &a->w))) {
		bad("attach: %s", cxlt_error_text());
		_exit(1);
	}
	cxlt_slice_view(a->s, 0, &a->host);
	cxlt_slice_view(a->s, CXLT_VIEW_DEVICE, &a->device);
	a->table = cxlt_exact_open(a->s, "small");
}

struct bracket call_begin(const struct self *a)
{
	return (struct bracket){torture_ns(), a->c->stops};
}

/* A pid of ours that was alive at some time since `since`. */
static int was_alive(pid_t pid, __u64 since)
{
	__u32 i;

	if (pid == x->parent)
		return 1;
	for (i = 0; i < CHILDREN; i++)
		if (x->child[i].pid == pid)
			return 1;
	for (i = 0; i < DEAD; i++)
		if (x->dead[i].pid == pid && x->dead[i].at >= since)
			return 1;
	return 0;
}

static int names_the_living(const char *text, __u64 since)
{
	while (*text) {
		char *end;
		long n = strtol(text, &end, 10);

		if (end != text && n > 0 && was_alive(n, since))
			return 1;
		text = end != text ? end : text + 1;
	}
	return 0;
}

int call_end(struct self *a, struct bracket b, int rc, const char *what)
{
	__u64 ms = (torture_ns() - b.begun) / 1000000;

	if (a->c->stops == b.stops) {
		if (ms > a->c->longest_ms)
			a->c->longest_ms = ms;
		if (ms > LIMIT_MS)
			bad("%s %u: %s took %llu ms", roles[a->c->role].name, a->c->number, what,
			    ms);
	}
	a->c->ops += a->w != NULL;
	if (rc == -ENOSPC)
		a->c->nospace++;
	if (rc != -EBUSY)
		return rc != -ENOSPC;
	a->c->busy++;
	if (!names_the_living(cxlt_error_text(), b.begun))
		bad("%s %u: -EBUSY: '%s' names none of the living", roles[a->c->role].name,
		    a->c->number, cxlt_error_text());
	return 0;
}

int self_settle(struct self *a)
{
	int rc = cxlt_writer_lock(a->w);

	if (!rc)
		cxlt_writer_unlock(a->w);
	else if (rc != -EBUSY)
		bad("lock: %d, %s", rc, cxlt_error_text());
	return rc;
}

/* ---- The parent: births and deaths ---- */

static void spawn(struct child *c, struct rnd *r)
{
	struct self a = {.r = rnd_fork(r)};
	pid_t pid;

	c->life = ++lives;
	c->shared = 0;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != x->parent)
			_exit(1);
		prctl(PR_SET_NAME, roles[c->role].name);
		self_open(&a, c, roles[c->role].hostile ? x->hostile_fd : x->fd,
			  roles[c->role].writes);
		roles[c->role].run(&a);
		if (a.w)
			cxlt_writer_close(a.w);
		cxlt_slice_close(a.s);
		_exit(0);
	}
	if (pid < 0) {
		bad("fork: %s", strerror(errno));
		pid = 0;
	}
	c->pid = pid;
}

static void bury(struct child *c, int killed)
{
	int status;

	if (!c->pid)
		return;
	waitpid(c->pid, &status, 0);
	if (killed ? WIFEXITED(status) && WEXITSTATUS(status)
		   : !WIFEXITED(status) || WEXITSTATUS(status))
		bad("%s %u ended with status %x", roles[c->role].name, c->number, status);
	c->pid = 0;
}

static void kill_one(struct child *c)
{
	static __u32 next;

	if (!c->pid)
		return;
	x->dead[next % DEAD].pid = c->pid;
	x->dead[next++ % DEAD].at = ~0ULL; /* until it is known when */
	kill(c->pid, SIGKILL);
	bury(c, 1);
	x->dead[(next - 1) % DEAD].at = torture_ns();
	kills++;
}

/* ---- The parent: histories of shared keys ---- */

/* Judges an epoch that nobody writes any more.  0: somebody still does. */
static int judge(struct self *a, __u32 number)
{
	struct epoch *e = &x->epochs[number % EPOCHS];
	__u32 n = e->n < EPOCH_OPS ? e->n : EPOCH_OPS, used = 0, i, cell;
	__u64 end;

	for (i = 0; i < CHILDREN; i++)
		if (x->child[i].pid && x->child[i].shared == number + 1)
			return 0;
	if (self_settle(a))
		return 0;
	end = lin_end();
	for (i = 0; i < n; i++) {
		struct lin_op op = e->op[i];

		if (!op.invoke || op.rc == -EBUSY || op.rc == -ENOSPC || op.rc == -EAGAIN)
			continue;
		if (!op.ret) {
			op.rc = LIN_UNKNOWN;
			op.ret = end;
		}
		e->op[used++] = op;
	}
	/* The last look takes away what is there. */
	for (i = 0; i < SHARED; i++)
		for (cell = 0; cell < (i < SHARED_KEYS ? 1 : LIN_CELLS); cell++) {
			struct lin_op *op = &e->op[used++];

			*op = (struct lin_op){.kind = LIN_DELETE, .object = i, .cell = cell};
			do {
				op->invoke = lin_begin();
				shared_perform(a, number, op);
				op->ret = lin_end();
			} while (op->rc == -EBUSY);
		}
	if (lin_check_all(e->op, used, NULL))
		bad("the history of shared keys in epoch %u can't be explained", number);
	judged += used;
	epochs++;
	memset(e, 0, sizeof(*e));
	return 1;
}

/* ---- The parent: beginning and end ---- */

static void build(struct self *a, int *fd, const char *name)
{
	struct cxlt_slice_config cfg = {.size = strcmp(name, "hostile") ? 32 << 20 : 1 << 20};
	struct cxlt_slice *s;
	__u64 key[2], val[2], prog;
	__u32 i;
	int rc = cxlt_slice_create_memfd(name, &cfg, &s);

	if (!rc) {
		*fd = dup(cxlt_slice_fd(s));
		cxlt_slice_close(s);
		self_open(a, NULL, *fd, 1);
		rc = cxlt_exact_create(a->w, "small", 2, 2, 200, 0);
		a->table = cxlt_exact_open(a->s, "small");
	}
	for (i = 0; !rc && i < STABLE; i++) {
		struct cxlt_rule_spec spec = rule_stable(i, &prog);

		spec.prog = &prog;
		key_of(SPACE_STABLE, i, key);
		val[0] = i + 1;
		val[1] = ~val[0];
		rc = cxlt_exact_insert(a->w, a->table, key, val);
		if (!rc)
			rc = cxlt_rule_add(a->w, &spec);
	}
	if (rc) {
		fprintf(stderr, "torture: %s\n", cxlt_error_text());
		exit(1);
	}
}

static void found(void *arg, const char *text)
{
	bad("check: %s", text);
}

/* How many entries of each kind the logs say there are. */
static void count(__u64 *keys, __u64 *rules)
{
	*keys = *rules = STABLE;
	for (__u32 w = 0; w < WRITERS; w++)
		for (__u32 i = 0; i < OWN; i++) {
			*keys += x->child[w].own.exact[i] != 0;
			*rules += x->child[w].own.rule[i] != 0;
		}
}

static void judge_the_end(struct self *a)
{
	struct cxlt_usage u;
	__u64 keys, rules, prog;
	__u32 i;

	if (self_settle(a))
		bad("nobody is left, and the lock is taken: %s", cxlt_error_text());
	if (cxlt_slice_check(a->s, found, NULL))
		bad("cxlt_slice_check() found something");
	for (i = 0; i < WRITERS; i++)
		own_resolve(a, &x->child[i]);
	for (i = 0; i < 2 * GATES; i++) {
		struct cxlt_rule_spec spec = rule_gate(i / 2, !(i & 1), &prog);
		int rc = cxlt_rule_delete(a->w, &spec);

		if (rc && rc != -ENOENT)
			bad("removing gate %u: %d", i / 2, rc);
	}
	for (i = 0; i < EPOCHS; i++) /* the newest, and what waited for it */
		if (x->epochs[(x->epoch + 1 + i) % EPOCHS].n &&
		    !judge(a, x->epoch + 1 + i - EPOCHS))
			bad("an epoch of shared keys never ended");
	x->stop = 0; /* grow_clean() is also what children do until they are told to stop */
	grow_clean(a);
	x->stop = 1;
	if (cxlt_slice_check(a->s, found, NULL))
		bad("cxlt_slice_check() found something after all was deleted");
	count(&keys, &rules);
	cxlt_slice_usage(a->s, &u);
	if (u.objects[CXLT_KIND_EXACT] != keys || u.used[CXLT_KIND_RULE] != 2 * rules ||
	    u.used[CXLT_KIND_COUNTERS] != 2 * rules || cxlt_table_rules(a->s, 0) != rules)
		bad("%llu keys and %llu rules should be left: %llu entries, %llu, %llu lines in "
		    "use, %llu "
		    "rules",
		    keys, rules, u.objects[CXLT_KIND_EXACT], u.used[CXLT_KIND_RULE],
		    u.used[CXLT_KIND_COUNTERS], cxlt_table_rules(a->s, 0));
}

static int summary(const struct self *a)
{
	struct child all = {0};
	const struct cxlt_control *c = cxlt_line(&a->host, a->host.control, 4);

	for (__u32 i = 0; i < CHILDREN; i++) {
		const struct child *one = &x->child[i];

		all.ops += one->role < ROLE_EXACT_READER ? (__u64)one->ops : 0;
		all.lookups += one->lookups;
		all.busy += one->busy;
		all.nospace += one->nospace;
		all.unstable += one->unstable;
		if (one->longest_ms > all.longest_ms)
			all.longest_ms = (__u64)one->longest_ms;
	}
	printf("torture: %llu violations; ops %llu, kills %llu, stops %llu, lookups %llu, EBUSY "
	       "%llu, "
	       "ENOSPC %llu, handoffs %llu, unstable %llu, epochs %llu (%llu ops), fills %llu, "
	       "longest call %llu ms\n",
	       (__u64)x->violations, (__u64)all.ops, kills, stops, (__u64)all.lookups,
	       (__u64)all.busy, (__u64)all.nospace, (__u64)c->handoffs, (__u64)all.unstable, epochs,
	       judged, (__u64)x->grown, (__u64)all.longest_ms);
	return x->violations != 0;
}

/* Stopped ones go on, and everybody comes to an end by itself. */
static void dismiss(void)
{
	__u64 until = torture_ns() + 20000000000ULL;
	__u32 i;

	x->stop = 1;
	for (i = 0; i < CHILDREN; i++) {
		struct child *c = &x->child[i];
		siginfo_t info = {0};

		while (c->pid && !waitid(P_PID, c->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
		       !info.si_pid && torture_ns() < until)
			usleep(5000);
		if (c->pid && !info.si_pid) {
			bad("%s %u doesn't end", roles[c->role].name, c->number);
			kill_one(c);
		} else {
			bury(c, 0);
		}
	}
}

/* Operations of all writers but one. */
static __u64 writes(const struct child *but)
{
	__u64 n = 0;

	for (__u32 i = 0; i <= WRITERS; i++)
		n += &x->child[i] == but ? 0 : (__u64)x->child[i].ops;
	return n;
}

static void torture(struct self *a, struct rnd *r, __u64 seconds)
{
	__u64 end = torture_ns() + seconds * 1000000000ULL, wake = 0, now, next_kill = 0, next_stop;
	__u64 before = 0;
	__u32 oldest = 0, i;
	struct child *asleep = NULL;
	int long_sleep = 0;

	next_stop = torture_ns() + 500000000ULL;
	while ((now = torture_ns()) < end && x->violations < 1000) {
		/* A reader that ends by itself has crashed. */
		for (i = 0; i < CHILDREN; i++) {
			siginfo_t info = {0};

			if (x->child[i].pid &&
			    !waitid(P_PID, x->child[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
			    info.si_pid) {
				bury(&x->child[i], 0);
				bad("%s %u has left", roles[x->child[i].role].name,
				    x->child[i].number);
				spawn(&x->child[i], r);
			}
		}
		if (now > next_kill) {
			struct child *c = &x->child[rnd_below(r, WRITERS + 1)];

			/* One that is stopped isn't dead; one that is killed in its sleep is. */
			if (c != asleep || rnd_one_in(r, 4)) {
				kill_one(c);
				spawn(c, r);
				asleep = c == asleep ? NULL : asleep;
			}
			next_kill = now + 1000000ULL * (5 + rnd_below(r, 80));
		}
		if (asleep && now > wake && !long_sleep &&
		    (rnd_one_in(r, 8) || writes(asleep) < before + 10)) {
			/* It stopped where others need it: they must be told so, in time. */
			long_sleep = 1;
			wake = now + 1000000ULL * (1000 + rnd_below(r, 1500));
		} else if (asleep && now > wake) {
			kill(asleep->pid, SIGCONT);
			asleep = NULL;
			next_stop = now + 1000000ULL * rnd_below(r, 200);
		} else if (!asleep && now > next_stop) {
			asleep = &x->child[rnd_below(r, WRITERS + 1)];
			asleep->stops++;
			kill(asleep->pid, SIGSTOP);
			stops++;
			long_sleep = 0;
			before = writes(asleep);
			wake = now + 1000000ULL * (20 + rnd_below(r, 40));
		}
		/* Nobody uses the keys of an epoch once it is over and its operations have ended. */
		if (x->epochs[x->epoch % EPOCHS].n >= EPOCH_OPS && x->epoch - oldest < EPOCHS - 1)
			x->epoch++;
		if (oldest < x->epoch && !asleep && judge(a, oldest))
			oldest++;
		usleep(2000);
	}
	if (asleep)
		kill(asleep->pid, SIGCONT);
}

int main(int argc, char **argv)
{
	__u64 seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
	struct rnd r = rnd_new("torture");
	static struct child parent;
	struct self a = {0}, hostile = {0};
	int failed;

	x = mmap(NULL, sizeof(*x), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (x == MAP_FAILED || !seconds) {
		fprintf(stderr, "usage: torture SECONDS\n");
		return 1;
	}
	x->parent = getpid();
	alarm(seconds + 120); /* whatever happens: the children die with it */
	build(&a, &x->fd, "torture");
	build(&hostile, &x->hostile_fd, "hostile");
	cxlt_writer_close(hostile.w);
	cxlt_slice_close(hostile.s);
	a.c = &parent;
	a.r = rnd_fork(&r);
	for (__u32 i = 0; i < CHILDREN; i++) {
		x->child[i].role = cast[i];
		x->child[i].number = i;
		spawn(&x->child[i], &r);
	}
	torture(&a, &r, seconds);
	dismiss();
	judge_the_end(&a);
	failed = summary(&a);
	cxlt_writer_close(a.w);
	cxlt_slice_close(a.s);
	return failed;
}
