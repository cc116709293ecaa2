// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cxltab/atomic.h>
#include <cxltab/slice.h>

#include "nicsim.h"
#include "statfile.h"

static const char help[] =
	"Usage: nicsim stats [--slice NAME] [--interval S] [--watch] [--json]\n"
	"What a running nicsim counts: packets and rates per port and path, MAT, punts by "
	"reason.\n\n"
	"  --slice NAME   whose nicsim (default: the only one there is)\n"
	"  --interval S   seconds that rates are measured over (default 0.5; 0: no rates)\n"
	"  --watch        again and again, until interrupted\n"
	"  --json         one object; a line each with --watch\n";

/* Two looks at the same counters, `seconds` apart. */
struct sample {
	struct cxlt_nic_stats now, before;
	double seconds; /* 0: only one look */
	int alive;
};

static void look(const struct cxlt_statfile *f, struct cxlt_nic_stats *out)
{
	const __u64 *from = (const __u64 *)f->stats;
	__u64 *to = (__u64 *)out;
	size_t i;

	for (i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = cxlt_load(&from[i]);
	if (out->n_ports > CXLT_PORTS_MAX)
		out->n_ports = CXLT_PORTS_MAX;
}

static double clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double rate(const struct sample *s, __u64 now, __u64 before)
{
	return s->seconds > 0 ? (now - before) / s->seconds : 0;
}

static double hit_rate(const struct cxlt_nic_stats *st)
{
	return st->mat_lookups ? (double)st->mat_hits / st->mat_lookups : 0;
}

static __u64 punts(const struct cxlt_port_stats *p)
{
	__u64 n = 0;
	int i;

	for (i = 0; i < CXLT_N_REASONS; i++)
		if (cxlt_reason_is_punt(i))
			n += p->reasons[i];
	return n;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void json_reasons(const struct cxlt_port_stats *p, const char *name, int want_punts)
{
	const char *comma = "";
	int i;

	printf("\"%s\": {", name);
	for (i = 0; i < CXLT_N_REASONS; i++) {
		if (!p->reasons[i] || cxlt_reason_is_punt(i) != want_punts)
			continue;
		printf("%s\"%s\": %llu", comma, cxlt_reason_name[i],
		       (unsigned long long)p->reasons[i]);
		comma = ", ";
	}
	printf("}");
}

static void json_path(const struct sample *s, const struct cxlt_port_stats *p,
		      const struct cxlt_port_stats *q)
{
	printf("\"rx_packets\": %llu, \"rx_bytes\": %llu, \"tx_packets\": %llu, "
	       "\"tx_bytes\": %llu, \"tx_errors\": %llu, \"rx_pps\": %.1f, \"tx_pps\": %.1f",
	       (unsigned long long)p->rx_packets, (unsigned long long)p->rx_bytes,
	       (unsigned long long)p->tx_packets, (unsigned long long)p->tx_bytes,
	       (unsigned long long)p->tx_errors, rate(s, p->rx_packets, q->rx_packets),
	       rate(s, p->tx_packets, q->tx_packets));
}

static void print_json(const struct sample *s, const char *slice)
{
	const struct cxlt_nic_stats *st = &s->now;
	__u32 i;

	printf("{\"slice\": \"%s\", \"running\": %s, \"pid\": %llu, \"uptime\": %.3f, "
	       "\"interval\": %.3f, \"out_of_domain\": %llu, ",
	       slice, s->alive ? "true" : "false", (unsigned long long)st->pid,
	       (st->updated - st->started) / 1e9, s->seconds,
	       (unsigned long long)st->out_of_domain);
	printf("\"mat\": {\"entries\": %llu, \"ways\": %llu, \"lookups\": %llu, \"hits\": %llu, "
	       "\"fills\": %llu, \"stale\": %llu, \"evictions\": %llu, \"hit_rate\": %.5f}, "
	       "\"tables\": [",
	       (unsigned long long)st->mat_entries, (unsigned long long)st->mat_ways,
	       (unsigned long long)st->mat_lookups, (unsigned long long)st->mat_hits,
	       (unsigned long long)st->mat_fills, (unsigned long long)st->mat_stale,
	       (unsigned long long)st->mat_evictions, hit_rate(st));
	for (i = 0; i < CXLT_STATS_TABLES; i++)
		if (st->table[i].lookups)
			printf("%s{\"table\": %u, \"lookups\": %llu, \"matches\": %llu}",
			       i ? ", " : "", i, (unsigned long long)st->table[i].lookups,
			       (unsigned long long)st->table[i].matches);
	printf("], \"ports\": [");
	for (i = 0; i < st->n_ports; i++) {
		printf("%s{\"port\": %llu, \"net\": {", i ? ", " : "",
		       (unsigned long long)st->port[i].port);
		json_path(s, &st->port[i].net, &s->before.port[i].net);
		printf(", \"mat_hits\": %llu, \"punts\": %llu, ",
		       (unsigned long long)st->port[i].net.mat_hits,
		       (unsigned long long)punts(&st->port[i].net));
		json_reasons(&st->port[i].net, "reasons", 0);
		printf(", ");
		json_reasons(&st->port[i].net, "punt_reasons", 1);
		printf("}, \"rep\": {");
		json_path(s, &st->port[i].rep, &s->before.port[i].rep);
		printf("}}");
	}
	puts("]}");
	fflush(stdout);
}

/* ---- Text ----------------------------------------------------------------------------------- */

static void text_reasons(const struct cxlt_port_stats *p, const char *label, int want_punts)
{
	int i, any = 0;

	for (i = 0; i < CXLT_N_REASONS; i++) {
		if (!p->reasons[i] || cxlt_reason_is_punt(i) != want_punts)
			continue;
		printf("%s %s=%llu", any ? "" : label, cxlt_reason_name[i],
		       (unsigned long long)p->reasons[i]);
		any = 1;
	}
	if (any)
		printf("\n");
}

static void text_path(const struct sample *s, const char *name, const struct cxlt_port_stats *p,
		      const struct cxlt_port_stats *q)
{
	printf("  %s rx %12llu (%.0f/s)  tx %12llu (%.0f/s)", name,
	       (unsigned long long)p->rx_packets, rate(s, p->rx_packets, q->rx_packets),
	       (unsigned long long)p->tx_packets, rate(s, p->tx_packets, q->tx_packets));
	if (p->tx_errors)
		printf("  errors %llu", (unsigned long long)p->tx_errors);
	printf("\n");
}

static void print_text(const struct sample *s, const char *slice)
{
	const struct cxlt_nic_stats *st = &s->now;
	__u32 i;

	printf("slice %s: nicsim %llu %s, up %.1f s\n", slice, (unsigned long long)st->pid,
	       s->alive ? "runs" : "is dead", (st->updated - st->started) / 1e9);
	printf("MAT %llu entries, %llu ways: %.1f%% of %llu lookups hit; fills %llu, stale %llu, "
	       "evictions %llu\n",
	       (unsigned long long)st->mat_entries, (unsigned long long)st->mat_ways,
	       100 * hit_rate(st), (unsigned long long)st->mat_lookups,
	       (unsigned long long)st->mat_fills, (unsigned long long)st->mat_stale,
	       (unsigned long long)st->mat_evictions);
	for (i = 0; i < st->n_ports; i++) {
		const struct cxlt_port_stats *net = &st->port[i].net, *rep = &st->port[i].rep;

		printf("port %llu\n", (unsigned long long)st->port[i].port);
		text_path(s, "net ", net, &s->before.port[i].net);
		text_path(s, "host", rep, &s->before.port[i].rep);
		text_reasons(net, "  ended here:", 0);
		text_reasons(net, "  punted:", 1);
	}
	fflush(stdout);
}

/* ---- The command ---------------------------------------------------------------------------- */

/* The only *.nicsim there is. */
static int only_one(char *name, size_t room)
{
	glob_t g;
	int rc = 0;
	size_t n;

	if (glob(CXLT_RUN_DIR "/*.nicsim", 0, NULL, &g) || g.gl_pathc != 1)
		rc = nicsim_fail(g.gl_pathc > 1 ? "several nicsim run: which --slice?"
						: "no nicsim runs");
	if (!rc) {
		snprintf(name, room, "%s", strrchr(g.gl_pathv[0], '/') + 1);
		n = strlen(name);
		name[n - strlen(".nicsim")] = 0;
	}
	globfree(&g);
	return rc;
}

static int show(const char *slice, double interval, int json, int watch)
{
	static struct sample s;
	struct cxlt_statfile f;
	char err[256];
	double t0, t1;

	if (cxlt_statfile_open(&f, slice, err, sizeof(err)))
		return nicsim_fail("%s", err);
	look(&f, &s.now);
	t0 = clock_now();
	do {
		if (interval > 0) {
			s.before = s.now;
			usleep(interval * 1e6);
			look(&f, &s.now);
			t1 = clock_now();
			s.seconds = t1 - t0;
			t0 = t1;
		}
		s.alive = cxlt_statfile_alive(&f);
		(json ? print_json : print_text)(&s, slice);
	} while (watch && s.alive && !ferror(stdout));
	cxlt_statfile_close(&f);
	return 0;
}

int nicsim_cmd_stats(int argc, char **argv)
{
	static const struct option options[] = {
		{"slice", 1, NULL, 's'}, {"interval", 1, NULL, 'i'}, {"watch", 0, NULL, 'w'},
		{"json", 0, NULL, 'j'},	 {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0},
	};
	int o, json = 0, watch = 0;
	double interval = 0.5;
	char name[64] = "", *end;

	while ((o = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (o) {
		case 's': snprintf(name, sizeof(name), "%s", optarg); break;
		case 'i':
			interval = strtod(optarg, &end);
			if (end == optarg || *end || !(interval >= 0 && interval <= 3600))
				return nicsim_usage("stats: --interval is seconds, not '%s'",
						    optarg);
			break;
		case 'w': watch = 1; break;
		case 'j': json = 1; break;
		case 'h': fputs(help, stdout); return 0;
		default: return nicsim_usage("see nicsim stats --help");
		}
	}
	if (optind < argc)
		return nicsim_usage("stats: what is '%s'?", argv[optind]);
	if (watch && interval <= 0)
		interval = 1;
	if (!*name && only_one(name, sizeof(name)))
		return NICSIM_FAILED;
	return show(name, interval, json, watch);
}
