/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explore.h - all interleavings of a few threads that run the real code of libcxltab.
 *
 * A scenario is a slice in some state, and up to four threads (coroutines) that read or change it.
 * The library is built with CXLT_MODEL: each access through atomic.h first hands control to the
 * explorer, which decides whose access comes next.  It walks all decisions depth first; a run is
 * replayed from the start with a prefix of decisions, and given up where it reaches a state that
 * was seen before.  A thread's state is the sequence of values that it has seen (it is a
 * deterministic function of them), the memory's is the content of the words in conflict.
 *
 * Decisions are only taken at words that two threads access and one of them writes.  Which words
 * those are is found out while exploring; whenever a new one turns up, exploration starts anew.
 *
 * A scenario may let threads die: at every point of one, all continuations without its further
 * accesses are explored as well, and a heir may then run (and die, if it may).
 *
 * Two writers know so much of each other that some scenarios have too many states; there, threads that
 * could go on are taken off a bounded number of times.  (Nearly every error of this kind shows
 * with two or three; Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007.)
 *
 * What this covers: sequentially consistent interleavings of the accesses, complete for the
 * scenario.  What not: reorderings that the memory model would allow beyond that (the code asks
 * for none on x86-TSO: it has no store that must precede a later load of another word without a
 * compare-and-swap between them), larger sizes, and accesses that bypass atomic.h.
 */
#ifndef CXLTAB_TESTS_MODEL_EXPLORE_H
#define CXLTAB_TESTS_MODEL_EXPLORE_H

#include <stddef.h>
#include <cxltab/base.h>

enum {
	MODEL_THREADS = 4,
};

struct model_thread {
	const char *name;
	void (*run)(void *arg);
	void *arg;
	int may_die; /* explore its death at every point, too */
	int heir;    /* starts once all threads before it that may die are dead or done */
	int after;   /* 1 + index of the thread that must have ended before this one starts */
};

struct model {
	const char *name;
	/* Memory that runs change: restored before each run. */
	void *mem[8];
	size_t size[8];
	int n_mem;
	struct model_thread thread[MODEL_THREADS];
	int n_threads;
	int reader;   /* 1 + index of a thread that only loads, if the others never wait for it */
	int switches; /* 0, or explore only runs that take a thread off at most so often */
	/* After all threads have ended: 0, or the run is a violation. */
	int (*check)(void *arg);
	void *arg;
};

/* A violation, found by a thread in the middle of a run; `what` must stay valid. */
void model_violated(const char *what);
/*
 * What this thread still knows of all that it has seen so far, as a hash.  (A reader that begins
 * a try anew has forgotten what the last one saw; the library says so through cxlt_ticks().)
 */
void model_knows(__u64 what);
/* True if the thread with this index died in this run. */
int model_died(int thread);
/* The words in [p, p + size) are never a point of decision (private to one thread). */
void model_ignore(const void *p, size_t size);

struct model_report {
	unsigned long runs;
	unsigned long states;
	unsigned long points;
	unsigned long words;   /* in conflict */
	const char *violation; /* NULL: none */
};

/* Explores all of it; 0, or 1 with report->violation and the schedule on stdout. */
int model_explore(struct model *, struct model_report *report);

#endif
