// SPDX-License-Identifier: Apache-2.0
/* slice show, slice list, slice check. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cxltab/profile.h>
#include <cxltab/reclaim.h>
#include <cxltab/writer.h>

#include "cxltab.h"
#include "json.h"

static const char *const kind_name[CXLT_N_KINDS] = {
	[CXLT_KIND_FREE] = "free",	 [CXLT_KIND_RULE] = "rules",
	[CXLT_KIND_EXACT] = "flows",	 [CXLT_KIND_COUNTERS] = "counters",
	[CXLT_KIND_TUPLE] = "tuples",	 [CXLT_KIND_LIST] = "tuple lists",
	[CXLT_KIND_BUCKETS] = "buckets", [CXLT_KIND_CHG] = "change words",
	[CXLT_KIND_STOCK] = "stocks",	 [CXLT_KIND_NEAR] = "flow pages",
	[CXLT_KIND_FILTER] = "filters",
};

static double mib(__u64 lines)
{
	return lines * (double)CXLT_LINE / (1 << 20);
}

/* ---- show ---- */

struct slice_facts {
	struct cxlt_usage usage;
	struct cxlt_rule_places places; /* slice show alone */
	__u64 rules, tuples, version, floor, handoffs, owner, pid;
	__u32 tables;
	char comm[17];
};

static void gather_facts(const struct cxlt_slice *slice, struct slice_facts *f)
{
	const struct cxlt_directory *d = cxlt_slice_directory(slice);
	const struct cxlt_control __arena *control;
	const struct cxlt_intent __arena *intent;
	struct cxlt_view view;
	__u64 comm[2];
	__u32 i;

	memset(f, 0, sizeof(*f));
	cxlt_slice_usage(slice, &f->usage);
	cxlt_slice_view(slice, 0, &view);
	for (i = 0; i < d->n_tables; i++) {
		__u64 rules = cxlt_table_rules(slice, i);

		f->rules += rules;
		f->tables += rules != 0;
		f->tuples += cxlt_table_tuples(slice, i);
	}
	control = cxlt_line(&view, d->control, 4);
	if (!control)
		return;
	f->version = cxlt_load(&control->version);
	f->floor = cxlt_load(&control->floor);
	f->handoffs = cxlt_load(&control->handoffs);
	f->owner = cxlt_load(&control->owner);
	intent = f->owner < d->n_intents ? cxlt_line(&view, d->intents + f->owner, 1) : NULL;
	if (!f->owner || !intent)
		return;
	f->pid = cxlt_load(&intent->pid);
	comm[0] = cxlt_load(&intent->comm[0]);
	comm[1] = cxlt_load(&intent->comm[1]);
	memcpy(f->comm, comm, sizeof(comm));
	/* The slice's owner may have written anything. */
	for (i = 0; f->comm[i]; i++)
		if (!isprint((unsigned char)f->comm[i]))
			f->comm[i] = '?';
}

static void show_profile_part(const char *what, __u64 have, __u64 all, const char *const *names)
{
	__u64 missing = all & ~have;

	if (!missing)
		return;
	printf("  device can't    %s", what);
	for (; missing; missing &= missing - 1)
		printf(" %s", names[__builtin_ctzll(missing)]);
	printf("\n");
}

static void field_names(const char **names)
{
	__u32 i;

	for (i = 0; i < CXLT_N_FIELDS; i++)
		names[i] = cxlt_field_info[i].name;
}

/* Lines in one domain; kind CXLT_N_KINDS is the sum of all. */
struct occupancy {
	__u64 lines, used;
};

static struct occupancy occupancy_of(const struct cxlt_usage *u, __u32 kind, bool host)
{
	struct occupancy o = {0};
	__u32 k;

	for (k = 0; k < CXLT_N_KINDS; k++) {
		if (kind != k && kind != CXLT_N_KINDS)
			continue;
		o.lines += host ? u->host_lines[k] : u->lines[k] - u->host_lines[k];
		o.used += host ? u->host_used_of[k] : u->used[k] - u->host_used_of[k];
	}
	return o;
}

static void show_columns(const struct cxlt_usage *u, __u32 kind, bool divided)
{
	bool host;

	for (host = false;; host = true) {
		struct occupancy o = occupancy_of(u, kind, host);

		if (kind)
			printf(" %12llu %12llu %12llu", o.lines, o.used, o.lines - o.used);
		else
			printf(" %12s %12s %12llu", "", "", o.lines);
		if (host || !divided)
			break;
		printf("  ");
	}
	printf("\n");
}

/* Per kind: lines in chunks of that kind, of them in use and free; and chunks of no kind yet. */
static void show_lines(const struct cxlt_usage *u, bool divided)
{
	__u32 k;

	if (divided)
		printf("  %-14s %38s   %38s\n", "", "device domain", "host domain");
	printf("  %-14s %12s %12s %12s", "lines", "reserved", "used", "free");
	if (divided)
		printf("   %12s %12s %12s", "reserved", "used", "free");
	printf("\n");
	for (k = 1; k < CXLT_N_KINDS; k++) {
		printf("  %-14s", kind_name[k]);
		show_columns(u, k, divided);
	}
	printf("  %-14s", kind_name[0]);
	show_columns(u, 0, divided);
	printf("  %-14s", "all");
	show_columns(u, CXLT_N_KINDS, divided);
}

static void show_text(const char *spec, const struct cxlt_slice *slice)
{
	const struct cxlt_header *h = cxlt_slice_header(slice);
	const struct cxlt_directory *d = cxlt_slice_directory(slice);
	struct cxlt_profile all = cxlt_profile_all();
	const char *fields[CXLT_N_FIELDS];
	struct slice_facts f;

	gather_facts(slice, &f);
	cxlt_slice_places(slice, &f.places);
	field_names(fields);
	if (cli_is_arena(spec))
		printf("%s: BPF arena " CXLT_PIN_DIR "/%s/slice\n", spec, spec);
	else
		printf("%s: file\n", spec);
	printf("  format          %u.%u, id %#llx, owner %u\n", h->major, h->minor, h->id,
	       h->owner);
	printf("  size            %u lines (%.1f MiB), device domain %u lines (%.1f MiB)\n",
	       h->n_lines, mib(h->n_lines), h->dev_lines, mib(h->dev_lines));
	printf("  limits          %u tables, %u tuples a table, %u lines a packet, "
	       "%u change words\n",
	       d->n_tables, d->max_tuples, d->work_budget, 1U << d->chg_log2);
	printf("  rules           %llu in %u tables, %llu tuples\n", f.rules, f.tables, f.tuples);
	if (h->dev_lines < h->n_lines)
		printf("  placement       %llu rules in the device domain, %llu spilled to the "
		       "host "
		       "domain; %llu promotions, %llu demotions\n",
		       f.places.device, f.places.spilled, f.places.promotions, f.places.demotions);
	if (f.places.host_match)
		printf("  host only       %llu rules, which the device can't match on\n",
		       f.places.host_match);
	printf("  version         %llu, floor %llu\n", f.version, f.floor);
	if (f.owner)
		printf("  write lock      writer %llu (%s, process %llu)", f.owner, f.comm, f.pid);
	else
		printf("  write lock      free");
	printf(", taken from the dead %llu times\n", f.handoffs);
	show_profile_part("match", d->profile.fields, all.fields, fields);
	show_profile_part("rewrite", d->profile.sets, all.sets, fields);
	show_profile_part("execute", d->profile.ops, all.ops, cxlt_op_name);
	printf("\n");
	show_lines(&f.usage, h->dev_lines < h->n_lines);
}

static void json_names(struct json *j, const char *key, __u64 set, const char *const *names,
		       __u32 n)
{
	json_array(j, key);
	for (set &= CXLT_BITMASK(n); set; set &= set - 1)
		json_string(j, NULL, names[__builtin_ctzll(set)]);
	json_end(j);
}

static void json_occupancy(struct json *j, const struct cxlt_usage *u, __u32 kind)
{
	int host;

	for (host = 0; host < 2; host++) {
		struct occupancy o = occupancy_of(u, kind, host);

		json_object(j, host ? "host" : "device");
		json_u64(j, "lines", o.lines);
		json_u64(j, "used", o.used);
		json_u64(j, "free", o.lines - o.used);
		json_end(j);
	}
}

static void show_json(const char *spec, const struct cxlt_slice *slice)
{
	const struct cxlt_header *h = cxlt_slice_header(slice);
	const struct cxlt_directory *d = cxlt_slice_directory(slice);
	const char *fields[CXLT_N_FIELDS];
	struct slice_facts f;
	struct json j;
	__u32 k;

	gather_facts(slice, &f);
	cxlt_slice_places(slice, &f.places);
	field_names(fields);
	json_start(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "slice", spec);
	json_string(&j, "backend", cli_is_arena(spec) ? "arena" : "file");
	json_u64(&j, "major", h->major);
	json_u64(&j, "minor", h->minor);
	json_u64(&j, "id", h->id);
	json_u64(&j, "owner", h->owner);
	json_u64(&j, "lines", h->n_lines);
	json_u64(&j, "device_lines", h->dev_lines);
	json_u64(&j, "tables", d->n_tables);
	json_u64(&j, "max_tuples", d->max_tuples);
	json_u64(&j, "work_budget", d->work_budget);
	json_u64(&j, "change_words", 1U << d->chg_log2);
	json_u64(&j, "rules", f.rules);
	json_u64(&j, "tuples", f.tuples);
	json_u64(&j, "version", f.version);
	json_u64(&j, "floor", f.floor);
	json_u64(&j, "lock_writer", f.owner);
	json_u64(&j, "lock_handoffs", f.handoffs);
	json_object(&j, "device_profile");
	json_names(&j, "match", d->profile.fields, fields, CXLT_N_FIELDS);
	json_names(&j, "set", d->profile.sets, fields, CXLT_N_FIELDS);
	json_names(&j, "actions", d->profile.ops, cxlt_op_name, CXLT_N_OPS);
	json_end(&j);
	json_object(&j, "usage");
	for (k = 0; k < CXLT_N_KINDS; k++) {
		json_object(&j, kind_name[k]);
		json_u64(&j, "lines", f.usage.lines[k]);
		json_u64(&j, "used", f.usage.used[k]);
		json_occupancy(&j, &f.usage, k);
		json_end(&j);
	}
	json_end(&j);
	json_object(&j, "occupancy");
	json_occupancy(&j, &f.usage, CXLT_N_KINDS);
	json_end(&j);
	json_object(&j, "placement");
	json_u64(&j, "device", f.places.device);
	json_u64(&j, "spilled", f.places.spilled);
	json_u64(&j, "host_match", f.places.host_match);
	json_u64(&j, "promotions", f.places.promotions);
	json_u64(&j, "demotions", f.places.demotions);
	json_end(&j);
	json_u64(&j, "host_used", f.usage.host_used);
	json_end(&j);
}

int cmd_slice_show(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice show",
		"SLICE",
		1,
		1,
		options,
		"Prints header, limits, and how many of its 64-byte lines are used for what.\n",
	};
	struct cxlt_slice *slice;
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	slice = cli_slice(argv[1], CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	if (print_json)
		show_json(argv[1], slice);
	else
		show_text(argv[1], slice);
	cxlt_slice_close(slice);
	return CLI_OK;
}

/* ---- list ---- */

/* A line, or an object, for one pinned slice; one that can't be attached says why. */
static void list_one(const char *name, struct json *j)
{
	struct cxlt_slice *slice;
	struct slice_facts f;

	if (cxlt_slice_attach(name, CXLT_ATTACH_READ, &slice)) {
		if (j) {
			json_object(j, NULL);
			json_string(j, "slice", name);
			json_string(j, "error", cxlt_error_text());
			json_end(j);
		} else {
			printf("%-20s %s\n", name, cxlt_error_text());
		}
		return;
	}
	gather_facts(slice, &f);
	if (j) {
		json_object(j, NULL);
		json_string(j, "slice", name);
		json_u64(j, "id", cxlt_slice_header(slice)->id);
		json_u64(j, "owner", cxlt_slice_header(slice)->owner);
		json_u64(j, "lines", cxlt_slice_header(slice)->n_lines);
		json_u64(j, "rules", f.rules);
		json_end(j);
	} else {
		printf("%-20s %9.1f MiB %8u %12llu\n", name, mib(cxlt_slice_header(slice)->n_lines),
		       cxlt_slice_header(slice)->owner, f.rules);
	}
	cxlt_slice_close(slice);
}

static int is_pinned_slice(const struct dirent *entry)
{
	char path[512];
	struct stat st;

	if (entry->d_name[0] == '.')
		return 0;
	snprintf(path, sizeof(path), CXLT_PIN_DIR "/%s/slice", entry->d_name);
	return !stat(path, &st);
}

int cmd_slice_list(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice list",
		"",
		0,
		0,
		options,
		"Lists the slices under " CXLT_PIN_DIR ".  Slices in files are not known here.\n",
	};
	struct dirent **entries = NULL;
	struct json j;
	int i, n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	n = scandir(CXLT_PIN_DIR, &entries, is_pinned_slice, alphasort);
	if (n < 0 && errno != ENOENT)
		return cli_fail_errno(errno, CXLT_PIN_DIR);
	json_start(&j, stdout);
	if (print_json)
		json_array(&j, NULL);
	else if (n > 0)
		printf("%-20s %13s %8s %12s\n", "name", "size", "owner", "rules");
	for (i = 0; i < n; i++) {
		list_one(entries[i]->d_name, print_json ? &j : NULL);
		free(entries[i]);
	}
	free(entries);
	if (print_json)
		json_end(&j);
	return CLI_OK;
}

/* ---- check ---- */

static void report_text(void *arg, const char *text)
{
	printf("%s\n", text);
}

static void report_json(void *arg, const char *text)
{
	json_string(arg, NULL, text);
}

/* Under the lock, so that what is found is there; how many problems are left, or -1. */
static int check_and_repair(const char *spec, struct cxlt_slice *slice, cxlt_report_fn *report,
			    void *arg, int *found)
{
	struct cxlt_writer *writer;
	int left = -1;

	if (cxlt_writer_open(slice, &writer)) {
		cli_fail_slice(spec, cxlt_error_text());
		return -1;
	}
	if (!cxlt_writer_lock(writer)) {
		*found = left = cxlt_slice_check(slice, report, arg);
		if (*found)
			left = cxlt_slice_repair(writer) ? -1 : cxlt_slice_check(slice, NULL, NULL);
	}
	if (left < 0)
		cli_fail_slice(spec, cxlt_error_text());
	cxlt_writer_close(writer);
	return left;
}

int cmd_slice_check(int argc, char **argv)
{
	bool print_json = false, repair = false;
	const struct cli_option options[] = {
		{"--repair", NULL, CLI_FLAG, &repair, "mend what can be mended", NULL},
		{"--json", NULL, CLI_FLAG, &print_json, "as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice check",
		"SLICE",
		1,
		1,
		options,
		"Walks the whole slice and prints one line for each inconsistency; the exit "
		"status\n"
		"is 1 if there is any.  It changes nothing, and is exact while no writer works.\n"
		"With --repair writers wait, and what follows from the rest of the slice is "
		"computed\n"
		"anew; the exit status is 1 if something is left.  Packets go on meanwhile.\n",
	};
	struct cxlt_slice *slice;
	struct slice_facts f;
	struct json j;
	int found = 0, left, n = cli_parse(&syntax, argc, argv);
	cxlt_report_fn *report;

	if (n < 0)
		return ~n;
	slice = cli_slice(argv[1], repair ? CXLT_ATTACH_WRITE : CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	json_start(&j, stdout);
	if (print_json) {
		json_object(&j, NULL);
		json_string(&j, "slice", argv[1]);
		json_array(&j, "problems");
	}
	report = print_json ? report_json : report_text;
	if (repair)
		left = check_and_repair(argv[1], slice, report, &j, &found);
	else
		found = left = cxlt_slice_check(slice, report, &j);
	if (print_json) {
		json_end(&j);
		if (repair)
			json_u64(&j, "repaired", left < 0 ? 0 : (__u64)(found - left));
		json_bool(&j, "ok", !left);
		json_end(&j);
	} else if (repair && found && left >= 0) {
		cli_note("%s: %d of %d problems repaired", argv[1], found - left, found);
	}
	gather_facts(slice, &f);
	if (found && !repair && f.owner)
		cli_note("%s: writer %llu (%s, process %llu) is at work or died; check again later",
			 argv[1], f.owner, f.comm, f.pid);
	cxlt_slice_close(slice);
	return left ? CLI_FAILED : CLI_OK;
}
