// SPDX-License-Identifier: Apache-2.0
/* Writers beside each other: none loses an update, a living one is never robbed, a dead one is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

/* What parent and children tell each other without a system call. */
struct shared {
	_Atomic __u64 started, done, ready, stop, misses, unstable, lookups;
};

static struct shared *shared_new(void)
{
	struct shared *s =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(s, MAP_FAILED);
	return s;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static struct cxlt_control *control(const struct fixture *f)
{
	return cxlt_line(&f->host, f->host.control, 4);
}

/* A child that runs fn(fd, sh, n) on a handle of its own; dies with the test. */
static pid_t spawn(void (*fn)(struct fixture *, struct shared *, __u64), int fd, struct shared *sh,
		   __u64 n)
{
	pid_t pid = fork();
	struct fixture f;

	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fixture_attach(&f, fd, 1);
	fn(&f, sh, n);
	_exit(0);
}

static void reap(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && !WEXITSTATUS(status), "the child failed: %x", status);
}

static struct cxlt_rule_spec rule(__u64 i, const __u64 *prog)
{
	struct cxlt_rule_spec spec = gen_output(0, 5, i, prog);

	gen_set_field(&spec.mask, CXLT_F_IPV4_SRC, 0xffffffff);
	gen_set_field(&spec.value, CXLT_F_IPV4_SRC, i);
	return spec;
}

static const __u64 out1 = 0x0100000000000001;

static void add_many(struct fixture *f, struct shared *sh, __u64 first)
{
	sh->ready++;
	while (sh->ready < 2)
		sched_yield();
	for (__u64 i = 0; i < 3000; i++) {
		struct cxlt_rule_spec spec = rule(first + i, &out1);
		__u64 kv[2] = {first + i, i};

		if (cxlt_rule_add(f->w, &spec) ||
		    cxlt_exact_insert(f->w, cxlt_exact_open(f->s, "t"), kv, &kv[1]))
			_exit(1);
		/* A third of them goes again. */
		if (i % 3 == 0 && cxlt_rule_delete(f->w, &spec))
			_exit(2);
	}
}

Test(writer, two_processes_lose_no_update, .timeout = 60)
{
	struct shared *sh = shared_new();
	struct fixture f;
	pid_t a, b;
	__u32 t;

	fixture_open(&f, 8 << 20);
	cr_assert_eq(cxlt_exact_create(f.w, "t", 1, 1, 10, 1), 0, "%s", cxlt_error_text());
	t = cxlt_exact_open(f.s, "t");
	a = spawn(add_many, cxlt_slice_fd(f.s), sh, 0);
	b = spawn(add_many, cxlt_slice_fd(f.s), sh, 1000000);
	reap(a);
	reap(b);
	cr_expect_eq(cxlt_table_rules(f.s, 0), 4000);
	for (__u64 i = 0; i < 6000; i++) {
		__u64 k = i % 3000 + (i < 3000 ? 0 : 1000000), val = 99999999;
		struct cxlt_rule_spec spec = rule(k, NULL);
		struct cxlt_rule_info info;

		cr_assert_eq(cxlt_exact_find(&f.host, t, &k, 1, &val, 1), 0);
		cr_assert_eq(val, i % 3000);
		cr_assert_eq(cxlt_rule_get(f.s, &spec, &info), i % 3000 % 3 ? 0 : -ENOENT);
	}
	cr_expect_eq(oracle_check(f.s), 0);
	cr_expect_eq(control(&f)->handoffs, 0, "nobody died");
	fixture_close(&f);
}

static void hold(struct fixture *f, struct shared *sh, __u64 n)
{
	prctl(PR_SET_NAME, "holder-of-lock");
	cxlt_writer_close(f->w);
	if (cxlt_writer_open(f->s, &f->w) || cxlt_writer_lock(f->w))
		_exit(1);
	sh->ready = 1;
	while (!sh->stop)
		usleep(1000);
	cxlt_writer_unlock(f->w);
}

Test(writer, a_stopped_holder_is_named_and_never_robbed, .timeout = 60)
{
	struct shared *sh = shared_new();
	struct cxlt_rule_spec spec;
	char pid_text[16];
	struct fixture f;
	double start;
	pid_t pid;

	fixture_open(&f, 1 << 20);
	pid = spawn(hold, cxlt_slice_fd(f.s), sh, 0);
	while (!sh->ready)
		usleep(1000);
	cr_assert_eq(kill(pid, SIGSTOP), 0);
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	for (int i = 0; i < 2; i++) {
		spec = rule(1, &out1);
		start = now();
		cr_expect_eq(cxlt_rule_add(f.w, &spec), -EBUSY);
		cr_expect_lt(now() - start, 5, "%.1f s", now() - start);
		cr_expect_not_null(strstr(cxlt_error_text(), pid_text), "'%s' names no pid %d",
				   cxlt_error_text(), pid);
		cr_expect_not_null(strstr(cxlt_error_text(), "holder-of-lock"), "'%s'",
				   cxlt_error_text());
	}
	cr_expect_eq(control(&f)->handoffs, 0);
	cr_expect_eq(cxlt_table_rules(f.s, 0), 0);
	sh->stop = 1;
	cr_assert_eq(kill(pid, SIGCONT), 0);
	reap(pid);
	cr_expect_eq(cxlt_rule_add(f.w, &spec), 0, "%s", cxlt_error_text());
	cr_expect_eq(control(&f)->handoffs, 0);
	fixture_close(&f);
}

Test(writer, a_dead_holder_is_succeeded_at_once, .timeout = 60)
{
	struct shared *sh = shared_new();
	struct cxlt_rule_spec spec = rule(1, &out1);
	struct fixture f;
	double start;
	pid_t pid;

	fixture_open(&f, 1 << 20);
	pid = spawn(hold, cxlt_slice_fd(f.s), sh, 0);
	while (!sh->ready)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	start = now();
	cr_expect_eq(cxlt_rule_add(f.w, &spec), 0, "%s", cxlt_error_text());
	cr_expect_lt(now() - start, 0.5);
	cr_expect_eq(control(&f)->handoffs, 1);
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

/* The id of the dead is given to the next handle, which may then do nothing for hours. */
Test(writer, a_dead_holder_is_succeeded_though_its_id_lives_on, .timeout = 60)
{
	struct shared *sh = shared_new();
	struct cxlt_rule_spec spec = rule(1, &out1);
	struct fixture f, idle;
	pid_t pid;

	fixture_open(&f, 1 << 20);
	pid = spawn(hold, cxlt_slice_fd(f.s), sh, 0);
	while (!sh->ready)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fixture_attach(&idle, cxlt_slice_fd(f.s), 1);
	cr_assert_neq(cxlt_writer_id(idle.w), cxlt_writer_id(f.w));
	cr_expect_eq(cxlt_rule_add(f.w, &spec), 0, "%s", cxlt_error_text());
	cr_expect_eq(control(&f)->handoffs, 1);
	fixture_close(&idle);
	fixture_close(&f);
}

Test(writer, a_lock_nests_and_is_given_back_on_close)
{
	struct cxlt_rule_spec spec = rule(1, &out1);
	struct fixture f, g;

	fixture_open(&f, 1 << 20);
	fixture_attach(&g, cxlt_slice_fd(f.s), 1);
	cr_expect_eq(cxlt_writer_lock(f.w), 0);
	cr_expect_eq(cxlt_writer_lock(f.w), 0);
	cr_expect_eq(cxlt_rule_add(f.w, &spec), 0);
	cxlt_writer_unlock(f.w);
	cr_expect_eq(control(&f)->owner, (__u64)cxlt_writer_id(f.w), "still held");
	cxlt_writer_unlock(f.w);
	cr_expect_eq(control(&f)->owner, 0);
	cr_expect_eq(cxlt_rule_delete(g.w, &spec), 0);
	cr_expect_eq(cxlt_writer_lock(f.w), 0);
	fixture_close(&f);
	cr_expect_eq(cxlt_rule_add(g.w, &spec), 0, "%s", cxlt_error_text());
	fixture_close(&g);
}

Test(writer, ids_run_out_with_a_reason)
{
	struct cxlt_writer *w[CXLT_WRITERS];
	struct fixture f;
	int n = 0, rc;

	fixture_open(&f, 1 << 20);
	while (!(rc = cxlt_writer_open(f.s, &w[n])) && ++n < CXLT_WRITERS)
		;
	cr_expect_eq(n, 252, "%d besides the fixture's", n);
	cr_expect_eq(rc, -ENOSPC);
	while (n)
		cxlt_writer_close(w[--n]);
	cr_expect_eq(cxlt_writer_open(f.s, &w[0]), 0, "%s", cxlt_error_text());
	cr_expect_neq(cxlt_writer_id(w[0]), CXLT_WRITER_BPF);
	cxlt_writer_close(w[0]);
	fixture_close(&f);
}

/*
 * Kill -9, again and again.  The child carries out operations that follow from a seed, and says
 * in shared memory which ones it has begun and which have returned.  Rules below STABLE are never
 * touched: a reader looks for them all the while.
 */
enum {
	STABLE = 64,
	KEYS = 160,
};

static int random_op(struct rnd *r, struct cxlt_writer *w, struct oracle *o)
{
	struct cxlt_rule_spec spec = rule(STABLE + rnd_below(r, KEYS), &out1);
	__u32 how = rnd_below(r, 8);
	int rc;

	spec.cookie = rnd_next(r);
	spec.priority = 4 + rnd_below(r, 3);
	if (rnd_one_in(r, 4)) { /* another mask, which comes and goes */
		__u32 i = rnd_below(r, 6);

		spec.mask.w[CXLT_W_REG23] = 0xff00ULL << i;
		spec.value.w[CXLT_W_REG23] = 0x5500ULL << i;
	}
	if (o)
		return how < 4	 ? oracle_add(o, &spec)
		       : how < 5 ? oracle_modify(o, &spec)
				 : oracle_delete(o, &spec);
	rc = how < 4   ? cxlt_rule_add(w, &spec)
	     : how < 5 ? cxlt_rule_modify(w, &spec)
		       : cxlt_rule_delete(w, &spec);
	return rc < 0 && rc != -ENOENT ? rc : 0;
}

/* SIGKILL from a timer that expires while the child runs: at any instruction. */
static void die_after(__u32 ns)
{
	struct itimerspec when = {.it_value = {0, ns}};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &ev, &timer) || timer_settime(timer, 0, &when, NULL))
		_exit(3);
}

static void work_until_killed(struct fixture *f, struct shared *sh, __u64 seed)
{
	struct rnd r = {seed}, when = {seed + 1};

	die_after(20000 + rnd_below(&when, 500000));
	for (__u64 i = 0;; i++) {
		sh->started = i + 1;
		if (random_op(&r, f->w, NULL))
			_exit(1);
		sh->done = i + 1;
	}
}

static void look_for_stable(struct fixture *f, struct shared *sh, __u64 n)
{
	static struct cxlt_work w;
	struct rnd r = {1};

	while (!sh->stop) {
		struct cxlt_rule_spec spec = rule(rnd_below(&r, STABLE), NULL);
		int rc = fixture_classify(&f->host, &w, 0, &spec.value);

		if (rc >= 0)
			sh->misses += !rc || w.rule.cookie != spec.cookie;
		else
			sh->unstable++;
		sh->lookups++;
	}
}

/* Brings the oracle to where the dead child's operations have brought the slice. */
static void follow(struct fixture *f, struct shared *sh, struct oracle *o, __u64 seed)
{
	struct rnd r = {seed};
	struct cxlt_usage u;
	int rc;

	for (__u64 i = 0; i < sh->done; i++)
		random_op(&r, NULL, o);
	rc = oracle_differs(o, f->s, sh->started > sh->done);
	if (rc && sh->started > sh->done) {
		random_op(&r, NULL, o);
		rc = oracle_differs(o, f->s, 0);
	}
	cr_assert_eq(rc, 0, "%llu operations begun, %llu returned", sh->started, sh->done);
	cr_assert_eq(oracle_check(f->s), 0);
	cxlt_slice_usage(f->s, &u);
	cr_assert_eq(u.used[CXLT_KIND_COUNTERS], 2 * o->n, "leaked");
	cr_assert_eq(u.used[CXLT_KIND_RULE], 2 * o->n, "leaked");
}

Test(writer, a_killed_one_leaves_what_it_reported_and_no_half, .timeout = 120)
{
	struct rnd r = rnd_new("writer/killed");
	struct shared *sh = shared_new(), *look = shared_new();
	__u32 rounds = rnd_scaled(250);
	struct oracle o = {0};
	struct fixture f;
	__u64 handoffs, ops = 0;
	pid_t reader;

	fixture_open(&f, 1 << 20);
	for (__u64 i = 0; i < STABLE; i++) {
		struct cxlt_rule_spec spec = rule(i, &out1);

		cr_assert_eq(cxlt_rule_add(f.w, &spec), 0);
		oracle_add(&o, &spec);
	}
	reader = spawn(look_for_stable, cxlt_slice_fd(f.s), look, 0);
	for (__u32 i = 0; i < rounds; i++) {
		__u64 seed = rnd_next(&r);
		pid_t pid;
		int status;

		sh->started = sh->done = 0;
		pid = spawn(work_until_killed, cxlt_slice_fd(f.s), sh, seed);
		waitpid(pid, &status, 0);
		cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%x", status);
		ops += sh->done;
		cr_assert_eq(cxlt_writer_lock(f.w), 0, "%s", cxlt_error_text());
		cxlt_writer_unlock(f.w);
		follow(&f, sh, &o, seed);
	}
	look->stop = 1;
	reap(reader);
	handoffs = control(&f)->handoffs;
	fprintf(stderr, "writer: %u killed in %llu operations, %llu in the middle; %llu lookups\n",
		rounds, ops, handoffs, look->lookups);
	cr_expect_eq(look->misses, 0, "%llu of %llu lookups missed a rule that was always there",
		     look->misses, look->lookups);
	cr_expect_leq(look->unstable, look->lookups / 10000 + 10, "%llu", look->unstable);
	cr_expect_gt(look->lookups, 1000);
	cr_expect_gt(handoffs, rounds / 10, "hardly any died in the middle");
	oracle_free(&o);
	fixture_close(&f);
}
