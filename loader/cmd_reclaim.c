// SPDX-License-Identifier: Apache-2.0
/* slice rebalance, slice sweep. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <cxltab/reclaim.h>

#include "cxltab.h"
#include "json.h"

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

struct passes {
	const char *spec;
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct cxlt_rebalance_config config;
	__u32 interval; /* seconds, 0: once */
	bool json;
};

static void sleep_ms(__u32 ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

/* One pass and, if it waits for counters, another one or two: a rule's place may need two. */
static int settled_pass(struct passes *p, struct cxlt_rebalance_result *sum)
{
	struct cxlt_rebalance_result r;
	__u32 i;
	int rc;

	for (i = 0; i < 3; i++) {
		rc = cxlt_slice_rebalance(p->writer, &p->config, &r);
		if (i) {
			r.looked += sum->looked;
			r.promoted += sum->promoted;
			r.demoted += sum->demoted;
			r.hot = r.hot > sum->hot ? r.hot : sum->hot;
		}
		*sum = r;
		if (rc || !r.waiting || p->interval || stopped)
			return rc;
		sleep_ms(p->config.settle_ms + 10);
	}
	return 0;
}

static int print_pass(const struct passes *p, const struct cxlt_rebalance_result *r)
{
	struct cxlt_rule_places places;
	struct json j;
	int rc = cxlt_slice_places(p->slice, &places);

	if (rc)
		return rc;
	if (p->json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "slice", p->spec);
		json_u64(&j, "looked", r->looked);
		json_u64(&j, "hot", r->hot);
		json_u64(&j, "promoted", r->promoted);
		json_u64(&j, "demoted", r->demoted);
		json_u64(&j, "waiting", r->waiting);
		json_u64(&j, "cooler", r->cooler);
		json_u64(&j, "rules_device", places.device);
		json_u64(&j, "rules_spilled", places.spilled);
		json_end(&j);
	} else if (r->promoted || r->demoted || !p->interval) {
		printf("%llu promoted, %llu demoted; %llu spilled rules had packets (%llu wait for "
		       "counters, %llu aren't hotter than those in their place); %llu rules in the "
		       "device domain, %llu spilled\n",
		       r->promoted, r->demoted, r->hot, r->waiting, r->cooler, places.device,
		       places.spilled);
	}
	return fflush(stdout) ? -errno : 0;
}

/* A holder that is stopped is no reason to end, if we come again anyway. */
static int run(struct passes *p)
{
	struct cxlt_rebalance_result r;
	int rc;

	do {
		rc = settled_pass(p, &r);
		if (!rc)
			rc = print_pass(p, &r);
		if (rc == -EBUSY && p->interval) {
			cli_note("%s", cxlt_error_text());
			rc = 0;
		}
		if (!rc && p->interval && !stopped)
			sleep_ms(p->interval * 1000);
	} while (!rc && p->interval && !stopped);
	return rc ? cli_fail_slice(p->spec, cxlt_error_text()) : CLI_OK;
}

static int with_writer(struct passes *p, int (*fn)(struct passes *))
{
	int status;

	p->slice = cli_slice(p->spec, CXLT_ATTACH_WRITE);
	if (!p->slice)
		return CLI_FAILED;
	if (cxlt_writer_open(p->slice, &p->writer)) {
		status = cli_fail_slice(p->spec, cxlt_error_text());
	} else {
		status = fn(p);
		cxlt_writer_close(p->writer);
	}
	cxlt_slice_close(p->slice);
	return status;
}

int cmd_slice_rebalance(int argc, char **argv)
{
	struct passes p = {.config = {.max_moves = 1024, .settle_ms = 1000}};
	struct sigaction sa = {.sa_handler = on_signal};
	const struct cli_option options[] = {
		{"--max", "N", CLI_U32, &p.config.max_moves, "rules that a pass moves (1024)",
		 NULL},
		{"--rules", "N", CLI_U32, &p.config.max_rules,
		 "rules that a pass looks at (524288)", NULL},
		{"--interval", "SECONDS", CLI_U32, &p.interval,
		 "go on, a pass every so often, until a signal", NULL},
		{"--settle", "MS", CLI_U32, &p.config.settle_ms,
		 "longer than a packet is under way (1000)", NULL},
		{"--json", NULL, CLI_FLAG, &p.json, "an object a pass", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice rebalance",
		"SLICE",
		1,
		1,
		options,
		"Rules that didn't fit into the device domain are executed by the host.  This\n"
		"moves those that had packets since the last pass to where there is room for\n"
		"them or, if there is none, to the place of rules that had less than half as\n"
		"many a second.  Packets see no difference, nothing that was counted is lost,\n"
		"and other writers go on.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	if (!p.config.max_moves || !p.config.settle_ms || p.config.settle_ms > 60000 ||
	    p.interval > 86400)
		return cli_usage(syntax.command, "--max is at least 1, --settle 1 to 60000, "
						 "--interval at most 86400");
	p.spec = argv[1];
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	return with_writer(&p, run);
}

static int sweep(struct passes *p)
{
	struct cxlt_sweep_result r;
	struct json j;

	if (cxlt_slice_sweep(p->writer, &r))
		return cli_fail_slice(p->spec, cxlt_error_text());
	if (p->json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "slice", p->spec);
		json_u64(&j, "lines", r.lines);
		json_u64(&j, "tuples", r.tuples);
		json_u64(&j, "arrays", r.arrays);
		json_u64(&j, "counters", r.counters);
		json_end(&j);
	} else {
		printf("%llu lines are free again: %llu empty tuples, %llu arrays made smaller, "
		       "%llu counters settled\n",
		       r.lines, r.tuples, r.arrays, r.counters);
	}
	return CLI_OK;
}

int cmd_slice_sweep(int argc, char **argv)
{
	struct passes p = {0};
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &p.json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice sweep",
		"SLICE",
		1,
		1,
		options,
		"Gives back what deletions left: tuples without rules, bucket arrays larger than\n"
		"what is in them needs, counters that moved rules had before.  Writers wait for\n"
		"it, packets don't.  A table's change words stay.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	p.spec = argv[1];
	return with_writer(&p, sweep);
}
