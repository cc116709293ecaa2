// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cost.h"
#include "nicsim.h"
#include "scenario.h"
#include "statfile.h"

static const char help[] =
	"Usage: nicsim bench [OPTION...]\n"
	"The fast path on generated or recorded packets, without devices or privilege.\n"
	"Without options: 100 rules in 8 masks and 100,000 exact flows, 64-byte packets,\n"
	"uniform and Zipf(1.0), a MAT of 4096 entries.\n\n"
	"  --flows N           exact flows, and connections of the traffic (default 100000)\n"
	"  --rules N           wildcard rules (100)\n"
	"  --masks N           masks that they spread over, 1 to 8 (8)\n"
	"  --order ORDER       flows-first: flows have higher priorities than rules (default);\n"
	"                      rules-first: every lookup probes all masks\n"
	"  --traffic KIND      uniform or zipf (default: both, one after the other)\n"
	"  --zipf S            exponent (1.0)\n"
	"  --size BYTES        of a frame (64)\n"
	"  --seconds S         to measure (2)\n"
	"  --packets N         instead of seconds\n"
	"  --pcap FILE         packets of a recording; they come by port --in-port (1)\n"
	"  --slice NAME|PATH   rules of an existing slice (its device counters move)\n"
	"  --mat N,WAYS,POLICY the MAT: 0 for none; lru, clock, lfu, random or pinned-first\n"
	"  --profile FILE      what the hardware can do\n"
	"  --cost FILE|builtin also a simulated cost over a coherent link\n"
	"  --small-pages       don't map the generated slice in huge pages\n"
	"  --cpu N, --seed N, --json\n";

struct options {
	struct cxlt_scenario scenario;
	const char *slice, *pcap, *profile, *cost, *kind;
	double zipf, seconds;
	__u64 packets;
	__u32 size, in_port;
	int have_mat, json, cpu, small_pages;
	const char *of_rules, *of_traffic; /* options that say how these are generated */
	struct cxlt_mat_config mat;
	struct cxlt_cost model; /* what `cost` names */
};

static int number(const char *name, const char *text, double low, double high, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out >= low && *out <= high))
		return nicsim_usage("bench: --%s is a number from %.16g to %.16g, not '%s'", name,
				    low, high, text);
	return 0;
}

static int choice(const char *name, const char *text, const char *a, const char *b)
{
	if (!strcmp(text, a) || !strcmp(text, b))
		return 0;
	return nicsim_usage("bench: --%s is %s or %s, not '%s'", name, a, b, text);
}

enum {
	O_FLOWS = 256,
	O_RULES,
	O_MASKS,
	O_ORDER,
	O_TRAFFIC,
	O_ZIPF,
	O_SIZE,
	O_SECONDS,
	O_PACKETS,
	O_PCAP,
	O_IN_PORT,
	O_SLICE,
	O_MAT,
	O_PROFILE,
	O_COST,
	O_CPU,
	O_SEED,
	O_JSON,
	O_SMALL,
};

static const struct option long_options[] = {
	{"flows", 1, NULL, O_FLOWS},
	{"rules", 1, NULL, O_RULES},
	{"masks", 1, NULL, O_MASKS},
	{"order", 1, NULL, O_ORDER},
	{"traffic", 1, NULL, O_TRAFFIC},
	{"zipf", 1, NULL, O_ZIPF},
	{"size", 1, NULL, O_SIZE},
	{"seconds", 1, NULL, O_SECONDS},
	{"packets", 1, NULL, O_PACKETS},
	{"pcap", 1, NULL, O_PCAP},
	{"in-port", 1, NULL, O_IN_PORT},
	{"slice", 1, NULL, O_SLICE},
	{"mat", 1, NULL, O_MAT},
	{"profile", 1, NULL, O_PROFILE},
	{"cost", 1, NULL, O_COST},
	{"cpu", 1, NULL, O_CPU},
	{"seed", 1, NULL, O_SEED},
	{"json", 0, NULL, O_JSON},
	{"small-pages", 0, NULL, O_SMALL},
	{"help", 0, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* What has no meaning beside rules of a slice, or packets of a recording, isn't passed over. */
static void note_generated(struct options *o, int opt)
{
	const struct option *l;

	for (l = long_options; l->name; l++) {
		if (l->val != opt)
			continue;
		if (opt == O_RULES || opt == O_MASKS || opt == O_ORDER)
			o->of_rules = l->name;
		if (opt == O_TRAFFIC || opt == O_ZIPF || opt == O_SIZE)
			o->of_traffic = l->name;
	}
}

static int check(const struct options *o)
{
	if (o->slice && o->of_rules)
		return nicsim_usage("bench: --%s is of generated rules, --slice has its own",
				    o->of_rules);
	if (o->pcap && o->of_traffic)
		return nicsim_usage("bench: --%s is of generated packets, --pcap has its own",
				    o->of_traffic);
	return 0;
}

static int text_option(struct options *o, int opt, const char *arg)
{
	char err[128];

	switch (opt) {
	case O_ORDER:
		o->scenario.flows_first = strcmp(arg, "rules-first") != 0;
		return choice("order", arg, "flows-first", "rules-first");
	case O_TRAFFIC: o->kind = arg; return choice("traffic", arg, "uniform", "zipf");
	case O_PCAP: o->pcap = arg; return 0;
	case O_SLICE: o->slice = arg; return 0;
	case O_PROFILE: o->profile = arg; return 0;
	case O_COST: o->cost = arg; return 0;
	case O_JSON: o->json = 1; return 0;
	case O_SMALL: o->small_pages = 1; return 0;
	case O_MAT:
		o->have_mat = 1;
		if (cxlt_mat_config_parse(arg, &o->mat, err, sizeof(err)))
			return nicsim_usage("bench: --mat: %s", err);
		return 0;
	}
	return nicsim_usage("see nicsim bench --help");
}

static int option(struct options *o, int opt, const char *arg)
{
	double v = 0;
	int rc;

	switch (opt) {
	case O_FLOWS:
		rc = number("flows", arg, 1, 4e6, &v);
		o->scenario.flows = v;
		return rc;
	case O_RULES:
		rc = number("rules", arg, 0, 2000, &v);
		o->scenario.rules = v;
		return rc;
	case O_MASKS:
		rc = number("masks", arg, 1, CXLT_SCENARIO_MASKS, &v);
		o->scenario.masks = v;
		return rc;
	case O_ZIPF: return number("zipf", arg, 0, 10, &o->zipf);
	case O_SIZE:
		rc = number("size", arg, CXLT_FRAME_MIN, 9000, &v);
		o->size = v;
		return rc;
	case O_SECONDS: return number("seconds", arg, 0.001, 3600, &o->seconds);
	case O_PACKETS:
		rc = number("packets", arg, 1, 1e12, &v);
		o->packets = v;
		o->seconds = 0;
		return rc;
	case O_IN_PORT:
		rc = number("in-port", arg, 1, 64, &v);
		o->in_port = v;
		return rc;
	case O_CPU:
		rc = number("cpu", arg, 0, 1023, &v);
		o->cpu = v;
		return rc;
	case O_SEED:
		rc = number("seed", arg, 0, 9e15, &v);
		o->scenario.seed = v;
		return rc;
	}
	return text_option(o, opt, arg);
}

/* ---- Printing ------------------------------------------------------------------------------- */

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static void print_text(const char *traffic, const struct cxlt_bench_result *r)
{
	int i;

	printf("%-8s %7.2f Mpps (%.2f of CPU time)  %6.1f ns/packet  MAT hits %5.1f%%  %.2f "
	       "lines/lookup  "
	       "%llu packets in %.2f s",
	       traffic, r->mpps, r->cpu_mpps, r->ns_per_packet,
	       100 * ratio(r->mat_hits, r->mat_lookups), ratio(r->lines, r->lookups),
	       (unsigned long long)r->packets, r->seconds);
	for (i = 0; i < CXLT_N_REASONS; i++)
		if (r->reasons[i])
			printf("  %s %.1f%%", cxlt_reason_name[i],
			       100 * ratio(r->reasons[i], r->packets));
	printf("\n");
}

/* A number, or null for what wasn't generated. */
static void print_generated(const char *name, int generated, __u32 value)
{
	printf(generated ? "\"%s\": %u, " : "\"%s\": null, ", name, value);
}

static void print_json(const struct options *o, const char *traffic, double mib,
		       const struct cxlt_mat_config *mat, const struct cxlt_bench_result *r)
{
	const char *comma = "";
	int i;

	printf("{\"traffic\": \"%s\", \"order\": %s, ", traffic,
	       o->slice			 ? "null"
	       : o->scenario.flows_first ? "\"flows-first\""
					 : "\"rules-first\"");
	print_generated("rules", !o->slice, o->scenario.rules);
	print_generated("masks", !o->slice, o->scenario.masks);
	print_generated("flows", !o->slice || !o->pcap, o->scenario.flows);
	print_generated("size", !o->pcap, o->size);
	printf("\"slice_mib\": %.1f, \"huge_mib\": %.1f, ", mib, r->huge_bytes / 1048576.0);
	printf("\"packets\": %llu, \"seconds\": %.4f, \"mpps\": %.4f, \"cpu_mpps\": %.4f, "
	       "\"ns_per_packet\": %.2f, "
	       "\"sent\": %llu, \"punts\": %llu, ",
	       (unsigned long long)r->packets, r->seconds, r->mpps, r->cpu_mpps, r->ns_per_packet,
	       (unsigned long long)r->sent, (unsigned long long)r->punts);
	printf("\"mat\": {\"entries\": %u, \"ways\": %u, \"policy\": \"%s\", \"hit_rate\": %.5f, "
	       "\"lookups\": %llu, \"hits\": %llu, \"fills\": %llu, \"stale\": %llu, "
	       "\"evictions\": %llu}, ",
	       mat->entries, mat->ways, cxlt_mat_policy_name[mat->policy],
	       ratio(r->mat_hits, r->mat_lookups), (unsigned long long)r->mat_lookups,
	       (unsigned long long)r->mat_hits, (unsigned long long)r->mat_fills,
	       (unsigned long long)r->mat_stale, (unsigned long long)r->mat_evictions);
	printf("\"lookups\": %llu, \"lines_per_lookup\": %.3f, \"reasons\": {",
	       (unsigned long long)r->lookups, ratio(r->lines, r->lookups));
	for (i = 0; i < CXLT_N_REASONS; i++) {
		if (!r->reasons[i])
			continue;
		printf("%s\"%s\": %llu", comma, cxlt_reason_name[i],
		       (unsigned long long)r->reasons[i]);
		comma = ", ";
	}
	printf("}");
}

static void print_cost(const struct options *o, const struct cxlt_bench_result *r)
{
	struct cxlt_cost_result s;

	cxlt_cost_apply(&o->model, r->packets, r->lookups, r->lines, &s);
	if (o->json)
		printf(", \"simulated\": {\"hit_ns\": %.1f, \"miss_ns\": %.1f, \"mean_ns\": %.1f, "
		       "\"mpps\": %.2f}",
		       s.hit_ns, s.miss_ns, s.mean_ns, s.mpps);
	else
		printf("         simulated coherent link (%s): hit %.0f ns, miss %.0f ns, mean "
		       "%.0f ns, %.1f Mpps\n",
		       o->cost, s.hit_ns, s.miss_ns, s.mean_ns, s.mpps);
}

/* ---- The command ---------------------------------------------------------------------------- */

static int one(const struct options *o, const struct cxlt_slice *slice,
	       const struct cxlt_mat_config *mat, struct cxlt_traffic *t, const char *kind,
	       const char *before)
{
	double mib = cxlt_slice_header(slice)->n_lines / 16384.0;
	struct cxlt_bench_result r;
	int rc = 0;

	if (!strcmp(kind, "uniform"))
		rc = cxlt_traffic_uniform(t, o->scenario.seed + 1);
	else if (!strcmp(kind, "zipf"))
		rc = cxlt_traffic_zipf(t, o->zipf, o->scenario.seed + 1);
	if (!rc)
		rc = cxlt_bench(slice, mat, t, o->seconds, o->packets, !o->small_pages && !o->slice,
				&r);
	if (rc)
		return nicsim_fail("bench: %s", strerror(-rc));
	fputs(before, stdout);
	if (o->json)
		print_json(o, kind, mib, mat, &r);
	else
		print_text(kind, &r);
	if (o->cost)
		print_cost(o, &r);
	if (o->json)
		printf("}");
	fflush(stdout);
	return 0;
}

static int read_geometry(const struct options *o, struct cxlt_slice_config *sc,
			 struct cxlt_mat_config *mat)
{
	char err[256];

	*mat = cxlt_mat_config_default();
	if (o->profile && cxlt_profile_read(o->profile, &sc->profile, mat, err, sizeof(err)))
		return nicsim_fail("%s", err);
	if (o->have_mat)
		*mat = o->mat;
	return 0;
}

static int get_slice(const struct options *o, const struct cxlt_slice_config *sc,
		     struct cxlt_slice **slice)
{
	char err[256];
	__u64 pid;
	int rc;

	if (o->slice) {
		/* Device counters have one writer: it adds without atomics. */
		if (cxlt_statfile_is_served(o->slice, &pid))
			return nicsim_fail("%s: a nicsim (pid %llu) serves this slice, and counts "
					   "on the lines that bench would move",
					   o->slice, (unsigned long long)pid);
		if (cxlt_slice_attach(o->slice, CXLT_ATTACH_WRITE, slice))
			return nicsim_fail("%s: %s", o->slice, cxlt_error_text());
		if (o->profile &&
		    cxlt_profile_covers(&sc->profile, &cxlt_slice_directory(*slice)->profile, err,
					sizeof(err)))
			return nicsim_fail("%s is less than slice %s was made for: %s", o->profile,
					   o->slice, err);
		return 0;
	}
	if (cxlt_slice_create_memfd("nicsim-bench", sc, slice))
		return nicsim_fail("making a slice: %s", cxlt_error_text());
	rc = cxlt_scenario_install(&o->scenario, *slice);
	return rc ? nicsim_fail("installing rules: %s", cxlt_error_text()) : 0;
}

static int get_traffic(const struct options *o, struct cxlt_traffic *t)
{
	char err[256];

	if (o->pcap) {
		if (cxlt_traffic_pcap(t, o->pcap, o->in_port, err, sizeof(err)))
			return nicsim_fail("%s", err);
		return 0;
	}
	if (cxlt_traffic_make(t, o->scenario.flows, o->size, o->scenario.seed))
		return nicsim_fail("bench: %s", strerror(ENOMEM));
	return 0;
}

static int run(const struct options *o)
{
	struct cxlt_slice_config sc = {.size = cxlt_scenario_size(&o->scenario)};
	struct cxlt_slice *slice = NULL;
	struct cxlt_mat_config mat;
	struct cxlt_traffic t = {0};
	int rc = read_geometry(o, &sc, &mat);

	if (!rc)
		rc = get_slice(o, &sc, &slice);
	if (!rc)
		rc = get_traffic(o, &t);
	if (!rc && (o->pcap || o->kind)) {
		rc = one(o, slice, &mat, &t, o->pcap ? "pcap" : o->kind, o->json ? "[" : "");
	} else if (!rc) {
		rc = one(o, slice, &mat, &t, "uniform", o->json ? "[" : "");
		if (!rc)
			rc = one(o, slice, &mat, &t, "zipf", o->json ? ",\n " : "");
	}
	if (!rc && o->json)
		puts("]");
	cxlt_traffic_free(&t);
	cxlt_slice_close(slice);
	return rc;
}

int nicsim_cmd_bench(int argc, char **argv)
{
	struct options o = {
		.scenario =
			{.rules = 100, .masks = 8, .flows = 100000, .flows_first = 1, .seed = 1},
		.zipf = 1.0,
		.seconds = 2,
		.size = 64,
		.in_port = 1,
		.cpu = -1,
		.mat = cxlt_mat_config_default(),
	};
	cpu_set_t set;
	char err[256];
	int opt, rc = 0;

	while (!rc && (opt = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		note_generated(&o, opt);
		rc = option(&o, opt, optarg);
	}
	if (!rc && optind < argc)
		rc = nicsim_usage("bench: what is '%s'?", argv[optind]);
	if (!rc)
		rc = check(&o);
	if (!rc && o.cost && cxlt_cost_read(o.cost, &o.model, err, sizeof(err)))
		rc = nicsim_fail("%s", err);
	if (!rc && o.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(o.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			rc = nicsim_fail("processor %d: %s", o.cpu, strerror(errno));
	}
	return rc ? rc : run(&o);
}
