// SPDX-License-Identifier: Apache-2.0
/* See explore.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cxltab/atomic.h>

#include "explore.h"

enum {
	STACK = 256 << 10,
	DEPTH_MAX = 4096,
	WORDS_MAX = 4096,
	HASH_LOG2 = 24,
	PAGE = 4096,
	DIRTY_MAX = 512,
	DIE = MODEL_THREADS, /* a decision: the thread of that number minus DIE dies here */
};

struct coroutine {
	ucontext_t ctx;
	char *stack;
	int started, ended, dead;
	__u64 history, known;
	const __u64 *pending; /* the word that it is about to access */
	const __u64 *waits;   /* until this word isn't `waits_old`, or somebody dies */
	__u64 waits_old;
	int waits_deaths;
	unsigned int steps;
};

struct decision {
	unsigned char taken;
	unsigned char options[2 * MODEL_THREADS];
	int n_options;
	int next; /* option to take when this decision is revisited */
};

struct word {
	const void *p;
	unsigned char readers, writers; /* bit per thread */
};

static struct model *m;
static struct coroutine co[MODEL_THREADS];
static ucontext_t scheduler;
static int current = -1; /* thread that runs, -1: none */
static char *snapshot[8];
static struct decision path[DEPTH_MAX];
static int depth, replayed;
static struct word words[WORDS_MAX];
static int word_slot[1 << 14];
static int n_words, n_conflicts, conflicts_at_start;
static struct {
	__u64 state;
	__u64 time;
} *seen;
static int deaths, switches;
static int declined; /* the reader could have gone on before `declined_at` changed */
static __u64 declined_at;
static const char *violation;
static struct model_report *report;
static const char *ignore_from;
static size_t ignore_size;

static struct {
	char *page, *copy;
} dirty[DIRTY_MAX];
static int n_dirty;

static __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

void model_violated(const char *what)
{
	if (!violation)
		violation = what;
}

void model_knows(__u64 what)
{
	co[current].known = mix(co[current].known, what + 1);
	co[current].history = co[current].known;
}

void cxlt_model_try(void)
{
	if (current >= 0)
		model_knows(0);
}

int model_died(int thread)
{
	return co[thread].dead;
}

void model_ignore(const void *p, size_t size)
{
	ignore_from = p;
	ignore_size = size;
}

static int is_shared(const void *p)
{
	int i;

	if ((const char *)p >= ignore_from && (const char *)p < ignore_from + ignore_size)
		return 0;
	for (i = 0; i < m->n_mem; i++)
		if ((const char *)p >= (char *)m->mem[i] &&
		    (const char *)p < (char *)m->mem[i] + m->size[i])
			return 1;
	return 0;
}

/* Two 32-bit halves of a word are one word. */
static struct word *word_of(const void *p)
{
	const void *at = (const void *)((unsigned long)p & ~7UL);
	unsigned int h = (unsigned int)mix(0, (unsigned long)at) & ((1 << 14) - 1);

	while (word_slot[h]) {
		if (words[word_slot[h] - 1].p == at)
			return &words[word_slot[h] - 1];
		h = (h + 1) & ((1 << 14) - 1);
	}
	if (n_words == WORDS_MAX) {
		fprintf(stderr, "explore: more than %d words\n", WORDS_MAX);
		exit(2);
	}
	words[n_words].p = at;
	word_slot[h] = ++n_words;
	return &words[n_words - 1];
}

static int in_conflict(const struct word *w)
{
	unsigned char all = w->readers | w->writers;

	return w->writers && (all & (all - 1));
}

/* Called in a coroutine, before each access. */
void cxlt_model_point(const volatile void *p, int writes)
{
	int was, me = current;
	struct word *w;

	if (me < 0 || !is_shared((const void *)p))
		return;
	w = word_of((const void *)p);
	was = in_conflict(w);
	if (writes)
		w->writers |= (unsigned char)(1 << me);
	else
		w->readers |= (unsigned char)(1 << me);
	if (in_conflict(w) && !was)
		n_conflicts++;
	/* A thread that may die does so between any two of its stores. */
	if (!in_conflict(w) && !(m->thread[me].may_die && writes))
		return;
	co[me].pending = (const __u64 *)((unsigned long)p & ~7UL);
	current = -1;
	swapcontext(&co[me].ctx, &scheduler);
	current = me;
	co[me].history = mix(co[me].history, (__u64)writes + 1);
}

void cxlt_model_wait(const __u64 *p, __u64 old)
{
	int me = current;

	if (me < 0)
		return;
	co[me].waits = p;
	co[me].waits_old = old;
	co[me].waits_deaths = deaths;
	current = -1;
	swapcontext(&co[me].ctx, &scheduler);
	current = me;
	co[me].waits = NULL;
}

__u64 cxlt_model_saw(__u64 value)
{
	if (current >= 0)
		co[current].history = mix(co[current].history, value);
	return value;
}

static void thread_main(void)
{
	int me = current;

	m->thread[me].run(m->thread[me].arg);
	co[me].ended = 1;
	current = -1;
	swapcontext(&co[me].ctx, &scheduler);
}

static void resume(int t)
{
	if (!co[t].started) {
		getcontext(&co[t].ctx);
		co[t].ctx.uc_stack.ss_sp = co[t].stack;
		co[t].ctx.uc_stack.ss_size = STACK;
		co[t].ctx.uc_link = NULL;
		makecontext(&co[t].ctx, thread_main, 0);
		co[t].started = 1;
	}
	current = t;
	swapcontext(&scheduler, &co[t].ctx);
	current = -1;
}

static int enabled(int t)
{
	int i;

	if (co[t].ended || co[t].dead)
		return 0;
	if (co[t].waits && *co[t].waits == co[t].waits_old && co[t].waits_deaths == deaths)
		return 0;
	if (m->thread[t].after && !co[m->thread[t].after - 1].ended &&
	    !co[m->thread[t].after - 1].dead)
		return 0;
	if (!m->thread[t].heir)
		return 1;
	for (i = 0; i < t; i++)
		if (m->thread[i].may_die && !co[i].dead && !co[i].ended)
			return 0;
	return 1;
}

static __u64 state_hash(void)
{
	__u64 h = 1;
	int i;

	for (i = 0; i < m->n_threads; i++)
		h = mix(h, co[i].history * 8 + (__u64)co[i].started * 4 + (__u64)co[i].ended * 2 +
				   (__u64)co[i].dead);
	for (i = 0; i < n_words; i++)
		if (in_conflict(&words[i]) || words[i].writers)
			h = mix(h, *(const __u64 *)words[i].p);
	return h | 1;
}

/* Of a reader that only loads: what it knows, and on which course of the others (who died where). */
static __u64 reader_hash(__u64 *time)
{
	const struct coroutine *r = &co[m->reader - 1];
	__u64 h = mix(r->history, (unsigned long)r->pending + (unsigned long)r->ended);
	int i;

	*time = 0;
	for (i = 0; i < m->n_threads; i++) {
		if (i == m->reader - 1)
			continue;
		*time += co[i].steps;
		if (co[i].dead)
			h = mix(h, (__u64)i << 32 | co[i].steps);
	}
	return h | 1;
}

/* True if the state is new, or was seen only at a later time. */
static int visit(__u64 h, __u64 time)
{
	__u64 i = h >> (64 - HASH_LOG2);

	while (seen[i].state) {
		if (seen[i].state == h) {
			if (seen[i].time <= time)
				return 0;
			seen[i].time = time;
			return 1;
		}
		i = (i + 1) & ((1ULL << HASH_LOG2) - 1);
	}
	seen[i].state = h;
	seen[i].time = time;
	if (++report->states > (1ULL << HASH_LOG2) * 3 / 4) {
		fprintf(stderr, "explore: too many states\n");
		exit(2);
	}
	return 1;
}

/*
 * A reader that only loads need not be stopped at every step of the others: from where it is it
 * can load now, or after the word that it wants has changed; all else comes to the same.
 */
static int reader_waits(void)
{
	const struct coroutine *r = &co[m->reader - 1];

	return declined && r->pending && *r->pending == declined_at;
}

/* The options at this point: go on with the last thread first, then others, then deaths. */
static int options(struct decision *d, int last)
{
	int i, n = 0, reader = m->reader - 1;

	if (m->reader && enabled(reader) && !reader_waits())
		d->options[n++] = (unsigned char)reader;
	if (last >= 0 && enabled(last) && last != reader)
		d->options[n++] = (unsigned char)last;
	for (i = 0; i < m->n_threads; i++) {
		if (i != last && i != reader && enabled(i) &&
		    (!n || !m->switches || switches < m->switches))
			d->options[n++] = (unsigned char)i;
	}
	if (!n && m->reader && enabled(reader))
		d->options[n++] = (unsigned char)reader;
	for (i = 0; i < m->n_threads; i++)
		if (m->thread[i].may_die && co[i].started && enabled(i))
			d->options[n++] = (unsigned char)(DIE + i);
	d->n_options = n;
	return n;
}

/*
 * Restoring a slice costs more than a run, so pages of page-aligned memory are write-protected
 * until something first writes to them; only those are restored from then on.
 */
static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	char *page = (char *)((unsigned long)si->si_addr & ~(PAGE - 1UL));
	int i;

	(void)ctx;
	for (i = 0; i < m->n_mem; i++) {
		if (page < (char *)m->mem[i] || page >= (char *)m->mem[i] + m->size[i] ||
		    n_dirty == DIRTY_MAX)
			continue;
		dirty[n_dirty].page = page;
		dirty[n_dirty++].copy = snapshot[i] + (page - (char *)m->mem[i]);
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		return;
	}
	signal(sig, SIG_DFL);
}

static int by_page(int i)
{
	return ((unsigned long)m->mem[i] | m->size[i]) % PAGE == 0;
}

static void protect(int prot)
{
	int i;

	for (i = 0; i < m->n_mem; i++)
		if (by_page(i))
			mprotect(m->mem[i], m->size[i], prot);
}

static void reset(void)
{
	int i;

	for (i = 0; i < m->n_mem; i++)
		if (!by_page(i))
			memcpy(m->mem[i], snapshot[i], m->size[i]);
	for (i = 0; i < n_dirty; i++)
		memcpy(dirty[i].page, dirty[i].copy, PAGE);
	for (i = 0; i < m->n_threads; i++) {
		co[i].started = co[i].ended = co[i].dead = 0;
		co[i].steps = 0;
		co[i].pending = co[i].waits = NULL;
		co[i].history = co[i].known = (__u64)i + 7;
	}
	violation = NULL;
	declined = deaths = switches = 0;
}

/* Some thread waits for what nobody will do. */
static int stuck(void)
{
	int i;

	for (i = 0; i < m->n_threads; i++)
		if (co[i].waits && !co[i].dead)
			return 1;
	return 0;
}

/* Takes one decision; 1 if it leads to a known state. */
static int step(int pick)
{
	__u64 time, h;

	if (pick >= DIE) {
		co[pick - DIE].dead = 1;
		deaths++;
		return 0;
	}
	if (m->reader && pick != m->reader - 1 && !declined && co[m->reader - 1].pending) {
		declined = 1;
		declined_at = *co[m->reader - 1].pending;
	} else if (m->reader && pick != m->reader - 1 && declined && !reader_waits()) {
		declined_at = *co[m->reader - 1].pending;
	}
	co[pick].steps++;
	co[pick].pending = NULL;
	resume(pick);
	if (pick != m->reader - 1)
		return 0;
	declined = 0;
	h = reader_hash(&time);
	return depth > replayed && !visit(h, time);
}

/* One run; 0 if it went to its end, 1 if it was given up at a known state. */
static int run(void)
{
	int last = -1, known;

	reset();
	depth = 0;
	if (!(++report->runs & 0xfffff))
		fprintf(stderr, "%s: %lu runs, %lu states\n", m->name, report->runs,
			report->states);
	for (;;) {
		struct decision *d = &path[depth];
		int pick;

		if (depth >= DEPTH_MAX - 1) {
			fprintf(stderr, "explore: a run of more than %d points\n", DEPTH_MAX);
			exit(2);
		}
		if (depth >= replayed) {
			if (!options(d, last)) {
				if (stuck())
					violation = "a thread waits forever";
				return 0;
			}
			d->next = 0;
			if (!m->reader && d->n_options > 1 &&
			    !visit(m->switches ? mix(state_hash(), (__u64)last + 1) | 1
					       : state_hash(),
				   (__u64)switches))
				return 1;
		}
		pick = d->options[d->next];
		if (last >= 0 && pick < DIE && pick != last && enabled(last))
			switches++;
		d->taken = (unsigned char)pick;
		depth++;
		report->points++;
		if (pick < DIE)
			last = pick;
		known = step(pick);
		if (violation)
			return 0;
		/* A word came into conflict that some earlier access has passed by. */
		if (known || n_conflicts != conflicts_at_start)
			return 1;
	}
}

static void print_schedule(void)
{
	int i, from = 0;

	printf("  violation: %s\n  schedule:", violation);
	for (i = 0; i < depth; i++) {
		if (i + 1 < depth && path[i + 1].taken == path[i].taken)
			continue;
		if (path[i].taken >= DIE)
			printf(" %s dies,", m->thread[path[i].taken - DIE].name);
		else
			printf(" %s x%d,", m->thread[path[i].taken].name, i - from + 1);
		from = i + 1;
	}
	printf(" end\n");
}

static int explore_once(void)
{
	conflicts_at_start = n_conflicts;
	memset(seen, 0, sizeof(*seen) << HASH_LOG2);
	report->states = 0;
	replayed = 0;
	for (;;) {
		int cut = run(), i;

		if (n_conflicts != conflicts_at_start && !violation)
			return -1;
		if (!cut && !violation && m->check && m->check(m->arg) && !violation)
			violation = "the final check failed";
		if (violation) {
			print_schedule();
			return 1;
		}
		for (i = depth - 1; i >= 0; i--)
			if (path[i].next + 1 < path[i].n_options)
				break;
		if (i < 0)
			return 0;
		path[i].next++;
		replayed = i + 1;
	}
}

int model_explore(struct model *model, struct model_report *r)
{
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	int i, rc;

	m = model;
	report = r;
	memset(r, 0, sizeof(*r));
	memset(words, 0, sizeof(words));
	memset(word_slot, 0, sizeof(word_slot));
	n_words = n_conflicts = 0;
	current = -1;
	seen = calloc(1ULL << HASH_LOG2, sizeof(*seen));
	for (i = 0; i < m->n_mem; i++) {
		snapshot[i] = malloc(m->size[i]);
		memcpy(snapshot[i], m->mem[i], m->size[i]);
	}
	for (i = 0; i < m->n_threads; i++)
		co[i].stack = malloc(STACK);
	n_dirty = 0;
	sigaction(SIGSEGV, &fault, NULL);
	protect(PROT_READ);
	do
		rc = explore_once();
	while (rc < 0);
	protect(PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	r->violation = violation;
	for (i = 0, r->words = 0; i < n_words; i++)
		r->words += (unsigned long)in_conflict(&words[i]);
	for (i = 0; i < m->n_mem; i++) {
		memcpy(m->mem[i], snapshot[i], m->size[i]);
		free(snapshot[i]);
	}
	for (i = 0; i < m->n_threads; i++)
		free(co[i].stack);
	free(seen);
	return rc;
}
