// SPDX-License-Identifier: Apache-2.0
/* Single steps by ptrace. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "stepper.h"

/* The child's marks around an op. */
static void mark(void)
{
	__asm__ volatile("int3" ::: "memory");
}

/* Waits for the next stop; 1 if it is a mark of the child's own. */
static int stopped(pid_t pid)
{
	siginfo_t info;
	int status;

	cr_assert_eq(waitpid(pid, &status, __WALL), pid);
	cr_assert(WIFSTOPPED(status), "the child died: status %x", status);
	cr_assert_eq(WSTOPSIG(status), SIGTRAP, "the child got signal %d", WSTOPSIG(status));
	cr_assert_eq(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info), 0);
	return info.si_code == SI_KERNEL; /* int3; a step's stop is TRAP_TRACE */
}

static pid_t child(void (*prepare)(void *), void (*op)(void *), void *arg, int once)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	prepare(arg);
	do {
		mark();
		op(arg);
		mark();
	} while (!once);
	_exit(0);
}

static int step(pid_t pid)
{
	cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	return stopped(pid);
}

int step_stores(const void *mem, size_t size, void (*prepare)(void *), void (*op)(void *),
		void (*at)(void *, int n), void *arg)
{
	void *last = malloc(size);
	pid_t pid = child(prepare, op, arg, 1);
	int n = 0, end = 0;

	cr_assert_not_null(last);
	cr_assert(stopped(pid));
	memcpy(last, mem, size);
	while (!end) {
		end = step(pid);
		if (!end && !memcmp(last, mem, size))
			continue;
		memcpy(last, mem, size);
		at(arg, n++);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	free(last);
	return n;
}

void step_open(struct stepper *s, void (*prepare)(void *), void (*op)(void *), void *arg)
{
	s->pid = child(prepare, op, arg, 0);
	cr_assert(stopped(s->pid)); /* the mark before the first op */
	s->ended = 0;
}

int step_more(struct stepper *s, __u32 n)
{
	while (n-- && !s->ended)
		s->ended = step(s->pid);
	return s->ended;
}

static void run(struct stepper *s)
{
	cr_assert_eq(ptrace(PTRACE_CONT, s->pid, NULL, NULL), 0);
	cr_assert(stopped(s->pid));
}

void step_finish(struct stepper *s)
{
	if (!s->ended)
		run(s); /* to the mark behind the op */
	run(s);		/* to the one before the next */
	s->ended = 0;
}

void step_close(struct stepper *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, __WALL);
}
