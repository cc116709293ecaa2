// SPDX-License-Identifier: Apache-2.0
/*
 * What the classifier's objects name, and one thread that inserts and looks up never needs: logs,
 * coverage counters, waiting for other threads, entropy.  Instead of twenty more of Open vSwitch's
 * sources.  No lookup gets here.
 */
#include <config.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "coverage.h"
#include "entropy.h"
#include "fatal-signal.h"
#include "latch.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"

static __attribute__((noreturn)) void unexpected(const char *what)
{
	fprintf(stderr, "bench_classifier: Open vSwitch called %s\n", what);
	abort();
}

void coverage_counter_register(struct coverage_counter *counter)
{
}

void vlog_insert_module(struct ovs_list *module)
{
}

void vlog(const struct vlog_module *module, enum vlog_level level, const char *format, ...)
{
}

void vlog_rate_limit(const struct vlog_module *module, enum vlog_level level,
		     struct vlog_rate_limit *limit, const char *format, ...)
{
}

void vlog_abort(const struct vlog_module *module, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	unexpected("vlog_abort");
}

void fatal_signal_add_hook(void (*hook)(void *), void (*cancel)(void *), void *aux, bool at_exit)
{
}

/* ovs-rcu.c tells other threads that it went on; there are none. */
struct seq *seq_create(void)
{
	static char one;

	return (struct seq *)&one;
}

void seq_change(struct seq *seq)
{
}

uint64_t seq_read(const struct seq *seq)
{
	return 1;
}

/* Where other threads are waited for. */
void seq_destroy(struct seq *seq)
{
	unexpected("seq_destroy");
}

void seq_wait_at(const struct seq *seq, uint64_t value, const char *where)
{
	unexpected("seq_wait_at");
}

void latch_init(struct latch *latch)
{
	unexpected("latch_init");
}

bool latch_is_set(const struct latch *latch)
{
	unexpected("latch_is_set");
}

void latch_wait_at(const struct latch *latch, const char *where)
{
	unexpected("latch_wait_at");
}

void poll_timer_wait_until_at(long long int msec, const char *where)
{
	unexpected("poll_timer_wait_until_at");
}

void poll_block(void)
{
	unexpected("poll_block");
}

long long int time_msec(void)
{
	unexpected("time_msec");
}

/* For a seed; ovs_open() has set one. */
void xgettimeofday(struct timeval *tv)
{
	unexpected("xgettimeofday");
}

void get_entropy_or_die(void *buffer, size_t n)
{
	unexpected("get_entropy_or_die");
}

/* For prefix tries, which lookups without wildcards don't use. */
bool mf_are_prereqs_ok(const struct mf_field *field, const struct flow *flow,
		       struct flow_wildcards *wc)
{
	unexpected("mf_are_prereqs_ok");
}
