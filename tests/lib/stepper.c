// SPDX-License-Identifier: Apache-2.0
/* Single steps by ptrace. */
#include <criterion/criterion.h>
#include <sched.h>
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

/* Parent and child take turns: on one CPU a turn costs a tenth. */
static void stay_here(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t child(void (*prepare)(void *), void (*op)(void *), void *arg)
{
	pid_t pid;

	stay_here();
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	prepare(arg);
	mark();
	op(arg);
	mark();
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
	pid_t pid = child(prepare, op, arg);
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
